//! A function's environments: `platform` decides which there are and which takes what; here are their processes.

use super::environment::{Environment, Start, Work};
use super::function::Function;
use model::time::Nanos;
use platform::lambda::{self, Admission, Limit};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All environments of a function.
pub(super) struct Fleet {
    laws: lambda::Function,
    function: Arc<Function>,
    /// By id.
    environments: BTreeMap<u32, Environment>,
    busy: BTreeSet<u32>,
    /// Whether a cold start takes longer than its log line reports.
    overhead: bool,
}

/// An invocation that was admitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admitted {
    pub(super) environment: lambda::Environment,
    /// Whether the environment is new.
    pub(super) cold: bool,
}

impl Fleet {
    /// Begins the provisioned environments; needs a tokio runtime.
    pub(super) fn new(laws: lambda::Function, function: Arc<Function>, overhead: bool) -> Self {
        let (environments, busy) = (BTreeMap::new(), BTreeSet::new());
        let mut fleet = Self { laws, function, environments, busy, overhead };
        fleet.settle();
        fleet
    }

    /// Environments at work.
    pub(super) fn busy(&self) -> u32 {
        self.laws.busy()
    }

    /// Asks for an environment and hands it `work`.
    pub(super) fn invoke(&mut self, now: Nanos, work: impl FnOnce() -> Work) -> Result<Admitted, Limit> {
        let admitted = match self.laws.invoke(now) {
            Admission::Throttled(limit) => {
                self.settle_if_some_ended();
                return Err(limit);
            }
            Admission::Warm { environment, .. } => Admitted { environment, cold: false },
            // The initialisation is timed for real.
            Admission::Cold { environment, overhead, .. } => {
                let overhead = if self.overhead { overhead } else { 0 };
                let begun = Environment::begin(&self.function, environment.id, Start::Cold { overhead });
                self.environments.insert(environment.id, begun);
                Admitted { environment, cold: true }
            }
        };
        let id = admitted.environment.id;
        self.busy.insert(id);
        if let Some(environment) = self.environments.get(&id) {
            environment.invoke(work());
        }
        self.settle_if_some_ended();
        Ok(admitted)
    }

    /// On its way to an environment that is alive an invocation drops those that are not.
    fn settle_if_some_ended(&mut self) {
        if self.environments.len() as u32 != self.laws.busy() + self.laws.idle() {
            self.settle();
        }
    }

    /// An invocation is over; `reset` if its process is gone.
    pub(super) fn release(&mut self, now: Nanos, environment: lambda::Environment, reset: bool) {
        self.laws.release(now, environment, reset);
        self.busy.remove(&environment.id);
        if !self.laws.waiting().any(|waiting| waiting.id == environment.id) {
            self.settle();
        }
    }

    /// Ends the environments whose idle time or age is over.
    pub(super) fn reap(&mut self, now: Nanos) {
        self.laws.reap(now);
        self.settle();
    }

    /// A new version takes the invocations from now on.
    pub(super) fn new_version(&mut self, now: Nanos) {
        self.laws.new_version(now);
        self.settle();
    }

    /// Kills `count` of the environments at work, the oldest first: their invocations fail.
    pub(super) fn crash(&self, count: u32) {
        for id in self.busy.iter().take(count as usize) {
            if let Some(environment) = self.environments.get(id) {
                environment.crash();
            }
        }
    }

    /// Ends those that the function no longer has, and begins those that it should have ready.
    fn settle(&mut self) {
        let Self { laws, function, environments, busy, .. } = self;
        let waiting: BTreeSet<u32> = laws.waiting().map(|environment| environment.id).collect();
        environments.retain(|id, _| busy.contains(id) || waiting.contains(id));
        for id in waiting {
            environments.entry(id).or_insert_with(|| Environment::begin(function, id, Start::Provisioned));
        }
    }

    /// Ends all of them and waits until their processes are gone.
    pub(super) async fn end(self) {
        drop(self.environments);
        self.function.reaped().await;
    }
}
