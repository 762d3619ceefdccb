//! What faults do to a function and its mapping.

use super::{Fate, LambdaStack};
use crate::events::Token;
use model::scenario::{FaultKind, Queue};
use model::time::Nanos;

impl LambdaStack {
    pub(super) fn fault(&mut self, now: Nanos, id: u32) {
        let (kind, activity) = self.faults.due(now, id);
        activity.into_iter().for_each(|activity| self.world.books.note(activity));
        match kind {
            FaultKind::WorkerCrash { count } => self.crash(now, count),
            FaultKind::Deployment => self.function.new_version(now),
            FaultKind::ShortVisibility { .. } => {
                let of_queue = self.faults.visibility_timeout(now);
                let queue = &mut self.world.queue;
                queue.set_attributes(Queue { visibility_timeout: of_queue, ..queue.attributes() });
                self.visibility_timeout = self.batching.visibility_timeout(of_queue);
            }
            // The plan has the first two; the next two are asked for by each call; Lambda has no tasks.
            FaultKind::FailedMessages { .. }
            | FaultKind::SlowTail { .. }
            | FaultKind::EndpointErrors { .. }
            | FaultKind::EndpointThrottles { .. }
            | FaultKind::TaskKill { .. } => {}
        }
    }

    /// `count` of the environments at work crash, the oldest first: their invocations fail at once.
    fn crash(&mut self, now: Nanos, count: u32) {
        let at_work = |(number, batch): (usize, &super::Batch)| Some((batch.environment?.id, number as u32));
        let mut batches: Vec<(u32, u32)> = self.batches.iter().enumerate().filter_map(at_work).collect();
        batches.sort_unstable();
        for (_, number) in batches.into_iter().take(count as usize) {
            let batch = &mut self.batches[number as usize];
            (batch.failed, batch.reset, batch.end) = (true, true, Token::default());
            for entry in batch.entries.iter_mut().filter(|entry| entry.finished_at > now) {
                entry.outcome = Fate::Untouched;
            }
            let (bill, lived) = (batch.bill, now.saturating_sub(batch.began));
            self.take_back(bill, lived);
            self.end(now, number);
        }
    }
}
