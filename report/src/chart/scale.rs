//! Axes: where a value lies between 0 and 1, and which values are labelled.
//!
//! One type for linear and logarithmic axes, with ticks of our own: plotters' differ in trait bounds and its
//! logarithmic ticks are uneven.

use crate::format;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use std::ops::Range;

/// One axis.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// Least value.
    pub(crate) lo: f64,
    /// Greatest value.
    pub(crate) hi: f64,
    /// Whether it is logarithmic.
    pub(crate) log: bool,
    /// Labelled values, ascending.
    pub(crate) ticks: Vec<Tick>,
}

/// A labelled value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// The value.
    pub(crate) at: f64,
    /// Its label.
    pub(crate) label: String,
}

impl Scale {
    /// Seconds since the start of the run, in about `parts` steps of the unit that suits their number.
    pub(crate) fn time(length: f64, parts: usize) -> Self {
        const SIXTIES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0];
        let (size, name, steps): (_, _, &[f64]) = match length {
            s if s <= 180.0 => (1.0, "s", SIXTIES),
            s if s <= 3.0 * 3_600.0 => (60.0, "min", SIXTIES),
            s if s <= 72.0 * 3_600.0 => (3_600.0, "h", &[1.0, 2.0, 3.0, 6.0, 12.0, 24.0]),
            _ => (86_400.0, "d", &[1.0, 2.0, 7.0, 14.0]),
        };
        let most = length / size;
        let fits = |step: &&f64| most > 3.0 && most / **step <= parts as f64 + 1.0;
        let step = steps.iter().find(fits).copied().unwrap_or_else(|| round_step(most, parts));
        let mut ticks: Vec<Tick> = multiples(step, most)
            .into_iter()
            .map(|v| Tick { at: v * size, label: format::number(v) })
            .collect();
        if let Some(last) = ticks.last_mut() {
            last.label = format!("{}{}{name}", last.label, format::NBSP);
        }
        Self { lo: 0.0, hi: length.max(1e-9), log: false, ticks }
    }

    /// From 0 to a round number not below `most`, in about `parts` steps.
    pub(crate) fn linear(most: f64, parts: usize, label: impl Fn(f64) -> String) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let step = round_step(most, parts);
        let top = (most / step - 1e-9).ceil() * step;
        let ticks = (0..=(top / step).round() as usize)
            .map(|i| i as f64 * step)
            .map(|at| Tick { at, label: label(at) })
            .collect();
        Self { lo: 0.0, hi: top, log: false, ticks }
    }

    /// Logarithmic where the values span more than a decade, else linear from 0.
    pub(crate) fn spanning(least: f64, most: f64, label: impl Fn(f64) -> String) -> Self {
        if !(least > 0.0 && most > least * 10.0) {
            return Self::linear(most, 4, label);
        }
        let (lo, hi) = (least * 0.9, most * 1.1);
        let decades = libm::log10(hi / lo);
        let multiples: &[f64] = if decades <= 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let exponents = libm::floor(libm::log10(lo)) as i32..=libm::ceil(libm::log10(hi)) as i32;
        let ticks = exponents
            .flat_map(|e| multiples.iter().map(move |m| m * 10_f64.powi(e)))
            .filter(|v| (lo..=hi).contains(v))
            .map(|at| Tick { at, label: label(at) })
            .collect();
        Self { lo, hi, log: true, ticks }
    }

    /// Logarithmic milliseconds over `least..=most`, both above 0.
    pub(crate) fn log_ms(least: f64, most: f64) -> Self {
        let lo = least.max(1e-3) * 0.8;
        let hi = (most * 1.25).max(lo * 4.0);
        // Multiples of each power of ten; above 100 s, where that would give 16.7 min, round minutes and hours.
        let (multiples, minutes): (&[f64], &[f64]) = match (hi / lo).log10() {
            decades if decades <= 1.2 => {
                (&[1.0, 2.0, 3.0, 5.0, 7.0], &[2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 45.0])
            }
            decades if decades <= 2.5 => (&[1.0, 2.0, 5.0], &[5.0, 10.0, 20.0]),
            decades if decades <= 3.5 => (&[1.0, 3.0], &[5.0, 20.0]),
            _ => (&[1.0], &[20.0]),
        };
        const HUNDRED_SECONDS: f64 = 100_000.0;
        let hours: &[f64] = if multiples.len() > 1 { multiples } else { &[3.0] };
        let exponents = lo.log10().floor() as i32..=hi.log10().ceil() as i32;
        let short = exponents.flat_map(|e| multiples.iter().map(move |m| m * 10_f64.powi(e)));
        let long = [1.0, 10.0, 100.0, 1_000.0]
            .into_iter()
            .flat_map(|ten| hours.iter().map(move |h| h * ten * 3_600e3));
        let ticks = short
            .filter(|v| *v <= HUNDRED_SECONDS)
            .chain(minutes.iter().map(|m| m * 60e3))
            .chain(long)
            .filter(|v| (lo..=hi).contains(v))
            .map(|at| Tick { at, label: format::milliseconds(at) })
            .collect();
        Self { lo, hi, log: true, ticks }
    }

    /// Percent, from 0 to 100.
    pub(crate) fn percent() -> Self {
        let label = |at: f64| format!("{at}{}%", format::NBSP);
        let ticks = [0.0, 25.0, 50.0, 75.0, 100.0].map(|at| Tick { at, label: label(at) });
        Self { lo: 0.0, hi: 100.0, log: false, ticks: ticks.into() }
    }

    /// Milliseconds of either sign, as [`signed_ms`] places them, over at least -1 to 1.
    pub(crate) fn signed_ms(least: f64, most: f64) -> Self {
        let (least, most) = (signed_ms(least.min(-1.0)), signed_ms(most.max(1.0)));
        // About a factor of ten from each to the next: 20 min, 3 h and 30 h after 100 s.
        const LADDER: [f64; 9] = [1.0, 10.0, 100.0, 1e3, 10e3, 100e3, 1_200e3, 10_800e3, 108_000e3];
        let step = ((most - least) / 8.0).ceil().max(1.0) as usize;
        let apart = |ms: &&f64| signed_ms(**ms) > (most - least) / 15.0;
        let both = LADDER.iter().filter(apart).step_by(step).flat_map(|ms| [-ms, *ms]).chain([0.0]);
        let mut ticks: Vec<Tick> = both
            .map(|ms| Tick { at: signed_ms(ms), label: format::signed_milliseconds(ms) })
            .filter(|tick| (least..=most).contains(&tick.at))
            .collect();
        ticks.sort_by(|a, b| a.at.total_cmp(&b.at));
        Self { lo: least, hi: most, log: false, ticks }
    }

    /// Percentiles by their nines: 0 is the minimum, 1 is p90, 2 is p99.
    pub(crate) fn nines(most: f64) -> Self {
        let named = [(0.0, "min"), (std::f64::consts::LOG10_2, "p50"), (1.0, "p90"), (2.0, "p99")];
        let rarer = [(3.0, "p99.9"), (4.0, "p99.99"), (5.0, "p99.999"), (6.0, "p99.9999")];
        let ticks = named.into_iter().chain(rarer).filter(|(at, _)| *at <= most + 0.02);
        let ticks = ticks.map(|(at, label)| Tick { at, label: label.into() }).collect();
        Self { lo: 0.0, hi: most.max(0.5), log: false, ticks }
    }

    /// Where a value lies: 0 at the lower end, 1 at the upper.
    pub(crate) fn position(&self, v: f64) -> f64 {
        if self.log {
            (v.max(self.lo * 1e-3) / self.lo).ln() / (self.hi / self.lo).ln()
        } else {
            (v - self.lo) / (self.hi - self.lo)
        }
    }
}

