//! GetMetricData.
//!
//! Every page has all results; those to come have no values yet and are `PartialData`, and so is the one that the page
//! cuts off.
//!
//! Non-goals: metric math, Metrics Insights, dynamic labels (they stay as they are written).

use super::check;
use super::errors::Error;
use super::statistic::Statistic;
use super::store::{MetricId, MetricStore, Period, Span, UtcNanos};
use super::token;
use super::unit::Unit;
use super::wire::{GetMetricData, Message, MetricDataAnswer, MetricDataQuery, MetricDataResult, Timestamp};
use model::time::{Nanos, SECOND};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Queries of one call.
const QUERIES_MAX: usize = 500;

/// Datapoints of one page.
const DATAPOINTS_MAX: i64 = 100_800;

/// A query that was checked.
struct Query<'a> {
    id: &'a str,
    metric: MetricId,
    statistic: Statistic,
    statistic_name: &'a str,
    period: Nanos,
    unit: Option<Unit>,
    label: Option<&'a str>,
    returned: bool,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cursor {
    /// Index of the result.
    result: usize,
    /// Its next datapoint.
    next: UtcNanos,
}

/// Answers a call with what can be seen at `now`.
pub(super) fn get_metric_data(
    store: &MetricStore,
    now: UtcNanos,
    call: &GetMetricData,
) -> Result<MetricDataAnswer, Error> {
    let queries = call.metric_data_queries.as_ref().ok_or_else(|| Error::missing("MetricDataQueries"))?;
    let start = check::instant("StartTime", call.start_time)?;
    let end = check::instant("EndTime", call.end_time)?;
    if start == end {
        return Err(Error::validation("The parameter StartTime must not equal parameter EndTime."));
    }
    if start > end {
        return Err(Error::validation("The parameter EndTime must be greater than StartTime."));
    }
    let descending = match call.scan_by.as_deref() {
        None | Some("TimestampDescending") => true,
        Some("TimestampAscending") => false,
        Some(other) => {
            return Err(Error::validation(format!(
                "The value {other} for parameter ScanBy is invalid: it is TimestampDescending or TimestampAscending."
            )));
        }
    };
    let most = call.max_datapoints.unwrap_or(DATAPOINTS_MAX);
    if !(1..=DATAPOINTS_MAX).contains(&most) {
        let message = format!("The parameter MaxDatapoints must be from 1 to {DATAPOINTS_MAX}.");
        return Err(Error::validation(message));
    }
    let queries = check_queries(queries)?;
    let context = format!("{:?} {start} {end} {descending}", call.metric_data_queries);
    let first = match &call.next_token {
        Some(text) => Some(token::open::<Cursor>(text, &context).ok_or_else(Error::next_token)?),
        None => None,
    };
    let page = Page { store, now, start, end, descending };
    let (metric_data_results, next) = page.read(&queries, first, most as usize);
    let next_token = next.map(|cursor| token::seal(&cursor, &context));
    Ok(MetricDataAnswer { metric_data_results, next_token, messages: Vec::new() })
}

fn check_queries(queries: &[MetricDataQuery]) -> Result<Vec<Query<'_>>, Error> {
    if queries.is_empty() {
        return Err(Error::missing("MetricDataQueries"));
    }
    if queries.len() > QUERIES_MAX {
        let message =
            format!("The collection MetricDataQueries must not have a size greater than {QUERIES_MAX}.");
        return Err(Error::validation(message));
    }
    let mut ids = BTreeSet::new();
    let mut checked = Vec::with_capacity(queries.len());
    for (index, query) in queries.iter().enumerate() {
        let query = check_query(&format!("MetricDataQueries.member.{}", index + 1), query)?;
        if !ids.insert(query.id) {
            return Err(Error::validation(
                "The values for parameter id in MetricDataQueries are not unique.",
            ));
        }
        checked.push(query);
    }
    Ok(checked)
}

