//! Several queues that one consumer reads in turn, as one queue: each has servers of its own, and receives go round
//! them, so that none waits for another's backlog.
//!
//! Goals: messages of all queues within one state machine; a queue that is not parted pays nothing.
//! Non-goals: attributes that differ between the queues; receives that name one of them.

use super::{Queue, Waiting};
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug)]
pub(super) struct Parted<P> {
    queues: u32,
    /// Which queue a message is in.
    of: fn(&P) -> u32,
}

impl<P: Copy> Queue<P> {
    /// Makes it `queues` queues (1 to 64); `of` says which one a message is in. Only while it is empty.
    #[must_use]
    pub fn parted(mut self, queues: u32, of: fn(&P) -> u32) -> Self {
        let queues = queues.clamp(1, 64);
        let each = (64 / queues).min(self.settings.shards).max(1);
        let before = self.settings.shards;
        self.settings.shards = queues * each;
        self.shards = vec![VecDeque::new(); self.settings.shards as usize];
        // A short poll asks the same part of the servers as before.
        self.settings.short_poll_shards =
            (self.settings.short_poll_shards * self.settings.shards).div_ceil(before).max(1);
        self.parted = Some(Parted { queues, of });
        self
    }

    /// One of the servers of the message's queue. Neighbours are of different queues.
    #[cold]
    pub(super) fn server_of(&mut self, parted: Parted<P>, message: &Waiting<P>) -> usize {
        let queue = match message {
            Waiting::Fresh { payload, .. } => (parted.of)(payload),
            Waiting::Again(slot) => (parted.of)(&self.slots[*slot as usize].payload),
        };
        let each = u64::from(self.settings.shards / parted.queues);
        let server = self.stream.between(0, each - 1) as u32;
        (queue % parted.queues + parted.queues * server) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Polling, Settings};
    use super::*;
    use model::random::Stream;
    use model::scenario::{self, Parameters};
    use model::time::MINUTE;

    #[test]
    fn a_backlog_of_one_queue_does_not_hold_up_another() {
        let settings = Settings::new(scenario::Queue::default(), &Parameters::default());
        let received = |queues: Option<u32>| {
            let mut queue: Queue<u32> = Queue::new(settings, Stream::new(1, "queue"));
            if let Some(queues) = queues {
                queue = queue.parted(queues, |queue| *queue);
            }
            (0..9_000).for_each(|_| queue.send(0, 0));
            (0..100).for_each(|_| queue.send(0, 1));
            let mut of_second = 0;
            for _ in 0..30 {
                let count = queue.receive(1, 10, Polling::Long, MINUTE, |_, of| of_second += *of);
                assert_eq!(count, Ok(10));
            }
            of_second
        };
        // Of 300 messages all 100 of the second queue, which has every other turn; or a few, behind the backlog.
        assert_eq!(received(Some(2)), 100);
        assert!(received(None) < 20, "{}", received(None));
    }
}
