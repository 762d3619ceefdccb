//! The rule: a change counts if it is beyond the margin, lasts, and is felt.

use super::Outcome;
use super::quantiles::exp_or_never;
use super::windows::Persistence;
use libm::{exp, log1p};
use model::time::{MINUTE, Nanos, seconds};

/// Neighbouring windows that are more alike than this vary more slowly than blocks can tell.
const SLOW: f64 = 0.5;

/// A run that would have to be longer than this many times decides nothing.
const MOST_TIMES_LONGER: f64 = 50.0;

/// What speaks for a change of one percentile; logarithms of ratios, candidate over baseline.
pub(super) struct Evidence<'a> {
    /// The change.
    pub(super) change: f64,
    /// Its one-sided bounds.
    pub(super) bounds: (f64, f64),
    /// What the windows say.
    pub(super) windows: &'a Persistence,
    /// Milliseconds of the baseline.
    pub(super) baseline: f64,
    /// From the end of warm-up to the end of the load.
    pub(super) length: Nanos,
    /// Start and width of the windows.
    pub(super) place: (Nanos, Nanos),
}

/// What counts.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) margin: f64,
    pub(super) floor_ms: f64,
}

impl Evidence<'_> {
    fn half(&self) -> f64 {
        (self.bounds.1 - self.bounds.0) / 2.0
    }

    /// The smallest change that would have been seen four times in five, as a share.
    pub(super) fn detectable(&self, limits: Limits) -> Option<f64> {
        let least = (1.0 + limits.margin) * exp_or_never(1.5 * self.half()) - 1.0;
        least.is_finite().then_some(least)
    }

    /// Why the bounds may be too narrow.
    fn doubt(&self, limits: Limits) -> Option<String> {
        if self.half() > 2.0 * log1p(limits.margin) {
            Some("unstable: the bounds are wider than twice the margin".into())
        } else if self.windows.alike > SLOW {
            Some(format!(
                "latency drifts more slowly than blocks of a minute can tell (neighbouring windows correlate by {:.2})",
                self.windows.alike
            ))
        } else {
            None
        }
    }

    /// The outcome, and why.
    pub(super) fn rule(&self, limits: Limits) -> (Outcome, String) {
        let edge = log1p(limits.margin);
        let doubt = self.doubt(limits);
        // Where bounds may be too narrow, they are taken to be twice as wide. A change that stands even so is one.
        let more = if doubt.is_some() { self.half() } else { 0.0 };
        let (low, high) = (self.bounds.0 - more, self.bounds.1 + more);
        let felt = |ln: f64| self.baseline * (exp_or_never(ln) - 1.0).abs() > limits.floor_ms;
        let margin = percent(limits.margin);
        if self.bounds.0 > edge && felt(self.change) {
            if self.windows.bounds.0 <= 0.0 {
                let place = self.places();
                let why = format!(
                    "beyond the margin of {margin}, but by few windows: {place}; confirm with another run"
                );
                return (Outcome::Concentrated, why);
            }
            if low > edge {
                let why = format!(
                    "{} at least, beyond the margin of {margin}, and throughout the run",
                    change(low)
                );
                return (Outcome::Regressed, why);
            }
        }
        if high < -edge && felt(self.change) && self.windows.bounds.1 < 0.0 {
            return (Outcome::Improved, format!("{} at least, beyond the margin of {margin}", change(high)));
        }
        if high < edge {
            return (Outcome::Unchanged, format!("{} at most, within the margin of {margin}", change(high)));
        }
        if !felt(high) || (self.bounds.0 > edge && !felt(self.change)) {
            return (Outcome::Unchanged, format!("a difference below the floor of {} ms", limits.floor_ms));
        }
        let between = format!("somewhere between {} and {}", change(low), change(high));
        (
            Outcome::Inconclusive,
            match doubt {
                Some(doubt) => format!("{doubt}; {between}"),
                None => format!("{between}: {}", self.needed(edge)),
            },
        )
    }

    /// What would decide: bounds shrink with the root of the length.
    fn needed(&self, edge: f64) -> String {
        let wanted = (self.change - edge).abs();
        let times = (self.half() / wanted.max(1e-9)).powi(2);
        if times > MOST_TIMES_LONGER {
            return "at the margin itself; more runs may tell, a longer one does not".into();
        }
        let minutes = (seconds(self.length) * times / 60.0).ceil().max(seconds(self.length + MINUTE) / 60.0);
        format!("{minutes:.0} min after warm-up would decide")
    }

    /// Where in the run the change is largest: the three windows that differ most.
    fn places(&self) -> String {
        let mut order: Vec<usize> = (0..self.windows.differences.len()).collect();
        order.sort_by(|a, b| self.windows.differences[*b].total_cmp(&self.windows.differences[*a]));
        let name = |index: &usize| {
            let start =
                seconds(self.place.0 + self.windows.groups[*index].start as Nanos * self.place.1) as u64;
            format!("{}:{:02} ({})", start / 60, start % 60, change(self.windows.differences[*index]))
        };
        order.iter().take(3).map(name).collect::<Vec<_>>().join(", ")
    }
}

/// A share, for people.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", (share * 1e3).round() / 10.0)
}

/// A ratio's logarithm, for people: `12.3 % slower`.
fn change(ln: f64) -> String {
    let share = exp(ln.abs().min(20.0)) - 1.0;
    let (share, word) = if ln < 0.0 { (1.0 - exp(ln.max(-20.0)), "faster") } else { (share, "slower") };
    if exp_or_never(ln) == f64::INFINITY {
        return "never finished".into();
    }
    format!("{} {word}", percent(share))
}
