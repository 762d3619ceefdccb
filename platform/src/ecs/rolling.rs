//! Rolling deployments: the tasks of a service are replaced, one version by the next.
//!
//! Goals: minimumHealthyPercent 100 and maximumPercent 200, the defaults: a second generation of the desired size is
//! launched beside the first, by the service's own launch laws, and for each that counts as healthy one of the
//! first is stopped. Pods go by Kubernetes' defaults instead: at most a quarter more than wanted (rounded up), and a
//! quarter of them missing (rounded down).
//! Non-goals: other percentages, circuit breakers, rollbacks, health checks.
//!
//! Sources: ECS API reference, DeploymentConfiguration; ECS developer guide, rolling updates; Kubernetes
//! documentation, Deployments (maxSurge and maxUnavailable 25 %).

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

    /// How many have to be healthy all along.
    fn least_healthy(&self) -> u32 {
        if self.laws.rolls_by_quarters { self.desired - self.desired / 4 } else { self.desired }
    }

    /// How many there may be of all versions.
    pub(super) fn most_of_all(&self) -> u32 {
        let quarters = self.laws.rolls_by_quarters && self.deploying();
        if quarters { self.desired + self.desired.div_ceil(4) } else { u32::MAX }
    }

    /// Stops tasks of earlier versions, the oldest first, for as long as enough healthy ones remain.
    pub(super) fn roll(&mut self, now: Nanos, out: &mut Vec<Command>) {
        let is_healthy = |service: &Self, task: TaskId| service.tasks[task as usize].healthy_at <= now;
        let mut healthy = self.running.iter().filter(|&&task| is_healthy(self, task)).count() as u32;
        let version = self.version;
        let outdated = |&task: &TaskId| self.tasks[task as usize].version < version;
        for task in self.running.iter().copied().filter(outdated).collect::<Vec<_>>() {
            let left = healthy - u32::from(is_healthy(self, task));
            if left < self.least_healthy() {
                continue;
            }
            healthy = left;
            self.stop(now, task, self.laws.stop_timeout, out);
        }
    }
}
