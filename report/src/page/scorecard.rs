//! All metrics of all stacks in one table.

use super::Subject;
use crate::difference::Word;
use crate::format::ABSENT;
use crate::judgement::Row;
use crate::metrics::{Better, STAGES};
use crate::text::{better, capital, difference, values_and_intervals};
use crate::verdict::{Verdict, margin};
use maud::{Markup, html};

/// The scorecard.
pub(crate) fn section(subject: &Subject) -> Markup {
    let (rows, zero): (Vec<&Row>, Vec<&Row>) =
        subject.judgement.rows.iter().filter(|row| row.has_data()).partition(|row| has_room(subject, row));
    let zero: Vec<&str> =
        zero.iter().filter(|row| row.metric.group != STAGES).map(|row| row.metric.label).collect();
    let missing: Vec<&str> =
        subject.judgement.rows.iter().filter(|row| !row.has_data()).map(|row| row.metric.label).collect();
    html! {
        section.fig #scorecard {
            h2 { "All metrics" }
            p.take { (take(subject, &rows)) }
            div.scroll tabindex="0" role="region" aria-label="Table: all metrics" {
                table.score { (head(subject)) (body(subject, &rows)) }
            }
            @if !zero.is_empty() { p.note { "0 at every stack: " (zero.join("; ")) "." } }
            @if !missing.is_empty() { p.note { "No data for: " (missing.join("; ")) "." } }
            p.note {
                "Warm-up is left out of everything but the ledger and the bill. A percentile is shown only with at least "
                "10 samples beyond it. ✓ marks the better value where the difference exceeds "
                (margin()) " and its interval, if it has one, leaves no doubt of the direction. "
                (capital(&subject.judgement.intervals)) "."
            }
        }
    }
}

/// Many stacks have no room for what is 0 at all of them, and have the stages in a section of their own.
fn has_room(subject: &Subject, row: &Row) -> bool {
    let says = row.values().iter().flatten().any(|value| *value != 0.0);
    subject.is_small() || (says && row.metric.group != STAGES)
}

/// Two stacks have columns for the difference and for the direction; more of them have no room for it.
fn pair(subject: &Subject) -> bool {
    subject.names.len() == 2
}

fn head(subject: &Subject) -> Markup {
    html! {
        thead { tr {
            th scope="col" { "Metric" }
            @for (i, name) in subject.names.iter().enumerate() {
                th scope="col" { (name) }
                @if i > 0 && pair(subject) { th scope="col" { "Against " (subject.names[0]) } }
            }
            @if pair(subject) { th.tl scope="col" { "Better" } }
        } }
    }
}

fn body(subject: &Subject, rows: &[&Row]) -> Markup {
    let columns = subject.names.len() + if pair(subject) { 3 } else { 1 };
    html! {
        tbody {
            @for (i, row) in rows.iter().enumerate() {
                @if i == 0 || rows[i - 1].metric.group != row.metric.group {
                    tr.group { th colspan=(columns) scope="colgroup" { (row.metric.group) } }
                }
                tr {
                    th scope="row" { (row.metric.label) }
                    (cells(subject, row))
                    @if pair(subject) { td.tl { (better(row, &subject.names)) } }
                }
            }
        }
    }
}

/// A cell's first line is its value; what follows is smaller: the interval, and, where the difference has no column of
/// its own, the difference without the interval that the next section draws. The style sheet tells them apart by the
/// line break, for an element in every cell would be too many.
fn cells(subject: &Subject, row: &Row) -> Markup {
    let best = best(subject, row);
    let pair = pair(subject);
    let lines = |stack: usize, (value, interval): (String, Option<String>)| {
        let interval = interval.filter(|_| subject.is_small());
        let difference = (!pair && stack > 0).then(|| difference(row, stack)).filter(|said| said != ABSENT);
        let difference = difference.map(|said| split(&said).0.to_owned());
        [Some(value), interval, difference].into_iter().flatten().collect::<Vec<_>>().join("\n")
    };
    html! {
        @for (i, shown) in values_and_intervals(row).into_iter().enumerate() {
            td class=[best.contains(&i).then_some("best")] { (lines(i, shown)) }
            @if pair && i > 0 { td { (below(&difference(row, i))) } }
        }
    }
}

/// A difference with its interval below it.
fn below(difference: &str) -> String {
    match split(difference) {
        (words, Some(interval)) => format!("{words}\n{interval}"),
        (words, None) => words.to_owned(),
    }
}

/// A difference and its interval, of `27 % lower (22 to 31 %)`.
fn split(difference: &str) -> (&str, Option<&str>) {
    match difference.split_once(" (") {
        Some((words, interval)) => (words, Some(interval.trim_end_matches(')'))),
        None => (difference, None),
    }
}

/// The stacks to mark: the best and those that are level with it, if others are worse.
fn best(subject: &Subject, row: &Row) -> Vec<usize> {
    let word = |stack: usize| row.from_best[stack].and_then(|d| d.word);
    let known = || (0..row.estimates.len()).filter(|stack| row.estimates[*stack].is_some());
    let worse: Vec<usize> = known().filter(|stack| word(*stack) == Some(Word::Worse)).collect();
    let level = |stack: &usize| Some(*stack) == row.best() || word(*stack) == Some(Word::Level);
    let best: Vec<usize> = known().filter(level).collect();
    let judged = !matches!(subject.judgement.verdict, Verdict::Withheld(_));
    if judged && !worse.is_empty() { best } else { Vec::new() }
}

fn take(subject: &Subject, rows: &[&Row]) -> String {
    let judged: Vec<Vec<usize>> = rows
        .iter()
        .filter(|row| row.metric.better != Better::Neither)
        .map(|row| best(subject, row))
        .collect();
    if rows.is_empty() || matches!(subject.judgement.verdict, Verdict::Withheld(_)) {
        return "Figures are shown as they are; none is marked as better.".into();
    }
    let wins: Vec<String> = subject
        .names
        .iter()
        .enumerate()
        .map(|(i, name)| format!("{name} in {}", judged.iter().filter(|best| best.contains(&i)).count()))
        .collect();
    let open = judged.iter().filter(|best| best.is_empty()).count();
    let said = format!("Of {} metrics that judge, better: {}; no", judged.len(), wins.join(", "));
    format!("{said} measurable difference in {open}.")
}
