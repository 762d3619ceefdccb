//! Each key of a scenario file, and the value it becomes.

use model::scenario::{
    Adjustment, Alarm, AlarmMetric, Architecture, Arrivals, Batches, BetweenHops, Capacity, Comparison,
    Delete, Distribution, Ecs, Expect, Fault, FaultKind, InitDuration, Lambda, Limit, Message, MissingData,
    Package, Parameters, Platform, Poll, ProvisionedPollers, Provisioning, Queue, Rate, Runtime,
    ScalingPolicy, Scenario, Scheduled, Stack, Statistic, Step, StepScaling, TargetTracking, TraceInterval,
    Worker, describe, parse,
};
use model::time::{DAY, HOUR, MILLISECOND, MINUTE, SECOND};

const PHASE: &str = "[[phases]]\nname = \"p\"\narrivals = \"even\"\nduration = \"1m\"\nrate = 10\n";
const STACKS: &str = "[stacks.ecs]\nplatform = \"ecs\"\n[stacks.lambda]\nplatform = \"lambda\"\n";

fn read(text: &str) -> Scenario {
    let text = format!("title = \"t\"\nanalysis = \"a\"\n{text}");
    let mut read_trace = |file: &str| match file {
        "seconds.csv" => Ok("time,count\n0,10\n60,20\n180.5,30\n".to_string()),
        _ => Ok("time, count\n2026-11-01T12:00:00Z,10\n2026-11-01T12:05:00Z,20\n".to_string()),
    };
    parse("t.toml", &text, &[], None, &mut read_trace).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The first phase, of which `keys` are the keys.
fn phase(keys: &str) -> (Option<u64>, Arrivals) {
    let scenario = read(&format!("[[phases]]\nname = \"p\"\n{keys}\n{STACKS}"));
    let phase = scenario.phases.into_iter().next().expect("a phase");
    assert_eq!(phase.name, "p");
    (phase.duration, phase.arrivals)
}

fn message(keys: &str) -> Message {
    read(&format!("{PHASE}[message]\n{keys}\n{STACKS}")).message
}

fn work(text: &str) -> Distribution {
    message(&format!("work = {text}")).work
}

fn stack(keys: &str) -> Stack {
    let text = format!("{PHASE}[stacks.x]\n{keys}\n[stacks.other]\nplatform = \"lambda\"\n");
    read(&text).stacks.into_iter().next().expect("a stack")
}

fn ecs(keys: &str) -> Ecs {
    match stack(&format!("platform = \"ecs\"\n{keys}")).platform {
        Platform::Ecs(ecs) => ecs,
        other => panic!("{} is not an ECS stack", other.name()),
    }
}

fn lambda(keys: &str) -> Lambda {
    match stack(&format!("platform = \"lambda\"\n{keys}")).platform {
        Platform::Lambda(lambda) => lambda,
        other => panic!("{} is not a Lambda stack", other.name()),
    }
}

fn policies(keys: &str) -> Vec<ScalingPolicy> {
    ecs(keys).scaling
}

#[test]
fn a_minimal_scenario_has_the_defaults() {
    let scenario = read(&format!("{PHASE}{STACKS}"));
    assert_eq!(scenario.seed, Scenario::SEED);
    assert_eq!(scenario.region, Scenario::REGION);
    assert_eq!((scenario.warmup, scenario.drain_max), (0, Scenario::DRAIN_MAX));
    assert_eq!(scenario.message, Message::default());
    assert_eq!(scenario.parameters, Parameters::default());
    assert_eq!(scenario.faults, []);
    assert_eq!(scenario.expect, []);
    assert_eq!(
        (&scenario.stacks[0].command, scenario.stacks[0].provisioning),
        (&None, Provisioning::Modelled)
    );
    assert_eq!(scenario.stacks[0].queue, Queue::default());
    assert_eq!(scenario.stacks[1].platform, Platform::Lambda(Lambda::default()));
    let bounds = Ecs { max_tasks: 1, ..Ecs::default() };
    assert_eq!(scenario.stacks[0].platform, Platform::Ecs(bounds));
}

#[test]
fn the_head_of_a_scenario() {
    let text =
        format!("seed = 42\nregion = \"eu-west-1\"\nwarmup = \"10s\"\ndrain-max = \"1h\"\n{PHASE}{STACKS}");
    let scenario = read(&text);
    assert_eq!((scenario.title.as_str(), scenario.analysis.as_str()), ("t", "a"));
    assert_eq!((scenario.seed, scenario.region.as_str()), (42, "eu-west-1"));
    assert_eq!((scenario.warmup, scenario.drain_max), (10 * SECOND, HOUR));
}

#[test]
fn rates_in_every_spelling() {
    let even = |rate: &str| match phase(&format!("arrivals = \"even\"\nduration = \"1h\"\nrate = {rate}")) {
        (Some(HOUR), Arrivals::Even(rate)) => rate,
        other => panic!("{other:?}"),
    };
    assert_eq!(even("120"), Rate::Constant(120.0));
    assert_eq!(even("0.5"), Rate::Constant(0.5));
    assert_eq!(even("\"7200/min\""), Rate::Constant(120.0));
    assert_eq!(even("\"864,000/day\""), Rate::Constant(10.0));
    assert_eq!(even("{ from = 1, to = \"120/min\" }"), Rate::Ramp { from: 1.0, to: 2.0 });
    let sine = Rate::Sine { mean: 5.0, amplitude: 2.5, period: 10 * MINUTE };
    assert_eq!(even("{ mean = 5, amplitude = 2.5, period = \"10m\" }"), sine);
}

#[test]
fn arrival_processes() {
    let (duration, arrivals) = phase("arrivals = \"poisson\"\nduration = \"90s\"\nrate = 3");
    assert_eq!((duration, arrivals), (Some(90 * SECOND), Arrivals::Poisson(Rate::Constant(3.0))));
    let batches = Batches { count: Some(50), size: (1, 5), gap: (5 * SECOND, 15 * SECOND) };
    let (duration, arrivals) =
        phase("arrivals = \"batches\"\ncount = 50\nsize = [1, 5]\ngap = [\"5s\", \"15s\"]");
    assert_eq!((duration, arrivals), (None, Arrivals::Batches(batches)));
    let batches = Batches { count: None, size: (10, 10), gap: (MINUTE, MINUTE) };
    let (duration, arrivals) = phase("arrivals = \"batches\"\nduration = \"5m\"\nsize = 10\ngap = \"1m\"");
    assert_eq!((duration, arrivals), (Some(5 * MINUTE), Arrivals::Batches(batches)));
}

#[test]
fn traces_in_seconds_and_in_dates() {
    let (duration, arrivals) = phase("arrivals = \"trace\"\nfile = \"seconds.csv\"");
    let long = 120_500 * MILLISECOND;
    let rows = vec![
        TraceInterval { at: 0, length: MINUTE, count: 10 },
        TraceInterval { at: MINUTE, length: long, count: 20 },
        TraceInterval { at: MINUTE + long, length: long, count: 30 },
    ];
    assert_eq!((duration, arrivals), (Some(MINUTE + 2 * long), Arrivals::Trace(rows)));
    let (duration, arrivals) = phase("arrivals = \"trace\"\nfile = \"dates.csv\"");
    let rows = vec![
        TraceInterval { at: 0, length: 5 * MINUTE, count: 10 },
        TraceInterval { at: 5 * MINUTE, length: 5 * MINUTE, count: 20 },
    ];
    assert_eq!((duration, arrivals), (Some(10 * MINUTE), Arrivals::Trace(rows)));
}

#[test]
fn work_distributions() {
    assert_eq!(work("\"200ms\""), Distribution::Constant(200 * MILLISECOND));
    assert_eq!(work("{ distribution = \"constant\", value = \"1s\" }"), Distribution::Constant(SECOND));
    assert_eq!(
        work("{ distribution = \"uniform\", from = \"1s\", to = \"2s\" }"),
        Distribution::Uniform { from: SECOND, to: 2 * SECOND }
    );
    assert_eq!(
        work("{ distribution = \"exponential\", mean = \"1s\" }"),
        Distribution::Exponential { mean: SECOND }
    );
    assert_eq!(
        work("{ distribution = \"lognormal\", median = \"200ms\", p99 = \"2s\" }"),
        Distribution::Lognormal { median: 200 * MILLISECOND, p99: 2 * SECOND }
    );
    assert_eq!(
        work("{ distribution = \"bimodal\", fast = \"1ms\", slow = \"1s\", slow-share = 0.05 }"),
        Distribution::Bimodal { fast: MILLISECOND, slow: SECOND, slow_share: 0.05 }
    );
}

#[test]
fn messages() {
    let read = message("cpu-share = 0.25\nfailure = 0.01\nbody = [10, 50]\nalphabet = \"ab \"\ngroups = 7");
    assert_eq!((read.cpu_share, read.failure, read.groups), (0.25, 0.01, 7));
    assert_eq!((read.body_bytes, read.alphabet.as_str()), ((10, 50), "ab "));
    assert_eq!(message("body = \"1 KB\"").body_bytes, (1024, 1024));
    assert_eq!(message("memory = \"16 MB\"").memory_bytes, 16 << 20);
    assert_eq!(message("body = [\"1 KB\", \"2 KB\"]").body_bytes, (1024, 2048));
}

#[test]
fn queues_are_inherited_and_overridden() {
    let head =
        "[queue]\nvisibility-timeout = \"2m\"\nretention = \"1d\"\ndelay = \"5s\"\nmax-receive-count = 3\n";
    let own = "[stacks.lambda.queue]\nvisibility-timeout = \"10m\"\nmax-receive-count = 9\n";
    let scenario = read(&format!("{PHASE}{head}{STACKS}{own}"));
    let queue = Queue {
        visibility_timeout: 2 * MINUTE,
        retention: DAY,
        delay: 5 * SECOND,
        max_receive_count: Some(3),
    };
    assert_eq!(scenario.stacks[0].queue, queue);
    let own = Queue { visibility_timeout: 10 * MINUTE, max_receive_count: Some(9), ..queue };
    assert_eq!(scenario.stacks[1].queue, own);
}

#[test]
fn stacks_keep_the_order_of_the_file() {
    let text = format!(
        "{PHASE}[stacks.zebra]\nplatform = \"lambda\"\n[stacks.ant]\nplatform = \"ecs\"\n[stacks.bee]\nplatform = \"lambda\"\nlog-bytes-per-message = \"1 KB\"\n"
    );
    let scenario = read(&text);
    let names: Vec<&str> = scenario.stacks.iter().map(|stack| stack.name.as_str()).collect();
    assert_eq!(names, ["zebra", "ant", "bee"]);
    assert_eq!(scenario.stacks[2].log_bytes_per_message, 1024);
}

#[test]
fn commands_are_kept_as_they_are() {
    let read = stack(concat!(
        "platform = \"ecs\"\nprovisioning = \"none\"\n",
        "command = [\"python3\", \"-c\", \" print(\\\"a b\\\")\\n\"]",
    ));
    let command = ["python3", "-c", " print(\"a b\")\n"].map(String::from).to_vec();
    assert_eq!((read.command, read.provisioning), (Some(command), Provisioning::None));
    let modelled = stack("platform = \"lambda\"\nprovisioning = \"modelled\"\ncommand = [\"./worker\"]");
    assert_eq!(modelled.command, Some(vec!["./worker".to_string()]));
    assert_eq!(modelled.provisioning, Provisioning::Modelled);
}

#[test]
fn every_kind_of_fault() {
    let text = concat!(
        "[[faults]]\nfault = \"worker-crash\"\nat = \"10s\"\n",
        "[[faults]]\nfault = \"worker-crash\"\nat = \"0s\"\ncount = 3\nstack = \"lambda\"\n",
        "[[faults]]\nfault = \"task-kill\"\nat = \"15.5s\"\ncount = 2\nstack = \"ecs\"\n",
        "[[faults]]\nfault = \"deployment\"\nat = \"20s\"\n",
        "[[faults]]\nfault = \"failed-messages\"\nfrom = \"1s\"\nuntil = \"2s\"\nshare = 0.25\n",
        "[[faults]]\nfault = \"slow-tail\"\nfrom = \"0s\"\nuntil = \"2h\"\nshare = 1\nextra = \"5s\"\n",
        "[[faults]]\nfault = \"endpoint-errors\"\nfrom = \"1s\"\nuntil = \"2s\"\nshare = 0.5\n",
        "[[faults]]\nfault = \"endpoint-throttles\"\nfrom = \"1s\"\nuntil = \"2s\"\nshare = 0.5\nstack = \"ecs\"\n",
        "[[faults]]\nfault = \"short-visibility\"\nfrom = \"1s\"\nuntil = \"2s\"\ntimeout = \"1s\"\n",
        "[[faults]]\nfault = \"short-visibility\"\nfrom = \"2s\"\nuntil = \"3s\"\ntimeout = \"0s\"\n",
    );
    let at = |at, stack: &str, kind| {
        let stack = (!stack.is_empty()).then(|| stack.to_string());
        Fault { stack, from: at, until: at, kind }
    };
    let span = |from, until, stack, kind| Fault { until, ..at(from, stack, kind) };
    let expected = [
        at(10 * SECOND, "", FaultKind::WorkerCrash { count: 1 }),
        at(0, "lambda", FaultKind::WorkerCrash { count: 3 }),
        at(15_500 * MILLISECOND, "ecs", FaultKind::TaskKill { count: 2 }),
        at(20 * SECOND, "", FaultKind::Deployment),
        span(SECOND, 2 * SECOND, "", FaultKind::FailedMessages { share: 0.25 }),
        span(0, 2 * HOUR, "", FaultKind::SlowTail { share: 1.0, extra: 5 * SECOND }),
        span(SECOND, 2 * SECOND, "", FaultKind::EndpointErrors { share: 0.5 }),
        span(SECOND, 2 * SECOND, "ecs", FaultKind::EndpointThrottles { share: 0.5 }),
        span(SECOND, 2 * SECOND, "", FaultKind::ShortVisibility { timeout: SECOND }),
        span(2 * SECOND, 3 * SECOND, "", FaultKind::ShortVisibility { timeout: 0 }),
    ];
    let scenario = read(&format!("{PHASE}{text}{STACKS}"));
    assert_eq!(scenario.faults, expected);
    for fault in &scenario.faults {
        assert!(fault.to_string().starts_with(fault.kind.name()) && text.contains(fault.kind.name()));
    }
}

#[test]
fn every_unit_of_an_expectation() {
    let text = concat!(
        "[[expect]]\nstack = \"ecs\"\nmetric = \"p99\"\nbelow = \"2s\"\n",
        "[[expect]]\nstack = \"ecs\"\nmetric = \"p99\"\nabove = \"1 ms\"\n",
        "[[expect]]\nstack = \"lambda\"\nmetric = \"cost-per-million\"\nbelow = \"$0.90\"\n",
        "[[expect]]\nstack = \"lambda\"\nmetric = \"cold-start-share\"\nbelow = \"0.5 %\"\n",
        "[[expect]]\nstack = \"ecs\"\nmetric = \"achieved-rate\"\nabove = \"600/min\"\n",
        "[[expect]]\nstack = \"ecs\"\nmetric = \"backlog-max\"\nbelow = 1000\n",
    );
    let expect = |stack: &str, metric: &str, below, limit| Expect {
        stream: None,
        stack: stack.into(),
        metric: metric.into(),
        below,
        limit,
    };
    let expected = [
        expect("ecs", "p99", true, Limit::Span(2 * SECOND)),
        expect("ecs", "p99", false, Limit::Span(MILLISECOND)),
        expect("lambda", "cost-per-million", true, Limit::Usd(0.9)),
        expect("lambda", "cold-start-share", true, Limit::Share(0.005)),
        expect("ecs", "achieved-rate", false, Limit::Rate(10.0)),
        expect("ecs", "backlog-max", true, Limit::Number(1_000.0)),
    ];
    let scenario = read(&format!("{PHASE}{text}{STACKS}"));
    assert_eq!(scenario.expect, expected);
    assert_eq!(scenario.expect[3].to_string(), "lambda cold-start-share below 0.5 %");
}

#[test]
fn every_key_of_an_ecs_service() {
    let read = ecs(concat!(
        "launch-type = \"fargate-spot\"\narchitecture = \"arm\"\ncpu = 0.5\nmemory = \"1 GB\"\n",
        "image-size = \"413 MB\"\ntasks = 2\nmin-tasks = 0\nmax-tasks = 7\nwarm-start = false\n",
        "batch-size = 5\nwait-time = \"10s\"\nvisibility-timeout = \"1m\"\nconcurrency = 4\n",
        "poll = \"all-done\"\ndelete = \"batch\"\nidle-sleep = \"250ms\"\ndrains-on-sigterm = false\nbetween-hops = \"memory\"\n",
        "stop-timeout = \"2m\"",
    ));
    let worker = Worker {
        batch_size: 5,
        wait_time: 10 * SECOND,
        visibility_timeout: Some(MINUTE),
        concurrency: 4,
        poll: Poll::AllDone,
        delete: Delete::Batch,
        idle_sleep: 250 * MILLISECOND,
        drains_on_sigterm: false,
        between_hops: BetweenHops::Memory,
    };
    let expected = Ecs {
        capacity: Capacity::FargateSpot,
        architecture: Architecture::Arm,
        cpu_units: 512,
        memory_mb: 1024,
        image_mb: 413,
        tasks: 2,
        warm_start: false,
        min_tasks: 0,
        max_tasks: 7,
        worker,
        stop_timeout: 2 * MINUTE,
        scaling: Vec::new(),
    };
    assert_eq!(read, expected);
}

#[test]
fn ec2_capacity() {
    let read = ecs(concat!(
        "launch-type = \"ec2\"\narchitecture = \"arm\"\ncpu = 2\nmemory = \"3000 MB\"\n[stacks.x.ec2]\n",
        "instance-type = \"c7g.large\"\nmin-instances = 1\nmax-instances = 5\ntarget-capacity = 80\n",
        "image-cached = false",
    ));
    let Capacity::Ec2(ec2) = read.capacity else { panic!("EC2 capacity") };
    assert_eq!(ec2.instance_type.name, "c7g.large");
    assert_eq!((ec2.min_instances, ec2.max_instances, ec2.target_capacity_percent), (1, 5, 80));
    assert!(!ec2.image_cached);
}

#[test]
fn bounds_of_tasks_follow_what_is_written() {
    let bounds = |keys: &str| {
        let ecs = ecs(keys);
        (ecs.tasks, ecs.min_tasks, ecs.max_tasks)
    };
    let scaling = "\n[[stacks.x.scaling]]\npolicy = \"backlog-per-task\"\ntarget = 10";
    assert_eq!(bounds(""), (1, 1, 1));
    assert_eq!(bounds("tasks = 4"), (4, 4, 4));
    assert_eq!(bounds(scaling), (1, 1, 10));
    assert_eq!(bounds(&format!("tasks = 0{scaling}")), (0, 0, 10));
    assert_eq!(bounds(&format!("tasks = 20{scaling}")), (20, 1, 20));
    assert_eq!(bounds(&format!("min-tasks = 4{scaling}")), (4, 4, 10));
    assert_eq!(bounds(&format!("min-tasks = 12{scaling}")), (12, 12, 12));
    assert_eq!(bounds("tasks = 3\nmax-tasks = 5"), (3, 3, 5));
}

#[test]
fn step_scaling() {
    let read = policies(concat!(
        "[[stacks.x.scaling]]\npolicy = \"step\"\nmetric = \"cpu-utilization\"\nstatistic = \"maximum\"\n",
        "comparison = \"<=\"\nthreshold = 20\nperiod = \"5m\"\nevaluation-periods = 3\n",
        "datapoints-to-alarm = 2\nmissing-data = \"not-breaching\"\n",
        "adjustment = \"percent-change-in-capacity\"\nmin-adjustment = 2\ncooldown = \"2m\"\n",
        "steps = [{ to = -10, change = -50 }, { from = -10, to = 0, change = -10 }]",
    ));
    let alarm = Alarm {
        metric: AlarmMetric::CpuUtilization,
        statistic: Statistic::Maximum,
        comparison: Comparison::AtMost,
        threshold: 20.0,
        period: 5 * MINUTE,
        evaluation_periods: 3,
        datapoints_to_alarm: 2,
        missing_data: MissingData::NotBreaching,
    };
    let steps = vec![
        Step { lower: None, upper: Some(-10.0), change: -50 },
        Step { lower: Some(-10.0), upper: Some(0.0), change: -10 },
    ];
    let adjustment = Adjustment::PercentChangeInCapacity;
    let step = StepScaling { alarm, adjustment, steps, cooldown: 2 * MINUTE, min_adjustment: 2 };
    assert_eq!(read, [ScalingPolicy::Step(step)]);
}

#[test]
fn a_step_policy_has_defaults() {
    let read = policies(
        "[[stacks.x.scaling]]\npolicy = \"step\"\nmetric = \"visible-messages\"\nthreshold = 100\nevaluation-periods = 2\nsteps = [{ from = 0, change = 5 }]",
    );
    let [ScalingPolicy::Step(step)] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!((step.alarm.period, step.alarm.datapoints_to_alarm), (MINUTE, 2));
    assert_eq!((step.alarm.comparison, step.alarm.statistic), (Comparison::AtLeast, Statistic::Average));
    assert_eq!((step.adjustment, step.cooldown), (Adjustment::ChangeInCapacity, 5 * MINUTE));
}

#[test]
fn tracking_and_scheduled_policies() {
    let read = policies(concat!(
        "[[stacks.x.scaling]]\npolicy = \"target-tracking\"\nmetric = \"cpu-utilization\"\ntarget = 60\n",
        "scale-out-cooldown = \"1m\"\nscale-in-cooldown = \"10m\"\ndisable-scale-in = true\n",
        "[[stacks.x.scaling]]\npolicy = \"backlog-per-task\"\ntarget = 100\n",
        "[[stacks.x.scaling]]\npolicy = \"scheduled\"\nat = \"1m\"\nmin-tasks = 5\n",
    ));
    let cpu = TargetTracking {
        metric: AlarmMetric::CpuUtilization,
        target: 60.0,
        scale_out_cooldown: MINUTE,
        scale_in_cooldown: 10 * MINUTE,
        disable_scale_in: true,
    };
    let backlog = TargetTracking {
        metric: AlarmMetric::BacklogPerTask,
        target: 100.0,
        scale_out_cooldown: 5 * MINUTE,
        scale_in_cooldown: 5 * MINUTE,
        disable_scale_in: false,
    };
    let action = Scheduled { at: MINUTE, min_tasks: Some(5), max_tasks: None };
    let expected = [
        ScalingPolicy::TargetTracking(cpu),
        ScalingPolicy::TargetTracking(backlog),
        ScalingPolicy::Scheduled(action),
    ];
    assert_eq!(read, expected);
}

#[test]
fn every_key_of_a_lambda_function() {
    let read = lambda(concat!(
        "architecture = \"arm\"\nmemory = \"1769 MB\"\ntimeout = \"20s\"\nruntime = \"java25\"\n",
        "package = \"image\"\ninit = { p50 = \"120ms\", p99 = \"0.3s\" }\nbatch-size = 100\n",
        "batching-window = \"5s\"\nmaximum-concurrency = 50\nreserved-concurrency = 60\n",
        "provisioned-concurrency = 10\npartial-batch-responses = true\nparallel-batch = true",
    ));
    let expected = Lambda {
        architecture: Architecture::Arm,
        memory_mb: 1769,
        timeout: 20 * SECOND,
        runtime: Runtime::Java25,
        package: Package::Image,
        init: Some(InitDuration { p50: 120 * MILLISECOND, p99: 300 * MILLISECOND }),
        batch_size: 100,
        batching_window: 5 * SECOND,
        maximum_concurrency: Some(50),
        provisioned_pollers: None,
        reserved_concurrency: Some(60),
        provisioned_concurrency: 10,
        partial_batch_responses: true,
        parallel_batch: true,
    };
    assert_eq!(read, expected);
    let pollers = lambda("provisioned-pollers = { min = 3 }").provisioned_pollers;
    assert_eq!(pollers, Some(ProvisionedPollers { min: 3, max: 200 }));
}

#[test]
fn every_runtime_can_be_asked_for() {
    for (runtime, name) in Runtime::ALL {
        assert_eq!(lambda(&format!("runtime = \"{name}\"")).runtime, runtime);
    }
}

#[test]
fn every_parameter_can_be_overridden_with_its_own_default() {
    use model::scenario::Setting;
    let mut keys = String::new();
    for belief in Parameters::default().beliefs() {
        let value = match belief.default {
            Setting::Nanos(nanos) => format!("\"{nanos}ns\""),
            Setting::Count(count) => count.to_string(),
            Setting::Number(number) => format!("{number:?}"),
        };
        keys.push_str(&format!("{} = {value}\n", belief.key));
    }
    assert_eq!(read(&format!("{PHASE}{STACKS}[parameters]\n{keys}")).parameters, Parameters::default());
    let faster =
        "[parameters]\nesm-ramp-per-minute = 60\nsqs-metric-lag = \"0s\"\nsqs-duplicate-probability = 1\n";
    let read = read(&format!("{PHASE}{STACKS}{faster}")).parameters;
    assert_eq!((read.esm_ramp_per_minute, read.sqs_metric_lag), (60, 0));
    assert_eq!(read.sqs_duplicate_probability, 1.0);
}

#[test]
fn stacks_are_described_in_one_line() {
    let described = |keys: &str| describe(&stack(keys));
    assert_eq!(
        described(
            "platform = \"ecs\"\n[[stacks.x.scaling]]\npolicy = \"step\"\nmetric = \"visible-messages\"\nthreshold = 1\nsteps = [{ from = 0, change = 5 }]"
        ),
        "Fargate x86, 0.25 vCPU, 512 MB, 1-10 tasks, concurrency 1, batches of 10, step scaling on visible-messages"
    );
    assert_eq!(
        described("platform = \"ecs\"\ntasks = 3\nwait-time = \"0s\"\nbatch-size = 1\npoll = \"slot-free\""),
        "Fargate x86, 0.25 vCPU, 512 MB, 3 tasks, concurrency 1, one message at a time, short polling, polls when a slot is free, no scaling"
    );
    assert_eq!(
        described("platform = \"lambda\"\nreserved-concurrency = 1"),
        "Lambda x86, 512 MB, python3.13, batches of 10, reserved concurrency 1"
    );
    assert_eq!(
        described(
            "platform = \"lambda\"\nmemory = \"1 GB\"\nbatch-size = 1000\nbatching-window = \"5s\"\npackage = \"image\"\narchitecture = \"arm\"\nprovisioned-pollers = { min = 2, max = 20 }"
        ),
        "Lambda arm, 1 GB, python3.13 image, batches of 1,000, batching window 5s, 2-20 provisioned pollers"
    );
}
