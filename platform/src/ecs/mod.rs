//! A number of units that run a poll loop, and the capacity that they run on: an ECS service and its tasks, an EC2 Auto
//! Scaling group and its instances, a Deployment on EKS and its pods. Where it says task, all three are meant; how they
//! differ is in `launch`.
//!
//! Goals: launch-rate buckets, start-up by provisioning, pull and start, SIGTERM and SIGKILL, Spot interruptions,
//! rolling deployments, EC2 capacity with managed scaling, what is billed and from when.
//! Non-goals: what the task's program does, placement across zones.
//!
//! Sources: ECS developer guide (service quotas and throttling, Fargate capacity providers, cluster auto
//! scaling), ECS API reference, aws.amazon.com/fargate/pricing; start-up times as cited in `Parameters`.

mod cluster;
mod control;
mod launch;
mod nodes;
mod rolling;
mod scaler;

use crate::bucket::Bucket;
use cluster::{Cluster, Image};
pub use control::{Control, Counts, Reading, Window};
use launch::Launch;
use model::random::Stream;
use model::scenario::{Fleet, Parameters};
use model::time::Nanos;
use model::usage::fargate_billed;
use std::collections::VecDeque;

/// Number of a task, in order of creation.
pub type TaskId = u32;

/// What the driver has to do for the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// The task's program begins at `at`: call [`Service::started`] then.
    Start {
        /// Which.
        task: TaskId,
        /// When.
        at: Nanos,
    },
    /// Send SIGTERM now; kill the task at `kill_at` unless it has exited.
    Stop {
        /// Which.
        task: TaskId,
        /// SIGKILL.
        kill_at: Nanos,
    },
    /// A start that was asked for will not happen.
    Cancel {
        /// Which.
        task: TaskId,
    },
    /// Spot will reclaim the task at `at`: call [`Service::interrupt`] then if it still runs.
    Interrupt {
        /// Which.
        task: TaskId,
        /// When the warning comes.
        at: Nanos,
    },
    /// Call [`Service::reconcile`] at `at`: capacity becomes ready, or a task counts as healthy.
    Wake {
        /// When.
        at: Nanos,
    },
    /// Read the queue at `at` and call [`Control::look`] with it.
    Look {
        /// When.
        at: Nanos,
    },
}

/// The launch bucket of an account and region, shared by its fleets: Fargate's for tasks, that of RunInstances for
/// instances.
#[derive(Clone, Debug)]
pub struct Account {
    launches: Bucket,
}

impl Account {
    /// The bucket under the beliefs in force.
    #[must_use]
    pub fn new(fleet: Fleet<'_>, beliefs: &Parameters) -> Self {
        let (burst, per_second) = match fleet {
            Fleet::Ecs(_) | Fleet::Eks(_) => (beliefs.ecs_launch_burst, beliefs.ecs_launch_per_second),
            Fleet::Ec2(_) => (beliefs.ec2_launch_burst, beliefs.ec2_launch_per_second),
        };
        Self { launches: Bucket::per_second(burst, per_second) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No EC2 instance has room.
    Waiting,
    /// On its way; billing starts with the pull.
    Launching {
        pull_at: Nanos,
    },
    Running,
    Stopping,
    Stopped,
}

#[derive(Clone, Copy, Debug)]
struct Task {
    state: State,
    /// The deployment that it belongs to.
    version: u32,
    /// When it counts as healthy, once it runs.
    healthy_at: Nanos,
    billed_from: Nanos,
    /// EC2 instance, by number.
    instance: u32,
}

/// Task time that has been billed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Billed {
    /// Sum over tasks, from the start of the pull to the end, each at least the minimum and whole seconds.
    pub task_time: Nanos,
    /// Sum over EC2 instances.
    pub instance_time: Nanos,
}

/// The units of a fleet.
#[derive(Clone, Debug)]
pub struct Service {
    desired: u32,
    tasks: Vec<Task>,
    waiting: VecDeque<TaskId>,
    launching: Vec<TaskId>,
    running: Vec<TaskId>,
    stopping: u32,
    /// Deployments so far.
    version: u32,
    /// Running tasks of earlier versions: a deployment is in progress while there are any.
    outdated: u32,
    laws: Launch,
    warning: Nanos,
    stream: Stream,
    billed: Billed,
    billed_to: Nanos,
}

impl Service {
    /// The units of `fleet`, of which there are none yet; `stream` decides start-up times and interruptions.
    #[must_use]
    pub fn new(fleet: Fleet<'_>, beliefs: &Parameters, stream: Stream) -> Self {
        Self {
            desired: 0,
            tasks: Vec::new(),
            waiting: VecDeque::new(),
            launching: Vec::new(),
            running: Vec::new(),
            stopping: 0,
            version: 0,
            outdated: 0,
            laws: Launch::of(fleet, beliefs),
            warning: beliefs.spot_warning,
            stream,
            billed: Billed::default(),
            billed_to: 0,
        }
    }

