//! GetMetricStatistics.

use super::check;
use super::errors::Error;
use super::statistic::Statistic;
use super::store::{MetricStore, Period, Span, UtcNanos};
use super::wire::{Datapoint, GetMetricStatistics, MetricStatisticsAnswer, Timestamp};

/// Datapoints of one answer.
const DATAPOINTS_MAX: u64 = 1440;

/// Extended statistics of one call.
const EXTENDED_MAX: usize = 10;

/// Answers a call with what can be seen at `now`.
pub(super) fn get_metric_statistics(
    store: &MetricStore,
    now: UtcNanos,
    call: &GetMetricStatistics,
) -> Result<MetricStatisticsAnswer, Error> {
    let given = (call.namespace.as_ref(), call.metric_name.as_ref(), call.dimensions.as_ref());
    let metric = check::metric("", given)?;
    let start = check::instant("StartTime", call.start_time)?;
    let end = check::instant("EndTime", call.end_time)?;
    let period = check::period("Period", call.period)?;
    let unit = check::unit("Unit", call.unit.as_ref())?;
    if start >= end {
        return Err(Error::value("The parameter StartTime must be less than the parameter EndTime."));
    }
    let statistics = statistics(call)?;
    let asked = (end - start).div_ceil(period);
    if asked > DATAPOINTS_MAX {
        return Err(Error::combination(format!(
            "You have requested up to {asked} datapoints, which exceeds the limit of {DATAPOINTS_MAX}. You may reduce \
             the datapoints requested by increasing Period, or decreasing the time range."
        )));
    }
    let span = Span { from: check::rounded_start(start, now, period), until: end, period };
    let values = statistics.iter().any(|(_, statistic)| statistic.needs_values());
    let periods = store.periods(now, &metric, span, values);
    let datapoints = periods
        .iter()
        .filter(|period| unit.is_none_or(|unit| period.unit == unit))
        .filter_map(|period| datapoint(period, &statistics))
        .collect();
    Ok(MetricStatisticsAnswer { label: metric.name, datapoints })
}

/// The statistics that are asked for, with their names.
fn statistics<'a>(call: &'a GetMetricStatistics) -> Result<Vec<(&'a str, Statistic)>, Error> {
    let plain = call.statistics.as_deref().unwrap_or_default();
    let extended = call.extended_statistics.as_deref().unwrap_or_default();
    let (parameter, names, is_extended) = match (plain.is_empty(), extended.is_empty()) {
        (true, true) => {
            return Err(Error::combination("Must specify either Statistics or ExtendedStatistics"));
        }
        (false, false) => {
            return Err(Error::combination(Error::exclusive("Statistics", "ExtendedStatistics")));
        }
        (false, true) => ("Statistics", plain, false),
        (true, false) => ("ExtendedStatistics", extended, true),
    };
    if is_extended && names.len() > EXTENDED_MAX {
        let message = format!("The collection {parameter} must not have a size greater than {EXTENDED_MAX}.");
        return Err(Error::value(message));
    }
    let read = |(index, name): (usize, &'a String)| {
        let statistic = Statistic::parse(name).filter(|statistic| statistic.needs_values() == is_extended);
        statistic.map(|statistic| (name.as_str(), statistic)).ok_or_else(|| {
            Error::value(format!(
                "The value {name} for parameter {parameter}.member.{} is invalid.",
                index + 1
            ))
        })
    };
    names.iter().enumerate().map(read).collect()
}

/// A period's datapoint; `None` if it has none of the statistics.
fn datapoint(period: &Period, statistics: &[(&str, Statistic)]) -> Option<Datapoint> {
    let timestamp = Some(Timestamp(period.start));
    let mut datapoint = Datapoint { timestamp, unit: Some(period.unit), ..Datapoint::default() };
    let mut any = false;
    for &(name, statistic) in statistics {
        let Some(value) = statistic.of(&period.samples) else { continue };
        any = true;
        match statistic {
            Statistic::SampleCount => datapoint.sample_count = Some(value),
            Statistic::Average => datapoint.average = Some(value),
            Statistic::Sum => datapoint.sum = Some(value),
            Statistic::Minimum => datapoint.minimum = Some(value),
            Statistic::Maximum => datapoint.maximum = Some(value),
            Statistic::Extended(_) => {
                datapoint.extended_statistics.insert(name.into(), value);
            }
        }
    }
    any.then_some(datapoint)
}
