//! Runs, judged: every metric of every stack, how the stacks differ, and whether a verdict may be given at all.
//!
//! Several runs are repeats of one scenario: metrics become estimates over them, charts show the first. One run has
//! intervals from its own blocks of time, where a number has any.

use crate::bootstrap::Bootstrap;
use crate::check::Check;
use crate::difference::{Difference, Word};
use crate::estimate::Estimate;
use crate::format;
use crate::metrics::{Better, METRICS, Metric, Source, named, percentiles};
use crate::options::Options;
use crate::verdict::{self, Verdict};
use crate::view::StackView;
use anyhow::{Result, ensure};
use model::run::Run;

/// What the text, the page and `summary.json` are made from.
pub struct Judgement<'a> {
    /// The runs; at least one.
    pub(crate) runs: &'a [Run],
    /// What the reader asked for.
    pub(crate) options: Options,
    /// The stacks of the first run.
    pub(crate) views: Vec<StackView<'a>>,
    /// One row per metric, in the table's order.
    pub(crate) rows: Vec<Row>,
    /// Why no verdict may be given; empty for valid runs.
    pub(crate) objections: Vec<String>,
    /// What the figures say.
    pub(crate) verdict: Verdict,
    /// What the intervals rest on, or why there are none.
    pub(crate) intervals: String,
    /// How the run did against its baselines, if there are any.
    pub(crate) against: Option<Check>,
}

/// A metric over all stacks.
pub(crate) struct Row {
    /// Which.
    pub(crate) metric: &'static Metric,
    /// One per stack.
    pub(crate) estimates: Vec<Option<Estimate>>,
    /// How each stack differs from the first, the reference; `None` for that one, and where a value is not known.
    pub(crate) differences: Vec<Option<Difference>>,
    /// How each stack differs from the best one; `None` for that one, where a value is not known, and throughout for a
    /// metric that does not judge.
    pub(crate) from_best: Vec<Option<Difference>>,
    /// For each stack its ratio to the first in each repeat; nothing for one run, and where a value is 0.
    pub(crate) repeats: Vec<Vec<f64>>,
}

impl Row {
    /// The values alone.
    pub(crate) fn values(&self) -> Vec<Option<f64>> {
        self.estimates.iter().map(|e| e.map(|e| e.value)).collect()
    }

    /// Whether any stack has a value.
    pub(crate) fn has_data(&self) -> bool {
        self.estimates.iter().any(Option::is_some)
    }

    /// The stack with the best value; `None` for a metric that does not judge.
    pub(crate) fn best(&self) -> Option<usize> {
        best(self.metric.better, &self.estimates)
    }
}

/// Judges one run, or several repeats of one scenario.
///
/// # Errors
/// When there is no run.
pub fn judge(runs: &[Run], options: Options) -> Result<Judgement<'_>> {
    ensure!(!runs.is_empty(), "there is no run to report");
    let mut all: Vec<Vec<StackView>> = runs.iter().map(|run| StackView::all(run, options)).collect();
    let objections = objections(runs);
    let bootstrap = match all.as_slice() {
        [views] => Some(Bootstrap::of(views, &percentiles())),
        _ => None,
    };
    let intervals = intervals(bootstrap.as_ref(), runs.len());
    // Of stacks that drain different streams neither is the better one.
    let planned = |view: &StackView| view.entry.ledger.planned;
    let alike = all[0].iter().all(|view| planned(view) == planned(&all[0][0]));
    let valid = objections.is_empty() && alike;
    let evidence = Evidence { all: &all, bootstrap: bootstrap.and_then(Result::ok), valid };
    let rows: Vec<Row> = METRICS.iter().map(|metric| evidence.row(metric)).collect();
    let views = all.swap_remove(0);
    let verdict = verdict::decide(&views, &rows, &objections);
    Ok(Judgement { runs, options, views, rows, objections, verdict, intervals, against: None })
}

