//! The event source mapping: polls the queue in this process, invokes the function, deletes what succeeded.
//!
//! Goals: the laws of `platform::lambda`, driven by events in real time as `sim` drives them in virtual time: a loop that
//! waits for messages costs nothing, and wakes as soon as one can be received.
//! Non-goals: what happens within an invocation (`environment`).

use super::environment::{Ended, Work};
use super::event::{self, Source};
use super::fleet::{Admitted, Fleet};
use super::meter::Meter;
use super::response::{self, Failures};
use super::throttles::Throttles;
use super::timers::{Timer, Timers};
use crate::queues::{Delivery, SharedQueue};
use model::journal::MessageId;
use model::run::ActivityKind;
use model::scenario::{Lambda, Parameters};
use model::time::{MILLISECOND, MINUTE, Nanos};
use platform::lambda::{Batching, DELETE_MOST, Environment, Limit, Mapping, RECEIVE_MOST};
use platform::sqs::{Polling, Receipt};
use std::collections::VecDeque;
use std::sync::Arc;

/// A loop's batch: being collected, held back by throttling, being invoked, or being deleted.
#[derive(Debug, Default)]
struct Batch {
    entries: Vec<Delivery>,
    /// Busy with it.
    environment: Option<Environment>,
    /// How often it was throttled.
    tries: u32,
    /// First receive.
    since: Nanos,
    /// Its first message becomes visible again: it is dropped if it is still held back.
    drop_at: Nanos,
    collecting: bool,
    /// With metadata.
    payload: u64,
    /// What is to be deleted, once the invocation is over.
    succeeded: Vec<Receipt>,
    failed: bool,
}

/// The mapping of one function.
pub(super) struct EventSourceMapping {
    pub(super) queue: Arc<SharedQueue>,
    pub(super) loops: Mapping,
    pub(super) fleet: Fleet,
    pub(super) timers: Timers,
    pub(super) meter: Meter,
    config: Lambda,
    region: String,
    batching: Batching,
    batches: Vec<Batch>,
    free: Vec<u32>,
    /// Batches that wait for more messages, the oldest first.
    collecting: VecDeque<u32>,
    /// Batches that throttling holds back.
    held_back: u32,
    /// Loops that wait until event pollers may receive again.
    paced: u32,
    /// Whether a timer that lets them go on is set.
    pace_pending: bool,
    call_retry: Nanos,
    throttles: Throttles,
    /// Nothing more is received.
    stopping: bool,
}

impl EventSourceMapping {
    /// A mapping whose loops wait for messages.
    pub(super) fn new(
        queue: Arc<SharedQueue>,
        config: &Lambda,
        beliefs: &Parameters,
        region: &str,
        fleet: Fleet,
        meter: Meter,
    ) -> Self {
        let mut loops = Mapping::new(config, beliefs);
        (0..loops.loops()).for_each(|_| loops.park(0));
        let mut timers = Timers::default();
        timers.push(0, Timer::Tick);
        timers.push(MINUTE, Timer::Minute);
        Self {
            queue,
            loops,
            fleet,
            timers,
            meter,
            config: config.clone(),
            region: region.into(),
            batching: Batching::new(config, beliefs, 0),
            batches: Vec::new(),
            free: Vec::new(),
            collecting: VecDeque::new(),
            held_back: 0,
            paced: 0,
            pace_pending: false,
            call_retry: beliefs.esm_call_retry.max(MILLISECOND),
            throttles: Throttles::default(),
            stopping: false,
        }
    }

    /// Whether a message that arrives would be taken.
    pub(super) fn listens(&self) -> bool {
        !self.stopping && (self.loops.parked() > 0 || !self.collecting.is_empty())
    }

