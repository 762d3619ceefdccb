//! What a seeder did, in numbers.

use model::journal::Sent;
use model::time::Nanos;
use std::collections::BTreeMap;

/// What a seeder did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages of the plan that were begun; each went to every stack.
    pub messages: u64,
    /// Whether it was asked to stop.
    pub stopped: bool,
    /// By stack, in the order of the destinations.
    pub stacks: Vec<StackSummary>,
}

/// What a seeder did for one stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackSummary {
    /// Messages that the queue took.
    pub accepted: u64,
    /// Messages that it never said it took.
    pub failed: u64,
    /// Messages that took more than one call.
    pub retried: u64,
    /// Calls of SendMessageBatch.
    pub calls: u64,
    /// Failed attempts, by error and message: those that a retry made good are counted too.
    pub errors: BTreeMap<String, u64>,
    /// The longest time from a message's intended instant to its call.
    pub send_delay_max: Nanos,
}

impl Summary {
    pub(crate) fn new(stacks: usize) -> Self {
        Self { stacks: vec![StackSummary::default(); stacks], ..Self::default() }
    }

    pub(crate) fn add(&mut self, part: &Self) {
        self.messages += part.messages;
        for (stack, part) in self.stacks.iter_mut().zip(&part.stacks) {
            stack.add(part);
        }
    }
}

impl StackSummary {
    pub(crate) fn sent(&mut self, sent: &Sent) {
        *(if sent.message.is_some() { &mut self.accepted } else { &mut self.failed }) += 1;
        self.retried += u64::from(sent.attempts > 1);
        self.send_delay_max = self.send_delay_max.max(sent.issued_at.saturating_sub(sent.scheduled_at));
    }

    pub(crate) fn error(&mut self, word: &str) {
        match self.errors.get_mut(word) {
            Some(count) => *count += 1,
            None => {
                self.errors.insert(word.to_owned(), 1);
            }
        }
    }

    fn add(&mut self, part: &Self) {
        self.accepted += part.accepted;
        self.failed += part.failed;
        self.retried += part.retried;
        self.calls += part.calls;
        for (word, count) in &part.errors {
            *self.errors.entry(word.clone()).or_default() += count;
        }
        self.send_delay_max = self.send_delay_max.max(part.send_delay_max);
    }
}
