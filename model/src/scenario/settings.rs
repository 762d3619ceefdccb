//! `[parameters]`: beliefs about AWS, overridden.

use super::kinds::{Number, Span, Whole};
use super::table::Table;
use super::units::{show_count, show_duration};
use super::{Parameters, Setting};
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
        check(t, &parameters);
    }
    Some(parameters)
}

/// Spans that would make a poller spin in one instant have a least.
fn shortest(key: &str) -> Nanos {
    match key {
        "sqs-receive-median" | "sqs-receive-p99" => 100 * MICROSECOND,
        "esm-wait-time" | "hpa-sync-period" | "ca-scan-interval" => SECOND,
        "esm-throttle-retry-first" | "esm-throttle-retry-most" | "esm-call-retry" => MILLISECOND,
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
        "ecs-pull-mb-per-second" | "s3-mb-per-second" => (0.1, 100_000.0),
        "ecs-pull-spread" => (0.0, 3.0),
        "spot-interruptions-per-hour" => (0.0, 3_600.0),
        _ => (0.0, 1.0),
    }
}

/// Pairs of parameters of which the first must not be above the second.
const ORDERED: [(&str, &str); 21] = [
    ("sqs-receive-median", "sqs-receive-p99"),
    ("sqs-delete-median", "sqs-delete-p99"),
    ("sqs-send-median", "sqs-send-p99"),
    ("s3-latency-min", "s3-latency-max"),
    ("sqs-short-poll-shards", "sqs-shards"),
    ("esm-idle", "esm-start"),
    ("esm-start", "esm-maximum"),
    ("esm-delivery-p10", "esm-delivery-p50"),
    ("esm-delivery-p50", "esm-delivery-p90"),
    ("esm-delivery-p90", "esm-delivery-p99"),
    ("esm-throttle-retry-first", "esm-throttle-retry-most"),
    ("lambda-start-overhead-min", "lambda-start-overhead-max"),
    ("lambda-idle-min", "lambda-idle-max"),
    ("lambda-age-min", "lambda-age-max"),
    ("ecs-provisioning-min", "ecs-provisioning-max"),
    ("ecs-start-min", "ecs-start-max"),
    ("ec2-boot-min", "ec2-boot-max"),
    ("ec2-pending-min", "ec2-pending-max"),
    ("eks-node-ready-min", "eks-node-ready-max"),
    ("ca-group-delay-min", "ca-group-delay-max"),
    ("karpenter-batch-idle", "karpenter-batch-max"),
];

/// Contradictions between parameters.
fn check(t: &Table<'_>, parameters: &Parameters) {
    let beliefs = parameters.beliefs();
    let value = |key: &str| beliefs.iter().find(|belief| belief.key == key).map(|belief| belief.value);
    for (low, high) in ORDERED {
        let (above, is, most) = match (value(low), value(high)) {
            (Some(Setting::Nanos(a)), Some(Setting::Nanos(b))) => (a > b, show_duration(a), show_duration(b)),
            (Some(Setting::Count(a)), Some(Setting::Count(b))) => {
                (a > b, show_count(a.into()), show_count(b.into()))
            }
            (Some(Setting::Number(a)), Some(Setting::Number(b))) => (a > b, a.to_string(), b.to_string()),
            _ => continue,
        };
        if above && t.has(low) {
            t.problem(low, format!("{is} is above {high}, {most}; lower this or raise that"));
        } else if above {
            t.problem(high, format!("{most} is below {low}, {is}; raise this or lower that"));
        }
    }
}
