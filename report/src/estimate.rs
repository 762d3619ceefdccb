//! A number with its uncertainty.
//!
//! Goals: one type for every number of a report: a value, its 95 % interval if there is one, and what the interval
//! rests on.
//! Non-goals: intervals within one run (see [`crate::bootstrap`]), and of ratios (see [`crate::difference`]).

use crate::bootstrap::Spread;
use serde::Serialize;

/// What an interval rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Nothing: one run, and a number of the run as a whole.
    Single,
    /// Blocks of time of one run: how the minutes of the run differ.
    Blocks,
    /// Repeats: how runs differ.
    Runs,
}

/// A value, and how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The value of one run, or the mean over runs; unit of its metric.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval.
    pub high: Option<f64>,
    /// What the interval rests on.
    pub basis: Basis,
    /// How many blocks or runs it rests on.
    pub n: usize,
}

impl Estimate {
    /// A value without an interval.
    #[must_use]
    pub fn single(value: f64) -> Self {
        Self { value, low: None, high: None, basis: Basis::Single, n: 1 }
    }

    /// A value of one run with the interval that its blocks give.
    #[must_use]
    pub fn over_blocks(value: f64, spread: Spread, blocks: usize) -> Self {
        let (low, high) = (Some(value * spread.low), Some(value * spread.high));
        Self { value, low, high, basis: Basis::Blocks, n: blocks }
    }

    /// The mean over runs with its interval (Student's t); `None` without values.
    #[must_use]
    pub fn over_runs(values: &[f64]) -> Option<Self> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        if n == 1 {
            return Some(Self::single(mean));
        }
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
        let half = t_quantile_975(n - 1) * (variance / n as f64).sqrt();
        Some(Self { value: mean, low: Some(mean - half), high: Some(mean + half), basis: Basis::Runs, n })
    }

    /// The ends of the interval.
    #[must_use]
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.low.zip(self.high)
    }
}

/// The 0.975 quantile of Student's t: table up to 30 degrees of freedom, then the Cornish-Fisher expansion around
/// the normal quantile, which is right to 0.001 there.
pub(crate) fn t_quantile_975(degrees: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
        2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048,
        2.045, 2.042,
    ];
    const Z: f64 = 1.959_964;
    match degrees {
        0 => f64::INFINITY,
        1..=30 => TABLE[degrees - 1],
        _ => Z + (Z.powi(3) + Z) / (4.0 * degrees as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_has_no_interval() {
        let one = Estimate::over_runs(&[7.0]).unwrap();
        assert_eq!(one, Estimate::single(7.0));
        assert_eq!((one.interval(), one.basis), (None, Basis::Single));
        assert_eq!(Estimate::over_runs(&[]), None);
    }

    #[test]
    fn repeats_have_the_t_interval() {
        // Mean 10, standard deviation 2, n = 4: 10 -+ 3.182 x 2 / 2.
        let values = [10.0 - 6.0_f64.sqrt(), 10.0, 10.0, 10.0 + 6.0_f64.sqrt()];
        let four = Estimate::over_runs(&values).unwrap();
        assert!((four.value - 10.0).abs() < 1e-12);
        assert!((four.low.unwrap() - 6.818).abs() < 1e-9, "{four:?}");
        assert!((four.high.unwrap() - 13.182).abs() < 1e-9);
    }

    #[test]
    fn the_quantile_goes_on_beyond_its_table() {
        assert!((t_quantile_975(40) - 2.021).abs() < 2e-3);
        assert!((t_quantile_975(120) - 1.980).abs() < 2e-3);
    }
}
