//! What a queue needs beside sending, receiving and deleting when it is served over a network.
//!
//! Goals: receipts as bytes, attributes that change, purges, messages that come from another queue.
//! Non-goals: speed (these calls are rare), and any encoding beyond a receipt's own bytes.

use super::{Deadlines, Queue, Receipt, State, Waiting};
use model::scenario;
use model::time::Nanos;

impl Receipt {
    /// The receipt as bytes, for a handle: slot, life and receive, big endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 12] {
        let [a, b, c, d] = self.slot.to_be_bytes();
        let [e, f, g, h] = self.life.to_be_bytes();
        let [i, j, k, l] = self.receive.to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }

    /// The receipt of [`Receipt::to_bytes`]. Bytes that no receipt gave are a receipt for no message, or for one that
    /// happens to be there: who hands out handles has to see to it that they come back unchanged.
    #[must_use]
    pub fn from_bytes([a, b, c, d, e, f, g, h, i, j, k, l]: [u8; 12]) -> Self {
        Self {
            slot: u32::from_be_bytes([a, b, c, d]),
            life: u32::from_be_bytes([e, f, g, h]),
            receive: u32::from_be_bytes([i, j, k, l]),
        }
    }
}

impl<P: Copy> Queue<P> {
    /// The attributes in force.
    #[must_use]
    pub fn attributes(&self) -> scenario::Queue {
        self.settings.attributes
    }

    /// SetQueueAttributes, in force at once. Messages that are delayed or in flight stay so for as long as they were
    /// told; retention and redrive count for those that are there already.
    pub fn set_attributes(&mut self, attributes: scenario::Queue) {
        self.settings.attributes = attributes;
    }

    /// Whether the message of a receipt is in flight, under this receipt or under a newer one.
    #[must_use]
    pub fn is_in_flight(&self, receipt: Receipt) -> bool {
        self.slots
            .get(receipt.slot as usize)
            .is_some_and(|slot| slot.life == receipt.life && slot.state == State::InFlight)
    }

    /// Puts a message that was sent earlier, to another queue, where receives find it at once. It keeps its time for
    /// retention, as a dead letter does.
    ///
    /// Source: SQS developer guide, dead-letter queues. The age of the oldest message counts from `sent_at`, too, where
    /// AWS counts from the move.
    pub fn restore(&mut self, now: Nanos, payload: P, sent_at: Nanos) {
        self.show(Waiting::Fresh { payload, sent_at: sent_at.min(now) }, false);
    }

    /// PurgeQueue: every message is gone, those in flight too, and every receipt is stale. Returns what they carried.
    pub fn clear(&mut self) -> Vec<P> {
        let carried = self.remaining().map(|(payload, _)| *payload).collect();
        for ring in &mut self.shards {
            ring.clear();
        }
        for number in 0..self.slots.len() {
            if self.slots[number].state != State::Free {
                self.release(number as u32);
            }
        }
        (self.visible, self.in_flight, self.delayed, self.occupied) = (0, 0, 0, 0);
        (self.timers, self.delays) = (Deadlines::default(), Deadlines::default());
        self.next_timer = Nanos::MAX;
        carried
    }
}
