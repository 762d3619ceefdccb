//! What goes wrong around a run: each ends in a complete ledger or a named reason, and never in a hang.

use super::faulty::{Mood, Odds};
use super::silent;
use super::stage::{
    ARGUMENTS, COLLECT, STACKS, Stage, check, failed_but_for_time, failed_checks, ledgers,
    nothing_holds_a_secret, valid_or_late, wait_until,
};
use super::world::Script;
use crate::lab::Done;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// Messages of a run, and its load.
const PLANNED: u64 = 120;
const LOAD: &str = "arrivals = \"even\"\nduration = \"3s\"\nrate = 40";

const CAME: &str = "what AWS logged and measured has come";

fn stage(name: &str) -> Stage {
    Stage::new(name, LOAD, Odds::default())
}

/// Waits until a good part of the load is on its way.
fn half_way(stage: &Stage) {
    wait_until("messages are sent", 20, || stage.queues.taken().len() as u64 > PLANNED / 2);
}

fn expired(_: &str) -> Value {
    json!({"__type": "com.amazon.coral.service#ExpiredTokenException",
        "message": "The security token included in the request is expired"})
}

#[track_caller]
fn count(stage: &Stage, stack: &str, outcome: &str) -> u64 {
    ledgers(&stage.out())[stack][outcome].as_u64().unwrap()
}

#[track_caller]
fn says(done: &Done, words: &[&str]) {
    for word in words {
        assert!(done.err.contains(word), "{word:?} is not in {}", done.err);
    }
}

#[test]
fn credentials_that_expire_are_named_and_renewed_ones_complete_the_ledger() {
    let mut stage = stage("aws-expired");
    stage.work();
    let going = stage.begin(&ARGUMENTS);
    half_way(&stage);
    stage.queues.turn(Mood::Refuses(expired));
    stage.world.script.lock().unwrap().refuse = Some(("", "ExpiredTokenException"));
    let done = going.ends_within(30);
    assert_eq!(done.code, 1, "{}", done.err);
    says(
        &done,
        &["ExpiredTokenException", "renew the credentials, then collect the run again", "out is incomplete"],
    );
    stage.queues.turn(Mood::Fair);
    stage.world.script.lock().unwrap().refuse = None;
    let done = stage.play(&COLLECT);
    assert_eq!(done.code, 4, "{}", done.err);
    for (stack, (done, _)) in ["ecs", "lambda"].into_iter().zip(stage.holds_what_workers_told()) {
        assert!((1..PLANNED).contains(&done), "{stack}: {done}");
        assert_eq!(count(&stage, stack, "lost"), PLANNED - done, "what was refused is lost");
    }
    let (passed, why) = check(&stage.out(), "no message was lost");
    assert!(!passed && why.contains("never taken by the queue (ExpiredTokenException)"), "{why}");
    assert!(check(&stage.out(), CAME).0, "what could not be asked could be in the end");
}

#[test]
fn logs_that_can_be_read_only_later_are_read_later() {
    let mut stage = stage("aws-logs-expired");
    stage.work();
    let going = stage.begin(&ARGUMENTS);
    half_way(&stage);
    stage.world.script.lock().unwrap().refuse = Some(("FilterLogEvents", "ExpiredTokenException"));
    let done = going.ends_within(30);
    assert_eq!(done.code, 4, "{}", done.err);
    says(&done, &["logs:FilterLogEvents was refused: ExpiredTokenException", "collect the run again"]);
    let (passed, why) = check(&stage.out(), CAME);
    assert!(!passed && why.contains("logs:FilterLogEvents was refused: ExpiredTokenException"), "{why}");
    // As it was told to do.
    stage.world.script.lock().unwrap().refuse = None;
    let done = stage.play(&COLLECT);
    valid_or_late(&stage.out(), &done);
    assert_eq!(stage.holds_what_workers_told(), [(PLANNED, 0); 2]);
}

#[test]
fn an_action_that_is_denied_is_named_with_its_permission() {
    for (action, permission) in [
        ("DescribeTasks", "ecs:DescribeTasks"),
        ("DescribeScalingActivities", "application-autoscaling:DescribeScalingActivities"),
    ] {
        let mut stage = stage(&format!("aws-denied-{action}"));
        stage.work();
        stage.world.script.lock().unwrap().refuse = Some((action, "AccessDeniedException"));
        let done = stage.play(&ARGUMENTS);
        assert_eq!(done.code, 4, "{}", done.err);
        let remedy = format!("allow {permission} for these credentials");
        says(&done, &[&remedy, "going on without"]);
        assert_eq!(failed_but_for_time(&stage.out()), [CAME]);
        let why = check(&stage.out(), CAME).1;
        assert!(why.contains(&remedy), "{why}");
        assert_eq!(stage.holds_what_workers_told(), [(PLANNED, 0); 2]);
    }
}

