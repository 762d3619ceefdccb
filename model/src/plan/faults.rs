//! Faults that are in the messages themselves: some fail whatever attempt, some take longer.
//!
//! Goals: every message draws as often as any other, so that a fault moves no draw of another one.
//! Non-goals: faults of workers, queues and services (their drivers act them out).

use super::Arrival;
use crate::random::Stream;
use crate::scenario::{Fault, FaultKind};

/// The faults that are in messages.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    faults: Vec<Fault>,
    failures: Stream,
    tail: Stream,
}

impl Marks {
    /// `None` if no fault is in messages.
    pub(super) fn new(faults: &[Fault], seed: u64) -> Option<Box<Self>> {
        let in_messages = |fault: &&Fault| {
            matches!(fault.kind, FaultKind::FailedMessages { .. } | FaultKind::SlowTail { .. })
        };
        let faults: Vec<Fault> = faults.iter().filter(in_messages).cloned().collect();
        if faults.is_empty() {
            return None;
        }
        let stream = |label: &str| Stream::new(seed, label);
        Some(Box::new(Self { faults, failures: stream("faults failures"), tail: stream("faults tail") }))
    }

    /// Marks a message if it is one of those.
    pub(super) fn mark(&mut self, arrival: &mut Arrival) {
        let mut failing = Draw(self.failures.unit());
        let mut slow = Draw(self.tail.unit());
        for fault in self.faults.iter().filter(|fault| fault.covers(arrival.at)) {
            match fault.kind {
                FaultKind::FailedMessages { share } if failing.falls(share) => arrival.failures = u8::MAX,
                FaultKind::SlowTail { share, extra } if slow.falls(share) => arrival.work += extra,
                _ => {}
            }
        }
    }
}

/// One uniform draw, asked several times: what is left of it after an answer is uniform again.
struct Draw(f64);

impl Draw {
    /// True with probability `share`, whatever was answered before.
    fn falls(&mut self, share: f64) -> bool {
        let falls = self.0 < share;
        self.0 = if falls { self.0 / share } else { (self.0 - share) / (1.0 - share) };
        falls
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::scenario::{Arrivals, Message, Parameters, Phase, Rate, Scenario};
    use crate::time::{MINUTE, SECOND};

    fn plan(faults: Vec<Fault>) -> Vec<Arrival> {
        let arrivals = Arrivals::Poisson(Rate::Constant(500.0));
        Plan::new(&Scenario {
            title: String::new(),
            analysis: String::new(),
            seed: 11,
            region: Scenario::REGION.into(),
            warmup: 0,
            drain_max: MINUTE,
            phases: vec![Phase { name: "p".into(), duration: Some(MINUTE), arrivals }],
            message: Message { failure: 0.1, ..Message::default() },
            stacks: Vec::new(),
            faults,
            streams: Vec::new(),
            expect: Vec::new(),
            parameters: Parameters::default(),
        })
        .collect()
    }

    fn fault(from_s: u64, until_s: u64, kind: FaultKind) -> Fault {
        Fault { stack: None, from: from_s * SECOND, until: until_s * SECOND, kind }
    }

    fn slow(share: f64) -> FaultKind {
        FaultKind::SlowTail { share, extra: 5 * SECOND }
    }

    /// Which messages two plans differ in, and that nothing else of them does.
    fn marked(before: &[Arrival], after: &[Arrival]) -> Vec<u64> {
        assert_eq!(before.len(), after.len());
        let pairs = || before.iter().zip(after);
        for (a, b) in pairs() {
            assert_eq!(*b, Arrival { work: b.work, failures: b.failures, ..*a });
        }
        pairs().filter(|(a, b)| a != b).map(|(a, _)| a.seq).collect()
    }

    #[test]
    fn a_share_of_the_messages_in_the_span_is_marked() {
        let plain = plan(Vec::new());
        let within = |from: u64, until: u64| {
            plain.iter().filter(|a| (from * SECOND..until * SECOND).contains(&a.at)).count() as f64
        };
        let failing = plan(vec![fault(10, 40, FaultKind::FailedMessages { share: 0.2 })]);
        let hit: Vec<&Arrival> = marked(&plain, &failing).iter().map(|&seq| &failing[seq as usize]).collect();
        assert!(hit.iter().all(|a| a.failures == u8::MAX && (10 * SECOND..40 * SECOND).contains(&a.at)));
        assert!(
            (hit.len() as f64 / within(10, 40) - 0.2).abs() < 0.015,
            "{} of {}",
            hit.len(),
            within(10, 40)
        );
        let tail = plan(vec![fault(0, 20, slow(1.0))]);
        assert_eq!(marked(&plain, &tail).len() as f64, within(0, 20));
        assert!(
            tail.iter()
                .zip(&plain)
                .all(|(b, a)| b.work - a.work == if a.at < 20 * SECOND { 5 * SECOND } else { 0 })
        );
    }

    #[test]
    fn a_fault_moves_no_other() {
        let plain = plan(Vec::new());
        let one = fault(40, 50, slow(0.3));
        let alone = marked(&plain, &plan(vec![one.clone()]));
        let others = [fault(5, 30, FaultKind::FailedMessages { share: 0.5 }), fault(0, 20, slow(0.1))];
        let crash = Fault { stack: None, from: 1, until: 1, kind: FaultKind::WorkerCrash { count: 1 } };
        let both = plan(vec![others[0].clone(), crash, others[1].clone(), one]);
        let late: Vec<u64> =
            marked(&plain, &both).into_iter().filter(|&seq| plain[seq as usize].at >= 40 * SECOND).collect();
        assert_eq!(late, alone);
    }

    #[test]
    fn overlapping_faults_fall_independently() {
        let plain = plan(Vec::new());
        let both = plan(vec![fault(0, 60, slow(0.5)), fault(0, 60, slow(0.2)), fault(0, 60, slow(0.2))]);
        let share = |times: u64| {
            let hit = both.iter().zip(&plain).filter(|(b, a)| b.work - a.work == times * 5 * SECOND).count();
            hit as f64 / plain.len() as f64
        };
        for (times, expected) in [(0, 0.32), (1, 0.48), (2, 0.18), (3, 0.02)] {
            assert!((share(times) - expected).abs() < 0.012, "{times} times: {}", share(times));
        }
    }
}
