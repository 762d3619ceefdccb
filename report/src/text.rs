//! The summary on stdout, and as Markdown: a table with one column per stack and one per difference to the first.
//!
//! Goals: says first whether the run is a simulation; aligned without colour; every number from the metric table.

use crate::check;
use crate::cost::{Cost, Terms};
use crate::difference::Word;
use crate::estimate::Estimate;
use crate::format::{self, ABSENT, NBSP, counted};
use crate::judgement::{Judgement, Row};
use crate::prices::{Prices, price_list_date};
use crate::streams;
use crate::view::StackView;
use model::record::Ledger;
use model::run::Manifest;
use std::fmt::Write;

/// The summary for a terminal.
#[must_use]
pub fn text(judgement: &Judgement) -> String {
    let mut out = String::new();
    head(&mut out, judgement);
    table(&mut out, judgement);
    tail(&mut out, judgement);
    // Terminals and grep want plain spaces.
    out.replace(NBSP, " ")
}

/// The summary as GitHub shows it: verdict, objections, the same table, ledgers.
#[must_use]
pub fn markdown(judgement: &Judgement) -> String {
    let mut out = String::new();
    let names: Vec<&str> = judgement.views.iter().map(StackView::name).collect();
    let _ = writeln!(out, "{}\n\n**{}**", title(judgement), judgement.verdict.sentence(&names));
    if let Some(rule) = judgement.verdict.rule(&names) {
        let _ = writeln!(out, "{rule}");
    }
    out.push('\n');
    if !judgement.objections.is_empty() {
        judgement.objections.iter().for_each(|objection| _ = writeln!(out, "- {objection}"));
        out.push('\n');
    }
    markdown_table(&mut out, judgement, &names);
    let _ = writeln!(out, "\n{}. {}.", about(judgement), capital(&judgement.intervals));
    for line in accounts(judgement) {
        let _ = writeln!(out, "\n{line}");
    }
    out.replace(NBSP, " ")
}

fn markdown_table(out: &mut String, judgement: &Judgement, names: &[&str]) {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.trim().replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let heading = heading(names);
    *out += &line(&heading);
    *out += &format!("| --- |{}\n", " ---: |".repeat(heading.len() - 1));
    let mut group = "";
    for row in judgement.rows.iter().filter(|row| row.has_data()) {
        if row.metric.group != group {
            group = row.metric.group;
            *out += &format!("| **{group}** |{}\n", " |".repeat(heading.len() - 1));
        }
        *out += &line(&cells(row, names));
    }
}

fn title(judgement: &Judgement) -> String {
    let manifest = &judgement.first().manifest;
    let title = if manifest.title.is_empty() { "untitled" } else { &manifest.title };
    if judgement.is_simulated() {
        format!("SIMULATED run: {title} (virtual time, no AWS involved)")
    } else {
        format!("Measured run: {title}")
    }
}

/// What was asked for.
fn about(judgement: &Judgement) -> String {
    let manifest = &judgement.first().manifest;
    format!(
        "{} planned over {}, seed {}, {}, prices of {} {}",
        counted(manifest.planned, "message"),
        format::span(manifest.load_end),
        manifest.seed,
        manifest.region,
        price_list_date(),
        judgement.options.tier()
    )
}

/// A sentence of words that may also stand within one.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn head(out: &mut String, judgement: &Judgement) {
    let names: Vec<&str> = judgement.views.iter().map(StackView::name).collect();
    let _ = writeln!(out, "{}\n{}", title(judgement), about(judgement));
    let _ = writeln!(out, "{}", capital(&judgement.intervals));
    let _ = writeln!(out, "\n{}", judgement.verdict.sentence(&names));
    if let Some(rule) = judgement.verdict.rule(&names) {
        let _ = writeln!(out, "{rule}");
    }
}

fn table(out: &mut String, judgement: &Judgement) {
    let names: Vec<&str> = judgement.views.iter().map(StackView::name).collect();
    let rows: Vec<&Row> = judgement.rows.iter().filter(|row| row.has_data()).collect();
    let mut lines: Vec<Vec<String>> = vec![heading(&names)];
    lines.extend(rows.iter().map(|row| cells(row, &names)));
    let widths = widths(&lines);
    print(out, &lines[0], &widths, "\n");
    let mut group = "";
    for (row, line) in rows.iter().zip(&lines[1..]) {
        if row.metric.group != group {
            group = row.metric.group;
            let _ = writeln!(out, "{group}");
        }
        print(out, line, &widths, "");
    }
    let missing: Vec<&str> =
        judgement.rows.iter().filter(|row| !row.has_data()).map(|row| row.metric.name).collect();
    if !missing.is_empty() {
        let _ = writeln!(out, "\nNo data for: {}", missing.join(", "));
    }
}