/// Where milliseconds lie on an axis for both signs: logarithmic away from 0, linear within a millisecond of it.
pub(crate) fn signed_ms(ms: f64) -> f64 {
    libm::log10(1.0 + ms.abs()).copysign(ms)
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        // What lies far outside is clipped by the page; here it must only not overflow.
        from + (f64::from(to - from) * self.position(*value).clamp(-4.0, 5.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|tick| tick.at).collect()
    }

    fn range(&self) -> Range<f64> {
        self.lo..self.hi
    }
}

/// A round step that divides `most` into about `parts`.
fn round_step(most: f64, parts: usize) -> f64 {
    let raw = most / parts as f64;
    let magnitude = 10_f64.powf(raw.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * magnitude);
    // Fractions of 1 are fine, but 2.5 of something countable is not.
    let whole = |step: &f64| magnitude != 1.0 || step.fract() == 0.0;
    steps.into_iter().filter(whole).find(|step| *step >= raw * 0.999).unwrap_or(raw)
}

/// 0 and the multiples of a step up to `most`.
fn multiples(step: f64, most: f64) -> Vec<f64> {
    if most <= 0.0 || !most.is_finite() {
        return vec![0.0];
    }
    let count = (most / step + 1e-6).floor() as usize;
    (0..=count).map(|i| i as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> String {
        scale.ticks.iter().map(|t| t.label.replace(format::NBSP, " ")).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(&Scale::time(1_930.0, 6)), "0|5|10|15|20|25|30 min");
        assert_eq!(labels(&Scale::time(1_930.0, 3)), "0|10|20|30 min");
        assert_eq!(labels(&Scale::time(30_600.0, 6)), "0|2|4|6|8 h");
        assert_eq!(labels(&Scale::time(604_800.0, 6)), "0|1|2|3|4|5|6|7 d");
        assert_eq!(labels(&Scale::time(0.4, 4)), "0|0.1|0.2|0.3|0.4 s");
        assert_eq!(labels(&Scale::time(0.0, 4)), "0 s");
        assert_eq!(labels(&Scale::time(120.0, 6)), "0|20|40|60|80|100|120 s");
        assert_eq!(labels(&Scale::linear(28_003.0, 4, format::number)), "0|10,000|20,000|30,000");
        assert_eq!(labels(&Scale::linear(0.0, 4, format::number)), "0|0.25|0.5|0.75|1");
        assert_eq!(labels(&Scale::log_ms(80.0, 110_000.0)), "100 ms|300 ms|1 s|3 s|10 s|30 s|100 s");
        assert_eq!(labels(&Scale::log_ms(500.0, 9e6)), "1 s|10 s|100 s|20 min|3 h");
        assert_eq!(labels(&Scale::log_ms(60e3, 6e6)), "50 s|100 s|5 min|10 min|20 min|60 min|2 h");
        assert_eq!(labels(&Scale::spanning(1.0, 1_000.0, format::number)), "1|10|100|1,000");
        assert_eq!(labels(&Scale::spanning(3.0, 90.0, format::number)), "5|10|20|50");
        assert_eq!(labels(&Scale::spanning(30.0, 90.0, format::number)), "0|25|50|75|100");
        assert_eq!(labels(&Scale::spanning(0.0, 90.0, format::number)), "0|25|50|75|100");
        assert_eq!(labels(&Scale::nines(2.5)), "min|p50|p90|p99");
        assert_eq!(labels(&Scale::signed_ms(-150.0, 20_000.0)), "−100 ms|−10 ms|0 ms|10 ms|100 ms|1 s|10 s");
        assert_eq!(labels(&Scale::signed_ms(0.0, 0.0)), "−1 ms|0 ms|1 ms");
    }

    #[test]
    fn positions_span_the_axis() {
        let log = Scale::log_ms(10.0, 1_000.0);
        assert!(log.position(log.lo).abs() < 1e-12 && (log.position(log.hi) - 1.0).abs() < 1e-12);
        assert!(log.position(0.0) < 0.0, "zero is off a logarithmic axis, not infinite");
        assert!(log.position(0.0).is_finite());
    }
}
