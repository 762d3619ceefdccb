//! The life of a task's program: it starts, is told to stop, exits or is killed.

use super::{Done, EcsStack, Life, Task, attempt_of};
use crate::engine::World;
use crate::events::Token;
use model::time::Nanos;
use platform::ecs::TaskId;
use std::collections::VecDeque;

impl EcsStack {
    /// The program of a task begins.
    pub(super) fn run_task(&mut self, now: Nanos, task: TaskId) {
        let seat = self.free_seats.pop().unwrap_or(self.seats.len() as u32);
        if seat as usize == self.seats.len() {
            self.seats.push(task);
        }
        self.seats[seat as usize] = task;
        let state = &mut self.tasks[task as usize];
        (state.life, state.seat) = (Life::Running, seat);
        self.ask(now, task);
    }

    /// Makes room for tasks up to `task`.
    pub(super) fn know_task(&mut self, task: TaskId) {
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
                failed_receives: 0,
            });
        }
    }

    pub(super) fn polls_after_sigterm(&self) -> bool {
        !self.worker.drains_on_sigterm
    }

    /// SIGTERM: the program finishes what it has, or does not care.
    pub(super) fn terminate(&mut self, now: Nanos, task: TaskId) {
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
    pub(super) fn kill(&mut self, now: Nanos, task: TaskId) {
        if self.tasks[task as usize].life == Life::Stopping {
            self.lose_work(now, task);
            self.exit(now, task);
        }
    }

    /// A program ends with what it holds.
    pub(super) fn lose_work(&mut self, now: Nanos, task: TaskId) {
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
    }

    pub(super) fn exit(&mut self, now: Nanos, task: TaskId) {
        self.leave(task);
        self.control.exited(now, task);
        if self.control.replaces_at_once() {
            self.obey(now);
        }
    }

    pub(super) fn leave(&mut self, task: TaskId) {
        let state = &mut self.tasks[task as usize];
        state.life = Life::Gone;
        self.free_seats.push(state.seat);
        // A task that is gone keeps no memory.
        (state.slots, state.free_slots) = (Vec::new(), Vec::new());
        (state.buffer, state.done) = (VecDeque::new(), Vec::new());
    }
}
