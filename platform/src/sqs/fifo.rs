//! An SQS FIFO queue, generic over what it carries.
//!
//! Goals: order within a message group, a group that waits for its message in flight, deduplication, receives that are
//! tried again, expired receipts, redrive, retention; a call costs no more in a deep queue.
//! Non-goals: runs (they compare standard queues: only the endpoint has FIFO queues), throughput limits, waiting.
//!
//! A group is received in order until the first message that is in flight or delayed: so its first message says whether
//! there is anything to receive, and groups that have something stand in `ready`, by that message. Time must not go
//! backwards, and [`Fifo::advance`] comes before any other call at an instant.
//!
//! Source: SQS developer guide, FIFO queue delivery logic, exactly-once processing; SQS API reference, SendMessage,
//! ReceiveMessage, SetQueueAttributes.

mod receive;
mod remembered;

use super::deadlines::{Deadline, Deadlines};
use super::{Departure, Destination, Message, Receipt, State};
use model::journal::MessageId;
use model::scenario;
use model::time::{Nanos, SECOND};
use remembered::Remembered;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// How long duplicates are recognised, and receives can be tried again (5 min).
pub const DEDUPLICATION_INTERVAL: Nanos = 300 * SECOND;

/// Most messages in flight; there is no error at the limit. Source: SQS API reference, ReceiveMessage (since 2025).
const IN_FLIGHT_LIMIT: u64 = 120_000;

/// Which messages can be duplicates of each other (DeduplicationScope).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of the queue.
    #[default]
    Queue,
    /// Those of a message group.
    MessageGroup,
}

/// A message to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a, P> {
    /// What it carries.
    pub payload: P,
    /// MessageId; a duplicate is answered with that of the original.
    pub id: MessageId,
    /// MessageGroupId.
    pub group: &'a str,
    /// MessageDeduplicationId, given or made of the content.
    pub deduplication_id: &'a str,
}

/// What a send did. Sequence numbers grow within the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The message is in the queue.
    Accepted {
        /// SequenceNumber.
        sequence: u64,
    },
    /// The call succeeds without effect.
    Duplicate {
        /// MessageId of the original.
        id: MessageId,
        /// SequenceNumber of the original.
        sequence: u64,
    },
}

/// The receipt is not that of a receive whose visibility timeout goes on: a delete is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

#[derive(Clone, Debug)]
struct Slot<P> {
    payload: P,
    group: Arc<str>,
    sequence: u64,
    sent_at: Nanos,
    first_received_at: Nanos,
    received_at: Nanos,
    /// End of the delay or of the visibility timeout.
    visible_at: Nanos,
    life: u32,
    receive_count: u32,
    state: State,
    /// Its visibility was changed since the receive.
    changed: bool,
}

#[derive(Clone, Debug, Default)]
struct Group {
    /// Slots in order.
    messages: VecDeque<u32>,
    /// Where it stands in `ready`.
    ready: Option<u64>,
}

/// A FIFO queue.
#[derive(Clone, Debug)]
pub struct Fifo<P> {
    attributes: scenario::Queue,
    scope: Scope,
    slots: Vec<Slot<P>>,
    free: Vec<u32>,
    /// Those that have messages.
    groups: BTreeMap<Arc<str>, Group>,
    /// Groups whose first message is visible, by its sequence number.
    ready: BTreeMap<u64, Arc<str>>,
    visible: u64,
    in_flight: u64,
    delayed: u64,
    timers: Deadlines,
    departures: Vec<Departure<P>>,
    /// SequenceNumber of the latest message.
    sequence: u64,
    /// What was accepted, by deduplication id, and by group where that is the scope.
    accepted: Remembered<(Box<str>, Box<str>), (MessageId, u64)>,
    /// What receives returned, by ReceiveRequestAttemptId.
    attempts: Remembered<Box<str>, Vec<Receipt>>,
}

impl<P: Copy> Fifo<P> {
    /// An empty queue.
    #[must_use]
    pub fn new(attributes: scenario::Queue) -> Self {
        Self {
            attributes,
            scope: Scope::default(),
            slots: Vec::new(),
            free: Vec::new(),
            groups: BTreeMap::new(),
            ready: BTreeMap::new(),
            visible: 0,
            in_flight: 0,
            delayed: 0,
            timers: Deadlines::default(),
            departures: Vec::new(),
            sequence: 0,
            accepted: Remembered::new(DEDUPLICATION_INTERVAL),
            attempts: Remembered::new(DEDUPLICATION_INTERVAL),
        }
    }

    /// The attributes in force.
    #[must_use]
    pub fn attributes(&self) -> scenario::Queue {
        self.attributes
    }

