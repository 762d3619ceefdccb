//! What is sent comes back, with what was asked for.

use crate::lab::Lab;
use model::scenario::Parameters;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

#[test]
fn a_message_comes_back_with_its_digests_and_attributes() {
    let lab = Lab::new();
    let url = lab.create("whole", json!({}));
    let body = "\"quoted\" \\ \n\r\t ä € 😀 \u{7f}";
    let sent = lab.ok(
        "SendMessage",
        json!({
            "QueueUrl": url,
            "MessageBody": body,
            "MessageGroupId": "tenant-1",
            "MessageAttributes": {
                "text": {"DataType": "String.label", "StringValue": "ä"},
                "number": {"DataType": "Number", "StringValue": "-1.5e3"},
                "bytes": {"DataType": "Binary", "BinaryValue": "AP8="},
            },
            "MessageSystemAttributes": {
                "AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"},
            },
        }),
    );
    let received = lab.receive(&url);
    let message = &received[0];
    for (in_answer, in_message) in [
        ("MessageId", "MessageId"),
        ("MD5OfMessageBody", "MD5OfBody"),
        ("MD5OfMessageAttributes", "MD5OfMessageAttributes"),
    ] {
        assert_eq!(sent[in_answer], message[in_message], "{in_answer}");
    }
    // Computed elsewhere (Python's hashlib), over the bytes that the developer guide describes.
    assert_eq!(sent["MD5OfMessageAttributes"], "d6ccdb4bd519d5e6dd427486cccce70a");
    assert_eq!(sent["MD5OfMessageSystemAttributes"], "62a56dd927315f2b2e12832b84617ea5");
    assert_eq!(message["Body"], body);
    assert_eq!(message["MessageAttributes"]["bytes"], json!({"DataType": "Binary", "BinaryValue": "AP8="}));
    assert_eq!(message["MessageAttributes"]["text"], json!({"DataType": "String.label", "StringValue": "ä"}));
    let system = &message["Attributes"];
    assert_eq!(system["MessageGroupId"], "tenant-1");
    assert_eq!(system["AWSTraceHeader"], "Root=1-5759e988-bd862e3fe1be46a994272793");
    assert_eq!(system["ApproximateReceiveCount"], "1");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    for name in ["SentTimestamp", "ApproximateFirstReceiveTimestamp"] {
        let at: u64 = system[name].as_str().unwrap().parse().unwrap();
        assert!(at <= now && now - at < 20_000, "{name}: {at}, now {now}");
    }
    assert_eq!(system["DeadLetterQueueSourceArn"], Value::Null);
}

#[test]
fn a_receive_hands_out_what_it_was_asked_for() {
    let lab = Lab::new();
    let url = lab.create("asked", json!({"VisibilityTimeout": "0"}));
    let attributes: Value = ["General", "Hello", "Help.Me"]
        .into_iter()
        .map(|name| (name.to_owned(), json!({"DataType": "String", "StringValue": name})))
        .collect();
    lab.ok("SendMessage", json!({"QueueUrl": url, "MessageBody": "x", "MessageAttributes": attributes}));
    let ask = |names: Value, system: Value| {
        let request =
            json!({"QueueUrl": url, "MessageAttributeNames": names, "MessageSystemAttributeNames": system});
        lab.ok("ReceiveMessage", request)["Messages"][0].clone()
    };
    let names = |message: &Value, of: &str| -> Vec<String> {
        message[of].as_object().map(|members| members.keys().cloned().collect()).unwrap_or_default()
    };
    for (asked, expected) in [
        (json!(["All"]), vec!["General", "Hello", "Help.Me"]),
        (json!([".*"]), vec!["General", "Hello", "Help.Me"]),
        (json!(["Hel.*"]), vec!["Hello", "Help.Me"]),
        (json!(["Hello", "Missing"]), vec!["Hello"]),
        (json!(["Missing"]), vec![]),
        (json!([]), vec![]),
    ] {
        let message = ask(asked.clone(), json!([]));
        assert_eq!(names(&message, "MessageAttributes"), expected, "{asked}");
        assert_eq!(message["MD5OfMessageAttributes"].is_null(), expected.is_empty(), "{asked}");
        assert!(names(&message, "Attributes").is_empty());
    }
    // The digest is of what is handed out.
    let of_all = ask(json!(["All"]), json!([]))["MD5OfMessageAttributes"].clone();
    let of_one = ask(json!(["Hello"]), json!([]))["MD5OfMessageAttributes"].clone();
    assert_ne!(of_all, of_one);
    let message = ask(json!([]), json!(["SenderId", "SentTimestamp", "SequenceNumber"]));
    assert_eq!(names(&message, "Attributes"), ["SenderId", "SentTimestamp"]);
}