#[test]
fn a_queue_that_is_deleted_ends_the_run_and_is_named() {
    let mut stage = stage("aws-deleted");
    stage.work();
    let going = stage.begin(&ARGUMENTS);
    half_way(&stage);
    stage.world.sqs("DeleteQueue", &json!({"QueueUrl": stage.world.queue_url("jobs-ecs")}));
    let done = going.ends_within(30);
    // It ends with all that is known, or for want of more.
    assert!([1, 4].contains(&done.code), "{}", done.err);
    says(&done, &["jobs-ecs", "sqs:GetQueueAttributes was refused", "The specified queue does not exist"]);
    // What was in the queue is gone with it; the ledger says of each message what is known.
    let ledger = &ledgers(&stage.out())["ecs"];
    let of = |name: &str| ledger[name].as_u64().unwrap();
    let sum = ["completed", "completed-more", "dead-lettered", "failed", "lost", "in-flight"].map(of);
    assert_eq!((of("planned"), sum.iter().sum::<u64>()), (PLANNED, PLANNED), "{ledger}");
    assert!(of("completed") > 0 && of("lost") > 0, "{ledger}");
    let why = check(&stage.out(), "no message was lost").1;
    assert!(
        why.contains("never taken by the queue (NonExistentQueue)") || why.contains("QueueDoesNotExist"),
        "{why}"
    );
}

/// The log takes a line and loses it.
fn forget(script: &mut Script, group: &str, _: &str) {
    script.logs.get_mut(group).unwrap().pop();
}

/// The log loses everything but the first lines.
fn forget_most(script: &mut Script, group: &str, _: &str) {
    script.logs.get_mut(group).unwrap().truncate(50);
}

#[test]
fn a_log_that_stays_empty_leaves_what_the_queue_counts() {
    let mut stage = stage("aws-no-logs");
    for (_, queue, group) in STACKS {
        stage.world.work(queue, group, forget);
    }
    let done = stage.play(&ARGUMENTS);
    assert!([0, 4].contains(&done.code), "{}", done.err);
    for (stack, ..) in STACKS {
        assert_eq!(count(&stage, stack, "completed"), PLANNED, "{stack}");
    }
    let why = check(&stage.out(), "every planned message is accounted for").1;
    assert!(why.contains("counted at the queue: no worker tells of its messages"), "{why}");
}

#[test]
fn a_log_group_that_is_missing_is_named() {
    let mut stage = stage("aws-no-group");
    for (_, queue, _) in STACKS {
        stage.world.work(queue, "/elsewhere", silent);
    }
    let done = stage.play(&ARGUMENTS);
    assert_eq!(done.code, 4, "{}", done.err);
    says(&done, &["reading the log group /ecs; does it exist", "The log group does not exist"]);
    let (passed, why) = check(&stage.out(), CAME);
    assert!(!passed && why.contains("/ecs") && why.contains("/lambda"), "{why}");
    assert_eq!(count(&stage, "ecs", "completed"), PLANNED);
}

#[test]
fn logs_that_never_come_are_counted_as_lost() {
    let mut stage = stage("aws-half-logs");
    for (_, queue, group) in STACKS {
        stage.world.work(queue, group, forget_most);
    }
    let done = stage.play(&ARGUMENTS);
    assert_eq!(done.code, 4, "{}", done.err);
    let (passed, why) = check(&stage.out(), "no message was lost");
    assert!(!passed && why.contains("gone from its queue, but no worker told that it was done"), "{why}");
    for (stack, ..) in STACKS {
        assert_eq!(
            (count(&stage, stack, "completed"), count(&stage, stack, "lost")),
            (50, PLANNED - 50),
            "{stack}"
        );
    }
}

#[test]
fn an_endpoint_that_stalls_for_good_ends_in_a_named_reason() {
    let mut stage = stage("aws-stalled");
    stage.work();
    let going = stage.begin(&ARGUMENTS);
    half_way(&stage);
    stage.queues.turn(Mood::Stalls);
    let done = going.ends_within(45);
    assert_eq!(done.code, 4, "{}", done.err);
    says(&done, &["sqs:GetQueueAttributes got no answer"]);
    let ledger = &ledgers(&stage.out())["ecs"];
    assert!(ledger["completed"].as_u64().unwrap() > 0, "{ledger}");
    assert!(!failed_checks(&stage.out()).is_empty());
    stage.queues.turn(Mood::Fair);
    stage.drained();
    stage.play(&COLLECT);
    stage.holds_what_workers_told();
}

