//! A stack that drains its queue with a Lambda function behind an event source mapping.

mod meter;

use crate::books::{Attempt, Books, Load};
use crate::cpu::CpuShare;
use crate::engine::{Consumer, World};
use crate::events::Due;
use meter::{Totals, WindowCounts};
use model::random::{Sampler, Stream};
use model::run::{Activity, ActivityKind};
use model::scenario::{Lambda, Message, Parameters, Stack};
use model::time::{MILLISECOND, MINUTE, Nanos, SECOND};
use platform::lambda::{Admission, Environment, Function, Limit, Mapping};
use platform::sqs::{Polling, Receipt, Received};
use std::collections::VecDeque;

/// Kinds of event; the id of the first three is a batch's number.
mod kind {
    pub(super) const END: u32 = 0;
    pub(super) const RETRY: u32 = 1;
    pub(super) const WINDOW: u32 = 2;
    pub(super) const TICK: u32 = 3;
    pub(super) const MINUTE: u32 = 4;
    pub(super) const POLL: u32 = 5;
}

/// Messages of one ReceiveMessage call of the mapping.
const RECEIVE_MOST: u32 = 10;
/// DeleteMessageBatch takes this many.
const DELETE_MOST: u64 = 10;

/// One message of a batch, and what its invocation makes of it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    receipt: Receipt,
    receive_count: u32,
    fails: bool,
    work: Nanos,
    received_at: Nanos,
    started_at: Nanos,
    finished_at: Nanos,
    outcome: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Untouched,
    Failed,
    Succeeded,
}

/// A loop's batch: being collected, held back by throttling, or being invoked.
#[derive(Clone, Debug, Default)]
struct Batch {
    entries: Vec<Entry>,
    environment: Option<Environment>,
    cold: bool,
    tries: u32,
    /// First receive; the batch is dropped when its first message becomes visible again.
    since: Nanos,
    drop_at: Nanos,
    failed: bool,
    reset: bool,
    collecting: bool,
    /// Payload, metadata included.
    bytes: u64,
}

pub(crate) struct LambdaStack {
    world: World,
    function: Function,
    mapping: Mapping,
    config: Lambda,
    visibility_timeout: Nanos,
    batches: Vec<Batch>,
    free: Vec<u32>,
    /// Batches that wait for more messages, the oldest first.
    collecting: VecDeque<u32>,
    /// Batches that throttling holds back.
    held_back: u32,
    /// Loops that wait until event pollers may receive again.
    paced: u32,
    /// Whether an event that lets them go on is scheduled.
    pace_pending: bool,
    busy: u32,
    samplers: Samplers,
    payload: Payload,
    stream: Stream,
    /// Time that the computing part of work takes, as a multiple of a full vCPU's.
    cpu: CpuShare,
    totals: Totals,
    window: WindowCounts,
    last_throttle: Option<Nanos>,
    metered_to: Nanos,
    account_limited: bool,
}

struct Samplers {
    delivery: Sampler,
    delete: Sampler,
    first_invoke: Nanos,
    retry: (Nanos, Nanos),
    window_wait: Nanos,
    log_bytes: u64,
    init_limit: Nanos,
}

/// Payload limits of a batch.
struct Payload {
    most: u64,
    per_record: u64,
    /// The largest message with its metadata.
    largest: u64,
}

