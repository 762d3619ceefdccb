//! What faults do to tasks.

use super::{EcsStack, Life, kind};
use crate::faults::fails;
use model::scenario::{FaultKind, Queue};
use model::time::{MILLISECOND, Nanos, SECOND};
use platform::ecs::TaskId;

/// The reference worker's pauses after receives that fail: the first, doubled each time, and the longest.
const FIRST_PAUSE: Nanos = 100 * MILLISECOND;
const LONGEST_PAUSE: Nanos = 5 * SECOND;

impl EcsStack {
    pub(super) fn fault(&mut self, now: Nanos, id: u32) {
        let (kind, activity) = self.faults.due(now, id);
        activity.into_iter().for_each(|activity| self.world.books.note(activity));
        match kind {
            FaultKind::WorkerCrash { count } => self.crash(now, count),
            FaultKind::TaskKill { count } => _ = self.control.kill(now, count),
            FaultKind::Deployment => self.control.deploy(now),
            FaultKind::ShortVisibility { .. } => {
                let visibility_timeout = self.faults.visibility_timeout(now);
                let queue = &mut self.world.queue;
                queue.set_attributes(Queue { visibility_timeout, ..queue.attributes() });
                self.visibility_timeout = self.worker.visibility_timeout.unwrap_or(visibility_timeout);
            }
            // The plan has the first two; the others are asked for by each call.
            FaultKind::FailedMessages { .. }
            | FaultKind::SlowTail { .. }
            | FaultKind::EndpointErrors { .. }
            | FaultKind::EndpointThrottles { .. } => {}
        }
    }

    /// The programs of `count` tasks die in the middle of what they do: busy ones before idle ones, the oldest first.
    fn crash(&mut self, now: Nanos, count: u32) {
        let is_idle = |task: TaskId| {
            let state = &self.tasks[task as usize];
            state.busy == 0 && state.buffer.is_empty() && state.done.is_empty()
        };
        let mut tasks: Vec<TaskId> = (0..self.tasks.len() as TaskId)
            .filter(|&task| self.tasks[task as usize].life == Life::Running)
            .collect();
        tasks.sort_by_key(|&task| is_idle(task));
        for task in tasks.into_iter().take(count as usize) {
            self.lose_work(now, task);
            self.leave(task);
            self.control.crashed(now, task);
        }
    }

    /// Whether the receive that a task makes now fails; then the task tries again later.
    #[cold]
    pub(super) fn receive_fails(&mut self, now: Nanos, task: TaskId) -> bool {
        let failed = fails(&mut self.calls, now);
        let state = &mut self.tasks[task as usize];
        if !failed {
            state.failed_receives = 0;
            return false;
        }
        let pause = (FIRST_PAUSE << state.failed_receives.min(10)).min(LONGEST_PAUSE);
        state.failed_receives += 1;
        state.poll = self.world.events.push(now + pause, kind::POLL, task);
        true
    }
}
