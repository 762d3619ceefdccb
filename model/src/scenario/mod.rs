//! What a scenario asks: the load, the message, the queues and the stacks that drain them.
//!
//! Goals: plain data in AWS's own terms, every field with its unit and default.
//! Non-goals: reading text (`read`), deciding whether a scenario makes sense (`check`).

mod arrivals;
mod check;
mod describe;
mod files;
mod kinds;
mod lists;
mod overrides;
mod parameters;
mod problem;
mod read;
mod scaling;
mod schema;
mod settings;
mod stacks;
mod syntax;
mod table;
mod trace;
mod tree;
mod units;

pub use describe::describe;
pub use parameters::{Belief, Confidence, Parameters, Setting};
pub use problem::{Place, Problem, Problems};
pub use read::{Source, load, parse};
pub use schema::schema;

use crate::random::Sampler;
use crate::time::{HOUR, MILLISECOND, MINUTE, Nanos, SECOND};

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
    /// The load, phase after phase.
    pub phases: Vec<Phase>,
    /// What each message asks of a worker.
    pub message: Message,
    /// Two to six consumers; the first is the reference.
    pub stacks: Vec<Stack>,
    /// The beliefs about AWS that are in force.
    pub parameters: Parameters,
}

/// A stretch of time with one arrival process.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Shown over the charts.
    pub name: String,
    /// Length; `None` (batches with a count only) lasts until the last batch is sent.
    pub duration: Option<Nanos>,
    /// When messages arrive.
    pub arrivals: Arrivals,
}

/// An arrival process.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Equal gaps.
    Even(Rate),
    /// Independent arrivals.
    Poisson(Rate),
    /// Groups of messages sent at one instant, a random gap after the previous group.
    Batches(Batches),
    /// Counts per interval, e.g. exported from CloudWatch; instants are uniform within an interval.
    Trace(Vec<TraceInterval>),
}

/// The classic seeder's load.
#[derive(Clone, Debug, PartialEq)]
pub struct Batches {
    /// How many batches; `None` goes on for the phase's duration.
    pub count: Option<u64>,
    /// Fewest and most messages in a batch.
    pub size: (u64, u64),
    /// Shortest and longest gap between batches; the first batch comes at the start of the phase.
    pub gap: (Nanos, Nanos),
}

/// One row of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceInterval {
    /// Start, from the start of the phase.
    pub at: Nanos,
    /// Length.
    pub length: Nanos,
    /// Messages in it.
    pub count: u64,
}

/// Messages per second over the time of a phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// The same all along; messages per second.
    Constant(f64),
    /// Linear from the start of the phase to its end; messages per second.
    Ramp {
        /// At the start.
        from: f64,
        /// At the end.
        to: f64,
    },
    /// `mean + amplitude * sin(2 pi t / period)`; messages per second.
    Sine {
        /// Around which it swings.
        mean: f64,
        /// At most `mean`.
        amplitude: f64,
        /// One full swing.
        period: Nanos,
    },
}

/// What each message asks of a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Work per message on one full vCPU, without the cost of receiving and deleting.
    pub work: Distribution,
    /// Share of the work that is computing rather than waiting, 0 to 1: what a small CPU slows down.
    pub cpu_share: f64,
    /// Probability that an attempt fails after doing its work, 0 to 1.
    pub failure: f64,
    /// Shortest and longest body in bytes.
    pub body_bytes: (u32, u32),
    /// The characters that bodies are made of (ASCII).
    pub alphabet: String,
    /// Message groups (tenants) to draw from; 1 means none.
    pub groups: u32,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            work: Distribution::Constant(100 * MILLISECOND),
            cpu_share: 0.0,
            failure: 0.0,
            body_bytes: (256, 256),
            alphabet: "ABCDEFGHIJKLMNOPQRSTUVWXYZ".into(),
            groups: 1,
        }
    }
}

/// A distribution of spans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Constant(Nanos),
    /// Uniform between two values.
    Uniform {
        /// Shortest.
        from: Nanos,
        /// Longest.
        to: Nanos,
    },
    /// Exponential.
    Exponential {
        /// Mean.
        mean: Nanos,
    },
    /// Lognormal, given by two of its percentiles.
    Lognormal {
        /// 50th percentile.
        median: Nanos,
        /// 99th percentile, at least the median.
        p99: Nanos,
    },
    /// Either of two values.
    Bimodal {
        /// The usual one.
        fast: Nanos,
        /// The rare one.
        slow: Nanos,
        /// Probability of the rare one.
        slow_share: f64,
    },
}

