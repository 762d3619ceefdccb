//! CloudWatch: one-minute datapoints that become visible late, and alarms on them.
//!
//! Goals: M-of-N evaluation and the four missing-data rules exactly as documented, on data published so far.
//! Non-goals: sub-minute periods, composite and anomaly alarms, storing more than alarms look at.

use model::scenario::{Alarm, Comparison, MissingData, Statistic};
use model::time::{MINUTE, Nanos};
use std::collections::VecDeque;

/// A minute of one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Datapoint {
    /// Start of the minute.
    pub start: Nanos,
    /// When alarms can see it.
    pub published_at: Nanos,
    /// Mean of the samples.
    pub average: f64,
    /// Sum of the samples.
    pub sum: f64,
    /// Smallest sample.
    pub minimum: f64,
    /// Largest sample.
    pub maximum: f64,
}

impl Datapoint {
    /// A minute with one sample.
    #[must_use]
    pub fn single(start: Nanos, published_at: Nanos, value: f64) -> Self {
        Self { start, published_at, average: value, sum: value, minimum: value, maximum: value }
    }
}

/// The last day of one metric.
#[derive(Clone, Debug, Default)]
pub struct Metric {
    points: VecDeque<Datapoint>,
}

/// Minutes kept: more than any alarm of a scenario looks back.
const KEPT: usize = 24 * 60;

impl Metric {
    /// Adds a minute; minutes come in order, and a minute without data is not added.
    pub fn publish(&mut self, point: Datapoint) {
        if self.points.len() == KEPT {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    /// The value of the newest minute that can be visible at `now`, if it has data.
    #[must_use]
    pub fn latest(&self, now: Nanos, lag: Nanos, statistic: Statistic) -> Option<f64> {
        let end = now.saturating_sub(lag) / MINUTE * MINUTE;
        self.period(now, end.checked_sub(MINUTE)?, end, statistic)
    }

    /// One period's value over the minutes in `from..until` that are visible at `now`.
    fn period(&self, now: Nanos, from: Nanos, until: Nanos, statistic: Statistic) -> Option<f64> {
        let first = self.points.partition_point(|p| p.start < from);
        let visible = self
            .points
            .range(first..)
            .take_while(|p| p.start < until)
            .filter(|p| p.published_at <= now)
            .map(|p| value_of(p, statistic));
        let (count, sum, low, high) = visible
            .fold((0, 0.0, f64::INFINITY, f64::NEG_INFINITY), |(n, s, lo, hi), v| {
                (n + 1, s + v, f64::min(lo, v), f64::max(hi, v))
            });
        (count > 0).then_some(match statistic {
            Statistic::Average => sum / f64::from(count),
            Statistic::Sum => sum,
            Statistic::Minimum => low,
            Statistic::Maximum => high,
        })
    }
}

fn value_of(point: &Datapoint, statistic: Statistic) -> f64 {
    match statistic {
        Statistic::Average => point.average,
        Statistic::Sum => point.sum,
        Statistic::Minimum => point.minimum,
        Statistic::Maximum => point.maximum,
    }
}

/// State of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmState {
    /// Within the threshold.
    Ok,
    /// Beyond it. Auto Scaling actions are invoked again every minute for as long as this lasts.
    Alarm,
    /// Nothing to judge by.
    InsufficientData,
}

/// An alarm with its state.
#[derive(Clone, Copy, Debug)]
pub struct Watcher {
    /// What it watches, and when that is too much.
    pub alarm: Alarm,
    /// Current state.
    pub state: AlarmState,
}

/// Periods looked at beyond the evaluation periods, to find real data when some is missing.
///
/// Source: CloudWatch user guide, "Using CloudWatch alarms", evaluation range (5 for 3 one-minute periods).
const EXTRA_PERIODS: u32 = 2;

impl Watcher {
    /// A new alarm has no data yet.
    #[must_use]
    pub fn new(alarm: Alarm) -> Self {
        Self { alarm, state: AlarmState::InsufficientData }
    }

