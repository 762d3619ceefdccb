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
    /// EventSourceMappingUUID of a mapping in provisioned mode.
    pub pollers: Option<String>,
    /// Whether the function has provisioned concurrency.
    pub provisioned: bool,
    /// Whether it shares the account's concurrency with others, which no dimension names.
    pub unreserved: bool,
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

const POLLERS: [Wanted; 1] = [(metric::POLLERS, "Maximum", "Count")];

const PROVISIONED: [Wanted; 1] = [(metric::PROVISIONED_INVOCATIONS, "Sum", "Count")];

const ACCOUNT: [Wanted; 1] = [(metric::UNRESERVED_CONCURRENCY, "Maximum", "Count")];

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
            if source.provisioned {
                add("AWS/Lambda", &PROVISIONED, &[("FunctionName", function)])?;
            }
        }
        if let Some(mapping) = &source.pollers {
            add("AWS/Lambda", &POLLERS, &[("EventSourceMappingUUID", mapping)])?;
        }
        if source.unreserved {
            add("AWS/Lambda", &ACCOUNT, &[])?;
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

/// What a metric came to in the minutes of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Total {
    pub(crate) sum: f64,
    pub(crate) most: f64,
    /// Minutes that have a point.
    pub(crate) minutes: u64,
}

impl Total {
    pub(crate) fn add(&mut self, value: f64) {
        self.sum += value;
        self.most = self.most.max(value);
        self.minutes += 1;
    }

    /// As a whole number, which counts are.
    pub(crate) fn count(&self) -> u64 {
        self.sum.max(0.0).round() as u64
    }
}

/// Metrics by their names.
pub(crate) type Totals = BTreeMap<String, Total>;

/// What every metric came to, by stack.
pub(crate) fn totals(known: &BTreeMap<(usize, String, Nanos), f64>, stacks: usize) -> Vec<Totals> {
    let mut totals = vec![Totals::new(); stacks];
    for ((number, metric, _), value) in known {
        totals[*number].entry(metric.clone()).or_default().add(*value);
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_is_asked_for_only_where_it_is() {
        let asked = |source: Source| {
            let queries = queries(&[source]).unwrap();
            let of = |query: &Query| {
                let metric = query.stat.metric().unwrap();
                let dimension = metric.dimensions().first();
                (
                    query.wanted.0,
                    dimension.map(|one| (one.name().unwrap().to_owned(), one.value().unwrap().to_owned())),
                )
            };
            queries.iter().skip(LAMBDA.len()).map(of).collect::<Vec<_>>()
        };
        let plain = Source { function: Some("f".into()), ..Source::default() };
        assert_eq!(asked(plain.clone()), []);
        let all = Source { pollers: Some("u".into()), provisioned: true, unreserved: true, ..plain };
        let by = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(
            asked(all),
            [
                ("ProvisionedConcurrencyInvocations", by("FunctionName", "f")),
                ("ProvisionedPollers", by("EventSourceMappingUUID", "u")),
                ("UnreservedConcurrentExecutions", None),
            ]
        );
    }

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
