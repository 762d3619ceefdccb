//! When messages are sent.

use crate::lab::{Act, Lab, at_once, even, run};
use model::time::{HOUR, MILLISECOND, SECOND};
use seeder::{Settings, Stop};
use std::sync::atomic::Ordering;
use std::time::Duration;

#[test]
fn nothing_comes_early_and_nothing_waits_for_more() {
    let lab = Lab::new(|_, _| Act::Take);
    let scenario = even(20.0, SECOND);
    let seeded = lab.seed(&scenario, 2, &lab.settings());
    let calls = lab.calls();
    // One every 50 ms: each goes alone, unless this machine stood still for so long.
    let stalls =
        seeded.sent.iter().filter(|(_, sent)| sent.issued_at > sent.scheduled_at + 45 * MILLISECOND).count();
    assert_eq!(seeded.sent.len(), 40);
    assert!(calls.len() + stalls >= 40 && stalls <= 20, "{} calls, {stalls} stalls", calls.len());
    for call in &calls {
        for one in &call.messages {
            assert!(call.at >= seeded.origin.instant(one.seq() * 50 * MILLISECOND));
        }
    }
}

#[test]
fn stacks_take_turns_at_being_first() {
    let lab = Lab::new(|_, _| Act::Take);
    let settings = Settings { threads: Some(1), ..lab.settings() };
    let seeded = lab.seed(&even(200.0, SECOND / 2), 2, &settings);
    let (first, second) = (seeded.of(0), seeded.of(1));
    assert_eq!(first.len(), 100);
    let mut turns: Vec<(u64, bool)> = first
        .iter()
        .zip(&second)
        .map(|(a, b)| (a.issued_at.min(b.issued_at), a.issued_at < b.issued_at))
        .collect();
    // Messages of one call count once.
    turns.dedup();
    assert!(turns.windows(2).all(|pair| pair[0].1 != pair[1].1), "{turns:?}");
    assert!(turns.len() >= 10, "{}", turns.len());
}

#[test]
fn calls_in_flight_are_bounded_and_lateness_shows() {
    let lab = Lab::new(|_, _| Act::TakeAfter(Duration::from_millis(20)));
    let settings = Settings { threads: Some(1), in_flight_max: 4, ..lab.settings() };
    let seeded = lab.seed(&at_once(200), 2, &settings);
    assert_eq!(lab.book.in_flight_most.load(Ordering::SeqCst), 4);
    // 20 pairs of calls, two pairs at a time: the last pair begins after nine waits.
    let latest = seeded.sent.iter().map(|(_, sent)| sent.issued_at - sent.scheduled_at).max().unwrap();
    assert!(latest >= 9 * 20 * MILLISECOND, "{latest}");
    assert!(seeded.sent.iter().all(|(_, sent)| sent.answered_at - sent.issued_at >= 20 * MILLISECOND));
    assert_eq!(seeded.summary.stacks[0].send_delay_max.max(seeded.summary.stacks[1].send_delay_max), latest);
}

#[test]
fn a_stop_is_prompt_and_leaves_no_message_without_a_record() {
    // Between two messages: the next is due in an hour.
    for (rate, after) in [(1.0 / 3_600.0, 2), (1_000.0, 100)] {
        let lab = Lab::new(|_, _| Act::Take);
        let seeder = lab.connect(&even(rate, 100 * HOUR), 2, &lab.settings());
        let stop = Stop::default();
        let signal = stop.clone();
        let seeded = run(seeder, &stop, move |records| {
            if records >= after {
                signal.request();
            }
        });
        assert!(seeded.summary.stopped);
        let messages = seeded.summary.messages;
        assert!(messages >= after as u64 / 2 && messages < 20_000, "{messages}");
        assert_eq!(seeded.of(0).len() as u64, messages);
        assert_eq!(seeded.of(1).len() as u64, messages);
    }
}

#[test]
fn a_stop_before_the_start_sends_nothing() {
    let lab = Lab::new(|_, _| Act::Take);
    let stop = Stop::default();
    stop.request();
    let seeded = run(lab.connect(&at_once(10), 2, &lab.settings()), &stop, |_| {});
    assert!(seeded.summary.stopped && seeded.sent.is_empty() && lab.calls().is_empty());
    assert_eq!(seeded.summary.messages, 0);
}
