//! The Lambda Runtime API: how a runtime fetches invocations and answers them.
//!
//! Goals: what the documented interface has for runtimes (next, response, error, init error), its errors for calls out of
//! turn, and the instant of every call. One listener per process, for a runtime is told no more than host and port: so a
//! late call of a process that was replaced cannot be taken for one of its successor.
//! Non-goals: extensions, telemetry, response streaming to the caller (a streamed response is collected).
//!
//! Sources: docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html; for errors the behaviour of AWS's own open-source
//! runtime interface emulator.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use model::journal::MessageId;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

/// What an invocation hands to the runtime.
#[derive(Clone, Debug)]
pub(super) struct Invocation {
    pub(super) request_id: MessageId,
    /// When the function times out: UTC milliseconds.
    pub(super) deadline_ms: u64,
    pub(super) function_arn: Arc<str>,
    pub(super) trace_id: String,
    pub(super) event: Bytes,
}

/// What a runtime did, and when.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) at: Instant,
    pub(super) call: Call,
}

/// A call of the runtime.
#[derive(Debug)]
pub(super) enum Call {
    /// It waits for an invocation.
    Next,
    /// The invocation's response.
    Response(Bytes),
    /// The handler failed, or its response was too large.
    Error,
    /// It cannot start; the type of its error.
    InitError(String),
}

/// Largest response of a synchronous invocation: 6 MB and some room. Source: Lambda quotas.
const RESPONSE_MOST: usize = 6 * 1024 * 1024 + 100;
/// Largest description of an error that is read.
const ERROR_MOST: usize = 1024 * 1024;
/// How much is read, and dropped, of what is too large; whoever sends more is cut off.
const DROPPED_MOST: usize = 64 * 1024 * 1024;
/// Pause after a connection could not be accepted: the process may be out of file descriptors for a moment.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Where the runtime is.
#[derive(Debug)]
enum Phase {
    /// It starts.
    Starting,
    /// It waits for an invocation.
    Waiting(oneshot::Sender<Invocation>),
    /// It works on this one.
    Working(MessageId),
    /// It has answered, or has hung up while it waited.
    Between,
}

#[derive(Debug)]
struct Exchange {
    phase: Mutex<Phase>,
    events: mpsc::UnboundedSender<Event>,
}

/// The interface of one process; it closes when this is dropped.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    address: SocketAddr,
    exchange: Arc<Exchange>,
    events: mpsc::UnboundedReceiver<Event>,
    server: AbortHandle,
}

impl RuntimeApi {
    /// Listens on a free port of the loopback interface.
    pub(super) async fn open() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (sender, events) = mpsc::unbounded_channel();
        let exchange = Arc::new(Exchange { phase: Mutex::new(Phase::Starting), events: sender });
        let server = tokio::spawn(serve(listener, Arc::clone(&exchange))).abort_handle();
        Ok(Self { address, exchange, events, server })
    }

    /// What goes into `AWS_LAMBDA_RUNTIME_API`.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next call of the runtime.
    pub(super) async fn event(&mut self) -> Event {
        match self.events.recv().await {
            Some(event) => event,
            // Not reached: the sender lives in the exchange.
            None => std::future::pending().await,
        }
    }

    /// Answers the runtime that waits; false if none does (any more): it will ask again, or end.
    pub(super) fn invoke(&self, invocation: Invocation) -> bool {
        let mut phase = self.exchange.phase();
        match std::mem::replace(&mut *phase, Phase::Working(invocation.request_id)) {
            Phase::Waiting(runtime) => {
                let taken = runtime.send(invocation).is_ok();
                if !taken {
                    *phase = Phase::Between;
                }
                taken
            }
            other => {
                *phase = other;
                false
            }
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Exchange {
    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, call: Call) {
        // Nobody listens to a process that is being ended.
        let _ = self.events.send(Event { at: Instant::now(), call });
    }

    /// The runtime asks for an invocation; `None` if it still has one.
    fn wait(&self) -> Option<oneshot::Receiver<Invocation>> {
        let mut phase = self.phase();
        if matches!(*phase, Phase::Working(_)) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        *phase = Phase::Waiting(sender);
        self.tell(Call::Next);
        Some(receiver)
    }

    /// The runtime answers the invocation of this id.
    fn answer(&self, id: &str, call: Call) -> Result<(), Refusal> {
        let mut phase = self.phase();
        match *phase {
            Phase::Working(invocation) if invocation.to_string() == id => {
                *phase = Phase::Between;
                self.tell(call);
                Ok(())
            }
            Phase::Working(_) => Err(Refusal::InvalidRequestId),
            _ => Err(Refusal::InvalidStateTransition),
        }
    }
}

/// Why a call is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    InvalidRequestId,
    InvalidStateTransition,
    TooLarge,
    Truncated,
    NoSuchPath,
}

