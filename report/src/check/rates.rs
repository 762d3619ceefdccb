//! How often a check is wrong, and how often it sees what it must.
//!
//! Non-goals: where pairs of runs come from. Between the two of a pair nothing may have changed but chance.

use super::{Check, Outcome, Settings, decide};
use model::baseline::Baseline;
use std::collections::BTreeMap;

/// What a check must notice, as shares.
pub const EFFECTS: [f64; 3] = [0.05, 0.1, 0.2];

/// Of pairs of runs between which nothing changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// How many there were that could be compared.
    pub pairs: usize,
    /// `(stack and metric, share of the pairs in which it regressed)`: false alarms.
    pub regressed: Vec<(String, f64)>,
    /// Share of the pairs in which anything regressed.
    pub any: f64,
    /// `(effect, share of the pairs in which anything regressed)` once all latencies of the candidate are so much longer.
    pub power: Vec<(f64, f64)>,
    /// The same by stack and metric: `(effect, stack and metric, share)`.
    pub caught: Vec<(f64, String, f64)>,
    /// `(stack and metric, share of the pairs in which it was shown to be unchanged)`, while nothing changed.
    pub unchanged: Vec<(String, f64)>,
}

/// Checks pairs between which nothing changed, then again with the second one made slower.
pub fn rates(pairs: impl Iterator<Item = (Baseline, Baseline)>, settings: &Settings) -> Rates {
    let mut count = 0;
    let mut same = Tally::default();
    let mut slower: [Tally; EFFECTS.len()] = Default::default();
    for (first, second) in pairs {
        let first = [("baseline".to_owned(), first)];
        let check = |second| decide(&first, &[("candidate".to_owned(), second)], settings);
        let unscaled = check(second.clone());
        // What cannot be compared is neither a false alarm nor a right answer.
        if !unscaled.incomparable.is_empty() {
            continue;
        }
        count += 1;
        same.add(&unscaled);
        for (effect, tally) in EFFECTS.iter().zip(&mut slower) {
            tally.add(&check(slower_by(&second, *effect, settings.control.as_deref())));
        }
    }
    let share = |n: usize| n as f64 / count.max(1) as f64;
    let shares = |tally: &Tally, which: usize| -> Vec<(String, f64)> {
        tally.by_metric.iter().map(|(name, counts)| (name.clone(), share(counts[which]))).collect()
    };
    let caught = |(effect, tally): (&f64, &Tally)| -> Vec<(f64, String, f64)> {
        shares(tally, 0).into_iter().map(|(name, share)| (*effect, name, share)).collect()
    };
    Rates {
        pairs: count,
        regressed: shares(&same, 0),
        any: share(same.any),
        power: EFFECTS.iter().zip(&slower).map(|(effect, tally)| (*effect, share(tally.any))).collect(),
        caught: EFFECTS.iter().zip(&slower).flat_map(caught).collect(),
        unchanged: shares(&same, 1),
    }
}

/// The run with all latencies longer, but for those of the control: that is the one which did not change.
fn slower_by(run: &Baseline, effect: f64, control: Option<&str>) -> Baseline {
    let mut slower = run.scaled(1.0 + effect);
    for (stack, before) in slower.stacks.iter_mut().zip(&run.stacks) {
        if Some(before.name.as_str()) == control {
            stack.clone_from(before);
        }
    }
    slower
}

#[derive(Default)]
struct Tally {
    /// Checks in which anything regressed.
    any: usize,
    /// Of each stack and metric, how often it regressed and how often it was unchanged.
    by_metric: BTreeMap<String, [usize; 2]>,
}

impl Tally {
    fn add(&mut self, check: &Check) {
        let is = |finding: &super::Finding, outcome| usize::from(finding.outcome == outcome);
        for finding in &check.findings {
            let counts = self.by_metric.entry(format!("{} {}", finding.stack, finding.metric)).or_default();
            counts[0] += is(finding, Outcome::Regressed);
            counts[1] += is(finding, Outcome::Unchanged);
        }
        self.any += usize::from(check.findings.iter().any(|finding| finding.outcome == Outcome::Regressed));
    }
}
