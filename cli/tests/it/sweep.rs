//! `versus sweep` and `versus merge`: whatever interrupts, divides or hurries a sweep, its bytes are the same.

use crate::lab::{assert_same, command, expect, folder, tree, versus};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Even arrivals and a ramp, so that the mean load is 30 messages a second.
const STEPS: &str = r#"
title = "Steps"
analysis = "A test."

[[phases]]
name = "even"
arrivals = "even"
duration = "60s"
rate = 20

[[phases]]
name = "rise"
arrivals = "even"
duration = "60s"
rate = { from = 20, to = 60 }

[message]
work = "20ms"

[stacks.ecs]
platform = "ecs"
cpu = 0.25
memory = "512 MB"
tasks = 1
concurrency = 10
poll = "slot-free"

[stacks.lambda]
platform = "lambda"
memory = "512 MB"
runtime = "rust"
timeout = "10s"
"#;

fn place(name: &str) -> PathBuf {
    let place = folder(name);
    fs::write(place.join("steps.toml"), STEPS).unwrap();
    place
}

/// A grid of twelve points.
const GRID: [&str; 6] =
    ["sweep", "steps.toml", "--vary", "load=5..80:log4", "--vary", "stacks.lambda.memory=256MB,512MB,1GB"];

fn with<'a>(arguments: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [arguments, more].concat()
}

/// The cells of each row by their columns.
fn rows(folder: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(folder.join("points.csv")).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(String::from).collect::<Vec<_>>());
    let header = lines.next().unwrap();
    lines.map(|cells| header.iter().cloned().zip(cells).collect()).collect()
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} of {row:?}"))
}

#[test]
fn a_sweep_is_the_same_whatever_the_number_of_threads() {
    let place = place("sweep-jobs");
    let one = expect(0, &place, &with(&GRID, &["--out", "one", "--jobs", "1"]));
    let many = expect(0, &place, &with(&GRID, &["--out", "many", "--jobs", "7"]));
    assert_same(&tree(&place.join("one")), &tree(&place.join("many")));
    assert_eq!(one.out, many.out);
    assert!(one.out.starts_with("SIMULATED sweep: Steps\n12 points, seed 1 at each\n"), "{}", one.out);
    assert_eq!(
        tree(&place.join("one")).into_keys().collect::<Vec<_>>(),
        ["points.csv", "sweep.html", "sweep.json"]
    );
    let rows = rows(&place.join("one"));
    let order: Vec<String> = rows.iter().map(|row| format!("{} {}", row["point"], row["stack"])).collect();
    let expected: Vec<String> = (1..=12).flat_map(|n| [format!("{n} ecs"), format!("{n} lambda")]).collect();
    assert_eq!(order, expected);
    let last = rows.last().unwrap();
    assert_eq!((last["load"].as_str(), last["stacks.lambda.memory"].as_str()), ("80", "1GB"));
    // Another seed is another sweep: the test above can fail.
    expect(0, &place, &with(&GRID, &["--out", "other", "--seed", "2", "-q"]));
    assert_ne!(tree(&place.join("one"))["points.csv"], tree(&place.join("other"))["points.csv"]);
}

#[test]
fn a_row_has_the_figures_of_a_run_with_the_same_values() {
    let place = place("sweep-run");
    let vary = ["sweep", "steps.toml", "--vary", "stacks.lambda.memory=256MB,1GB", "--vary", "load=2x"];
    expect(0, &place, &with(&vary, &["--out", "sweep", "-q"]));
    let sets =
        ["stacks.lambda.memory=1GB", "phases.even.rate=40", "phases.rise.rate={ from = 40, to = 120 }"];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
    expect(0, &place, &with(&["run", "steps.toml", "--out", "run", "-q"], &sets));
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(place.join("run/summary.json")).unwrap()).unwrap();
    let metrics = summary["metrics"].as_array().unwrap();
    let mut compared = 0;
    for row in rows(&place.join("sweep")).iter().filter(|row| row["point"] == "2") {
        for metric in metrics {
            let name = metric["name"].as_str().unwrap();
            let cell = row.get(name).or_else(|| row.get(&format!("{name}-ms")));
            let value = metric["estimates"][&row["stack"]]["value"].as_f64();
            let (Some(cell), Some(value)) = (cell, value) else { continue };
            let cell: f64 = cell.parse().unwrap();
            assert!(
                (cell - value).abs() <= 1e-5 * value.abs(),
                "{name}: {cell} in the sweep, {value} in the run"
            );
            compared += 1;
        }
    }
    assert!(compared >= 20, "{compared} figures are in both");
}

