//! A percentile of the latency of one stack: from histograms to a finding.

use super::history::{Difference, median};
use super::quantiles::{NEVER, Table, exp_or_never, resolution};
use super::resample::{self, Resamples, Sides};
use super::rule::{Evidence, Limits};
use super::windows::Persistence;
use super::{Finding, Outcome, student};
use crate::format::Unit;
use model::time::Nanos;

/// From so many baselines on, the run is what varies, and its own blocks say nothing more.
pub(super) const MANY: usize = 5;

/// What all percentiles of a check share.
pub(super) struct Common<'a> {
    pub(super) resamples: &'a Resamples,
    pub(super) alpha: f64,
    pub(super) limits: Limits,
    pub(super) length: Nanos,
    pub(super) place: (Nanos, Nanos),
}

/// One stack, and the one that did not change, if there is one.
pub(super) struct Stack<'a> {
    pub(super) name: &'a str,
    pub(super) sides: Sides,
    pub(super) control: Option<&'a Sides>,
    pub(super) unfinished: u64,
}

impl Common<'_> {
    pub(super) fn finding(&self, stack: &Stack, metric: &str, p: f64) -> Finding {
        let of =
            |tables: &[Table]| -> Vec<f64> { tables.iter().filter_map(|table| table.whole(p)).collect() };
        let (baselines, candidates) = (of(&stack.sides.baselines), of(&stack.sides.candidates));
        let history: Vec<f64> = baselines.iter().chain(&candidates).map(|ln| exp_or_never(*ln)).collect();
        let value = |values: &[f64]| (!values.is_empty()).then(|| exp_or_never(median(values)));
        let mut finding = Finding {
            stack: stack.name.into(),
            metric: metric.into(),
            unit: Unit::Milliseconds,
            baseline: value(&baselines),
            candidate: value(&candidates),
            ratio: None,
            bounds: None,
            window_bounds: None,
            margin: self.limits.margin,
            n: 0,
            unfinished: stack.unfinished,
            detectable: None,
            outcome: Outcome::Untestable,
            reason: String::new(),
            history,
        };
        if baselines.len() < stack.sides.baselines.len() || candidates.len() < stack.sides.candidates.len() {
            finding.reason = "a run has no messages after warm-up".into();
        } else if let Some((outcome, reason)) = never(&baselines, &candidates) {
            (finding.outcome, finding.reason) = (outcome, reason);
        } else if stack.control.is_some_and(|control| control.tables().any(|table| !ends(table, p))) {
            // Its own difference would be infinite, and would turn the stack's into anything.
            finding.reason = "of the control, too many messages were never finished".into();
        } else {
            self.judge(stack, p, &baselines, &candidates, &mut finding);
        }
        finding
    }

    fn judge(&self, stack: &Stack, p: f64, baselines: &[f64], candidates: &[f64], finding: &mut Finding) {
        let control = stack.control;
        let Some(windows) = Persistence::of(p, &stack.sides, control, self.alpha) else {
            finding.reason = "too short, or too few messages: it takes 10 windows of 30 s with 10 messages beyond the percentile in each".into();
            return;
        };
        let runs = self.over_runs(p, stack, baselines, candidates);
        let (change, bounds) = match runs {
            Some(runs) if baselines.len() >= MANY => (runs.value, runs.bounds(self.alpha)),
            _ => match self.over_blocks(p, stack, runs) {
                Some(found) => found,
                None => return,
            },
        };
        let evidence = Evidence {
            change,
            bounds,
            windows: &windows,
            baseline: exp_or_never(median(baselines)),
            length: self.length,
            place: self.place,
        };
        finding.ratio = Some(exp_or_never(change));
        finding.bounds = Some((exp_or_never(bounds.0), exp_or_never(bounds.1)));
        let (low, high) = windows.bounds;
        finding.window_bounds = Some((exp_or_never(low), exp_or_never(high)));
        finding.n =
            if baselines.len() >= MANY { baselines.len() + candidates.len() } else { windows.groups.len() };
        finding.detectable = evidence.detectable(self.limits);
        (finding.outcome, finding.reason) = evidence.rule(self.limits);
    }

    /// From how the runs differ, if there are several. Each has its own control.
    fn over_runs(&self, p: f64, stack: &Stack, baselines: &[f64], candidates: &[f64]) -> Option<Difference> {
        let less = |values: &[f64], tables: Option<&Vec<Table>>| -> Option<Vec<f64>> {
            let Some(tables) = tables else { return Some(values.to_vec()) };
            values.iter().zip(tables).map(|(value, table)| Some(value - table.whole(p)?)).collect()
        };
        let baselines = less(baselines, stack.control.map(|control| &control.baselines))?;
        let candidates = less(candidates, stack.control.map(|control| &control.candidates))?;
        Difference::of(&baselines, &candidates, resolution())
    }

    /// From how the minutes of the runs differ; of that and of how the runs do, the larger.
    fn over_blocks(&self, p: f64, stack: &Stack, runs: Option<Difference>) -> Option<(f64, (f64, f64))> {
        let difference = |sides: &Sides| sides.difference(|table| table.whole(p));
        let change = difference(&stack.sides)? - stack.control.map_or(Some(0.0), difference)?;
        let draws = self.resamples.differences(p, &stack.sides, stack.control);
        if let Some(runs) = runs.filter(|runs| runs.error > resample::deviation(&draws)) {
            return Some((change, runs.bounds(self.alpha)));
        }
        let (low, high) = resample::bounds(&draws, self.alpha)?;
        let least = student::normal(self.alpha) * resolution();
        Some((change, (low.min(change - least), high.max(change + least))))
    }
}

/// Whether a percentile is that of messages which were finished.
fn ends(table: &Table, p: f64) -> bool {
    table.whole(p).is_some_and(|ln| ln < NEVER)
}

/// Where so many messages were never finished that the percentile is one of them, in most runs of a side.
fn never(baselines: &[f64], candidates: &[f64]) -> Option<(Outcome, String)> {
    let count = |values: &[f64]| values.iter().filter(|value| **value >= NEVER).count();
    let most = |values: &[f64]| 2 * count(values) >= values.len();
    let said = |outcome, reason: &str| Some((outcome, reason.to_owned()));
    match (count(baselines) + count(candidates), most(baselines), most(candidates)) {
        (0, ..) => None,
        (_, false, true) => {
            said(Outcome::Regressed, "worse than measurable: too many messages were never finished")
        }
        (_, true, false) => said(Outcome::Improved, "measurable again: fewer messages were never finished"),
        (_, true, true) => {
            said(Outcome::Untestable, "too many messages were never finished, in the baseline as well")
        }
        (_, false, false) => {
            said(Outcome::Inconclusive, "in some of the runs too many messages were never finished")
        }
    }
}
