//! What the seeder costs beside a bare loop over the SDK, and how late it sends.
//!
//! Server and clients are processes of their own, so that a client's processor time is its own.

#![allow(clippy::unwrap_used, reason = "a benchmark may fail")]

#[path = "../tests/it/mock.rs"]
#[allow(dead_code, reason = "this server does nothing wrong, and looks at nothing")]
mod mock;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials as Keys, Region, retry::RetryConfig};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use aws_smithy_http_client::Builder as HttpBuilder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use mock::{Answer, Batch, Conduct, Reply};
use model::journal::Sent;
use model::plan::Plan;
use model::scenario::{Arrivals, Message, Parameters, Phase, Rate, Scenario};
use model::time::{MINUTE, Origin, SECOND};
use seeder::{Credentials, Destination, Seeder, Settings, Stop};
use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

/// Messages per run of a client, all stacks together, unless the variable of that name says otherwise.
const MESSAGES: u64 = 400_000;
const BATCH: u64 = 10;
const BODY_BYTES: u32 = 100;
const IN_FLIGHT: usize = 32;
const ROUNDS: usize = 7;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => compare(),
        ["mock"] => serve(),
        ["bare", url] => print_cost(&|| bare(url)),
        ["seeder", url] => print_cost(&|| flat_out(url)),
        ["pace", url, rate, seconds] => pace(url, rate.parse().unwrap(), seconds.parse().unwrap()),
        _ => eprintln!("send [mock | bare URL | seeder URL | pace URL RATE SECONDS]"),
    }
}

fn messages() -> u64 {
    std::env::var("MESSAGES").map_or(MESSAGES, |count| count.parse().unwrap())
}

