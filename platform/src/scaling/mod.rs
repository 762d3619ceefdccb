//! Application Auto Scaling on an ECS service, and EC2 Auto Scaling on a group: step scaling, target tracking, scheduled
//! actions. Pods have a law of their own: `keda`.
//!
//! Goals: the documented arithmetic (base = running count, bounds, cooldowns from fulfilment, re-firing each
//! minute while in ALARM, larger steps during a cooldown add only the difference), several policies at once. A group
//! has a warm-up in the place of cooldowns: whoever drives it counts an instance as running only when that is over, and
//! a cooldown of no length then does the rest: what is on its way counts towards the next step.
//! Non-goals: predictive scaling, launching tasks (`ecs`).
//!
//! Sources: Application Auto Scaling user guide, step scaling overview; ECS developer guide, service auto
//! scaling; PutScalingPolicy in the API reference; EC2 Auto Scaling user guide, step scaling and default instance warmup.

mod keda;
mod steps;

pub use keda::Keda;

use crate::cloudwatch::{AlarmState, Metric, Watcher};
use model::run::{Activity, ActivityKind};
use model::scenario::{
    Alarm, AlarmMetric, Comparison, Fleet, MissingData, Parameters, ScalingPolicy, Scheduled, Statistic,
    StepScaling, TargetTracking,
};
use model::time::{MINUTE, Nanos};
use steps::{adjusted, matching_step, state_name, symbol};

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
    /// How long a scaling activity may be on its way.
    patience: Nanos,
    scale_in_suspended: bool,
    /// What is scaled: "task", "instance" or "pod".
    noun: &'static str,
    activities: Vec<Activity>,
}

/// A scale-out or scale-in that holds back the next one.
#[derive(Clone, Copy, Debug)]
struct Cooldown {
    length: Nanos,
    until: Nanos,
    /// The running count that ends the scaling activity and starts the clock.
    goal: Option<u32>,
    /// When it began.
    began: Nanos,
    /// The running count that it was computed from: a larger step is one that asks for more from there.
    base: u32,
    /// The count that it asked for.
    count: u32,
    /// Whether it was a scale-out.
    out: bool,
}

impl Cooldown {
    fn new(length: Nanos) -> Self {
        Self { length, until: 0, goal: None, began: 0, base: 0, count: 0, out: true }
    }

    fn holds(&self, now: Nanos) -> bool {
        self.goal.is_some() || now < self.until
    }

    /// Starts the clock if the running count has reached what the scaling asked for, or never will because
    /// something else has moved the desired count.
    fn settle(&mut self, now: Nanos, running: u32, desired: u32, patience: Nanos) {
        let reached = |goal: u32| {
            // Not fulfilled in a long time: it ends as it is.
            now >= self.began + patience
                || if self.out {
                    running >= goal || desired < goal
                } else {
                    running <= goal || desired > goal
                }
        };
        if self.goal.is_some_and(reached) {
            self.goal = None;
            self.until = now + self.length;
        }
    }

    fn begin(&mut self, now: Nanos, proposal: &Proposal) {
        self.began = now;
        (self.base, self.count, self.out) = (proposal.base, proposal.count, proposal.out);
        self.goal = Some(proposal.count);
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
    source: Source,
    /// The running count it was computed from.
    base: u32,
    count: u32,
    out: bool,
    reason: String,
}

/// The policy behind a proposal.
#[derive(Clone, Copy)]
enum Source {
    Step(usize),
    Tracking(usize),
}

impl AutoScaling {
    /// The policies of `fleet` under the beliefs in force.
    #[must_use]
    pub fn new(fleet: Fleet<'_>, beliefs: &Parameters) -> Self {
        let desired = fleet.at_start().0;
        let (min, max) = match fleet {
            Fleet::Ecs(ecs) => (ecs.min_tasks, ecs.max_tasks),
            Fleet::Ec2(group) => (group.min_instances, group.max_instances),
            Fleet::Eks(_) => (desired, desired),
        };
        let mut scaling = Self {
            min,
            max,
            desired,
            steps: Vec::new(),
            tracking: Vec::new(),
            scheduled: Vec::new(),
            sqs_lag: beliefs.sqs_metric_lag,
            ecs_lag: beliefs.ecs_metric_lag,
            patience: beliefs.scaling_fulfilment_max,
            scale_in_suspended: false,
            noun: fleet.noun(),
            activities: Vec::new(),
        };
        for policy in fleet.policies() {
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
            let reason = format!("scheduled action: between {} and {} {}s", self.min, self.max, self.noun);
            self.set(now, self.desired, &reason);
        }
    }

