//! Tasks that bring groups of messages to their queues, one call after the other.
//!
//! Goals: a call costs no task of its own: what the SDK keeps while a call is under way is large, and made anew for
//! every call it costs a twentieth of what the calls do. Non-goals: bounding the calls in flight; permits do that.

use crate::compose::Batch;
use crate::deliver::Post;
use anyhow::{Context, Result};
use model::plan::Arrival;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// A group of messages for the queue of one stack.
pub(crate) struct Job {
    pub(crate) stack: usize,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) batch: Arc<Batch>,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// The tasks of a thread.
pub(crate) struct Crew {
    desk: Arc<Desk>,
    /// They end only by breaking down.
    members: JoinSet<()>,
}

/// Where jobs wait for a task.
struct Desk {
    post: Arc<Post>,
    state: Mutex<State>,
    /// One permit per job that waits.
    waiting: Semaphore,
    all_done: Notify,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Jobs that wait or are under way.
    open: usize,
}

impl Crew {
    pub(crate) fn new(post: Arc<Post>) -> Self {
        let desk =
            Desk { post, state: Mutex::default(), waiting: Semaphore::new(0), all_done: Notify::new() };
        Self { desk: Arc::new(desk), members: JoinSet::new() }
    }

    /// Has a job done: by a task that has nothing to do, or a new one.
    pub(crate) fn begin(&mut self, job: Job) {
        let open = {
            let mut state = self.desk.state();
            state.jobs.push_back(job);
            state.open += 1;
            state.open
        };
        self.desk.waiting.add_permits(1);
        if open > self.members.len() {
            self.members.spawn(Arc::clone(&self.desk).work());
        }
    }

    /// Whether a task broke down.
    ///
    /// # Errors
    /// That one did.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.members.try_join_next() {
            Some(ended) => ended.context("a delivery broke down"),
            None => Ok(()),
        }
    }

    /// Returns when all jobs are done.
    ///
    /// # Errors
    /// When a task broke down.
    pub(crate) async fn finish(mut self) -> Result<()> {
        loop {
            let all_done = self.desk.all_done.notified();
            if self.desk.state().open == 0 {
                return Ok(());
            }
            tokio::select! {
                () = all_done => {}
                Some(ended) = self.members.join_next() => ended.context("a delivery broke down")?,
            }
        }
    }
}

impl Desk {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Who panicked is found among the members.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn work(self: Arc<Self>) {
        loop {
            // The desk is never closed.
            let Ok(permit) = self.waiting.acquire().await else { return };
            permit.forget();
            let job = self.state().jobs.pop_front();
            if let Some(job) = job {
                self.post.deliver(job).await;
            }
            let mut state = self.state();
            state.open -= 1;
            if state.open == 0 {
                self.all_done.notify_one();
            }
        }
    }
}
