//! Contradictions: keys that are right by themselves and wrong together, mostly by AWS's own rules.
//!
//! Goals: name the key to change and the value that would do.
//! Non-goals: ranges of single values (`kinds`), advice on configurations that AWS accepts.

use super::problem::{alternatives, quoted};
use super::table::Table;
use super::units::{show_count, show_duration, show_size};
use super::{
    Adjustment, Alarm, AlarmMetric, Arrivals, Batches, Capacity, Comparison, Delete, Ecs, Fault, FaultKind,
    Fleet, Lambda, MessageStream, Phase, Poll, Queue, ScalingPolicy, Scenario, Stack, Step, StepScaling,
    TargetTracking, Worker,
};
use crate::time::{DAY, MINUTE, Nanos, SECOND, seconds};

/// Longest load.
pub(super) const LONGEST: Nanos = 31 * DAY;
/// Most messages that a scenario may plan.
const MOST_MESSAGES: f64 = 1e9;

/// The first of two spans must not be above the second.
pub(super) fn ordered(t: &Table<'_>, low: (&str, Nanos), high: (&str, Nanos)) {
    if low.1 > high.1 {
        let (is, most) = (show_duration(low.1), show_duration(high.1));
        t.problem(low.0, format!("{is} is above {}, {most}; lower this or raise that", high.0));
    }
}

/// The first of two instants must come after the second.
pub(super) fn follows(t: &Table<'_>, late: (&str, Nanos), early: (&str, Nanos)) {
    if late.1 <= early.1 {
        let (is, from) = (show_duration(late.1), show_duration(early.1));
        t.problem(late.0, format!("{is} is not after {}, {from}; write a later instant", early.0));
    }
}

/// The scenario as a whole.
pub(super) fn scenario(t: &Table<'_>, scenario: &Scenario) {
    let loads = scenario.loads();
    for (stream, phases) in &loads {
        self::phases(t, &phases_key(*stream), phases);
    }
    if loads.is_empty() {
        return t.problem("phases", "is empty; add at least one [[phases]]".into());
    }
    let over = |length: fn(&Phase) -> f64| {
        loads.iter().map(|(_, phases)| phases.iter().map(length).sum::<f64>()).fold(0.0, f64::max)
    };
    let (longest, shortest) = (over(longest), over(shortest));
    if scenario.warmup > 0 && seconds(scenario.warmup) >= shortest {
        let load = show_duration((shortest * SECOND as f64) as Nanos);
        let text =
            format!("{} leaves nothing of a load of {load}; write less", show_duration(scenario.warmup));
        t.problem("warmup", text);
    }
    let key = phases_key(loads[0].0);
    let messages: f64 = loads.iter().flat_map(|(_, phases)| phases.iter()).map(messages).sum();
    if messages > MOST_MESSAGES {
        let text =
            format!("plan about {} messages; write at most 1,000,000,000", show_count(messages as i128));
        t.problem(&key, text);
    }
    if messages <= 0.0 {
        t.problem(&key, "send no message at all; raise a rate".into());
    }
    memory(t, scenario);
    let end = longest + seconds(scenario.drain_max);
    actions(t, scenario, end);
    for (i, fault) in scenario.faults.iter().enumerate() {
        self::fault(t, scenario, i, fault, (longest, end));
    }
}

fn phases_key(stream: Option<&MessageStream>) -> String {
    stream.map_or_else(|| "phases".into(), |stream| format!("streams.{}.phases", stream.name))
}

/// A sequence of phases.
fn phases(t: &Table<'_>, key: &str, phases: &[Phase]) {
    for (i, phase) in phases.iter().enumerate() {
        if phases[..i].iter().any(|other| other.name == phase.name) {
            let text = format!("{} names two phases; write a name of its own", quoted(&phase.name));
            t.problem(&format!("{key}.{i}.name"), text);
        }
    }
    if phases.is_empty() {
        return t.problem(key, "is empty; add at least one phase".into());
    }
    let longest: f64 = phases.iter().map(longest).sum();
    if longest > seconds(LONGEST) {
        let days = longest / seconds(DAY);
        t.problem(key, format!("together last up to {days:.1} days; write at most 31 days"));
    }
}

