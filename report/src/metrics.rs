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
    /// Where its values come from.
    pub source: Source,
}

/// Where the values of a metric come from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// Whatever this reads off a stack; `None` if it does not apply or is not known.
    Stack(fn(&StackView) -> Option<f64>),
    /// A percentile of a stage, as a share: it has an interval within one run.
    Percentile(Stage, f64),
}

impl Metric {
    /// The value of a stack; `None` if it does not apply or is not known.
    #[must_use]
    pub fn value(&self, view: &StackView) -> Option<f64> {
        match self.source {
            Source::Stack(value) => value(view),
            Source::Percentile(stage, p) => view.percentile(stage, p),
        }
    }
}

/// The percentiles of the table.
#[must_use]
pub fn percentiles() -> Vec<(Stage, f64)> {
    let percentile = |metric: &Metric| match metric.source {
        Source::Percentile(stage, p) => Some((stage, p)),
        Source::Stack(_) => None,
    };
    METRICS.iter().filter_map(percentile).collect()
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
    Metric { name, label, group, unit, better, source: Source::Stack(value) }
}

const fn at(name: &'static str, label: &'static str, group: &'static str, stage: Stage, p: f64) -> Metric {
    let (unit, better) = FASTER;
    Metric { name, label, group, unit, better, source: Source::Percentile(stage, p) }
}

const LOAD: &str = "Load";
const LATENCY: &str = "Latency, scheduled to finished";
pub(crate) const STAGES: &str = "Where the time went";
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
    at("latency-p50", "p50", LATENCY, Stage::Latency, 0.5),
    at("latency-p90", "p90", LATENCY, Stage::Latency, 0.9),
    at("latency-p95", "p95", LATENCY, Stage::Latency, 0.95),
    at("latency-p99", "p99", LATENCY, Stage::Latency, 0.99),
    at("latency-p99.9", "p99.9", LATENCY, Stage::Latency, 0.999),
    of("latency-max", "Longest", LATENCY, FASTER, |v| v.longest()),
    at("send-delay-p99", "Send delay, p99", STAGES, Stage::SendDelay, 0.99),
    at("queue-p50", "In the queue, p50", STAGES, Stage::Queue, 0.5),
    at("queue-p99", "In the queue, p99", STAGES, Stage::Queue, 0.99),
    at("start-p50", "Received to started, p50", STAGES, Stage::Start, 0.5),
    at("start-p99", "Received to started, p99", STAGES, Stage::Start, 0.99),
    at("work-p50", "Work, p50", STAGES, Stage::Work, 0.5),
    at("work-p99", "Work, p99", STAGES, Stage::Work, 0.99),
    at("acknowledge-p50", "Finished to deleted, p50", STAGES, Stage::Acknowledge, 0.5),
    at("acknowledge-p99", "Finished to deleted, p99", STAGES, Stage::Acknowledge, 0.99),
    of("backlog-max", "Largest backlog", BACKLOG, (Unit::Messages, Better::Lower), |v| {
        v.largest(metric::VISIBLE)
    }),
    of("time-behind", "Time more than 10 s of load behind", BACKLOG, SHORTER, |v| v.seconds_behind()),
    of("oldest-age-max", "Oldest waiting message", BACKLOG, SHORTER, |v| v.largest(metric::OLDEST_AGE)),
    of("drain-time", "Drain after the load's end", BACKLOG, SHORTER, |v| v.drain_seconds()),
    of("workers-max", "Most tasks or environments", SCALING, (Unit::Count, Better::Neither), |v| {
        v.most_workers()
    }),
    of("scale-out-delay", "From falling behind to more capacity", SCALING, SHORTER, |v| v.scale_out_delay()),
    of("task-start-p50", "Task start, p50, whole run", SCALING, SHORTER, |v| v.task_start(0.5)),
    of("task-start-p90", "Task start, p90, whole run", SCALING, SHORTER, |v| v.task_start(0.9)),
    of("task-start-max", "Longest task start, whole run", SCALING, SHORTER, |v| v.task_starts().pop()),
    of("cold-starts", "Cold starts", SCALING, FEWER, |v| v.lambda_sum(metric::COLD_STARTS)),
    of("throttles", "Throttled invocations", SCALING, FEWER, |v| v.lambda_sum(metric::THROTTLES)),
    of("errors", "Failed invocations", SCALING, FEWER, |v| v.lambda_sum(metric::ERRORS)),
    of("completed-more-than-once", "Completed more than once", SCALING, FEWER, |v| {
        Some(v.entry.ledger.completed_more as f64)
    }),
    of("cost-run", "This run", COST, CHEAPER, |v| v.total_cost()),
    of("cost-per-million", "Per million messages", COST, CHEAPER, |v| v.cost_per_million()),
    of("cost-per-month", "Per month at this load", COST, CHEAPER, |v| v.cost_per_month()),
    of("idle-cost-per-month", "Per month without a message", COST, CHEAPER, |v| v.idle_cost_per_month()),
    of("idle-share", "Idle share of compute", COST, (Unit::Share, Better::Lower), |v| v.idle_share()),
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
