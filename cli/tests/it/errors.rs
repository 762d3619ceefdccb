//! What goes wrong is said in a sentence, with the right exit code, and before any work was done.

use crate::lab::{Done, expect, folder, root, tree};
use std::fs;
use std::path::Path;

#[track_caller]
fn says(done: &Done, words: &[&str]) {
    for word in words {
        assert!(done.err.contains(word), "{word:?} is missing in: {}", done.err);
    }
    assert_eq!(done.out, "", "errors go to standard error only");
    assert!(done.err.ends_with('\n'), "{:?}", done.err);
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let place = folder("usage");
    for arguments in [
        &["run", "smoke.toml", "--frobnicate"][..],
        &["run"],
        &["fly"],
        &["report"],
        &["run", "smoke.toml", "--repeat", "0"],
        &["run", "smoke.toml", "--seed", "many"],
        &["run", "smoke.toml", "--target", "moon"],
        &["run", "smoke.toml", "--out", ""],
    ] {
        says(&expect(2, &place, arguments), &["--help"]);
    }
    assert_eq!(tree(&place).len(), 1);
}

#[test]
fn a_scenario_that_is_not_there_is_named() {
    let place = folder("no-scenario");
    fs::create_dir(place.join("folder")).unwrap();
    fs::write(place.join("binary.toml"), [0xff, 0xfe, 0]).unwrap();
    says(&expect(2, &place, &["run", "nope.toml"]), &["nope.toml: there is no such file"]);
    says(&expect(2, &place, &["run", "folder"]), &["folder: it is a folder"]);
    says(&expect(2, &place, &["run", "binary.toml"]), &["binary.toml", "UTF-8"]);
    says(&expect(2, &place, &["run", "nope.toml", "--dry-run"]), &["nope.toml"]);
}

