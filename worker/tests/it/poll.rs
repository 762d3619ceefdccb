//! The loop of an ECS task.

use crate::sqs::{Fake, id, now};
use crate::{Process, soon};
use model::journal::{MessageId, Record};
use nix::sys::signal::Signal;
use std::time::Duration;

const SLEEPS: &str = "run=1 seq=0 sleep_ns=300000000";
const NOTHING: &str = "run=1 seq=0";
const FAILS_ONCE: &str = "run=1 seq=0 failures=1";
const FAILS_ALWAYS: &str = "run=1 seq=0 failures=255";

fn seqs(records: &[Record]) -> Vec<Option<u64>> {
    let mut seqs: Vec<_> = records.iter().map(|record| record.seq).collect();
    seqs.sort_unstable();
    seqs
}

#[tokio::test]
async fn a_record_is_printed_for_each_message() {
    let fake = Fake::start().await;
    let full = "run=1 seq=7 sleep_ns=3000000 cpu_ns=2000000 memory=1048576";
    fake.send(&[Some(full), Some("run=1 seq=8"), None]);
    let mut worker = fake.worker(&[]);
    let records = worker.records(3).await;
    assert_eq!(seqs(&records), [None, Some(7), Some(8)]);
    for (number, record) in records.iter().enumerate() {
        assert_eq!(record.message_id, MessageId::new(&id(number as u64)));
        assert_eq!((record.receive_count, record.ok, record.cold_start), (1, true, false));
        assert_eq!(record.sent_ms, Some(1_790_000_000_123));
        assert_eq!(record.first_received_ms, Some(1_790_000_000_456));
        assert_eq!(record.worker.as_deref(), Some("task-1"));
        let utc = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let age = utc - record.started_ns.unwrap();
        assert!(age < 60_000_000_000, "started {age} ns ago");
    }
    let work: Vec<_> = records.iter().map(|record| record.work_ns.unwrap()).collect();
    assert!(work[0] >= 5_000_000, "{work:?}");
    // One after the other: the second waits for the first.
    assert!(records[1].waited_ns >= records[0].waited_ns.map(|waited| waited + work[0]));
    fake.until("all deleted", |fake| fake.left().is_empty()).await;
    assert_eq!(fake.count("DeleteMessage"), 3);
}

#[tokio::test]
async fn a_failed_message_is_not_deleted_and_comes_back() {
    let fake = Fake::start().await;
    fake.send(&[Some(FAILS_ONCE)]);
    let mut worker = fake.worker(&[("VERSUS_VISIBILITY_TIMEOUT_S", "1")]);
    let (first, second) = (worker.record().await, worker.record().await);
    assert_eq!((first.ok, first.receive_count), (false, 1));
    assert_eq!((second.ok, second.receive_count), (true, 2));
    let apart = second.started_ns.unwrap() - first.started_ns.unwrap();
    assert!((900_000_000..5_000_000_000).contains(&apart), "{apart} ns");
    fake.until("deleted", |fake| fake.left().is_empty()).await;
    assert_eq!(fake.count("DeleteMessage"), 1);
}

#[tokio::test]
async fn each_message_is_deleted_before_the_next_is_begun() {
    let fake = Fake::start().await;
    fake.send(&[Some(NOTHING); 3]);
    let _worker = fake.worker(&[]);
    fake.until("three deletes", |fake| fake.count("DeleteMessage") == 3).await;
    let deletes = ["ReceiveMessage", "DeleteMessage", "DeleteMessage", "DeleteMessage"];
    assert_eq!(fake.actions()[..4], deletes);
}

#[tokio::test]
async fn a_batch_is_deleted_at_once_but_for_what_failed() {
    let fake = Fake::start().await;
    fake.send(&[Some(NOTHING), Some(FAILS_ALWAYS), Some(NOTHING)]);
    let mut worker = fake.worker(&[("VERSUS_DELETE", "batch"), ("VERSUS_CONCURRENCY", "2")]);
    worker.records(3).await;
    fake.until("next receive", |fake| fake.count("ReceiveMessage") == 2).await;
    assert_eq!(fake.actions(), ["ReceiveMessage", "DeleteMessageBatch", "ReceiveMessage"]);
    assert_eq!(fake.calls()[1].body["Entries"].as_array().unwrap().len(), 2);
    assert_eq!(fake.left(), [id(1)]);
}

#[tokio::test]
async fn it_asks_again_when_the_whole_batch_is_done() {
    let fake = Fake::start().await;
    fake.send(&[Some(SLEEPS), Some(NOTHING), Some(NOTHING)]);
    let _worker = fake.worker(&[("VERSUS_CONCURRENCY", "5"), ("VERSUS_BATCH_SIZE", "2")]);
    fake.until("the third", |fake| fake.left().is_empty()).await;
    let asked = ["ReceiveMessage", "DeleteMessage", "DeleteMessage", "ReceiveMessage", "DeleteMessage"];
    assert_eq!(fake.actions()[..5], asked);
}

