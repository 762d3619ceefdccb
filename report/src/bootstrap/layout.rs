//! Which minutes of a run are put together anew, and how.
//!
//! Non-goals: what is read from them (see [`super::cumulative`]).

use model::random::Stream;
use model::time::{Nanos, SECOND};

/// How often the run is resampled.
pub(crate) const RESAMPLES: usize = 2_000;

/// Length of a block: longer than most queues and cold starts are felt.
const BLOCK: Nanos = 60 * SECOND;

/// A block is drawn from a stretch of this many around its place. From the whole run, a resample would have the
/// scenario's spike twice or not at all, and intervals would tell of that.
pub(super) const STRETCH: usize = 3;

/// What is mostly from so many blocks may be one event.
const EVENT_BLOCKS: f64 = 2.0;

/// Fewer blocks than this have no interval.
const LEAST_BLOCKS: usize = 5;

/// Windows of a long run are merged until at most this many remain.
const MOST_WINDOWS: u64 = 180;

/// Fixed, so that a verdict can be reproduced.
const SEED: u64 = 0;

/// Sums are kept in lanes, so that they vectorise and still add up in one order on every machine.
pub(crate) const LANES: usize = 8;
pub(crate) type Lanes = [f32; LANES];

/// What is counted in windows, each as often as its weight says.
#[inline]
pub(crate) fn dot(counts: &[Lanes], weights: &[Lanes]) -> f32 {
    by_lane(counts, weights).iter().sum()
}

/// Not inlined: where the lanes are stored side by side, the compiler computes them side by side, too.
#[inline(never)]
fn by_lane(counts: &[Lanes], weights: &[Lanes]) -> Lanes {
    let mut sum = [0.0; LANES];
    for (counts, weights) in counts.iter().zip(weights) {
        sum = std::array::from_fn(|i| sum[i] + counts[i] * weights[i]);
    }
    sum
}

/// The windows of a run between warm-up and the end of the load, and the blocks that they form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Start of the first window.
    pub(crate) from: Nanos,
    /// Width of a window.
    pub(crate) width: Nanos,
    /// Number of windows.
    pub(crate) windows: usize,
    /// Windows per block.
    pub(super) length: usize,
    /// Number of blocks, rounded.
    pub(crate) blocks: usize,
}

impl Layout {
    pub(crate) fn of(width: Nanos, warmup: Nanos, load_end: Nanos) -> Option<Self> {
        if load_end.saturating_sub(warmup) < LEAST_BLOCKS as Nanos * BLOCK {
            return None;
        }
        let from = warmup.div_ceil(width.max(1)).checked_mul(width)?;
        let recorded = load_end.checked_sub(from)?.div_ceil(width.max(1));
        let merged = recorded.div_ceil(MOST_WINDOWS);
        let width = width.checked_mul(merged).filter(|width| *width > 0)?;
        let windows = recorded.div_ceil(merged) as usize;
        let length = ((BLOCK + width / 2) / width).max(1) as usize;
        let blocks = (windows + length / 2) / length;
        (blocks >= LEAST_BLOCKS).then_some(Self { from, width, windows, length, blocks })
    }

    /// Lanes that hold one number per window.
    pub(crate) fn lanes(&self) -> usize {
        self.windows.div_ceil(LANES)
    }

    /// How often each window counts in each resample, resample after resample. The run is reflected at its ends: so a
    /// block stays near its place, and every window is drawn about equally often.
    pub(crate) fn weights(&self) -> Vec<Lanes> {
        let mut stream = Stream::new(SEED, "block bootstrap");
        let mut weights = vec![[0.0; LANES]; RESAMPLES * self.lanes()];
        for resample in weights.chunks_exact_mut(self.lanes()) {
            let mut missing = self.windows;
            while missing > 0 {
                let choices = STRETCH * self.length;
                // As many before a block's place as after it.
                let first = self.windows as isize - missing as isize - (choices / 2) as isize;
                let start = first + stream.between(0, choices as u64 - 1) as isize;
                let length = self.length.min(missing);
                for window in (start..start + length as isize).map(|window| self.reflected(window)) {
                    resample[window / LANES][window % LANES] += 1.0;
                }
                missing -= length;
            }
        }
        weights
    }

    /// The window that stands for one before the start or after the end of the run.
    fn reflected(&self, window: isize) -> usize {
        let before = if window < 0 { -1 - window } else { window } as usize;
        if before < self.windows { before } else { 2 * self.windows - 1 - before }
    }

    /// Whether samples, counted by window, may be from more than one event: an event lies in two blocks at most, or
    /// nearly so. Of one event there is no telling how another one would have been.
    pub(crate) fn are_from_several_events(&self, samples: impl Iterator<Item = f64>) -> bool {
        let mut blocks = vec![0.0; self.blocks];
        for (window, samples) in samples.take(self.windows).enumerate() {
            blocks[(window / self.length).min(self.blocks - 1)] += samples;
        }
        let (sum, squares) = blocks.iter().fold((0.0, 0.0), |(sum, squares), n| (sum + n, squares + n * n));
        // Blocks that have little beside the others count in part: as many blocks, all alike, are as uneven.
        sum * sum > EVENT_BLOCKS * squares
    }
}
