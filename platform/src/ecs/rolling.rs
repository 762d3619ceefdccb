//! Rolling deployments: the tasks of a service are replaced, one version by the next.
//!
//! Goals: minimumHealthyPercent 100 and maximumPercent 200, the defaults: a second generation of the desired size is
//! launched beside the first, by the service's own launch laws, and for each that counts as healthy one of the
//! first is stopped.
//! Non-goals: other percentages, circuit breakers, rollbacks, health checks.
//!
//! Sources: ECS API reference, DeploymentConfiguration; ECS developer guide, rolling updates.

use super::{Account, Command, Service, State, TaskId};
use model::time::Nanos;

impl Service {
    /// Rolls out a new version: tasks on their way are given up, running ones replaced.
    pub fn deploy(&mut self, now: Nanos, account: &mut Account, out: &mut Vec<Command>) {
        self.meter(now);
        self.version += 1;
        self.outdated = self.running();
        for task in std::mem::take(&mut self.waiting) {
            self.tasks[task as usize].state = State::Stopped;
        }
        for task in std::mem::take(&mut self.launching) {
            self.cancel(now, task, out);
        }
        self.reconcile(now, account, out);
    }

    /// Whether a deployment is in progress.
    #[must_use]
    pub fn deploying(&self) -> bool {
        self.outdated > 0
    }

    /// Stops tasks of earlier versions, the oldest first, for as long as enough healthy ones remain.
    pub(super) fn roll(&mut self, now: Nanos, out: &mut Vec<Command>) {
        let is_healthy = |service: &Self, task: TaskId| service.tasks[task as usize].healthy_at <= now;
        let mut healthy = self.running.iter().filter(|&&task| is_healthy(self, task)).count() as u32;
        let version = self.version;
        let outdated = |&task: &TaskId| self.tasks[task as usize].version < version;
        for task in self.running.iter().copied().filter(outdated).collect::<Vec<_>>() {
            let left = healthy - u32::from(is_healthy(self, task));
            if left < self.desired {
                continue;
            }
            healthy = left;
            self.stop(now, task, self.laws.stop_timeout, out);
        }
    }
}