impl LambdaStack {
    pub(crate) fn new(
        world: World,
        stack: &Stack,
        config: &Lambda,
        beliefs: &Parameters,
        seed: u64,
        message: &Message,
    ) -> Self {
        let queue_timeout = stack.queue.visibility_timeout;
        // With a batching window the mapping asks for longer. Source: Lambda developer guide, using SQS.
        let with_window = config.batching_window + config.timeout + 30 * SECOND;
        let needs_more =
            config.batching_window > 0 && config.batching_window + config.timeout > queue_timeout;
        let stack_seed = |what: &str| Stream::new(seed, &format!("{} {what}", stack.name));
        let vcpus = f64::from(config.memory_mb) / beliefs.lambda_mb_per_vcpu.max(1) as f64;
        let mut new = Self {
            world,
            function: Function::new(config, beliefs, stack_seed("environments")),
            mapping: Mapping::new(config, beliefs),
            config: config.clone(),
            visibility_timeout: if needs_more { with_window } else { queue_timeout },
            batches: Vec::new(),
            free: Vec::new(),
            collecting: VecDeque::new(),
            held_back: 0,
            paced: 0,
            pace_pending: false,
            busy: 0,
            samplers: Samplers {
                delivery: Sampler::through(&[
                    (0.10, beliefs.esm_delivery_p10),
                    (0.50, beliefs.esm_delivery_p50),
                    (0.90, beliefs.esm_delivery_p90),
                    (0.99, beliefs.esm_delivery_p99),
                ]),
                delete: Sampler::lognormal(beliefs.sqs_delete_median, beliefs.sqs_delete_p99),
                first_invoke: platform::lambda::first_invoke(config),
                retry: (beliefs.esm_throttle_retry_first.max(MILLISECOND), beliefs.esm_throttle_retry_most),
                window_wait: beliefs.esm_window_wait,
                log_bytes: beliefs.lambda_log_bytes,
                init_limit: beliefs.lambda_init_limit,
            },
            payload: Payload {
                most: beliefs.esm_batch_bytes,
                per_record: beliefs.esm_record_bytes,
                largest: u64::from(message.body_bytes.1) + beliefs.esm_record_bytes,
            },
            stream: stack_seed("calls"),
            cpu: CpuShare { share: message.cpu_share, vcpus },
            totals: Totals::default(),
            window: WindowCounts::default(),
            last_throttle: None,
            metered_to: 0,
            account_limited: false,
        };
        (0..new.mapping.loops()).for_each(|_| new.mapping.park(0));
        new.world.events.push(0, kind::TICK, 0);
        new.world.events.push(MINUTE, kind::MINUTE, 0);
        new
    }

    pub(crate) fn into_world(self) -> World {
        self.world
    }

    /// Whether an account limit, not the function's own, refused invocations.
    pub(crate) fn account_limited(&self) -> bool {
        self.account_limited
    }

    /// A loop asks for messages: it collects, invokes, or (false) goes to sleep on its long poll.
    fn poll(&mut self, now: Nanos) -> bool {
        if self.world.queue.visible() == 0 {
            self.mapping.park(now);
            return false;
        }
        if !self.may_receive(now) {
            self.paced += 1;
            return false;
        }
        let number = self.allocate(now);
        if !self.receive(now, number) {
            self.free.push(number);
            self.mapping.park(now);
            return false;
        }
        self.fill_or_invoke(now, number);
        true
    }

    /// Whether event pollers may call ReceiveMessage now; if not, one event says when they may again.
    #[inline]
    fn may_receive(&mut self, now: Nanos) -> bool {
        let Some(later) = self.mapping.pace(now) else { return true };
        if !self.pace_pending {
            self.pace_pending = true;
            self.world.events.push(later, kind::POLL, 0);
        }
        false
    }

    /// Those that had to wait may receive again: as many as the pace allows.
    fn go_on_receiving(&mut self, now: Nanos) {
        self.pace_pending = false;
        while self.paced > 0 && !self.pace_pending {
            self.paced -= 1;
            self.poll(now);
        }
        self.visible(now);
    }

