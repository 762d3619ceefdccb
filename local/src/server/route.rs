//! Which service a request is for.

use super::respond::{Protocol, Reply, Request, health, query_protocol, unknown_operation};
use super::{BODY_LIMIT, Body, Service};
use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use std::convert::Infallible;

const TARGET: &str = "x-amz-target";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const SQS: &str = "AmazonSQS.";
const CLOUDWATCH: &str = "GraniteServiceVersion20100801.";
const CLOUDWATCH_CBOR: &str = "/service/GraniteServiceVersion20100801/operation/";

/// Answers a request, whatever it is.
pub(super) async fn answer(
    service: &Service,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let reply = match read(body).await {
        Some(body) => dispatch(service, &parts, body).await,
        None => too_large(),
    };
    Ok(response(reply, service.ids.next()))
}

/// The whole body; `None` if it is too large. What says so beforehand is not even read.
async fn read(body: Incoming) -> Option<Bytes> {
    if body.size_hint().lower() > BODY_LIMIT as u64 {
        return None;
    }
    Limited::new(body, BODY_LIMIT).collect().await.ok().map(Collected::to_bytes)
}

async fn dispatch(service: &Service, parts: &Parts, body: Bytes) -> Reply {
    if let Some(operation) = parts.uri.path().strip_prefix(CLOUDWATCH_CBOR) {
        return service.metrics.answer(request(operation, Protocol::Cbor, parts, body));
    }
    let Some(target) = parts.headers.get(TARGET).and_then(|target| target.to_str().ok()) else {
        return without_target(parts, &body);
    };
    if let Some(action) = target.strip_prefix(SQS) {
        return service.sqs.answer(action, &body).await;
    }
    match target.strip_prefix(CLOUDWATCH) {
        Some(operation) => service.metrics.answer(request(operation, Protocol::Json, parts, body)),
        None => unknown_operation(target),
    }
}

fn request(operation: &str, protocol: Protocol, parts: &Parts, body: Bytes) -> Request {
    let gzipped = parts.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
    Request { operation: operation.into(), protocol, gzipped, body }
}

fn without_target(parts: &Parts, body: &[u8]) -> Reply {
    let query = |text: &[u8]| text.windows(7).any(|window| window == b"Action=");
    if query(body) || parts.uri.query().is_some_and(|text| query(text.as_bytes())) {
        return query_protocol();
    }
    if parts.method == Method::GET && parts.uri.path() == "/" {
        return health();
    }
    unknown_operation(parts.uri.path())
}

fn too_large() -> Reply {
    let message = format!("The request is larger than {BODY_LIMIT} bytes, or broke off.");
    Reply::error(413, "com.amazon.coral.service#RequestEntityTooLargeException", "RequestTooLarge", &message)
}

fn response(reply: Reply, request_id: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    if let Ok(id) = HeaderValue::try_from(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    response
}