fn check_query<'a>(at: &str, query: &'a MetricDataQuery) -> Result<Query<'a>, Error> {
    let invalid = |error: Error| match error.code {
        "InvalidParameterValue" => Error::validation(error.message),
        _ => error,
    };
    let id = check::text(format_args!("{at}.Id"), query.id.as_ref(), 255).map_err(invalid)?;
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !plain || !id.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(Error::validation(format!(
            "The value {id} for parameter {at}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."
        )));
    }
    let stat = match (&query.metric_stat, &query.expression) {
        (Some(_), Some(_)) => {
            let both = Error::exclusive(format_args!("{at}.Expression"), format_args!("{at}.MetricStat"));
            return Err(Error::validation(both));
        }
        (None, Some(_)) => {
            return Err(Error::validation(format!(
                "The parameter {at}.Expression is not served here: this endpoint has no metric math and no Metrics \
                 Insights. Ask for the metrics, and compute from them."
            )));
        }
        (None, None) => {
            return Err(Error::validation(format!(
                "Either {at}.MetricStat or {at}.Expression must be specified."
            )));
        }
        (Some(stat), None) => stat,
    };
    if query.period.is_some() {
        let both = Error::exclusive(format_args!("{at}.Period"), format_args!("{at}.MetricStat"));
        return Err(Error::validation(both));
    }
    let at = format!("{at}.MetricStat");
    let metric = stat.metric.as_ref().ok_or_else(|| Error::missing(format_args!("{at}.Metric")))?;
    let given = (metric.namespace.as_ref(), metric.metric_name.as_ref(), metric.dimensions.as_ref());
    let statistic_name = check::required(format_args!("{at}.Stat"), stat.stat.as_ref())?;
    let unknown =
        || Error::validation(format!("The value {statistic_name} for parameter {at}.Stat is not supported."));
    Ok(Query {
        id,
        metric: check::metric(&format!("{at}.Metric."), given).map_err(invalid)?,
        statistic: Statistic::parse(statistic_name).ok_or_else(unknown)?,
        statistic_name,
        period: check::period(format_args!("{at}.Period"), stat.period).map_err(invalid)?,
        unit: check::unit(format_args!("{at}.Unit"), stat.unit.as_ref()).map_err(invalid)?,
        label: query.label.as_deref(),
        returned: query.return_data.unwrap_or(true),
    })
}

/// What all results of a page have in common.
struct Page<'a> {
    store: &'a MetricStore,
    now: UtcNanos,
    start: UtcNanos,
    end: UtcNanos,
    descending: bool,
}

impl Page<'_> {
    /// Results with up to `most` datapoints from `first` on, and where the next page begins.
    fn read(
        &self,
        queries: &[Query<'_>],
        first: Option<Cursor>,
        most: usize,
    ) -> (Vec<MetricDataResult>, Option<Cursor>) {
        let mut results = Vec::new();
        let mut next = None;
        let mut room = most;
        for (index, query) in queries.iter().filter(|query| query.returned).enumerate() {
            let mut result = MetricDataResult {
                id: query.id.into(),
                label: label(query, queries),
                timestamps: Vec::new(),
                values: Vec::new(),
                status_code: "Complete",
                messages: Vec::new(),
            };
            if next.is_none() && first.is_none_or(|first| index >= first.result) {
                let from = first.filter(|first| index == first.result).map(|first| first.next);
                let stopped = self.fill(query, from, &mut room, &mut result);
                next = stopped.map(|at| Cursor { result: index, next: at });
            }
            if next.is_some() {
                result.status_code = "PartialData";
            }
            results.push(result);
        }
        (results, next)
    }

    /// Adds datapoints from `from` on while there is room; returns the first for which there is none.
    fn fill(
        &self,
        query: &Query<'_>,
        from: Option<UtcNanos>,
        room: &mut usize,
        result: &mut MetricDataResult,
    ) -> Option<UtcNanos> {
        let span = Span {
            from: check::rounded_start(self.start, self.now, query.period),
            until: self.end,
            period: query.period,
        };
        let mut periods = self.store.periods(self.now, &query.metric, span, query.statistic.needs_values());
        let units: BTreeSet<Unit> = periods.iter().map(|period| period.unit).collect();
        if query.unit.is_none() && units.len() > 1 {
            result.messages.push(several(&units));
        }
        // Without a unit in the query, the answer is in one that is there.
        let unit = query.unit.or(units.first().copied())?;
        periods.retain(|period| period.unit == unit);
        if self.descending {
            periods.reverse();
        }
        let before = |period: &Period| match from {
            Some(at) if self.descending => period.start > at,
            Some(at) => period.start < at,
            None => false,
        };
        for period in periods.iter().skip_while(|period| before(period)) {
            let Some(value) = query.statistic.of(&period.samples) else { continue };
            if *room == 0 {
                return Some(period.start);
            }
            *room -= 1;
            result.timestamps.push(Timestamp(period.start));
            result.values.push(value);
        }
        None
    }
}

/// The label that was asked for, or the metric's name with what tells the queries apart.
///
/// Source: answers of CloudWatch that others recorded (2023-12).
fn label(query: &Query<'_>, queries: &[Query<'_>]) -> String {
    if let Some(label) = query.label {
        return label.into();
    }
    let mut label = query.metric.name.clone();
    if queries.iter().any(|other| other.statistic_name != query.statistic_name) {
        label = format!("{label} {}", query.statistic_name);
    }
    if queries.iter().any(|other| other.period != query.period) {
        label = format!("{label} {}", query.period / SECOND);
    }
    label
}

fn several(units: &BTreeSet<Unit>) -> Message {
    let mut names: Vec<&str> = units.iter().map(|unit| unit.name()).collect();
    names.sort_unstable();
    Message { code: "MultipleUnits", value: format!("Multiple units returned: '[{}]'", names.join(", ")) }
}