    /// Evaluates the alarm at `now` and returns the value of the newest real period, if any.
    ///
    /// The sliding window ends with the last minute that can have been published: data that is late for
    /// everybody is not missing, it only is not there yet.
    pub fn evaluate(&mut self, now: Nanos, lag: Nanos, metric: &Metric) -> Option<f64> {
        let Alarm { period, evaluation_periods, statistic, .. } = self.alarm;
        let end = now.saturating_sub(lag) / MINUTE * MINUTE;
        let range = u64::from(evaluation_periods + EXTRA_PERIODS);
        let mut periods = Vec::with_capacity(range as usize);
        for back in (0..range).rev() {
            let until = end.saturating_sub(back * period);
            let from = until.saturating_sub(period);
            periods.push(if until > from { metric.period(now, from, until, statistic) } else { None });
        }
        let breaching: Vec<Option<bool>> =
            periods.iter().map(|value| value.map(|v| breaches(v, &self.alarm))).collect();
        let (m, n) = (self.alarm.datapoints_to_alarm as usize, evaluation_periods as usize);
        self.state = judge(&breaching, m, n, self.alarm.missing_data, self.state);
        periods.into_iter().rev().flatten().next()
    }
}

fn breaches(value: f64, alarm: &Alarm) -> bool {
    match alarm.comparison {
        Comparison::GreaterThan => value > alarm.threshold,
        Comparison::AtLeast => value >= alarm.threshold,
        Comparison::LessThan => value < alarm.threshold,
        Comparison::AtMost => value <= alarm.threshold,
    }
}

/// The state that follows from the evaluation range, oldest first; `None` is a period without data.
///
/// Source: CloudWatch user guide, "Configuring how CloudWatch alarms treat missing data", with its two tables.
#[must_use]
pub fn judge(
    range: &[Option<bool>],
    m: usize,
    n: usize,
    missing: MissingData,
    before: AlarmState,
) -> AlarmState {
    let real: Vec<bool> = range.iter().flatten().copied().collect();
    let newest = &real[real.len().saturating_sub(n)..];
    let breaching = newest.iter().filter(|&&b| b).count();
    // Enough breaching, or enough real data to do without the rest.
    if breaching >= m {
        return AlarmState::Alarm;
    }
    if newest.len() >= n {
        return AlarmState::Ok;
    }
    let filled = n - newest.len();
    match missing {
        MissingData::Breaching if breaching + filled >= m => AlarmState::Alarm,
        MissingData::Breaching | MissingData::NotBreaching => AlarmState::Ok,
        MissingData::Missing if real.is_empty() => AlarmState::InsufficientData,
        MissingData::Ignore if real.is_empty() => before,
        MissingData::Missing | MissingData::Ignore if breaching < real.len() => AlarmState::Ok,
        MissingData::Ignore => before,
        // Only breaching data, fewer than M: raised once the oldest of it is M periods old.
        MissingData::Missing => {
            let oldest = range.iter().position(Option::is_some).map_or(0, |index| range.len() - index);
            if oldest >= m { AlarmState::Alarm } else { before }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AlarmState::{Alarm as A, InsufficientData as I, Ok as O};
    use model::scenario::AlarmMetric;
    use model::time::SECOND;

    const RULES: [MissingData; 4] =
        [MissingData::Missing, MissingData::Ignore, MissingData::Breaching, MissingData::NotBreaching];

    fn range(text: &str) -> Vec<Option<bool>> {
        text.chars().map(|c| if c == '-' { None } else { Some(c == 'X') }).collect()
    }

    /// The tables of the CloudWatch user guide; K is "keeps the state it had".
    #[test]
    fn documented_vectors() {
        let keep = AlarmState::InsufficientData;
        let cases = [
            (3, "0-X-X", [O, O, O, O]),
            (3, "0----", [O, O, O, O]),
            (3, "-----", [I, keep, A, O]),
            (3, "0XX-X", [A, A, A, A]),
            (3, "--X--", [A, keep, A, O]),
            (2, "0-X-X", [A, A, A, A]),
            (2, "00X0X", [A, A, A, A]),
            (2, "0-X--", [O, O, A, O]),
            (2, "----0", [O, O, A, O]),
            (2, "---X-", [A, keep, A, O]),
        ];
        for (m, text, expected) in cases {
            for (rule, expected) in RULES.into_iter().zip(expected) {
                assert_eq!(judge(&range(text), m, 3, rule, keep), expected, "{m} of 3, {text}, {rule:?}");
            }
        }
    }

    #[test]
    fn ignore_keeps_whatever_the_state_was() {
        for before in [A, O, I] {
            assert_eq!(judge(&range("-----"), 3, 3, MissingData::Ignore, before), before);
        }
    }

    /// "- - - - X" must not raise a 3-of-3 alarm early.
    #[test]
    fn no_premature_alarm() {
        assert_eq!(judge(&range("----X"), 3, 3, MissingData::Missing, O), O);
    }

    fn watcher(period: Nanos, n: u32, m: u32) -> Watcher {
        Watcher::new(Alarm {
            metric: AlarmMetric::VisibleMessages,
            statistic: Statistic::Average,
            comparison: Comparison::GreaterThan,
            threshold: 100.0,
            period,
            evaluation_periods: n,
            datapoints_to_alarm: m,
            missing_data: MissingData::Missing,
        })
    }

    #[test]
    fn an_alarm_sees_only_what_is_published() {
        let mut metric = Metric::default();
        metric.publish(Datapoint::single(0, 2 * MINUTE, 500.0));
        let mut watcher = watcher(MINUTE, 1, 1);
        watcher.evaluate(2 * MINUTE - SECOND, MINUTE, &metric);
        assert_eq!(watcher.state, I);
        assert_eq!(watcher.evaluate(2 * MINUTE, MINUTE, &metric), Some(500.0));
        assert_eq!(watcher.state, A);
    }

    #[test]
    fn longer_periods_slide_by_the_minute() {
        let mut metric = Metric::default();
        for minute in 0..5 {
            let value = if minute == 4 { 600.0 } else { 0.0 };
            metric.publish(Datapoint::single(minute * MINUTE, (minute + 1) * MINUTE, value));
        }
        let mut watcher = watcher(5 * MINUTE, 1, 1);
        assert_eq!(watcher.evaluate(5 * MINUTE, 0, &metric), Some(120.0));
        assert_eq!(watcher.state, A);
    }
}
