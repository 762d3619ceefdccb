//! What became of each stream of messages, and of each of their hops.
//!
//! Goals: the same numbers in the page, in the text, in `summary.json` and for expectations.
//! Non-goals: intervals: the windows that they are made of have all streams of a stack together.

use crate::cost::{Cost, Terms};
use crate::format::{self, ABSENT, Unit};
use crate::prices::Prices;
use crate::view::{StackView, percentile};
use model::merged::{Merged, Merger};
use model::record::Ledger;
use model::streams::StreamRun;
use serde_json::{Value, json};

/// One stream of one stack, or one of its hops.
pub(crate) struct StreamView<'a> {
    /// What the run says of it.
    pub(crate) run: &'a StreamRun,
    latency: Option<Merged>,
    /// How often workers had one of its messages: once per hop.
    worked_on: u64,
    /// US dollars of the whole run; whether they are its own, or the share of the stack's that its work has.
    pub(crate) cost: Option<(f64, bool)>,
}

/// Percentiles of latency by the names that metrics have.
const PERCENTILES: [(&str, f64); 5] = [
    ("latency-p50", 0.5),
    ("latency-p90", 0.9),
    ("latency-p95", 0.95),
    ("latency-p99", 0.99),
    ("latency-p99.9", 0.999),
];

/// What is known of a stream, beside percentiles.
const OTHERS: [(&str, Unit); 4] = [
    ("latency-max", Unit::Milliseconds),
    ("messages-completed", Unit::Messages),
    ("cost-per-million", Unit::Usd),
    ("shared-workers", Unit::Share),
];

/// The unit of a metric that streams and hops have.
pub(crate) fn unit(metric: &str) -> Option<Unit> {
    let percentiles = PERCENTILES.map(|(name, _)| (name, Unit::Milliseconds));
    percentiles.into_iter().chain(OTHERS).find(|(name, _)| *name == metric).map(|(_, unit)| unit)
}

/// The metrics that streams and hops have.
pub(crate) fn metrics() -> Vec<&'static str> {
    PERCENTILES.map(|(name, _)| name).into_iter().chain(OTHERS.map(|(name, _)| name)).collect()
}

/// As a baseline calls a metric of a stream: `login/latency-p99`.
pub(crate) fn key(stream: &str, metric: &str) -> String {
    format!("{stream}/{metric}")
}

impl StreamView<'_> {
    /// A metric by its name.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        if let Some((_, p)) = PERCENTILES.iter().find(|(known, _)| *known == name) {
            return percentile(self.latency.as_ref()?, *p);
        }
        let done = self.run.ledger.done();
        match name {
            "latency-max" => self.latency.as_ref().map(|latency| latency.max() as f64 / 1e3),
            "messages-completed" => Some(done as f64),
            "cost-per-million" => self.cost.filter(|_| done > 0).map(|(usd, _)| usd / done as f64 * 1e6),
            "shared-workers" => (self.worked_on > 0).then(|| self.run.shared as f64 / self.worked_on as f64),
            _ => None,
        }
    }
}

impl StreamView<'_> {
    /// The same for whoever judges: what was not finished is later than all that was.
    pub(crate) fn judged(&self, name: &str) -> Option<f64> {
        let Ledger { planned, .. } = self.run.ledger;
        let done = self.run.ledger.done();
        let Some((_, p)) = PERCENTILES.iter().find(|(known, _)| *known == name) else {
            return self.metric(name);
        };
        let of_done = p * planned as f64 / done.max(1) as f64;
        if done == planned {
            return self.metric(name);
        }
        if of_done > 1.0 { None } else { percentile(self.latency.as_ref()?, of_done) }
    }
}

