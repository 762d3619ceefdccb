//! What the driver of one stack is given, whatever its platform, and where its workers' output goes.
//!
//! Goals: one shape for ECS and Lambda; workers' lines are told apart: records to the run, the rest to a bounded log.
//! Non-goals: what a platform does with it (`ecs`, `lambda`).

use crate::process::{OnLine, Spawner};
use crate::queues::SharedQueue;
use anyhow::{Context, Result};
use model::journal::{Entry, Record};
use model::run::{Activity, ActivityKind};
use model::scenario::{Fault, Parameters, Stack};
use model::time::{Nanos, Origin};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Told whatever there is to be written down; it must be quick.
pub type Tell = Arc<dyn Fn(Entry) + Send + Sync>;

/// One stack of a run on this machine.
#[derive(Clone)]
pub struct StackSetup {
    /// As in the scenario.
    pub stack: Stack,
    /// Beliefs about AWS that the control plane follows.
    pub beliefs: Parameters,
    /// The scenario's seed: lags and start-up times are drawn as in a simulation.
    pub seed: u64,
    /// The queue that it drains.
    pub queue: Arc<SharedQueue>,
    /// The worker's program and arguments.
    pub command: Vec<String>,
    /// `QUEUE_URL` and what leads an AWS SDK to our endpoint ([`crate::process::aws_environment`]).
    pub environment: Vec<(String, String)>,
    /// Told of records, activities, points and usage.
    pub tell: Tell,
    /// The start of the run; a driver can be started before it.
    pub origin: Origin,
    /// Width of a window.
    pub window: Nanos,
    /// Starts the workers.
    pub spawner: Arc<Spawner>,
    /// Of the scenario; those of other stacks are skipped.
    pub faults: Vec<Fault>,
    /// Where lines go that are no records.
    pub log: Option<PathBuf>,
}

impl StackSetup {
    /// Time since the start of the run; 0 before it.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.origin.since(Instant::now().into_std())
    }

    /// Writes down what the platform did.
    pub(crate) fn note(&self, at: Nanos, kind: ActivityKind, detail: String) {
        (self.tell)(Entry::Activity(Activity { at, kind, detail }));
    }
}

/// Most bytes of a stack's log.
const LOG_BYTES: u64 = 10_000_000;
/// Last lines kept to explain why workers end.
const LAST_LINES: usize = 20;
/// Longest of those lines, in bytes.
const LAST_LINE_BYTES: usize = 400;

/// Where the output of a stack's workers goes. Clones share it.
#[derive(Clone)]
pub struct WorkerOutput {
    tell: Tell,
    shared: Arc<Shared>,
}

struct Shared {
    log: Mutex<Log>,
    last: Mutex<VecDeque<String>>,
    succeeded: AtomicU64,
}

struct Log {
    file: Option<File>,
    room: u64,
}

impl WorkerOutput {
    /// Appends to `log`, whose folder is made.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(tell: Tell, log: Option<&Path>) -> Result<Self> {
        let file = log.map(open).transpose()?;
        let shared = Shared {
            log: Mutex::new(Log { file, room: LOG_BYTES }),
            last: Mutex::default(),
            succeeded: AtomicU64::new(0),
        };
        Ok(Self { tell, shared: Arc::new(shared) })
    }

    /// Takes the lines of one worker.
    #[must_use]
    pub fn of(&self, worker: &str) -> OnLine {
        let (output, worker) = (self.clone(), worker.to_owned());
        Box::new(move |line| match Record::parse(&line.text) {
            Some(record) => output.record(&worker, record),
            None => output.write(&worker, &line.text),
        })
    }

    fn record(&self, worker: &str, mut record: Record) {
        self.shared.succeeded.fetch_add(u64::from(record.ok), Ordering::Relaxed);
        record.worker.get_or_insert_with(|| worker.to_owned());
        (self.tell)(Entry::Record(record));
    }

    /// Writes a line into the log, the worker's name before it.
    pub fn write(&self, worker: &str, text: &str) {
        let line = format!("{worker}: {text}");
        lock(&self.shared.log).add(&line);
        let mut last = lock(&self.shared.last);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line[..line.floor_char_boundary(LAST_LINE_BYTES)].to_owned());
    }

    /// The last lines of all workers.
    #[must_use]
    pub fn last_lines(&self) -> String {
        lock(&self.shared.last).iter().map(|line| format!("  {line}\n")).collect()
    }

    /// Records of attempts that succeeded.
    #[must_use]
    pub fn succeeded(&self) -> u64 {
        self.shared.succeeded.load(Ordering::Relaxed)
    }
}

impl Log {
    fn add(&mut self, line: &str) {
        let Some(file) = &mut self.file else { return };
        let bytes = line.len() as u64 + 1;
        if bytes > self.room {
            // A log that cannot be written must not end the run.
            _ = writeln!(file, "versus: the rest is left out, for the log would pass {LOG_BYTES} bytes");
            self.file = None;
            return;
        }
        self.room -= bytes;
        if writeln!(file, "{line}").is_err() {
            self.file = None;
        }
    }
}

fn open(path: &Path) -> Result<File> {
    let open = || -> std::io::Result<File> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        OpenOptions::new().create(true).append(true).open(path)
    };
    open().with_context(|| format!("writing {}", path.display()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Line, Output};

    fn line(text: &str) -> Line {
        Line { output: Output::Stdout, text: text.into() }
    }

    #[test]
    fn records_are_told_and_other_lines_are_logged() {
        let folder = std::env::temp_dir().join(format!("versus-output-{}", std::process::id()));
        let path = folder.join("ecs").join("worker.log");
        let told = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&told);
        let tell: Tell = Arc::new(move |entry| seen.lock().unwrap().push(entry));
        let output = WorkerOutput::new(tell, Some(&path)).unwrap();
        let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let mut first = output.of("ecs-0");
        first(line(&format!("{{\"versus\":1,\"message_id\":\"{id}\"}}")));
        first(line(&format!("{{\"versus\":1,\"message_id\":\"{id}\",\"worker\":\"own\",\"ok\":false}}")));
        output.of("ecs-1")(line("hello"));
        output.of("ecs-1")(line(&"\u{20ac}".repeat(LAST_LINE_BYTES)));
        let workers: Vec<_> = told
            .lock()
            .unwrap()
            .iter()
            .map(|entry| match entry {
                Entry::Record(record) => record.worker.clone(),
                _ => None,
            })
            .collect();
        assert_eq!(workers, [Some("ecs-0".into()), Some("own".into())]);
        assert_eq!(output.succeeded(), 1);
        let logged = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(logged.starts_with("ecs-1: hello\necs-1: \u{20ac}"), "{logged}");
        assert!(output.last_lines().len() < 2 * LAST_LINE_BYTES);
    }

    #[test]
    fn the_log_is_bounded_and_says_so() {
        let path = std::env::temp_dir().join(format!("versus-log-{}", std::process::id()));
        let mut log = Log { file: Some(open(&path).unwrap()), room: 20 };
        for text in ["0123456789", "0123456789", "x"] {
            log.add(text);
        }
        let logged = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(logged.lines().count(), 2);
        assert!(logged.starts_with("0123456789\nversus: "), "{logged}");
    }
}
