//! The worker as a process, against a queue and a Lambda Runtime API that are played by the test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

mod lambda;
mod poll;
mod python;
mod runtime_api;
mod sqs;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use model::journal::Record;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::convert::Infallible;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};

/// Nothing that a test waits for takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what must come.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: nothing for 30 s"))
}

/// Serves HTTP on loopback until the test ends; returns the address.
async fn serve<A, F>(answer: A) -> String
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let service = hyper::service::service_fn(|request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                // A worker that hangs up in the middle is what some tests are about.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    address
}

async fn body_of(request: Request<Incoming>) -> Bytes {
    request.into_body().collect().await.unwrap().to_bytes()
}

/// A running worker.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_versus-worker"));
        command.env_clear();
        Self::run(command, variables)
    }

    fn run(command: std::process::Command, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::from(command)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line, which must be a record and nothing else.
    async fn record(&mut self) -> Record {
        let line = soon("a record", self.lines.next_line()).await.unwrap().expect("a line before the end");
        assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
        Record::parse(&line).unwrap_or_else(|| panic!("not a record: {line}"))
    }

    async fn records(&mut self, count: usize) -> Vec<Record> {
        let mut records = Vec::new();
        for _ in 0..count {
            records.push(self.record().await);
        }
        records
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().unwrap() as i32), signal).unwrap();
    }

    /// Waits for the end: exit code, records not read yet, stderr.
    async fn end(mut self) -> (Option<i32>, Vec<Record>, String) {
        let mut records = Vec::new();
        while let Some(line) = soon("the end of stdout", self.lines.next_line()).await.unwrap() {
            records.push(Record::parse(&line).unwrap());
        }
        let status = soon("the end of the worker", self.child.wait()).await.unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
        (status.code(), records, said)
    }
}
