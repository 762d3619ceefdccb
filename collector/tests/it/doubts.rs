//! Evidence that must not be believed, and evidence that is not enough.

use crate::join::{check, rows, told};
use crate::lab::{Folder, START_NS};
use crate::stories::{Fate, Story, Teller, tell};
use collector::{Ended, Entry, join};
use model::journal::{MessageId, Record, Sight, Sighting};
use model::record::Outcome;
use model::run::Run;
use model::time::{Nanos, SECOND};
use std::fs::File;
use std::io::Write;

fn only(seed: u64, teller: Teller, fate: Fate) -> Vec<Story> {
    tell(seed, teller, &move |one| one == fate)
}

/// A run of `stories` at the first stack, all being well at the second.
fn run(folder: &Folder, stories: Vec<Story>) -> Run {
    told(folder, &[stories, only(2, Teller::Both, Fate::Once)]).finish(Ended::ByItself).unwrap()
}

/// Lets workers work on messages of an earlier run of the same plan.
fn add_leftovers(stories: &mut [Story]) {
    for story in stories {
        let (seq, id) = (Some(story.arrival.seq), MessageId(u128::from(story.arrival.seq) + 1));
        let at = SECOND;
        let seen = |sight| Entry::Sighting(Sighting { at, message: id, sight, receive_count: 1, seq });
        let record = Record { seq, started_ns: Some(START_NS + at), work_ns: Some(1), ..Record::new(id) };
        let lines = [seen(Sight::Received), Entry::Record(record), seen(Sight::Deleted)];
        let tells = |entry: &Entry| matches!(entry, Entry::Sighting(_));
        let has_sightings = story.lines.iter().any(|(_, entry)| tells(entry));
        story.lines.extend(lines.into_iter().filter(|one| has_sightings || !tells(one)).map(|one| (at, one)));
    }
}

#[test]
fn messages_of_an_earlier_run_do_not_count() {
    for teller in [Teller::Both, Teller::WorkersOnly] {
        let mut stories = only(1, teller, Fate::Waiting);
        add_leftovers(&mut stories);
        let run = run(&Folder::new("leftovers"), stories);
        assert_eq!(run.manifest.stacks[0].ledger.in_flight, 200, "{teller:?}");
        let lines = if teller == Teller::Both { 600 } else { 200 };
        let said = format!("{lines} lines were about other messages");
        let detail = &check(&run, "accounted for").detail;
        assert!(detail.contains(&said), "{teller:?}: {detail}");
    }
}

/// The first send timed out and was carried out all the same: nobody but the message itself can say so.
#[test]
fn a_second_message_of_a_send_that_was_retried_counts() {
    let run = run(&Folder::new("retried"), only(1, Teller::WorkersOnly, Fate::SentTwice));
    assert_eq!(run.manifest.stacks[0].ledger.completed, 200);
}

/// Changes all records of `stories`.
fn change(stories: &mut [Story], mut each: impl FnMut(&mut Record)) {
    for (_, entry) in stories.iter_mut().flat_map(|story| &mut story.lines) {
        if let Entry::Record(record) = entry {
            each(record);
        }
    }
}

#[test]
fn a_record_without_receive_count_goes_with_the_receive_of_its_attempt() {
    let told = only(4, Teller::Both, Fate::Later);
    let last_receive = |story: &Story| {
        let of = |(_, entry): &(Nanos, Entry)| match entry {
            Entry::Sighting(one) if one.sight == Sight::Received => Some(one.at),
            _ => None,
        };
        story.lines.iter().filter_map(of).max()
    };
    for keeps_start in [true, false] {
        let mut stories = told.clone();
        change(&mut stories, |record| {
            record.receive_count = 1;
            record.started_ns = record.started_ns.filter(|_| keeps_start);
        });
        // Whoever receives it after it was deleted does not matter.
        for story in &mut stories {
            let Some((at, Entry::Sighting(deleted))) = story.lines.last().cloned() else {
                panic!("{story:?}")
            };
            let receive_count = deleted.receive_count + 1;
            let again = Sighting { at: at + SECOND, sight: Sight::Received, receive_count, ..deleted };
            story.lines.push((again.at, Entry::Sighting(again)));
        }
        let folder = Folder::new("uncounted");
        run(&folder, stories);
        for (row, story) in rows(&folder.0, "ecs").iter().zip(&told) {
            assert_eq!(row.received_at, last_receive(story), "{keeps_start}: {row:?}");
        }
    }
}

