//! `versus check`, `baseline` and `calibrate-check`, and the thresholds of scenarios: what they print and write, and
//! with which exit code.

use crate::lab::{Done, expect, folder, root, tree, versus};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Long enough to be tested: ten minutes after the warm-up.
const LONG: [&str; 2] = ["--set", "phases.steady.duration=15m"];
/// A queue that answers late, in front of the same messages and stacks.
const SLOW: [&str; 4] =
    ["--set", "parameters.sqs-receive-median=80ms", "--set", "parameters.sqs-receive-p99=120ms"];

fn run(place: &Path, out: &str, set: &[&str]) {
    let steady = root().join("scenarios/steady.toml");
    let arguments = [&["run", steady.to_str().unwrap(), "--out", out, "-q"][..], &LONG, set].concat();
    expect(0, place, &arguments);
}

/// A folder with two runs, of which the second is slower.
fn two_runs(name: &str) -> PathBuf {
    let place = folder(name);
    run(&place, "before", &[]);
    run(&place, "after", &SLOW);
    place
}

#[track_caller]
fn says(done: &Done, words: &[&str]) {
    for word in words {
        assert!(done.err.contains(word), "{word:?} is missing in: {}", done.err);
    }
}

#[test]
fn a_run_has_not_regressed_against_itself() {
    let place = folder("check-same");
    run(&place, "out", &[]);
    let done = expect(0, &place, &["check", "--baseline", "out", "out"]);
    assert!(done.out.starts_with("PASS: nothing was shown to be worse (6 unchanged)"), "{}", done.out);
    assert_eq!(done.out, expect(0, &place, &["check", "--baseline", "out", "out"]).out, "it is reproducible");
    assert_eq!(done.err, "");
    let strict = ["check", "--baseline", "out", "out", "--fail-on", "inconclusive", "--margin", "1%"];
    expect(0, &place, &strict);
    assert_eq!(expect(0, &place, &["check", "--baseline", "out", "out", "-q"]).out, "");
}

#[test]
fn a_report_has_a_section_for_its_baseline() {
    let place = two_runs("report-baseline");
    expect(0, &place, &["report", "after", "-q"]);
    let page = |place: &Path| fs::read_to_string(place.join("after/report.html")).unwrap();
    assert!(!page(&place).contains("id=\"baseline\""));
    // The report tells; only the check is a gate.
    expect(0, &place, &["baseline", "before", "-o", "before.json"]);
    let arguments = ["report", "after", "-q", "--baseline", "before", "--baseline", "before.json"];
    expect(0, &place, &arguments);
    let with = page(&place);
    for words in
        ["id=\"baseline\"", "href=\"#baseline\"", "REGRESSED: ", "✗ regressed", "path class=\"l ink\""]
    {
        assert!(with.contains(words), "{words}");
    }
    says(&expect(2, &place, &["report", "after", "--baseline", "smoke.toml"]), &["smoke.toml"]);
}

#[test]
fn a_slower_run_has_regressed_in_every_format() {
    let place = two_runs("check-slower");
    let done = expect(3, &place, &["check", "--baseline", "before", "after"]);
    assert!(done.out.starts_with("REGRESSED: ") && done.out.contains("✗ regressed"), "{}", done.out);
    says(&done, &["--confirm RUN"]);
    for (format, words) in [
        ("markdown", "| ✗ regressed |"),
        ("json", "\"verdict\": \"regressed\""),
        ("junit", "<failure type=\"regression\""),
        ("github", "::error title="),
        ("openmetrics", "versus_check_regressed{stack=\"ecs\",metric=\"latency-p50\"} 1\n"),
    ] {
        let file = format!("check.{format}");
        let write = format!("{format}={file}");
        let printed = expect(3, &place, &["check", "--baseline", "before", "after", "--format", format]);
        assert!(printed.out.contains(words), "{}", printed.out);
        let both = expect(3, &place, &["check", "--baseline", "before", "after", "--write", &write]);
        assert_eq!(both.out, done.out, "text on stdout");
        assert_eq!(fs::read_to_string(place.join(file)).unwrap(), printed.out);
    }
    // The other way round it improved, and that is no failure.
    let better = expect(0, &place, &["check", "--baseline", "after", "before"]);
    assert!(better.out.contains("✓ improved"), "{}", better.out);
}

#[test]
fn both_runs_must_regress_to_confirm() {
    let place = two_runs("check-confirm");
    let confirmed = expect(3, &place, &["check", "--baseline", "before", "after", "--confirm", "after"]);
    assert!(confirmed.out.contains("the confirming run regressed, too"), "{}", confirmed.out);
    let taken_back = expect(0, &place, &["check", "--baseline", "before", "after", "--confirm", "before"]);
    assert!(taken_back.out.contains("Not confirmed"), "{}", taken_back.out);
    says(&taken_back, &["warning"]);
    let strict =
        ["check", "--baseline", "before", "after", "--confirm", "before", "--fail-on", "inconclusive"];
    expect(4, &place, &strict);
}

