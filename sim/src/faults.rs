//! The faults of a scenario, as one stack meets them.
//!
//! Goals: nothing is scheduled, drawn or asked in a run without faults.
//! Non-goals: faults that are in the messages (the plan has them), and what a fault does to a platform.

use crate::events::Events;
use model::random::Stream;
use model::run::{Activity, ActivityKind};
use model::scenario::{Fault, FaultKind, Scenario, Stack};
use model::time::Nanos;

/// The faults that happen to one stack.
pub(crate) struct Faults {
    list: Vec<Fault>,
    /// VisibilityTimeout of the queue when no fault shortens it.
    visibility_timeout: Nanos,
}

impl Faults {
    pub(crate) fn of(scenario: &Scenario, stack: &Stack) -> Self {
        let has_tasks = stack.platform.fleet().is_some();
        let happens = |fault: &&Fault| {
            fault.concerns(&stack.name) && (has_tasks || !matches!(fault.kind, FaultKind::TaskKill { .. }))
        };
        let list = scenario.faults.iter().filter(happens).cloned().collect();
        Self { list, visibility_timeout: stack.queue.visibility_timeout }
    }

    /// Schedules an event of `kind` for the beginning of each fault, and for the end of one that has to be undone.
    pub(crate) fn schedule(&self, events: &mut Events, kind: u32) {
        for (index, fault) in self.list.iter().enumerate() {
            events.push(fault.from, kind, index as u32);
            if matches!(fault.kind, FaultKind::ShortVisibility { .. }) {
                events.push(fault.until, kind, index as u32);
            }
        }
    }

    /// The fault of an event's id, and what to write down if it begins now.
    pub(crate) fn due(&self, now: Nanos, id: u32) -> (FaultKind, Option<Activity>) {
        let fault = &self.list[id as usize];
        let kind = match fault.kind {
            FaultKind::Deployment => ActivityKind::Deployment,
            _ => ActivityKind::Fault,
        };
        let begins = now == fault.from;
        (fault.kind, begins.then(|| Activity { at: now, kind, detail: fault.to_string() }))
    }

    /// The queue's VisibilityTimeout.
    pub(crate) fn visibility_timeout(&self, now: Nanos) -> Nanos {
        let mut shortened =
            self.list.iter().filter(|fault| fault.covers(now)).filter_map(|fault| match fault.kind {
                FaultKind::ShortVisibility { timeout } => Some(timeout),
                _ => None,
            });
        shortened.next_back().unwrap_or(self.visibility_timeout)
    }

    /// The calls to the queue that fail; `None` if none will.
    pub(crate) fn calls(&self, scenario: &Scenario, stack: &Stack) -> Option<Box<Calls>> {
        let spans: Vec<(Fault, f64)> = self
            .list
            .iter()
            .filter_map(|fault| match fault.kind {
                FaultKind::EndpointErrors { share } | FaultKind::EndpointThrottles { share } => {
                    Some((fault.clone(), share))
                }
                _ => None,
            })
            .collect();
        if spans.is_empty() {
            return None;
        }
        let stream = Stream::new(scenario.seed, &format!("{} failing calls", stack.name));
        Some(Box::new(Calls { spans, stream }))
    }
}

/// Calls of ReceiveMessage and DeleteMessage that the queue answers with an error.
pub(crate) struct Calls {
    spans: Vec<(Fault, f64)>,
    stream: Stream,
}

impl Calls {
    fn fails(&mut self, now: Nanos) -> bool {
        let Self { spans, stream } = self;
        spans.iter().any(|(fault, share)| fault.covers(now) && stream.chance(*share))
    }
}

/// Whether a call that is made now fails.
#[inline]
pub(crate) fn fails(calls: &mut Option<Box<Calls>>, now: Nanos) -> bool {
    calls.as_mut().is_some_and(|calls| calls.fails(now))
}
