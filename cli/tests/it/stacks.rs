//! `versus stacks`: the parameters agree with the scenario and with the templates; what cannot be deployed is said.

use crate::lab::{Done, expect, folder, root};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What only the operator knows.
const OPERATOR: [(&str, &[&str]); 2] = [
    ("ecs", &["AssignPublicIp", "Image", "LogRetention", "SecurityGroups", "Subnets"]),
    ("lambda", &["Image", "LogFormat", "LogRetention"]),
];
/// All keys of an ECS stack that a template knows, none at its default.
const ECS: &str = r#"
launch-type = "fargate-spot"
architecture = "arm"
cpu = 2
memory = "5 GB"
stop-timeout = "90s"
tasks = 3
min-tasks = 2
max-tasks = 9
batch-size = 7
wait-time = "5s"
visibility-timeout = "45s"
concurrency = 4
delete = "batch"
idle-sleep = "250ms"
drains-on-sigterm = false
queue = { visibility-timeout = "3m", retention = "1h", delay = "2s", max-receive-count = 6 }

[[stacks.a.scaling]]
policy = "step"
metric = "oldest-message-age"
statistic = "maximum"
comparison = ">"
threshold = 12.5
period = "2m"
evaluation-periods = 4
datapoints-to-alarm = 3
missing-data = "not-breaching"
adjustment = "percent-change-in-capacity"
min-adjustment = 2
cooldown = "90s"
steps = [{ from = 10, to = 20.5, change = 20 }, { from = 0, to = 10, change = 10 }, { from = 20.5, change = 40 }]

[[stacks.a.scaling]]
policy = "step"
metric = "not-visible-messages"
comparison = "<"
threshold = 5
steps = [{ to = -2, change = -3 }, { from = -2, to = 0, change = -1 }]

[[stacks.a.scaling]]
policy = "backlog-per-task"
target = 80
scale-out-cooldown = "1m"
scale-in-cooldown = "10m"
disable-scale-in = true
"#;
const LAMBDA: &str = r#"
architecture = "arm"
memory = "1769 MB"
timeout = "25s"
batch-size = 100
batching-window = "3s"
maximum-concurrency = 60
reserved-concurrency = 70
provisioned-concurrency = 8
partial-batch-responses = true
parallel-batch = true
"#;

/// A scenario of an ECS stack `a` and a Lambda stack `b` with these keys.
fn scenario(place: &Path, ecs: &str, lambda: &str) {
    let text = format!(
        "[[phases]]\nname = \"p\"\narrivals = \"even\"\nduration = \"1m\"\nrate = 1\n\
         [stacks.a]\nplatform = \"ecs\"\n{ecs}\n[stacks.b]\nplatform = \"lambda\"\n{lambda}\n"
    );
    let head = "title = \"t\"\nanalysis = \"a\"\nregion = \"eu-north-1\"\n";
    fs::write(place.join("s.toml"), format!("{head}{text}")).unwrap();
}

fn write(place: &Path, more: &[&str]) -> Done {
    expect(0, place, &[&["stacks", "s.toml", "--out", "out"], more].concat())
}

fn parameters(place: &Path, stack: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(place.join(format!("out/{stack}.parameters.json"))).unwrap();
    let list: Vec<BTreeMap<String, String>> = serde_json::from_str(&text).unwrap();
    let read: BTreeMap<String, String> =
        list.iter().map(|it| (it["ParameterKey"].clone(), it["ParameterValue"].clone())).collect();
    assert_eq!(read.len(), list.len(), "a parameter is written twice");
    read
}

#[track_caller]
fn assert_parameters(place: &Path, stack: &str, expected: &[(&str, &str)]) {
    let expected = expected.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    assert_eq!(parameters(place, stack), expected);
}

/// The keys of a block of a template, with the first line of those that have none above them.
fn block(template: &str, name: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(format!("stacks/{template}.yaml"))).unwrap();
    let lines = text.lines().skip_while(|line| *line != format!("{name}:")).skip(1);
    let inside = lines.take_while(|line| line.is_empty() || line.starts_with(' '));
    let keys = inside.filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
    keys.filter(|key| key.chars().all(char::is_alphanumeric)).map(String::from).collect()
}

