//! A stack that drains its queue with a fleet: ECS tasks, instances or pods that poll, work and delete. Where it says
//! task, all three are meant.

mod control;
mod faults;
mod lifecycle;
mod polling;

use crate::books::{Attempt, Books};
use crate::cpu::{CpuShare, CpuUse};
use crate::engine::{self, Consumer, World};
use crate::errands::Errands;
use crate::events::{Due, Token};
use crate::faults::{Calls, Faults, fails};
use crate::load::Load;
use model::random::{Sampler, Stream};
use model::scenario::{Delete, Fleet, Poll, Scenario, Stack, Worker};
use model::time::Nanos;
use platform::ecs::{Control, TaskId};
use platform::sqs::{Receipt, Received};
use std::collections::VecDeque;

/// Kinds of event. `WORK`: the id is a slot; else a task, or nothing.
mod kind {
    pub(super) const WORK: u32 = 0;
    pub(super) const POLL: u32 = 1;
    pub(super) const EMPTY: u32 = 2;
    pub(super) const START: u32 = 3;
    pub(super) const KILL: u32 = 4;
    pub(super) const INTERRUPT: u32 = 5;
    pub(super) const WAKE: u32 = 6;
    pub(super) const SAMPLE: u32 = 7;
    pub(super) const MINUTE: u32 = 8;
    pub(super) const EVALUATE: u32 = 9;
    pub(super) const SCHEDULED: u32 = 10;
    /// The id is a fault's.
    pub(super) const FAULT: u32 = 11;
    pub(super) const LOOK: u32 = 12;
    /// A message is sent on; the id is a slot.
    pub(super) const SEND_ON: u32 = 13;
}

/// A message on its way through a task.
#[derive(Clone, Copy, Debug)]
struct Entry {
    receipt: Receipt,
    receive_count: u32,
    work: Nanos,
    fails: bool,
    /// Whether its worker sends it on.
    onward: bool,
    /// Bytes of its body in S3.
    object: u32,
    received_at: Nanos,
    /// When the worker has the answer to its receive.
    here_at: Nanos,
}

/// A place in a task where one message is worked on.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The event that ends the work; the default token when the slot is free.
    token: Token,
    entry: Option<Entry>,
    started_at: Nanos,
    finished_at: Nanos,
    /// vCPUs that the work uses on average.
    cpu_rate: f64,
}

/// A message that a batch delete will end.
#[derive(Clone, Copy, Debug)]
struct Done {
    attempt: Attempt,
    fails: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// Not started yet.
    Pending,
    Running,
    /// After SIGTERM.
    Stopping,
    Gone,
}

/// The program in a task.
#[derive(Clone, Debug)]
struct Task {
    life: Life,
    busy: u32,
    /// Received and not begun.
    buffer: VecDeque<Entry>,
    /// Finished and waiting for the batch to be deleted: with when they finished.
    done: Vec<Done>,
    /// As many as were ever busy at once.
    slots: Vec<Slot>,
    free_slots: Vec<u32>,
    /// Number among the live tasks: makes the ids of its slots' events.
    seat: u32,
    /// Names the poll that is outstanding: an event, or a place among the parked.
    poll: Token,
    parked_since: Option<Nanos>,
    /// In a row.
    failed_receives: u32,
}

pub(crate) struct EcsStack {
    world: World,
    worker: Worker,
    visibility_timeout: Nanos,
    tasks: Vec<Task>,
    /// The task of each seat; seats of tasks that are gone are taken again.
    seats: Vec<TaskId>,
    free_seats: Vec<u32>,
    /// Tasks on a long poll, the longest first; entries of tasks that no longer wait are skipped.
    parked: VecDeque<(TaskId, Nanos)>,
    busy: u32,
    receive_latency: Sampler,
    delete_latency: Sampler,
    errands: Errands,
    stream: Stream,
    cpu: CpuShare,
    cpu_use: CpuUse,
    control: Control,
    faults: Faults,
    calls: Option<Box<Calls>>,
}

