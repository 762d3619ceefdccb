//! Application Auto Scaling on an ECS service: step scaling, target tracking, scheduled actions.
//!
//! Goals: the documented arithmetic (base = running count, bounds, cooldowns from fulfilment, re-firing each
//! minute while in ALARM, larger steps during a cooldown add only the difference), several policies at once.
//! Non-goals: predictive scaling, launching tasks (`ecs`).
//!
//! Sources: Application Auto Scaling user guide, step scaling overview; ECS developer guide, service auto
//! scaling; PutScalingPolicy in the API reference.

use crate::cloudwatch::{AlarmState, Metric, Watcher};
use model::run::{Activity, ActivityKind};
use model::scenario::{
    Adjustment, Alarm, AlarmMetric, Comparison, Ecs, MissingData, Parameters, ScalingPolicy, Scheduled,
    Statistic, Step, StepScaling, TargetTracking,
};
use model::time::{MINUTE, Nanos};

/// The metrics that policies of one service can watch.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// AWS/SQS ApproximateNumberOfMessagesVisible.
    pub visible: Metric,
    /// AWS/SQS ApproximateNumberOfMessagesNotVisible.
    pub not_visible: Metric,
    /// AWS/SQS ApproximateAgeOfOldestMessage, seconds.
    pub oldest_age: Metric,
    /// AWS/SQS NumberOfMessagesSent.
    pub sent: Metric,
    /// AWS/ECS CPUUtilization, percent.
    pub cpu: Metric,
    /// Visible messages / running tasks.
    pub backlog_per_task: Metric,
}

impl Metrics {
    fn of(&self, metric: AlarmMetric) -> &Metric {
        match metric {
            AlarmMetric::VisibleMessages => &self.visible,
            AlarmMetric::NotVisibleMessages => &self.not_visible,
            AlarmMetric::OldestMessageAge => &self.oldest_age,
            AlarmMetric::MessagesSent => &self.sent,
            AlarmMetric::CpuUtilization => &self.cpu,
            AlarmMetric::BacklogPerTask => &self.backlog_per_task,
        }
    }
}

/// The scalable target of one service with its policies.
#[derive(Clone, Debug)]
pub struct AutoScaling {
    min: u32,
    max: u32,
    desired: u32,
    steps: Vec<StepPolicy>,
    tracking: Vec<TrackingPolicy>,
    scheduled: Vec<Scheduled>,
    sqs_lag: Nanos,
    ecs_lag: Nanos,
    activities: Vec<Activity>,
}

/// A scale-out or scale-in that holds back the next one.
#[derive(Clone, Copy, Debug)]
struct Cooldown {
    length: Nanos,
    until: Nanos,
    /// The running count that ends the scaling activity and starts the clock.
    goal: Option<u32>,
    /// Tasks that it added or removed.
    change: u32,
    /// Whether it was a scale-out.
    out: bool,
}

impl Cooldown {
    fn new(length: Nanos) -> Self {
        Self { length, until: 0, goal: None, change: 0, out: true }
    }

    fn holds(&self, now: Nanos) -> bool {
        self.goal.is_some() || now < self.until
    }

    /// Starts the clock if the running count has reached what the scaling asked for, or never will because
    /// something else has moved the desired count.
    fn settle(&mut self, now: Nanos, running: u32, desired: u32) {
        let reached = |goal: u32| {
            if self.out { running >= goal || desired < goal } else { running <= goal || desired > goal }
        };
        if self.goal.is_some_and(reached) {
            self.goal = None;
            self.until = now + self.length;
        }
    }

    fn begin(&mut self, goal: u32, change: u32, out: bool) {
        (self.goal, self.change, self.out) = (Some(goal), change, out);
    }

    fn cancel(&mut self) {
        self.goal = None;
        self.until = 0;
    }
}

#[derive(Clone, Debug)]
struct StepPolicy {
    watcher: Watcher,
    scaling: StepScaling,
    cooldown: Cooldown,
}

#[derive(Clone, Debug)]
struct TrackingPolicy {
    tracking: TargetTracking,
    high: Watcher,
    low: Watcher,
    out: Cooldown,
    inward: Cooldown,
}

