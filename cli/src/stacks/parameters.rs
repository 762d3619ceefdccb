//! A stack of a scenario as parameters of its template.
//!
//! Goals: every field of a stack ends here as a parameter, a note or a problem: structs are taken apart without `..`,
//! so that a new key does not compile before somebody has decided.
//! Non-goals: ranges and contradictions, which reading a scenario has settled.

use model::scenario::{
    Adjustment, Alarm, AlarmMetric, Architecture, Capacity, Comparison, Delete, Ecs, Lambda, MissingData,
    Package, Platform, Poll, Provisioning, Queue, Runtime, ScalingPolicy, Scenario, Stack, Statistic, Step,
    StepScaling, TargetTracking, Worker,
};
use model::time::{MILLISECOND, SECOND};

/// Steps of one policy that the template has room for.
const MOST_STEPS: usize = 4;

/// What becomes of one stack.
#[derive(Default)]
pub(super) struct Deployment {
    pub(super) parameters: Vec<(&'static str, String)>,
    /// What AWS decides, and a simulation assumes.
    pub(super) notes: Vec<String>,
    /// What keeps it from being deployed; each names key and remedy.
    pub(super) problems: Vec<String>,
}

impl Deployment {
    fn set(&mut self, name: &'static str, value: impl ToString) {
        self.parameters.push((name, value.to_string()));
    }

