use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ID: MessageId = MessageId(0x0f8f_ad5b_d9cb_469f_a165_7086_7728_950e);

fn invocation() -> Invocation {
    Invocation {
        request_id: ID,
        deadline_ms: 1_700_000_000_123,
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:f".into(),
        trace_id: "Root=1-0-0".into(),
        event: Bytes::from_static(b"{\"Records\":[]}"),
    }
}

/// One call on a connection of its own: the answer, headers included.
async fn call(address: SocketAddr, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    let length = if head.starts_with("POST") && !body.contains("\r\n") {
        format!("Content-Length: {}\r\n\r\n", body.len())
    } else {
        String::new()
    };
    stream.write_all(format!("{request}{length}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn path(id: &str, what: &str) -> String {
    format!("POST /2018-06-01/runtime/invocation/{id}/{what}")
}

const NEXT: &str = "GET /2018-06-01/runtime/invocation/next";

/// Has a runtime fetch the invocation; returns what it was told.
async fn fetched(api: &mut RuntimeApi) -> String {
    let next = tokio::spawn({
        let address = api.address();
        async move { call(address, NEXT, "\r\n").await }
    });
    assert!(matches!(api.event().await.call, Call::Next));
    assert!(api.invoke(invocation()));
    next.await.unwrap()
}

#[tokio::test]
async fn a_runtime_fetches_an_invocation_and_answers_it_once() {
    let mut api = RuntimeApi::open().await.unwrap();
    assert!(api.address().ip().is_loopback());
    assert!(!api.invoke(invocation()), "nobody waits yet");
    let event = fetched(&mut api).await;
    for header in [
        "lambda-runtime-aws-request-id: 0f8fad5b-d9cb-469f-a165-70867728950e",
        "lambda-runtime-deadline-ms: 1700000000123",
        "lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:f",
        "lambda-runtime-trace-id: Root=1-0-0",
    ] {
        assert!(event.contains(header), "{event}");
    }
    assert!(event.ends_with("\r\n\r\n{\"Records\":[]}"), "{event}");
    let id = ID.to_string();
    let wrong = call(api.address(), &path("0f8fad5b", "response"), "{}").await;
    assert!(wrong.starts_with("HTTP/1.1 400") && wrong.contains("InvalidRequestID"), "{wrong}");
    let early = call(api.address(), NEXT, "\r\n").await;
    assert!(early.starts_with("HTTP/1.1 403") && early.contains("InvalidStateTransition"), "{early}");
    let accepted = call(api.address(), &path(&id, "response"), "{\"batchItemFailures\":[]}").await;
    assert!(accepted.starts_with("HTTP/1.1 202") && accepted.contains("{\"status\":\"OK\"}"), "{accepted}");
    assert!(matches!(api.event().await.call, Call::Response(body) if body == "{\"batchItemFailures\":[]}"));
    let again = call(api.address(), &path(&id, "response"), "{}").await;
    assert!(again.starts_with("HTTP/1.1 403"), "{again}");
}

#[tokio::test]
async fn chunked_responses_and_errors_are_read() {
    let mut api = RuntimeApi::open().await.unwrap();
    let (id, address) = (ID.to_string(), api.address());
    fetched(&mut api).await;
    let chunks = "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
    assert!(call(address, &path(&id, "response"), chunks).await.starts_with("HTTP/1.1 202"));
    assert!(matches!(api.event().await.call, Call::Response(body) if body == "{\"a\":1}"));
    fetched(&mut api).await;
    let error = "{\"errorType\":\"ValueError\",\"errorMessage\":\"no\"}";
    assert!(call(address, &path(&id, "error"), error).await.starts_with("HTTP/1.1 202"));
    assert!(matches!(api.event().await.call, Call::Error));
    let late = call(address, "POST /2018-06-01/runtime/init/error", error).await;
    assert!(late.starts_with("HTTP/1.1 403"), "{late}");
    let lost = call(address, "GET /2018-06-01/runtime/elsewhere", "\r\n").await;
    assert!(lost.starts_with("HTTP/1.1 404"), "{lost}");
}

#[tokio::test]
async fn a_response_that_is_too_large_fails_the_invocation() {
    let mut api = RuntimeApi::open().await.unwrap();
    let (id, address) = (ID.to_string(), api.address());
    fetched(&mut api).await;
    // As simple runtimes do it: the whole response goes out before the answer is read.
    let answer =
        tokio::spawn(async move { call(address, &path(&id, "response"), &" ".repeat(20 << 20)).await });
    assert!(matches!(api.event().await.call, Call::Error));
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("RequestEntityTooLarge"), "{answer}");
}

#[tokio::test]
async fn a_runtime_that_hung_up_gets_nothing_and_may_ask_again() {
    let mut api = RuntimeApi::open().await.unwrap();
    let address = api.address();
    let next = tokio::spawn(async move { call(address, NEXT, "\r\n").await });
    assert!(matches!(api.event().await.call, Call::Next));
    next.abort();
    let _ = next.await;
    // The connection's end is noticed by itself.
    while !matches!(&*api.exchange.phase(), Phase::Waiting(runtime) if runtime.is_closed()) {
        tokio::task::yield_now().await;
    }
    assert!(!api.invoke(invocation()));
    assert!(fetched(&mut api).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_initialisation_says_why_it_fails() {
    let mut api = RuntimeApi::open().await.unwrap();
    let head = "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                Lambda-Runtime-Function-Error-Type: Runtime.ImportModuleError\r\nContent-Length: 2\r\n\r\n{}";
    let mut stream = TcpStream::connect(api.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(matches!(api.event().await.call, Call::InitError(kind) if kind == "Runtime.ImportModuleError"));
    let address = api.address();
    drop(api);
    tokio::task::yield_now().await;
    let mut rest = String::new();
    // Closed with the process it was for.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let _ = stream.read_to_string(&mut rest).await;
}
