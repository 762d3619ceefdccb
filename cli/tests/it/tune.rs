//! `versus tune`: the best of a grid in a tenth of its simulations, the same bytes on any number of threads.

use crate::lab::{assert_same, expect, folder, tree};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Enough for a p99, and little enough for a thousand simulations.
const CALM: &str = r#"
title = "Calm"
analysis = "A test."
drain-max = "1m"

[[phases]]
name = "calm"
arrivals = "poisson"
duration = "5m"
rate = 8

[message]
work = { distribution = "lognormal", median = "150ms", p99 = "600ms" }
cpu-share = 0.5

[stacks.ecs]
platform = "ecs"
cpu = 0.5
memory = "1 GB"
tasks = 4
concurrency = 2
poll = "slot-free"

[stacks.lambda]
platform = "lambda"
memory = "1 GB"
runtime = "rust"
timeout = "30s"
"#;

/// A surge in the middle, so that what is enough for the mean is not enough.
const SURGE: &str = r#"
title = "Surge"
analysis = "A test."
drain-max = "1m"

[[phases]]
name = "before"
arrivals = "poisson"
duration = "2m"
rate = 4

[[phases]]
name = "surge"
arrivals = "poisson"
duration = "1m"
rate = 15

[[phases]]
name = "after"
arrivals = "poisson"
duration = "2m"
rate = 4

[message]
work = "200ms"
cpu-share = 0.3

[stacks.ecs]
platform = "ecs"
cpu = 0.25
memory = "1 GB"
tasks = 2
concurrency = 2
poll = "slot-free"

[stacks.lambda]
platform = "lambda"
memory = "512 MB"
runtime = "python3.13"
timeout = "30s"
"#;

/// 5 x 5 x 4 x 5 combinations.
const OF_LAMBDA: [&str; 4] = [
    "stacks.lambda.memory=128MB,256MB,512MB,1GB,2GB",
    "stacks.lambda.batch-size=1,2,4,7,10",
    "stacks.lambda.batching-window=0s,1s,2s,4s",
    "stacks.lambda.maximum-concurrency=2,3,5,10,50",
];
/// 25 x 5 x 2 x 2 combinations.
const OF_ECS: [&str; 4] = [
    "stacks.ecs.tasks=1..25:25",
    "stacks.ecs.concurrency=1,2,3,4,8",
    "stacks.ecs.cpu=0.25,0.5",
    "stacks.ecs.architecture=x86,arm",
];

fn place(name: &str) -> PathBuf {
    let place = folder(name);
    fs::write(place.join("calm.toml"), CALM).unwrap();
    fs::write(place.join("surge.toml"), SURGE).unwrap();
    place
}

fn with<'a>(arguments: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [arguments, more].concat()
}

fn vary<'a>(keys: &[&'a str]) -> Vec<&'a str> {
    keys.iter().flat_map(|key| ["--vary", key]).collect()
}

/// `tune.json` of a folder, by the names of its stacks.
fn tuned(folder: &Path) -> BTreeMap<String, Value> {
    let json: Value = serde_json::from_slice(&fs::read(folder.join("tune.json")).unwrap()).unwrap();
    let stacks = json["stacks"].as_array().unwrap().clone();
    stacks.into_iter().map(|stack| (stack["name"].as_str().unwrap().to_owned(), stack)).collect()
}

fn cost(stack: &Value) -> f64 {
    stack["best"]["cost-per-month"].as_f64().unwrap_or_else(|| panic!("no best in {stack}"))
}

/// Both stacks have a grid of 500 points: the search has to find what all of them together have, in a tenth.
#[track_caller]
fn as_good_as_the_grid(name: &str, scenario: &str, slo: &str) {
    let place = place(name);
    let keys = vary(&[OF_LAMBDA.as_slice(), &OF_ECS].concat());
    let base = with(&["tune", scenario, "--slo", slo, "-q"], &keys);
    expect(0, &place, &with(&base, &["--out", "grid", "--exhaustive"]));
    expect(0, &place, &with(&base, &["--out", "search"]));
    let (grid, search) = (tuned(&place.join("grid")), tuned(&place.join("search")));
    for stack in ["ecs", "lambda"] {
        let (all, found) = (&grid[stack], &search[stack]);
        assert_eq!(all["combinations"], 500);
        let (tried, simulations) = [all, found].map(|stack| stack["simulations"].as_u64().unwrap()).into();
        assert!(tried >= 500, "{stack}: {tried}");
        assert!(simulations <= 50, "{stack}: {simulations}");
        assert!(
            cost(found) <= cost(all),
            "{scenario}, {stack}: {} instead of {}",
            found["best"],
            all["best"]
        );
        // What is found is no accident: most of the grid misses, or costs more.
        let rows = fs::read_to_string(place.join("grid/trials.csv")).unwrap();
        let of_stack = rows.lines().filter(|row| row.starts_with(&format!("{stack},")));
        let (kept, missed): (Vec<&str>, Vec<&str>) = of_stack.partition(|row| row.contains(",true,"));
        assert!(
            kept.len() > 25 && missed.len() > 25,
            "{stack}: {} kept, {} missed",
            kept.len(),
            missed.len()
        );
    }
}

