//! The summary on stdout: a table with one column per stack and one per difference to the first.
//!
//! Goals: says first whether the run is a simulation; aligned without colour; every number from the metric table.

use crate::estimate::Estimate;
use crate::format::{self, ABSENT, NBSP, counted};
use crate::judgement::{Judgement, Row};
use crate::prices::price_list_date;
use crate::view::StackView;
use model::record::Ledger;
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

fn head(out: &mut String, judgement: &Judgement) {
    let manifest = &judgement.first().manifest;
    let names: Vec<&str> = judgement.views.iter().map(StackView::name).collect();
    let title = if manifest.title.is_empty() { "untitled" } else { &manifest.title };
    let _ = if judgement.is_simulated() {
        writeln!(out, "SIMULATED run: {title} (virtual time, no AWS involved)")
    } else {
        writeln!(out, "Measured run: {title}")
    };
    let _ = write!(
        out,
        "{} planned over {}, seed {}, {}, prices of {}",
        counted(manifest.planned, "message"),
        format::span(manifest.load_end),
        manifest.seed,
        manifest.region,
        price_list_date()
    );
    if judgement.runs.len() > 1 {
        let _ = write!(out, "; means over {} repeats, ± is the 95 % interval", judgement.runs.len());
    }
    let _ = writeln!(out, "\n\n{}", judgement.verdict.sentence(&names));
    if let Some(rule) = judgement.verdict.rule(&names) {
        let _ = writeln!(out, "{rule}");
    }
}

fn table(out: &mut String, judgement: &Judgement) {
    let names: Vec<&str> = judgement.views.iter().map(StackView::name).collect();
    let rows: Vec<&Row> = judgement.rows.iter().filter(|row| row.has_data()).collect();
    let mut lines: Vec<Vec<String>> = vec![heading(&names)];
    lines.extend(rows.iter().map(|row| cells(row)));
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
    cells
}

fn cells(row: &Row) -> Vec<String> {
    let values = estimates(row);
    let mut cells = vec![format!("  {}", row.metric.label)];
    for (index, shown) in values.into_iter().enumerate() {
        cells.push(shown);
        if index > 0 {
            cells.push(difference(row, index));
        }
    }
    cells
}

/// The estimates of a row in one unit; with repeats, `± ` and half the interval as a share of the value.
pub(crate) fn estimates(row: &Row) -> Vec<String> {
    let shown = format::row(row.metric.unit, &row.values());
    let with_interval = |(text, estimate): (String, &Option<Estimate>)| match estimate {
        Some(Estimate { value, high: Some(high), .. }) if *value != 0.0 => {
            format!("{text} ± {}", format::percent((high - value) / value.abs()))
        }
        _ => text,
    };
    shown.into_iter().zip(&row.estimates).map(with_interval).collect()
}

/// How a stack differs from the reference.
pub(crate) fn difference(row: &Row, stack: usize) -> String {
    match (row.estimates[0], row.estimates[stack]) {
        (Some(reference), Some(one)) => format::difference(one.value, reference.value),
        _ => ABSENT.into(),
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
    let _ = writeln!(out);
    for view in &judgement.views {
        let _ = writeln!(out, "Ledger of {}: {}", view.name(), ledger(&view.entry.ledger));
    }
    for note in cost_notes(&judgement.views) {
        let _ = writeln!(out, "{note}");
    }
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
    notes
}