#[test]
fn a_baseline_file_stands_for_its_run() {
    let place = two_runs("check-file");
    let done = expect(0, &place, &["baseline", "before", "-o", "before.json"]);
    assert!(
        done.out.is_empty() && done.err.contains("before.json, ") && done.err.contains(" KB"),
        "{}",
        done.err
    );
    assert!(fs::metadata(place.join("before.json")).unwrap().len() < 200_000);
    let rows = |done: &Done| done.out.lines().skip(3).map(String::from).collect::<Vec<_>>();
    let by_run = expect(3, &place, &["check", "--baseline", "before", "after"]);
    let by_file = expect(3, &place, &["check", "--baseline", "before.json", "after"]);
    assert_eq!(rows(&by_run), rows(&by_file));

    says(&expect(2, &place, &["baseline", "after", "-o", "before.json"]), &["before.json", "--force"]);
    expect(0, &place, &["baseline", "after", "-o", "before.json", "--force"]);
    expect(0, &place, &["check", "--baseline", "before.json", "after"]);
    expect(1, &place, &["baseline", "after", "-o", "no/such/folder.json"]);
}

#[test]
fn an_invalid_run_is_no_baseline_and_passes_no_check() {
    let place = folder("check-invalid");
    expect(0, &place, &["run", "smoke.toml", "--out", "out", "-q"]);
    let manifest = fs::read_to_string(place.join("out/run.json")).unwrap();
    fs::create_dir(place.join("cut")).unwrap();
    for (name, bytes) in tree(&place.join("out")) {
        fs::create_dir_all(place.join("cut").join(&name).parent().unwrap()).unwrap();
        fs::write(place.join("cut").join(name), bytes).unwrap();
    }
    let cut = manifest.replace("\"complete\": true", "\"complete\": false");
    assert_ne!(cut, manifest);
    fs::write(place.join("cut/run.json"), cut).unwrap();
    says(&expect(4, &place, &["baseline", "cut", "-o", "cut.json"]), &["cut is no baseline", "cut short"]);
    assert!(!place.join("cut.json").exists());
    let check = expect(4, &place, &["check", "--baseline", "out", "cut"]);
    assert!(check.out.starts_with("NOT COMPARABLE: cut: the run was cut short"), "{}", check.out);
}

#[test]
fn other_messages_are_not_comparable_and_the_field_is_named() {
    let place = folder("check-incomparable");
    run(&place, "out", &[]);
    run(&place, "seed", &["--seed", "2"]);
    run(&place, "memory", &["--set", "stacks.lambda.memory=1GB"]);
    for (other, field) in
        [("seed", "seed differs: 1 in out, 2 in seed"), ("memory", "configuration of lambda differs")]
    {
        let done = expect(4, &place, &["check", "--baseline", "out", other]);
        assert!(done.out.starts_with("NOT COMPARABLE: ") && done.out.contains(field), "{}", done.out);
        says(&done, &[field]);
    }
}

#[test]
fn too_short_a_run_is_never_green_but_what_can_be_compared_counts() {
    let place = folder("check-short");
    expect(0, &place, &["run", "smoke.toml", "--out", "out", "-q"]);
    let done = expect(4, &place, &["check", "--baseline", "out", "out"]);
    assert!(done.out.contains("not-testable") && !done.out.contains("unchanged"), "{}", done.out);
    let cost =
        ["check", "--baseline", "out", "out", "--metric", "cost-per-million", "--metric", "backlog-max"];
    let cost = expect(0, &place, &cost);
    assert!(cost.out.contains("4 unchanged"), "{}", cost.out);
}

#[test]
fn what_is_missing_gives_no_verdict_and_still_a_report() {
    let place = folder("check-missing");
    expect(0, &place, &["run", "smoke.toml", "--out", "out", "-q"]);
    for arguments in [
        &["--baseline", "gone", "out"][..],
        &["--baseline", "out", "gone"],
        &["--baseline", "out", "out", "--confirm", "gone"],
    ] {
        let arguments = [&["check", "--write", "junit=check.xml"][..], arguments].concat();
        let done = expect(4, &place, &arguments);
        says(&done, &["gone: there is no such run or baseline"]);
        assert!(done.out.starts_with("NOT COMPARABLE: gone"), "{}", done.out);
        let junit = fs::read_to_string(place.join("check.xml")).unwrap();
        assert!(junit.contains("<error type=\"not-comparable\""), "{junit}");
    }
    says(
        &expect(1, &place, &["check", "--baseline", "out", "out", "--write", "json=no/folder"]),
        &["no/folder"],
    );
}