#[test]
fn messages_that_are_done_but_never_deleted_are_left() {
    let mut stories = only(5, Teller::Both, Fate::Once);
    for story in stories.iter_mut().take(3) {
        story
            .lines
            .retain(|(_, entry)| !matches!(entry, Entry::Sighting(one) if one.sight == Sight::Deleted));
    }
    let run = run(&Folder::new("undeleted"), stories);
    assert_eq!(run.manifest.stacks[0].ledger.completed, 200);
    let drained = check(&run, "drained in time");
    let said = "ecs: 3 left, 3 of them completed, but not deleted from the queue; lambda: 0 left";
    assert_eq!((drained.passed, drained.detail.as_str()), (false, said));
}

#[test]
fn completions_without_latency_are_not_accounted_for() {
    for (untimed, passes) in [(2, true), (3, false)] {
        let mut stories = only(6, Teller::WorkersOnly, Fate::Once);
        change(&mut stories[..untimed], |record| record.started_ns = None);
        // Nor must another clock say it.
        change(&mut stories[..untimed], |record| (record.sent_ms, record.first_received_ms) = (None, None));
        let run = run(&Folder::new("untimed"), stories);
        let accounted = check(&run, "accounted for");
        assert_eq!(accounted.passed, passes, "{}", accounted.detail);
        let said = format!("{untimed} completions have no latency");
        assert!(accounted.detail.contains(&said), "{}", accounted.detail);
    }
}

#[test]
fn a_complete_run_has_only_whole_lines() {
    for (ended, passes) in [(Ended::ByItself, false), (Ended::CutShort, true)] {
        let folder = Folder::new("unread");
        let fine = only(7, Teller::Both, Fate::Once);
        told(&folder, &[fine.clone(), fine]).leave().unwrap();
        let path = folder.0.join("ecs/journal/records.csv");
        File::options().append(true).open(path).unwrap().write_all(b"what is this\n").unwrap();
        let run = collector::Collector::resume(&folder.0).unwrap().finish(ended).unwrap();
        let accounted = check(&run, "accounted for");
        assert_eq!(accounted.passed, passes, "{}", accounted.detail);
        assert!(
            accounted.detail.contains("1 lines of the journal could not be read"),
            "{}",
            accounted.detail
        );
    }
}

/// A look at a run that goes on changes nothing of what becomes of it.
#[test]
fn a_run_that_is_joined_while_it_goes_on_ends_well() {
    let folder = Folder::new("peeked");
    let fine = only(8, Teller::Both, Fate::Once);
    let mut collector = told(&folder, &[fine.clone(), Vec::new()]);
    collector.flush().unwrap();
    let peek = join(&folder.0).unwrap();
    assert!(!peek.manifest.complete && peek.manifest.stacks[1].ledger.completed == 0);
    for (_, entry) in fine.into_iter().flat_map(|story| story.lines) {
        collector.take(1, entry).unwrap();
    }
    collector.flush().unwrap();
    assert_eq!(join(&folder.0).unwrap().manifest.stacks[1].ledger.completed, 200);
    // Others go on looking while it ends.
    let run = std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..1_000).any(|_| join(&folder.0).unwrap().manifest.complete));
        }
        collector.finish(Ended::ByItself).unwrap()
    });
    assert!(run.manifest.complete && run.manifest.checks.iter().all(|check| check.passed));
    assert_eq!(model::run::read(&folder.0).unwrap(), run);
    assert!(rows(&folder.0, "lambda").iter().all(|row| row.outcome == Outcome::Completed));
}
