//! A whole run against a queue that is not ours: depths, records and metrics, over the wire.

use crate::cloudwatch::{config, field, page, result, serve};
use crate::join::rows;
use crate::lab::{Folder, origin, provenance, scenario};
use ciborium::Value;
use collector::{Course, Deployed, Options, Progress, collect};
use model::journal::{Entry, MessageId, Record, Sent};
use model::plan::{Arrival, Plan};
use model::series::metric;
use model::time::{MILLISECOND, Nanos, SECOND};
use model::usage::Usage;
use std::fs::File;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SCENARIO: &str = r#"
title = "Foreign"
analysis = "For tests."
drain-max = "1m"
[[phases]]
name = "steady"
arrivals = "even"
duration = "1s"
rate = 20
[stacks.ecs]
platform = "ecs"
[stacks.lambda]
platform = "lambda"
"#;

#[allow(clippy::disallowed_methods)]
pub(crate) fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

fn record(seq: u64, started_ns: u64, at: u64) -> Record {
    let sent_ms = (started_ns + at) / MILLISECOND;
    Record {
        seq: Some(seq),
        sent_ms: Some(sent_ms),
        first_received_ms: Some(sent_ms + 5),
        started_ns: Some((sent_ms + 6) * MILLISECOND),
        waited_ns: Some(MILLISECOND),
        work_ns: Some(20 * MILLISECOND),
        ..Record::new(MessageId(u128::from(seq)))
    }
}

/// Depths go down, records trickle in, the last minute of metrics comes late.
#[test]
fn a_run_on_a_foreign_queue_is_collected_to_its_end() {
    let folder = Folder::new("foreign");
    let scenario = scenario(SCENARIO);
    // Ten seconds ago: the load is over, the drain is not.
    let started_ns = now_ns() - 10 * SECOND;
    let manifest = collector::manifest(&scenario, &provenance(SCENARIO));
    let mut seeder = collector::begin(&folder.0, &manifest, &origin(started_ns)).unwrap();
    let output = Folder::new("output");
    let mut files = ["ecs", "lambda"].map(|name| File::create(output.0.join(name)).unwrap());
    for arrival in Plan::new(&scenario) {
        for (stack, file) in files.iter_mut().enumerate() {
            seeder.take(stack, sent(&arrival)).unwrap();
            let line = serde_json::to_string(&record(arrival.seq, started_ns, arrival.at)).unwrap();
            write!(file, "\nstarted\n{line}").unwrap();
        }
    }
    seeder.leave().unwrap();

    let minute = started_ns / (60 * SECOND) * 60;
    let (mut samples, mut fetches) = (0, 0);
    let url = serve(Box::new(move |name, body| {
        if name.contains("GetMetricData") {
            fetches += 1;
            let request: Value = ciborium::from_reader(body).unwrap();
            let queries = field(&request, "MetricDataQueries").as_array().unwrap();
            let value = if fetches == 1 { 3.0 } else { 20.0 };
            let id = |query: &Value| field(query, "Id").as_text().unwrap().to_owned();
            return page(queries.iter().map(|query| result(&id(query), &[(minute, value)])).collect(), None);
        }
        assert_eq!(name, "AmazonSQS.GetQueueAttributes");
        samples += 1;
        let depth = if samples < 3 { 7 } else { 0 };
        let answer = format!(
            "{{\"Attributes\":{{\"ApproximateNumberOfMessages\":\"{depth}\",\
             \"ApproximateNumberOfMessagesNotVisible\":\"0\",\"ApproximateNumberOfMessagesDelayed\":\"0\"}}}}"
        );
        (200, answer.into_bytes())
    }));
    let stack = |name: &str| Deployed {
        queue: Some(format!("{url}/000000000000/queue-{name}")),
        records: vec![output.0.join(name)],
        ..Deployed::default()
    };
    let options = Options {
        metrics: true,
        sample_every: Duration::from_millis(50),
        consistent_after: Duration::from_millis(100),
        settle: Duration::from_millis(200),
        quiet: true,
        ..Options::default()
    };
    let stacks = [stack("ecs"), stack("lambda")];
    let run = collect(&folder.0, &stacks, Some(config(&url)), &options, &|| false).unwrap();
    assert!(run.manifest.complete);
    for check in &run.manifest.checks {
        assert!(check.passed, "{check:?}");
    }
    for (stack, entry) in run.stacks.iter().zip(&run.manifest.stacks) {
        assert_eq!(entry.ledger.completed, 20);
        let of = |name: &str, period| {
            let mut all = stack.series.iter().filter(|one| one.metric == name && one.period == period);
            all.next().map(|one| one.points.clone())
        };
        assert_eq!(of(metric::SENT, 60 * SECOND).unwrap(), [(0, 20.0)], "the late value");
        assert!(of(metric::VISIBLE, 50 * MILLISECOND).is_some());
    }
    // The first stack was seen with messages: then the moment of its end is known.
    assert!(run.manifest.stacks[0].end >= 10 * SECOND, "{}", run.manifest.stacks[0].end);
    let row = &rows(&folder.0, "ecs")[0];
    let spans = (row.send_delay(), row.queue_time(), row.start_delay(), row.service_time());
    let ms = |n| Some(n * MILLISECOND);
    assert_eq!(spans, (ms(1), ms(5), ms(1), ms(20)));
    let detail =
        |name: &str| &run.manifest.checks.iter().find(|check| check.name.contains(name)).unwrap().detail;
    assert_eq!(detail("negative"), "ecs: none; lambda: none, 20 starts go by two clocks of AWS");
}

