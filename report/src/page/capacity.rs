//! What did scaling do? One small plot per stack, in the stack's own terms.

use super::Subject;
use super::figure::{Figure, Key, Plot, Table};
use super::throughput::{most, points, readout};
use crate::chart::ink::{Ink, stack_class};
use crate::chart::readout::Reading;
use crate::chart::scale::Scale;
use crate::chart::{Chart, Mark};
use crate::format;
use crate::timeline::Timeline;
use crate::verdict::list;
use crate::view::StackView;
use anyhow::Result;
use model::run::{Activity, ActivityKind};
use model::series::metric;
use model::time::{Nanos, SECOND, seconds};

/// Most activities that are listed one by one, where there is room for that.
const MOST_LISTED: usize = 20;
/// Most rules drawn into one plot.
const MOST_RULES: usize = 40;

/// The section.
///
/// # Errors
/// When a chart cannot be drawn.
pub(crate) fn figure(subject: &Subject) -> Result<Figure> {
    let mut figure =
        Figure::without_data("capacity", "Capacity over time", "Capacity", "The run has no capacity series.");
    let Some(timeline) = subject.timeline else { return Ok(figure) };
    for (stack, view) in subject.views().iter().enumerate() {
        let lines = lines(view, stack, &timeline);
        if lines.iter().any(|line| line.values.iter().any(Option::is_some)) {
            let mut plot = plot(subject, view, &timeline, lines)?;
            plot.heading = Some((heading(view), stack_class(stack)));
            figure.plots.push(plot);
        }
    }
    if figure.plots.is_empty() {
        return Ok(figure);
    }
    figure.take = take(subject);
    figure.caption = format!("most in {}", format::span(timeline.bucket));
    figure.legend = vec![
        Key { class: "ink".into(), name: format!("{} running, environments at work", units(subject)) },
        Key { class: "ink thin".into(), name: format!("{} pending, cold starts", units(subject)) },
        Key { class: "ink dash".into(), name: format!("{} desired, mapping's limit", units(subject)) },
    ];
    let marked: Vec<Vec<Event>> = subject.views().iter().map(|view| events(view, &timeline)).collect();
    for (ink, name) in EVENTS {
        if marked.iter().any(|events| drawn(events).iter().any(|event| event.0 == ink)) {
            figure.legend.push(Key { class: ink.class(), name: name.into() });
        }
    }
    let cut = marked.iter().zip(&subject.names).filter(|(events, _)| events.len() > MOST_RULES);
    let cut: Vec<&str> = cut.map(|(_, name)| *name).collect();
    if !cut.is_empty() {
        figure.notes.push(format!("Only {MOST_RULES} events are marked of {}.", list(&cut)));
    }
    figure.table = Some(table(subject));
    Ok(figure)
}

/// What the stacks that poll run, one or several kinds of it.
fn units(subject: &Subject) -> String {
    let mut kinds: Vec<&str> = Vec::new();
    for view in subject.views().iter().filter(|view| !view.is_lambda()) {
        let kind = view.workers_are().1;
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() { "tasks".into() } else { kinds.join(", ") }
}

/// One line of a stack's plot.
struct Line {
    name: &'static str,
    ink: Option<Ink>,
    values: Vec<Option<f64>>,
}

fn lines(view: &StackView, stack: usize, timeline: &Timeline) -> Vec<Line> {
    let most = |name: &'static str, metric: &str, ink: Ink| {
        view.stack.series(metric).map(|s| Line { name, ink: Some(ink), values: timeline.maxima(s) })
    };
    let sum = |name: &'static str, metric: &str, ink: Option<Ink>| {
        let series = view.stack.series(metric)?;
        Some(Line { name, ink, values: timeline.sums(series, view.entry.end) })
    };
    let (main, thin, dashed) = (Ink::Line(stack), Ink::Thin(stack), Ink::Dashed(stack));
    let placed_on = if view.entry.platform == "eks" { "nodes" } else { "instances" };
    let found = if view.is_lambda() {
        [
            most("at work", metric::CONCURRENCY, main),
            most("mapping's limit", metric::MAPPING_CONCURRENCY, dashed),
            sum("cold starts", metric::COLD_STARTS, Some(thin)),
            // Their number has another magnitude: read out, and marked as activities, but not drawn.
            sum("throttles", metric::THROTTLES, None),
            sum("errors", metric::ERRORS, None),
        ]
    } else {
        [
            most("running", metric::RUNNING_TASKS, main),
            most("desired", metric::DESIRED_TASKS, dashed),
            most("pending", metric::PENDING_TASKS, thin),
            most("stopping", metric::DRAINING_TASKS, Ink::Grid).map(|line| Line { ink: None, ..line }),
            most(placed_on, metric::INSTANCES, Ink::Grid).map(|line| Line { ink: None, ..line }),
        ]
    };
    found.into_iter().flatten().collect()
}

fn heading(view: &StackView) -> String {
    format!("{}: {}", view.name(), view.workers_are().0)
}

