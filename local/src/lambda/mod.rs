//! Runs a Lambda stack on this machine: an event source mapping over the local queue, and execution environments that are
//! processes of the worker's command.
//!
//! Goals: `platform::lambda` decides, as in a simulation; initialisations and invocations are real and timed for real;
//! any runtime that has a runtime interface client works; no process is left behind.
//! Non-goals: limits of memory and CPU (the worker is told its share of a vCPU), latencies of AWS's own network (a call
//! takes what it takes here), extensions, SnapStart.

mod environment;
mod event;
mod fleet;
mod function;
mod mapping;
mod meter;
mod report_line;
mod response;
mod runtime_api;
mod throttles;
mod timers;

use crate::faults::Faults;
use crate::message::Ids;
use crate::process::find_program;
use crate::queues::ACCOUNT;
use crate::stack::{StackSetup, WorkerOutput};
use crate::window::LOOK_EVERY;
use anyhow::{Context, Result, bail};
use fleet::Fleet;
use function::{Function, Starts};
use mapping::EventSourceMapping;
use meter::Meter;
use model::random::Stream;
use model::scenario::{FaultKind, Lambda, Parameters, Platform, Provisioning};
use model::time::Nanos;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use timers::Timer;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long running invocations may go on after the stack was told to stop.
const GRACE: Duration = Duration::from_secs(2);
/// How long killed processes may take to be gone.
const REAPING: Duration = Duration::from_secs(10);

/// How a Lambda stack ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whether an account limit, not the function's own, refused invocations.
    pub account_limited: bool,
}

/// Runs the stack until `stop` resolves; then what is running may end within two seconds, and everything is killed.
///
/// # Errors
/// When the stack is no Lambda function, its worker cannot be started or never initialises (shows what it printed last),
/// or its log cannot be written.
pub async fn run(setup: StackSetup, stop: impl Future<Output = ()>) -> Result<Ended> {
    let Platform::Lambda(config) = setup.stack.platform.clone() else {
        bail!("stack {} is no Lambda function", setup.stack.name);
    };
    let program = setup.command.first().map_or("", String::as_str);
    find_program(program, &setup.environment).with_context(|| format!("stack {}", setup.stack.name))?;
    let output = WorkerOutput::new(Arc::clone(&setup.tell), setup.log.as_deref())?;
    let (ended, mut reports) = mpsc::unbounded_channel();
    let function = Arc::new(function(&setup, &config, output.clone(), ended));
    let laws = platform::lambda::Function::new(
        &config,
        &setup.beliefs,
        Stream::new(setup.seed, &format!("{} environments", setup.stack.name)),
    );
    let overhead = setup.stack.provisioning == Provisioning::Modelled;
    let fleet = Fleet::new(laws, Arc::clone(&function), overhead);
    let meter = Meter::new(&setup, &config);
    let queue = Arc::clone(&setup.queue);
    let mapping = EventSourceMapping::new(queue, &config, &setup.beliefs, region(&setup), fleet, meter);
    let mut driver = Driver { faults: Faults::of(&setup), setup, mapping, function };
    driver.schedule();
    let hopeless = driver.until(stop, &mut reports).await;
    driver.mapping.stop();
    let _ = tokio::time::timeout(GRACE, driver.until_idle(&mut reports)).await;
    driver.close_window();
    let EventSourceMapping { fleet, meter, .. } = driver.mapping;
    let name = &driver.setup.stack.name;
    if tokio::time::timeout(REAPING, fleet.end()).await.is_err() {
        bail!("stack {name}: killed processes have not ended within {REAPING:?}");
    }
    if hopeless {
        bail!(
            "stack {name}: its worker never asked the Runtime API for an invocation; it printed last:\n{}",
            output.last_lines()
        );
    }
    Ok(Ended { account_limited: meter.account_limited() })
}

struct Driver {
    setup: StackSetup,
    mapping: EventSourceMapping,
    faults: Faults,
    function: Arc<Function>,
}

impl Driver {
    fn schedule(&mut self) {
        let timers = &mut self.mapping.timers;
        timers.push(LOOK_EVERY, Timer::Look);
        timers.push(self.mapping.meter.next_window(), Timer::Window);
        if let Some(at) = self.faults.next_at() {
            timers.push(at, Timer::Fault);
        }
    }

    /// Drives the stack until `stop` resolves, or (true) until there is no hope that it will ever work.
    async fn until(
        &mut self,
        stop: impl Future<Output = ()>,
        reports: &mut mpsc::UnboundedReceiver<environment::Ended>,
    ) -> bool {
        tokio::pin!(stop);
        let queue = Arc::clone(&self.setup.queue);
        while !self.function.starts.is_hopeless() {
            let next = Instant::from_std(self.setup.origin.instant(self.mapping.timers.next_at()));
            tokio::select! {
                () = &mut stop => return false,
                Some(ended) = reports.recv() => self.mapping.ended(self.setup.now(), &ended),
                () = tokio::time::sleep_until(next) => self.due(),
                () = queue.arrived(), if self.mapping.listens() => self.mapping.visible(self.setup.now()),
            }
        }
        true
    }

