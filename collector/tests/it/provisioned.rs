//! A function whose pollers and environments are provisioned, as Lambda and CloudWatch tell of it; and a stack that is
//! judged by its queue alone.

use crate::cloudwatch::{config, field, page, result, serve};
use crate::foreign::now_ns;
use crate::lab::{Folder, origin, provenance, scenario};
use ciborium::Value;
use collector::{Course, Deployed, Options, Progress, collect};
use model::journal::{Entry, MessageId, Sent};
use model::plan::Plan;
use model::run::Run;
use model::time::{MILLISECOND, Nanos, SECOND};
use model::usage::{Item, Usage};
use std::sync::Mutex;
use std::time::Duration;

const SCENARIO: &str = r#"
title = "Provisioned"
analysis = "For tests."
drain-max = "1m"
[[phases]]
name = "steady"
arrivals = "even"
duration = "1s"
rate = 20
[stacks.lambda]
platform = "lambda"
[stacks.other]
platform = "ecs"
"#;

/// A run whose twenty messages were sent ten seconds ago.
fn sent(name: &str) -> (Folder, u64) {
    let folder = Folder::new(name);
    let started_ns = now_ns() - 10 * SECOND;
    let manifest = collector::manifest(&scenario(SCENARIO), &provenance(SCENARIO));
    let mut seeder = collector::begin(&folder.0, &manifest, &origin(started_ns)).unwrap();
    for arrival in Plan::new(&scenario(SCENARIO)) {
        let sent = Sent {
            seq: arrival.seq,
            scheduled_at: arrival.at,
            issued_at: arrival.at,
            answered_at: arrival.at + MILLISECOND,
            attempts: 1,
            message: Some(MessageId(u128::from(arrival.seq))),
            error: None,
        };
        (0..2).for_each(|stack| seeder.take(stack, Entry::Sent(sent.clone())).unwrap());
    }
    seeder.leave().unwrap();
    (folder, started_ns)
}

fn options(metrics: bool) -> Options {
    Options {
        metrics,
        sample_every: Duration::from_millis(50),
        consistent_after: Duration::from_millis(100),
        settle: Duration::from_millis(200),
        quiet: true,
        ..Options::default()
    }
}

fn attributes(depth: u64) -> Vec<u8> {
    let all = serde_json::json!({"Attributes": {
        "ApproximateNumberOfMessages": depth.to_string(),
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "QueueArn": "arn:aws:sqs:us-east-1:000000000000:jobs",
    }});
    all.to_string().into_bytes()
}

/// Lambda's answer to a path.
fn lambda(path: &str) -> Vec<u8> {
    let answer = if path.contains("/configuration") {
        serde_json::json!({"FunctionName": "worker", "MemorySize": 512, "Timeout": 30})
    } else if path.contains("/provisioned-concurrency") {
        serde_json::json!({"ProvisionedConcurrencyConfigs": [{"AllocatedProvisionedConcurrentExecutions": 3}]})
    } else if path.contains("/account-settings") {
        serde_json::json!({"AccountLimit": {"UnreservedConcurrentExecutions": 900}})
    } else if path.contains("/event-source-mappings") {
        serde_json::json!({"EventSourceMappings": [{"UUID": "u-1", "BatchSize": 10, "State": "Enabled",
            "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:jobs",
            "ProvisionedPollerConfig": {"MinimumPollers": 2}}]})
    } else {
        serde_json::json!({})
    };
    answer.to_string().into_bytes()
}

/// Collects that run where CloudWatch's metrics have these values in its first minute.
fn collected(name: &str, values: &'static [(&str, f64)]) -> Run {
    let (folder, started_ns) = sent(name);
    let minute = started_ns / (60 * SECOND) * 60;
    let url = serve(Box::new(move |name, body| {
        if name.contains("GetMetricData") {
            let request: Value = ciborium::from_reader(body).unwrap();
            let queries = field(&request, "MetricDataQueries").as_array().unwrap();
            let answer = |query: &Value| {
                let metric = field(field(query, "MetricStat"), "Metric");
                let metric = field(metric, "MetricName").as_text().unwrap();
                let known = values.iter().find(|(name, _)| *name == metric);
                let points: Vec<(u64, f64)> = known.map(|(_, value)| (minute, *value)).into_iter().collect();
                result(field(query, "Id").as_text().unwrap(), &points)
            };
            return page(queries.iter().map(answer).collect(), None);
        }
        (200, if name.starts_with("AmazonSQS") { attributes(0) } else { lambda(name) })
    }));
    let stack = Deployed {
        queue: Some(format!("{url}/000000000000/jobs")),
        function: Some("worker".into()),
        ..Deployed::default()
    };
    collect(&folder.0, &[stack, Deployed::default()], Some(config(&url)), &options(true), &|| false).unwrap()
}

