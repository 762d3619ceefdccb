//! The control plane of a fleet: its scheduler, its metrics, alarms and policies or its autoscaler, its bill.
//!
//! Goals: one clockwork for every driver, in virtual time and in real time. The driver calls [`Control::sample`],
//! [`Control::every_minute`] and [`Control::evaluate`] once a minute each at the offsets that it is told, and does
//! what [`Control::command`] asks for. An autoscaler in a cluster has clocks of its own: it asks for looks at the queue.
//! Non-goals: the program in the tasks.

use super::scaler::Scaler;
use super::{Account, Command, Service, TaskId};
use crate::cloudwatch::Datapoint;
use crate::scaling::Metrics;
use model::random::Stream;
use model::run::Activity;
use model::scenario::{Capacity, Fleet, Parameters};
use model::time::{MINUTE, Nanos, SECOND, seconds};
use model::usage::Item;

/// The control plane of one fleet.
#[derive(Clone, Debug)]
pub struct Control {
    service: Service,
    account: Account,
    scaling: Scaler,
    metrics: Metrics,
    commands: Vec<Command>,
    beliefs: Beliefs,
    /// Whether units count for policies only when they have warmed up, as in an Auto Scaling group.
    warms_up: bool,
    /// CPU units of a task, for utilization and the bill.
    cpu_units: u64,
    memory_mb: u64,
    billing: Billing,
    /// Sampled for the minute that is ending.
    sampled: Reading,
    sent_before: u64,
    /// vCPU time that utilization was told for, per minute and per window.
    cpu_published: f64,
    cpu_sampled: f64,
    sampled_to: Nanos,
    /// Largest counts of the open window.
    peaks: Counts,
    last_active: Nanos,
    /// SQS metrics come back only then.
    silent_until: Nanos,
    stream: Stream,
}

/// The lags that metrics have.
#[derive(Clone, Copy, Debug)]
struct Beliefs {
    sqs_metric_lag: Nanos,
    sqs_attribute_lag: Nanos,
    ecs_metric_lag: Nanos,
    inactive_after: Nanos,
    activation_lag_max: Nanos,
    evaluation_delay: Nanos,
}

/// How the capacity is billed: items and their variant.
#[derive(Clone, Copy, Debug)]
enum Billing {
    Tasks {
        vcpu: Item,
        memory: Item,
        variant: &'static str,
    },
    /// Tasks are on instances that are billed.
    Instances {
        variant: &'static str,
    },
    /// Each unit is an instance.
    Units {
        variant: &'static str,
    },
    /// Instances, and the control plane of their cluster.
    Nodes {
        variant: &'static str,
    },
}

impl Billing {
    fn of(fleet: Fleet<'_>) -> Self {
        let ecs = match fleet {
            Fleet::Ecs(ecs) => ecs,
            Fleet::Ec2(group) => return Self::Units { variant: group.instance_type.name },
            Fleet::Eks(eks) => return Self::Nodes { variant: eks.instance_type.name },
        };
        let variant = ecs.architecture.name();
        match &ecs.capacity {
            Capacity::Fargate => {
                Self::Tasks { vcpu: Item::FargateVcpu, memory: Item::FargateMemory, variant }
            }
            Capacity::FargateSpot => {
                Self::Tasks { vcpu: Item::FargateSpotVcpu, memory: Item::FargateSpotMemory, variant }
            }
            Capacity::Ec2(ec2) => Self::Instances { variant: ec2.instance_type.name },
        }
    }
}

/// What a queue's attributes say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// ApproximateNumberOfMessages.
    pub visible: u64,
    /// ApproximateNumberOfMessagesNotVisible.
    pub not_visible: u64,
    /// Age of the oldest message.
    pub oldest_age: Nanos,
}

/// Counts of tasks and instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tasks that run.
    pub running: u32,
    /// Tasks on their way.
    pub pending: u32,
    /// Tasks wanted.
    pub desired: u32,
    /// Tasks between SIGTERM and their end.
    pub stopping: u32,
    /// EC2 instances that tasks or pods are on; `None` where there are none.
    pub instances: Option<u32>,
}

