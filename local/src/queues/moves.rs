//! Messages that go from one queue to another, or away.

use super::laws::Laws;
use super::{SharedQueue, State};
use crate::message::Message;
use model::journal::Sight;
use model::time::Nanos;
use platform::sqs::{Deleted, Destination, Polling};
use std::sync::{Arc, MutexGuard};

impl SharedQueue {
    /// Moves what left the queue without being deleted to where it goes.
    pub(super) fn settle(&self, mut state: MutexGuard<'_, State>, now: Nanos) {
        if !state.queue.has_departures() {
            return;
        }
        let gone: Vec<_> =
            state.queue.departures().map(|gone| (gone.payload, gone.receive_count, gone.to)).collect();
        let dead_letters = state.dead_letters.as_ref().and_then(|target| target.queue.upgrade());
        let mut moved = Vec::new();
        for (number, receive_count, to) in gone {
            let Some(message) = state.take(number) else { continue };
            let receive_count = receive_count + message.received_before;
            match to {
                Destination::Expired => state.see(now, &message, Sight::Expired, receive_count),
                Destination::DeadLetterQueue => {
                    state.see(now, &message, Sight::DeadLettered, receive_count);
                    moved.push(Message { received_before: receive_count, ..Message::clone(&message) });
                }
            }
        }
        // One lock at a time.
        drop(state);
        if let Some(queue) = dead_letters {
            queue.accept(moved, &self.name);
        }
    }

    /// Takes visible messages out of the queue for good, to be sent elsewhere; not a receive that anybody counts.
    pub(crate) fn take(&self, most: u32) -> Vec<Arc<Message>> {
        let mut guard = self.lock();
        let now = self.now();
        self.advance(&mut guard, now);
        let mut taken = Vec::new();
        let mut receipts = Vec::new();
        // At the limit in flight there is nothing to take now.
        let _ = guard.queue.receive(now, most, Polling::Long, 0, None, |taken, _| {
            receipts.push(taken.received.receipt);
        });
        for receipt in receipts {
            let number = match &mut guard.queue {
                Laws::Standard(queue) => match queue.delete(receipt) {
                    Deleted::Gone(number) => Some(number),
                    _ => None,
                },
                Laws::Fifo(queue) => queue.delete(receipt).ok().flatten(),
            };
            taken.extend(number.and_then(|number| guard.take(number)));
        }
        self.settle(guard, now);
        taken
    }

    /// Takes messages from another queue: dead letters.
    pub fn accept(&self, messages: impl IntoIterator<Item = Message>, source: &str) {
        let from = |message| Message { dead_letter_source: Some(source.into()), ..message };
        self.restore(messages.into_iter().map(from));
    }

    /// Takes messages that were sent before, to this queue or to another.
    pub(crate) fn restore(&self, messages: impl IntoIterator<Item = Message>) {
        let mut state = self.lock();
        let now = self.now();
        for message in messages {
            state.restore(now, message);
            self.arrived.notify_one();
        }
    }
}