impl EcsStack {
    pub(crate) fn new(world: World, scenario: &Scenario, stack: &Stack, fleet: Fleet<'_>) -> Self {
        let (beliefs, message) = (&scenario.parameters, &scenario.message);
        let stack_seed = |what: &str| Stream::new(scenario.seed, &format!("{} {what}", stack.name));
        let faults = Faults::of(scenario, stack);
        let worker = *fleet.worker();
        let mut new = Self {
            world,
            worker,
            visibility_timeout: worker.visibility_timeout.unwrap_or(stack.queue.visibility_timeout),
            tasks: Vec::new(),
            seats: Vec::new(),
            free_seats: Vec::new(),
            parked: VecDeque::new(),
            busy: 0,
            receive_latency: Sampler::lognormal(beliefs.sqs_receive_median, beliefs.sqs_receive_p99),
            delete_latency: Sampler::lognormal(beliefs.sqs_delete_median, beliefs.sqs_delete_p99),
            errands: Errands::new(beliefs),
            stream: stack_seed("calls"),
            cpu: CpuShare { share: message.cpu_share, vcpus: f64::from(fleet.cpu_units()) / 1024.0 },
            cpu_use: CpuUse::default(),
            control: Control::new(fleet, beliefs, stack_seed("service"), stack_seed("control")),
            calls: faults.calls(scenario, stack),
            faults,
        };
        new.begin(fleet);
        new
    }

    pub(crate) fn into_world(self) -> World {
        self.world
    }

    /// A free slot takes a message, which its worker begins as soon as it has it.
    fn begin_work(&mut self, now: Nanos, task: TaskId, entry: Entry) {
        // The worker may still wait for the answer to its receive.
        let started_at = now.max(entry.here_at);
        let state = &mut self.tasks[task as usize];
        let index = state.free_slots.pop().unwrap_or_else(|| {
            state.slots.push(Slot::default());
            state.slots.len() as u32 - 1
        });
        state.busy += 1;
        let (busy, seat) = (state.busy, state.seat);
        self.busy += 1;
        let errands = self.errands.time(&mut self.stream, entry.object, entry.onward && !entry.fails);
        let finished_at = started_at + self.cpu.stretch(entry.work, busy) + errands;
        self.world.books.fetched(entry.object);
        let ends = match self.worker.delete {
            Delete::Each if !entry.fails => finished_at + self.delete_latency.draw(&mut self.stream),
            Delete::Each | Delete::Batch => finished_at,
        };
        let mut cpu_rate = 0.0;
        if self.cpu.share > 0.0 && ends > now {
            cpu_rate = entry.work as f64 * self.cpu.share / (ends - now) as f64;
            self.cpu_use.change(now, cpu_rate, self.busy);
        }
        let id = seat * self.worker.concurrency + index;
        if entry.onward && !entry.fails {
            self.world.events.push(finished_at, kind::SEND_ON, id);
        }
        let token = self.world.events.push(ends, kind::WORK, id);
        let slot = Slot { token, entry: Some(entry), started_at, finished_at, cpu_rate };
        self.tasks[task as usize].slots[index as usize] = slot;
    }

    /// A worker sends a message on, unless its task was lost meanwhile.
    fn send_on(&mut self, due: Due) {
        let task = self.seats[(due.id / self.worker.concurrency) as usize];
        let index = (due.id % self.worker.concurrency) as usize;
        let slot = self.tasks[task as usize].slots.get(index).filter(|slot| slot.finished_at == due.at);
        let Some((slot, entry)) = slot.and_then(|slot| Some((slot, slot.entry?))) else { return };
        let attempt = attempt_of(&entry, slot.started_at, slot.finished_at, task);
        let World { queue, books, .. } = &mut self.world;
        if let Some(next) = books.send_on(queue, &attempt) {
            engine::send(self, due.at, next);
        }
    }

    /// The work on a message is over, and its delete is answered.
    fn end_work(&mut self, due: Due) {
        let task = self.seats[(due.id / self.worker.concurrency) as usize];
        let index = (due.id % self.worker.concurrency) as usize;
        let now = due.at;
        let state = &mut self.tasks[task as usize];
        let Some(slot) = state.slots.get_mut(index).filter(|slot| slot.token == due.token) else { return };
        let Some(entry) = slot.entry.take() else { return };
        let (started_at, finished_at, cpu_rate) = (slot.started_at, slot.finished_at, slot.cpu_rate);
        slot.token = Token::default();
        state.free_slots.push(index as u32);
        state.busy -= 1;
        self.busy -= 1;
        if cpu_rate > 0.0 {
            self.cpu_use.change(now, -cpu_rate, self.busy);
        }
        let World { queue, books, .. } = &mut self.world;
        if self.worker.delete == Delete::Batch {
            // Built in its place: copied from the stack it would be waited for.
            state.done.push(Done {
                attempt: attempt_of(&entry, started_at, finished_at, task),
                fails: entry.fails,
            });
        } else if entry.fails {
            books.abandoned(queue, entry.receipt);
        } else if fails(&mut self.calls, now) {
            books.completed(queue, &attempt_of(&entry, started_at, finished_at, task));
        } else {
            books.finished(queue, &attempt_of(&entry, started_at, finished_at, task), now);
            books.requests.delete += 1;
        }
        self.go_on(now, task);
    }