#[test]
fn a_message_whose_send_was_not_answered_is_waited_for() {
    let mut stage = stage("aws-unsure");
    stage.work();
    let going = stage.begin(&[&ARGUMENTS[..], &["--set", "drain-max=60s"]].concat());
    wait_until("most are sent", 20, || stage.queues.taken().len() as u64 > 2 * PLANNED - 40);
    stage.queues.turn(Mood::Stalls);
    std::thread::sleep(Duration::from_millis(1_500));
    going.signal("-INT");
    std::thread::sleep(Duration::from_millis(300));
    going.signal("-INT");
    going.ends_within(20);
    // All that was answered is done with; what was not answered arrives while the run is collected.
    let collect = ["collect", "out", "--settle", "1s", "--empty-for", "4s", "--no-metrics", "-q"];
    let going = stage.begin_with(&collect, &[("AWS_ENDPOINT_URL_SQS", &stage.world.queues)]);
    std::thread::sleep(Duration::from_millis(1_500));
    let before = stage.queues.taken().len();
    stage.queues.turn(Mood::Fair);
    let done = going.ends_within(30);
    valid_or_late(&stage.out(), &done);
    assert!(stage.queues.taken().len() > before, "nothing was on its way");
    for (done, _) in stage.holds_what_workers_told() {
        assert_eq!(done, PLANNED);
    }
}

#[test]
fn an_endpoint_that_nobody_serves_is_named_before_there_is_a_run() {
    let mut stage = stage("aws-nobody");
    // A port of our own on which nobody listens any more.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    stage.queues.url = format!("http://{free}");
    let done = stage.play(&ARGUMENTS);
    assert_eq!(done.code, 1);
    says(&done, &["stack ecs", "sqs:ListQueueTags got no answer"]);
    assert!(!stage.out().exists());
}

#[test]
fn a_queue_that_is_not_ours_is_refused_unless_it_is_named() {
    let mut stage = stage("aws-untagged");
    stage.work();
    let url = stage.world.queue_url("jobs-lambda");
    stage.world.sqs("UntagQueue", &json!({"QueueUrl": url, "TagKeys": ["versus"]}));
    let done = stage.play(&ARGUMENTS);
    assert_eq!(done.code, 1);
    says(&done, &["stack lambda", "does not carry the tag versus", &format!("--allow-queue {url}")]);
    assert!(!stage.out().exists() && stage.queues.taken().is_empty());
    let done = stage.play(&[&ARGUMENTS[..], &["--allow-queue", &url]].concat());
    valid_or_late(&stage.out(), &done);
    assert_eq!(stage.holds_what_workers_told(), [(PLANNED, 0); 2]);
}

#[test]
fn a_queue_that_is_not_empty_is_refused_with_how_to_proceed() {
    let stage = stage("aws-not-empty");
    let url = stage.world.queue_url("jobs-lambda");
    stage.world.sqs("SendMessage", &json!({"QueueUrl": url, "MessageBody": "left over"}));
    let done = stage.play(&[&ARGUMENTS[..], &["--repeat", "2"]].concat());
    assert_eq!(done.code, 1);
    says(
        &done,
        &["stack lambda", "is not empty: 1 waiting", &format!("aws sqs purge-queue --queue-url {url}")],
    );
    assert!(!stage.out().exists() && stage.queues.taken().is_empty());
}

#[test]
fn outputs_that_do_not_fit_are_refused_before_anything_is_asked() {
    let stage = stage("aws-outputs");
    let whole = fs::read_to_string(stage.place.join("outputs.json")).unwrap();
    let mut one: Value = serde_json::from_str(&whole).unwrap();
    one["Stacks"].as_array_mut().unwrap().pop();
    let broken = [
        (one.to_string(), "the outputs name no stack \"lambda\", only ecs"),
        (whole[..whole.len() / 2].to_owned(), "outputs.json is no JSON"),
        ("{\"Stacks\": []}".to_owned(), "outputs.json has no outputs"),
        (String::new(), "outputs.json is no JSON"),
        (whole.replace("\"ecs\"", "\"lambda\""), "stack lambda is in two outputs"),
    ];
    for (text, expected) in broken {
        fs::write(stage.place.join("outputs.json"), text).unwrap();
        let done = stage.play(&ARGUMENTS);
        assert_eq!(done.code, 1);
        says(&done, &[expected]);
        assert!(!stage.out().exists());
    }
    fs::remove_file(stage.place.join("outputs.json")).unwrap();
    says(&stage.play(&ARGUMENTS), &["reading outputs.json"]);
    assert_eq!(stage.queues.counts().calls, 0);
}

