//! When was it slow?
//!
//! Percentiles of a bucket come from its merged histograms. A bucket with too few messages for a percentile is
//! merged with its neighbours until there are enough, so at low rates a line moves in steps.

use super::Subject;
use super::figure::{Figure, Key, Plot, Table, stack_keys};
use super::throughput::{points, readout};
use crate::chart::ink::{Ink, stack_class};
use crate::chart::readout::Reading;
use crate::chart::scale::Scale;
use crate::chart::{Chart, Mark};
use crate::format::{self, Unit};
use crate::timeline::Timeline;
use crate::verdict::list;
use crate::view::{StackView, percentile, samples_for};
use anyhow::Result;
use model::merged::{Merged, Merger};
use model::time::Nanos;
use model::windows::{Stage, Windows};
use std::ops::Range;

/// The tail percentiles to choose from, with their names.
const TAILS: [(f64, &str); 4] = [(0.99, "p99"), (0.95, "p95"), (0.9, "p90"), (0.75, "p75")];

/// A tail percentile needs at least this many points to be a line.
const POINTS: usize = 12;

/// One stack's lines.
struct Lines {
    stack: usize,
    middle: Vec<Option<f64>>,
    tail: Vec<Option<f64>>,
}

/// The section.
///
/// # Errors
/// When the chart cannot be drawn.
pub(crate) fn figure(subject: &Subject) -> Result<Figure> {
    let mut figure = Figure::without_data(
        "latency",
        "Latency over time",
        "Latency",
        "No stack has enough completed messages for a percentile over time.",
    );
    let Some(timeline) = subject.timeline else { return Ok(figure) };
    let mut merger = Merger::default();
    let buckets: Vec<Vec<Option<Merged>>> =
        subject.views().iter().map(|view| buckets(&timeline, &view.stack.windows, &mut merger)).collect();
    let (p, name) = tail(&timeline, &buckets);
    let mut over_time = |buckets: &[_], p| over_time(buckets, p, &mut merger);
    let lines: Vec<Lines> = buckets
        .iter()
        .enumerate()
        .map(|(stack, buckets)| Lines { stack, middle: over_time(buckets, 0.5), tail: over_time(buckets, p) })
        .filter(|lines| lines.middle.iter().chain(&lines.tail).any(Option::is_some))
        .collect();
    if lines.is_empty() {
        return Ok(figure);
    }
    figure.plots = vec![plot(subject, &timeline, &lines, name)?];
    figure.take = take(subject, &timeline, &lines, name);
    figure.caption =
        format!("scheduled to finished, by intended time, {}, log scale", format::span(timeline.bucket));
    figure.legend = legend(subject, &lines, name);
    figure.table = Some(table(subject, p, name));
    let absent: Vec<&str> = (0..subject.names.len())
        .filter(|i| lines.iter().all(|l| l.stack != *i))
        .map(|i| subject.names[i])
        .collect();
    if !absent.is_empty() {
        figure.notes.push(format!("Too few completed messages for a line: {}.", list(&absent)));
    }
    Ok(figure)
}

/// Two keys per stack, or one per stack and one per weight if there are many.
fn legend(subject: &Subject, lines: &[Lines], tail: &str) -> Vec<Key> {
    if subject.is_small() {
        let keys = |l: &Lines| {
            let name = subject.names[l.stack];
            [
                Key { class: stack_class(l.stack), name: format!("{name} {tail}") },
                Key { class: format!("{} thin", stack_class(l.stack)), name: format!("{name} p50") },
            ]
        };
        return lines.iter().flat_map(keys).collect();
    }
    let mut keys = stack_keys(&subject.names);
    keys.push(Key { class: "ink".into(), name: tail.into() });
    keys.push(Key { class: "ink thin".into(), name: "p50".into() });
    keys
}

/// The rarest tail percentile that gives every stack with data a line; p99 if none does.
fn tail(timeline: &Timeline, stacks: &[Vec<Option<Merged>>]) -> (f64, &'static str) {
    let enough = |p: f64| {
        stacks.iter().all(|buckets| {
            groups(buckets, samples_for(p)).len() >= POINTS.min(timeline.count)
                || buckets.iter().all(Option::is_none)
        })
    };
    TAILS.into_iter().find(|(p, _)| enough(*p)).unwrap_or(TAILS[0])
}

/// The samples of each bucket.
fn buckets(timeline: &Timeline, windows: &Windows, merger: &mut Merger) -> Vec<Option<Merged>> {
    let bucket = |i| windows.merged_by(merger, Stage::Latency, timeline.start(i), timeline.start(i + 1));
    (0..timeline.count).map(bucket).collect()
}

/// Stretches of buckets with at least `need` samples each; what is left over at the end joins the last stretch.
fn groups(buckets: &[Option<Merged>], need: u64) -> Vec<Range<usize>> {
    let counts = buckets.iter().map(|bucket| bucket.as_ref().map_or(0, Merged::len));
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut open: Option<(usize, u64)> = None;
    let mut last_seen = 0;
    for (i, count) in counts.enumerate().filter(|(_, count)| *count > 0) {
        let (from, so_far) = open.unwrap_or((i, 0));
        last_seen = i + 1;
        if so_far + count >= need {
            groups.push(from..i + 1);
            open = None;
        } else {
            open = Some((from, so_far + count));
        }
    }
    if let (Some(_), Some(last)) = (open, groups.last_mut()) {
        last.end = last_seen;
    }
    groups
}

