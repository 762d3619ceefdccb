//! An SQS standard queue, generic over what it carries.
//!
//! Goals: the documented semantics (long and short polling, visibility timeout, receive count, redrive,
//! retention, delay, in-flight limit, at-least-once delivery), O(1) amortised per call whatever the depth.
//! Non-goals: waiting (the driver parks long polls), the wire protocol, FIFO queues (`fifo`).
//!
//! A message waits in its server's ring until its first receive; from then on it has a slot, and what waits
//! again is the slot's number. So a deep backlog is walked in order, and the slots in use stay few and warm.
//! Time must not go backwards.

mod deadlines;
pub mod fifo;
mod parted;
mod wire;

use deadlines::{Deadline, Deadlines};
use model::random::Stream;
use model::scenario;
use model::scenario::Parameters;
use model::time::Nanos;
use parted::Parted;
use std::collections::VecDeque;

/// Attributes and beliefs that a queue follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// VisibilityTimeout, DelaySeconds, retention and redrive.
    pub attributes: scenario::Queue,
    /// Most messages in flight.
    pub in_flight_limit: u64,
    /// Servers that messages are spread over, 1 to 64.
    pub shards: u32,
    /// Servers that a short poll asks.
    pub short_poll_shards: u32,
    /// Probability that a deleted message comes back.
    pub duplicate_probability: f64,
}

impl Settings {
    /// A queue with `attributes` under the beliefs in force.
    #[must_use]
    pub fn new(attributes: scenario::Queue, beliefs: &Parameters) -> Self {
        let shards = beliefs.sqs_shards.clamp(1, 64) as u32;
        Self {
            attributes,
            in_flight_limit: beliefs.sqs_in_flight_limit,
            shards,
            short_poll_shards: (beliefs.sqs_short_poll_shards as u32).clamp(1, shards),
            duplicate_probability: beliefs.sqs_duplicate_probability,
        }
    }
}

/// A receipt handle: names one receive of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt {
    slot: u32,
    life: u32,
    receive: u32,
}

/// A received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// To delete it with, or to change its visibility.
    pub receipt: Receipt,
    /// ApproximateReceiveCount, this receive included.
    pub receive_count: u32,
    /// SentTimestamp.
    pub sent_at: Nanos,
    /// ApproximateFirstReceiveTimestamp.
    pub first_received_at: Nanos,
    /// When it becomes visible again unless it is deleted.
    pub visible_at: Nanos,
}

/// How a receive polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polling {
    /// Asks all servers.
    Long,
    /// Asks a random subset and answers at once.
    Short,
}

/// What a delete did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted<P> {
    /// The message is gone; here is what it carried.
    Gone(P),
    /// The call succeeded, but the message will come back (at-least-once delivery).
    Kept,
    /// The call succeeds without effect: the handle is older than the latest receive, or the message is gone.
    Stale,
}

/// The in-flight limit is reached: a short poll answers OverLimit, a long poll returns nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverLimit;

/// A message that left the queue without being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure<P> {
    /// What it carried.
    pub payload: P,
    /// Names it to holders of receipts; `None` if it was never received.
    pub message: Option<Message>,
    /// How often it was received.
    pub receive_count: u32,
    /// Where it went.
    pub to: Destination,
}

/// Where a message went that was not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Received more often than maxReceiveCount.
    DeadLetterQueue,
    /// Older than the retention period.
    Expired,
}

/// Identity of a message while and after it is in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    slot: u32,
    life: u32,
}