/// AWS shows whoever signs wrongly what should have been signed: the token is part of it.
fn signed_wrongly(head: &str) -> Value {
    let canonical = head.replace('\r', "");
    json!({"__type": "com.amazon.coral.service#InvalidSignatureException",
        "message": format!("The request signature we calculated does not match the signature you provided. Check your \
            AWS Secret Access Key and signing method. Consult the service documentation for details.\n\nThe Canonical \
            String for this request should have been\n'{canonical}'\n")})
}

#[test]
fn an_answer_that_repeats_the_token_is_not_repeated() {
    let mut stage = stage("aws-signature");
    stage.queues.turn(Mood::Refuses(signed_wrongly));
    let done = stage.play(&ARGUMENTS);
    assert_eq!(done.code, 1);
    says(&done, &["InvalidSignatureException", "signature we calculated does not match"]);
    let (ecs, lambda) = (stage.world.queue_url("jobs-ecs"), stage.world.queue_url("jobs-lambda"));
    let queues = [format!("ecs={ecs}"), format!("lambda={lambda}")];
    let seed = ["seed", "small.toml", "--out", "out", "--queue", &queues[0], "--queue", &queues[1]];
    let done = stage.play(&seed);
    assert_eq!(done.code, 1);
    says(&done, &["InvalidSignatureException"]);
    assert!(!stage.out().exists());
    let url = stage.world.queue_url("jobs-ecs");
    let worker = stage.begin_with(&["worker"], &[("QUEUE_URL", &url)]);
    wait_until("the worker complains", 20, || {
        fs::read_to_string(stage.place.join("stderr")).unwrap().contains("signature we calculated")
    });
    worker.signal("-TERM");
    worker.ends_within(20);
    // In the middle of a run, everybody gets such answers.
    stage.queues.turn(Mood::Fair);
    stage.work();
    let going = stage.begin(&ARGUMENTS);
    half_way(&stage);
    stage.queues.turn(Mood::Refuses(signed_wrongly));
    let done = going.ends_within(30);
    assert!([1, 4].contains(&done.code), "{}", done.err);
    says(&done, &["InvalidSignatureException"]);
    nothing_holds_a_secret(&stage.place);
}

/// The first line is of a worker whose clock is a minute ahead.
fn first_ahead(script: &mut Script, group: &str, _: &str) {
    let lines = script.logs.get_mut(group).unwrap();
    if let [(_, at, _)] = lines.as_mut_slice() {
        *at += 60_000;
    }
}

#[test]
fn a_log_line_from_the_future_hides_no_others() {
    // Long enough for the log to be read a second time in between.
    let phase = "arrivals = \"even\"\nduration = \"8s\"\nrate = 15";
    let mut stage = Stage::new("aws-clock-ahead", phase, Odds::default());
    for (_, queue, group) in STACKS {
        stage.world.work(queue, group, first_ahead);
    }
    let done = stage.play(&ARGUMENTS);
    valid_or_late(&stage.out(), &done);
    assert_eq!(stage.holds_what_workers_told(), [(PLANNED, 0); 2]);
}

#[test]
fn whoever_wants_to_end_need_not_wait_for_an_endpoint_that_stalls() {
    let mut stage = stage("aws-stalled-stop");
    stage.work();
    let going = stage.begin(&ARGUMENTS);
    half_way(&stage);
    stage.queues.turn(Mood::Stalls);
    std::thread::sleep(Duration::from_secs(1));
    going.signal("-INT");
    std::thread::sleep(Duration::from_millis(300));
    going.signal("-INT");
    // The seeder waits ten seconds for the answers to its calls.
    let done = going.ends_within(15);
    assert_eq!(done.code, 4, "{}", done.err);
    // Nor has whoever collects.
    let going = stage.begin(&COLLECT);
    std::thread::sleep(Duration::from_secs(1));
    going.signal("-INT");
    let done = going.ends_within(8);
    assert_eq!(done.code, 4, "{}", done.err);
    stage.queues.turn(Mood::Fair);
    stage.drained();
    stage.play(&COLLECT);
    stage.holds_what_workers_told();
}
