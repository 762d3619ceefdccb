//! From a batch that is ready to one that is done with: admission, throttling, the invocation, the deletes.

use super::meter::Bill;
use super::{Fate, LambdaStack, kind};
use crate::books::Attempt;
use crate::engine::World;
use crate::faults::fails;
use model::run::{Activity, ActivityKind};
use model::time::{MINUTE, Nanos};
use platform::lambda::{Admission, DELETE_MOST, Environment, Limit};

impl LambdaStack {
    pub(super) fn invoke(&mut self, now: Nanos, number: u32) {
        match self.function.invoke(now) {
            Admission::Throttled(limit) => self.throttled(now, number, limit),
            Admission::Warm { environment, init } => self.start(now, number, environment, 0, init, false),
            Admission::Cold { environment, init, overhead } => {
                self.start(now, number, environment, overhead, init, true);
            }
        }
    }

    /// The mapping keeps the batch and tries again, until its messages become visible and it has to drop it.
    fn throttled(&mut self, now: Nanos, number: u32, limit: Limit) {
        self.window.throttles += 1;
        // Without a reservation the requests a second are the account's, too.
        let unreserved = self.config.reserved_concurrency.is_none();
        self.account_limited |= limit == Limit::Account || (unreserved && limit == Limit::Requests);
        if self.last_throttle.is_none_or(|last| now - last > MINUTE) {
            let cause = match limit {
                Limit::Reserved => "reserved concurrency",
                Limit::Account => "the account's concurrency",
                Limit::Scaling => "the rate of new environments",
                Limit::Requests => "invocations per second",
            };
            let detail = format!("{} environments busy, limited by {cause}", self.function.busy());
            self.world.books.note(Activity { at: now, kind: ActivityKind::Throttling, detail });
        }
        self.last_throttle = Some(now);
        let batch = &mut self.batches[number as usize];
        if batch.tries == 0 {
            self.held_back += 1;
        }
        let again = self.batching.retry_at(now, batch.tries, batch.drop_at);
        batch.tries += 1;
        self.world.events.push(again, kind::RETRY, number);
    }

    pub(super) fn retry(&mut self, now: Nanos, number: u32) {
        if now < self.batches[number as usize].drop_at {
            return self.invoke(now, number);
        }
        self.held_back -= 1;
        let batch = std::mem::take(&mut self.batches[number as usize]);
        for entry in &batch.entries {
            self.world.books.abandoned(&mut self.world.queue, entry.receipt);
        }
        self.batches[number as usize] = batch;
        self.next_round(now, number, false);
    }

    fn start(
        &mut self,
        now: Nanos,
        number: u32,
        environment: Environment,
        overhead: Nanos,
        init: Nanos,
        cold: bool,
    ) {
        if self.batches[number as usize].tries > 0 {
            self.held_back -= 1;
        }
        self.busy += 1;
        self.window.invocations += 1;
        self.window.cold_starts += u64::from(cold);
        self.window.busy_max = self.window.busy_max.max(self.function.busy());
        let delivery = self.samplers.delivery.draw(&mut self.stream);
        // A cold start's init comes before the handler's clock. A reset environment's runs on it, and so does the
        // second try of one that was cut off.
        let limit = self.samplers.init_limit;
        let (before, suppressed) = match cold {
            true if init <= limit => (init, 0),
            true => (limit, init),
            false => (0, init),
        };
        let began = now + delivery + overhead + before;
        let warm_up = if cold { self.samplers.first_invoke } else { 0 };
        let end = self.work(number, began, suppressed + warm_up);
        let batch = &mut self.batches[number as usize];
        (batch.environment, batch.worker) = (Some(environment), environment.id);
        batch.cold = if cold { overhead + before + suppressed + warm_up } else { 0 };
        batch.began = began;
        batch.bill = Bill { provisioned: environment.provisioned, duration: end - began, init: before };
        batch.end = self.world.events.push(end, kind::END, number);
        let bill = batch.bill;
        self.bill(bill);
    }

    /// The invocation is over.
    pub(super) fn end(&mut self, now: Nanos, number: u32) {
        let batch = &mut self.batches[number as usize];
        self.busy -= 1;
        self.window.errors += u64::from(batch.failed);
        if let Some(environment) = batch.environment.take() {
            self.function.release(now, environment, batch.reset);
        }
        self.delete(now, number);
    }

    /// What succeeded is deleted, unless the whole batch failed. The mapping does not give up.
    pub(super) fn delete(&mut self, now: Nanos, number: u32) {
        let failed = self.batches[number as usize].failed;
        if !failed && fails(&mut self.calls, now) {
            self.world.events.push(now + self.samplers.call_retry, kind::DELETE, number);
            return;
        }
        let batch = std::mem::take(&mut self.batches[number as usize]);
        let deleted_at = (!failed).then(|| now + self.samplers.delete.draw(&mut self.stream));
        let World { queue, books, .. } = &mut self.world;
        let mut deletes = 0;
        for entry in &batch.entries {
            let receipt = entry.receipt;
            if entry.outcome != Fate::Succeeded {
                books.abandoned(queue, receipt);
                continue;
            }
            let attempt = Attempt {
                receipt,
                received_at: entry.received_at,
                started_at: entry.started_at,
                finished_at: entry.finished_at,
                receive_count: entry.receive_count,
                worker: batch.worker,
                cold: batch.cold,
            };
            match deleted_at {
                None => books.completed(queue, &attempt),
                Some(deleted_at) => {
                    deletes += 1;
                    books.finished(queue, &attempt, deleted_at);
                }
            }
        }
        books.requests.delete += u64::div_ceil(deletes, u64::from(DELETE_MOST));
        self.batches[number as usize] = batch;
        self.next_round(now, number, failed);
    }

    /// The loop of a batch that is done with goes on, or ends because the mapping has backed off.
    fn next_round(&mut self, now: Nanos, number: u32, failed: bool) {
        self.free.push(number);
        if self.mapping.finished(failed) {
            self.ask(now);
        }
    }
}