/// A count that a policy asks for.
struct Proposal {
    count: u32,
    reason: String,
}

impl AutoScaling {
    /// The policies of `ecs` under the beliefs in force.
    #[must_use]
    pub fn new(ecs: &Ecs, beliefs: &Parameters) -> Self {
        let mut scaling = Self {
            min: ecs.min_tasks,
            max: ecs.max_tasks,
            desired: ecs.tasks,
            steps: Vec::new(),
            tracking: Vec::new(),
            scheduled: Vec::new(),
            sqs_lag: beliefs.sqs_metric_lag,
            ecs_lag: beliefs.ecs_metric_lag,
            activities: Vec::new(),
        };
        for policy in &ecs.scaling {
            match policy {
                ScalingPolicy::Step(step) => scaling.steps.push(StepPolicy {
                    watcher: Watcher::new(step.alarm),
                    scaling: step.clone(),
                    cooldown: Cooldown::new(step.cooldown),
                }),
                ScalingPolicy::TargetTracking(tracking) => {
                    scaling.tracking.push(TrackingPolicy::new(*tracking, beliefs));
                }
                ScalingPolicy::Scheduled(action) => scaling.scheduled.push(*action),
            }
        }
        scaling.scheduled.sort_by_key(|action| action.at);
        scaling
    }

    /// The desired count in force.
    #[must_use]
    pub fn desired(&self) -> u32 {
        self.desired
    }

    /// Standard-resolution alarms that AWS bills: one per step policy, two per tracking policy.
    #[must_use]
    pub fn alarms(&self) -> u64 {
        (self.steps.len() + 2 * self.tracking.len()) as u64
    }

