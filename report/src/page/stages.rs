//! Where did the time go? The mean latency of all messages and of the slowest hundredth, by its parts.

use super::Subject;
use super::figure::{Figure, Key, Table};
use crate::format::{self, NBSP, Unit};
use crate::verdict::list;
use crate::view::{SAMPLES_BEYOND, StackView};
use maud::{Markup, html};
use model::breakdown::{Means, Part};

/// The parts of the latency; the acknowledgement comes after it.
const PARTS: [Part; 5] = [Part::SendDelay, Part::Queue, Part::PollGap, Part::ColdStart, Part::Work];

/// Who is looked at, beside all: this share of the messages, the slowest ones.
const SLOWEST: f64 = 0.01;

/// A part has its name written into its bar from this share on; less leaves no room for it on a phone.
const ROOM: f64 = 0.45;

/// What a stack's messages spent.
struct Spent {
    stack: usize,
    all: Means,
    /// `None` if fewer than [`SAMPLES_BEYOND`] messages make up the share.
    slowest: Option<Means>,
}

/// The section.
pub(crate) fn figure(subject: &Subject) -> Figure {
    let mut figure = Figure::without_data(
        "stages",
        "Where the time went",
        "Stages",
        "No stack completed a message of which all instants are known.",
    );
    let spent: Vec<Spent> =
        subject.views().iter().enumerate().filter_map(|(stack, view)| of(stack, view)).collect();
    if spent.is_empty() {
        return figure;
    }
    figure.take = take(subject, &spent);
    figure.caption =
        "mean latency by its parts, all messages and the slowest 1\u{a0}%; at the right its length".into();
    figure.legend = shown(&spent)
        .map(|part| Key { class: format!("part {}", class(part)), name: name(part).into() })
        .collect();
    figure.body = Some(bars(subject, &spent));
    figure.table = Some(table(subject, &spent));
    figure.notes.push(
        "The table's second lines are of the slowest 1\u{a0}%. Queue: sent to received, earlier failed attempts \
         included. Cold start: from there until a worker that had to start first was ready. Poll gap: what else passed \
         before its work began, that is batch window, hand-over, and messages before it in its batch. The \
         acknowledgement comes after the latency and is not part of it."
            .into(),
    );
    let absent: Vec<&str> = (0..subject.names.len())
        .filter(|stack| spent.iter().all(|one| one.stack != *stack))
        .map(|stack| subject.names[stack])
        .collect();
    if !absent.is_empty() {
        figure.notes.push(format!("No completed messages with all instants known: {}.", list(&absent)));
    }
    figure
}

fn of(stack: usize, view: &StackView) -> Option<Spent> {
    let breakdown = &view.stack.breakdown;
    let enough = breakdown.messages() as f64 * SLOWEST >= SAMPLES_BEYOND as f64;
    let slowest = if enough { breakdown.slowest(SLOWEST) } else { None };
    Some(Spent { stack, all: breakdown.slowest(1.0)?, slowest })
}

fn length(means: &Means) -> f64 {
    PARTS.iter().map(|part| ms(means, *part)).sum()
}

fn ms(means: &Means, part: Part) -> f64 {
    means.parts_ms[part as usize]
}

fn share(means: &Means, part: Part) -> f64 {
    let length = length(means);
    if length > 0.0 { ms(means, part) / length } else { 0.0 }
}

/// The parts that took any time.
fn shown(spent: &[Spent]) -> impl Iterator<Item = Part> {
    PARTS.into_iter().filter(|part| {
        spent.iter().any(|one| ms(&one.all, *part) + one.slowest.map_or(0.0, |means| ms(&means, *part)) > 0.0)
    })
}

fn name(part: Part) -> &'static str {
    match part {
        Part::SendDelay => "send delay",
        Part::Queue => "queue",
        Part::PollGap => "poll gap",
        Part::ColdStart => "cold start",
        Part::Work => "work",
        Part::Acknowledge => "acknowledge",
    }
}

/// CSS class of a part.
fn class(part: Part) -> String {
    format!("part-{}", part.name())
}

/// The light theme's colour of a part, for pages whose style sheet is blocked.
fn colour(part: Part) -> &'static str {
    match part {
        Part::SendDelay | Part::Acknowledge => "#b8c0cc",
        Part::Queue => "#f0c869",
        Part::PollGap => "#8fcabf",
        Part::ColdStart => "#eb9aa9",
        Part::Work => "#a9c3ef",
    }
}

/// Height of a bar in CSS pixels, and of a line with the distance to the next one.
const BAR: usize = 22;
const LINE: usize = 28;

/// A row per stack; its first bar is of all messages, its second of the slowest.
fn bars(subject: &Subject, spent: &[Spent]) -> Markup {
    let bars = |one: &Spent| std::iter::once(one.all).chain(one.slowest).collect::<Vec<_>>();
    let lengths: Vec<_> = spent.iter().flat_map(bars).map(|means| Some(length(&means))).collect();
    let mut lengths = format::row(Unit::Milliseconds, &lengths).into_iter();
    html! {
        div.stages { @for one in spent {
            @let bars = bars(one);
            @let names = [subject.names[one.stack].to_owned(), format!("slowest 1{NBSP}%")];
            div {
                span { (names[..bars.len()].join("\n")) }
                svg.split width="100%" height=(bars.len() * LINE - (LINE - BAR)) role="img"
                    aria-label=(bars.iter().map(said).collect::<Vec<_>>().join("; slowest: ")) {
                    @for (i, means) in bars.iter().enumerate() { (bar(means, i * LINE, subject.is_small())) }
                }
                b { (lengths.by_ref().take(bars.len()).collect::<Vec<_>>().join("\n")) }
            }
        } }
    }
}

