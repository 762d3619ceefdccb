//! The Lambda Runtime API: hands out events one at a time and keeps the answers.

use crate::{Process, body_of, serve, soon};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What the function said: the path below the version, and the body.
pub(crate) type Answer = (String, Value);

/// The API's side of one environment.
pub(crate) struct RuntimeApi {
    address: String,
    events: UnboundedSender<(String, Value)>,
    answers: UnboundedReceiver<Answer>,
    invoked: u32,
}

const VERSION: &str = "/2018-06-01/runtime/";

impl RuntimeApi {
    pub(crate) async fn start() -> Self {
        let (events, waiting) = unbounded_channel();
        let (said, answers) = unbounded_channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let address = serve(move |request| answer(request, Arc::clone(&waiting), said.clone())).await;
        Self { address, events, answers, invoked: 0 }
    }

    /// A worker in this environment.
    pub(crate) fn worker(&self, more: &[(&str, &str)]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_versus-worker"));
        command.env_clear();
        self.run(command, more)
    }

    /// Another function in it.
    pub(crate) fn run(&self, command: Command, more: &[(&str, &str)]) -> Process {
        let variables = [
            ("AWS_LAMBDA_RUNTIME_API", self.address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "versus"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("VERSUS_WORKER", "environment-1"),
        ];
        Process::run(command, &[&variables, more].concat())
    }

    /// Hands out a batch of messages with these works, numbered from 0, each received for the `count`th time.
    pub(crate) fn invoke(&mut self, works: &[Option<&str>], count: u32) {
        let records = works.iter().enumerate().map(|(number, work)| {
            let attribute = |work: &str| json!({ "stringValue": work, "dataType": "String" });
            let attributes = work.map_or(json!({}), |work| json!({ "versus": attribute(work) }));
            json!({
                "messageId": crate::sqs::id(number as u64),
                "receiptHandle": "receipt",
                "body": "body",
                "attributes": {
                    "ApproximateReceiveCount": count.to_string(),
                    "SentTimestamp": "1790000000123",
                    "SenderId": "nobody",
                    "ApproximateFirstReceiveTimestamp": "1790000000456",
                },
                "messageAttributes": attributes,
                "md5OfBody": "841a2d689ad86bd1611447453c22c6fc",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:q",
                "awsRegion": "us-east-1",
            })
        });
        let event = json!({ "Records": records.collect::<Vec<_>>() });
        self.invoked += 1;
        self.events.send((format!("request-{}", self.invoked), event)).unwrap();
    }

    /// What the function says next.
    pub(crate) async fn answer(&mut self) -> Answer {
        soon("an answer", self.answers.recv()).await.unwrap()
    }
}

async fn answer(
    request: Request<Incoming>,
    waiting: Arc<Mutex<UnboundedReceiver<(String, Value)>>>,
    said: UnboundedSender<Answer>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path().strip_prefix(VERSION).unwrap().to_owned();
    if request.method() == Method::GET {
        assert_eq!(path, "invocation/next");
        said.send((path, Value::Null)).unwrap();
        let (id, event) = waiting.lock().await.recv().await.unwrap();
        // Without a content type awslambdaric crashes.
        return Response::builder()
            .header("content-type", "application/json")
            .header("Lambda-Runtime-Aws-Request-Id", id)
            .header("Lambda-Runtime-Deadline-Ms", "4000000000000")
            .header(
                "Lambda-Runtime-Invoked-Function-Arn",
                "arn:aws:lambda:us-east-1:000000000000:function:versus",
            )
            .body(Full::new(Bytes::from(event.to_string())))
            .unwrap();
    }
    let body = body_of(request).await;
    said.send((path, serde_json::from_slice(&body).unwrap())).unwrap();
    Response::builder().status(202).body(Full::new(Bytes::from("{\"status\":\"OK\"}"))).unwrap()
}