    /// Tasks whose program runs and that are not being stopped.
    #[must_use]
    pub fn running(&self) -> u32 {
        self.running.len() as u32
    }

    /// Tasks asked for and not running yet.
    #[must_use]
    pub fn pending(&self) -> u32 {
        (self.launching.len() + self.waiting.len()) as u32
    }

    /// Tasks between SIGTERM and their end.
    #[must_use]
    pub fn stopping(&self) -> u32 {
        self.stopping
    }

    /// EC2 instances, booting ones included; 0 on Fargate.
    #[must_use]
    pub fn instances(&self) -> u32 {
        self.laws.cluster.as_ref().map_or(0, Cluster::size)
    }

    /// Begins with `tasks` that run already, on capacity that is already there.
    pub fn begin_running(&mut self, tasks: u32, out: &mut Vec<Command>) {
        self.desired = tasks;
        for _ in 0..tasks {
            let instance = self.laws.cluster.as_mut().map_or(0, Cluster::place_at_begin);
            let task = self.create(State::Launching { pull_at: 0 }, instance);
            self.launching.push(task);
            self.started(0, task, out);
            self.tasks[task as usize].healthy_at = 0;
        }
    }

    /// Sets the desired count.
    pub fn set_desired(&mut self, now: Nanos, desired: u32, account: &mut Account, out: &mut Vec<Command>) {
        self.desired = desired;
        self.reconcile(now, account, out);
    }

    /// Launches what is missing, stops what is too much, places what waits.
    pub fn reconcile(&mut self, now: Nanos, account: &mut Account, out: &mut Vec<Command>) {
        if self.outdated > 0 {
            self.roll(now, out);
        }
        // While a new version takes over, those that it replaces are not too many.
        let mut active = self.running() + self.pending() - self.outdated;
        let most = self.most_of_all();
        while active < self.desired && self.running() + self.pending() < most {
            active += 1;
            let task = self.create(State::Waiting, 0);
            self.waiting.push_back(task);
        }
        while active > self.desired {
            active -= 1;
            self.stop_one(now, out);
        }
        self.place(now, account, out);
        self.retire(now);
    }

    /// Managed scaling of EC2 capacity; call every minute.
    pub fn every_minute(&mut self, now: Nanos, account: &mut Account, out: &mut Vec<Command>) {
        let wanted = self.running() + self.pending() + self.stopping;
        self.meter(now);
        if let Some(cluster) = &mut self.laws.cluster {
            for ready_at in cluster.scale(now, wanted, &mut self.stream) {
                out.push(Command::Wake { at: ready_at });
            }
            self.place(now, account, out);
            self.retire(now);
        }
    }

    /// Nodes that nobody needs go; they are billed until now.
    fn retire(&mut self, now: Nanos) {
        if self.laws.cluster.is_some() {
            self.meter(now);
            self.laws.cluster.iter_mut().for_each(|cluster| cluster.retire(now));
        }
    }

    fn create(&mut self, state: State, instance: u32) -> TaskId {
        self.tasks.push(Task { state, version: self.version, healthy_at: 0, billed_from: 0, instance });
        (self.tasks.len() - 1) as TaskId
    }

    /// How long one more task takes to start on Fargate once it is launched: provisioning, pull, start.
    pub fn draw_start(&mut self) -> [Nanos; 3] {
        [&self.laws.provisioning, &self.laws.pull, &self.laws.start].map(|part| part.draw(&mut self.stream))
    }

