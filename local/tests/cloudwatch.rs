//! aws-sdk-cloudwatch (Smithy RPC v2 CBOR, gzip) over HTTP against the endpoint.

#![allow(clippy::unwrap_used)]

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cloudwatch::error::ProvideErrorMetadata;
use aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataError;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, Metric, MetricDataQuery, MetricDatum, MetricStat, RecentlyActive, ScanBy, StandardUnit,
    StatisticSet, StatusCode,
};
use local::cloudwatch::Metrics;
use local::cloudwatch::store::MetricStore;
use local::queues::Queues;
use local::server::{CloudWatch, Endpoint, Protocol, Reply, Request};
use model::scenario::Parameters;
use model::time::{Origin, SECOND};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

/// 2025-11-20 12:00 UTC, and it stays that.
const NOON: u64 = 1_763_640_000;

/// How a call came: operation, protocol, compressed.
type Call = (String, Protocol, bool);

/// Metrics that remember how they were called.
struct Witness {
    metrics: Metrics,
    calls: Mutex<Vec<Call>>,
}

impl CloudWatch for Witness {
    fn answer(&self, request: Request) -> Reply {
        let call = (request.operation.clone(), request.protocol, request.gzipped);
        self.calls.lock().unwrap().push(call);
        self.metrics.answer(request)
    }
}

struct Fixture {
    client: Client,
    witness: Arc<Witness>,
    _endpoint: Endpoint,
}

fn start() -> Fixture {
    let utc = UNIX_EPOCH + Duration::from_secs(NOON);
    let origin = Origin { instant: tokio::time::Instant::now().into_std(), utc };
    let queues = Arc::new(Queues::new(origin, "eu-west-1", Parameters::default()));
    let metrics = Metrics::new(Arc::new(MetricStore::default()), || NOON * SECOND);
    let witness = Arc::new(Witness { metrics, calls: Mutex::default() });
    let loopback = ([127, 0, 0, 1], 0).into();
    let endpoint = Endpoint::start(loopback, queues, Arc::clone(&witness) as _, 1).unwrap();
    let config = aws_sdk_cloudwatch::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("none", "none", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint.url())
        .build();
    Fixture { client: Client::from_conf(config), witness, _endpoint: endpoint }
}

fn minute(n: u64) -> DateTime {
    DateTime::from_secs((NOON + 60 * n) as i64)
}

fn dimension(n: u64) -> Dimension {
    Dimension::builder().name("QueueName").value(format!("queue-{n}")).build()
}

fn query(n: u64, stat: &str) -> MetricDataQuery {
    let metric = Metric::builder().namespace("Wire").metric_name("Backlog").dimensions(dimension(n)).build();
    let stat = MetricStat::builder().metric(metric).period(60).stat(stat).unit(StandardUnit::Count).build();
    MetricDataQuery::builder().id(format!("q{n}")).metric_stat(stat).build()
}

const METRICS: u64 = 200;
const MINUTES: u64 = 3;

/// What metric `n` has in that minute: halves, so that not all of them are whole.
fn value(n: u64, minute: u64) -> f64 {
    n as f64 * 10.5 + minute as f64
}

async fn put_all(client: &Client) {
    for at in 0..MINUTES {
        let datum = |n| {
            let datum =
                MetricDatum::builder().metric_name("Backlog").dimensions(dimension(n)).timestamp(minute(at));
            datum.value(value(n, at)).unit(StandardUnit::Count).build()
        };
        let data = (0..METRICS).map(datum).collect();
        client.put_metric_data().namespace("Wire").set_metric_data(Some(data)).send().await.unwrap();
    }
}