#[test]
fn every_key_of_an_ecs_stack_becomes_its_parameter() {
    let place = folder("stacks-ecs");
    scenario(&place, ECS, "");
    write(&place, &[]);
    assert_parameters(
        &place,
        "a",
        &[
            ("StackName", "a"),
            ("QueueVisibilityTimeout", "180"),
            ("QueueRetention", "3600"),
            ("QueueDelay", "2"),
            ("QueueMaxReceiveCount", "6"),
            ("LaunchType", "FARGATE_SPOT"),
            ("Architecture", "ARM64"),
            ("Cpu", "2048"),
            ("Memory", "5120"),
            ("StopTimeout", "90"),
            ("Tasks", "3"),
            ("MinTasks", "2"),
            ("MaxTasks", "9"),
            ("BatchSize", "7"),
            ("WaitTime", "5"),
            ("VisibilityTimeout", "45"),
            ("Concurrency", "4"),
            ("Poll", "all-done"),
            ("Delete", "batch"),
            ("IdleSleep", "250"),
            ("DrainsOnSigterm", "0"),
            ("ScaleOutMetric", "ApproximateAgeOfOldestMessage"),
            ("ScaleOutStatistic", "Maximum"),
            ("ScaleOutComparison", "GreaterThanThreshold"),
            ("ScaleOutThreshold", "12.5"),
            ("ScaleOutPeriod", "120"),
            ("ScaleOutEvaluationPeriods", "4"),
            ("ScaleOutDatapointsToAlarm", "3"),
            ("ScaleOutMissingData", "notBreaching"),
            ("ScaleOutAdjustment", "PercentChangeInCapacity"),
            ("ScaleOutMinAdjustment", "2"),
            ("ScaleOutCooldown", "90"),
            ("ScaleOutChange1", "10"),
            ("ScaleOutFrom2", "10"),
            ("ScaleOutChange2", "20"),
            ("ScaleOutFrom3", "20.5"),
            ("ScaleOutChange3", "40"),
            ("ScaleOutFrom4", ""),
            ("ScaleOutChange4", ""),
            ("ScaleInMetric", "ApproximateNumberOfMessagesNotVisible"),
            ("ScaleInStatistic", "Average"),
            ("ScaleInComparison", "LessThanThreshold"),
            ("ScaleInThreshold", "5"),
            ("ScaleInPeriod", "60"),
            ("ScaleInEvaluationPeriods", "1"),
            ("ScaleInDatapointsToAlarm", "1"),
            ("ScaleInMissingData", "missing"),
            ("ScaleInAdjustment", "ChangeInCapacity"),
            ("ScaleInMinAdjustment", "1"),
            ("ScaleInCooldown", "300"),
            ("ScaleInChange1", "-1"),
            ("ScaleInTo2", "-2"),
            ("ScaleInChange2", "-3"),
            ("ScaleInTo3", ""),
            ("ScaleInChange3", ""),
            ("ScaleInTo4", ""),
            ("ScaleInChange4", ""),
            ("TargetTrackingMetric", "BacklogPerTask"),
            ("TargetTrackingTarget", "80"),
            ("TargetTrackingScaleOutCooldown", "60"),
            ("TargetTrackingScaleInCooldown", "600"),
            ("TargetTrackingDisableScaleIn", "true"),
        ],
    );
}

#[test]
fn every_key_of_a_lambda_stack_becomes_its_parameter() {
    let place = folder("stacks-lambda");
    scenario(&place, "", LAMBDA);
    write(&place, &[]);
    let mut expected = vec![
        ("StackName", "b"),
        ("QueueVisibilityTimeout", "30"),
        ("QueueRetention", "345600"),
        ("QueueDelay", "0"),
        ("QueueMaxReceiveCount", ""),
        ("Architecture", "arm64"),
        ("Memory", "1769"),
        ("Timeout", "25"),
        ("ReservedConcurrency", "70"),
        ("ProvisionedConcurrency", "8"),
        ("ParallelBatch", "1"),
        ("BatchSize", "100"),
        ("BatchingWindow", "3"),
        ("MaximumConcurrency", "60"),
        ("ProvisionedPollersMin", ""),
        ("PartialBatchResponses", "1"),
    ];
    assert_parameters(&place, "b", &expected);
    scenario(&place, "", &LAMBDA.replace("maximum-concurrency = 60", "provisioned-pollers.min = 3"));
    write(&place, &["--force"]);
    expected.retain(|(key, _)| !["MaximumConcurrency", "ProvisionedPollersMin"].contains(key));
    expected.extend([
        ("MaximumConcurrency", ""),
        ("ProvisionedPollersMin", "3"),
        ("ProvisionedPollersMax", "200"),
    ]);
    assert_parameters(&place, "b", &expected);
}

#[test]
fn a_stack_that_does_not_scale_says_so() {
    let place = folder("stacks-plain");
    scenario(&place, "", "");
    write(&place, &[]);
    let plain = parameters(&place, "a");
    for metric in ["ScaleOutMetric", "ScaleInMetric", "TargetTrackingMetric"] {
        assert_eq!(plain[metric], "none");
    }
    assert_eq!(plain["VisibilityTimeout"], "");
    assert_eq!((plain["LaunchType"].as_str(), plain["Architecture"].as_str()), ("FARGATE", "X86_64"));
}

