//! The check: candidates against baselines, stack by stack, metric by metric.

use super::latency::{Common, MANY, Stack};
use super::quantiles::Table;
use super::resample::{Resamples, Sides};
use super::rule::Limits;
use super::single::Asked;
use super::{Check, Finding, Input, Settings, comparable};
use crate::metrics::{METRICS, Source};
use model::baseline::Baseline;
use model::windows::Stage;

/// What is always checked.
const ALWAYS: [&str; 3] = ["latency-p50", "latency-p95", "latency-p99"];

/// The margin without anybody's wish: what one pair of runs can tell, and what many can.
const MARGIN: f64 = 0.1;
const MARGIN_OF_MANY: f64 = 0.05;

/// Compares candidates with baselines, each with the name it is shown by.
#[must_use]
pub fn decide(
    baselines: &[(String, Baseline)],
    candidates: &[(String, Baseline)],
    settings: &Settings,
) -> Check {
    let incomparable = comparable::objections(baselines, candidates, settings);
    let findings =
        if incomparable.is_empty() { findings(baselines, candidates, settings) } else { Vec::new() };
    Check {
        settings: settings.clone(),
        baselines: baselines.iter().map(input).collect(),
        candidates: candidates.iter().map(input).collect(),
        incomparable,
        findings,
        expectations: Vec::new(),
    }
}

fn input((name, baseline): &(String, Baseline)) -> Input {
    Input {
        name: name.clone(),
        plan_hash: baseline.plan_hash.clone(),
        seed: baseline.seed,
        tool_version: baseline.tool_version.clone(),
        planned: baseline.planned,
    }
}

fn findings(
    baselines: &[(String, Baseline)],
    candidates: &[(String, Baseline)],
    settings: &Settings,
) -> Vec<Finding> {
    let reference = &baselines[0].1;
    let default = if baselines.len() >= MANY { MARGIN_OF_MANY } else { MARGIN };
    let margin = settings.margin.unwrap_or(default);
    let windows = reference.stacks.first().map_or(0, |stack| stack.windows.len());
    let common = Common {
        resamples: &Resamples::of(windows, reference.width),
        alpha: settings.alpha,
        limits: Limits { margin, floor_ms: settings.floor_ms },
        length: reference.load_end.saturating_sub(reference.from),
        place: (reference.from, reference.width),
    };
    let control = settings.control.as_deref();
    let control_sides = control.map(|name| sides(baselines, candidates, name));
    let mut found = Vec::new();
    for name in reference.stacks.iter().map(|stack| stack.name.as_str()).filter(|name| Some(*name) != control)
    {
        let of = |runs: &[(String, Baseline)]| -> Vec<_> {
            runs.iter().filter_map(|(_, run)| run.stack(name).cloned()).collect()
        };
        let (before, after) = (of(baselines), of(candidates));
        let unfinished =
            after.iter().map(|stack| stack.ledger.planned.saturating_sub(stack.ledger.done())).sum();
        let sides = sides(baselines, candidates, name);
        let stack = Stack { name, sides, control: control_sides.as_ref(), unfinished };
        for metric in gated(settings) {
            found.push(match percentile(metric) {
                Some(p) => common.finding(&stack, metric, p),
                None => Asked { metric, margin, alpha: settings.alpha, floor_ms: settings.floor_ms }
                    .finding(&before.iter().collect::<Vec<_>>(), &after.iter().collect::<Vec<_>>()),
            });
        }
    }
    found
}

fn sides(baselines: &[(String, Baseline)], candidates: &[(String, Baseline)], name: &str) -> Sides {
    let tables = |runs: &[(String, Baseline)]| {
        runs.iter().filter_map(|(_, run)| Some(Table::of(&run.stack(name)?.windows))).collect()
    };
    Sides { baselines: tables(baselines), candidates: tables(candidates) }
}

/// What is checked, each once.
fn gated(settings: &Settings) -> Vec<&str> {
    let mut gated = ALWAYS.to_vec();
    for metric in &settings.metrics {
        if !gated.contains(&metric.as_str()) {
            gated.push(metric);
        }
    }
    gated
}

/// The percentile of latency that a metric is, if it is one.
fn percentile(metric: &str) -> Option<f64> {
    METRICS.iter().find(|row| row.name == metric).and_then(|row| match row.source {
        Source::Percentile(Stage::Latency, p) => Some(p),
        _ => None,
    })
}
