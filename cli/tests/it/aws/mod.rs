//! `--target aws` through the binary: queues that really hold messages, workers that really take them, and AWS's other
//! services in the shapes of its API model.

mod faults;
mod faulty;
mod kills;
mod ledger;
mod pace;
mod stage;
mod world;

use crate::lab::{Done, command, folder};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use world::{SECRET, Script, World, utc_ms};

const SCENARIO: &str = "title = \"Small\"\nanalysis = \"A test.\"\ndrain-max = \"60s\"\n\
    [[phases]]\nname = \"even\"\narrivals = \"even\"\nduration = \"4s\"\nrate = 50\n\
    [message]\nwork = \"20ms\"\nbody = [10, 50]\n\
    [stacks.ecs]\nplatform = \"ecs\"\n[stacks.lambda]\nplatform = \"lambda\"\n";

const ARGUMENTS: [&str; 11] = [
    "run",
    "small.toml",
    "--target",
    "aws",
    "--outputs",
    "outputs.json",
    "--out",
    "out",
    "--settle",
    "1s",
    "--no-metrics",
];

/// Runs the binary in that AWS.
#[track_caller]
fn versus(world: &World, place: &Path, arguments: &[&str]) -> Done {
    let output = command(place, arguments).envs(world.environment()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let done =
        Done { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) };
    assert!(!done.err.contains("panicked"), "{}", done.err);
    assert!(!done.err.contains(SECRET) && !done.out.contains(SECRET));
    done
}

