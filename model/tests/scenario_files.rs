//! The scenario files of the repository, and the JSON Schema that editors complete them with.

use model::scenario::{Scenario, load, schema};
use serde_json::Value as Json;
use std::fs;
use std::path::{Path, PathBuf};

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let entries = fs::read_dir(folder).expect("the folder of scenarios");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths
}

fn named(name: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name);
    load(&path, &[], None).unwrap_or_else(|problems| panic!("{problems}")).0
}

#[test]
fn every_scenario_parses_and_tells_its_story() {
    let paths = scenarios();
    assert!(paths.len() >= 5);
    for path in paths {
        let (scenario, source) = load(&path, &[], None).unwrap_or_else(|problems| panic!("{problems}"));
        let first = source.text.lines().next();
        assert_eq!(first, Some("#:schema ../model/scenario.schema.json"), "{}", source.path);
        assert!((3..=9).contains(&scenario.analysis.lines().count()), "{}: analysis", source.path);
        assert!(scenario.stacks.len() >= 2);
    }
}

#[test]
fn the_seed_of_the_command_line_wins() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/smoke.toml");
    let overrides = ["seed=7".to_string()];
    assert_eq!(load(&path, &overrides, None).unwrap().0.seed, 7);
    assert_eq!(load(&path, &overrides, Some(u64::MAX)).unwrap().0.seed, u64::MAX);
}

#[test]
fn flash_crowd_is_half_an_hour() {
    assert_eq!(named("flash-crowd.toml").planned_duration(), Some(30 * model::time::MINUTE));
}

#[test]
fn the_schema_is_in_step() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenario.schema.json");
    let now = schema();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == now, "{} is stale: run the tests with UPDATE=1", path.display());
}

/// What the schema says against a value; patterns and bounds are left to editors.
fn against(schema: &Json, value: &Json) -> Option<String> {
    let options = |key: &str| schema[key].as_array();
    if let Some(choices) = options("anyOf").or_else(|| options("oneOf")) {
        let fits = choices.iter().filter(|choice| against(choice, value).is_none()).count();
        let right = if schema.get("oneOf").is_some() { fits == 1 } else { fits > 0 };
        return (!right).then(|| format!("{value} fits {fits} alternatives"));
    }
    if options("enum").is_some_and(|names| !names.contains(value))
        || schema.get("const").is_some_and(|c| c != value)
    {
        return Some(format!("{value} is not a choice"));
    }
    let kind = schema["type"].as_str().unwrap_or("string");
    let right = match value {
        Json::String(_) => kind == "string",
        Json::Number(number) => kind == "number" || (kind == "integer" && number.is_i64()),
        Json::Bool(_) => kind == "boolean",
        Json::Array(items) => {
            return if kind == "array" {
                items.iter().find_map(|item| against(&schema["items"], item))
            } else {
                Some("a list".into())
            };
        }
        Json::Object(fields) => {
            let missing = options("required")
                .into_iter()
                .flatten()
                .find(|key| !fields.contains_key(key.as_str().unwrap_or("")));
            let named = schema["patternProperties"].as_object().and_then(|patterns| patterns.values().next());
            let wrong =
                fields.iter().find_map(|(key, value)| match schema["properties"].get(key).or(named) {
                    Some(schema) => against(schema, value).map(|text| format!("{key}: {text}")),
                    None => Some(format!("{key} is unknown")),
                });
            return missing
                .map(|key| format!("{key} is missing"))
                .or(wrong)
                .or((kind != "object").then(|| "a table".into()));
        }
        Json::Null => false,
    };
    (!right).then(|| format!("{value} is not of type {kind}"))
}

#[test]
fn the_schema_accepts_every_scenario_and_refuses_unknown_keys() {
    let schema: Json = serde_json::from_str(&schema()).expect("the schema is JSON");
    for path in scenarios() {
        let text = fs::read_to_string(&path).expect("a scenario");
        let value: Json = toml::from_str(&text).expect("a scenario is TOML");
        assert_eq!(against(&schema, &value), None, "{}", path.display());
        let mut with_unknown = value.clone();
        with_unknown["stacks"]["ecs"]["memry"] = Json::from("512 MB");
        assert!(against(&schema, &with_unknown).is_some());
        let mut without = value;
        without["stacks"]["lambda"].as_object_mut().expect("a stack").remove("platform");
        assert!(against(&schema, &without).is_some());
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let said = |path: &Path| load(path, &[], None).expect_err("not a scenario").to_string();
    let message = "no/such.toml: there is no such file; check the path of the scenario";
    assert_eq!(said(Path::new("no/such.toml")), message);
    let folder = std::env::temp_dir().join(format!("versus-scenario-files-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("latin.toml");
    fs::write(&path, b"title = \"caf\xe9\"").expect("a file");
    assert!(said(&path).ends_with("latin.toml: the file is not UTF-8 text; save it as UTF-8"));
    fs::remove_dir_all(&folder).expect("the folder goes");
}

#[test]
fn trace_files_are_looked_for_beside_the_scenario() {
    let folder = std::env::temp_dir().join(format!("versus-scenario-trace-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let smoke = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/smoke.toml");
    let text = fs::read_to_string(smoke).expect("a scenario");
    let phase = "[[phases]]\nname = \"day\"\narrivals = \"trace\"\nfile = \"day.csv\"\n\n[message]";
    fs::write(folder.join("t.toml"), text.replace("[message]", phase)).expect("a scenario");
    fs::write(folder.join("day.csv"), "time,count\n0,10\n60,20\n").expect("a trace");
    let (scenario, _) =
        load(&folder.join("t.toml"), &[], None).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(scenario.phases[3].duration, Some(2 * model::time::MINUTE));
    fs::remove_dir_all(&folder).expect("the folder goes");
}