    fn place(&mut self, now: Nanos, account: &mut Account, out: &mut Vec<Command>) {
        while let Some(&task) = self.waiting.front() {
            let (pull_at, at, instance) = match &mut self.laws.cluster {
                None => {
                    let launch = self.laws.launches.reserve(now).max(account.launches.reserve(now));
                    let [provisioning, pull, start] = self.draw_start();
                    let pull_at = launch + provisioning;
                    (pull_at, pull_at + pull + start, 0)
                }
                Some(cluster) => {
                    let Some((instance, image)) = cluster.place(now) else { break };
                    let launch = self.laws.launches.reserve(now);
                    let pulled = match image {
                        Image::Held => launch,
                        Image::Coming(at) => at.max(launch),
                        Image::Missing => launch + self.laws.pull.draw(&mut self.stream),
                    };
                    cluster.pulling(instance, pulled);
                    (launch, pulled + self.laws.start.draw(&mut self.stream), instance)
                }
            };
            self.waiting.pop_front();
            self.launching.push(task);
            let entry = &mut self.tasks[task as usize];
            (entry.state, entry.instance) = (State::Launching { pull_at }, instance);
            out.push(Command::Start { task, at });
        }
        let waiting = self.waiting.len() as u32;
        if waiting > 0
            && let Some(cluster) = &mut self.laws.cluster
        {
            let again = cluster.provision(now, waiting, &mut self.stream);
            out.extend(again.into_iter().map(|at| Command::Wake { at }));
        } else if let Some(cluster) = &mut self.laws.cluster {
            cluster.nobody_waits();
        }
    }

    /// Whether units are pods: room that one leaves is taken at once.
    #[must_use]
    pub fn are_pods(&self) -> bool {
        self.laws.rolls_by_quarters
    }

    /// Whether each unit is capacity that is billed, and not placed on instances that are.
    fn bills_units(&self) -> bool {
        self.laws.cluster.is_none()
    }

    /// Running units that have counted as healthy, or warmed up, by now.
    #[must_use]
    pub fn healthy(&self, now: Nanos) -> u32 {
        self.running.iter().filter(|&&task| self.tasks[task as usize].healthy_at <= now).count() as u32
    }

    /// Stops what costs least to lose: a waiting task, else a launching one, else the youngest running one.
    fn stop_one(&mut self, now: Nanos, out: &mut Vec<Command>) {
        if let Some(task) = self.waiting.pop_back() {
            self.tasks[task as usize].state = State::Stopped;
        } else if let Some(task) = self.launching.pop() {
            self.cancel(now, task, out);
        } else if let Some(&task) = self.running.last() {
            self.stop(now, task, self.laws.stop_timeout, out);
        }
    }

    /// Gives up a task that was on its way.
    fn cancel(&mut self, now: Nanos, task: TaskId, out: &mut Vec<Command>) {
        // Billing starts with the pull.
        if let State::Launching { pull_at } = self.tasks[task as usize].state
            && pull_at < now
        {
            self.bill(now - pull_at);
        }
        self.end(now, task);
        out.push(Command::Cancel { task });
    }

    fn stop(&mut self, now: Nanos, task: TaskId, timeout: Nanos, out: &mut Vec<Command>) {
        self.leave_running(task);
        self.tasks[task as usize].state = State::Stopping;
        self.stopping += 1;
        out.push(Command::Stop { task, kill_at: now + timeout });
    }

    fn leave_running(&mut self, task: TaskId) {
        self.running.retain(|&other| other != task);
        self.outdated -= u32::from(self.tasks[task as usize].version < self.version);
    }

    /// The task's program begins. False if it was cancelled meanwhile.
    pub fn started(&mut self, now: Nanos, task: TaskId, out: &mut Vec<Command>) -> bool {
        let State::Launching { pull_at } = self.tasks[task as usize].state else { return false };
        self.meter(now);
        self.launching.retain(|&other| other != task);
        self.running.push(task);
        if self.bills_units() {
            self.billed.task_time += now - pull_at;
        }
        let entry = &mut self.tasks[task as usize];
        (entry.state, entry.billed_from) = (State::Running, pull_at);
        entry.healthy_at = now + self.laws.healthy_after;
        if self.outdated > 0 {
            out.push(Command::Wake { at: entry.healthy_at });
        }
        if let Some(lifetime) = &self.laws.interruption {
            let at = now + lifetime.draw(&mut self.stream);
            out.push(Command::Interrupt { task, at });
        }
        true
    }

