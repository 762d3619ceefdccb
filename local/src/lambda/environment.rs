//! An execution environment: a process of the worker's command that speaks the Runtime API.
//!
//! Goals: the life of an environment as Lambda has it - initialised before its first invocation or, when that failed,
//! within the next one; one invocation at a time; frozen in between; reset after a timeout or an exit - with every span
//! measured.
//! Non-goals: which environment takes what, and how many there are (`mapping`); limits of memory and CPU.
//!
//! Source: docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html.

use super::function::{Function, lock};
use super::report_line::{self, Report, Status};
use super::runtime_api::{Call, RuntimeApi};
use crate::process::{Launch, Line, OnLine, Process};
use bytes::Bytes;
use model::journal::{MessageId, Record};
use model::time::{Nanos, SECOND};
use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::AbortHandle;
use tokio::time::Instant;

const SIGKILL: i32 = Signal::SIGKILL as i32;

/// Initialisation of provisioned environments is limited to this, or the function's timeout if that is longer.
const PROVISIONED_INIT_LIMIT: Nanos = 130 * SECOND;

/// An invocation that is to be made.
#[derive(Debug)]
pub(super) struct Work {
    /// Number of its batch.
    pub(super) batch: u32,
    pub(super) event: Bytes,
}

/// An invocation that is over.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) batch: u32,
    /// The response; `None` if the invocation failed.
    pub(super) response: Option<Bytes>,
    /// Handler's time, with what was initialised within it.
    pub(super) duration: Nanos,
    /// Initialisation before, which is billed.
    pub(super) init: Nanos,
    /// Whether the process is gone: the next invocation initialises again.
    pub(super) reset: bool,
}

/// How an environment begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// For an invocation that waits, after what no log line reports.
    Cold {
        /// Time until the process is started.
        overhead: Nanos,
    },
    /// For provisioned concurrency.
    Provisioned,
}

type Slot = Arc<Mutex<Option<Arc<Process>>>>;

/// An environment; dropping it ends it.
pub(super) struct Environment {
    work: UnboundedSender<Work>,
    process: Slot,
    life: AbortHandle,
}

impl Environment {
    /// Begins an environment; `id` tells it from the others.
    pub(super) fn begin(function: &Arc<Function>, id: u32, start: Start) -> Self {
        let (work, incoming) = mpsc::unbounded_channel();
        let process = Slot::default();
        let life = Life {
            name: format!("{}-{id}", function.name),
            log_stream: report_line::log_stream(function.utc_ns(Instant::now()), function.ids.next()),
            initialization: match start {
                Start::Cold { .. } => "on-demand",
                Start::Provisioned => "provisioned-concurrency",
            },
            function: Arc::clone(function),
            first: Arc::new(AtomicBool::new(matches!(start, Start::Cold { .. }))),
            process: Arc::clone(&process),
            work: incoming,
            sandbox: None,
            used_mb: 0,
        };
        Self { work, process, life: tokio::spawn(life.live(start)).abort_handle() }
    }

    /// Hands it an invocation; [`Ended`] will tell how that went.
    pub(super) fn invoke(&self, work: Work) {
        // The life ends only with this.
        let _ = self.work.send(work);
    }

    /// Kills the process: a fault.
    pub(super) fn crash(&self) {
        if let Some(process) = &*lock(&self.process) {
            process.kill();
        }
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.life.abort();
        if let Some(process) = lock(&self.process).take() {
            // Without extensions a shutdown takes no time; SIGKILL reaches frozen processes, too.
            process.kill();
        }
    }
}

/// A process that has begun, and its interface.
struct Sandbox {
    api: RuntimeApi,
    process: Arc<Process>,
}

