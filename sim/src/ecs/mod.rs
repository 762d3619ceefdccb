//! A stack that drains its queue with an ECS service: tasks that poll, work and delete.

mod control;

use crate::books::{Attempt, Books, Load};
use crate::cpu::{CpuShare, CpuUse};
use crate::engine::{Consumer, World};
use crate::events::{Due, Token};
use control::Control;
use model::random::{Sampler, Stream};
use model::scenario::{Delete, Ecs, Message, Parameters, Poll, Stack, Worker};
use model::time::{MILLISECOND, Nanos};
use platform::ecs::TaskId;
use platform::sqs::{Polling, Receipt, Received};
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
}

/// A message on its way through a task.
#[derive(Clone, Copy, Debug)]
struct Entry {
    receipt: Receipt,
    receive_count: u32,
    work: Nanos,
    fails: bool,
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
    stream: Stream,
    cpu: CpuShare,
    cpu_use: CpuUse,
    control: Control,
}

impl EcsStack {
    pub(crate) fn new(
        world: World,
        stack: &Stack,
        config: &Ecs,
        beliefs: &Parameters,
        seed: u64,
        message: &Message,
    ) -> Self {
        let stack_seed = |what: &str| Stream::new(seed, &format!("{} {what}", stack.name));
        let mut new = Self {
            world,
            worker: config.worker,
            visibility_timeout: config.worker.visibility_timeout.unwrap_or(stack.queue.visibility_timeout),
            tasks: Vec::new(),
            seats: Vec::new(),
            free_seats: Vec::new(),
            parked: VecDeque::new(),
            busy: 0,
            receive_latency: Sampler::lognormal(beliefs.sqs_receive_median, beliefs.sqs_receive_p99),
            delete_latency: Sampler::lognormal(beliefs.sqs_delete_median, beliefs.sqs_delete_p99),
            stream: stack_seed("calls"),
            cpu: CpuShare { share: message.cpu_share, vcpus: f64::from(config.cpu_units) / 1024.0 },
            cpu_use: CpuUse::default(),
            control: Control::new(config, beliefs, stack_seed("service"), stack_seed("control")),
        };
        new.begin(config);
        new
    }

    pub(crate) fn into_world(self) -> World {
        self.world
    }

    /// The program of a task begins.
    fn run_task(&mut self, now: Nanos, task: TaskId) {
        let seat = self.free_seats.pop().unwrap_or(self.seats.len() as u32);
        if seat as usize == self.seats.len() {
            self.seats.push(task);
        }
        self.seats[seat as usize] = task;
        let state = &mut self.tasks[task as usize];
        (state.life, state.seat) = (Life::Running, seat);
        self.poll(now, task);
    }

    /// Makes room for tasks up to `task`.
    fn know_task(&mut self, task: TaskId) {
        while self.tasks.len() <= task as usize {
            self.tasks.push(Task {
                life: Life::Pending,
                busy: 0,
                buffer: VecDeque::new(),
                done: Vec::new(),
                slots: Vec::new(),
                free_slots: Vec::new(),
                seat: 0,
                poll: Token::default(),
                parked_since: None,
            });
        }
    }

    /// A task asks for messages. False if it found none, and now waits.
    fn poll(&mut self, now: Nanos, task: TaskId) -> bool {
        let most = match self.worker.poll {
            Poll::AllDone => self.worker.batch_size,
            Poll::SlotFree => {
                let free = self.worker.concurrency - self.tasks[task as usize].busy;
                free.min(self.worker.batch_size)
            }
        };
        if self.world.queue.visible() == 0 {
            self.found_nothing(now, task);
            return false;
        }
        let polling = if self.worker.wait_time > 0 { Polling::Long } else { Polling::Short };
        let mut bytes = 0;
        let World { queue, books, .. } = &mut self.world;
        let buffer = &mut self.tasks[task as usize].buffer;
        let polled = queue.receive(now, most, polling, self.visibility_timeout, |received, load| {
            Books::held(load);
            bytes += u64::from(load.bytes);
            buffer.push_back(entry_of(load, received, now));
        });
        let Ok(count @ 1..) = polled else {
            self.found_nothing(now, task);
            return false;
        };
        books.counters.not_visible_max = books.counters.not_visible_max.max(queue.in_flight());
        books.received(count, bytes);
        self.received(now, task, count);
        true
    }

