//! Percentiles of one stack of one run, for any weights of its windows.
//!
//! A percentile is read from the bins of all windows at once, never averaged over windows. Messages that were not
//! finished are later than all others.

use libm::{exp, log, sqrt};
use model::baseline::{Window, edges};

/// Logarithm that stands for "never": no latency comes near, and differences of it are finite.
pub(super) const NEVER: f64 = 50.0;

/// What a percentile may be off by for the width of its bin, on the log scale: a bin is at most 1/128 wide, and what is
/// uniform within it has this deviation. For a difference of two it is more by a root of two.
pub(super) fn resolution() -> f64 {
    sqrt(2.0 / 12.0) / 128.0
}

/// `exp`, where what never ends is infinite.
pub(super) fn exp_or_never(ln: f64) -> f64 {
    if ln > NEVER / 4.0 {
        f64::INFINITY
    } else if ln < -NEVER / 4.0 {
        0.0
    } else {
        exp(ln)
    }
}

/// Messages of each window up to each latency.
pub(super) struct Table {
    /// Bins that occur, ascending.
    bins: Vec<u32>,
    /// Row after row, one for each bin, the messages of each window up to it.
    counts: Vec<f64>,
    /// Messages of each window, the unfinished included.
    pub(super) messages: Vec<f64>,
}

impl Table {
    pub(super) fn of(windows: &[Window]) -> Self {
        let mut bins: Vec<u32> = windows.iter().flat_map(|w| w.bins.iter().map(|bin| bin.0)).collect();
        bins.sort_unstable();
        bins.dedup();
        let width = windows.len();
        let mut counts = vec![0.0; bins.len() * width];
        for (index, window) in windows.iter().enumerate() {
            let (mut row, mut sum) = (0, 0.0);
            for (bin, count) in &window.bins {
                while bins[row] < *bin {
                    counts[row * width + index] = sum;
                    row += 1;
                }
                sum += *count as f64;
            }
            (row..bins.len()).for_each(|row| counts[row * width + index] = sum);
        }
        Self { bins, counts, messages: windows.iter().map(|window| window.messages() as f64).collect() }
    }

    fn up_to(&self, row: usize, weights: &[f64]) -> f64 {
        let width = self.messages.len();
        dot(&self.counts[row * width..][..width], weights)
    }

    /// Logarithm of a percentile in milliseconds; `None` without messages.
    pub(super) fn ln(&self, p: f64, weights: &[f64]) -> Option<f64> {
        let all = dot(&self.messages, weights);
        if all <= 0.0 {
            return None;
        }
        let wanted = p * all;
        let (mut low, mut high) = (0, self.bins.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.up_to(middle, weights) >= wanted { high = middle } else { low = middle + 1 }
        }
        let Some(bin) = self.bins.get(low) else { return Some(NEVER) };
        let before = low.checked_sub(1).map_or(0.0, |row| self.up_to(row, weights));
        let within = (wanted - before) / (self.up_to(low, weights) - before).max(f64::MIN_POSITIVE);
        let (begin, end) = edges(*bin);
        let micros = begin + (end - begin) * within.clamp(0.0, 1.0);
        // A microsecond stands for what is shorter: there is no logarithm of nothing.
        Some(log(micros.max(1.0) / 1_000.0))
    }

    /// The same of all windows.
    pub(super) fn whole(&self, p: f64) -> Option<f64> {
        self.ln(p, &vec![1.0; self.messages.len()])
    }

    /// Logarithm of the longest latency that was measured.
    pub(super) fn longest(&self) -> f64 {
        self.bins.last().map_or(0.0, |bin| log(edges(*bin).1 / 1_000.0))
    }
}

fn dot(counts: &[f64], weights: &[f64]) -> f64 {
    counts.iter().zip(weights).map(|(count, weight)| count * weight).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::baseline::bin;

    fn window(latencies: impl Iterator<Item = u64>, unfinished: u64) -> Window {
        let mut bins = std::collections::BTreeMap::new();
        latencies.for_each(|micros| *bins.entry(bin(micros)).or_default() += 1);
        Window { bins: bins.into_iter().collect(), unfinished }
    }

    #[test]
    fn percentiles_are_those_of_the_sample() {
        let table =
            Table::of(&[window((1..=5_000).map(|i| i * 20), 0), window((5_001..=10_000).map(|i| i * 20), 0)]);
        for p in [0.01, 0.5, 0.95, 0.99, 0.999] {
            let ms = exp(table.whole(p).unwrap());
            assert!((ms / (200.0 * p) - 1.0).abs() < 5e-3, "{p}: {ms}");
        }
        let second = exp(table.ln(0.5, &[0.0, 1.0]).unwrap());
        assert!((second / 150.0 - 1.0).abs() < 2e-3, "{second}");
    }

    #[test]
    fn what_never_ends_is_later_than_everything() {
        let table = Table::of(&[window((1..=980).map(|_| 1_000), 20)]);
        assert!(table.whole(0.97).unwrap() < 1.0);
        assert_eq!(table.whole(0.99), Some(NEVER));
        assert_eq!(exp_or_never(NEVER), f64::INFINITY);
        assert_eq!(Table::of(&[]).whole(0.5), None);
    }
}