#[test]
fn load_is_the_mean_rate_and_keeps_the_shape() {
    let place = place("sweep-load");
    expect(0, &place, &["sweep", "steps.toml", "--vary", "load=3,30,47.5,120", "--out", "out", "-q"]);
    expect(0, &place, &["sweep", "steps.toml", "--vary", "load=0.1x,1x,4x", "--out", "times", "-q"]);
    for row in rows(&place.join("out")) {
        let (asked, offered) = (number(&row, "load"), number(&row, "offered-rate"));
        assert!((offered / asked - 1.0).abs() < 0.01, "asked for {asked}, offered {offered}");
    }
    let planned = |name: &str| -> Vec<(String, String)> {
        let rows = rows(&place.join(name));
        rows.iter().step_by(2).map(|row| (row["load"].clone(), row["planned"].clone())).collect()
    };
    let (rates, factors) = (planned("out"), planned("times"));
    let messages = |which: &[(String, String)], at: usize| which[at].1.parse::<f64>().unwrap();
    assert_eq!((messages(&rates, 1), messages(&rates, 3)), (3_600.0, 14_400.0), "{rates:?}");
    assert_eq!(
        [messages(&factors, 0), messages(&factors, 1), messages(&factors, 2)],
        [360.0, 3_600.0, 14_400.0]
    );
}