impl Distribution {
    /// The sampler that draws from it.
    #[must_use]
    pub fn sampler(&self) -> Sampler {
        match *self {
            Self::Constant(value) => Sampler::constant(value),
            Self::Uniform { from, to } => Sampler::uniform(from, to),
            Self::Exponential { mean } => Sampler::exponential(mean),
            Self::Lognormal { median, p99 } => Sampler::lognormal(median, p99),
            Self::Bimodal { fast, slow, slow_share } => Sampler::two(fast, slow, slow_share),
        }
    }
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
    /// A Lambda function behind an event source mapping.
    Lambda(Lambda),
}

impl Platform {
    /// `"ecs"` or `"lambda"`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ecs(_) => "ecs",
            Self::Lambda(_) => "lambda",
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
        }
    }
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

/// A Lambda function and its event source mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Lambda {
    /// Processor architecture.
    pub architecture: Architecture,
    /// Memory in MB; 1,769 MB is one vCPU.
    pub memory_mb: u32,
    /// Function timeout, at most 15 min.
    pub timeout: Nanos,
    /// Managed runtime: decides how long an initialisation takes.
    pub runtime: Runtime,
    /// Packaging: decides how long an initialisation takes.
    pub package: Package,
    /// The function's own measured Init Duration, instead of the runtime's hello-world.
    pub init: Option<InitDuration>,
    /// BatchSize, 1 to 10,000.
    pub batch_size: u32,
    /// MaximumBatchingWindowInSeconds.
    pub batching_window: Nanos,
    /// MaximumConcurrency of the mapping, 2 to 1,000.
    pub maximum_concurrency: Option<u32>,
    /// Event pollers of provisioned mode.
    pub provisioned_pollers: Option<ProvisionedPollers>,
    /// Reserved concurrency of the function.
    pub reserved_concurrency: Option<u32>,
    /// Provisioned concurrency of the function; counts towards the reserved.
    pub provisioned_concurrency: u32,
    /// Whether the handler reports partial batch failures (ReportBatchItemFailures).
    pub partial_batch_responses: bool,
    /// Whether the handler works on the messages of a batch one after another or all at once.
    pub parallel_batch: bool,
}

impl Default for Lambda {
    fn default() -> Self {
        Self {
            architecture: Architecture::X86,
            memory_mb: 512,
            timeout: 30 * SECOND,
            runtime: Runtime::Python313,
            package: Package::Zip,
            init: None,
            batch_size: 10,
            batching_window: 0,
            maximum_concurrency: None,
            provisioned_pollers: None,
            reserved_concurrency: None,
            provisioned_concurrency: 0,
            partial_batch_responses: false,
            parallel_batch: false,
        }
    }
}

/// Bounds of provisioned event pollers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvisionedPollers {
    /// MinimumPollers, 2 to 200.
    pub min: u32,
    /// MaximumPollers, 2 to 10,000.
    pub max: u32,
}

/// A function's own Init Duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitDuration {
    /// 50th percentile.
    pub p50: Nanos,
    /// 99th percentile.
    pub p99: Nanos,
}

/// Packaging of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Package {
    /// Zip archive on a managed runtime.
    Zip,
    /// Container image.
    Image,
}

/// A Lambda runtime whose cold starts were measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Rust on provided.al2023.
    Rust,
    /// Go on provided.al2023.
    Go,
    /// Python 3.13.
    Python313,
    /// Python 3.14.
    Python314,
    /// Node.js 22.
    Nodejs22,
    /// Node.js 24.
    Nodejs24,
    /// Java 21.
    Java21,
    /// Java 25.
    Java25,
    /// .NET 8.
    Dotnet8,
    /// .NET 10.
    Dotnet10,
    /// .NET 10, compiled ahead of time.
    Dotnet10Aot,
    /// Ruby 3.4.
    Ruby34,
}

impl Runtime {
    /// All runtimes with the names that scenarios use.
    pub const ALL: [(Self, &'static str); 12] = [
        (Self::Rust, "rust"),
        (Self::Go, "go"),
        (Self::Python313, "python3.13"),
        (Self::Python314, "python3.14"),
        (Self::Nodejs22, "nodejs22"),
        (Self::Nodejs24, "nodejs24"),
        (Self::Java21, "java21"),
        (Self::Java25, "java25"),
        (Self::Dotnet8, "dotnet8"),
        (Self::Dotnet10, "dotnet10"),
        (Self::Dotnet10Aot, "dotnet10-aot"),
        (Self::Ruby34, "ruby3.4"),
    ];
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
        self.phases.iter().map(|phase| phase.duration).sum()
    }
}
