//! What CloudWatch has to say of a stack, as points on the run's clock.
//!
//! Goals: the metrics of a run under AWS's own names, at one minute; asking again is harmless, for points come late.
//! Non-goals: metric math, custom metrics, EC2 capacity.

use crate::aws::meter::{DURATION_SUM, LOG_BYTES};
use anyhow::{Context, Result, bail};
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StatusCode,
};
use model::journal::Point;
use model::series::metric;
use model::time::{MINUTE, Nanos, SECOND};
use std::collections::BTreeMap;

/// Whose metrics to ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// QueueName.
    pub queue: Option<String>,
    /// FunctionName.
    pub function: Option<String>,
    /// ClusterName and ServiceName.
    pub service: Option<(String, String)>,
    /// LogGroupName.
    pub log_group: Option<String>,
}

/// Most queries of one GetMetricData. Source: CloudWatch API reference.
const MOST_QUERIES: usize = 500;

/// The period of AWS's own metrics.
const PERIOD: Nanos = MINUTE;

/// Metric, statistic, unit of the series.
type Wanted = (&'static str, &'static str, &'static str);

const SQS: [Wanted; 7] = [
    (metric::SENT, "Sum", "Count"),
    (metric::RECEIVED, "Sum", "Count"),
    (metric::DELETED, "Sum", "Count"),
    (metric::EMPTY_RECEIVES, "Sum", "Count"),
    (metric::VISIBLE, "Maximum", "Count"),
    (metric::NOT_VISIBLE, "Maximum", "Count"),
    (metric::OLDEST_AGE, "Maximum", "Seconds"),
];

const LAMBDA: [Wanted; 6] = [
    (metric::INVOCATIONS, "Sum", "Count"),
    (metric::ERRORS, "Sum", "Count"),
    (metric::THROTTLES, "Sum", "Count"),
    (metric::CONCURRENCY, "Maximum", "Count"),
    (metric::DURATION, "Average", "Milliseconds"),
    (DURATION_SUM, "Sum", "Milliseconds"),
];

const LOGS: [Wanted; 1] = [(LOG_BYTES, "Sum", "Bytes")];

const ECS: [Wanted; 1] = [(metric::CPU, "Average", "Percent")];

/// There only where Container Insights is on.
const CONTAINER_INSIGHTS: [Wanted; 3] = [
    (metric::RUNNING_TASKS, "Maximum", "Count"),
    (metric::PENDING_TASKS, "Maximum", "Count"),
    (metric::DESIRED_TASKS, "Maximum", "Count"),
];

/// A query, and the stack that wants it.
struct Query {
    stack: usize,
    wanted: Wanted,
    stat: MetricStat,
}

/// The points of every stack (by position in `sources`) from the start of the run, at `started_ns` UTC, until
/// `until_ns`, and how many metrics were asked for. A minute that began before the run is put at its start.
///
/// # Errors
/// When CloudWatch refuses, or has an internal error.
pub async fn fetch(
    client: &Client,
    sources: &[Source],
    started_ns: u64,
    until_ns: u64,
) -> Result<(Vec<(usize, Point)>, u64)> {
    let mut points = Vec::new();
    let queries = queries(sources)?;
    for chunk in queries.chunks(MOST_QUERIES) {
        ask(client, chunk, started_ns, until_ns, &mut points).await?;
    }
    Ok((points, queries.len() as u64))
}

fn queries(sources: &[Source]) -> Result<Vec<Query>> {
    let mut queries = Vec::new();
    for (stack, source) in sources.iter().enumerate() {
        let mut add = |namespace: &str, all: &[Wanted], dimensions: &[(&str, &str)]| -> Result<()> {
            for &wanted in all {
                queries.push(Query { stack, wanted, stat: stat(namespace, wanted, dimensions)? });
            }
            Ok(())
        };
        if let Some(queue) = &source.queue {
            add("AWS/SQS", &SQS, &[("QueueName", queue)])?;
        }
        if let Some(function) = &source.function {
            add("AWS/Lambda", &LAMBDA, &[("FunctionName", function)])?;
        }
        if let Some(group) = &source.log_group {
            add("AWS/Logs", &LOGS, &[("LogGroupName", group)])?;
        }
        if let Some((cluster, service)) = &source.service {
            let dimensions = [("ClusterName", cluster.as_str()), ("ServiceName", service.as_str())];
            add("AWS/ECS", &ECS, &dimensions)?;
            add("ECS/ContainerInsights", &CONTAINER_INSIGHTS, &dimensions)?;
        }
    }
    Ok(queries)
}

fn stat(namespace: &str, (name, statistic, _): Wanted, dimensions: &[(&str, &str)]) -> Result<MetricStat> {
    let dimensions =
        dimensions.iter().map(|(name, value)| Dimension::builder().name(*name).value(*value).build());
    let metric = Metric::builder()
        .namespace(namespace)
        .metric_name(name.trim_end_matches("Sum"))
        .set_dimensions(Some(dimensions.collect()))
        .build();
    let period = i32::try_from(PERIOD / SECOND)?;
    Ok(MetricStat::builder().metric(metric).period(period).stat(statistic).build())
}

async fn ask(
    client: &Client,
    queries: &[Query],
    started_ns: u64,
    until_ns: u64,
    points: &mut Vec<(usize, Point)>,
) -> Result<()> {
    // CloudWatch's periods begin with the minute, wherever the run began.
    let from = started_ns / PERIOD * PERIOD;
    let until = until_ns.div_ceil(PERIOD).saturating_mul(PERIOD);
    let instant = |ns: u64| DateTime::from_secs((ns / SECOND) as i64);
    let wanted = queries.iter().enumerate().map(|(index, query)| {
        MetricDataQuery::builder().id(format!("m{index}")).metric_stat(query.stat.clone()).build()
    });
    let mut pages = client
        .get_metric_data()
        .start_time(instant(from))
        .end_time(instant(until))
        .scan_by(ScanBy::TimestampAscending)
        .set_metric_data_queries(Some(wanted.collect()))
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        let page = page
            .map_err(|error| crate::aws::message("cloudwatch:GetMetricData", &error))
            .context("asking CloudWatch for metrics; is GetMetricData allowed, and the endpoint right?")?;
        for result in page.metric_data_results() {
            let number = result.id().and_then(|id| id.strip_prefix('m')?.parse::<usize>().ok());
            let query = number.and_then(|number| queries.get(number));
            let query =
                query.with_context(|| format!("CloudWatch answers {:?}, which nobody asked", result.id()))?;
            read(query, result, started_ns, points)?;
        }
    }
    Ok(())
}

