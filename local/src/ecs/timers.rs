//! What is to be done when.

use model::time::Nanos;
use platform::ecs::TaskId;
use std::collections::BTreeMap;

/// Something to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A task's program begins.
    Start(TaskId),
    /// SIGKILL, if it still runs.
    Kill(TaskId),
    /// Spot warns a task.
    Interrupt(TaskId),
    /// Capacity has become ready, or a task healthy.
    Wake,
    /// What SQS will report for the minute that is ending.
    Sample,
    /// A full minute.
    Minute,
    /// Alarms.
    Evaluate,
    /// A scheduled action.
    Scheduled,
    /// Counts and CPU time.
    Look,
    /// A window closes.
    Window,
    /// A fault begins or ends.
    Fault,
}

/// Steps by instant; those of one instant in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<(Nanos, u64), Step>,
    pushed: u64,
}

impl Timers {
    pub(super) fn push(&mut self, at: Nanos, step: Step) {
        self.due.insert((at, self.pushed), step);
        self.pushed += 1;
    }

    pub(super) fn next_at(&self) -> Option<Nanos> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the first step that is due by `now`.
    pub(super) fn pop_due(&mut self, now: Nanos) -> Option<(Nanos, Step)> {
        let first = self.due.first_entry().filter(|first| first.key().0 <= now)?;
        let at = first.key().0;
        Some((at, first.remove()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_in_order_and_not_before_their_time() {
        let mut timers = Timers::default();
        for (at, step) in [(7, Step::Wake), (5, Step::Minute), (5, Step::Evaluate)] {
            timers.push(at, step);
        }
        assert_eq!(timers.next_at(), Some(5));
        let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(6)).collect();
        assert_eq!(due, [(5, Step::Minute), (5, Step::Evaluate)]);
        assert_eq!(timers.pop_due(7), Some((7, Step::Wake)));
        assert_eq!(timers.next_at(), None);
    }
}
