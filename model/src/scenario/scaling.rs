//! Scaling policies of an ECS service or of an EC2 Auto Scaling group, and the alarms that drive them.

use super::kinds::{Choice, Count, Flag, Number, Span, Sub, Whole};
use super::lists::List;
use super::table::Table;
use super::{
    Adjustment, Alarm, AlarmMetric, Comparison, MissingData, ScalingPolicy, Scheduled, Statistic, Step,
    StepScaling, TargetTracking, check,
};
use crate::time::{DAY, HOUR, MINUTE, Nanos};

const COOLDOWN: Nanos = 5 * MINUTE;
/// Largest number that a threshold, a bound or a target may be.
const MOST: f64 = 1e12;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Step,
    TargetTracking,
    BacklogPerTask,
    Scheduled,
}

/// What policies scale.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Of {
    /// Tasks of an ECS service.
    Tasks,
    /// Instances of a group: its warm-up stands in for cooldowns.
    Instances,
}

impl Of {
    fn units(self) -> &'static str {
        if self == Self::Tasks { "tasks" } else { "instances" }
    }

    fn backlog(self) -> &'static str {
        if self == Self::Tasks { "backlog-per-task" } else { "backlog-per-instance" }
    }

    /// A cooldown, where there are any.
    fn cooldown(self, t: &mut Table<'_>, key: &str, doc: &str) -> Nanos {
        match self {
            Self::Tasks => t.get(key, doc, &Span::seconds(0, 2 * HOUR), COOLDOWN),
            Self::Instances => 0,
        }
    }
}

/// The keys of a scaling policy.
pub(super) fn policy(t: &mut Table<'_>, of: Of) -> Option<ScalingPolicy> {
    let kinds = [
        (Kind::Step, "step"),
        (Kind::TargetTracking, "target-tracking"),
        (Kind::BacklogPerTask, of.backlog()),
        (Kind::Scheduled, "scheduled"),
    ];
    let read = |t: &mut Table<'_>, kind: Kind| match kind {
        Kind::Step => step_scaling(t, of).map(ScalingPolicy::Step),
        Kind::TargetTracking => {
            let doc = format!("What it holds; must fall when {} are added.", of.units());
            let metric = t.required("metric", &doc, &metrics(of));
            tracking(t, of, metric).map(ScalingPolicy::TargetTracking)
        }
        Kind::BacklogPerTask => {
            tracking(t, of, Some(AlarmMetric::BacklogPerTask)).map(ScalingPolicy::TargetTracking)
        }
        Kind::Scheduled => scheduled(t, of).map(ScalingPolicy::Scheduled),
    };
    let unit = of.units().trim_end_matches('s');
    let doc = format!(
        "Step scaling on an alarm, target tracking, target tracking on visible messages per running {unit}, or a \
         scheduled action."
    );
    t.variants("policy", &doc, &kinds, &read).flatten()
}

fn metrics(of: Of) -> Choice<AlarmMetric> {
    let all = [
        AlarmMetric::VisibleMessages,
        AlarmMetric::NotVisibleMessages,
        AlarmMetric::OldestMessageAge,
        AlarmMetric::MessagesSent,
        AlarmMetric::CpuUtilization,
        AlarmMetric::BacklogPerTask,
    ];
    let name = |metric: AlarmMetric| {
        if metric == AlarmMetric::BacklogPerTask { of.backlog() } else { metric.name() }
    };
    Choice(all.map(|metric| (metric, name(metric))).to_vec())
}

