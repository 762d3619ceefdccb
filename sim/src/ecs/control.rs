//! Drives the control plane of a fleet by events.

use super::{EcsStack, kind};
use crate::events::Due;
use model::run::{Activity, ActivityKind};
use model::scenario::Fleet;
use model::series::metric;
use model::time::{MINUTE, Nanos};
use platform::ecs::{Command, Reading, TaskId};

impl EcsStack {
    /// Starts the fleet and the clockwork of its control plane.
    pub(super) fn begin(&mut self, fleet: Fleet<'_>) {
        for task in 0..self.control.begin(fleet) {
            self.know_task(task);
            self.run_task(0, task);
        }
        self.obey(0);
        self.world.events.push(MINUTE - self.control.attribute_lag(), kind::SAMPLE, 0);
        self.world.events.push(MINUTE, kind::MINUTE, 0);
        self.world.events.push(MINUTE + self.control.evaluation_delay(), kind::EVALUATE, 0);
        self.schedule_next_action();
        self.faults.schedule(&mut self.world.events, kind::FAULT);
    }

    fn schedule_next_action(&mut self) {
        if let Some(at) = self.control.next_scheduled() {
            self.world.events.push(at, kind::SCHEDULED, 0);
        }
    }

    pub(super) fn handle_control(&mut self, due: Due) {
        let now = due.at;
        match due.kind {
            kind::START => self.start_task(now, due.id),
            kind::INTERRUPT => self.interrupt(now, due.id),
            kind::WAKE => {
                let activities = self.control.reconcile(now);
                self.note(activities);
            }
            kind::LOOK => {
                let reading = self.reading(now);
                self.control.look(now, reading);
            }
            kind::SAMPLE => self.sample_attributes(now),
            kind::MINUTE => self.every_minute(now),
            kind::EVALUATE => {
                let activities = self.control.evaluate(now);
                self.note(activities);
                self.world.events.push(now + MINUTE, kind::EVALUATE, 0);
            }
            kind::SCHEDULED => {
                let activities = self.control.apply_scheduled(now);
                self.note(activities);
                self.schedule_next_action();
            }
            kind::FAULT => self.fault(now, due.id),
            _ => unreachable!("unknown kind of event"),
        }
        self.obey(now);
        self.control.note_peaks();
    }

    /// Does what the service asked for; stopping a task can make it ask for more.
    pub(super) fn obey(&mut self, now: Nanos) {
        while let Some(command) = self.control.command() {
            match command {
                Command::Start { task, at } => _ = self.world.events.push(at, kind::START, task),
                Command::Interrupt { task, at } => _ = self.world.events.push(at, kind::INTERRUPT, task),
                Command::Wake { at } => _ = self.world.events.push(at, kind::WAKE, 0),
                Command::Look { at } => _ = self.world.events.push(at, kind::LOOK, 0),
                Command::Cancel { .. } => {}
                Command::Stop { task, kill_at } => {
                    self.world.events.push(kill_at, kind::KILL, task);
                    self.terminate(now, task);
                }
            }
        }
    }

    fn start_task(&mut self, now: Nanos, task: TaskId) {
        if self.control.started(now, task) {
            self.know_task(task);
            self.run_task(now, task);
        }
    }

    fn interrupt(&mut self, now: Nanos, task: TaskId) {
        if self.control.interrupt(now, task) {
            let detail = format!("Spot reclaims task {task}");
            self.world.books.note(Activity { at: now, kind: ActivityKind::Interruption, detail });
        }
    }

    fn note(&mut self, activities: Vec<Activity>) {
        for activity in activities {
            self.world.books.note(activity);
        }
    }

    /// What SQS will report for this minute: its counts lag behind.
    fn sample_attributes(&mut self, now: Nanos) {
        let reading = self.reading(now);
        self.control.sample(reading);
        self.world.events.push(now + MINUTE, kind::SAMPLE, 0);
    }

    fn reading(&self, now: Nanos) -> Reading {
        let queue = &self.world.queue;
        Reading {
            visible: queue.visible(),
            not_visible: queue.in_flight(),
            oldest_age: queue.oldest_sent_at().map_or(0, |at| now - at),
        }
    }

    fn every_minute(&mut self, now: Nanos) {
        self.world.queue.expire(now);
        self.cpu_use.settle(now);
        let (sent, empty) = (self.world.books.ledger.planned, self.world.queue.is_empty());
        self.control.every_minute(now, sent, empty, self.cpu_use.total);
        self.world.events.push(now + MINUTE, kind::MINUTE, 0);
    }

    pub(super) fn sample_control(&mut self, now: Nanos) {
        self.cpu_use.settle(now);
        let window = self.control.window(now, self.cpu_use.total);
        let meters = &mut self.world.books.meters;
        let peaks = window.peaks;
        let counts = [
            (metric::RUNNING_TASKS, peaks.running),
            (metric::PENDING_TASKS, peaks.pending),
            (metric::DESIRED_TASKS, peaks.desired),
            (metric::DRAINING_TASKS, peaks.stopping),
        ];
        for (metric, count) in counts {
            meters.sample(metric, "Count", "Maximum", f64::from(count));
        }
        if let Some(percent) = window.cpu {
            meters.sample(metric::CPU, "Percent", "Average", percent);
        }
        if let Some(instances) = peaks.instances {
            meters.sample(metric::INSTANCES, "Count", "Maximum", f64::from(instances));
        }
        for (item, variant, total) in window.billed {
            meters.meter(item, variant, total);
        }
    }
}
