//! Metrics in memory: per metric and minute what was measured, and from when on it can be seen.
//!
//! Goals: percentiles from values; told the time; bounded memory, with an error that says so.
//! Non-goals: less than a minute (CloudWatch answers shorter periods with the minute's datapoint, too, unless the
//! metric is a high-resolution one), roll-ups for older data, anything on disk.

use super::distribution::Distribution;
use super::unit::Unit;
use model::time::{DAY, HOUR, MINUTE, Nanos};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

/// Nanoseconds since 1970-01-01 UTC.
pub type UtcNanos = u64;

/// One-minute datapoints are kept for this long.
///
/// Source: CloudWatch API reference, GetMetricData.
pub const RETENTION: Nanos = 15 * DAY;

/// A metric that has not reported for this long is not listed.
///
/// Source: CloudWatch API reference, ListMetrics.
const LISTED_FOR: Nanos = 14 * DAY;

/// What `RecentlyActive` means.
const RECENT: Nanos = 3 * HOUR;

/// Part of a metric's identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Dimension {
    /// Such as `QueueName`.
    pub name: String,
    /// Such as the queue's name.
    pub value: String,
}

/// What a metric is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MetricId {
    /// Such as `AWS/SQS`.
    pub namespace: String,
    /// MetricName.
    pub name: String,
    /// Sorted by name.
    pub dimensions: Vec<Dimension>,
}

impl MetricId {
    /// A metric with its dimensions in any order.
    #[must_use]
    pub fn new(namespace: &str, name: &str, mut dimensions: Vec<Dimension>) -> Self {
        dimensions.sort();
        Self { namespace: namespace.into(), name: name.into(), dimensions }
    }

    /// A metric of a service that publishes by itself.
    #[must_use]
    pub fn of_service(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Self {
        let dimension =
            |(name, value): &(&str, &str)| Dimension { name: (*name).into(), value: (*value).into() };
        Self::new(namespace, name, dimensions.iter().map(dimension).collect())
    }
}

/// What was measured, for one metric at one time.
#[derive(Clone, Debug)]
pub struct Datum {
    /// The metric.
    pub id: MetricId,
    /// Its unit.
    pub unit: Unit,
    /// When; stored by the minute.
    pub at: UtcNanos,
    /// From when on it can be seen; 0 is at once.
    pub visible_at: UtcNanos,
    /// The values.
    pub samples: Distribution,
}

/// A metric that a service publishes by itself.
#[derive(Clone, Copy, Debug)]
pub struct RunMetric<'a> {
    /// Such as `AWS/Lambda`.
    pub namespace: &'a str,
    /// Such as `Duration`.
    pub name: &'a str,
    /// Such as `[("FunctionName", "resize")]`.
    pub dimensions: &'a [(&'a str, &'a str)],
    /// Its unit.
    pub unit: Unit,
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Metrics.
    pub metrics: usize,
    /// Distinct values of all minutes, plus [`MINUTE_COST`] per minute: 16 bytes each.
    pub values: usize,
}

/// What a minute costs beside its values.
pub const MINUTE_COST: usize = 8;

impl Default for Limits {
    /// At most about 256 MB.
    fn default() -> Self {
        Self { metrics: 10_000, values: 16_000_000 }
    }
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// No more metrics.
    Metrics(usize),
    /// No more values.
    Values(usize),
}

impl Display for Full {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (most, what) = match self {
            Self::Metrics(most) => (most, "metrics"),
            Self::Values(most) => (most, "values"),
        };
        write!(
            f,
            "This endpoint keeps at most {most} {what}, in memory: publish fewer, or start it again to be rid of the old ones."
        )
    }
}

impl std::error::Error for Full {}

/// Datapoints that are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Start of the first period.
    pub from: UtcNanos,
    /// Minutes that begin before this.
    pub until: UtcNanos,
    /// Length of a period.
    pub period: Nanos,
}

/// What was measured in a period, in one unit.
#[derive(Clone, Debug)]
pub struct Period {
    /// Its start.
    pub start: UtcNanos,
    /// The unit.
    pub unit: Unit,
    /// The values.
    pub samples: Distribution,
}

/// Which metrics are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// With this namespace.
    pub namespace: Option<&'a str>,
    /// With this name.
    pub name: Option<&'a str>,
    /// With these dimensions, and this value if one is given.
    pub dimensions: &'a [(&'a str, Option<&'a str>)],
    /// With a datapoint in the last three hours.
    pub recent: bool,
}