impl Receipt {
    /// The message that this receipt is for.
    #[must_use]
    pub fn message(self) -> Message {
        Message { slot: self.slot, life: self.life }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Delayed,
    Visible,
    InFlight,
    /// Deleted while its number still stands in a shard's ring.
    Tombstone,
}

/// A message that receives can find.
#[derive(Clone, Copy, Debug)]
enum Waiting<P> {
    /// Never received.
    Fresh { payload: P, sent_at: Nanos },
    /// In a slot: received before, or delayed.
    Again(u32),
}

#[derive(Clone, Debug)]
struct Slot<P> {
    payload: P,
    sent_at: Nanos,
    first_received_at: Nanos,
    /// End of the delay or of the visibility timeout.
    visible_at: Nanos,
    life: u32,
    receive_count: u32,
    state: State,
}

/// A standard queue.
#[derive(Clone, Debug)]
pub struct Queue<P> {
    settings: Settings,
    slots: Vec<Slot<P>>,
    free: Vec<u32>,
    shards: Vec<VecDeque<Waiting<P>>>,
    /// Bit i is set when shard i's ring is not empty.
    occupied: u64,
    next_shard: u32,
    visible: u64,
    in_flight: u64,
    delayed: u64,
    timers: Deadlines,
    delays: Deadlines,
    /// The first of both; the last of all instants when there is none.
    next_timer: Nanos,
    departures: Vec<Departure<P>>,
    stream: Stream,
    deletes_until_duplicate: u64,
    parted: Option<Parted<P>>,
}

impl<P: Copy> Queue<P> {
    /// An empty queue; `stream` decides shards, short polls and duplicates.
    #[must_use]
    pub fn new(settings: Settings, stream: Stream) -> Self {
        let mut queue = Self {
            settings,
            slots: Vec::new(),
            free: Vec::new(),
            shards: vec![VecDeque::new(); settings.shards as usize],
            occupied: 0,
            next_shard: 0,
            visible: 0,
            in_flight: 0,
            delayed: 0,
            timers: Deadlines::default(),
            delays: Deadlines::default(),
            next_timer: Nanos::MAX,
            departures: Vec::new(),
            stream,
            deletes_until_duplicate: u64::MAX,
            parted: None,
        };
        queue.draw_duplicate();
        queue
    }

    /// Messages that a receive could return (ApproximateNumberOfMessages).
    #[must_use]
    pub fn visible(&self) -> u64 {
        self.visible
    }

    /// Messages received and not deleted (ApproximateNumberOfMessagesNotVisible).
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Messages not yet past their delay (ApproximateNumberOfMessagesDelayed).
    #[must_use]
    pub fn delayed(&self) -> u64 {
        self.delayed
    }

    /// All messages in the queue.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }

    /// Whether nothing is in the queue.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// SentTimestamp of the oldest message that was received less than three times, as ApproximateAgeOfOldestMessage
    /// counts. Walks what is or was in flight: for once a period, not once a message.
    ///
    /// Source: SQS developer guide, available CloudWatch metrics.
    #[must_use]
    pub fn oldest_sent_at(&self) -> Option<Nanos> {
        let in_slots = self
            .slots
            .iter()
            .filter(|slot| matches!(slot.state, State::Visible | State::InFlight) && slot.receive_count < 3)
            .map(|slot| slot.sent_at);
        let fresh = self.shards.iter().filter_map(|ring| {
            ring.iter().find_map(|waiting| match waiting {
                Waiting::Fresh { sent_at, .. } => Some(*sent_at),
                Waiting::Again(_) => None,
            })
        });
        in_slots.chain(fresh).min()
    }

    /// Sends a message with the queue's own delay.
    #[inline(always)]
    pub fn send(&mut self, now: Nanos, payload: P) {
        self.send_delayed(now, payload, self.settings.attributes.delay);
    }

    /// Sends a message that stays invisible for `delay`.
    #[inline(always)]
    pub fn send_delayed(&mut self, now: Nanos, payload: P, delay: Nanos) {
        if delay == 0 {
            return self.show(Waiting::Fresh { payload, sent_at: now }, false);
        }
        let visible_at = now + delay;
        let slot = self.allocate(now, visible_at, payload);
        self.slots[slot as usize].state = State::Delayed;
        self.delayed += 1;
        let life = self.slots[slot as usize].life;
        self.delays.push(Deadline { at: visible_at, slot, life });
        self.next_timer = self.next_timer.min(visible_at);
    }

    #[inline(always)]
    fn allocate(&mut self, sent_at: Nanos, visible_at: Nanos, payload: P) -> u32 {
        if let Some(number) = self.free.pop() {
            let slot = &mut self.slots[number as usize];
            slot.payload = payload;
            slot.sent_at = sent_at;
            slot.first_received_at = 0;
            slot.visible_at = visible_at;
            slot.receive_count = 0;
            return number;
        }
        self.slots.push(Slot {
            payload,
            sent_at,
            first_received_at: 0,
            visible_at,
            life: 0,
            receive_count: 0,
            state: State::Free,
        });
        (self.slots.len() - 1) as u32
    }

    /// Puts a message where receives can find it.
    #[inline(always)]
    fn show(&mut self, message: Waiting<P>, in_front: bool) {
        let shard = match self.parted {
            None => self.stream.between(0, u64::from(self.settings.shards) - 1) as usize,
            Some(parted) => self.server_of(parted, &message),
        };
        if in_front {
            self.shards[shard].push_front(message);
        } else {
            self.shards[shard].push_back(message);
        }
        self.occupied |= 1 << shard;
        self.visible += 1;
    }