    fn allocate(&mut self, now: Nanos) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.batches.push(Batch::default());
            (self.batches.len() - 1) as u32
        });
        let batch = &mut self.batches[number as usize];
        batch.entries.clear();
        (batch.tries, batch.since, batch.drop_at, batch.bytes) = (0, now, Nanos::MAX, 0);
        number
    }

    /// One ReceiveMessage into a batch; false if it found nothing.
    #[inline]
    fn receive(&mut self, now: Nanos, number: u32) -> bool {
        let room = self.room(number);
        let batch = &mut self.batches[number as usize];
        let most = room.min(RECEIVE_MOST);
        let mut bytes = 0;
        let World { queue, books, .. } = &mut self.world;
        let polled = queue.receive(now, most, Polling::Long, self.visibility_timeout, |received, load| {
            Books::held(load);
            bytes += u64::from(load.bytes);
            batch.drop_at = batch.drop_at.min(received.visible_at);
            batch.entries.push(entry_of(received, load, now));
        });
        let Ok(count @ 1..) = polled else { return false };
        batch.bytes += bytes + u64::from(count) * self.payload.per_record;
        books.received(count, bytes);
        self.mapping.received(bytes);
        books.counters.not_visible_max = books.counters.not_visible_max.max(queue.in_flight());
        true
    }

    /// Invokes a batch that is full, or keeps it open for its batching window.
    fn fill_or_invoke(&mut self, now: Nanos, number: u32) {
        while self.config.batch_size > RECEIVE_MOST
            && !self.is_full(number)
            && self.world.queue.visible() > 0
            && self.may_receive(now)
            && self.receive(now, number)
        {}
        let window = self.config.batching_window;
        if window == 0 || self.is_full(number) {
            return self.invoke(now, number);
        }
        let batch = &mut self.batches[number as usize];
        batch.collecting = true;
        // The poll in progress is not cut short: without more messages it returns after its own wait.
        let until = batch.since + window.max(self.samplers.window_wait);
        self.collecting.push_back(number);
        self.world.events.push(until, kind::WINDOW, number);
    }

    fn is_full(&self, number: u32) -> bool {
        self.room(number) == 0
    }

    /// How many more messages a batch can take, of whatever size they turn out to be.
    #[inline]
    fn room(&self, number: u32) -> u32 {
        let batch = &self.batches[number as usize];
        let by_count = self.config.batch_size - batch.entries.len() as u32;
        let by_bytes = self.payload.most.saturating_sub(batch.bytes) / self.payload.largest;
        // One message fits always: the limit of the queue is below that of the batch.
        let by_bytes = if batch.entries.is_empty() { by_bytes.max(1) } else { by_bytes };
        by_count.min(by_bytes.min(u64::from(u32::MAX)) as u32)
    }

    fn close_collecting(&mut self, now: Nanos, number: u32) {
        self.batches[number as usize].collecting = false;
        self.collecting.retain(|&other| other != number);
        self.invoke(now, number);
    }

    fn invoke(&mut self, now: Nanos, number: u32) {
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
        let (first, most) = self.samplers.retry;
        let pause = first.saturating_mul(1 << batch.tries.min(20)).min(most.max(first));
        batch.tries += 1;
        self.world.events.push((now + pause).min(batch.drop_at), kind::RETRY, number);
    }

    fn retry(&mut self, now: Nanos, number: u32) {
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
        (batch.environment, batch.cold) = (Some(environment), cold);
        self.bill(environment, end - began, before);
        self.world.events.push(end, kind::END, number);
    }

    /// Decides what the handler makes of each message, and returns when it ends.
    fn work(&mut self, number: u32, began: Nanos, before: Nanos) -> Nanos {
        let limit = began + self.config.timeout;
        let (parallel, partial) = (self.config.parallel_batch, self.config.partial_batch_responses);
        let batch = &mut self.batches[number as usize];
        let at_once = if parallel { batch.entries.len() as u32 } else { 1 };
        (batch.failed, batch.reset) = (false, false);
        let first = began + before;
        let mut clock = first;
        let mut end = first;
        for entry in &mut batch.entries {
            entry.started_at = clock.min(limit);
            let finished = clock + self.cpu.stretch(entry.work, at_once);
            if finished > limit {
                (batch.failed, batch.reset, end) = (true, true, limit);
                if parallel { continue } else { break }
            }
            entry.finished_at = finished;
            end = end.max(finished);
            if entry.fails {
                entry.outcome = Fate::Failed;
                batch.failed |= !partial;
                if !parallel && !partial {
                    break;
                }
            } else {
                entry.outcome = Fate::Succeeded;
            }
            if !parallel {
                clock = finished;
            }
        }
        end.min(limit)
    }

    fn bill(&mut self, environment: Environment, duration: Nanos, init: Nanos) {
        let memory = u64::from(self.config.memory_mb);
        self.window.duration += duration;
        let billed_ms = (duration + init).div_ceil(MILLISECOND).max(1);
        self.totals.invocations += 1;
        if environment.provisioned {
            self.totals.provisioned_mb_ms += memory * billed_ms;
        } else {
            self.totals.on_demand_mb_ms += memory * billed_ms;
        }
        self.world.books.log_bytes += self.samplers.log_bytes;
    }

    /// The invocation is over: what succeeded is deleted, unless the whole batch failed.
    fn end(&mut self, now: Nanos, number: u32) {
        let mut batch = std::mem::take(&mut self.batches[number as usize]);
        self.busy -= 1;
        let worker = batch.environment.as_ref().map_or(0, |environment| environment.id);
        if let Some(environment) = batch.environment.take() {
            self.function.release(now, environment, batch.reset);
        }
        self.window.errors += u64::from(batch.failed);
        let deleted_at = (!batch.failed).then(|| now + self.samplers.delete.draw(&mut self.stream));
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
                worker,
                cold_start: batch.cold,
            };
            match deleted_at {
                None => books.completed(queue, &attempt),
                Some(deleted_at) => {
                    deletes += 1;
                    books.finished(queue, &attempt, deleted_at);
                }
            }
        }
        books.requests.delete += u64::div_ceil(deletes, DELETE_MOST);
        let failed = batch.failed;
        self.batches[number as usize] = batch;
        self.next_round(now, number, failed);
    }

    /// The loop of a batch that is done with goes on, or ends because the mapping has backed off.
    fn next_round(&mut self, now: Nanos, number: u32, failed: bool) {
        self.free.push(number);
        if self.mapping.finished(failed) {
            self.poll(now);
        }
    }

    fn tick(&mut self, now: Nanos) {
        let backlog = self.world.queue.visible() > 0;
        self.meter_pollers(now);
        let tick = self.mapping.tick(now, backlog, self.held_back > 0);
        self.window.loops_max = self.window.loops_max.max(self.mapping.loops());
        (0..tick.added).for_each(|_| _ = self.poll(now));
        // The in-flight limit can leave messages waiting beside idle loops.
        self.visible(now);
        self.world.events.push(tick.next, kind::TICK, 0);
    }

    fn minute(&mut self, now: Nanos) {
        self.function.reap(now);
        self.world.queue.expire(now);
        self.world.events.push(now + MINUTE, kind::MINUTE, 0);
    }
}

