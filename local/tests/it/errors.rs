//! Every refusal, byte for byte. `UPDATE=1` writes the file anew.

use crate::lab::Lab;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// Action and request; `URL` stands for the queue's, `HANDLE` for a receipt handle that is in flight, `STALE` for one of
/// a message that is gone, `OLD` for one that says that it was received ten seconds ago, `FIFO` for a FIFO queue's URL.
const CASES: &[(&str, &str)] = &[
    ("Frobnicate", "{}"),
    ("SendMessage", "{"),
    ("SendMessage", r#"{"QueueUrl":1}"#),
    ("SendMessage", r#"{"QueueUrl":"URL","MessageBody":"\ud800"}"#),
    ("SendMessage", "{}"),
    ("SendMessage", r#"{"QueueUrl":"http://elsewhere/1/missing","MessageBody":"x"}"#),
    ("SendMessage", r#"{"QueueUrl":"URL"}"#),
    ("SendMessage", r#"{"QueueUrl":"URL","MessageBody":""}"#),
    ("SendMessage", r#"{"QueueUrl":"URL","MessageBody":"\u0000"}"#),
    ("SendMessage", r#"{"QueueUrl":"URL","MessageBody":"x","DelaySeconds":901}"#),
    ("SendMessage", r#"{"QueueUrl":"URL","MessageBody":"x","DelaySeconds":-1}"#),
    ("SendMessage", r#"{"QueueUrl":"URL","MessageBody":"x","MessageDeduplicationId":"d"}"#),
    ("SendMessage", r#"{"QueueUrl":"URL","MessageBody":"x","MessageGroupId":"a group"}"#),
    ("SendMessage", r#"{"QueueUrl":"URL","MessageBody":"x","MessageAttributes":{"a":{}}}"#),
    (
        "SendMessage",
        r#"{"QueueUrl":"URL","MessageBody":"x","MessageAttributes":{"a":{"DataType":"Text","StringValue":"v"}}}"#,
    ),
    (
        "SendMessage",
        r#"{"QueueUrl":"URL","MessageBody":"x","MessageAttributes":{"a":{"DataType":"String"}}}"#,
    ),
    (
        "SendMessage",
        r#"{"QueueUrl":"URL","MessageBody":"x","MessageAttributes":{"a":{"DataType":"String","StringValue":""}}}"#,
    ),
    (
        "SendMessage",
        r#"{"QueueUrl":"URL","MessageBody":"x","MessageAttributes":{"a":{"DataType":"String","BinaryValue":"AA=="}}}"#,
    ),
    (
        "SendMessage",
        r#"{"QueueUrl":"URL","MessageBody":"x","MessageAttributes":{"a":{"DataType":"Binary","StringValue":"v"}}}"#,
    ),
    (
        "SendMessage",
        r#"{"QueueUrl":"URL","MessageBody":"x","MessageAttributes":{"a":{"DataType":"Binary","BinaryValue":"?"}}}"#,
    ),
    (
        "SendMessage",
        r#"{"QueueUrl":"URL","MessageBody":"x","MessageAttributes":{"a":{"DataType":"Number","StringValue":"one"}}}"#,
    ),
    (
        "SendMessage",
        r#"{"QueueUrl":"URL","MessageBody":"x","MessageAttributes":{"a b":{"DataType":"String","StringValue":"v"}}}"#,
    ),
    (
        "SendMessage",
        r#"{"QueueUrl":"URL","MessageBody":"x","MessageAttributes":{"AWS.a":{"DataType":"String","StringValue":"v"}}}"#,
    ),
    (
        "SendMessage",
        r#"{"QueueUrl":"URL","MessageBody":"x","MessageAttributes":{"a":{"DataType":"String","StringValue":"\u0001"}}}"#,
    ),
    (
        "SendMessage",
        r#"{"QueueUrl":"URL","MessageBody":"x","MessageAttributes":{"1":{},"2":{},"3":{},"4":{},"5":{},"6":{},"7":{},"8":{},"9":{},"10":{},"11":{}}}"#,
    ),
    (
        "SendMessage",
        r#"{"QueueUrl":"URL","MessageBody":"x","MessageSystemAttributes":{"SenderId":{"DataType":"String","StringValue":"v"}}}"#,
    ),
    (
        "SendMessage",
        r#"{"QueueUrl":"URL","MessageBody":"x","MessageSystemAttributes":{"AWSTraceHeader":{"DataType":"Binary","BinaryValue":"AA=="}}}"#,
    ),
    ("SendMessageBatch", r#"{"QueueUrl":"URL"}"#),
    ("SendMessageBatch", r#"{"QueueUrl":"URL","Entries":[]}"#),
    ("SendMessageBatch", r#"{"QueueUrl":"URL","Entries":[{"MessageBody":"x"}]}"#),
    ("SendMessageBatch", r#"{"QueueUrl":"URL","Entries":[{"Id":"","MessageBody":"x"}]}"#),
    ("SendMessageBatch", r#"{"QueueUrl":"URL","Entries":[{"Id":"a:b","MessageBody":"x"}]}"#),
    (
        "SendMessageBatch",
        r#"{"QueueUrl":"URL","Entries":[{"Id":"a","MessageBody":"x"},{"Id":"a","MessageBody":"x"}]}"#,
    ),
    (
        "SendMessageBatch",
        r#"{"QueueUrl":"URL","Entries":[{"Id":"a"},{"Id":"b","MessageBody":"x","DelaySeconds":901}]}"#,
    ),
    (
        "SendMessageBatch",
        r#"{"QueueUrl":"URL","Entries":[{"Id":"1"},{"Id":"2"},{"Id":"3"},{"Id":"4"},{"Id":"5"},{"Id":"6"},{"Id":"7"},{"Id":"8"},{"Id":"9"},{"Id":"10"},{"Id":"11"}]}"#,
    ),
    ("ReceiveMessage", r#"{"QueueUrl":"URL","MaxNumberOfMessages":0}"#),
    ("ReceiveMessage", r#"{"QueueUrl":"URL","MaxNumberOfMessages":11}"#),
    ("ReceiveMessage", r#"{"QueueUrl":"URL","WaitTimeSeconds":21}"#),
    ("ReceiveMessage", r#"{"QueueUrl":"URL","VisibilityTimeout":43201}"#),
    ("ReceiveMessage", r#"{"QueueUrl":"URL","AttributeNames":["Nonsense"]}"#),
    ("DeleteMessage", r#"{"QueueUrl":"URL"}"#),
    ("DeleteMessage", r#"{"QueueUrl":"URL","ReceiptHandle":"nonsense"}"#),
    ("DeleteMessageBatch", r#"{"QueueUrl":"URL","Entries":[]}"#),
    (
        "DeleteMessageBatch",
        r#"{"QueueUrl":"URL","Entries":[{"Id":"a","ReceiptHandle":"nonsense"},{"Id":"b"},{"Id":"c","ReceiptHandle":"STALE"}]}"#,
    ),
    ("ChangeMessageVisibility", r#"{"QueueUrl":"URL","ReceiptHandle":"HANDLE"}"#),
    ("ChangeMessageVisibility", r#"{"QueueUrl":"URL","ReceiptHandle":"nonsense","VisibilityTimeout":1}"#),
    ("ChangeMessageVisibility", r#"{"QueueUrl":"URL","ReceiptHandle":"HANDLE","VisibilityTimeout":43201}"#),
    ("ChangeMessageVisibility", r#"{"QueueUrl":"URL","ReceiptHandle":"STALE","VisibilityTimeout":1}"#),
    ("ChangeMessageVisibility", r#"{"QueueUrl":"URL","ReceiptHandle":"OLD","VisibilityTimeout":43200}"#),
    ("ChangeMessageVisibilityBatch", r#"{"QueueUrl":"URL","Entries":[]}"#),
    (
        "ChangeMessageVisibilityBatch",
        r#"{"QueueUrl":"URL","Entries":[{"Id":"a","ReceiptHandle":"STALE","VisibilityTimeout":1},{"Id":"b","ReceiptHandle":"HANDLE","VisibilityTimeout":60}]}"#,
    ),
    ("CreateQueue", "{}"),
    ("CreateQueue", r#"{"QueueName":"a/b"}"#),
    ("CreateQueue", r#"{"QueueName":"orders.fifo"}"#),
    ("CreateQueue", r#"{"QueueName":"orders","Attributes":{"FifoQueue":"true"}}"#),
    ("CreateQueue", r#"{"QueueName":"orders","Attributes":{"FifoQueue":"false"}}"#),
    ("CreateQueue", r#"{"QueueName":"orders.fifo","Attributes":{"FifoQueue":"false"}}"#),
    ("CreateQueue", r#"{"QueueName":".fifo","Attributes":{"FifoQueue":"true"}}"#),
    ("CreateQueue", r#"{"QueueName":"orders","Attributes":{"ContentBasedDeduplication":"false"}}"#),
    ("CreateQueue", r#"{"QueueName":"orders","Attributes":{"DeduplicationScope":"queue"}}"#),
    ("CreateQueue", r#"{"QueueName":"orders","Attributes":{"FifoThroughputLimit":"perQueue"}}"#),
    (
        "CreateQueue",
        r#"{"QueueName":"o.fifo","Attributes":{"FifoQueue":"true","DeduplicationScope":"MessageGroup"}}"#,
    ),
    (
        "CreateQueue",
        r#"{"QueueName":"o.fifo","Attributes":{"FifoQueue":"true","FifoThroughputLimit":"perMessageGroupId"}}"#,
    ),
    (
        "CreateQueue",
        r#"{"QueueName":"errors.fifo","Attributes":{"FifoQueue":"true","ContentBasedDeduplication":"true"}}"#,
    ),
    (
        "CreateQueue",
        r#"{"QueueName":"o.fifo","Attributes":{"FifoQueue":"true","RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:000000000000:errors\",\"maxReceiveCount\":1}"}}"#,
    ),
    ("SetQueueAttributes", r#"{"QueueUrl":"FIFO","Attributes":{"FifoQueue":"false"}}"#),
    ("SetQueueAttributes", r#"{"QueueUrl":"URL","Attributes":{"FifoQueue":"true"}}"#),
    ("SetQueueAttributes", r#"{"QueueUrl":"FIFO","Attributes":{"ContentBasedDeduplication":"yes"}}"#),
    ("SendMessage", r#"{"QueueUrl":"FIFO","MessageBody":"x","MessageDeduplicationId":"d"}"#),
    ("SendMessage", r#"{"QueueUrl":"FIFO","MessageBody":"x","MessageGroupId":"g"}"#),
    ("SendMessage", r#"{"QueueUrl":"FIFO","MessageGroupId":"g","MessageDeduplicationId":"d"}"#),
    (
        "SendMessage",
        r#"{"QueueUrl":"FIFO","MessageBody":"x","MessageGroupId":"g","MessageDeduplicationId":"a d"}"#,
    ),
    (
        "SendMessage",
        r#"{"QueueUrl":"FIFO","MessageBody":"x","MessageGroupId":"g","MessageDeduplicationId":"d","DelaySeconds":5}"#,
    ),
    (
        "SendMessageBatch",
        r#"{"QueueUrl":"FIFO","Entries":[{"Id":"a","MessageBody":"x","MessageDeduplicationId":"d"}]}"#,
    ),
    (
        "SendMessageBatch",
        r#"{"QueueUrl":"FIFO","Entries":[{"Id":"a","MessageBody":"x","MessageGroupId":"g"}]}"#,
    ),
    (
        "SendMessageBatch",
        r#"{"QueueUrl":"FIFO","Entries":[{"Id":"a","MessageGroupId":"g","MessageDeduplicationId":"d"}]}"#,
    ),
    ("ReceiveMessage", r#"{"QueueUrl":"FIFO","ReceiveRequestAttemptId":"an attempt"}"#),
    ("DeleteMessage", r#"{"QueueUrl":"FIFO","ReceiptHandle":"nonsense"}"#),
    ("CreateQueue", r#"{"QueueName":"errors","Attributes":{"VisibilityTimeout":"31"}}"#),
    ("CreateQueue", r#"{"QueueName":"orders","Attributes":{"VisibilityTimeout":"-1"}}"#),
    ("CreateQueue", r#"{"QueueName":"orders","Attributes":{"MessageRetentionPeriod":"59"}}"#),
    ("CreateQueue", r#"{"QueueName":"orders","Attributes":{"MaximumMessageSize":"1048577"}}"#),
    (
        "CreateQueue",
        r#"{"QueueName":"orders","Attributes":{"SqsManagedSseEnabled":"true","KmsMasterKeyId":"k"}}"#,
    ),
    ("CreateQueue", r#"{"QueueName":"orders","Attributes":{"RedrivePolicy":"x"}}"#),
    ("CreateQueue", r#"{"QueueName":"orders","Attributes":{"RedrivePolicy":"{\"maxReceiveCount\":1}"}}"#),
    (
        "CreateQueue",
        r#"{"QueueName":"orders","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"dummy\",\"maxReceiveCount\":1}"}}"#,
    ),
    (
        "CreateQueue",
        r#"{"QueueName":"orders","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:000000000000:none\",\"maxReceiveCount\":1}"}}"#,
    ),
    (
        "CreateQueue",
        r#"{"QueueName":"orders","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:000000000000:errors\",\"maxReceiveCount\":1001}"}}"#,
    ),
    ("CreateQueue", r#"{"QueueName":"orders","tags":{"":"v"}}"#),
    ("GetQueueUrl", r#"{"QueueName":"missing"}"#),
    ("ListQueues", r#"{"MaxResults":1001}"#),
    ("ListQueues", r#"{"NextToken":"?"}"#),
    ("GetQueueAttributes", r#"{"QueueUrl":"URL","AttributeNames":["Nonsense"]}"#),
    ("SetQueueAttributes", r#"{"QueueUrl":"URL"}"#),
    ("SetQueueAttributes", r#"{"QueueUrl":"URL","Attributes":{"Nonsense":"1"}}"#),
    ("SetQueueAttributes", r#"{"QueueUrl":"URL","Attributes":{"DelaySeconds":"901"}}"#),
    ("SetQueueAttributes", r#"{"QueueUrl":"URL","Attributes":{"Policy":"{"}}"#),
    ("SetQueueAttributes", r#"{"QueueUrl":"URL","Attributes":{"RedriveAllowPolicy":"{}"}}"#),
    ("PurgeQueue", r#"{"QueueUrl":"URL"}"#),
    ("AddPermission", r#"{"QueueUrl":"URL","Label":"l","AWSAccountIds":["1"]}"#),
    ("AddPermission", r#"{"QueueUrl":"URL","Label":"l","Actions":["SendMessage"]}"#),
    ("AddPermission", r#"{"QueueUrl":"URL","Label":"l","AWSAccountIds":["1"],"Actions":["TagQueue"]}"#),
    (
        "AddPermission",
        r#"{"QueueUrl":"URL","Label":"l","AWSAccountIds":["1"],"Actions":["*","*","*","*","*","*","*","*"]}"#,
    ),
    ("RemovePermission", r#"{"QueueUrl":"URL","Label":"l"}"#),
    ("TagQueue", r#"{"QueueUrl":"URL","Tags":{}}"#),
    ("UntagQueue", r#"{"QueueUrl":"URL","TagKeys":[]}"#),
    ("StartMessageMoveTask", "{}"),
    ("StartMessageMoveTask", r#"{"SourceArn":"errors"}"#),
    ("StartMessageMoveTask", r#"{"SourceArn":"arn:aws:sqs:eu-west-1:000000000000:missing"}"#),
    ("StartMessageMoveTask", r#"{"SourceArn":"arn:aws:sqs:eu-west-1:000000000000:errors"}"#),
    ("ListMessageMoveTasks", r#"{"SourceArn":"arn:aws:sqs:eu-west-1:000000000000:errors","MaxResults":11}"#),
    ("CancelMessageMoveTask", r#"{"TaskHandle":"none"}"#),
];

#[test]
fn every_refusal_is_the_pinned_one() {
    let lab = Lab::new();
    let url = lab.create("errors", json!({}));
    let fifo = lab.create("errors.fifo", json!({"FifoQueue": "true"}));
    let stale = lab.send_and_receive(&url);
    // A purge makes receipts stale, and the next one comes too early.
    lab.ok("PurgeQueue", json!({"QueueUrl": url}));
    let handle = lab.send_and_receive(&url);
    let old = ten_seconds_older(&handle);
    let mut client = lab.client();
    let mut exchanges = String::new();
    for (action, body) in CASES {
        let words = [("URL", &url), ("STALE", &stale), ("OLD", &old), ("HANDLE", &handle), ("FIFO", &fifo)];
        let full = words.iter().fold((*body).to_owned(), |text, (word, value)| {
            text.replace(&format!("\"{word}\""), &format!("\"{value}\""))
        });
        let answer = client.call(action, &full);
        assert_eq!(answer.header("content-type"), Some("application/x-amz-json-1.0"));
        assert!(answer.header("x-amzn-requestid").is_some());
        // A batch succeeds as a whole, and fails by entries.
        assert_eq!(answer.status == 200, answer.text.contains("\"Failed\""), "{action}: {}", answer.text);
        let text = words.iter().fold(answer.text.clone(), |text, (word, value)| text.replace(*value, word));
        let code = answer.header("x-amzn-query-error").unwrap_or("-");
        writeln!(exchanges, "> {action} {body}\n< {} {code}\n{text}\n", answer.status).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/errors.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &exchanges).unwrap();
    }
    let pinned = std::fs::read_to_string(&path).unwrap();
    for (now, pinned) in exchanges.split("\n\n").zip(pinned.split("\n\n")) {
        assert_eq!(now, pinned, "UPDATE=1 pins what is answered now");
    }
    assert_eq!(exchanges.len(), pinned.len(), "UPDATE=1 pins what is answered now");
}

#[test]
fn every_failure_of_the_foreign_suite_has_its_reason_in_the_documentation() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let failures = std::fs::read_to_string(here.join("tests/conformance/failures.tsv")).unwrap();
    let documentation = std::fs::read_to_string(here.join("../docs/LOCAL.md")).unwrap();
    for line in failures.lines() {
        let (test, reason) = line.split_once('\t').unwrap();
        let (_, test) = test.rsplit_once("::").unwrap();
        let test = test.split('[').next().unwrap();
        let row = documentation.lines().find(|row| row.starts_with(&format!("| {reason} |")));
        assert!(row.is_some_and(|row| row.contains(&format!("`{test}`"))), "{test}: {reason}");
    }
}

impl Lab {
    /// The receipt handle of a message that was received just now.
    fn send_and_receive(&self, url: &str) -> String {
        self.send(url, "x");
        self.receive(url)[0]["ReceiptHandle"].as_str().unwrap().to_owned()
    }
}

/// The handle's last four bytes are the second at which the message was received.
fn ten_seconds_older(handle: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut bytes = URL_SAFE_NO_PAD.decode(handle).unwrap();
    let second: &mut [u8] = &mut bytes[16..];
    let received_at = u32::from_be_bytes(second.try_into().unwrap());
    second.copy_from_slice(&(received_at - 10).to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}
