//! What a function is told, and what becomes of its answers.

use crate::rig::{Rig, Trial};
use local::message::{Attribute, AttributeValue, Message};
use model::journal::Sight;
use model::scenario::{Lambda, Parameters, Queue};
use model::series::metric;
use model::time::{MILLISECOND, SECOND};
use serde_json::{Value, json};

/// The JSON behind a word in the log.
fn logged(rig: &Rig, word: &str) -> Value {
    let lines = rig.lines(word);
    serde_json::from_str(lines[0].split_once(word).unwrap().1).unwrap()
}

#[tokio::test]
async fn the_event_is_that_of_aws() {
    let mut rig = Trial::default().run(&[]).await;
    let attributes = vec![
        Attribute::string("versus", "run=1 seq=42"),
        Attribute {
            name: "raw".into(),
            data_type: "Binary".into(),
            value: AttributeValue::Binary(vec![1, 2, 255].into()),
        },
    ];
    let message = Message { group: Some("tenant".into()), ..Message::new("event") };
    let id = rig.send_message(message.with_attributes(attributes));
    let sent_at = rig.sees(Sight::Sent).await.at;
    let received_at = rig.sees(Sight::Received).await.at;
    rig.deleted(1).await;
    let (rig, _) = rig.stop().await;
    let event = logged(&rig, "event ");
    let record = &event["Records"][0];
    assert_eq!(event["Records"].as_array().unwrap().len(), 1);
    let handle = record["receiptHandle"].as_str().unwrap();
    assert!(rig.queue.receipt(handle).is_some(), "{handle}");
    let ms = |at| (rig.origin.utc_ns(at) / MILLISECOND).to_string();
    let md5 = local::message::text(&local::message::md5_hex(b"event"));
    let expected = json!({
        "messageId": id.to_string(),
        "receiptHandle": handle,
        "body": "event",
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": ms(sent_at),
            "SenderId": record["attributes"]["SenderId"],
            "ApproximateFirstReceiveTimestamp": ms(received_at),
            "MessageGroupId": "tenant",
        },
        "messageAttributes": {
            "raw": {
                "binaryValue": "AQL/", "stringListValues": [], "binaryListValues": [], "dataType": "Binary",
            },
            "versus": {
                "stringValue": "run=1 seq=42", "stringListValues": [], "binaryListValues": [], "dataType": "String",
            },
        },
        "md5OfBody": md5,
        "md5OfMessageAttributes": record["md5OfMessageAttributes"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:q",
        "awsRegion": "eu-west-1",
    });
    assert_eq!(*record, expected);
    assert_eq!(record["md5OfMessageAttributes"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn the_environment_is_that_of_aws() {
    let lambda = Lambda { memory_mb: 884, parallel_batch: true, ..Lambda::default() };
    let mut rig = Trial { lambda, ..Trial::default() }.run(&["environment"]).await;
    rig.deleted(1).await;
    let (rig, _) = rig.stop().await;
    for expected in [
        "_HANDLER=app.handler",
        "AWS_LAMBDA_FUNCTION_NAME=lambda",
        "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=884",
        "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/lambda",
        "AWS_LAMBDA_LOG_STREAM_NAME=20",
        "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
        "AWS_LAMBDA_RUNTIME_API=127.0.0.1:",
        "AWS_REGION=eu-west-1",
        "AWS_DEFAULT_REGION=eu-west-1",
        "AWS_ENDPOINT_URL=http://127.0.0.1:",
        "AWS_ACCESS_KEY_ID=",
        "LAMBDA_TASK_ROOT=/",
        "TZ=:UTC",
        "VERSUS_PARALLEL_BATCH=1",
        "VERSUS_PARTIAL_BATCH_RESPONSES=0",
        "VERSUS_WORKER=lambda-0",
    ] {
        assert_eq!(rig.lines(&format!(": env {expected}")).len(), 1, "{expected}\n{}", rig.log());
    }
    let share = &rig.lines(": env VERSUS_CPU_SHARE=")[0];
    let share: f64 = share.rsplit('=').next().unwrap().parse().unwrap();
    assert!((share - 884.0 / 1_769.0).abs() < 1e-9, "{share}");
}

/// A mapping whose only loop gets whatever is sent together.
fn one_loop() -> Trial {
    let trial = Trial::default();
    Trial { beliefs: Parameters { esm_start: 1, esm_idle: 1, ..trial.beliefs.clone() }, ..trial }
}

/// Five loops wait for messages: each gets its share of what was sent together.
#[tokio::test]
async fn loops_that_wait_share_what_comes() {
    let mut rig = Trial::default().run(&[]).await;
    rig.send(&["ok"; 5]);
    rig.deleted(5).await;
    let (rig, _) = rig.stop().await;
    assert_eq!(rig.total(metric::INVOCATIONS), 5.0);
}

/// Runs one batch of these messages; returns the rig, stopped, once `log` is in its log.
async fn one_batch(partial: bool, bodies: &[&str], log: &str) -> Rig {
    let lambda = Lambda { partial_batch_responses: partial, ..Lambda::default() };
    let rig = Trial { lambda, ..one_loop() }.run(bodies).await;
    rig.until(log, |rig| !rig.lines(log).is_empty()).await;
    let (rig, _) = rig.stop().await;
    assert_eq!(rig.total(metric::INVOCATIONS), 1.0);
    rig
}

#[tokio::test]
async fn partial_responses_keep_what_failed() {
    let rig = one_batch(true, &["ok", "fail", "ok"], "REPORT").await;
    assert_eq!((rig.queue.counts().in_flight, rig.queue.counts().totals.deleted), (1, 2));
    assert_eq!(rig.total(metric::ERRORS), 0.0);
    let unknown = r#"answer {"batchItemFailures":[{"itemIdentifier":"x"}]}"#;
    for answer in [unknown, "answer nonsense"] {
        let rig = one_batch(true, &["ok", answer], "REPORT").await;
        assert_eq!(rig.queue.counts().in_flight, 2, "{answer}");
    }
    for answer in ["answer null", "answer {}", "answer "] {
        let rig = one_batch(true, &["ok", answer], "REPORT").await;
        assert_eq!(rig.queue.counts().totals.deleted, 2, "{answer}");
    }
    let rig = one_batch(false, &["ok", unknown], "REPORT").await;
    assert_eq!(rig.queue.counts().totals.deleted, 2, "without ReportBatchItemFailures nobody reads it");
}

#[tokio::test]
async fn a_handler_that_fails_fails_its_batch_and_the_environment_goes_on() {
    let mut rig = one_loop().run(&["ok", "error"]).await;
    rig.until("the failure", |rig| rig.lines("REPORT").len() == 1).await;
    assert_eq!(rig.queue.counts().in_flight, 2);
    let before = rig.processes();
    rig.send(&["ok"]);
    rig.deleted(1).await;
    assert_eq!(rig.processes(), before);
    let (rig, _) = rig.stop().await;
    assert_eq!(rig.total(metric::ERRORS), 1.0);
    assert!(rig.lines("Status:").is_empty(), "an error of the handler is no error of the runtime");
}

#[tokio::test]
async fn records_count_on_either_output() {
    let rig = &mut Trial::default().run(&[]).await;
    let mut told = Vec::new();
    for body in ["stderr", "ok"] {
        let sent = rig.send(&[body])[0];
        let record = rig.record().await;
        assert_eq!(record.message_id, sent, "{body}");
        assert!(record.worker.is_some(), "{body}");
        rig.deleted(1).await;
        told.push(record.cold_start);
    }
    assert_eq!(told, [true, false]);
    assert!(rig.lines("message_id").is_empty(), "records are no log lines");
}

#[tokio::test]
async fn what_failed_comes_again_after_its_visibility_timeout() {
    let queue = Queue { visibility_timeout: SECOND, max_receive_count: None, ..Queue::default() };
    let lambda = Lambda { partial_batch_responses: true, timeout: SECOND, ..Lambda::default() };
    let mut rig = Trial { lambda, queue, ..Trial::default() }.run(&["fail"]).await;
    let first = rig.record().await;
    let second = rig.record().await;
    assert_eq!((first.receive_count, second.receive_count), (1, 2));
    assert_eq!((first.ok, first.message_id), (false, second.message_id));
    let [first, second] = [rig.sees(Sight::Received).await.at, rig.sees(Sight::Received).await.at];
    assert!(second - first >= SECOND, "{}", second - first);
    rig.stop().await;
}
