//! Every planned message has exactly one outcome, whatever the scenario; equal seeds give equal runs.

use crate::worlds::scenario;
use model::breakdown::Part;
use model::plan::Plan;
use model::random::Stream;
use model::record::{Ledger, check_order};
use model::run::StackRun;
use model::scenario::{
    Adjustment, Alarm, AlarmMetric, Arrivals, AutoScalingGroup, Batches, BetweenHops, Capacity, Comparison,
    Consumer, Delete, Distribution, Ec2, Ecs, Eks, Fault, FaultKind, INSTANCE_TYPES, Keda, Lambda, Load,
    Message, MessageStream, MissingData, NodeProvisioner, Parameters, Phase, Platform, Poll,
    ProvisionedPollers, Queue, Rate, ScalingPolicy, Scenario, Split, Stack, Statistic, Step, StepScaling,
    TargetTracking, Worker,
};
use model::time::{HOUR, MILLISECOND, MINUTE, Nanos, SECOND};
use model::windows::Stage;
use sim::{Options, Provenance};

/// A scenario drawn from `seed`: everything that can interact, at odd settings.
fn random_scenario(seed: u64) -> Scenario {
    let plain = random_plain_scenario(seed);
    let mut s = Stream::new(seed, "random journeys");
    let hops = if s.chance(0.4) { s.between(1, 4) as u32 } else { 1 };
    let groups = if s.chance(0.2) { 7 } else { 1 };
    let claim_check = s.chance(0.2).then_some(50_000);
    let message = Message { hops, groups, claim_check, ..plain.message.clone() };
    let mut stacks = plain.stacks;
    for stack in &mut stacks {
        let worker = match &mut stack.platform {
            Platform::Ecs(ecs) => &mut ecs.worker,
            Platform::Ec2(group) => &mut group.worker,
            Platform::Eks(eks) => &mut eks.worker,
            Platform::Lambda(_) => continue,
        };
        if s.chance(0.3) {
            worker.between_hops = BetweenHops::Memory;
        }
    }
    let mut streams = Vec::new();
    if s.chance(0.4) {
        let fast = Message { hops: s.between(1, 3) as u32, failure: 0.0, ..message.clone() };
        let own = Load::Phases(vec![Phase {
            name: "own".into(),
            duration: Some(s.between(1, 200) * SECOND),
            arrivals: Arrivals::Poisson(Rate::Constant(2.0)),
        }]);
        let stream = |name: &str, load, message| MessageStream { name: name.into(), load, message };
        streams = vec![
            stream("most", Load::Share(0.8), message.clone()),
            stream("some", Load::Share(0.2), fast.clone()),
            stream("own", own, fast),
        ];
        stacks.iter_mut().for_each(|stack| part(stack, &mut s));
    }
    Scenario { message, stacks, streams, ..plain }
}

/// One queue for all, one for each, or a consumer for each.
fn part(stack: &mut Stack, s: &mut Stream) {
    let polls = stack.platform.fleet().is_some();
    stack.split = [Split::None, if polls { Split::Queues } else { Split::None }, Split::Consumers]
        [s.between(0, 2) as usize];
    if stack.split == Split::Consumers {
        let consumer = |stream| Consumer { stream, queue: stack.queue, platform: stack.platform.clone() };
        stack.consumers = (0..3).map(consumer).collect();
    }
}

