//! Broken scenarios, each with its exact message in the `.txt` beside it.
//!
//! `UPDATE=1` rewrites the messages; then read every one that changed.

use model::scenario::parse;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

fn message(name: &str, text: &str) -> String {
    let mut read_trace = |file: &str| fs::read_to_string(folder().join(file));
    match parse(&format!("broken/{name}.toml"), text, &[], None, &mut read_trace) {
        Ok(_) => panic!("{name} is not broken"),
        Err(problems) => format!("{problems}\n"),
    }
}

#[test]
fn every_broken_scenario_says_what_to_do() {
    let mut names: Vec<String> = fs::read_dir(folder())
        .expect("the folder of broken scenarios")
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".toml").map(String::from))
        .collect();
    names.sort();
    assert!(names.len() >= 34, "only {} broken scenarios", names.len());
    let mut stale = Vec::new();
    for name in names {
        let text = fs::read_to_string(folder().join(format!("{name}.toml"))).expect("a scenario");
        let now = message(&name, &text);
        let pinned = folder().join(format!("{name}.txt"));
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&pinned, &now).expect("a message is written");
        }
        let then = fs::read_to_string(&pinned).unwrap_or_default();
        if then != now {
            stale.push(format!("{name}:\n  pinned: {then}  now:    {now}"));
        }
    }
    assert!(stale.is_empty(), "{}", stale.join("\n"));
}

#[test]
fn every_message_names_its_place() {
    for entry in fs::read_dir(folder()).expect("the folder of broken scenarios") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        for line in fs::read_to_string(&path).expect("a message").lines() {
            let place: Vec<&str> = line.split(':').collect();
            let positioned =
                place.len() > 3 && place[1].parse::<u32>().is_ok() && place[2].parse::<u32>().is_ok();
            assert!(positioned || line.starts_with("and "), "{}: {line}", path.display());
        }
    }
}
