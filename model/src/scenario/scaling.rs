//! Scaling policies of an ECS service, and the alarms that drive them.

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

/// The keys of a scaling policy.
pub(super) fn policy(t: &mut Table<'_>) -> Option<ScalingPolicy> {
    let kinds = [
        (Kind::Step, "step"),
        (Kind::TargetTracking, "target-tracking"),
        (Kind::BacklogPerTask, "backlog-per-task"),
        (Kind::Scheduled, "scheduled"),
    ];
    let read = |t: &mut Table<'_>, kind: Kind| match kind {
        Kind::Step => step_scaling(t).map(ScalingPolicy::Step),
        Kind::TargetTracking => {
            let doc = "What it holds; must fall when tasks are added.";
            let metric = t.required("metric", doc, &metrics());
            tracking(t, metric).map(ScalingPolicy::TargetTracking)
        }
        Kind::BacklogPerTask => {
            tracking(t, Some(AlarmMetric::BacklogPerTask)).map(ScalingPolicy::TargetTracking)
        }
        Kind::Scheduled => scheduled(t).map(ScalingPolicy::Scheduled),
    };
    let doc = "Step scaling on an alarm, target tracking, target tracking on visible messages per running \
               task, or a scheduled action.";
    t.variants("policy", doc, &kinds, &read).flatten()
}

fn metrics() -> Choice<AlarmMetric> {
    let all = [
        AlarmMetric::VisibleMessages,
        AlarmMetric::NotVisibleMessages,
        AlarmMetric::OldestMessageAge,
        AlarmMetric::MessagesSent,
        AlarmMetric::CpuUtilization,
        AlarmMetric::BacklogPerTask,
    ];
    Choice(all.map(|metric| (metric, metric.name())).to_vec())
}

fn step_scaling(t: &mut Table<'_>) -> Option<StepScaling> {
    let alarm = alarm(t);
    let adjustments = vec![
        (Adjustment::ChangeInCapacity, "change-in-capacity"),
        (Adjustment::ExactCapacity, "exact-capacity"),
        (Adjustment::PercentChangeInCapacity, "percent-change-in-capacity"),
    ];
    let doc = "What a step's change means: tasks more or fewer, the number of tasks, or percent of them.";
    let adjustment = t.get("adjustment", doc, &Choice(adjustments), Adjustment::ChangeInCapacity);
    let doc = "Steps by how far the metric is beyond the threshold.";
    let steps = t.required("steps", doc, &List(Sub("{ from = 0, change = 5 }", step), 20));
    let doc = "Cooldown, counted from the end of the scaling activity.";
    let cooldown = t.get("cooldown", doc, &Span::seconds(0, 2 * HOUR), COOLDOWN);
    let doc = "MinAdjustmentMagnitude: fewest tasks that a percent change moves.";
    let min_adjustment = t.get("min-adjustment", doc, &Count(1, 5_000), 1);
    let scaling = StepScaling { alarm: alarm?, adjustment, steps: steps?, cooldown, min_adjustment };
    if t.clean() {
        check::step_scaling(t, &scaling);
    }
    Some(scaling)
}

fn step(t: &mut Table<'_>) -> Option<Step> {
    let bound = Number(-MOST, MOST);
    let doc = "Lower bound, relative to the threshold; without it minus infinity.";
    let lower = t.optional("from", doc, &bound);
    let doc = "Upper bound, relative to the threshold; without it infinity.";
    let upper = t.optional("to", doc, &bound);
    let change = t.required("change", "Tasks or percent.", &Whole(-10_000, 10_000));
    if let (Some(from), Some(to)) = (lower, upper)
        && from >= to
    {
        t.problem("from", format!("{from} is not below to, {to}; write the lower bound first"));
    }
    Some(Step { lower, upper, change: i32::try_from(change?).ok()? })
}

fn alarm(t: &mut Table<'_>) -> Option<Alarm> {
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
    let metric = t.required("metric", "What the alarm watches.", &metrics());
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

fn tracking(t: &mut Table<'_>, metric: Option<AlarmMetric>) -> Option<TargetTracking> {
    let target = t.required("target", "The value to hold the metric at; above 0.", &Number(0.0, MOST));
    let cooldown = Span::seconds(0, 2 * HOUR);
    let scale_out_cooldown = t.get("scale-out-cooldown", "ScaleOutCooldown.", &cooldown, COOLDOWN);
    let scale_in_cooldown = t.get("scale-in-cooldown", "ScaleInCooldown.", &cooldown, COOLDOWN);
    let disable_scale_in = t.get("disable-scale-in", "Whether it only scales out.", &Flag, false);
    let tracking = TargetTracking {
        metric: metric?,
        target: target?,
        scale_out_cooldown,
        scale_in_cooldown,
        disable_scale_in,
    };
    if t.clean() {
        check::tracking(t, &tracking);
    }
    Some(tracking)
}

fn scheduled(t: &mut Table<'_>) -> Option<Scheduled> {
    let at = t.required("at", "When, from the start of the run.", &Span::within(0, 31 * DAY));
    let min_tasks = t.optional("min-tasks", "New minimum.", &Count(0, 5_000));
    let max_tasks = t.optional("max-tasks", "New maximum.", &Count(0, 5_000));
    if t.clean() {
        match (min_tasks, max_tasks) {
            (None, None) => t.problem_here("changes nothing; add min-tasks or max-tasks".into()),
            (Some(min), Some(max)) if min > max => {
                t.problem("min-tasks", format!("{min} is above max-tasks, {max}; lower this or raise that"));
            }
            _ => {}
        }
    }
    Some(Scheduled { at: at?, min_tasks, max_tasks })
}
