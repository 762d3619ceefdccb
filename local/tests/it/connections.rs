//! HTTP: where it listens, what shares a connection, what is too much.

use crate::lab::{Lab, request};
use local::queues::Queues;
use local::server::{Endpoint, NoMetrics};
use model::scenario::Parameters;
use model::time::Origin;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

#[test]
fn only_loopback_is_listened_on() {
    let origin = Origin { instant: Instant::now(), utc: SystemTime::now() };
    let queues = Arc::new(Queues::new(origin, "eu-west-1", Parameters::default()));
    for address in [SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), SocketAddr::from(([192, 0, 2, 1], 0))] {
        let refused = Endpoint::start(address, Arc::clone(&queues), Arc::new(NoMetrics), 1);
        assert!(refused.err().unwrap().to_string().contains("loopback only"));
    }
    let first = Endpoint::start((Ipv4Addr::LOCALHOST, 0).into(), Arc::clone(&queues), Arc::new(NoMetrics), 1);
    let taken = Endpoint::start(first.as_ref().unwrap().address(), queues, Arc::new(NoMetrics), 1);
    assert!(taken.err().unwrap().to_string().contains("is another endpoint using the port?"));
}

#[test]
fn stopping_ends_waiting_calls_and_frees_the_port() {
    let lab = Lab::new();
    let url = lab.create("stopping", json!({}));
    let address = lab.endpoint.address();
    let mut waiting = lab.client();
    let body = json!({"QueueUrl": url, "WaitTimeSeconds": 20}).to_string();
    waiting.write(&request("X-Amz-Target: AmazonSQS.ReceiveMessage\r\n", &body));
    // Another connection on the same threads has been served: the waiting one is in its call.
    lab.send(&lab.create("other", json!({})), "x");
    let since = Instant::now();
    lab.endpoint.stop();
    assert!(since.elapsed() < Duration::from_secs(2));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn requests_may_follow_each_other_without_waiting() {
    let lab = Lab::new();
    let url = lab.create("pipeline", json!({}));
    let mut client = lab.client();
    let send = |body: &str| {
        let body = json!({"QueueUrl": url, "MessageBody": body}).to_string();
        request("X-Amz-Target: AmazonSQS.SendMessage\r\n", &body)
    };
    client.write(&[send("a"), send("b"), send("c")].concat());
    let answers: Vec<_> = (0..3).map(|_| client.read().json()["MD5OfMessageBody"].clone()).collect();
    let md5 = ["0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"];
    assert_eq!((&answers[0], &answers[1]), (&json!(md5[0]), &json!(md5[1])));
    let bodies: Vec<_> = lab.receive(&url).iter().map(|message| message["Body"].clone()).collect();
    assert_eq!(bodies, [json!("a"), json!("b"), json!("c")]);
}

#[test]
fn what_is_not_sqs_or_cloudwatch_is_told_so() {
    let lab = Lab::new();
    let mut client = lab.client();
    client.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let health = client.read();
    assert_eq!((health.status, health.header("content-type")), (200, Some("text/plain")));
    client.write(&request("", "Action=SendMessage&Version=2012-11-05"));
    let query = client.read();
    assert_eq!((query.status, query.header("content-type")), (400, Some("text/xml")));
    assert!(query.text.contains("use an SDK of 2024 or newer"), "{}", query.text);
    for target in ["X-Amz-Target: DynamoDB_20120810.ListTables\r\n", ""] {
        client.write(&request(target, "{}"));
        let unknown = client.read();
        assert_eq!(
            (unknown.status, unknown.header("x-amzn-query-error")),
            (400, Some("InvalidAction;Sender"))
        );
    }
    client.write(&request("X-Amz-Target: GraniteServiceVersion20100801.ListMetrics\r\n", "{}"));
    assert!(client.read().text.contains("ListMetrics"));
}

#[test]
fn a_message_may_have_a_mebibyte_and_no_more() {
    let lab = Lab::new();
    let url = lab.create("large", json!({}));
    let most = 1024 * 1024;
    let mut client = lab.client();
    let mut send =
        |body: String| client.call("SendMessage", &json!({"QueueUrl": url, "MessageBody": body}).to_string());
    // Each of these quotes takes two bytes on the way.
    assert_eq!(send("\"".repeat(most)).status, 200);
    let refused = send("x".repeat(most + 1));
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("Message must be shorter than 1048576 bytes."), "{}", refused.text);
    assert_eq!(lab.receive(&url)[0]["Body"].as_str().unwrap().len(), most);
    let halves = |extra: usize| {
        json!({"QueueUrl": url, "Entries": [
            {"Id": "a", "MessageBody": "x".repeat(most / 2)},
            {"Id": "b", "MessageBody": "x".repeat(most / 2 + extra)},
        ]})
    };
    assert_eq!(lab.ok("SendMessageBatch", halves(0))["Successful"].as_array().unwrap().len(), 2);
    let refused = lab.client().call("SendMessageBatch", &halves(1).to_string());
    assert!(refused.text.contains("You have sent 1048577 bytes."), "{}", refused.text);
    let mut flood = lab.client();
    flood.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9437184\r\n\r\n");
    assert_eq!(flood.read().status, 413);
}
