//! Stacks: queues, ECS services and Lambda functions; instances and pods are in `fleet_keys`.

use super::consumers::{Consumers, consumers};
use super::kinds::{At, Bytes, Choice, Count, Flag, Kind, Megabytes, Number, Span, Sub};
use super::lists::{Command, List};
use super::problem::{clipped, quoted};
use super::scaling::{Of, policy};
use super::streams::{self, NAME_PATTERN, is_name};
use super::table::Table;
use super::tree::Value;
use super::{
    Architecture, BetweenHops, Capacity, Delete, Ec2, Ecs, INSTANCE_TYPES, InitDuration, Lambda, Package,
    Platform, Poll, ProvisionedPollers, Provisioning, Queue, Runtime, Stack, Worker, check, fleet_keys,
};
use crate::time::{DAY, HOUR, MINUTE, SECOND};
use serde_json::{Value as Json, json};

/// Log bytes per message when the scenario doesn't say: one JSON line.
const LOG_BYTES: u32 = 200;
const ARCHITECTURES: [(Architecture, &str); 2] = [(Architecture::X86, "x86"), (Architecture::Arm, "arm")];

/// The table of stacks, in the order of the file.
pub(super) struct Stacks {
    /// Attributes that a stack's own queue table overrides.
    pub(super) queue: Queue,
    /// Concurrent executions of the account.
    pub(super) limit: u64,
    /// Names of the scenario's streams.
    pub(super) streams: Vec<String>,
}

impl Kind for Stacks {
    type Out = Vec<Stack>;

    fn read(&self, at: &At<'_>) -> Option<Vec<Stack>> {
        let (count, read) = Table::read(at, |t| {
            let named = t.named();
            let read: Vec<Option<Stack>> =
                named.iter().take(6).map(|(name, at)| self.stack(name, at)).collect();
            (named.len(), read)
        })?;
        match count {
            0 | 1 => at.problem(format!(
                "has {} stack{}; write two to six, since the first is the reference that the others are compared with",
                count,
                if count == 1 { "" } else { "s" }
            )),
            2..=6 => {}
            n => at.problem(format!("has {n} stacks; write two to six, so that charts can be read")),
        }
        read.into_iter().collect()
    }

