//! Which stack finished a message sooner, and by how much: the same message at two stacks.
//!
//! Each stack is set against the first one. Runs of many messages keep a sample of them, the same one at every stack.

use super::Subject;
use super::figure::{Figure, Key, Plot, Table};
use crate::chart::ink::{Ink, stack_class};
use crate::chart::labels::End;
use crate::chart::readout::{Along, Reading, Readout};
use crate::chart::scale::{Scale, signed_ms};
use crate::chart::{Chart, Mark};
use crate::format::{self, NBSP};
use crate::pairs::Pairs;
use anyhow::Result;

/// Steps of the horizontal axis, in percent of the messages.
const STEP: f64 = 0.5;

/// Shares of the messages that the table has a row for, in percent.
const ROWS: [f64; 7] = [1.0, 10.0, 25.0, 50.0, 75.0, 90.0, 99.0];
const FEW_ROWS: [f64; 3] = [10.0, 50.0, 90.0];

/// The section.
///
/// # Errors
/// When the chart cannot be drawn.
pub(crate) fn figure(subject: &Subject) -> Result<Figure> {
    let mut figure = Figure::without_data(
        "pairs",
        "Message by message",
        "Pairs",
        "No message was completed at two stacks after warm-up.",
    );
    let all: Vec<(usize, Pairs)> = Pairs::of(subject.views());
    if all.is_empty() {
        return Ok(figure);
    }
    let reference = subject.names[0];
    figure.take = take(subject, &all);
    figure.caption = format!(
        "latency minus that of the same message on {reference}, messages in order of it; below 0: sooner than {reference}; \
         log scale to both sides, linear within 1{NBSP}ms of 0"
    );
    figure.legend = all
        .iter()
        .map(|(stack, _)| Key {
            class: stack_class(*stack),
            name: format!("{} − {reference}", subject.names[*stack]),
        })
        .collect();
    figure.plots = vec![plot(subject, &all)?];
    figure.table = Some(table(subject, &all));
    figure.notes = notes(subject, &all);
    Ok(figure)
}

fn plot(subject: &Subject, all: &[(usize, Pairs)]) -> Result<Plot> {
    let steps = (100.0 / STEP) as usize;
    let curve = |pairs: &Pairs| -> Vec<Option<f64>> {
        (0..=steps).map(|step| Some(pairs.at_percent(step as f64 * STEP))).collect()
    };
    let curves: Vec<(usize, Vec<Option<f64>>)> =
        all.iter().map(|(stack, pairs)| (*stack, curve(pairs))).collect();
    let values = || curves.iter().flat_map(|(_, curve)| curve).flatten().copied();
    let y = Scale::signed_ms(values().fold(0.0, f64::min), values().fold(0.0, f64::max));
    let mut marks = vec![Mark::Line(Ink::Zero, vec![(0.0, Some(0.0)), (100.0, Some(0.0))])];
    let mut ends = Vec::new();
    for (stack, curve) in &curves {
        let points = curve.iter().enumerate().map(|(i, ms)| (i as f64 * STEP, ms.map(signed_ms))).collect();
        marks.push(Mark::Line(Ink::Line(*stack), points));
        let last = curve.last().copied().flatten().map(signed_ms);
        ends.extend(last.map(|at| End { stack: *stack, name: subject.names[*stack].into(), at }));
    }
    let chart = Chart { id: "pairs", x: Scale::percent(), y, bands: &[], named_bands: false, marks, ends };
    let reading = |(stack, curve): (usize, Vec<Option<f64>>)| Reading {
        name: subject.names[stack].into(),
        stack: Some(stack),
        values: curve,
    };
    let readings = curves.into_iter().map(reading).collect();
    Plot::of(&chart, &Readout { along: Along::Percent, first: 0.0, step: STEP, unit: "ms", readings })
}

fn take(subject: &Subject, all: &[(usize, Pairs)]) -> String {
    let reference = subject.names[0];
    if subject.is_small() {
        return all
            .iter()
            .map(|(stack, pairs)| said(subject.names[*stack], reference, pairs) + ".")
            .collect::<Vec<_>>()
            .join(" ");
    }
    let most = all.iter().max_by(|a, b| a.1.sooner.value.total_cmp(&b.1.sooner.value));
    most.map_or_else(String::new, |(stack, pairs)| {
        said(subject.names[*stack], reference, pairs) + ", more than any other."
    })
}

fn said(name: &str, reference: &str, pairs: &Pairs) -> String {
    let sooner = pairs.sooner;
    let interval = sooner.interval().map_or_else(String::new, |(low, high)| {
        format!(" (95{NBSP}% interval {})", format::percents(low, high))
    });
    let messages =
        format::counted(pairs.count() as u64, if pairs.is_sample { "sampled message" } else { "message" });
    // A share that is next to none is not worth a word.
    let equal = match pairs.equal {
        share if share < 0.001 => String::new(),
        share => {
            format!(
                ", equally soon with {}, later with {}",
                format::percent(share),
                format::percent(pairs.later())
            )
        }
    };
    format!(
        "{name} was sooner than {reference} with {} of the {messages} that both completed{interval}{equal}",
        format::percent(sooner.value)
    )
}

/// A row per share of the messages; one column per stack.
fn table(subject: &Subject, all: &[(usize, Pairs)]) -> Table {
    let head = std::iter::once("Messages".into())
        .chain(all.iter().map(|(stack, _)| format!("{} − {}", subject.names[*stack], subject.names[0])))
        .collect();
    let row = |name: String, cell: &dyn Fn(&Pairs) -> String| {
        std::iter::once(name).chain(all.iter().map(|(_, pairs)| cell(pairs))).collect::<Vec<_>>()
    };
    let percents: &[f64] = if subject.is_small() { &ROWS } else { &FEW_ROWS };
    let mut rows: Vec<Vec<String>> = percents
        .iter()
        .map(|percent| {
            row(format!("{percent}{NBSP}% of the messages: at most"), &|pairs| {
                format::signed_milliseconds(pairs.at_percent(*percent))
            })
        })
        .collect();
    rows.push(row("median, 95 % interval".into(), &|pairs| {
        pairs.median.interval().map_or_else(
            || format::ABSENT.into(),
            |(low, high)| {
                format!("{} to {}", format::signed_milliseconds(low), format::signed_milliseconds(high))
            },
        )
    }));
    rows.push(row("sooner".into(), &|pairs| format::percent(pairs.sooner.value)));
    if subject.is_small() {
        rows.push(row("equally soon".into(), &|pairs| format::percent(pairs.equal)));
        rows.push(row("later".into(), &|pairs| format::percent(pairs.later())));
        rows.push(row("messages compared".into(), &|pairs| format::count(pairs.count() as f64)));
    }
    Table { head, rows, words: 1 }
}

fn notes(subject: &Subject, all: &[(usize, Pairs)]) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some((_, pairs)) = all.iter().find(|(_, pairs)| pairs.is_sample) {
        notes.push(format!(
            "Of {} messages, those of a sample are compared: a hash of a message's number decides, so that it is the same \
             at every stack ({} pairs here).",
            format::count(subject.judgement.first().manifest.planned as f64),
            format::count(pairs.count() as f64)
        ));
    }
    notes
}
