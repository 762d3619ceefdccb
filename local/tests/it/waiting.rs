//! Long polls: they wake at once, and no message is left while one waits.

use crate::lab::Lab;
use model::scenario::Parameters;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn wait(lab: &Lab, url: &str, seconds: u32, most: u32) -> Vec<Value> {
    let request = json!({"QueueUrl": url, "WaitTimeSeconds": seconds, "MaxNumberOfMessages": most});
    lab.ok("ReceiveMessage", request)["Messages"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_long_poll_wakes_at_once_or_ends_in_time() {
    let lab = Lab::new();
    let url = lab.create("waking", json!({}));
    let since = Instant::now();
    assert!(wait(&lab, &url, 1, 1).is_empty());
    let waited = since.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(2)).contains(&waited), "{waited:?}");
    assert_eq!(lab.queue("waking").counts().totals.empty_receives, 1);
    // The best of five: the machine may be busy, the endpoint may not.
    let best = (0..5).map(|_| wake(&lab, &url)).min().unwrap();
    assert!(best < Duration::from_millis(10), "{best:?}");
}

/// How long after a send was answered a waiting receive is.
fn wake(lab: &Lab, url: &str) -> Duration {
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let messages = wait(lab, url, 20, 1);
            (Instant::now(), messages.len())
        });
        // Nothing tells that it waits. Should it come later, it finds its message, and the test proves less.
        thread::sleep(Duration::from_millis(50));
        lab.send(url, "x");
        let sent = Instant::now();
        let (woken, count) = waiting.join().unwrap();
        assert_eq!(count, 1);
        woken.saturating_duration_since(sent)
    })
}

#[test]
fn every_waiting_receive_gets_its_message() {
    const WAITING: usize = 40;
    let lab = Lab::with(Parameters { sqs_duplicate_probability: 0.0, ..Parameters::default() });
    let url = lab.create("crowd", json!({}));
    let together = Barrier::new(WAITING + 1);
    let since = Instant::now();
    let received: Vec<Value> = thread::scope(|scope| {
        let threads: Vec<_> = (0..WAITING)
            .map(|_| {
                scope.spawn(|| {
                    together.wait();
                    wait(&lab, &url, 20, 1)
                })
            })
            .collect();
        together.wait();
        // In batches and alone, before and after the receives have begun to wait.
        for batch in 0..WAITING / 4 {
            let entries: Vec<_> =
                (0..3).map(|id| json!({"Id": id.to_string(), "MessageBody": "x"})).collect();
            lab.ok("SendMessageBatch", json!({"QueueUrl": url, "Entries": entries}));
            lab.send(&url, &batch.to_string());
        }
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(since.elapsed() < Duration::from_secs(10), "a receive waited although there was a message");
    let ids: BTreeSet<_> = received.iter().map(|message| message["MessageId"].as_str().unwrap()).collect();
    assert_eq!((received.len(), ids.len()), (WAITING, WAITING));
}

#[test]
fn a_message_that_becomes_visible_wakes_a_long_poll() {
    let lab = Lab::new();
    let url = lab.create("timers", json!({"VisibilityTimeout": "1"}));
    lab.ok("SendMessage", json!({"QueueUrl": url, "MessageBody": "delayed", "DelaySeconds": 1}));
    let since = Instant::now();
    let first = wait(&lab, &url, 20, 1);
    // Nobody deletes it: it comes again after its visibility timeout.
    let again = wait(&lab, &url, 20, 1);
    let waited = since.elapsed();
    assert_eq!(first[0]["MessageId"], again[0]["MessageId"]);
    assert!((Duration::from_millis(1_900)..Duration::from_millis(7_900)).contains(&waited), "{waited:?}");
    // Given back, it comes at once.
    let handle = &again[0]["ReceiptHandle"];
    let since = Instant::now();
    lab.ok(
        "ChangeMessageVisibility",
        json!({"QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": 0}),
    );
    assert_eq!(wait(&lab, &url, 20, 1).len(), 1);
    assert!(since.elapsed() < Duration::from_secs(5));
}

#[test]
fn whoever_looks_first_wakes_the_others() {
    let lab = Lab::new();
    let url = lab.create("looking", json!({"VisibilityTimeout": "1"}));
    for body in ["a", "b", "c"] {
        lab.send(&url, body);
    }
    assert_eq!(lab.receive(&url).len(), 3);
    let since = Instant::now();
    let received: usize = thread::scope(|scope| {
        let waiting: Vec<_> = (0..2).map(|_| scope.spawn(|| wait(&lab, &url, 20, 1).len())).collect();
        // Without pause, so that one of these looks finds the messages visible, and not the queue's own clock. One
        // message is taken by a short poll that leaves the others.
        while lab.ok("ReceiveMessage", json!({"QueueUrl": url}))["Messages"].is_null() {
            let _ = lab.queue("looking").counts();
            assert!(since.elapsed() < Duration::from_secs(10));
        }
        waiting.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(received, 2);
    assert!(since.elapsed() < Duration::from_secs(5), "a receive waited although there was a message");
}

#[test]
fn many_clients_at_once_lose_and_double_nothing() {
    const MESSAGES: usize = 5_000;
    let lab = Lab::with(Parameters { sqs_duplicate_probability: 0.0, ..Parameters::default() });
    let url = lab.create("traffic", json!({}));
    let deleted = AtomicUsize::new(0);
    let mut seen: Vec<String> = thread::scope(|scope| {
        for sender in 0..2 {
            let (lab, url) = (&lab, &url);
            scope.spawn(move || {
                let mut client = lab.client();
                for batch in 0..MESSAGES / 20 {
                    let body = format!("{sender}-{batch}");
                    let entries: Vec<_> =
                        (0..10).map(|id| json!({"Id": id.to_string(), "MessageBody": body})).collect();
                    client.ok("SendMessageBatch", json!({"QueueUrl": url, "Entries": entries}));
                }
            });
        }
        let receivers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| drain(&lab, &url, &deleted, MESSAGES))).collect();
        receivers.into_iter().flat_map(|receiver| receiver.join().unwrap()).collect()
    });
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), MESSAGES);
    let counts = lab.queue("traffic").counts();
    assert_eq!((counts.visible, counts.in_flight), (0, 0));
    let totals = counts.totals;
    assert_eq!([totals.sent, totals.received, totals.deleted], [MESSAGES as u64; 3]);
    assert_eq!(totals.send_requests, MESSAGES as u64 / 10);
}

fn drain(lab: &Lab, url: &str, deleted: &AtomicUsize, until: usize) -> Vec<String> {
    let mut client = lab.client();
    let mut seen = Vec::new();
    while deleted.load(Ordering::Relaxed) < until {
        let request = json!({"QueueUrl": url, "WaitTimeSeconds": 1, "MaxNumberOfMessages": 10});
        let answer = client.ok("ReceiveMessage", request);
        let Some(messages) = answer["Messages"].as_array() else { continue };
        let entries: Vec<_> = messages
            .iter()
            .enumerate()
            .map(|(id, message)| json!({"Id": id.to_string(), "ReceiptHandle": message["ReceiptHandle"]}))
            .collect();
        client.ok("DeleteMessageBatch", json!({"QueueUrl": url, "Entries": entries}));
        deleted.fetch_add(messages.len(), Ordering::Relaxed);
        seen.extend(messages.iter().map(|message| message["MessageId"].as_str().unwrap().to_owned()));
    }
    seen
}
