//! What the environments of a function have in common: how their processes are started and what is done with what they
//! tell.

use super::environment::Ended;
use super::runtime_api::Invocation;
use crate::message::Ids;
use crate::process::{Launch, OnLine, Process, Spawner};
use crate::stack::{Tell, WorkerOutput};
use anyhow::{Context, Result};
use bytes::Bytes;
use model::journal::{Entry, MessageId, Record};
use model::time::{MILLISECOND, Nanos, Origin, SECOND};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What all environments of a function have in common.
pub(super) struct Function {
    pub(super) spawner: Arc<Spawner>,
    pub(super) command: Vec<String>,
    /// Variables that are the same for all.
    pub(super) variables: Vec<(String, String)>,
    pub(super) arn: Arc<str>,
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) timeout: Nanos,
    pub(super) init_limit: Nanos,
    pub(super) memory_mb: u32,
    pub(super) ids: Ids,
    pub(super) output: WorkerOutput,
    pub(super) tell: Tell,
    /// Attempts that workers reported.
    pub(super) succeeded: AtomicU64,
    /// Told of each invocation that ends.
    pub(super) ended: UnboundedSender<Ended>,
    /// Resolve when processes are gone.
    pub(super) exits: Mutex<JoinSet<()>>,
    pub(super) starts: Starts,
}

/// How the initialisations went.
#[derive(Debug, Default)]
pub(super) struct Starts {
    succeeded: AtomicBool,
    failed: AtomicU32,
}

/// Initialisations that end a run in which none has succeeded.
const GIVE_UP_AFTER: u32 = 4;

impl Starts {
    pub(super) fn succeeded(&self) {
        self.succeeded.store(true, Ordering::Relaxed);
    }

    /// One failed; those that were cut off do not count, for a machine that is busy is no reason to give up.
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it is of no use to go on.
    pub(super) fn is_hopeless(&self) -> bool {
        !self.succeeded.load(Ordering::Relaxed) && self.failed.load(Ordering::Relaxed) >= GIVE_UP_AFTER
    }
}

impl Function {
    /// Writes what an environment says into the log.
    pub(super) fn log_lines(&self, environment: &str, text: &str) {
        text.lines().for_each(|line| self.output.write(environment, line));
    }

    pub(super) fn utc_ns(&self, at: Instant) -> u64 {
        self.origin.utc_ns(self.origin.since(at.into_std()))
    }

    /// Takes what a worker reports.
    pub(super) fn record(&self, record: Record) {
        self.succeeded.fetch_add(u64::from(record.ok), Ordering::Relaxed);
        (self.tell)(Entry::Record(record));
    }

    pub(super) fn invocation(&self, request_id: MessageId, event: Bytes, limit: Instant) -> Invocation {
        let deadline = self.utc_ns(limit);
        let trace = self.ids.next().0;
        let parent = self.ids.next().0 as u64;
        Invocation {
            request_id,
            deadline_ms: deadline / MILLISECOND,
            function_arn: Arc::clone(&self.arn),
            trace_id: format!(
                "Root=1-{:08x}-{:024x};Parent={parent:016x};Sampled=0",
                deadline / SECOND,
                trace & ((1 << 96) - 1)
            ),
            event,
        }
    }

    /// Starts a process. If nobody waits for it any more, it is killed; [`Function::reaped`] waits for it in any case.
    pub(super) async fn spawn(&self, launch: Launch, on_line: OnLine) -> Result<Arc<Process>> {
        let (sender, receiver) = oneshot::channel();
        let spawner = Arc::clone(&self.spawner);
        {
            let mut exits = lock(&self.exits);
            while exits.try_join_next().is_some() {}
            exits.spawn(async move {
                let spawned = Process::spawn(&spawner, &launch, on_line).await.map(Arc::new);
                let exit = spawned.as_ref().ok().map(|process| process.exit());
                // Dropped here, and so killed, if it comes too late.
                drop(sender.send(spawned));
                if let Some(exit) = exit {
                    exit.await;
                }
            });
        }
        receiver.await.context("the run is over")?
    }

    /// Waits until every process of every environment is gone: after the environments were ended.
    pub(super) async fn reaped(&self) {
        let mut exits = std::mem::take(&mut *lock(&self.exits));
        while exits.join_next().await.is_some() {}
    }
}

/// Locks, whoever panicked meanwhile.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
