//! What the tests of faults share: an AWS behind a proxy, the binary that must end in time, and what is true of a run
//! by itself, to hold the ledger against.

use super::faulty::{Faulty, Odds};
use super::world::{SECRET, World};
use super::{deployed, json_of, silent};
use crate::lab::{Done, command, tree};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A session token that must not be found anywhere afterwards.
pub(crate) const TOKEN: &str = "FwoGZXIvYXdzEPLANTEDtokenOfASession//////////wEaDExample";

/// Both stacks: name, queue, log group.
pub(crate) const STACKS: [(&str, &str, &str); 2] =
    [("ecs", "jobs-ecs", "/ecs"), ("lambda", "jobs-lambda", "/lambda")];

/// What these runs have in common.
pub(crate) const RUN: [&str; 12] = [
    "run",
    "small.toml",
    "--target",
    "aws",
    "--outputs",
    "outputs.json",
    "--out",
    "out",
    "--settle",
    "1s",
    "--no-metrics",
    "-q",
];

/// And most.
pub(crate) const ARGUMENTS: [&str; 14] = [
    "run",
    "small.toml",
    "--target",
    "aws",
    "--outputs",
    "outputs.json",
    "--out",
    "out",
    "--settle",
    "1s",
    "--no-metrics",
    "-q",
    "--empty-for",
    "1s",
];

pub(crate) const COLLECT: [&str; 8] =
    ["collect", "out", "--settle", "1s", "--empty-for", "1s", "--no-metrics", "-q"];

/// A service and a function behind a proxy.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) place: PathBuf,
    pub(crate) queues: Faulty,
}

impl Stage {
    /// Load of that phase, and faults of the proxy by these odds.
    pub(crate) fn new(name: &str, phase: &str, odds: Odds) -> Self {
        let (world, place) = deployed(name);
        let text = format!(
            "title = \"Faults\"\nanalysis = \"A test.\"\ndrain-max = \"10s\"\n[[phases]]\nname = \"load\"\n{phase}\n\
             [message]\nwork = \"1ms\"\nbody = [10, 50]\n[stacks.ecs]\nplatform = \"ecs\"\n[stacks.lambda]\n\
             platform = \"lambda\"\n"
        );
        fs::write(place.join("small.toml"), text).unwrap();
        let queues = Faulty::before(&world.queues, odds, 7);
        Self { world, place, queues }
    }

    /// A worker at each queue, whose calls the proxy does not touch.
    pub(crate) fn work(&mut self) {
        for (_, queue, group) in STACKS {
            self.world.work(queue, group, silent);
        }
    }

    /// Begins the binary in this AWS, with all that a debugging user might have set.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Going {
        self.begin_with(arguments, &[])
    }

    pub(crate) fn begin_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Going {
        let mut command = command(&self.place, arguments);
        let file = |name: &str| File::create(self.place.join(name)).unwrap();
        command.stdout(file("stdout")).stderr(file("stderr"));
        command.envs(self.world.environment()).envs([
            ("AWS_ENDPOINT_URL_SQS", self.queues.url.as_str()),
            ("AWS_SESSION_TOKEN", TOKEN),
            ("RUST_LOG", "trace"),
            ("RUST_BACKTRACE", "1"),
        ]);
        command.envs(more.iter().copied());
        Going { child: command.spawn().unwrap(), place: self.place.clone(), began: now() }
    }

    /// Runs it; a run that hangs fails.
    #[track_caller]
    pub(crate) fn play(&self, arguments: &[&str]) -> Done {
        self.begin(arguments).ends_within(30)
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.place.join("out")
    }

    /// Messages that a queue has, by its own account.
    pub(crate) fn depth(&self, queue: &str) -> u64 {
        let body = serde_json::json!({"QueueUrl": self.world.queue_url(queue), "AttributeNames": ["All"]});
        let all = self.world.sqs("GetQueueAttributes", &body)["Attributes"].clone();
        let count = |name: &str| all[name].as_str().unwrap().parse::<u64>().unwrap();
        count("ApproximateNumberOfMessages") + count("ApproximateNumberOfMessagesNotVisible")
    }

    /// Waits until the workers are done with all that the queues took.
    #[track_caller]
    pub(crate) fn drained(&self) {
        wait_until("the queues are empty", 60, || {
            // What was held back may still be on its way.
            let before = self.queues.taken().len();
            std::thread::sleep(Duration::from_millis(500));
            let empty = STACKS.iter().all(|(_, queue, _)| self.depth(queue) == 0);
            empty && self.queues.taken().len() == before
        });
    }

    /// What the workers of a stack printed of messages that they completed: by message, the attempts.
    pub(crate) fn told(&self, group: &str) -> BTreeMap<u64, BTreeSet<(String, u64)>> {
        let mut told: BTreeMap<u64, BTreeSet<(String, u64)>> = BTreeMap::new();
        for (_, _, line) in &self.world.script.lock().unwrap().logs[group] {
            let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
            if record["ok"] == true {
                let id = record["message_id"].as_str().unwrap().to_owned();
                let attempt = (id, record["started_ns"].as_u64().unwrap());
                told.entry(record["seq"].as_u64().unwrap()).or_default().insert(attempt);
            }
        }
        told
    }

    /// The ledger says of every message what its workers printed, and no message that a queue took is missing from
    /// it; how many were completed, and how many of them more than once.
    #[track_caller]
    pub(crate) fn holds_what_workers_told(&self) -> Vec<(u64, u64)> {
        let taken = self.queues.taken();
        let mut worked = BTreeSet::new();
        let both = STACKS.map(|(stack, _, group)| {
            let told = self.told(group);
            worked.extend(told.values().flatten().map(|(id, _)| id.clone()));
            let outcomes = outcomes(&self.out(), stack);
            let ledger = &ledgers(&self.out())[stack];
            let count = |name: &str| outcomes.iter().filter(|outcome| *outcome == name).count() as u64;
            for name in ["completed", "completed-more", "dead-lettered", "failed", "lost", "in-flight"] {
                assert_eq!(
                    ledger[name].as_u64(),
                    Some(count(name)),
                    "{stack}: {ledger} says otherwise of {name}"
                );
            }
            assert_eq!(ledger["planned"].as_u64(), Some(outcomes.len() as u64), "{stack}: {ledger}");
            for (seq, outcome) in outcomes.iter().enumerate() {
                let attempts = told.get(&(seq as u64)).map_or(0, BTreeSet::len);
                let fits = match outcome.as_str() {
                    "completed" => attempts == 1,
                    "completed-more" => attempts > 1,
                    _ => attempts == 0,
                };
                assert!(fits, "{stack}: message {seq} is {outcome}, and was completed {attempts} times");
            }
            (count("completed") + count("completed-more"), count("completed-more"))
        });
        let missing: Vec<_> = taken.difference(&worked).collect();
        assert!(missing.is_empty(), "taken by a queue and never worked on: {missing:?}");
        both.to_vec()
    }
}