/// A message must not touch more memory than a worker has.
fn memory(t: &Table<'_>, scenario: &Scenario) {
    for stack in &scenario.stacks {
        let memory_mb = stack.platform.memory_mb();
        let (is, most) = (scenario.message.memory_bytes, u64::from(memory_mb) << 20);
        if is > most {
            let (is, most) = (show_size(is), show_size(most));
            let text =
                format!("{is} is above stacks.{}.memory, {most}; lower this or raise that", stack.name);
            return t.problem("message.memory", text);
        }
    }
}

/// A fault has to happen to a stack that there is, while there is something to happen to.
fn fault(t: &Table<'_>, scenario: &Scenario, index: usize, fault: &Fault, (load, run): (f64, f64)) {
    let key = |name: &str| format!("faults.{index}.{name}");
    let has_tasks = |stack: &Stack| stack.platform.fleet().is_some();
    let tasks = matches!(fault.kind, FaultKind::TaskKill { .. });
    let named = fault.stack.as_ref().map(|name| (name, scenario.stacks.iter().find(|s| s.name == *name)));
    match named {
        Some((name, None)) => {
            let names: Vec<&str> = scenario.stacks.iter().map(|stack| stack.name.as_str()).collect();
            let text = format!("{} names no stack; write {}", quoted(name), alternatives(&names));
            t.problem(&key("stack"), text);
        }
        Some((name, Some(stack))) if tasks && !has_tasks(stack) => {
            let text = format!(
                "{} has no tasks; write a stack on ECS, EC2 or EKS, or fault = \"worker-crash\"",
                quoted(name)
            );
            t.problem(&key("stack"), text);
        }
        None if tasks && !scenario.stacks.iter().any(has_tasks) => {
            t.problem(
                &key("fault"),
                "needs a stack on ECS, EC2 or EKS, and there is none; write \"worker-crash\"".into(),
            );
        }
        _ => {}
    }
    let begins = key(if fault.until > fault.from { "from" } else { "at" });
    let of_messages = matches!(fault.kind, FaultKind::FailedMessages { .. } | FaultKind::SlowTail { .. });
    let (end, what) = if of_messages { (load, "load") } else { (run, "run") };
    if seconds(fault.from) >= end {
        late(t, &begins, fault.from, end, what);
    }
    let is_short = |fault: &Fault| matches!(fault.kind, FaultKind::ShortVisibility { .. });
    let meets = |other: &Fault| {
        let both = |name: &String| other.concerns(name);
        is_short(other)
            && (fault.from < other.until && other.from < fault.until)
            && fault.stack.as_ref().is_none_or(both)
    };
    if is_short(fault)
        && let Some(other) = scenario.faults[..index].iter().position(meets)
    {
        let text = format!(
            "the queue already has another timeout then, by faults.{other}; let this begin when that ends"
        );
        t.problem(&begins, text);
    }
}

fn late(t: &Table<'_>, key: &str, at: Nanos, end: f64, what: &str) {
    let (at, end) = (show_duration(at), show_duration((end * SECOND as f64) as Nanos));
    let text =
        format!("{at} is not before the end of the {what}, {end} at the latest; write an earlier instant");
    t.problem(key, text);
}

/// Scheduled actions have to come before the end, and within the other bounds.
fn actions(t: &Table<'_>, scenario: &Scenario, end: f64) {
    for stack in &scenario.stacks {
        let policies = stack.platform.fleet().map_or(&[][..], Fleet::policies);
        for (i, policy) in policies.iter().enumerate() {
            let ScalingPolicy::Scheduled(action) = policy else { continue };
            if seconds(action.at) >= end {
                late(t, &format!("stacks.{}.scaling.{i}.at", stack.name), action.at, end, "run");
            }
        }
    }
}

fn longest(phase: &Phase) -> f64 {
    length(phase, |batches| batches.gap.1)
}

fn shortest(phase: &Phase) -> f64 {
    length(phase, |batches| batches.gap.0)
}

fn length(phase: &Phase, gap: fn(&Batches) -> Nanos) -> f64 {
    match (phase.duration, &phase.arrivals) {
        (Some(duration), _) => seconds(duration),
        (None, Arrivals::Batches(batches)) => {
            batches.count.unwrap_or(0).saturating_sub(1) as f64 * seconds(gap(batches))
        }
        (None, _) => 0.0,
    }
}

