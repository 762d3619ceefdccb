//! Whether a difference is there in most windows: a paired t test over them, with errors for windows that are like
//! their neighbours.

use super::quantiles::resolution;
use super::resample::Sides;
use super::student;
use libm::sqrt;
use std::ops::Range;

/// Fewer windows tell nothing of persistence.
const FEWEST: usize = 10;

/// Below that many messages beyond it, a percentile of a window is the fate of a few.
const BEYOND: f64 = 10.0;

/// Neighbours are never taken to be more alike than this: its errors would be infinite at 1.
const MOST_ALIKE: f64 = 0.8;

/// The windows of a check, and what they say on the log scale.
pub(super) struct Persistence {
    /// Which windows, joined until each has enough messages.
    pub(super) groups: Vec<Range<usize>>,
    /// The difference in each.
    pub(super) differences: Vec<f64>,
    /// How alike neighbours are: -1 to 1.
    pub(super) alike: f64,
    /// One-sided bounds of the mean.
    pub(super) bounds: (f64, f64),
}

impl Persistence {
    /// `None` if there are too few windows with enough messages in all runs.
    pub(super) fn of(p: f64, sides: &Sides, control: Option<&Sides>, alpha: f64) -> Option<Self> {
        let everybody = || sides.tables().chain(control.into_iter().flat_map(Sides::tables));
        let least =
            |window: usize| everybody().map(|table| table.messages[window]).fold(f64::INFINITY, f64::min);
        let windows = sides.baselines.first()?.messages.len();
        let groups = joined((0..windows).map(least), BEYOND / (1.0 - p) - 1e-6);
        if groups.len() < FEWEST {
            return None;
        }
        // In a window that has no end, it is at least as late as whatever was measured.
        let longest = everybody().map(super::quantiles::Table::longest).fold(0.0, f64::max);
        let of = |group: &Range<usize>| {
            let mut weights = vec![0.0; windows];
            weights[group.clone()].fill(1.0);
            let mean = |sides: &Sides| sides.difference(|table| Some(table.ln(p, &weights)?.min(longest)));
            Some(mean(sides)? - control.map_or(Some(0.0), mean)?)
        };
        let differences = groups.iter().map(of).collect::<Option<Vec<f64>>>()?;
        let (alike, bounds) = test(&differences, alpha);
        Some(Self { groups, differences, alike, bounds })
    }
}

/// Neighbouring windows, joined until each group has `enough` messages; what is left joins the last.
fn joined(messages: impl Iterator<Item = f64>, enough: f64) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let (mut begin, mut sum, mut end) = (0, 0.0, 0);
    for count in messages {
        sum += count;
        end += 1;
        if sum >= enough {
            groups.push(begin..end);
            (begin, sum) = (end, 0.0);
        }
    }
    if let Some(last) = groups.last_mut() {
        last.end = end;
    }
    groups
}

/// Autocorrelation of neighbours, and the bounds of the mean.
fn test(differences: &[f64], alpha: f64) -> (f64, (f64, f64)) {
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let squares: f64 = differences.iter().map(|d| (d - mean) * (d - mean)).sum();
    let products: f64 = differences.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    let alike = if squares > 0.0 { products / squares } else { 0.0 };
    // The estimate is too small by 1 / n on average.
    let r = (alike + 1.0 / n).clamp(0.0, MOST_ALIKE);
    let error = sqrt(squares / (n - 1.0) / n * (1.0 + r) / (1.0 - r)).max(resolution());
    let half = student::quantile(alpha, differences.len() - 1) * error;
    (alike, (mean - half, mean + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_joined_until_they_have_enough() {
        let of = |messages: &[f64]| joined(messages.iter().copied(), 10.0);
        assert_eq!(of(&[10.0, 20.0]), [0..1, 1..2]);
        assert_eq!(of(&[4.0, 4.0, 4.0, 0.0, 12.0, 3.0]), [0..3, 3..6]);
        assert_eq!(of(&[4.0, 4.0]), []);
    }

    #[test]
    fn the_bounds_are_those_of_students_t() {
        // Mean 0, variance 20/19, neighbours as unlike as can be: no correction.
        let zigzag: Vec<f64> = (0..20).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let (alike, (low, high)) = test(&zigzag, 0.05);
        assert!((alike + 0.95).abs() < 1e-9 && (high + low).abs() < 1e-12);
        assert!((high - 1.7291 * sqrt(1.0 / 19.0)).abs() < 1e-4, "{high}");
        // Ten of one, ten of the other: errors are three times as large, the most there is.
        let tide: Vec<f64> = (0..20).map(|i| if i < 10 { 1.0 } else { -1.0 }).collect();
        let (alike, (_, high)) = test(&tide, 0.05);
        assert!(alike > MOST_ALIKE && (high - 3.0 * 1.7291 * sqrt(1.0 / 19.0)).abs() < 1e-4, "{high}");
    }
}
