//! `[parameters]`: beliefs about AWS, overridden.

use super::kinds::{Number, Span, Whole};
use super::table::Table;
use super::{Parameters, Setting, check};
use crate::time::{DAY, MICROSECOND, MILLISECOND, MINUTE, Nanos, SECOND};

/// The keys of `[parameters]`.
pub(super) fn parameters(t: &mut Table<'_>) -> Option<Parameters> {
    let mut parameters = Parameters::default();
    for belief in Parameters::default().beliefs() {
        let key = belief.key.as_str();
        let doc = format!("{} Source: {}", belief.meaning, belief.source);
        let setting = match belief.default {
            Setting::Nanos(default) => {
                Setting::Nanos(t.get(key, &doc, &Span::within(shortest(key), 14 * DAY), default))
            }
            Setting::Count(default) => {
                let (least, most) = counts(key);
                let default = i64::try_from(default).unwrap_or(i64::MAX);
                let count = t.get(key, &doc, &Whole(least, most), default);
                Setting::Count(u64::try_from(count).unwrap_or_default())
            }
            Setting::Number(default) => {
                let (least, most) = numbers(key);
                Setting::Number(t.get(key, &doc, &Number(least, most), default))
            }
        };
        let _known = parameters.set(key, setting);
    }
    if t.clean() {
        check::parameters(t, &parameters);
    }
    Some(parameters)
}

/// Spans that would make a poller spin in one instant have a least.
fn shortest(key: &str) -> Nanos {
    match key {
        "sqs-receive-median" | "sqs-receive-p99" => 100 * MICROSECOND,
        "esm-wait-time" => SECOND,
        "esm-throttle-retry-first" | "esm-throttle-retry-most" => MILLISECOND,
        "lambda-age-min" | "lambda-age-max" => MINUTE,
        _ => 0,
    }
}

fn counts(key: &str) -> (i64, u64) {
    match key {
        "sqs-shards" | "sqs-short-poll-shards" => (1, 64),
        _ => (1, 10_000_000),
    }
}

fn numbers(key: &str) -> (f64, f64) {
    match key {
        "ecs-pull-mb-per-second" => (0.1, 100_000.0),
        "ecs-pull-spread" => (0.0, 3.0),
        "spot-interruptions-per-hour" => (0.0, 3_600.0),
        _ => (0.0, 1.0),
    }
}
