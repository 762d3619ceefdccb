//! A stack that drains its queue with a Lambda function behind an event source mapping.

mod faults;
mod handler;
mod invocation;
mod meter;

use crate::books::Books;
use crate::cpu::CpuShare;
use crate::engine::{Consumer, World};
use crate::errands::Errands;
use crate::events::{Due, Token};
use crate::faults::{Calls, Faults, fails};
use crate::load::Load;
use meter::{Bill, Totals, WindowCounts};
use model::random::{Sampler, Stream};
use model::scenario::{Lambda, Scenario, Stack};
use model::time::{MILLISECOND, MINUTE, Nanos};
use platform::lambda::{Batching, Environment, Function, Mapping, RECEIVE_MOST};
use platform::sqs::{Polling, Receipt, Received};
use std::collections::VecDeque;

/// Kinds of event; the id of `END`, `RETRY`, `WINDOW` and `DELETE` is a batch's number.
mod kind {
    pub(super) const END: u32 = 0;
    pub(super) const RETRY: u32 = 1;
    pub(super) const WINDOW: u32 = 2;
    pub(super) const TICK: u32 = 3;
    pub(super) const MINUTE: u32 = 4;
    pub(super) const POLL: u32 = 5;
    /// A loop whose receive failed.
    pub(super) const ASK: u32 = 6;
    pub(super) const DELETE: u32 = 7;
    /// The id is a fault's.
    pub(super) const FAULT: u32 = 8;
    /// Messages of a batch are sent on; the id is its number.
    pub(super) const SEND_ON: u32 = 9;
}

/// One message of a batch, and what its invocation makes of it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    receipt: Receipt,
    receive_count: u32,
    fails: bool,
    /// Whether its worker sends it on.
    onward: bool,
    /// Bytes of its body in S3.
    object: u32,
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
    /// Number of the environment, which goes on to others before the batch is deleted.
    worker: u32,
    /// The event that ends the invocation.
    end: Token,
    began: Nanos,
    bill: Bill,
    /// How much longer than with a ready environment it took until the handler began its work.
    cold: Nanos,
    tries: u32,
    /// First receive; the batch is dropped when its first message becomes visible again.
    since: Nanos,
    drop_at: Nanos,
    failed: bool,
    reset: bool,
    collecting: bool,
    /// With metadata.
    payload: u64,
}

pub(crate) struct LambdaStack {
    world: World,
    function: Function,
    mapping: Mapping,
    config: Lambda,
    batching: Batching,
    /// That the mapping asks for.
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
    errands: Errands,
    stream: Stream,
    /// Time that the computing part of work takes, as a multiple of a full vCPU's.
    cpu: CpuShare,
    totals: Totals,
    window: WindowCounts,
    last_throttle: Option<Nanos>,
    metered_to: Nanos,
    account_limited: bool,
    faults: Faults,
    calls: Option<Box<Calls>>,
}

struct Samplers {
    delivery: Sampler,
    delete: Sampler,
    first_invoke: Nanos,
    log_bytes: u64,
    init_limit: Nanos,
    call_retry: Nanos,
}

