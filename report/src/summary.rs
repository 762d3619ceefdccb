//! `summary.json`: every number of a report with its unit, direction and estimate per stack.

use crate::cost::CostLine;
use crate::judgement::{Judgement, Row};
use crate::prices::price_list_date;
use crate::view::StackView;
use serde_json::{Map, Value, json};

/// Version of the format.
const SCHEMA: u32 = 1;

/// The contents of `summary.json`.
#[must_use]
pub fn summary(judgement: &Judgement) -> Value {
    let manifest = &judgement.first().manifest;
    let names: Vec<&str> = judgement.views.iter().map(StackView::name).collect();
    let about = if judgement.is_simulated() {
        "Summary of a SIMULATED run: virtual time, no AWS involved"
    } else {
        "Summary of a measured run"
    };
    json!({
        "about": about,
        "schema": SCHEMA,
        "tool-version": env!("CARGO_PKG_VERSION"),
        "target": manifest.target,
        "title": manifest.title,
        "scenario-hash": manifest.scenario_hash,
        "plan-hash": manifest.plan_hash,
        "seeds": judgement.runs.iter().map(|run| run.manifest.seed).collect::<Vec<_>>(),
        "runs": judgement.runs.len(),
        "region": manifest.region,
        "price-list-date": price_list_date(),
        "valid": judgement.objections.is_empty(),
        "objections": judgement.objections,
        "verdict": { "form": judgement.verdict.name(), "sentence": judgement.verdict.sentence(&names) },
        "stacks": names,
        "metrics": judgement.rows.iter().map(|row| metric(row, &names)).collect::<Vec<_>>(),
        "bills": by_stack(judgement, |view| match &view.cost {
            Ok(cost) => cost.lines.iter().map(line).collect(),
            Err(why) => json!({ "error": why }),
        }),
        "ledgers": by_stack(judgement, |view| json!(view.entry.ledger)),
    })
}

fn by_stack(judgement: &Judgement, value: impl Fn(&StackView) -> Value) -> Value {
    judgement.views.iter().map(|view| (view.name().to_owned(), value(view))).collect::<Map<_, _>>().into()
}

fn metric(row: &Row, names: &[&str]) -> Value {
    let estimates: Map<String, Value> =
        names.iter().zip(&row.estimates).map(|(name, e)| ((*name).to_owned(), json!(e))).collect();
    json!({
        "name": row.metric.name,
        "label": row.metric.label,
        "group": row.metric.group,
        "unit": row.metric.unit.name(),
        "better": row.metric.better.name(),
        "estimates": estimates,
    })
}

fn line(line: &CostLine) -> Value {
    json!({
        "item": line.item.name(),
        "variant": line.variant,
        "quantity": line.quantity,
        "unit": line.unit,
        "usd-per-unit": line.price.map(|p| p.usd_per_unit),
        "usd": line.usd,
        "assumed": line.assumed(),
        "source": line.price.map(|p| p.source),
        "borrowed-from": line.price.and_then(|p| p.borrowed_from),
    })
}
