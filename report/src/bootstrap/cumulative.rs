//! The percentiles of one stage of one stack, read from resampled histograms.

use super::layout::{LANES, Lanes, Layout};
use crate::view::SAMPLES_BEYOND;
use hdrhistogram::Histogram;
use model::windows::{Stage, Windows, bin_of};

/// One stage of one stack: how many samples each window has up to each value.
pub(super) struct Cumulative {
    /// Logarithms of the values that occur, ascending; row by row.
    pub(super) ln: Vec<f64>,
    /// Logarithm of the least sample.
    least: f64,
    /// Width of each value's bin as a share of the value.
    bins: Vec<f64>,
    /// The counts, row after row.
    counts: Vec<Lanes>,
    lanes: usize,
}

impl Cumulative {
    /// `all` are the samples of all windows, in microseconds.
    pub(super) fn of(windows: &Windows, stage: Stage, all: &Histogram<u64>, layout: &Layout) -> Self {
        let values: Vec<u64> = all.iter_recorded().map(|bin| bin.value_iterated_to()).collect();
        let lanes = layout.lanes();
        let mut rows = vec![0_u32; values.last().map_or(0, |last| bin_of(*last) + 1)];
        values.iter().enumerate().for_each(|(row, value)| rows[bin_of(*value)] = row as u32);
        let mut counts = vec![[0.0; LANES]; values.len() * lanes];
        let mut tile = vec![[0_u32; LANES]; values.len()];
        let inside = windows.histograms.iter().filter(|w| w.stage == stage && w.start >= layout.from);
        let mut inside = inside.map(|w| (((w.start - layout.from) / layout.width) as usize, w)).peekable();
        for lane in 0..lanes {
            tile.fill([0; LANES]);
            while let Some((index, window)) = inside.next_if(|(index, _)| *index < (lane + 1) * LANES) {
                for (bin, count) in window.counts.bins() {
                    tile[rows[bin] as usize][index % LANES] += count as u32;
                }
            }
            let mut sum = [0_u32; LANES];
            for (row, tile) in tile.iter().enumerate() {
                (0..LANES).for_each(|i| sum[i] += tile[i]);
                counts[row * lanes + lane] = sum.map(|count| count as f32);
            }
        }
        // A microsecond stands for what is shorter: there is no logarithm of nothing.
        let ln = values.iter().map(|v| libm::log((*v).max(1) as f64)).collect();
        let bins = values.iter().map(|v| (1.0 / (*v).max(1) as f64).max(BIN)).collect();
        let least = libm::log(all.min().max(1) as f64);
        Self { ln, least, bins, counts, lanes }
    }

    fn samples_up_to(&self, row: usize, weights: &[Lanes]) -> f32 {
        let mut sum = [0.0_f32; LANES];
        for (counts, weights) in self.counts[row * self.lanes..][..self.lanes].iter().zip(weights) {
            (0..LANES).for_each(|i| sum[i] += counts[i] * weights[i]);
        }
        sum.iter().sum()
    }

    /// The first row that has a share `p` of the samples at or below it. The search begins at `near`, for resamples
    /// differ little.
    pub(super) fn quantile(&self, p: f64, weights: &[Lanes], near: usize) -> usize {
        let last = self.ln.len() - 1;
        let wanted = (p * f64::from(self.samples_up_to(last, weights))) as f32;
        let reaches = |row: usize| self.samples_up_to(row, weights) >= wanted;
        // `below` is the first row not known to fall short, `at` is known to reach.
        let (mut below, mut at, mut step) = (0, last, 8);
        if reaches(near) {
            at = near;
            while at > 0 {
                let probe = at.saturating_sub(step);
                if !reaches(probe) {
                    below = probe + 1;
                    break;
                }
                (at, step) = (probe, step * 4);
            }
        } else {
            below = near + 1;
            while below < last {
                let probe = (below + step).min(last);
                if reaches(probe) {
                    at = probe;
                    break;
                }
                (below, step) = (probe + 1, step * 4);
            }
        }
        while below < at {
            let middle = usize::midpoint(below, at);
            if reaches(middle) { at = middle } else { below = middle + 1 }
        }
        at
    }

    /// How many samples of each window are not below a row.
    fn from(&self, row: usize) -> impl Iterator<Item = f64> {
        let counts = |row: usize| self.counts[row * self.lanes..][..self.lanes].iter().flatten();
        let below = row.checked_sub(1).map(counts).into_iter().flatten().copied();
        let below = below.chain(std::iter::repeat(0.0));
        counts(self.ln.len() - 1).zip(below).map(|(all, below)| f64::from(all - below))
    }

    /// A percentile in every resample.
    pub(super) fn draws(&self, p: f64, layout: &Layout, weights: &[Lanes]) -> Draws {
        let last = self.ln.len() - 1;
        let point = self.quantile(p, &vec![[1.0; LANES]; self.lanes], last / 2);
        let enough = |resample: &[Lanes]| {
            f64::from(self.samples_up_to(last, resample)) * (1.0 - p) >= SAMPLES_BEYOND as f64
        };
        let deviation = |resample: &[Lanes]| {
            let deviation = self.ln[self.quantile(p, resample, point)] - self.ln[point];
            if enough(resample) { deviation as f32 } else { f32::NAN }
        };
        Draws {
            one_event: !layout.are_from_several_events(self.from(point)),
            point: self.ln[point],
            deviations: weights.chunks_exact(self.lanes).map(deviation).collect(),
            // What is uniform within its bin is off by this much.
            resolution: self.bins[point] / 12_f64.sqrt(),
            least: self.least - self.ln[point],
            most: self.ln[last] - self.ln[point],
        }
    }
}

/// Width of a bin of an HdrHistogram with three digits, as a share of the value: at most 1/1,024.
const BIN: f64 = 1.0 / 1_024.0;

/// A percentile of a stack in every resample.
#[derive(Clone, Debug)]
pub(super) struct Draws {
    /// Whether what lies at it and beyond may be one event, which has no interval.
    pub(super) one_event: bool,
    /// Logarithm of the run's value.
    pub(super) point: f64,
    /// Logarithm of the resample's value over that of the run; not a number where the resample has too few samples.
    pub(super) deviations: Vec<f32>,
    /// Standard error that the histogram's bins leave in any case, on the log scale.
    pub(super) resolution: f64,
    /// Logarithm of the least sample over the run's value.
    pub(super) least: f64,
    /// Logarithm of the largest sample over the run's value.
    pub(super) most: f64,
}
