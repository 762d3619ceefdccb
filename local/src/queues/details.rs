//! What a queue has that no law follows: it is kept as given and handed out again.

use crate::sqs::fifo::ATTRIBUTES;
use model::time::{Nanos, SECOND};
use std::collections::BTreeMap;

/// Attributes, tags and instants of a queue.
#[derive(Clone, Debug)]
pub(crate) struct Details {
    /// CreatedTimestamp, from the start of the run.
    pub(crate) created_at: Nanos,
    /// LastModifiedTimestamp.
    pub(crate) modified_at: Nanos,
    /// MaximumMessageSize.
    pub(crate) maximum_message_bytes: u32,
    /// ReceiveMessageWaitTimeSeconds.
    pub(crate) receive_wait: Nanos,
    /// Policy, RedriveAllowPolicy, encryption and what only FIFO queues have, by attribute.
    pub(crate) texts: BTreeMap<&'static str, String>,
    /// Tags.
    pub(crate) tags: BTreeMap<String, String>,
    /// When it was purged last.
    pub(crate) purged_at: Option<Nanos>,
}

/// Most bytes of a message, and of the messages of a batch.
pub(crate) const PAYLOAD_LIMIT: u32 = 1024 * 1024;

impl Details {
    pub(super) fn new(now: Nanos, fifo: bool) -> Self {
        let encryption = [("SqsManagedSseEnabled", "true")];
        let texts = encryption.into_iter().chain(ATTRIBUTES.into_iter().filter(|_| fifo));
        Self {
            created_at: now,
            modified_at: now,
            maximum_message_bytes: PAYLOAD_LIMIT,
            receive_wait: 0,
            texts: texts.map(|(name, value)| (name, value.to_owned())).collect(),
            tags: BTreeMap::new(),
            purged_at: None,
        }
    }

    /// Notes a purge; false if there was one less than 60 s ago.
    pub(crate) fn purge(&mut self, now: Nanos) -> bool {
        let allowed = self.purged_at.is_none_or(|at| now >= at + 60 * SECOND);
        if allowed {
            self.purged_at = Some(now);
        }
        allowed
    }
}
