//! A stack whose streams have consumers of their own: each is simulated by itself, and what they did is put together.
//!
//! Goals: the sum of the parts is a stack like any other.
//! Non-goals: limits that the parts share, such as the account's concurrency: each has it to itself.

use crate::books::Closed;
use model::breakdown::{Band, Breakdown};
use model::merged::Merger;
use model::plan::PlanHash;
use model::record::Ledger;
use model::scenario::{Scenario, Split, Stack};
use model::series::{Series, metric};
use model::time::Nanos;
use model::usage::{Metered, Usage};
use model::windows::{Stage, WindowCounts, Windows};
use std::collections::BTreeMap;

/// A queue, what drains it, and the streams that go there.
pub(crate) struct Part {
    pub(crate) streams: Vec<usize>,
    pub(crate) stack: Stack,
    /// What its draws are called by; empty for a stack that is not parted.
    pub(crate) name: String,
}

impl Part {
    /// The parts of a stack.
    pub(crate) fn of(scenario: &Scenario, stack: &Stack) -> Vec<Self> {
        if stack.split != Split::Consumers {
            let streams = stack.drained(scenario.streams.len().max(1));
            return vec![Self { streams, stack: stack.clone(), name: String::new() }];
        }
        let part = |consumer: &model::scenario::Consumer| Self {
            streams: vec![consumer.stream],
            stack: Stack { queue: consumer.queue, platform: consumer.platform.clone(), ..stack.clone() },
            name: scenario.streams[consumer.stream].name.clone(),
        };
        stack.consumers.iter().map(part).collect()
    }
}

/// The accounts of all parts as those of one stack.
pub(crate) fn joined(mut parts: Vec<(String, Closed)>) -> Option<Closed> {
    if parts.len() > 1 {
        for (name, part) in &mut parts {
            part.activities
                .iter_mut()
                .for_each(|activity| activity.detail = format!("{name}: {}", activity.detail));
            // A part drains one stream: what it used was used for that.
            if let Some(whole) = part.streams.first_mut() {
                whole.usage = part.usage.clone();
            }
        }
    }
    let series = if parts.len() > 1 {
        series(parts.iter_mut().map(|(_, part)| std::mem::take(&mut part.series)).collect())
    } else {
        parts.first_mut().map(|(_, part)| std::mem::take(&mut part.series))?
    };
    let joined = parts.into_iter().map(|(_, part)| part).reduce(join)?;
    Some(Closed { series, ..joined })
}

fn join(a: Closed, b: Closed) -> Closed {
    let mut streams = a.streams;
    streams.extend(b.streams);
    let mut activities = a.activities;
    activities.extend(b.activities);
    activities.sort_by_key(|activity| activity.at);
    let records = a.records.zip(b.records).map(|(mut a, b)| {
        a.extend(b);
        a.sort_by_key(|record| record.seq);
        a
    });
    let planned = |(a, b): (&PlanHash, &PlanHash)| if a.count() > 0 { *a } else { *b };
    Closed {
        ledger: ledger(a.ledger, b.ledger),
        hashes: a.hashes.iter().zip(&b.hashes).map(planned).collect(),
        streams,
        windows: windows(&a.windows, &b.windows),
        breakdown: breakdown(a.breakdown, b.breakdown),
        sampler: a.sampler.join(b.sampler),
        usage: usage(&a.usage, &b.usage),
        // Of all parts at once, by the caller.
        series: Vec::new(),
        activities,
        records,
    }
}

fn ledger(a: Ledger, b: Ledger) -> Ledger {
    Ledger {
        planned: a.planned + b.planned,
        completed: a.completed + b.completed,
        completed_more: a.completed_more + b.completed_more,
        dead_lettered: a.dead_lettered + b.dead_lettered,
        failed: a.failed + b.failed,
        lost: a.lost + b.lost,
        in_flight: a.in_flight + b.in_flight,
    }
}

