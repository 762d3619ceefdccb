//! All metrics of all stacks in one table.

use super::Subject;
use crate::format::ABSENT;
use crate::judgement::Row;
use crate::metrics::Better;
use crate::text::{difference, estimates};
use crate::verdict::{MARGIN, Verdict, margin};
use maud::{Markup, html};

/// The scorecard.
pub(crate) fn section(subject: &Subject) -> Markup {
    let rows: Vec<&Row> = subject.judgement.rows.iter().filter(|row| row.has_data()).collect();
    let missing: Vec<&str> =
        subject.judgement.rows.iter().filter(|row| !row.has_data()).map(|row| row.metric.label).collect();
    html! {
        section.fig #scorecard {
            h2 { "All metrics" }
            p.take { (take(subject, &rows)) }
            div.scroll tabindex="0" role="region" aria-label="Table: all metrics" {
                table.score.lines[subject.names.len() > 2] { (head(subject)) (body(subject, &rows)) }
            }
            @if !missing.is_empty() { p.note { "No data for: " (missing.join("; ")) "." } }
            p.note {
                "Warm-up is left out of everything but the ledger and the bill. A percentile is shown only with at least "
                "10 samples beyond it. ✓ marks the better value where the difference exceeds "
                (margin()) "."
                @if subject.judgement.runs.len() > 1 {
                    " ± is half the 95 % interval of the mean, as a share of the mean."
                }
            }
        }
    }
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
                    @if pair(subject) { td.tl { (better(row.metric.better)) } }
                }
            }
        }
    }
}

fn cells(subject: &Subject, row: &Row) -> Markup {
    let shown = estimates(row);
    let best = best(subject, row);
    let pair = pair(subject);
    html! {
        @for (i, text) in shown.iter().enumerate() {
            td class=[best.contains(&i).then_some("best")] {
                (text)
                // More than two stacks: the difference is the cell's second line.
                @if !pair && i > 0 && difference(row, i) != ABSENT { "\n" (difference(row, i)) }
            }
            @if pair && i > 0 { td { (difference(row, i)) } }
        }
    }
}

/// The stacks to mark: the best ones, if the others differ by more than the margin.
fn best(subject: &Subject, row: &Row) -> Vec<usize> {
    if matches!(subject.judgement.verdict, Verdict::Withheld(_)) || row.metric.better == Better::Neither {
        return Vec::new();
    }
    let sign = if row.metric.better == Better::Higher { -1.0 } else { 1.0 };
    let known: Vec<(usize, f64)> =
        row.estimates.iter().enumerate().filter_map(|(i, e)| e.map(|e| (i, e.value))).collect();
    let Some(best) = known.iter().map(|k| k.1).min_by(|a, b| (a * sign).total_cmp(&(b * sign))) else {
        return Vec::new();
    };
    let level = |v: f64| (v - best).abs() <= MARGIN * best.abs().max(v.abs());
    let leaders: Vec<usize> = known.iter().filter(|k| level(k.1)).map(|k| k.0).collect();
    if leaders.len() == known.len() { Vec::new() } else { leaders }
}

fn better(better: Better) -> &'static str {
    match better {
        Better::Lower => "lower",
        Better::Higher => "higher",
        Better::Neither => ABSENT,
    }
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
    let even = judged.iter().filter(|best| best.is_empty()).count();
    format!("Of {} metrics that judge, better: {}; no difference in {even}.", judged.len(), wins.join(", "))
}