/// What a reader must know about intervals.
fn intervals(bootstrap: Option<&Result<Bootstrap, &'static str>>, runs: usize) -> String {
    match bootstrap {
        None => format!(
            "means over {runs} repeats; ±, or a range, is the 95 % interval; differences are means of the repeats' ratios"
        ),
        Some(Ok(bootstrap)) => format!(
            "±, or a range, is the 95 % interval of percentiles, from {} blocks of {}; those that one event makes, and the other figures, need repeats for one",
            bootstrap.blocks(),
            format::span(bootstrap.block())
        ),
        Some(Err(why)) => (*why).into(),
    }
}

impl<'a> Judgement<'a> {
    /// The same with a section of its own for what a check found.
    #[must_use]
    pub fn against(self, check: Check) -> Self {
        Self { against: Some(check), ..self }
    }

    /// The first run: the one that charts show.
    pub(crate) fn first(&self) -> &'a Run {
        &self.runs[0]
    }

    /// Whether the figures say something: the runs are valid, and there was something to compare.
    #[must_use]
    pub fn has_verdict(&self) -> bool {
        self.objections.is_empty() && !matches!(self.verdict, Verdict::Withheld(_))
    }

    /// Whether the runs were simulated.
    pub(crate) fn is_simulated(&self) -> bool {
        self.runs.iter().any(|run| run.manifest.target == "sim")
    }

    /// The row of a metric.
    pub(crate) fn row(&self, name: &str) -> &Row {
        let metric = named(name);
        self.rows.iter().find(|row| row.metric.name == metric.name).expect("one row per metric")
    }
}

/// What rows are made from.
struct Evidence<'e, 'a> {
    /// Run after run, the stacks.
    all: &'e [Vec<StackView<'a>>],
    /// Of one run that is long enough.
    bootstrap: Option<Bootstrap>,
    /// Whether anything may be called better.
    valid: bool,
}

impl Evidence<'_, '_> {
    fn row(&self, metric: &'static Metric) -> Row {
        let stacks = 0..self.all[0].len();
        let estimates: Vec<_> = stacks.clone().map(|stack| self.estimate(metric, stack)).collect();
        let from = |other: usize| -> Vec<Option<Difference>> {
            stacks.clone().map(|stack| self.difference(metric, &estimates, stack, other)).collect()
        };
        let differences = from(0);
        let from_best = best(metric.better, &estimates).map_or_else(|| vec![None; estimates.len()], &from);
        let repeats = stacks.map(|stack| self.ratios(metric, stack)).collect();
        Row { metric, estimates, differences, from_best, repeats }
    }

    /// The value of a stack in a run. Repeats may have other stacks, or none: names tell which is which.
    fn value(&self, metric: &Metric, views: &[StackView], stack: usize) -> Option<f64> {
        let name = self.all[0][stack].name();
        let view = views.iter().find(|view| view.name() == name)?;
        metric.value(view).filter(|value| value.is_finite())
    }

    fn estimate(&self, metric: &Metric, stack: usize) -> Option<Estimate> {
        if let [views] = self.all {
            let value = self.value(metric, views, stack)?;
            let spread = match (&self.bootstrap, metric.source) {
                (Some(bootstrap), Source::Percentile(stage, p)) => bootstrap.of_stack(stack, stage, p),
                _ => None,
            };
            let blocks = self.bootstrap.as_ref().map_or(0, Bootstrap::blocks);
            return Some(spread.map_or_else(
                || Estimate::single(value),
                |spread| Estimate::over_blocks(value, spread, blocks),
            ));
        }
        let values: Vec<f64> = self.all.iter().filter_map(|views| self.value(metric, views, stack)).collect();
        // No metric is below 0, and few repeats have wide intervals.
        Estimate::over_runs(&values).map(|e| Estimate { low: e.low.map(|low| low.max(0.0)), ..e })
    }