    /// Tells the policies that the running count changed: cooldowns count from then.
    pub fn settle(&mut self, now: Nanos, running: u32) {
        let (desired, patience) = (self.desired, self.patience);
        for policy in &mut self.steps {
            policy.cooldown.settle(now, running, desired, patience);
        }
        for policy in &mut self.tracking {
            policy.out.settle(now, running, desired, patience);
            policy.inward.settle(now, running, desired, patience);
        }
    }

    /// Suspends what policies ask for when it is a scale-in, as during a deployment, or lets it go on.
    ///
    /// Source: Application Auto Scaling API reference, PutScalingPolicy.
    pub fn suspend_scale_in(&mut self, suspended: bool) {
        self.scale_in_suspended = suspended;
    }

    /// Evaluates all alarms and policies, as CloudWatch does every minute.
    pub fn evaluate(&mut self, now: Nanos, metrics: &Metrics, running: u32) {
        // Fulfilled between two evaluations without anybody telling.
        self.settle(now, running);
        let mut proposals: Vec<Proposal> = Vec::new();
        for index in 0..self.steps.len() {
            proposals.extend(self.evaluate_step(now, metrics, running, index));
        }
        let mut agreed = true;
        for index in 0..self.tracking.len() {
            let (proposal, agrees) = self.evaluate_tracking(now, metrics, running, index);
            proposals.extend(proposal);
            agreed &= agrees;
        }
        if self.scale_in_suspended || proposals.iter().any(|proposal| proposal.out) {
            proposals.retain(|proposal| proposal.out);
        } else {
            // Tracking policies scale in only together; step policies need nobody's consent.
            proposals.retain(|proposal| agreed || matches!(proposal.source, Source::Step(_)));
        }
        if let Some(winner) = proposals.into_iter().reduce(|a, b| if b.count > a.count { b } else { a }) {
            self.act(now, &winner);
        }
    }

    /// Carries out what a policy asked for: only its cooldown begins.
    fn act(&mut self, now: Nanos, winner: &Proposal) {
        if winner.out {
            // A scale-out cancels the cooldowns of scale-ins.
            self.tracking.iter_mut().for_each(|policy| policy.inward.cancel());
            let steps_in = self.steps.iter_mut().filter(|policy| !policy.cooldown.out);
            steps_in.for_each(|policy| policy.cooldown.cancel());
        }
        match winner.source {
            Source::Step(index) => self.steps[index].cooldown.begin(now, winner),
            Source::Tracking(index) if winner.out => self.tracking[index].out.begin(now, winner),
            Source::Tracking(index) => self.tracking[index].inward.begin(now, winner),
        }
        self.set(now, winner.count, &winner.reason);
    }

    fn evaluate_step(
        &mut self,
        now: Nanos,
        metrics: &Metrics,
        running: u32,
        index: usize,
    ) -> Option<Proposal> {
        let (desired, bounds) = (self.desired, (self.min, self.max));
        let value = self.watch(now, metrics, |s| &mut s.steps[index].watcher);
        let policy = &self.steps[index];
        let (AlarmState::Alarm, Some(value)) = (policy.watcher.state, value) else { return None };
        let alarm = policy.watcher.alarm;
        let step = matching_step(&policy.scaling.steps, &alarm, value)?;
        let from = |base: u32| adjusted(base, step.change, &policy.scaling).clamp(bounds.0, bounds.1);
        let cooldown = policy.cooldown;
        let held = cooldown.holds(now);
        let held_out = held && cooldown.out;
        // During the cooldown of a scale-out only a step that asks for more than it did counts, from where it began.
        let base = if held_out { cooldown.base } else { running };
        let count = from(base);
        let out = count > base && count > desired && (!held_out || count > cooldown.count);
        let inward = !held && count < running && count < desired;
        let metric = self.name(alarm.metric);
        (out || inward).then(|| Proposal {
            source: Source::Step(index),
            base,
            count,
            out,
            reason: format!("step {:+} as {metric} is {value:.0} with {running} running", step.change),
        })
    }