    /// Nothing more is received from now on; what is running may end.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
    }

    /// Whether no invocation runs and nothing has to be deleted.
    pub(super) fn is_idle(&self) -> bool {
        let at_work = |batch: &Batch| batch.environment.is_some() || !batch.succeeded.is_empty();
        !self.batches.iter().any(at_work)
    }

    /// A loop calls ReceiveMessage.
    fn ask(&mut self, now: Nanos) {
        if self.stopping {
            return;
        }
        if self.queue.fault().is_some() {
            self.timers.push(now + self.call_retry, Timer::Ask);
        } else {
            self.poll(now);
        }
    }

    /// The call of a loop is answered, now or once there is a message: it collects, invokes, or (false) waits on.
    fn poll(&mut self, now: Nanos) -> bool {
        self.poll_for(now, RECEIVE_MOST)
    }

    /// The same, for at most so many messages.
    fn poll_for(&mut self, now: Nanos, most: u32) -> bool {
        if self.queue.visible() == 0 {
            self.loops.park(now);
            return false;
        }
        if !self.may_receive(now) {
            self.paced += 1;
            return false;
        }
        let number = self.allocate(now);
        if !self.receive(number, most) {
            self.free.push(number);
            self.loops.park(now);
            return false;
        }
        self.fill_or_invoke(now, number);
        true
    }

    /// Whether event pollers may call ReceiveMessage now; if not, one timer says when they may again.
    fn may_receive(&mut self, now: Nanos) -> bool {
        let Some(later) = self.loops.pace(now) else { return true };
        if !self.pace_pending {
            self.pace_pending = true;
            self.timers.push(later, Timer::Poll);
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
        self.batches[number as usize] = Batch { since: now, drop_at: Nanos::MAX, ..Batch::default() };
        number
    }

    /// One ReceiveMessage into a batch; false if it found nothing.
    fn receive(&mut self, number: u32, most: u32) -> bool {
        let most = self.room(number).min(most);
        let visibility = self.batching.visibility_timeout(self.queue.attributes().visibility_timeout);
        // At the in-flight limit a long poll finds nothing, and says so by returning nothing.
        let received = self.queue.receive(most, Polling::Long, Some(visibility)).unwrap_or_default();
        if received.is_empty() {
            return false;
        }
        let bytes = || received.iter().map(|delivery| u64::from(delivery.message.bytes));
        self.batching.expect(bytes().max().unwrap_or(0));
        let bytes = bytes().sum();
        let batch = &mut self.batches[number as usize];
        batch.payload += self.batching.payload(received.len() as u32, bytes);
        let first = received.iter().map(|delivery| delivery.visible_at).min();
        batch.drop_at = batch.drop_at.min(first.unwrap_or(Nanos::MAX));
        batch.entries.extend(received);
        self.loops.received(bytes);
        true
    }

    /// Invokes a batch that is full, or keeps it open for its batching window.
    fn fill_or_invoke(&mut self, now: Nanos, number: u32) {
        while self.batching.takes_several_receives()
            && self.room(number) > 0
            && self.queue.visible() > 0
            && self.may_receive(now)
            && self.receive(number, RECEIVE_MOST)
        {}
        if !self.batching.has_window() || self.room(number) == 0 {
            return self.invoke(now, number);
        }
        let batch = &mut self.batches[number as usize];
        batch.collecting = true;
        let since = batch.since;
        self.collecting.push_back(number);
        self.timers.push(self.batching.closes_at(since), Timer::Close(number, since));
    }

    /// How many more messages a batch can take.
    fn room(&self, number: u32) -> u32 {
        let batch = &self.batches[number as usize];
        self.batching.room(batch.entries.len() as u32, batch.payload)
    }

    fn close_collecting(&mut self, now: Nanos, number: u32) {
        self.batches[number as usize].collecting = false;
        self.collecting.retain(|&other| other != number);
        self.invoke(now, number);
    }

    fn invoke(&mut self, now: Nanos, number: u32) {
        let Self { fleet, batches, queue, meter, region, .. } = self;
        let batch = &mut batches[number as usize];
        let source = Source { queue, origin: meter.origin(), region };
        let work = || Work { batch: number, event: event::event(source, &batch.entries) };
        match fleet.invoke(now, work) {
            Err(limit) => self.throttled(now, number, limit),
            Ok(Admitted { environment, cold }) => {
                batch.environment = Some(environment);
                self.held_back -= u32::from(batch.tries > 0);
                self.meter.invoked(cold, self.fleet.busy());
            }
        }
    }

    /// The mapping keeps the batch and tries again, until its messages become visible and it has to drop it.
    fn throttled(&mut self, now: Nanos, number: u32, limit: Limit) {
        // Without a reservation the requests a second are the account's, too.
        let unreserved = self.config.reserved_concurrency.is_none();
        self.meter.throttled(limit == Limit::Account || (unreserved && limit == Limit::Requests));
        if self.throttles.begins(now, limit) {
            let cause = match limit {
                Limit::Reserved => "reserved concurrency",
                Limit::Account => "the account's concurrency",
                Limit::Scaling => "the rate of new environments",
                Limit::Requests if unreserved => "the account's invocations per second",
                Limit::Requests => "invocations per second",
            };
            let detail = format!("{} environments busy, limited by {cause}", self.fleet.busy());
            self.meter.note(now, ActivityKind::Throttling, detail);
        }
        let batch = &mut self.batches[number as usize];
        self.held_back += u32::from(batch.tries == 0);
        self.timers.push(self.batching.retry_at(now, batch.tries, batch.drop_at), Timer::Retry(number));
        batch.tries += 1;
    }

    fn retry(&mut self, now: Nanos, number: u32) {
        if self.stopping {
            return;
        }
        if now < self.batches[number as usize].drop_at {
            return self.invoke(now, number);
        }
        self.held_back -= 1;
        self.next_round(now, number);
    }

    /// An invocation is over.
    pub(super) fn ended(&mut self, now: Nanos, ended: &Ended) {
        let number = ended.batch;
        let batch = &mut self.batches[number as usize];
        let Some(environment) = batch.environment.take() else { return };
        self.meter.ended(ended, environment.provisioned);
        self.fleet.release(now, environment, ended.reset);
        let ids: Vec<MessageId> = batch.entries.iter().map(|delivery| delivery.message.id).collect();
        let failures = match &ended.response {
            None => Failures::All,
            Some(body) => response::failures(self.config.partial_batch_responses, body, &ids),
        };
        batch.failed = failures == Failures::All;
        if let Failures::Some(places) = failures {
            let succeeded =
                batch.entries.iter().enumerate().filter(|(place, _)| places.binary_search(place).is_err());
            batch.succeeded = succeeded.map(|(_, delivery)| delivery.receipt).collect();
        }
        self.delete(now, number);
    }

    /// Deletes what succeeded; the mapping does not give up.
    fn delete(&mut self, now: Nanos, number: u32) {
        let batch = &mut self.batches[number as usize];
        if !batch.succeeded.is_empty() {
            if self.queue.fault().is_some() {
                return self.timers.push(now + self.call_retry, Timer::Delete(number));
            }
            for receipts in std::mem::take(&mut batch.succeeded).chunks(DELETE_MOST as usize) {
                self.queue.delete(receipts.iter().copied());
            }
        }
        self.next_round(now, number);
    }

    /// The loop of a batch that is done with goes on, or ends because the mapping has backed off.
    fn next_round(&mut self, now: Nanos, number: u32) {
        let batch = std::mem::take(&mut self.batches[number as usize]);
        self.free.push(number);
        if self.loops.finished(batch.failed) {
            self.ask(now);
        }
    }

    /// Messages may have become visible.
    pub(super) fn visible(&mut self, now: Nanos) {
        while !self.stopping && self.queue.visible() > 0 {
            if let Some(&number) = self.collecting.front() {
                if !self.may_receive(now) || !self.receive(number, RECEIVE_MOST) {
                    return;
                }
                let window_over = self.batching.window_is_over(self.batches[number as usize].since, now);
                if window_over || self.room(number) == 0 {
                    self.close_collecting(now, number);
                }
            } else if !self.loops.wake(now) {
                // Somebody else may wait for messages, too.
                return self.queue.pass_on();
            } else {
                // Messages that were sent together are spread over the queue's servers, and the polls that wait get
                // some each: a batch that is sent is not the batch that is received.
                let waiting = u64::from(self.loops.parked()) + 1;
                let share = self.queue.visible().div_ceil(waiting).min(u64::from(RECEIVE_MOST));
                if !self.poll_for(now, share.max(1) as u32) {
                    return;
                }
            }
        }
    }

    fn tick(&mut self, now: Nanos, due: Nanos) {
        let backlog = self.queue.visible() > 0;
        self.meter.pollers(now, self.loops.pollers());
        let tick = self.loops.tick(now, backlog, self.held_back > 0);
        self.meter.loops(self.loops.loops());
        (0..tick.added).for_each(|_| self.ask(now));
        // The in-flight limit can leave messages waiting beside idle loops.
        self.visible(now);
        // From the instant that it was due at, so that the ramp does not lag.
        self.timers.push((due + (tick.next - now)).max(now), Timer::Tick);
    }

    /// The open window of the run ends; `succeeded` are attempts that workers reported.
    pub(super) fn close_window(&mut self, now: Nanos, succeeded: u64) {
        self.queue.count_empty_receives(self.loops.take_empty_receives(now));
        self.meter.pollers(now, self.loops.pollers());
        self.meter.close_window(self.fleet.busy(), self.loops.loops(), succeeded);
    }

    /// Does what has fallen due; faults and windows of the run are the driver's.
    pub(super) fn due(&mut self, now: Nanos, at: Nanos, timer: Timer) {
        match timer {
            Timer::Tick => self.tick(now, at),
            Timer::Poll => self.go_on_receiving(now),
            Timer::Ask => self.ask(now),
            Timer::Retry(number) => self.retry(now, number),
            Timer::Delete(number) => self.delete(now, number),
            Timer::Minute => {
                self.fleet.reap(now);
                self.timers.push(now + MINUTE, Timer::Minute);
            }
            Timer::Close(number, since) => {
                let batch = &self.batches[number as usize];
                // The number may have gone to another batch meanwhile; that one has its own timer.
                if batch.collecting && batch.since == since && !self.stopping {
                    self.close_collecting(now, number);
                }
            }
            Timer::Fault | Timer::Look | Timer::Window => {}
        }
    }
}
