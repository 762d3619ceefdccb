//! Series and usage of a stack from its journal.

use super::{Tally, read_lines};
use crate::folder::read_json;
use anyhow::Result;
use model::journal::{self, Point};
use model::series::{Series, metric};
use model::time::Nanos;
use model::usage::Usage;
use std::collections::BTreeMap;
use std::path::Path;

/// What makes points one series.
type Key = (String, String, Nanos);

/// The series of the journal, in order of first appearance, with those that follow from the messages; and how many
/// lines could not be read. Of several points of one instant the last counts: metrics are published late.
pub(crate) fn series(place: &Path, tally: &Tally, window: Nanos) -> Result<(Vec<Series>, u64)> {
    let mut order: Vec<(Key, String)> = Vec::new();
    let mut all: BTreeMap<Key, BTreeMap<Nanos, f64>> = BTreeMap::new();
    let unread = read_lines(place, journal::POINTS, |point: Point| {
        if !point.value.is_finite() {
            return;
        }
        let key = (point.metric, point.statistic, point.period);
        let points = all.entry(key.clone()).or_insert_with(|| {
            order.push((key, point.unit));
            BTreeMap::new()
        });
        points.insert(point.t, point.value);
    })?;
    let mut series: Vec<Series> = order
        .into_iter()
        .filter(|(key, _)| key.0 != metric::COMPLETED)
        .map(|(key, unit)| {
            let points = all.remove(&key).unwrap_or_default().into_iter().collect();
            let (metric, statistic, period) = key;
            Series { metric, unit, statistic, period, points }
        })
        .collect();
    if !series.iter().any(|one| one.metric == metric::SENT) {
        series.push(counted(metric::SENT, &tally.sent, window));
    }
    let deleted = series.iter().find(|one| one.metric == metric::DELETED).cloned();
    series.push(match deleted {
        // Nobody told when: then deletes are the completions.
        Some(deleted) if tally.completed.is_empty() => Series { metric: metric::COMPLETED.into(), ..deleted },
        _ => counted(metric::COMPLETED, &tally.completed, window),
    });
    // A file of points has no place for a series without any.
    series.retain(|one| !one.points.is_empty());
    Ok((series, unread))
}

fn counted(metric: &str, counts: &BTreeMap<Nanos, u64>, period: Nanos) -> Series {
    Series {
        metric: metric.into(),
        unit: "Count".into(),
        statistic: "Sum".into(),
        period,
        points: counts.iter().map(|(t, count)| (*t, *count as f64)).collect(),
    }
}

/// The usage that was written last.
pub(crate) fn usage(place: &Path) -> Result<Usage> {
    let path = place.join(journal::USAGE);
    if path.exists() { read_json(&path) } else { Ok(Usage::default()) }
}
