//! What the handler makes of a batch.

use super::{Entry, Fate, LambdaStack, kind};
use crate::books::Attempt;
use crate::engine::{self, World};
use model::time::Nanos;

impl LambdaStack {
    /// Decides what the handler makes of each message, and returns when it ends.
    pub(super) fn work(&mut self, number: u32, began: Nanos, before: Nanos) -> Nanos {
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
            let onward = entry.onward && !entry.fails;
            let errands = self.errands.time(&mut self.stream, entry.object, onward);
            self.world.books.fetched(entry.object);
            let finished = clock + self.cpu.stretch(entry.work, at_once) + errands;
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
                if onward {
                    self.world.events.push(finished, kind::SEND_ON, number);
                }
            }
            if !parallel {
                clock = finished;
            }
        }
        end.min(limit)
    }

    /// The handler sends on what it has just finished, unless its environment crashed meanwhile.
    pub(super) fn send_on(&mut self, now: Nanos, number: u32) {
        let batch = &self.batches[number as usize];
        let done =
            |entry: &Entry| entry.onward && entry.finished_at == now && entry.outcome == Fate::Succeeded;
        // Those of one instant have an event each.
        let Some(at) = batch.entries.iter().position(done) else { return };
        let Entry { receipt, received_at, started_at, finished_at, receive_count, .. } = batch.entries[at];
        let (worker, cold) = (batch.worker, batch.cold);
        let attempt = Attempt { receipt, received_at, started_at, finished_at, receive_count, worker, cold };
        self.batches[number as usize].entries[at].onward = false;
        let World { queue, books, .. } = &mut self.world;
        if let Some(next) = books.send_on(queue, &attempt) {
            engine::send(self, now, next);
        }
    }
}