impl Counts {
    fn largest(self, other: Self) -> Self {
        Self {
            running: self.running.max(other.running),
            pending: self.pending.max(other.pending),
            desired: self.desired.max(other.desired),
            stopping: self.stopping.max(other.stopping),
            instances: self.instances.max(other.instances),
        }
    }
}

/// What a window of the run shows, and what was billed so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The largest counts.
    pub peaks: Counts,
    /// CPU utilization in percent; `None` if nothing ran.
    pub cpu: Option<f64>,
    /// Metered quantities with their variants: totals since the start.
    pub billed: Vec<(Item, &'static str, u64)>,
}

impl Control {
    /// The control plane of `fleet`; `service` decides start-up times and interruptions, `stream` lags.
    #[must_use]
    pub fn new(fleet: Fleet<'_>, beliefs: &Parameters, service: Stream, mut stream: Stream) -> Self {
        let evaluation_delay = stream.between(0, beliefs.alarm_evaluation_delay_max.min(MINUTE - 1));
        Self {
            service: Service::new(fleet, beliefs, service),
            account: Account::new(fleet, beliefs),
            scaling: Scaler::new(fleet, beliefs, &mut stream),
            metrics: Metrics::default(),
            commands: Vec::new(),
            beliefs: Beliefs {
                sqs_metric_lag: beliefs.sqs_metric_lag,
                sqs_attribute_lag: beliefs.sqs_attribute_lag.min(MINUTE - 1),
                ecs_metric_lag: beliefs.ecs_metric_lag,
                inactive_after: beliefs.sqs_inactive_after,
                activation_lag_max: beliefs.sqs_activation_lag_max,
                evaluation_delay,
            },
            warms_up: matches!(fleet, Fleet::Ec2(_)),
            cpu_units: u64::from(fleet.cpu_units()),
            memory_mb: u64::from(fleet.memory_mb()),
            billing: Billing::of(fleet),
            sampled: Reading::default(),
            sent_before: 0,
            cpu_published: 0.0,
            cpu_sampled: 0.0,
            sampled_to: 0,
            peaks: Counts::default(),
            last_active: 0,
            silent_until: 0,
            stream,
        }
    }

    /// Begins the service at instant 0: returns how many tasks run from the start.
    pub fn begin(&mut self, fleet: Fleet<'_>) -> u32 {
        if let Some(keda) = self.scaling.keda() {
            self.commands.extend(keda.looks().map(|at| Command::Look { at }));
        }
        let (count, warm_start) = fleet.at_start();
        if warm_start {
            self.service.begin_running(count, &mut self.commands);
            return count;
        }
        self.service.set_desired(0, count, &mut self.account, &mut self.commands);
        0
    }

    /// The queue as a look that was asked for finds it.
    pub fn look(&mut self, now: Nanos, reading: Reading) {
        let Some(keda) = self.scaling.keda() else { return };
        let Some(there) = keda.look(now, reading) else { return };
        self.commands.push(Command::Wake { at: there });
        let next = keda.looks().into_iter().filter(|&at| at > now);
        self.commands.extend(next.map(|at| Command::Look { at }));
    }

    /// The next thing that the driver has to do; doing it can make for more.
    pub fn command(&mut self) -> Option<Command> {
        self.commands.pop()
    }

    /// How long before each full minute the driver samples the queue: what SQS reports lags behind.
    #[must_use]
    pub fn attribute_lag(&self) -> Nanos {
        self.beliefs.sqs_attribute_lag
    }

    /// How long after each full minute the driver has the alarms evaluated.
    #[must_use]
    pub fn evaluation_delay(&self) -> Nanos {
        self.beliefs.evaluation_delay
    }

