//! Pending events in order of (time, sequence): the sequence breaks ties, which is what makes runs repeatable.

use model::time::Nanos;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Bits of the payload: an event's kind and what it is about.
const KIND_BITS: u32 = 4;
const ID_BITS: u32 = 28;
const PAYLOAD_BITS: u32 = KIND_BITS + ID_BITS;
/// 68 billion events: a month of a hundred tasks that poll without a pause has a quarter of that.
const SEQUENCE_BITS: u32 = 36;
/// What lies below the time, which has the remaining 60 bits: 36 years.
const TIME_SHIFT: u32 = SEQUENCE_BITS + PAYLOAD_BITS;
/// The largest id an event can carry.
pub(crate) const MAX_ID: u32 = (1 << ID_BITS) - 1;

/// Names one scheduled event, so that its owner can tell a stale one from the one it waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Token(u64);

/// An event that is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) at: Nanos,
    pub(crate) token: Token,
    pub(crate) kind: u32,
    pub(crate) id: u32,
}

/// Time (60 bits), sequence (36 bits), kind and id (32 bits): their order is the order of events.
type Key = u128;

/// A bucket spans 2^20 ns, about a millisecond.
const BUCKET_SHIFT: u32 = 20;
/// The wheel spans 4,096 buckets, about four seconds; what lies beyond waits in a heap.
const BUCKETS: u64 = 4096;

/// A timing wheel: most events lie milliseconds ahead, where a bucket is cheaper than a heap. The heap below
/// takes a third of the time of a simulated message; this a tenth.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    /// Number of the bucket that `current` was filled from, counted from time 0.
    cursor: u64,
    /// Events up to the end of that bucket, the first one last; empty only if all buckets are.
    current: Vec<Key>,
    buckets: Vec<Vec<Key>>,
    /// A bit for each bucket that is not empty.
    occupied: [u64; (BUCKETS / 64) as usize],
    beyond: BinaryHeap<Reverse<Key>>,
    /// The first event; the largest key when there is none.
    first: Key,
    /// Starts at 1, so that the default token names no event.
    sequence: u64,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            cursor: 0,
            current: Vec::new(),
            buckets: vec![Vec::new(); BUCKETS as usize],
            occupied: [0; (BUCKETS / 64) as usize],
            beyond: BinaryHeap::new(),
            first: Key::MAX,
            sequence: 0,
        }
    }
}

impl Events {
    /// Schedules an event.
    #[inline]
    pub(crate) fn push(&mut self, at: Nanos, kind: u32, id: u32) -> Token {
        debug_assert!(id <= MAX_ID);
        self.sequence += 1;
        let payload = Key::from(kind << ID_BITS | id & MAX_ID);
        let key = Key::from(at) << TIME_SHIFT | Key::from(self.sequence) << PAYLOAD_BITS | payload;
        let bucket = at >> BUCKET_SHIFT;
        if bucket <= self.cursor {
            let place = self.current.partition_point(|&other| other > key);
            self.current.insert(place, key);
        } else if bucket - self.cursor >= BUCKETS {
            self.beyond.push(Reverse(key));
        } else if self.current.is_empty() {
            // Then the whole wheel is: it turns to this event at once.
            self.cursor = bucket;
            self.current.push(key);
        } else {
            let index = (bucket % BUCKETS) as usize;
            self.buckets[index].push(key);
            self.occupied[index / 64] |= 1 << (index % 64);
        }
        self.first = self.first.min(key);
        Token(self.sequence)
    }

    /// The instant of the first event; the last of all instants when there is none.
    #[inline]
    pub(crate) fn next_at(&self) -> Nanos {
        time_of(self.first)
    }

    #[inline]
    fn find_first(&mut self) -> Key {
        if self.current.is_empty() {
            self.turn();
        }
        let near = self.current.last().copied().unwrap_or(Key::MAX);
        match self.beyond.peek() {
            Some(&Reverse(far)) => near.min(far),
            None => near,
        }
    }

    /// Moves on to the next bucket that is not empty, if there is one.
    fn turn(&mut self) {
        let start = self.cursor + 1;
        let mut bucket = start;
        while bucket < start + BUCKETS {
            let index = (bucket % BUCKETS) as usize;
            let word = self.occupied[index / 64] >> (index % 64);
            if word != 0 {
                bucket += u64::from(word.trailing_zeros());
                let index = (bucket % BUCKETS) as usize;
                self.occupied[index / 64] &= !(1 << (index % 64));
                self.cursor = bucket;
                std::mem::swap(&mut self.current, &mut self.buckets[index]);
                self.current.sort_unstable_by(|a, b| b.cmp(a));
                return;
            }
            bucket += 64 - index as u64 % 64;
        }
    }

    /// Takes the first event.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Due> {
        let key = self.first;
        if key == Key::MAX {
            return None;
        }
        if self.current.last() == Some(&key) {
            self.current.pop();
        } else {
            self.beyond.pop();
            // After a quiet time the wheel has stood still: nothing is on it, so it can catch up.
            if self.current.is_empty() && self.occupied == [0; (BUCKETS / 64) as usize] {
                self.cursor = time_of(key) >> BUCKET_SHIFT;
            }
        }
        self.first = self.find_first();
        let payload = key as u32;
        Some(Due {
            at: time_of(key),
            token: Token((key >> PAYLOAD_BITS) as u64 & ((1 << SEQUENCE_BITS) - 1)),
            kind: payload >> ID_BITS,
            id: payload & MAX_ID,
        })
    }
}

/// The last of all instants stands for "never".
#[inline]
fn time_of(key: Key) -> Nanos {
    if key == Key::MAX { Nanos::MAX } else { (key >> TIME_SHIFT) as Nanos }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::random::Stream;

    #[test]
    fn time_first_then_the_order_of_scheduling() {
        let mut events = Events::default();
        let late = events.push(9, 1, 1);
        let first = events.push(5, 15, MAX_ID);
        let second = events.push(5, 0, 0);
        let order: Vec<Token> = std::iter::from_fn(|| events.pop()).map(|due| due.token).collect();
        assert_eq!(order, [first, second, late]);
    }

    /// Against a plain heap, with gaps from nothing to minutes.
    #[test]
    fn the_wheel_is_a_priority_queue() {
        let mut stream = Stream::new(9, "events");
        let (mut events, mut heap) = (Events::default(), BinaryHeap::new());
        let mut now = 0;
        for round in 0..400_000_u32 {
            // Crowded, sparse and empty in turn.
            let crowd = [200, 5, 0][(round / 1_000 % 3) as usize];
            if heap.is_empty() || stream.chance(if heap.len() < crowd { 0.6 } else { 0.4 }) {
                let gap = 1 << stream.between(0, 37);
                let at = now + stream.between(0, gap);
                events.push(at, 0, round % 1_000);
                heap.push(Reverse((at, round)));
            } else {
                let Reverse((at, round)) = heap.pop().unwrap();
                assert_eq!(events.next_at(), at);
                let due = events.pop().unwrap();
                assert_eq!((due.at, due.id), (at, round % 1_000));
                now = at;
            }
        }
    }

    #[test]
    fn kinds_and_ids_survive() {
        let mut events = Events::default();
        events.push(7, 15, MAX_ID);
        assert_eq!(events.next_at(), 7);
        let due = events.pop().unwrap();
        assert_eq!((due.at, due.kind, due.id), (7, 15, MAX_ID));
    }
}