fn compare() {
    let (mut server, url) = start_server();
    let mut costs = [Vec::new(), Vec::new()];
    println!(
        "messages per second of the client's processor time ({BATCH} x {BODY_BYTES} B, {IN_FLIGHT} in flight)"
    );
    for round in 0..ROUNDS {
        // Side by side, in turning order.
        for place in 0..2 {
            let which = (round + place) % 2;
            let output = run(&[["bare", "seeder"][which], &url]);
            costs[which].push(output.trim().parse::<f64>().unwrap());
        }
        println!("  bare {:>8.0}   seeder {:>8.0}", costs[0][round], costs[1][round]);
    }
    let [bare, seeder] = costs.map(|mut costs| {
        costs.sort_by(f64::total_cmp);
        costs[ROUNDS / 2]
    });
    println!(
        "median: bare {bare:.0}, seeder {seeder:.0}: the seeder costs {:.2} times as much",
        bare / seeder
    );
    for rate in ["100", "1000", "5000", "10000", "20000"] {
        print!("{}", run(&["pace", &url, rate, "10"]));
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

fn program() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

fn run(arguments: &[&str]) -> String {
    let output = program().args(arguments).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn start_server() -> (Child, String) {
    let mut server = program().arg("mock").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (server, line.trim().to_owned())
}

struct TakeAll(AtomicU64);

impl Conduct for TakeAll {
    async fn answer(&self, batch: &Batch<'_>) -> Answer {
        let count = batch.entries.len() as u64;
        let first = self.0.fetch_add(count, Ordering::Relaxed);
        Answer::Entries((first..first + count).map(Reply::Take).collect())
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn serve() {
    runtime().block_on(async {
        println!("http://{}", mock::serve(TakeAll(AtomicU64::new(1))).await);
        std::future::pending::<()>().await;
    });
}

/// Runs `client` twice, once to warm up, and prints messages per second of processor time.
fn print_cost(client: &dyn Fn()) {
    client();
    let before = processor_time();
    client();
    println!("{:.0}", messages() as f64 / (processor_time() - before).as_secs_f64());
}

/// User and system time of this process, ended threads included, to the hundredth of a second.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The fields behind the program's name, which may hold blanks.
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap()..].split(' ').collect();
    let ticks = |field: usize| fields[field].parse::<u64>().unwrap();
    Duration::from_millis(10 * (ticks(12) + ticks(13)))
}

/// What one would write without the seeder: the same body again and again, nothing looked at but success.
fn bare(url: &str) {
    let http = HttpBuilder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(Keys::new("versus", "versus", None, None, "dummy"))
        .build();
    let client = Client::from_conf(config);
    let tasks = tokio::task::LocalSet::new();
    let left = Rc::new(Cell::new(messages() / BATCH));
    for _ in 0..IN_FLIGHT {
        let (client, left) = (client.clone(), Rc::clone(&left));
        let queue = format!("{url}/000000000000/q");
        tasks.spawn_local(async move {
            let body = "A".repeat(BODY_BYTES as usize);
            while left.get() > 0 {
                left.set(left.get() - 1);
                let entry = |id: u64| {
                    SendMessageBatchRequestEntry::builder()
                        .id(id.to_string())
                        .message_body(&body)
                        .build()
                        .unwrap()
                };
                let entries = (0..BATCH).map(entry).collect();
                let call = client.send_message_batch().queue_url(&queue).set_entries(Some(entries));
                assert_eq!(call.send().await.unwrap().successful.len() as u64, BATCH);
            }
        });
    }
    runtime().block_on(tasks);
}

fn scenario(rate: f64, duration: u64) -> Scenario {
    let arrivals = Arrivals::Even(Rate::Constant(rate));
    Scenario {
        title: String::new(),
        analysis: String::new(),
        seed: 7,
        region: Scenario::REGION.into(),
        warmup: 0,
        drain_max: MINUTE,
        phases: vec![Phase { name: "load".into(), duration: Some(duration), arrivals }],
        message: Message { body_bytes: (BODY_BYTES, BODY_BYTES), ..Message::default() },
        stacks: Vec::new(),
        faults: Vec::new(),
        streams: Vec::new(),
        expect: Vec::new(),
        parameters: Parameters::default(),
    }
}

#[allow(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]
fn seed(url: &str, scenario: &Scenario, head_start: Duration) -> Vec<u64> {
    let stack =
        |name: &str| Destination { stack: name.into(), queue_url: format!("{url}/000000000000/{name}") };
    let settings = Settings {
        run: 0x5f3a,
        threads: Some(1),
        in_flight_max: IN_FLIGHT,
        endpoint_url: Some(url.into()),
        credentials: Credentials::Dummy,
        ..Settings::default()
    };
    let seeder = Seeder::connect(scenario, &[stack("a"), stack("b")], &settings).unwrap();
    let origin = Origin { instant: Instant::now() + head_start, utc: SystemTime::now() };
    let (sender, receiver) = mpsc::channel::<Vec<Sent>>();
    // Records leave the sending thread, as they do in a run.
    let reader = std::thread::spawn(move || {
        let mut delays = Vec::with_capacity(messages() as usize);
        let delay = |sent: Sent| sent.issued_at.checked_sub(sent.scheduled_at).unwrap();
        receiver.into_iter().for_each(|sent| delays.extend(sent.into_iter().map(delay)));
        delays
    });
    let sink = move |_stack, sent| sender.send(sent).unwrap();
    let summary = seeder.run(origin, &Stop::default(), sink).unwrap();
    assert!(summary.stacks.iter().all(|stack| stack.errors.is_empty() && stack.failed == 0), "{summary:?}");
    reader.join().unwrap()
}

/// A plan of which everything is due at once.
fn flat_out(url: &str) {
    let per_stack = messages() / 2;
    let scenario = scenario(per_stack as f64 * 1e3, SECOND / 1_000);
    assert_eq!(Plan::new(&scenario).count() as u64, per_stack);
    assert_eq!(seed(url, &scenario, Duration::ZERO).len() as u64, messages());
}

fn pace(url: &str, rate: f64, seconds: u64) {
    let before = processor_time();
    let mut delays = seed(url, &scenario(rate, seconds * SECOND), Duration::from_millis(100));
    let busy = (processor_time() - before).as_secs_f64() / seconds as f64;
    assert_eq!(delays.len() as f64, 2.0 * rate * seconds as f64, "a delay for each message and queue");
    delays.sort_unstable();
    let at = |share: f64| delays[(delays.len() as f64 * share) as usize] as f64 / 1e6;
    println!(
        "{rate:>6} messages/s to 2 queues: send delay p50 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms, most {:.3} ms; {:.0} % of a core",
        at(0.5),
        at(0.99),
        at(0.999),
        delays[delays.len() - 1] as f64 / 1e6,
        busy * 100.0
    );
}
