//! Calls that fail on purpose.

use crate::lab::Lab;
use serde_json::json;

#[test]
fn a_share_of_the_calls_fails_without_effect() {
    let lab = Lab::new();
    let url = lab.create("faulty", json!({}));
    let queue = lab.queue("faulty");
    queue.set_fault_shares(0.2, 0.3);
    let mut client = lab.client();
    let body = json!({"QueueUrl": url, "MessageBody": "x"}).to_string();
    let (mut sent, mut errors, mut throttles) = (0, 0, 0);
    for _ in 0..2_000 {
        let answer = client.call("SendMessage", &body);
        match (answer.status, answer.header("x-amzn-query-error")) {
            (200, None) => sent += 1,
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
    assert_eq!((counts.visible, counts.totals.sent), (sent, sent));
    queue.set_fault_shares(1.0, 0.0);
    assert_eq!(client.call("SendMessage", &body).status, 500);
    queue.set_fault_shares(0.0, 0.0);
    assert_eq!(client.call("SendMessage", &body).status, 200);
}
