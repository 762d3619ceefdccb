//! A stack's configuration in one line, for headings.

use super::units::{show_count, show_duration, show_size};
use super::{
    BetweenHops, Capacity, Ecs, Lambda, Package, Platform, Poll, Runtime, ScalingPolicy, Split, Stack,
};

/// A stack's configuration in one line, e.g. `Fargate x86, 0.25 vCPU, 512 MB, 1-10 tasks, concurrency 1,
/// batches of 10, step scaling on visible-messages`.
#[must_use]
pub fn describe(stack: &Stack) -> String {
    let platform = match &stack.platform {
        Platform::Ecs(service) => ecs(service),
        Platform::Lambda(function) => lambda(function),
    };
    match stack.split {
        Split::None => platform,
        Split::Queues => format!("{platform}, a queue per stream"),
        Split::Consumers => format!("{platform}, a queue and a consumer per stream"),
    }
}

fn ecs(ecs: &Ecs) -> String {
    let place = match &ecs.capacity {
        Capacity::Fargate => "Fargate".into(),
        Capacity::FargateSpot => "Fargate Spot".into(),
        Capacity::Ec2(ec2) => format!("EC2 {}", ec2.instance_type.name),
    };
    let tasks = match (ecs.min_tasks, ecs.max_tasks) {
        _ if ecs.scaling.is_empty() => counted(ecs.tasks, "task"),
        (least, most) if least == most => counted(least, "task"),
        (least, most) => format!("{least}-{most} tasks"),
    };
    let mut parts = vec![
        format!("{place} {}", ecs.architecture.name()),
        format!("{} vCPU", f64::from(ecs.cpu_units) / 1024.0),
        memory(ecs.memory_mb),
        tasks,
        format!("concurrency {}", ecs.worker.concurrency),
        batches(ecs.worker.batch_size),
    ];
    if ecs.worker.wait_time == 0 {
        parts.push("short polling".into());
    }
    if ecs.worker.between_hops == BetweenHops::Memory {
        parts.push("hops in memory".into());
    }
    if ecs.worker.poll == Poll::SlotFree {
        parts.push("polls when a slot is free".into());
    }
    let mut policies: Vec<String> = ecs.scaling.iter().map(policy).collect();
    policies.dedup();
    if policies.is_empty() {
        policies.push("no scaling".into());
    }
    parts.extend(policies);
    parts.join(", ")
}

fn policy(policy: &ScalingPolicy) -> String {
    match policy {
        ScalingPolicy::Step(step) => format!("step scaling on {}", step.alarm.metric.name()),
        ScalingPolicy::TargetTracking(tracking) => {
            format!("target {} {}", tracking.metric.name(), tracking.target)
        }
        ScalingPolicy::Scheduled(action) => format!("scheduled action at {}", show_duration(action.at)),
    }
}

fn lambda(lambda: &Lambda) -> String {
    let runtime =
        Runtime::ALL.iter().find(|(known, _)| *known == lambda.runtime).map_or("", |(_, name)| *name);
    let package = if lambda.package == Package::Image { " image" } else { "" };
    let mut parts = vec![
        format!("Lambda {}", lambda.architecture.name()),
        memory(lambda.memory_mb),
        format!("{runtime}{package}"),
        batches(lambda.batch_size),
    ];
    if lambda.batching_window > 0 {
        parts.push(format!("batching window {}", show_duration(lambda.batching_window)));
    }
    if let Some(most) = lambda.maximum_concurrency {
        parts.push(format!("maximum concurrency {}", show_count(most.into())));
    }
    if let Some(pollers) = lambda.provisioned_pollers {
        parts.push(format!("{}-{} provisioned pollers", pollers.min, pollers.max));
    }
    if let Some(reserved) = lambda.reserved_concurrency {
        parts.push(format!("reserved concurrency {}", show_count(reserved.into())));
    }
    if lambda.provisioned_concurrency > 0 {
        parts.push(format!("provisioned concurrency {}", show_count(lambda.provisioned_concurrency.into())));
    }
    if lambda.partial_batch_responses {
        parts.push("partial batch responses".into());
    }
    if lambda.parallel_batch {
        parts.push("whole batch at once".into());
    }
    parts.join(", ")
}

fn memory(mb: u32) -> String {
    show_size(u64::from(mb) << 20)
}

fn batches(size: u32) -> String {
    if size == 1 { "one message at a time".into() } else { format!("batches of {}", show_count(size.into())) }
}

fn counted(n: u32, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{} {noun}s", show_count(n.into())) }
}