impl Sandbox {
    fn freeze(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    fn thaw(&self) {
        self.process.signal(Signal::SIGCONT);
    }
}

struct Life {
    function: Arc<Function>,
    name: String,
    log_stream: String,
    initialization: &'static str,
    /// Whether an invocation is a cold start: until the second one, and never with provisioned concurrency.
    first: Arc<AtomicBool>,
    process: Slot,
    work: UnboundedReceiver<Work>,
    /// `None` before the initialisation and after a reset.
    sandbox: Option<Sandbox>,
    used_mb: u64,
}

/// What came of an invocation.
struct Served {
    response: Option<Bytes>,
    duration: Nanos,
    status: Status,
}

impl Life {
    async fn live(mut self, start: Start) {
        let limit = match start {
            Start::Cold { overhead } => {
                if overhead > 0 {
                    tokio::time::sleep(Duration::from_nanos(overhead)).await;
                }
                self.function.init_limit
            }
            Start::Provisioned => PROVISIONED_INIT_LIMIT.max(self.function.timeout),
        };
        let began = Instant::now();
        let (took, status) = self.initialise(began + Duration::from_nanos(limit), false).await;
        // Initialising provisioned concurrency is billed with its allocation.
        let mut billed = if matches!(start, Start::Provisioned) { 0 } else { took };
        let mut initialised = status == Status::Success && billed > 0;
        let mut first = self.first.load(Ordering::Relaxed);
        while let Some(work) = self.next_work().await {
            self.first.store(first, Ordering::Relaxed);
            let ended = self.invoke(work, billed, initialised).await;
            (billed, initialised, first) = (0, false, false);
            if self.function.ended.send(ended).is_err() {
                return;
            }
        }
    }

    /// Waits, frozen, for an invocation.
    async fn next_work(&mut self) -> Option<Work> {
        if let Ok(work) = self.work.try_recv() {
            return Some(work);
        }
        if let Some(sandbox) = &self.sandbox {
            sandbox.freeze();
        }
        loop {
            let Some(sandbox) = &mut self.sandbox else { return self.work.recv().await };
            tokio::select! {
                work = self.work.recv() => return work,
                // Whoever thawed it: there is nothing for it to do.
                _ = sandbox.api.event() => {}
                _ = sandbox.process.wait() => self.reset(),
            }
        }
    }

    /// Starts a process and waits until it asks for an invocation; returns how long that took.
    async fn initialise(&mut self, limit: Instant, within: bool) -> (Nanos, Status) {
        let began = Instant::now();
        let (at, status) = tokio::select! {
            biased;
            ready = self.start_process() => ready,
            () = tokio::time::sleep_until(limit) => (limit, Status::Timeout),
        };
        let took = nanos(at.saturating_duration_since(began));
        if status != Status::Success {
            self.reset();
            self.log(&report_line::init_report(took, within, &status));
        }
        (took, status)
    }

    async fn start_process(&mut self) -> (Instant, Status) {
        let starts = &self.function.starts;
        let failed = |kind: &str| {
            starts.failed();
            (Instant::now(), Status::Error(kind.into()))
        };
        let mut api = match RuntimeApi::open().await {
            Ok(api) => api,
            Err(error) => {
                self.log(&format!("versus: no port for the Runtime API: {error}"));
                return failed("Runtime.Unknown");
            }
        };
        let launch = self.launch(&api);
        let process = match self.function.spawn(launch, self.on_line()).await {
            Ok(process) => process,
            Err(error) => {
                self.log(&format!("versus: {error:#}"));
                return failed("Runtime.InvalidEntrypoint");
            }
        };
        *lock(&self.process) = Some(Arc::clone(&process));
        loop {
            tokio::select! {
                biased;
                event = api.event() => match event.call {
                    Call::Next => {
                        starts.succeeded();
                        self.used_mb = self.used_mb.max(memory_used_mb(process.id()));
                        self.sandbox = Some(Sandbox { api, process });
                        return (event.at, Status::Success);
                    }
                    Call::InitError(kind) => return failed(&kind),
                    // Refused before the first invocation.
                    Call::Response(_) | Call::Error => {}
                },
                // A fault of the scenario is none of the program's.
                status = process.wait() => match status.signal() {
                    Some(SIGKILL) => return (Instant::now(), Status::Error("Runtime.ExitError".into())),
                    _ => return failed("Runtime.ExitError"),
                },
            }
        }
    }

    async fn invoke(&mut self, work: Work, init: Nanos, initialised: bool) -> Ended {
        let began = Instant::now();
        let request_id = self.function.ids.next();
        self.log(&report_line::start(request_id));
        let Served { response, duration, status } = self.serve(request_id, work.event, began).await;
        let reset = status != Status::Success;
        if reset {
            self.reset();
        }
        let report = Report {
            request_id,
            duration,
            init,
            initialised,
            memory_mb: self.function.memory_mb,
            used_mb: self.used_mb,
            status,
        };
        self.log(&report_line::end(request_id));
        self.log(&report.to_string());
        Ended { batch: work.batch, response, duration, init, reset }
    }

