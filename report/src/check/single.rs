//! Metrics that are one number of a run: cost, backlog, rates, counts.
//!
//! One run each has no interval: then a change beyond the margin counts as it stands, and says so.

use super::baseline::COLD_SHARE;
use super::history::{Difference, median};
use super::rule::percent;
use super::{Finding, Outcome};
use crate::format::{self, Unit};
use crate::metrics::{Better, METRICS};
use libm::{exp, log, log1p};
use model::baseline::Stack;

/// Unit of a metric, and which direction is good; `None` if there is no such metric, or it does not judge.
#[must_use]
pub fn gateable(metric: &str) -> Option<(Unit, Better)> {
    if metric == COLD_SHARE {
        return Some((Unit::Share, Better::Lower));
    }
    let metric = METRICS.iter().find(|row| row.name == metric)?;
    (metric.better != Better::Neither).then_some((metric.unit, metric.better))
}

/// Changes of fewer do not count: one cold start more is no regression.
fn floor(unit: Unit, floor_ms: f64) -> f64 {
    match unit {
        Unit::Messages | Unit::Count => 10.0,
        Unit::Milliseconds => floor_ms,
        Unit::Seconds => 1.0,
        Unit::Share => 0.001,
        Unit::Rate | Unit::Usd => 0.0,
    }
}

/// What a check asks of one metric.
pub(super) struct Asked<'a> {
    pub(super) metric: &'a str,
    pub(super) margin: f64,
    pub(super) alpha: f64,
    pub(super) floor_ms: f64,
}

impl Asked<'_> {
    /// From the same stack in the baselines and in the candidates.
    pub(super) fn finding(&self, baselines: &[&Stack], candidates: &[&Stack]) -> Finding {
        let of = |stacks: &[&Stack]| -> Vec<f64> {
            stacks.iter().filter_map(|stack| stack.metrics.get(self.metric).copied()).collect()
        };
        let (before, after) = (of(baselines), of(candidates));
        let value = |values: &[f64]| (!values.is_empty()).then(|| median(values));
        let known = gateable(self.metric);
        let ledgers = candidates.iter().map(|stack| stack.ledger);
        let mut finding = Finding {
            stack: baselines.first().map(|stack| stack.name.clone()).unwrap_or_default(),
            metric: self.metric.into(),
            unit: known.map_or(Unit::Count, |known| known.0),
            baseline: value(&before),
            candidate: value(&after),
            ratio: None,
            bounds: None,
            window_bounds: None,
            margin: self.margin,
            n: before.len() + after.len(),
            unfinished: ledgers.map(|ledger| ledger.planned.saturating_sub(ledger.done())).sum(),
            detectable: None,
            outcome: Outcome::Untestable,
            reason: String::new(),
            history: before.iter().chain(&after).copied().collect(),
        };
        match known {
            None => finding.reason = format!("there is no metric {:?} to be checked", self.metric),
            Some(_) if before.len() < baselines.len() || after.len() < candidates.len() => {
                finding.reason = "not every run has a value".into();
            }
            Some((unit, better)) => self.judge((&before, &after), unit, better, &mut finding),
        }
        finding
    }

    fn judge(&self, (before, after): (&[f64], &[f64]), unit: Unit, better: Better, finding: &mut Finding) {
        let (old, new) = (median(before), median(after));
        let positive = before.iter().chain(after).all(|value| *value > 0.0);
        // What may be nothing has no logarithm: then the values themselves are compared.
        let scaled = |values: &[f64]| -> Vec<f64> {
            values.iter().map(|value| if positive { log(*value) } else { *value }).collect()
        };
        let runs = Difference::of(&scaled(before), &scaled(after), 0.0);
        let change = match &runs {
            Some(runs) => runs.value,
            None if old == new => 0.0,
            // From nothing to something, or back, has no ratio: it is beyond every margin.
            None => log(new.max(0.0)) - log(old.max(0.0)),
        };
        let (low, high) = runs.map_or((change, change), |runs| runs.bounds(self.alpha));
        let ratios = runs.filter(|_| positive);
        finding.ratio = positive.then(|| exp(change));
        finding.bounds = ratios.map(|_| (exp(low), exp(high)));
        // From here on up is worse.
        let (low, high) = if better == Better::Higher { (-high, -low) } else { (low, high) };
        let edge = if runs.is_some() && !positive { self.margin * old.abs() } else { log1p(self.margin) };
        let floor = floor(unit, self.floor_ms);
        let felt = (new - old).abs() > floor;
        let could_be_felt = match runs {
            None => felt,
            Some(_) if positive => old * (exp(high) - 1.0) > floor,
            Some(_) => high > floor,
        };
        finding.outcome = match () {
            () if low > edge && felt => Outcome::Regressed,
            () if high < -edge && felt => Outcome::Improved,
            () if high < edge || !could_be_felt || low > edge => Outcome::Unchanged,
            () => Outcome::Inconclusive,
        };
        finding.detectable = ratios.map(|_| (1.0 + self.margin) * exp(0.75 * (high - low)) - 1.0);
        finding.reason = self.reason(finding.outcome, (old, new), unit, runs.is_some());
    }

    fn reason(&self, outcome: Outcome, (old, new): (f64, f64), unit: Unit, runs: bool) -> String {
        let shown = format::row(unit, &[Some(old), Some(new)]).join(" to ");
        let margin = percent(self.margin);
        let what = match outcome {
            Outcome::Regressed => format!("worse than the margin of {margin}"),
            Outcome::Improved => format!("better than the margin of {margin}"),
            Outcome::Unchanged => format!("within the margin of {margin}, or too little to count"),
            _ => format!("runs differ too much to tell whether it is within the margin of {margin}"),
        };
        let basis = if runs {
            "by how the runs differ"
        } else {
            "by the numbers as they stand: one run each has no interval"
        };
        format!("{shown}: {what}, {basis}")
    }
}