fn quantity(run: &Run, item: Item, variant: &str) -> u64 {
    run.stacks[0].usage.quantity(item, variant)
}

fn check<'a>(run: &'a Run, name: &str) -> Option<(bool, &'a str)> {
    let found = run.manifest.checks.iter().find(|check| check.name == name)?;
    // The other stack has no function.
    Some((found.passed, found.detail.split(';').next().unwrap()))
}

const LIMIT: &str = "no account limit throttled a function";
const CAME: &str = "what AWS logged and measured has come";

#[test]
fn what_is_provisioned_is_billed_as_cloudwatch_counted_it() {
    let run = collected(
        "provisioned",
        &[
            ("Invocations", 20.0),
            ("Duration", 1_000.0),
            ("ProvisionedConcurrencyInvocations", 15.0),
            ("ProvisionedPollers", 6.0),
            ("Throttles", 4.0),
            ("UnreservedConcurrentExecutions", 898.0),
        ],
    );
    assert_eq!(quantity(&run, Item::LambdaProvisionedDuration, "x86"), 750 * 512);
    assert_eq!(quantity(&run, Item::LambdaDuration, "x86"), 250 * 512);
    let held = quantity(&run, Item::LambdaProvisionedConcurrency, "x86") / (3 * 512);
    assert!(held >= 10, "{held}");
    assert_eq!(quantity(&run, Item::LambdaEventPollers, ""), 6 * held);
    assert_eq!(check(&run, CAME), Some((true, "lambda: all that was asked")));
    // AWS samples: almost all is all.
    let why = "lambda: 4 refused, 898 of the account's 900 unreserved in use at most";
    assert_eq!(check(&run, LIMIT), Some((false, why)));
}

#[test]
fn what_cloudwatch_does_not_tell_is_billed_by_the_configuration_and_said() {
    let values = &[
        ("Invocations", 20.0),
        ("Duration", 1_000.0),
        ("Throttles", 4.0),
        ("UnreservedConcurrentExecutions", 100.0),
    ];
    let run = collected("unprovisioned", values);
    assert_eq!(quantity(&run, Item::LambdaDuration, "x86"), 1_000 * 512);
    assert_eq!(quantity(&run, Item::LambdaProvisionedDuration, "x86"), 0);
    let held = quantity(&run, Item::LambdaProvisionedConcurrency, "x86") / (3 * 512);
    assert_eq!(quantity(&run, Item::LambdaEventPollers, ""), 2 * held);
    let (passed, said) = check(&run, CAME).unwrap();
    assert!(
        passed && said.contains("billed at their least number, 2") && said.contains("on demand"),
        "{said}"
    );
    let why = "lambda: 4 refused, 100 of the account's 900 unreserved in use at most";
    assert_eq!(check(&run, LIMIT), Some((true, why)));
}

#[test]
fn whose_limit_it_was_is_left_out_where_nobody_can_tell() {
    let run = collected("untold", &[("Invocations", 20.0), ("Throttles", 4.0)]);
    assert_eq!(check(&run, LIMIT), None);
    let run = collected("unrefused", &[("Invocations", 20.0), ("Throttles", 0.0)]);
    assert_eq!(check(&run, LIMIT), Some((true, "lambda: none refused")));
}

/// Keeps how long the first stack was said to take for what it has.
struct Listening(Mutex<Vec<Option<Nanos>>>);

impl Course for Listening {
    fn stopped(&self) -> bool {
        self.0.lock().unwrap().len() > 8
    }

    fn used(&self, _: Nanos, _: &[Usage], progress: &[Progress]) {
        self.0.lock().unwrap().push(progress[0].drain);
    }
}

#[test]
fn a_stack_whose_workers_print_nothing_is_judged_by_its_queue() {
    let (folder, _) = sent("silent");
    let url = serve(Box::new(|_, _| (200, attributes(5))));
    let stack = Deployed { queue: Some(format!("{url}/000000000000/jobs")), ..Deployed::default() };
    let listening = Listening(Mutex::default());
    let run =
        collect(&folder.0, &[stack, Deployed::default()], Some(config(&url)), &options(false), &listening)
            .unwrap();
    assert!(!run.manifest.complete);
    // Fifteen were done in ten seconds and a bit: five take a third of that.
    let drains = listening.0.into_inner().unwrap();
    let last = drains.last().unwrap().unwrap();
    assert!((3 * SECOND..10 * SECOND).contains(&last), "{drains:?}");
    assert_eq!(drains[0], None, "at first nothing is known");
}