    /// The `count` newest messages of the buffer have just been received: begins what there are slots for.
    fn received(&mut self, now: Nanos, task: TaskId, count: u32) {
        let here_at = now + self.receive_latency.draw(&mut self.stream);
        let state = &mut self.tasks[task as usize];
        state.buffer.iter_mut().rev().take(count as usize).for_each(|entry| entry.here_at = here_at);
        let begin = (self.worker.concurrency - state.busy).min(state.buffer.len() as u32);
        for _ in 0..begin {
            let Some(entry) = self.tasks[task as usize].buffer.pop_front() else { break };
            self.begin_work(now, task, entry);
        }
        let has_room = self.tasks[task as usize].busy < self.worker.concurrency;
        if self.worker.poll == Poll::SlotFree && has_room {
            // One receive at a time: the next goes out when this one is answered.
            self.tasks[task as usize].poll = self.world.events.push(here_at, kind::POLL, task);
        }
    }

    fn found_nothing(&mut self, now: Nanos, task: TaskId) {
        if self.worker.wait_time == 0 {
            self.world.books.empty_receives(1);
            let answered = self.receive_latency.draw(&mut self.stream) + self.worker.idle_sleep;
            // A poll takes time, whatever the beliefs say: the loop must move on.
            let again = now + answered.max(MILLISECOND);
            self.tasks[task as usize].poll = self.world.events.push(again, kind::POLL, task);
            return;
        }
        let state = &mut self.tasks[task as usize];
        state.parked_since = Some(now);
        self.parked.push_back((task, now));
        if self.worker.idle_sleep > 0 {
            state.poll = self.world.events.push(now + self.worker.wait_time, kind::EMPTY, task);
        }
    }

    /// The task that has waited longest stops waiting.
    fn unpark_first(&mut self, now: Nanos) -> Option<TaskId> {
        while let Some((task, since)) = self.parked.pop_front() {
            let state = &mut self.tasks[task as usize];
            if state.parked_since == Some(since) {
                self.unpark(now, task);
                return Some(task);
            }
        }
        None
    }

    /// Drops the places at the front of tasks that no longer wait.
    fn trim_parked(&mut self) {
        while let Some(&(task, since)) = self.parked.front() {
            if self.tasks[task as usize].parked_since == Some(since) {
                break;
            }
            self.parked.pop_front();
        }
    }

    /// Ends a long poll; what it cost so far is counted.
    fn unpark(&mut self, now: Nanos, task: TaskId) {
        let state = &mut self.tasks[task as usize];
        if let Some(since) = state.parked_since.take() {
            state.poll = Token::default();
            if self.worker.idle_sleep == 0 {
                self.world.books.empty_receives((now - since) / self.worker.wait_time);
            }
        }
    }

