//! Collecting when AWS refuses, and collecting again.

use crate::cloudwatch::{config, serve};
use crate::foreign::now_ns;
use crate::lab::{Folder, origin, the_manifest};
use crate::stories::{Fate, Story, Teller, in_order, tell};
use collector::{Deployed, Entry, Options, begin, collect};
use model::run::Run;
use model::time::SECOND;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const DEPTH: &str = "AmazonSQS.GetQueueAttributes";
const EMPTY: &[u8] =
    br#"{"Attributes":{"ApproximateNumberOfMessages":"0","ApproximateNumberOfMessagesNotVisible":"0"}}"#;

fn options(metrics: bool) -> Options {
    Options {
        metrics,
        sample_every: Duration::from_millis(5),
        consistent_after: Duration::ZERO,
        settle: Duration::ZERO,
        quiet: true,
        ..Options::default()
    }
}

/// A run that was sent, with the output of its workers: without receive counts and instants, so that nobody can
/// tell a record that was read twice from two attempts.
fn sent() -> (Folder, [Deployed; 2]) {
    let folder = Folder::new("again");
    let stories: Vec<Story> = tell(1, Teller::WorkersOnly, &|fate| fate == Fate::Once);
    // Long enough ago that the load is over, but not so long that the drain is.
    let mut seeder = begin(&folder.0, &the_manifest(), &origin(now_ns() - 20 * SECOND)).unwrap();
    let path = folder.0.join("output");
    let mut output = File::create(&path).unwrap();
    for entry in in_order(&stories) {
        match entry {
            Entry::Record(record) => {
                writeln!(output, "{{\"versus\":1,\"message_id\":\"{}\"}}", record.message_id).unwrap();
            }
            entry => (0..2).for_each(|stack| seeder.take(stack, entry.clone()).unwrap()),
        }
    }
    seeder.leave().unwrap();
    let stack = || Deployed { records: vec![path.clone()], ..Deployed::default() };
    (folder, [stack(), stack()])
}

fn completed(run: &Run) -> [(u64, u64); 2] {
    [0, 1].map(|stack| {
        let ledger = run.manifest.stacks[stack].ledger;
        (ledger.completed, ledger.completed_more)
    })
}

fn with_queues(stacks: &mut [Deployed; 2], url: &str) {
    stacks.iter_mut().for_each(|stack| stack.queue = Some(format!("{url}/000000000000/q")));
}

#[test]
fn metrics_that_are_refused_do_not_lose_the_run_and_it_can_be_collected_again() {
    let (folder, mut stacks) = sent();
    let url =
        serve(Box::new(|name, _| if name == DEPTH { (200, EMPTY.to_vec()) } else { (403, Vec::new()) }));
    with_queues(&mut stacks, &url);
    for _ in 0..2 {
        let run = collect(&folder.0, &stacks, Some(config(&url)), &options(true), &|| false).unwrap();
        let check =
            run.manifest.checks.iter().find(|check| check.name.starts_with("what AWS logged")).unwrap();
        assert!(!check.passed && check.detail.contains("GetMetricData"), "{check:?}");
        assert!(!run.manifest.complete, "it can be collected again");
        assert_eq!(completed(&run), [(200, 0); 2], "read once");
    }
    let run = collect(&folder.0, &stacks, Some(config(&url)), &options(false), &|| false).unwrap();
    assert!(run.manifest.complete);
    assert_eq!(completed(&run), [(200, 0); 2], "read once");
}

#[test]
fn a_queue_that_does_not_answer_for_a_while_is_asked_again() {
    let (folder, mut stacks) = sent();
    // Without records only the depth tells when it is over.
    stacks.iter_mut().for_each(|stack| stack.records.clear());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let url = serve(Box::new(move |_, _| {
        let refused = count.fetch_add(1, Ordering::Relaxed) < 6;
        if refused { (403, b"{}".to_vec()) } else { (200, EMPTY.to_vec()) }
    }));
    with_queues(&mut stacks, &url);
    let run = collect(&folder.0, &stacks, Some(config(&url)), &options(false), &|| false).unwrap();
    assert!(run.manifest.complete && asked.load(Ordering::Relaxed) > 6);
}

#[test]
fn a_queue_that_never_answers_ends_the_collection_and_what_there_is_is_joined() {
    let (folder, mut stacks) = sent();
    // The first has its records; the second waits for its queue.
    stacks[1].records.clear();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let url = serve(Box::new(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        (403, b"{}".to_vec())
    }));
    with_queues(&mut stacks, &url);
    let error = collect(&folder.0, &stacks, Some(config(&url)), &options(false), &|| false).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("asking") && error.contains("collect it again"), "{error}");
    assert_eq!(asked.load(Ordering::Relaxed), 1 + 10);
    let run = model::run::read(&folder.0).unwrap();
    assert!(!run.manifest.complete);
    assert_eq!(completed(&run), [(200, 0), (0, 0)]);
}
