//! `versus run` and `versus report`: what they write, and that it is always the same.

use crate::lab::{assert_same, command, expect, folder, golden, root, tree};
use model::run::Run;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The files of a stack.
const STACK_FILES: [&str; 7] = [
    "activities.csv",
    "latency.hlog",
    "messages.csv",
    "sample.csv",
    "series.csv",
    "stages.csv",
    "usage.json",
];

fn read(place: &Path) -> Run {
    model::run::read(place).unwrap()
}

#[test]
fn a_run_says_that_it_is_simulated_and_leaves_its_report() {
    let place = folder("smoke");
    let done = expect(0, &place, &["run", "smoke.toml", "--out", "out"]);
    assert!(done.out.lines().next().unwrap().starts_with("SIMULATED run: Smoke"), "{}", done.out);
    assert!(done.err.contains("out/report.html"), "{}", done.err);
    golden("smoke.txt", &done.out);

    let page = fs::read_to_string(place.join("out/report.html")).unwrap();
    assert!(page.contains("Simulated") || page.contains("SIMULATED"));
    let manifest = fs::read_to_string(place.join("out/run.json")).unwrap();
    assert!(manifest.lines().nth(1).unwrap().contains("SIMULATED run"), "the first line that is not a brace");
    let run = read(&place.join("out"));
    assert!(run.manifest.parameters.len() > 50 && page.contains("esm-ramp-per-minute"));
    assert_eq!(run.manifest.command, ["versus", "run", "smoke.toml", "--out", "out"]);
    let names: Vec<String> = tree(&place.join("out")).into_keys().collect();
    let without_messages = STACK_FILES.iter().filter(|name| **name != "messages.csv");
    let mut expected: Vec<String> =
        without_messages.flat_map(|name| [format!("ecs/{name}"), format!("lambda/{name}")]).collect();
    expected.extend(["SHA256SUMS", "report.html", "run.json", "summary.json"].map(String::from));
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn the_same_scenario_and_seed_give_the_same_bytes() {
    let run = |name: &str| {
        let place = folder(name);
        expect(0, &place, &["run", "smoke.toml", "--out", "out", "--messages", "--seed", "7"]);
        tree(&place)
    };
    assert_same(&run("twice-a"), &run("twice-b"));
}

/// Fails where a machine computes differently, or where a change moves the figures of every run.
#[test]
fn the_bytes_of_a_run_are_pinned() {
    let place = folder("pinned");
    expect(0, &place, &["run", "smoke.toml", "--out", "out", "--messages"]);
    let mut sums = String::new();
    for (name, bytes) in tree(&place.join("out")) {
        if STACK_FILES.iter().any(|file| name.ends_with(file)) {
            let hex =
                Sha256::digest(&bytes).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
            writeln!(sums, "{hex}  {name}").unwrap();
        }
    }
    assert_eq!(sums.lines().count(), 2 * STACK_FILES.len());
    golden("smoke.sha256", &sums);
}

#[test]
fn repeats_are_runs_of_their_own_under_one_report() {
    let place = folder("repeats");
    let done = expect(0, &place, &["run", "smoke.toml", "--out", "out", "--repeat", "3", "--seed", "5"]);
    assert!(done.out.contains("Means over 3 repeats"), "{}", done.out);
    let out = place.join("out");
    for index in 1..=3 {
        let run = read(&out.join(format!("repeat-{index}")));
        assert_eq!((run.manifest.repeat, run.manifest.seed), ((index, 3), 4 + u64::from(index)));
    }
    let before = tree(&out);
    let pages: Vec<_> = before.keys().filter(|name| name.ends_with("report.html")).collect();
    assert_eq!(pages, ["report.html"]);

    // The first repeat alone is what a run without repeats would have been.
    expect(0, &place, &["run", "smoke.toml", "--out", "alone", "--seed", "5"]);
    assert_eq!(read(&place.join("alone")).stacks, read(&out.join("repeat-1")).stacks);
    assert_ne!(read(&out.join("repeat-2")).stacks, read(&out.join("repeat-1")).stacks);

    // A folder of repeats stands for all of them.
    fs::remove_file(out.join("report.html")).unwrap();
    let again = expect(0, &place, &["report", "out"]);
    assert_eq!(again.out, done.out);
    assert_same(&tree(&out), &before);
    let listed =
        expect(0, &place, &["report", "out/repeat-1", "out/repeat-2", "out/repeat-3", "--out", "new"]);
    assert_eq!(listed.out, done.out);
}

#[test]
fn a_stored_run_gives_the_same_report_again() {
    let place = folder("report-again");
    let done = expect(0, &place, &["run", "smoke.toml", "--out", "out"]);
    let before = tree(&place);
    for file in ["report.html", "summary.json"] {
        fs::remove_file(place.join("out").join(file)).unwrap();
    }
    let again = expect(0, &place, &["report", "out"]);
    assert_eq!(again.out, done.out);
    assert_same(&tree(&place), &before);
}

#[test]
fn reading_a_run_gives_what_was_written() {
    let place = folder("round-trip");
    expect(0, &place, &["run", "smoke.toml", "--out", "out"]);
    fs::create_dir(place.join("copy")).unwrap();
    model::run::write(&place.join("copy"), &read(&place.join("out"))).unwrap();
    let mut written = tree(&place.join("out"));
    written.retain(|name, _| name != "report.html" && name != "summary.json");
    assert_same(&tree(&place.join("copy")), &written);
}

#[test]
fn the_seed_and_overrides_count_and_are_recorded() {
    let place = folder("overrides");
    expect(0, &place, &["run", "smoke.toml", "--out", "plain"]);
    let set = ["--set", "phases.even.rate=40", "--set", "stacks.lambda.memory=1GB"];
    let parameter = ["--set", "parameters.sqs-receive-median=9ms", "--seed", "99"];
    let arguments = [&["run", "smoke.toml", "--out", "other"][..], &set, &parameter].concat();
    expect(0, &place, &arguments);
    let (plain, other) = (read(&place.join("plain")).manifest, read(&place.join("other")).manifest);
    assert_eq!((plain.seed, other.seed), (1, 99));
    assert!(plain.overrides.is_empty());
    assert_eq!(
        other.overrides,
        ["phases.even.rate=40", "stacks.lambda.memory=1GB", "parameters.sqs-receive-median=9ms"]
    );
    assert_eq!(plain.scenario_hash, other.scenario_hash, "the file is the same");
    assert_ne!(plain.plan_hash, other.plan_hash);
    assert!(other.planned > plain.planned + 150, "{} and {}", plain.planned, other.planned);
    assert!(other.stacks[1].configuration.contains("1 GB"), "{}", other.stacks[1].configuration);
    let changed: Vec<&str> =
        other.parameters.iter().filter(|b| b.value != b.default).map(|b| b.key.as_str()).collect();
    assert_eq!(changed, ["sqs-receive-median"]);
}

#[test]
fn every_planned_message_has_its_row() {
    let place = folder("messages");
    expect(0, &place, &["run", "smoke.toml", "--out", "out", "--messages"]);
    let run = read(&place.join("out"));
    for entry in &run.manifest.stacks {
        let file = fs::File::open(place.join("out").join(&entry.name).join("messages.csv")).unwrap();
        let records: Vec<_> = model::record::read_csv(file).map(Result::unwrap).collect();
        assert_eq!(records.len() as u64, run.manifest.planned, "{}", entry.name);
        assert!(records.iter().enumerate().all(|(seq, record)| record.seq == seq as u64), "{}", entry.name);
        records.iter().for_each(|record| model::record::check_order(record).unwrap());
        let mut ledger = model::record::Ledger { planned: run.manifest.planned, ..Default::default() };
        records.iter().for_each(|record| ledger.count(record.outcome));
        assert_eq!(ledger, entry.ledger, "{}", entry.name);
    }
}

#[test]
fn a_dry_run_simulates_and_writes_nothing() {
    let place = folder("dry-run");
    let before = tree(&place);
    let done = expect(
        0,
        &place,
        &["run", "smoke.toml", "--dry-run", "--out", "out", "--set", "phases.even.rate=50"],
    );
    assert!(done.out.lines().any(|line| line.starts_with("even") && line.contains(" 10s ")), "{}", done.out);
    assert!(done.out.contains("nothing is simulated") && done.out.contains("500 messages"), "{}", done.out);
    assert_same(&tree(&place), &before);
    assert!(!place.join("out").exists());
}

#[test]
fn quiet_prints_nothing() {
    let place = folder("quiet");
    let run = expect(0, &place, &["run", "smoke.toml", "--out", "out", "--quiet"]);
    let report = expect(0, &place, &["report", "out", "-q"]);
    for done in [run, report] {
        assert_eq!((done.out.as_str(), done.err.as_str()), ("", ""));
    }
    assert!(place.join("out/report.html").exists());
}

#[test]
fn runs_go_to_results_unless_told_otherwise() {
    let place = folder("default-folder");
    for _ in 0..2 {
        expect(0, &place, &["run", "smoke.toml", "-q"]);
    }
    let mut names: Vec<String> = fs::read_dir(place.join("results"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 2, "a second run never takes the folder of the first: {names:?}");
    for name in &names {
        assert!(name.starts_with("smoke-20") && name.contains("Z-sim"), "{name}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = folder("closed-stdout");
    for arguments in
        [&["run", "smoke.toml", "--out", "out"][..], &["report", "out"], &["schema"], &["--help"]]
    {
        let mut child = command(&place, arguments)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && !err.contains("panicked"), "{arguments:?}: {err}");
    }
}

#[test]
fn the_schema_is_the_one_in_the_repository() {
    let done = expect(0, &root(), &["schema"]);
    let stored = fs::read_to_string(root().join("model/scenario.schema.json")).unwrap();
    assert_eq!(done.out.trim_end(), stored.trim_end());
}

#[test]
fn help_fits_eighty_columns() {
    for arguments in [&["--help"][..], &["run", "--help"], &["report", "--help"], &["schema", "--help"]] {
        let done = expect(0, &root(), arguments);
        let widest = done.out.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 80 && done.out.contains("Usage:"), "{arguments:?}: {widest} columns\n{}", done.out);
    }
    assert!(expect(0, &root(), &["--help"]).out.contains("Exit codes"));
    assert_eq!(expect(0, &root(), &["--version"]).out, format!("versus {}\n", env!("CARGO_PKG_VERSION")));
}
