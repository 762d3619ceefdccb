//! What falls due, in order of time.

use model::time::Nanos;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The ramp of the mapping.
    Tick,
    /// Event pollers may receive again.
    Poll,
    /// A loop repeats a receive that failed.
    Ask,
    /// A throttled batch is tried again.
    Retry(u32),
    /// A batch that was begun then gets no more messages.
    Close(u32, Nanos),
    /// A delete that failed is repeated.
    Delete(u32),
    /// A fault begins.
    Fault,
    /// Idle environments are looked at.
    Minute,
    /// The queue is looked at.
    Look,
    /// A window of the run ends.
    Window,
}

/// All that will fall due.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Nanos, Timer)>>);

impl Timers {
    pub(super) fn push(&mut self, at: Nanos, timer: Timer) {
        self.0.push(Reverse((at, timer)));
    }

    /// When the next one falls due.
    pub(super) fn next_at(&self) -> Nanos {
        self.0.peek().map_or(Nanos::MAX, |Reverse((at, _))| *at)
    }

    /// The next one that is due by `now`.
    pub(super) fn pop(&mut self, now: Nanos) -> Option<(Nanos, Timer)> {
        (self.next_at() <= now).then(|| self.0.pop()).flatten().map(|Reverse(due)| due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_order_and_nothing_else_does() {
        let mut timers = Timers::default();
        for (at, timer) in [(30, Timer::Look), (10, Timer::Retry(1)), (20, Timer::Tick), (10, Timer::Tick)] {
            timers.push(at, timer);
        }
        let due: Vec<_> = std::iter::from_fn(|| timers.pop(20)).collect();
        assert_eq!(due, [(10, Timer::Tick), (10, Timer::Retry(1)), (20, Timer::Tick)]);
        assert_eq!(timers.next_at(), 30);
    }
}
