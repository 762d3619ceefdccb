//! The rules of the house. ARCHITECTURE.md says why; these tests see to it that they hold.

use crate::lab::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Crates that know no clock, no network and no order but their own.
const PURE: [&str; 4] = ["model", "platform", "sim", "report"];

/// Which crate may use which: this graph, and no other.
const GRAPH: [(&str, &[&str]); 9] = [
    ("cli", &["collector", "local", "model", "report", "seeder", "sim", "worker"]),
    ("collector", &["model"]),
    ("local", &["model", "platform"]),
    ("model", &[]),
    ("platform", &["model"]),
    ("report", &["model"]),
    ("seeder", &["model"]),
    ("sim", &["model", "platform"]),
    ("worker", &["model"]),
];

/// Most lines of a source file, its unit tests not counted.
const LONGEST: usize = 500;

/// Files that may be longer: up to how much, and why.
const LONGER: [(&str, usize, &str); 1] =
    [("platform/src/sqs/mod.rs", 700, "one state machine: its transitions are read together")];

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files below a folder of the repository, what tools leave there excepted.
fn files(below: &str) -> Vec<PathBuf> {
    const LEFT_OUT: [&str; 6] = ["target", ".git", "corpus", "artifacts", "node_modules", "results"];
    let mut found = Vec::new();
    let mut open = vec![root().join(below)];
    while let Some(place) = open.pop() {
        for entry in fs::read_dir(&place).unwrap_or_else(|error| panic!("{}: {error}", place.display())) {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !LEFT_OUT.contains(&name.as_str()) {
                    open.push(path);
                }
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn ending(files: Vec<PathBuf>, ends: &[&str]) -> Vec<PathBuf> {
    let fits =
        |path: &PathBuf| path.extension().is_some_and(|e| ends.contains(&e.to_string_lossy().as_ref()));
    files.into_iter().filter(fits).collect()
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/")
}

/// Lines of `paths` that hold one of `words`, as `file:line`.
fn lines_with(paths: &[PathBuf], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in paths {
        // Images and the like have no lines.
        let Ok(text) = fs::read_to_string(path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}: {}", name(path), number + 1, line.trim()));
            }
        }
    }
    found
}

fn none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

fn manifest(folder: &str) -> Table {
    read(&root().join(folder).join("Cargo.toml")).parse().unwrap_or_else(|error| panic!("{folder}: {error}"))
}

fn members() -> Vec<String> {
    let members = manifest(".")["workspace"]["members"].as_array().unwrap().clone();
    members.iter().map(|member| member.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_crates_depend_on_each_other_as_drawn() {
    let mut graph = BTreeMap::new();
    for member in members() {
        let manifest = manifest(&member);
        let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
        let tables = kinds.iter().filter_map(|kind| manifest.get(*kind).and_then(Value::as_table));
        let used: BTreeSet<String> = tables
            .flat_map(Table::keys)
            .filter_map(|key| key.strip_prefix("versus-"))
            .map(String::from)
            .collect();
        graph.insert(member, used);
    }
    let drawn: BTreeMap<String, BTreeSet<String>> = GRAPH
        .iter()
        .map(|(member, used)| ((*member).into(), used.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    assert_eq!(graph, drawn);
}

#[test]
fn every_crate_has_the_lints_and_the_licence_of_the_workspace() {
    for member in members() {
        let manifest = manifest(&member);
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{member}");
        for key in ["version", "edition", "rust-version", "license"] {
            assert_eq!(manifest["package"][key]["workspace"].as_bool(), Some(true), "{member}: {key}");
        }
        assert!(manifest["package"]["description"].as_str().is_some_and(|text| text.len() > 20), "{member}");
    }
}

fn pure_sources() -> Vec<PathBuf> {
    ending(PURE.iter().flat_map(|member| files(&format!("{member}/src"))).collect(), &["rs"])
}

#[test]
fn pure_crates_read_no_clock() {
    let found = lines_with(&pure_sources(), &["SystemTime::now", "Instant::now"]);
    none(&found, "a pure crate is told the time");
}

#[test]
fn pure_crates_have_no_hash_tables() {
    let found = lines_with(&pure_sources(), &[concat!("Hash", "Map"), concat!("Hash", "Set")]);
    none(&found, "the order of a hash table differs from run to run: use BTreeMap");
}

#[test]
fn pure_crates_draw_from_the_seed_only() {
    let found = lines_with(&pure_sources(), &["thread_rng", "from_os_rng", "getrandom", "rand::rng"]);
    none(&found, "randomness comes from model::random::Stream");
    // Results of the platform's libm differ between machines; model::random and libm do not.
    let maths = [".ln()", ".exp()", ".powf(", ".sin()", ".cos()", ".ln_1p()", ".exp_m1()", ".tan()"];
    let simulating: Vec<PathBuf> =
        pure_sources().into_iter().filter(|path| !name(path).starts_with("report/")).collect();
    let found = lines_with(&simulating, &maths);
    none(&found, "use the libm crate: a run is the same on every machine");
}

#[test]
fn nothing_is_left_to_do_in_the_sources() {
    let sources = ending(files("."), &["rs", "toml", "sh", "css", "js"]);
    let words =
        [concat!("db", "g!("), concat!("tod", "o!("), concat!("unimpl", "emented!("), concat!("TO", "DO")];
    none(&lines_with(&sources, &words), "finish it, or file an issue");
    none(&lines_with(&sources, &[concat!("FIX", "ME"), concat!("X", "XX")]), "finish it, or file an issue");
}

#[test]
fn no_file_names_a_folder_of_somebodys_machine() {
    let texts = files(".");
    let words = [concat!("/wo", "rk/"), concat!("/tm", "p/"), concat!("/ho", "me/"), concat!("/ro", "ot/")];
    none(&lines_with(&texts, &words), "paths are relative to the repository");
}

#[test]
fn sources_are_short() {
    let mut long = Vec::new();
    for path in ending(files("."), &["rs"]) {
        let file = name(&path);
        if !file.contains("/src/") || file.ends_with("/tests.rs") {
            continue;
        }
        let text = read(&path);
        let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
        let most = LONGER.iter().find(|(name, ..)| *name == file).map_or(LONGEST, |(_, most, _)| *most);
        if lines > most {
            long.push(format!("{file}: {lines} lines, at most {most}"));
        }
    }
    none(&long, "split it, or say in LONGER why it may be long");
    for (file, ..) in LONGER {
        assert!(root().join(file).exists(), "{file} is gone: take it off LONGER");
    }
}

#[test]
fn every_module_is_reached() {
    let mut lost = Vec::new();
    for path in ending(files("."), &["rs"]) {
        let file = name(&path);
        let (Some(folder), Some(stem)) = (path.parent(), path.file_stem()) else { continue };
        let (stem, parent) = match stem.to_string_lossy().as_ref() {
            "lib" | "main" => continue,
            "mod" => (folder.file_name().unwrap().to_string_lossy().into_owned(), folder.parent().unwrap()),
            stem => (stem.to_owned(), folder),
        };
        // Roots of their own: one target per file.
        let depth = file.split('/').count();
        if depth == 3
            && ["tests", "benches", "examples", "fuzz_targets"].contains(&file.split('/').nth(1).unwrap())
        {
            continue;
        }
        if depth == 3 && file.starts_with("fuzz/") {
            continue;
        }
        let mut above = ["lib.rs", "main.rs", "mod.rs"].map(|name| parent.join(name)).to_vec();
        above.push(parent.with_extension("rs"));
        // tests/fixture/mod.rs belongs to the files beside the folder.
        if parent.file_name().is_some_and(|name| name == "tests") {
            above.extend(ending(files(&name(parent)), &["rs"]));
        }
        let declared = above.iter().filter(|path| path.exists()).any(|path| {
            let line = format!("mod {stem};");
            read(path).lines().any(|l| {
                l.strip_suffix(&line).is_some_and(|before| before.is_empty() || before.ends_with(' '))
            })
        });
        if !declared {
            lost.push(file);
        }
    }
    none(&lost, "no module declares these files");
}

#[test]
fn every_scenario_parses_and_says_why_it_exists() {
    let scenarios = ending(files("scenarios"), &["toml"]);
    assert!(scenarios.len() >= 5);
    for path in scenarios {
        let (scenario, _) = model::scenario::load(&path, &[], None).unwrap_or_else(|error| panic!("{error}"));
        assert!(scenario.analysis.len() > 200, "{}: tell what it should show", name(&path));
        assert!(scenario.stacks.len() >= 2 && !scenario.title.is_empty(), "{}", name(&path));
    }
}

/// What the README shows as a scenario is one.
#[test]
fn the_scenario_of_the_readme_runs() {
    let readme = read(&root().join("README.md"));
    let text =
        readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a toml block");
    let place = crate::lab::folder("readme");
    fs::write(place.join("thumbnails.toml"), text).unwrap();
    crate::lab::expect(0, &place, &["run", "thumbnails.toml", "--out", "out", "-q"]);
}

/// Among several programs `cargo run`, which the README begins with, has to know the one that is meant.
#[test]
fn cargo_run_knows_which_program_to_run() {
    let meant = |member: &String| manifest(member)["package"].get("default-run").cloned();
    let meant: Vec<Value> = members().iter().filter_map(meant).collect();
    assert_eq!(meant, [Value::from("versus")]);
}

/// `Invariant:` lines name their test in the last pair of backticks.
#[test]
fn the_architecture_is_short_and_its_invariants_are_tests() {
    let page = read(&root().join("ARCHITECTURE.md"));
    let lines = page.lines().count();
    assert!(lines <= 120, "ARCHITECTURE.md has {lines} lines, at most 120");
    let sources = ending(files("."), &["rs"]);
    let mut tests = BTreeSet::new();
    for text in sources.iter().map(|path| read(path)) {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (number, _) in lines.iter().enumerate().filter(|(_, line)| **line == "#[test]") {
            // Other attributes may stand between.
            let function = lines[number..].iter().find_map(|line| line.strip_prefix("fn "));
            tests.extend(function.and_then(|rest| rest.strip_suffix("() {")).map(String::from));
        }
    }
    let mut invariants = 0;
    for line in page.lines().filter(|line| line.trim_start_matches(['-', ' ']).starts_with("Invariant")) {
        invariants += 1;
        let test = line.trim_end().strip_suffix('`').and_then(|rest| rest.rsplit('`').next());
        let test = test.unwrap_or_else(|| panic!("this line names no test: {line}"));
        assert!(tests.contains(test), "{test} is not a test, of: {line}");
    }
    assert!(invariants >= 10);
    for member in members() {
        assert!(page.contains(&format!("`{member}/`")), "ARCHITECTURE.md does not explain {member}/");
    }
}

/// A dependency that nobody explains is one that nobody decided on.
#[test]
fn every_dependency_is_explained() {
    let page = read(&root().join("ARCHITECTURE.md"));
    let workspace = manifest(".");
    let mut names: BTreeSet<String> =
        workspace["workspace"]["dependencies"].as_table().unwrap().keys().cloned().collect();
    for member in members() {
        for kind in ["dependencies", "dev-dependencies"] {
            names.extend(
                manifest(&member)
                    .get(kind)
                    .and_then(Value::as_table)
                    .into_iter()
                    .flat_map(Table::keys)
                    .cloned(),
            );
        }
    }
    let missing: Vec<String> = names
        .into_iter()
        .filter(|name| !name.starts_with("versus-") && !page.contains(&format!("`{name}`")))
        .collect();
    none(&missing, "ARCHITECTURE.md has a line for each dependency");
}

#[test]
fn links_between_the_pages_lead_somewhere() {
    let mut dead = Vec::new();
    for path in ending(files("."), &["md"]) {
        for part in read(&path).split("](").skip(1) {
            let target = part.split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !path.parent().unwrap().join(target).exists()
            {
                dead.push(format!("{}: {target}", name(&path)));
            }
        }
    }
    none(&dead, "dead links");
}

#[test]
fn ci_runs_the_command_of_the_readme() {
    let script = read(&root().join(".ci/run"));
    let commands: Vec<&str> =
        script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(commands.last(), Some(&"exec ./test.sh"), "{commands:?}");
    let readme = read(&root().join("README.md"));
    assert!(readme.lines().any(|line| line.trim() == "./test.sh"));
    assert!(
        readme.lines().any(|line| line.trim() == "cargo run --release -- run scenarios/flash-crowd.toml")
    );
}
