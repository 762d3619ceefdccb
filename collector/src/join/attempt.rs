//! The instants of an attempt, from what its worker printed.
//!
//! On one machine the worker's wall clock is the run's. Across machines a span is taken from one clock wherever
//! there is one: SQS's from send to first receive, the worker's from there to the end. Nothing on Lambda sees both
//! the receive and the first line of the handler: that span is from SQS's clock to that of the environment, which
//! AWS keeps together; such attempts are counted.

use super::account::signed;
use model::journal::Record;
use model::time::MILLISECOND;

/// Where workers and their records come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    /// Start of the run: UTC nanoseconds.
    pub(crate) started_ns: u64,
    /// Whether the workers share the run's clock.
    pub(crate) one_machine: bool,
    /// Whether what the worker calls waiting began at its receive.
    pub(crate) worker_receives: bool,
}

/// Instants on the run's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Instants {
    pub(crate) received: Option<i64>,
    pub(crate) started: Option<i64>,
    pub(crate) finished: Option<i64>,
    /// Whether a span was taken between two clocks.
    pub(crate) crossed: bool,
}

impl Clocks {
    /// An instant of the wall clock.
    fn wall(&self, utc_ns: u64) -> Option<i64> {
        i64::try_from(i128::from(utc_ns) - i128::from(self.started_ns)).ok()
    }

    /// The instants of an attempt at a message that was sent at `sent`.
    pub(crate) fn instants(&self, record: &Record, sent: Option<i64>) -> Instants {
        let after_sent = |utc_ns: u64| {
            let span = i128::from(utc_ns) - i128::from(record.sent_ms?) * i128::from(MILLISECOND);
            i64::try_from(i128::from(sent?) + span).ok()
        };
        let plus = |at: Option<i64>, span: Option<u64>| at?.checked_add(signed(span?)?);
        if self.one_machine {
            // Its receive is among the sightings.
            let started = record.started_ns.and_then(|ns| self.wall(ns));
            return Instants { started, finished: plus(started, record.work_ns), ..Instants::default() };
        }
        // Only the first receive has an instant of its own.
        let first = record.first_received_ms.filter(|_| record.receive_count == 1);
        let received = first.and_then(|ms| after_sent(ms.checked_mul(MILLISECOND)?));
        let own = plus(received, record.waited_ns).filter(|_| self.worker_receives);
        let between = || record.started_ns.and_then(|ns| after_sent(ns).or_else(|| self.wall(ns)));
        let started = own.or_else(between);
        let backwards = || started?.checked_sub(signed(record.waited_ns?)?).filter(|_| self.worker_receives);
        Instants {
            received: received.or_else(backwards),
            started,
            finished: plus(started, record.work_ns),
            crossed: own.is_none() && started.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::journal::MessageId;

    const START: u64 = 1_800_000_000_000_000_000;

    fn clocks(one_machine: bool, worker_receives: bool) -> Clocks {
        Clocks { started_ns: START, one_machine, worker_receives }
    }

    /// Sent 2 s after the start by SQS's clock, received 30 ms later; the worker's clock is 1 s fast.
    fn record() -> Record {
        let ms = START / MILLISECOND;
        Record {
            sent_ms: Some(ms + 2_000),
            first_received_ms: Some(ms + 2_030),
            started_ns: Some(START + 3_031_000_000),
            waited_ns: Some(1_000_000),
            work_ns: Some(20_000_000),
            ..Record::new(MessageId(1))
        }
    }

    #[test]
    fn a_first_attempt_of_a_task_has_spans_of_one_clock_each() {
        let seen = clocks(false, true).instants(&record(), Some(500_000_000));
        let ms = |at: Option<i64>| at.map(|at| at / 1_000_000);
        assert_eq!(
            (ms(seen.received), ms(seen.started), ms(seen.finished)),
            (Some(530), Some(531), Some(551))
        );
        assert!(!seen.crossed);
    }

    #[test]
    fn later_attempts_and_functions_go_by_two_clocks_and_say_so() {
        let again = Record { receive_count: 2, ..record() };
        let seen = clocks(false, true).instants(&again, Some(0));
        assert_eq!((seen.received, seen.started), (Some(1_030_000_000), Some(1_031_000_000)));
        assert!(seen.crossed);
        let seen = clocks(false, false).instants(&record(), Some(0));
        assert_eq!((seen.received, seen.started), (Some(30_000_000), Some(1_031_000_000)));
        assert!(seen.crossed);
        assert_eq!(clocks(false, false).instants(&again, Some(0)).received, None);
    }

    #[test]
    fn on_one_machine_the_wall_clock_is_the_runs() {
        let seen = clocks(true, true).instants(&record(), None);
        assert_eq!((seen.started, seen.finished), (Some(3_031_000_000), Some(3_051_000_000)));
        assert!(!seen.crossed && seen.received.is_none());
        let early = Record { started_ns: Some(START - 5), ..record() };
        assert_eq!(clocks(true, true).instants(&early, None).started, Some(-5), "not clamped");
    }

    #[test]
    fn what_is_not_known_stays_so() {
        let bare = Record::new(MessageId(1));
        for clocks in [clocks(true, true), clocks(false, true), clocks(false, false)] {
            assert_eq!(clocks.instants(&bare, Some(7)), Instants::default());
            let absurd = Record {
                sent_ms: Some(u64::MAX),
                first_received_ms: Some(u64::MAX),
                started_ns: Some(u64::MAX),
                waited_ns: Some(u64::MAX),
                work_ns: Some(u64::MAX),
                ..bare.clone()
            };
            assert_eq!(clocks.instants(&absurd, Some(i64::MAX)).finished, None);
        }
    }
}