/// Messages that a phase plans, about (batches: at most).
fn messages(phase: &Phase) -> f64 {
    let duration = seconds(phase.duration.unwrap_or(0));
    match &phase.arrivals {
        Arrivals::Even(rate) | Arrivals::Poisson(rate) => rate.messages(phase.duration.unwrap_or(0)),
        Arrivals::Batches(batches) => {
            let gap = (seconds(batches.gap.0) + seconds(batches.gap.1)) / 2.0;
            let fit = if duration > 0.0 && gap > 0.0 { duration / gap + 1.0 } else { f64::INFINITY };
            fit.min(batches.count.map_or(f64::INFINITY, |count| count as f64)) * batches.size.1 as f64
        }
        Arrivals::Trace(rows) => rows.iter().map(|row| row.count as f64).sum(),
    }
}

/// One phase.
pub(super) fn phase(t: &Table<'_>, phase: &Phase) {
    if let Arrivals::Batches(batches) = &phase.arrivals {
        if phase.duration.is_none() && batches.count.is_none() {
            t.problem_here("never ends; add count or duration".into());
        }
        if batches.count.is_none() && batches.gap.1 == 0 {
            t.problem("gap", "0s sends endless batches at one instant; write a gap or add count".into());
        }
    }
}

/// An ECS service.
pub(super) fn ecs(t: &Table<'_>, ecs: &Ecs) {
    match &ecs.capacity {
        Capacity::Fargate | Capacity::FargateSpot => fargate(t, ecs),
        Capacity::Ec2(ec2) => instance(t, ecs, ec2.instance_type),
    }
    bounds(t, "tasks", (ecs.tasks, ecs.min_tasks, ecs.max_tasks));
    deletes(t, &ecs.worker);
}

/// A count and its bounds; `units` is what is counted.
pub(super) fn bounds(t: &Table<'_>, units: &str, (count, least, most): (u32, u32, u32)) {
    let of = |end: &str| format!("{end}-{units}");
    if least > most && t.has(&of("min")) {
        t.problem(&of("min"), format!("{least} is above max-{units}, {most}; lower this or raise that"));
    } else if count < least {
        t.problem(units, format!("{count} is below min-{units}, {least}; raise this or lower that"));
    } else if count > most {
        t.problem(units, format!("{count} is above max-{units}, {most}; lower this or raise that"));
    }
}

/// How a worker deletes has to go with how it polls.
pub(super) fn deletes(t: &Table<'_>, worker: &Worker) {
    if worker.delete == Delete::Batch && worker.poll == Poll::SlotFree {
        let text =
            "\"batch\" deletes when a whole batch is done; it needs poll = \"all-done\", or write \"each\"";
        t.problem("delete", text.into());
    }
}

/// CPU units, then least, most and step of memory in MB.
/// Source: ECS API reference, RegisterTaskDefinition, `memory`.
const FARGATE: [(u32, u32, u32, u32); 7] = [
    (256, 512, 2048, 0),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16_384, 1024),
    (4096, 8192, 30_720, 1024),
    (8192, 16_384, 61_440, 4096),
    (16_384, 32_768, 122_880, 8192),
];

fn fargate(t: &Table<'_>, ecs: &Ecs) {
    let vcpus = f64::from(ecs.cpu_units) / 1024.0;
    let Some((_, least, most, step)) = FARGATE.iter().find(|(cpu, ..)| *cpu == ecs.cpu_units) else {
        let text = format!("{vcpus} vCPU is not a Fargate size; write 0.25, 0.5, 1, 2, 4, 8 or 16");
        return t.problem("cpu", text);
    };
    let memory = ecs.memory_mb;
    let fits = match *step {
        0 => [512, 1024, 2048].contains(&memory),
        step => (*least..=*most).contains(&memory) && (memory - least).is_multiple_of(step),
    };
    if !fits {
        let size = |mb: u32| show_size(u64::from(mb) << 20);
        let right = match *step {
            0 => "512 MB, 1 GB or 2 GB".into(),
            step => format!("{} to {} in steps of {}", size(*least), size(*most), size(step)),
        };
        let origin = if t.has("memory") { "" } else { " (the default)" };
        let memory = size(memory);
        t.problem(
            "memory",
            format!("{memory}{origin} does not go with {vcpus} vCPU on Fargate; write {right}"),
        );
    }
    if ecs.stop_timeout > 120 * SECOND {
        let is = show_duration(ecs.stop_timeout);
        t.problem("stop-timeout", format!("{is} is more than Fargate allows; write 2s to 120s"));
    }
}