    /// What happened since the last call.
    pub fn activities(&mut self) -> std::vec::Drain<'_, Activity> {
        self.activities.drain(..)
    }

    /// The instant of the next scheduled action.
    #[must_use]
    pub fn next_scheduled(&self) -> Option<Nanos> {
        self.scheduled.first().map(|action| action.at)
    }

    /// Applies the scheduled actions that are due; cooldowns do not hold them back.
    pub fn apply_scheduled(&mut self, now: Nanos) {
        while self.scheduled.first().is_some_and(|action| action.at <= now) {
            let action = self.scheduled.remove(0);
            self.min = action.min_tasks.unwrap_or(self.min);
            self.max = action.max_tasks.unwrap_or(self.max).max(self.min);
            let reason = format!("scheduled action: between {} and {} tasks", self.min, self.max);
            self.set(now, self.desired, &reason);
        }
    }

    /// Tells the policies that the running count changed: cooldowns count from then.
    pub fn settle(&mut self, now: Nanos, running: u32) {
        let desired = self.desired;
        for policy in &mut self.steps {
            policy.cooldown.settle(now, running, desired);
        }
        for policy in &mut self.tracking {
            policy.out.settle(now, running, desired);
            policy.inward.settle(now, running, desired);
        }
    }

    /// Evaluates all alarms and policies, as CloudWatch does every minute.
    pub fn evaluate(&mut self, now: Nanos, metrics: &Metrics, running: u32) {
        // Fulfilled between two evaluations without anybody telling.
        self.settle(now, running);
        let (mut out, mut inward): (Vec<Proposal>, Vec<Proposal>) = (Vec::new(), Vec::new());
        for index in 0..self.steps.len() {
            self.evaluate_step(now, metrics, running, index, &mut out, &mut inward);
        }
        let mut agreed = true;
        for index in 0..self.tracking.len() {
            agreed &= self.evaluate_tracking(now, metrics, running, index, &mut out, &mut inward);
        }
        let largest = |proposals: Vec<Proposal>| {
            proposals.into_iter().reduce(|a, b| if b.count > a.count { b } else { a })
        };
        if let Some(winner) = largest(out) {
            // A scale-out cancels the cooldown of a scale-in.
            self.tracking.iter_mut().for_each(|policy| policy.inward.cancel());
            self.set(now, winner.count, &winner.reason);
        } else if let Some(winner) = largest(inward).filter(|_| agreed) {
            self.set(now, winner.count, &winner.reason);
        }
    }

    fn evaluate_step(
        &mut self,
        now: Nanos,
        metrics: &Metrics,
        running: u32,
        index: usize,
        out: &mut Vec<Proposal>,
        inward: &mut Vec<Proposal>,
    ) {
        let (desired, bounds) = (self.desired, (self.min, self.max));
        let value = self.watch(now, metrics, |s| &mut s.steps[index].watcher);
        let policy = &mut self.steps[index];
        let (AlarmState::Alarm, Some(value)) = (policy.watcher.state, value) else { return };
        let alarm = policy.watcher.alarm;
        let Some(step) = matching_step(&policy.scaling.steps, &alarm, value) else { return };
        let target = adjusted(running, step.change, &policy.scaling).clamp(bounds.0, bounds.1);
        let reason = || {
            format!("step {:+} as {} is {value:.0} with {running} running", step.change, alarm.metric.name())
        };
        if target > running {
            let change = target - running;
            let held = policy.cooldown.holds(now);
            if held && change <= policy.cooldown.change {
                return;
            }
            // During a cooldown only the difference to the step that began it is added.
            let extra = if held { change - policy.cooldown.change } else { change };
            let count = if held { desired + extra } else { target }.min(bounds.1);
            if count > desired {
                policy.cooldown.begin(count, change, true);
                out.push(Proposal { count, reason: reason() });
            }
        } else if target < running && target < desired && !policy.cooldown.holds(now) {
            policy.cooldown.begin(target, running - target, false);
            inward.push(Proposal { count: target, reason: reason() });
        }
    }

    /// Returns false if this policy forbids a scale-in.
    fn evaluate_tracking(
        &mut self,
        now: Nanos,
        metrics: &Metrics,
        running: u32,
        index: usize,
        out: &mut Vec<Proposal>,
        inward: &mut Vec<Proposal>,
    ) -> bool {
        let (desired, bounds) = (self.desired, (self.min, self.max));
        let high = self.watch(now, metrics, |s| &mut s.tracking[index].high);
        let low = self.watch(now, metrics, |s| &mut s.tracking[index].low);
        let policy = &mut self.tracking[index];
        let TargetTracking { metric, target, disable_scale_in, .. } = policy.tracking;
        let proportional = |value: f64| (f64::from(running) * value / target).ceil().min(1e9) as u32;
        let reason = |value: f64| {
            format!("target tracking: {} is {value:.1}, target {target}, {running} running", metric.name())
        };
        if running == 0 && desired == 0 {
            // Waits for one datapoint that shows demand, then starts with the least.
            let demand = metrics.of(metric).latest(now, Statistic::Average).filter(|&value| value > 0.0);
            if let Some(value) = demand {
                out.push(Proposal { count: bounds.0.max(1).min(bounds.1), reason: reason(value) });
            }
            return true;
        }
        if let (AlarmState::Alarm, Some(value)) = (policy.high.state, high) {
            let count = proportional(value).max(running + 1).clamp(bounds.0, bounds.1);
            let change = count.saturating_sub(running);
            if count > desired && (!policy.out.holds(now) || change > policy.out.change) {
                policy.out.begin(count, change, true);
                out.push(Proposal { count, reason: reason(value) });
            }
            return false;
        }
        if disable_scale_in {
            return true;
        }
        let (AlarmState::Alarm, Some(value)) = (policy.low.state, low) else { return false };
        if policy.inward.holds(now) || policy.out.holds(now) {
            return false;
        }
        // Gradually: never more than a tenth of the tasks (at least one) at a time.
        let gentle = running.saturating_sub((running / 10).max(1));
        let count = proportional(value).max(gentle).clamp(bounds.0, bounds.1);
        if count < desired {
            policy.inward.begin(count, desired - count, false);
            inward.push(Proposal { count, reason: reason(value) });
        }
        true
    }

    /// Evaluates one alarm and notes a change of its state.
    fn watch(
        &mut self,
        now: Nanos,
        metrics: &Metrics,
        watcher: impl Fn(&mut Self) -> &mut Watcher,
    ) -> Option<f64> {
        let lags = (self.sqs_lag, self.ecs_lag);
        let watcher = watcher(self);
        let (before, metric) = (watcher.state, watcher.alarm.metric);
        let lag = if metric == AlarmMetric::CpuUtilization { lags.1 } else { lags.0 };
        let value = watcher.evaluate(now, lag, metrics.of(metric));
        let (after, alarm) = (watcher.state, watcher.alarm);
        if after != before {
            let value = value.map_or("no data".into(), |v| format!("{v:.1}"));
            let detail = format!(
                "{} {} {}: {} to {} ({value})",
                metric.name(),
                symbol(alarm.comparison),
                alarm.threshold,
                state_name(before),
                state_name(after),
            );
            self.activities.push(Activity { at: now, kind: ActivityKind::Alarm, detail });
        }
        value
    }

    fn set(&mut self, now: Nanos, count: u32, reason: &str) {
        let count = count.clamp(self.min, self.max);
        if count == self.desired {
            return;
        }
        let kind = if count > self.desired { ActivityKind::ScaleOut } else { ActivityKind::ScaleIn };
        let detail = format!("desired {} to {count}: {reason}", self.desired);
        self.desired = count;
        self.activities.push(Activity { at: now, kind, detail });
    }
}

