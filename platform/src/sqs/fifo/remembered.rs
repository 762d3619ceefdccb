//! What is remembered for a while: looked up by key, forgotten in the order in which it came.

use model::time::Nanos;
use std::borrow::Borrow;
use std::collections::{BTreeMap, VecDeque};

/// Values by their keys, each for as long as the interval.
#[derive(Clone, Debug)]
pub(super) struct Remembered<K, V> {
    interval: Nanos,
    /// With the instant from which they are forgotten.
    values: BTreeMap<K, (Nanos, V)>,
    order: VecDeque<(Nanos, K)>,
}

impl<K: Ord + Clone, V> Remembered<K, V> {
    pub(super) fn new(interval: Nanos) -> Self {
        Self { interval, values: BTreeMap::new(), order: VecDeque::new() }
    }

    pub(super) fn get<Q: Ord + ?Sized>(&mut self, now: Nanos, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.forget(now);
        self.values.get(key).map(|(_, value)| value)
    }

    /// Remembers a value from `now` on, instead of the one that this key had.
    pub(super) fn insert(&mut self, now: Nanos, key: K, value: V) {
        self.forget(now);
        let until = now + self.interval;
        self.order.push_back((until, key.clone()));
        self.values.insert(key, (until, value));
    }

    fn forget(&mut self, now: Nanos) {
        while let Some((until, key)) = self.order.front().filter(|(until, _)| *until <= now) {
            // It may have been replaced since.
            if self.values.get(key).is_some_and(|(last, _)| last == until) {
                self.values.remove(key);
            }
            self.order.pop_front();
        }
    }
}