/// The binary at work on a sweep that takes a while, in one thread.
fn at_work(place: &Path, arguments: &[&str]) -> Child {
    let mut command = command(place, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until a few points are written down, but not all.
fn some_points(folder: &Path, child: &mut Child, most: usize) {
    for _ in 0..3_000 {
        let lines = fs::read_to_string(folder.join("points.csv")).map_or(0, |text| text.lines().count());
        if lines > 6 {
            assert!(lines < 2 * most, "too fast to be interrupted");
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        sleep(Duration::from_millis(5));
    }
    panic!("no point was written down");
}

#[test]
fn an_interrupted_sweep_goes_on_where_it_was() {
    let place = place("sweep-kill");
    let slow = ["sweep", "steps.toml", "--vary", "load=500..1000:60", "--set", "phases.even.duration=5m"];
    let slow = with(&slow, &["--jobs", "1"]);
    expect(0, &place, &with(&slow, &["--out", "whole", "-q"]));
    let out = with(&slow, &["--out", "out"]);

    let mut child = at_work(&place, &out);
    some_points(&place.join("out"), &mut child, 60);
    let beside = expect(1, &place, &out);
    assert!(beside.err.contains("another sweep is at work in out"), "{}", beside.err);
    child.kill().unwrap();
    child.wait().unwrap();
    // As if it had been killed within a row.
    let file = place.join("out/points.csv");
    let torn = fs::read_to_string(&file).unwrap() + "60,1000,ecs,ecs,tr";
    fs::write(&file, &torn).unwrap();

    let mut child = at_work(&place, &out);
    let before = torn.lines().count();
    while fs::read_to_string(&file).unwrap().lines().count() < before + 4 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        sleep(Duration::from_millis(5));
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("interrupted after") && said.contains("of 60 points"), "{said}");
    assert!(said.contains("of 60 points are there already"), "{said}");

    expect(0, &place, &with(&out, &["-q"]));
    assert_same(&tree(&place.join("whole")), &tree(&place.join("out")));
    // Nothing is left to do, and the summary is there again.
    let again = expect(0, &place, &out);
    assert!(again.err.contains("60 of 60 points are there already"), "{}", again.err);
    assert!(again.out.contains("SIMULATED sweep"), "{}", again.out);
}

#[test]
fn parts_are_joined_to_the_bytes_of_one_process() {
    let place = place("sweep-parts");
    let whole = expect(0, &place, &with(&GRID, &["--out", "whole"]));
    let parts: Vec<Child> = ["1/3", "2/3"]
        .iter()
        .map(|part| at_work(&place, &with(&GRID, &["--shard", part, "--out", &part.replace('/', "-of-")])))
        .collect();
    // The third is told by the environment, as an array job is.
    let third = command(&place, &with(&GRID, &["--out", "3-of-3"]))
        .envs([("AWS_BATCH_JOB_ARRAY_INDEX", "2"), ("AWS_BATCH_JOB_ARRAY_SIZE", "3")])
        .output()
        .unwrap();
    assert!(third.status.success());
    for mut part in parts {
        assert!(part.wait().unwrap().success());
    }
    let numbers: Vec<String> =
        rows(&place.join("2-of-3")).iter().step_by(2).map(|row| row["point"].clone()).collect();
    assert_eq!(numbers, ["2", "5", "8", "11"]);

    let all = ["merge", "3-of-3", "1-of-3", "2-of-3"];
    let merged = expect(0, &place, &with(&all, &["--out", "merged"]));
    assert_same(&tree(&place.join("whole")), &tree(&place.join("merged")));
    assert_eq!(whole.out, merged.out);

    let missing = expect(1, &place, &["merge", "1-of-3", "3-of-3", "--out", "less"]);
    assert!(missing.err.contains("4 of 12 points are missing: 2, 5, 8, 11;"), "{}", missing.err);
    assert!(!place.join("less").exists());
    let taken = expect(1, &place, &with(&all, &["--out", "merged"]));
    assert!(taken.err.contains("not empty"), "{}", taken.err);

    // The same points again are no contradiction, others are.
    expect(0, &place, &with(&all, &["whole", "--out", "twice", "-q"]));
    let file = place.join("2-of-3/points.csv");
    let text = fs::read_to_string(&file).unwrap();
    let planned = &rows(&place.join("2-of-3"))[2]["planned"];
    let other = text.replacen(&format!("true,{planned},"), "true,1,", 1);
    assert_ne!(text, other);
    fs::write(&file, other).unwrap();
    let differs = expect(1, &place, &with(&all, &["whole", "--out", "differs"]));
    assert!(differs.err.contains("differs between 2-of-3 and whole"), "{}", differs.err);

    expect(0, &place, &with(&GRID, &["--shard", "2/3", "--seed", "9", "--out", "seed-9", "-q"]));
    let other = expect(1, &place, &["merge", "1-of-3", "seed-9", "3-of-3", "--out", "mixed"]);
    assert!(other.err.contains("seed-9 holds another sweep: it differs in seed"), "{}", other.err);
}

#[test]
fn what_cannot_be_swept_is_refused_before_anything_runs() {
    let place = place("sweep-refused");
    let refused = |arguments: &[&str], words: &[&str]| {
        let done = expect(2, &place, &with(&["sweep", "steps.toml", "--out", "none"], arguments));
        words
            .iter()
            .for_each(|word| assert!(done.err.contains(word), "{arguments:?}: no {word:?} in {}", done.err));
        assert!(!place.join("none").exists(), "{arguments:?} left a folder");
    };
    refused(&[], &["--vary"]);
    refused(&["--vary", "load=1..10"], &["1..10:10"]);
    refused(&["--vary", "stacks.lambda.memry=1GB,2GB"], &["point 1 (stacks.lambda.memry=1GB)", "memory"]);
    refused(&["--vary", "stack.lambda.memory=1GB,2GB"], &["point 1", "stack"]);
    // The first that is wrong is named, whatever the threads do.
    refused(
        &["--vary", "load=1,2", "--vary", "stacks.lambda.memory=1GB,64MB,32MB"],
        &["point 2 (load=1, stacks.lambda.memory=64MB): --set stacks.lambda.memory=64MB"],
    );
    refused(&["--vary", "lod=1,2"], &["point 1 (lod=1)", "load, which may be varied too"]);
    let known =
        expect(2, &place, &with(&["sweep", "steps.toml", "--out", "none"], &["--vary", "warmup=5m,2d"]));
    assert!(known.err.contains("warmup") && !known.err.contains("varied too"), "{}", known.err);
    refused(&["--vary", "load=1,2000000"], &["point 2 (load=2000000)", "out of range"]);
    refused(&["--vary", "load=0,1"], &["point 1 (load=0)", "above 0"]);
    refused(&["--vary", "load=1,2x"], &["mixes rates and factors"]);
    refused(&["--vary", "load=1,2", "--vary", "load=3"], &["--vary load is there twice"]);
    refused(&["--vary", "seed=1,2"], &["every point has the same seed"]);
    refused(
        &["--vary", "load=1..2:1000", "--vary", "stacks.lambda.batch-size=1..1000:1000"],
        &["1000000 points are too many"],
    );
    let smoke = versus(&place, &["sweep", "smoke.toml", "--vary", "load=1,2", "--out", "none"]);
    assert!(smoke.code == 2 && smoke.err.contains("phase \"batches\""), "{}", smoke.err);
    assert!(smoke.err.contains("phases.batches.size"), "{}", smoke.err);
    let lost = versus(&place, &["sweep", "lost.toml", "--vary", "load=1,2", "--out", "none"]);
    assert!(lost.code == 2 && lost.err.contains("lost.toml"), "{}", lost.err);
}

#[test]
fn a_folder_goes_on_with_its_own_sweep_only() {
    let place = place("sweep-folder");
    let base = ["sweep", "steps.toml", "--vary", "load=5,10", "--out", "out", "-q"];
    expect(0, &place, &base);
    let was = tree(&place.join("out"));
    let refused = |arguments: &[&str], words: &str| {
        let done = expect(1, &place, arguments);
        assert!(done.err.contains(words), "{arguments:?}: {}", done.err);
        assert_same(&was, &tree(&place.join("out")));
    };
    refused(&with(&base, &["--seed", "2"]), "differs in seed");
    refused(&with(&base, &["--set", "message.work=30ms"]), "differs in --set");
    refused(&with(&base, &["--shard", "1/2"]), "differs in shard");
    refused(&["sweep", "steps.toml", "--vary", "load=5,11", "--out", "out"], "differs in --vary");
    fs::write(place.join("steps.toml"), STEPS.replace("20ms", "21ms")).unwrap();
    refused(&base, "differs in scenario");
    fs::write(place.join("steps.toml"), STEPS).unwrap();
    expect(0, &place, &with(&base, &["--jobs", "3"]));

    fs::create_dir(place.join("full")).unwrap();
    fs::write(place.join("full/mine.txt"), "mine").unwrap();
    let full = expect(1, &place, &["sweep", "steps.toml", "--vary", "load=5,10", "--out", "full"]);
    assert!(full.err.contains("full is not empty"), "{}", full.err);

    // A row that is damaged in the middle is not taken for one that was being written.
    let file = place.join("out/points.csv");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen(",true,true,", ",true,", 1)).unwrap();
    let damaged = expect(1, &place, &base);
    assert!(damaged.err.contains("points.csv:2 is damaged"), "{}", damaged.err);
}

#[test]
fn where_nothing_kept_up_nothing_was_compared() {
    let place = place("sweep-overload");
    let sets = [
        "--set",
        "drain-max=10s",
        "--set",
        "stacks.lambda.reserved-concurrency=2",
        "--set",
        "message.work=2s",
    ];
    let base = ["sweep", "steps.toml", "--vary", "load=60,80", "--out", "out"];
    let done = expect(4, &place, &with(&base, &sets));
    assert!(
        done.out.contains("60 to 80   not compared: ecs was not drained, lambda was not drained"),
        "{}",
        done.out
    );
    assert!(done.out.contains("  none: no point"), "{}", done.out);
    assert!(rows(&place.join("out")).iter().all(|row| row["drained"] == "false" && row["valid"] == "false"));
}
