//! The samples of many windows in one histogram: what percentiles are read from.
//!
//! Goals: the numbers of HdrHistogram, whose layout the bins have, in a time that follows the bins that hold a sample. A
//! report merges thousands of histograms of a few hundred samples each, and one with room for all values takes longer
//! to clear than to fill.

use crate::windows::{BINS, Counts, bin_of, highest_of};
use std::mem::take;

/// Samples in microseconds; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Numbers of the bins that hold a sample, ascending.
    bins: Vec<u32>,
    /// How many samples there are up to each of them.
    up_to: Vec<u64>,
}

impl Merged {
    /// Number of samples.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "there is no empty one")]
    pub fn len(&self) -> u64 {
        self.up_to.last().copied().unwrap_or(0)
    }

    /// `(number of the bin, samples in it)`, ascending.
    pub fn bins(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let before = std::iter::once(0).chain(self.up_to.iter().copied());
        self.bins
            .iter()
            .zip(self.up_to.iter().zip(before))
            .map(|(bin, (up_to, before))| (*bin as usize, up_to - before))
    }

    /// The largest value of each bin, ascending.
    pub fn values(&self) -> impl Iterator<Item = u64> + '_ {
        self.bins.iter().map(|bin| highest_of(*bin as usize))
    }

    /// The least sample, as the least value of its bin.
    #[must_use]
    pub fn min(&self) -> u64 {
        self.bins.first().map_or(0, |bin| lowest_of(*bin as usize))
    }

    /// The largest sample, as the largest value of its bin.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.bins.last().map_or(0, |bin| highest_of(*bin as usize))
    }

    /// The mean, with each sample in the middle of its bin.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let all = self.len() as f64;
        let middle = |bin| lowest_of(bin) + (highest_of(bin) - lowest_of(bin)).div_ceil(2);
        self.bins().fold(0.0, |sum, (bin, count)| sum + middle(bin) as f64 * count as f64 / all)
    }

    /// How many samples share a bin with `value`.
    #[must_use]
    pub fn count_at(&self, value: u64) -> u64 {
        self.bins().find(|(bin, _)| *bin == bin_of(value)).map_or(0, |(_, count)| count)
    }

    /// The least value, as the largest of its bin, that a share `p` (0 to 1) of the samples does not exceed; for a share
    /// of 0 the least sample.
    #[must_use]
    pub fn value_at_quantile(&self, p: f64) -> u64 {
        if p == 0.0 {
            return self.min();
        }
        let wanted = ((p.min(1.0) * self.len() as f64).ceil() as u64).max(1);
        let at = self.up_to.partition_point(|up_to| *up_to < wanted);
        self.bins.get(at).map_or(self.max(), |bin| highest_of(*bin as usize))
    }
}

/// The least value of a bin.
fn lowest_of(bin: usize) -> u64 {
    bin.checked_sub(1).map_or(0, |before| highest_of(before) + 1)
}

/// Bins that are looked through together.
const BLOCK: usize = 64;
/// As many bins as the upper half of a packed one can name, so that none of them has to be checked.
const NAMED: usize = 1 << 16;
const _: () = assert!(BINS <= NAMED);
const WORDS: usize = NAMED / BLOCK / 64;

/// Adds histograms up. One serves for many: what it has room for is cleared as it is taken.
#[derive(Debug)]
pub struct Merger {
    /// A bin holds at most four billion samples, which is four times the most messages of a scenario: half the memory
    /// is half of what a merge waits for.
    counts: Box<[u32; NAMED]>,
    /// A bit for each block of bins that is not empty.
    touched: [u64; WORDS],
}

impl Default for Merger {
    fn default() -> Self {
        let counts = vec![0; NAMED].into_boxed_slice();
        Self { counts: counts.try_into().expect("as many as were asked for"), touched: [0; WORDS] }
    }
}

impl Merger {
    /// Adds the samples of one window.
    #[inline]
    pub fn add(&mut self, counts: &Counts) {
        // Bins ascend, and a block holds many of them: noted once each, blocks are not what a merge waits for.
        let mut noted = usize::MAX;
        for (bin, count) in counts.bins() {
            self.counts[bin] = self.counts[bin].saturating_add(count as u32);
            let block = bin / BLOCK;
            if block != noted {
                self.touched[block / 64] |= 1 << (block % 64);
                noted = block;
            }
        }
    }

    /// Adds what was merged before.
    pub fn add_all(&mut self, merged: &Merged) {
        merged.bins().for_each(|(bin, count)| self.count(bin, count));
    }

    #[inline]
    fn count(&mut self, bin: usize, count: u64) {
        self.counts[bin] = self.counts[bin].saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        self.touched[bin / BLOCK / 64] |= 1 << (bin / BLOCK % 64);
    }

    /// What was added since it was last taken; `None` if that is nothing.
    pub fn take(&mut self) -> Option<Merged> {
        let mut merged = Merged { bins: Vec::new(), up_to: Vec::new() };
        let mut sum = 0;
        for (word, touched) in self.touched.iter_mut().enumerate() {
            while *touched != 0 {
                let first = (word * 64 + touched.trailing_zeros() as usize) * BLOCK;
                *touched &= *touched - 1;
                // Every bin is written, and one that is empty is written over: where the next sample is, no processor
                // can guess.
                let (mut bins, mut up_to, mut full) = ([0; BLOCK], [0; BLOCK], 0);
                for (bin, count) in self.counts[first..first + BLOCK].iter_mut().enumerate() {
                    let count = take(count);
                    sum += u64::from(count);
                    (bins[full], up_to[full]) = ((first + bin) as u32, sum);
                    full += usize::from(count > 0);
                }
                merged.bins.extend_from_slice(&bins[..full]);
                merged.up_to.extend_from_slice(&up_to[..full]);
            }
        }
        (sum > 0).then_some(merged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use crate::windows::empty_histogram;

    /// HdrHistogram says the same of the same samples.
    #[test]
    fn the_numbers_are_hdrhistograms() {
        let mut stream = Stream::new(1, "merged");
        let mut merger = Merger::default();
        for samples in [1_u64, 2, 9, 1_000, 30_000] {
            let mut hdr = empty_histogram();
            for _ in 0..samples.div_ceil(100) {
                let mut value = || {
                    let largest = 1 << stream.between(0, 40);
                    stream.between(0, largest)
                };
                let mut bins: Vec<u64> = (0..samples.min(100)).map(|_| value()).collect();
                bins.sort_unstable();
                bins.iter().for_each(|value| hdr.record(*value).unwrap());
                merger.add(&bins.into_iter().map(|value| (value, 1)).collect());
            }
            let merged = merger.take().unwrap();
            assert_eq!((merged.len(), merged.min(), merged.max()), (hdr.len(), hdr.min(), hdr.max()));
            assert_eq!(merged.mean().to_bits(), hdr.mean().to_bits());
            assert_eq!(merged.count_at(merged.min()), hdr.count_at(hdr.min()));
            for p in [0.0, 0.001, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0, 2.0] {
                assert_eq!(merged.value_at_quantile(p), hdr.value_at_quantile(p), "{samples} {p}");
            }
            let bins: Vec<(u64, u64)> =
                hdr.iter_recorded().map(|v| (v.value_iterated_to(), v.count_at_value())).collect();
            assert_eq!(merged.values().zip(merged.bins().map(|bin| bin.1)).collect::<Vec<_>>(), bins);
        }
        assert_eq!(merger.take(), None, "nothing is left of what was taken");
    }
}
