//! The one metric table. It drives the scorecard, the text summary and `summary.json`.
//!
//! Unless its label says otherwise a metric leaves out warm-up. The ledger and the bill cover the whole run.

use crate::format::Unit;
use crate::view::StackView;
use model::series::metric;
use model::windows::Stage;

/// Which direction is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Smaller is better.
    Lower,
    /// Larger is better.
    Higher,
    /// It informs, it does not judge.
    Neither,
}

impl Better {
    /// As in `summary.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Higher => "higher",
            Self::Neither => "neither",
        }
    }
}

/// A row of the table.
pub struct Metric {
    /// Stable name, as in `summary.json`.
    pub name: &'static str,
    /// For people.
    pub label: &'static str,
    /// Heading it stands under.
    pub group: &'static str,
    /// Unit of its values.
    pub unit: Unit,
    /// Which direction is good.
    pub better: Better,
    /// Reads it off a stack; `None` if it does not apply or is not known.
    pub value: fn(&StackView) -> Option<f64>,
}

/// The metric of that name.
///
/// # Panics
/// When the table has no such row: names in code are constants.
#[must_use]
pub fn named(name: &str) -> &'static Metric {
    METRICS.iter().find(|m| m.name == name).expect("a metric of the table")
}

const fn of(
    name: &'static str,
    label: &'static str,
    group: &'static str,
    (unit, better): (Unit, Better),
    value: fn(&StackView) -> Option<f64>,
) -> Metric {
    Metric { name, label, group, unit, better, value }
}

const LOAD: &str = "Load";
const LATENCY: &str = "Latency, scheduled to finished";
const STAGES: &str = "Where the time went";
const BACKLOG: &str = "Backlog";
const SCALING: &str = "Scaling and trouble";
const COST: &str = "Cost";

const FEWER: (Unit, Better) = (Unit::Count, Better::Lower);
const FASTER: (Unit, Better) = (Unit::Milliseconds, Better::Lower);
const SHORTER: (Unit, Better) = (Unit::Seconds, Better::Lower);
const CHEAPER: (Unit, Better) = (Unit::Usd, Better::Lower);

/// Every metric, in the order of the report.
pub const METRICS: &[Metric] = &[
    of("messages-completed", "Messages completed, whole run", LOAD, (Unit::Messages, Better::Higher), |v| {
        Some(v.entry.ledger.done() as f64)
    }),
    of(
        "messages-not-completed",
        "Messages not completed, whole run",
        LOAD,
        (Unit::Messages, Better::Lower),
        |v| Some(v.entry.ledger.total().saturating_sub(v.entry.ledger.done()) as f64),
    ),
    of("offered-rate", "Offered rate, mean", LOAD, (Unit::Rate, Better::Neither), |v| v.rate(metric::SENT)),
    of("achieved-rate", "Achieved rate during the load, mean", LOAD, (Unit::Rate, Better::Higher), |v| {
        v.rate(metric::COMPLETED)
    }),
    of("latency-p50", "p50", LATENCY, FASTER, |v| v.percentile(Stage::Latency, 0.5)),
    of("latency-p90", "p90", LATENCY, FASTER, |v| v.percentile(Stage::Latency, 0.9)),
    of("latency-p95", "p95", LATENCY, FASTER, |v| v.percentile(Stage::Latency, 0.95)),
    of("latency-p99", "p99", LATENCY, FASTER, |v| v.percentile(Stage::Latency, 0.99)),
    of("latency-p99.9", "p99.9", LATENCY, FASTER, |v| v.percentile(Stage::Latency, 0.999)),
    of("latency-max", "Longest", LATENCY, FASTER, |v| v.longest()),
    of("send-delay-p99", "Send delay, p99", STAGES, FASTER, |v| v.percentile(Stage::SendDelay, 0.99)),
    of("queue-p50", "In the queue, p50", STAGES, FASTER, |v| v.percentile(Stage::Queue, 0.5)),
    of("queue-p99", "In the queue, p99", STAGES, FASTER, |v| v.percentile(Stage::Queue, 0.99)),
    of("start-p50", "Received to started, p50", STAGES, FASTER, |v| v.percentile(Stage::Start, 0.5)),
    of("start-p99", "Received to started, p99", STAGES, FASTER, |v| v.percentile(Stage::Start, 0.99)),
    of("work-p50", "Work, p50", STAGES, FASTER, |v| v.percentile(Stage::Work, 0.5)),
    of("work-p99", "Work, p99", STAGES, FASTER, |v| v.percentile(Stage::Work, 0.99)),
    of("backlog-max", "Largest backlog", BACKLOG, (Unit::Messages, Better::Lower), |v| {
        v.largest(metric::VISIBLE)
    }),
    of("time-behind", "Time more than 10 s of load behind", BACKLOG, SHORTER, |v| v.seconds_behind()),
    of("oldest-age-max", "Oldest waiting message", BACKLOG, SHORTER, |v| v.largest(metric::OLDEST_AGE)),
    of("drain-time", "Drain after the load's end", BACKLOG, SHORTER, |v| v.drain_seconds()),
    of("workers-max", "Most tasks or environments", SCALING, (Unit::Count, Better::Neither), |v| {
        v.most_workers()
    }),
    of("cold-starts", "Cold starts", SCALING, FEWER, |v| v.lambda_sum(metric::COLD_STARTS)),
    of("throttles", "Throttled invocations", SCALING, FEWER, |v| v.lambda_sum(metric::THROTTLES)),
    of("errors", "Failed invocations", SCALING, FEWER, |v| v.lambda_sum(metric::ERRORS)),
    of("completed-more-than-once", "Completed more than once", SCALING, FEWER, |v| {
        Some(v.entry.ledger.completed_more as f64)
    }),
    of("cost-run", "This run", COST, CHEAPER, |v| v.total_cost()),
    of("cost-per-million", "Per million messages", COST, CHEAPER, |v| v.cost_per_million()),
    of("cost-per-month", "Per month at this load", COST, CHEAPER, |v| v.cost_per_month()),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_groups_stay_together() {
        let mut names: Vec<_> = METRICS.iter().map(|m| m.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
        let mut groups: Vec<_> = METRICS.iter().map(|m| m.group).collect();
        groups.dedup();
        assert_eq!(groups, [LOAD, LATENCY, STAGES, BACKLOG, SCALING, COST]);
    }
}
