//! The handler of a Lambda function.

use crate::runtime_api::RuntimeApi;
use crate::sqs::id;
use crate::{Process, soon};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::time::Duration;

const WORKS: &str = "run=1 seq=0 sleep_ns=1000000";
const LONG: &str = "run=1 seq=0 sleep_ns=200000000";
const FAILS: &str = "run=1 seq=0 failures=1";
const PARTIAL: (&str, &str) = ("VERSUS_PARTIAL_BATCH_RESPONSES", "1");
const PARALLEL: (&str, &str) = ("VERSUS_PARALLEL_BATCH", "1");

fn next() -> (String, Value) {
    ("invocation/next".into(), Value::Null)
}

fn response(number: u32, body: Value) -> (String, Value) {
    (format!("invocation/request-{number}/response"), body)
}

/// The body that names messages by their numbers.
fn failed(numbers: &[u64]) -> Value {
    let items: Vec<_> = numbers.iter().map(|&number| json!({ "itemIdentifier": id(number) })).collect();
    json!({ "batchItemFailures": items })
}

#[tokio::test]
async fn the_first_invocation_is_the_cold_one() {
    let mut api = RuntimeApi::start().await;
    let mut worker = api.worker(&[]);
    assert_eq!(api.answer().await, next());
    api.invoke(&[Some("run=1 seq=5 sleep_ns=1000000"), None], 1);
    let records = worker.records(2).await;
    assert_eq!(api.answer().await, response(1, Value::Null));
    assert_eq!(api.answer().await, next());
    api.invoke(&[Some(WORKS)], 3);
    let warm = worker.record().await;
    assert_eq!(api.answer().await, response(2, Value::Null));
    assert_eq!([records[0].cold_start, records[1].cold_start, warm.cold_start], [true, true, false]);
    assert_eq!((records[0].seq, records[1].seq, warm.receive_count), (Some(5), None, 3));
    assert_eq!(records[0].sent_ms, Some(1_790_000_000_123));
    assert_eq!(records[0].first_received_ms, Some(1_790_000_000_456));
    assert_eq!(records[0].worker.as_deref(), Some("environment-1"));
    // One after the other.
    assert!(records[1].waited_ns >= records[0].work_ns);
    assert!(records[0].work_ns >= Some(1_000_000));
}

#[tokio::test]
async fn a_batch_fails_as_a_whole_at_the_first_message_that_does() {
    let mut api = RuntimeApi::start().await;
    let mut worker = api.worker(&[]);
    assert_eq!(api.answer().await, next());
    api.invoke(&[Some(WORKS), Some(FAILS), Some(WORKS)], 1);
    let (path, body) = api.answer().await;
    assert_eq!(path, "invocation/request-1/error");
    assert_eq!(body["errorType"], "MessageFailed");
    let text = format!("message {} failed, and with it the batch of 3", id(1));
    assert_eq!(body["errorMessage"], text);
    let ok: Vec<_> = worker.records(2).await.iter().map(|record| record.ok).collect();
    assert_eq!(ok, [true, false]);
    // The environment lives on; and the third message was never begun.
    api.invoke(&[Some(FAILS)], 2);
    assert!(worker.record().await.ok);
    assert_eq!(api.answer().await, next());
    assert_eq!(api.answer().await, response(2, Value::Null));
}

#[tokio::test]
async fn failed_messages_are_reported_by_themselves() {
    for more in [&[PARTIAL][..], &[PARTIAL, PARALLEL]] {
        let mut api = RuntimeApi::start().await;
        let mut worker = api.worker(more);
        assert_eq!(api.answer().await, next());
        api.invoke(&[Some(WORKS), Some(FAILS), Some(WORKS), Some(FAILS)], 1);
        assert_eq!(api.answer().await, response(1, failed(&[1, 3])));
        let ok = worker.records(4).await.iter().filter(|record| record.ok).count();
        assert_eq!(ok, 2);
        assert_eq!(api.answer().await, next());
        api.invoke(&[Some(WORKS)], 1);
        assert_eq!(api.answer().await, response(2, failed(&[])));
    }
}

#[tokio::test]
async fn a_batch_can_be_worked_on_at_once() {
    let mut api = RuntimeApi::start().await;
    let mut worker = api.worker(&[PARALLEL]);
    assert_eq!(api.answer().await, next());
    api.invoke(&[Some(LONG), Some(FAILS), Some(LONG), Some(LONG)], 1);
    let records = worker.records(4).await;
    // All are begun, although one fails; none waits for another.
    assert!(records.iter().all(|record| record.waited_ns < Some(200_000_000)));
    assert_eq!(records.iter().filter(|record| record.ok).count(), 3);
    assert_eq!(api.answer().await.0, "invocation/request-1/error");
}

#[tokio::test]
async fn an_invocation_without_messages_succeeds() {
    let mut api = RuntimeApi::start().await;
    let _worker = api.worker(&[PARTIAL]);
    assert_eq!(api.answer().await, next());
    api.invoke(&[], 1);
    assert_eq!(api.answer().await, response(1, failed(&[])));
}

#[tokio::test]
async fn sigterm_waits_for_the_invocation() {
    let mut api = RuntimeApi::start().await;
    let mut worker = api.worker(&[]);
    assert_eq!(api.answer().await, next());
    api.invoke(&[Some(WORKS), Some(LONG)], 1);
    worker.record().await;
    worker.signal(Signal::SIGTERM);
    assert_eq!(api.answer().await, response(1, Value::Null));
    let (code, records, said) = worker.end().await;
    assert_eq!((code, records.len(), said.as_str()), (Some(0), 1, ""));
}

#[tokio::test]
async fn an_idle_environment_ends_on_sigterm() {
    let mut api = RuntimeApi::start().await;
    let worker = api.worker(&[]);
    assert_eq!(api.answer().await, next());
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.end().await.0, Some(0));
}

#[tokio::test]
async fn an_environment_that_lacks_a_variable_says_which() {
    let worker = Process::start(&[("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")]);
    let (code, _, said) = worker.end().await;
    assert_eq!(code, Some(2));
    assert!(said.starts_with("versus-worker: AWS_LAMBDA_FUNCTION_NAME is not set"), "{said}");
}

/// Whoever served the Runtime API is gone: so is the worker.
#[tokio::test]
async fn without_a_runtime_api_it_ends() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let variables = [
        ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
        ("AWS_LAMBDA_FUNCTION_NAME", "versus"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
    ];
    let worker = Process::start(&variables);
    let (connection, _) = soon("a connection", listener.accept()).await.unwrap();
    drop(listener);
    drop(connection);
    let ended = tokio::time::timeout(Duration::from_secs(20), worker.end()).await.unwrap();
    assert_eq!(ended.0, Some(1), "{}", ended.2);
    assert!(ended.2.contains("Lambda Runtime API"), "{}", ended.2);
}