fn plot(subject: &Subject, view: &StackView, timeline: &Timeline, lines: Vec<Line>) -> Result<Plot> {
    let worked = lines.iter().filter(|line| matches!(line.ink, Some(Ink::Line(_) | Ink::Thin(_))));
    let worked = most(worked.map(|line| &line.values));
    let wanted = most(lines.iter().filter(|line| line.ink.is_some()).map(|line| &line.values));
    // A limit far above what was used would flatten everything else.
    let top = if wanted > 3.0 * worked && worked > 0.0 { worked } else { wanted };
    let events = events(view, timeline);
    let mut marks: Vec<Mark> = drawn(&events).into_iter().map(|(ink, at)| Mark::Rule(ink, at)).collect();
    for line in &lines {
        if let Some(ink) = line.ink {
            marks.push(Mark::Line(ink, points(timeline, &line.values)));
        }
    }
    let chart = Chart {
        id: "capacity",
        x: Scale::time(timeline.length(), 3),
        y: Scale::linear(top, if subject.is_small() { 3 } else { 2 }, format::number),
        bands: &subject.bands,
        named_bands: false,
        marks,
        ends: Vec::new(),
    };
    let stack = subject.names.iter().position(|name| *name == view.name());
    let readings = lines
        .into_iter()
        .filter(|line| line.values.iter().any(|v| v.is_some_and(|v| v > 0.0)))
        .map(|line| Reading { name: line.name.into(), stack, values: line.values })
        .collect();
    Plot::of(&chart, &readout(timeline, "", readings))
}

/// Something to mark: how, and when in seconds.
type Event = (Ink, f64);

/// The kinds of marks, in the order in which they are drawn, with their names.
const EVENTS: [(Ink, &str); 3] = [
    (Ink::Alarm, "alarm raised"),
    (Ink::Event, "scaling, deployment"),
    (Ink::Trouble, "throttling, fault, interruption"),
];

/// What is marked of a stack, kind after kind, for neighbours that look alike become one element of the page; those of
/// a kind that fall into one bucket have one mark.
fn events(view: &StackView, timeline: &Timeline) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for (ink, _) in EVENTS {
        let of_kind = view.stack.activities.iter().filter(|activity| mark(activity) == Some(ink));
        let mut buckets: Vec<Nanos> = of_kind.map(|activity| activity.at).collect();
        buckets.dedup_by_key(|at| *at / timeline.bucket);
        events.extend(buckets.into_iter().map(|at| (ink, seconds(at))));
    }
    events
}

/// How an activity is marked. That an alarm is over is listed but not marked.
fn mark(activity: &Activity) -> Option<Ink> {
    match activity.kind {
        ActivityKind::Alarm => activity.detail.contains("to ALARM").then_some(Ink::Alarm),
        ActivityKind::ScaleOut | ActivityKind::ScaleIn | ActivityKind::Deployment => Some(Ink::Event),
        ActivityKind::Interruption | ActivityKind::Throttling | ActivityKind::Fault => Some(Ink::Trouble),
    }
}

/// The events that there is room for: those of a frequent kind are thinned evenly, so that rare ones stay.
fn drawn(events: &[Event]) -> Vec<Event> {
    let mut kinds: Vec<&[Event]> = events.chunk_by(|one, other| one.0 == other.0).collect();
    kinds.sort_by_key(|kind| kind.len());
    let (mut room, mut drawn) = (MOST_RULES, Vec::new());
    for (i, kind) in kinds.iter().enumerate() {
        let shown = kind.len().min(room / (kinds.len() - i));
        drawn.extend((0..shown).map(|event| kind[event * kind.len() / shown]));
        room -= shown;
    }
    drawn
}

fn take(subject: &Subject) -> String {
    let tell = if subject.is_small() { said } else { peak };
    let parts: Vec<String> = subject.views().iter().filter_map(tell).collect();
    if parts.is_empty() { "The run has no capacity series.".into() } else { format!("{}.", parts.join("; ")) }
}

/// The most workers of a stack.
fn peak(view: &StackView) -> Option<String> {
    let what = view.workers_are().1;
    Some(format!("{} had up to {} {what}", view.name(), format::count(view.most_workers()?)))
}

fn said(view: &StackView) -> Option<String> {
    let peak = format::count(view.most_workers()?);
    let name = view.name();
    let scaled = view.stack.activities.iter().filter(|a| a.kind == ActivityKind::ScaleOut);
    let first = scaled.clone().next().map(|a| format::clock(a.at));
    let outs = scaled.count() as u64;
    if view.is_lambda() {
        let cold = view.lambda_sum(metric::COLD_STARTS).map_or(0, |v| v as u64);
        let throttled = match view.lambda_sum(metric::THROTTLES) {
            Some(n) if n > 0.0 => format!(", and {} were refused", format::counted(n as u64, "invocation")),
            _ => String::new(),
        };
        return Some(format!(
            "{name} had up to {peak} environments at work with {}{throttled}",
            format::counted(cold, "cold start")
        ));
    }
    let moved = match first {
        Some(first) => format!(", scaling out {} from {first} on", times(outs)),
        None => " and never scaled out".into(),
    };
    Some(format!("{name} ran up to {peak} {}{moved}{}", view.workers_are().1, started(&view.task_starts())))
}