fn random_plain_scenario(seed: u64) -> Scenario {
    let mut s = Stream::new(seed, "random scenario");
    let rate = s.between(1, 60) as f64;
    let arrivals = match s.between(0, 3) {
        0 => Arrivals::Even(Rate::Ramp { from: 0.0, to: rate }),
        1 => Arrivals::Batches(Batches { count: None, size: (1, s.between(1, 40)), gap: (0, 4 * SECOND) }),
        2 => Arrivals::Poisson(Rate::Sine { mean: rate, amplitude: rate, period: MINUTE }),
        _ => Arrivals::Poisson(Rate::Constant(rate)),
    };
    let work = match s.between(0, 2) {
        0 => Distribution::Exponential { mean: s.between(1, 400) * MILLISECOND },
        1 => Distribution::Lognormal { median: 100 * MILLISECOND, p99: s.between(100, 5_000) * MILLISECOND },
        _ => Distribution::Bimodal { fast: MILLISECOND, slow: s.between(1, 90) * SECOND, slow_share: 0.02 },
    };
    let stacks = vec![
        Stack { queue: queue(&mut s), log_bytes_per_message: 50, ..Stack::new("ecs", ecs(&mut s)) },
        Stack { queue: queue(&mut s), log_bytes_per_message: 50, ..Stack::new("lambda", lambda(&mut s)) },
        Stack { queue: queue(&mut s), ..Stack::new("ec2", group(&mut s)) },
        Stack { queue: queue(&mut s), ..Stack::new("eks", eks(&mut s)) },
    ];
    Scenario {
        seed,
        drain_max: s.between(0, 10) * MINUTE,
        phases: vec![
            Phase { name: "a".into(), duration: Some(s.between(10, 120) * SECOND), arrivals },
            Phase {
                name: "quiet".into(),
                duration: Some(s.between(0, 300) * SECOND),
                arrivals: Arrivals::Even(Rate::Constant(0.0)),
            },
        ],
        message: Message {
            work,
            cpu_share: s.unit(),
            failure: [0.0, 0.01, 0.3, 1.0][s.between(0, 3) as usize],
            body_bytes: (1, s.between(1, 200_000) as u32),
            ..Message::default()
        },
        faults: random_faults(seed),
        parameters: Parameters {
            sqs_duplicate_probability: [0.0, 0.05][s.between(0, 1) as usize],
            sqs_in_flight_limit: [120_000, s.between(1, 30)][s.between(0, 1) as usize],
            sqs_shards: s.between(1, 64),
            spot_interruptions_per_hour: 200.0,
            hpa_down_window: [0, 60 * SECOND][seed as usize % 2],
            ca_unneeded: 60 * SECOND,
            ca_delay_after_add: 0,
            lambda_account_concurrency: [1_000, s.between(1, 20)][s.between(0, 1) as usize],
            lambda_idle_min: s.between(0, 60) * SECOND,
            lambda_idle_max: 60 * SECOND,
            ..Parameters::default()
        },
        ..scenario(1.0, MINUTE, work, stacks)
    }
}

/// Every other world has up to six faults, some of them at once, some where they do nothing.
fn random_faults(seed: u64) -> Vec<Fault> {
    let mut s = Stream::new(seed, "random faults");
    let count = if seed % 2 == 1 { s.between(1, 6) } else { 0 };
    (0..count).map(|_| random_fault(&mut s)).collect()
}

fn random_fault(s: &mut Stream) -> Fault {
    let share = [0.1, 0.5, 1.0][s.between(0, 2) as usize];
    let count = s.between(1, 8) as u32;
    let kind = match s.between(0, 7) {
        0 => FaultKind::WorkerCrash { count },
        1 => FaultKind::TaskKill { count },
        2 => FaultKind::Deployment,
        3 => FaultKind::FailedMessages { share },
        4 => FaultKind::SlowTail { share, extra: s.between(1, 60) * SECOND },
        5 => FaultKind::EndpointErrors { share },
        6 => FaultKind::EndpointThrottles { share },
        _ => FaultKind::ShortVisibility { timeout: s.between(0, 5) * SECOND },
    };
    let is_instant =
        matches!(kind, FaultKind::WorkerCrash { .. } | FaultKind::TaskKill { .. } | FaultKind::Deployment);
    let stack = [None, Some("ecs"), Some("lambda"), Some("ec2"), Some("eks")][s.between(0, 4) as usize];
    let from = [0, s.between(0, 200 * SECOND)][s.between(0, 1) as usize];
    let until = if is_instant { from } else { from + s.between(1, 200 * SECOND) };
    Fault { stack: stack.map(String::from), from, until, kind }
}

