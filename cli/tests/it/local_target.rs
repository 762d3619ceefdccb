//! `--target local` through the binary: real messages, real processes, real kills.

use crate::lab::{Done, command, expect, folder, versus};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A few seconds of load on two stacks; every process that comes of it carries `mark` in its environment.
fn scenario(place: &Path, mark: &str, rest: &str) -> PathBuf {
    let worker = format!("[\"env\", \"MARK={mark}\", {:?}, \"worker\"]", env!("CARGO_BIN_EXE_versus"));
    let text = format!(
        "title = \"Small\"\nanalysis = \"A test.\"\ndrain-max = \"20s\"\n\
         [[phases]]\nname = \"even\"\narrivals = \"even\"\nduration = \"3s\"\nrate = 40\n\
         [message]\nwork = \"30ms\"\nbody = [10, 50]\n\
         [queue]\nvisibility-timeout = \"3s\"\n\
         [stacks.ecs]\nplatform = \"ecs\"\ntasks = 2\nmax-tasks = 2\nconcurrency = 3\ncommand = {worker}\n\
         [stacks.lambda]\nplatform = \"lambda\"\ntimeout = \"2s\"\nbatch-size = 2\ncommand = {worker}\n\
         provisioning = \"none\"\n{rest}"
    );
    let path = place.join("small.toml");
    fs::write(&path, text).unwrap();
    path
}

/// Processes that carry `mark` in their environment or arguments, but for those of `but`.
fn marked(mark: &str, but: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let holds = |file: &str| {
            let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
            bytes.windows(mark.len()).any(|part| part == mark.as_bytes())
        };
        // A zombie has neither environment nor arguments.
        if id != but && (holds("environ") || holds("cmdline")) {
            found.insert(id);
        }
    }
    found
}

