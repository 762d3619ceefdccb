//! A joined run says what the journal told.

use crate::lab::{Folder, begun, the_manifest};
use crate::stories::{Fate, Story, TELLERS, Teller, in_order, tell};
use collector::{Collector, Ended, Entry, join};
use model::journal::{Point, Sight};
use model::record::{Ledger, MessageRecord, read_csv};
use model::run::{Activity, ActivityKind, Check, Run};
use model::series::metric;
use model::time::{MINUTE, Nanos, SECOND};
use model::usage::{Item, Metered, Usage};
use model::windows::Stage;
use proptest::prelude::*;
use std::fs::{self, File};
use std::path::Path;

pub(crate) fn ledger_of(stories: &[Story]) -> Ledger {
    let mut ledger = Ledger { planned: stories.len() as u64, ..Ledger::default() };
    stories.iter().for_each(|story| ledger.count(story.fate.outcome()));
    ledger
}

/// Takes the stories of both stacks.
pub(crate) fn told(folder: &Folder, stories: &[Vec<Story>; 2]) -> Collector {
    let mut collector = begun(folder);
    for (stack, stories) in stories.iter().enumerate() {
        in_order(stories).into_iter().for_each(|entry| collector.take(stack, entry).unwrap());
    }
    collector
}

pub(crate) fn rows(folder: &Path, stack: &str) -> Vec<MessageRecord> {
    let file = File::open(folder.join(stack).join("messages.csv")).unwrap();
    read_csv(file).collect::<Result<_, _>>().unwrap()
}

pub(crate) fn check<'a>(run: &'a Run, name: &str) -> &'a Check {
    run.manifest.checks.iter().find(|check| check.name.contains(name)).expect(name)
}

