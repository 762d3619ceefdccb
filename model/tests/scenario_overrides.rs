//! `--set KEY=VALUE`.

use model::scenario::{Arrivals, FaultKind, Place, Platform, Rate, ScalingPolicy, Scenario, parse};
use model::time::{MILLISECOND, SECOND};

const TEXT: &str = r#"
title = "t"
analysis = "a"

[[phases]]
name = "steady"
arrivals = "even"
duration = "1m"
rate = 10

[[phases]]
name = "spike"
arrivals = "poisson"
duration = "1m"
rate = 100

[message]
work = "200ms"

[stacks.ecs]
platform = "ecs"

[[stacks.ecs.scaling]]
policy = "backlog-per-task"
target = 100

[stacks.lambda]
platform = "lambda"
"#;

fn set(overrides: &[&str]) -> Result<Scenario, String> {
    let overrides: Vec<String> = overrides.iter().map(|text| text.to_string()).collect();
    let mut no_trace = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    parse("t.toml", TEXT, &overrides, None, &mut no_trace).map_err(|problems| problems.to_string())
}

fn good(overrides: &[&str]) -> Scenario {
    set(overrides).unwrap_or_else(|problems| panic!("{problems}"))
}

fn memory(scenario: &Scenario) -> u32 {
    scenario.stacks[0].platform.memory_mb()
}

#[test]
fn values_are_toml_or_bare_words() {
    assert_eq!(memory(&good(&["stacks.ecs.memory=1GB"])), 1024);
    assert_eq!(memory(&good(&["stacks.ecs.memory=1 GB"])), 1024);
    assert_eq!(memory(&good(&["stacks.ecs.memory=\"2 GB\""])), 2048);
    assert_eq!(good(&["seed=7"]).seed, 7);
    assert_eq!(good(&["title=Another = title"]).title, "Another = title");
    assert_eq!(good(&["message.body=[5, 6]"]).message.body_bytes, (5, 6));
}

#[test]
fn a_later_override_wins() {
    assert_eq!(good(&["seed=7", "seed=8"]).seed, 8);
}

#[test]
fn missing_tables_appear() {
    assert_eq!(good(&["queue.delay=5s"]).stacks[0].queue.delay, 5 * SECOND);
    assert_eq!(good(&["parameters.esm-start=3"]).parameters.esm_start, 3);
    assert_eq!(good(&["stacks.lambda.queue.delay=5s"]).stacks[1].queue.delay, 5 * SECOND);
    let third = good(&["stacks.arm={ platform = \"lambda\", architecture = \"arm\" }"]);
    assert_eq!(third.stacks[2].name, "arm");
    let crash = good(&["faults=[{ fault = \"worker-crash\", at = \"10s\" }]", "faults.0.count=3"]);
    assert_eq!(crash.faults[0].kind, FaultKind::WorkerCrash { count: 3 });
    assert_eq!(good(&["stacks.ecs.command=[\"./worker\"]"]).stacks[0].command, Some(vec!["./worker".into()]));
}

#[test]
fn elements_by_name_and_by_index() {
    let rate = |scenario: Scenario, at: usize| match &scenario.phases[at].arrivals {
        Arrivals::Even(rate) | Arrivals::Poisson(rate) => *rate,
        other => panic!("{other:?}"),
    };
    assert_eq!(rate(good(&["phases.spike.rate=500"]), 1), Rate::Constant(500.0));
    assert_eq!(rate(good(&["phases.0.rate=7200/min"]), 0), Rate::Constant(120.0));
    let ramp = good(&["phases.spike.rate={ from = 1, to = 5 }", "phases.spike.rate.to=9"]);
    assert_eq!(rate(ramp, 1), Rate::Ramp { from: 1.0, to: 9.0 });
    let scenario = good(&["stacks.ecs.scaling.0.target=7"]);
    let Platform::Ecs(ecs) = &scenario.stacks[0].platform else { panic!("an ECS stack") };
    assert!(matches!(ecs.scaling[0], ScalingPolicy::TargetTracking(policy) if policy.target == 7.0));
    assert!(
        matches!(&good(&["stacks.ecs.scaling=[]"]).stacks[0].platform, Platform::Ecs(e) if e.scaling.is_empty())
    );
    assert_eq!(good(&["message.work=5ms"]).message.work.sampler().mean(), (5 * MILLISECOND) as f64);
}

