//! Which planned message a MessageId stands for: twenty bytes per id.

use model::journal::MessageId;

/// An index of MessageIds.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    all: Vec<Id>,
    /// How many of them are in order.
    sorted: usize,
}

/// Without the padding that a `u128` would bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    id: [u32; 4],
    seq: u32,
}

fn parts(id: MessageId) -> [u32; 4] {
    [96, 64, 32, 0].map(|shift| (id.0 >> shift) as u32)
}

impl Ids {
    /// An empty index for about so many ids.
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self { all: Vec::with_capacity(count), sorted: 0 }
    }

    /// Adds an id, to be found from the next [`Ids::sort`] on.
    pub(crate) fn add(&mut self, id: MessageId, seq: u32) {
        if self.seq(id).is_none() {
            self.all.push(Id { id: parts(id), seq });
        }
    }

    /// Makes all ids found; of several messages with one id, the first in the plan is.
    pub(crate) fn sort(&mut self) {
        self.all.sort_unstable();
        self.all.dedup_by_key(|entry| entry.id);
        self.sorted = self.all.len();
    }

    /// The message of an id.
    pub(crate) fn seq(&self, id: MessageId) -> Option<u32> {
        let sorted = &self.all[..self.sorted];
        let id = parts(id);
        sorted.binary_search_by_key(&id, |entry| entry.id).ok().map(|index| sorted[index].seq)
    }
}

/// Tells the ids of one message apart.
pub(crate) fn fingerprint(id: MessageId) -> u32 {
    parts(id).iter().fold(0, |hash, part| (hash ^ part).wrapping_mul(0x9e37_79b1).rotate_left(13))
}
