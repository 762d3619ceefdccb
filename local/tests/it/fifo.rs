//! FIFO queues over the wire.

use crate::lab::Lab;
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

fn create(lab: &Lab, name: &str, more: Value) -> String {
    let mut attributes = json!({"FifoQueue": "true", "ContentBasedDeduplication": "true"});
    attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    lab.create(name, attributes)
}

fn send(lab: &Lab, url: &str, group: &str, body: &str) -> Value {
    lab.ok("SendMessage", json!({"QueueUrl": url, "MessageBody": body, "MessageGroupId": group}))
}

fn bodies(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["Body"].as_str().unwrap()).collect()
}

fn delete(lab: &Lab, url: &str, message: &Value) {
    lab.ok("DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}));
}

#[test]
fn a_group_keeps_its_order_and_waits_for_what_is_in_flight() {
    let lab = Lab::new();
    let url = create(&lab, "orders.fifo", json!({}));
    let sent: Vec<Value> = [("a", "1"), ("b", "2"), ("a", "3")]
        .iter()
        .map(|(group, body)| send(&lab, &url, group, body))
        .collect();
    let first = lab.ok("ReceiveMessage", json!({"QueueUrl": url}));
    assert_eq!(first["Messages"][0]["Body"], "1");
    let second = lab.receive(&url);
    assert_eq!(bodies(&second), ["2"], "3 waits for 1");
    let attributes = &second[0]["Attributes"];
    assert_eq!(attributes["MessageGroupId"], "b");
    assert_eq!(attributes["SequenceNumber"], sent[1]["SequenceNumber"]);
    // SHA-256 of "2".
    let digest = "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35";
    assert_eq!(attributes["MessageDeduplicationId"], digest);
    let numbers: Vec<&str> = sent.iter().map(|sent| sent["SequenceNumber"].as_str().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers.iter().all(|number| number.len() == 20), "{numbers:?}");
    delete(&lab, &url, &first["Messages"][0]);
    assert_eq!(bodies(&lab.receive(&url)), ["3"]);
}

#[test]
fn a_duplicate_is_answered_with_the_original_and_never_received() {
    let lab = Lab::new();
    let url = create(&lab, "orders.fifo", json!({}));
    let first = send(&lab, &url, "a", "same");
    assert_eq!(send(&lab, &url, "b", "same"), first);
    let entry = |id: &str, body: &str, deduplication_id: &str| json!({"Id": id, "MessageBody": body, "MessageGroupId": "a", "MessageDeduplicationId": deduplication_id});
    let entries = json!([entry("x", "same", "1"), entry("y", "other", "1"), entry("z", "other", "a b")]);
    let answer = lab.ok("SendMessageBatch", json!({"QueueUrl": url, "Entries": entries}));
    let [x, y] = [&answer["Successful"][0], &answer["Successful"][1]];
    assert_eq!((&x["Id"], &y["Id"], &answer["Failed"][0]["Id"]), (&json!("x"), &json!("y"), &json!("z")));
    assert_eq!((&x["MessageId"], &x["SequenceNumber"]), (&y["MessageId"], &y["SequenceNumber"]));
    assert_ne!(x["MessageId"], first["MessageId"], "an id that is given counts, not the content");
    assert_eq!(bodies(&lab.receive(&url)), ["same", "same"]);
    lab.ok(
        "SetQueueAttributes",
        json!({"QueueUrl": url, "Attributes": {"DeduplicationScope": "messageGroup"}}),
    );
    let again = send(&lab, &url, "b", "same");
    assert_ne!(again["MessageId"], first["MessageId"], "of another group");
}

#[test]
fn a_receipt_expires_with_its_visibility_timeout() {
    let lab = Lab::new();
    let url = create(&lab, "orders.fifo", json!({"VisibilityTimeout": "0"}));
    send(&lab, &url, "a", "1");
    let handle = lab.receive(&url)[0]["ReceiptHandle"].clone();
    let mut client = lab.client();
    let one = json!({"QueueUrl": url, "ReceiptHandle": handle});
    let refused = client.call("DeleteMessage", &one.to_string());
    let words =
        format!("Value {} for parameter ReceiptHandle is invalid. Reason: ", handle.as_str().unwrap());
    assert_eq!(refused.header("x-amzn-query-error"), Some("InvalidParameterValue;Sender"));
    assert_eq!(refused.json()["message"], format!("{words}The receipt handle has expired."));
    let entries = json!([{"Id": "a", "ReceiptHandle": handle}, {"Id": "b", "ReceiptHandle": "nonsense"}]);
    let batch = lab.ok("DeleteMessageBatch", json!({"QueueUrl": url, "Entries": entries}));
    assert_eq!(batch["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    assert_eq!(batch["Failed"][0]["Message"], "The receipt handle has expired");
    assert_eq!(batch["Failed"][1]["Id"], "b");
    let change = json!({"QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": 9});
    let refused = client.call("ChangeMessageVisibility", &change.to_string());
    assert_eq!(
        refused.json()["message"],
        format!("{words}Message does not exist or is not available for visibility timeout change.")
    );
    assert_eq!(lab.attribute(&url, "ApproximateNumberOfMessages"), "1");
    // In time it works, and once more without effect.
    lab.ok("SetQueueAttributes", json!({"QueueUrl": url, "Attributes": {"VisibilityTimeout": "60"}}));
    let message = &lab.receive(&url)[0];
    delete(&lab, &url, message);
    delete(&lab, &url, message);
}

#[test]
fn a_receive_that_is_tried_again_has_the_same_answer() {
    let lab = Lab::new();
    let url = create(&lab, "orders.fifo", json!({}));
    send(&lab, &url, "a", "1");
    let request = json!({"QueueUrl": url, "ReceiveRequestAttemptId": "attempt", "AttributeNames": ["All"]});
    let first = lab.ok("ReceiveMessage", request.clone());
    assert_eq!(first["Messages"][0]["Body"], "1");
    // The handle says the second of the receive.
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(lab.ok("ReceiveMessage", request), first);
    assert!(lab.receive(&url).is_empty());
}

#[test]
fn a_waiting_receive_wakes_when_its_group_goes_on() {
    let lab = Lab::new();
    let url = create(&lab, "orders.fifo", json!({}));
    send(&lab, &url, "a", "1");
    let first = lab.receive(&url).remove(0);
    send(&lab, &url, "a", "2");
    let since = Instant::now();
    let got = thread::scope(|scope| {
        let waiting =
            scope.spawn(|| lab.ok("ReceiveMessage", json!({"QueueUrl": url, "WaitTimeSeconds": 20})));
        thread::sleep(Duration::from_millis(300));
        delete(&lab, &url, &first);
        waiting.join().unwrap()
    });
    assert_eq!(got["Messages"][0]["Body"], "2");
    assert!(since.elapsed() < Duration::from_secs(15), "it waited to its end");
}

#[test]
fn dead_letters_keep_their_groups_and_come_back_in_order() {
    let lab = Lab::new();
    let dead = create(&lab, "dead.fifo", json!({}));
    let arn = lab.attribute(&dead, "QueueArn");
    let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": 1}).to_string();
    let url = create(&lab, "orders.fifo", json!({"VisibilityTimeout": "0", "RedrivePolicy": policy}));
    for body in ["1", "2", "3"] {
        send(&lab, &url, "a", body);
    }
    assert_eq!(bodies(&lab.receive(&url)), ["1", "2", "3"]);
    assert!(lab.receive(&url).is_empty(), "received once already");
    let letters = lab.ok(
        "ReceiveMessage",
        json!({"QueueUrl": dead, "MaxNumberOfMessages": 2, "VisibilityTimeout": 0,
        "MessageSystemAttributeNames": ["All"]}),
    );
    assert_eq!(bodies(letters["Messages"].as_array().unwrap()), ["1", "2"]);
    assert_eq!(letters["Messages"][0]["Attributes"]["MessageGroupId"], "a");
    assert_eq!(
        letters["Messages"][0]["Attributes"]["DeadLetterQueueSourceArn"],
        lab.attribute(&url, "QueueArn")
    );
    let never = json!({"QueueUrl": url, "Attributes": {"RedrivePolicy": ""}});
    lab.ok("StartMessageMoveTask", json!({"SourceArn": arn}));
    let since = Instant::now();
    while lab.attribute(&url, "ApproximateNumberOfMessages") != "3" {
        assert!(since.elapsed() < Duration::from_secs(10), "the task does not end");
        thread::sleep(Duration::from_millis(5));
    }
    lab.ok("SetQueueAttributes", never);
    assert_eq!(
        bodies(&lab.receive(&url)),
        ["1", "2", "3"],
        "though they are duplicates of what was sent before"
    );
}

#[test]
fn a_fifo_queue_has_attributes_of_its_own_and_a_standard_queue_has_not() {
    let lab = Lab::new();
    let url = lab.create("orders.fifo", json!({"FifoQueue": "True"}));
    let of = |url: &str| lab.ok("GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": ["All"]}));
    let attributes = &of(&url)["Attributes"];
    for (name, value) in [
        ("FifoQueue", "true"),
        ("ContentBasedDeduplication", "false"),
        ("DeduplicationScope", "queue"),
        ("FifoThroughputLimit", "perQueue"),
    ] {
        assert_eq!(attributes[name], value);
    }
    let high = json!({"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId", "FifoQueue": "true"});
    lab.ok("SetQueueAttributes", json!({"QueueUrl": url, "Attributes": high}));
    assert_eq!(lab.attribute(&url, "FifoThroughputLimit"), "perMessageGroupId");
    let standard = lab.create("orders", json!({}));
    assert!(of(&standard)["Attributes"].get("FifoQueue").is_none());
    // A queue's delay counts, and none is none of a message's own.
    lab.ok("SetQueueAttributes", json!({"QueueUrl": url, "Attributes": {"DelaySeconds": "900"}}));
    lab.ok(
        "SendMessage",
        json!({"QueueUrl": url, "MessageBody": "x", "MessageGroupId": "a", "DelaySeconds": 0,
        "MessageDeduplicationId": "1"}),
    );
    assert_eq!(lab.attribute(&url, "ApproximateNumberOfMessagesDelayed"), "1");
    lab.ok("SetQueueAttributes", json!({"QueueUrl": url, "Attributes": {"DelaySeconds": "0"}}));
    assert_eq!(bodies(&lab.receive(&url)), ["x"], "unlike that of a standard queue it counts at once");
}
