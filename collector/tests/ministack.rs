//! The collecting half against a server that others wrote: MiniStack 1.5.33 from PyPI, with cbor2.
//!
//!     BIND_HOST=127.0.0.1 GATEWAY_PORT=4570 MINISTACK_HOST=127.0.0.1 ministack &
//!     VERSUS_MINISTACK_URL=http://127.0.0.1:4570 cargo test -p versus-collector --test ministack -- --ignored

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit, StatisticSet};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_sqs::types::MessageSystemAttributeName;
use aws_smithy_http_client::Builder;
use collector::{Deployed, Options, Provenance, begin, collect, manifest};
use model::journal::{Entry, MessageId, Record, Sent};
use model::plan::Plan;
use model::record::read_csv;
use model::scenario::parse;
use model::series::metric;
use model::time::{MILLISECOND, MINUTE, Nanos, Origin, SECOND};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SCENARIO: &str = r#"
title = "MiniStack"
analysis = "For tests."
drain-max = "1m"
[[phases]]
name = "steady"
arrivals = "even"
duration = "1s"
rate = 40
[stacks.ecs]
platform = "ecs"
[stacks.lambda]
platform = "lambda"
"#;

fn config(url: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "test", "test", None, None, "test",
        )))
        .http_client(Builder::new().build_http())
        .build()
}

#[allow(clippy::disallowed_methods)]
fn origin() -> Origin {
    // Two minutes ago, so that whole minutes of metrics lie within the run.
    let ago = Duration::from_secs(120);
    Origin { instant: Instant::now() - ago, utc: SystemTime::now() - ago }
}

#[allow(clippy::disallowed_methods)]
fn now(origin: &Origin) -> Nanos {
    origin.since(Instant::now())
}

#[allow(clippy::disallowed_methods)]
fn utc_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// Sends the plan to a queue, and says so.
async fn send(sqs: &aws_sdk_sqs::Client, url: &str, origin: &Origin) -> Vec<Sent> {
    let mut sends = Vec::new();
    for arrival in Plan::new(&scenario()) {
        let body = arrival.body(1, "ABC");
        let issued_at = now(origin);
        let answer = sqs.send_message().queue_url(url).message_body(body).send().await.unwrap();
        sends.push(Sent {
            seq: arrival.seq,
            // The plan's instants are two minutes old: the check of the generator is not what is tested.
            scheduled_at: issued_at,
            issued_at,
            answered_at: now(origin),
            attempts: 1,
            message: answer.message_id().map(MessageId::new),
            error: None,
        });
    }
    sends
}

/// A worker: receives, prints a record, deletes, until there is nothing.
async fn work(sqs: &aws_sdk_sqs::Client, url: &str, output: &mut File) {
    loop {
        let received = sqs
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .unwrap();
        if received.messages().is_empty() {
            return;
        }
        for message in received.messages() {
            let number = |name| message.attributes()?.get(&name)?.parse::<u64>().ok();
            let record = Record {
                sent_ms: number(MessageSystemAttributeName::SentTimestamp),
                first_received_ms: number(MessageSystemAttributeName::ApproximateFirstReceiveTimestamp),
                receive_count: number(MessageSystemAttributeName::ApproximateReceiveCount).unwrap() as u32,
                started_ns: Some(utc_ns()),
                waited_ns: Some(1),
                work_ns: Some(MILLISECOND),
                ..Record::new(MessageId::new(message.message_id().unwrap()))
            };
            writeln!(output, "log line\n{}", serde_json::to_string(&record).unwrap()).unwrap();
            sqs.delete_message()
                .queue_url(url)
                .receipt_handle(message.receipt_handle().unwrap())
                .send()
                .await
                .unwrap();
        }
    }
}

fn scenario() -> model::scenario::Scenario {
    parse("test.toml", SCENARIO, &[], None, &mut |_| unreachable!("no traces")).unwrap()
}

