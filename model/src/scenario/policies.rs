//! Auto scaling policies and the alarms behind them.

use crate::time::Nanos;

/// One Application Auto Scaling policy of an ECS service.
#[derive(Clone, Debug, PartialEq)]
pub enum ScalingPolicy {
    /// Step scaling on an alarm.
    Step(StepScaling),
    /// Target tracking on a metric.
    TargetTracking(TargetTracking),
    /// Scheduled action.
    Scheduled(Scheduled),
}

/// A step scaling policy and the alarm that drives it.
#[derive(Clone, Debug, PartialEq)]
pub struct StepScaling {
    /// The alarm.
    pub alarm: Alarm,
    /// What a step's number means.
    pub adjustment: Adjustment,
    /// Steps by how far the metric is beyond the threshold.
    pub steps: Vec<Step>,
    /// Cooldown.
    pub cooldown: Nanos,
    /// MinAdjustmentMagnitude, for percent changes.
    pub min_adjustment: u32,
}

/// AdjustmentType of a step policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjustment {
    /// Add (or remove) tasks.
    ChangeInCapacity,
    /// Set the number of tasks.
    ExactCapacity,
    /// Add (or remove) a percentage of the running tasks.
    PercentChangeInCapacity,
}

/// One step: bounds are relative to the alarm's threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Lower bound; `None` is minus infinity.
    pub lower: Option<f64>,
    /// Upper bound; `None` is infinity.
    pub upper: Option<f64>,
    /// Tasks or percent.
    pub change: i32,
}

/// A CloudWatch alarm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alarm {
    /// What it watches.
    pub metric: AlarmMetric,
    /// How a period's samples become one number.
    pub statistic: Statistic,
    /// Breaching when `value <comparison> threshold`.
    pub comparison: Comparison,
    /// In the metric's unit.
    pub threshold: f64,
    /// Period, a multiple of one minute.
    pub period: Nanos,
    /// N: periods looked at.
    pub evaluation_periods: u32,
    /// M: breaching periods that raise the alarm, at most N.
    pub datapoints_to_alarm: u32,
    /// What a period without data counts as.
    pub missing_data: MissingData,
}

/// A metric that alarms and policies can watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmMetric {
    /// AWS/SQS ApproximateNumberOfMessagesVisible.
    VisibleMessages,
    /// AWS/SQS ApproximateNumberOfMessagesNotVisible.
    NotVisibleMessages,
    /// AWS/SQS ApproximateAgeOfOldestMessage, seconds.
    OldestMessageAge,
    /// AWS/SQS NumberOfMessagesSent.
    MessagesSent,
    /// AWS/ECS CPUUtilization, percent; no data while nothing runs.
    CpuUtilization,
    /// Metric math: visible messages / running tasks (visible messages when none run).
    BacklogPerTask,
}

impl AlarmMetric {
    /// As in scenarios.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::VisibleMessages => "visible-messages",
            Self::NotVisibleMessages => "not-visible-messages",
            Self::OldestMessageAge => "oldest-message-age",
            Self::MessagesSent => "messages-sent",
            Self::CpuUtilization => "cpu-utilization",
            Self::BacklogPerTask => "backlog-per-task",
        }
    }
}

/// CloudWatch statistic of one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// Mean of the period's samples.
    Average,
    /// Sum of the period's samples.
    Sum,
    /// Smallest sample.
    Minimum,
    /// Largest sample.
    Maximum,
}

/// Comparison operator of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `>`
    GreaterThan,
    /// `>=`
    AtLeast,
    /// `<`
    LessThan,
    /// `<=`
    AtMost,
}

/// TreatMissingData of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingData {
    /// Stays out; INSUFFICIENT_DATA when all is missing.
    Missing,
    /// Keeps the state.
    Ignore,
    /// Counts as beyond the threshold.
    Breaching,
    /// Counts as within the threshold.
    NotBreaching,
}

/// A target tracking policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TargetTracking {
    /// What it holds; must fall when tasks are added.
    pub metric: AlarmMetric,
    /// The value to hold it at.
    pub target: f64,
    /// ScaleOutCooldown.
    pub scale_out_cooldown: Nanos,
    /// ScaleInCooldown.
    pub scale_in_cooldown: Nanos,
    /// DisableScaleIn.
    pub disable_scale_in: bool,
}

/// A scheduled action: changes the bounds, and the count with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// Instant from the start of the run.
    pub at: Nanos,
    /// New minimum, if given.
    pub min_tasks: Option<u32>,
    /// New maximum, if given.
    pub max_tasks: Option<u32>,
}