    /// Initialises if need be, hands over the event and waits for the answer and the next request, or the end.
    async fn serve(&mut self, request_id: MessageId, event: Bytes, began: Instant) -> Served {
        let timeout = Duration::from_nanos(self.function.timeout);
        let limit = began + timeout;
        if self.sandbox.is_none() {
            let (took, status) = self.initialise(limit, true).await;
            if status != Status::Success {
                if status == Status::Timeout {
                    self.log_timeout(request_id);
                }
                return Served { response: None, duration: took.min(self.function.timeout), status };
            }
        }
        let Some(sandbox) = &mut self.sandbox else {
            // Not reached: it has just been initialised.
            return Served { response: None, duration: 0, status: Status::Error("Runtime.Unknown".into()) };
        };
        let invocation = self.function.invocation(request_id, event, limit);
        let since = |at: Instant| nanos(at.saturating_duration_since(began));
        let mut response = None;
        sandbox.thaw();
        let mut handed_over = sandbox.api.invoke(invocation.clone());
        loop {
            tokio::select! {
                biased;
                event = sandbox.api.event() => match event.call {
                    Call::Next if !handed_over => handed_over = sandbox.api.invoke(invocation.clone()),
                    Call::Next => {
                        sandbox.freeze();
                        self.used_mb = self.used_mb.max(memory_used_mb(sandbox.process.id()));
                        return Served { response, duration: since(event.at), status: Status::Success };
                    }
                    Call::Response(body) => response = Some(body),
                    Call::Error | Call::InitError(_) => {}
                },
                status = sandbox.process.wait() => {
                    self.log(&report_line::exited(request_id, &how(status)));
                    let status = Status::Error("Runtime.ExitError".into());
                    return Served { response, duration: since(Instant::now()), status };
                }
                () = tokio::time::sleep_until(limit) => {
                    self.used_mb = self.used_mb.max(memory_used_mb(sandbox.process.id()));
                    self.log_timeout(request_id);
                    return Served { response, duration: self.function.timeout, status: Status::Timeout };
                }
            }
        }
    }

    fn log(&self, text: &str) {
        self.function.log_lines(&self.name, text);
    }

    fn log_timeout(&self, request_id: MessageId) {
        let now = self.function.utc_ns(Instant::now());
        self.log(&report_line::timed_out(now, request_id, self.function.timeout));
    }

    /// Ends the process, if there is one.
    fn reset(&mut self) {
        self.sandbox = None;
        if let Some(process) = lock(&self.process).take() {
            process.kill();
        }
    }

    fn launch(&self, api: &RuntimeApi) -> Launch {
        let function = &self.function;
        let own = [
            ("AWS_LAMBDA_RUNTIME_API", api.address().to_string()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", self.log_stream.clone()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", self.initialization.to_owned()),
            ("VERSUS_WORKER", self.name.clone()),
        ];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
        let environment = function.variables.iter().cloned().chain(own).collect();
        Launch { name: self.name.clone(), command: function.command.clone(), environment }
    }

    fn on_line(&self) -> OnLine {
        let (function, name) = (Arc::clone(&self.function), self.name.clone());
        let first = Arc::clone(&self.first);
        // CloudWatch Logs holds both outputs: a record counts wherever it is printed.
        Box::new(move |Line { text, .. }| {
            let Some(mut record) = Record::parse(&text) else {
                return function.log_lines(&name, &text);
            };
            record.worker.get_or_insert_with(|| name.clone());
            record.cold_start |= first.load(Ordering::Relaxed);
            function.record(record);
        })
    }
}

fn nanos(span: Duration) -> Nanos {
    span.as_nanos() as Nanos
}

/// The most memory that a process had resident, in MB; 0 if it cannot be read.
fn memory_used_mb(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let kb = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = kb.and_then(|kb| kb.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kb.unwrap_or(0).div_ceil(1024)
}

/// As Lambda says it.
fn how(status: ExitStatus) -> String {
    if status.core_dumped() || status.signal().is_some() {
        let signal = status.signal().and_then(|number| Signal::try_from(number).ok());
        return match signal {
            Some(Signal::SIGKILL) => "signal: killed".into(),
            Some(other) => format!("signal: {other}"),
            None => "signal".into(),
        };
    }
    format!("exit status {}", status.code().unwrap_or(-1))
}