/// A percentile in milliseconds per bucket.
fn over_time(buckets: &[Option<Merged>], p: f64, merger: &mut Merger) -> Vec<Option<f64>> {
    let mut values = vec![None; buckets.len()];
    for group in groups(buckets, samples_for(p)) {
        let value = match &buckets[group.clone()] {
            [one] => one.as_ref().and_then(|merged| percentile(merged, p)),
            many => {
                many.iter().flatten().for_each(|merged| merger.add_all(merged));
                merger.take().and_then(|merged| percentile(&merged, p))
            }
        };
        values[group].fill(value);
    }
    values
}

fn plot(subject: &Subject, timeline: &Timeline, lines: &[Lines], tail: &str) -> Result<Plot> {
    let all = || lines.iter().flat_map(|l| l.middle.iter().chain(&l.tail)).flatten().copied();
    let mut marks = Vec::new();
    let mut readings = Vec::new();
    for l in lines {
        marks.push(Mark::Line(Ink::Thin(l.stack), points(timeline, &l.middle)));
        marks.push(Mark::Line(Ink::Line(l.stack), points(timeline, &l.tail)));
        for (name, values) in [(tail, &l.tail), ("p50", &l.middle)] {
            let name = format!("{} {name}", subject.names[l.stack]);
            readings.push(Reading { name, stack: Some(l.stack), values: values.clone() });
        }
    }
    let chart = Chart {
        id: "latency",
        x: Scale::time(timeline.length(), 6),
        y: Scale::log_ms(all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max)),
        bands: &subject.bands,
        named_bands: true,
        marks,
        ends: Vec::new(),
    };
    Plot::of(&chart, &readout(timeline, "ms", readings))
}

fn take(subject: &Subject, timeline: &Timeline, lines: &[Lines], tail: &str) -> String {
    let worst: Vec<(usize, usize, f64)> = lines
        .iter()
        .filter_map(|l| {
            let known = l.tail.iter().enumerate().filter_map(|(i, v)| v.map(|v| (i, v)));
            known.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))).map(|(i, v)| (l.stack, i, v))
        })
        .collect();
    if worst.is_empty() {
        return format!("Too few messages for a {tail} over time; the thin lines are medians.");
    }
    if !subject.is_small() {
        let mut values = vec![None; subject.names.len()];
        worst.iter().for_each(|(stack, _, v)| values[*stack] = Some(*v));
        let range = subject.across(Unit::Milliseconds, &values).unwrap_or_default();
        return format!("The worst {tail} ranges from {range}.");
    }
    let shown = format::row(Unit::Milliseconds, &worst.iter().map(|w| Some(w.2)).collect::<Vec<_>>());
    let parts: Vec<String> = worst
        .iter()
        .zip(&shown)
        .map(|((stack, bucket, _), value)| {
            let at: Nanos = timeline.start(*bucket);
            let phase = subject.phase_at(at).map_or(String::new(), |phase| format!(" ({phase})"));
            format!("{value} on {} at {}{phase}", subject.names[*stack], format::clock(at))
        })
        .collect();
    format!("The worst {tail} was {}.", parts.join(", "))
}

fn table(subject: &Subject, p: f64, tail: &str) -> Table {
    let mut head = vec!["Phase".into()];
    let with_medians = subject.is_small();
    for name in &subject.names {
        if with_medians {
            head.push(format!("{name} p50"));
        }
        head.push(format!("{name} {tail}"));
    }
    let load =
        subject.phases.iter().filter(|(_, from, _)| *from < subject.judgement.first().manifest.load_end);
    let rows = load.map(|(name, from, until)| {
        let shown: &[f64] = if with_medians { &[0.5, p] } else { &[p] };
        let of = |view: &StackView| {
            let merged = view.stack.windows.merged(Stage::Latency, *from, *until);
            shown.iter().map(|p| percentile(merged.as_ref()?, *p)).collect::<Vec<_>>()
        };
        let values: Vec<_> = subject.views().iter().flat_map(of).collect();
        let mut row = vec![name.clone()];
        row.extend(format::row(Unit::Milliseconds, &values));
        row
    });
    Table::of_phases(head, rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::windows::WindowCounts;

    fn windows(counts: &[u64]) -> Windows {
        let of = |(i, n): (usize, &u64)| WindowCounts {
            start: i as Nanos * 10,
            stage: Stage::Latency,
            counts: [(1_000 * (i as u64 + 1), *n)].into_iter().collect(),
        };
        Windows { width: 10, histograms: counts.iter().enumerate().map(of).collect() }
    }

    #[test]
    fn buckets_with_few_samples_are_merged() {
        let timeline = Timeline { bucket: 10, count: 7 };
        let windows = windows(&[1_000, 400, 600, 0, 1_500, 10]);
        let mut merger = Merger::default();
        let buckets = buckets(&timeline, &windows, &mut merger);
        assert_eq!(groups(&buckets, 1_000), [0..1, 1..3, 4..6]);
        let p99 = over_time(&buckets, 0.99, &mut merger);
        assert!(p99[0].is_some() && p99[1] == p99[2] && p99[3].is_none() && p99[6].is_none(), "{p99:?}");
    }

    #[test]
    fn too_few_samples_give_no_line() {
        let timeline = Timeline { bucket: 10, count: 3 };
        let mut merger = Merger::default();
        let buckets = buckets(&timeline, &windows(&[5, 5, 5]), &mut merger);
        let line = over_time(&buckets, 0.5, &mut merger);
        assert!(line.iter().all(Option::is_none));
    }
}