async fn put(cloudwatch: &aws_sdk_cloudwatch::Client, queue: &str, name: &str, at_s: u64, value: f64) {
    let datum = MetricDatum::builder()
        .metric_name(name)
        .dimensions(Dimension::builder().name("QueueName").value(queue).build())
        .timestamp(DateTime::from_secs(at_s as i64))
        .unit(StandardUnit::Count)
        .statistic_values(
            StatisticSet::builder().sample_count(1.0).sum(value).minimum(value).maximum(value).build(),
        )
        .build();
    cloudwatch.put_metric_data().namespace("AWS/SQS").metric_data(datum).send().await.unwrap();
}

async fn play(folder: &Path, config: &SdkConfig, origin: &Origin) -> Vec<Deployed> {
    let text = |text: &str| text.to_owned();
    let provenance = Provenance { target: text("aws"), text: text(SCENARIO), ..Provenance::default() };
    let mut collector = begin(folder, &manifest(&scenario(), &provenance), origin).unwrap();
    let sqs = aws_sdk_sqs::Client::new(config);
    let cloudwatch = aws_sdk_cloudwatch::Client::new(config);
    let mut stacks = Vec::new();
    for (number, name) in ["ecs", "lambda"].into_iter().enumerate() {
        let queue = format!("versus-{name}-{}", utc_ns());
        let url = sqs.create_queue().queue_name(&queue).send().await.unwrap().queue_url.unwrap();
        for sent in send(&sqs, &url, origin).await {
            collector.take(number, Entry::Sent(sent)).unwrap();
        }
        let path = folder.join(format!("{name}.log"));
        work(&sqs, &url, &mut File::create(&path).unwrap()).await;
        let minute = origin.utc_ns(0) / MINUTE * 60;
        for (metric, value) in [(metric::SENT, 40.0), (metric::DELETED, 38.0), (metric::VISIBLE, 7.0)] {
            put(&cloudwatch, &queue, metric, minute + 60, value).await;
        }
        put(&cloudwatch, &queue, metric::SENT, minute, 1.0).await;
        stacks.push(Deployed { queue: Some(url), records: vec![path], ..Deployed::default() });
    }
    collector.leave().unwrap();
    stacks
}

#[test]
#[ignore = "needs a MiniStack: set VERSUS_MINISTACK_URL"]
fn a_run_against_ministack_is_collected() {
    let url = std::env::var("VERSUS_MINISTACK_URL").expect("VERSUS_MINISTACK_URL: where a MiniStack listens");
    let folder = std::env::temp_dir().join(format!("versus-ministack-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (config, origin) = (config(&url), origin());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stacks = runtime.block_on(play(&folder, &config, &origin));
    drop(runtime);
    let options = Options {
        metrics: true,
        sample_every: Duration::from_millis(200),
        consistent_after: Duration::ZERO,
        settle: Duration::from_millis(500),
        quiet: true,
        ..Options::default()
    };
    let run = collect(&folder, &stacks, Some(config), &options, &|| false).unwrap();
    for (stack, entry) in run.stacks.iter().zip(&run.manifest.stacks) {
        assert_eq!((entry.ledger.completed, entry.ledger.planned), (40, 40), "{:?}", run.manifest.checks);
        let of = |name: &str| {
            let mut all = stack.series.iter().filter(|one| one.metric == name && one.period == MINUTE);
            all.next().unwrap_or_else(|| panic!("no {name}")).points.clone()
        };
        let second = (origin.utc_ns(0) / MINUTE + 1) * MINUTE - origin.utc_ns(0);
        assert_eq!(of(metric::SENT), [(0, 1.0), (second, 40.0)]);
        assert_eq!((of(metric::DELETED), of(metric::VISIBLE)), (vec![(second, 38.0)], vec![(second, 7.0)]));
        // And the depth that was sampled.
        assert!(stack.series.iter().any(|one| one.metric == metric::VISIBLE && one.period < SECOND));
        let rows = read_csv(File::open(folder.join(&entry.name).join("messages.csv")).unwrap());
        for row in rows.map(Result::unwrap) {
            assert!(
                row.finished_at > row.started_at && row.sent_at.is_some() && row.received_at.is_some(),
                "{row:?}"
            );
        }
    }
    let negative = run.manifest.checks.iter().find(|check| check.name == "no span is negative").unwrap();
    assert!(negative.passed, "{negative:?}");
    assert!(run.manifest.complete);
    fs::remove_dir_all(&folder).unwrap();
}
