//! A stack's configuration in one line, for headings.

use super::units::{show_count, show_duration, show_size};
use super::{
    AlarmMetric, AutoScalingGroup, BetweenHops, Capacity, Ecs, Eks, Lambda, NodeProvisioner, Package,
    Platform, Poll, Runtime, ScalingPolicy, Split, Stack, Worker,
};

/// A stack's configuration in one line, e.g. `Fargate x86, 0.25 vCPU, 512 MB, 1-10 tasks, concurrency 1,
/// batches of 10, step scaling on visible-messages`.
#[must_use]
pub fn describe(stack: &Stack) -> String {
    let platform = match &stack.platform {
        Platform::Ecs(service) => ecs(service),
        Platform::Ec2(instances) => group(instances),
        Platform::Eks(deployment) => eks(deployment),
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
    let scales = !ecs.scaling.is_empty();
    let mut parts = vec![
        format!("{place} {}", ecs.architecture.name()),
        format!("{} vCPU", f64::from(ecs.cpu_units) / 1024.0),
        memory(ecs.memory_mb),
        units(scales, ecs.tasks, (ecs.min_tasks, ecs.max_tasks), "task"),
    ];
    parts.extend(worker(&ecs.worker));
    parts.extend(policies(&ecs.scaling, "task"));
    parts.join(", ")
}

fn group(group: &AutoScalingGroup) -> String {
    let scales = !group.scaling.is_empty();
    let mut parts = vec![
        format!("EC2 group {}", group.instance_type.name),
        units(scales, group.instances, (group.min_instances, group.max_instances), "instance"),
    ];
    parts.extend(worker(&group.worker));
    parts.extend(policies(&group.scaling, "instance"));
    if scales {
        parts.push(format!("warm-up {}", show_duration(group.instance_warmup)));
    }
    parts.join(", ")
}

fn eks(eks: &Eks) -> String {
    let provisioner = match eks.provisioner {
        NodeProvisioner::Karpenter => "Karpenter",
        NodeProvisioner::ClusterAutoscaler => "Cluster Autoscaler",
    };
    let bounds = eks.keda.map_or((0, 0), |keda| (keda.min_pods, keda.max_pods));
    let mut parts = vec![
        format!("EKS {}", eks.instance_type.name),
        units(true, 0, (eks.min_nodes, eks.max_nodes), "node"),
        provisioner.into(),
        format!("{} vCPU", f64::from(eks.cpu_units) / 1024.0),
        memory(eks.memory_mb),
        units(eks.keda.is_some(), eks.pods, bounds, "pod"),
    ];
    parts.extend(worker(&eks.worker));
    parts.push(match eks.keda {
        Some(keda) => format!("KEDA at {} messages a pod", show_count(keda.queue_length.into())),
        None => "no scaling".into(),
    });
    parts.join(", ")
}

/// How many units there are.
fn units(scales: bool, at_start: u32, bounds: (u32, u32), noun: &str) -> String {
    match bounds {
        _ if !scales => counted(at_start, noun),
        (least, most) if least == most => counted(least, noun),
        (least, most) => format!("{least}-{most} {noun}s"),
    }
}

fn worker(worker: &Worker) -> Vec<String> {
    let mut parts = vec![format!("concurrency {}", worker.concurrency), batches(worker.batch_size)];
    if worker.wait_time == 0 {
        parts.push("short polling".into());
    }
    if worker.poll == Poll::SlotFree {
        parts.push("polls when a slot is free".into());
    }
    if worker.between_hops == BetweenHops::Memory {
        parts.push("hops in memory".into());
    }
    parts
}

fn policies(policies: &[ScalingPolicy], noun: &str) -> Vec<String> {
    let mut parts: Vec<String> = policies.iter().map(|one| policy(one, noun)).collect();
    parts.dedup();
    if parts.is_empty() {
        parts.push("no scaling".into());
    }
    parts
}

fn policy(policy: &ScalingPolicy, noun: &str) -> String {
    let name = |metric: AlarmMetric| match metric {
        AlarmMetric::BacklogPerTask => format!("backlog-per-{noun}"),
        other => other.name().into(),
    };
    match policy {
        ScalingPolicy::Step(step) => format!("step scaling on {}", name(step.alarm.metric)),
        ScalingPolicy::TargetTracking(tracking) => {
            format!("target {} {}", name(tracking.metric), tracking.target)
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