    /// SetQueueAttributes, in force at once. Unlike that of a standard queue a new delay counts for messages that are
    /// delayed already.
    pub fn set_attributes(&mut self, attributes: scenario::Queue) {
        let before = std::mem::replace(&mut self.attributes, attributes);
        if before.delay == attributes.delay {
            return;
        }
        for (number, slot) in
            self.slots.iter_mut().enumerate().filter(|(_, slot)| slot.state == State::Delayed)
        {
            slot.visible_at = slot.sent_at + attributes.delay;
            self.timers.push(Deadline { at: slot.visible_at, slot: number as u32, life: slot.life });
        }
    }

    /// DeduplicationScope from now on: what was sent before is a duplicate of nothing in the new scope.
    pub fn set_scope(&mut self, scope: Scope) {
        self.scope = scope;
    }

    /// Messages that are neither in flight nor delayed, those that wait for their group among them.
    #[must_use]
    pub fn visible(&self) -> u64 {
        self.visible
    }

    /// Messages received and not deleted.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Messages not yet past their delay.
    #[must_use]
    pub fn delayed(&self) -> u64 {
        self.delayed
    }

    /// Whether a receive would find a message.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// SentTimestamp of the oldest message. Walks all of them: for once a period.
    #[must_use]
    pub fn oldest_sent_at(&self) -> Option<Nanos> {
        let there = |slot: &&Slot<P>| matches!(slot.state, State::Visible | State::InFlight);
        self.slots.iter().filter(there).map(|slot| slot.sent_at).min()
    }

    /// Sends a message with the queue's delay.
    pub fn send(&mut self, now: Nanos, sending: Sending<'_, P>) -> Sent {
        let Sending { payload, id, group, deduplication_id } = sending;
        let among = match self.scope {
            Scope::Queue => "",
            Scope::MessageGroup => group,
        };
        let key = (deduplication_id.into(), among.into());
        if let Some(&(id, sequence)) = self.accepted.get(now, &key) {
            return Sent::Duplicate { id, sequence };
        }
        let sequence = self.append(now, now + self.attributes.delay, payload, group, now);
        self.accepted.insert(now, key, (id, sequence));
        Sent::Accepted { sequence }
    }

    /// Puts a message that was sent earlier, to another queue, at the end of its group, visible at once and whatever was
    /// sent before. It keeps its time for retention, as a dead letter does. Returns its SequenceNumber here.
    pub fn restore(&mut self, now: Nanos, payload: P, group: &str, sent_at: Nanos) -> u64 {
        self.append(now, now, payload, group, sent_at.min(now))
    }

    fn append(&mut self, now: Nanos, visible_at: Nanos, payload: P, group: &str, sent_at: Nanos) -> u64 {
        self.sequence += 1;
        let group =
            self.groups.get_key_value(group).map_or_else(|| Arc::from(group), |(name, _)| Arc::clone(name));
        let state = if visible_at > now { State::Delayed } else { State::Visible };
        let mut slot = Slot {
            payload,
            group: Arc::clone(&group),
            sequence: self.sequence,
            sent_at,
            first_received_at: 0,
            received_at: 0,
            visible_at,
            life: 0,
            receive_count: 0,
            state,
            changed: false,
        };
        let number = self.free.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(number as usize) {
            Some(old) => {
                slot.life = old.life;
                *old = slot;
            }
            None => self.slots.push(slot),
        }
        if state == State::Delayed {
            let life = self.slots[number as usize].life;
            self.timers.push(Deadline { at: visible_at, slot: number, life });
            self.delayed += 1;
        } else {
            self.visible += 1;
        }
        self.groups.entry(Arc::clone(&group)).or_default().messages.push_back(number);
        self.review(&group);
        self.sequence
    }

    /// Deletes a message; `None` if it is gone already.
    ///
    /// # Errors
    /// [`Expired`] when its visibility timeout has passed, or it was received again.
    pub fn delete(&mut self, receipt: Receipt) -> Result<Option<P>, Expired> {
        if !self.is_there(receipt) {
            return Ok(None);
        }
        if !is_current(&self.slots, receipt) {
            return Err(Expired);
        }
        self.in_flight -= 1;
        let slot = &mut self.slots[receipt.slot as usize];
        let (payload, group) = (slot.payload, Arc::clone(&slot.group));
        slot.release();
        self.free.push(receipt.slot);
        if let Some(Group { messages, .. }) = self.groups.get_mut(&group) {
            // What is in flight stands at the front.
            let place = messages.iter().position(|&number| number == receipt.slot);
            place.and_then(|place| messages.remove(place));
        }
        self.review(&group);
        Ok(Some(payload))
    }

