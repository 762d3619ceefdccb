//! The event source mapping: batches, windows, throttling, concurrency.

use crate::rig::Trial;
use model::journal::Sight;
use model::run::ActivityKind;
use model::scenario::{Lambda, Parameters, ProvisionedPollers, Queue};
use model::series::metric;
use model::time::{MILLISECOND, Nanos, SECOND};
use model::usage::Item;

fn largest(points: &[f64]) -> f64 {
    points.iter().copied().fold(0.0, f64::max)
}

#[tokio::test]
async fn reserved_concurrency_throttles_and_the_batch_is_tried_again() {
    let lambda = Lambda { reserved_concurrency: Some(1), batch_size: 1, ..Lambda::default() };
    let beliefs = Parameters { esm_throttle_retry_first: 300 * MILLISECOND, ..Parameters::default() };
    let mut rig = Trial { lambda, beliefs, ..Trial::default() }.run(&["sleep 800", "sleep 800"]).await;
    rig.deleted(2).await;
    assert_eq!(rig.processes().len(), 1);
    let (rig, ended) = rig.stop().await;
    assert!(!ended.account_limited, "it is the function's own limit");
    assert!(rig.total(metric::THROTTLES) >= 2.0, "at 0 and 0.3 s");
    assert_eq!(rig.noted(ActivityKind::Throttling), ["1 environments busy, limited by reserved concurrency"]);
    assert_eq!(largest(&rig.points[metric::CONCURRENCY]), 1.0);
    assert_eq!(rig.total(metric::INVOCATIONS), 2.0, "a refused one is none");
}

#[tokio::test]
async fn a_throttled_batch_is_dropped_when_its_messages_become_visible() {
    let lambda =
        Lambda { reserved_concurrency: Some(1), batch_size: 1, timeout: 4 * SECOND, ..Lambda::default() };
    let queue = Queue { visibility_timeout: 1_200 * MILLISECOND, ..Queue::default() };
    let mut rig = Trial { lambda, queue, ..Trial::default() }.run(&["sleep 3000", "sleep 3000"]).await;
    let [a, b] = [rig.sees(Sight::Received).await, rig.sees(Sight::Received).await];
    assert_ne!(a.message, b.message);
    assert!(b.at - a.at < SECOND);
    // Both are visible again after 1.2 s, and the loop that dropped its batch takes one of them.
    let again = rig.sees(Sight::Received).await;
    assert_eq!(again.receive_count, 2);
    assert!(again.at - a.at >= 1_200 * MILLISECOND, "{}", again.at - a.at);
    rig.stop().await;
}

#[tokio::test]
async fn an_account_limit_is_told() {
    let lambda = Lambda { batch_size: 1, ..Lambda::default() };
    let beliefs = Parameters { lambda_account_concurrency: 1, esm_start: 2, ..Parameters::default() };
    let rig = Trial { lambda, beliefs, ..Trial::default() }.run(&["ok", "ok"]).await;
    // One loop is all that such an account allows: nothing is refused.
    let (_, ended) = rig.stop().await;
    assert!(!ended.account_limited);
    let lambda = Lambda { batch_size: 1, maximum_concurrency: Some(2), ..Lambda::default() };
    let beliefs = Parameters { lambda_requests_per_concurrency: 1, ..Parameters::default() };
    let limited = Parameters { lambda_account_concurrency: 2, ..beliefs };
    let mut rig = Trial { lambda, beliefs: limited, ..Trial::default() }.run(&["ok"; 12]).await;
    rig.deleted(4).await;
    rig.until("a throttle", |rig| rig.queue.counts().in_flight == 2).await;
    let (rig, ended) = rig.stop().await;
    assert!(ended.account_limited);
    let notes = rig.noted(ActivityKind::Throttling);
    assert!(notes.iter().any(|note| note.contains("the account's")), "the run's checks read it: {notes:?}");
}

/// Sends `then` while the window of a batch with one message is open; returns invocations and when all were deleted.
async fn with_window(size: u32, window: Nanos, wait: Nanos, then: usize) -> (f64, Nanos) {
    let lambda = Lambda { batch_size: size, batching_window: window, ..Lambda::default() };
    let beliefs = Parameters { esm_window_wait: wait, ..Parameters::default() };
    let mut rig = Trial { lambda, beliefs, ..Trial::default() }.run(&["ok"]).await;
    let first = rig.sees(Sight::Received).await.at;
    rig.send(&vec!["ok"; then]);
    let last = rig.deleted(then + 1).await[then].at;
    let (rig, _) = rig.stop().await;
    (rig.total(metric::INVOCATIONS), last - first)
}

#[tokio::test]
async fn a_batching_window_collects() {
    let (invocations, took) = with_window(10, 300 * MILLISECOND, 500 * MILLISECOND, 3).await;
    assert_eq!(invocations, 1.0);
    assert!(took >= 500 * MILLISECOND, "without more messages the poll in progress is waited for: {took}");
    let (invocations, took) = with_window(4, 20 * SECOND, 20 * SECOND, 3).await;
    assert_eq!(invocations, 1.0, "a full batch is not held back");
    assert!(took < 15 * SECOND, "{took}");
    let (invocations, _) = with_window(100, SECOND, SECOND, 60).await;
    assert_eq!(invocations, 1.0, "several receives make one batch");
}