fn heading(names: &[&str]) -> Vec<String> {
    let mut cells = vec![String::new()];
    for (index, name) in names.iter().enumerate() {
        cells.push((*name).into());
        if index > 0 {
            cells.push(format!("against {}", names[0]));
        }
    }
    if names.len() == 2 {
        cells.push("better".into());
    }
    cells
}

fn cells(row: &Row, names: &[&str]) -> Vec<String> {
    let values = estimates(row);
    let mut cells = vec![format!("  {}", row.metric.label)];
    for (index, shown) in values.into_iter().enumerate() {
        cells.push(shown);
        if index > 0 {
            cells.push(difference(row, index));
        }
    }
    if names.len() == 2 {
        cells.push(better(row, names).into());
    }
    cells
}

/// The longer side of an interval, as a share of the value, up to which `± ` says enough: beyond, both ends do.
const NARROW: f64 = 0.3;

/// Less than `<0.01 %` need not be said.
const NOTHING: f64 = 1e-4;

/// The estimates of a row in one unit, each with its interval, if it has one, on the same line.
pub(crate) fn estimates(row: &Row) -> Vec<String> {
    let together = |(text, interval): (String, Option<String>)| match interval {
        Some(narrow) if narrow.starts_with('±') => format!("{text} {narrow}"),
        Some(ends) => format!("{text} ({ends})"),
        None => text,
    };
    values_and_intervals(row).into_iter().map(together).collect()
}

/// The estimates of a row in one unit, and their intervals: `± ` and the longer side as a share of the value, or both
/// ends in the value's unit. An interval that rounds to nothing is left out.
pub(crate) fn values_and_intervals(row: &Row) -> Vec<(String, Option<String>)> {
    let shown = format::row(row.metric.unit, &row.values());
    let interval = |estimate: &Option<Estimate>| estimate.as_ref().and_then(Estimate::interval);
    let ends = format::row_of_ends(
        row.metric.unit,
        &row.values(),
        &row.estimates.iter().map(interval).collect::<Vec<_>>(),
    );
    let with_interval = |((text, ends), estimate): ((String, Option<String>), &Option<Estimate>)| {
        let share = estimate.as_ref().and_then(|estimate| {
            let (low, high) = estimate.interval()?;
            let side = (high - estimate.value).max(estimate.value - low);
            (estimate.value != 0.0).then(|| side / estimate.value.abs())
        });
        let interval = match share {
            Some(share) if share < NOTHING => None,
            Some(share) if share <= NARROW => Some(format!("± {}", format::percent(share))),
            Some(_) => ends,
            None => None,
        };
        (text, interval)
    };
    shown.into_iter().zip(ends).zip(&row.estimates).map(with_interval).collect()
}

/// How a stack differs from the reference, with the interval if there is one.
pub(crate) fn difference(row: &Row, stack: usize) -> String {
    match (row.differences[stack].and_then(|d| d.ratio), row.estimates[0], row.estimates[stack]) {
        (Some(ratio), ..) => format::change(ratio.value, ratio.interval()),
        (None, Some(reference), Some(one)) => format::difference(one.value, reference.value),
        _ => ABSENT.into(),
    }
}

/// Which of two stacks is better, if that can be told.
pub(crate) fn better<'n>(row: &Row, names: &[&'n str]) -> &'n str {
    match row.differences.get(1).copied().flatten().and_then(|d| d.word) {
        Some(Word::Better) => names[1],
        Some(Word::Worse) => names[0],
        Some(Word::Level) => "level",
        Some(Word::Unclear) => "unclear",
        None => ABSENT,
    }
}

pub(crate) fn widths(lines: &[Vec<String>]) -> Vec<usize> {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    (0..columns).map(width).collect()
}

pub(crate) fn print(out: &mut String, line: &[String], widths: &[usize], before: &str) {
    let mut text = String::from(before);
    for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
        let padding = " ".repeat(width - cell.chars().count());
        if column == 0 {
            text.push_str(cell);
            text.push_str(&padding);
        } else {
            let _ = write!(text, "   {padding}{cell}");
        }
    }
    let _ = writeln!(out, "{}", text.trim_end_matches(' '));
}