    /// ChangeMessageVisibility: visible again `timeout` from now; false if the message is not in flight under this
    /// receipt.
    pub fn change_visibility(&mut self, now: Nanos, receipt: Receipt, timeout: Nanos) -> bool {
        if !is_current(&self.slots, receipt) {
            return false;
        }
        let slot = &mut self.slots[receipt.slot as usize];
        (slot.visible_at, slot.changed) = (now + timeout, true);
        self.timers.push(Deadline { at: slot.visible_at, slot: receipt.slot, life: slot.life });
        true
    }

    /// Whether the message of a receipt is in the queue, be the receipt expired or not.
    #[must_use]
    pub fn is_there(&self, receipt: Receipt) -> bool {
        let slot = self.slots.get(receipt.slot as usize);
        slot.is_some_and(|slot| slot.life == receipt.life && slot.state != State::Free)
    }

    /// No message becomes visible by itself before this instant.
    #[must_use]
    pub fn next_timer(&self) -> Nanos {
        self.timers.first().map_or(Nanos::MAX, |first| first.at)
    }

    /// Shows the messages whose delay or visibility timeout ends by `now`; true if there were any.
    pub fn advance(&mut self, now: Nanos) -> bool {
        let mut shown = false;
        while let Some(due) = self.timers.first().filter(|first| first.at <= now) {
            self.timers.pop();
            let slot = &mut self.slots[due.slot as usize];
            if slot.life != due.life || slot.visible_at != due.at {
                continue;
            }
            match slot.state {
                State::Delayed => self.delayed -= 1,
                State::InFlight => self.in_flight -= 1,
                _ => continue,
            }
            slot.state = State::Visible;
            self.visible += 1;
            shown = true;
            let group = Arc::clone(&slot.group);
            self.review(&group);
        }
        shown
    }

    /// Drops messages at the front of their groups that are past the retention period.
    pub fn expire(&mut self, now: Nanos) {
        let names: Vec<Arc<str>> = self.ready.values().cloned().collect();
        for name in names {
            let Some(group) = self.groups.get_mut(&name) else { continue };
            while let Some(&number) = group.messages.front() {
                let slot = &mut self.slots[number as usize];
                if slot.state != State::Visible || now - slot.sent_at < self.attributes.retention {
                    break;
                }
                group.messages.pop_front();
                self.visible -= 1;
                self.departures.push(slot.depart(number, Destination::Expired));
                self.free.push(number);
            }
            self.review(&name);
        }
    }

    /// Messages that went to the dead-letter queue or expired since the last call.
    pub fn departures(&mut self) -> std::vec::Drain<'_, Departure<P>> {
        self.departures.drain(..)
    }

    /// Whether [`Fifo::departures`] has any.
    #[must_use]
    pub fn has_departures(&self) -> bool {
        !self.departures.is_empty()
    }

    /// PurgeQueue: every message is gone, those in flight too. Returns what they carried. Duplicates of them are still
    /// recognised.
    pub fn clear(&mut self) -> Vec<P> {
        let mut carried = Vec::new();
        for (number, slot) in self.slots.iter_mut().enumerate().filter(|(_, slot)| slot.state != State::Free)
        {
            carried.push(slot.payload);
            slot.release();
            self.free.push(number as u32);
        }
        self.groups.clear();
        self.ready.clear();
        (self.visible, self.in_flight, self.delayed) = (0, 0, 0);
        self.timers = Deadlines::default();
        carried
    }

    /// Puts a group where its first message says, after any change.
    fn review(&mut self, name: &Arc<str>) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let first = group.messages.front().map(|&number| &self.slots[number as usize]);
        let ready = first.filter(|slot| slot.state == State::Visible).map(|slot| slot.sequence);
        if group.ready != ready {
            if let Some(before) = group.ready {
                self.ready.remove(&before);
            }
            if let Some(now) = ready {
                self.ready.insert(now, Arc::clone(name));
            }
            group.ready = ready;
        }
        if group.messages.is_empty() {
            self.groups.remove(name);
        }
    }
}

impl<P: Copy> Slot<P> {
    fn depart(&mut self, number: u32, to: Destination) -> Departure<P> {
        let message = Some(Message { slot: number, life: self.life });
        self.release();
        Departure { payload: self.payload, message, receive_count: self.receive_count, to }
    }

    fn release(&mut self) {
        self.state = State::Free;
        self.life = self.life.wrapping_add(1);
    }
}

/// Whether a message is in flight under this receipt.
fn is_current<P>(slots: &[Slot<P>], receipt: Receipt) -> bool {
    slots.get(receipt.slot as usize).is_some_and(|slot| {
        slot.life == receipt.life && slot.receive_count == receipt.receive && slot.state == State::InFlight
    })
}

#[cfg(test)]
mod tests;