    /// Shows the message of a slot.
    fn show_again(&mut self, number: u32, in_front: bool) {
        self.slots[number as usize].state = State::Visible;
        self.show(Waiting::Again(number), in_front);
    }

    /// Receives up to `most` messages, oldest first within each server; `each` is given what was received and what
    /// it carries. Returns how many there were.
    ///
    /// # Errors
    /// [`OverLimit`] when too many messages are in flight.
    #[inline]
    pub fn receive(
        &mut self,
        now: Nanos,
        most: u32,
        polling: Polling,
        visibility_timeout: Nanos,
        mut each: impl FnMut(Received, &mut P),
    ) -> Result<u32, OverLimit> {
        if self.in_flight >= self.settings.in_flight_limit {
            return Err(OverLimit);
        }
        let asked = match polling {
            Polling::Long => u64::MAX,
            Polling::Short => self.short_poll_subset(),
        };
        let room = self.settings.in_flight_limit - self.in_flight;
        let most = u64::from(most).min(room) as u32;
        let mut count = 0;
        while count < most {
            let candidates = self.occupied & asked;
            if candidates == 0 {
                break;
            }
            let shard = next_bit(candidates, self.next_shard);
            self.next_shard = (shard + 1) % 64;
            if let Some(received) = self.take(now, shard as usize, visibility_timeout) {
                each(received, &mut self.slots[received.receipt.slot as usize].payload);
                count += 1;
            }
        }
        Ok(count)
    }

    /// Whether a long poll that waits would have a message sent now at once: nothing is before it, it is not
    /// delayed, and there is room in flight.
    #[inline]
    #[must_use]
    pub fn hands_over(&self) -> bool {
        self.visible == 0
            && self.settings.attributes.delay == 0
            && self.in_flight < self.settings.in_flight_limit
    }

    /// Sends a message to a long poll that waits: what [`Queue::send`] and a receive do, without putting the message
    /// down in between. Only where [`Queue::hands_over`] holds.
    #[inline(always)]
    pub fn send_to_waiting(
        &mut self,
        now: Nanos,
        payload: P,
        visibility_timeout: Nanos,
        each: impl FnOnce(Received, &mut P),
    ) {
        debug_assert!(self.hands_over(), "other messages come first");
        let number = self.allocate(now, now, payload);
        let slot = &mut self.slots[number as usize];
        (slot.receive_count, slot.first_received_at) = (1, now);
        let received = self.receive_until(number, now + visibility_timeout);
        each(received, &mut self.slots[number as usize].payload);
    }

    /// Marks a message as received until `visible_at`.
    #[inline(always)]
    fn receive_until(&mut self, number: u32, visible_at: Nanos) -> Received {
        let slot = &mut self.slots[number as usize];
        slot.state = State::InFlight;
        slot.visible_at = visible_at;
        let (life, receive) = (slot.life, slot.receive_count);
        let received = Received {
            receipt: Receipt { slot: number, life, receive },
            receive_count: receive,
            sent_at: slot.sent_at,
            first_received_at: slot.first_received_at,
            visible_at,
        };
        self.in_flight += 1;
        self.timers.push(Deadline { at: visible_at, slot: number, life });
        self.next_timer = self.next_timer.min(visible_at);
        received
    }

    /// A random subset of the servers, as bits.
    fn short_poll_subset(&mut self) -> u64 {
        let mut subset = 0_u64;
        while subset.count_ones() < self.settings.short_poll_shards {
            subset |= 1 << self.stream.between(0, u64::from(self.settings.shards) - 1);
        }
        subset
    }

    /// Takes the head of a shard in flight; `None` if it turned out to be gone, expired or a dead letter.
    #[inline(always)]
    fn take(&mut self, now: Nanos, shard: usize, visibility_timeout: Nanos) -> Option<Received> {
        let waiting = self.shards[shard].pop_front()?;
        if self.shards[shard].is_empty() {
            self.occupied &= !(1 << shard);
        }
        let number = match waiting {
            Waiting::Fresh { payload, sent_at } => self.first_receive(now, payload, sent_at)?,
            Waiting::Again(number) => self.receive_again(now, number)?,
        };
        Some(self.receive_until(number, now + visibility_timeout))
    }

    /// Gives a message its slot; `None` if it has expired.
    #[inline]
    fn first_receive(&mut self, now: Nanos, payload: P, sent_at: Nanos) -> Option<u32> {
        self.visible -= 1;
        if now - sent_at >= self.settings.attributes.retention {
            let to = Destination::Expired;
            self.departures.push(Departure { payload, message: None, receive_count: 0, to });
            return None;
        }
        let number = self.allocate(sent_at, now, payload);
        let slot = &mut self.slots[number as usize];
        slot.receive_count = 1;
        slot.first_received_at = now;
        Some(number)
    }

