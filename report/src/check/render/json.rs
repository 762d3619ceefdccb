//! The check for programs; `report/check.schema.json` says what is in it.

use crate::check::{Check, Expectation, Finding, Input};
use serde_json::{Value, json};

/// Version of the format.
const SCHEMA: u32 = 1;

/// The JSON Schema of [`json`].
#[must_use]
pub fn schema() -> &'static str {
    include_str!("../../../check.schema.json")
}

/// Everything that a check found.
#[must_use]
pub fn json(check: &Check) -> Value {
    let settings = &check.settings;
    json!({
        "about": "Check of a candidate against a baseline",
        "schema": SCHEMA,
        "tool-version": env!("CARGO_PKG_VERSION"),
        "verdict": check.verdict().name(),
        "headline": super::headline(check).replace(crate::format::NBSP, " "),
        "settings": {
            "margin": settings.margin,
            "floor-ms": settings.floor_ms,
            "alpha": settings.alpha,
            "control": settings.control,
            "metrics": settings.metrics,
        },
        "baselines": check.baselines.iter().map(input).collect::<Vec<_>>(),
        "candidates": check.candidates.iter().map(input).collect::<Vec<_>>(),
        "incomparable": check.incomparable,
        "findings": check.findings.iter().map(finding).collect::<Vec<_>>(),
        "expectations": expectations(&check.expectations),
    })
}

/// The thresholds of a scenario and what became of them, as also in `summary.json`.
#[must_use]
pub fn expectations(expectations: &[Expectation]) -> Value {
    expectations.iter().map(expectation).collect()
}

fn input(input: &Input) -> Value {
    json!({
        "name": input.name,
        "plan-hash": input.plan_hash,
        "seed": input.seed,
        "tool-version": input.tool_version,
        "planned": input.planned,
    })
}

fn finding(finding: &Finding) -> Value {
    // serde_json writes what is not finite as null: a value beyond all that was measured is not a number.
    json!({
        "stack": finding.stack,
        "metric": finding.metric,
        "unit": finding.unit.name(),
        "baseline": finding.baseline,
        "candidate": finding.candidate,
        "ratio": finding.ratio,
        "low": finding.bounds.map(|bounds| bounds.0),
        "high": finding.bounds.map(|bounds| bounds.1),
        "window-low": finding.window_bounds.map(|bounds| bounds.0),
        "window-high": finding.window_bounds.map(|bounds| bounds.1),
        "margin": finding.margin,
        "n": finding.n,
        "unfinished": finding.unfinished,
        "detectable": finding.detectable,
        "outcome": finding.outcome.name(),
        "reason": finding.reason.replace(crate::format::NBSP, " "),
        "history": finding.history,
    })
}

fn expectation(expectation: &Expectation) -> Value {
    json!({
        "stack": expectation.stack,
        "metric": expectation.metric,
        "unit": expectation.unit.name(),
        "text": expectation.text.replace(crate::format::NBSP, " "),
        "value": expectation.value,
        "holds": expectation.holds,
    })
}
