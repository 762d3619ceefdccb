//! An ECS service in AWS's own terms, and the program in its tasks.

use super::{Architecture, ScalingPolicy};
use crate::time::{Nanos, SECOND};

/// An ECS service.
#[derive(Clone, Debug, PartialEq)]
pub struct Ecs {
    /// Where tasks run.
    pub capacity: Capacity,
    /// Processor architecture.
    pub architecture: Architecture,
    /// CPU units of a task; 1,024 is one vCPU.
    pub cpu_units: u32,
    /// Memory of a task in MiB.
    pub memory_mb: u32,
    /// Compressed image size in MB: what a task pulls before it starts.
    pub image_mb: u32,
    /// Desired count at the start.
    pub tasks: u32,
    /// Whether those tasks already run when the load begins, or are launched then.
    pub warm_start: bool,
    /// Bounds of the desired count.
    pub min_tasks: u32,
    /// Bounds of the desired count.
    pub max_tasks: u32,
    /// The program in the task.
    pub worker: Worker,
    /// stopTimeout: from SIGTERM to SIGKILL.
    pub stop_timeout: Nanos,
    /// Application Auto Scaling policies.
    pub scaling: Vec<ScalingPolicy>,
}

impl Default for Ecs {
    fn default() -> Self {
        Self {
            capacity: Capacity::Fargate,
            architecture: Architecture::X86,
            cpu_units: 256,
            memory_mb: 512,
            image_mb: 200,
            tasks: 1,
            warm_start: true,
            min_tasks: 1,
            max_tasks: 10,
            worker: Worker::default(),
            stop_timeout: 30 * SECOND,
            scaling: Vec::new(),
        }
    }
}

/// Where ECS tasks run.
#[derive(Clone, Debug, PartialEq)]
pub enum Capacity {
    /// Fargate on demand.
    Fargate,
    /// Fargate Spot: cheaper, interrupted with a two-minute warning.
    FargateSpot,
    /// EC2 instances behind a capacity provider with managed scaling.
    Ec2(Ec2),
}

/// EC2 instances behind a capacity provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Ec2 {
    /// Instance type.
    pub instance_type: InstanceType,
    /// Bounds of the auto scaling group.
    pub min_instances: u32,
    /// Bounds of the auto scaling group.
    pub max_instances: u32,
    /// Managed scaling's target for CapacityProviderReservation, 1 to 100 percent.
    pub target_capacity_percent: u32,
    /// Whether instances hold the image (baked in, or `prefer-cached` after the first pull).
    pub image_cached: bool,
}

impl Ec2 {
    /// Tasks of that size that one instance holds, at least one.
    #[must_use]
    pub fn tasks_per_instance(&self, ecs: &Ecs) -> u32 {
        let by_cpu = self.instance_type.cpu_units / ecs.cpu_units.max(1);
        let by_memory = self.instance_type.memory_mb / ecs.memory_mb.max(1);
        by_cpu.min(by_memory).max(1)
    }
}

/// An EC2 instance type that the price list knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceType {
    /// As AWS spells it.
    pub name: &'static str,
    /// CPU units; 1,024 is one vCPU.
    pub cpu_units: u32,
    /// Memory in MiB.
    pub memory_mb: u32,
    /// Processor architecture.
    pub architecture: Architecture,
}

/// The instance types that can be asked for.
pub const INSTANCE_TYPES: [InstanceType; 10] = {
    const fn of(name: &'static str, vcpus: u32, gib: u32, arm: bool) -> InstanceType {
        let architecture = if arm { Architecture::Arm } else { Architecture::X86 };
        InstanceType { name, cpu_units: vcpus * 1024, memory_mb: gib * 1024, architecture }
    }
    [
        of("t4g.small", 2, 2, true),
        of("t4g.medium", 2, 4, true),
        of("t3.medium", 2, 4, false),
        of("m5.large", 2, 8, false),
        of("m6i.large", 2, 8, false),
        of("m7g.large", 2, 8, true),
        of("m7i.large", 2, 8, false),
        of("c6i.large", 2, 4, false),
        of("c7g.large", 2, 4, true),
        of("c7g.xlarge", 4, 8, true),
    ]
};

/// The poll loop in an ECS task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    /// MaxNumberOfMessages, 1 to 10.
    pub batch_size: u32,
    /// WaitTimeSeconds: 0 polls short, up to 20 s polls long.
    pub wait_time: Nanos,
    /// VisibilityTimeout of the receive call; `None` uses the queue's.
    pub visibility_timeout: Option<Nanos>,
    /// Messages worked on at once in one task.
    pub concurrency: u32,
    /// When the task asks for more.
    pub poll: Poll,
    /// How the task deletes.
    pub delete: Delete,
    /// Pause after an empty receive.
    pub idle_sleep: Nanos,
    /// On SIGTERM: finish what was received (true), or go on until SIGKILL (false).
    pub drains_on_sigterm: bool,
    /// How a message with further hops goes on.
    pub between_hops: BetweenHops,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            batch_size: 10,
            wait_time: 20 * SECOND,
            visibility_timeout: None,
            concurrency: 1,
            poll: Poll::AllDone,
            delete: Delete::Each,
            idle_sleep: 0,
            drains_on_sigterm: true,
            between_hops: BetweenHops::Sqs,
        }
    }
}

/// How a worker sends on a message that has further hops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BetweenHops {
    /// To the queue, for whichever worker receives it next.
    Sqs,
    /// Within the task, by a broker in memory: its next hop begins at once. What a task loses, it loses whole.
    Memory,
}

/// When a task asks for more messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Receive a batch, finish all of it, receive again: the plain loop.
    AllDone,
    /// Ask for as many as there are free slots (at most the batch size) whenever one is free.
    SlotFree,
}

/// How a task deletes what it has finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delete {
    /// DeleteMessage after each message; its slot waits for the answer.
    Each,
    /// DeleteMessageBatch once all messages of the received batch are done (needs `Poll::AllDone`).
    Batch,
}
