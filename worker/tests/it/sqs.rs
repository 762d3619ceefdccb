//! A queue with the actions that a worker uses, and a log of its calls.

use crate::{Process, body_of, serve};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// VisibilityTimeout of a queue that is not about it.
const LONG: Duration = Duration::from_secs(30);

struct Stored {
    id: String,
    work: Option<String>,
    count: u32,
    visible_at: Instant,
}

/// A call as the worker made it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) action: String,
    pub(crate) body: Value,
}

#[derive(Default)]
struct State {
    messages: Vec<Stored>,
    calls: Vec<Call>,
    /// So many calls from now on fail.
    failing: u32,
}

/// The queue.
pub(crate) struct Fake {
    state: Mutex<State>,
    changed: Notify,
    timeout: Duration,
    address: std::sync::OnceLock<String>,
}

#[allow(clippy::disallowed_methods)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The id of the message with this number.
pub(crate) fn id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

impl Fake {
    pub(crate) async fn start() -> Arc<Self> {
        Self::with_timeout(LONG).await
    }

    pub(crate) async fn with_timeout(timeout: Duration) -> Arc<Self> {
        let fake = Arc::new(Self {
            state: Mutex::default(),
            changed: Notify::new(),
            timeout,
            address: std::sync::OnceLock::new(),
        });
        let served = Arc::clone(&fake);
        let address = serve(move |request| Arc::clone(&served).answer(request)).await;
        fake.address.set(address).unwrap();
        fake
    }

    /// Sends messages with these works; the first has the number 0.
    pub(crate) fn send(&self, works: &[Option<&str>]) {
        let mut state = self.state.lock().unwrap();
        for work in works {
            let id = id(state.messages.len() as u64);
            let work = work.map(str::to_owned);
            state.messages.push(Stored { id, work, count: 0, visible_at: now() });
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// The next calls fail.
    pub(crate) fn fail(&self, count: u32) {
        self.state.lock().unwrap().failing = count;
    }

    /// A worker that drains this queue.
    pub(crate) fn worker(&self, more: &[(&str, &str)]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_versus-worker"));
        command.env_clear();
        self.run(command, more)
    }

    /// Another worker that does.
    pub(crate) fn run(&self, command: Command, more: &[(&str, &str)]) -> Process {
        let endpoint = format!("http://{}", self.address.get().unwrap());
        let queue_url = format!("{endpoint}/000000000000/q");
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            // boto3 knows only this one.
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("QUEUE_URL", &queue_url),
            ("VERSUS_WORKER", "task-1"),
        ];
        Process::run(command, &[&variables, more].concat())
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.lock().unwrap().calls.clone()
    }

    pub(crate) fn actions(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.action).collect()
    }

    pub(crate) fn count(&self, action: &str) -> usize {
        self.actions().iter().filter(|other| *other == action).count()
    }

    /// Numbers of the messages that are left.
    pub(crate) fn left(&self) -> Vec<String> {
        self.state.lock().unwrap().messages.iter().map(|message| message.id.clone()).collect()
    }

    /// Waits until it holds what `when` asks for.
    pub(crate) async fn until(&self, what: &str, when: impl Fn(&Self) -> bool) {
        crate::soon(what, async {
            loop {
                let changed = self.changed.notified();
                if when(self) {
                    return;
                }
                changed.await;
            }
        })
        .await;
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let target = request.headers()["x-amz-target"].to_str().unwrap().to_owned();
        let action = target.strip_prefix("AmazonSQS.").unwrap().to_owned();
        let body: Value = serde_json::from_slice(&body_of(request).await).unwrap();
        let fails = {
            let mut state = self.state.lock().unwrap();
            state.calls.push(Call { action: action.clone(), body: body.clone() });
            let fails = state.failing > 0;
            state.failing = state.failing.saturating_sub(1);
            fails
        };
        self.changed.notify_waiters();
        let (status, answer) = match action.as_str() {
            _ if fails => (500, json!({ "__type": "com.amazonaws.sqs#InternalError", "message": "ordered" })),
            "ReceiveMessage" => (200, self.receive(&body).await),
            "DeleteMessage" => (200, self.delete(&[body["ReceiptHandle"].clone()])),
            "DeleteMessageBatch" => {
                let entries = body["Entries"].as_array().unwrap();
                let receipts: Vec<_> = entries.iter().map(|entry| entry["ReceiptHandle"].clone()).collect();
                self.delete(&receipts);
                let ids: Vec<_> = entries.iter().map(|entry| json!({ "Id": entry["Id"] })).collect();
                (200, json!({ "Successful": ids, "Failed": [] }))
            }
            "ChangeMessageVisibilityBatch" => (200, self.prolong(body["Entries"].as_array().unwrap())),
            "GetQueueAttributes" => {
                let seconds = self.timeout.as_secs().to_string();
                (200, json!({ "Attributes": { "VisibilityTimeout": seconds } }))
            }
            other => panic!("a worker has no use for {other}"),
        };
        self.changed.notify_waiters();
        let response =
            Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
        response.body(Full::new(Bytes::from(answer.to_string()))).unwrap()
    }

