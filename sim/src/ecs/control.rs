//! The control plane of an ECS stack: the service's scheduler, its metrics, alarms and policies.

use super::{EcsStack, kind};
use crate::events::Due;
use model::random::Stream;
use model::scenario::{Capacity, Ecs, Parameters};
use model::series::metric;
use model::time::{MINUTE, Nanos, SECOND, seconds};
use model::usage::Item;
use platform::cloudwatch::Datapoint;
use platform::ecs::{Account, Command, Service, TaskId};
use platform::scaling::{AutoScaling, Metrics};

/// What scales the tasks.
pub(super) struct Control {
    service: Service,
    account: Account,
    scaling: AutoScaling,
    metrics: Metrics,
    commands: Vec<Command>,
    beliefs: Beliefs,
    /// CPU units of a task, for utilization and the bill.
    cpu_units: u64,
    memory_mb: u64,
    billing: Billing,
    /// Sampled for the minute that is ending.
    sampled: Sampled,
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
struct Beliefs {
    sqs_metric_lag: Nanos,
    sqs_attribute_lag: Nanos,
    ecs_metric_lag: Nanos,
    inactive_after: Nanos,
    activation_lag_max: Nanos,
    evaluation_delay: Nanos,
}

/// How the capacity is billed: items and their variant.
enum Billing {
    Tasks { vcpu: Item, memory: Item, variant: &'static str },
    Instances { variant: &'static str },
}

#[derive(Clone, Copy, Default)]
struct Sampled {
    visible: f64,
    not_visible: f64,
    oldest_age_s: f64,
}

/// Counts of tasks and instances.
#[derive(Clone, Copy, Default)]
struct Counts {
    running: u32,
    pending: u32,
    desired: u32,
    stopping: u32,
    instances: u32,
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

impl Control {
    pub(super) fn new(config: &Ecs, beliefs: &Parameters, service: Stream, mut stream: Stream) -> Self {
        let variant = config.architecture.name();
        let billing = match &config.capacity {
            Capacity::Fargate => {
                Billing::Tasks { vcpu: Item::FargateVcpu, memory: Item::FargateMemory, variant }
            }
            Capacity::FargateSpot => {
                Billing::Tasks { vcpu: Item::FargateSpotVcpu, memory: Item::FargateSpotMemory, variant }
            }
            Capacity::Ec2(ec2) => Billing::Instances { variant: ec2.instance_type.name },
        };
        Self {
            service: Service::new(config, beliefs, service),
            account: Account::new(beliefs),
            scaling: AutoScaling::new(config, beliefs),
            metrics: Metrics::default(),
            commands: Vec::new(),
            beliefs: Beliefs {
                sqs_metric_lag: beliefs.sqs_metric_lag,
                sqs_attribute_lag: beliefs.sqs_attribute_lag.min(MINUTE - 1),
                ecs_metric_lag: beliefs.ecs_metric_lag,
                inactive_after: beliefs.sqs_inactive_after,
                activation_lag_max: beliefs.sqs_activation_lag_max,
                evaluation_delay: stream.between(0, beliefs.alarm_evaluation_delay_max.min(MINUTE - 1)),
            },
            cpu_units: u64::from(config.cpu_units),
            memory_mb: u64::from(config.memory_mb),
            billing,
            sampled: Sampled::default(),
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

    fn counts(&self) -> Counts {
        Counts {
            running: self.service.running(),
            pending: self.service.pending(),
            desired: self.scaling.desired(),
            stopping: self.service.stopping(),
            instances: self.service.instances(),
        }
    }

    /// Share of the CPU of the running tasks that `used` nanoseconds of one vCPU are over `span`, in percent.
    fn utilization(&self, used: f64, span: Nanos) -> Option<f64> {
        let tasks = self.service.running() + self.service.stopping();
        let capacity = f64::from(tasks) * self.cpu_units as f64 / 1024.0 * span as f64;
        (capacity > 0.0).then(|| (100.0 * used / capacity).clamp(0.0, 100.0))
    }

    pub(super) fn exited(&mut self, now: Nanos, task: TaskId) {
        self.service.exited(now, task);
    }
}

impl EcsStack {
    /// Starts the service and the clockwork of its control plane.
    pub(super) fn begin(&mut self, config: &Ecs) {
        if config.warm_start {
            self.control.service.begin_running(config.tasks, &mut self.control.commands);
            for task in 0..config.tasks {
                self.know_task(task);
                self.run_task(0, task);
            }
        } else {
            let Control { service, account, commands, .. } = &mut self.control;
            service.set_desired(0, config.tasks, account, commands);
        }
        self.obey(0);
        let lag = self.control.beliefs.sqs_attribute_lag;
        self.world.events.push(MINUTE - lag, kind::SAMPLE, 0);
        self.world.events.push(MINUTE, kind::MINUTE, 0);
        self.world.events.push(MINUTE + self.control.beliefs.evaluation_delay, kind::EVALUATE, 0);
        self.schedule_next_action();
    }

    fn schedule_next_action(&mut self) {
        if let Some(at) = self.control.scaling.next_scheduled() {
            self.world.events.push(at, kind::SCHEDULED, 0);
        }
    }

    pub(super) fn handle_control(&mut self, due: Due) {
        let now = due.at;
        match due.kind {
            kind::START => self.start_task(now, due.id),
            kind::INTERRUPT => self.interrupt(now, due.id),
            kind::WAKE => {
                let Control { service, account, commands, .. } = &mut self.control;
                service.reconcile(now, account, commands);
            }
            kind::SAMPLE => self.sample_attributes(now),
            kind::MINUTE => self.every_minute(now),
            kind::EVALUATE => self.evaluate(now),
            kind::SCHEDULED => {
                self.control.scaling.apply_scheduled(now);
                self.apply_desired(now);
                self.schedule_next_action();
            }
            _ => unreachable!("unknown kind of event"),
        }
        self.obey(now);
        self.control.peaks = self.control.peaks.largest(self.control.counts());
    }

    /// Does what the service asked for; stopping a task can make it ask for more.
    fn obey(&mut self, now: Nanos) {
        while let Some(command) = self.control.commands.pop() {
            match command {
                Command::Start { task, at } => _ = self.world.events.push(at, kind::START, task),
                Command::Interrupt { task, at } => _ = self.world.events.push(at, kind::INTERRUPT, task),
                Command::Wake { at } => _ = self.world.events.push(at, kind::WAKE, 0),
                Command::Cancel { .. } => {}
                Command::Stop { task, kill_at } => {
                    self.world.events.push(kill_at, kind::KILL, task);
                    self.terminate(now, task);
                }
            }
        }
    }

    fn start_task(&mut self, now: Nanos, task: TaskId) {
        let Control { service, scaling, commands, .. } = &mut self.control;
        if service.started(now, task, commands) {
            scaling.settle(now, service.running());
            self.know_task(task);
            self.run_task(now, task);
        }
    }

    fn interrupt(&mut self, now: Nanos, task: TaskId) {
        let Control { service, account, commands, .. } = &mut self.control;
        if service.interrupt(now, task, account, commands) {
            let detail = format!("Spot reclaims task {task}");
            let kind = model::run::ActivityKind::Interruption;
            self.world.books.note(model::run::Activity { at: now, kind, detail });
        }
    }

    /// What SQS will report for this minute: its counts lag behind.
    fn sample_attributes(&mut self, now: Nanos) {
        let queue = &self.world.queue;
        self.control.sampled = Sampled {
            visible: queue.visible() as f64,
            not_visible: queue.in_flight() as f64,
            oldest_age_s: queue.oldest_sent_at().map_or(0.0, |at| seconds(now - at)),
        };
        self.world.events.push(now + MINUTE, kind::SAMPLE, 0);
    }

    fn every_minute(&mut self, now: Nanos) {
        self.world.queue.expire(now);
        self.publish_sqs(now);
        self.publish_ecs(now);
        let Control { service, account, commands, .. } = &mut self.control;
        service.every_minute(now, account, commands);
        self.world.events.push(now + MINUTE, kind::MINUTE, 0);
    }

    /// Publishes the minute that ends now, unless the queue has been inactive for hours.
    fn publish_sqs(&mut self, now: Nanos) {
        let sent_total = self.world.books.ledger.planned;
        let control = &mut self.control;
        let sent = sent_total - control.sent_before;
        control.sent_before = sent_total;
        let running = control.service.running();
        let active = sent > 0 || running > 0 || !self.world.queue.is_empty();
        if active {
            if now - control.last_active > control.beliefs.inactive_after {
                control.silent_until = now + control.stream.between(0, control.beliefs.activation_lag_max);
            }
            control.last_active = now;
        }
        if now < control.silent_until || now - control.last_active > control.beliefs.inactive_after {
            return;
        }
        let start = now - MINUTE;
        let at = now + control.beliefs.sqs_metric_lag;
        let Sampled { visible, not_visible, oldest_age_s } = control.sampled;
        let metrics = &mut control.metrics;
        metrics.visible.publish(Datapoint::single(start, at, visible));
        metrics.not_visible.publish(Datapoint::single(start, at, not_visible));
        metrics.oldest_age.publish(Datapoint::single(start, at, oldest_age_s));
        metrics.sent.publish(Datapoint::single(start, at, sent as f64));
        metrics.backlog_per_task.publish(Datapoint::single(start, at, visible / f64::from(running.max(1))));
    }

    /// CPU utilization of the minute that ends now; no datapoint when nothing runs.
    fn publish_ecs(&mut self, now: Nanos) {
        self.cpu_use.settle(now);
        let used = self.cpu_use.total - self.control.cpu_published;
        self.control.cpu_published = self.cpu_use.total;
        if let Some(percent) = self.control.utilization(used, MINUTE) {
            let at = now + self.control.beliefs.ecs_metric_lag;
            self.control.metrics.cpu.publish(Datapoint::single(now - MINUTE, at, percent));
        }
    }

    fn evaluate(&mut self, now: Nanos) {
        let Control { scaling, metrics, service, .. } = &mut self.control;
        scaling.evaluate(now, metrics, service.running());
        self.apply_desired(now);
        self.world.events.push(now + MINUTE, kind::EVALUATE, 0);
    }

    fn apply_desired(&mut self, now: Nanos) {
        let Control { scaling, service, account, commands, .. } = &mut self.control;
        service.set_desired(now, scaling.desired(), account, commands);
        // Tasks that are being stopped do not run any more: a scale-in is fulfilled at once.
        scaling.settle(now, service.running());
        for activity in scaling.activities() {
            self.world.books.note(activity);
        }
    }

    pub(super) fn sample_control(&mut self, now: Nanos) {
        self.cpu_use.settle(now);
        let control = &mut self.control;
        let used = self.cpu_use.total - control.cpu_sampled;
        let cpu = control.utilization(used, now - control.sampled_to);
        (control.cpu_sampled, control.sampled_to) = (self.cpu_use.total, now);
        let billed = control.service.billed(now);
        let counts = control.counts();
        let peaks = control.peaks.largest(counts);
        control.peaks = counts;
        let books = &mut self.world.books;
        books.meters.sample(metric::RUNNING_TASKS, "Count", "Maximum", f64::from(peaks.running));
        books.meters.sample(metric::PENDING_TASKS, "Count", "Maximum", f64::from(peaks.pending));
        books.meters.sample(metric::DESIRED_TASKS, "Count", "Maximum", f64::from(peaks.desired));
        books.meters.sample(metric::DRAINING_TASKS, "Count", "Maximum", f64::from(peaks.stopping));
        if let Some(percent) = cpu {
            books.meters.sample(metric::CPU, "Percent", "Average", percent);
        }
        match control.billing {
            Billing::Tasks { vcpu, memory, variant } => {
                let task_s = |scale: u64| {
                    (u128::from(billed.task_time) * u128::from(scale) / u128::from(SECOND)) as u64
                };
                books.meters.meter(vcpu, variant, task_s(control.cpu_units));
                books.meters.meter(memory, variant, task_s(control.memory_mb));
            }
            Billing::Instances { variant } => {
                books.meters.sample(metric::INSTANCES, "Count", "Maximum", f64::from(peaks.instances));
                books.meters.meter(Item::Ec2Instances, variant, billed.instance_time / SECOND);
            }
        }
        books.meters.meter(Item::CloudwatchAlarms, "", control.scaling.alarms() * (now / SECOND));
    }
}