    /// Counts the long polls of waiting tasks that have come back empty by now.
    fn settle_parked(&mut self, now: Nanos) {
        if self.worker.idle_sleep > 0 {
            return;
        }
        let mut empty = 0;
        for (task, since) in &mut self.parked {
            let state = &mut self.tasks[*task as usize];
            if state.parked_since == Some(*since) {
                let polls = (now - *since) / self.worker.wait_time;
                empty += polls;
                *since += polls * self.worker.wait_time;
                state.parked_since = Some(*since);
            }
        }
        self.world.books.empty_receives(empty);
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
        let finished_at = started_at + self.cpu.stretch(entry.work, busy);
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
        let token = self.world.events.push(ends, kind::WORK, id);
        let slot = Slot { token, entry: Some(entry), started_at, finished_at, cpu_rate };
        self.tasks[task as usize].slots[index as usize] = slot;
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
            self.poll(now, task);
        }
    }

    /// DeleteMessageBatch for what the batch has finished; returns when it is answered.
    fn delete_batch(&mut self, now: Nanos, task: TaskId) -> Nanos {
        let mut done = std::mem::take(&mut self.tasks[task as usize].done);
        let answered = now + self.delete_latency.draw(&mut self.stream);
        let World { queue, books, .. } = &mut self.world;
        let mut deleted = false;
        for Done { attempt, fails } in &done {
            if *fails {
                books.abandoned(queue, attempt.receipt);
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

    fn polls_after_sigterm(&self) -> bool {
        !self.worker.drains_on_sigterm
    }

    /// SIGTERM: the program finishes what it has, or does not care.
    fn terminate(&mut self, now: Nanos, task: TaskId) {
        self.know_task(task);
        let state = &mut self.tasks[task as usize];
        if state.life != Life::Running {
            return;
        }
        state.life = Life::Stopping;
        if self.polls_after_sigterm() {
            return;
        }
        self.unpark(now, task);
        let state = &mut self.tasks[task as usize];
        state.poll = Token::default();
        if state.busy == 0 && state.buffer.is_empty() {
            self.exit(now, task);
        }
    }

    /// SIGKILL: whatever the program held comes back after its visibility timeout.
    fn kill(&mut self, now: Nanos, task: TaskId) {
        if self.tasks[task as usize].life != Life::Stopping {
            return;
        }
        self.unpark(now, task);
        let state = &mut self.tasks[task as usize];
        self.busy -= state.busy;
        state.busy = 0;
        let World { queue, books, .. } = &mut self.world;
        for slot in &mut state.slots {
            let Some(entry) = slot.entry.take() else { continue };
            self.cpu_use.change(now, -slot.cpu_rate, self.busy);
            if slot.finished_at <= now && !entry.fails {
                books.completed(queue, &attempt_of(&entry, slot.started_at, slot.finished_at, task));
            } else {
                books.abandoned(queue, entry.receipt);
            }
        }
        for Done { attempt, fails } in state.done.drain(..) {
            if fails {
                books.abandoned(queue, attempt.receipt);
            } else {
                books.completed(queue, &attempt);
            }
        }
        for entry in state.buffer.drain(..) {
            books.abandoned(queue, entry.receipt);
        }
        self.exit(now, task);
    }

    fn exit(&mut self, now: Nanos, task: TaskId) {
        let state = &mut self.tasks[task as usize];
        state.life = Life::Gone;
        self.free_seats.push(state.seat);
        // A task that is gone keeps no memory.
        (state.slots, state.free_slots) = (Vec::new(), Vec::new());
        (state.buffer, state.done) = (VecDeque::new(), Vec::new());
        self.control.exited(now, task);
    }

    /// A poll that was scheduled; the token tells whether the task still wants it.
    fn polled(&mut self, due: Due) {
        let state = &mut self.tasks[due.id as usize];
        if state.poll == due.token && matches!(state.life, Life::Running | Life::Stopping) {
            state.poll = Token::default();
            self.poll(due.at, due.id);
        }
    }

    /// A long poll came back empty and the worker pauses.
    fn came_back_empty(&mut self, due: Due) {
        let state = &mut self.tasks[due.id as usize];
        if state.poll == due.token && state.parked_since.take().is_some() {
            self.world.books.empty_receives(1);
            let again = due.at + self.worker.idle_sleep;
            state.poll = self.world.events.push(again, kind::POLL, due.id);
            self.trim_parked();
        }
    }
}

#[inline]
fn entry_of(load: &Load, received: Received, received_at: Nanos) -> Entry {
    Entry {
        receipt: received.receipt,
        receive_count: received.receive_count,
        work: load.work,
        fails: load.fails(received.receive_count),
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
        cold_start: false,
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
        books.received(1, u64::from(load.bytes));
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