/// The ledger of each stack in `run.json`.
pub(crate) fn ledgers(out: &Path) -> BTreeMap<String, Value> {
    let manifest = json_of(&out.join("run.json"));
    let stacks = manifest["stacks"].as_array().unwrap().iter();
    stacks.map(|stack| (stack["name"].as_str().unwrap().to_owned(), stack["ledger"].clone())).collect()
}

/// The outcome of every planned message of a stack, in their order.
fn outcomes(out: &Path, stack: &str) -> Vec<String> {
    let rows = fs::read_to_string(out.join(stack).join("messages.csv")).unwrap();
    let column = |row: &str, place: usize| row.split(',').nth(place).unwrap().to_owned();
    let rows: Vec<&str> = rows.lines().collect();
    let outcome = rows[0].split(',').position(|name| name == "outcome").unwrap();
    for (number, row) in rows[1..].iter().enumerate() {
        assert_eq!(column(row, 0), number.to_string(), "every message has one row, in order");
    }
    rows[1..].iter().map(|row| column(row, outcome)).collect()
}

/// A validity check of a run: whether it passed, and its figures.
#[track_caller]
pub(crate) fn check(out: &Path, name: &str) -> (bool, String) {
    let manifest = json_of(&out.join("run.json"));
    let mut all = manifest["checks"].as_array().unwrap().iter();
    let found = all.find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check {name}"));
    (found["passed"].as_bool().unwrap(), found["detail"].as_str().unwrap().to_owned())
}

/// Checks that a machine that is busy with other tests fails, and faults do: a send that is throttled comes late.
const OF_TIME: [&str; 2] = ["the generator was on time", "the stacks were loaded alike"];

/// The names of the checks that failed, those of time left out.
pub(crate) fn failed_but_for_time(out: &Path) -> Vec<String> {
    let mut failed = failed_checks(out);
    failed.retain(|name| !OF_TIME.contains(&name.as_str()));
    failed
}

/// The run is valid, or was late and says by how much.
#[track_caller]
pub(crate) fn valid_or_late(out: &Path, done: &Done) {
    let failed = failed_checks(out);
    let figures: Vec<String> = failed.iter().map(|name| check(out, name).1).collect();
    assert_eq!(failed_but_for_time(out), [""; 0], "{figures:?} {}", done.err);
    assert_eq!(done.code, if failed.is_empty() { 0 } else { 4 }, "{figures:?} {}", done.err);
    assert!(figures.iter().all(|figure| figure.contains(" ms late")), "{figures:?}");
}

/// The names of the checks that failed.
pub(crate) fn failed_checks(out: &Path) -> Vec<String> {
    let manifest = json_of(&out.join("run.json"));
    let failed = manifest["checks"].as_array().unwrap().iter().filter(|check| check["passed"] == false);
    failed.map(|check| check["name"].as_str().unwrap().to_owned()).collect()
}

/// The binary at work.
pub(crate) struct Going {
    child: Child,
    place: PathBuf,
    pub(crate) began: Instant,
}

impl Going {
    pub(crate) fn signal(&self, name: &str) {
        // It may be gone already.
        let _ = Command::new("kill").args([name, &self.child.id().to_string()]).status();
    }

    /// Waits for its end: it may neither hang nor panic, nor write a secret.
    #[track_caller]
    pub(crate) fn ends_within(mut self, seconds: u64) -> Done {
        let read = |name: &str| fs::read_to_string(self.place.join(name)).unwrap();
        let began = now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > Duration::from_secs(seconds) {
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!("hangs: {}", read("stderr"));
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let done = Done { code: status.code().unwrap_or(-1), out: read("stdout"), err: read("stderr") };
        assert!(!done.err.contains("panicked") && !done.err.contains("stack backtrace"), "{}", done.err);
        nothing_holds_a_secret(&self.place);
        done
    }
}

/// Everything that was written, by any part.
#[track_caller]
pub(crate) fn nothing_holds_a_secret(place: &Path) {
    for (name, bytes) in tree(place) {
        let text = String::from_utf8_lossy(&bytes);
        for secret in [SECRET, TOKEN, "AKIAPLANTED"] {
            let found = text.find(secret).map(|at| &text[at.saturating_sub(300)..at]);
            assert_eq!(found, None, "{name} holds a secret after this");
        }
    }
}

#[track_caller]
pub(crate) fn wait_until(what: &str, seconds: u64, is_so: impl Fn() -> bool) {
    let began = now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(seconds), "it does not come to pass that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[expect(clippy::disallowed_methods, reason = "real processes take real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