    /// What a task does when a slot has become free.
    fn go_on(&mut self, now: Nanos, task: TaskId) {
        let state = &mut self.tasks[task as usize];
        if let Some(entry) = state.buffer.pop_front() {
            return self.begin_work(now, task, entry);
        }
        let all_done = state.busy == 0;
        let mut next_poll = now;
        if all_done && !state.done.is_empty() {
            next_poll = self.delete_batch(now, task);
        }
        let stays = self.polls_after_sigterm();
        let state = &mut self.tasks[task as usize];
        if state.life == Life::Stopping && !stays {
            if all_done {
                self.exit(now, task);
            }
            return;
        }
        let waiting = state.poll != Token::default() || state.parked_since.is_some();
        let wants_more = match self.worker.poll {
            Poll::AllDone => all_done,
            Poll::SlotFree => true,
        };
        if !wants_more || waiting {
            return;
        }
        if next_poll > now {
            state.poll = self.world.events.push(next_poll, kind::POLL, task);
        } else {
            self.ask(now, task);
        }
    }

    /// DeleteMessageBatch for what the batch has finished; returns when it is answered.
    fn delete_batch(&mut self, now: Nanos, task: TaskId) -> Nanos {
        let mut done = std::mem::take(&mut self.tasks[task as usize].done);
        let answered = now + self.delete_latency.draw(&mut self.stream);
        let lost = fails(&mut self.calls, now);
        let World { queue, books, .. } = &mut self.world;
        let mut deleted = false;
        for Done { attempt, fails } in &done {
            if *fails {
                books.abandoned(queue, attempt.receipt);
                continue;
            }
            if lost {
                books.completed(queue, attempt);
                continue;
            }
            deleted = true;
            books.finished(queue, attempt, answered);
        }
        done.clear();
        self.tasks[task as usize].done = done;
        // A received batch holds at most ten messages: one call.
        books.requests.delete += u64::from(deleted);
        answered
    }
}

#[inline]
fn entry_of(load: &Load, received: Received, received_at: Nanos) -> Entry {
    Entry {
        receipt: received.receipt,
        receive_count: received.receive_count,
        work: load.work,
        fails: load.fails(received.receive_count),
        onward: load.onward(),
        object: load.object(),
        received_at,
        here_at: received_at,
    }
}

#[inline(always)]
fn attempt_of(entry: &Entry, started_at: Nanos, finished_at: Nanos, task: TaskId) -> Attempt {
    Attempt {
        receipt: entry.receipt,
        received_at: entry.received_at,
        started_at,
        finished_at,
        receive_count: entry.receive_count,
        worker: task,
        cold: 0,
    }
}

impl Consumer for EcsStack {
    #[inline]
    fn world(&mut self) -> &mut World {
        &mut self.world
    }

    #[inline(always)]
    fn deliver(&mut self, now: Nanos, load: Load) -> bool {
        if !self.world.queue.hands_over() {
            return false;
        }
        let Some(task) = self.unpark_first(now) else { return false };
        let World { queue, books, .. } = &mut self.world;
        let buffer = &mut self.tasks[task as usize].buffer;
        queue.send_to_waiting(now, load, self.visibility_timeout, |received, load| {
            Books::held(load);
            buffer.push_back(entry_of(load, received, now));
        });
        books.received(1, books.payload(&load));
        books.counters.not_visible_max = books.counters.not_visible_max.max(queue.in_flight());
        self.received(now, task, 1);
        true
    }

    #[inline]
    fn visible(&mut self, now: Nanos) {
        while self.world.queue.visible() > 0 {
            let Some(task) = self.unpark_first(now) else { return };
            if !self.poll(now, task) {
                return;
            }
        }
    }

    #[inline]
    fn handle(&mut self, due: Due) {
        match due.kind {
            kind::WORK => self.end_work(due),
            kind::POLL => self.polled(due),
            kind::EMPTY => self.came_back_empty(due),
            kind::KILL => self.kill(due.at, due.id),
            kind::SEND_ON => self.send_on(due),
            _ => self.handle_control(due),
        }
    }

    fn idle(&self) -> bool {
        self.busy == 0
    }

    fn sample(&mut self, now: Nanos) {
        self.settle_parked(now);
        self.sample_control(now);
    }
}
