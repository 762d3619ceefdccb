//! What the handler makes of a batch.

use super::{Fate, LambdaStack};
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
}
