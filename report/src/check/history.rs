//! How far a difference can be trusted when there are several runs: a run is what varies.

use super::student;
use libm::sqrt;

/// From so many baselines on, a run that went astray must not widen the bounds: median and median deviation.
const ROBUST: usize = 10;

/// Of a normal sample the standard deviation over the median deviation.
const MEDIAN_DEVIATION: f64 = 1.4826;

/// The difference between two groups of runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Difference {
    /// Centre of the candidates less that of the baselines.
    pub(super) value: f64,
    /// Its standard error.
    pub(super) error: f64,
    /// Degrees of freedom.
    pub(super) degrees: usize,
}

impl Difference {
    /// `None` for one run each: they do not say how runs vary. The error is at least `least`.
    pub(super) fn of(baselines: &[f64], candidates: &[f64], least: f64) -> Option<Self> {
        let (n, m) = (baselines.len(), candidates.len());
        if n == 0 || m == 0 || n + m < 3 {
            return None;
        }
        let (centre, deviation, degrees) = if n >= ROBUST {
            let centre = median(baselines);
            let distances: Vec<f64> = baselines.iter().map(|value| (value - centre).abs()).collect();
            (centre, MEDIAN_DEVIATION * median(&distances), n - 1)
        } else {
            let squares = squares(baselines) + squares(candidates);
            (mean(baselines), sqrt(squares / (n + m - 2) as f64), n + m - 2)
        };
        let error = deviation * sqrt(1.0 / n as f64 + 1.0 / m as f64);
        Some(Self { value: mean(candidates) - centre, error: error.max(least), degrees })
    }

    /// One-sided bounds.
    pub(super) fn bounds(&self, alpha: f64) -> (f64, f64) {
        let half = student::quantile(alpha, self.degrees) * self.error;
        (self.value - half, self.value + half)
    }
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn squares(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean) * (value - mean)).sum()
}

/// Standard deviation; 0 for fewer than two values.
pub(super) fn deviation(values: &[f64]) -> f64 {
    if values.len() < 2 { 0.0 } else { sqrt(squares(values) / (values.len() - 1) as f64) }
}

/// The middle value, or the mean of the two in the middle.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    // Twice the same if their number is odd; infinite ones have no mean with others.
    let (low, high) = (at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2));
    if low == high { low } else { f64::midpoint(low, high) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_candidate_has_a_prediction_interval() {
        // Mean 3, deviation sqrt(2.5): bounds at 2.132 x 1.5811 x sqrt(1 + 1/5).
        let difference = Difference::of(&[1.0, 2.0, 3.0, 4.0, 5.0], &[3.0], 0.0).unwrap();
        let (low, high) = difference.bounds(0.05);
        assert!((high - 2.1318 * 1.581_139 * 1.095_445).abs() < 1e-3 && (low + high).abs() < 1e-12);
        assert_eq!(difference.degrees, 4);
        assert_eq!(Difference::of(&[1.0], &[2.0], 0.0), None);
        assert_eq!(Difference::of(&[1.0], &[2.0, 2.0], 0.1).unwrap().error, 0.1);
    }

    #[test]
    fn a_run_that_went_astray_does_not_widen_a_long_history() {
        let mut runs: Vec<f64> = (0..10).map(|i| f64::from(i) / 100.0).collect();
        let before = Difference::of(&runs, &[0.0], 0.0).unwrap();
        runs[9] = 5.0;
        assert_eq!(Difference::of(&runs, &[0.0], 0.0).unwrap().error, before.error);
    }

    #[test]
    fn medians() {
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0, 2.0, 3.0])), (2.0, 2.5));
        assert_eq!(median(&[1.0, f64::INFINITY, f64::INFINITY]), f64::INFINITY);
        assert!(median(&[]).is_nan());
    }
}