#[test]
fn a_tenth_of_the_simulations_finds_the_best_of_a_calm_grid() {
    as_good_as_the_grid("tune-calm", "calm.toml", "p99<1500ms");
}

#[test]
fn a_tenth_of_the_simulations_finds_the_best_of_a_grid_with_a_surge() {
    as_good_as_the_grid("tune-surge", "surge.toml", "p99<3s");
}

const SMALL: [&str; 4] =
    ["--vary", "stacks.lambda.memory=128MB,256MB,512MB,1GB,2GB", "--vary", "stacks.ecs.tasks=1..12:12"];

#[test]
fn a_small_grid_is_tuned_as_by_trying_all_of_it() {
    let place = place("tune-small");
    let base = with(&["tune", "calm.toml", "--slo", "p99<1500ms,max<1m"], &SMALL);
    expect(0, &place, &with(&base, &["--out", "grid", "--exhaustive", "-q"]));
    let done = expect(0, &place, &with(&base, &["--out", "search"]));
    let (grid, search) = (tuned(&place.join("grid")), tuned(&place.join("search")));
    for stack in ["ecs", "lambda"] {
        assert_eq!(grid[stack]["best"], search[stack]["best"]);
        let best = &search[stack]["best"];
        assert!(best["targets"][0]["value"].as_f64().unwrap() < 1_500.0, "{best}");
        assert_eq!(search[stack]["under-each-seed"].as_array().unwrap().len(), 3);
    }
    assert!(
        done.out.starts_with("SIMULATED tuning: Calm\nTo keep: p99 below 1.5 s, max below 60 s; "),
        "{}",
        done.out
    );
    assert!(done.out.contains("Each at "), "{}", done.out);
    assert!(done.err.contains("--set-file search/best.set"), "{}", done.err);

    // A run with what was found says the same.
    expect(0, &place, &["run", "calm.toml", "--set-file", "search/best.set", "--out", "run", "-q"]);
    let summary: Value = serde_json::from_slice(&fs::read(place.join("run/summary.json")).unwrap()).unwrap();
    for metric in summary["metrics"].as_array().unwrap() {
        let key = match metric["name"].as_str().unwrap() {
            "cost-per-month" => "cost-per-month",
            "latency-p99" => "latency-p99-ms",
            _ => continue,
        };
        for stack in ["ecs", "lambda"] {
            let of_run = metric["estimates"][stack]["value"].as_f64().unwrap();
            let of_tune = search[stack]["best"][key].as_f64().unwrap();
            assert!((of_run / of_tune - 1.0).abs() < 1e-9, "{stack} {key}: {of_run}, {of_tune}");
        }
    }
}

#[test]
fn a_tuning_is_the_same_whatever_the_number_of_threads() {
    let place = place("tune-jobs");
    let base = ["tune", "calm.toml", "--slo", "p99<2s"];
    let one = expect(0, &place, &with(&base, &["--out", "one", "--jobs", "1"]));
    let many = expect(0, &place, &with(&base, &["--out", "many", "--jobs", "7"]));
    assert_same(&tree(&place.join("one")), &tree(&place.join("many")));
    assert_eq!(one.out, many.out);
    assert_eq!(
        tree(&place.join("one")).into_keys().collect::<Vec<_>>(),
        ["best.set", "trials.csv", "tune.html", "tune.json"]
    );
    for stack in tuned(&place.join("one")).values() {
        // The scenario's own configuration is the first that is tried, and the best costs no more.
        let given = &stack["given"];
        assert!(
            given["keeps"] == false || cost(stack) <= given["cost-per-month"].as_f64().unwrap(),
            "{stack}"
        );
        assert!(stack["simulations"].as_u64().unwrap() <= 50);
    }
    let small = with(&base, &SMALL);
    expect(0, &place, &with(&small, &["--out", "grid-1", "--jobs", "1", "--exhaustive", "-q"]));
    expect(0, &place, &with(&small, &["--out", "grid-5", "--jobs", "5", "--exhaustive", "-q"]));
    assert_same(&tree(&place.join("grid-1")), &tree(&place.join("grid-5")));
    // Another seed is another tuning: the test above can fail.
    expect(0, &place, &with(&small, &["--out", "other", "--seed", "9", "--exhaustive", "-q"]));
    assert_ne!(tree(&place.join("grid-1"))["trials.csv"], tree(&place.join("other"))["trials.csv"]);
}