/// Both ways: what is written is known, and what is known is written by somebody.
#[test]
fn the_templates_and_the_parameter_files_know_the_same_parameters() {
    let place = folder("stacks-known");
    scenario(&place, ECS, &LAMBDA.replace("maximum-concurrency = 60", "provisioned-pollers.max = 30"));
    write(&place, &[]);
    for ((template, operator), stack) in OPERATOR.iter().zip(["a", "b"]) {
        let mut all: BTreeSet<String> = parameters(&place, stack).into_keys().collect();
        all.extend(operator.iter().map(|name| (*name).to_owned()));
        assert_eq!(block(template, "Parameters"), all, "{template}.yaml");
        for name in *operator {
            let given = ["--force", "--parameter", &format!("{name}=x")].map(String::from);
            write(&place, &given.each_ref().map(String::as_str));
            assert_eq!(parameters(&place, stack)[*name], "x");
        }
        let written = fs::read(place.join(format!("out/{template}.yaml"))).unwrap();
        assert_eq!(written, fs::read(root().join(format!("stacks/{template}.yaml"))).unwrap());
    }
}

#[test]
fn both_templates_have_the_outputs_that_a_run_reads() {
    let shared = ["StackName", "Platform", "QueueUrl", "QueueArn", "DeadLetterQueueUrl", "LogGroup"];
    let ecs = ["Cluster", "Service", "TaskDefinition"];
    let lambda = ["Function", "EventSourceMapping"];
    for (template, own) in [("ecs", &ecs[..]), ("lambda", &lambda)] {
        let outputs = block(template, "Outputs");
        for name in shared.iter().chain(own) {
            assert!(outputs.contains(*name), "{template}.yaml has no output {name}");
        }
    }
}

/// Each parameter has its row in the table of stacks/README.md, and each row its parameter.
#[test]
fn the_readme_lists_every_parameter() {
    let readme = fs::read_to_string(root().join("stacks/README.md")).unwrap();
    let cells = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").nth(1));
    let listed: BTreeSet<String> =
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(String::from).collect();
    let known: BTreeSet<String> =
        ["ecs", "lambda"].iter().flat_map(|template| block(template, "Parameters")).collect();
    let operator = OPERATOR.iter().flat_map(|(_, names)| *names).map(|name| (*name).to_owned());
    let known: BTreeSet<String> = known.difference(&operator.collect()).cloned().collect();
    assert_eq!(listed, known);
}

#[test]
fn what_has_no_counterpart_is_said() {
    let place = folder("stacks-notes");
    scenario(
        &place,
        "image-size = \"90 MB\"\nwarm-start = false\nprovisioning = \"none\"\ncommand = [\"x\"]",
        "runtime = \"rust\"\ninit = { p50 = \"1s\", p99 = \"2s\" }\nlog-bytes-per-message = \"7 B\"",
    );
    let faults = r#"faults=[{fault="worker-crash",at="10s"}]"#;
    let belief = "parameters.sqs-receive-median=\"9ms\"";
    let done = write(&place, &["--set", faults, "--set", belief]);
    for words in [
        "a: image-size (90 MB)",
        "a: warm-start",
        "a: provisioning",
        "a: command",
        "a: log-bytes-per-message (200)",
        "b: log-bytes-per-message (7)",
        "b: runtime (rust)",
        "b: package is simulated as \"zip\"",
        "b: init",
        "faults: none of the 1",
        "parameters: only a simulation believes sqs-receive-median",
        "a: still needs --parameter Image=... --parameter Subnets=... --parameter SecurityGroups=...",
        "b: still needs --parameter Image=...",
    ] {
        assert!(done.err.contains(words), "{words:?} is missing in: {}", done.err);
    }
    let quiet = write(&place, &["--force", "--set", "stacks.b.package=\"image\"", "--parameter", "Image=x"]);
    for words in ["b: package", "Image=...", "faults", "believes"] {
        assert!(!quiet.err.contains(words), "{words:?} is in: {}", quiet.err);
    }
}