#[inline(always)]
fn entry_of(received: Received, load: &Load, now: Nanos) -> Entry {
    Entry {
        receipt: received.receipt,
        receive_count: received.receive_count,
        fails: load.fails(received.receive_count),
        work: load.work,
        received_at: now,
        started_at: now,
        finished_at: now,
        outcome: Fate::Untouched,
    }
}

impl Consumer for LambdaStack {
    #[inline]
    fn world(&mut self) -> &mut World {
        &mut self.world
    }

    #[inline(always)]
    fn deliver(&mut self, now: Nanos, load: Load) -> bool {
        let free = self.world.queue.hands_over() && self.collecting.is_empty() && !self.pace_pending;
        if !free || !self.mapping.wake(now) {
            return false;
        }
        if !self.may_receive(now) {
            self.paced += 1;
            return false;
        }
        let number = self.allocate(now);
        let batch = &mut self.batches[number as usize];
        let World { queue, books, .. } = &mut self.world;
        queue.send_to_waiting(now, load, self.visibility_timeout, |received, load| {
            Books::held(load);
            batch.drop_at = received.visible_at;
            batch.bytes = u64::from(load.bytes) + self.payload.per_record;
            batch.entries.push(entry_of(received, load, now));
        });
        books.received(1, u64::from(load.bytes));
        books.counters.not_visible_max = books.counters.not_visible_max.max(queue.in_flight());
        self.mapping.received(u64::from(load.bytes));
        self.fill_or_invoke(now, number);
        true
    }

    #[inline]
    fn visible(&mut self, now: Nanos) {
        while self.world.queue.visible() > 0 {
            if let Some(&number) = self.collecting.front() {
                if !self.may_receive(now) || !self.receive(now, number) {
                    return;
                }
                let window_over = now >= self.batches[number as usize].since + self.config.batching_window;
                if window_over || self.is_full(number) {
                    self.close_collecting(now, number);
                }
            } else if !self.mapping.wake(now) || !self.poll(now) {
                return;
            }
        }
    }

    #[inline]
    fn handle(&mut self, due: Due) {
        match due.kind {
            kind::END => self.end(due.at, due.id),
            kind::RETRY => self.retry(due.at, due.id),
            kind::TICK => self.tick(due.at),
            kind::MINUTE => self.minute(due.at),
            kind::POLL => self.go_on_receiving(due.at),
            kind::WINDOW => {
                let batch = &self.batches[due.id as usize];
                // The number may have gone to another batch meanwhile; that one has its own event.
                let window = self.config.batching_window.max(self.samplers.window_wait);
                if batch.collecting && batch.since + window == due.at {
                    self.close_collecting(due.at, due.id);
                }
            }
            _ => unreachable!("unknown kind of event"),
        }
    }

    fn idle(&self) -> bool {
        self.busy == 0
    }

    fn sample(&mut self, now: Nanos) {
        self.sample_window(now);
    }
}
