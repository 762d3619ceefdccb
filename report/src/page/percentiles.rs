//! What do unlucky messages see?

use super::Subject;
use super::figure::{Figure, Plot, Table, stack_keys};
use crate::chart::ink::Ink;
use crate::chart::labels::End;
use crate::chart::readout::{Along, Reading, Readout};
use crate::chart::scale::Scale;
use crate::chart::{Chart, Mark};
use crate::format::{self, Unit};
use crate::view::{SAMPLES_BEYOND, StackView};
use anyhow::Result;
use model::windows::Stage;

/// Distance of two points on the axis of nines.
const STEP: f64 = 0.05;

/// Rows of the table.
const ROWS: [(f64, &str); 6] =
    [(0.5, "p50"), (0.75, "p75"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99")];

/// The section.
///
/// # Errors
/// When the chart cannot be drawn.
pub(crate) fn figure(subject: &Subject) -> Result<Figure> {
    let mut figure = Figure::without_data(
        "percentiles",
        "Latency by percentile",
        "Percentiles",
        "No stack has enough completed messages for a percentile.",
    );
    figure.caption =
        "scheduled to finished, after warm-up, log scale; each step right is ten times rarer".into();
    let lines: Vec<(usize, Vec<Option<f64>>)> = subject
        .views()
        .iter()
        .enumerate()
        .map(|(i, view)| (i, line(view)))
        .filter(|(_, line)| line.len() > 1)
        .collect();
    if lines.is_empty() {
        return Ok(figure);
    }
    figure.plots = vec![plot(subject, &lines)?];
    figure.take = take(subject);
    figure.legend = stack_keys(&subject.names);
    figure.table = Some(table(subject));
    figure.notes.push(format!("Each line ends where fewer than {SAMPLES_BEYOND} samples lie beyond."));
    Ok(figure)
}

/// Latency in milliseconds at each step of nines, as far as samples reach.
fn line(view: &StackView) -> Vec<Option<f64>> {
    let at = |i: usize| view.percentile(Stage::Latency, 1.0 - 10_f64.powf(-(i as f64 * STEP)));
    (0..).map(at).take_while(Option::is_some).collect()
}

fn plot(subject: &Subject, lines: &[(usize, Vec<Option<f64>>)]) -> Result<Plot> {
    let longest = lines.iter().map(|line| line.1.len()).max().unwrap_or(0);
    let all = || lines.iter().flat_map(|line| &line.1).flatten().copied();
    let points =
        |values: &[Option<f64>]| values.iter().enumerate().map(|(i, v)| (i as f64 * STEP, *v)).collect();
    let y = Scale::log_ms(all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    let reached = longest.saturating_sub(1) as f64 * STEP;
    // A name at the right edge belongs to a line that reaches it.
    let ends = lines.iter().filter(|(_, values)| values.len() + 4 >= longest).filter_map(|(i, values)| {
        Some(End { stack: *i, name: subject.names[*i].into(), at: values.iter().flatten().last().copied()? })
    });
    let chart = Chart {
        id: "percentiles",
        x: Scale::nines(reached),
        ends: ends.collect(),
        y,
        bands: &[],
        named_bands: false,
        marks: lines.iter().map(|(i, values)| Mark::Line(Ink::Line(*i), points(values))).collect(),
    };
    let readings = lines
        .iter()
        .map(|(i, values)| {
            let mut values = values.clone();
            values.resize(longest, None);
            Reading { name: subject.names[*i].into(), stack: Some(*i), values }
        })
        .collect();
    Plot::of(&chart, &Readout { along: Along::Nines, first: 0.0, step: STEP, unit: "ms", readings })
}

fn take(subject: &Subject) -> String {
    let said = |p: f64, words: &str| {
        let values: Vec<_> = subject.views().iter().map(|view| view.percentile(Stage::Latency, p)).collect();
        Some(format!("{words} finished within {}", subject.across(Unit::Milliseconds, &values)?))
    };
    let tails = [(0.999, "99.9\u{a0}%"), (0.99, "99\u{a0}%"), (0.95, "95\u{a0}%"), (0.9, "90\u{a0}%")];
    let half = said(0.5, "Half of the messages");
    let tail = tails.into_iter().find_map(|(p, words)| said(p, words));
    match (half, tail) {
        (Some(half), Some(tail)) => format!("{half}; {tail}."),
        (Some(one), None) | (None, Some(one)) => format!("{one}."),
        (None, None) => "Too few completed messages for a percentile.".into(),
    }
}

fn table(subject: &Subject) -> Table {
    let mut head = vec!["Percentile".into()];
    head.extend(subject.names.iter().map(|name| (*name).to_owned()));
    let row = |name: &str, values: &[Option<f64>]| {
        let mut row = vec![name.to_owned()];
        row.extend(format::row(Unit::Milliseconds, values));
        row
    };
    // With many stacks the chart has the others.
    let shown = |p: &&(f64, &str)| subject.is_small() || [0.5, 0.9, 0.99, 0.999].contains(&p.0);
    let percentiles = ROWS.iter().filter(shown).map(|(p, name)| {
        let values: Vec<_> = subject.views().iter().map(|v| v.percentile(Stage::Latency, *p)).collect();
        row(name, &values)
    });
    let longest: Vec<_> = subject.views().iter().map(StackView::longest).collect();
    let mut rows: Vec<_> = percentiles.collect();
    rows.push(row("longest", &longest));
    let samples = subject.views().iter().map(|v| v.histogram(Stage::Latency).map_or(0, |h| h.len()));
    rows.push(std::iter::once("samples".into()).chain(samples.map(|n| format::count(n as f64))).collect());
    Table { head, rows, words: 1 }
}
