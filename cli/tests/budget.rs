//! What reporting a large run, and checking two of them, may cost, measured on the binary as the operating system counts it: processor time,
//! which a busy machine does not lengthen, and resident memory. A test program of its own, for its children are.
#![allow(missing_docs, clippy::unwrap_used)]

use nix::sys::resource::{UsageWho, getrusage};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Ten million messages at two stacks that keep up.
const LARGE: &str = r#"
title = "Ten million messages"
analysis = "What a report of a large run costs."
warmup = "60s"
[[phases]]
name = "load"
duration = "2000s"
arrivals = "poisson"
rate = 5000
[message]
work = { distribution = "lognormal", median = "10ms", p99 = "60ms" }
cpu-share = 0.1
body = "256 B"
[stacks.ecs]
platform = "ecs"
cpu = 1
memory = "2 GB"
tasks = 20
batch-size = 10
wait-time = "20s"
concurrency = 10
poll = "slot-free"
[stacks.lambda]
platform = "lambda"
memory = "512 MB"
timeout = "20s"
batch-size = 10
partial-batch-responses = true
"#;

/// Processor time and largest resident memory in bytes of the children so far.
fn children() -> (Duration, u64) {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let time = |time: nix::sys::time::TimeVal| {
        Duration::new(time.tv_sec().try_into().unwrap(), 1_000 * u32::try_from(time.tv_usec()).unwrap())
    };
    (time(usage.user_time()) + time(usage.system_time()), usage.max_rss() as u64 * 1024)
}

fn versus(folder: &Path, arguments: &[&str]) -> Duration {
    printed(folder, arguments).0
}

/// Processor time of the program, and what it printed.
fn printed(folder: &Path, arguments: &[&str]) -> (Duration, Vec<u8>) {
    let (before, _) = children();
    let program =
        Command::new(env!("CARGO_BIN_EXE_versus")).current_dir(folder).args(arguments).output().unwrap();
    assert!(
        [Some(0), Some(4)].contains(&program.status.code()),
        "{}",
        String::from_utf8_lossy(&program.stderr)
    );
    (children().0 - before, program.stdout)
}

#[test]
fn ten_million_messages_are_reported_in_a_second_and_256_mb_and_checked_in_a_second() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("budget");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("large.toml"), LARGE).unwrap();
    let run = versus(&folder, &["run", "large.toml", "--out", "out", "--quiet"]);
    let manifest = fs::read_to_string(folder.join("out/run.json")).unwrap();
    let planned = manifest.lines().find_map(|line| line.trim().strip_prefix("\"planned\": ")).unwrap();
    assert!(planned.trim_end_matches(',').parse::<u64>().unwrap() > 9_900_000, "{planned}");
    // Other work on the machine cools caches: the least of three.
    let report = (0..3).map(|_| versus(&folder, &["report", "out", "--quiet"])).min().unwrap();
    let (_, memory) = children();
    let size = fs::metadata(folder.join("out/report.html")).unwrap().len();
    println!("run {run:?}, report {report:?}, at most {} MB, page {} KB", memory >> 20, size >> 10);
    assert!(report < Duration::from_secs(1), "{report:?}");
    assert!(memory <= 256 << 20, "{} MB", memory >> 20);
    assert!(size <= 300 << 10, "{} KB", size >> 10);
    check(&folder);
}

/// Checks the run against one of the same messages that another queue served.
fn check(folder: &Path) {
    let other =
        ["run", "large.toml", "--out", "other", "--quiet", "--set", "parameters.sqs-receive-median=8ms"];
    versus(folder, &other);
    for run in ["out", "other"] {
        versus(folder, &["baseline", run, "-o", &format!("{run}.json"), "--force"]);
    }
    let arguments = ["check", "--baseline", "out.json", "other.json", "--format", "json"];
    let checks: Vec<(Duration, Vec<u8>)> = (0..3).map(|_| printed(folder, &arguments)).collect();
    let least = checks.iter().map(|check| check.0).min().unwrap();
    let from_runs = versus(folder, &["check", "--baseline", "out", "other", "--quiet"]);
    println!("check {least:?} from baselines, {from_runs:?} from runs");
    let text = String::from_utf8(checks[0].1.clone()).unwrap();
    assert!(text.contains("\"outcome\": \"unchanged\"") && text.contains("\"incomparable\": []"), "{text}");
    assert!(checks.iter().all(|check| check.1 == checks[0].1), "the same bytes each time");
    assert!(least < Duration::from_secs(1), "{least:?}");
}
