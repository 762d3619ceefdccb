//! What goes wrong is tried again, counted, and said in one word.

use crate::lab::{Act, Lab, Seeded, at_once, run};
use crate::mock::{Answer, Reply};
use model::journal::MessageId;
use seeder::{Settings, Stop};
use std::collections::BTreeMap;
use std::time::Duration;

fn quick(lab: &Lab) -> Settings {
    Settings { threads: Some(1), call_timeout: Duration::from_millis(300), ..lab.settings() }
}

/// The first call to each queue is answered like this, all others well.
fn first(act: Act) -> Lab {
    Lab::new(move |place, _| if place == 0 { act.clone() } else { Act::Take })
}

fn errors(seeded: &Seeded) -> BTreeMap<String, u64> {
    assert_eq!(seeded.summary.stacks[0].errors, seeded.summary.stacks[1].errors);
    seeded.summary.stacks[0].errors.clone()
}

#[test]
fn a_call_that_failed_is_made_again_and_every_message_has_one_record() {
    for (act, word) in [
        (Act::Answer(Answer::Error(500, Some("InternalFailure"))), "http-500"),
        (Act::Answer(Answer::Error(503, None)), "http-503"),
        (Act::Answer(Answer::Error(400, Some("RequestThrottled"))), "throttled"),
        (Act::Answer(Answer::Error(400, Some("ThrottlingException"))), "throttled"),
        (Act::Answer(Answer::Error(503, Some("Throttling"))), "throttled"),
        (Act::Answer(Answer::Error(429, None)), "throttled"),
        (Act::Answer(Answer::Garbage), "response"),
        (Act::Hang, "timeout"),
    ] {
        let lab = first(act);
        let seeded = lab.seed(&at_once(7), 2, &quick(&lab));
        assert_eq!(errors(&seeded), BTreeMap::from([(word.to_owned(), 7)]));
        for stack in 0..2 {
            let sent = seeded.of(stack);
            assert_eq!(sent.len(), 7);
            assert!(
                sent.iter().all(|sent| sent.attempts == 2 && sent.message.is_some() && sent.error.is_none())
            );
            let summary = &seeded.summary.stacks[stack];
            assert_eq!((summary.accepted, summary.failed, summary.retried, summary.calls), (7, 0, 7, 2));
        }
        // A retry carries the same bytes.
        let calls = lab.calls();
        assert_eq!(calls.len(), 4);
        let of = |stack| calls.iter().filter(move |call| call.stack == stack).map(|call| &call.messages);
        for stack in 0..2 {
            let [one, two] = of(stack).collect::<Vec<_>>()[..] else { panic!("two calls") };
            let same = |(a, b): (&crate::lab::Came, &crate::lab::Came)| {
                a.body == b.body && a.attribute == b.attribute
            };
            assert!(one.len() == two.len() && one.iter().zip(two).all(same));
        }
    }
}

#[test]
fn a_connection_that_breaks_is_tried_again() {
    let lab = first(Act::Answer(Answer::HangUp));
    let seeded = lab.seed(&at_once(3), 2, &quick(&lab));
    assert!(
        seeded.sent.iter().all(|(_, sent)| sent.attempts == 2 && sent.message.is_some()),
        "{:?}",
        seeded.sent
    );
    let words: Vec<String> = errors(&seeded).into_keys().collect();
    assert!(words == ["connection"] || words == ["reset"], "{words:?}");
}

#[test]
fn of_a_batch_only_what_failed_is_sent_again() {
    let replies = vec![
        (1, Reply::Refuse("InternalError", false)),
        (4, Reply::Refuse("RequestThrottled", true)),
        (6, Reply::Refuse("InvalidMessageContents", true)),
        (8, Reply::Silence),
    ];
    let lab = first(Act::Reply(replies));
    let seeded = lab.seed(&at_once(10), 2, &quick(&lab));
    let counts = ["InternalError", "InvalidMessageContents", "throttled", "unanswered"]
        .map(|word| (word.to_owned(), 1));
    assert_eq!(errors(&seeded), BTreeMap::from(counts));
    for stack in 0..2 {
        let calls: Vec<_> = lab.calls().into_iter().filter(|call| call.stack == stack).collect();
        let seqs = |call: usize| calls[call].messages.iter().map(|one| one.seq()).collect::<Vec<_>>();
        assert_eq!((calls.len(), seqs(0), seqs(1)), (2, (0..10).collect(), vec![1, 4]));
        let Answer::Entries(again) = &calls[1].answer else { panic!("entries") };
        for sent in seeded.of(stack) {
            let (attempts, error) = match sent.seq {
                1 | 4 => (2, None),
                6 => (1, Some("InvalidMessageContents")),
                8 => (1, Some("unanswered")),
                _ => (1, None),
            };
            assert_eq!((sent.attempts, sent.error.as_deref()), (attempts, error), "{sent:?}");
            assert_eq!(sent.message.is_none(), error.is_some());
        }
        // Of the second call, the place within it counts.
        let Reply::Take(number) = again[1] else { panic!("taken") };
        assert_eq!(seeded.of(stack)[4].message, Some(MessageId(u128::from(number))));
        let summary = &seeded.summary.stacks[stack];
        assert_eq!((summary.accepted, summary.failed, summary.retried, summary.calls), (8, 2, 2, 2));
    }
}