#[tokio::test]
async fn it_asks_for_as_many_as_there_are_free_slots() {
    let fake = Fake::start().await;
    fake.send(&[Some(SLEEPS), Some(NOTHING), Some(NOTHING), Some(NOTHING)]);
    let slots = [("VERSUS_POLL", "slot-free"), ("VERSUS_CONCURRENCY", "2")];
    let _worker = fake.worker(&slots);
    fake.until("the end", |fake| fake.left().is_empty()).await;
    let calls = fake.calls();
    let asked = calls.iter().filter_map(|call| call.body["MaxNumberOfMessages"].as_u64());
    // Two at first; then one at a time beside the long one.
    assert_eq!(asked.take(4).collect::<Vec<_>>(), [2, 1, 1, 1]);
    assert_eq!(fake.calls().last().unwrap().body["ReceiptHandle"], format!("{}#1", id(0)));
}

#[tokio::test]
async fn the_receive_says_what_was_asked_for() {
    let fake = Fake::start().await;
    let how = [("VERSUS_BATCH_SIZE", "3"), ("VERSUS_WAIT_TIME_S", "4"), ("VERSUS_VISIBILITY_TIMEOUT_S", "5")];
    let _worker = fake.worker(&how);
    fake.until("a receive", |fake| fake.count("ReceiveMessage") == 1).await;
    let body = fake.calls()[0].body.clone();
    let numbers =
        ["MaxNumberOfMessages", "WaitTimeSeconds", "VisibilityTimeout"].map(|name| body[name].as_u64());
    assert_eq!(numbers, [Some(3), Some(4), Some(5)]);
    assert!(body["QueueUrl"].as_str().unwrap().ends_with("/000000000000/q"));
}

#[tokio::test]
async fn it_pauses_after_an_empty_receive() {
    let fake = Fake::start().await;
    let _worker = fake.worker(&[("VERSUS_WAIT_TIME_S", "0"), ("VERSUS_IDLE_SLEEP_MS", "200")]);
    fake.until("a receive", |fake| fake.count("ReceiveMessage") == 1).await;
    let first = now();
    fake.until("five more", |fake| fake.count("ReceiveMessage") == 6).await;
    assert!(now() - first >= Duration::from_millis(990), "{:?}", now() - first);
}

#[tokio::test]
async fn sigterm_finishes_what_was_received() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let fake = Fake::start().await;
        fake.send(&[Some(NOTHING), Some(SLEEPS), Some(SLEEPS), Some(NOTHING)]);
        let mut worker =
            fake.worker(&[("VERSUS_BATCH_SIZE", "3"), ("VERSUS_DELETE", "batch"), ("VERSUS_HEARTBEAT", "0")]);
        worker.record().await;
        worker.signal(signal);
        let (code, records, said) = worker.end().await;
        assert_eq!((code, records.len(), said.as_str()), (Some(0), 2, ""));
        assert_eq!(fake.actions(), ["ReceiveMessage", "DeleteMessageBatch"]);
        assert_eq!(fake.left(), [id(3)]);
    }
}

#[tokio::test]
async fn sigterm_ends_a_long_poll() {
    let fake = Fake::start().await;
    let worker = fake.worker(&[]);
    fake.until("a receive", |fake| fake.count("ReceiveMessage") == 1).await;
    let told = now();
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.end().await.0, Some(0));
    assert!(now() - told < Duration::from_secs(10), "waited for the poll: {:?}", now() - told);
}

#[tokio::test]
async fn a_worker_that_does_not_drain_goes_on_until_it_is_killed() {
    let fake = Fake::start().await;
    let mut worker = fake.worker(&[("VERSUS_DRAINS_ON_SIGTERM", "0")]);
    fake.until("a receive", |fake| fake.count("ReceiveMessage") == 1).await;
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        worker.signal(signal);
        fake.send(&[Some(NOTHING)]);
        assert!(worker.record().await.ok);
    }
    worker.signal(Signal::SIGKILL);
    assert_eq!(worker.end().await.0, None);
}