    /// Counts another receive; `None` if the message was deleted meanwhile, has expired or is a dead letter.
    fn receive_again(&mut self, now: Nanos, number: u32) -> Option<u32> {
        let slot = &mut self.slots[number as usize];
        if slot.state == State::Tombstone {
            self.release(number);
            return None;
        }
        self.visible -= 1;
        if now - slot.sent_at >= self.settings.attributes.retention {
            self.depart(number, Destination::Expired);
            return None;
        }
        if self.settings.attributes.max_receive_count.is_some_and(|most| slot.receive_count >= most) {
            self.depart(number, Destination::DeadLetterQueue);
            return None;
        }
        slot.receive_count += 1;
        if slot.receive_count == 1 {
            slot.first_received_at = now;
        }
        Some(number)
    }

    /// What the message of a receipt carries, for as long as it is in the queue (even if the receipt is stale).
    #[inline]
    pub fn payload_mut(&mut self, receipt: Receipt) -> Option<&mut P> {
        let slot = self.slots.get_mut(receipt.slot as usize)?;
        let there = matches!(slot.state, State::Visible | State::InFlight | State::Delayed);
        (there && slot.life == receipt.life).then_some(&mut slot.payload)
    }

    /// Deletes a message. With the latest receipt this works even after the visibility timeout has passed.
    #[inline]
    pub fn delete(&mut self, receipt: Receipt) -> Deleted<P> {
        self.delete_after(receipt, |payload| *payload).map_or(Deleted::Stale, |(payload, deleted)| {
            match deleted {
                Deleted::Gone(()) => Deleted::Gone(payload),
                Deleted::Kept => Deleted::Kept,
                Deleted::Stale => Deleted::Stale,
            }
        })
    }

    /// Lets `look` see and change what a message carries, then deletes it; `None` if it is no longer in the queue.
    /// `look` sees it even if the receipt is stale and the delete has no effect.
    #[inline]
    pub fn delete_after<R>(
        &mut self,
        receipt: Receipt,
        look: impl FnOnce(&mut P) -> R,
    ) -> Option<(R, Deleted<()>)> {
        let slot = self.slots.get_mut(receipt.slot as usize)?;
        let state = slot.state;
        if slot.life != receipt.life || matches!(state, State::Tombstone | State::Free) {
            return None;
        }
        let seen = look(&mut slot.payload);
        if slot.receive_count != receipt.receive || state == State::Delayed {
            return Some((seen, Deleted::Stale));
        }
        self.deletes_until_duplicate -= 1;
        if self.deletes_until_duplicate == 0 {
            self.draw_duplicate();
            return Some((seen, Deleted::Kept));
        }
        let visible_at = slot.visible_at;
        if state == State::InFlight {
            self.in_flight -= 1;
            self.release(receipt.slot);
        } else {
            self.visible -= 1;
            slot.state = State::Tombstone;
            slot.life = slot.life.wrapping_add(1);
        }
        // Only the first timer has to be one that still counts.
        if visible_at <= self.next_timer {
            self.trim_timers();
        }
        Some((seen, Deleted::Gone(())))
    }

    /// ChangeMessageVisibility: visible again `timeout` from now; false if the message is not in flight under
    /// this receipt.
    pub fn change_visibility(&mut self, now: Nanos, receipt: Receipt, timeout: Nanos) -> bool {
        let Some(slot) = self.slots.get_mut(receipt.slot as usize) else { return false };
        let current = slot.life == receipt.life && slot.receive_count == receipt.receive;
        if !current || slot.state != State::InFlight {
            return false;
        }
        slot.visible_at = now + timeout;
        self.timers.push(Deadline { at: now + timeout, slot: receipt.slot, life: receipt.life });
        self.trim_timers();
        true
    }

    /// The next instant at which a message becomes visible by itself; the last of all instants if none will.
    #[inline]
    #[must_use]
    pub fn next_timer(&self) -> Nanos {
        self.next_timer
    }

    fn find_next_timer(&mut self) {
        let first = |deadlines: &Deadlines| deadlines.first().map_or(Nanos::MAX, |deadline| deadline.at);
        self.next_timer = first(&self.timers).min(first(&self.delays));
    }

