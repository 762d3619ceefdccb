//! PutMetricData.
//!
//! Goals: all of a call is stored, or nothing of it.
//! Non-goals: entities (their metrics are stored), high resolution (kept by the minute), the delay of data that is
//! hours late.

use super::check;
use super::distribution::Distribution;
use super::errors::Error;
use super::store::{Datum, MetricId, MetricStore, UtcNanos};
use super::unit::Unit;
use super::wire::{MetricDatum, Number, PutMetricData, StatisticSet};
use model::time::{DAY, HOUR};

/// Metrics of one call.
const METRICS_MAX: usize = 1000;

/// Distinct values of one datum.
const VALUES_MAX: usize = 150;

/// Values lie between this and its negative: 2 to the power of 360.
const VALUE_MAX: f64 = f64::from_bits((1023 + 360) << 52);

/// Stores what a call brings.
pub(super) fn put_metric_data(store: &MetricStore, now: UtcNanos, call: &PutMetricData) -> Result<(), Error> {
    let namespace = check::namespace("Namespace", call.namespace.as_ref())?;
    if call.metric_data.is_none() && call.entity_metric_data.is_none() {
        return Err(Error::missing("MetricData"));
    }
    let mut data = Vec::new();
    for (index, datum) in call.metric_data.iter().flatten().enumerate() {
        data.push((format!("MetricData.member.{}", index + 1), datum));
    }
    for (index, entity) in call.entity_metric_data.iter().flatten().enumerate() {
        for (inner, datum) in entity.metric_data.iter().flatten().enumerate() {
            let at = format!("EntityMetricData.member.{}.MetricData.member.{}", index + 1, inner + 1);
            data.push((at, datum));
        }
    }
    if data.is_empty() {
        return Err(Error::missing("MetricData"));
    }
    if data.len() > METRICS_MAX {
        let message = format!("The collection MetricData must not have a size greater than {METRICS_MAX}.");
        return Err(Error::value(message));
    }
    let checked: Result<_, _> = data.iter().map(|(at, datum)| read(namespace, at, datum, now)).collect();
    store.put(now, checked?).map_err(Error::full)
}

fn read(namespace: &str, at: &str, datum: &MetricDatum, now: UtcNanos) -> Result<Datum, Error> {
    let name = check::text(format_args!("{at}.MetricName"), datum.metric_name.as_ref(), 255)?;
    let dimensions = check::dimensions(format_args!("{at}.Dimensions"), datum.dimensions.as_ref())?;
    let unit = check::unit(format_args!("{at}.Unit"), datum.unit.as_ref())?.unwrap_or(Unit::None);
    if !matches!(datum.storage_resolution, None | Some(1 | 60)) {
        return Err(Error::value(format!("The parameter {at}.StorageResolution must be 1 or 60.")));
    }
    let measured_at = datum.timestamp.map_or(now, |timestamp| timestamp.0);
    if measured_at > now.saturating_add(2 * HOUR) || measured_at < now.saturating_sub(14 * DAY) {
        return Err(Error::value(format!(
            "The parameter {at}.Timestamp must specify a time within the past two weeks and no more than two hours in \
             the future."
        )));
    }
    let samples = samples(at, datum)?;
    Ok(Datum {
        id: MetricId::new(namespace, name, dimensions),
        unit,
        at: measured_at,
        visible_at: 0,
        samples,
    })
}

fn samples(at: &str, datum: &MetricDatum) -> Result<Distribution, Error> {
    let MetricDatum { value, values, counts, statistic_values, .. } = datum;
    let values = values.as_deref().filter(|values| !values.is_empty());
    let both = |other: &str| Error::exclusive(format_args!("{at}.Value"), format_args!("{at}.{other}"));
    match (value, values, statistic_values) {
        (Some(_), Some(_), _) => Err(Error::combination(both("Values"))),
        (Some(_), None, Some(_)) => Err(Error::combination(both("StatisticValues"))),
        (Some(value), None, None) => Ok(Distribution::single(finite(&format!("{at}.Value"), *value)?)),
        // CloudWatch takes both; the values say more.
        (None, Some(values), _) => counted(at, values, counts.as_deref().filter(|counts| !counts.is_empty())),
        (None, None, Some(set)) => summarized(&format!("{at}.StatisticValues"), set),
        (None, None, None) => Err(Error::missing_one_of(format_args!("{at}.Value or {at}.StatisticValues"))),
    }
}

fn counted(at: &str, values: &[Number], counts: Option<&[Number]>) -> Result<Distribution, Error> {
    if values.len() > VALUES_MAX {
        let message = format!("The collection {at}.Values must not have a size greater than {VALUES_MAX}.");
        return Err(Error::value(message));
    }
    if counts.is_some_and(|counts| counts.len() != values.len()) {
        return Err(Error::value(format!(
            "The parameters {at}.Values and {at}.Counts must be of the same size."
        )));
    }
    let mut pairs = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let number = index + 1;
        let value = finite(&format!("{at}.Values.member.{number}"), *value)?;
        let count = counts.map_or(Number(1.0), |counts| counts[index]);
        pairs.push((value, not_negative(&format!("{at}.Counts.member.{number}"), count)?));
    }
    Ok(Distribution::of(&pairs))
}

fn summarized(at: &str, set: &StatisticSet) -> Result<Distribution, Error> {
    let given = |name: &str, number: Option<Number>| {
        let parameter = format!("{at}.{name}");
        number.ok_or_else(|| Error::missing(&parameter)).map(|number| (parameter, number))
    };
    let (parameter, count) = given("SampleCount", set.sample_count)?;
    let count = not_negative(&parameter, count)?;
    if count == 0.0 {
        return Err(Error::value(format!("The parameter {parameter} must be greater than 0.")));
    }
    let read = |name, number| given(name, number).and_then(|(parameter, number)| finite(&parameter, number));
    let sum = read("Sum", set.sum)?;
    let minimum = read("Minimum", set.minimum)?;
    let maximum = read("Maximum", set.maximum)?;
    if minimum > maximum {
        return Err(Error::value(format!("The parameter {at}.Maximum must not be less than {at}.Minimum.")));
    }
    Ok(Distribution::summarized(count, sum, minimum, maximum))
}

fn finite(parameter: &str, Number(value): Number) -> Result<f64, Error> {
    // Not a number is not within, either.
    if value.abs() <= VALUE_MAX {
        return Ok(value);
    }
    if !value.is_finite() {
        return Err(Error::value(format!("The value {value} for parameter {parameter} is invalid.")));
    }
    Err(Error::value(format!(
        "The value {value} for parameter {parameter} is invalid: values are numbers from -2^360 to 2^360."
    )))
}

fn not_negative(parameter: &str, number: Number) -> Result<f64, Error> {
    let value = finite(parameter, number)?;
    if value < 0.0 {
        return Err(Error::value(format!(
            "The value {value} for parameter {parameter} is invalid: it is negative."
        )));
    }
    Ok(value)
}
