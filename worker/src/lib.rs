//! The reference worker: drains one SQS queue, as an ECS task or as a Lambda function, and does the work that each
//! message asks for ([`model::work::Work`]).
//!
//! Goals: the same work on both platforms; the behaviour that a scenario names (polling, deleting, draining) and the
//! simulation assumes; one JSON line a message ([`model::journal::Record`]).
//! Non-goals: being fast at doing nothing; being configured by anything but the environment.
//!
//! | variable | default | |
//! | --- | --- | --- |
//! | `AWS_LAMBDA_RUNTIME_API` | | where it is set, the worker is a Lambda function; else it polls |
//! | `QUEUE_URL` | | required where it polls |
//! | `VERSUS_WORKER` | host/pid | its name in records |
//! | `VERSUS_BATCH_SIZE` | 10 | MaxNumberOfMessages |
//! | `VERSUS_WAIT_TIME_S` | 20 | WaitTimeSeconds |
//! | `VERSUS_VISIBILITY_TIMEOUT_S` | the queue's | VisibilityTimeout of the receive call |
//! | `VERSUS_CONCURRENCY` | 1 | messages worked on at once |
//! | `VERSUS_POLL` | `all-done` | asks for more when its whole batch is done, or whenever a slot is free: `slot-free` |
//! | `VERSUS_DELETE` | `each` | deletes each message by itself, or the whole batch once it is done: `batch` |
//! | `VERSUS_IDLE_SLEEP_MS` | 0 | pause after an empty receive |
//! | `VERSUS_HEARTBEAT` | 1 | keeps what it holds invisible |
//! | `VERSUS_DRAINS_ON_SIGTERM` | 1 | finishes what was received and exits, or goes on until SIGKILL: `0` |
//! | `VERSUS_CPU_SHARE` | the machine's | vCPUs to act out, up to 1: computing is slowed down to this share |
//! | `VERSUS_PARTIAL_BATCH_RESPONSES` | 0 | Lambda: reports which messages failed, instead of failing |
//! | `VERSUS_PARALLEL_BATCH` | 0 | Lambda: works on all messages of a batch at once |

mod attempt;
mod clock;
mod complaints;
mod heartbeat;
mod lambda;
mod poll;
mod settings;
mod work;

use anyhow::{Context, Result};
use attempt::Worker;
use settings::{Platform, Settings};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// For so long after SIGTERM an answer that is on its way is waited for: what it holds would else come back only after
/// its visibility timeout, or would be done twice.
const GRACE: Duration = Duration::from_millis(100);

/// Runs the worker until it is told to stop: 0 after SIGTERM or SIGINT, 1 when it cannot go on, 2 when its environment
/// asks for what cannot be.
#[must_use]
pub fn main() -> ExitCode {
    let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let settings = match Settings::read(variable) {
        Ok(settings) => settings,
        Err(problem) => {
            eprintln!("versus-worker: {problem:#}");
            return ExitCode::from(2);
        }
    };
    match run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("versus-worker: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let worker = Arc::new(Worker::new(settings.worker, settings.cpu_share));
    let outcome = runtime.block_on(async {
        let signals = Signals::listen(settings.drains_on_sigterm)?;
        match settings.platform {
            Platform::Ecs(polling) => poll::run(polling, worker, signals).await,
            Platform::Lambda(batches) => lambda::run(batches, worker, signals).await,
        }
    });
    // Computing that was cut short must not hold up the exit.
    runtime.shutdown_background();
    outcome
}

/// SIGTERM, and SIGINT which means the same.
struct Signals {
    term: Signal,
    int: Signal,
    heeded: bool,
}

impl Signals {
    /// From now on signals do not end the process; if not `heeded`, nothing but SIGKILL does.
    fn listen(heeded: bool) -> Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self { term: listen(SignalKind::terminate())?, int: listen(SignalKind::interrupt())?, heeded })
    }

    /// Returns when the worker is told to stop.
    async fn stop(&mut self) {
        loop {
            tokio::select! {
                _ = self.term.recv() => {}
                _ = self.int.recv() => {}
            }
            if self.heeded {
                return;
            }
        }
    }
}
