//! Did it get worse? The run against its baselines, if any were given.

use super::Subject;
use super::figure::{Figure, Table};
use crate::check::render::{change, headline, symbol, values};
use crate::check::{Check, Finding};
use crate::format;
use maud::{Markup, html};

/// Most values of a sparkline.
const MOST_VALUES: usize = 20;

/// The section; `None` without a baseline.
pub(crate) fn figure(subject: &Subject) -> Option<Figure> {
    let check = subject.judgement.against.as_ref()?;
    let mut figure =
        Figure::without_data("baseline", "Against the baseline", "Baseline", headline(check) + ".");
    if !check.findings.is_empty() {
        figure.caption =
            "bounds of a change are 95 % sure, each; the line shows the baselines, then this run".into();
        figure.body = Some(table(check));
        figure.table = Some(reasons(check));
    }
    let names = |inputs: &[crate::check::Input]| {
        inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    figure.notes = check.incomparable.iter().map(|why| format!("Not comparable: {why}.")).collect();
    figure.notes.push(format!("Baseline: {}.", names(&check.baselines)));
    Some(figure)
}

fn table(check: &Check) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table: against the baseline" {
            table {
                thead { tr {
                    th.tl scope="col" { "Result" }
                    th.tl scope="col" { "Metric" }
                    @for name in ["Baseline", "Now", "Change", "Margin", "History"] { th scope="col" { (name) } }
                } }
                tbody { @for finding in &check.findings { (row(finding)) } }
            }
        }
    }
}

fn row(finding: &Finding) -> Markup {
    let [baseline, now] = values(finding);
    html! {
        tr {
            th.tl scope="row" { (symbol(finding.outcome)) " " (finding.outcome.name()) }
            td.tl { (finding.stack) " " (finding.metric) }
            td { (baseline) }
            td { (now) }
            td { (change(finding)) }
            td { (format::percent(finding.margin)) }
            td { (sparkline(&finding.history)) }
        }
    }
}

/// The last values as a line; the table's other cells say what it says.
fn sparkline(history: &[f64]) -> Markup {
    const WIDTH: f64 = 90.0;
    const HEIGHT: f64 = 18.0;
    let known: Vec<f64> = history.iter().copied().filter(|value| value.is_finite()).collect();
    let last = &known[known.len().saturating_sub(MOST_VALUES)..];
    let most = last.iter().copied().fold(0.0_f64, f64::max);
    if last.len() < 2 || most <= 0.0 {
        return html! { (format::ABSENT) };
    }
    let place = |(i, value): (usize, &f64)| {
        let x = 2.0 + (WIDTH - 4.0) * i as f64 / (last.len() - 1) as f64;
        format!("{x:.1} {:.1}", HEIGHT - 2.0 - (HEIGHT - 4.0) * value / most)
    };
    let points: Vec<String> = last.iter().enumerate().map(place).collect();
    html! {
        svg width=(WIDTH) height=(HEIGHT) aria-hidden="true" {
            path.l.ink fill="none" stroke="#14181f" stroke-width="1.5" d={ "M" (points.join("L")) } {}
        }
    }
}

/// Why each came out as it did.
fn reasons(check: &Check) -> Table {
    let row = |finding: &Finding| {
        vec![
            finding.stack.clone(),
            finding.metric.clone(),
            finding.outcome.name().into(),
            finding.reason.clone(),
        ]
    };
    Table {
        head: ["Stack", "Metric", "Result", "Reason"].map(String::from).to_vec(),
        rows: check.findings.iter().map(row).collect(),
        words: 4,
    }
}
