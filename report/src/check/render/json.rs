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

/// JSON has no infinite numbers, and null means that a value is not known. A percentile among messages that were never
/// finished is known: it is later than everything.
fn number(value: Option<f64>) -> Value {
    if value == Some(f64::INFINITY) { "infinite".into() } else { json!(value) }
}

fn finding(finding: &Finding) -> Value {
    json!({
        "stack": finding.stack,
        "metric": finding.metric,
        "unit": finding.unit.name(),
        "baseline": number(finding.baseline),
        "candidate": number(finding.candidate),
        "ratio": number(finding.ratio),
        "low": number(finding.bounds.map(|bounds| bounds.0)),
        "high": number(finding.bounds.map(|bounds| bounds.1)),
        "window-low": number(finding.window_bounds.map(|bounds| bounds.0)),
        "window-high": number(finding.window_bounds.map(|bounds| bounds.1)),
        "margin": finding.margin,
        "n": finding.n,
        "unfinished": finding.unfinished,
        "detectable": number(finding.detectable),
        "outcome": finding.outcome.name(),
        "reason": finding.reason.replace(crate::format::NBSP, " "),
        "history": finding.history.iter().map(|value| number(Some(*value))).collect::<Vec<_>>(),
    })
}

fn expectation(expectation: &Expectation) -> Value {
    json!({
        "stack": expectation.stack,
        "metric": expectation.metric,
        "unit": expectation.unit.name(),
        "text": expectation.text.replace(crate::format::NBSP, " "),
        "value": number(expectation.value),
        "holds": expectation.holds,
    })
}