    /// What a tracking policy asks for, and whether it agrees to a scale-in.
    fn evaluate_tracking(
        &mut self,
        now: Nanos,
        metrics: &Metrics,
        running: u32,
        index: usize,
    ) -> (Option<Proposal>, bool) {
        let (desired, bounds) = (self.desired, (self.min, self.max));
        let high = self.watch(now, metrics, |s| &mut s.tracking[index].high);
        let low = self.watch(now, metrics, |s| &mut s.tracking[index].low);
        let policy = &self.tracking[index];
        let TargetTracking { metric, target, disable_scale_in, .. } = policy.tracking;
        let proportional = |base: u32, value: f64| (f64::from(base) * value / target).ceil().min(1e9) as u32;
        let proposal = |base: u32, count: u32, out: bool, value: f64| Proposal {
            source: Source::Tracking(index),
            base,
            count: count.clamp(bounds.0, bounds.1),
            out,
            reason: format!(
                "target tracking: {} is {value:.1}, target {target}, {running} running",
                self.name(metric)
            ),
        };
        if running == 0 && desired == 0 {
            // Waits for one datapoint that shows demand, then starts with the least.
            let lag = self.lag_of(metric);
            let demand = metrics.of(metric).latest(now, lag, Statistic::Average).filter(|&value| value > 0.0);
            let start = demand.map(|value| proposal(0, bounds.0.max(1), true, value));
            return (start.filter(|start| start.count > 0), true);
        }
        if let (AlarmState::Alarm, Some(value)) = (policy.high.state, high) {
            let held = policy.out.holds(now);
            let base = if held { policy.out.base } else { running };
            let wanted = proposal(base, proportional(base, value).max(base + 1), true, value);
            let more = wanted.count > desired && (!held || wanted.count > policy.out.count);
            return (more.then_some(wanted), false);
        }
        if disable_scale_in {
            return (None, true);
        }
        let (AlarmState::Alarm, Some(value)) = (policy.low.state, low) else { return (None, false) };
        if policy.inward.holds(now) || policy.out.holds(now) {
            return (None, false);
        }
        // Gradually: never more than a tenth of the tasks (at least one) at a time.
        let gentle = running.saturating_sub((running / 10).max(1));
        let wanted = proposal(running, proportional(running, value).max(gentle), false, value);
        ((wanted.count < desired).then_some(wanted), true)
    }

    /// The metric as scenarios call it.
    fn name(&self, metric: AlarmMetric) -> &'static str {
        match metric {
            AlarmMetric::BacklogPerTask if self.noun == "instance" => "backlog-per-instance",
            metric => metric.name(),
        }
    }

    fn lag_of(&self, metric: AlarmMetric) -> Nanos {
        if metric == AlarmMetric::CpuUtilization { self.ecs_lag } else { self.sqs_lag }
    }

    /// Evaluates one alarm and notes a change of its state.
    fn watch(
        &mut self,
        now: Nanos,
        metrics: &Metrics,
        watcher: impl Fn(&mut Self) -> &mut Watcher,
    ) -> Option<f64> {
        let metric = watcher(self).alarm.metric;
        let lag = self.lag_of(metric);
        let watcher = watcher(self);
        let before = watcher.state;
        let value = watcher.evaluate(now, lag, metrics.of(metric));
        let (after, alarm) = (watcher.state, watcher.alarm);
        let name = self.name(metric);
        if after != before {
            let value = value.map_or("no data".into(), |v| format!("{v:.1}"));
            let detail = format!(
                "{} {} {}: {} to {} ({value})",
                name,
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

#[cfg(test)]
mod tests;
