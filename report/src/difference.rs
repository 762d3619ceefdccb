//! How two stacks differ in a metric: a ratio with its uncertainty, and one word for it.
//!
//! Goals: the ratio is that of stacks that had the same messages, so it is taken within a run, or run by run, and is
//! narrower than the values' own intervals; a difference is named only if it is large enough to matter, and certain.
//! Non-goals: what the words lead to (see [`crate::verdict`]).

use crate::estimate::Estimate;
use crate::metrics::Better;
use crate::verdict::MARGIN;
use serde::Serialize;

/// What a difference means for the stack that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Better by more than the margin, and the interval leaves no doubt of the direction.
    Better,
    /// Worse by more than the margin, and the interval leaves no doubt of the direction.
    Worse,
    /// Within the margin, the interval included.
    Level,
    /// None of these: a longer run, or more repeats, would tell.
    Unclear,
}

/// How a stack differs from another one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Its value over the other's; `None` if either is 0.
    pub ratio: Option<Estimate>,
    /// What it means; `None` for metrics that inform and do not judge.
    pub word: Option<Word>,
}

impl Difference {
    /// From the values of one stack and of the other; `ratio` if it is known with an interval.
    pub(crate) fn of(better: Better, value: f64, other: f64, ratio: Option<Estimate>) -> Self {
        let positive = value > 0.0 && other > 0.0;
        let ratio = ratio.or_else(|| positive.then(|| Estimate::single(value / other)));
        let judges = better != Better::Neither;
        let word = judges.then(|| match ratio {
            Some(ratio) => word(better, &ratio),
            None if value == other => Word::Level,
            None => direction(better, value < other),
        });
        Self { ratio, word }
    }

    /// The word over repeats of which some have no ratio, from the values of each: `(of one stack, of the other)`.
    pub(crate) fn word_over_runs(better: Better, pairs: &[(f64, f64)]) -> Option<Word> {
        let differences: Vec<f64> = pairs.iter().map(|(value, other)| value - other).collect();
        word_of_differences(better, &differences)
    }

    /// Over repeats, from the values of each: `(of one stack, of the other)`. Both had the same messages in one repeat,
    /// so the ratios of the repeats are what varies, and their logarithms are averaged.
    pub(crate) fn ratio_over_runs(pairs: &[(f64, f64)]) -> Option<Estimate> {
        if pairs.len() < 2 || pairs.iter().any(|(value, other)| *value <= 0.0 || *other <= 0.0) {
            return None;
        }
        let logarithms: Vec<f64> = pairs.iter().map(|(value, other)| libm::log(value / other)).collect();
        let mean = Estimate::over_runs(&logarithms)?;
        let (low, high) = (mean.low.map(libm::exp), mean.high.map(libm::exp));
        Some(Estimate { value: libm::exp(mean.value), low, high, ..mean })
    }
}

/// Over repeats without ratios; see [`Difference::word_over_runs`].
fn word_of_differences(better: Better, differences: &[f64]) -> Option<Word> {
    if differences.iter().all(|difference| *difference == 0.0) {
        return Some(Word::Level);
    }
    let (low, high) = Estimate::over_runs(differences)?.interval()?;
    let certain = low > 0.0 || high < 0.0;
    Some(if certain { direction(better, high < 0.0) } else { Word::Unclear })
}

fn word(better: Better, ratio: &Estimate) -> Word {
    let (low, high) = ratio.interval().unwrap_or((ratio.value, ratio.value));
    // As far down as up: a stack is level with another exactly if that one is level with it.
    let level = |r: f64| (1.0 / (1.0 + MARGIN)..=1.0 + MARGIN).contains(&r);
    if level(low) && level(high) {
        Word::Level
    } else if level(ratio.value) || (low <= 1.0 && high >= 1.0) {
        Word::Unclear
    } else {
        direction(better, ratio.value < 1.0)
    }
}

fn direction(better: Better, is_lower: bool) -> Word {
    if is_lower == (better == Better::Lower) { Word::Better } else { Word::Worse }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::Spread;

    fn of(value: f64, other: f64, interval: Option<(f64, f64)>) -> Word {
        let ratio = interval.map(|(low, high)| {
            let ratio = value / other;
            Estimate::over_blocks(ratio, Spread { low: low / ratio, high: high / ratio }, 10)
        });
        Difference::of(Better::Lower, value, other, ratio).word.unwrap()
    }

    #[test]
    fn a_word_needs_size_and_certainty() {
        assert_eq!(of(80.0, 100.0, None), Word::Better);
        assert_eq!(of(80.0, 100.0, Some((0.7, 0.9))), Word::Better);
        assert_eq!(of(80.0, 100.0, Some((0.6, 1.1))), Word::Unclear, "it may be none");
        assert_eq!(of(130.0, 100.0, Some((1.1, 1.6))), Word::Worse);
        assert_eq!(of(102.0, 100.0, Some((1.01, 1.03))), Word::Level, "certain, but too small to matter");
        assert_eq!(of(102.0, 100.0, Some((0.9, 1.2))), Word::Unclear);
        assert_eq!(of(102.0, 100.0, Some((1.01, 1.07))), Word::Unclear);
        assert_eq!((of(105.0, 100.0, None), of(100.0, 105.0, None)), (Word::Level, Word::Level));
        assert_eq!(Difference::of(Better::Higher, 80.0, 100.0, None).word, Some(Word::Worse));
        assert_eq!(Difference::of(Better::Neither, 80.0, 100.0, None).word, None);
    }

    #[test]
    fn nothing_has_no_ratio() {
        assert_eq!(of(0.0, 0.0, None), Word::Level);
        assert_eq!((of(0.0, 3.0, None), of(3.0, 0.0, None)), (Word::Better, Word::Worse));
        assert_eq!(Difference::of(Better::Lower, 0.0, 3.0, None).ratio, None);
    }

    #[test]
    fn repeats_are_paired() {
        // Repeats differ by a factor of a hundred, the stacks by one of two in each: mean ln 2, no spread.
        let ratio = Difference::ratio_over_runs(&[(2.0, 1.0), (20.0, 10.0), (200.0, 100.0)]).unwrap();
        assert!((ratio.value - 2.0).abs() < 1e-12 && ratio.n == 3);
        assert!((ratio.high.unwrap() - ratio.low.unwrap()).abs() < 1e-9);
        // ln ratios -1, 0, 1: mean 0, half-width 4.303 / sqrt 3.
        let e = std::f64::consts::E;
        let ratio = Difference::ratio_over_runs(&[(1.0, e), (1.0, 1.0), (e, 1.0)]).unwrap();
        assert!((ratio.high.unwrap() / libm::exp(4.303 / 3_f64.sqrt()) - 1.0).abs() < 1e-9);
        assert_eq!(Difference::ratio_over_runs(&[(2.0, 1.0), (0.0, 10.0)]), None);
        assert_eq!(Difference::ratio_over_runs(&[(2.0, 1.0)]), None);
    }
}