fn queue(s: &mut Stream) -> Queue {
    Queue {
        visibility_timeout: s.between(1, 60) * SECOND,
        retention: [4 * 24 * HOUR, MINUTE][s.between(0, 1) as usize],
        delay: [0, s.between(0, 20) * SECOND][s.between(0, 1) as usize],
        max_receive_count: [None, Some(s.between(1, 4) as u32)][s.between(0, 1) as usize],
    }
}

fn ecs(s: &mut Stream) -> Platform {
    let instance_type = INSTANCE_TYPES[s.between(0, 9) as usize];
    let capacity = match s.between(0, 2) {
        0 => Capacity::Fargate,
        1 => Capacity::FargateSpot,
        _ => Capacity::Ec2(Ec2 {
            instance_type,
            min_instances: s.between(0, 2) as u32,
            max_instances: 4,
            target_capacity_percent: s.between(50, 100) as u32,
            image_cached: s.chance(0.5),
        }),
    };
    Platform::Ecs(Ecs {
        capacity,
        image_mb: s.between(1, 500) as u32,
        tasks: s.between(0, 5) as u32,
        warm_start: s.chance(0.5),
        min_tasks: 0,
        max_tasks: 20,
        worker: worker(s),
        stop_timeout: s.between(2, 40) * SECOND,
        scaling: (0..s.between(0, 3)).map(|_| policy(s)).collect(),
        ..Ecs::default()
    })
}

fn worker(s: &mut Stream) -> Worker {
    let poll = if s.chance(0.5) { Poll::AllDone } else { Poll::SlotFree };
    let batch_delete = poll == Poll::AllDone && s.chance(0.5);
    Worker {
        batch_size: s.between(1, 10) as u32,
        wait_time: [0, SECOND, 20 * SECOND][s.between(0, 2) as usize],
        visibility_timeout: [None, Some(s.between(1, 30) * SECOND)][s.between(0, 1) as usize],
        concurrency: s.between(1, 12) as u32,
        poll,
        delete: if batch_delete { Delete::Batch } else { Delete::Each },
        idle_sleep: [0, s.between(0, 3) * SECOND][s.between(0, 1) as usize],
        drains_on_sigterm: s.chance(0.7),
        between_hops: BetweenHops::Sqs,
    }
}

fn group(s: &mut Stream) -> Platform {
    Platform::Ec2(AutoScalingGroup {
        instance_type: INSTANCE_TYPES[s.between(0, 9) as usize],
        instances: s.between(0, 3) as u32,
        warm_start: s.chance(0.5),
        min_instances: 0,
        max_instances: 8,
        worker: worker(s),
        stop_timeout: s.between(2, 90) * SECOND,
        instance_warmup: s.between(0, 90) * SECOND,
        scaling: (0..s.between(0, 3)).map(|_| policy(s)).collect(),
    })
}

fn eks(s: &mut Stream) -> Platform {
    let keda = Keda {
        queue_length: s.between(1, 20) as u32,
        activation_queue_length: s.between(0, 3) as u32,
        min_pods: s.between(0, 2) as u32,
        max_pods: s.between(2, 40) as u32,
        polling_interval: s.between(1, 40) * SECOND,
        cooldown_period: s.between(0, 90) * SECOND,
        scale_on_in_flight: s.chance(0.5),
    };
    let provisioners = [NodeProvisioner::Karpenter, NodeProvisioner::ClusterAutoscaler];
    Platform::Eks(Eks {
        instance_type: INSTANCE_TYPES[s.between(0, 9) as usize],
        min_nodes: s.between(0, 2) as u32,
        max_nodes: s.between(2, 6) as u32,
        provisioner: provisioners[s.between(0, 1) as usize],
        image_cached: s.chance(0.5),
        image_mb: s.between(1, 500) as u32,
        pods: s.between(0, 2) as u32,
        warm_start: s.chance(0.5),
        keda: s.chance(0.8).then_some(keda),
        worker: worker(s),
        stop_timeout: s.between(2, 40) * SECOND,
        ..Eks::default()
    })
}

