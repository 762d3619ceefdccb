//! `summary.json`: every number of a report with its unit, direction and estimate per stack.

use crate::check;
use crate::cost::CostLine;
use crate::difference::Difference;
use crate::judgement::{Judgement, Row};
use crate::prices::price_list_date;
use crate::streams;
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
        "free-tier": judgement.options.free_tier,
        "valid": judgement.objections.is_empty(),
        "objections": judgement.objections,
        "verdict": { "form": judgement.verdict.name(), "sentence": judgement.verdict.sentence(&names) },
        "intervals": judgement.intervals,
        "expectations": check::render::expectations(&check::expectations(judgement.runs)),
        "stacks": names,
        "metrics": judgement.rows.iter().map(|row| metric(row, &names)).collect::<Vec<_>>(),
        "bills": by_stack(judgement, |view| match &view.cost {
            Ok(cost) => cost.lines.iter().map(line).collect(),
            Err(why) => json!({ "error": why }),
        }),
        "ledgers": by_stack(judgement, |view| json!(view.entry.ledger)),
        "streams": by_stack(judgement, streams::json),
    })
}

fn by_stack(judgement: &Judgement, value: impl Fn(&StackView) -> Value) -> Value {
    judgement.views.iter().map(|view| (view.name().to_owned(), value(view))).collect::<Map<_, _>>().into()
}

fn metric(row: &Row, names: &[&str]) -> Value {
    let estimates: Map<String, Value> =
        names.iter().zip(&row.estimates).map(|(name, e)| ((*name).to_owned(), json!(e))).collect();
    // The reference has no difference to itself.
    let differences: Map<String, Value> = names
        .iter()
        .zip(&row.differences)
        .skip(1)
        .map(|(name, d)| ((*name).to_owned(), d.as_ref().map_or(Value::Null, difference)))
        .collect();
    json!({
        "name": row.metric.name,
        "label": row.metric.label,
        "group": row.metric.group,
        "unit": row.metric.unit.name(),
        "better": row.metric.better.name(),
        "estimates": estimates,
        "differences": differences,
    })
}

fn difference(difference: &Difference) -> Value {
    let ratio = difference.ratio;
    json!({
        "ratio": ratio.map(|r| r.value),
        "low": ratio.and_then(|r| r.low),
        "high": ratio.and_then(|r| r.high),
        "basis": ratio.map(|r| r.basis),
        "n": ratio.map(|r| r.n),
        "word": difference.word,
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
        "usd-per-month": line.month.map(|month| month.list),
        "usd-per-month-with-free-tier": line.month.map(|month| month.after_free),
        "assumed": line.assumed(),
        "source": line.price.map(|p| p.source),
        "source-date": line.price.map(|p| p.date),
        "borrowed-from": line.price.and_then(|p| p.borrowed_from),
    })
}
