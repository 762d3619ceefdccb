//! A check, written down: for a terminal, a pull request, a program, and what CI reads.
//!
//! Goals: the verdict first, then one line per finding; one set of words and number formats for all.
//! Non-goals: deciding anything; files.

mod github;
mod json;
mod junit;
mod openmetrics;
mod text;
mod xml;

pub use github::github;
pub use json::{expectations, json, schema};
pub use junit::junit;
pub use openmetrics::openmetrics;
pub use text::{expectation_line, markdown, text};

use super::{Check, Expectation, Finding, Input, Outcome, Verdict};
use crate::format::{self, ABSENT};

/// Stands before the word of an outcome, for those who skim.
#[must_use]
pub fn symbol(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Improved => "✓",
        Outcome::Unchanged => "=",
        Outcome::Inconclusive => "?",
        Outcome::Concentrated => "!",
        Outcome::Untestable => ABSENT,
        Outcome::Regressed => "✗",
    }
}

/// The verdict in one line, with what it rests on.
#[must_use]
pub fn headline(check: &Check) -> String {
    match check.verdict() {
        Verdict::Pass => format!("PASS: nothing was shown to be worse ({})", tally(check)),
        Verdict::Regressed => format!("REGRESSED: {}", failures(check).join("; ")),
        Verdict::Inconclusive => format!("INCONCLUSIVE: these data cannot tell ({})", tally(check)),
        Verdict::NotComparable => format!(
            "NOT COMPARABLE: {}",
            check.incomparable.first().map_or("nothing was compared", String::as_str)
        ),
    }
}

/// What regressed and what failed, by number.
fn failures(check: &Check) -> Vec<String> {
    let regressed = count(check, Outcome::Regressed);
    let failed = check.expectations.iter().filter(|e| e.holds != Some(true)).count();
    let mut what = Vec::new();
    if regressed > 0 {
        what.push(format!("{regressed} of {} comparisons", check.findings.len()));
    }
    if failed > 0 {
        what.push(format!("{failed} of {} expectations failed", check.expectations.len()));
    }
    what
}

/// `4 unchanged, 2 inconclusive`, most serious first.
fn tally(check: &Check) -> String {
    let outcomes = [
        Outcome::Regressed,
        Outcome::Concentrated,
        Outcome::Inconclusive,
        Outcome::Untestable,
        Outcome::Unchanged,
        Outcome::Improved,
    ];
    let counted = outcomes.map(|outcome| (count(check, outcome), outcome.name()));
    let mut parts: Vec<String> =
        counted.iter().filter(|(n, _)| *n > 0).map(|(n, name)| format!("{n} {name}")).collect();
    if !check.expectations.is_empty() {
        parts.push(format::counted(check.expectations.len() as u64, "expectation"));
    }
    parts.join(", ")
}

fn count(check: &Check, outcome: Outcome) -> usize {
    check.findings.iter().filter(|finding| finding.outcome == outcome).count()
}

/// Baseline and candidate in one unit.
pub(crate) fn values(finding: &Finding) -> [String; 2] {
    let known = |v: Option<f64>| v.filter(|v| v.is_finite());
    let mut shown = format::row(finding.unit, &[known(finding.baseline), known(finding.candidate)]);
    for (text, value) in shown.iter_mut().zip([finding.baseline, finding.candidate]) {
        if value == Some(f64::INFINITY) {
            // A percentile among messages that were never finished.
            *text = "never".into();
        }
    }
    [shown.swap_remove(0), shown.swap_remove(0)]
}

/// The change with its bounds: `24 % higher (13 to 36 %)`.
pub(crate) fn change(finding: &Finding) -> String {
    let Some(ratio) = finding.ratio.filter(|ratio| ratio.is_finite()) else { return ABSENT.into() };
    match finding.bounds {
        Some((low, high)) if low.is_finite() && !high.is_finite() => {
            format!("{} (no less than {})", format::difference(ratio, 1.0), format::difference(low, 1.0))
        }
        bounds => format::change(ratio, bounds.filter(|(low, high)| low.is_finite() && high.is_finite())),
    }
}

/// What was found of an expectation.
pub(crate) fn found(expectation: &Expectation) -> String {
    match expectation.value {
        None => "no value".into(),
        Some(value) if value.is_finite() => format!("found {}", format::value(expectation.unit, value)),
        Some(_) => "never, for so many messages were not finished".into(),
    }
}

/// A finding in a sentence, numbers included.
fn sentence(finding: &Finding) -> String {
    let [baseline, candidate] = values(finding);
    format!(
        "{} {}: {baseline} → {candidate}, {}; margin {}. {}",
        finding.stack,
        finding.metric,
        change(finding),
        format::percent(finding.margin),
        finding.reason
    )
}

/// What was compared: `a, b (seeds 1, 2)`.
fn inputs(inputs: &[Input]) -> String {
    if inputs.is_empty() {
        return "none".into();
    }
    let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    let mut seeds: Vec<u64> = inputs.iter().map(|input| input.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let word = if seeds.len() == 1 { "seed" } else { "seeds" };
    let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
    format!("{} ({word} {})", names.join(", "), seeds.join(", "))
}

/// What the bounds and the margin are.
fn legend(check: &Check) -> String {
    let sure = format::percent(1.0 - check.settings.alpha);
    format!(
        "Change: candidate against baseline, with its lower and upper bound, each {sure} sure. Changes below {} do not count.",
        format::milliseconds(check.settings.floor_ms)
    )
}

#[cfg(test)]
mod tests;
