//! What a Lambda stack is billed for, and the series that only it has.

use super::LambdaStack;
use model::series::metric;
use model::time::{MILLISECOND, Nanos, SECOND};
use model::usage::{Item, lambda_billed_ms};

/// Metered so far.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) invocations: u64,
    pub(super) on_demand_mb_ms: u64,
    pub(super) provisioned_mb_ms: u64,
    pub(super) provisioned_mb_ns: u128,
    pub(super) poller_ns: u128,
}

/// Counted in the open window.
#[derive(Default)]
pub(super) struct WindowCounts {
    pub(super) invocations: u64,
    pub(super) errors: u64,
    pub(super) throttles: u64,
    pub(super) cold_starts: u64,
    pub(super) busy_max: u32,
    pub(super) loops_max: u32,
    /// Sum over invocations.
    pub(super) duration: Nanos,
}

/// What an invocation is billed for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bill {
    pub(super) provisioned: bool,
    /// Of the handler.
    pub(super) duration: Nanos,
    /// Before it.
    pub(super) init: Nanos,
}

impl Bill {
    fn ms(&self) -> u64 {
        lambda_billed_ms(self.duration, self.init)
    }
}

impl LambdaStack {
    /// Bills an invocation that begins, for as long as it will take.
    pub(super) fn bill(&mut self, bill: Bill) {
        self.window.duration += bill.duration;
        self.totals.invocations += 1;
        *self.billed(bill.provisioned) += u64::from(self.config.memory_mb) * bill.ms();
        self.world.books.log_bytes += self.samplers.log_bytes;
    }

    /// Takes back what an invocation was billed for beyond `duration`, for it ended earlier than it would have.
    pub(super) fn take_back(&mut self, bill: Bill, duration: Nanos) {
        let duration = duration.min(bill.duration);
        let shorter = Bill { duration, ..bill };
        // It may have begun in an earlier window, whose mean stays as it is.
        self.window.duration = self.window.duration.saturating_sub(bill.duration - duration);
        *self.billed(bill.provisioned) -= u64::from(self.config.memory_mb) * (bill.ms() - shorter.ms());
    }

    fn billed(&mut self, provisioned: bool) -> &mut u64 {
        let Totals { provisioned_mb_ms, on_demand_mb_ms, .. } = &mut self.totals;
        if provisioned { provisioned_mb_ms } else { on_demand_mb_ms }
    }

    /// Time of event pollers and provisioned concurrency up to now.
    pub(super) fn meter_pollers(&mut self, now: Nanos) {
        let passed = u128::from(now - self.metered_to);
        self.metered_to = now;
        self.totals.poller_ns += passed * u128::from(self.mapping.pollers());
        let provisioned = u128::from(self.config.provisioned_concurrency) * u128::from(self.config.memory_mb);
        self.totals.provisioned_mb_ns += passed * provisioned;
    }

    /// The open window ends: its counts become points, and totals are metered.
    pub(super) fn sample_window(&mut self, now: Nanos) {
        let empty = self.mapping.take_empty_receives(now);
        self.meter_pollers(now);
        let counts = std::mem::take(&mut self.window);
        (self.window.busy_max, self.window.loops_max) = (self.function.busy(), self.mapping.loops());
        let loops = counts.loops_max.max(self.mapping.loops());
        let busy = counts.busy_max.max(self.function.busy());
        let books = &mut self.world.books;
        books.empty_receives(empty);
        books.meters.sample(metric::CONCURRENCY, "Count", "Maximum", f64::from(busy));
        books.meters.sample(metric::MAPPING_CONCURRENCY, "Count", "Maximum", f64::from(loops));
        books.meters.sample(metric::INVOCATIONS, "Count", "Sum", counts.invocations as f64);
        books.meters.sample(metric::ERRORS, "Count", "Sum", counts.errors as f64);
        books.meters.sample(metric::THROTTLES, "Count", "Sum", counts.throttles as f64);
        books.meters.sample(metric::COLD_STARTS, "Count", "Sum", counts.cold_starts as f64);
        if counts.invocations > 0 {
            let mean_ms = counts.duration as f64 / MILLISECOND as f64 / counts.invocations as f64;
            books.meters.sample(metric::DURATION, "Milliseconds", "Average", mean_ms);
        }
        let variant = self.config.architecture.name();
        let second = u128::from(SECOND);
        books.meters.meter(Item::LambdaRequests, "", self.totals.invocations);
        books.meters.meter(Item::LambdaDuration, variant, self.totals.on_demand_mb_ms);
        books.meters.meter(Item::LambdaProvisionedDuration, variant, self.totals.provisioned_mb_ms);
        books.meters.meter(
            Item::LambdaProvisionedConcurrency,
            variant,
            (self.totals.provisioned_mb_ns / second) as u64,
        );
        books.meters.meter(Item::LambdaEventPollers, "", (self.totals.poller_ns / second) as u64);
    }
}
