//! Calls that fail on purpose: what consumers call, and nothing else.

use crate::lab::Lab;
use serde_json::{Value, json};

#[test]
fn a_share_of_the_calls_fails_without_effect() {
    let lab = Lab::new();
    let url = lab.create("faulty", json!({}));
    let queue = lab.queue("faulty");
    queue.set_fault_shares(0.2, 0.3);
    let mut client = lab.client();
    let entries: Vec<Value> = (0..10).map(|id| json!({"Id": id.to_string(), "MessageBody": "x"})).collect();
    for _ in 0..200 {
        client.ok("SendMessageBatch", json!({"QueueUrl": url, "Entries": entries}));
    }
    let body = json!({"QueueUrl": url}).to_string();
    let (mut received, mut errors, mut throttles) = (0, 0, 0);
    for _ in 0..2_000 {
        let answer = client.call("ReceiveMessage", &body);
        match (answer.status, answer.header("x-amzn-query-error")) {
            (200, None) => received += 1,
            (500, Some("InternalFailure;Receiver")) => errors += 1,
            (403, Some("RequestThrottled;Sender")) => throttles += 1,
            other => panic!("{other:?}: {}", answer.text),
        }
    }
    // Five standard deviations around 400 and 600.
    assert!((310..490).contains(&errors), "{errors}");
    assert!((497..703).contains(&throttles), "{throttles}");
    let counts = queue.counts();
    assert_eq!((counts.totals.injected_errors, counts.totals.injected_throttles), (errors, throttles));
    assert_eq!((counts.in_flight, counts.visible), (received, 2_000 - received));
}

#[test]
fn only_receives_deletes_and_changes_of_visibility_fail() {
    let lab = Lab::new();
    let url = lab.create("faulty", json!({}));
    let queue = lab.queue("faulty");
    lab.send(&url, "x");
    let handle = &lab.receive(&url)[0]["ReceiptHandle"];
    let of = |entry: Value| json!({"QueueUrl": url, "Entries": [entry]});
    let consumers = [
        ("ReceiveMessage", json!({"QueueUrl": url})),
        ("DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": handle})),
        ("DeleteMessageBatch", of(json!({"Id": "a", "ReceiptHandle": handle}))),
        (
            "ChangeMessageVisibility",
            json!({"QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": 0}),
        ),
        (
            "ChangeMessageVisibilityBatch",
            of(json!({"Id": "a", "ReceiptHandle": handle, "VisibilityTimeout": 0})),
        ),
    ];
    let others = [
        ("SendMessage", json!({"QueueUrl": url, "MessageBody": "x"})),
        ("SendMessageBatch", of(json!({"Id": "a", "MessageBody": "x"}))),
        ("GetQueueUrl", json!({"QueueName": "faulty"})),
        ("GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": ["All"]})),
        ("SetQueueAttributes", json!({"QueueUrl": url, "Attributes": {"VisibilityTimeout": "40"}})),
        ("TagQueue", json!({"QueueUrl": url, "Tags": {"a": "b"}})),
        ("ListQueueTags", json!({"QueueUrl": url})),
        ("UntagQueue", json!({"QueueUrl": url, "TagKeys": ["a"]})),
        ("ListDeadLetterSourceQueues", json!({"QueueUrl": url})),
    ];
    let mut client = lab.client();
    for (errors, throttles, status) in [(1.0, 0.0, 500), (0.0, 1.0, 403)] {
        queue.set_fault_shares(errors, throttles);
        for (action, body) in &consumers {
            assert_eq!(client.call(action, &body.to_string()).status, status, "{action}");
        }
        for (action, body) in &others {
            let answer = client.call(action, &body.to_string());
            assert_eq!(answer.status, 200, "{action}: {}", answer.text);
        }
    }
    let counts = queue.counts();
    assert_eq!((counts.totals.injected_errors, counts.totals.injected_throttles), (5, 5));
    assert_eq!((counts.in_flight, counts.visible), (1, 4), "the message is where it was");
    client.ok("PurgeQueue", json!({"QueueUrl": url}));
    queue.set_fault_shares(0.0, 0.0);
    for (action, body) in &consumers {
        assert_ne!(client.call(action, &body.to_string()).status, 403, "{action}");
    }
}
