//! Tasks: processes with the environment of a container.

use super::EcsService;
use super::restarts::{End, GIVE_UP_AFTER};
use crate::process::{Launch, Process};
use anyhow::{Result, bail};
use model::run::ActivityKind;
use model::scenario::{Delete, Ecs, Poll};
use model::time::{MILLISECOND, Nanos, SECOND, seconds};
use platform::ecs::TaskId;
use std::process::ExitStatus;

/// A task whose program runs.
pub(super) struct Task {
    pub(super) process: Process,
    /// By [`EcsService::lived`].
    started_at: Nanos,
    /// Whether its end was asked for: SIGTERM, or a fault.
    pub(super) ending: Ending,
}

/// Why a task is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is not.
    No,
    /// After SIGTERM.
    Stopping,
    /// A fault has killed it.
    Crashed,
}

/// Ends that are written down; a worker that ends after every message would fill the run with them.
const ENDS_TOLD: u32 = 1_000;

impl EcsService {
    pub(super) async fn start_task(&mut self, id: TaskId) -> Result<()> {
        let name = format!("{}-{id}", self.setup.stack.name);
        let mut environment = self.setup.environment.clone();
        environment.extend(worker_environment(&self.config));
        environment.push(("VERSUS_WORKER".into(), name.clone()));
        let launch = Launch { command: self.setup.command.clone(), environment, name };
        let on_line = self.output.of(&launch.name);
        let process = Process::spawn(&self.setup.spawner, &launch, on_line).await?;
        let (exit, exits) = (process.exit(), self.exits.clone());
        tokio::spawn(async move {
            // Nobody listens any more once the run is over.
            _ = exits.send((id, exit.await));
        });
        self.ended.started += 1;
        let started_at = self.lived();
        self.tasks.insert(id, Task { process, started_at, ending: Ending::No });
        Ok(())
    }

    /// The program of a task has ended, whyever.
    pub(super) fn exited(&mut self, id: TaskId, status: ExitStatus) -> Result<()> {
        let Some(task) = self.tasks.remove(&id) else { return Ok(()) };
        self.now = self.now.max(self.setup.now());
        self.cpu_ended += task.process.cpu_time();
        self.control.crashed(self.now, id);
        if task.ending == Ending::No {
            self.ended_by_itself(id, &task, status)?;
        }
        self.obey();
        self.control.note_peaks();
        Ok(())
    }

    fn ended_by_itself(&mut self, id: TaskId, task: &Task, status: ExitStatus) -> Result<()> {
        let name = &self.setup.stack.name;
        self.ended.ended_by_themselves += 1;
        if self.ended.ended_by_themselves <= ENDS_TOLD {
            let lived = seconds(self.lived() - task.started_at);
            let detail = format!("task {name}-{id} ended by itself after {lived:.1} s: {status}");
            self.setup.note(self.now, ActivityKind::Fault, detail);
        }
        let end = End {
            started_at: task.started_at,
            at: self.lived(),
            failed: !status.success(),
            done: self.setup.queue.counts().totals.deleted,
        };
        if !self.restarts.ended(end) {
            bail!(
                "the worker of stack {name} failed {GIVE_UP_AFTER} times in a row as soon as it was started \
                 ({status}), and never did anything; try its command by itself: {}\nIt printed last:\n{}",
                self.setup.command.join(" "),
                self.output.last_lines(),
            );
        }
        Ok(())
    }
}

/// How the reference worker is told what the scenario says about it; others may read it, too.
fn worker_environment(config: &Ecs) -> Vec<(String, String)> {
    let worker = &config.worker;
    let poll = match worker.poll {
        Poll::AllDone => "all-done",
        Poll::SlotFree => "slot-free",
    };
    let delete = match worker.delete {
        Delete::Each => "each",
        Delete::Batch => "batch",
    };
    let mut pairs = vec![
        ("VERSUS_BATCH_SIZE", worker.batch_size.to_string()),
        ("VERSUS_WAIT_TIME_S", (worker.wait_time / SECOND).to_string()),
        ("VERSUS_CONCURRENCY", worker.concurrency.to_string()),
        ("VERSUS_POLL", poll.into()),
        ("VERSUS_DELETE", delete.into()),
        ("VERSUS_IDLE_SLEEP_MS", (worker.idle_sleep / MILLISECOND).to_string()),
        ("VERSUS_DRAINS_ON_SIGTERM", u8::from(worker.drains_on_sigterm).to_string()),
    ];
    if let Some(timeout) = worker.visibility_timeout {
        pairs.push(("VERSUS_VISIBILITY_TIMEOUT_S", (timeout / SECOND).to_string()));
    }
    if config.cpu_units < 1024 {
        pairs.push(("VERSUS_CPU_SHARE", (f64::from(config.cpu_units) / 1024.0).to_string()));
    }
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::scenario::Worker;

    #[test]
    fn the_worker_is_told_what_the_scenario_says() {
        let worker = Worker {
            batch_size: 5,
            wait_time: 7 * SECOND,
            visibility_timeout: Some(90 * SECOND),
            concurrency: 3,
            poll: Poll::SlotFree,
            delete: Delete::Each,
            idle_sleep: 250 * MILLISECOND,
            drains_on_sigterm: false,
            ..Worker::default()
        };
        let told = |config: &Ecs| -> Vec<String> {
            worker_environment(config).iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        let expected = [
            "VERSUS_BATCH_SIZE=5",
            "VERSUS_WAIT_TIME_S=7",
            "VERSUS_CONCURRENCY=3",
            "VERSUS_POLL=slot-free",
            "VERSUS_DELETE=each",
            "VERSUS_IDLE_SLEEP_MS=250",
            "VERSUS_DRAINS_ON_SIGTERM=0",
            "VERSUS_VISIBILITY_TIMEOUT_S=90",
            "VERSUS_CPU_SHARE=0.25",
        ];
        assert_eq!(told(&Ecs { worker, ..Ecs::default() }), expected);
        let whole = told(&Ecs { cpu_units: 1024, ..Ecs::default() });
        assert!(
            !whole.iter().any(|pair| pair.contains("CPU_SHARE") || pair.contains("VISIBILITY")),
            "{whole:?}"
        );
    }
}
