//! Nothing that a caller sends may stop the endpoint: a release build ends the process when a thread panics.

use crate::lab::Lab;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

const ACTIONS: [&str; 23] = [
    "AddPermission",
    "CancelMessageMoveTask",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "CreateQueue",
    "DeleteMessage",
    "DeleteMessageBatch",
    "DeleteQueue",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "ListMessageMoveTasks",
    "ListQueues",
    "ListQueueTags",
    "PurgeQueue",
    "ReceiveMessage",
    "RemovePermission",
    "SendMessage",
    "SendMessageBatch",
    "SetQueueAttributes",
    "StartMessageMoveTask",
    "TagQueue",
    "UntagQueue",
];

/// Members of requests, but for WaitTimeSeconds.
const MEMBERS: [&str; 28] = [
    "ActionName",
    "Actions",
    "AttributeNames",
    "Attributes",
    "AWSAccountIds",
    "DelaySeconds",
    "DestinationArn",
    "Entries",
    "Label",
    "MaxNumberOfMessages",
    "MaxNumberOfMessagesPerSecond",
    "MaxResults",
    "MessageAttributeNames",
    "MessageAttributes",
    "MessageBody",
    "MessageGroupId",
    "MessageSystemAttributes",
    "NextToken",
    "QueueName",
    "QueueNamePrefix",
    "QueueUrl",
    "ReceiptHandle",
    "SourceArn",
    "TagKeys",
    "Tags",
    "TaskHandle",
    "VisibilityTimeout",
    "tags",
];

/// Names within attributes, and values of about every kind; `HANDLE` stands for a handle of the queue.
const TEXTS: [&str; 22] = [
    "",
    "q",
    "other",
    "/q",
    "HANDLE",
    "All",
    ".*",
    "Policy",
    "[]",
    "{\"Statement\":1}",
    "RedrivePolicy",
    "VisibilityTimeout",
    "0",
    "99999999999999999999",
    "-1",
    "ä😀\u{ffff}",
    "SendMessage",
    "arn:aws:sqs:eu-west-1:000000000000:q",
    "arn:aws:sqs:::",
    "{\"deadLetterTargetArn\":\"arn:aws:sqs:::q\",\"maxReceiveCount\":\"1\"}",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "__________________________8",
];

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => select(&TEXTS[..]).prop_map(Value::from),
        1 => select(vec![0, 1, -1, 10, 43_200, i64::MAX, i64::MIN]).prop_map(Value::from),
        1 => select(vec![json!(null), json!(true), json!(1.5), json!([]), json!({})]),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        let names = prop_oneof![
            select(&MEMBERS[..]),
            select(&TEXTS[..]),
            select(vec!["Id", "DataType", "StringValue", "BinaryValue"]),
        ];
        let members = prop::collection::vec((names, inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(Value::from),
            members.prop_map(|members| {
                members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<Map<_, _>>()
                    .into()
            }),
        ]
    })
}

#[test]
fn nonsense_is_refused_and_the_endpoint_lives() {
    let lab = Lab::new();
    let url = lab.create("q", json!({"VisibilityTimeout": "0"}));
    lab.send(&url, "x");
    let handle = lab.receive(&url)[0]["ReceiptHandle"].clone();
    let mut client = lab.client();
    let members = prop::collection::vec((select(&MEMBERS[..]), value()), 0..4);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(20_000));
    let client = std::cell::RefCell::new(&mut client);
    let call = |action: &str, body: &str| {
        let answer = client.borrow_mut().call(action, body);
        prop_assert!(matches!(answer.status, 200 | 400 | 403 | 404), "{action} {body}: {}", answer.text);
        prop_assert!(serde_json::from_str::<Value>(&answer.text).is_ok(), "{action} {body}: {}", answer.text);
        Ok(())
    };
    let requests = (select(&ACTIONS[..]), members, any::<bool>());
    let done = runner.run(&requests, |(action, members, about_q)| {
        // Some other request may have deleted it.
        call("CreateQueue", "{\"QueueName\":\"q\"}")?;
        let mut body: Map<String, Value> =
            members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        if about_q {
            body.insert("QueueUrl".into(), json!("q"));
        }
        call(action, &Value::from(body).to_string().replace("\"HANDLE\"", &handle.to_string()))
    });
    done.unwrap();
    for bytes in [&b"\xff\xfe"[..], b"[1", b"null", b"\"", b"{\"QueueUrl\":{}}"] {
        let mut request = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonSQS.SendMessage\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        )
        .into_bytes();
        request.extend(bytes);
        client.borrow_mut().write(&request);
        assert_eq!(client.borrow_mut().read().status, 400);
    }
    lab.send(&lab.create("after", json!({})), "x");
}