impl LambdaStack {
    pub(crate) fn new(world: World, scenario: &Scenario, stack: &Stack, config: &Lambda) -> Self {
        let beliefs = &scenario.parameters;
        let pointer = beliefs.claim_check_bytes;
        let payload_max = scenario.messages().iter().map(|message| message.payload_max(pointer)).max();
        let stack_seed = |what: &str| Stream::new(scenario.seed, &format!("{} {what}", stack.name));
        let faults = Faults::of(scenario, stack);
        let batching = Batching::new(config, beliefs, payload_max.unwrap_or(0));
        let vcpus = f64::from(config.memory_mb) / beliefs.lambda_mb_per_vcpu.max(1) as f64;
        let mut new = Self {
            world,
            function: Function::new(config, beliefs, stack_seed("environments")),
            mapping: Mapping::new(config, beliefs),
            config: config.clone(),
            batching,
            visibility_timeout: batching.visibility_timeout(stack.queue.visibility_timeout),
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
                log_bytes: beliefs.lambda_log_bytes,
                init_limit: beliefs.lambda_init_limit,
                call_retry: beliefs.esm_call_retry.max(MILLISECOND),
            },
            errands: Errands::new(beliefs),
            stream: stack_seed("calls"),
            cpu: CpuShare { share: scenario.message.cpu_share, vcpus },
            totals: Totals::default(),
            window: WindowCounts::default(),
            last_throttle: None,
            metered_to: 0,
            account_limited: false,
            calls: faults.calls(scenario, stack),
            faults,
        };
        (0..new.mapping.loops()).for_each(|_| new.mapping.park(0));
        new.world.events.push(0, kind::TICK, 0);
        new.world.events.push(MINUTE, kind::MINUTE, 0);
        new.faults.schedule(&mut new.world.events, kind::FAULT);
        new
    }

    pub(crate) fn into_world(self) -> World {
        self.world
    }

    /// Whether an account limit, not the function's own, refused invocations.
    pub(crate) fn account_limited(&self) -> bool {
        self.account_limited
    }

    /// A loop calls ReceiveMessage.
    #[inline]
    fn ask(&mut self, now: Nanos) {
        if fails(&mut self.calls, now) {
            self.world.events.push(now + self.samplers.call_retry, kind::ASK, 0);
        } else {
            self.poll(now);
        }
    }

    /// The call of a loop is answered, now or once there is a message: it collects, invokes, or (false) goes to sleep on its long poll.
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
            self.ask(now);
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
        (batch.tries, batch.since, batch.drop_at, batch.payload) = (0, now, Nanos::MAX, 0);
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
            bytes += books.payload(load);
            batch.drop_at = batch.drop_at.min(received.visible_at);
            batch.entries.push(entry_of(received, load, now));
        });
        let Ok(count @ 1..) = polled else { return false };
        batch.payload += self.batching.payload(count, bytes);
        books.received(count, bytes);
        self.mapping.received(bytes);
        books.counters.not_visible_max = books.counters.not_visible_max.max(queue.in_flight());
        true
    }

    /// Invokes a batch that is full, or keeps it open for its batching window.
    fn fill_or_invoke(&mut self, now: Nanos, number: u32) {
        while self.batching.takes_several_receives()
            && !self.is_full(number)
            && self.world.queue.visible() > 0
            && self.may_receive(now)
            && self.receive(now, number)
        {}
        if !self.batching.has_window() || self.is_full(number) {
            return self.invoke(now, number);
        }
        let batch = &mut self.batches[number as usize];
        batch.collecting = true;
        let until = self.batching.closes_at(batch.since);
        self.collecting.push_back(number);
        self.world.events.push(until, kind::WINDOW, number);
    }

    fn is_full(&self, number: u32) -> bool {
        self.room(number) == 0
    }

    /// How many more messages a batch can take.
    #[inline]
    fn room(&self, number: u32) -> u32 {
        let batch = &self.batches[number as usize];
        self.batching.room(batch.entries.len() as u32, batch.payload)
    }

    fn close_collecting(&mut self, now: Nanos, number: u32) {
        self.batches[number as usize].collecting = false;
        self.collecting.retain(|&other| other != number);
        self.invoke(now, number);
    }

    fn tick(&mut self, now: Nanos) {
        let backlog = self.world.queue.visible() > 0;
        self.meter_pollers(now);
        let tick = self.mapping.tick(now, backlog, self.held_back > 0);
        self.window.loops_max = self.window.loops_max.max(self.mapping.loops());
        (0..tick.added).for_each(|_| self.ask(now));
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
        onward: load.onward(),
        object: load.object(),
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
        let bytes = books.payload(&load);
        queue.send_to_waiting(now, load, self.visibility_timeout, |received, load| {
            Books::held(load);
            batch.drop_at = received.visible_at;
            batch.payload = self.batching.payload(1, bytes);
            batch.entries.push(entry_of(received, load, now));
        });
        books.received(1, bytes);
        books.counters.not_visible_max = books.counters.not_visible_max.max(queue.in_flight());
        self.mapping.received(bytes);
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
                let window_over = self.batching.window_is_over(self.batches[number as usize].since, now);
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
            kind::END if self.batches[due.id as usize].end == due.token => self.end(due.at, due.id),
            // The environment crashed before.
            kind::END => {}
            kind::DELETE => self.delete(due.at, due.id),
            kind::SEND_ON => self.send_on(due.at, due.id),
            kind::ASK => self.ask(due.at),
            kind::FAULT => self.fault(due.at, due.id),
            kind::RETRY => self.retry(due.at, due.id),
            kind::TICK => self.tick(due.at),
            kind::MINUTE => self.minute(due.at),
            kind::POLL => self.go_on_receiving(due.at),
            kind::WINDOW => {
                let batch = &self.batches[due.id as usize];
                // The number may have gone to another batch meanwhile; that one has its own event.
                if batch.collecting && self.batching.closes_at(batch.since) == due.at {
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