    fn schema(&self) -> Json {
        let stack = Table::describe(|t: &mut Table<'_>| keys(t, "", self));
        json!({
            "type": "object",
            "minProperties": 2,
            "maxProperties": 6,
            "patternProperties": { (NAME_PATTERN): stack },
            "additionalProperties": false,
        })
    }

    fn example(&self) -> String {
        "{ ecs = { platform = \"ecs\" }, lambda = { platform = \"lambda\" } }".into()
    }
}

impl Stacks {
    fn stack(&self, name: &str, at: &At<'_>) -> Option<Stack> {
        if !is_name(name) {
            at.problem(format!(
                "{} can't name a stack; write a lower-case letter and up to 31 of a-z, 0-9 and -",
                quoted(name)
            ));
            return None;
        }
        if !matches!(at.node.value, Value::Table(_)) {
            at.problem(format!("{} is not a stack; write [stacks.{}]", at.node.show(), clipped(name)));
            return None;
        }
        Table::read(at, |t| keys(t, name, self)).flatten()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Which {
    Ecs,
    Ec2,
    Eks,
    Lambda,
}

/// The keys of a stack: how its streams are mapped to it, and what drains them.
fn keys(t: &mut Table<'_>, name: &str, of: &Stacks) -> Option<Stack> {
    let mapping = streams::mapping(t, &of.streams);
    let doc = "With split = \"consumers\": keys of this stack, by stream, where its consumer differs.";
    let own = t.optional("consumers", doc, &Consumers).unwrap_or_default();
    let stack = drained(t, name, of)?;
    let mut stack = Stack { streams: mapping.streams, split: mapping.split, ..stack };
    if t.clean() {
        stack.consumers = consumers(t, &stack, of, &own);
        streams::check_split(t, &stack, &of.streams);
    }
    Some(stack)
}

/// The keys of a queue with what drains it.
pub(super) fn drained(t: &mut Table<'_>, name: &str, of: &Stacks) -> Option<Stack> {
    let (base, limit) = (of.queue, of.limit);
    let doc = "This stack's queue, where it differs from [queue].";
    let sub = Sub("{ visibility-timeout = \"30s\" }", |t: &mut Table<'_>| Some(queue(t, base)));
    let queue = t.optional("queue", doc, &sub).unwrap_or(base);
    let doc = "Log bytes that the worker itself writes per message.";
    let log_bytes = Bytes { least: 0, most: 1 << 20, bare: false };
    let log_bytes_per_message = t.get("log-bytes-per-message", doc, &log_bytes, LOG_BYTES);
    let doc = "Target local: the worker's program and its arguments; without it the reference worker.";
    let command = t.optional("command", doc, &Command);
    let doc = "Target local: whether capacity takes as long to come as a simulation believes, or no time.";
    let choices = vec![(Provisioning::Modelled, "modelled"), (Provisioning::None, "none")];
    let provisioning = t.get("provisioning", doc, &Choice(choices), Provisioning::default());
    let read = |t: &mut Table<'_>, which: Which| match which {
        Which::Ecs => ecs(t).map(Platform::Ecs),
        Which::Ec2 => fleet_keys::group(t).map(Platform::Ec2),
        Which::Eks => fleet_keys::eks(t).map(Platform::Eks),
        Which::Lambda => lambda(t, &queue, limit).map(Platform::Lambda),
    };
    let doc = "What drains the queue: an ECS service, an EC2 Auto Scaling group, a Deployment on EKS, or a Lambda \
               function behind an event source mapping.";
    let names = [(Which::Ecs, "ecs"), (Which::Ec2, "ec2"), (Which::Eks, "eks"), (Which::Lambda, "lambda")];
    let platform = t.variants("platform", doc, &names, &read).flatten();
    Some(Stack { queue, log_bytes_per_message, command, provisioning, ..Stack::new(name, platform?) })
}

/// The keys of a queue; `base` holds where a key is not written.
pub(super) fn queue(t: &mut Table<'_>, base: Queue) -> Queue {
    Queue {
        visibility_timeout: t.get(
            "visibility-timeout",
            "VisibilityTimeout, 0 to 12 h.",
            &Span::seconds(0, 12 * HOUR),
            base.visibility_timeout,
        ),
        retention: t.get(
            "retention",
            "MessageRetentionPeriod, 60 s to 14 days.",
            &Span::seconds(MINUTE, 14 * DAY),
            base.retention,
        ),
        delay: t.get("delay", "DelaySeconds, 0 to 15 min.", &Span::seconds(0, 15 * MINUTE), base.delay),
        max_receive_count: t
            .optional(
                "max-receive-count",
                "maxReceiveCount of the redrive policy; without it there is no dead-letter queue.",
                &Count(1, 1_000),
            )
            .or(base.max_receive_count),
    }
}

fn ecs(t: &mut Table<'_>) -> Option<Ecs> {
    let default = Ecs::default();
    let capacity = capacity(t);
    let architecture = t.get(
        "architecture",
        "Processor architecture.",
        &Choice(ARCHITECTURES.to_vec()),
        default.architecture,
    );
    let cpu_units = t.get("cpu", "vCPUs of a task, e.g. 0.25.", &Vcpu, default.cpu_units);
    let memory_mb = t.get("memory", "Memory of a task.", &Megabytes(64, 192 * 1024), default.memory_mb);
    let doc = "Compressed image size: what a task pulls before it starts.";
    let image_mb = t.get("image-size", doc, &Megabytes(1, 20 * 1024), default.image_mb);
    let doc = "Application Auto Scaling policies.";
    let scaling = t.get(
        "scaling",
        doc,
        &List(
            Sub("{ policy = \"backlog-per-task\", target = 100 }", |t: &mut Table<'_>| policy(t, Of::Tasks)),
            20,
        ),
        default.scaling,
    );
    let bounds = bounds(t, "tasks", !scaling.is_empty());
    let doc = "Whether those tasks already run when the load begins, or are launched then.";
    let warm_start = t.get("warm-start", doc, &Flag, default.warm_start);
    let worker = worker(t, "task");
    let doc = "stopTimeout: from SIGTERM to SIGKILL; 2 to 120 s on Fargate.";
    let stop_timeout = t.get("stop-timeout", doc, &Span::seconds(2 * SECOND, HOUR), default.stop_timeout);
    let ecs = Ecs {
        capacity: capacity?,
        architecture,
        cpu_units,
        memory_mb,
        image_mb,
        tasks: bounds.0,
        warm_start,
        min_tasks: bounds.1,
        max_tasks: bounds.2,
        worker,
        stop_timeout,
        scaling,
    };
    if t.clean() {
        check::ecs(t, &ecs);
    }
    Some(ecs)
}

/// Desired count at the start, and its least and most; `units` is what is counted, e.g. "tasks".
pub(super) fn bounds(t: &mut Table<'_>, units: &str, scales: bool) -> (u32, u32, u32) {
    let count = Count(0, 5_000);
    let doc = format!("Desired count at the start; without it min-{units}, or 1.");
    let at_start = t.optional(units, &doc, &count);
    let doc = format!(
        "Least desired count; without it 1 (or {units}, if that is less), and {units} where nothing scales."
    );
    let least = t.optional(&format!("min-{units}"), &doc, &count);
    let doc = format!(
        "Most desired count; without it 10 (or {units}, if that is more), and {units} where nothing scales."
    );
    let most = t.optional(&format!("max-{units}"), &doc, &count);
    let at_start = at_start.or(least).unwrap_or(1);
    let (low, high) = if scales { (at_start.min(1), at_start.max(10)) } else { (at_start, at_start) };
    let least = least.unwrap_or(low.min(most.unwrap_or(u32::MAX)));
    (at_start, least, most.unwrap_or(high.max(least)))
}

#[derive(Clone, Copy, PartialEq)]
enum Launch {
    Fargate,
    FargateSpot,
    Ec2,
}

fn capacity(t: &mut Table<'_>) -> Option<Capacity> {
    let names =
        vec![(Launch::Fargate, "fargate"), (Launch::FargateSpot, "fargate-spot"), (Launch::Ec2, "ec2")];
    let launch = t.get("launch-type", "Where tasks run.", &Choice(names), Launch::Fargate);
    let doc = "EC2 instances behind a capacity provider; only with launch-type = \"ec2\".";
    let instances = t.optional("ec2", doc, &Sub("{ instance-type = \"c7g.large\" }", ec2));
    match (launch, instances) {
        (Launch::Ec2, Some(ec2)) => Some(Capacity::Ec2(ec2)),
        (Launch::Ec2, None) => {
            if !t.has("ec2") {
                let text = "needs instances; add a table ec2 with instance-type, e.g. \"c7g.large\"";
                t.problem("launch-type", text.into());
            }
            None
        }
        (_, None) if !t.has("ec2") => {
            Some(if launch == Launch::Fargate { Capacity::Fargate } else { Capacity::FargateSpot })
        }
        _ => {
            let text = "only goes with launch-type = \"ec2\"; remove the table or change the launch type";
            t.problem("ec2", text.into());
            None
        }
    }
}

fn ec2(t: &mut Table<'_>) -> Option<Ec2> {
    let types = INSTANCE_TYPES.map(|kind| (kind, kind.name)).to_vec();
    let instance_type = t.required("instance-type", "EC2 instance type.", &Choice(types));
    let min_instances =
        t.get("min-instances", "Least instances of the auto scaling group.", &Count(0, 5_000), 0);
    let max_instances =
        t.get("max-instances", "Most instances of the auto scaling group.", &Count(1, 5_000), 10);
    let doc = "Managed scaling's target for CapacityProviderReservation, percent.";
    let target_capacity_percent = t.get("target-capacity", doc, &Count(1, 100), 100);
    let doc = "Whether instances hold the image already (baked in, or cached after the first pull).";
    let image_cached = t.get("image-cached", doc, &Flag, true);
    if min_instances > max_instances {
        let text =
            format!("{min_instances} is above max-instances, {max_instances}; lower this or raise that");
        t.problem("min-instances", text);
    }
    Some(Ec2 {
        instance_type: instance_type?,
        min_instances,
        max_instances,
        target_capacity_percent,
        image_cached,
    })
}

/// The keys of the program in a `noun`.
pub(super) fn worker(t: &mut Table<'_>, noun: &str) -> Worker {
    let default = Worker::default();
    let polls = vec![(Poll::AllDone, "all-done"), (Poll::SlotFree, "slot-free")];
    let deletes = vec![(Delete::Each, "each"), (Delete::Batch, "batch")];
    Worker {
        batch_size: t.get("batch-size", "MaxNumberOfMessages, 1 to 10.", &Count(1, 10), default.batch_size),
        wait_time: t.get(
            "wait-time",
            "WaitTimeSeconds: 0 polls short, up to 20 s polls long.",
            &Span::seconds(0, 20 * SECOND),
            default.wait_time,
        ),
        visibility_timeout: t.optional(
            "visibility-timeout",
            "VisibilityTimeout of the receive call, if not the queue's.",
            &Span::seconds(0, 12 * HOUR),
        ),
        concurrency: t.get(
            "concurrency",
            &format!("Messages worked on at once in one {noun}."),
            &Count(1, 10_000),
            default.concurrency,
        ),
        poll: t.get(
            "poll",
            &format!(
                "When a {noun} asks for more: when its whole batch is done, or whenever a slot is free."
            ),
            &Choice(polls),
            default.poll,
        ),
        delete: t.get(
            "delete",
            &format!("Whether a {noun} deletes each message by itself, or a batch once all of it is done."),
            &Choice(deletes),
            default.delete,
        ),
        idle_sleep: t.get(
            "idle-sleep",
            "Pause after an empty receive.",
            &Span::within(0, HOUR),
            default.idle_sleep,
        ),
        drains_on_sigterm: t.get(
            "drains-on-sigterm",
            "On SIGTERM: finish what was received, or go on until SIGKILL.",
            &Flag,
            default.drains_on_sigterm,
        ),
        between_hops: t.get(
            "between-hops",
            "How a worker sends on a message that has further hops: to the queue, or within the task.",
            &Choice(vec![(BetweenHops::Sqs, "sqs"), (BetweenHops::Memory, "memory")]),
            default.between_hops,
        ),
    }
}

fn lambda(t: &mut Table<'_>, queue: &Queue, limit: u64) -> Option<Lambda> {
    let default = Lambda::default();
    let packages = vec![(Package::Zip, "zip"), (Package::Image, "image")];
    let architectures = Choice(ARCHITECTURES.to_vec());
    let memory = Megabytes(128, 10_240);
    let doc_memory = "Memory of the function, 128 MB to 10 GB; 1,769 MB is one vCPU.";
    let doc_timeout = "Function timeout, 1 s to 15 min; at most the queue's visibility timeout.";
    let timeout = Span::seconds(SECOND, 15 * MINUTE);
    let doc_runtime = "Runtime: decides how long an initialisation takes.";
    let doc_package = "Packaging: decides how long an initialisation takes.";
    let doc_init = "The function's own measured Init Duration, instead of the runtime's hello-world.";
    let doc_batch = "BatchSize, 1 to 10,000; above 10 the mapping needs a batching window.";
    let doc_window = "MaximumBatchingWindowInSeconds, 0 to 5 min.";
    let doc_maximum = "MaximumConcurrency of the mapping, 2 to 1,000; not with provisioned pollers.";
    let doc_pollers = "Event pollers of provisioned mode.";
    let doc_provisioned = "Provisioned concurrency of the function; counts towards the reserved.";
    let doc_partial = "Whether the handler reports partial batch failures (ReportBatchItemFailures).";
    let doc_parallel = "Whether the handler works on a batch all at once, or one message after another.";
    let concurrency = Count(1, 1_000_000);
    let lambda = Lambda {
        architecture: t.get("architecture", "Processor architecture.", &architectures, default.architecture),
        memory_mb: t.get("memory", doc_memory, &memory, default.memory_mb),
        timeout: t.get("timeout", doc_timeout, &timeout, default.timeout),
        runtime: t.get("runtime", doc_runtime, &Choice(Runtime::ALL.to_vec()), default.runtime),
        package: t.get("package", doc_package, &Choice(packages), default.package),
        init: t.optional("init", doc_init, &Sub("{ p50 = \"120ms\", p99 = \"300ms\" }", init)),
        batch_size: t.get("batch-size", doc_batch, &Count(1, 10_000), default.batch_size),
        batching_window: t.get(
            "batching-window",
            doc_window,
            &Span::seconds(0, 5 * MINUTE),
            default.batching_window,
        ),
        maximum_concurrency: t.optional("maximum-concurrency", doc_maximum, &Count(2, 1_000)),
        provisioned_pollers: t.optional(
            "provisioned-pollers",
            doc_pollers,
            &Sub("{ min = 2, max = 20 }", pollers),
        ),
        reserved_concurrency: t.optional(
            "reserved-concurrency",
            "Reserved concurrency of the function.",
            &concurrency,
        ),
        provisioned_concurrency: t.get(
            "provisioned-concurrency",
            doc_provisioned,
            &Count(0, 1_000_000),
            default.provisioned_concurrency,
        ),
        partial_batch_responses: t.get("partial-batch-responses", doc_partial, &Flag, false),
        parallel_batch: t.get("parallel-batch", doc_parallel, &Flag, false),
    };
    if t.clean() {
        check::lambda(t, &lambda, queue, limit);
    }
    Some(lambda)
}

fn init(t: &mut Table<'_>) -> Option<InitDuration> {
    let span = Span::within(1, 15 * MINUTE);
    let p50 = t.required("p50", "50th percentile.", &span);
    let p99 = t.required("p99", "99th percentile, at least the 50th.", &span);
    check::ordered(t, ("p50", p50?), ("p99", p99?));
    Some(InitDuration { p50: p50?, p99: p99? })
}

fn pollers(t: &mut Table<'_>) -> Option<ProvisionedPollers> {
    let min = t.get("min", "MinimumPollers, 2 to 200.", &Count(2, 200), 2);
    let max = t.get("max", "MaximumPollers, 2 to 10,000.", &Count(2, 10_000), 200);
    if min > max {
        t.problem("min", format!("{min} is above max, {max}; lower this or raise that"));
    }
    Some(ProvisionedPollers { min, max })
}

/// vCPUs, kept as CPU units of 1/1,024.
pub(super) struct Vcpu;

impl Kind for Vcpu {
    type Out = u32;

    fn read(&self, at: &At<'_>) -> Option<u32> {
        let vcpus = Number(0.125, 192.0).read(at)?;
        let units = vcpus * 1024.0;
        if units.fract() == 0.0 {
            return Some(units as u32);
        }
        at.problem(format!("{vcpus} is not a multiple of 1/1024 vCPU; write e.g. 0.25, 0.5 or 1"));
        None
    }

    fn schema(&self) -> Json {
        json!({ "type": "number", "minimum": 0.125, "maximum": 192, "examples": [0.25, 0.5, 1, 2, 4, 8, 16] })
    }

    fn show(&self, units: &u32) -> Json {
        json!(f64::from(*units) / 1024.0)
    }

    fn example(&self) -> String {
        "0.25".into()
    }
}
