//! The published migrations, as scenarios: each shows what it is there to show, and no longer does when what it blames is
//! changed.

use crate::lab::root;
use model::scenario::{Scenario, Source, load};
use report::check::expectations;
use sim::{Options, Provenance, simulate};
use std::fs;

/// A story, what to change of it, and the expectation that then fails.
const BLAMED: [(&str, &[&str], &str); 15] = [
    ("stories/replatforming", &["stacks.ecs.tasks=1"], "ecs latency-max above"),
    (
        "stories/replatforming",
        &["stacks.ecs.scaling.1.period=1m", "stacks.ecs.scaling.1.evaluation-periods=5"],
        "ecs cost-run above",
    ),
    ("stories/integration-runner", &["stacks.lambda-window.batching-window=0s"], "lambda-window latency-p99"),
    ("stories/integration-runner", &["message.groups=1"], "lambda shared-workers above"),
    ("stories/integration-loop", &["stacks.ecs-memory.tasks=20"], "ecs-memory latency-max above"),
    (
        "stories/login-and-recovery",
        &["stacks.together.memory=256 MB"],
        "together login/cost-per-million above",
    ),
    (
        "stories/ci-drain",
        &["stacks.lambda-reserved.reserved-concurrency=200"],
        "lambda-reserved jobs/latency-p99 above",
    ),
    (
        "stories/ci-drain",
        &["stacks.drain.tasks=40", "stacks.drain.min-tasks=40", "stacks.drain.max-tasks=40"],
        "drain jobs/latency-p99 above",
    ),
    ("stories/canary", &["streams.stable.share=0.5", "streams.canary.share=0.5"], "canary cold-start-share"),
    ("stories/launch", &["stacks.ec2-cold.ec2.min-instances=6"], "ec2-cold latency-p99 above"),
    ("stories/spot", &["stacks.spot-rough.drains-on-sigterm=true"], "spot-rough latency-max above"),
    ("stories/policies", &["stacks.scheduled.scaling.0.at=20m"], "scheduled latency-p99 below"),
    (
        "stories/concurrency",
        &["stacks.provisioned.provisioned-concurrency=1"],
        "provisioned latency-p99 below",
    ),
    ("stories/concurrency", &["stacks.reserved.reserved-concurrency=200"], "reserved latency-p99 above"),
    (
        "stories/batching",
        &["stacks.window.batching-window=1s", "stacks.window.batch-size=10"],
        "window latency-p50",
    ),
];

/// The scenario that is a story, too.
const PLATFORMS: (&str, &[&str], &str) =
    ("platforms", &["stacks.ec2.min-instances=6"], "ec2 latency-p99 above");

fn told(name: &str, overrides: &[&str]) -> (Vec<(String, Option<bool>)>, Scenario) {
    let path = root().join(format!("scenarios/{name}.toml"));
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).into()).collect();
    let (scenario, source) = load(&path, &overrides, None).unwrap_or_else(|problems| panic!("{problems}"));
    let Source { path, text } = source;
    let provenance = Provenance { path, text, overrides, ..Provenance::default() };
    let run = simulate(&scenario, &provenance, Options::default()).run;
    let failed = run.manifest.checks.iter().find(|check| !check.passed);
    assert!(failed.is_none(), "{name}: {failed:?}");
    let all = expectations(&[run]).into_iter().map(|expectation| (expectation.text, expectation.holds));
    (all.collect(), scenario)
}

#[test]
fn every_story_shows_what_it_is_there_to_show() {
    let mut names: Vec<String> = fs::read_dir(root().join("scenarios/stories"))
        .unwrap()
        .map(|entry| format!("stories/{}", entry.unwrap().path().file_stem().unwrap().to_string_lossy()))
        .collect();
    names.push("platforms".into());
    assert!(names.len() >= 12, "{names:?}");
    for name in &names {
        let (expectations, scenario) = told(name, &[]);
        assert!(expectations.len() >= 2, "{name}");
        for (text, holds) in expectations {
            assert_eq!(holds, Some(true), "{name}: {text}");
        }
        assert!(scenario.analysis.contains("Blamed: "), "{name} does not say what it blames");
        let blamed = BLAMED.iter().chain([&PLATFORMS]).any(|(story, ..)| story == name);
        assert!(blamed, "{name}: no test changes what it blames");
    }
}

#[test]
fn a_story_without_what_it_blames_is_no_story() {
    for (name, overrides, expected) in BLAMED.iter().chain([&PLATFORMS]) {
        let (expectations, scenario) = told(name, overrides);
        // What the story says to set is what is set here, but for what makes its messages all alike.
        let says = |set: &&&str| scenario.analysis.replace('"', "").contains(**set);
        let unsaid: Vec<_> =
            overrides.iter().filter(|set| !says(set) && **set != "message.groups=1").collect();
        assert!(unsaid.is_empty(), "{name} does not say {unsaid:?}");
        let blamed: Vec<_> = expectations.iter().filter(|(text, _)| text.starts_with(expected)).collect();
        assert_eq!(blamed.len(), 1, "{name}: {expected} in {expectations:?}");
        assert_ne!(blamed[0].1, Some(true), "{name} with {overrides:?} still has {}", blamed[0].0);
    }
}