#[test]
fn where_nothing_keeps_the_target_the_nearest_is_told() {
    let place = place("tune-none");
    let keys = ["--vary", "stacks.ecs.tasks=1,2,3", "--vary", "stacks.lambda.memory=256MB,512MB"];
    let base = with(&["tune", "calm.toml", "--slo", "p99<1ms"], &keys);
    let done = expect(4, &place, &with(&base, &["--out", "out"]));
    assert_eq!(
        done.out.matches("no configuration that was tried keeps it; the nearest:").count(),
        2,
        "{}",
        done.out
    );
    assert!(done.out.contains("above 1 ms") && done.out.contains("No verdict"), "{}", done.out);
    let json = expect(4, &place, &with(&base, &["--out", "json", "--format", "json"])).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["stacks"][0]["best"], Value::Null);
    assert!(json["stacks"][0]["nearest"]["why-not"][0].as_str().unwrap().contains("p99"), "{json}");
    // One stack that keeps it is a verdict.
    let keys = ["--set", "stacks.lambda.reserved-concurrency=1", "--set", "message.work=500ms"];
    let base = with(&["tune", "calm.toml", "--slo", "p99<20s", "--vary", "stacks.ecs.tasks=6,8"], &keys);
    let done = expect(0, &place, &with(&base, &["--out", "half", "--vary", "stacks.lambda.memory=256MB"]));
    assert!(done.out.contains("lambda: does not keep the target"), "{}", done.out);
    assert!(done.out.contains("not completed"), "{}", done.out);
}

#[test]
fn what_cannot_be_tuned_is_refused_before_anything_runs() {
    let place = place("tune-refused");
    let refused = |slo: &str, arguments: &[&str], words: &[&str]| {
        let base = ["tune", "calm.toml", "--out", "none", "--slo", slo];
        let done = expect(2, &place, &with(&base, arguments));
        words.iter().for_each(|word| {
            assert!(done.err.contains(word), "{slo} {arguments:?}: no {word:?} in {}", done.err)
        });
        assert!(!place.join("none").exists(), "{slo} {arguments:?} left a folder");
    };
    refused("p99", &[], &["is no target", "p99<2s"]);
    refused("p99<2", &[], &["does not measure latency-p99", "\"2s\""]);
    refused("p98<2s", &[], &["no metric", "latency-p99"]);
    refused("p99<fast", &[], &["is not an amount"]);
    refused("p99<2s,", &[], &["is no target"]);
    refused("p99.9<2s", &[], &["p99.9 needs 10000 messages"]);
    let wrong = |key: &str, words: &[&str]| refused("p99<2s", &["--vary", key], words);
    wrong("stacks.lambda.memry=1GB,2GB", &["--vary stacks.lambda.memry=1GB", "memory"]);
    wrong("stacks.lambda.memory=1GB,2GX", &["--vary stacks.lambda.memory=2GX"]);
    wrong("stacks.lamda.memory=1GB,2GB", &["no key of a stack", "stacks.ecs.KEY or stacks.lambda.KEY"]);
    wrong("load=1,2", &["no key of a stack", "versus sweep"]);
    wrong("stacks.ecs.tasks=4900..5100:3", &["--vary stacks.ecs.tasks=5100"]);
    let many = ["--vary", "stacks.ecs.tasks=1..400:400", "--vary", "stacks.ecs.concurrency=1..400:400"];
    refused("p99<2s", &many, &["160000 combinations are too many"]);
    refused("p99<2s", &["--keep", "stacks.ecs.taks"], &["nothing moves it", "stacks.ecs.tasks"]);
    refused("p99<2s", &["--set", "stacks.ecs.taks=3"], &["taks"]);
    let missing = expect(2, &place, &["tune", "calm.toml", "--out", "none"]);
    assert!(missing.err.contains("--slo"), "{}", missing.err);
}

#[test]
fn what_is_kept_is_not_moved() {
    let place = place("tune-keep");
    let keep =
        ["ecs.architecture", "lambda.architecture", "lambda.memory"].map(|key| format!("stacks.{key}"));
    let keep: Vec<&str> = keep.iter().flat_map(|key| ["--keep", key]).collect();
    let base =
        ["tune", "calm.toml", "--slo", "p99<2s", "--simulations", "20", "--seeds", "2", "--out", "out", "-q"];
    expect(0, &place, &with(&base, &keep));
    let rows = fs::read_to_string(place.join("out/trials.csv")).unwrap();
    assert!(!rows.contains("architecture") && !rows.contains("lambda.memory"), "{rows}");
    assert!(rows.contains("stacks.lambda.batch-size"), "{rows}");
    assert!(rows.lines().count() <= 41, "{rows}");
}
