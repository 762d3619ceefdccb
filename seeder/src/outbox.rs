//! Counts the records of a thread and passes them on.
//!
//! Goals: a sink that wakes another thread is called a hundred times a second at most; woken for every call, that thread
//! would cost a tenth of what the calls do. A record waits a hundredth of a second at most.

use crate::summary::{StackSummary, Summary};
use model::journal::Sent;
use std::mem::replace;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Takes records: the stack's position, and what became of messages to it.
pub(crate) type Sink = dyn Fn(usize, Vec<Sent>) + Send + Sync;

/// How long records are gathered.
const GATHER: Duration = Duration::from_millis(10);

/// Between the deliveries of a thread and the sink.
pub(crate) struct Outbox {
    sink: Arc<Sink>,
    state: Mutex<State>,
    filled: Notify,
}

struct State {
    summary: Summary,
    /// By stack.
    held: Vec<Vec<Sent>>,
}

/// The outbox, open for the records of one stack.
pub(crate) struct Tray<'a> {
    state: MutexGuard<'a, State>,
    stack: usize,
    filled: &'a Notify,
}

impl Outbox {
    pub(crate) fn new(sink: Arc<Sink>, stacks: usize) -> Self {
        let state = State { summary: Summary::new(stacks), held: vec![Vec::new(); stacks] };
        Self { sink, state: Mutex::new(state), filled: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in another task of the thread is passed on where that task is joined.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts messages that are begun.
    pub(crate) fn begun(&self, messages: usize) {
        self.state().summary.messages += messages as u64;
    }

    pub(crate) fn tray(&self, stack: usize) -> Tray<'_> {
        Tray { state: self.state(), stack, filled: &self.filled }
    }

    /// Passes records on, for ever.
    pub(crate) async fn forward(&self) {
        loop {
            self.filled.notified().await;
            tokio::time::sleep(GATHER).await;
            self.flush();
        }
    }

    /// Passes on what is there; the summary up to now.
    pub(crate) fn flush(&self) -> Summary {
        let mut state = self.state();
        let fresh = |held: &mut Vec<Sent>| replace(held, Vec::with_capacity(held.len()));
        let held: Vec<Vec<Sent>> = state.held.iter_mut().map(fresh).collect();
        let summary = state.summary.clone();
        drop(state);
        for (stack, records) in held.into_iter().enumerate().filter(|(_, records)| !records.is_empty()) {
            (self.sink)(stack, records);
        }
        summary
    }
}

impl Tray<'_> {
    pub(crate) fn summary(&mut self) -> &mut StackSummary {
        &mut self.state.summary.stacks[self.stack]
    }

    pub(crate) fn put(&mut self, sent: Sent) {
        self.summary().sent(&sent);
        let held = &mut self.state.held[self.stack];
        if held.is_empty() {
            self.filled.notify_one();
        }
        held.push(sent);
    }
}