/// The streams and hops of a stack, in the order of the run.
pub(crate) fn of<'a>(view: &StackView<'a>) -> Vec<StreamView<'a>> {
    let rows = &view.stack.streams;
    let worked: u64 = rows.iter().filter(|row| row.hop == 0).map(|row| row.work).sum();
    let prices = Prices::for_region(&view.manifest.region).ok();
    let whole = |row: &StreamRun| rows.iter().find(|other| other.hop == 0 && other.stream == row.stream);
    let own = |row: &StreamRun| {
        let terms = Terms { load: view.manifest.load_end, run: view.entry.end, free_tier: false };
        Cost::of(&row.usage, prices.as_ref()?, terms).total()
    };
    let part = |work: u64, of: u64| if of > 0 { work as f64 / of as f64 } else { 0.0 };
    let cost = |row: &StreamRun| {
        // A hop has its part of what its stream costs.
        let whole = whole(row)?;
        if whole.usage.is_empty() {
            return Some((view.total_cost()? * part(row.work, worked), false));
        }
        let share = if row.hop == 0 { 1.0 } else { part(row.work, whole.work) };
        Some((own(whole)? * share, row.hop == 0))
    };
    let worked_on = |row: &StreamRun| {
        let hops = rows.iter().filter(|other| other.hop > 0 && other.stream == row.stream);
        let over_hops: u64 = hops.map(|hop| hop.ledger.completed).sum();
        if row.hop == 0 && over_hops > 0 { over_hops } else { row.ledger.done() }
    };
    let one = |row: &'a StreamRun| {
        let mut merger = Merger::default();
        merger.add(&row.latency);
        StreamView { run: row, latency: merger.take(), worked_on: worked_on(row), cost: cost(row) }
    };
    rows.iter().map(one).collect()
}

/// Columns of a table of streams.
pub(crate) const HEAD: [&str; 9] =
    ["Stack", "Messages", "planned", "completed", "p50", "p99", "longest", "cost per million", "of the cost"];

/// The rows of a table of streams over all stacks; empty if no stack has any.
pub(crate) fn rows(views: &[StackView]) -> Vec<Vec<String>> {
    let row = |view: &StackView, stream: &StreamView| {
        let ms = |name: &str| stream.metric(name).map_or_else(|| ABSENT.into(), format::milliseconds);
        let usd = stream.metric("cost-per-million").map_or_else(|| ABSENT.into(), format::usd);
        let share = stream.cost.zip(view.total_cost().filter(|total| *total > 0.0));
        vec![
            view.name().into(),
            stream.run.label(),
            format::count(stream.run.ledger.planned as f64),
            format::count(stream.run.ledger.done() as f64),
            ms("latency-p50"),
            ms("latency-p99"),
            ms("latency-max"),
            usd,
            share.map_or_else(|| ABSENT.into(), |((usd, _), total)| format::percent(usd / total)),
        ]
    };
    views
        .iter()
        .flat_map(|view| of(view).iter().map(|stream| row(view, stream)).collect::<Vec<_>>())
        .collect()
}

/// How the cost of a stream is known.
pub(crate) fn cost_note(views: &[StackView]) -> String {
    let all: Vec<StreamView> = views.iter().flat_map(of).collect();
    let own = all.iter().any(|stream| stream.cost.is_some_and(|(_, own)| own));
    let by_work = all.iter().any(|stream| stream.cost.is_some_and(|(_, own)| !own));
    let by_work_text = "The cost of a stack is given to its streams and hops by the time that workers spent on each; what \
                        a stream would cost by itself is another question.";
    match (own, by_work) {
        (true, true) => format!("A stream with a consumer of its own has that one's bill. {by_work_text}"),
        (true, false) => "Each stream has the bill of its own consumer.".into(),
        _ => by_work_text.into(),
    }
}

/// As in `summary.json`.
pub(crate) fn json(view: &StackView) -> Value {
    let one = |stream: &StreamView| {
        let values: serde_json::Map<String, Value> =
            metrics().into_iter().map(|name| (name.into(), json!(stream.metric(name)))).collect();
        json!({
            "stream": stream.run.stream,
            "hop": stream.run.hop,
            "ledger": stream.run.ledger,
            "metrics": values,
            "cost-is-own": stream.cost.map(|(_, own)| own),
        })
    };
    of(view).iter().map(one).collect()
}