/// A service and a function that take from two queues.
fn deployed(name: &str) -> (World, PathBuf) {
    let place = folder(name);
    fs::write(place.join("small.toml"), SCENARIO).unwrap();
    let world = World::new(&["jobs-ecs", "jobs-lambda", "dead"]);
    let (ecs, lambda, dead) =
        (world.queue_url("jobs-ecs"), world.queue_url("jobs-lambda"), world.queue_url("dead"));
    world.outputs(
        &place,
        &[
            &[
                ("StackName", "ecs"),
                ("QueueUrl", &ecs),
                ("DeadLetterQueueUrl", &dead),
                ("Cluster", "blue"),
                ("Service", "worker"),
                ("LogGroup", "/ecs"),
            ],
            &[
                ("StackName", "lambda"),
                ("QueueUrl", &lambda),
                ("Function", "worker"),
                ("LogGroup", "/lambda"),
            ],
        ],
    );
    let mut script = world.script.lock().unwrap();
    let now = utc_ms() as f64 / 1_000.0;
    let task = |arn: &str, status: &str, more: Value| {
        let mut task = json!({"taskArn": arn, "lastStatus": status, "cpu": "256", "memory": "512",
            "launchType": "FARGATE", "createdAt": now - 90.0, "pullStartedAt": now - 80.0, "pullStoppedAt": now - 73.0, "startedAt": now - 70.0,
            "attributes": [{"name": "ecs.cpu-architecture", "value": "arm64"}]});
        task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        (arn.to_owned(), task)
    };
    let taken = json!({"startedAt": now - 65.0, "stopCode": "SpotInterruption", "stoppedReason": "Your Spot Task was interrupted.",
        "stoppingAt": now + 3.0, "stoppedAt": now + 4.0, "capacityProviderName": "FARGATE_SPOT"});
    script.tasks = [task("arn:a", "RUNNING", json!({})), task("arn:b", "STOPPED", taken)].into();
    let activity = |at: f64, count: u64| {
        json!({"ActivityId": "1", "ServiceNamespace": "ecs", "ResourceId": "service/blue/worker",
            "ScalableDimension": "ecs:service:DesiredCount", "Description": format!("Setting desired count to {count}."),
            "Cause": "monitor alarm high in state ALARM triggered policy p", "StartTime": at,
            "StatusCode": "Successful"})
    };
    script.scaling = vec![activity(now + 4.0, 5), activity(now + 3.5, 2), activity(now - 500.0, 1)];
    script.functions = [
        (
            "/2015-03-31/functions/worker/configuration",
            json!({"FunctionName": "worker", "MemorySize": 512, "Timeout": 30, "Architectures": ["arm64"]}),
        ),
        ("/2019-09-30/functions/worker/concurrency", json!({"ReservedConcurrentExecutions": 10})),
        (
            "/2019-09-30/functions/worker/provisioned-concurrency",
            json!({"ProvisionedConcurrencyConfigs": []}),
        ),
        (
            "/2016-08-19/account-settings",
            json!({"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 900}}),
        ),
        (
            "/2015-03-31/event-source-mappings",
            json!({"EventSourceMappings": [
            {"UUID": "u", "BatchSize": 10, "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:jobs-lambda",
             "State": "Enabled"}]}),
        ),
    ]
    .into_iter()
    .map(|(path, answer)| (path.to_owned(), answer))
    .collect();
    drop(script);
    (world, place)
}

/// Lambda's report of the invocation that a record tells of: every tenth had to wait for an initialisation.
fn report(script: &mut Script, group: &str, line: &str) {
    if !line.contains("\"versus\"") {
        return;
    }
    let count = script.logs[group].iter().filter(|(_, _, text)| text.starts_with("REPORT")).count();
    let init = if count.is_multiple_of(10) { "\tInit Duration: 100.00 ms" } else { "" };
    let text = format!(
        "REPORT RequestId: r{count}\tDuration: 20.50 ms\tBilled Duration: 21 ms\tMemory Size: 512 MB\tMax Memory \
         Used: 60 MB{init}\t"
    );
    script.log(group, &text);
}

fn silent(_: &mut Script, _: &str, _: &str) {}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn quantity(place: &Path, stack: &str, item: &str, variant: &str) -> u64 {
    let usage = json_of(&place.join("out").join(stack).join("usage.json"));
    let mut all = usage["metered"].as_array().unwrap().iter();
    let found = all.find(|one| one["item"] == item && one["variant"] == variant);
    found.map_or(0, |one| one["quantity"].as_u64().unwrap())
}

#[test]
fn a_run_on_aws_says_what_was_put_in() {
    let (mut world, place) = deployed("aws-run");
    world.script.lock().unwrap().log_delay_ms = 1_500;
    world.work("jobs-ecs", "/ecs", silent);
    world.work("jobs-lambda", "/lambda", report);
    let done = versus(&world, &place, &ARGUMENTS);
    stage::valid_or_late(&place.join("out"), &done);
    let out = place.join("out");
    let manifest = json_of(&out.join("run.json"));
    for stack in manifest["stacks"].as_array().unwrap() {
        assert_eq!(stack["ledger"]["completed"], 200, "{stack}");
    }
    assert_eq!((&manifest["target"], &manifest["complete"]), (&json!("aws"), &json!(true)));
    // The function: as reported.
    assert_eq!(quantity(&place, "lambda", "lambda-requests", ""), 200);
    assert_eq!(quantity(&place, "lambda", "lambda-duration", "arm"), 200 * 21 * 512);
    let series = fs::read_to_string(out.join("lambda/series.csv")).unwrap();
    let cold: f64 = series
        .lines()
        .filter(|line| line.contains("ColdStarts"))
        .map(|line| line.rsplit(',').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert_eq!(cold, 20.0);
    // The service: one task throughout, one that Spot took.
    let length = quantity(&place, "ecs", "fargate-vcpu", "arm") / 256;
    assert!((4..=60).contains(&length), "{length}");
    assert!(quantity(&place, "ecs", "fargate-spot-memory", "arm") >= 512);
    assert!(quantity(&place, "ecs", "cloudwatch-alarms", "") + 2 >= 2 * length);
    let activities = fs::read_to_string(out.join("ecs/activities.csv")).unwrap();
    for said in ["interruption", "Your Spot Task was interrupted.", "Setting desired count to 5."] {
        assert!(activities.contains(said), "{activities}");
    }
    assert!(!activities.contains("to 1."), "that was before the run: {activities}");
    // How long tasks took to start.
    let series = fs::read_to_string(out.join("ecs/series.csv")).unwrap();
    for said in ["0,1,TaskProvisioningTime,Seconds,Maximum,10", "0,1,TaskPullTime,Seconds,Maximum,7"] {
        assert!(series.contains(said), "{said}\n{series}");
    }
    let row = done.out.lines().find(|line| line.contains("Longest task start")).unwrap();
    assert!(row.contains("25"), "{row}");
    let page = fs::read_to_string(out.join("report.html")).unwrap().replace('\u{a0}', " ");
    assert!(page.contains("2 tasks took 20 s to 25 s to start"));
    assert!(page.contains("rests on no beliefs about AWS but the price list"));
    // What measuring took is apart.
    let measured = manifest["measurement"]["metered"].to_string();
    assert!(done.out.contains("Measuring cost $0.0000") && done.out.contains(" requests)"), "{}", done.out);
    assert!(measured.contains("attributes") && !measured.contains("cloudwatch-metrics"), "{measured}");
    nothing_holds_the_secret(&place);
}

/// Everything that was written, by any part.
fn nothing_holds_the_secret(place: &Path) {
    for (name, bytes) in crate::lab::tree(place) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(SECRET) && !text.contains("AKIAPLANTED"), "{name} holds a secret");
    }
}

#[test]
fn the_doctor_finds_what_would_spoil_a_run() {
    let (world, place) = deployed("aws-doctor");
    let group = |name: &str| world.script.lock().unwrap().log(name, "hello");
    group("/ecs");
    group("/lambda");
    let doctor = ["doctor", "small.toml", "--outputs", "outputs.json"];
    let done = versus(&world, &place, &doctor);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    for said in [
        "arn:aws:iam::123456789012:user/tester in account 123456789012",
        "clock: SQS is ",
        "900 of 1000 are unreserved",
        "sqs:SendMessage: allowed",
        "queue tag: carries versus",
        "service: 1 of 2 tasks run",
        "log delivery: lines arrive within 0.0 s",
        "reserved concurrency is 10, the scenario's 0",
        "AWS advises 6 times the function's timeout, 180 s",
        "A run can work",
    ] {
        assert!(done.out.contains(said), "{said}\n{}", done.out);
    }
    assert!(!done.out.contains("WRONG"), "{}", done.out);

    world.sqs("UntagQueue", &json!({"QueueUrl": world.queue_url("jobs-ecs"), "TagKeys": ["versus"]}));
    world.script.lock().unwrap().refuse = Some(("FilterLogEvents", "AccessDeniedException"));
    let done = versus(&world, &place, &doctor);
    assert_eq!(done.code, 4, "{}{}", done.out, done.err);
    for said in ["--allow-queue", "allow logs:FilterLogEvents for these credentials", "A run cannot work"] {
        assert!(done.out.contains(said), "{said}\n{}", done.out);
    }
    nothing_holds_the_secret(&place);
}

#[test]
fn a_dry_run_on_aws_says_what_it_would_call_and_cost() {
    let (world, place) = deployed("aws-dry");
    let arguments = ["run", "small.toml", "--target", "aws", "--outputs", "outputs.json", "--dry-run"];
    let done = versus(&world, &place, &arguments);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    for said in
        ["sqs:SendMessageBatch", "cloudwatch:GetMetricData", "95 % of runs", "would send to http://127.0.0.1"]
    {
        assert!(done.out.contains(said), "{said}\n{}", done.out);
    }
    assert!(world.script.lock().unwrap().asked.is_empty(), "nobody was asked");
}

#[test]
fn a_run_ends_before_it_costs_too_much() {
    let (mut world, place) = deployed("aws-cost");
    world.work("jobs-ecs", "/ecs", silent);
    world.work("jobs-lambda", "/lambda", report);
    let arguments = [&ARGUMENTS[..], &["--max-cost", "0.00001", "--empty-for", "1s"]].concat();
    let done = versus(&world, &place, &arguments);
    assert_eq!(done.code, 4, "cut short: {}{}", done.out, done.err);
    for said in ["is expected to cost", "and --max-cost is 0.0000", "sends no more"] {
        assert!(done.err.contains(said), "{said}\n{}", done.err);
    }
    let manifest = json_of(&place.join("out/run.json"));
    let ledger = &manifest["stacks"][0]["ledger"];
    let done = ledger["completed"].as_u64().unwrap();
    assert!(done < 200, "{ledger}");
    assert_eq!((&ledger["lost"], &manifest["complete"]), (&json!(0), &json!(false)));
}

/// What a dry run expects all stacks to cost.
fn expected_cost(world: &World, place: &Path, more: &[&str]) -> f64 {
    let dry = ["run", "small.toml", "--target", "aws", "--outputs", "outputs.json", "--dry-run"];
    let done = versus(world, place, &[&dry[..], more].concat());
    let line = done.out.lines().find(|line| line.trim_start().starts_with("together")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Of workers that print nothing only the queue tells whether they keep up.
#[test]
fn a_silent_stack_that_falls_behind_ends_the_load_in_time() {
    let load = "arrivals = \"even\"\nduration = \"8s\"\nrate = 50";
    for works in [true, false] {
        let mut stage = stage::Stage::new(&format!("aws-silent-{works}"), load, faulty::Odds::default());
        if works {
            for (_, queue, _) in stage::STACKS {
                stage.world.work(queue, "/elsewhere", silent);
            }
        }
        for (_, _, group) in stage::STACKS {
            stage.world.script.lock().unwrap().log(group, "an ordinary line");
        }
        // A drain of twenty minutes would cost twenty times a minute's.
        let more = ["--set", "drain-max=20m"];
        let usd = (expected_cost(&stage.world, &stage.place, &more) * 4.0).to_string();
        let going = stage.begin(&[&stage::ARGUMENTS[..], &more, &["--max-cost", &usd]].concat());
        let said = || fs::read_to_string(stage.place.join("stderr")).unwrap();
        if works {
            let done = going.ends_within(60);
            assert!(!done.err.contains("sends no more"), "{}", done.err);
            continue;
        }
        stage::wait_until("the load is ended", 20, || said().contains("sends no more"));
        assert!(said().contains("US dollars are spent, and --max-cost is"), "{}", said());
        going.signal("-INT");
        std::thread::sleep(std::time::Duration::from_millis(500));
        going.signal("-INT");
        going.ends_within(10);
        let planned = json_of(&stage.out().join("run.json"))["planned"].as_u64().unwrap();
        assert!((stage.queues.taken().len() as u64) < 2 * planned, "before the last was sent");
    }
}

/// A run of which every task took 24 to 31 s to come, 10 to pull and 4 to start.
#[test]
fn what_tasks_took_to_start_is_what_a_simulation_then_believes() {
    let (mut world, place) = deployed("aws-calibrate");
    let now = utc_ms() as f64 / 1_000.0;
    let task = |i: u32| {
        let (arn, created) = (format!("arn:{i}"), now - 200.0 + f64::from(i));
        let pull = created + 24.0 + f64::from(i);
        let task = json!({"taskArn": arn, "lastStatus": "RUNNING", "cpu": "256", "memory": "512",
            "launchType": "FARGATE", "createdAt": created, "pullStartedAt": pull, "pullStoppedAt": pull + 10.0,
            "startedAt": pull + 14.0});
        (arn, task)
    };
    world.script.lock().unwrap().tasks = (0..8).map(task).collect();
    world.work("jobs-ecs", "/ecs", silent);
    world.work("jobs-lambda", "/lambda", report);
    let done = versus(&world, &place, &ARGUMENTS);
    stage::valid_or_late(&place.join("out"), &done);
    let done = versus(&world, &place, &["calibrate", "out", "--out", "beliefs.toml"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    let beliefs = fs::read_to_string(place.join("beliefs.toml")).unwrap();
    for said in [
        "# created to pull started of 8 tasks of ecs",
        "parameters.ecs-provisioning-min = \"23125000us\"",
        // 200 MB in 10 s.
        "parameters.ecs-pull-mb-per-second = 20.000",
        "parameters.ecs-pull-spread = 0.000",
        "parameters.ecs-start-max = \"4000000us\"",
    ] {
        assert!(beliefs.contains(said), "{said}\n{beliefs}");
    }
    let (_, table) = done.out.split_once("Task start").unwrap();
    let line = table.lines().find(|line| line.starts_with("ecs p50")).unwrap();
    let errors: Vec<f64> = line
        .split_whitespace()
        .filter(|word| word.starts_with(['+', '-']))
        .map(|word| word.parse::<f64>().unwrap().abs())
        .collect();
    assert!(errors[0] > 10.0 && errors[1] < 5.0, "{line}");
    let simulate = ["run", "small.toml", "--set-file", "beliefs.toml", "--out", "sim", "-q"];
    assert_eq!(versus(&world, &place, &simulate).code, 0);
}

/// Workers that print nothing, as most do.
#[test]
fn a_worker_that_tells_nothing_still_gets_throughput_backlog_and_cost() {
    let (mut world, place) = deployed("aws-silent");
    world.work("jobs-ecs", "/elsewhere", silent);
    world.work("jobs-lambda", "/elsewhere-too", silent);
    for group in ["/ecs", "/lambda"] {
        world.script.lock().unwrap().log(group, "an ordinary line");
    }
    let arguments = [&ARGUMENTS[..], &["--empty-for", "3s"]].concat();
    let done = versus(&world, &place, &arguments);
    stage::valid_or_late(&place.join("out"), &done);
    let manifest = json_of(&place.join("out/run.json"));
    for stack in manifest["stacks"].as_array().unwrap() {
        assert_eq!(stack["ledger"]["completed"], 200, "{stack}");
    }
    let checks = manifest["checks"].to_string();
    assert!(checks.contains("no worker tells of its messages, so there are no latencies"), "{checks}");
    assert!(quantity(&place, "ecs", "fargate-vcpu", "arm") > 0);
}

#[test]
fn seeders_on_several_machines_send_one_plan() {
    shards("aws-shards", false);
}

#[test]
fn what_seeders_send_beside_a_collection_is_collected() {
    shards("aws-shards-beside", true);
}

/// Two seeders send parts of a plan; whoever collects begins `beside` them, or when they are done.
fn shards(name: &str, beside: bool) {
    let (mut world, place) = deployed(name);
    world.work("jobs-ecs", "/ecs", silent);
    world.work("jobs-lambda", "/lambda", report);
    let queues =
        ["ecs", "lambda"].map(|stack| format!("{stack}={}", world.queue_url(&format!("jobs-{stack}"))));
    let start =
        humantime::format_rfc3339(std::time::UNIX_EPOCH + std::time::Duration::from_millis(utc_ms() + 4_000));
    let seed = |index: &str, out: &str| {
        let arguments = [
            "seed",
            "small.toml",
            "--queue",
            &queues[0],
            "--queue",
            &queues[1],
            "--start-at",
            &start.to_string(),
            "--out",
            out,
            "-q",
        ];
        let mut seeder = command(&place, &arguments);
        seeder.envs(world.environment()).env("AWS_BATCH_JOB_ARRAY_INDEX", index);
        seeder.env("AWS_BATCH_JOB_ARRAY_SIZE", "2").spawn().unwrap()
    };
    let mut seeders = [seed("0", "a"), seed("1", "b")];
    if beside {
        let has_sent = |part: &str| place.join(part).join("ecs/journal/sends.csv").exists();
        stage::wait_until("both send", 20, || has_sent("a") && has_sent("b"));
    } else {
        assert!(seeders.iter_mut().all(|seeder| seeder.wait().unwrap().success()));
    }
    let arguments = [
        "collect",
        "a",
        "--sends",
        "b",
        "--outputs",
        "outputs.json",
        "--settle",
        "1s",
        "--empty-for",
        "1s",
        "--no-metrics",
    ];
    let done = versus(&world, &place, &arguments);
    stage::valid_or_late(&place.join("a"), &done);
    assert_eq!(done.err.contains("200 sends of other seeders"), !beside, "{}", done.err);
    assert!(seeders.iter_mut().all(|seeder| seeder.wait().unwrap().success()));
    for stack in json_of(&place.join("a/run.json"))["stacks"].as_array().unwrap() {
        assert_eq!(stack["ledger"]["completed"], 200, "{stack}");
    }
}

/// ECS forgets a task an hour after its end.
#[test]
fn tasks_that_were_seen_before_a_kill_are_billed_after_it() {
    let (mut world, place) = deployed("aws-tasks");
    world.work("jobs-ecs", "/ecs", silent);
    world.work("jobs-lambda", "/lambda", report);
    let queues =
        ["ecs", "lambda"].map(|stack| format!("{stack}={}", world.queue_url(&format!("jobs-{stack}"))));
    let seed = ["seed", "small.toml", "--queue", &queues[0], "--queue", &queues[1], "--out", "out", "-q"];
    let done = versus(&world, &place, &seed);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    let started = json_of(&place.join("out/journal.json"))["started-ns"].as_u64().unwrap();
    let task = json!({"created": started, "pull-started": started + 1_000_000_000_u64, "started": started,
        "stopping": null, "stopped": started + 3_000_000_000_u64, "cpu-units": 1024, "memory-mb": 2048,
        "capacity": "FARGATE", "arm": false, "interrupted": null});
    fs::write(place.join("out/ecs/journal/tasks.json"), json!({"all": {"arn:gone": task}}).to_string())
        .unwrap();
    let collect = [
        "collect",
        "out",
        "--outputs",
        "outputs.json",
        "--settle",
        "1s",
        "--empty-for",
        "1s",
        "--no-metrics",
        "-q",
    ];
    let done = versus(&world, &place, &collect);
    stage::valid_or_late(&place.join("out"), &done);
    // Two seconds, billed as a minute; the tasks that ECS still knows are arm.
    assert_eq!(quantity(&place, "ecs", "fargate-vcpu", "x86"), 60 * 1024);
    assert!(quantity(&place, "ecs", "fargate-vcpu", "arm") > 0);
}
