//! How tasks receive: short and long polls, and the tasks that wait on one.

use super::{EcsStack, Life, entry_of, kind};
use crate::books::Books;
use crate::engine::World;
use crate::events::{Due, Token};
use model::scenario::Poll;
use model::time::{MILLISECOND, Nanos};
use platform::ecs::TaskId;
use platform::sqs::Polling;

impl EcsStack {
    /// A task calls ReceiveMessage.
    #[inline]
    pub(super) fn ask(&mut self, now: Nanos, task: TaskId) {
        if self.calls.is_none() || !self.receive_fails(now, task) {
            self.poll(now, task);
        }
    }

    /// The call of a task is answered, now or once there is a message. False if it found none, and now waits.
    pub(super) fn poll(&mut self, now: Nanos, task: TaskId) -> bool {
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
            bytes += books.payload(load);
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
    pub(super) fn received(&mut self, now: Nanos, task: TaskId, count: u32) {
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
    pub(super) fn unpark_first(&mut self, now: Nanos) -> Option<TaskId> {
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
    pub(super) fn unpark(&mut self, now: Nanos, task: TaskId) {
        let state = &mut self.tasks[task as usize];
        if let Some(since) = state.parked_since.take() {
            state.poll = Token::default();
            if self.worker.idle_sleep == 0 {
                self.world.books.empty_receives((now - since) / self.worker.wait_time);
            }
        }
    }

    /// Counts the long polls of waiting tasks that have come back empty by now.
    pub(super) fn settle_parked(&mut self, now: Nanos) {
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

    /// A poll that was scheduled; the token tells whether the task still wants it.
    pub(super) fn polled(&mut self, due: Due) {
        let state = &mut self.tasks[due.id as usize];
        if state.poll == due.token && matches!(state.life, Life::Running | Life::Stopping) {
            state.poll = Token::default();
            self.ask(due.at, due.id);
        }
    }

    /// A long poll came back empty and the worker pauses.
    pub(super) fn came_back_empty(&mut self, due: Due) {
        let state = &mut self.tasks[due.id as usize];
        if state.poll == due.token && state.parked_since.take().is_some() {
            self.world.books.empty_receives(1);
            let again = due.at + self.worker.idle_sleep;
            state.poll = self.world.events.push(again, kind::POLL, due.id);
            self.trim_parked();
        }
    }
}
