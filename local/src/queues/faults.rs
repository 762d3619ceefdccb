//! Calls that fail because the scenario says so.

use super::SharedQueue;
use crate::message::mix;
use model::scenario;
use model::time::Nanos;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Which failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injected {
    /// 500 InternalFailure.
    Error,
    /// 403 RequestThrottled.
    Throttle,
}

/// Shares of the calls, and which call it is.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// In parts of 2^32 - 1.
    errors: AtomicU32,
    throttles: AtomicU32,
    calls: AtomicU64,
}

impl SharedQueue {
    /// From now on these shares of the calls that receive, delete or change visibility (0 to 1 each) fail with a 500, or
    /// with RequestThrottled. A call that fails has no effect; sending and control calls never fail.
    pub fn set_fault_shares(&self, errors: f64, throttles: f64) {
        let parts = |share: f64| (share * f64::from(u32::MAX)) as u32;
        self.faults.errors.store(parts(errors), Ordering::Relaxed);
        self.faults.throttles.store(parts(throttles), Ordering::Relaxed);
    }

    /// VisibilityTimeout from now on; messages in flight keep theirs.
    pub fn set_visibility_timeout(&self, visibility_timeout: Nanos) {
        let queue = &mut self.lock().queue;
        let attributes = queue.attributes();
        queue.set_attributes(scenario::Queue { visibility_timeout, ..attributes });
    }

    /// Whether the next receive, delete or change of visibility fails; it is counted. For whoever calls the queue in
    /// this process, too.
    #[must_use]
    pub fn fault(&self) -> Option<Injected> {
        let errors = u64::from(self.faults.errors.load(Ordering::Relaxed));
        let throttles = u64::from(self.faults.throttles.load(Ordering::Relaxed));
        if errors + throttles == 0 {
            return None;
        }
        let call = self.faults.calls.fetch_add(1, Ordering::Relaxed);
        let draw = mix(call) % u64::from(u32::MAX);
        if draw >= errors + throttles {
            return None;
        }
        let totals = &mut self.lock().totals;
        if draw < errors {
            totals.injected_errors += 1;
            return Some(Injected::Error);
        }
        totals.injected_throttles += 1;
        Some(Injected::Throttle)
    }
}
