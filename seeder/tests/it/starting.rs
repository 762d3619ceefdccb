//! What is wrong from the start is said before anything is sent.

use crate::lab::{Act, Lab, at_once};
use seeder::{Destination, Seeder, Settings, Shard};

#[track_caller]
fn refuses(destinations: &[Destination], settings: &Settings, words: &[&str]) {
    let Err(error) = Seeder::connect(&at_once(1), destinations, settings) else { panic!("it connects") };
    let text = format!("{error:#}");
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
    assert!(!text.contains("AWS4-HMAC"), "{text}");
    // For people: no page of braces.
    assert!(text.len() < 500 && !text.contains('{') && !text.contains('\n'), "{text}");
}

#[test]
fn a_queue_that_does_not_answer_is_named() {
    let lab = Lab::new(|_, _| Act::Take);
    let settings = lab.settings();
    let mut two = lab.destinations(2);
    two[1].queue_url = format!("http://{}/000000000000/missing", lab.address);
    refuses(&two, &settings, &["stack-1", "/missing", "NonExistentQueue", "must exist"]);
    two[1].queue_url = format!("http://{}/000000000000/q.fifo", lab.address);
    refuses(&two, &settings, &["stack-1", "q.fifo", "FIFO"]);
    refuses(&[], &settings, &["no queue"]);
    assert!(lab.calls().is_empty());
}

#[test]
fn an_endpoint_that_is_not_there_is_named() {
    let lab = Lab::new(|_, _| Act::Take);
    let (destinations, settings) = (lab.destinations(1), lab.settings());
    drop(lab);
    refuses(&destinations, &settings, &["stack-0", "refused", "nothing listens there"]);
}

#[test]
fn a_shard_that_is_none_is_refused() {
    let lab = Lab::new(|_, _| Act::Take);
    let settings = Settings { shard: Shard { index: 3, of: 3 }, ..lab.settings() };
    refuses(&lab.destinations(1), &settings, &["shard 3/3", "0/3", "2/3"]);
}
