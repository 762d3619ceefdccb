//! Messages that were received too often, and how they come back.

use crate::lab::Lab;
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

/// A source whose messages go to the queue `dead` after one receive, with `count` messages there already.
fn with_dead_letters(lab: &Lab, count: usize) -> (String, String) {
    let dead = lab.create("dead", json!({}));
    let arn = lab.attribute(&dead, "QueueArn");
    let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": "1"}).to_string();
    let source = lab.create("source", json!({"VisibilityTimeout": "0", "RedrivePolicy": policy}));
    for number in 0..count {
        lab.send(&source, &number.to_string());
    }
    // Received once, visible at once, and gone at the next look.
    for _ in 0..count.div_ceil(10) + 1 {
        lab.receive(&source);
    }
    assert_eq!(lab.attribute(&dead, "ApproximateNumberOfMessages"), count.to_string());
    (source, dead)
}

fn task(lab: &Lab, source_arn: &Value) -> Value {
    lab.ok("ListMessageMoveTasks", json!({"SourceArn": source_arn}))["Results"][0].clone()
}

fn until(what: &str, done: impl Fn() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < Duration::from_secs(10), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_dead_letter_knows_where_it_came_from() {
    let lab = Lab::new();
    let (source, dead) = with_dead_letters(&lab, 1);
    let policy = lab.attribute(&source, "RedrivePolicy");
    assert_eq!(
        policy,
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:000000000000:dead\",\"maxReceiveCount\":1}"
    );
    let message = &lab.receive(&dead)[0];
    assert_eq!(message["Attributes"]["DeadLetterQueueSourceArn"], lab.attribute(&source, "QueueArn"));
    assert_eq!(message["Attributes"]["ApproximateReceiveCount"], "2");
    let sources = lab.ok("ListDeadLetterSourceQueues", json!({"QueueUrl": dead}));
    assert_eq!(sources, json!({"queueUrls": [source]}));
    lab.ok("SetQueueAttributes", json!({"QueueUrl": source, "Attributes": {"RedrivePolicy": ""}}));
    assert_eq!(lab.attribute(&source, "RedrivePolicy"), Value::Null);
    assert_eq!(lab.ok("ListDeadLetterSourceQueues", json!({"QueueUrl": dead})), json!({"queueUrls": []}));
}

#[test]
fn a_task_moves_dead_letters_back() {
    let lab = Lab::new();
    let (source, dead) = with_dead_letters(&lab, 250);
    let arn = lab.attribute(&dead, "QueueArn");
    let started = lab.ok("StartMessageMoveTask", json!({"SourceArn": arn}));
    assert!(started["TaskHandle"].is_string());
    until("the task does not end", || task(&lab, &arn)["Status"] == "COMPLETED");
    let done = task(&lab, &arn);
    assert_eq!(done["ApproximateNumberOfMessagesMoved"], 250);
    assert_eq!(done["ApproximateNumberOfMessagesToMove"], 250);
    assert_eq!(done["TaskHandle"], Value::Null);
    assert_eq!(lab.attribute(&dead, "ApproximateNumberOfMessages"), "0");
    assert_eq!(lab.attribute(&source, "ApproximateNumberOfMessages"), "250");
    // They are new messages: received never.
    let system = &lab.receive(&source)[0]["Attributes"];
    assert_eq!(system["ApproximateReceiveCount"], "1");
    assert_eq!(system["DeadLetterQueueSourceArn"], Value::Null);
}

#[test]
fn a_task_with_a_limit_is_slow_and_can_be_cancelled() {
    let lab = Lab::new();
    let (_, dead) = with_dead_letters(&lab, 100);
    let other = lab.create("other", json!({}));
    let (arn, other_arn) = (lab.attribute(&dead, "QueueArn"), lab.attribute(&other, "QueueArn"));
    let request = json!({"SourceArn": arn, "DestinationArn": other_arn, "MaxNumberOfMessagesPerSecond": 10});
    let handle = lab.ok("StartMessageMoveTask", request.clone())["TaskHandle"].clone();
    let again = lab.client().call("StartMessageMoveTask", &request.to_string());
    assert!(again.text.contains("There is already a task running."), "{}", again.text);
    assert_eq!(task(&lab, &arn)["TaskHandle"], handle);
    until("nothing is moved", || lab.attribute(&other, "ApproximateNumberOfMessages") != "0");
    lab.ok("CancelMessageMoveTask", json!({"TaskHandle": handle}));
    until("the task is not cancelled", || task(&lab, &arn)["Status"] == "CANCELLED");
    let moved = task(&lab, &arn)["ApproximateNumberOfMessagesMoved"].as_u64().unwrap();
    assert!((1..100).contains(&moved), "{moved}");
    let count = |url| lab.attribute(url, "ApproximateNumberOfMessages").as_str().unwrap().parse().unwrap();
    let (left, there): (u64, u64) = (count(&dead), count(&other));
    assert_eq!((left + there, there), (100, moved));
    let refused = lab.client().call("CancelMessageMoveTask", &json!({"TaskHandle": handle}).to_string());
    assert!(refused.text.contains("Only active tasks can be cancelled."), "{}", refused.text);
}

#[test]
fn a_task_that_cannot_tell_the_source_fails_and_keeps_the_message() {
    let lab = Lab::new();
    let (_, dead) = with_dead_letters(&lab, 0);
    lab.send(&dead, "sent here by hand");
    let arn = lab.attribute(&dead, "QueueArn");
    lab.ok("StartMessageMoveTask", json!({"SourceArn": arn}));
    until("the task does not end", || task(&lab, &arn)["Status"] == "FAILED");
    assert_eq!(task(&lab, &arn)["FailureReason"], "CouldNotDetermineMessageSource");
    assert_eq!(lab.attribute(&dead, "ApproximateNumberOfMessages"), "1");
}

#[test]
fn dead_letters_go_to_a_queue_that_was_created_again() {
    let lab = Lab::new();
    let (source, dead) = with_dead_letters(&lab, 0);
    lab.ok("DeleteQueue", json!({"QueueUrl": dead}));
    lab.create("dead", json!({}));
    lab.send(&source, "x");
    lab.receive(&source);
    lab.receive(&source);
    assert_eq!(lab.attribute(&dead, "ApproximateNumberOfMessages"), "1");
}
