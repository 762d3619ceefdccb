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
use model::merged::Merger;
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
    let windows: Vec<&Windows> = subject.views().iter().map(|view| &view.stack.windows).collect();
    let counts: Vec<Vec<u64>> = windows.iter().map(|windows| counts(&timeline, windows)).collect();
    let (p, name) = tail(&timeline, &counts);
    let mut merger = Merger::default();
    let lines: Vec<Lines> = windows
        .iter()
        .zip(&counts)
        .enumerate()
        .map(|(stack, (windows, counts))| {
            let [middle, tail] = over_time(&timeline, windows, counts, [0.5, p], &mut merger);
            Lines { stack, middle, tail }
        })
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
fn tail(timeline: &Timeline, stacks: &[Vec<u64>]) -> (f64, &'static str) {
    let enough = |p: f64| {
        stacks.iter().all(|counts| {
            groups(counts, samples_for(p)).len() >= POINTS.min(timeline.count)
                || counts.iter().all(|count| *count == 0)
        })
    };
    TAILS.into_iter().find(|(p, _)| enough(*p)).unwrap_or(TAILS[0])
}

/// How many samples each bucket has.
fn counts(timeline: &Timeline, windows: &Windows) -> Vec<u64> {
    let count = |i| windows.samples(Stage::Latency, timeline.start(i), timeline.start(i + 1));
    (0..timeline.count).map(count).collect()
}

/// Stretches of buckets with at least `need` samples each; what is left over at the end joins the last stretch.
fn groups(counts: &[u64], need: u64) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut open: Option<(usize, u64)> = None;
    let mut last_seen = 0;
    for (i, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
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

/// Two percentiles in milliseconds per bucket. What both are read from is merged once, and is kept for neither: all
/// buckets together are more than a cache holds.
fn over_time(
    timeline: &Timeline,
    windows: &Windows,
    counts: &[u64],
    p: [f64; 2],
    merger: &mut Merger,
) -> [Vec<Option<f64>>; 2] {
    let mut values = p.map(|_| vec![None; counts.len()]);
    let groups = p.map(|p| groups(counts, samples_for(p)));
    let mut stretches: Vec<(usize, usize)> = groups.iter().flatten().map(|g| (g.start, g.end)).collect();
    stretches.sort_unstable();
    stretches.dedup();
    for (start, end) in stretches {
        let (from, until) = (timeline.start(start), timeline.start(end));
        let Some(merged) = windows.merged_by(merger, Stage::Latency, from, until) else { continue };
        for ((values, groups), p) in values.iter_mut().zip(&groups).zip(p) {
            if groups.binary_search_by_key(&start, |group| group.start).is_ok_and(|i| groups[i].end == end) {
                values[start..end].fill(percentile(&merged, p));
            }
        }
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
        let counts = counts(&timeline, &windows);
        assert_eq!(groups(&counts, 1_000), [0..1, 1..3, 4..6]);
        let p = [0.5, 0.99];
        let [middle, tail] = over_time(&timeline, &windows, &counts, p, &mut Merger::default());
        assert!(middle[1].is_some() && middle[1] != middle[2], "{middle:?}");
        assert!(
            tail[0].is_some() && tail[1] == tail[2] && tail[3].is_none() && tail[6].is_none(),
            "{tail:?}"
        );
    }

    #[test]
    fn too_few_samples_give_no_line() {
        let timeline = Timeline { bucket: 10, count: 3 };
        let windows = windows(&[5, 5, 5]);
        let counts = counts(&timeline, &windows);
        let lines = over_time(&timeline, &windows, &counts, [0.5, 0.99], &mut Merger::default());
        assert!(lines.iter().flatten().all(Option::is_none), "{lines:?}");
    }
}
