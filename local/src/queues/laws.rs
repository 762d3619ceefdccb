//! The law that a queue follows: `platform`'s standard queue or its FIFO queue.
//!
//! What both have is here; what only FIFO queues have is in `fifo`.

use model::random::Stream;
use model::scenario::{self, Parameters};
use model::time::Nanos;
use platform::sqs::fifo::Fifo;
use platform::sqs::{Departure, OverLimit, Polling, Queue, Receipt, Received, Settings};
use std::vec::Drain;

/// A queue of messages by their numbers.
pub(super) enum Laws {
    Standard(Queue<u32>),
    Fifo(Fifo<u32>),
}

/// A received message and when that was.
pub(super) struct Taken {
    pub(super) received: Received,
    pub(super) received_at: Nanos,
}

impl Laws {
    /// The law for a queue of this kind.
    pub(super) fn new(fifo: bool, attributes: scenario::Queue, beliefs: &Parameters, stream: Stream) -> Self {
        if fifo {
            return Self::Fifo(Fifo::new(attributes));
        }
        Self::Standard(Queue::new(Settings::new(attributes, beliefs), stream))
    }

    pub(super) fn attributes(&self) -> scenario::Queue {
        match self {
            Self::Standard(queue) => queue.attributes(),
            Self::Fifo(queue) => queue.attributes(),
        }
    }

    pub(super) fn set_attributes(&mut self, attributes: scenario::Queue) {
        match self {
            Self::Standard(queue) => queue.set_attributes(attributes),
            Self::Fifo(queue) => queue.set_attributes(attributes),
        }
    }

    pub(super) fn visible(&self) -> u64 {
        match self {
            Self::Standard(queue) => queue.visible(),
            Self::Fifo(queue) => queue.visible(),
        }
    }

    pub(super) fn in_flight(&self) -> u64 {
        match self {
            Self::Standard(queue) => queue.in_flight(),
            Self::Fifo(queue) => queue.in_flight(),
        }
    }

    pub(super) fn delayed(&self) -> u64 {
        match self {
            Self::Standard(queue) => queue.delayed(),
            Self::Fifo(queue) => queue.delayed(),
        }
    }

    /// Whether a receive would find a message: those that wait for their group are visible, too.
    pub(super) fn has_ready(&self) -> bool {
        match self {
            Self::Standard(queue) => queue.visible() > 0,
            Self::Fifo(queue) => queue.has_ready(),
        }
    }

    pub(super) fn oldest_sent_at(&self) -> Option<Nanos> {
        match self {
            Self::Standard(queue) => queue.oldest_sent_at(),
            Self::Fifo(queue) => queue.oldest_sent_at(),
        }
    }

    /// Receives up to `most` messages; a FIFO queue has no servers to ask a part of, and no error at its limit.
    pub(super) fn receive(
        &mut self,
        now: Nanos,
        most: u32,
        polling: Polling,
        visibility_timeout: Nanos,
        attempt: Option<&str>,
        mut each: impl FnMut(Taken, u32),
    ) -> Result<(), OverLimit> {
        match self {
            Self::Standard(queue) => queue
                .receive(now, most, polling, visibility_timeout, |received, number| {
                    each(Taken { received, received_at: now }, *number);
                })
                .map(|_| ()),
            Self::Fifo(queue) => {
                queue.receive(now, most, visibility_timeout, attempt, |received, received_at, number| {
                    each(Taken { received, received_at }, *number);
                });
                Ok(())
            }
        }
    }

    pub(super) fn change_visibility(&mut self, now: Nanos, receipt: Receipt, timeout: Nanos) -> bool {
        match self {
            Self::Standard(queue) => queue.change_visibility(now, receipt, timeout),
            Self::Fifo(queue) => queue.change_visibility(now, receipt, timeout),
        }
    }

    /// Whether the message of a receipt is in the queue, be the receipt stale or not.
    pub(super) fn is_there(&mut self, receipt: Receipt) -> bool {
        match self {
            Self::Standard(queue) => queue.payload_mut(receipt).is_some(),
            Self::Fifo(queue) => queue.is_there(receipt),
        }
    }

    pub(super) fn next_timer(&self) -> Nanos {
        match self {
            Self::Standard(queue) => queue.next_timer(),
            Self::Fifo(queue) => queue.next_timer(),
        }
    }

    pub(super) fn advance(&mut self, now: Nanos) -> bool {
        match self {
            Self::Standard(queue) => queue.advance(now),
            Self::Fifo(queue) => queue.advance(now),
        }
    }

    pub(super) fn expire(&mut self, now: Nanos) {
        match self {
            Self::Standard(queue) => queue.expire(now),
            Self::Fifo(queue) => queue.expire(now),
        }
    }

    pub(super) fn has_departures(&self) -> bool {
        match self {
            Self::Standard(queue) => queue.has_departures(),
            Self::Fifo(queue) => queue.has_departures(),
        }
    }

    pub(super) fn departures(&mut self) -> Drain<'_, Departure<u32>> {
        match self {
            Self::Standard(queue) => queue.departures(),
            Self::Fifo(queue) => queue.departures(),
        }
    }

    pub(super) fn clear(&mut self) -> Vec<u32> {
        match self {
            Self::Standard(queue) => queue.clear(),
            Self::Fifo(queue) => queue.clear(),
        }
    }
}