fn sent(arrival: &Arrival) -> Entry {
    Entry::Sent(Sent {
        seq: arrival.seq,
        scheduled_at: arrival.at,
        issued_at: arrival.at,
        answered_at: arrival.at + MILLISECOND,
        attempts: 1,
        message: Some(MessageId(u128::from(arrival.seq))),
        error: None,
    })
}

/// Another process that sends its last messages beside a collection, and is gone; its workers end later.
struct Beside<F: Fn(usize)> {
    looks: AtomicUsize,
    at_look: F,
}

impl<F: Fn(usize)> Course for Beside<F> {
    fn stopped(&self) -> bool {
        false
    }

    fn load_over(&self) -> bool {
        self.looks.load(Ordering::Relaxed) > 2
    }

    fn used(&self, _: Nanos, _: &[Usage], _: &[Progress]) {
        (self.at_look)(self.looks.fetch_add(1, Ordering::Relaxed));
    }
}

#[test]
fn what_is_sent_after_a_collection_began_is_waited_for() {
    let folder = Folder::new("beside");
    let scenario = scenario(SCENARIO);
    let started_ns = now_ns();
    let manifest = collector::manifest(&scenario, &provenance(SCENARIO));
    let seeder = Mutex::new(collector::begin(&folder.0, &manifest, &origin(started_ns)).unwrap());
    let output = Folder::new("beside-output");
    let file = Mutex::new(File::create(output.0.join("records")).unwrap());
    let arrivals: Vec<Arrival> = Plan::new(&scenario).collect();
    let send = |some: &[Arrival]| {
        let mut seeder = seeder.lock().unwrap();
        for arrival in some {
            (0..2).for_each(|stack| seeder.take(stack, sent(arrival)).unwrap());
        }
        seeder.flush().unwrap();
    };
    let work = |some: &[Arrival]| {
        for arrival in some {
            let line = serde_json::to_string(&record(arrival.seq, started_ns, arrival.at)).unwrap();
            writeln!(file.lock().unwrap(), "{line}").unwrap();
        }
    };
    let (first, last) = arrivals.split_at(10);
    send(first);
    work(first);
    let beside = Beside {
        looks: AtomicUsize::new(0),
        at_look: |look| match look {
            1 => send(last),
            // Long after the plan's end: until then all is done that was sent when the collection began.
            30 => work(last),
            _ => {}
        },
    };
    let options = Options {
        metrics: false,
        sample_every: Duration::from_millis(50),
        consistent_after: Duration::from_millis(100),
        settle: Duration::ZERO,
        quiet: true,
        ..Options::default()
    };
    let stack = Deployed { records: vec![output.0.join("records")], ..Deployed::default() };
    let url = serve(Box::new(|name, _| panic!("nobody is to be asked: {name}")));
    let run = collect(&folder.0, &[stack.clone(), stack], Some(config(&url)), &options, &beside).unwrap();
    assert!(run.manifest.complete);
    for entry in &run.manifest.stacks {
        assert_eq!(entry.ledger.completed, 20, "{:?}", entry.ledger);
        assert!(entry.end >= SECOND, "the load was not cut short: {}", entry.end);
    }
}

#[test]
fn a_collection_that_is_stopped_leaves_its_journal() {
    let folder = Folder::new("stopped");
    let manifest = collector::manifest(&scenario(SCENARIO), &provenance(SCENARIO));
    collector::begin(&folder.0, &manifest, &origin(now_ns())).unwrap().leave().unwrap();
    let stacks = [Deployed::default(), Deployed::default()];
    let url = serve(Box::new(|name, _| panic!("nobody is to be asked: {name}")));
    let run = collect(
        &folder.0,
        &stacks,
        Some(config(&url)),
        &Options { quiet: true, ..Options::default() },
        &|| true,
    );
    assert!(!run.unwrap().manifest.complete);
    let error =
        collect(&folder.0, &stacks[..1], Some(config(&url)), &Options::default(), &|| true).unwrap_err();
    assert!(format!("{error:#}").contains("2 stacks"), "{error:#}");
}
