//! Instances and pods in whole runs: what scales them, when, and what they cost.

use crate::worlds::{instant, scenario, simulate, stack};
use model::run::{ActivityKind, StackRun};
use model::scenario::{
    AlarmMetric, AutoScalingGroup, Distribution, Eks, Fault, Keda, NodeProvisioner, Parameters, Platform,
    ScalingPolicy, Scenario, TargetTracking, Worker, load,
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
    let order = [lambda_p99, eks_p99, fargate_p99, ec2_p99];
    assert!(order.is_sorted(), "{order:?}");
    assert!(eks_p99 > 10.0 * lambda_p99 && fargate_p99 > 2.0 * eks_p99, "{order:?}");
    let heard = scales_out(eks, spike) - spike;
    assert!((30 * SECOND..=60 * SECOND).contains(&heard), "the lag of attributes and a sync: {heard}");
    for run in [ec2, fargate] {
        let heard = scales_out(run, spike) - spike;
        assert!((3 * MINUTE..=5 * MINUTE).contains(&heard), "three points of a late metric: {heard}");
    }
}

/// What the story blames is what makes it: with attributes that are a minute old KEDA acts half a minute later.
#[test]
fn keda_acts_on_what_attributes_say() {
    let late = |sqs_attribute_lag| {
        let mut scenario = platforms();
        scenario.stacks.retain(|stack| stack.name == "eks");
        scenario.parameters.sqs_attribute_lag = sqs_attribute_lag;
        let out = simulate(&scenario);
        scales_out(&out.run.stacks[0], 10 * MINUTE)
    };
    let (now, old) = (late(0), late(59 * SECOND));
    assert_eq!(old - now, 59 * SECOND, "{now} {old}");
}

fn worker(concurrency: u32) -> Worker {
    Worker { concurrency, ..Worker::default() }
}

fn used(run: &StackRun, item: Item) -> u64 {
    run.usage.metered.iter().filter(|metered| metered.item == item).map(|metered| metered.quantity).sum()
}

/// No pods, no messages: the cluster is paid for, its least nodes, and KEDA's questions, two a minute.
#[test]
fn a_cluster_costs_while_nothing_happens() {
    let keda = Some(Keda::default());
    let eks = Eks { min_nodes: 2, pods: 0, keda, ..Eks::default() };
    let mut quiet =
        scenario(0.0, HOUR, Distribution::Constant(SECOND), vec![stack("eks", Platform::Eks(eks))]);
    quiet.drain_max = 0;
    let out = simulate(&quiet);
    let run = &out.run.stacks[0];
    assert_eq!((used(run, Item::EksClusters), used(run, Item::Ec2Instances)), (3_600, 7_200));
    let asked = run.usage.quantity(Item::SqsRequests, "get-attributes");
    assert!((119..=121).contains(&asked), "{asked}");
    assert_eq!(used(run, Item::FargateVcpu), 0);
}

/// From none to some and back: pods come at a poll, go after the cooldown, and their node follows.
#[test]
fn pods_go_to_zero_and_come_back() {
    let node_s = |provisioner| {
        let keda = Some(Keda::default());
        let eks = Eks { provisioner, min_nodes: 0, pods: 0, keda, worker: worker(1), ..Eks::default() };
        let work = Distribution::Constant(200 * MILLISECOND);
        let stacks = vec![stack("eks", Platform::Eks(eks))];
        let mut brief = scenario(2.0, MINUTE, work, stacks);
        // Nothing more comes, and the run goes on.
        let silence = model::scenario::Phase {
            name: "silence".into(),
            duration: Some(HOUR),
            arrivals: model::scenario::Arrivals::Even(model::scenario::Rate::Constant(0.0)),
        };
        brief.phases.push(silence);
        let out = simulate(&brief);
        let (run, ledger) = (&out.run.stacks[0], out.run.manifest.stacks[0].ledger);
        assert_eq!(ledger.done(), ledger.planned);
        let last = |name: &str| run.series(name).unwrap().points.last().unwrap().1;
        assert!(largest(run, metric::RUNNING_TASKS) >= 1.0);
        assert_eq!((last(metric::RUNNING_TASKS), last(metric::INSTANCES)), (0.0, 0.0), "{provisioner:?}");
        used(run, Item::Ec2Instances)
    };
    let (karpenter, scans) = (node_s(NodeProvisioner::Karpenter), node_s(NodeProvisioner::ClusterAutoscaler));
    assert!(karpenter > 300 && scans > 2 * karpenter, "nodes idle for ten minutes: {karpenter} s, {scans} s");
}

