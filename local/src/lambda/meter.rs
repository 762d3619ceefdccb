//! What a Lambda stack is billed for, and the series that only it has: as `sim` meters them.

use super::environment::Ended;
use crate::stack::StackSetup;
use crate::window::Meters;
use model::run::ActivityKind;
use model::scenario::Lambda;
use model::series::metric;
use model::time::{MILLISECOND, Nanos, Origin, SECOND};
use model::usage::{Item, lambda_billed_ms};

/// The accounts of one function and its mapping.
pub(super) struct Meter {
    meters: Meters,
    setup: StackSetup,
    memory_mb: u64,
    /// Of provisioned concurrency.
    provisioned_mb: u64,
    architecture: &'static str,
    totals: Totals,
    window: WindowCounts,
    metered_to: Nanos,
    account_limited: bool,
}

/// Metered so far.
#[derive(Default)]
struct Totals {
    invocations: u64,
    on_demand_mb_ms: u64,
    provisioned_mb_ms: u64,
    provisioned_mb_ns: u128,
    poller_ns: u128,
}

/// Counted in the open window.
#[derive(Default)]
struct WindowCounts {
    invocations: u64,
    errors: u64,
    throttles: u64,
    cold_starts: u64,
    busy_max: u32,
    loops_max: u32,
    /// Invocations that ended, and the sum of what they took.
    ended: u64,
    duration: Nanos,
}

impl Meter {
    pub(super) fn new(setup: &StackSetup, config: &Lambda) -> Self {
        Self {
            meters: Meters::new(setup),
            setup: setup.clone(),
            memory_mb: config.memory_mb.into(),
            provisioned_mb: u64::from(config.provisioned_concurrency) * u64::from(config.memory_mb),
            architecture: config.architecture.name(),
            totals: Totals::default(),
            window: WindowCounts::default(),
            metered_to: 0,
            account_limited: false,
        }
    }

    /// Whether an account limit, not the function's own, refused invocations.
    pub(super) fn account_limited(&self) -> bool {
        self.account_limited
    }

    pub(super) fn origin(&self) -> Origin {
        self.setup.origin
    }

    pub(super) fn note(&self, at: Nanos, kind: ActivityKind, detail: String) {
        self.setup.note(at, kind, detail);
    }

    /// An invocation begins.
    pub(super) fn invoked(&mut self, cold: bool, busy: u32) {
        self.totals.invocations += 1;
        self.window.invocations += 1;
        self.window.cold_starts += u64::from(cold);
        self.window.busy_max = self.window.busy_max.max(busy);
    }

    /// An invocation was refused, perhaps by a limit of the account.
    pub(super) fn throttled(&mut self, by_account: bool) {
        self.window.throttles += 1;
        self.account_limited |= by_account;
    }

    /// An invocation is over.
    pub(super) fn ended(&mut self, ended: &Ended, provisioned: bool) {
        self.window.errors += u64::from(ended.response.is_none());
        self.window.ended += 1;
        self.window.duration += ended.duration;
        let billed = self.memory_mb * lambda_billed_ms(ended.duration, ended.init);
        let totals = &mut self.totals;
        *if provisioned { &mut totals.provisioned_mb_ms } else { &mut totals.on_demand_mb_ms } += billed;
    }

    /// Time of `pollers` event pollers and of provisioned concurrency up to now.
    pub(super) fn pollers(&mut self, now: Nanos, pollers: u32) {
        let passed = u128::from(now.saturating_sub(self.metered_to));
        self.metered_to = now;
        self.totals.poller_ns += passed * u128::from(pollers);
        self.totals.provisioned_mb_ns += passed * u128::from(self.provisioned_mb);
    }

    /// So many loops exist.
    pub(super) fn loops(&mut self, loops: u32) {
        self.window.loops_max = self.window.loops_max.max(loops);
    }

    /// The end of the open window.
    pub(super) fn next_window(&self) -> Nanos {
        self.meters.next_window()
    }

    /// Looks at the queue for the largest counts of the window.
    pub(super) fn look(&mut self) {
        self.meters.look();
    }

    /// The open window ends: its counts become points, and totals are metered. `succeeded` are attempts that workers
    /// reported.
    pub(super) fn close_window(&mut self, busy: u32, loops: u32, succeeded: u64) {
        let counts = std::mem::take(&mut self.window);
        (self.window.busy_max, self.window.loops_max) = (busy, loops);
        let sample = |metric, statistic, value| self.meters.sample(metric, "Count", statistic, value);
        sample(metric::CONCURRENCY, "Maximum", f64::from(counts.busy_max.max(busy)));
        sample(metric::MAPPING_CONCURRENCY, "Maximum", f64::from(counts.loops_max.max(loops)));
        sample(metric::INVOCATIONS, "Sum", counts.invocations as f64);
        sample(metric::ERRORS, "Sum", counts.errors as f64);
        sample(metric::THROTTLES, "Sum", counts.throttles as f64);
        sample(metric::COLD_STARTS, "Sum", counts.cold_starts as f64);
        if counts.ended > 0 {
            let mean_ms = counts.duration as f64 / MILLISECOND as f64 / counts.ended as f64;
            self.meters.sample(metric::DURATION, "Milliseconds", "Average", mean_ms);
        }
        let (totals, variant, second) = (&self.totals, self.architecture, u128::from(SECOND));
        for (item, variant, total) in [
            (Item::LambdaRequests, "", totals.invocations),
            (Item::LambdaDuration, variant, totals.on_demand_mb_ms),
            (Item::LambdaProvisionedDuration, variant, totals.provisioned_mb_ms),
            (Item::LambdaProvisionedConcurrency, variant, (totals.provisioned_mb_ns / second) as u64),
            (Item::LambdaEventPollers, "", (totals.poller_ns / second) as u64),
        ] {
            self.meters.meter(item, variant, total);
        }
        self.meters.close(succeeded, totals.invocations * self.setup.beliefs.lambda_log_bytes);
    }
}