fn read(
    query: &Query,
    result: &MetricDataResult,
    started_ns: u64,
    points: &mut Vec<(usize, Point)>,
) -> Result<()> {
    let (metric, statistic, unit) = query.wanted;
    if let Some(code @ (StatusCode::InternalError | StatusCode::Forbidden)) = result.status_code() {
        let said: Vec<&str> = result.messages().iter().filter_map(|message| message.value()).collect();
        bail!("CloudWatch gives no {metric}: {} {}", code.as_str(), said.join("; "));
    }
    for (at, &value) in result.timestamps().iter().zip(result.values()) {
        let at_ns = u64::try_from(at.as_nanos()).unwrap_or(0);
        let point = Point {
            t: at_ns.saturating_sub(started_ns),
            period: PERIOD,
            metric: metric.into(),
            unit: unit.into(),
            statistic: statistic.into(),
            value,
        };
        points.push((query.stack, point));
    }
    Ok(())
}

/// The points that are new, or have another value now.
pub(crate) fn fresh(
    known: &mut BTreeMap<(usize, String, Nanos), f64>,
    mut points: Vec<(usize, Point)>,
) -> Vec<(usize, Point)> {
    points.retain(|(number, point)| {
        known.insert((*number, point.metric.clone(), point.t), point.value) != Some(point.value)
    });
    points
}

/// The sum of every metric, by stack.
pub(crate) fn sums(
    known: &BTreeMap<(usize, String, Nanos), f64>,
    stacks: usize,
) -> Vec<BTreeMap<String, f64>> {
    let mut sums = vec![BTreeMap::new(); stacks];
    for ((number, metric, _), value) in known {
        *sums[*number].entry(metric.clone()).or_insert(0.0) += value;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_taken_once_and_again_when_it_changed() {
        let point = |t, value| {
            let text = String::new;
            (0, Point { t, period: 60, metric: text(), unit: text(), statistic: text(), value })
        };
        let mut known = BTreeMap::new();
        assert_eq!(fresh(&mut known, vec![point(0, 1.0)]).len(), 1);
        // The last minute was not complete, and a later one has come.
        let second = fresh(&mut known, vec![point(0, 1.0), point(60, 2.0)]);
        assert_eq!(second, [point(60, 2.0)]);
        assert_eq!(fresh(&mut known, vec![point(0, 1.0), point(60, 3.0)]), [point(60, 3.0)]);
    }
}
