//! The faults of a scenario, as one stack of a measured run meets them.
//!
//! Goals: those at the queue are acted out here, for every platform alike; the others are given to the driver.
//! Non-goals: faults that are in the messages: the plan has them.

use crate::queues::SharedQueue;
use crate::stack::StackSetup;
use model::run::ActivityKind;
use model::scenario::{Fault, FaultKind};
use model::time::Nanos;
use std::sync::Arc;

/// The faults that happen to one stack.
pub(crate) struct Faults {
    list: Vec<Fault>,
    /// Beginnings, and ends of what has to be undone, in order: the fault's place in the list.
    edges: Vec<(Nanos, usize)>,
    next: usize,
    queue: Arc<SharedQueue>,
    /// VisibilityTimeout of the queue when no fault shortens it.
    visibility_timeout: Nanos,
}

impl Faults {
    pub(crate) fn of(setup: &StackSetup) -> Self {
        let has_tasks = setup.stack.platform.fleet().is_some();
        let happens = |fault: &&Fault| {
            fault.concerns(&setup.stack.name)
                && (has_tasks || !matches!(fault.kind, FaultKind::TaskKill { .. }))
        };
        let list: Vec<Fault> = setup.faults.iter().filter(happens).cloned().collect();
        let mut edges: Vec<(Nanos, usize)> = Vec::new();
        for (index, fault) in list.iter().enumerate() {
            edges.push((fault.from, index));
            if is_at_queue(fault.kind) {
                edges.push((fault.until, index));
            }
        }
        edges.sort_unstable();
        let visibility_timeout = setup.queue.attributes().visibility_timeout;
        Self { list, edges, next: 0, queue: Arc::clone(&setup.queue), visibility_timeout }
    }

    /// When [`Faults::due`] has to be called next.
    pub(crate) fn next_at(&self) -> Option<Nanos> {
        self.edges.get(self.next).map(|&(at, _)| at)
    }

    /// Writes down the faults that begin by `now`, acts out those at the queue, and returns the driver's.
    ///
    /// A driver can be late, and `now` with it. Faults at the queue follow the real present: what is over by then is
    /// noted as such, for no call has met it.
    pub(crate) fn due(&mut self, now: Nanos, setup: &StackSetup) -> Vec<FaultKind> {
        let mut begun = Vec::new();
        let present = setup.now().max(now);
        while let Some(&(at, index)) = self.edges.get(self.next).filter(|(at, _)| *at <= now) {
            self.next += 1;
            let fault = &self.list[index];
            if at == fault.from {
                let kind = match fault.kind {
                    FaultKind::Deployment => ActivityKind::Deployment,
                    _ => ActivityKind::Fault,
                };
                let missed = is_at_queue(fault.kind) && fault.until <= present;
                let remark = if missed { " (came too late: over before it was acted out)" } else { "" };
                setup.note(now, kind, format!("{fault}{remark}"));
                begun.push(fault.kind);
            }
            if is_at_queue(fault.kind) {
                self.apply(present);
            }
        }
        begun.retain(|&kind| !is_at_queue(kind));
        begun
    }

    fn apply(&self, present: Nanos) {
        let (mut answered, mut throttled, mut timeout) = (1.0, 1.0, self.visibility_timeout);
        for fault in self.list.iter().filter(|fault| fault.covers(present)) {
            match fault.kind {
                FaultKind::EndpointErrors { share } => answered *= 1.0 - share,
                FaultKind::EndpointThrottles { share } => throttled *= 1.0 - share,
                FaultKind::ShortVisibility { timeout: short } => timeout = short,
                _ => {}
            }
        }
        // The shares of the calls must not add up to more than all of them.
        self.queue.set_fault_shares(1.0 - answered, answered * (1.0 - throttled));
        self.queue.set_visibility_timeout(timeout);
    }
}

fn is_at_queue(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::EndpointErrors { .. }
            | FaultKind::EndpointThrottles { .. }
            | FaultKind::ShortVisibility { .. }
    )
}
