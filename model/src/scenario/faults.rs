//! Faults: what goes wrong during a run, when, and to whom.
//!
//! Goals: one list that a simulation and a measured run act out alike.
//! Non-goals: faults of AWS that the laws already have (Spot interruptions, duplicates).

use super::units::show_duration;
use crate::time::Nanos;
use std::fmt;

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The stack it happens to; `None` is every stack that it can happen to.
    pub stack: Option<String>,
    /// When it begins, from the start of the run.
    pub from: Nanos,
    /// When it ends; `from` for what happens at one instant.
    pub until: Nanos,
    /// What it is.
    pub kind: FaultKind,
}

/// Kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultKind {
    /// Workers die at once, in the middle of their work: ECS tasks exit, Lambda environments crash. Busy ones first.
    WorkerCrash {
        /// How many.
        count: u32,
    },
    /// ECS stops tasks: SIGTERM, stopTimeout, SIGKILL; the service starts others. Does nothing to Lambda.
    TaskKill {
        /// How many.
        count: u32,
    },
    /// A new version is rolled out: tasks are replaced one generation by the next, environments start anew.
    Deployment,
    /// A share of the messages planned in the span fails, whatever attempt; all stacks.
    FailedMessages {
        /// 0 to 1.
        share: f64,
    },
    /// A share of the messages planned in the span takes longer; all stacks.
    SlowTail {
        /// 0 to 1.
        share: f64,
        /// Added to their work.
        extra: Nanos,
    },
    /// A share of the calls to the queue is answered with 500.
    EndpointErrors {
        /// 0 to 1.
        share: f64,
    },
    /// A share of the calls to the queue is answered with RequestThrottled.
    EndpointThrottles {
        /// 0 to 1.
        share: f64,
    },
    /// The queue's VisibilityTimeout is this in the span.
    ShortVisibility {
        /// VisibilityTimeout.
        timeout: Nanos,
    },
}

impl FaultKind {
    /// As in scenarios.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::WorkerCrash { .. } => "worker-crash",
            Self::TaskKill { .. } => "task-kill",
            Self::Deployment => "deployment",
            Self::FailedMessages { .. } => "failed-messages",
            Self::SlowTail { .. } => "slow-tail",
            Self::EndpointErrors { .. } => "endpoint-errors",
            Self::EndpointThrottles { .. } => "endpoint-throttles",
            Self::ShortVisibility { .. } => "short-visibility",
        }
    }
}

impl Fault {
    /// Whether it happens to the stack of this name.
    #[must_use]
    pub fn concerns(&self, stack: &str) -> bool {
        self.stack.as_deref().is_none_or(|name| name == stack)
    }

    /// Whether `at` lies in its span, whose end is not part of it.
    #[inline]
    #[must_use]
    pub fn covers(&self, at: Nanos) -> bool {
        self.from <= at && at < self.until
    }
}

/// What happens, for people: `endpoint-errors until 40s: 20 % of the calls`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind.name())?;
        if self.until > self.from {
            write!(f, " until {}", show_duration(self.until))?;
        }
        let percent = |share: f64| format!("{} %", (share * 1e4).round() / 1e2);
        let counted = |count: u32, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        match self.kind {
            FaultKind::WorkerCrash { count } => write!(f, ": {}", counted(count, "worker")),
            FaultKind::TaskKill { count } => write!(f, ": {}", counted(count, "task")),
            FaultKind::Deployment => write!(f, ": a new version"),
            FaultKind::FailedMessages { share } => write!(f, ": {} of the messages", percent(share)),
            FaultKind::SlowTail { share, extra } => {
                write!(f, ": {} of the messages take {} longer", percent(share), show_duration(extra))
            }
            FaultKind::EndpointErrors { share } | FaultKind::EndpointThrottles { share } => {
                write!(f, ": {} of the calls", percent(share))
            }
            FaultKind::ShortVisibility { timeout } => {
                write!(f, ": VisibilityTimeout {}", show_duration(timeout))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;

    #[test]
    fn faults_are_told_in_a_line() {
        let told = |kind, until| Fault { stack: None, from: SECOND, until, kind }.to_string();
        assert_eq!(told(FaultKind::WorkerCrash { count: 2 }, SECOND), "worker-crash: 2 workers");
        assert_eq!(told(FaultKind::Deployment, SECOND), "deployment: a new version");
        let tail = FaultKind::SlowTail { share: 0.015, extra: 5 * SECOND };
        assert_eq!(told(tail, 40 * SECOND), "slow-tail until 40s: 1.5 % of the messages take 5s longer");
        let short = FaultKind::ShortVisibility { timeout: 0 };
        assert_eq!(told(short, 90 * SECOND), "short-visibility until 90s: VisibilityTimeout 0s");
    }

    #[test]
    fn a_span_holds_its_beginning_and_not_its_end() {
        let kind = FaultKind::EndpointErrors { share: 0.5 };
        let fault = Fault { stack: Some("ecs".into()), from: 10, until: 20, kind };
        assert_eq!([9, 10, 19, 20].map(|at| fault.covers(at)), [false, true, true, false]);
        assert!(fault.concerns("ecs") && !fault.concerns("lambda"));
    }
}
