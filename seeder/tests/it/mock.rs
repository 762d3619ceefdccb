//! An SQS endpoint for tests and benchmarks: it answers GetQueueAttributes and SendMessageBatch and keeps nothing.
//!
//! Goals: right MD5s by code of its own; whatever a test wants to go wrong goes wrong.
//! Non-goals: being SQS.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};

/// A SendMessageBatch as it came.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Batch<'a> {
    #[serde(borrow)]
    pub(crate) queue_url: Cow<'a, str>,
    #[serde(default)]
    pub(crate) entries: Vec<Entry<'a>>,
}

/// One of its entries.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry<'a> {
    #[serde(borrow)]
    pub(crate) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) message_body: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) message_attributes: BTreeMap<Cow<'a, str>, Attribute<'a>>,
}

/// A message attribute.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Attribute<'a> {
    #[serde(borrow)]
    pub(crate) data_type: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) string_value: Cow<'a, str>,
}

/// How an entry is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The queue takes it, under this number.
    Take(u64),
    /// The same, and another MD5 of the body than it should be.
    OtherBody(u64),
    /// The same, and another MD5 of the attributes than it should be.
    OtherAttributes(u64),
    /// The queue refuses it: code, and whether that is the sender's fault.
    Refuse(&'static str, bool),
    /// Nothing is said of it.
    Silence,
}

/// How a call is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// One reply per entry.
    Entries(Vec<Reply>),
    /// An error: status, and code if the body has one.
    Error(u16, Option<&'static str>),
    /// Success with a body that is none.
    Garbage,
    /// The connection is closed.
    HangUp,
}

/// What an endpoint does with a batch.
pub(crate) trait Conduct: Send + Sync + 'static {
    /// Decides on the answer; may take its time.
    fn answer(&self, batch: &Batch) -> impl Future<Output = Answer> + Send;
}

/// Serves for as long as the runtime lives; the address.
pub(crate) async fn serve(conduct: impl Conduct) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let conduct = Arc::new(conduct);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(connection(stream, Arc::clone(&conduct)));
        }
    });
    address
}

async fn connection(stream: TcpStream, conduct: Arc<impl Conduct>) {
    stream.set_nodelay(true).unwrap();
    let service = service_fn(|request| handle(request, &*conduct));
    // It ends with an error when a test wants it to.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn handle(request: Request<Incoming>, conduct: &impl Conduct) -> Result<Response<Full<Bytes>>, HungUp> {
    let target = request.headers()["x-amz-target"].clone();
    let body = request.into_body().collect().await.map_err(|_| HungUp)?.to_bytes();
    if target != "AmazonSQS.SendMessageBatch" {
        let missing = std::str::from_utf8(&body).unwrap().contains("/missing\"");
        let attributes = r#"{"Attributes":{"QueueArn":"arn:aws:sqs:us-east-1:000000000000:q"}}"#;
        return Ok(if missing { error(400, "QueueDoesNotExist") } else { response(200, attributes.into()) });
    }
    let batch: Batch = serde_json::from_slice(&body).expect("a batch");
    Ok(match conduct.answer(&batch).await {
        Answer::Entries(replies) => response(200, entries(&batch, &replies)),
        Answer::Error(status, Some(code)) => error(status, code),
        Answer::Error(status, None) => response(status, "<html>no JSON</html>".into()),
        Answer::Garbage => response(200, "{\"Successful\":[{".into()),
        Answer::HangUp => return Err(HungUp),
    })
}

#[derive(Debug)]
struct HungUp;

impl std::fmt::Display for HungUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hung up")
    }
}

impl std::error::Error for HungUp {}

impl From<Infallible> for HungUp {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

fn response(status: u16, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert(CONTENT_TYPE, "application/x-amz-json-1.0".parse().unwrap());
    response
}

fn error(status: u16, code: &str) -> Response<Full<Bytes>> {
    let mut response =
        response(status, format!(r#"{{"__type":"com.amazonaws.sqs#{code}","message":"as told"}}"#));
    if code == "QueueDoesNotExist" {
        let legacy = "AWS.SimpleQueueService.NonExistentQueue;Sender";
        response.headers_mut().insert("x-amzn-query-error", legacy.parse().unwrap());
    }
    response
}

fn entries(batch: &Batch, replies: &[Reply]) -> String {
    let (mut successful, mut failed) = (String::with_capacity(256 * batch.entries.len()), String::new());
    for (entry, reply) in batch.entries.iter().zip(replies) {
        let id = &entry.id;
        match reply {
            Reply::Take(message) | Reply::OtherBody(message) | Reply::OtherAttributes(message) => {
                let separator = if successful.is_empty() { "" } else { "," };
                write!(
                    successful,
                    r#"{separator}{{"Id":"{id}","MessageId":"00000000-0000-0000-0000-{message:012x}","MD5OfMessageBody":""#
                )
                .unwrap();
                let sum = Md5::digest(entry.message_body.as_bytes()).into();
                hex(&mut successful, sum, matches!(reply, Reply::OtherBody(_)));
                if !entry.message_attributes.is_empty() {
                    successful.push_str(r#"","MD5OfMessageAttributes":""#);
                    hex(&mut successful, attributes_md5(entry), matches!(reply, Reply::OtherAttributes(_)));
                }
                successful.push_str("\"}");
            }
            Reply::Refuse(code, sender_fault) => {
                let separator = if failed.is_empty() { "" } else { "," };
                write!(failed, r#"{separator}{{"Id":"{id}","Code":"{code}","SenderFault":{sender_fault}}}"#)
                    .unwrap();
            }
            Reply::Silence => {}
        }
    }
    format!(r#"{{"Successful":[{successful}],"Failed":[{failed}]}}"#)
}

/// By the rule in the documentation of SQS: names in order; lengths as four bytes, the most significant first.
fn attributes_md5(entry: &Entry) -> [u8; 16] {
    let mut bytes = Vec::with_capacity(128);
    for (name, attribute) in &entry.message_attributes {
        for (index, text) in [name, &attribute.data_type, &attribute.string_value].into_iter().enumerate() {
            if index == 2 {
                bytes.push(1);
            }
            bytes.extend((text.len() as u32).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
    }
    Md5::digest(bytes).into()
}

fn hex(out: &mut String, sum: [u8; 16], wrong: bool) {
    for byte in sum {
        let byte = byte ^ u8::from(wrong);
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(digit), 16).unwrap());
        }
    }
}
