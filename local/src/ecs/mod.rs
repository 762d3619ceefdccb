//! An ECS service in real time: `platform`'s control plane, and the worker's processes as its tasks.
//!
//! Goals: the same clockwork as in a simulation, step for step; a step is taken at the instant it is due for, however
//! late this machine gets to it, so that lags do not add up.
//! Non-goals: containers; a task's memory limit, and its share of CPU if the worker does not mind `VERSUS_CPU_SHARE`.

mod control;
mod restarts;
mod task;
mod timers;

#[cfg(test)]
mod tests;

use crate::faults::Faults;
use crate::stack::{StackSetup, WorkerOutput};
use crate::window::{LOOK_EVERY, Meters};
use anyhow::{Result, bail};
use model::random::Stream;
use model::scenario::{Capacity, Ecs, Fleet, Parameters, Platform, Provisioning};
use model::time::{MINUTE, Nanos};
use nix::sys::signal::Signal;
use platform::ecs::{Control, TaskId};
use restarts::Restarts;
use std::collections::BTreeMap;
use std::process::ExitStatus;
use std::time::Duration;
use task::Task;
use timers::{Step, Timers};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What became of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Tasks that were started.
    pub started: u32,
    /// Tasks whose program ended though nobody asked it to.
    pub ended_by_themselves: u32,
}

/// At the end of a run: from SIGTERM to SIGKILL, for the last records to be printed.
const LAST_WORDS: Duration = Duration::from_secs(2);

struct EcsService {
    setup: StackSetup,
    config: Ecs,
    control: Control,
    timers: Timers,
    tasks: BTreeMap<TaskId, Task>,
    exits: mpsc::UnboundedSender<(TaskId, ExitStatus)>,
    output: WorkerOutput,
    meters: Meters,
    faults: Faults,
    restarts: Restarts,
    looks: u64,
    /// CPU time of tasks that have ended.
    cpu_ended: Nanos,
    /// CPU time of all tasks when it was asked for last.
    cpu_used: Nanos,
    /// The control plane's clock never goes back.
    now: Nanos,
    /// When this began, which may be before the run.
    begun: Instant,
    ended: Ended,
}

/// Runs the service of `setup` until `stop` is done. It may begin before the run: warm tasks are started at
/// once, everything else waits for the origin.
///
/// # Errors
/// When the worker cannot be started, or always fails before anything was done; shows what it printed last.
pub async fn run(setup: StackSetup, stop: impl Future<Output = ()>) -> Result<Ended> {
    tokio::pin!(stop);
    let (exits, mut exited) = mpsc::unbounded_channel();
    let mut service = EcsService::new(setup, exits)?;
    service.begin().await?;
    loop {
        service.catch_up().await?;
        let next = service.timers.next_at().map(|at| service.setup.origin.instant(at));
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some((task, status)) = exited.recv() => service.exited(task, status)?,
            () = sleep_until(next) => {}
        }
    }
    service.finish().await;
    Ok(service.ended)
}

async fn sleep_until(instant: Option<std::time::Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

/// The beliefs about start-up that are left to be modelled on this machine, where the program's own start is real.
fn on_this_machine(provisioning: Provisioning, config: &mut Ecs, beliefs: &mut Parameters) {
    // What varies about the start is mostly the program's; the least is the container's.
    beliefs.ecs_start_max = beliefs.ecs_start_min;
    if provisioning == Provisioning::Modelled {
        return;
    }
    config.image_mb = 0;
    (beliefs.ecs_provisioning_min, beliefs.ecs_provisioning_max) = (0, 0);
    (beliefs.ecs_start_min, beliefs.ecs_start_max) = (0, 0);
    (beliefs.ec2_boot_min, beliefs.ec2_boot_max) = (0, 0);
    const NO_LIMIT: u64 = 1_000_000;
    (beliefs.ecs_launch_burst, beliefs.ecs_launch_per_second) = (NO_LIMIT, NO_LIMIT);
    beliefs.ecs_service_launch_per_minute = 60 * NO_LIMIT;
    if let Capacity::Ec2(ec2) = &mut config.capacity {
        ec2.image_cached = true;
    }
}

impl EcsService {
    fn new(setup: StackSetup, exits: mpsc::UnboundedSender<(TaskId, ExitStatus)>) -> Result<Self> {
        let Platform::Ecs(config) = &setup.stack.platform else {
            bail!("stack {} is not an ECS service", setup.stack.name);
        };
        let (mut config, mut beliefs) = (config.clone(), setup.beliefs.clone());
        on_this_machine(setup.stack.provisioning, &mut config, &mut beliefs);
        let stream = |what: &str| Stream::new(setup.seed, &format!("{} {what}", setup.stack.name));
        Ok(Self {
            control: Control::new(Fleet::Ecs(&config), &beliefs, stream("service"), stream("control")),
            config,
            timers: Timers::default(),
            tasks: BTreeMap::new(),
            exits,
            output: WorkerOutput::new(setup.tell.clone(), setup.log.as_deref())?,
            meters: Meters::new(&setup),
            faults: Faults::of(&setup),
            restarts: Restarts::default(),
            looks: 0,
            cpu_ended: 0,
            cpu_used: 0,
            now: 0,
            begun: Instant::now(),
            ended: Ended::default(),
            setup,
        })
    }

    /// Time since this began: the run's clock stands still before the origin.
    fn lived(&self) -> Nanos {
        self.begun.elapsed().as_nanos() as Nanos
    }

    /// Starts what runs from the start, and the clockwork.
    async fn begin(&mut self) -> Result<()> {
        for task in 0..self.control.begin(Fleet::Ecs(&self.config)) {
            self.start_task(task).await?;
        }
        self.obey();
        self.timers.push(MINUTE - self.control.attribute_lag(), Step::Sample);
        self.timers.push(MINUTE, Step::Minute);
        self.timers.push(MINUTE + self.control.evaluation_delay(), Step::Evaluate);
        self.timers.push(LOOK_EVERY, Step::Look);
        self.timers.push(self.meters.next_window(), Step::Window);
        self.schedule_next_action();
        self.schedule_next_fault();
        Ok(())
    }

    /// Takes the steps that are due.
    async fn catch_up(&mut self) -> Result<()> {
        while Instant::now().into_std() >= self.setup.origin.instant {
            let Some((at, step)) = self.timers.pop_due(self.setup.now()) else { break };
            self.now = self.now.max(at);
            self.step(at, step).await?;
            self.obey();
            self.control.note_peaks();
        }
        Ok(())
    }

    /// The run is over: the last window, then the tasks, which may still print what they have done.
    async fn finish(&mut self) {
        self.now = self.now.max(self.setup.now());
        self.close_window();
        let exits: Vec<_> = self.tasks.values().map(|task| task.process.exit()).collect();
        self.tasks.values().for_each(|task| task.process.signal(Signal::SIGTERM));
        let all = async {
            for exit in exits {
                exit.await;
            }
        };
        tokio::pin!(all);
        if tokio::time::timeout(LAST_WORDS, &mut all).await.is_err() {
            self.tasks.values().for_each(|task| task.process.kill());
            all.await;
        }
    }
}
