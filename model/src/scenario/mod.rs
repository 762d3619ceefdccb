//! What a scenario asks: the load, the message, the queues and the stacks that drain them.
//!
//! Goals: plain data in AWS's own terms, every field with its unit and default.
//! Non-goals: reading text (`read`), deciding whether a scenario makes sense (`check`).

mod arrivals;
mod check;
mod consumers;
mod describe;
mod ecs;
mod eks;
mod expect;
mod faults;
mod files;
mod fleet;
mod fleet_keys;
mod group;
mod injection;
mod kinds;
mod lambda;
mod lists;
mod load;
mod overrides;
mod parameters;
mod policies;
mod problem;
mod read;
mod scaling;
mod schema;
mod settings;
mod stacks;
mod streams;
mod syntax;
mod table;
mod trace;
mod tree;
mod units;

pub use describe::describe;
pub use ecs::{BetweenHops, Capacity, Delete, Ec2, Ecs, INSTANCE_TYPES, InstanceType, Poll, Worker};
pub use eks::{Eks, Keda, NodeProvisioner};
pub use expect::{Expect, Limit};
pub use faults::{Fault, FaultKind};
pub use fleet::Fleet;
pub use group::AutoScalingGroup;
pub use lambda::{InitDuration, Lambda, Package, ProvisionedPollers, Runtime};
pub use load::{Arrivals, Batches, Distribution, Message, Phase, Rate, TraceInterval};
pub use parameters::{Belief, Confidence, Parameters, Setting};
pub use policies::{
    Adjustment, Alarm, AlarmMetric, Comparison, MissingData, ScalingPolicy, Scheduled, Statistic, Step,
    StepScaling, TargetTracking,
};
pub use problem::{Place, Problem, Problems};
pub use read::{Source, load, parse};
pub use schema::schema;
pub use streams::{Consumer, Load, MOST_STREAMS, MessageStream, Split};

use crate::time::{HOUR, MINUTE, Nanos, SECOND};

/// A load, a message, and the stacks that are compared under it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// One line for headings.
    pub title: String,
    /// Why the scenario exists and what it should show.
    pub analysis: String,
    /// Names the world: every random draw follows from it.
    pub seed: u64,
    /// AWS region: selects the price list.
    pub region: String,
    /// Excluded from summaries, shown in charts.
    pub warmup: Nanos,
    /// How long after the last arrival the stacks may go on draining.
    pub drain_max: Nanos,
    /// The load, phase after phase; empty if every stream has its own.
    pub phases: Vec<Phase>,
    /// What each message asks of a worker, if its stream does not say otherwise.
    pub message: Message,
    /// Classes of messages, in the order of the file; empty if there is but one.
    pub streams: Vec<MessageStream>,
    /// Two to six consumers; the first is the reference.
    pub stacks: Vec<Stack>,
    /// What goes wrong, and when.
    pub faults: Vec<Fault>,
    /// Thresholds for its results.
    pub expect: Vec<Expect>,
    /// The beliefs about AWS that are in force.
    pub parameters: Parameters,
}

/// A named consumer of one queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Folder name of its results: `[a-z0-9-]`, unique.
    pub name: String,
    /// The queue it drains.
    pub queue: Queue,
    /// Log bytes that the worker itself writes per message.
    pub log_bytes_per_message: u32,
    /// What drains it.
    pub platform: Platform,
    /// The streams that it drains, by their position in the scenario; empty for all.
    pub streams: Vec<usize>,
    /// What each of its streams has for itself.
    pub split: Split,
    /// With [`Split::Consumers`]: the queue and the consumer of each of its streams.
    pub consumers: Vec<Consumer>,
    /// Target `local`: the worker's program and arguments; `None` is the reference worker.
    pub command: Option<Vec<String>>,
    /// Target `local`: how long capacity takes to come.
    pub provisioning: Provisioning,
}

impl Stack {
    /// A stack with AWS's own defaults.
    #[must_use]
    pub fn new(name: &str, platform: Platform) -> Self {
        Self {
            name: name.into(),
            queue: Queue::default(),
            log_bytes_per_message: 0,
            platform,
            streams: Vec::new(),
            split: Split::default(),
            consumers: Vec::new(),
            command: None,
            provisioning: Provisioning::default(),
        }
    }

    /// The streams that it drains, by their position among the `count` of the scenario.
    #[must_use]
    pub fn drained(&self, count: usize) -> Vec<usize> {
        if self.streams.is_empty() { (0..count).collect() } else { self.streams.clone() }
    }
}

/// How long capacity takes to come where the platform is not AWS itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provisioning {
    /// As the simulator believes: network interface, image pull, microVM; only the program's own start is real.
    #[default]
    Modelled,
    /// None: only the program's own start.
    None,
}

/// Attributes of an SQS standard queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// VisibilityTimeout, 0 to 12 h.
    pub visibility_timeout: Nanos,
    /// MessageRetentionPeriod, 60 s to 14 d.
    pub retention: Nanos,
    /// DelaySeconds, 0 to 15 min.
    pub delay: Nanos,
    /// maxReceiveCount of the redrive policy; `None` has no dead-letter queue.
    pub max_receive_count: Option<u32>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { visibility_timeout: 30 * SECOND, retention: 4 * 24 * HOUR, delay: 0, max_receive_count: None }
    }
}

/// What drains a queue.
#[derive(Clone, Debug, PartialEq)]
pub enum Platform {
    /// An ECS service.
    Ecs(Ecs),
    /// An EC2 Auto Scaling group.
    Ec2(AutoScalingGroup),
    /// A Deployment on EKS.
    Eks(Eks),
    /// A Lambda function behind an event source mapping.
    Lambda(Lambda),
}

impl Platform {
    /// As in scenarios: `"ecs"`, `"ec2"`, `"eks"` or `"lambda"`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ecs(_) => "ecs",
            Self::Ec2(_) => "ec2",
            Self::Eks(_) => "eks",
            Self::Lambda(_) => "lambda",
        }
    }

    /// Memory of a worker in MiB.
    #[must_use]
    pub fn memory_mb(&self) -> u32 {
        match self {
            Self::Lambda(lambda) => lambda.memory_mb,
            Self::Ecs(_) | Self::Ec2(_) | Self::Eks(_) => self.fleet().map_or(0, Fleet::memory_mb),
        }
    }
}

/// Processor architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// x86_64.
    X86,
    /// arm64 (Graviton).
    Arm,
}

impl Architecture {
    /// `"x86"` or `"arm"`, as in scenarios and price lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86",
            Self::Arm => "arm",
        }
    }
}

/// The regions that can be asked for: those that the price list knows.
pub const REGIONS: [&str; 10] = [
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "eu-west-1",
    "eu-central-1",
    "eu-north-1",
    "ap-south-1",
    "ap-northeast-1",
    "ap-southeast-1",
    "ap-southeast-2",
];

/// Defaults that are not a struct's own.
impl Scenario {
    /// Default of `drain-max`.
    pub const DRAIN_MAX: Nanos = 15 * MINUTE;
    /// Default of `seed`.
    pub const SEED: u64 = 1;
    /// Default of `region`.
    pub const REGION: &'static str = "us-east-1";

    /// The instant at which the last phase ends, if every phase says how long it is.
    #[must_use]
    pub fn planned_duration(&self) -> Option<Nanos> {
        let of = |phases: &[Phase]| phases.iter().map(|phase| phase.duration).sum::<Option<Nanos>>();
        self.loads().into_iter().map(|(_, phases)| of(phases)).collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}
