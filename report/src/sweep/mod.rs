//! A sweep: many simulated points of one scenario, judged together. Rows in, text out.
//!
//! Goals: every figure from the one metric table; the summary is a function of the rows alone, so that a sweep that
//! was interrupted or done in shards says the same as one in a single process.
//! Non-goals: simulating, files, and interpolation: what lies between two tested points is not known.

mod frontier;
mod page;
mod slices;
mod standing;
mod text;

pub use page::html;
pub use text::text;

use crate::format::Unit;
use crate::judgement::objections;
use crate::metrics::named;
use crate::options::Options;
use crate::view::StackView;
use model::run::Run;
use serde::{Deserialize, Serialize};

/// The metrics of a row, by their names in the table.
const FIGURES: [&str; 12] = [
    "offered-rate",
    "achieved-rate",
    "latency-p50",
    "latency-p95",
    "latency-p99",
    "backlog-max",
    "cold-starts",
    "throttles",
    "errors",
    "cost-run",
    "cost-per-million",
    "cost-per-month",
];

/// Columns between the varied keys and the figures.
const FACTS: [&str; 6] = ["stack", "platform", "drained", "valid", "planned", "completed-share"];

/// A key that was varied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Varied {
    /// Dotted key, or `load`.
    pub key: String,
    /// Its values, as they were asked for.
    pub values: Vec<String>,
}

/// What was swept.
pub struct Sweep<'a> {
    /// The scenario's title.
    pub title: &'a str,
    /// Its seed, the same at every point.
    pub seed: u64,
    /// The varied keys; the first is the axis of break-even zones.
    pub varied: &'a [Varied],
    /// All rows, in order of points and of stacks.
    pub rows: &'a [Row],
}

/// One stack at one point.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Number of the point, from 1.
    pub point: usize,
    /// The value of each varied key.
    pub values: Vec<String>,
    /// Name of the stack.
    pub stack: String,
    /// `ecs` or `lambda`.
    pub platform: String,
    /// Whether the queue was empty at the end.
    pub drained: bool,
    /// Whether the run of this point passed all of its checks.
    pub valid: bool,
    /// Messages in the plan.
    pub planned: u64,
    /// Share of them that was completed.
    pub completed: f64,
    /// One for each of [`FIGURES`]; `None` where it does not apply, or is not shown for want of samples.
    figures: Vec<Option<f64>>,
}

impl Row {
    /// The rows of a point, from its run.
    #[must_use]
    pub fn all(point: usize, values: &[String], run: &Run) -> Vec<Self> {
        let valid = objections(std::slice::from_ref(run)).is_empty();
        let of = |view: &StackView| {
            let ledger = &view.entry.ledger;
            let share = ledger.done() as f64 / ledger.planned.max(1) as f64;
            let value = |name: &&str| named(name).value(view).filter(|v| v.is_finite()).map(six_digits);
            Self {
                point,
                values: values.to_vec(),
                stack: view.name().into(),
                platform: view.entry.platform.clone(),
                drained: view.drain_seconds().is_some(),
                valid,
                planned: ledger.planned,
                completed: share,
                figures: FIGURES.iter().map(value).collect(),
            }
        };
        StackView::all(run, Options::default()).iter().map(of).collect()
    }

    /// The names of a row's cells.
    #[must_use]
    pub fn header(varied: &[Varied]) -> Vec<String> {
        let column = |name: &&str| match named(name).unit {
            Unit::Milliseconds => format!("{name}-ms"),
            _ => (*name).to_owned(),
        };
        let keys = varied.iter().map(|varied| varied.key.clone());
        let facts = FACTS.iter().map(|name| (*name).to_owned());
        std::iter::once("point".into()).chain(keys).chain(facts).chain(FIGURES.iter().map(column)).collect()
    }

    /// The row as cells of a table.
    #[must_use]
    pub fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.point.to_string()];
        cells.extend(self.values.iter().cloned());
        cells.extend([self.stack.clone(), self.platform.clone()]);
        cells.extend([self.drained.to_string(), self.valid.to_string()]);
        cells.extend([self.planned.to_string(), self.completed.to_string()]);
        cells.extend(self.figures.iter().map(|v| v.map_or_else(String::new, |v| v.to_string())));
        cells
    }

    /// Reads what [`Row::cells`] gave; `None` if it is something else.
    #[must_use]
    pub fn from_cells(keys: usize, cells: &[&str]) -> Option<Self> {
        let (point, rest) = cells.split_first()?;
        let (values, rest) = rest.split_at_checked(keys)?;
        let ([stack, platform, drained, valid, planned, completed], figures) = rest.split_first_chunk()?;
        let figure = |cell: &&str| match *cell {
            "" => Some(None),
            number => number.parse().ok().filter(|v: &f64| v.is_finite()).map(Some),
        };
        let figures: Vec<Option<f64>> = figures.iter().map(figure).collect::<Option<_>>()?;
        (figures.len() == FIGURES.len()).then_some(())?;
        Some(Self {
            point: point.parse().ok()?,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            stack: (*stack).into(),
            platform: (*platform).into(),
            drained: drained.parse().ok()?,
            valid: valid.parse().ok()?,
            planned: planned.parse().ok()?,
            completed: completed.parse().ok()?,
            figures,
        })
    }

    /// A figure by its metric.
    fn figure(&self, name: &str) -> Option<f64> {
        let place = FIGURES.iter().position(|known| *known == name)?;
        self.figures.get(place).copied().flatten()
    }
}

/// More digits than a model deserves, and few enough to read.
fn six_digits(v: f64) -> f64 {
    if v.fract() == 0.0 { v } else { format!("{v:.5e}").parse().unwrap_or(v) }
}

/// Whether any figures are there to be compared.
#[must_use]
pub fn compared(rows: &[Row]) -> bool {
    points(rows).any(|point| point.iter().any(|row| standing::trouble(row, point).is_none()))
}

/// The rows of each point.
fn points(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    rows.chunk_by(|a, b| a.point == b.point)
}

/// A value as a number, with what stands behind it: `512 MB`, `0.5x`, `31.6`.
fn number(value: &str) -> Option<(f64, &str)> {
    let value = value.trim();
    let end = value.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).unwrap_or(value.len());
    let (digits, unit) = value.split_at(end);
    Some((digits.parse().ok()?, unit.trim())).filter(|(v, _): &(f64, _)| v.is_finite())
}

impl Varied {
    /// The place of each value on an axis, if they are numbers of one unit.
    fn axis(&self) -> Option<Vec<f64>> {
        let numbers: Vec<(f64, &str)> = self.values.iter().map(|v| number(v)).collect::<Option<_>>()?;
        let unit = numbers.first()?.1;
        let same = numbers.len() > 1 && numbers.iter().all(|number| number.1 == unit);
        same.then(|| numbers.iter().map(|number| number.0).collect())
    }
}

#[cfg(test)]
mod tests;