impl Refusal {
    fn response(self) -> Response<Full<Bytes>> {
        let (status, kind, message) = match self {
            Self::InvalidRequestId => {
                (StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID".into())
            }
            Self::InvalidStateTransition => (
                StatusCode::FORBIDDEN,
                "InvalidStateTransition",
                "The runtime is not in a state that allows this call".into(),
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLarge",
                format!("Exceeded maximum allowed payload size ({RESPONSE_MOST} bytes)."),
            ),
            Self::Truncated => {
                (StatusCode::BAD_REQUEST, "TruncatedHTTPRequest", "HTTP request detected as truncated".into())
            }
            Self::NoSuchPath => (StatusCode::NOT_FOUND, "NotFound", "404 page not found".into()),
        };
        answer(status, &json!({"errorMessage": message, "errorType": kind}))
    }
}

async fn serve(listener: TcpListener, exchange: Arc<Exchange>) {
    // Dropped with this future, and all connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => _ = connections.spawn(talk(stream, Arc::clone(&exchange))),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn talk(stream: TcpStream, exchange: Arc<Exchange>) {
    // Small answers must not wait for acknowledgements.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let exchange = Arc::clone(&exchange);
        async move {
            let response = handle(&exchange, request).await.unwrap_or_else(Refusal::response);
            Ok::<_, Infallible>(response)
        }
    });
    // A runtime that was killed in the middle of a call is no error of ours.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn handle(exchange: &Exchange, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Refusal> {
    let path = request.uri().path().strip_prefix("/2018-06-01/runtime/").ok_or(Refusal::NoSuchPath)?;
    let words: Vec<&str> = path.split('/').collect();
    match (request.method(), words.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(exchange).await,
        (&Method::POST, ["invocation", id, "response"]) => {
            let id = (*id).to_owned();
            match body(request, RESPONSE_MOST).await {
                Ok(body) => exchange.answer(&id, Call::Response(body))?,
                Err(Refusal::TooLarge) => {
                    exchange.answer(&id, Call::Error)?;
                    return Err(Refusal::TooLarge);
                }
                Err(refusal) => return Err(refusal),
            }
            Ok(accepted())
        }
        (&Method::POST, ["invocation", id, "error"]) => {
            let id = (*id).to_owned();
            // The runtime logs what it was; nobody else asks.
            body(request, ERROR_MOST).await?;
            exchange.answer(&id, Call::Error)?;
            Ok(accepted())
        }
        (&Method::POST, ["init", "error"]) => {
            let error = error_type(request).await?;
            if !matches!(*exchange.phase(), Phase::Starting) {
                return Err(Refusal::InvalidStateTransition);
            }
            exchange.tell(Call::InitError(error));
            Ok(accepted())
        }
        _ => Err(Refusal::NoSuchPath),
    }
}

async fn next(exchange: &Exchange) -> Result<Response<Full<Bytes>>, Refusal> {
    let waiting = exchange.wait().ok_or(Refusal::InvalidStateTransition)?;
    // Given up when the runtime asks a second time, or is ended.
    let invocation = waiting.await.map_err(|_| Refusal::InvalidStateTransition)?;
    let mut response = Response::new(Full::new(invocation.event));
    let headers = [
        (CONTENT_TYPE.as_str(), "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", invocation.request_id.to_string()),
        ("lambda-runtime-deadline-ms", invocation.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", invocation.function_arn.to_string()),
        ("lambda-runtime-trace-id", invocation.trace_id),
    ];
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

async fn body(request: Request<Incoming>, most: usize) -> Result<Bytes, Refusal> {
    let mut body = request.into_body();
    match Limited::new(&mut body, most).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            drop_rest(body).await;
            Err(Refusal::TooLarge)
        }
        Err(_) => Err(Refusal::Truncated),
    }
}

/// Reads on without keeping it: to close a connection with unread bytes resets it, and whoever still writes would lose
/// the answer.
async fn drop_rest(mut body: Incoming) {
    let mut room = DROPPED_MOST;
    while room > 0 {
        let Some(Ok(frame)) = body.frame().await else { return };
        room = room.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
    }
}

/// The type of the error that a runtime cannot start for: in a header, or in the body.
async fn error_type(request: Request<Incoming>) -> Result<String, Refusal> {
    let header = request.headers().get("lambda-runtime-function-error-type");
    let header = header.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = body(request, ERROR_MOST).await?;
    let described = || {
        let error: Value = serde_json::from_slice(&body).ok()?;
        error.get("errorType")?.as_str().map(str::to_owned)
    };
    let error = header.or_else(described).unwrap_or_else(|| "Runtime.Unknown".into());
    // It goes into a line of the log.
    Ok(error.chars().filter(|c| !c.is_control()).take(128).collect())
}

fn accepted() -> Response<Full<Bytes>> {
    answer(StatusCode::ACCEPTED, &json!({"status": "OK"}))
}

fn answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}