    /// Counts as they are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            running: self.service.running(),
            pending: self.service.pending(),
            desired: self.scaling.desired(),
            stopping: self.service.stopping(),
            instances: matches!(self.billing, Billing::Instances { .. } | Billing::Nodes { .. })
                .then(|| self.service.instances()),
        }
    }

    /// Remembers the counts for the open window: after anything that may have changed them.
    pub fn note_peaks(&mut self) {
        self.peaks = self.peaks.largest(self.counts());
    }

    /// The task's program begins; false if it was cancelled meanwhile.
    pub fn started(&mut self, now: Nanos, task: TaskId) -> bool {
        let started = self.service.started(now, task, &mut self.commands);
        if started {
            self.scaling.settle(now, self.in_service(now));
        }
        started
    }

    /// The task has exited, or was killed.
    pub fn exited(&mut self, now: Nanos, task: TaskId) {
        self.service.exited(now, task);
        if self.service.are_pods() {
            self.service.reconcile(now, &mut self.account, &mut self.commands);
        }
    }

    /// Whether the end of a unit can make for commands.
    #[must_use]
    pub fn replaces_at_once(&self) -> bool {
        self.service.are_pods()
    }

    /// The task's program has died by itself; false if the task did not run. The service starts another.
    pub fn crashed(&mut self, now: Nanos, task: TaskId) -> bool {
        self.service.crashed(now, task, &mut self.account, &mut self.commands)
    }

    /// Somebody stops the `count` oldest of the running tasks; returns how many those are. The service starts others.
    pub fn kill(&mut self, now: Nanos, count: u32) -> u32 {
        self.service.kill(now, count, &mut self.account, &mut self.commands)
    }

    /// A new version is rolled out. Until it has taken over, policies do not scale in.
    pub fn deploy(&mut self, now: Nanos) {
        self.service.deploy(now, &mut self.account, &mut self.commands);
    }

    /// Whether a deployment is in progress.
    #[must_use]
    pub fn deploying(&self) -> bool {
        self.service.deploying()
    }

    /// Running tasks as scaling counts them: not those that a deployment runs beyond the desired count, nor instances
    /// that warm up.
    fn in_service(&self, now: Nanos) -> u32 {
        let running = if self.warms_up { self.service.healthy(now) } else { self.service.running() };
        if self.deploying() { running.min(self.scaling.desired()) } else { running }
    }

    /// Spot reclaims a task; false if it does not run any more.
    pub fn interrupt(&mut self, now: Nanos, task: TaskId) -> bool {
        self.service.interrupt(now, task, &mut self.account, &mut self.commands)
    }

    /// Capacity has become ready, a task counts as healthy, or an autoscaler has learned what it looked for; returns
    /// what scaling did about it.
    pub fn reconcile(&mut self, now: Nanos) -> Vec<Activity> {
        if let Some(keda) = self.scaling.keda() {
            keda.act(now);
            return self.apply_desired(now);
        }
        self.service.reconcile(now, &mut self.account, &mut self.commands);
        Vec::new()
    }

    /// What SQS will report for the minute that is ending.
    pub fn sample(&mut self, reading: Reading) {
        self.sampled = reading;
    }

    /// A full minute: publishes its metrics. `sent` messages were sent and `cpu_used` nanoseconds of one vCPU used
    /// since the start.
    pub fn every_minute(&mut self, now: Nanos, sent: u64, queue_is_empty: bool, cpu_used: f64) {
        self.publish_sqs(now, sent, queue_is_empty);
        self.publish_ecs(now, cpu_used);
        self.service.every_minute(now, &mut self.account, &mut self.commands);
    }

    /// Publishes the minute that ends now, unless the queue has been inactive for hours.
    fn publish_sqs(&mut self, now: Nanos, sent_total: u64, queue_is_empty: bool) {
        let sent = sent_total - self.sent_before;
        self.sent_before = sent_total;
        let running = self.service.running();
        if sent > 0 || running > 0 || !queue_is_empty {
            if now - self.last_active > self.beliefs.inactive_after {
                self.silent_until = now + self.stream.between(0, self.beliefs.activation_lag_max);
            }
            self.last_active = now;
        }
        if now < self.silent_until || now - self.last_active > self.beliefs.inactive_after {
            return;
        }
        let start = now - MINUTE;
        let at = now + self.beliefs.sqs_metric_lag;
        let Reading { visible, not_visible, oldest_age } = self.sampled;
        let per_task = visible as f64 / f64::from(running.max(1));
        let metrics = &mut self.metrics;
        metrics.visible.publish(Datapoint::single(start, at, visible as f64));
        metrics.not_visible.publish(Datapoint::single(start, at, not_visible as f64));
        metrics.oldest_age.publish(Datapoint::single(start, at, seconds(oldest_age)));
        metrics.sent.publish(Datapoint::single(start, at, sent as f64));
        metrics.backlog_per_task.publish(Datapoint::single(start, at, per_task));
    }

    /// CPU utilization of the minute that ends now; no datapoint when nothing runs.
    fn publish_ecs(&mut self, now: Nanos, cpu_used: f64) {
        let used = cpu_used - self.cpu_published;
        self.cpu_published = cpu_used;
        if let Some(percent) = self.utilization(used, MINUTE) {
            let at = now + self.beliefs.ecs_metric_lag;
            self.metrics.cpu.publish(Datapoint::single(now - MINUTE, at, percent));
        }
    }

    /// Share of the CPU of the running tasks that `used` nanoseconds of one vCPU are over `span`, in percent.
    fn utilization(&self, used: f64, span: Nanos) -> Option<f64> {
        let tasks = self.service.running() + self.service.stopping();
        let capacity = f64::from(tasks) * self.cpu_units as f64 / 1024.0 * span as f64;
        (capacity > 0.0).then(|| (100.0 * used / capacity).clamp(0.0, 100.0))
    }

    /// Evaluates the alarms and scales; returns what that did, to be written down.
    pub fn evaluate(&mut self, now: Nanos) -> Vec<Activity> {
        let serving = self.in_service(now);
        // While instances warm up, an Auto Scaling group does not scale in.
        let warming = self.warms_up && self.service.running() + self.service.pending() > serving;
        self.scaling.evaluate(now, &self.metrics, serving, self.deploying() || warming);
        self.apply_desired(now)
    }

    /// When the next scheduled action is due.
    #[must_use]
    pub fn next_scheduled(&self) -> Option<Nanos> {
        self.scaling.next_scheduled()
    }

    /// Applies the scheduled actions that are due; returns what that did.
    pub fn apply_scheduled(&mut self, now: Nanos) -> Vec<Activity> {
        self.scaling.apply_scheduled(now);
        self.apply_desired(now)
    }

    fn apply_desired(&mut self, now: Nanos) -> Vec<Activity> {
        self.service.set_desired(now, self.scaling.desired(), &mut self.account, &mut self.commands);
        // Tasks that are being stopped do not run any more: a scale-in is fulfilled at once.
        self.scaling.settle(now, self.in_service(now));
        self.scaling.activities()
    }

    /// Closes a window of the run; `cpu_used` nanoseconds of one vCPU were used since the start.
    pub fn window(&mut self, now: Nanos, cpu_used: f64) -> Window {
        let cpu = self.utilization(cpu_used - self.cpu_sampled, now - self.sampled_to);
        (self.cpu_sampled, self.sampled_to) = (cpu_used, now);
        let billed = self.service.billed(now);
        let counts = self.counts();
        let peaks = self.peaks.largest(counts);
        self.peaks = counts;
        let task_s =
            |scale: u64| (u128::from(billed.task_time) * u128::from(scale) / u128::from(SECOND)) as u64;
        let mut items = match self.billing {
            Billing::Tasks { vcpu, memory, variant } => {
                vec![(vcpu, variant, task_s(self.cpu_units)), (memory, variant, task_s(self.memory_mb))]
            }
            Billing::Instances { variant } => {
                vec![(Item::Ec2Instances, variant, billed.instance_time / SECOND)]
            }
            Billing::Units { variant } => vec![(Item::Ec2Instances, variant, billed.task_time / SECOND)],
            Billing::Nodes { variant } => vec![
                (Item::Ec2Instances, variant, billed.instance_time / SECOND),
                (Item::EksClusters, "", now / SECOND),
            ],
        };
        if let Some(keda) = self.scaling.keda() {
            items.push((Item::SqsRequests, "get-attributes", keda.calls()));
        }
        items.push((Item::CloudwatchAlarms, "", self.scaling.alarms() * (now / SECOND)));
        Window { peaks, cpu, billed: items }
    }
}