#[test]
fn a_broken_scenario_is_refused_with_every_place() {
    let place = folder("broken-scenario");
    let text = fs::read_to_string(place.join("smoke.toml")).unwrap();
    let broken = text.replace("rate = 20\n", "rate = \"fast\"\n").replace("cpu = 0.25", "cpus = 0.25");
    fs::write(place.join("broken.toml"), &broken).unwrap();
    let line = |what: &str| 1 + broken.lines().position(|line| line.starts_with(what)).unwrap();
    let before = tree(&place);
    let done = expect(2, &place, &["run", "broken.toml", "--out", "out"]);
    let rate = format!("broken.toml:{}:8: ", line("rate = \"fast\""));
    let cpu = format!("broken.toml:{}:1: ", line("cpus"));
    says(&done, &[&rate, &cpu, "did you mean \"cpu\"?"]);
    assert_eq!(done.err.lines().count(), 2, "{}", done.err);
    assert!(!place.join("out").exists() && tree(&place) == before);

    let done = expect(2, &place, &["run", "smoke.toml", "--set", "stacks.lamda.memory=1GB", "--out", "out"]);
    says(&done, &["--set stacks.lamda.memory=1GB", "did you mean \"lambda\"?"]);
    assert!(!place.join("out").exists());
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test may look at the clock")]
fn an_output_folder_that_cannot_be_written_fails_before_the_run() {
    let place = folder("bad-output");
    fs::write(place.join("file"), "in the way").unwrap();
    fs::create_dir(place.join("full")).unwrap();
    fs::write(place.join("full/other"), "of somebody else").unwrap();
    let before = tree(&place);
    // A load that would take minutes: the failure must not come after it.
    let long = ["--set", "phases.even.duration=13h", "--set", "phases.even.rate=20000"];
    for (out, words) in [
        ("file", "file is a file"),
        ("file/below/that", "file is a file"),
        ("full", "the output folder full is not empty"),
    ] {
        let started = std::time::Instant::now();
        let done = expect(1, &place, &[&["run", "smoke.toml", "--out", out][..], &long].concat());
        says(&done, &[words, out, "--out"]);
        assert!(started.elapsed().as_secs() < 5, "it ran first");
    }
    assert_eq!(tree(&place), before);
}

/// A run directory to be damaged.
fn run_in(name: &str) -> std::path::PathBuf {
    let place = folder(name);
    expect(0, &place, &["run", "smoke.toml", "--out", "out", "-q"]);
    place
}

/// A copy of the run in which one file is changed.
fn damaged(place: &Path, file: &str, change: &dyn Fn(Vec<u8>) -> Option<Vec<u8>>) -> Done {
    let copy = place.join("copy");
    let _ = fs::remove_dir_all(&copy);
    for (name, bytes) in tree(&place.join("out")) {
        let bytes = if name == file { change(bytes) } else { Some(bytes) };
        let path = copy.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if let Some(bytes) = bytes {
            fs::write(path, bytes).unwrap();
        }
    }
    expect(1, place, &["report", "copy"])
}

#[test]
fn what_is_no_run_is_named() {
    let place = folder("no-run");
    for path in ["nothing", ".", "smoke.toml"] {
        says(&expect(1, &place, &["report", path]), &[path, "is not a run directory"]);
    }
    if cfg!(unix) {
        says(&expect(1, &place, &["report", "/dev/null"]), &["/dev/null", "is not a run directory"]);
    }
}

#[test]
fn a_damaged_run_names_the_file() {
    let place = run_in("damaged-run");
    let files =
        ["run.json", "ecs/series.csv", "ecs/latency.hlog", "lambda/usage.json", "lambda/activities.csv"];
    for file in files {
        let name = file.rsplit('/').next().unwrap();
        says(&damaged(&place, file, &|_| None), &["copy", name]);
        says(&damaged(&place, file, &|_| Some(b"\xff{nonsense\n1,2".to_vec())), &["copy", name]);
        if name != "activities.csv" {
            // Two thirds of the file: within a line of all of them.
            let cut = damaged(&place, file, &|bytes| Some(bytes[..bytes.len() * 2 / 3 + 1].to_vec()));
            says(&cut, &["copy", name]);
        }
    }
}

/// A file that ends with a whole line reads well, but is not what was written.
#[test]
fn a_run_cut_off_between_two_lines_is_refused() {
    let place = run_in("cut-run");
    for file in ["ecs/series.csv", "lambda/latency.hlog"] {
        let without_last_line = |bytes: Vec<u8>| {
            let end = bytes[..bytes.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap();
            Some(bytes[..=end].to_vec())
        };
        says(&damaged(&place, file, &without_last_line), &[file, "cut off or changed"]);
    }
    let sums = damaged(&place, "SHA256SUMS", &|bytes| Some(bytes[..bytes.len() / 2].to_vec()));
    says(&sums, &["SHA256SUMS is damaged"]);
}

#[test]
fn a_stack_name_cannot_lead_out_of_the_run() {
    let place = run_in("escaping-run");
    let escaping = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap().replace("\"name\": \"ecs\"", "\"name\": \"../ecs\"");
        Some(text.into_bytes())
    };
    says(&damaged(&place, "run.json", &escaping), &["run.json", "\"../ecs\" cannot be the name of a stack"]);
}

#[test]
fn a_run_of_a_newer_version_says_to_update() {
    let place = run_in("newer-run");
    let with = |schema: &str| {
        let schema = format!("\"schema\": {schema}");
        move |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains("\"schema\": 2,"));
            Some(text.replace("\"schema\": 2,", &schema).into_bytes())
        }
    };
    let newer = with("3,\n  \"novelty\": 7,");
    says(&damaged(&place, "run.json", &newer), &["run.json", "newer versus", "update versus"]);
    says(&damaged(&place, "run.json", &with("1,")), &["run.json", "older versus", "run the scenario again"]);
}

#[test]
fn runs_with_other_messages_have_no_winner() {
    let place = run_in("mixture");
    expect(0, &place, &["run", "smoke.toml", "--out", "more", "-q", "--set", "phases.even.rate=30"]);
    let both = expect(4, &place, &["report", "out", "more", "--out", "both"]);
    assert!(both.out.contains("failed check \"the runs were offered the same messages\""), "{}", both.out);
    assert!(place.join("both/report.html").exists());
}