    /// Spot warns a task; false if it does not run any more. The scheduler starts another in its place.
    pub fn interrupt(
        &mut self,
        now: Nanos,
        task: TaskId,
        account: &mut Account,
        out: &mut Vec<Command>,
    ) -> bool {
        if self.tasks[task as usize].state != State::Running {
            return false;
        }
        self.meter(now);
        self.stop(now, task, self.warning.min(self.laws.stop_timeout), out);
        self.reconcile(now, account, out);
        true
    }

    /// The task has exited, or was killed.
    pub fn exited(&mut self, now: Nanos, task: TaskId) {
        if self.tasks[task as usize].state != State::Stopping {
            return;
        }
        self.meter(now);
        self.stopping -= 1;
        self.close(now, task);
    }

    /// The program of a task has died by itself; false if the task did not run. The scheduler starts another in its
    /// place at once: only tasks that never run are held back.
    ///
    /// Source: ECS developer guide, service throttle logic.
    pub fn crashed(
        &mut self,
        now: Nanos,
        task: TaskId,
        account: &mut Account,
        out: &mut Vec<Command>,
    ) -> bool {
        match self.tasks[task as usize].state {
            State::Stopping => self.exited(now, task),
            State::Running => {
                self.meter(now);
                self.leave_running(task);
                self.close(now, task);
                self.reconcile(now, account, out);
            }
            State::Waiting | State::Launching { .. } | State::Stopped => return false,
        }
        true
    }

    /// StopTask for the `count` oldest of the running tasks; returns how many those are. The scheduler starts others
    /// in their place.
    pub fn kill(&mut self, now: Nanos, count: u32, account: &mut Account, out: &mut Vec<Command>) -> u32 {
        let chosen: Vec<TaskId> = self.running.iter().copied().take(count as usize).collect();
        for &task in &chosen {
            self.stop(now, task, self.laws.stop_timeout, out);
        }
        self.reconcile(now, account, out);
        chosen.len() as u32
    }

    /// Bills a task to its end.
    fn close(&mut self, now: Nanos, task: TaskId) {
        // What metering has not covered: the rest of the last second, and of the minimum.
        let lived = now - self.tasks[task as usize].billed_from;
        let billed = fargate_billed(lived, self.laws.billing_minimum);
        if self.bills_units() {
            self.billed.task_time += billed - lived;
        }
        self.end(now, task);
    }

    fn end(&mut self, now: Nanos, task: TaskId) {
        let entry = &mut self.tasks[task as usize];
        entry.state = State::Stopped;
        if let Some(cluster) = &mut self.laws.cluster {
            cluster.leave(now, entry.instance);
        }
    }

    /// Bills a task that never ran.
    fn bill(&mut self, lived: Nanos) {
        if self.bills_units() {
            self.billed.task_time += fargate_billed(lived, self.laws.billing_minimum);
        }
    }

    fn meter(&mut self, now: Nanos) {
        let passed = now - self.billed_to;
        self.billed_to = now;
        if self.bills_units() {
            self.billed.task_time += passed * u64::from(self.running() + self.stopping);
        }
        if let Some(cluster) = &self.laws.cluster {
            self.billed.instance_time += cluster.billed(now - passed, now);
        }
    }

    /// What was billed up to `now`, running tasks and pulls in progress included.
    pub fn billed(&mut self, now: Nanos) -> Billed {
        self.meter(now);
        let pulling = |task: &TaskId| match self.tasks[*task as usize].state {
            State::Launching { pull_at } if self.bills_units() => now.saturating_sub(pull_at),
            _ => 0,
        };
        let in_progress: Nanos = self.launching.iter().map(pulling).sum();
        Billed { task_time: self.billed.task_time + in_progress, ..self.billed }
    }
}

#[cfg(test)]
mod fleet_tests;
#[cfg(test)]
mod tests;