/// Waits until no process carries `mark`.
#[track_caller]
fn all_gone(mark: &str) {
    let began = now();
    loop {
        let left = marked(mark, std::process::id());
        if left.is_empty() {
            return;
        }
        let names: Vec<String> = left
            .iter()
            .map(|id| fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default())
            .collect();
        assert!(began.elapsed() < Duration::from_secs(10), "left behind: {left:?} {names:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn start(place: &Path, mark: &str) -> Child {
    let mut run = command(place, &["run", "small.toml", "--target", "local", "--out", "out", "-q"]);
    run.env("MARK", mark).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn kill(signal: &str, id: u32) {
    // It may be gone already.
    let _ = std::process::Command::new("kill").args([signal, &id.to_string()]).stderr(Stdio::null()).status();
}

/// The ledger of each stack in `run.json` of a run that was reported.
fn ledgers(out: &Path) -> Vec<serde_json::Value> {
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("run.json")).unwrap()).unwrap();
    manifest["stacks"].as_array().unwrap().iter().map(|stack| stack["ledger"].clone()).collect()
}

fn balances(ledger: &serde_json::Value) -> bool {
    let number = |name: &str| ledger[name].as_u64().unwrap();
    let outcomes = ["completed", "completed-more", "dead-lettered", "failed", "lost", "in-flight"];
    number("planned") == outcomes.into_iter().map(number).sum::<u64>()
}

#[test]
fn a_run_on_this_machine_completes_every_message_and_leaves_no_process() {
    let (place, mark) = (folder("local"), "versus-mark-local");
    scenario(&place, mark, "");
    let done = expect(0, &place, &["run", "small.toml", "--target", "local", "--out", "out"]);
    all_gone(mark);
    assert!(done.out.starts_with("Measured run: Small"), "{}", done.out);
    for ledger in ledgers(&place.join("out")) {
        assert_eq!((&ledger["planned"], &ledger["completed"]), (&120.into(), &120.into()), "{ledger}");
    }
    for stack in ["ecs", "lambda"] {
        let rows = fs::read_to_string(place.join("out").join(stack).join("messages.csv")).unwrap();
        assert_eq!(rows.lines().count(), 121, "{stack}");
        let log = fs::read_to_string(place.join("out").join(stack).join("worker.log")).unwrap();
        assert_eq!(log.contains("Init Duration: "), stack == "lambda", "{log}");
    }
    // What was measured can be reported again, and set beside a simulation of the same.
    expect(0, &place, &["report", "out", "-q"]);
    expect(0, &place, &["run", "small.toml", "--out", "sim", "-q"]);
    let compared = expect(0, &place, &["compare", "sim", "out"]);
    assert!(compared.out.contains("Latency, p50") && !compared.out.contains("Note:"), "{}", compared.out);
}

#[test]
fn faults_are_acted_out_and_nothing_is_lost() {
    let (place, mark) = (folder("local-faults"), "versus-mark-faults");
    let faults = "[[faults]]\nfault = \"worker-crash\"\nat = \"1s\"\n\
                  [[faults]]\nfault = \"deployment\"\nstack = \"lambda\"\nat = \"2s\"\n\
                  [[faults]]\nfault = \"endpoint-errors\"\nfrom = \"500ms\"\nuntil = \"2500ms\"\nshare = 0.1\n";
    scenario(&place, mark, faults);
    let done = versus(&place, &["run", "small.toml", "--target", "local", "--out", "out"]);
    all_gone(mark);
    assert!(done.code == 0 || done.code == 4, "{}{}", done.out, done.err);
    for (stack, ledger) in ["ecs", "lambda"].iter().zip(ledgers(&place.join("out"))) {
        let both = ledger["completed"].as_u64().unwrap() + ledger["completed-more"].as_u64().unwrap();
        assert_eq!(both, 120, "{stack}: {ledger}");
        let activities = fs::read_to_string(place.join("out").join(stack).join("activities.csv")).unwrap();
        let expected: &[&str] = if *stack == "ecs" {
            &["worker-crash", "endpoint-errors"]
        } else {
            &["worker-crash", "deployment"]
        };
        for fault in expected {
            assert!(activities.contains(fault), "{stack}: no {fault} in {activities}");
        }
    }
}

#[test]
fn a_worker_that_is_not_there_is_named() {
    let place = folder("local-no-worker");
    let arguments =
        ["run", "smoke.toml", "--target", "local", "--out", "out", "--worker", "no-such-program x"];
    let Done { err, .. } = expect(1, &place, &arguments);
    assert!(err.contains("no-such-program"), "{err}");
    let Done { err, .. } =
        expect(1, &place, &["run", "smoke.toml", "--target", "local", "--out", "b", "--worker", "'"]);
    assert!(err.contains("--worker"), "{err}");
}

#[test]
fn an_interrupt_drains_and_keeps_the_run() {
    let (place, mark) = (folder("local-interrupt"), "versus-mark-interrupt");
    scenario(&place, mark, "");
    let mut run = start(&place, mark);
    wait_for(&place.join("out/run.json"));
    // Workers of one's own have four seconds to start before the load begins.
    std::thread::sleep(Duration::from_millis(5_500));
    kill("-INT", run.id());
    let code = run.wait().unwrap().code();
    all_gone(mark);
    assert_eq!(code, Some(4), "a run that was cut short has no verdict");
    for ledger in ledgers(&place.join("out")) {
        let (completed, planned) =
            (ledger["completed"].as_u64().unwrap(), ledger["planned"].as_u64().unwrap());
        assert!(balances(&ledger) && (1..planned).contains(&completed), "{ledger}");
    }
}

#[expect(clippy::disallowed_methods, reason = "real processes take real time")]
fn now() -> Instant {
    Instant::now()
}

fn wait_for(path: &Path) {
    let began = now();
    while !path.exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "{} does not come", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// SplitMix64: instants and victims that are the same in every run of the test.
fn draw(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % below
}

/// Whatever is killed, whenever: no process is left, the folder reads, the ledger balances.
fn kill_at_random(rounds: u64, from: u64) {
    for round in from..from + rounds {
        let mark = format!("versus-mark-kill-{round}-");
        let place = folder(&format!("local-kill-{round}"));
        scenario(&place, &mark, "");
        let mut state = round;
        let mut run = start(&place, &mark);
        wait_for(&place.join("out/run.json"));
        std::thread::sleep(Duration::from_millis(draw(&mut state, 8_500)));
        // The tool itself, with the endpoint in it, two times of three; else one of its processes.
        let signal = ["-KILL", "-KILL", "-TERM"][draw(&mut state, 3) as usize];
        let others: Vec<u32> = marked(&mark, run.id()).into_iter().filter(|id| *id != run.id()).collect();
        let itself = draw(&mut state, 3) < 2 || others.is_empty();
        if itself {
            kill(signal, run.id());
        } else {
            kill("-KILL", others[draw(&mut state, others.len() as u64) as usize]);
        }
        let status = run.wait().unwrap();
        all_gone(&mark);
        let out = place.join("out");
        let report = versus(&place, &["report", "out", "-q"]);
        assert!([0, 4].contains(&report.code), "round {round}, {status}: {}{}", report.out, report.err);
        for ledger in ledgers(&out) {
            assert!(balances(&ledger), "round {round}: {ledger}");
        }
        if itself && !status.success() && status.code() != Some(4) {
            assert_eq!(report.code, 4, "round {round}, {status}: a run that was killed has no verdict");
        }
        fs::remove_dir_all(&place).unwrap();
    }
}

#[test]
fn whatever_is_killed_nothing_is_left_behind() {
    kill_at_random(4, 0);
}

#[test]
#[ignore = "takes seven minutes: `./test.sh --slow` runs it"]
fn whatever_is_killed_fifty_times_nothing_is_left_behind() {
    kill_at_random(50, 1_000);
}

#[test]
fn a_measured_run_says_what_a_simulation_should_believe() {
    let place = folder("local-calibrate");
    scenario(&place, "calibrate", "");
    let run = ["run", "small.toml", "--target", "local", "--out", "out", "-q"];
    let code = versus(&place, &run).code;
    assert!([0, 4].contains(&code), "{code}");
    let done = expect(0, &place, &["calibrate", "out", "--out", "beliefs.toml"]);
    // The work is 30 ms and a cold start here takes no 200 ms: what was believed before is far off.
    let error = |name: &str, column: usize| -> f64 {
        let line = done.out.lines().find(|line| line.starts_with(name)).unwrap();
        let errors: Vec<&str> = line.split_whitespace().filter(|word| word.starts_with(['+', '-'])).collect();
        errors[column].parse::<f64>().unwrap().abs()
    };
    assert!(error("ecs p50", 1) <= 15.0, "{}", done.out);
    assert!(error("lambda p50", 1) < error("lambda p50", 0), "{}", done.out);
    let beliefs = fs::read_to_string(place.join("beliefs.toml")).unwrap();
    assert!(beliefs.contains("message.work") && beliefs.contains("messages of ecs"), "{beliefs}");
    expect(0, &place, &["run", "small.toml", "--set-file", "beliefs.toml", "--out", "sim", "-q"]);
    let manifest = fs::read_to_string(place.join("sim/run.json")).unwrap();
    assert!(manifest.contains("parameters.esm-delivery-p50 ="), "the overrides are in the manifest");
    // Beliefs are fitted to measured runs.
    let done = expect(2, &place, &["calibrate", "sim"]);
    assert!(done.err.contains("was simulated"), "{}", done.err);
    fs::write(place.join("broken.toml"), "[parameters]\n").unwrap();
    let done = expect(1, &place, &["run", "small.toml", "--set-file", "broken.toml", "--out", "x"]);
    assert!(done.err.contains("broken.toml:1: \"[parameters]\" is no override"), "{}", done.err);
}

#[test]
fn streams_are_told_apart_on_this_machine_and_what_is_only_simulated_is_refused() {
    let place = folder("local-streams");
    let rest =
        "[streams.login]\nshare = 0.75\n[streams.recovery]\nshare = 0.25\nmessage = { work = \"5ms\" }\n";
    scenario(&place, "versus-streams", rest);
    expect(0, &place, &["run", "small.toml", "--target", "local", "--out", "out", "-q"]);
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(place.join("out/summary.json")).unwrap()).unwrap();
    for (stack, ledger) in ["ecs", "lambda"].iter().zip(ledgers(&place.join("out"))) {
        let streams = summary["streams"][stack].as_array().unwrap();
        assert_eq!(streams.len(), 2, "{streams:?}");
        let planned = |stream: &serde_json::Value| stream["ledger"]["planned"].as_u64().unwrap();
        assert_eq!(streams.iter().map(planned).sum::<u64>(), ledger["planned"].as_u64().unwrap());
        assert!(planned(&streams[0]) > 2 * planned(&streams[1]), "{streams:?}");
        let p50 = |at: usize| streams[at]["metrics"]["latency-p50"].as_f64().unwrap();
        assert!(p50(0) > p50(1) + 15.0, "{} ms and {} ms", p50(0), p50(1));
    }
    for (key, value) in [
        ("message.hops", "2"),
        ("message.claim-check", "1KB"),
        ("stacks.ecs.split", "queues"),
        ("stacks.lambda.streams", "[\"login\"]"),
    ] {
        let set = format!("{key}={value}");
        let refused =
            expect(2, &place, &["run", "small.toml", "--target", "local", "--out", "no", "--set", &set]);
        assert!(refused.err.contains(&format!("{key}: is only simulated")), "{}", refused.err);
        assert!(!place.join("no").exists());
    }
}