fn instance(t: &Table<'_>, ecs: &Ecs, instance: super::InstanceType) {
    let name = instance.name;
    if instance.architecture != ecs.architecture {
        let (is, need) = (quoted(ecs.architecture.name()), quoted(instance.architecture.name()));
        let text = format!("{is} does not run on {name}; write {need} or choose another instance type");
        t.problem("architecture", text);
    }
    if ecs.cpu_units > instance.cpu_units {
        let (is, most) = (f64::from(ecs.cpu_units) / 1024.0, instance.cpu_units / 1024);
        t.problem(
            "cpu",
            format!("{is} vCPU does not fit {name}; write at most {most}, or a larger instance type"),
        );
    }
    if ecs.memory_mb > instance.memory_mb {
        let size = |mb: u32| show_size(u64::from(mb) << 20);
        let (is, most) = (size(ecs.memory_mb), size(instance.memory_mb));
        t.problem(
            "memory",
            format!("{is} does not fit {name}; write at most {most}, or a larger instance type"),
        );
    }
}

/// A Lambda function and its mapping.
pub(super) fn lambda(t: &Table<'_>, lambda: &Lambda, queue: &Queue, limit: u64) {
    if lambda.batch_size > 10 && lambda.batching_window < SECOND {
        let text = format!(
            "{} is above 10, which needs batching-window = \"1s\" or more; add it",
            lambda.batch_size
        );
        t.problem("batch-size", text);
    }
    if lambda.timeout > queue.visibility_timeout {
        let (is, visible) = (show_duration(lambda.timeout), show_duration(queue.visibility_timeout));
        let text = format!(
            "{is} is above the queue's visibility-timeout, {visible}, which AWS refuses; lower this or raise that \
             (AWS advises six times this)"
        );
        t.problem("timeout", text);
    }
    if lambda.maximum_concurrency.is_some() && lambda.provisioned_pollers.is_some() {
        let text = "excludes provisioned-pollers; remove one of the two";
        t.problem("maximum-concurrency", text.into());
    }
    let (reserved, provisioned) = (lambda.reserved_concurrency, lambda.provisioned_concurrency);
    if let Some(reserved) = reserved.filter(|reserved| u64::from(*reserved) > limit) {
        let text = format!(
            "{reserved} is above the account's limit of {limit}; lower it or raise parameters.lambda-account-concurrency"
        );
        t.problem("reserved-concurrency", text);
    }
    if let Some(reserved) = reserved.filter(|reserved| provisioned > *reserved) {
        let text =
            format!("{provisioned} is above reserved-concurrency, {reserved}; lower this or raise that");
        t.problem("provisioned-concurrency", text);
    } else if reserved.is_none() && u64::from(provisioned) > limit {
        let text = format!(
            "{provisioned} is above the account's limit of {limit}; lower it or raise parameters.lambda-account-concurrency"
        );
        t.problem("provisioned-concurrency", text);
    }
}

/// An alarm.
pub(super) fn alarm(t: &Table<'_>, alarm: &Alarm) {
    let (m, n) = (alarm.datapoints_to_alarm, alarm.evaluation_periods);
    if m > n {
        let text = format!("{m} is above evaluation-periods, {n}; lower this or raise that");
        t.problem("datapoints-to-alarm", text);
    }
    if !alarm.period.is_multiple_of(MINUTE) {
        let text =
            format!("{} is not whole minutes; write e.g. \"1m\"", quoted(&show_duration(alarm.period)));
        t.problem("period", text);
    }
    if alarm.period.saturating_mul(n.into()) > DAY {
        let all = show_duration(alarm.period.saturating_mul(n.into()));
        t.problem("evaluation-periods", format!("{n} periods are {all}; write at most one day in all"));
    }
    percent(t, alarm.metric, "threshold", alarm.threshold);
    if alarm.comparison == Comparison::LessThan && alarm.threshold == 0.0 {
        t.problem("threshold", "nothing is below 0; write comparison = \"<=\" or a higher threshold".into());
    }
}