fn tail(out: &mut String, judgement: &Judgement) {
    if !judgement.objections.is_empty() {
        let _ = writeln!(out, "\nNot valid:");
        for objection in &judgement.objections {
            let _ = writeln!(out, "  {objection}");
        }
    }
    let expectations = check::expectations(judgement.runs);
    if !expectations.is_empty() {
        let _ = writeln!(out, "\nExpectations of the scenario");
        let line = check::render::expectation_line;
        expectations.iter().for_each(|expectation| _ = writeln!(out, "  {}", line(expectation)));
    }
    streams_table(out, judgement);
    let _ = writeln!(out);
    accounts(judgement).iter().for_each(|line| _ = writeln!(out, "{line}"));
}

/// Streams and hops of each stack, if there are several.
fn streams_table(out: &mut String, judgement: &Judgement) {
    let rows = streams::rows(&judgement.views);
    if rows.is_empty() {
        return;
    }
    let mut lines: Vec<Vec<String>> = vec![streams::HEAD.map(|cell| cell.to_owned()).to_vec()];
    lines.extend(rows);
    // The first two columns are words.
    let words = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let (stack, messages) = (words(0), words(1));
    let joined = |line: &Vec<String>| {
        let mut cells = vec![format!("  {:stack$}   {:messages$}", line[0], line[1])];
        cells.extend(line[2..].iter().cloned());
        cells
    };
    let lines: Vec<Vec<String>> = lines.iter().map(joined).collect();
    let widths = widths(&lines);
    let _ = writeln!(out, "\nStreams and hops");
    lines.iter().for_each(|line| print(out, line, &widths, ""));
}

/// The ledger of each stack, and what must be known about the bills.
fn accounts(judgement: &Judgement) -> Vec<String> {
    let ledger = |view: &StackView| format!("Ledger of {}: {}", view.name(), ledger(&view.entry.ledger));
    let mut lines: Vec<String> = judgement.views.iter().map(ledger).collect();
    lines.extend(cost_notes(&judgement.views));
    lines
}

/// The accounts of a stack as a sum; outcomes that did not occur are left out.
pub(crate) fn ledger(ledger: &Ledger) -> String {
    let outcomes = [
        ("completed", ledger.completed),
        ("completed more than once", ledger.completed_more),
        ("dead-lettered", ledger.dead_lettered),
        ("failed", ledger.failed),
        ("lost", ledger.lost),
        ("in flight at the end", ledger.in_flight),
    ];
    let parts: Vec<String> = outcomes
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(name, n)| format!("{} {name}", format::count(*n as f64)))
        .collect();
    let sum = if parts.is_empty() { "nothing happened".into() } else { parts.join(" + ") };
    let sign = if ledger.balances() { "=" } else { "≠" };
    format!("{} planned {sign} {sum}", format::count(ledger.planned as f64))
}

/// What a reader must know about the bills: prices that are assumed or missing.
pub(crate) fn cost_notes(views: &[StackView]) -> Vec<String> {
    let mut notes = Vec::new();
    for view in views {
        match &view.cost {
            Err(why) => notes.push(format!("No bill for {}: {why}", view.name())),
            Ok(cost) => {
                let unpriced: Vec<&str> = cost.unpriced().collect();
                if !unpriced.is_empty() {
                    notes.push(format!("No price for {} of {}: no total", unpriced.join(", "), view.name()));
                }
                let assumed: Vec<&str> =
                    cost.lines.iter().filter(|line| line.assumed()).map(|line| line.label.as_str()).collect();
                if !assumed.is_empty() {
                    notes.push(format!(
                        "Assumed prices in the bill of {}: {}",
                        view.name(),
                        assumed.join(", ")
                    ));
                }
            }
        }
    }
    notes.extend(views.first().and_then(|view| measurement(view.manifest)));
    notes
}

/// What it cost to ask AWS, beside what the stacks cost.
fn measurement(manifest: &Manifest) -> Option<String> {
    if manifest.measurement.is_empty() {
        return None;
    }
    let terms = Terms { load: manifest.load_end, run: manifest.load_end, free_tier: false };
    let cost = Cost::of(&manifest.measurement, &Prices::for_region(&manifest.region).ok()?, terms);
    let metered = manifest.measurement.metered.iter();
    let asked: Vec<String> =
        metered.map(|one| format!("{} {}", format::count(one.quantity as f64), one.unit)).collect();
    let usd = cost.total().map_or("an amount without a price".into(), format::usd);
    Some(format!("Measuring cost {usd} beside that ({})", asked.join(", ")))
}