fn windows(a: &Windows, b: &Windows) -> Windows {
    let mut both: BTreeMap<(Nanos, Stage), Vec<&WindowCounts>> = BTreeMap::new();
    for window in a.histograms.iter().chain(&b.histograms) {
        both.entry((window.start, window.stage)).or_default().push(window);
    }
    let mut merger = Merger::default();
    let mut merged = |((start, stage), of): ((Nanos, Stage), Vec<&WindowCounts>)| {
        of.iter().for_each(|window| merger.add(&window.counts));
        let merged = merger.take()?;
        let counts = merged.values().zip(merged.bins()).map(|(value, (_, count))| (value, count)).collect();
        Some(WindowCounts { start, stage, counts })
    };
    Windows { width: a.width.max(b.width), histograms: both.into_iter().filter_map(&mut merged).collect() }
}

fn breakdown(a: Breakdown, b: Breakdown) -> Breakdown {
    let mut bands: BTreeMap<u64, Band> = BTreeMap::new();
    for band in a.bands.into_iter().chain(b.bands) {
        let sum =
            bands.entry(band.latency_us).or_insert(Band { latency_us: band.latency_us, ..Band::default() });
        sum.messages += band.messages;
        sum.cold += band.cold;
        sum.sums_us.iter_mut().zip(band.sums_us).for_each(|(sum, us)| *sum += us);
    }
    Breakdown { bands: bands.into_values().collect() }
}

fn usage(a: &Usage, b: &Usage) -> Usage {
    let mut sums: BTreeMap<_, u64> = BTreeMap::new();
    for metered in a.metered.iter().chain(&b.metered) {
        *sums.entry((metered.item, metered.variant.clone())).or_default() += metered.quantity;
    }
    let of = |((item, variant), quantity): ((_, String), u64)| Metered::new(item, &variant, quantity);
    Usage { metered: sums.into_iter().map(of).collect() }
}

/// Counts add up, also where they are the largest of a window: the sum is then the most that there may have been. The
/// age is that of the oldest message. Means are weighted: utilization by the units that ran, duration by invocations.
fn series(parts: Vec<Vec<Series>>) -> Vec<Series> {
    let weigh = |part: &[Series], metric: &str| -> BTreeMap<Nanos, f64> {
        let by = if metric == metric::CPU { metric::RUNNING_TASKS } else { metric::INVOCATIONS };
        let found = part.iter().find(|series| series.metric == by);
        found.map(|series| series.points.iter().copied().collect()).unwrap_or_default()
    };
    let mut all: Vec<Series> = Vec::new();
    for series in parts.iter().flatten() {
        if !all.iter().any(|one| one.metric == series.metric) {
            all.push(Series { points: Vec::new(), ..series.clone() });
        }
    }
    for one in &mut all {
        // Per point: the sum, the largest, and for means the sum of what it is weighted by.
        let mut points: BTreeMap<Nanos, (f64, f64, f64)> = BTreeMap::new();
        for part in &parts {
            let Some(series) = part.iter().find(|series| series.metric == one.metric) else { continue };
            let weights =
                if one.statistic == "Average" { weigh(part, &one.metric) } else { BTreeMap::default() };
            for (at, value) in &series.points {
                let weight = weights.get(at).copied().unwrap_or(1.0);
                let (sum, most, weighed) = points.entry(*at).or_insert((0.0, f64::NEG_INFINITY, 0.0));
                (*sum, *most, *weighed) = (*sum + value * weight, most.max(*value), *weighed + weight);
            }
        }
        let joined = |(sum, most, weighed): (f64, f64, f64)| match one.statistic.as_str() {
            _ if one.metric == metric::OLDEST_AGE => most,
            "Average" => sum / if weighed > 0.0 { weighed } else { 1.0 },
            _ => sum,
        };
        one.points = points.into_iter().map(|(at, point)| (at, joined(point))).collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_and_means_are_weighted() {
        let of = |metric: &str, statistic: &str, value: f64| Series {
            metric: metric.into(),
            unit: "Count".into(),
            statistic: statistic.into(),
            period: 5,
            points: vec![(0, value)],
        };
        let part = |tasks, cpu, age| {
            let counts = of(metric::RUNNING_TASKS, "Maximum", tasks);
            vec![counts, of(metric::CPU, "Average", cpu), of(metric::OLDEST_AGE, "Maximum", age)]
        };
        let joined = series(vec![part(1.0, 90.0, 3.0), part(1.0, 0.0, 9.0), part(2.0, 60.0, 4.0)]);
        let values: Vec<f64> = joined.iter().map(|series| series.points[0].1).collect();
        assert_eq!(values, [4.0, 52.5, 9.0]);
    }
}