/// While an instance warms up a group asks for no more, however long the alarm lasts: the warm-up is what makes groups
/// slow.
#[test]
fn a_long_warm_up_holds_a_group_back() {
    let peak = |instance_warmup| {
        let tracking = TargetTracking {
            metric: AlarmMetric::BacklogPerTask,
            target: 100.0,
            scale_out_cooldown: 0,
            scale_in_cooldown: 0,
            disable_scale_in: true,
        };
        let group = AutoScalingGroup {
            max_instances: 20,
            instance_warmup,
            scaling: vec![ScalingPolicy::TargetTracking(tracking)],
            worker: worker(2),
            ..AutoScalingGroup::default()
        };
        let work = Distribution::Constant(SECOND);
        let mut rising = scenario(4.0, 15 * MINUTE, work, vec![stack("ec2", Platform::Ec2(group))]);
        rising.parameters = instant(Parameters::default());
        rising.drain_max = 0;
        let out = simulate(&rising);
        let run = &out.run.stacks[0];
        let seconds = used(run, Item::Ec2Instances);
        let whole = largest(run, metric::RUNNING_TASKS) as u64 * 900;
        assert!((900..whole).contains(&seconds), "{seconds} s of at most {whole}");
        largest(run, metric::DESIRED_TASKS)
    };
    let (short, long) = (peak(0), peak(10 * MINUTE));
    assert!(short > long && long > 1.0, "{short} without a warm-up, {long} with ten minutes");
}

/// A Deployment replaces its pods by quarters: it needs no room for a second generation, and what a pod leaves is taken
/// at once.
#[test]
fn a_deployment_on_a_full_node_comes_to_its_end() {
    let eks = Eks { pods: 7, min_nodes: 1, max_nodes: 1, keda: None, ..Eks::default() };
    assert_eq!(eks.pods_per_node(), 7, "the node is full");
    let world = scenario(5.0, 20 * MINUTE, Distribution::Constant(100 * MILLISECOND), vec![]);
    let fault = Fault {
        stack: None,
        from: 5 * MINUTE,
        until: 5 * MINUTE,
        kind: model::scenario::FaultKind::Deployment,
    };
    let stacks = vec![stack("eks", Platform::Eks(eks))];
    let run = simulate(&Scenario { stacks, faults: vec![fault], ..world }).run;
    let stack = &run.stacks[0];
    let after = |name: &str, from: Nanos, until: Nanos| -> Vec<f64> {
        let points = &stack.series(name).unwrap().points;
        points.iter().filter(|p| (from..until).contains(&p.0)).map(|p| p.1).collect()
    };
    assert!(after(metric::DRAINING_TASKS, 5 * MINUTE, 7 * MINUTE).iter().any(|count| *count > 0.0));
    let running = after(metric::RUNNING_TASKS, 5 * MINUTE, 7 * MINUTE);
    assert!(running.iter().all(|count| *count >= 5.0), "a quarter may be missing: {running:?}");
    // All is over within two minutes, where waiting for the full minute would have taken seven.
    assert!(after(metric::PENDING_TASKS, 7 * MINUTE, 20 * MINUTE).iter().all(|count| *count == 0.0));
    assert!(after(metric::RUNNING_TASKS, 7 * MINUTE, 20 * MINUTE).iter().all(|count| *count == 7.0));
}
