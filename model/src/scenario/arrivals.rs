//! Phases, arrival processes and rates.

use super::check::LONGEST;
use super::kinds::{At, Kind, Line, Span, Whole};
use super::lists::Range;
use super::table::Table;
use super::trace::TraceFile;
use super::tree::Value;
use super::units::{self, show_count};
use super::{Arrivals, Batches, Phase, Rate, check};
use crate::time::{MILLISECOND, Nanos, SECOND};
use serde_json::{Value as Json, json};

/// Highest rate in messages per second.
const MOST_PER_SECOND: f64 = 1_000_000.0;

#[derive(Clone, Copy, PartialEq)]
enum Process {
    Even,
    Poisson,
    Batches,
    Trace,
}

const PROCESSES: [(Process, &str); 4] = [
    (Process::Even, "even"),
    (Process::Poisson, "poisson"),
    (Process::Batches, "batches"),
    (Process::Trace, "trace"),
];

/// The keys of a phase.
pub(super) fn phase(t: &mut Table<'_>) -> Option<Phase> {
    let name = t.required("name", "Shown over the charts; unique.", &Line);
    let read = |t: &mut Table<'_>, process: Process| match process {
        Process::Even => rated(t).map(|(duration, rate)| (Some(duration), Arrivals::Even(rate))),
        Process::Poisson => rated(t).map(|(duration, rate)| (Some(duration), Arrivals::Poisson(rate))),
        Process::Batches => batches(t),
        Process::Trace => {
            let doc = "CSV file with the header time,count, next to the scenario; time in seconds from the \
                       start, or as 2026-11-01T12:00:00Z.";
            let rows = t.required("file", doc, &TraceFile)?;
            let duration = rows.last().map(|row| row.at + row.length);
            Some((duration, Arrivals::Trace(rows)))
        }
    };
    let doc = "When messages arrive: in equal gaps, independently, in batches, or as a file says.";
    let (duration, arrivals) = t.variants("arrivals", doc, &PROCESSES, &read).flatten()?;
    let phase = Phase { name: name?, duration, arrivals };
    if t.clean() {
        check::phase(t, &phase);
    }
    Some(phase)
}

fn rated(t: &mut Table<'_>) -> Option<(Nanos, Rate)> {
    let duration = t.required("duration", "Length of the phase.", &Span::within(MILLISECOND, LONGEST));
    let doc = "Messages per second: a number, a text such as \"7200/min\", a ramp { from, to }, or a sine \
               { mean, amplitude, period }.";
    let rate = t.required("rate", doc, &AnyRate);
    Some((duration?, rate?))
}

fn batches(t: &mut Table<'_>) -> Option<(Option<Nanos>, Arrivals)> {
    let doc = "Length of the phase; without it the phase ends with the last batch.";
    let duration = t.optional("duration", doc, &Span::within(MILLISECOND, LONGEST));
    let doc = "How many batches; without it they go on for the duration.";
    let count = t.optional("count", doc, &Whole(1, 1_000_000_000));
    let doc = "Messages in a batch: a number, or the fewest and the most.";
    let size = t.required("size", doc, &Range(Whole(1, 1_000_000)));
    let doc = "From batch to batch: a span, or the shortest and the longest.";
    let gap = t.required("gap", doc, &Range(Span::within(0, LONGEST)));
    let size = size?;
    let batches = Batches {
        count: count.and_then(|n| u64::try_from(n).ok()),
        size: (u64::try_from(size.0).ok()?, u64::try_from(size.1).ok()?),
        gap: gap?,
    };
    Some((duration, Arrivals::Batches(batches)))
}

/// A constant rate.
struct PerSecond;

impl Kind for PerSecond {
    type Out = f64;

    fn read(&self, at: &At<'_>) -> Option<f64> {
        let rate = match &at.node.value {
            Value::Integer(number) => *number as f64,
            Value::Float(number) => *number,
            Value::Text(text) => match units::rate(text) {
                Ok(rate) => rate,
                Err(problem) => {
                    at.problem(problem);
                    return None;
                }
            },
            _ => {
                let shown = at.node.show();
                at.problem(format!("{shown} is not a rate; write a number per second or e.g. \"7200/min\""));
                return None;
            }
        };
        if (0.0..=MOST_PER_SECOND).contains(&rate) {
            return Some(rate);
        }
        let most = show_count(MOST_PER_SECOND as i128);
        at.problem(format!("{} is out of range; write 0 to {most} messages per second", at.node.show()));
        None
    }

    fn schema(&self) -> Json {
        json!({ "anyOf": [
            { "type": "number", "minimum": 0, "maximum": MOST_PER_SECOND },
            { "type": "string", "pattern": units::RATE_PATTERN },
        ] })
    }

    fn example(&self) -> String {
        "100".into()
    }
}

/// A rate over the time of a phase.
struct AnyRate;

impl Kind for AnyRate {
    type Out = Rate;

    fn read(&self, at: &At<'_>) -> Option<Rate> {
        if !matches!(at.node.value, Value::Table(_)) {
            return PerSecond.read(at).map(Rate::Constant);
        }
        let swings = ["mean", "amplitude", "period"].iter().any(|key| at.node.get(key).is_some());
        Table::read(at, if swings { sine } else { ramp }).flatten()
    }

    fn schema(&self) -> Json {
        json!({ "anyOf": [PerSecond.schema(), Table::describe(ramp), Table::describe(sine)] })
    }

    fn example(&self) -> String {
        "100".into()
    }
}

fn ramp(t: &mut Table<'_>) -> Option<Rate> {
    let from = t.required("from", "Messages per second at the start of the phase.", &PerSecond);
    let to = t.required("to", "Messages per second at its end.", &PerSecond);
    Some(Rate::Ramp { from: from?, to: to? })
}

fn sine(t: &mut Table<'_>) -> Option<Rate> {
    let mean = t.required("mean", "Messages per second around which it swings.", &PerSecond);
    let amplitude = t.required("amplitude", "How far it swings up and down; at most the mean.", &PerSecond);
    let period = t.required("period", "One full swing.", &Span::within(SECOND, LONGEST));
    let (mean, amplitude) = (mean?, amplitude?);
    if amplitude > mean {
        let text = format!(
            "{amplitude} is above the mean of {mean}, so the rate would be negative; write at most {mean}"
        );
        t.problem("amplitude", text);
        return None;
    }
    Some(Rate::Sine { mean, amplitude, period: period? })
}