fn policy(s: &mut Stream) -> ScalingPolicy {
    if s.chance(0.5) {
        return ScalingPolicy::TargetTracking(TargetTracking {
            metric: [AlarmMetric::BacklogPerTask, AlarmMetric::CpuUtilization][s.between(0, 1) as usize],
            target: s.between(1, 100) as f64,
            scale_out_cooldown: s.between(0, 60) * SECOND,
            scale_in_cooldown: s.between(0, 60) * SECOND,
            disable_scale_in: s.chance(0.2),
        });
    }
    let high = s.chance(0.5);
    let change = s.between(1, 6) as i32;
    let (lower, upper) = if high { (Some(0.0), None) } else { (None, Some(0.0)) };
    ScalingPolicy::Step(StepScaling {
        alarm: Alarm {
            metric: AlarmMetric::VisibleMessages,
            statistic: Statistic::Average,
            comparison: if high { Comparison::GreaterThan } else { Comparison::AtMost },
            threshold: s.between(0, 50) as f64,
            period: MINUTE,
            evaluation_periods: 1,
            datapoints_to_alarm: 1,
            missing_data: MissingData::Missing,
        },
        adjustment: Adjustment::ChangeInCapacity,
        steps: vec![Step { lower, upper, change: if high { change } else { -change } }],
        cooldown: s.between(0, 120) * SECOND,
        min_adjustment: 0,
    })
}

fn lambda(s: &mut Stream) -> Platform {
    let window = [0, s.between(1, 30) * SECOND][s.between(0, 1) as usize];
    let provisioned = s.chance(0.2);
    Platform::Lambda(Lambda {
        memory_mb: s.between(128, 2_000) as u32,
        timeout: s.between(1, 60) * SECOND,
        batch_size: if window > 0 { s.between(1, 200) as u32 } else { s.between(1, 10) as u32 },
        batching_window: window,
        maximum_concurrency: (!provisioned && s.chance(0.5)).then_some(s.between(2, 20) as u32),
        provisioned_pollers: provisioned.then_some(ProvisionedPollers { min: 2, max: 5 }),
        reserved_concurrency: s.chance(0.5).then_some(s.between(1, 10) as u32),
        provisioned_concurrency: s.between(0, 1) as u32,
        partial_batch_responses: s.chance(0.5),
        parallel_batch: s.chance(0.5),
        ..Lambda::default()
    })
}

/// The parts of the latency add up to it, and are of all messages after warm-up.
fn check_parts(stack: &StackRun, warmup: Nanos) -> Result<(), String> {
    let counted = stack.sample.messages.iter().filter(|message| message.scheduled_at >= warmup);
    let latencies: Vec<Nanos> = counted.map(|message| message.latency).collect();
    let Some(means) = stack.breakdown.slowest(1.0) else {
        return if latencies.is_empty() { Ok(()) } else { Err("no parts".into()) };
    };
    let mean = latencies.iter().sum::<Nanos>() as f64 / latencies.len() as f64 / 1e6;
    let parts: f64 = means.parts_ms[..Part::Acknowledge as usize].iter().sum();
    // Each part loses less than a microsecond.
    let close = parts <= mean && parts > mean - 0.005;
    let all = stack.breakdown.messages() == latencies.len() as u64;
    if close && all { Ok(()) } else { Err(format!("{parts} of {mean} ms, {} messages", latencies.len())) }
}

/// The accounts of streams and hops are those of the stack.
fn check_streams(scenario: &Scenario, ledger: Ledger, stack: &StackRun, recorded: u64) {
    let whole: Vec<_> = stack.streams.iter().filter(|row| row.hop == 0).collect();
    if whole.is_empty() {
        return;
    }
    assert_eq!(whole.len(), scenario.streams.len().max(1));
    let sum = |of: fn(&Ledger) -> u64| whole.iter().map(|row| of(&row.ledger)).sum::<u64>();
    assert!(whole.iter().all(|row| row.ledger.balances()), "{whole:?}");
    let of = |ledger: &Ledger| ledger.planned;
    assert_eq!(sum(of), of(&ledger));
    assert_eq!(sum(Ledger::done), ledger.done());
    assert_eq!(sum(|l| l.dead_lettered), ledger.dead_lettered);
    assert_eq!(whole.iter().map(|row| row.latency.total()).sum::<u64>(), recorded);
    for pair in stack.streams.windows(2).filter(|pair| pair[1].hop > 1) {
        // What a hop sends on is what comes to the next.
        assert_eq!(pair[0].ledger.completed, pair[1].ledger.planned, "{pair:?}");
    }
}

