//! Did each stack keep up with the offered load?

use super::Subject;
use super::figure::{Figure, Key, Plot, Table, stack_keys};
use crate::chart::ink::Ink;
use crate::chart::readout::{Along, Reading, Readout};
use crate::chart::scale::Scale;
use crate::chart::{Chart, Mark, Points};
use crate::format::{self, Unit};
use crate::timeline::Timeline;
use crate::verdict::list;
use crate::view::StackView;
use anyhow::Result;
use model::series::{Series, metric};
use model::time::{Nanos, seconds};

/// A stack that completed at least this share of the offered load while it lasted kept up.
const KEPT_UP: f64 = 0.99;

/// The section.
///
/// # Errors
/// When the chart cannot be drawn.
pub(crate) fn figure(subject: &Subject) -> Result<Figure> {
    let mut figure = Figure::without_data(
        "throughput",
        "Throughput over time",
        "Throughput",
        "The run has no throughput series.",
    );
    let Some(timeline) = subject.timeline else { return Ok(figure) };
    let offered = subject.views().iter().find_map(|view| view.stack.series(metric::SENT));
    let achieved: Vec<(usize, &Series, Nanos)> = subject
        .views()
        .iter()
        .enumerate()
        .filter_map(|(i, view)| Some((i, view.stack.series(metric::COMPLETED)?, view.entry.end)))
        .collect();
    if offered.is_none() && achieved.is_empty() {
        return Ok(figure);
    }
    let load = offered.map(|series| rates(&timeline, series, subject.judgement.first().manifest.load_end));
    let lines: Vec<(usize, Vec<Option<f64>>)> =
        achieved.iter().map(|(i, series, end)| (*i, rates(&timeline, series, *end))).collect();
    figure.take = take(subject);
    figure.caption = format!("messages per second (mean of {})", format::span(timeline.bucket));
    figure.legend = vec![Key { class: "load".into(), name: "offered load".into() }];
    figure.legend.extend(stack_keys(&subject.names));
    figure.plots = vec![plot(subject, &timeline, load.as_deref(), &lines)?];
    figure.table = Some(table(subject, offered));
    Ok(figure)
}

fn rates(timeline: &Timeline, series: &Series, end: Nanos) -> Vec<Option<f64>> {
    let width = seconds(timeline.bucket);
    timeline.sums(series, end).into_iter().map(|sum| sum.map(|sum| sum / width)).collect()
}

/// Values at the middles of their buckets.
pub(crate) fn points(timeline: &Timeline, values: &[Option<f64>]) -> Points {
    values.iter().enumerate().map(|(i, v)| (timeline.middle(i), *v)).collect()
}

/// The largest of all values.
pub(crate) fn most<'v>(lines: impl IntoIterator<Item = &'v Vec<Option<f64>>>) -> f64 {
    lines.into_iter().flatten().flatten().copied().fold(0.0, f64::max)
}

/// A readout along the time axis.
pub(crate) fn readout(timeline: &Timeline, unit: &'static str, readings: Vec<Reading>) -> Readout {
    Readout { along: Along::Time, first: timeline.middle(0), step: seconds(timeline.bucket), unit, readings }
}

fn plot(
    subject: &Subject,
    timeline: &Timeline,
    load: Option<&[Option<f64>]>,
    lines: &[(usize, Vec<Option<f64>>)],
) -> Result<Plot> {
    let mut marks = Vec::new();
    let mut readings = Vec::new();
    let mut peak = most(lines.iter().map(|line| &line.1));
    if let Some(load) = load {
        marks.push(Mark::Area(Ink::Load, 0.3, points(timeline, load)));
        readings.push(Reading { name: "offered".into(), stack: None, values: load.to_vec() });
        peak = peak.max(load.iter().flatten().copied().fold(0.0, f64::max));
    }
    for (i, values) in lines {
        marks.push(Mark::Line(Ink::Line(*i), points(timeline, values)));
        readings.push(Reading { name: subject.names[*i].into(), stack: Some(*i), values: values.clone() });
    }
    let chart = Chart {
        id: "throughput",
        x: Scale::time(timeline.length(), 6),
        y: Scale::linear(peak, 4, format::number),
        bands: &subject.bands,
        named_bands: true,
        marks,
        ends: Vec::new(),
    };
    Plot::of(&chart, &readout(timeline, "msg/s", readings))
}

fn take(subject: &Subject) -> String {
    let share = |view: &StackView| {
        Some(view.rate(metric::COMPLETED)? / view.rate(metric::SENT).filter(|r| *r > 0.0)?)
    };
    let mut kept_up = Vec::new();
    let mut behind = Vec::new();
    for view in subject.views() {
        match share(view) {
            Some(share) if share >= KEPT_UP => kept_up.push(view.name()),
            Some(share) => {
                let drained = view.drain_seconds().filter(|s| *s > 0.0).map_or(String::new(), |s| {
                    format!(" and needed {} more to drain", format::value(Unit::Seconds, s))
                });
                let share = format::percent(share);
                behind
                    .push(format!("{} completed {share} of the load while it lasted{drained}", view.name()));
            }
            None => behind.push(format!("{} has no rate to judge", view.name())),
        }
    }
    let mut said = behind;
    if !kept_up.is_empty() {
        let all = !subject.is_small() && kept_up.len() == subject.names.len();
        let who = if all { "All stacks".into() } else { list(&kept_up) };
        let least = format::percent(KEPT_UP);
        said.insert(0, format!("{who} completed at least {least} of the load while it lasted"));
    }
    format!("{}.", said.join("; "))
}

fn table(subject: &Subject, offered: Option<&Series>) -> Table {
    let mut head = vec!["Phase".into(), "offered".into()];
    head.extend(subject.names.iter().map(|name| (*name).to_owned()));
    let rows = subject.phases.iter().map(|(name, from, until)| {
        let mean = |series: Option<&Series>| {
            let inside = series?.points.iter().filter(|p| (*from..*until).contains(&p.0));
            Some((inside.map(|p| p.1).sum::<f64>() + 0.0) / seconds(until - from))
        };
        let mut values = vec![mean(offered)];
        values.extend(subject.views().iter().map(|view| mean(view.stack.series(metric::COMPLETED))));
        let mut row = vec![name.clone()];
        row.extend(format::row(Unit::Rate, &values));
        row
    });
    Table::of_phases(head, rows.collect())
}
