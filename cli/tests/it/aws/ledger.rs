//! The ledger under a network and an AWS that throttle, break, drop, delay, and so double messages.

use super::faulty::Odds;
use super::silent;
use super::stage::{RUN, STACKS, Stage, check, failed_checks, ledgers, valid_or_late};
use serde_json::json;

/// One in twenty calls is throttled, one in fifty breaks, one in a hundred is dropped; one in ten comes late.
const ODDS: Odds = Odds { throttled: 500, broken: 200, dropped: 100, delayed: 1_000 };

/// So many hundreds of messages, a hundred each fiftieth of a second.
fn holds_under_faults(name: &str, hundreds: u64, workers: usize) {
    let phase =
        format!("arrivals = \"batches\"\ncount = {hundreds}\nsize = [100, 100]\ngap = [\"20ms\", \"20ms\"]");
    let mut stage = Stage::new(name, &phase, ODDS);
    stage.world.script.lock().unwrap().page = Some(10_000);
    for (_, queue, group) in STACKS {
        // What was received with a lost answer comes back soon.
        let attributes =
            json!({"QueueUrl": stage.world.queue_url(queue), "Attributes": {"VisibilityTimeout": "4"}});
        stage.world.sqs("SetQueueAttributes", &attributes);
        let proxy = stage.queues.url.clone();
        for _ in 0..workers {
            let more = [
                ("AWS_ENDPOINT_URL_SQS", proxy.as_str()),
                ("VERSUS_CONCURRENCY", "10"),
                ("VERSUS_POLL", "all-done"),
                ("VERSUS_DELETE", "batch"),
            ];
            stage.world.work_so(queue, group, silent, &more);
        }
    }
    let going = stage.begin(&[&RUN[..], &["--empty-for", "6s", "--set", "drain-max=120s"]].concat());
    let began = going.began;
    let done = going.ends_within(300);
    assert!(stage.out().join("run.json").exists(), "{}", done.err);
    let (counts, planned) = (stage.queues.counts(), hundreds * 100);
    eprintln!("{name}: {planned} messages in {:?}, {counts:?}: {}", began.elapsed(), stage_says(&stage));
    valid_or_late(&stage.out(), &done);
    // All that the queues took was worked on, each message of the plan is done, and doubles are told apart.
    for (done, _) in stage.holds_what_workers_told() {
        assert_eq!(done, planned);
    }
    let more = stage.queues.taken().len() as u64 - 2 * planned;
    // The world was as it was to be.
    let share = |count: u64, least: u64| assert!(count * 10_000 >= counts.calls * least, "{counts:?}");
    share(counts.throttled, 300);
    share(counts.broken, 100);
    share(counts.dropped_before + counts.dropped_after, 50);
    share(counts.delayed, 500);
    assert!(more > 0, "no send was doubled");
    let retried = check(&stage.out(), "the generator was on time").1;
    assert!(retried.contains("sent more than once"), "{retried}");
}

fn stage_says(stage: &Stage) -> String {
    let checks =
        failed_checks(&stage.out()).iter().map(|name| check(&stage.out(), name).1).collect::<Vec<_>>();
    format!("{:?} {checks:?}", ledgers(&stage.out()))
}

#[test]
fn the_ledger_holds_under_faults() {
    holds_under_faults("aws-faults", 100, 8);
}

#[test]
#[ignore = "takes a minute of two cores: `./test.sh --slow` runs it"]
fn the_ledger_holds_under_faults_at_a_hundred_thousand_messages() {
    holds_under_faults("aws-faults-large", 1_000, 16);
}