/// All metrics.
#[derive(Debug, Default)]
pub struct MetricStore {
    limits: Limits,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    metrics: BTreeMap<MetricId, Minutes>,
    values: usize,
}

type Minutes = BTreeMap<Slot, Distribution>;

/// A minute's place. What becomes visible at different times is kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    start: UtcNanos,
    unit: Unit,
    visible_at: UtcNanos,
}

impl Slot {
    /// Before all others of this minute.
    fn first(start: UtcNanos) -> Self {
        Self { start, unit: Unit::ALL[0], visible_at: 0 }
    }
}

fn cost(samples: &Distribution) -> usize {
    MINUTE_COST + samples.distinct()
}

impl MetricStore {
    /// No metrics yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: RwLock::default() }
    }

    /// Stores all of `data`, or nothing of it.
    ///
    /// # Errors
    /// [`Full`], when even without what has expired by `now` there is no room.
    pub fn put(&self, now: UtcNanos, data: Vec<Datum>) -> Result<(), Full> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.room(self.limits, &data).is_err() {
            state.expire(now);
            state.room(self.limits, &data)?;
        }
        for datum in data {
            if !datum.samples.is_empty() {
                state.add(now, datum);
            }
        }
        Ok(())
    }

    /// Stores what a service on this machine measured in the minute of `at`, to be seen from `visible_at` on.
    ///
    /// # Errors
    /// [`Full`].
    pub fn put_run_metric(
        &self,
        metric: &RunMetric<'_>,
        samples: Distribution,
        at: UtcNanos,
        visible_at: UtcNanos,
    ) -> Result<(), Full> {
        let id = MetricId::of_service(metric.namespace, metric.name, metric.dimensions);
        self.put(at, vec![Datum { id, unit: metric.unit, at, visible_at, samples }])
    }

    /// What was measured per period and unit and can be seen at `now`, in order of time and unit. Periods without
    /// data are left out. Without `values` there are no percentiles, but it is quicker.
    #[must_use]
    pub fn periods(&self, now: UtcNanos, id: &MetricId, span: Span, values: bool) -> Vec<Period> {
        let Span { from, until, period } = span;
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let Some(minutes) = state.metrics.get(id).filter(|_| from < until && period > 0) else {
            return Vec::new();
        };
        let from = from.max(now.saturating_sub(RETENTION));
        let mut periods: BTreeMap<(UtcNanos, Unit), Distribution> = BTreeMap::new();
        for (slot, samples) in minutes.range(Slot::first(from.min(until))..Slot::first(until)) {
            if slot.visible_at <= now {
                let start = span.from + (slot.start - span.from) / period * period;
                periods.entry((start, slot.unit)).or_default().gather(samples, values);
            }
        }
        drop(state);
        let period = |((start, unit), mut samples): ((UtcNanos, Unit), Distribution)| {
            samples.tidy();
            Period { start, unit, samples }
        };
        periods.into_iter().map(period).collect()
    }

    /// Up to `most` metrics that can be seen at `now`, in order, after the metric `after`.
    #[must_use]
    pub fn list(
        &self,
        now: UtcNanos,
        filter: &Filter<'_>,
        after: Option<&MetricId>,
        most: usize,
    ) -> Vec<MetricId> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let since = Slot::first(now.saturating_sub(if filter.recent { RECENT } else { LISTED_FOR }));
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let listed = state.metrics.range((after, Bound::Unbounded)).filter(|(id, minutes)| {
            filter.fits(id) && minutes.range(since..).any(|(slot, _)| slot.visible_at <= now)
        });
        listed.take(most).map(|(id, _)| id.clone()).collect()
    }
}

impl Filter<'_> {
    fn fits(&self, id: &MetricId) -> bool {
        let has = |(name, value): &(&str, Option<&str>)| {
            id.dimensions.iter().any(|one| one.name == *name && value.is_none_or(|value| one.value == value))
        };
        self.namespace.is_none_or(|namespace| id.namespace == namespace)
            && self.name.is_none_or(|name| id.name == name)
            && self.dimensions.iter().all(has)
    }
}

