//! Checks that several operations share.

use super::errors::Error;
use super::store::{Dimension, MetricId, UtcNanos};
use super::unit::Unit;
use super::wire::{MaybeDimension, Timestamp};
use model::time::{DAY, HOUR, MINUTE, Nanos, SECOND};
use std::fmt::Display;

/// Dimensions of a metric.
const DIMENSIONS_MAX: usize = 30;

/// The parameter, if it is there and not empty.
pub(super) fn required(parameter: impl Display, value: Option<&String>) -> Result<&str, Error> {
    value.map(String::as_str).filter(|value| !value.is_empty()).ok_or_else(|| Error::missing(parameter))
}

/// A required text of up to `most` characters.
pub(super) fn text(parameter: impl Display, value: Option<&String>, most: usize) -> Result<&str, Error> {
    let value = required(&parameter, value)?;
    if value.len() > most {
        return Err(Error::value(format!(
            "The value for parameter {parameter} has {} characters; the maximum length is {most}.",
            value.len()
        )));
    }
    if value.bytes().any(|byte| byte.is_ascii_control()) || value.trim().is_empty() {
        return Err(Error::value(format!(
            "The value {value:?} for parameter {parameter} is invalid: it is blank or has control characters."
        )));
    }
    Ok(value)
}

/// A namespace.
pub(super) fn namespace(parameter: impl Display, value: Option<&String>) -> Result<&str, Error> {
    let namespace = text(&parameter, value, 255)?;
    if namespace.starts_with(':') {
        return Err(Error::value(format!(
            "The value {namespace} for parameter {parameter} is invalid: it must not start with a colon."
        )));
    }
    Ok(namespace)
}

/// Dimensions below `parameter`, such as `MetricData.member.1.Dimensions`.
pub(super) fn dimensions(
    parameter: impl Display,
    dimensions: Option<&Vec<MaybeDimension>>,
) -> Result<Vec<Dimension>, Error> {
    let given = dimensions.map_or(&[] as &[_], Vec::as_slice);
    if given.len() > DIMENSIONS_MAX {
        let message =
            format!("The collection {parameter} must not have a size greater than {DIMENSIONS_MAX}.");
        return Err(Error::value(message));
    }
    let mut checked: Vec<Dimension> = Vec::with_capacity(given.len());
    for (index, one) in given.iter().enumerate() {
        let at = format!("{parameter}.member.{}", index + 1);
        let name = text(format_args!("{at}.Name"), one.name.as_ref(), 255)?;
        let value = text(format_args!("{at}.Value"), one.value.as_ref(), 1024)?;
        if name.starts_with(':') || !name.is_ascii() || !value.is_ascii() {
            return Err(Error::value(format!(
                "The dimension {at} is invalid: names and values are ASCII, and names do not start with a colon."
            )));
        }
        if checked.iter().any(|other| other.name == name) {
            let message = format!("No Metric may specify the same dimension twice ({name} in {parameter}).");
            return Err(Error::value(message));
        }
        checked.push(Dimension { name: name.into(), value: value.into() });
    }
    Ok(checked)
}

/// A metric's identity; `at` comes before the parameters' names.
pub(super) fn metric(
    at: &str,
    given: (Option<&String>, Option<&String>, Option<&Vec<MaybeDimension>>),
) -> Result<MetricId, Error> {
    let namespace = namespace(format_args!("{at}Namespace"), given.0)?;
    let name = text(format_args!("{at}MetricName"), given.1, 255)?;
    Ok(MetricId::new(namespace, name, dimensions(format_args!("{at}Dimensions"), given.2)?))
}

/// A unit, if one is given.
pub(super) fn unit(parameter: impl Display, value: Option<&String>) -> Result<Option<Unit>, Error> {
    let Some(name) = value else { return Ok(None) };
    let invalid = || Error::value(format!("The value {name} for parameter {parameter} is not a unit."));
    Unit::parse(name).map(Some).ok_or_else(invalid)
}

/// A period in seconds: 1, 5, 10, 20, 30 or a multiple of 60.
pub(super) fn period(parameter: impl Display, value: Option<i64>) -> Result<Nanos, Error> {
    let seconds = value.ok_or_else(|| Error::missing(&parameter))?;
    if !matches!(seconds, 1 | 5 | 10 | 20 | 30) && (seconds < 60 || seconds % 60 != 0) {
        return Err(Error::value(format!(
            "The value {seconds} for parameter {parameter} is invalid: a period is 1, 5, 10, 20, 30 or a multiple of \
             60 seconds."
        )));
    }
    Ok(seconds.unsigned_abs().saturating_mul(SECOND))
}

/// A required instant; requests are compared by whole seconds.
pub(super) fn instant(parameter: &str, value: Option<Timestamp>) -> Result<UtcNanos, Error> {
    let Timestamp(at) = value.ok_or_else(|| Error::missing(parameter))?;
    Ok(at / SECOND * SECOND)
}

/// The start of a request's data, rounded down by its age.
///
/// Source: CloudWatch API reference, GetMetricData, StartTime.
pub(super) fn rounded_start(start: UtcNanos, now: UtcNanos, period: Nanos) -> UtcNanos {
    let step = match now.saturating_sub(start) {
        _ if period < MINUTE => period,
        age if age < 15 * DAY => MINUTE,
        age if age < 63 * DAY => 5 * MINUTE,
        _ => HOUR,
    };
    start / step * step
}
