//! The report: one HTML file that needs nothing but itself.
//!
//! Goals: conclusion, then whether to trust it, then evidence, then method; every section has a sentence computed
//! from its data, a figure and a table; readable without scripts, in print and on a phone; a run without data gives
//! a report that says so.
//! Non-goals: deciding anything (see `judgement`), and numbers that are not in the metric table or a series.

mod backlog;
mod baseline;
mod capacity;
mod cost;
mod differences;
pub(crate) mod figure;
mod latency;
mod overview;
mod pairs;
mod percentiles;
mod provenance;
mod scorecard;
mod sources;
mod stages;
mod streams;
mod throughput;

use crate::chart::labels::Band;
use crate::format::{self, Unit};
use crate::judgement::Judgement;
use crate::timeline::Timeline;
use crate::verdict::list;
use crate::view::StackView;
use anyhow::Result;
use figure::Figure;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use model::time::{Nanos, seconds};

const STYLE: &str = include_str!("../assets/report.css");
const SCRIPT: &str = include_str!("../assets/report.js");

/// The file fetches nothing, and says so to the browser.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// The report as one self-contained HTML file.
///
/// # Errors
/// When a chart cannot be drawn.
pub fn html(judgement: &Judgement) -> Result<String> {
    let subject = Subject::of(judgement);
    let figures = figures(&subject)?;
    Ok(document(&subject, &figures).into_string())
}

/// Up to this many stacks, sentences tell about each and tables have room for more than one column of each.
const FEW: usize = 3;

/// What every section is made from.
pub(crate) struct Subject<'a> {
    /// The judged runs.
    pub(crate) judgement: &'a Judgement<'a>,
    /// Names of the stacks.
    pub(crate) names: Vec<&'a str>,
    /// The common time axis; `None` if the run has no length.
    pub(crate) timeline: Option<Timeline>,
    /// Phases on it.
    pub(crate) bands: Vec<Band>,
    /// Phases, and the drain as the last, in nanoseconds: the rows of the tables.
    pub(crate) phases: Vec<(String, Nanos, Nanos)>,
}

impl<'a> Subject<'a> {
    fn of(judgement: &'a Judgement<'a>) -> Self {
        let run = judgement.first();
        let manifest = &run.manifest;
        let timeline = Timeline::of(run);
        let spans = manifest.phases.iter().filter(|p| p.from < p.until);
        let mut phases: Vec<_> = spans.map(|p| (p.name.clone(), p.from, p.until)).collect();
        let end = timeline.map_or(0, |t| t.start(t.count));
        if end > manifest.load_end {
            phases.push(("drain".into(), manifest.load_end, end));
        }
        let bands = phases
            .iter()
            .map(|(name, from, until)| Band {
                name: name.clone(),
                from: seconds(*from),
                until: seconds(*until),
            })
            .collect();
        Self {
            judgement,
            names: judgement.views.iter().map(StackView::name).collect(),
            timeline,
            bands,
            phases,
        }
    }

    /// The stacks of the run that charts show.
    pub(crate) fn views(&self) -> &[StackView<'a>] {
        &self.judgement.views
    }

    /// A value of each stack in words: all of them up to three stacks, else the least and the most. `None`
    /// without values.
    pub(crate) fn across(&self, unit: Unit, values: &[Option<f64>]) -> Option<String> {
        let mut known: Vec<(f64, &str)> =
            values.iter().zip(&self.names).filter_map(|(v, name)| Some(((*v)?, *name))).collect();
        let several = known.len() > FEW;
        if several {
            known.sort_by(|a, b| a.0.total_cmp(&b.0));
            known = vec![known[0], known[known.len() - 1]];
        }
        let shown = format::row(unit, &known.iter().map(|k| Some(k.0)).collect::<Vec<_>>());
        let parts: Vec<String> =
            shown.iter().zip(&known).map(|(text, (_, name))| format!("{text} on {name}")).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            [] => None,
            [least, most] if several => Some(format!("{least} to {most}")),
            all => Some(list(all)),
        }
    }

    /// Whether there are few enough stacks to tell about each.
    pub(crate) fn is_small(&self) -> bool {
        self.names.len() <= FEW
    }

    /// The name of the phase that an instant lies in.
    pub(crate) fn phase_at(&self, at: Nanos) -> Option<&str> {
        self.phases.iter().find(|(_, from, until)| (*from..*until).contains(&at)).map(|p| p.0.as_str())
    }
}

fn figures(subject: &Subject) -> Result<Vec<Figure>> {
    let mut figures = vec![
        differences::figure(subject),
        pairs::figure(subject)?,
        throughput::figure(subject)?,
        backlog::figure(subject)?,
        latency::figure(subject)?,
        percentiles::figure(subject)?,
        stages::figure(subject),
    ];
    figures.extend(streams::figure(subject));
    figures.extend([capacity::figure(subject)?, cost::figure(subject)?]);
    figures.extend(baseline::figure(subject));
    Ok(figures)
}

fn document(subject: &Subject, figures: &[Figure]) -> Markup {
    let manifest = &subject.judgement.first().manifest;
    let simulated = if subject.judgement.is_simulated() { "Simulated: " } else { "" };
    let content = html! {
        (overview::header(subject))
        nav aria-label="Sections" {
            div {
                a href="#verdict" { "Verdict" }
                a href="#scorecard" { "All metrics" }
                @for figure in figures { a href={ "#" (figure.id) } { (figure.short) } }
                a href="#provenance" { "Provenance" }
            }
        }
        main #main style={ "--y:" (margin(figures)) } {
            (overview::verdict(subject))
            (scorecard::section(subject))
            @for figure in figures { (figure.markup()) }
            (provenance::section(subject))
        }
    };
    file(&format!("{simulated}{}", manifest.title), &content, Some(SCRIPT))
}

/// The page of several simulated runs: what `heading` and `lead` say of `stacks`, and figures.
pub(crate) fn of_simulations(
    title: &str,
    stacks: &[&str],
    heading: &str,
    lead: &str,
    figures: &[Figure],
) -> Markup {
    let content = html! {
        header {
            p.banner { b { "Simulated in virtual time: no AWS was involved." } }
            p.kicker { (stacks.join(" vs ")) }
            h1 { (heading) }
            p.lead { (lead) }
        }
        main #main style={ "--y:" (margin(figures)) } { @for figure in figures { (figure.markup()) } }
    };
    file(title, &content, None)
}

/// What charts leave for the labels of their y axis, so that all begin at one place.
fn margin(figures: &[Figure]) -> usize {
    figures.iter().map(Figure::margin).max().unwrap_or(0)
}

/// One self-contained HTML file.
fn file(title: &str, content: &Markup, script: Option<&str>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – versus" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to results" }
                (content)
                footer {
                    "Written by versus " (env!("CARGO_PKG_VERSION"))
                    ". This file is complete in itself: it loads nothing and sends nothing."
                }
                @if let Some(script) = script { script { (PreEscaped(script)) } }
            }
        }
    }
}