impl State {
    fn room(&self, limits: Limits, data: &[Datum]) -> Result<(), Full> {
        let new: BTreeSet<&MetricId> =
            data.iter().map(|datum| &datum.id).filter(|id| !self.metrics.contains_key(id)).collect();
        if self.metrics.len() + new.len() > limits.metrics {
            return Err(Full::Metrics(limits.metrics));
        }
        let values: usize = data.iter().map(|datum| cost(&datum.samples)).sum();
        // Values that are there already cost nothing, but that is known only afterwards.
        if self.values + values > limits.values {
            return Err(Full::Values(limits.values));
        }
        Ok(())
    }

    fn add(&mut self, now: UtcNanos, datum: Datum) {
        let minutes = self.metrics.entry(datum.id).or_default();
        self.values -= expire(minutes, now);
        let start = datum.at / MINUTE * MINUTE;
        let slot = Slot { start, unit: datum.unit, visible_at: datum.visible_at };
        let samples = minutes.entry(slot).or_default();
        if !samples.is_empty() {
            self.values -= cost(samples);
        }
        samples.add(&datum.samples);
        self.values += cost(samples);
    }

    fn expire(&mut self, now: UtcNanos) {
        let mut freed = 0;
        self.metrics.retain(|_, minutes| {
            freed += expire(minutes, now);
            !minutes.is_empty()
        });
        self.values -= freed;
    }
}