impl TrackingPolicy {
    fn new(tracking: TargetTracking, beliefs: &Parameters) -> Self {
        let alarm = |comparison, threshold, datapoints: u64| {
            Watcher::new(Alarm {
                metric: tracking.metric,
                statistic: Statistic::Average,
                comparison,
                threshold,
                period: MINUTE,
                evaluation_periods: datapoints as u32,
                datapoints_to_alarm: datapoints as u32,
                missing_data: MissingData::Missing,
            })
        };
        let low = tracking.target * beliefs.tracking_low_share;
        Self {
            tracking,
            high: alarm(Comparison::GreaterThan, tracking.target, beliefs.tracking_high_datapoints),
            low: alarm(Comparison::LessThan, low, beliefs.tracking_low_datapoints),
            out: Cooldown::new(tracking.scale_out_cooldown),
            inward: Cooldown::new(tracking.scale_in_cooldown),
        }
    }
}

/// The step whose bounds hold `value - threshold`: lower inclusive and upper exclusive for an alarm on high
/// values, the other way round for one on low values.
fn matching_step(steps: &[Step], alarm: &Alarm, value: f64) -> Option<Step> {
    let beyond = value - alarm.threshold;
    let high = matches!(alarm.comparison, Comparison::GreaterThan | Comparison::AtLeast);
    steps.iter().copied().find(|step| {
        let lower = step.lower.unwrap_or(f64::NEG_INFINITY);
        let upper = step.upper.unwrap_or(f64::INFINITY);
        if high { lower <= beyond && beyond < upper } else { lower < beyond && beyond <= upper }
    })
}

/// The count that a step asks for, before bounds.
fn adjusted(running: u32, change: i32, scaling: &StepScaling) -> u32 {
    let running = i64::from(running);
    let count = match scaling.adjustment {
        Adjustment::ExactCapacity => i64::from(change),
        Adjustment::ChangeInCapacity => running + i64::from(change),
        Adjustment::PercentChangeInCapacity => {
            let exact = running as f64 * f64::from(change) / 100.0;
            // Between -1 and 1 rounds away from zero, beyond that towards zero.
            let rounded = if exact.abs() < 1.0 && exact != 0.0 { exact.signum() } else { exact.trunc() };
            let least = i64::from(scaling.min_adjustment);
            running + (rounded as i64).abs().max(least) * i64::from(change.signum())
        }
    };
    count.clamp(0, i64::from(u32::MAX)) as u32
}

fn symbol(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::GreaterThan => ">",
        Comparison::AtLeast => ">=",
        Comparison::LessThan => "<",
        Comparison::AtMost => "<=",
    }
}

fn state_name(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Ok => "OK",
        AlarmState::Alarm => "ALARM",
        AlarmState::InsufficientData => "INSUFFICIENT_DATA",
    }
}

#[cfg(test)]
mod tests;
