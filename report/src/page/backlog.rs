//! How far behind was each stack, and for how long?

use super::Subject;
use super::figure::{Figure, Plot, Table, stack_keys};
use super::throughput::{most, points, readout};
use crate::chart::ink::Ink;
use crate::chart::readout::Reading;
use crate::chart::scale::Scale;
use crate::chart::{Chart, Mark};
use crate::format::{self, Unit};
use crate::view::{BEHIND_SECONDS, StackView};
use anyhow::Result;
use model::series::metric;

/// The section.
///
/// # Errors
/// When the chart cannot be drawn.
pub(crate) fn figure(subject: &Subject) -> Result<Figure> {
    let mut figure =
        Figure::without_data("backlog", "Backlog over time", "Backlog", "The run has no backlog series.");
    let Some(timeline) = subject.timeline else { return Ok(figure) };
    let views = subject.views().iter().enumerate();
    let lines: Vec<(usize, Vec<Option<f64>>)> =
        views.filter_map(|(i, v)| Some((i, timeline.maxima(v.stack.series(metric::VISIBLE)?)))).collect();
    if lines.is_empty() {
        return Ok(figure);
    }
    let areas = lines.iter().map(|(i, v)| Mark::Area(Ink::Area(*i), 0.1, points(&timeline, v)));
    let strokes = lines.iter().map(|(i, v)| Mark::Line(Ink::Line(*i), points(&timeline, v)));
    let chart = Chart {
        id: "backlog",
        x: Scale::time(timeline.length(), 6),
        y: Scale::linear(most(lines.iter().map(|line| &line.1)), 4, format::number),
        bands: &subject.bands,
        named_bands: true,
        marks: areas.chain(strokes).collect(),
        ends: Vec::new(),
    };
    let reading = |(i, values): &(usize, Vec<Option<f64>>)| Reading {
        name: subject.names[*i].into(),
        stack: Some(*i),
        values: values.clone(),
    };
    let readings = lines.iter().map(reading).collect();
    figure.plots = vec![Plot::of(&chart, &readout(&timeline, "waiting", readings))?];
    figure.take = take(subject);
    figure.caption = format!("messages waiting (most in {})", format::span(timeline.bucket));
    figure.legend = stack_keys(&subject.names);
    figure.table = Some(table(subject));
    Ok(figure)
}

fn take(subject: &Subject) -> String {
    let views = subject.views();
    let largest: Vec<_> = views.iter().map(|v| v.largest(metric::VISIBLE)).collect();
    let most = subject.across(Unit::Count, &largest).unwrap_or_else(|| "none".into());
    let behind: Vec<String> = views
        .iter()
        .filter_map(|v| {
            let seconds = v.seconds_behind().filter(|s| *s > 0.0)?;
            Some(format!("{} for {}", v.name(), format::value(Unit::Seconds, seconds)))
        })
        .collect();
    if behind.is_empty() {
        return format!(
            "Largest backlog: {most}. No stack was ever more than {BEHIND_SECONDS} s of load behind."
        );
    }
    let bound = format::number(views.first().map_or(1.0, |v| v.backlog_bound()));
    let behind = behind.join(", ");
    format!(
        "Largest backlog: {most}. More than {BEHIND_SECONDS} s of load ({bound} messages) behind: {behind}."
    )
}

fn table(subject: &Subject) -> Table {
    let with_age = subject.is_small();
    let mut head = vec!["Phase".into()];
    for name in &subject.names {
        head.push(format!("{name}: most waiting"));
        if with_age {
            head.push("oldest".into());
        }
    }
    let rows = subject.phases.iter().map(|(name, from, until)| {
        let most = |view: &StackView, metric: &str| {
            let series = view.stack.series(metric)?;
            series.points.iter().filter(|p| (*from..*until).contains(&p.0)).map(|p| p.1).reduce(f64::max)
        };
        let ages: Vec<_> = subject.views().iter().map(|view| most(view, metric::OLDEST_AGE)).collect();
        let mut row = vec![name.clone()];
        for (view, age) in subject.views().iter().zip(format::row(Unit::Seconds, &ages)) {
            row.push(most(view, metric::VISIBLE).map_or_else(|| format::ABSENT.into(), format::count));
            if with_age {
                row.push(age);
            }
        }
        row
    });
    Table::of_phases(head, rows.collect())
}
