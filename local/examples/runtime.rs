//! A Lambda runtime for tests, without any library of AWS: it speaks the Runtime API over plain sockets and does what the
//! bodies of the messages say. Each body is a few words: `ok`, `sleep MS`, `fail`, `error`, `exit`, `hang`, `linger`
//! (answers, then never asks again), `answer TEXT`, `stderr` (prints its record there).
//!
//! `RUNTIME_INIT` says how it starts: `slow MS`, `hang`, `exit` or `error`; with `RUNTIME_INIT_ONCE` naming a file, only
//! until that file exists, which it then makes.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const RUNTIME: &str = "/2018-06-01/runtime";

fn main() {
    let mut api = Api::new();
    start(&mut api);
    let ticks = Arc::new(AtomicU64::new(0));
    let ticking = Arc::clone(&ticks);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(5));
            ticking.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut before = 0;
    loop {
        let (id, event) = api.next();
        // How much the process could do between the invocations.
        println!("ticks {}", ticks.load(Ordering::Relaxed) - before);
        handle(&mut api, &id, &event);
        before = ticks.load(Ordering::Relaxed);
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn start(api: &mut Api) {
    let once = variable("RUNTIME_INIT_ONCE");
    if !once.is_empty() && std::fs::exists(&once).unwrap() {
        return;
    }
    if !once.is_empty() {
        std::fs::write(&once, "").unwrap();
    }
    match variable("RUNTIME_INIT").split_once(' ').unwrap_or((&variable("RUNTIME_INIT"), "0")) {
        ("slow", ms) => std::thread::sleep(Duration::from_millis(ms.parse().unwrap())),
        ("hang", _) => std::thread::sleep(Duration::MAX),
        ("exit", _) => std::process::exit(7),
        ("error", _) => {
            let error = json!({"errorType": "Runtime.ImportModuleError", "errorMessage": "no"}).to_string();
            api.call("POST", "/init/error", &error);
            std::process::exit(1);
        }
        _ => {}
    }
}

fn handle(api: &mut Api, id: &str, event: &str) {
    let event: Value = serde_json::from_str(event).unwrap();
    let partial = variable("VERSUS_PARTIAL_BATCH_RESPONSES") == "1";
    let (mut failures, mut answer, mut linger) = (Vec::new(), None, false);
    for record in event["Records"].as_array().unwrap() {
        let body = record["body"].as_str().unwrap();
        let (word, rest) = body.split_once(' ').unwrap_or((body, ""));
        let mut ok = true;
        match word {
            "sleep" => std::thread::sleep(Duration::from_millis(rest.parse().unwrap())),
            "hang" => std::thread::sleep(Duration::MAX),
            "exit" => std::process::exit(3),
            "linger" => linger = true,
            "answer" => answer = Some(rest.to_owned()),
            "event" => println!("event {event}"),
            "environment" => std::env::vars().for_each(|(name, value)| println!("env {name}={value}")),
            "fail" if partial => {
                ok = false;
                failures.push(json!({"itemIdentifier": record["messageId"]}));
            }
            "fail" | "error" => {
                let error = json!({"errorType": "Error", "errorMessage": body}).to_string();
                api.call("POST", &format!("/invocation/{id}/error"), &error);
                return;
            }
            _ => {}
        }
        let count: u32 = record["attributes"]["ApproximateReceiveCount"].as_str().unwrap().parse().unwrap();
        let line = json!({"versus": 1, "message_id": record["messageId"], "receive_count": count, "ok": ok});
        if word == "stderr" {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    }
    let answer = answer.unwrap_or_else(|| json!({"batchItemFailures": failures}).to_string());
    api.call("POST", &format!("/invocation/{id}/response"), &answer);
    if linger {
        std::thread::sleep(Duration::MAX);
    }
}

/// One connection to the Runtime API.
struct Api {
    address: String,
    stream: BufReader<TcpStream>,
}

impl Api {
    fn new() -> Self {
        let address = variable("AWS_LAMBDA_RUNTIME_API");
        let stream = TcpStream::connect(&address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { address, stream: BufReader::new(stream) }
    }

    /// The next invocation: request id and event.
    fn next(&mut self) -> (String, String) {
        let (head, body) = self.call("GET", "/invocation/next", "");
        let id = head.lines().find_map(|line| line.strip_prefix("lambda-runtime-aws-request-id: "));
        (id.unwrap().to_owned(), body)
    }

    fn call(&mut self, method: &str, path: &str, body: &str) -> (String, String) {
        let request = format!(
            "{method} {RUNTIME}{path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.stream.read_line(&mut head).unwrap() > 0, "hung up");
        }
        let head = head.replace('\r', "").to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.stream.read_exact(&mut body).unwrap();
        (head, String::from_utf8(body).unwrap())
    }
}
