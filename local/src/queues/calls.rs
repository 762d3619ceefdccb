//! The calls that carry messages: send, receive, delete, change of visibility.

use super::laws::{Laws, Taken};
use super::{Change, Delivery, Outgoing, SharedQueue, State};
use crate::message::Message;
use model::journal::Sight;
use model::time::Nanos;
use model::usage::sqs_requests;
use platform::sqs::{Deleted, OverLimit, Polling, Receipt};
use std::sync::Arc;

impl SharedQueue {
    /// Sends what one call brought to a standard queue; returns SentTimestamp.
    pub fn send(&self, outgoing: impl ExactSizeIterator<Item = Outgoing>) -> Nanos {
        debug_assert!(!self.is_fifo(), "a FIFO queue is sent to in order");
        let count = outgoing.len();
        let mut state = self.lock();
        let now = self.now();
        let mut bytes = 0;
        for Outgoing { message, delay } in outgoing {
            bytes += u64::from(message.bytes);
            state.see(now, &message, Sight::Sent, 0);
            let number = state.store(Arc::new(Message { sent_at: now, ..message }));
            if let Laws::Standard(queue) = &mut state.queue {
                match delay {
                    Some(delay) => queue.send_delayed(now, number, delay),
                    None => queue.send(now, number),
                }
            }
        }
        state.totals.sent += count as u64;
        state.totals.sent_bytes += bytes;
        state.totals.send_requests += sqs_requests(bytes);
        self.arm(&mut state);
        drop(state);
        for _ in 0..count {
            self.arrived.notify_one();
        }
        now
    }

    /// Receives at once what is there, up to `most`; `visibility_timeout` instead of the queue's own.
    ///
    /// # Errors
    /// [`OverLimit`] when too many messages are in flight.
    pub fn receive(
        &self,
        most: u32,
        polling: Polling,
        visibility_timeout: Option<Nanos>,
    ) -> Result<Vec<Delivery>, OverLimit> {
        self.try_receive(most, polling, visibility_timeout, None)
    }

    /// [`SharedQueue::receive`] under a ReceiveRequestAttemptId, which counts on FIFO queues only.
    ///
    /// # Errors
    /// [`OverLimit`] when too many messages are in flight.
    pub(crate) fn try_receive(
        &self,
        most: u32,
        polling: Polling,
        visibility_timeout: Option<Nanos>,
        attempt: Option<&str>,
    ) -> Result<Vec<Delivery>, OverLimit> {
        let mut guard = self.lock();
        let now = self.now();
        self.advance(&mut guard, now);
        let State { queue, messages, .. } = &mut *guard;
        let timeout = visibility_timeout.unwrap_or(queue.attributes().visibility_timeout);
        let mut deliveries = Vec::new();
        let polled = queue.receive(now, most, polling, timeout, attempt, |taken, number| {
            let Taken { received, received_at } = taken;
            if let Some(message) = &messages[number as usize] {
                deliveries.push(Delivery {
                    message: Arc::clone(message),
                    receipt: received.receipt,
                    receive_count: received.receive_count + message.received_before,
                    sent_at: received.sent_at,
                    first_received_at: received.first_received_at,
                    received_at,
                    visible_at: received.visible_at,
                });
            }
        });
        for delivery in &deliveries {
            guard.see(now, &delivery.message, Sight::Received, delivery.receive_count);
        }
        let bytes: u64 = deliveries.iter().map(|delivery| u64::from(delivery.message.bytes)).sum();
        if !deliveries.is_empty() {
            guard.totals.received += deliveries.len() as u64;
            guard.totals.receive_requests += sqs_requests(bytes);
        }
        self.arm(&mut guard);
        self.settle(guard, now);
        polled.map(|()| deliveries)
    }

    /// Waits until a message may be there to be received. It may be gone again: receive, and wait again.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Passes on a wake-up that was not needed: there are more messages than their receiver took.
    pub fn pass_on(&self) {
        if self.lock().queue.has_ready() {
            self.arrived.notify_one();
        }
    }

    /// Counts receives that found nothing, and are billed all the same.
    pub fn count_empty_receives(&self, count: u64) {
        self.lock().totals.empty_receives += count;
    }

    /// Deletes what one call names from a standard queue; stale receipts have no effect.
    pub fn delete(&self, receipts: impl IntoIterator<Item = Receipt>) {
        let mut state = self.lock();
        let now = self.now();
        for receipt in receipts {
            state.totals.deleted += 1;
            if let Laws::Standard(queue) = &mut state.queue
                && let Deleted::Gone(number) = queue.delete(receipt)
                && let Some(message) = state.take(number)
            {
                state.see(now, &message, Sight::Deleted, 0);
            }
        }
        state.totals.delete_requests += 1;
    }

    /// ChangeMessageVisibility, for each of one call's entries.
    pub fn change_visibility(&self, changes: &[(Receipt, Nanos)]) -> Vec<Change> {
        let mut state = self.lock();
        let now = self.now();
        state.totals.other_requests += 1;
        self.advance(&mut state, now);
        let changed = changes
            .iter()
            .map(|&(receipt, timeout)| {
                if state.queue.change_visibility(now, receipt, timeout) {
                    Change::Changed
                } else if state.queue.is_there(receipt) {
                    Change::NotInFlight
                } else {
                    Change::Gone
                }
            })
            .collect();
        self.advance(&mut state, now);
        self.arm(&mut state);
        changed
    }
}
