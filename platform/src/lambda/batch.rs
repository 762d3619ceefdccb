//! One batch of an event source mapping: how it is filled, how long it is kept open, and when it is tried again.
//!
//! Goals: decisions that every driver takes alike, in virtual time and in real time.
//! Non-goals: the messages themselves.
//!
//! Sources: Lambda API reference, CreateEventSourceMapping (BatchSize, 6 MB); Lambda developer guide 2023, using Lambda
//! with SQS (visibility with a batching window, 20 s); services-sqs-errorhandling (throttled batches).

use model::scenario::{Lambda, Parameters};
use model::time::{MILLISECOND, Nanos, SECOND};

/// Messages of one ReceiveMessage call.
pub const RECEIVE_MOST: u32 = 10;
/// Messages of one DeleteMessageBatch call.
pub const DELETE_MOST: u32 = 10;

/// The laws of the batches of one mapping.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    size: u32,
    most_bytes: u64,
    record_bytes: u64,
    /// The largest message with its metadata.
    largest: u64,
    window: Nanos,
    window_wait: Nanos,
    timeout: Nanos,
    retry_first: Nanos,
    retry_most: Nanos,
}

impl Batching {
    /// Of the mapping of `function`, whose messages have at most `largest_message` bytes as far as is known.
    #[must_use]
    pub fn new(function: &Lambda, beliefs: &Parameters, largest_message: u64) -> Self {
        Self {
            size: function.batch_size,
            most_bytes: beliefs.esm_batch_bytes,
            record_bytes: beliefs.esm_record_bytes,
            largest: (largest_message + beliefs.esm_record_bytes).max(1),
            window: function.batching_window,
            window_wait: beliefs.esm_window_wait,
            timeout: function.timeout,
            retry_first: beliefs.esm_throttle_retry_first.max(MILLISECOND),
            retry_most: beliefs.esm_throttle_retry_most,
        }
    }

    /// There is a message of so many bytes.
    pub fn expect(&mut self, message: u64) {
        self.largest = self.largest.max(message + self.record_bytes);
    }

    /// Payload of messages that have `bytes` in all, metadata included.
    #[inline]
    #[must_use]
    pub fn payload(&self, messages: u32, bytes: u64) -> u64 {
        bytes + u64::from(messages) * self.record_bytes
    }

    /// How many more messages a batch of `messages` with this `payload` can take, of whatever size they turn out to be.
    #[inline]
    #[must_use]
    pub fn room(&self, messages: u32, payload: u64) -> u32 {
        let by_count = self.size.saturating_sub(messages);
        let by_bytes = self.most_bytes.saturating_sub(payload) / self.largest;
        // One message fits always: the limit of the queue is below that of the batch.
        let by_bytes = if messages == 0 { by_bytes.max(1) } else { by_bytes };
        by_count.min(by_bytes.min(u64::from(u32::MAX)) as u32)
    }

    /// Whether the mapping calls ReceiveMessage more than once for a batch.
    #[inline]
    #[must_use]
    pub fn takes_several_receives(&self) -> bool {
        self.size > RECEIVE_MOST
    }

    /// Whether a batch that is not full is kept open.
    #[inline]
    #[must_use]
    pub fn has_window(&self) -> bool {
        self.window > 0
    }

    /// Whether the batching window of a batch that was begun at `since` is over: the next receive closes it.
    #[inline]
    #[must_use]
    pub fn window_is_over(&self, since: Nanos, now: Nanos) -> bool {
        now >= since + self.window
    }

    /// When a batch is closed that gets no more messages: the poll in progress is not cut short by the window, and
    /// returns after its own wait.
    #[inline]
    #[must_use]
    pub fn closes_at(&self, since: Nanos) -> Nanos {
        since + self.window.max(self.window_wait)
    }

    /// VisibilityTimeout that the mapping asks for on a queue whose own is `of_queue`: with a batching window longer.
    #[must_use]
    pub fn visibility_timeout(&self, of_queue: Nanos) -> Nanos {
        let needed = self.window + self.timeout;
        if self.has_window() && needed > of_queue { needed + 30 * SECOND } else { of_queue }
    }

    /// When a batch that was throttled `tries` times before is tried again, or, at `drop_at`, dropped: then its first
    /// message becomes visible.
    #[must_use]
    pub fn retry_at(&self, now: Nanos, tries: u32, drop_at: Nanos) -> Nanos {
        let pause = self.retry_first.saturating_mul(1 << tries.min(20));
        (now + pause.min(self.retry_most.max(self.retry_first))).min(drop_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batching(function: &Lambda, largest: u64) -> Batching {
        Batching::new(function, &Parameters::default(), largest)
    }

    #[test]
    fn a_batch_is_full_by_count_or_by_bytes() {
        let small = batching(&Lambda::default(), 256);
        assert_eq!([0, 7, 10].map(|n| small.room(n, small.payload(n, u64::from(n) * 256))), [10, 3, 0]);
        let large = batching(&Lambda { batch_size: 10_000, ..Lambda::default() }, 1 << 20);
        let mib = 1 << 20;
        assert_eq!(large.room(0, 0), 5, "a sixth could be too much with its metadata");
        assert_eq!(large.room(5, large.payload(5, 5 * mib)), 0);
        assert_eq!(large.room(1, large.payload(1, 100)), 5);
        let tight = Parameters { esm_batch_bytes: 10, ..Parameters::default() };
        assert_eq!(Batching::new(&Lambda::default(), &tight, 256).room(0, 0), 1, "one fits always");
        assert!(large.takes_several_receives() && !small.takes_several_receives());
        let mut learning = batching(&Lambda::default(), 0);
        assert_eq!(learning.room(0, 0), 10);
        learning.expect(mib);
        learning.expect(7);
        assert_eq!(learning.room(0, 0), 5);
    }

    #[test]
    fn a_window_is_held_open_by_the_poll_in_progress() {
        let five = batching(&Lambda { batching_window: 5 * SECOND, ..Lambda::default() }, 1);
        assert_eq!(five.closes_at(SECOND), 21 * SECOND);
        assert!(five.window_is_over(SECOND, 6 * SECOND) && !five.window_is_over(SECOND, 6 * SECOND - 1));
        let minute = batching(&Lambda { batching_window: 60 * SECOND, ..Lambda::default() }, 1);
        assert_eq!(minute.closes_at(0), 60 * SECOND);
        assert!(!batching(&Lambda::default(), 1).has_window());
    }

    #[test]
    fn visibility_covers_window_and_timeout() {
        let function = |window| Lambda { batching_window: window, timeout: 30 * SECOND, ..Lambda::default() };
        let asked = |window, queue| batching(&function(window), 1).visibility_timeout(queue);
        assert_eq!(asked(0, 10 * SECOND), 10 * SECOND, "without a window it is the queue's");
        assert_eq!(asked(10 * SECOND, 40 * SECOND), 40 * SECOND);
        assert_eq!(asked(10 * SECOND, 39 * SECOND), 70 * SECOND);
    }

    #[test]
    fn throttled_batches_are_tried_at_doubling_pauses_until_they_are_dropped() {
        let plain = batching(&Lambda::default(), 1);
        let pauses = [0, 1, 2, 3, 4, 60].map(|tries| plain.retry_at(0, tries, Nanos::MAX) / SECOND);
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
        assert_eq!(plain.retry_at(SECOND, 5, 3 * SECOND), 3 * SECOND);
    }
}