fn merged(run: &Run, stack: usize, stage: Stage) -> u64 {
    run.stacks[stack].windows.merged(stage, 0, Nanos::MAX).map_or(0, |histogram| histogram.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_message_ends_as_its_story_says(seed: u64, first in 0..3_usize, second in 0..3_usize) {
        let tellers = [TELLERS[first], TELLERS[second]];
        let stories = tellers.map(|teller| tell(seed, teller, &|_| true));
        let folder = Folder::new("stories");
        let collector = told(&folder, &stories);
        for (stack, stories) in stories.iter().enumerate() {
            let over = stories.iter().all(|story| story.fate.is_over());
            prop_assert_eq!(collector.is_drained(stack), over);
        }
        let run = collector.finish(Ended::ByItself).unwrap();
        prop_assert!(run.manifest.complete);
        for (stack, stories) in stories.iter().enumerate() {
            let entry = &run.manifest.stacks[stack];
            prop_assert_eq!(entry.ledger, ledger_of(stories), "{}", tellers[stack] as u8);
            let rows = rows(&folder.0, &entry.name);
            prop_assert_eq!(rows.len(), stories.len());
            for (row, story) in rows.iter().zip(stories) {
                prop_assert_eq!((row.seq, row.scheduled_at), (story.arrival.seq, story.arrival.at));
                prop_assert_eq!(row.outcome, story.fate.outcome(), "{:?}", story);
                prop_assert!(model::record::check_order(row).is_ok(), "{:?}: {:?}", row, story);
            }
            prop_assert_eq!(merged(&run, stack, Stage::Latency), entry.ledger.done());
            let sampled = &run.stacks[stack].sample.messages;
            let latencies = rows.iter().filter_map(|row| Some((row.seq, row.latency()?)));
            prop_assert!(sampled.iter().map(|sampled| (sampled.seq, sampled.latency)).eq(latencies));
            let broken_down = run.stacks[stack].breakdown.messages();
            prop_assert!(broken_down == merged(&run, stack, Stage::Latency) || tellers[stack] != Teller::Both);
            let completed = run.stacks[stack].series(metric::COMPLETED).unwrap();
            prop_assert_eq!(completed.points.iter().map(|point| point.1).sum::<f64>(), entry.ledger.done() as f64);
        }
        prop_assert!(check(&run, "negative").passed, "{:?}", check(&run, "negative"));
        prop_assert_eq!(model::run::read(&folder.0).unwrap(), run);
    }

    /// Whatever is cut off, the folder reads, the ledger balances, and nothing is made up.
    #[test]
    fn a_journal_cut_off_anywhere_still_reads_and_balances(seed: u64, cuts: [u64; 6], first in 0..3_usize) {
        let stories = [TELLERS[first], Teller::Both].map(|teller| tell(seed, teller, &|fate| fate != Fate::Twice));
        let folder = Folder::new("cut");
        told(&folder, &stories).leave().unwrap();
        let mut cuts = cuts.iter();
        for path in folder.files() {
            if path.extension().is_some_and(|extension| extension == "csv") {
                let length = fs::metadata(&path).unwrap().len();
                File::options().write(true).open(&path).unwrap().set_len(cuts.next().unwrap() % (length + 1)).unwrap();
            }
        }
        let run = join(&folder.0).unwrap();
        prop_assert!(!run.manifest.complete);
        prop_assert_eq!(model::run::read(&folder.0).unwrap(), run.clone());
        for (stack, stories) in stories.iter().enumerate() {
            let ledger = run.manifest.stacks[stack].ledger;
            prop_assert!(ledger.balances() && ledger.planned == stories.len() as u64);
            for (row, story) in rows(&folder.0, &run.manifest.stacks[stack].name).iter().zip(stories) {
                let done = |outcome| matches!(outcome, model::record::Outcome::Completed);
                // A queue's word counts where no worker's is left.
                let could_be = done(story.fate.outcome()) || story.fate == Fate::Stolen;
                prop_assert!(could_be || !done(row.outcome), "{:?} of {:?}", row, story);
            }
        }
        let before = folder.content();
        prop_assert_eq!(join(&folder.0).unwrap(), run);
        prop_assert_eq!(folder.content(), before, "joining again changes nothing");
    }
}

#[test]
fn a_run_in_which_all_is_well_passes_every_check() {
    let stories = [Teller::Both, Teller::QueueOnly].map(|teller| tell(7, teller, &|fate| fate == Fate::Once));
    let folder = Folder::new("well");
    let mut collector = told(&folder, &stories);
    assert_eq!(collector.progress(0).done, stories[0].len() as u64);
    assert!(collector.is_drained(0) && collector.is_drained(1));
    for stack in 0..2 {
        collector.take(stack, Entry::End(17 * SECOND)).unwrap();
    }
    let run = collector.finish(Ended::ByItself).unwrap();
    for check in &run.manifest.checks {
        assert!(check.passed, "{check:?}");
    }
    assert_eq!(run.manifest.stacks[0].end, 17 * SECOND);
    assert_eq!(run.manifest.plan_hash, the_manifest().plan_hash);
    // The parts add up, where all are known.
    for row in rows(&folder.0, "ecs") {
        let parts = [row.send_delay(), row.queue_time(), row.start_delay(), row.service_time()];
        assert_eq!(parts.iter().map(|part| part.unwrap()).sum::<u64>(), row.latency().unwrap());
        assert!(row.worker.is_some());
    }
    // A plain worker: to delete is to finish.
    for row in rows(&folder.0, "lambda") {
        assert_eq!((row.started_at, row.finished_at), (None, row.deleted_at));
    }
    for stage in [Stage::Latency, Stage::SendDelay, Stage::Queue] {
        assert_eq!((merged(&run, 0, stage), merged(&run, 1, stage)), (200, 200), "{stage:?}");
    }
    assert_eq!([Stage::Start, Stage::Work, Stage::Acknowledge].map(|s| merged(&run, 1, s)), [0; 3]);
    let left: Vec<_> =
        folder.files().into_iter().filter(|path| path.to_string_lossy().contains("journal")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn losses_are_counted_by_their_reasons() {
    let stories = [1, 2].map(|seed| tell(seed, Teller::Both, &|_| true));
    let folder = Folder::new("reasons");
    let run = told(&folder, &stories).finish(Ended::ByItself).unwrap();
    let count = |fate| stories[0].iter().filter(|story| story.fate == fate).count();
    let lost = check(&run, "lost");
    assert!(!lost.passed);
    for (fate, words) in [
        (Fate::Refused, "never taken by the queue (throttled)"),
        (Fate::Expired, "expired or purged"),
        (Fate::Stolen, "deleted, but no worker told that it was done"),
    ] {
        let said = format!("{} {words}", count(fate));
        assert!(count(fate) > 0 && lost.detail.contains(&said), "{said}: {}", lost.detail);
    }
    let drained = check(&run, "drained");
    let unsent = format!("{} of them never sent", count(Fate::Unsent));
    assert!(!drained.passed && drained.detail.contains(&unsent), "{unsent}: {}", drained.detail);
    assert!(!check(&run, "offered the same").passed);
}

/// What is negative is counted, neither dropped nor set to zero.
#[test]
fn a_worker_whose_clock_is_slow_fails_a_check() {
    let mut stories = tell(3, Teller::Both, &|fate| fate == Fate::Once);
    for (_, entry) in stories.iter_mut().take(40).flat_map(|story| &mut story.lines) {
        if let Entry::Record(record) = entry {
            record.started_ns = record.started_ns.map(|ns| ns - 2 * SECOND);
        }
    }
    let folder = Folder::new("slow");
    let fine = tell(3, Teller::Both, &|fate| fate == Fate::Once);
    let run = told(&folder, &[stories, fine]).finish(Ended::ByItself).unwrap();
    let negative = check(&run, "negative");
    assert!(!negative.passed && negative.detail.contains("40 negative of start"), "{}", negative.detail);
    assert!(negative.detail.contains("lambda: none"), "{}", negative.detail);
    assert_eq!(run.manifest.stacks[0].ledger.completed, 200);
    assert_eq!(merged(&run, 0, Stage::Start), 160);
}

#[test]
fn a_late_generator_fails_a_check_and_unlike_loads_another() {
    let slow = |late: Nanos, share: usize| {
        let mut stories = tell(3, Teller::Both, &|fate| fate == Fate::Once);
        for story in stories.iter_mut().step_by(share) {
            for (at, entry) in &mut story.lines {
                *at += late;
                match entry {
                    Entry::Sent(sent) => (sent.issued_at, sent.answered_at) = (sent.issued_at + late, *at),
                    Entry::Sighting(sighting) => sighting.at += late,
                    Entry::Record(record) => record.started_ns = record.started_ns.map(|ns| ns + late),
                    _ => {}
                }
            }
        }
        stories
    };
    let joined =
        |name, stories: [Vec<Story>; 2]| told(&Folder::new(name), &stories).finish(Ended::ByItself).unwrap();
    let run = joined("late", [slow(SECOND, 20), slow(SECOND, 20)]);
    assert!(!check(&run, "on time").passed && check(&run, "alike").passed, "{:?}", run.manifest.checks);
    let run = joined("unlike", [slow(50_000_000, 1), slow(0, 1)]);
    assert!(check(&run, "on time").passed && !check(&run, "alike").passed, "{:?}", run.manifest.checks);
    assert_eq!(merged(&run, 0, Stage::SendDelay), 200);
}

#[test]
fn series_usage_and_activities_come_through() {
    let folder = Folder::new("series");
    let mut collector = begun(&folder);
    let point = |metric: &str, t, value| Point {
        t,
        period: MINUTE,
        metric: metric.into(),
        unit: "Count".into(),
        statistic: "Sum".into(),
        value,
    };
    let activity = |detail: &str| Activity { at: 5, kind: ActivityKind::Throttling, detail: detail.into() };
    let used = |quantity| Usage { metered: vec![Metered::new(Item::LambdaRequests, "", quantity)] };
    for entry in [
        Entry::Point(point(metric::INVOCATIONS, MINUTE, 5.0)),
        Entry::Point(point(metric::INVOCATIONS, 0, 3.0)),
        Entry::Point(point(metric::ERRORS, 0, f64::NAN)),
        Entry::Usage(used(1)),
        Entry::Activity(activity("9 environments busy, limited by reserved concurrency")),
        // CloudWatch says more, and later.
        Entry::Point(point(metric::INVOCATIONS, MINUTE, 7.0)),
        Entry::Usage(used(2)),
    ] {
        collector.take(1, entry).unwrap();
        collector.flush().unwrap();
    }
    collector.take(0, Entry::Activity(activity("9 busy, limited by the account's concurrency"))).unwrap();
    let run = collector.finish(Ended::CutShort).unwrap();
    let stack = &run.stacks[1];
    assert_eq!(stack.series(metric::INVOCATIONS).unwrap().points, [(0, 3.0), (MINUTE, 7.0)]);
    assert!(stack.series(metric::ERRORS).is_none());
    assert_eq!(stack.usage, used(2));
    assert_eq!(stack.activities.len(), 1);
    let limits = check(&run, "account limit");
    assert_eq!((limits.passed, limits.detail.as_str()), (false, "it did: ecs"));
    assert!(!run.manifest.complete);
    assert_eq!(run.manifest.stacks[0].ledger, Ledger { planned: 200, in_flight: 200, ..Ledger::default() });
}

/// The seeder in one process, the collector in another.
#[test]
fn another_process_goes_on_with_a_run() {
    let stories = tell(5, Teller::WorkersOnly, &|fate| fate == Fate::Once);
    let folder = Folder::new("resumed");
    let mut seeder = begun(&folder);
    let (sends, rest): (Vec<Entry>, Vec<Entry>) =
        in_order(&stories).into_iter().partition(|entry| matches!(entry, Entry::Sent(_)));
    for stack in 0..2 {
        sends.iter().for_each(|entry| seeder.take(stack, entry.clone()).unwrap());
    }
    seeder.leave().unwrap();
    let mut collector = Collector::resume(&folder.0).unwrap();
    assert_eq!(collector.progress(0).outstanding, 200);
    for stack in 0..2 {
        assert!(!collector.is_drained(stack));
        // Read twice: the same attempts.
        for entry in rest.iter().chain(&rest) {
            collector.take(stack, entry.clone()).unwrap();
        }
        assert!(collector.is_drained(stack));
    }
    let run = collector.finish(Ended::ByItself).unwrap();
    assert_eq!(run.manifest.stacks.each_done(), [200, 200]);
    assert!(Collector::resume(&folder.0).is_err(), "a complete run is not collected again");
    assert_eq!(join(&folder.0).unwrap(), run);
}

trait Done {
    fn each_done(&self) -> Vec<u64>;
}

impl Done for Vec<model::run::StackEntry> {
    fn each_done(&self) -> Vec<u64> {
        self.iter().map(|entry| entry.ledger.completed).collect()
    }
}

#[test]
fn a_trace_is_kept_with_the_run() {
    let folder = Folder::new("trace");
    let text = "title = \"T\"\nanalysis = \"T\"\n[[phases]]\nname = \"p\"\narrivals = \"trace\"\n\
                file = \"load.csv\"\n[stacks.ecs]\nplatform = \"ecs\"\n[stacks.lambda]\nplatform = \"lambda\"\n";
    let trace = "time,count\n0,5\n60,3\n";
    let source = Folder::new("source");
    let path = source.0.join("scenario.toml");
    fs::write(&path, text).unwrap();
    fs::write(source.0.join("load.csv"), trace).unwrap();
    let (scenario, read) = model::scenario::load(&path, &[], None).unwrap_or_else(|error| panic!("{error}"));
    let provenance = collector::Provenance { path: read.path, text: read.text, ..crate::lab::provenance("") };
    let manifest = collector::manifest(&scenario, &provenance);
    let collector = collector::begin(&folder.0, &manifest, &crate::lab::origin(1)).unwrap();
    drop(source);
    let run = collector.finish(Ended::ByItself).unwrap();
    assert_eq!((run.manifest.planned, &run.manifest.plan_hash), (8, &manifest.plan_hash));
    assert!(run.manifest.complete && !folder.0.join("traces.json").exists());
}

/// A seeder that sends one message as two.
#[test]
fn one_message_under_two_ids_is_one_in_the_ledger() {
    let mut stories = tell(9, Teller::Both, &|fate| fate == Fate::SentTwice);
    // The second one is worked on as well, later.
    for story in &mut stories {
        let Some((_, Entry::Sighting(taken))) = story
            .lines
            .iter()
            .rfind(|(_, entry)| matches!(entry, Entry::Sighting(sighting) if sighting.sight == Sight::Sent))
        else {
            panic!("{story:?}")
        };
        let (id, at) = (taken.message, 30 * SECOND);
        let mut again: Vec<(Nanos, Entry)> = Vec::new();
        for (_, entry) in &story.lines {
            match entry.clone() {
                Entry::Sighting(mut sighting) if sighting.sight != Sight::Sent => {
                    (sighting.message, sighting.at) = (id, at);
                    again.push((at, Entry::Sighting(sighting)));
                }
                Entry::Record(mut record) => {
                    record.message_id = id;
                    record.started_ns = Some(crate::lab::START_NS + at);
                    again.push((at, Entry::Record(record)));
                }
                _ => {}
            }
        }
        story.lines.extend(again);
    }
    let folder = Folder::new("two-ids");
    let run = told(&folder, &[stories.clone(), stories]).finish(Ended::ByItself).unwrap();
    assert_eq!(run.manifest.stacks[0].ledger.completed_more, 200);
    for row in rows(&folder.0, "ecs") {
        assert!(row.finished_at.unwrap() < 30 * SECOND && row.received_at.unwrap() < 30 * SECOND, "{row:?}");
    }
}
