//! The endpoint: HTTP/1.1 on loopback, one address for SQS and CloudWatch, told apart by header and path as SDKs send
//! them.
//!
//! Goals: threads of its own, so that a busy caller in this process does not slow the answers; connections spread
//! evenly over them.
//! Non-goals: TLS, signatures, the query protocol of old SDKs, and any address but loopback.

mod respond;
mod route;

use crate::queues::Queues;
use crate::sqs::Sqs;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

pub use respond::{Protocol, Reply, Request};

/// Answers calls to CloudWatch.
pub trait CloudWatch: Send + Sync {
    /// Answers one call. It must not wait.
    fn answer(&self, request: Request) -> Reply;
}

/// Stands for CloudWatch where there are no metrics: every call is an unknown operation.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMetrics;

impl CloudWatch for NoMetrics {
    fn answer(&self, request: Request) -> Reply {
        respond::unknown_operation(&request.operation)
    }
}

/// A running endpoint; it stops when it is dropped.
pub struct Endpoint {
    address: SocketAddr,
    queues: Arc<Queues>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Endpoint {
    /// Listens on `address` (port 0 takes a free one) and answers on `threads` threads.
    ///
    /// # Errors
    /// When `address` is not loopback, or cannot be listened on.
    pub fn start(
        address: SocketAddr,
        queues: Arc<Queues>,
        metrics: Arc<dyn CloudWatch>,
        threads: usize,
    ) -> Result<Self> {
        ensure!(
            address.ip().is_loopback(),
            "the endpoint listens on loopback only (it knows no passwords), not on {address}: use 127.0.0.1"
        );
        let listener = std::net::TcpListener::bind(address)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .with_context(|| format!("listening on {address} (is another endpoint using the port?)"))?;
        let address = listener.local_addr().context("listening")?;
        let service = Arc::new(Service {
            sqs: Sqs::new(Arc::clone(&queues), &format!("http://{address}")),
            metrics,
            ids: respond::RequestIds::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let mut endpoint = Self { address, queues, stop, threads: Vec::new() };
        // Dropping the endpoint stops what has been started, should a thread be refused.
        let mut others = Vec::new();
        for _ in 1..threads {
            let (sender, connections) = mpsc::unbounded_channel();
            others.push(sender);
            let (service, stopped) = (Arc::clone(&service), stopped.clone());
            endpoint.spawn(|| serve(service, connections, stopped))?;
        }
        endpoint.spawn(|| accept(service, listener, others, stopped))?;
        Ok(endpoint)
    }

    fn spawn<F: Future<Output = ()>>(&mut self, work: impl FnOnce() -> F + Send + 'static) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime: Runtime = runtime.context("starting a thread of the endpoint")?;
        let thread = std::thread::Builder::new()
            .name("endpoint".into())
            .spawn(move || runtime.block_on(work()))
            .context("starting a thread of the endpoint")?;
        self.threads.push(thread);
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What an SDK takes as `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The queues that it serves.
    #[must_use]
    pub fn queues(&self) -> &Arc<Queues> {
        &self.queues
    }

    /// Stops listening and closes all connections, answered or not.
    pub fn stop(self) {}
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// What every connection needs.
struct Service {
    sqs: Sqs,
    metrics: Arc<dyn CloudWatch>,
    ids: respond::RequestIds,
}

/// Accepts connections and deals them out, itself included.
async fn accept(
    service: Arc<Service>,
    listener: std::net::TcpListener,
    others: Vec<mpsc::UnboundedSender<std::net::TcpStream>>,
    mut stopped: watch::Receiver<bool>,
) {
    // The only failure is a runtime without I/O.
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut turn = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|&stopped| stopped) => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors: some will be closed.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        turn = (turn + 1) % (others.len() + 1);
        match others.get(turn) {
            None => converse(&service, stream),
            Some(other) => {
                if let Ok(stream) = stream.into_std() {
                    // Fails only when that thread has stopped.
                    let _ = other.send(stream);
                }
            }
        }
    }
}

/// Serves the connections that are dealt to this thread.
async fn serve(
    service: Arc<Service>,
    mut connections: mpsc::UnboundedReceiver<std::net::TcpStream>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let stream = tokio::select! {
            stream = connections.recv() => stream,
            _ = stopped.wait_for(|&stopped| stopped) => return,
        };
        let Some(stream) = stream else { return };
        if let Ok(stream) = TcpStream::from_std(stream) {
            converse(&service, stream);
        }
    }
}

/// Answers what comes on a connection until it is closed. A waiting receive ends when its caller is gone.
fn converse(service: &Arc<Service>, stream: TcpStream) {
    // Without it answers only come a little later.
    let _ = stream.set_nodelay(true);
    let service = Arc::clone(service);
    tokio::spawn(async move {
        let answer = service_fn(|request| route::answer(&service, request));
        let mut http = http1::Builder::new();
        http.pipeline_flush(true).header_read_timeout(None);
        // A connection that breaks off is its caller's affair.
        let _ = http.serve_connection(TokioIo::new(stream), answer).await;
    });
}

/// What a body may be at most: 1 MiB of payload, with each character escaped.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// The answer's body.
type Body = http_body_util::Full<Bytes>;