#[test]
fn a_file_that_is_no_baseline_is_named() {
    let place = folder("check-foreign");
    expect(0, &place, &["run", "smoke.toml", "--out", "out", "-q"]);
    expect(0, &place, &["baseline", "out", "-o", "good.json"]);
    let good = fs::read_to_string(place.join("good.json")).unwrap();
    fs::create_dir(place.join("folder")).unwrap();
    for (name, content, words) in [
        ("empty.json", String::new(), "is empty"),
        ("truncated.json", good[..good.len() / 2].to_owned(), "cut off or changed"),
        ("changed.json", good.replacen("\"seed\": 1", "\"seed\": 2", 1), "cut off or changed"),
        ("foreign.json", "{\"schema\": 1}".to_owned(), "not a baseline"),
        (
            "newer.json",
            good.replacen("\"schema\": 1", "\"schema\": 2", 1),
            "newer versus (schema 2, this one reads 1)",
        ),
    ] {
        fs::write(place.join(name), content).unwrap();
        for arguments in [["--baseline", name, "out"], ["--baseline", "out", name]] {
            let done = expect(2, &place, &[&["check"][..], &arguments].concat());
            says(&done, &[name, words]);
            assert_eq!(done.out, "");
        }
    }
    fs::write(place.join("binary.json"), [0xff, 0xfe, 0]).unwrap();
    says(
        &expect(2, &place, &["check", "--baseline", "binary.json", "out"]),
        &["binary.json", "not a baseline"],
    );
    says(
        &expect(2, &place, &["check", "--baseline", "folder", "out"]),
        &["folder", "is not a run directory"],
    );

    // A run directory: a file is missing, cut off, or of a newer version.
    fs::write(place.join("out/ecs/series.csv"), "").unwrap();
    says(&expect(2, &place, &["check", "--baseline", "out", "good.json"]), &["out", "series.csv"]);
    let manifest = fs::read_to_string(place.join("out/run.json")).unwrap();
    fs::write(place.join("out/run.json"), manifest.replacen("\"schema\": 2", "\"schema\": 3", 1)).unwrap();
    says(
        &expect(2, &place, &["check", "--baseline", "good.json", "out"]),
        &["out", "newer versus", "update versus"],
    );
}

#[test]
fn a_wrong_question_is_a_usage_error() {
    let place = folder("check-usage");
    for (arguments, words) in [
        (&["out"][..], "--baseline"),
        (&["--baseline", "out"], "CANDIDATE"),
        (&["--baseline", "out", "out", "--metric", "speed"], "there are messages-completed, "),
        (&["--baseline", "out", "out", "--metric", "workers-max"], "neither good nor bad"),
        (&["--baseline", "out", "out", "--margin", "much"], "percentage"),
        (&["--baseline", "out", "out", "--floor", "5"], "--floor"),
        (&["--baseline", "out", "out", "--fail-on", "warning"], "inconclusive"),
        (&["--baseline", "out", "out", "--format", "xml"], "openmetrics"),
        (&["--baseline", "out", "out", "--write", "xml=a"], "junit"),
        (&["--baseline", "out", "out", "--write", "junit"], "FORMAT=FILE"),
    ] {
        says(&expect(2, &place, &[&["check"][..], arguments].concat()), &[words, "--help"]);
    }
}

#[test]
fn a_folder_of_repeats_stands_for_all_of_them() {
    let place = folder("check-repeats");
    // The seeds differ, so these are not repeats of one plan: no history to compare with.
    expect(0, &place, &["run", "smoke.toml", "--out", "out", "--repeat", "2", "-q"]);
    let done = expect(4, &place, &["check", "--baseline", "out", "out/repeat-1"]);
    assert!(done.out.contains("Baseline: out/repeat-1, out/repeat-2"), "{}", done.out);
    says(&expect(2, &place, &["baseline", "out", "-o", "out.json"]), &["folder of repeats", "out/repeat-1"]);
}

/// The smoke scenario with expectations, in its folder.
fn expecting(place: &Path, lines: &str) {
    let text = fs::read_to_string(root().join("scenarios/smoke.toml")).unwrap();
    fs::write(place.join("expecting.toml"), format!("{text}\n{lines}")).unwrap();
}

const MET: &str = "[[expect]]\nstack = \"lambda\"\nmetric = \"p95\"\nbelow = \"2s\"\n\
                   [[expect]]\nstack = \"ecs\"\nmetric = \"cost-per-million\"\nbelow = \"1000 USD\"\n";
