//! Drives the control plane: what is due is told to it, and what it asks for is done.

use super::task::Ending;
use super::{EcsService, Step};
use crate::window::LOOK_EVERY;
use anyhow::Result;
use model::journal::Entry;
use model::run::{Activity, ActivityKind};
use model::scenario::FaultKind;
use model::series::metric;
use model::time::{MINUTE, Nanos};
use nix::sys::signal::Signal;
use platform::ecs::{Command, Reading, TaskId};

/// CPU time is asked for at each fourth look: it is read from files.
const CPU_AT_LOOKS: u64 = 4;

impl EcsService {
    /// Takes a step that was due at `at`.
    pub(super) async fn step(&mut self, at: Nanos, step: Step) -> Result<()> {
        match step {
            Step::Start(task) => self.start_if_wanted(task).await?,
            Step::Kill(task) => self.kill(task),
            Step::Interrupt(task) => self.interrupt(task),
            Step::Wake => _ = self.control.reconcile(self.now),
            Step::Sample => {
                self.sample_attributes();
                self.timers.push(at + MINUTE, Step::Sample);
            }
            Step::Minute => {
                self.every_minute();
                self.timers.push(at + MINUTE, Step::Minute);
            }
            Step::Evaluate => {
                let activities = self.control.evaluate(self.now);
                self.note(activities);
                self.timers.push(at + MINUTE, Step::Evaluate);
            }
            Step::Scheduled => {
                let activities = self.control.apply_scheduled(self.now);
                self.note(activities);
                self.schedule_next_action();
            }
            Step::Look => {
                self.look();
                self.timers.push(at + LOOK_EVERY, Step::Look);
            }
            Step::Window => {
                self.close_window();
                self.timers.push(self.meters.next_window(), Step::Window);
            }
            Step::Fault => self.act_out_faults(),
        }
        Ok(())
    }

    pub(super) fn schedule_next_action(&mut self) {
        if let Some(at) = self.control.next_scheduled() {
            self.timers.push(at, Step::Scheduled);
        }
    }

    pub(super) fn schedule_next_fault(&mut self) {
        if let Some(at) = self.faults.next_at() {
            self.timers.push(at, Step::Fault);
        }
    }

    /// Does what the service asked for.
    pub(super) fn obey(&mut self) {
        while let Some(command) = self.control.command() {
            match command {
                Command::Start { task, at } => self.timers.push(at, Step::Start(task)),
                Command::Interrupt { task, at } => self.timers.push(at, Step::Interrupt(task)),
                Command::Wake { at } => self.timers.push(at, Step::Wake),
                // Only an autoscaler in a cluster looks.
                Command::Cancel { .. } | Command::Look { .. } => {}
                Command::Stop { task, kill_at } => {
                    self.timers.push(kill_at, Step::Kill(task));
                    if let Some(task) = self.tasks.get_mut(&task) {
                        task.ending = Ending::Stopping;
                        task.process.signal(Signal::SIGTERM);
                    }
                }
            }
        }
    }

    async fn start_if_wanted(&mut self, task: TaskId) -> Result<()> {
        let held = self.restarts.held_until().saturating_sub(self.lived());
        if held > 0 {
            self.timers.push(self.now + held, Step::Start(task));
        } else if self.control.started(self.now, task) {
            self.start_task(task).await?;
        }
        Ok(())
    }

    fn kill(&mut self, task: TaskId) {
        if let Some(task) = self.tasks.get(&task) {
            task.process.kill();
        }
    }

    fn interrupt(&mut self, task: TaskId) {
        if self.control.interrupt(self.now, task) {
            self.setup.note(self.now, ActivityKind::Interruption, format!("Spot reclaims task {task}"));
        }
    }

    fn note(&self, activities: Vec<Activity>) {
        for activity in activities {
            (self.setup.tell)(Entry::Activity(activity));
        }
    }

    /// What SQS will report for this minute: its counts lag behind.
    fn sample_attributes(&mut self) {
        let counts = self.setup.queue.counts();
        self.control.sample(Reading {
            visible: counts.visible,
            not_visible: counts.in_flight,
            oldest_age: counts.oldest_age,
        });
    }

    fn every_minute(&mut self) {
        self.settle_cpu();
        let counts = self.setup.queue.counts();
        let is_empty = counts.visible + counts.in_flight + counts.delayed == 0;
        self.control.every_minute(self.now, counts.totals.sent, is_empty, self.cpu_used as f64);
    }

    fn look(&mut self) {
        self.meters.look();
        self.looks += 1;
        if self.looks.is_multiple_of(CPU_AT_LOOKS) {
            self.settle_cpu();
        }
    }

    /// CPU time up to now. What a task used between the last look and its end is not known.
    fn settle_cpu(&mut self) {
        let alive: Nanos = self.tasks.values().map(|task| task.process.cpu_time()).sum();
        self.cpu_used = self.cpu_used.max(self.cpu_ended + alive);
    }

    /// Tells the window that closes, as a simulation does.
    pub(super) fn close_window(&mut self) {
        self.settle_cpu();
        let window = self.control.window(self.now, self.cpu_used as f64);
        let (meters, peaks) = (&mut self.meters, window.peaks);
        for (metric, count) in [
            (metric::RUNNING_TASKS, peaks.running),
            (metric::PENDING_TASKS, peaks.pending),
            (metric::DESIRED_TASKS, peaks.desired),
            (metric::DRAINING_TASKS, peaks.stopping),
        ] {
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
        meters.close(self.output.succeeded(), 0);
    }

    fn act_out_faults(&mut self) {
        for kind in self.faults.due(self.now, &self.setup) {
            match kind {
                FaultKind::WorkerCrash { count } => self.crash(count),
                FaultKind::TaskKill { count } => _ = self.control.kill(self.now, count),
                FaultKind::Deployment => self.control.deploy(self.now),
                // The plan has them, or the queue.
                FaultKind::FailedMessages { .. }
                | FaultKind::SlowTail { .. }
                | FaultKind::EndpointErrors { .. }
                | FaultKind::EndpointThrottles { .. }
                | FaultKind::ShortVisibility { .. } => {}
            }
        }
        self.schedule_next_fault();
    }

    /// The programs of the `count` oldest tasks die; which ones are busy is not known here.
    fn crash(&mut self, count: u32) {
        let running = self.tasks.values_mut().filter(|task| task.ending == Ending::No);
        for task in running.take(count as usize) {
            task.ending = Ending::Crashed;
            task.process.kill();
        }
    }
}
