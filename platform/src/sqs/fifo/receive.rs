//! Receives: which groups they take from, how far, and what a receive gives that is tried again.

use super::super::deadlines::Deadline;
use super::super::{Destination, Receipt, Received, State};
use super::{Fifo, IN_FLIGHT_LIMIT, is_current};
use model::time::Nanos;
use std::sync::Arc;

impl<P: Copy> Fifo<P> {
    /// Receives up to `most` messages: as many as there are of the group whose first message is the oldest, then of the
    /// next. `each` is given what was received, when, and what it carries; a receive that is tried again, under the same
    /// ReceiveRequestAttemptId, gives the same messages and receipts for another visibility timeout, unless one of them
    /// is no longer as it was received.
    pub fn receive(
        &mut self,
        now: Nanos,
        most: u32,
        visibility_timeout: Nanos,
        attempt: Option<&str>,
        mut each: impl FnMut(Received, Nanos, &mut P),
    ) {
        let receipts = attempt.and_then(|attempt| self.repeated(now, attempt)).unwrap_or_else(|| {
            let receipts = self.take(now, most);
            if let Some(attempt) = attempt.filter(|_| !receipts.is_empty()) {
                self.attempts.insert(now, attempt.into(), receipts.clone());
            }
            receipts
        });
        for receipt in receipts {
            let slot = &mut self.slots[receipt.slot as usize];
            slot.visible_at = now + visibility_timeout;
            self.timers.push(Deadline { at: slot.visible_at, slot: receipt.slot, life: slot.life });
            let received = Received {
                receipt,
                receive_count: slot.receive_count,
                sent_at: slot.sent_at,
                first_received_at: slot.first_received_at,
                visible_at: slot.visible_at,
            };
            each(received, slot.received_at, &mut slot.payload);
        }
    }

    /// What an earlier receive under this id returned, if all of it is in flight still, and unchanged.
    fn repeated(&mut self, now: Nanos, attempt: &str) -> Option<Vec<Receipt>> {
        let receipts = self.attempts.get(now, attempt)?;
        let slots = &self.slots;
        let unchanged =
            |receipt: &Receipt| !slots[receipt.slot as usize].changed && is_current(slots, *receipt);
        receipts.iter().all(unchanged).then(|| receipts.clone())
    }

    fn take(&mut self, now: Nanos, most: u32) -> Vec<Receipt> {
        let most = u64::from(most).min(IN_FLIGHT_LIMIT.saturating_sub(self.in_flight)) as usize;
        let mut receipts = Vec::with_capacity(most.min(10));
        while receipts.len() < most {
            let Some((_, group)) = self.ready.first_key_value() else { break };
            let group = Arc::clone(group);
            self.take_from(now, &group, most, &mut receipts);
            self.review(&group);
        }
        receipts
    }

    /// Takes messages from the front of a group until there are `most`, or one is not visible.
    fn take_from(&mut self, now: Nanos, name: &Arc<str>, most: usize, receipts: &mut Vec<Receipt>) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let mut index = 0;
        while receipts.len() < most {
            let Some(&number) = group.messages.get(index) else { return };
            let slot = &mut self.slots[number as usize];
            if slot.state != State::Visible {
                return;
            }
            self.visible -= 1;
            let end = if now - slot.sent_at >= self.attributes.retention {
                Some(Destination::Expired)
            } else {
                let most = self.attributes.max_receive_count;
                most.filter(|&most| slot.receive_count >= most).map(|_| Destination::DeadLetterQueue)
            };
            if let Some(to) = end {
                group.messages.remove(index);
                self.departures.push(slot.depart(number, to));
                self.free.push(number);
                continue;
            }
            slot.receive_count += 1;
            if slot.receive_count == 1 {
                slot.first_received_at = now;
            }
            (slot.state, slot.received_at, slot.changed) = (State::InFlight, now, false);
            self.in_flight += 1;
            receipts.push(Receipt { slot: number, life: slot.life, receive: slot.receive_count });
            index += 1;
        }
    }
}