#[tokio::test]
async fn long_work_is_kept_invisible() {
    let fake = Fake::with_timeout(Duration::from_secs(2)).await;
    // The second is in hand for as long, though it has nothing to do.
    fake.send(&[Some("run=1 seq=0 sleep_ns=3500000000"), Some(NOTHING)]);
    let mut worker = fake.worker(&[]);
    let records = worker.records(2).await;
    assert!(records.iter().all(|record| record.receive_count == 1));
    fake.until("all deleted", |fake| fake.left().is_empty()).await;
    assert_eq!(fake.count("GetQueueAttributes"), 1);
    let calls = fake.calls();
    let beats: Vec<_> = calls.iter().filter(|call| call.action == "ChangeMessageVisibilityBatch").collect();
    assert!((2..=3).contains(&beats.len()), "{beats:?}");
    for beat in beats {
        let entries = beat.body["Entries"].as_array().unwrap();
        assert_eq!(entries.len(), 2);
        assert!(entries.iter().all(|entry| entry["VisibilityTimeout"] == 2));
    }
}

#[tokio::test]
async fn a_failed_message_gets_no_more_heartbeats() {
    let fake = Fake::with_timeout(Duration::from_secs(1)).await;
    fake.send(&[Some(FAILS_ONCE), Some("run=1 seq=1 sleep_ns=2500000000")]);
    // A slot each, so that the one that failed can come back while the other goes on.
    let mut worker = fake.worker(&[("VERSUS_POLL", "slot-free"), ("VERSUS_CONCURRENCY", "2")]);
    let records = worker.records(3).await;
    let seen: Vec<_> = records.iter().map(|record| (record.seq, record.receive_count, record.ok)).collect();
    assert_eq!(seen, [(Some(0), 1, false), (Some(0), 2, true), (Some(1), 1, true)]);
}

#[tokio::test]
async fn brief_work_costs_no_call() {
    let fake = Fake::with_timeout(Duration::from_secs(1)).await;
    fake.send(&[Some("run=1 seq=0 sleep_ns=20000000"); 5]);
    let mut worker = fake.worker(&[]);
    worker.records(5).await;
    fake.until("the next receive", |fake| fake.count("ReceiveMessage") == 2).await;
    // Long enough for a heartbeat of what was held, if it were still thought to be.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!((fake.count("GetQueueAttributes"), fake.count("ChangeMessageVisibilityBatch")), (0, 0));
}

#[tokio::test]
async fn heartbeats_can_be_off() {
    let fake = Fake::with_timeout(Duration::from_secs(1)).await;
    fake.send(&[Some("run=1 seq=0 sleep_ns=1500000000")]);
    let off = [("VERSUS_HEARTBEAT", "0"), ("VERSUS_POLL", "slot-free"), ("VERSUS_CONCURRENCY", "2")];
    let mut worker = fake.worker(&off);
    let records = worker.records(2).await;
    assert_eq!([records[0].receive_count, records[1].receive_count], [1, 2]);
    assert_eq!(fake.count("ChangeMessageVisibilityBatch"), 0);
}

#[tokio::test]
async fn failing_receives_are_said_and_survived() {
    let fake = Fake::start().await;
    // The SDK tries three times before it gives up.
    fake.fail(3);
    fake.send(&[Some(NOTHING)]);
    let mut worker = fake.worker(&[]);
    assert!(worker.record().await.ok);
    fake.until("deleted", |fake| fake.left().is_empty()).await;
    worker.signal(Signal::SIGTERM);
    let (code, _, said) = worker.end().await;
    assert_eq!(code, Some(0));
    assert!(said.starts_with("versus-worker: ReceiveMessage: "), "{said}");
    assert!(said.contains("InternalError"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[tokio::test]
async fn a_worker_that_nobody_listens_to_ends() {
    let fake = Fake::start().await;
    let Process { mut child, lines } = fake.worker(&[]);
    drop(lines);
    fake.send(&[Some(NOTHING)]);
    assert_eq!(soon("the end", child.wait()).await.unwrap().code(), Some(1));
    assert_eq!(fake.left().len(), 1);
}

#[tokio::test]
async fn without_a_queue_it_says_what_to_do() {
    let (code, records, said) = Process::start(&[("VERSUS_BATCH_SIZE", "3")]).end().await;
    assert_eq!((code, records.len()), (Some(2), 0));
    assert!(said.starts_with("versus-worker: QUEUE_URL is not set: set it to "), "{said}");
}

/// Records of many messages at once: each line is whole.
#[tokio::test]
async fn lines_do_not_mix() {
    let fake = Fake::start().await;
    let works: Vec<String> = (0..300).map(|seq| format!("run=1 seq={seq} cpu_ns=20000")).collect();
    fake.send(&works.iter().map(|work| Some(work.as_str())).collect::<Vec<_>>());
    let mut worker = fake.worker(&[("VERSUS_POLL", "slot-free"), ("VERSUS_CONCURRENCY", "30")]);
    let records = worker.records(300).await;
    assert_eq!(seqs(&records), (0..300).map(Some).collect::<Vec<_>>());
}
