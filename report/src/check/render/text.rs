//! The check on stdout, and as Markdown for a pull request or a step summary.

use super::{change, found, headline, inputs, legend, symbol, values};
use crate::check::{Check, Expectation, Finding};
use crate::format::{self, NBSP};
use crate::text::{capital, widths};
use std::fmt::Write;

/// Most bytes of Markdown: a comment on GitHub may have 64 KiB, and the last line must fit, too.
const MOST_BYTES: usize = 60_000;

const HEADING: [&str; 8] =
    ["outcome", "stack", "metric", "baseline", "candidate", "change", "margin", "reason"];

/// The check for a terminal.
#[must_use]
pub fn text(check: &Check) -> String {
    let mut out = format!("{}\n", headline(check));
    let _ = writeln!(out, "Baseline: {}", inputs(&check.baselines));
    let _ = writeln!(out, "Candidate: {}", inputs(&check.candidates));
    if !check.incomparable.is_empty() {
        let _ = writeln!(out, "\nNot comparable:");
        check.incomparable.iter().for_each(|why| _ = writeln!(out, "  {why}"));
    }
    if !check.findings.is_empty() {
        let mut lines = vec![HEADING.map(String::from).to_vec()];
        lines.extend(check.findings.iter().map(|finding| cells(finding).to_vec()));
        out.push('\n');
        table(&mut out, &lines);
        let _ = writeln!(out, "\n{}", legend(check));
    }
    if !check.expectations.is_empty() {
        let _ = writeln!(out, "\nExpectations of the scenario");
        check.expectations.iter().for_each(|e| _ = writeln!(out, "{}", expectation_line(e)));
    }
    // Terminals and grep want plain spaces.
    out.replace(NBSP, " ")
}

fn cells(finding: &Finding) -> [String; 8] {
    let [baseline, candidate] = values(finding);
    [
        format!("{} {}", symbol(finding.outcome), finding.outcome.name()),
        finding.stack.clone(),
        finding.metric.clone(),
        baseline,
        candidate,
        change(finding),
        format::percent(finding.margin),
        capital(&finding.reason),
    ]
}

/// `✗ fails: lambda latency-p99 below 2 s (found 2.4 s)`.
#[must_use]
pub fn expectation_line(expectation: &Expectation) -> String {
    let word = if expectation.holds == Some(true) { "✓ holds" } else { "✗ fails" };
    format!("{word}: {} ({})", expectation.text, found(expectation)).replace(NBSP, " ")
}

/// Words to the left, numbers to the right; the reason comes last and is as long as it is.
fn table(out: &mut String, lines: &[Vec<String>]) {
    const NUMBERS: std::ops::RangeInclusive<usize> = 3..=6;
    let widths = widths(lines);
    for line in lines {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - cell.chars().count());
            let gap = if column == 0 { "" } else { "   " };
            let _ = if NUMBERS.contains(&column) {
                write!(text, "{gap}{padding}{cell}")
            } else {
                write!(text, "{gap}{cell}{padding}")
            };
        }
        let _ = writeln!(out, "{}", text.trim_end_matches(' '));
    }
}

/// The check as GitHub and GitLab show it: worst findings first, shorter than a comment may be.
#[must_use]
pub fn markdown(check: &Check) -> String {
    let mut page = Page { out: String::new(), left_out: 0 };
    page.line(&format!("**{}**\n", clean(&headline(check))));
    page.line(&format!("Baseline: {}\n", code(&inputs(&check.baselines))));
    page.line(&format!("Candidate: {}\n", code(&inputs(&check.candidates))));
    for why in &check.incomparable {
        page.line(&format!("- {}", clean(why)));
    }
    if !check.findings.is_empty() {
        let mut findings: Vec<&Finding> = check.findings.iter().collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.outcome));
        page.line(&format!(
            "\n| {} |\n| --- | --- | --- | ---: | ---: | --- | ---: | --- |",
            HEADING.join(" | ")
        ));
        for finding in findings {
            page.line(&format!("| {} |", cells(finding).map(|cell| clean(&cell)).join(" | ")));
        }
        page.line(&format!("\n{}", legend(check)));
    }
    if !check.expectations.is_empty() {
        page.line("\nExpectations of the scenario:\n");
        check.expectations.iter().for_each(|e| page.line(&format!("- {}", clean(&expectation_line(e)))));
    }
    if page.left_out > 0 {
        let lines = format::counted(page.left_out, "line");
        let _ = writeln!(page.out, "\n{lines} left out: the JSON has them.");
    }
    page.out.replace(NBSP, " ")
}

/// Markdown up to its limit.
struct Page {
    out: String,
    left_out: u64,
}

impl Page {
    fn line(&mut self, line: &str) {
        if self.left_out > 0 || self.out.len() + line.len() > MOST_BYTES {
            self.left_out += 1;
        } else {
            let _ = writeln!(self.out, "{line}");
        }
    }
}

/// What a reader may have named must not become a table or a tag.
fn clean(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Paths, as they are and not too long.
fn code(text: &str) -> String {
    const MOST: usize = 4_000;
    let clipped: String =
        text.chars().take(MOST).map(|c| if c.is_control() || c == '`' { '?' } else { c }).collect();
    let more = if text.chars().count() > MOST { " …" } else { "" };
    format!("`{clipped}`{more}")
}