    async fn until_idle(&mut self, reports: &mut mpsc::UnboundedReceiver<environment::Ended>) {
        while !self.mapping.is_idle() {
            let next = Instant::from_std(self.setup.origin.instant(self.mapping.timers.next_at()));
            tokio::select! {
                Some(ended) = reports.recv() => self.mapping.ended(self.setup.now(), &ended),
                () = tokio::time::sleep_until(next) => self.due(),
            }
        }
    }

    /// Does what has fallen due.
    fn due(&mut self) {
        let now = self.setup.now();
        while let Some((at, timer)) = self.mapping.timers.pop(now) {
            match timer {
                Timer::Look => {
                    self.mapping.meter.look();
                    self.mapping.timers.push(now + LOOK_EVERY, Timer::Look);
                }
                Timer::Window => {
                    self.close_window();
                    self.mapping.timers.push(self.mapping.meter.next_window(), Timer::Window);
                }
                Timer::Fault => self.fault(now),
                _ => self.mapping.due(now, at, timer),
            }
        }
    }

    fn fault(&mut self, now: Nanos) {
        for fault in self.faults.due(now, &self.setup) {
            match fault {
                FaultKind::WorkerCrash { count } => self.mapping.fleet.crash(count),
                FaultKind::Deployment => self.mapping.fleet.new_version(now),
                // The plan has the first two; Lambda has no tasks; the others are at the queue.
                FaultKind::FailedMessages { .. }
                | FaultKind::SlowTail { .. }
                | FaultKind::TaskKill { .. }
                | FaultKind::EndpointErrors { .. }
                | FaultKind::EndpointThrottles { .. }
                | FaultKind::ShortVisibility { .. } => {}
            }
        }
        if let Some(at) = self.faults.next_at() {
            self.mapping.timers.push(at, Timer::Fault);
        }
    }

    fn close_window(&mut self) {
        self.mapping.close_window(self.setup.now(), self.function.succeeded.load(Ordering::Relaxed));
    }
}

/// What all environments of the stack's function have in common.
fn function(
    setup: &StackSetup,
    config: &Lambda,
    output: WorkerOutput,
    ended: mpsc::UnboundedSender<environment::Ended>,
) -> Function {
    let name = setup.stack.name.clone();
    Function {
        spawner: Arc::clone(&setup.spawner),
        command: setup.command.clone(),
        variables: variables(setup, config),
        arn: format!("arn:aws:lambda:{}:{ACCOUNT}:function:{name}", region(setup)).into(),
        name,
        origin: setup.origin,
        timeout: config.timeout,
        init_limit: setup.beliefs.lambda_init_limit,
        memory_mb: config.memory_mb,
        ids: Ids::new(setup.origin.utc_ns(0) ^ setup.seed),
        output,
        tell: Arc::clone(&setup.tell),
        succeeded: AtomicU64::new(0),
        ended,
        exits: Mutex::new(JoinSet::new()),
        starts: Starts::default(),
    }
}

fn region(setup: &StackSetup) -> &str {
    let region = setup.environment.iter().find(|(name, _)| name == "AWS_REGION");
    region.map_or("us-east-1", |(_, region)| region)
}

/// The environment variables of a function, and what the reference worker wants to know.
///
/// Source: docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html (reserved variables).
fn variables(setup: &StackSetup, config: &Lambda) -> Vec<(String, String)> {
    let name = &setup.stack.name;
    let root = std::env::current_dir().map_or_else(|_| ".".into(), |folder| folder.display().to_string());
    let flag = |flag: bool| u8::from(flag).to_string();
    let mut own = vec![
        ("_HANDLER", "app.handler".to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", config.memory_mb.to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
        ("AWS_SESSION_TOKEN", "versus".to_owned()),
        ("LAMBDA_TASK_ROOT", root),
        ("TZ", ":UTC".to_owned()),
        ("VERSUS_PARALLEL_BATCH", flag(config.parallel_batch)),
        ("VERSUS_PARTIAL_BATCH_RESPONSES", flag(config.partial_batch_responses)),
    ];
    if let Some(share) = cpu_share(config, &setup.beliefs) {
        own.push(("VERSUS_CPU_SHARE", share.to_string()));
    }
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    setup.environment.iter().cloned().chain(own).collect()
}

/// The part of a vCPU that comes with the function's memory; `None` if it has a whole one.
fn cpu_share(config: &Lambda, beliefs: &Parameters) -> Option<f64> {
    let share = f64::from(config.memory_mb) / beliefs.lambda_mb_per_vcpu.max(1) as f64;
    (share < 1.0).then_some(share)
}