#[test]
fn mistakes_name_the_override() {
    let cases = [
        (
            "stacks.ecs.memory=512",
            "--set stacks.ecs.memory=512: stacks.ecs.memory: 512 has no unit; write \"512 MB\"",
        ),
        ("seed", "--set seed: has no \"=\"; write --set KEY=VALUE, e.g. --set stacks.ecs.memory=1GB"),
        ("=5", "--set =5: \"\" is not a key; write names with dots between, e.g. stacks.ecs.memory"),
        (
            "stacks..memory=5",
            "--set stacks..memory=5: stacks..memory: \"stacks..memory\" is not a key; write names with dots between, e.g. stacks.ecs.memory",
        ),
        (
            "stacks.ecs.memry=1GB",
            "--set stacks.ecs.memry=1GB: stacks.ecs.memry: unknown key; did you mean \"memory\"?",
        ),
        (
            "stacks.esc.memory=1GB",
            "--set stacks.esc.memory=1GB: stacks.esc.memory: there is no stack \"esc\"; did you mean \"ecs\"?",
        ),
        (
            "stacks.fleet.memory=1GB",
            "--set stacks.fleet.memory=1GB: stacks.fleet.memory: there is no stack \"fleet\"; write \"ecs\" or \"lambda\"",
        ),
        (
            "phases.peak.rate=5",
            "--set phases.peak.rate=5: phases.peak.rate: phases has no element \"peak\"; write \"steady\" or \"spike\"",
        ),
        (
            "stacks.ecs.scaling.1.target=5",
            "--set stacks.ecs.scaling.1.target=5: stacks.ecs.scaling.1.target: stacks.ecs.scaling has no element \"1\"; write 0",
        ),
        (
            "message.work.median=5s",
            "--set message.work.median=5s: message.work.median: message.work is \"200ms\", not a table; set it whole, e.g. --set 'message.work={ median = ... }'",
        ),
        (
            "colour=red",
            "--set colour=red: colour: unknown key; allowed here: \"title\", \"analysis\", \"seed\", \"region\", \"warmup\", \"drain-max\", \"phases\", \"message\", \"streams\", \"queue\", \"parameters\", \"stacks\", \"faults\" or \"expect\"",
        ),
        (
            "a.b.c.d.e.f.g.h.i.j.k.l.m=1",
            "--set a.b.c.d.e.f.g.h.i.j.k.l.m=1: a.b.c.d.e.f.g.h.i.j.k.l.m: no key of a scenario is nested this deep; write e.g. stacks.ecs.memory",
        ),
        (
            "phases.spike.rate={ from = 1",
            "--set phases.spike.rate={ from = 1: phases.spike.rate: \"{ from = 1\" is not a rate; write a number per second or e.g. \"7200/min\"",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(set(&[text]).expect_err(text), message);
    }
}

#[test]
fn several_mistakes_come_in_order_after_those_of_the_file() {
    let overrides = ["stacks.ecs.memory=512".to_string(), "seed=-1".to_string()];
    let text = TEXT.replace("rate = 100", "rate = -100");
    let mut no_trace = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let problems = parse("t.toml", &text, &overrides, None, &mut no_trace).expect_err("three problems");
    let places: Vec<&Place> = problems.all().iter().map(|problem| &problem.place).collect();
    assert!(matches!(
        places.as_slice(),
        [Place::File { line: 15, .. }, Place::Override { index: 0, .. }, Place::Override { index: 1, .. }]
    ));
}
