//! When tasks end at once, again and again: the next ones wait longer each time, and a worker that never worked ends
//! the run.
//!
//! Goals: the service's throttle, for programs that do not really run; a wrong command is told within seconds.
//! Non-goals: workers that end now and then, or when they have done something: those are replaced at once.
//!
//! Source: ECS developer guide, service throttle logic: the time between attempts grows to a maximum of 15 minutes.

use model::time::{MINUTE, Nanos, SECOND};

/// A task that ends earlier has not really run.
const AT_ONCE: Nanos = 10 * SECOND;
/// The wait after the second such end in a row; it doubles.
const FIRST_WAIT: Nanos = SECOND;
const LONGEST_WAIT: Nanos = 15 * MINUTE;
/// Failures at once in a row, one task after the other, that end a run in which nothing was done.
pub(super) const GIVE_UP_AFTER: u32 = 4;

/// Tasks that ended at once, one after the other.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    in_a_row: u32,
    /// When the last of them ended; those that ran beside it say nothing new.
    since: Nanos,
    held_until: Nanos,
    /// What had been done by then.
    done: u64,
}

/// A task that ended though nobody asked it to.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) started_at: Nanos,
    pub(super) at: Nanos,
    /// Whether its exit status says so.
    pub(super) failed: bool,
    /// Messages that the stack has done since the start of the run.
    pub(super) done: u64,
}

impl Restarts {
    /// No task starts before.
    pub(super) fn held_until(&self) -> Nanos {
        self.held_until
    }

    /// Takes note of an end; false if there is no point in going on.
    pub(super) fn ended(&mut self, end: End) -> bool {
        if end.at.saturating_sub(end.started_at) >= AT_ONCE || end.done > self.done {
            *self = Self { since: end.at, done: end.done, ..Self::default() };
            return true;
        }
        if self.in_a_row > 0 && end.started_at < self.since {
            return true;
        }
        self.in_a_row += 1;
        self.since = end.at;
        if let Some(doublings) = self.in_a_row.checked_sub(2) {
            let wait = FIRST_WAIT << doublings.min(20);
            self.held_until = end.at + wait.min(LONGEST_WAIT);
        }
        !(end.failed && end.done == 0 && self.in_a_row >= GIVE_UP_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(started_at: Nanos, at: Nanos, done: u64) -> End {
        End { started_at, at, failed: true, done }
    }

    #[test]
    fn the_wait_doubles_to_a_quarter_of_an_hour() {
        let mut restarts = Restarts::default();
        let mut waits = Vec::new();
        let mut now = 0;
        for _ in 0..14 {
            now = now.max(restarts.held_until());
            let (started_at, at) = (now, now + SECOND / 2);
            assert!(restarts.ended(End { failed: false, ..end(started_at, at, 0) }), "it did not fail");
            waits.push(restarts.held_until().saturating_sub(at) / SECOND);
            now = at;
        }
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
    }

    #[test]
    fn a_worker_that_never_worked_ends_the_run() {
        let mut restarts = Restarts::default();
        let goes_on: Vec<bool> = (0..4).map(|n| restarts.ended(end(n * SECOND, n * SECOND + 1, 0))).collect();
        assert_eq!(goes_on, [true, true, true, false]);
    }

    #[test]
    fn one_that_worked_goes_on_and_many_at_once_count_as_one() {
        let mut restarts = Restarts::default();
        for _ in 0..50 {
            assert!(restarts.ended(end(0, SECOND, 0)), "they all started together");
        }
        assert_eq!(restarts.held_until(), 0);
        assert!(restarts.ended(end(2 * SECOND, 3 * SECOND, 5)), "something was done");
        for n in 4..10 {
            assert!(restarts.ended(end(n * SECOND, n * SECOND + 1, 5)), "it is known to work");
        }
        assert!(restarts.held_until() > 10 * SECOND);
        assert!(restarts.ended(end(10 * SECOND, 20 * SECOND, 5)));
        assert_eq!(restarts.held_until(), 0, "one has run for a while");
    }
}