fn percent(t: &Table<'_>, metric: AlarmMetric, key: &str, value: f64) {
    if metric == AlarmMetric::CpuUtilization && value > 100.0 {
        t.problem(key, format!("{value} is above 100 percent; write 0 to 100"));
    }
}

/// A step scaling policy.
pub(super) fn step_scaling(t: &Table<'_>, policy: &StepScaling, units: &str) {
    if t.has("min-adjustment") && policy.adjustment != Adjustment::PercentChangeInCapacity {
        let text = "only goes with adjustment = \"percent-change-in-capacity\"; remove it";
        t.problem("min-adjustment", text.into());
    }
    let up = matches!(policy.alarm.comparison, Comparison::GreaterThan | Comparison::AtLeast);
    if policy.steps.is_empty() {
        return t.problem("steps", "is empty; write e.g. [{ from = 0, change = 5 }]".into());
    }
    if let Some(text) = gap(&policy.steps, up) {
        return t.problem("steps", text);
    }
    for (i, step) in policy.steps.iter().enumerate() {
        let text = match (policy.adjustment, up) {
            (Adjustment::ExactCapacity, _) if step.change < 0 => {
                format!("is not a number of {units}; write 0 or more")
            }
            (Adjustment::ExactCapacity, _) => continue,
            (_, true) if step.change < 0 => {
                format!("removes {units} while the metric is too high; write it without -")
            }
            (_, false) if step.change > 0 => {
                format!("adds {units} while the metric is too low; write it with -")
            }
            _ => continue,
        };
        t.problem(&format!("steps.{i}.change"), format!("{} {text}", step.change));
    }
}

/// What is wrong with the bounds: they have to cover everything beyond the threshold, once.
fn gap(steps: &[Step], up: bool) -> Option<String> {
    let mut sorted: Vec<&Step> = steps.iter().collect();
    let lower = |step: &Step| step.lower.unwrap_or(f64::NEG_INFINITY);
    sorted.sort_by(|a, b| lower(a).total_cmp(&lower(b)));
    for pair in sorted.windows(2) {
        let (end, start) = (pair[0].upper, pair[1].lower);
        let end = end.unwrap_or(f64::INFINITY);
        let start = start.unwrap_or(f64::NEG_INFINITY);
        if start < end {
            let (start, end) = (bound(start), bound(end));
            return Some(format!(
                "overlap: one begins at {start} before another ends at {end}; make them meet"
            ));
        }
        if start > end {
            return Some(format!("leave a gap from {end} to {start}; make them meet"));
        }
    }
    let (first, last) = (sorted.first()?, sorted.last()?);
    let (begins, ends) = (first.lower, last.upper);
    if up && begins != Some(0.0) {
        let is = bound(lower(first));
        return Some(format!(
            "begin at {is}, but bounds are relative to the threshold; write from = 0 in the lowest"
        ));
    }
    if up && ends.is_some() {
        return Some(format!(
            "end at {}, and nothing happens above; leave out the highest \"to\"",
            bound(ends?)
        ));
    }
    if !up && ends != Some(0.0) {
        let is = bound(ends.unwrap_or(f64::INFINITY));
        return Some(format!(
            "end at {is}, but bounds are relative to the threshold; write to = 0 in the highest"
        ));
    }
    if !up && begins.is_some() {
        return Some(format!(
            "begin at {}, and nothing happens below; leave out the lowest \"from\"",
            bound(begins?)
        ));
    }
    None
}

fn bound(value: f64) -> String {
    if value == f64::INFINITY {
        "infinity".into()
    } else if value == f64::NEG_INFINITY {
        "minus infinity".into()
    } else {
        value.to_string()
    }
}

/// A target tracking policy on `units`, whose backlog has the metric `backlog`.
pub(super) fn tracking(t: &Table<'_>, policy: &TargetTracking, units: &str, backlog: &str) {
    if policy.target <= 0.0 {
        t.problem("target", "0 can't be held; write a target above 0".into());
    }
    percent(t, policy.metric, "target", policy.target);
    if matches!(policy.metric, AlarmMetric::MessagesSent | AlarmMetric::NotVisibleMessages) {
        let text = format!(
            "{} does not fall when {units} are added, so it can't be tracked; write \"{backlog}\", \
             \"cpu-utilization\", \"visible-messages\" or \"oldest-message-age\"",
            quoted(policy.metric.name())
        );
        t.problem("metric", text);
    }
}