    fn difference(
        &self,
        metric: &Metric,
        estimates: &[Option<Estimate>],
        stack: usize,
        other: usize,
    ) -> Option<Difference> {
        let (value, reference) = (estimates[stack]?.value, estimates[other]?.value);
        if stack == other {
            return None;
        }
        let ratio = match (&self.bootstrap, metric.source) {
            (Some(bootstrap), Source::Percentile(stage, p)) => bootstrap
                .of_ratio(stack, other, stage, p)
                .map(|spread| Estimate::over_blocks(value / reference, spread, bootstrap.blocks())),
            _ => Difference::ratio_over_runs(&self.pairs(metric, stack, other)),
        };
        let mut difference = Difference::of(metric.better, value, reference, ratio);
        if let (None, Some(bootstrap), Source::Percentile(stage, p)) = (ratio, &self.bootstrap, metric.source)
            && value.min(reference) > 0.0
            && bootstrap.leaves_open(stack, other, stage, p)
        {
            // The difference is that of one event, or less than that.
            difference.word = difference.word.map(|_| Word::Unclear);
        }
        if ratio.is_none() && self.all.len() > 1 && difference.word.is_some() {
            // Some repeat has a 0, and so no ratio: what the values differ by must tell.
            difference.ratio = None;
            difference.word = Difference::word_over_runs(metric.better, &self.pairs(metric, stack, other));
        }
        Some(if self.valid { difference } else { Difference { word: None, ..difference } })
    }

    fn ratios(&self, metric: &Metric, stack: usize) -> Vec<f64> {
        let pairs = if self.all.len() > 1 { self.pairs(metric, stack, 0) } else { Vec::new() };
        pairs
            .iter()
            .filter(|(value, first)| *value > 0.0 && *first > 0.0)
            .map(|(value, first)| value / first)
            .collect()
    }

    /// The values of two stacks in each run that has both.
    fn pairs(&self, metric: &Metric, stack: usize, other: usize) -> Vec<(f64, f64)> {
        let pair = |views: &Vec<StackView>| {
            Some((self.value(metric, views, stack)?, self.value(metric, views, other)?))
        };
        self.all.iter().filter_map(pair).collect()
    }
}

fn best(better: Better, estimates: &[Option<Estimate>]) -> Option<usize> {
    let known = estimates.iter().enumerate().filter_map(|(stack, e)| Some((stack, (*e)?.value)));
    let best = match better {
        Better::Lower => known.min_by(|a, b| a.1.total_cmp(&b.1)),
        // Of equals the first, as above.
        Better::Higher => known.min_by(|a, b| b.1.total_cmp(&a.1)),
        Better::Neither => None,
    };
    best.map(|known| known.0)
}

/// Whether one run is another once more: a simulation of the same seed, or a measured run of the same instant.
fn is_same(run: &Run, other: &Run) -> bool {
    let cause = |run: &Run| {
        let manifest = &run.manifest;
        (manifest.target.clone(), manifest.scenario_hash.clone(), manifest.seed, manifest.started_utc.clone())
    };
    cause(run) == cause(other)
}

pub(crate) fn objections(runs: &[Run]) -> Vec<String> {
    let mut found = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let which = if runs.len() == 1 { String::new() } else { format!("run {}: ", index + 1) };
        let manifest = &run.manifest;
        if !manifest.complete {
            found.push(format!("{which}the run was cut short"));
        }
        for check in manifest.checks.iter().filter(|check| !check.passed) {
            let detail = format::with_separators(&check.detail);
            found.push(format!("{which}failed check \"{}\": {detail}", check.name));
        }
        for entry in manifest.stacks.iter().filter(|entry| !entry.ledger.balances()) {
            let (total, planned) = (entry.ledger.total(), entry.ledger.planned);
            found.push(format!("{which}the ledger of {} has {total} messages of {planned}", entry.name));
        }
    }
    for (index, run) in runs.iter().enumerate() {
        if let Some(same) = runs[..index].iter().position(|other| is_same(run, other)) {
            found.push(format!("runs {} and {} are one and the same, not repeats", same + 1, index + 1));
        }
    }
    if let Some((first, others)) = runs.split_first() {
        let what = |run: &Run| (run.manifest.scenario_hash.clone(), run.manifest.overrides.clone());
        if others.iter().any(|run| what(run) != what(first)) {
            found.push("the runs are not repeats of one scenario".into());
        }
    }
    found
}