    /// ReceiveMessage, which waits for as long as it is asked to.
    async fn receive(&self, body: &Value) -> Value {
        let until = now() + Duration::from_secs(body["WaitTimeSeconds"].as_u64().unwrap_or(0));
        let most = body["MaxNumberOfMessages"].as_u64().unwrap() as usize;
        let timeout = body["VisibilityTimeout"].as_u64().map_or(self.timeout, Duration::from_secs);
        loop {
            let changed = self.changed.notified();
            let messages = self.take(most, timeout, body);
            if !messages.is_empty() || now() >= until {
                return json!({ "Messages": messages });
            }
            // Messages become visible by themselves, too.
            let _ = tokio::time::timeout(Duration::from_millis(5), changed).await;
        }
    }

    /// Gives only the attributes that were asked for.
    fn take(&self, most: usize, timeout: Duration, body: &Value) -> Vec<Value> {
        let asks =
            |list: &str, name: &str| body[list].as_array().is_some_and(|names| names.contains(&json!(name)));
        let mut state = self.state.lock().unwrap();
        let visible = state.messages.iter_mut().filter(|message| message.visible_at <= now());
        let mut messages = Vec::new();
        for message in visible.take(most) {
            message.count += 1;
            message.visible_at = now() + timeout;
            let mut attributes = json!({
                "ApproximateReceiveCount": message.count.to_string(),
                "SentTimestamp": "1790000000123",
                "ApproximateFirstReceiveTimestamp": "1790000000456",
                "SenderId": "nobody",
            });
            let attributes = attributes.as_object_mut().unwrap();
            attributes.retain(|name, _| asks("MessageSystemAttributeNames", name));
            let mut answer = json!({
                "MessageId": message.id,
                "ReceiptHandle": format!("{}#{}", message.id, message.count),
                "Body": "body",
                "Attributes": attributes,
            });
            if let Some(work) = message.work.as_ref().filter(|_| asks("MessageAttributeNames", "versus")) {
                let attribute = json!({ "StringValue": work, "DataType": "String" });
                answer["MessageAttributes"] = json!({ "versus": attribute });
            }
            messages.push(answer);
        }
        messages
    }

    fn delete(&self, receipts: &[Value]) -> Value {
        let mut state = self.state.lock().unwrap();
        state
            .messages
            .retain(|message| !receipts.contains(&json!(format!("{}#{}", message.id, message.count))));
        json!({})
    }

    fn prolong(&self, entries: &[Value]) -> Value {
        let mut state = self.state.lock().unwrap();
        let mut done = Vec::new();
        for entry in entries {
            let timeout = Duration::from_secs(entry["VisibilityTimeout"].as_u64().unwrap());
            let receipt = entry["ReceiptHandle"].as_str().unwrap();
            let (id, _) = receipt.split_once('#').unwrap();
            let message = state.messages.iter_mut().find(|message| message.id == id).unwrap();
            message.visible_at = now() + timeout;
            done.push(json!({ "Id": entry["Id"] }));
        }
        json!({ "Successful": done, "Failed": [] })
    }
}