#[test]
fn configurations_stand_side_by_side() {
    let place = run_in("configurations");
    expect(0, &place, &["run", "smoke.toml", "--out", "more", "-q", "--set", "stacks.lambda.memory=2GB"]);
    says(&expect(1, &place, &["report", "out", "more"]), &["--out DIR", "several configurations"]);
    let all = expect(0, &place, &["report", "out", "more", "--out", "all"]);
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(place.join("all/summary.json")).unwrap()).unwrap();
    // What both runs have alike stands there once.
    assert_eq!(summary["stacks"], serde_json::json!(["ecs", "lambda 1", "lambda 2"]), "{}", all.out);
    assert!(all.out.contains("Ledger of lambda 2: 359 planned = 359 completed"), "{}", all.out);
    // Repeats of one of them do not mix with the other.
    expect(0, &place, &["run", "smoke.toml", "--out", "again", "-q", "--seed", "2"]);
    says(
        &expect(1, &place, &["report", "out", "again", "more", "--out", "mix"]),
        &["repeats of one scenario", "some are not"],
    );
}

#[test]
fn the_stacks_of_one_run_compare_in_every_format() {
    let place = run_in("compare-one");
    let text = expect(0, &place, &["compare", "out"]);
    assert_eq!(text.out.trim(), expect(0, &place, &["report", "out"]).out.trim());
    let markdown = expect(0, &place, &["compare", "out", "--format", "markdown"]);
    assert!(markdown.out.contains("| --- |"), "{}", markdown.out);
    let json = expect(0, &place, &["compare", "out", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let stored: serde_json::Value =
        serde_json::from_slice(&fs::read(place.join("out/summary.json")).unwrap()).unwrap();
    assert_eq!(json, stored);
}

#[test]
fn an_invalid_run_has_no_winner() {
    let place = folder("invalid");
    let overload = ["--set", "message.work=20s", "--set", "drain-max=1s"];
    let run = expect(4, &place, &[&["run", "smoke.toml", "--out", "out"][..], &overload].concat());
    let again = expect(4, &place, &["report", "out"]);
    assert_eq!(run.out, again.out);
    assert!(
        run.out.contains("No verdict: this run is not valid") && run.out.contains("Not valid:"),
        "{}",
        run.out
    );
    assert!(run.out.contains("the queues were drained in time"), "{}", run.out);
    let page = fs::read_to_string(place.join("out/report.html")).unwrap();
    let summary = fs::read_to_string(place.join("out/summary.json")).unwrap();
    assert!(page.contains("No verdict") && summary.contains("\"valid\": false"));
    for text in [&run.out, &page] {
        for praise in [" leads: ", " has 1", "Take ecs where", "Take lambda where"] {
            assert!(!text.contains(praise), "{praise:?} in an invalid run");
        }
    }
    let quiet = [&["run", "smoke.toml", "--out", "quiet", "-q"][..], &overload].concat();
    assert_eq!(expect(4, &place, &quiet).out, "");
}

#[test]
fn a_run_without_messages_has_nothing_to_compare() {
    let place = folder("no-messages");
    let nothing =
        ["--set", "phases=[{name = 'none', arrivals = 'poisson', duration = '1s', rate = 0.000001}]"];
    let done = expect(4, &place, &[&["run", "smoke.toml", "--out", "out"][..], &nothing].concat());
    assert!(done.out.contains("No verdict"), "{}", done.out);
}

#[test]
fn every_stored_scenario_passes_a_dry_run() {
    for entry in fs::read_dir(root().join("scenarios")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            expect(0, &root(), &["run", path.to_str().unwrap(), "--dry-run"]);
        }
    }
}

/// Groups and clusters are only simulated: whoever would measure or deploy them is told before anything starts.
#[test]
fn platforms_that_are_only_simulated_are_refused_elsewhere() {
    let place = folder("only-simulated");
    fs::copy(root().join("scenarios/platforms.toml"), place.join("platforms.toml")).unwrap();
    for arguments in [
        &["run", "platforms.toml", "--target", "local", "--out", "out"][..],
        &["run", "platforms.toml", "--target", "aws", "--out", "out"],
        &["run", "platforms.toml", "--target", "aws", "--dry-run"],
        &["seed", "platforms.toml", "--queue", "ec2=http://127.0.0.1:1/1/q", "--out", "out"],
        &["stacks", "platforms.toml", "--out", "out"],
    ] {
        let done = expect(2, &place, arguments);
        says(
            &done,
            &[
                "stacks.ec2.platform: \"ec2\" is only simulated",
                "stacks.eks.platform: \"eks\" is only simulated",
            ],
        );
        assert!(!place.join("out").exists(), "{arguments:?}");
    }
}