fn bar(means: &Means, top: usize, named: bool) -> Markup {
    let percent = |share: f64| format!("{:.2}%", share * 100.0);
    let mut from = 0.0;
    let parts: Vec<(Part, f64, f64)> = PARTS
        .into_iter()
        .filter(|part| ms(means, *part) > 0.0)
        .map(|part| {
            let share = share(means, part);
            from += share;
            (part, from - share, share)
        })
        .collect();
    html! {
        @for (part, from, share) in parts {
            rect class=(class(part)) fill=(colour(part)) x=(percent(from)) y=(top) width=(percent(share)) height=(BAR) {}
            @if named && share >= ROOM {
                text fill="#14181f" x=(percent(from + share / 2.0)) y=(top + 15) text-anchor="middle" {
                    (name(part)) " " (format::percent(share))
                }
            }
        }
    }
}

/// A bar in words.
fn said(means: &Means) -> String {
    let parts: Vec<String> = PARTS
        .into_iter()
        .filter(|part| ms(means, *part) > 0.0)
        .map(|part| format!("{} {}", name(part), format::percent(share(means, part))))
        .collect();
    parts.join(", ")
}

/// The part that took most.
fn largest(means: &Means) -> Part {
    let part = PARTS.into_iter().max_by(|a, b| ms(means, *a).total_cmp(&ms(means, *b)));
    part.unwrap_or(Part::Queue)
}

/// What a message does meanwhile.
fn doing(part: Part) -> &'static str {
    match part {
        Part::SendDelay => "not yet sent",
        Part::Queue => "in the queue",
        Part::PollGap => "fetched, but not begun",
        Part::ColdStart => "waiting for a cold start",
        Part::Work => "at work",
        Part::Acknowledge => "being deleted",
    }
}

fn take(subject: &Subject, spent: &[Spent]) -> String {
    let tell = |one: &Spent| {
        let name = subject.names[one.stack];
        let part = largest(&one.all);
        let all = format!(
            "Messages of {name} spent {} of their time {}",
            format::percent(share(&one.all, part)),
            doing(part)
        );
        let Some(slowest) = &one.slowest else { return format!("{all}.") };
        let longest = largest(slowest);
        let also = if longest == part { String::new() } else { format!(" {}", doing(longest)) };
        let share = format::percent(share(slowest, longest));
        format!("{all}; among the slowest 1{NBSP}% it was {share}{also}.")
    };
    if subject.is_small() {
        return spent.iter().map(tell).collect::<Vec<_>>().join(" ");
    }
    let slow = spent.iter().max_by(|a, b| length(&a.all).total_cmp(&length(&b.all)));
    slow.map_or_else(String::new, |one| format!("The slowest stack on average: {}", lower_first(&tell(one))))
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().collect::<String>() + letters.as_str())
}

/// A row per part and a column per stack; cells have a second line for the slowest messages.
fn table(subject: &Subject, spent: &[Spent]) -> Table {
    let head = std::iter::once("Part".into())
        .chain(spent.iter().map(|one| subject.names[one.stack].to_owned()))
        .collect();
    let cells = |label: &str,
                 cell: &dyn Fn(&Means) -> Option<f64>,
                 shown: &dyn Fn(&[Option<f64>]) -> Vec<String>| {
        let all = shown(&spent.iter().map(|one| cell(&one.all)).collect::<Vec<_>>());
        let slowest = shown(&spent.iter().map(|one| one.slowest.as_ref().and_then(cell)).collect::<Vec<_>>());
        let both = all.into_iter().zip(slowest).map(|(all, slowest)| format!("{all}\n{slowest}"));
        std::iter::once(label.to_owned()).chain(both).collect::<Vec<_>>()
    };
    let spans = |values: &[Option<f64>]| format::row(Unit::Milliseconds, values);
    let other = |show: fn(f64) -> String| {
        move |values: &[Option<f64>]| {
            values.iter().map(|v| v.map_or_else(|| format::ABSENT.into(), show)).collect::<Vec<_>>()
        }
    };
    let mut rows: Vec<Vec<String>> =
        shown(spent).map(|part| cells(name(part), &|means| Some(ms(means, part)), &spans)).collect();
    rows.push(cells("latency", &|means| Some(length(means)), &spans));
    if !subject.is_small() {
        return Table { head, rows, words: 1 };
    }
    rows.push(cells("acknowledge", &|means| Some(ms(means, Part::Acknowledge)), &spans));
    rows.push(cells("messages", &|means| Some(means.messages.round()), &other(format::count)));
    rows.push(cells("with a cold start", &|means| Some(means.cold), &other(format::percent)));
    Table { head, rows, words: 1 }
}
