//! What doing nothing costs, by hand: idle shares of runs whose work is known, months without a message.
#![allow(missing_docs, clippy::unwrap_used)]

mod fixture;

use model::record::Ledger;
use model::run::Run;
use model::series::{Series, metric};
use model::time::{MINUTE, SECOND};
use model::usage::{Item, Metered, Usage};
use model::windows::{Recorder, Spans};
use report::Options;
use report::view::StackView;

const HEAD: &str = "
title = \"Idle\"
analysis = \"Ten minutes of which the work is known.\"
phases = [{ name = \"even\", arrivals = \"even\", duration = \"10m\", rate = 1 }]
message = { work = \"1s\" }
";

/// Ten minutes in which 600 messages take a second each: 600 s of work.
fn run(stacks: &str) -> Run {
    let mut run = fixture::single();
    run.manifest.scenario = format!("{HEAD}{stacks}");
    run.manifest.load_end = 10 * MINUTE;
    for (entry, stack) in run.manifest.stacks.iter_mut().zip(&mut run.stacks) {
        entry.ledger = Ledger { planned: 600, completed: 600, ..Ledger::default() };
        entry.end = 10 * MINUTE;
        let mut recorder = Recorder::new(5 * SECOND);
        for second in 0..600 {
            let number = recorder.planned(second * SECOND);
            let spans = Spans { latency: SECOND, queue: 0, start: 0, work: SECOND, acknowledge: None };
            recorder.completed(number, &spans);
        }
        stack.windows = recorder.finish();
    }
    run
}

fn used(run: &mut Run, stack: usize, used: &[(Item, &str, u64)]) {
    let metered =
        used.iter().map(|&(item, variant, quantity)| Metered::new(item, variant, quantity)).collect();
    run.stacks[stack].usage = Usage { metered };
}

fn series(run: &mut Run, stack: usize, name: &str, values: &[f64]) {
    run.stacks[stack].series.push(Series {
        metric: name.into(),
        unit: "Count".into(),
        statistic: "Maximum".into(),
        period: MINUTE,
        points: (0..).zip(values).map(|(minute, value)| (minute * MINUTE, *value)).collect(),
    });
}

/// Share and month of a stack, as text: histograms keep three digits of the work.
fn idle(run: &Run, stack: usize) -> [Option<String>; 2] {
    let view = &StackView::all(run, Options::default())[stack];
    let share = view.idle_share().map(|v| format!("{v:.3}"));
    [share, view.idle_cost_per_month().map(|v| format!("{v:.4}"))]
}

fn some(share: &str, month: &str) -> [Option<String>; 2] {
    [share, month].map(|text| Some(text.to_owned()))
}

#[test]
fn fargate_tasks_stand_idle() {
    let mut run = run("
[stacks.ecs]
platform = \"ecs\"
tasks = 4
cpu = 1
memory = \"2GB\"
concurrency = 2
[stacks.lambda]
platform = \"lambda\"
");
    // Four tasks of two slots for 600 s: 4,800 slot-seconds, 600 of them at work.
    used(
        &mut run,
        0,
        &[
            (Item::FargateVcpu, "x86", 4 * 1_024 * 600),
            (Item::FargateMemory, "x86", 4 * 2_048 * 600),
            (Item::CloudwatchAlarms, "", 2 * 600),
        ],
    );
    series(&mut run, 0, metric::DESIRED_TASKS, &[4.0, 4.0, 2.0, 3.0]);
    // Two tasks: 2 x 0.04937 x 730 = 72.0802; two alarms 0.20; 2 x 131,400 receives x 0.40 / 1 M = 0.10512.
    assert_eq!(idle(&run, 0), some("0.875", "72.3853"));
    let free = &StackView::all(&run, Options { free_tier: true })[0];
    assert_eq!(free.idle_cost_per_month().map(|v| format!("{v:.4}")), Some("72.0802".into()));
    let list = &StackView::all(&run, Options::default())[0];
    assert_eq!(free.idle_share(), list.idle_share(), "a share of what was bought, whatever was paid for it");
}

#[test]
fn instances_stand_idle_and_short_polls_cost() {
    let mut run = run("
[stacks.ecs]
platform = \"ecs\"
launch-type = \"ec2\"
ec2 = { instance-type = \"c6i.large\" }
cpu = 1
memory = \"1GB\"
tasks = 2
wait-time = \"0s\"
idle-sleep = \"1s\"
[stacks.lambda]
platform = \"lambda\"
");
    // An instance holds two tasks of 1 vCPU: 600 s x 2 slots, half of them at work.
    used(&mut run, 0, &[(Item::Ec2Instances, "c6i.large", 600)]);
    series(&mut run, 0, metric::DESIRED_TASKS, &[2.0, 2.0]);
    series(&mut run, 0, metric::INSTANCES, &[0.0, 2.0, 1.0]);
    let [share, month] = idle(&run, 0);
    assert_eq!(share.as_deref(), Some("0.500"));
    // 730 x 0.085 = 62.05, and 2 x 2,628,000 receives / (1 s + 9.6 ms) x 0.40 / 1 M = 2.08.
    assert!((month.unwrap().parse::<f64>().unwrap() - 64.13).abs() < 0.01);
}

#[test]
fn groups_and_clusters_stand_idle() {
    let mut run = run("
[stacks.ecs]
platform = \"ec2\"
instance-type = \"m6i.large\"
concurrency = 2
[stacks.lambda]
platform = \"eks\"
instance-type = \"m6i.large\"
keda = {}
");
    for stack in [0, 1] {
        used(&mut run, stack, &[(Item::Ec2Instances, "m6i.large", 600)]);
        series(&mut run, stack, metric::DESIRED_TASKS, &[3.0, if stack == 0 { 1.0 } else { 0.0 }]);
    }
    series(&mut run, 1, metric::INSTANCES, &[1.0, 2.0, 1.0]);
    // 600 s x 2 slots. Month: 730 x 0.096 = 70.08, and 131,400 receives x 0.40 / 1 M = 0.05256.
    assert_eq!(idle(&run, 0), some("0.500", "70.1326"));
    // A node holds seven pods: 600 s x 7. Month: a node 70.08, the cluster 73.00, and without pods KEDA alone asks: 87,600
    // times, 0.03504.
    assert_eq!(idle(&run, 1), some("0.857", "143.1150"));
}

#[test]
fn lambda_is_idle_when_it_starts_or_is_provisioned() {
    let mut run = run("
[stacks.ecs]
platform = \"ecs\"
[stacks.lambda]
platform = \"lambda\"
memory = \"1GB\"
provisioned-concurrency = 4
provisioned-pollers = { min = 2, max = 10 }
");
    // Billed 750 s, 600 s of it work: a fifth idle. On demand 250 s, provisioned 500 s of 2,400 s held.
    used(
        &mut run,
        1,
        &[
            (Item::LambdaDuration, "x86", 250 * 1_024 * 1_000),
            (Item::LambdaProvisionedDuration, "x86", 500 * 1_024 * 1_000),
            (Item::LambdaProvisionedConcurrency, "x86", 4 * 1_024 * 600),
        ],
    );
    // Spent: 250 x 16.6667 + 500 x 9.7222 = 9,027.775 and 2,400 x 4.1667 = 10,000.08 (millionths).
    // Idle: 0.2 x 9,027.775 + (1 - 0.8 x 500 / 2,400) x 10,000.08 = 1,805.555 + 8,333.4 = 10,138.955; / 19,027.855.
    // Month: 4 x 2,628,000 x 0.0000041667 = 43.80035; pollers 2 x 730 x 0.00925 = 13.505; 20 loops: 1.0512.
    assert_eq!(idle(&run, 1), some("0.533", "58.3566"));
}

#[test]
fn a_mapping_polls_when_nothing_comes() {
    let mut run = run("
[stacks.ecs]
platform = \"ecs\"
[stacks.lambda]
platform = \"lambda\"
");
    used(&mut run, 1, &[(Item::LambdaDuration, "x86", 600 * 512 * 1_000)]);
    // Two loops keep polling: 2 x 131,400 x 0.40 / 1 M.
    assert_eq!(idle(&run, 1), some("0.000", "0.1051"));
}

#[test]
fn what_a_run_does_not_tell_is_not_known() {
    let stacks = "
[stacks.ecs]
platform = \"ecs\"
[stacks.lambda]
platform = \"lambda\"
";
    let mut run = run(stacks);
    used(&mut run, 0, &[(Item::SqsRequests, "send", 600)]);
    assert_eq!(idle(&run, 0), [None, None], "no capacity in the bill, no count in the series");
    // More work than was paid for: the scenario is not that of the run.
    used(&mut run, 0, &[(Item::FargateVcpu, "x86", 1_024 * 60)]);
    assert_eq!(idle(&run, 0)[0], None);
    let mut foreign = run.clone();
    foreign.manifest.scenario = "title = 3".into();
    assert_eq!(idle(&foreign, 1), [None, None]);
    run.manifest.overrides = vec!["stacks.ecs.tasks=none".into()];
    assert_eq!(idle(&run, 1), [None, None]);
}

#[test]
fn a_trace_need_not_be_at_hand() {
    let mut run = run("[stacks.ecs]\nplatform = \"ecs\"\n[stacks.lambda]\nplatform = \"lambda\"\n");
    let even = "{ name = \"even\", arrivals = \"even\", duration = \"10m\", rate = 1 }";
    let trace = "{ name = \"day\", arrivals = \"trace\", file = \"gone.csv\" }";
    run.manifest.scenario = run.manifest.scenario.replace(even, trace);
    assert!(run.manifest.scenario.contains("gone.csv"));
    run.manifest.scenario.insert_str(0, "warmup = \"3h\"\n");
    assert_eq!(idle(&run, 1)[1].as_deref(), Some("0.1051"));
}