fn step_scaling(t: &mut Table<'_>, of: Of) -> Option<StepScaling> {
    let alarm = alarm(t, of);
    let units = of.units();
    let adjustments = vec![
        (Adjustment::ChangeInCapacity, "change-in-capacity"),
        (Adjustment::ExactCapacity, "exact-capacity"),
        (Adjustment::PercentChangeInCapacity, "percent-change-in-capacity"),
    ];
    let doc = format!(
        "What a step's change means: {units} more or fewer, the number of {units}, or percent of them."
    );
    let adjustment = t.get("adjustment", &doc, &Choice(adjustments), Adjustment::ChangeInCapacity);
    let doc = "Steps by how far the metric is beyond the threshold.";
    let steps =
        t.required("steps", doc, &List(Sub("{ from = 0, change = 5 }", |t: &mut Table<'_>| step(t, of)), 20));
    let doc = "Cooldown, counted from the end of the scaling activity.";
    let cooldown = of.cooldown(t, "cooldown", doc);
    let doc = format!("MinAdjustmentMagnitude: fewest {units} that a percent change moves.");
    let min_adjustment = t.get("min-adjustment", &doc, &Count(1, 5_000), 1);
    let scaling = StepScaling { alarm: alarm?, adjustment, steps: steps?, cooldown, min_adjustment };
    if t.clean() {
        check::step_scaling(t, &scaling, units);
    }
    Some(scaling)
}

fn step(t: &mut Table<'_>, of: Of) -> Option<Step> {
    let bound = Number(-MOST, MOST);
    let doc = "Lower bound, relative to the threshold; without it minus infinity.";
    let lower = t.optional("from", doc, &bound);
    let doc = "Upper bound, relative to the threshold; without it infinity.";
    let upper = t.optional("to", doc, &bound);
    let change = t.required(
        "change",
        if of == Of::Tasks { "Tasks or percent." } else { "Instances or percent." },
        &Whole(-10_000, 10_000),
    );
    if let (Some(from), Some(to)) = (lower, upper)
        && from >= to
    {
        t.problem("from", format!("{from} is not below to, {to}; write the lower bound first"));
    }
    Some(Step { lower, upper, change: i32::try_from(change?).ok()? })
}

fn alarm(t: &mut Table<'_>, of: Of) -> Option<Alarm> {
    let statistics = vec![
        (Statistic::Average, "average"),
        (Statistic::Sum, "sum"),
        (Statistic::Minimum, "minimum"),
        (Statistic::Maximum, "maximum"),
    ];
    let comparisons = vec![
        (Comparison::GreaterThan, ">"),
        (Comparison::AtLeast, ">="),
        (Comparison::LessThan, "<"),
        (Comparison::AtMost, "<="),
    ];
    let missing = vec![
        (MissingData::Missing, "missing"),
        (MissingData::Ignore, "ignore"),
        (MissingData::Breaching, "breaching"),
        (MissingData::NotBreaching, "not-breaching"),
    ];
    let metric = t.required("metric", "What the alarm watches.", &metrics(of));
    let doc = "How a period's samples become one number.";
    let statistic = t.get("statistic", doc, &Choice(statistics), Statistic::Average);
    let doc = "The alarm breaches when the metric compares so to the threshold.";
    let comparison = t.get("comparison", doc, &Choice(comparisons), Comparison::AtLeast);
    let threshold = t.required("threshold", "In the metric's unit.", &Number(0.0, MOST));
    let period = t.get("period", "Period, whole minutes.", &Span::seconds(MINUTE, DAY), MINUTE);
    let doc = "N: how many periods the alarm looks at.";
    let evaluation_periods = t.get("evaluation-periods", doc, &Count(1, 1_440), 1);
    let doc = "M: how many of them have to breach; without it all.";
    let datapoints = t.optional("datapoints-to-alarm", doc, &Count(1, 1_440));
    let doc = "What a period without data counts as.";
    let missing_data = t.get("missing-data", doc, &Choice(missing), MissingData::Missing);
    let alarm = Alarm {
        metric: metric?,
        statistic,
        comparison,
        threshold: threshold?,
        period,
        evaluation_periods,
        datapoints_to_alarm: datapoints.unwrap_or(evaluation_periods),
        missing_data,
    };
    if t.clean() {
        check::alarm(t, &alarm);
    }
    Some(alarm)
}

fn tracking(t: &mut Table<'_>, of: Of, metric: Option<AlarmMetric>) -> Option<TargetTracking> {
    let target = t.required("target", "The value to hold the metric at; above 0.", &Number(0.0, MOST));
    let scale_out_cooldown = of.cooldown(t, "scale-out-cooldown", "ScaleOutCooldown.");
    let scale_in_cooldown = of.cooldown(t, "scale-in-cooldown", "ScaleInCooldown.");
    let disable_scale_in = t.get("disable-scale-in", "Whether it only scales out.", &Flag, false);
    let tracking = TargetTracking {
        metric: metric?,
        target: target?,
        scale_out_cooldown,
        scale_in_cooldown,
        disable_scale_in,
    };
    if t.clean() {
        check::tracking(t, &tracking, of.units(), of.backlog());
    }
    Some(tracking)
}

fn scheduled(t: &mut Table<'_>, of: Of) -> Option<Scheduled> {
    let at = t.required("at", "When, from the start of the run.", &Span::within(0, 31 * DAY));
    let (low, high) = (format!("min-{}", of.units()), format!("max-{}", of.units()));
    let min_tasks = t.optional(&low, "New minimum.", &Count(0, 5_000));
    let max_tasks = t.optional(&high, "New maximum.", &Count(0, 5_000));
    if t.clean() {
        match (min_tasks, max_tasks) {
            (None, None) => t.problem_here(format!("changes nothing; add {low} or {high}")),
            (Some(min), Some(max)) if min > max => {
                t.problem(&low, format!("{min} is above {high}, {max}; lower this or raise that"));
            }
            _ => {}
        }
    }
    Some(Scheduled { at: at?, min_tasks, max_tasks })
}