fn check_world(seed: u64) {
    let scenario = random_scenario(seed);
    let planned = Plan::new(&scenario).count() as u64;
    let out = sim::simulate(
        &scenario,
        &Provenance::default(),
        Options { records: seed.is_multiple_of(4), ..Options::default() },
    );
    for (index, (entry, stack)) in out.run.manifest.stacks.iter().zip(&out.run.stacks).enumerate() {
        let name = format!("seed {seed}, {}", entry.name);
        let ledger = entry.ledger;
        assert_eq!(ledger.planned, planned, "{name}");
        assert!(ledger.balances(), "{name}: {ledger:?}");
        let recorded = stack.windows.merged(Stage::Latency, 0, u64::MAX).map_or(0, |h| h.len());
        assert!(recorded >= ledger.done(), "{name}: {recorded} latencies for {ledger:?}");
        assert!(recorded <= planned, "{name}: one latency per message");
        assert!(
            stack.series.iter().all(|s| s.points.iter().all(|p| p.1.is_finite() && p.1 >= 0.0)),
            "{name}"
        );
        assert_eq!(stack.sample.messages.len() as u64, recorded, "{name}: small runs are sampled whole");
        check_parts(stack, scenario.warmup).unwrap_or_else(|error| panic!("{name}: {error}"));
        let records = &out.records[index];
        for metered in &stack.usage.metered {
            let series =
                stack.series(&metered.series_name()).map(|s| s.points.iter().map(|p| p.1).sum::<f64>());
            assert_eq!(series, Some(metered.quantity as f64), "{name}: {:?}", metered.item);
        }
        check_streams(&scenario, ledger, stack, recorded);
        assert_eq!(records.len() as u64, if seed.is_multiple_of(4) { planned } else { 0 }, "{name}");
        for record in records {
            check_order(record).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn a_thousand_random_worlds_conserve_their_messages() {
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || (0..1_000).filter(|seed| seed % 2 == half).for_each(check_world));
        }
    });
}

#[test]
fn equal_seeds_give_equal_runs() {
    for seed in 0..20 {
        let run = || {
            sim::simulate(
                &random_scenario(seed),
                &Provenance::default(),
                Options { records: true, ..Options::default() },
            )
        };
        let (a, b) = (run(), run());
        assert_eq!(a.run, b.run, "seed {seed}");
        assert_eq!(a.records, b.records, "seed {seed}");
    }
}

/// What one stack does must not depend on which others stand beside it.
#[test]
fn stacks_do_not_move_each_other() {
    let both = random_scenario(3);
    let alone = Scenario { stacks: vec![both.stacks[1].clone()], ..both.clone() };
    let of = |scenario: &Scenario| sim::simulate(scenario, &Provenance::default(), Options::default()).run;
    assert_eq!(of(&both).stacks[1], of(&alone).stacks[0]);
}

/// Another run of a plan: the same messages, other chance.
#[test]
fn another_noise_is_another_run_of_the_same_plan() {
    let scenario = random_scenario(3);
    let of = |noise| {
        let options = Options { noise, ..Options::default() };
        sim::simulate(&scenario, &Provenance::default(), options).run
    };
    assert_eq!(of(0), sim::simulate(&scenario, &Provenance::default(), Options::default()).run);
    assert_eq!(of(1), of(1));
    let manifest = |noise| of(noise).manifest;
    assert_eq!(
        (manifest(0).plan_hash, manifest(0).seed, manifest(0).scenario_hash),
        (manifest(1).plan_hash, manifest(1).seed, manifest(1).scenario_hash)
    );
    assert!(of(0).stacks != of(1).stacks && of(1).stacks != of(2).stacks);
}