#[test]
fn what_cannot_be_deployed_is_an_error_and_writes_nothing() {
    let place = folder("stacks-errors");
    let step = "policy=\"step\",metric=\"visible-messages\",threshold=1";
    let five = "[{from=0,to=1,change=1},{from=1,to=2,change=1},{from=2,to=3,change=1},{from=3,to=4,change=1},\
                {from=4,change=1}]";
    let cases = [
        (
            "launch-type = \"ec2\"\nec2 = { instance-type = \"m5.large\" }".to_owned(),
            "stacks.a.launch-type: the template has no instances; write \"fargate\"",
        ),
        ("idle-sleep = \"1500us\"".into(), "stacks.a.idle-sleep: the worker sleeps whole milliseconds"),
        (
            "scaling = [{policy=\"scheduled\",at=\"10s\",min-tasks=2}]".into(),
            "stacks.a.scaling.0: counts from the start of a run",
        ),
        (
            format!(
                "scaling = [{{{step},steps=[{{from=0,change=1}}]}},{{{step},steps=[{{from=0,change=2}}]}}]"
            ),
            "stacks.a.scaling.1: the template has room for one step policy above a threshold, and scaling.0 is one",
        ),
        (
            "scaling = [{policy=\"backlog-per-task\",target=1},{policy=\"backlog-per-task\",target=2}]"
                .into(),
            "stacks.a.scaling.1: the template has room for one target",
        ),
        (
            format!("scaling = [{{{step},steps={five}}}]"),
            "stacks.a.scaling.0.steps: are 5, and the template has",
        ),
    ];
    for (keys, words) in cases {
        scenario(&place, &keys, "");
        let done = expect(2, &place, &["stacks", "s.toml", "--out", "out"]);
        assert!(done.err.contains(words), "{words:?} is missing in: {}", done.err);
        assert!(done.out.is_empty() && !place.join("out").exists(), "{keys}");
    }
}

#[test]
fn a_parameter_that_nobody_takes_is_a_usage_error() {
    let place = folder("stacks-given");
    scenario(&place, "", "");
    for (given, words) in [
        ("Memory=512", "no stack takes this from the operator; write AssignPublicIp, Image,"),
        ("Imgae=x", "change the scenario with --set"),
        ("Image", "write a parameter and its value"),
    ] {
        let done = expect(2, &place, &["stacks", "s.toml", "--out", "out", "--parameter", given]);
        assert!(done.err.contains(words), "{}", done.err);
    }
    let twice = ["stacks", "s.toml", "--parameter", "Image=x", "--parameter", "Image=y"];
    assert!(expect(2, &place, &twice).err.contains("is given twice"));
    // Subnets are for ECS only.
    write(&place, &["--parameter", "Subnets=subnet-1,subnet-2"]);
    assert_eq!(parameters(&place, "a")["Subnets"], "subnet-1,subnet-2");
    assert!(!parameters(&place, "b").contains_key("Subnets"));
}

#[test]
fn a_folder_is_written_over_only_with_force() {
    let place = folder("stacks-folder");
    expect(0, &place, &["stacks", "smoke.toml"]);
    let files = |folder: &str| -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(place.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let all = ["ecs.parameters.json", "ecs.yaml", "lambda.parameters.json", "lambda.yaml", "operator.yaml"];
    assert_eq!(files("stacks-smoke"), all);
    let done = expect(1, &place, &["stacks", "smoke.toml"]);
    assert!(done.err.contains("stacks-smoke is not empty"), "{}", done.err);
    expect(0, &place, &["stacks", "smoke.toml", "--force", "--set", "stacks.lambda.memory=\"1 GB\""]);
    let text = fs::read_to_string(place.join("stacks-smoke/lambda.parameters.json")).unwrap();
    let list: Value = serde_json::from_str(&text).unwrap();
    assert!(list.as_array().unwrap().iter().any(|it| it["ParameterValue"] == "1024"), "{list}");
    fs::write(place.join("file"), "").unwrap();
    assert!(expect(1, &place, &["stacks", "smoke.toml", "--out", "file/x"]).err.contains("is a file"));
}

#[test]
fn the_commands_name_region_files_and_overrides() {
    let place = folder("stacks-commands");
    scenario(&place, "", "");
    let done = write(&place, &["--set", "message.work=\"30 ms\""]);
    for words in [
        "--region eu-north-1 --stack-name versus-s-a --template-body file://out/ecs.yaml",
        "aws cloudformation delete-stack --region eu-north-1 --stack-name versus-s-b",
        "versus run s.toml --target aws --outputs out/outputs.json --set 'message.work=\"30 ms\"'",
        "\"Queues=$(output versus-s-a QueueArn),$(output versus-s-b QueueArn)\"",
        "\"Functions=$(output versus-s-b FunctionArn)\"",
    ] {
        assert!(done.out.contains(words), "{words:?} is missing in:\n{}", done.out);
    }
    // There are none.
    assert!(!done.out.contains("DeadLetterQueues=") && !done.out.contains("Aliases="), "{}", done.out);
}
