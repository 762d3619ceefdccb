//! Timers that mostly have one length: a ring when they come in order, a heap for the rest.

use model::time::Nanos;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A timer for one life of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deadline {
    pub(super) at: Nanos,
    pub(super) slot: u32,
    pub(super) life: u32,
}

/// Pending timers. One that has become pointless is not searched for: it is dropped when it comes first.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    ring: VecDeque<Deadline>,
    heap: BinaryHeap<Reverse<Deadline>>,
}

impl Deadlines {
    #[inline]
    pub(super) fn push(&mut self, deadline: Deadline) {
        if self.ring.back().is_none_or(|last| last.at <= deadline.at) {
            self.ring.push_back(deadline);
        } else {
            self.heap.push(Reverse(deadline));
        }
    }

    /// The first timer; the ring's comes before the heap's when both are due at once.
    #[inline]
    pub(super) fn first(&self) -> Option<Deadline> {
        match (self.ring.front(), self.heap.peek()) {
            (Some(&ring), Some(&Reverse(heap))) => Some(if ring.at <= heap.at { ring } else { heap }),
            (Some(&ring), None) => Some(ring),
            (None, heap) => heap.map(|&Reverse(heap)| heap),
        }
    }

    #[inline]
    pub(super) fn pop(&mut self) {
        match (self.ring.front(), self.heap.peek()) {
            (Some(ring), Some(Reverse(heap))) if ring.at > heap.at => _ = self.heap.pop(),
            (Some(_), _) => _ = self.ring.pop_front(),
            (None, _) => _ = self.heap.pop(),
        }
    }
}
