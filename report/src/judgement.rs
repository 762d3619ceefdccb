//! Runs, judged: every metric of every stack, and whether a verdict may be given at all.
//!
//! Several runs are repeats of one scenario: metrics become estimates over them, charts show the first.

use crate::estimate::Estimate;
use crate::metrics::{METRICS, Metric, named};
use crate::options::Options;
use crate::verdict::{self, Verdict};
use crate::view::StackView;
use anyhow::{Result, ensure};
use model::run::Run;

/// What the text, the page and `summary.json` are made from.
pub struct Judgement<'a> {
    /// The runs; at least one.
    pub(crate) runs: &'a [Run],
    /// The stacks of the first run.
    pub(crate) views: Vec<StackView<'a>>,
    /// One row per metric, in the table's order.
    pub(crate) rows: Vec<Row>,
    /// Why no verdict may be given; empty for valid runs.
    pub(crate) objections: Vec<String>,
    /// What the figures say.
    pub(crate) verdict: Verdict,
}

/// A metric over all stacks.
pub(crate) struct Row {
    /// Which.
    pub(crate) metric: &'static Metric,
    /// One per stack.
    pub(crate) estimates: Vec<Option<Estimate>>,
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
}

/// Judges one run, or several repeats of one scenario.
///
/// # Errors
/// When there is no run.
pub fn judge(runs: &[Run], options: Options) -> Result<Judgement<'_>> {
    ensure!(!runs.is_empty(), "there is no run to report");
    let mut all: Vec<Vec<StackView>> = runs.iter().map(|run| StackView::all(run, options)).collect();
    let names: Vec<&str> = all[0].iter().map(StackView::name).collect();
    let rows: Vec<Row> = METRICS.iter().map(|metric| row(metric, &names, &all)).collect();
    let objections = objections(runs);
    let views = all.swap_remove(0);
    let verdict = verdict::decide(&views, &rows, &objections);
    Ok(Judgement { runs, views, rows, objections, verdict })
}

impl<'a> Judgement<'a> {
    /// The first run: the one that charts show.
    pub(crate) fn first(&self) -> &'a Run {
        &self.runs[0]
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

fn row(metric: &'static Metric, names: &[&str], all: &[Vec<StackView>]) -> Row {
    let estimate = |name: &&str| {
        let stacks = all.iter().filter_map(|views| views.iter().find(|view| view.name() == *name));
        let values: Vec<f64> = stacks.filter_map(metric.value).filter(|v| v.is_finite()).collect();
        Estimate::over_runs(&values)
    };
    Row { metric, estimates: names.iter().map(estimate).collect() }
}

fn objections(runs: &[Run]) -> Vec<String> {
    let mut found = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let which = if runs.len() == 1 { String::new() } else { format!("run {}: ", index + 1) };
        let manifest = &run.manifest;
        if !manifest.complete {
            found.push(format!("{which}the run was cut short"));
        }
        for check in manifest.checks.iter().filter(|check| !check.passed) {
            found.push(format!("{which}failed check \"{}\": {}", check.name, check.detail));
        }
        for entry in manifest.stacks.iter().filter(|entry| !entry.ledger.balances()) {
            let (total, planned) = (entry.ledger.total(), entry.ledger.planned);
            found.push(format!("{which}the ledger of {} has {total} messages of {planned}", entry.name));
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