    /// Shows the messages whose delay or visibility timeout ends by `now`; true if there were any.
    pub fn advance(&mut self, now: Nanos) -> bool {
        let mut shown = false;
        while let Some(due) = self.delays.first().filter(|first| first.at <= now) {
            self.delays.pop();
            if self.slots[due.slot as usize].life == due.life {
                self.delayed -= 1;
                self.show_again(due.slot, false);
                shown = true;
            }
        }
        while let Some(due) = self.timers.first().filter(|first| first.at <= now) {
            self.timers.pop();
            if !self.is_pointless(&due) {
                self.in_flight -= 1;
                // Back to about its old place, or to the end once it was received three times.
                let in_front = self.slots[due.slot as usize].receive_count < 3;
                self.show_again(due.slot, in_front);
                shown = true;
            }
        }
        self.trim_timers();
        shown
    }

    /// Drops messages at the heads of the shards that are past the retention period.
    pub fn expire(&mut self, now: Nanos) {
        let retention = self.settings.attributes.retention;
        for shard in 0..self.shards.len() {
            while let Some(&head) = self.shards[shard].front() {
                let (sent_at, gone) = match head {
                    Waiting::Fresh { sent_at, .. } => (sent_at, false),
                    Waiting::Again(number) => {
                        let slot = &self.slots[number as usize];
                        (slot.sent_at, slot.state == State::Tombstone)
                    }
                };
                if !gone && now - sent_at < retention {
                    break;
                }
                self.shards[shard].pop_front();
                let received = match head {
                    Waiting::Fresh { payload, sent_at } => self.first_receive(now, payload, sent_at),
                    Waiting::Again(number) => self.receive_again(now, number),
                };
                debug_assert!(received.is_none(), "an expired message was received");
            }
            if self.shards[shard].is_empty() {
                self.occupied &= !(1 << shard);
            }
        }
    }

    /// Messages that went to the dead-letter queue or expired since the last call.
    pub fn departures(&mut self) -> std::vec::Drain<'_, Departure<P>> {
        self.departures.drain(..)
    }

    /// Whether [`Queue::departures`] has any.
    #[inline]
    #[must_use]
    pub fn has_departures(&self) -> bool {
        !self.departures.is_empty()
    }

    /// Every message still in the queue: what it carries and how often it was received.
    pub fn remaining(&self) -> impl Iterator<Item = (&P, u32)> + '_ {
        let in_slots = self.slots.iter().filter_map(|slot| {
            let there = matches!(slot.state, State::Visible | State::InFlight | State::Delayed);
            there.then_some((&slot.payload, slot.receive_count))
        });
        let fresh = self.shards.iter().flatten().filter_map(|waiting| match waiting {
            Waiting::Fresh { payload, .. } => Some((payload, 0)),
            Waiting::Again(_) => None,
        });
        in_slots.chain(fresh)
    }

    fn depart(&mut self, number: u32, to: Destination) {
        let slot = &self.slots[number as usize];
        let message = Message { slot: number, life: slot.life };
        let (payload, receive_count) = (slot.payload, slot.receive_count);
        self.departures.push(Departure { payload, message: Some(message), receive_count, to });
        self.release(number);
    }

    #[inline]
    fn release(&mut self, number: u32) {
        let slot = &mut self.slots[number as usize];
        slot.state = State::Free;
        slot.life = slot.life.wrapping_add(1);
        self.free.push(number);
    }

    /// Whether a visibility timer no longer says when its message becomes visible.
    #[inline]
    fn is_pointless(&self, deadline: &Deadline) -> bool {
        let slot = &self.slots[deadline.slot as usize];
        slot.state != State::InFlight || slot.life != deadline.life || slot.visible_at != deadline.at
    }

    #[inline]
    fn trim_timers(&mut self) {
        while let Some(first) = self.timers.first() {
            if !self.is_pointless(&first) {
                break;
            }
            self.timers.pop();
        }
        self.find_next_timer();
    }

    /// Draws how many deletes from now one will fail to last.
    fn draw_duplicate(&mut self) {
        let p = self.settings.duplicate_probability;
        self.deletes_until_duplicate = if p <= 0.0 {
            u64::MAX
        } else if p >= 1.0 {
            1
        } else {
            // Geometric by inversion; a float converts with saturation.
            let draws = model::random::log_ratio(1.0 - self.stream.unit(), 1.0 - p);
            (draws as u64).saturating_add(1)
        };
    }
}

/// The lowest set bit at or after `start`, wrapping around.
#[inline]
fn next_bit(bits: u64, start: u32) -> u32 {
    let rotated = bits.rotate_right(start);
    (rotated.trailing_zeros() + start) % 64
}

#[cfg(test)]
mod tests;