    /// Empty stands for "not set".
    fn set_optional(&mut self, name: &'static str, value: Option<impl ToString>) {
        self.set(name, value.map(|it| it.to_string()).unwrap_or_default());
    }
}

/// One stack.
pub(super) fn of(stack: &Stack) -> Deployment {
    // Streams that are parted or left out are only simulated: refused before.
    let Stack { name, queue, log_bytes_per_message, platform, command, provisioning, .. } = stack;
    let mut to = Deployment::default();
    to.set("StackName", name);
    self::queue(&mut to, queue);
    match platform {
        Platform::Ecs(ecs) => self::ecs(&mut to, name, ecs),
        Platform::Lambda(lambda) => self::lambda(&mut to, lambda),
        Platform::Ec2(_) | Platform::Eks(_) => {
            to.problems.push(format!("stacks.{name}.platform: has no template; write \"ecs\" or \"lambda\""));
        }
    }
    let bytes = log_bytes_per_message;
    to.notes.push(format!(
        "log-bytes-per-message ({bytes}) is only simulated; on AWS the worker's own are billed"
    ));
    if command.is_some() {
        to.notes.push("command is only for target local; on AWS the image's entry point runs".into());
    }
    if *provisioning == Provisioning::None {
        to.notes.push("provisioning = \"none\" is only for target local; AWS takes its time".into());
    }
    to
}

/// What in a scenario, but not in its stacks, has no counterpart on AWS.
pub(super) fn notes(scenario: &Scenario) -> Vec<String> {
    let mut notes = Vec::new();
    if !scenario.faults.is_empty() {
        let count = scenario.faults.len();
        notes.push(format!("faults: none of the {count} is deployed; targets sim and local act them out"));
    }
    let changed: Vec<String> = scenario
        .parameters
        .beliefs()
        .into_iter()
        .filter(|belief| belief.value != belief.default)
        .map(|belief| belief.key)
        .collect();
    if !changed.is_empty() {
        notes.push(format!(
            "parameters: only a simulation believes {}; AWS does as it does",
            changed.join(", ")
        ));
    }
    notes
}

fn queue(to: &mut Deployment, queue: &Queue) {
    let Queue { visibility_timeout, retention, delay, max_receive_count } = queue;
    to.set("QueueVisibilityTimeout", visibility_timeout / SECOND);
    to.set("QueueRetention", retention / SECOND);
    to.set("QueueDelay", delay / SECOND);
    to.set_optional("QueueMaxReceiveCount", *max_receive_count);
}

fn ecs(to: &mut Deployment, name: &str, ecs: &Ecs) {
    let Ecs {
        capacity,
        architecture,
        cpu_units,
        memory_mb,
        image_mb,
        tasks,
        warm_start,
        min_tasks,
        max_tasks,
        worker,
        stop_timeout,
        scaling,
    } = ecs;
    match capacity {
        Capacity::Fargate => to.set("LaunchType", "FARGATE"),
        Capacity::FargateSpot => to.set("LaunchType", "FARGATE_SPOT"),
        Capacity::Ec2(_) => to.problems.push(format!(
            "stacks.{name}.launch-type: the template has no instances; write \"fargate\" or \"fargate-spot\" and \
             remove the table ec2"
        )),
    }
    let processor = match architecture {
        Architecture::X86 => "X86_64",
        Architecture::Arm => "ARM64",
    };
    to.set("Architecture", processor);
    to.set("Cpu", cpu_units);
    to.set("Memory", memory_mb);
    to.set("Tasks", tasks);
    to.set("MinTasks", min_tasks);
    to.set("MaxTasks", max_tasks);
    to.set("StopTimeout", stop_timeout / SECOND);
    self::worker(to, name, worker);
    self::scaling(to, name, scaling);
    to.notes.push(format!("image-size ({image_mb} MB) is only simulated; on AWS the image has its own"));
    if !warm_start {
        to.notes
            .push("warm-start = false is only simulated; on AWS the tasks run from the deployment on".into());
    }
}

fn worker(to: &mut Deployment, name: &str, worker: &Worker) {
    let Worker {
        batch_size,
        wait_time,
        visibility_timeout,
        concurrency,
        poll,
        delete,
        idle_sleep,
        drains_on_sigterm,
        // Only simulated: refused before.
        between_hops: _,
    } = worker;
    to.set("BatchSize", batch_size);
    to.set("WaitTime", wait_time / SECOND);
    to.set_optional("VisibilityTimeout", visibility_timeout.map(|it| it / SECOND));
    to.set("Concurrency", concurrency);
    let poll = match poll {
        Poll::AllDone => "all-done",
        Poll::SlotFree => "slot-free",
    };
    to.set("Poll", poll);
    let delete = match delete {
        Delete::Each => "each",
        Delete::Batch => "batch",
    };
    to.set("Delete", delete);
    if !idle_sleep.is_multiple_of(MILLISECOND) {
        to.problems.push(format!(
            "stacks.{name}.idle-sleep: the worker sleeps whole milliseconds; write e.g. \"{}ms\"",
            idle_sleep.div_ceil(MILLISECOND)
        ));
    }
    to.set("IdleSleep", idle_sleep / MILLISECOND);
    to.set("DrainsOnSigterm", u8::from(*drains_on_sigterm));
}

fn lambda(to: &mut Deployment, lambda: &Lambda) {
    let Lambda {
        architecture,
        memory_mb,
        timeout,
        runtime,
        package,
        init,
        batch_size,
        batching_window,
        maximum_concurrency,
        provisioned_pollers,
        reserved_concurrency,
        provisioned_concurrency,
        partial_batch_responses,
        parallel_batch,
    } = lambda;
    let processor = match architecture {
        Architecture::X86 => "x86_64",
        Architecture::Arm => "arm64",
    };
    to.set("Architecture", processor);
    to.set("Memory", memory_mb);
    to.set("Timeout", timeout / SECOND);
    to.set_optional("ReservedConcurrency", *reserved_concurrency);
    to.set("ProvisionedConcurrency", provisioned_concurrency);
    to.set("ParallelBatch", u8::from(*parallel_batch));
    to.set("BatchSize", batch_size);
    to.set("BatchingWindow", batching_window / SECOND);
    to.set_optional("MaximumConcurrency", *maximum_concurrency);
    to.set_optional("ProvisionedPollersMin", provisioned_pollers.map(|it| it.min));
    if let Some(pollers) = provisioned_pollers {
        to.set("ProvisionedPollersMax", pollers.max);
    }
    to.set("PartialBatchResponses", u8::from(*partial_batch_responses));
    let runtime_name = Runtime::ALL.iter().find(|(known, _)| known == runtime).map_or("", |(_, name)| name);
    to.notes.push(format!("runtime ({runtime_name}) is only simulated; on AWS the image holds the program"));
    if *package == Package::Zip {
        to.notes.push(
            "package is simulated as \"zip\", but deployed as an image; write package = \"image\" to simulate that"
                .into(),
        );
    }
    if init.is_some() {
        to.notes.push("init is only simulated; on AWS it is what it is".into());
    }
}

/// The template has room for one step policy in each direction and one target.
fn scaling(to: &mut Deployment, name: &str, policies: &[ScalingPolicy]) {
    let mut taken: [Option<usize>; 3] = [None; 3];
    for (index, policy) in policies.iter().enumerate() {
        let key = format!("stacks.{name}.scaling.{index}");
        let (slot, what) = match policy {
            ScalingPolicy::Step(step) if goes_out(step) => (0, "step policy above a threshold"),
            ScalingPolicy::Step(_) => (1, "step policy below a threshold"),
            ScalingPolicy::TargetTracking(_) => (2, "target"),
            ScalingPolicy::Scheduled(_) => {
                to.problems.push(format!(
                    "{key}: counts from the start of a run, which no template knows; remove it, or put a scheduled \
                     action on the service yourself"
                ));
                continue;
            }
        };
        if let Some(first) = taken[slot] {
            to.problems.push(format!(
                "{key}: the template has room for one {what}, and scaling.{first} is one; remove one of the two"
            ));
            continue;
        }
        taken[slot] = Some(index);
        match policy {
            ScalingPolicy::Step(step) => step_policy(to, &key, step),
            ScalingPolicy::TargetTracking(target) => tracking(to, target),
            ScalingPolicy::Scheduled(_) => {}
        }
    }
    for (slot, metric) in ["ScaleOutMetric", "ScaleInMetric", "TargetTrackingMetric"].into_iter().enumerate()
    {
        if taken[slot].is_none() {
            to.set(metric, "none");
        }
    }
}

fn goes_out(step: &StepScaling) -> bool {
    matches!(step.alarm.comparison, Comparison::GreaterThan | Comparison::AtLeast)
}

/// Names of the parameters of a step policy, for scaling out and in.
macro_rules! sided {
    ($out:expr, $name:literal) => {
        if $out { concat!("ScaleOut", $name) } else { concat!("ScaleIn", $name) }
    };
}

fn step_policy(to: &mut Deployment, key: &str, policy: &StepScaling) {
    let StepScaling { alarm, adjustment, steps, cooldown, min_adjustment } = policy;
    let out = goes_out(policy);
    self::alarm(to, out, alarm);
    let adjustment = match adjustment {
        Adjustment::ChangeInCapacity => "ChangeInCapacity",
        Adjustment::ExactCapacity => "ExactCapacity",
        Adjustment::PercentChangeInCapacity => "PercentChangeInCapacity",
    };
    to.set(sided!(out, "Adjustment"), adjustment);
    to.set(sided!(out, "MinAdjustment"), min_adjustment);
    to.set(sided!(out, "Cooldown"), cooldown / SECOND);
    if steps.len() > MOST_STEPS {
        let count = steps.len();
        to.problems.push(format!(
            "{key}.steps: are {count}, and the template has room for {MOST_STEPS}; merge some"
        ));
    }
    // From the threshold on; each begins where the one before it ends.
    let mut steps: Vec<&Step> = steps.iter().collect();
    let begin = |step: &Step| if out { step.lower } else { step.upper };
    let far = |step: &Step| begin(step).map_or(f64::INFINITY, f64::abs);
    steps.sort_by(|a, b| far(a).total_cmp(&far(b)));
    let at = |index: usize| steps.get(index).copied();
    to.set_optional(sided!(out, "Change1"), at(0).map(|step| step.change));
    let later: [(&'static str, &'static str); MOST_STEPS - 1] = if out {
        [
            ("ScaleOutFrom2", "ScaleOutChange2"),
            ("ScaleOutFrom3", "ScaleOutChange3"),
            ("ScaleOutFrom4", "ScaleOutChange4"),
        ]
    } else {
        [("ScaleInTo2", "ScaleInChange2"), ("ScaleInTo3", "ScaleInChange3"), ("ScaleInTo4", "ScaleInChange4")]
    };
    for (index, (bound, change)) in later.into_iter().enumerate() {
        let step = at(index + 1);
        to.set_optional(bound, step.and_then(begin));
        to.set_optional(change, step.map(|step| step.change));
    }
}

fn alarm(to: &mut Deployment, out: bool, alarm: &Alarm) {
    let Alarm {
        metric,
        statistic,
        comparison,
        threshold,
        period,
        evaluation_periods,
        datapoints_to_alarm,
        missing_data,
    } = alarm;
    to.set(sided!(out, "Metric"), self::metric(*metric));
    let statistic = match statistic {
        Statistic::Average => "Average",
        Statistic::Sum => "Sum",
        Statistic::Minimum => "Minimum",
        Statistic::Maximum => "Maximum",
    };
    to.set(sided!(out, "Statistic"), statistic);
    let comparison = match comparison {
        Comparison::GreaterThan => "GreaterThanThreshold",
        Comparison::AtLeast => "GreaterThanOrEqualToThreshold",
        Comparison::LessThan => "LessThanThreshold",
        Comparison::AtMost => "LessThanOrEqualToThreshold",
    };
    to.set(sided!(out, "Comparison"), comparison);
    to.set(sided!(out, "Threshold"), threshold);
    to.set(sided!(out, "Period"), period / SECOND);
    to.set(sided!(out, "EvaluationPeriods"), evaluation_periods);
    to.set(sided!(out, "DatapointsToAlarm"), datapoints_to_alarm);
    let missing = match missing_data {
        MissingData::Missing => "missing",
        MissingData::Ignore => "ignore",
        MissingData::Breaching => "breaching",
        MissingData::NotBreaching => "notBreaching",
    };
    to.set(sided!(out, "MissingData"), missing);
}

fn tracking(to: &mut Deployment, policy: &TargetTracking) {
    let TargetTracking { metric, target, scale_out_cooldown, scale_in_cooldown, disable_scale_in } = policy;
    to.set("TargetTrackingMetric", self::metric(*metric));
    to.set("TargetTrackingTarget", target);
    to.set("TargetTrackingScaleOutCooldown", scale_out_cooldown / SECOND);
    to.set("TargetTrackingScaleInCooldown", scale_in_cooldown / SECOND);
    to.set("TargetTrackingDisableScaleIn", disable_scale_in);
}

/// As AWS names it; the template makes the last one of two.
fn metric(metric: AlarmMetric) -> &'static str {
    match metric {
        AlarmMetric::VisibleMessages => "ApproximateNumberOfMessagesVisible",
        AlarmMetric::NotVisibleMessages => "ApproximateNumberOfMessagesNotVisible",
        AlarmMetric::OldestMessageAge => "ApproximateAgeOfOldestMessage",
        AlarmMetric::MessagesSent => "NumberOfMessagesSent",
        AlarmMetric::CpuUtilization => "CPUUtilization",
        AlarmMetric::BacklogPerTask => "BacklogPerTask",
    }
}