/// How long tasks took to start, where that was measured.
fn started(seconds: &[f64]) -> String {
    let (Some(least), Some(most)) = (seconds.first(), seconds.last()) else { return String::new() };
    let s = |seconds: f64| format::span((seconds * SECOND as f64) as Nanos);
    match seconds.len() {
        1 => format!(", and one task took {} to start", s(*least)),
        n => {
            format!(", and {} took {} to {} to start", format::counted(n as u64, "task"), s(*least), s(*most))
        }
    }
}

fn times(n: u64) -> String {
    match n {
        1 => "once".into(),
        2 => "twice".into(),
        n => format!("{} times", format::count(n as f64)),
    }
}

/// Every activity for few stacks; for many a row for each stack.
fn table(subject: &Subject) -> Table {
    let (head, mut rows) = if subject.is_small() {
        (["Time", "Stack", "Activity", "Detail"], listed(subject))
    } else {
        (
            ["First", "Stack", "Activities", "Detail of the first"],
            subject.views().iter().filter_map(summed).collect(),
        )
    };
    if rows.is_empty() {
        rows.push(vec!["–".into(), String::new(), String::new(), "No scaling activity was recorded.".into()]);
    }
    Table { head: head.map(String::from).to_vec(), rows, words: 4 }
}

/// How often a stack did what is marked.
fn summed(view: &StackView) -> Option<Vec<String>> {
    let marked = || view.stack.activities.iter().filter(|activity| mark(activity).is_some());
    let first = marked().next()?;
    let mut kinds: Vec<(ActivityKind, u64)> = Vec::new();
    for activity in marked() {
        match kinds.iter_mut().find(|(kind, _)| *kind == activity.kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((activity.kind, 1)),
        }
    }
    let counts: Vec<String> = kinds.into_iter().map(|(of, n)| format!("{} {}", kind(of), times(n))).collect();
    Some(vec![format::clock(first.at), view.name().into(), counts.join(", "), first.detail.clone()])
}

fn listed(subject: &Subject) -> Vec<Vec<String>> {
    let mut all: Vec<(&str, &Activity)> = subject
        .views()
        .iter()
        .flat_map(|view| view.stack.activities.iter().map(|activity| (view.name(), activity)))
        .collect();
    all.sort_by_key(|(_, activity)| activity.at);
    let mut rows: Vec<Vec<String>> = all
        .iter()
        .take(MOST_LISTED)
        .map(|(name, a)| vec![format::clock(a.at), (*name).into(), kind(a.kind).into(), a.detail.clone()])
        .collect();
    if all.len() > MOST_LISTED {
        let more = format!("and {} more in activities.csv", format::count((all.len() - MOST_LISTED) as f64));
        rows.push(vec!["…".into(), String::new(), String::new(), more]);
    }
    rows
}

fn kind(kind: ActivityKind) -> &'static str {
    match kind {
        ActivityKind::Alarm => "alarm",
        ActivityKind::ScaleOut => "scale out",
        ActivityKind::ScaleIn => "scale in",
        ActivityKind::Interruption => "interruption",
        ActivityKind::Throttling => "throttling",
        ActivityKind::Fault => "fault",
        ActivityKind::Deployment => "deployment",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_events_leave_room_for_rare_ones() {
        let events = |ink: Ink, n: usize| (0..n).map(move |i| (ink, i as f64));
        let all: Vec<Event> =
            events(Ink::Alarm, 2).chain(events(Ink::Event, 30)).chain(events(Ink::Trouble, 500)).collect();
        let drawn = drawn(&all);
        let of = |ink: Ink| drawn.iter().filter(|event| event.0 == ink).count();
        assert_eq!((of(Ink::Alarm), of(Ink::Event), of(Ink::Trouble)), (2, 19, 19));
        assert_eq!(super::drawn(&all[..10]), all[..10]);
        assert!(super::drawn(&[]).is_empty());
    }

    #[test]
    fn starts_of_tasks_are_told_where_they_were_measured() {
        assert_eq!(started(&[]), "");
        assert_eq!(started(&[31.25]).replace(format::NBSP, " "), ", and one task took 31.2 s to start");
        let range = started(&[20.0, 31.0, 52.5]).replace(format::NBSP, " ");
        assert_eq!(range, ", and 3 tasks took 20 s to 52.5 s to start");
    }

    #[test]
    fn only_a_raised_alarm_is_marked() {
        let alarm = |detail: &str| Activity { at: 0, kind: ActivityKind::Alarm, detail: detail.into() };
        assert_eq!(mark(&alarm("visible-messages >= 500: OK to ALARM (7937.0)")), Some(Ink::Alarm));
        assert_eq!(mark(&alarm("visible-messages >= 500: ALARM to OK (0.0)")), None);
    }
}