#[test]
fn queues_keep_what_they_were_given() {
    let lab = Lab::new();
    let given = json!({
        "VisibilityTimeout": "45", "DelaySeconds": "3", "MessageRetentionPeriod": "600",
        "ReceiveMessageWaitTimeSeconds": "2", "MaximumMessageSize": "2048", "KmsMasterKeyId": "alias/key",
        "Policy": "{\"Version\":\"2012-10-17\"}", "RedriveAllowPolicy": "{\"redrivePermission\":\"denyAll\"}",
    });
    let url = lab.create("kept", given.clone());
    assert!(url.ends_with("/000000000000/kept"));
    // The same once more is the same queue.
    assert_eq!(lab.create("kept", given.clone()), url);
    assert_eq!(lab.ok("GetQueueUrl", json!({"QueueName": "kept"}))["QueueUrl"], url.as_str());
    let all = lab.ok("GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": ["All"]}));
    for (name, value) in given.as_object().unwrap() {
        assert_eq!(&all["Attributes"][name], value, "{name}");
    }
    assert_eq!(all["Attributes"]["QueueArn"], "arn:aws:sqs:eu-west-1:000000000000:kept");
    assert_eq!(all["Attributes"]["SqsManagedSseEnabled"], "false");
    assert_eq!(all["Attributes"]["KmsDataKeyReusePeriodSeconds"], "300");
    let laws = lab.queue("kept").attributes();
    assert_eq!((laws.visibility_timeout, laws.delay), (45_000_000_000, 3_000_000_000));
    lab.ok("SetQueueAttributes", json!({"QueueUrl": url, "Attributes": {"DelaySeconds": "0", "Policy": ""}}));
    assert_eq!(lab.attribute(&url, "Policy"), Value::Null);
    let most = "x".repeat(2049);
    let refused =
        lab.client().call("SendMessage", &json!({"QueueUrl": url, "MessageBody": most}).to_string());
    assert!(refused.text.contains("shorter than 2048 bytes"), "{}", refused.text);
    lab.ok("DeleteQueue", json!({"QueueUrl": url}));
    assert_eq!(lab.ok("ListQueues", json!({})), json!({}));
}

#[test]
fn depths_tags_and_permissions_show() {
    let lab = Lab::new();
    let url = lab.create("shown", json!({}));
    for body in ["a", "b"] {
        lab.send(&url, body);
    }
    lab.ok("SendMessage", json!({"QueueUrl": url, "MessageBody": "c", "DelaySeconds": 900}));
    lab.ok("ReceiveMessage", json!({"QueueUrl": url}));
    for name in ["", "NotVisible", "Delayed"] {
        assert_eq!(lab.attribute(&url, &format!("ApproximateNumberOfMessages{name}")), "1", "{name}");
    }
    lab.ok("TagQueue", json!({"QueueUrl": url, "Tags": {"a": "1", "b": ""}}));
    lab.ok("UntagQueue", json!({"QueueUrl": url, "TagKeys": ["a", "missing"]}));
    assert_eq!(lab.ok("ListQueueTags", json!({"QueueUrl": url})), json!({"Tags": {"b": ""}}));
    let permit = |label: &str, actions: Value| json!({"QueueUrl": url, "Label": label, "AWSAccountIds": ["111111111111"], "Actions": actions});
    lab.ok("AddPermission", permit("one", json!(["SendMessage"])));
    lab.ok("AddPermission", permit("two", json!(["ReceiveMessage", "DeleteMessage"])));
    lab.ok("RemovePermission", json!({"QueueUrl": url, "Label": "one"}));
    let policy: Value = serde_json::from_str(lab.attribute(&url, "Policy").as_str().unwrap()).unwrap();
    assert_eq!(
        policy["Statement"],
        json!([{
            "Sid": "two",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
            "Action": ["SQS:ReceiveMessage", "SQS:DeleteMessage"],
            "Resource": "arn:aws:sqs:eu-west-1:000000000000:shown",
        }])
    );
    lab.ok("RemovePermission", json!({"QueueUrl": url, "Label": "two"}));
    assert_eq!(lab.attribute(&url, "Policy"), Value::Null);
}

#[test]
fn too_many_messages_in_flight_are_an_error_for_short_polls_only() {
    let beliefs = Parameters {
        sqs_shards: 1,
        sqs_in_flight_limit: 2,
        sqs_duplicate_probability: 0.0,
        ..Parameters::default()
    };
    let lab = Lab::with(beliefs);
    let url = lab.create("limit", json!({}));
    for body in ["a", "b", "c"] {
        lab.send(&url, body);
    }
    let flying = lab.receive(&url);
    assert_eq!(flying.len(), 2);
    let refused = lab.client().call("ReceiveMessage", &json!({"QueueUrl": url}).to_string());
    assert_eq!((refused.status, refused.header("x-amzn-query-error")), (403, Some("OverLimit;Sender")));
    assert_eq!(lab.ok("ReceiveMessage", json!({"QueueUrl": url, "WaitTimeSeconds": 1})), json!({}));
    lab.ok("DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": flying[0]["ReceiptHandle"]}));
    assert_eq!(lab.receive(&url)[0]["Body"], "c");
}

#[test]
fn lists_of_queues_come_in_pages() {
    let lab = Lab::new();
    for number in 0..5 {
        lab.create(&format!("page-{number}"), json!({}));
    }
    lab.create("other", json!({}));
    let mut request = json!({"QueueNamePrefix": "page", "MaxResults": 2});
    let mut urls = Vec::new();
    loop {
        let answer = lab.ok("ListQueues", request.clone());
        urls.extend(answer["QueueUrls"].as_array().unwrap().clone());
        if answer["NextToken"].is_null() {
            break;
        }
        request["NextToken"] = answer["NextToken"].clone();
    }
    assert_eq!(urls.len(), 5);
    assert!(urls.iter().all(|url| url.as_str().unwrap().contains("/000000000000/page-")));
}
