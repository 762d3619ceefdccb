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
use crate::view::StackView;
use anyhow::Result;
use model::run::{Activity, ActivityKind};
use model::series::metric;
use model::time::seconds;

/// Most activities that are listed, for up to three stacks and for more (when other tables are large).
const MOST_LISTED: (usize, usize) = (20, 4);
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
    figure.caption = format!("most in {}; dotted rules mark scaling actions", format::span(timeline.bucket));
    figure.legend = vec![
        Key { class: "ink".into(), name: "tasks running, environments at work".into() },
        Key { class: "ink thin".into(), name: "tasks pending, cold starts".into() },
        Key { class: "ink dash".into(), name: "tasks desired, mapping's limit".into() },
    ];
    figure.table = Some(table(subject));
    Ok(figure)
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
            most("instances", metric::INSTANCES, Ink::Grid).map(|line| Line { ink: None, ..line }),
        ]
    };
    found.into_iter().flatten().collect()
}

fn heading(view: &StackView) -> String {
    let what = if view.is_lambda() { "Lambda environments" } else { "ECS tasks" };
    format!("{}: {what}", view.name())
}

fn plot(subject: &Subject, view: &StackView, timeline: &Timeline, lines: Vec<Line>) -> Result<Plot> {
    let worked = lines.iter().filter(|line| matches!(line.ink, Some(Ink::Line(_) | Ink::Thin(_))));
    let worked = most(worked.map(|line| &line.values));
    let wanted = most(lines.iter().filter(|line| line.ink.is_some()).map(|line| &line.values));
    // A limit far above what was used would flatten everything else.
    let top = if wanted > 3.0 * worked && worked > 0.0 { worked } else { wanted };
    let mut marks: Vec<Mark> = rules(view).into_iter().map(Mark::Rule).collect();
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

/// When something scaled, in seconds; alarms are listed but not drawn.
fn rules(view: &StackView) -> Vec<f64> {
    let drawn = view.stack.activities.iter().filter(|a| a.kind != ActivityKind::Alarm);
    drawn.map(|a| seconds(a.at)).take(MOST_RULES).collect()
}

fn take(subject: &Subject) -> String {
    let tell = if subject.is_small() { said } else { peak };
    let parts: Vec<String> = subject.views().iter().filter_map(tell).collect();
    if parts.is_empty() { "The run has no capacity series.".into() } else { format!("{}.", parts.join("; ")) }
}

/// The most workers of a stack.
fn peak(view: &StackView) -> Option<String> {
    let what = if view.is_lambda() { "environments at work" } else { "tasks" };
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
    Some(format!("{name} ran up to {peak} tasks{moved}"))
}

fn times(n: u64) -> String {
    match n {
        1 => "once".into(),
        2 => "twice".into(),
        n => format!("{} times", format::count(n as f64)),
    }
}

fn table(subject: &Subject) -> Table {
    let mut all: Vec<(&str, &Activity)> = subject
        .views()
        .iter()
        .flat_map(|view| view.stack.activities.iter().map(|activity| (view.name(), activity)))
        .collect();
    all.sort_by_key(|(_, activity)| activity.at);
    let most = if subject.is_small() { MOST_LISTED.0 } else { MOST_LISTED.1 };
    let mut rows: Vec<Vec<String>> = all
        .iter()
        .take(most)
        .map(|(name, a)| vec![format::clock(a.at), (*name).into(), kind(a.kind).into(), a.detail.clone()])
        .collect();
    if all.len() > most {
        let more = format!("and {} more in activities.csv", format::count((all.len() - most) as f64));
        rows.push(vec!["…".into(), String::new(), String::new(), more]);
    }
    if rows.is_empty() {
        rows.push(vec!["–".into(), String::new(), String::new(), "No scaling activity was recorded.".into()]);
    }
    Table { head: ["Time", "Stack", "Activity", "Detail"].map(String::from).to_vec(), rows, words: 4 }
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
