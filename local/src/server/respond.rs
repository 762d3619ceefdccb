//! Requests and replies as plain data, and replies that belong to no service.

use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};

/// A call to CloudWatch.
#[derive(Clone, Debug)]
pub struct Request {
    /// Such as `GetMetricData`.
    pub operation: String,
    /// How the body is written, and the reply's has to be.
    pub protocol: Protocol,
    /// Whether the body is compressed (`Content-Encoding: gzip`).
    pub gzipped: bool,
    /// The body as it came.
    pub body: Bytes,
}

/// A protocol that current SDKs speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// AWS JSON 1.0.
    Json,
    /// Smithy RPC v2 CBOR.
    Cbor,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Content-Type.
    pub content_type: &'static str,
    /// Further headers. The request id is added by the server.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Content-Type of AWS JSON 1.0.
pub(crate) const JSON: &str = "application/x-amz-json-1.0";

impl Reply {
    /// A success in AWS JSON 1.0.
    pub(crate) fn json(body: Vec<u8>) -> Self {
        Self { status: 200, content_type: JSON, headers: Vec::new(), body }
    }

    /// An error of AWS JSON 1.0. `shape` is its name with namespace, `code` the one that SDKs show.
    pub(crate) fn error(status: u16, shape: &str, code: &str, message: &str) -> Self {
        let at_fault = if status < 500 { "Sender" } else { "Receiver" };
        let body = serde_json::json!({ "__type": shape, "message": message });
        Self {
            status,
            content_type: JSON,
            headers: vec![("x-amzn-query-error", format!("{code};{at_fault}"))],
            body: body.to_string().into_bytes(),
        }
    }
}

/// Nothing here knows the operation.
pub(super) fn unknown_operation(operation: &str) -> Reply {
    let message = format!("The action {operation} is not valid for this endpoint.");
    Reply::error(400, "com.amazon.coral.service#UnknownOperationException", "InvalidAction", &message)
}

/// A call of the query protocol, in which its answer is, too.
pub(super) fn query_protocol() -> Reply {
    let body = "<?xml version=\"1.0\"?><ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>\
        This endpoint speaks AWS JSON 1.0 (and CBOR for CloudWatch), not the query protocol: use an SDK of \
        2024 or newer.</Message></Error></ErrorResponse>";
    Reply { status: 400, content_type: "text/xml", headers: Vec::new(), body: body.into() }
}

/// Says that the endpoint is up.
pub(super) fn health() -> Reply {
    let body = "versus: SQS and CloudWatch on this machine\n".into();
    Reply { status: 200, content_type: "text/plain", headers: Vec::new(), body }
}

/// Makes x-amzn-RequestId.
#[derive(Debug, Default)]
pub(super) struct RequestIds(AtomicU64);

impl RequestIds {
    /// Another id, in the form of a UUID.
    pub(super) fn next(&self) -> String {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        format!("00000000-0000-4000-8000-{number:012x}")
    }
}
