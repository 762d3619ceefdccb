//! What only FIFO queues do: send in groups, without duplicates, and refuse deletes that come too late.

use super::laws::Laws;
use super::{Outgoing, SharedQueue, State};
use crate::message::{Message, Ordered};
use model::journal::{MessageId, Sight};
use model::time::Nanos;
use model::usage::sqs_requests;
use platform::sqs::Receipt;
use platform::sqs::fifo::{Scope, Sending, Sent};
use std::sync::Arc;

/// What ends the name of a FIFO queue, and of no other.
pub(crate) const SUFFIX: &str = ".fifo";

impl SharedQueue {
    /// Whether this is a FIFO queue: its name says so.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(SUFFIX)
    }

    /// DeduplicationScope of a FIFO queue.
    pub(crate) fn set_scope(&self, scope: Scope) {
        if let Laws::Fifo(queue) = &mut self.lock().queue {
            queue.set_scope(scope);
        }
    }

    /// Sends what one call brought to a FIFO queue; each message has a group and a deduplication id. Returns id and
    /// SequenceNumber of each: those of the original where it is a duplicate.
    pub(crate) fn send_ordered(&self, outgoing: Vec<Outgoing>) -> Vec<(MessageId, u64)> {
        let mut state = self.lock();
        let now = self.now();
        self.advance(&mut state, now);
        let (mut bytes, mut accepted) = (0, 0);
        let mut sent = Vec::with_capacity(outgoing.len());
        for Outgoing { message, .. } in outgoing {
            bytes += u64::from(message.bytes);
            let (id, duplicate) = (message.id, state.send_ordered(now, message));
            sent.push(match duplicate {
                Sent::Accepted { sequence } => {
                    accepted += 1;
                    (id, sequence)
                }
                Sent::Duplicate { id, sequence } => (id, sequence),
            });
        }
        state.totals.sent += sent.len() as u64;
        state.totals.sent_bytes += bytes;
        state.totals.send_requests += sqs_requests(bytes);
        self.arm(&mut state);
        drop(state);
        for _ in 0..accepted {
            self.arrived.notify_one();
        }
        sent
    }

    /// Deletes what one call names; says for each receipt whether that was accepted. It is refused where the visibility
    /// timeout has passed.
    pub(crate) fn delete_in_time(&self, receipts: &[Receipt]) -> Vec<bool> {
        let mut state = self.lock();
        let now = self.now();
        self.advance(&mut state, now);
        let mut accepted = Vec::with_capacity(receipts.len());
        for &receipt in receipts {
            let Laws::Fifo(queue) = &mut state.queue else { break };
            let deleted = queue.delete(receipt);
            accepted.push(deleted.is_ok());
            state.totals.deleted += u64::from(deleted.is_ok());
            if let Some(message) = deleted.ok().flatten().and_then(|number| state.take(number)) {
                state.see(now, &message, Sight::Deleted, 0);
            }
        }
        state.totals.delete_requests += 1;
        let group_goes_on = state.queue.has_ready();
        drop(state);
        if group_goes_on {
            self.arrived.notify_one();
        }
        accepted
    }
}

impl State {
    fn send_ordered(&mut self, now: Nanos, message: Message) -> Sent {
        self.see(now, &message, Sight::Sent, 0);
        let (id, group) = (message.id, message.group.clone().unwrap_or_default());
        let deduplication_id = message.ordered.as_ref().map(|ordered| ordered.deduplication_id.clone());
        let deduplication_id = &deduplication_id.unwrap_or_default();
        let number = self.store(Arc::new(Message { sent_at: now, ..message }));
        let sending = Sending { payload: number, id, group: &group, deduplication_id };
        let sent = match &mut self.queue {
            Laws::Fifo(queue) => queue.send(now, sending),
            // Never called for one.
            Laws::Standard(_) => Sent::Duplicate { id, sequence: 0 },
        };
        match sent {
            Sent::Accepted { sequence } => self.number(number, sequence),
            Sent::Duplicate { .. } => _ = self.take(number),
        }
        sent
    }

    /// Puts a message that was sent earlier where it can be received; in a FIFO queue at the end of its group.
    pub(super) fn restore(&mut self, now: Nanos, message: Message) {
        let sent_at = message.sent_at.min(now);
        let group = message.group.clone();
        let number = self.store(Arc::new(message));
        match &mut self.queue {
            Laws::Standard(queue) => queue.restore(now, number, sent_at),
            Laws::Fifo(queue) => {
                let sequence = queue.restore(now, number, group.as_deref().unwrap_or_default(), sent_at);
                self.number(number, sequence);
            }
        }
    }

    /// Notes a message's SequenceNumber.
    fn number(&mut self, number: u32, sequence: u64) {
        let Some(message) = self.messages[number as usize].as_mut().and_then(Arc::get_mut) else { return };
        match &mut message.ordered {
            Some(ordered) => ordered.sequence = sequence,
            None => message.ordered = Some(Box::new(Ordered { deduplication_id: "".into(), sequence })),
        }
    }
}