const MISSED: &str = "[[expect]]\nstack = \"ecs\"\nmetric = \"latency-p50\"\nbelow = \"1ms\"\n";

#[test]
fn a_run_keeps_to_the_thresholds_of_its_scenario_or_fails() {
    let place = folder("expect-run");
    expecting(&place, MET);
    let done = expect(0, &place, &["run", "expecting.toml", "--out", "met"]);
    assert!(done.out.contains("✓ holds: lambda latency-p95 below 2 s (found "), "{}", done.out);
    assert!(done.out.contains("✓ holds: ecs cost-per-million below $1,000 (found $"), "{}", done.out);

    expecting(&place, &format!("{MET}{MISSED}"));
    let done = expect(3, &place, &["run", "expecting.toml", "--out", "missed"]);
    let missed = "✗ fails: ecs latency-p50 below 1 ms (found ";
    assert!(done.out.contains(missed) && done.err.contains(missed), "{}{}", done.out, done.err);
    assert_eq!(expect(3, &place, &["report", "missed"]).out, done.out);
    let summary: Value =
        serde_json::from_slice(&fs::read(place.join("missed/summary.json")).unwrap()).unwrap();
    let holds: Vec<&Value> =
        summary["expectations"].as_array().unwrap().iter().map(|e| &e["holds"]).collect();
    assert_eq!(holds, [&Value::Bool(true), &Value::Bool(true), &Value::Bool(false)]);
    // With -q the reason is still told.
    let quiet = expect(3, &place, &["run", "expecting.toml", "--out", "quiet", "-q"]);
    assert!(quiet.out.is_empty() && quiet.err.contains(missed), "{}", quiet.err);

    // A check judges by the candidate's thresholds, whatever else it can tell.
    let check = expect(3, &place, &["check", "--baseline", "met", "missed"]);
    assert!(check.out.starts_with("REGRESSED: 1 of 3 expectations failed"), "{}", check.out);
    expect(0, &place, &["check", "--baseline", "missed", "met"]);
}

#[test]
fn a_threshold_that_makes_no_sense_is_refused_before_the_run() {
    let place = folder("expect-wrong");
    for (metric, amount, words) in [
        ("latency", "\"2s\"", "\"latency\" is no metric; there are messages-completed, "),
        ("p99", "\"1 USD\"", "1 USD does not measure latency-p99; write e.g. \"2s\""),
        ("backlog-max", "\"2s\"", "2s does not measure backlog-max; write e.g. 1000"),
    ] {
        expecting(&place, &format!("[[expect]]\nstack = \"ecs\"\nmetric = \"{metric}\"\nbelow = {amount}\n"));
        says(
            &expect(2, &place, &["run", "expecting.toml", "--out", "out"]),
            &["expecting.toml: expect ecs", words],
        );
        says(&expect(2, &place, &["run", "expecting.toml", "--dry-run"]), &[words]);
    }
    assert!(!place.join("out").exists());
}

#[test]
fn a_check_can_be_calibrated() {
    let place = folder("calibrate");
    let steady = root().join("scenarios/steady.toml");
    let arguments = ["calibrate-check", steady.to_str().unwrap(), "--pairs", "3", LONG[0], LONG[1]];
    let done = expect(0, &place, &arguments);
    assert!(done.out.contains("3 pairs of runs between which nothing changed"), "{}", done.out);
    let row = done.out.lines().find(|line| line.starts_with("ecs latency-p99")).unwrap();
    assert!(row.contains(" % (") && row.matches('%').count() == 6, "{row}");
    assert_eq!(done.out, expect(0, &place, &arguments).out, "whichever core is faster");
    // Half a minute tells nothing.
    let short = expect(4, &place, &["calibrate-check", "smoke.toml", "--pairs", "2"]);
    assert!(short.out.contains("Nothing could be told"), "{}", short.out);
    says(
        &expect(2, &place, &["calibrate-check", "smoke.toml", "--control", "lamda"]),
        &["lamda", "ecs, lambda"],
    );
    assert_eq!(versus(&place, &["calibrate-check", "smoke.toml", "--pairs", "0"]).code, 2);
}

#[test]
fn the_schema_of_the_json_is_printed() {
    let place = folder("check-schema");
    let schema = expect(0, &place, &["schema", "--check"]).out;
    assert_eq!(schema, fs::read_to_string(root().join("report/check.schema.json")).unwrap());
    let scenarios = expect(0, &place, &["schema"]).out;
    assert_eq!(scenarios, fs::read_to_string(root().join("model/scenario.schema.json")).unwrap());
}
