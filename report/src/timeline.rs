//! The common time axis of a report's charts: at most 300 buckets from the start of the run to its end.
//!
//! Goals: all time charts share one axis, so one crosshair serves them all; a bucket holds whole periods.
//! Non-goals: percentiles of buckets (see [`crate::page`]'s latency section, which merges histograms).

use model::run::Run;
use model::series::Series;
use model::time::{Nanos, SECOND, seconds};

/// Most buckets of a line.
const MOST_BUCKETS: u64 = 300;

/// Buckets of equal width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeline {
    /// Width of a bucket.
    pub(crate) bucket: Nanos,
    /// Number of buckets.
    pub(crate) count: usize,
}

impl Timeline {
    /// The axis of a run; `None` if the run has no length.
    pub(crate) fn of(run: &Run) -> Option<Self> {
        let manifest = &run.manifest;
        let end = manifest.stacks.iter().map(|s| s.end).chain([manifest.load_end]).max()?;
        if end == 0 {
            return None;
        }
        let periods = run.stacks.iter().flat_map(|s| s.series.iter().map(|s| s.period));
        let widths = run.stacks.iter().map(|s| s.windows.width);
        let step = periods.chain(widths).chain([manifest.window]).max().unwrap_or(0);
        let step = if step == 0 { SECOND } else { step };
        let bucket = step * end.div_ceil(step.saturating_mul(MOST_BUCKETS)).max(1);
        Some(Self { bucket, count: end.div_ceil(bucket) as usize })
    }

    /// Length of the axis in seconds: whole buckets.
    pub(crate) fn length(&self) -> f64 {
        seconds(self.bucket) * self.count as f64
    }

    /// Seconds from the start of the run to the middle of a bucket.
    pub(crate) fn middle(&self, index: usize) -> f64 {
        seconds(self.bucket) * (index as f64 + 0.5)
    }

    /// The first instant of a bucket.
    pub(crate) fn start(&self, index: usize) -> Nanos {
        self.bucket * index as Nanos
    }

    /// The buckets that begin before `end`.
    pub(crate) fn until(&self, end: Nanos) -> usize {
        (end.div_ceil(self.bucket) as usize).min(self.count)
    }

    /// Sums per bucket; 0 where a series is silent before `end`, nothing after it.
    pub(crate) fn sums(&self, series: &Series, end: Nanos) -> Vec<Option<f64>> {
        let mut sums = vec![None; self.count];
        sums[..self.until(end)].fill(Some(0.0));
        self.fold(&mut sums, series, |sum, v| sum + v);
        sums
    }

    /// Maxima per bucket; nothing where a series is silent.
    pub(crate) fn maxima(&self, series: &Series) -> Vec<Option<f64>> {
        let mut maxima = vec![None; self.count];
        self.fold(&mut maxima, series, f64::max);
        maxima
    }

    fn fold(&self, buckets: &mut [Option<f64>], series: &Series, join: impl Fn(f64, f64) -> f64) {
        for &(at, v) in series.points.iter().filter(|point| point.1.is_finite()) {
            if let Some(bucket) = buckets.get_mut((at / self.bucket) as usize) {
                *bucket = Some(bucket.map_or(v, |have| join(have, v)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_sum_and_take_the_maximum() {
        let timeline = Timeline { bucket: 10, count: 4 };
        let points = vec![(0, 1.0), (5, 2.0), (10, 4.0), (30, 8.0), (99, 9.0)];
        let series =
            Series { metric: "A".into(), unit: "Count".into(), statistic: "Sum".into(), period: 5, points };
        assert_eq!(timeline.sums(&series, 25), [Some(3.0), Some(4.0), Some(0.0), Some(8.0)]);
        assert_eq!(timeline.maxima(&series), [Some(2.0), Some(4.0), None, Some(8.0)]);
    }
}