#[test]
fn what_no_retry_can_mend_is_not_tried_again() {
    for (act, word) in [
        (Act::Answer(Answer::Error(400, Some("QueueDoesNotExist"))), "NonExistentQueue"),
        (Act::Answer(Answer::Error(403, Some("AccessDeniedException"))), "AccessDeniedException"),
        (Act::Answer(Answer::Error(400, Some("InvalidAddress"))), "InvalidAddress"),
        (Act::Answer(Answer::Error(404, None)), "http-404"),
        (Act::Answer(Answer::Error(400, Some("odd, \\u00e4 code"))), "oddcode"),
    ] {
        let lab = first(act);
        let seeded = lab.seed(&at_once(2), 2, &quick(&lab));
        assert_eq!(lab.calls().len(), 2, "{word}");
        for (_, sent) in &seeded.sent {
            assert_eq!((sent.attempts, sent.error.as_deref(), sent.message), (1, Some(word), None));
        }
        assert_eq!(errors(&seeded), BTreeMap::from([(word.to_owned(), 2)]));
    }
}

#[test]
fn attempts_are_bounded_by_number_and_by_time() {
    let throttled = || Lab::new(|_, _| Act::Answer(Answer::Error(400, Some("RequestThrottled"))));
    let lab = throttled();
    let seeded = lab.seed(&at_once(3), 2, &Settings { max_attempts: 3, ..quick(&lab) });
    assert_eq!(lab.calls().len(), 6);
    let last = |(_, sent): &(usize, model::journal::Sent)| {
        (sent.attempts, sent.error.as_deref(), sent.message) == (3, Some("throttled"), None)
    };
    assert!(seeded.sent.iter().all(last), "{:?}", seeded.sent);
    assert_eq!((seeded.sent.len(), errors(&seeded)), (6, BTreeMap::from([("throttled".to_owned(), 9)])));

    let lab = throttled();
    let seeded = lab.seed(&at_once(3), 2, &Settings { retry_for: Duration::ZERO, ..quick(&lab) });
    assert!(seeded.sent.iter().all(|(_, sent)| sent.attempts == 1));
}

#[test]
fn other_md5s_than_those_of_what_was_sent_are_an_error() {
    for other in [Reply::OtherBody, Reply::OtherAttributes] {
        let lab = first(Act::Reply(vec![(2, other(77))]));
        let seeded = lab.seed(&at_once(4), 2, &quick(&lab));
        assert_eq!(errors(&seeded), BTreeMap::from([("md5".to_owned(), 1)]));
        for stack in 0..2 {
            let sent = seeded.of(stack);
            let intact = |seq: usize| sent[seq].error.is_none() && sent[seq].message.is_some();
            assert!(intact(0) && intact(1) && intact(3));
            // The queue has it, so it is not sent again.
            assert_eq!((sent[2].error.as_deref(), sent[2].attempts), (Some("md5"), 1));
            assert_eq!(sent[2].message, Some(MessageId(77)));
        }
        assert_eq!(lab.calls().len(), 2);
    }
}

#[test]
fn an_endpoint_that_went_away_is_said_so() {
    let mut lab = Lab::new(|_, _| Act::Take);
    let seeder = lab.connect(&at_once(5), 2, &Settings { max_attempts: 3, ..quick(&lab) });
    lab.shut_down();
    let seeded = run(seeder, &Stop::default(), |_| {});
    assert_eq!(seeded.sent.len(), 10);
    for (_, sent) in &seeded.sent {
        assert_eq!((sent.error.as_deref(), sent.attempts, sent.message), (Some("refused"), 3, None));
    }
}

#[test]
fn a_stop_ends_the_waiting_for_a_retry() {
    let lab = Lab::new(|_, _| Act::Answer(Answer::Error(500, None)));
    let settings =
        Settings { max_attempts: u32::MAX, retry_for: Duration::from_secs(1_000_000), ..quick(&lab) };
    let seeder = lab.connect(&at_once(5), 2, &settings);
    let stop = Stop::default();
    let (signal, book) = (stop.clone(), std::sync::Arc::clone(&lab.book));
    let watch = std::thread::spawn(move || {
        while book.calls.lock().unwrap().len() < 6 {
            std::thread::yield_now();
        }
        signal.request();
    });
    let seeded = run(seeder, &stop, |_| {});
    watch.join().unwrap();
    assert!(seeded.summary.stopped);
    assert_eq!(seeded.sent.len(), 10);
    assert!(
        seeded.sent.iter().all(|(_, sent)| sent.error.as_deref() == Some("http-500") && sent.attempts >= 2)
    );
    assert_eq!(seeded.summary.stacks.iter().map(|stack| stack.failed).sum::<u64>(), 10);
}
