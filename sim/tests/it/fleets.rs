//! Instances and pods in whole runs: what scales them, when, and what they cost.

use crate::worlds::{instant, scenario, simulate, stack};
use model::run::{ActivityKind, StackRun};
use model::scenario::{
    AlarmMetric, AutoScalingGroup, Distribution, Eks, Keda, NodeProvisioner, Parameters, Platform, Scenario,
    ScalingPolicy, TargetTracking, Worker, load,
};
use model::series::metric;
use model::time::{HOUR, MILLISECOND, MINUTE, Nanos, SECOND};
use model::usage::Item;
use model::windows::Stage;
use std::path::Path;

fn platforms() -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/platforms.toml");
    load(&path, &[], None).unwrap_or_else(|problems| panic!("{problems}")).0
}

fn p99(run: &StackRun) -> f64 {
    let merged = run.windows.merged(Stage::Latency, MINUTE, Nanos::MAX).unwrap();
    merged.value_at_quantile(0.99) as f64 / 1e6
}

/// The first scale-out at or after `from`.
fn scales_out(run: &StackRun, from: Nanos) -> Nanos {
    let outs = run.activities.iter().filter(|activity| activity.kind == ActivityKind::ScaleOut);
    outs.map(|activity| activity.at).find(|at| *at >= from).unwrap()
}

fn largest(run: &StackRun, name: &str) -> f64 {
    run.series(name).unwrap().points.iter().map(|point| point.1).fold(0.0, f64::max)
}

/// Who hears of a spike by CloudWatch waits for minutes, who asks the queue for one, and new instances for more.
#[test]
fn the_spike_is_met_in_the_order_of_the_story() {
    let scenario = platforms();
    let out = simulate(&scenario);
    let spike = 10 * MINUTE;
    let [ec2, eks, fargate, lambda] = &out.run.stacks[..] else { panic!("four stacks") };
    for entry in &out.run.manifest.stacks {
        assert_eq!(entry.ledger.done(), entry.ledger.planned, "{}: {:?}", entry.name, entry.ledger);
    }
    let [ec2_p99, eks_p99, fargate_p99, lambda_p99] = [ec2, eks, fargate, lambda].map(p99);
    println!("p99: {ec2_p99} {eks_p99} {fargate_p99} {lambda_p99}");
    println!("outs: {:?}", [ec2, eks, fargate].map(|run| (scales_out(run, spike) - spike) / SECOND));
    println!("most: {:?}", [ec2, eks, fargate].map(|run| largest(run, metric::RUNNING_TASKS)));
    println!("nodes: {:?}", largest(eks, metric::INSTANCES));
    assert!(lambda_p99 < eks_p99 && eks_p99 < fargate_p99 && fargate_p99 < ec2_p99);
    let heard = scales_out(eks, spike) - spike;
    assert!((30 * SECOND..=60 * SECOND).contains(&heard), "the lag of attributes and a sync: {heard}");
    for run in [ec2, fargate] {
        let heard = scales_out(run, spike) - spike;
        assert!((3 * MINUTE..=5 * MINUTE).contains(&heard), "three points of a late metric: {heard}");
    }
}