#[tokio::test]
async fn metrics_that_the_sdk_puts_are_read_back_in_pages() {
    let fixture = start();
    put_all(&fixture.client).await;
    // Above 10 KiB the SDK compresses.
    let put: Call = ("PutMetricData".into(), Protocol::Cbor, true);
    assert_eq!(*fixture.witness.calls.lock().unwrap(), vec![put; MINUTES as usize]);

    let mut pages = fixture
        .client
        .get_metric_data()
        .set_metric_data_queries(Some((0..METRICS).map(|n| query(n, "Average")).collect()))
        .start_time(minute(0))
        .end_time(minute(10))
        .scan_by(ScanBy::TimestampAscending)
        .max_datapoints(77)
        .into_paginator()
        .send();
    let mut read: BTreeMap<String, Vec<(DateTime, f64)>> = BTreeMap::new();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        let mut size = 0;
        for result in page.metric_data_results() {
            let points = result.timestamps().iter().copied().zip(result.values().iter().copied());
            read.entry(result.id().unwrap().into()).or_default().extend(points);
            size += result.values().len();
            assert!(matches!(result.status_code(), Some(StatusCode::Complete | StatusCode::PartialData)));
        }
        sizes.push(size);
    }
    let all = (METRICS * MINUTES) as usize;
    assert_eq!((sizes.iter().sum::<usize>(), sizes.len()), (all, all.div_ceil(77)));
    assert!(sizes[..sizes.len() - 1].iter().all(|&size| size == 77), "{sizes:?}");
    for n in 0..METRICS {
        let expected: Vec<_> = (0..MINUTES).map(|at| (minute(at), value(n, at))).collect();
        assert_eq!(read[&format!("q{n}")], expected, "metric {n}");
    }

    let listed = fixture.client.list_metrics().namespace("Wire").recently_active(RecentlyActive::Pt3H);
    let listed = listed.send().await.unwrap();
    assert_eq!(listed.metrics().len(), METRICS as usize);
    assert_eq!(listed.metrics()[0].dimensions(), [dimension(0)]);
    let calls = fixture.witness.calls.lock().unwrap();
    assert!(calls.iter().all(|(_, protocol, _)| *protocol == Protocol::Cbor));
}

#[tokio::test]
async fn percentiles_and_statistics_come_over_cbor() {
    let fixture = start();
    let datum = MetricDatum::builder().metric_name("Duration").unit(StandardUnit::Milliseconds);
    let datum =
        datum.set_values(Some((1..=100).map(f64::from).collect())).set_counts(Some(vec![2.0; 100])).build();
    fixture.client.put_metric_data().namespace("Wire").metric_data(datum).send().await.unwrap();
    let statistics = || {
        let call = fixture.client.get_metric_statistics().namespace("Wire").metric_name("Duration");
        call.start_time(minute(0)).end_time(minute(1)).period(60)
    };
    let extended = statistics().extended_statistics("p99").extended_statistics("tm90").send().await.unwrap();
    let [point] = extended.datapoints() else { panic!("{extended:?}") };
    let values = point.extended_statistics().unwrap();
    assert_eq!((values["p99"], values["tm90"], point.timestamp()), (99.0, 45.5, Some(&minute(0))));
    let plain = statistics().statistics("Sum".into()).statistics("SampleCount".into()).send().await.unwrap();
    let [point] = plain.datapoints() else { panic!("{plain:?}") };
    assert_eq!((point.sum(), point.sample_count(), point.average()), (Some(10_100.0), Some(200.0), None));
    assert_eq!(point.unit(), Some(&StandardUnit::Milliseconds));
}

#[tokio::test]
async fn errors_have_their_types_in_the_sdk() {
    let fixture = start();
    let set = StatisticSet::builder().sample_count(1.0).sum(1.0).minimum(1.0).maximum(1.0).build();
    let datum = MetricDatum::builder().metric_name("m").value(1.0).statistic_values(set).build();
    let refused = fixture.client.put_metric_data().namespace("Wire").metric_data(datum).send().await;
    let error = refused.unwrap_err().into_service_error();
    assert!(error.is_invalid_parameter_combination_exception(), "{error:?}");
    assert_eq!(error.code(), Some("InvalidParameterCombination"));
    assert!(error.message().unwrap().contains("mutually exclusive"));

    let get = || {
        let call = fixture.client.get_metric_data().metric_data_queries(query(1, "Sum"));
        call.start_time(minute(0)).end_time(minute(1))
    };
    let error = get().next_token("bogus").send().await.unwrap_err().into_service_error();
    assert!(matches!(error, GetMetricDataError::InvalidNextToken(_)), "{error:?}");
    let error = get().max_datapoints(0).send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("ValidationError"));
    let unknown = fixture.client.describe_alarms().send().await.unwrap_err();
    assert_eq!(unknown.code(), Some("UnknownOperation"));
}