#[tokio::test]
async fn without_a_window_a_message_does_not_wait() {
    let (invocations, took) = with_window(10, 0, 20 * SECOND, 0).await;
    assert_eq!(invocations, 1.0);
    assert!(took < 15 * SECOND, "{took}");
}

#[tokio::test]
async fn a_backlog_is_worked_off_by_as_many_environments_as_there_are_loops() {
    let beliefs = Parameters { esm_maximum: 5, ..Parameters::default() };
    let mut rig = Trial { beliefs, ..Trial::default() }.run(&["sleep 20"; 200]).await;
    rig.deleted(200).await;
    let (rig, _) = rig.stop().await;
    assert_eq!(rig.total(metric::INVOCATIONS), 20.0, "long polls find full batches in a backlog");
    assert_eq!(largest(&rig.points[metric::CONCURRENCY]), 5.0);
    assert_eq!(largest(&rig.points[metric::MAPPING_CONCURRENCY]), 5.0);
    assert_eq!(rig.total(metric::COLD_STARTS), 5.0);
    assert_eq!(rig.usage.quantity(Item::LambdaRequests, ""), 20);
    assert_eq!(rig.usage.quantity(Item::SqsRequests, "delete"), 20);
    assert_eq!(rig.usage.quantity(Item::LogBytes, ""), 20 * 350);
    let billed = |line: &String| -> u64 {
        let rest = line.split_once("Billed Duration: ").unwrap().1;
        rest.split_once(" ms").unwrap().0.parse().unwrap()
    };
    let billed: u64 = rig.lines("REPORT RequestId").iter().map(billed).sum();
    assert_eq!(rig.usage.quantity(Item::LambdaDuration, "x86"), 512 * billed);
    let mean = rig.points[metric::DURATION][0];
    assert!(mean >= 200.0, "{mean}");
}

#[tokio::test]
async fn the_ramp_adds_loops_under_a_backlog() {
    let lambda = Lambda { batch_size: 1, ..Lambda::default() };
    // A loop every 20 ms.
    let beliefs = Parameters { esm_ramp_per_minute: 3_000, esm_start: 1, ..Parameters::default() };
    let mut rig = Trial { lambda, beliefs, ..Trial::default() }.run(&["sleep 1500"; 8]).await;
    rig.deleted(8).await;
    let (rig, _) = rig.stop().await;
    assert_eq!(largest(&rig.points[metric::CONCURRENCY]), 8.0);
}

#[tokio::test]
async fn calls_that_fail_are_repeated() {
    let beliefs = Parameters { esm_call_retry: 5 * MILLISECOND, ..Parameters::default() };
    let lambda = Lambda { batch_size: 2, ..Lambda::default() };
    let mut rig = Trial { lambda, beliefs, ..Trial::default() }.run(&[]).await;
    rig.queue.set_fault_shares(0.4, 0.3);
    rig.send(&["ok"; 60]);
    rig.deleted(60).await;
    let totals = rig.queue.counts().totals;
    assert!(totals.injected_errors + totals.injected_throttles > 10);
    let (rig, _) = rig.stop().await;
    assert_eq!(rig.total(metric::INVOCATIONS), 30.0, "what was received is not invoked twice");
}

#[tokio::test]
async fn event_pollers_keep_their_pace() {
    let lambda = Lambda {
        batch_size: 1,
        provisioned_pollers: Some(ProvisionedPollers { min: 2, max: 2 }),
        ..Lambda::default()
    };
    let mut rig = Trial { lambda, ..Trial::default() }.run(&["ok"; 40]).await;
    let deleted = rig.deleted(40).await;
    let took = deleted[39].at - deleted[0].at;
    // Two pollers receive 20 times a second.
    assert!(took >= 1_500 * MILLISECOND, "{took}");
    let (rig, _) = rig.stop().await;
    assert!(rig.usage.quantity(Item::LambdaEventPollers, "") >= 2);
}

#[tokio::test]
async fn idle_loops_are_billed_for_their_empty_receives() {
    let beliefs = Parameters { esm_wait_time: SECOND, ..Parameters::default() };
    let rig = Trial { beliefs, ..Trial::default() }.run(&[]).await;
    rig.until("empty receives", |rig| rig.queue.counts().totals.empty_receives >= 10).await;
    let at = rig.queue.counts();
    let (rig, _) = rig.stop().await;
    assert!(rig.points[metric::EMPTY_RECEIVES].iter().sum::<f64>() >= 10.0, "{at:?}");
    assert_eq!(rig.total(metric::INVOCATIONS), 0.0);
}

#[tokio::test]
async fn a_wrong_command_is_told() {
    let variables = vec![("RUNTIME_INIT", "error".to_owned())];
    let lambda = Lambda { batch_size: 1, ..Lambda::default() };
    let rig = Trial { lambda, variables, ..Trial::default() }.run(&["ok"; 4]).await;
    let error = rig.fails().await;
    assert!(
        error.contains("never asked the Runtime API") && error.contains("Runtime.ImportModuleError"),
        "{error}"
    );
}