/// Drops minutes past retention; returns what they cost.
fn expire(minutes: &mut Minutes, now: UtcNanos) -> usize {
    let mut freed = 0;
    while let Some(first) = minutes.first_entry() {
        if first.key().start.saturating_add(RETENTION) > now {
            break;
        }
        freed += cost(&first.remove());
    }
    freed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloudwatch::statistic::Statistic;

    const NOW: UtcNanos = 1_763_640_000 * 1_000_000_000;

    fn id(name: &str) -> MetricId {
        MetricId::of_service("Test", name, &[])
    }

    fn datum(name: &str, at: UtcNanos, visible_at: UtcNanos, value: f64) -> Datum {
        let samples = Distribution::single(value);
        Datum { id: id(name), unit: Unit::Count, at, visible_at, samples }
    }

    fn sums(store: &MetricStore, now: UtcNanos, span: Span) -> Vec<(UtcNanos, f64)> {
        let periods = store.periods(now, &id("a"), span, false);
        periods.iter().map(|period| (period.start, period.samples.sum())).collect()
    }

    fn span(from: UtcNanos, until: UtcNanos, period: Nanos) -> Span {
        Span { from, until, period }
    }

    #[test]
    fn minutes_are_summed_up_into_periods_from_the_start_on() {
        let store = MetricStore::default();
        for minute in 0..10_u32 {
            let at = NOW + u64::from(minute) * MINUTE + 59 * 1_000_000_000;
            store.put(NOW, vec![datum("a", at, 0, f64::from(minute)), datum("b", at, 0, 1e6)]).unwrap();
        }
        let whole = span(NOW, NOW + 10 * MINUTE, 5 * MINUTE);
        assert_eq!(sums(&store, NOW, whole), [(NOW, 10.0), (NOW + 5 * MINUTE, 35.0)]);
        // The end is exclusive, and periods begin at the start.
        let part = span(NOW + 3 * MINUTE, NOW + 9 * MINUTE, 5 * MINUTE);
        assert_eq!(sums(&store, NOW, part), [(NOW + 3 * MINUTE, 25.0), (NOW + 8 * MINUTE, 8.0)]);
        // A minute that has begun before the end counts.
        let partial = span(NOW, NOW + MINUTE + 1, MINUTE);
        assert_eq!(sums(&store, NOW, partial), [(NOW, 0.0), (NOW + MINUTE, 1.0)]);
        // Without data there is no datapoint.
        assert_eq!(sums(&store, NOW, span(NOW + HOUR, NOW + 2 * HOUR, MINUTE)), []);
        assert_eq!(sums(&store, NOW, span(NOW + HOUR, NOW, MINUTE)), []);
    }

    #[test]
    fn a_datapoint_is_not_seen_before_its_time_and_then_adds_up() {
        let store = MetricStore::default();
        store.put(NOW, vec![datum("a", NOW, NOW + 2 * MINUTE, 1.0), datum("a", NOW, 0, 10.0)]).unwrap();
        let hour = span(NOW, NOW + HOUR, MINUTE);
        assert_eq!(sums(&store, NOW + 2 * MINUTE - 1, hour), [(NOW, 10.0)]);
        assert_eq!(sums(&store, NOW + 2 * MINUTE, hour), [(NOW, 11.0)]);
        let metric = RunMetric { namespace: "Test", name: "late", dimensions: &[], unit: Unit::Percent };
        store.put_run_metric(&metric, Distribution::single(50.0), NOW, NOW + MINUTE).unwrap();
        let listed =
            |now| store.list(now, &Filter { name: Some("late"), ..Filter::default() }, None, 9).len();
        assert_eq!((listed(NOW + MINUTE - 1), listed(NOW + MINUTE)), (0, 1));
    }

    #[test]
    fn values_of_a_period_are_merged_for_percentiles() {
        let store = MetricStore::default();
        for n in 0..1000_u32 {
            let at = NOW + u64::from(n % 7) * MINUTE;
            store.put(NOW, vec![datum("a", at, 0, f64::from(n))]).unwrap();
        }
        let periods = store.periods(NOW, &id("a"), span(NOW, NOW + HOUR, HOUR), true);
        let p99 = Statistic::parse("p99").unwrap();
        assert_eq!((periods.len(), p99.of(&periods[0].samples)), (1, Some(989.0)));
        let quick = store.periods(NOW, &id("a"), span(NOW, NOW + HOUR, HOUR), false);
        assert_eq!((quick[0].samples.count(), p99.of(&quick[0].samples)), (1000.0, None));
    }

    #[test]
    fn what_is_older_than_the_retention_is_gone() {
        let store = MetricStore::default();
        store.put(NOW, vec![datum("a", NOW, 0, 1.0)]).unwrap();
        let forever = span(0, NOW + 30 * DAY, MINUTE);
        assert_eq!(sums(&store, NOW + RETENTION, forever), [(NOW, 1.0)]);
        assert_eq!(sums(&store, NOW + RETENTION + 1, forever), []);
        store.put(NOW + RETENTION, vec![datum("a", NOW + RETENTION, 0, 2.0)]).unwrap();
        assert_eq!(store.state.read().unwrap().values, MINUTE_COST + 1);
    }

    #[test]
    fn a_full_store_says_so_keeps_what_it_has_and_lets_go_of_the_old() {
        let store = MetricStore::new(Limits { metrics: 2, values: 4 * (MINUTE_COST + 1) });
        store.put(NOW, vec![datum("a", NOW, 0, 1.0), datum("b", NOW, 0, 1.0)]).unwrap();
        let refused = store.put(NOW, vec![datum("a", NOW, 0, 5.0), datum("c", NOW, 0, 1.0)]);
        assert_eq!(refused, Err(Full::Metrics(2)));
        assert!(refused.unwrap_err().to_string().contains("at most 2 metrics"));
        for minute in 1..=2 {
            store.put(NOW, vec![datum("a", NOW + minute * MINUTE, 0, 1.0)]).unwrap();
        }
        let refused = store.put(NOW, vec![datum("a", NOW + 3 * MINUTE, 0, 1.0)]);
        assert_eq!(refused, Err(Full::Values(4 * (MINUTE_COST + 1))));
        let all = span(NOW, NOW + HOUR, HOUR);
        assert_eq!(sums(&store, NOW, all), [(NOW, 3.0)]);
        // Later both have expired.
        let later = NOW + RETENTION + HOUR;
        store.put(later, vec![datum("c", later, 0, 1.0), datum("d", later, 0, 1.0)]).unwrap();
    }

    #[test]
    fn memory_is_accounted_to_the_last_value() {
        let store = MetricStore::default();
        for n in 0..2_000_u32 {
            let at = NOW + u64::from(n % 5) * MINUTE;
            let visible_at = if n % 3 == 0 { NOW + HOUR } else { 0 };
            store.put(NOW, vec![datum("a", at, visible_at, f64::from(n % 37))]).unwrap();
        }
        let state = store.state.read().unwrap();
        let counted: usize = state.metrics.values().flat_map(BTreeMap::values).map(cost).sum();
        assert_eq!(state.values, counted);
        assert_eq!(state.metrics[&id("a")].len(), 10);
    }

    #[test]
    fn threads_share_the_store() {
        let store = MetricStore::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..500).for_each(|_| store.put(NOW, vec![datum("a", NOW, 0, 1.0)]).unwrap()));
            }
        });
        assert_eq!(sums(&store, NOW, span(NOW, NOW + MINUTE, MINUTE)), [(NOW, 2000.0)]);
    }
}
