//! How far the ratio of two whole runs can be trusted: blocks of time are drawn anew, the same for both.
//!
//! Not [`crate::bootstrap`]: that one gives intervals of one run's figures, where a block stays near its place; a check
//! draws from the whole run, as the study of its false alarms did.

use super::quantiles::{NEVER, Table};
use model::random::Stream;
use model::time::{Nanos, SECOND};

/// How often.
pub(super) const RESAMPLES: usize = 2_000;

/// Length of a block: longer than most queues and cold starts are felt.
const BLOCK: Nanos = 60 * SECOND;

/// Fixed, so that a verdict can be reproduced.
const SEED: u64 = 0;

/// How often each window counts in each resample.
pub(super) struct Resamples {
    weights: Vec<f64>,
    windows: usize,
}

impl Resamples {
    /// Of windows of `width`. The run is a circle, so that every window is drawn equally often.
    pub(super) fn of(windows: usize, width: Nanos) -> Self {
        let length = ((BLOCK + width / 2) / width.max(1)).max(1) as usize;
        let mut stream = Stream::new(SEED, "check");
        let mut weights = vec![0.0; RESAMPLES * windows];
        for resample in weights.chunks_exact_mut(windows.max(1)) {
            let mut missing = windows;
            while missing > 0 {
                let start = stream.between(0, windows as u64 - 1) as usize;
                let taken = length.min(missing);
                (start..start + taken).for_each(|window| resample[window % windows] += 1.0);
                missing -= taken;
            }
        }
        Self { weights, windows }
    }

    /// Mean logarithm of the candidates' percentile less that of the baselines, in each resample, ascending; `less` is
    /// the control's.
    pub(super) fn differences(&self, p: f64, sides: &Sides, control: Option<&Sides>) -> Vec<f64> {
        let of = |weights: &[f64]| {
            let own = sides.difference(|table| table.ln(p, weights))?;
            let less =
                control.map_or(Some(0.0), |control| control.difference(|table| table.ln(p, weights)))?;
            Some(own - less)
        };
        let mut all: Vec<f64> = self.weights.chunks_exact(self.windows.max(1)).filter_map(of).collect();
        all.sort_unstable_by(f64::total_cmp);
        all
    }
}

/// The lower and the upper one-sided bound of sorted draws.
pub(super) fn bounds(draws: &[f64], alpha: f64) -> Option<(f64, f64)> {
    let tail = ((draws.len() as f64 * alpha) as usize).max(1);
    Some((*draws.get(tail - 1)?, *draws.get(draws.len().checked_sub(tail)?)?))
}

/// Standard deviation of draws; those that never end are left out.
pub(super) fn deviation(draws: &[f64]) -> f64 {
    let finite: Vec<f64> = draws.iter().copied().filter(|draw| draw.abs() < NEVER / 4.0).collect();
    super::history::deviation(&finite)
}

/// One stack in the baselines and in the candidates.
pub(super) struct Sides {
    pub(super) baselines: Vec<Table>,
    pub(super) candidates: Vec<Table>,
}

impl Sides {
    /// Mean of `value` over the candidates less that over the baselines; `None` if one has no value.
    pub(super) fn difference(&self, value: impl Fn(&Table) -> Option<f64>) -> Option<f64> {
        let mean = |tables: &[Table]| {
            let sum = tables.iter().map(&value).sum::<Option<f64>>()?;
            (!tables.is_empty()).then(|| sum / tables.len() as f64)
        };
        Some(mean(&self.candidates)? - mean(&self.baselines)?)
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.baselines.iter().chain(&self.candidates)
    }
}
