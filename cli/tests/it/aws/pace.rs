//! How late the seeder is, and how a queue that does not answer shows.

use super::faulty::{Mood, Odds};
use super::json_of;
use super::silent;
use super::stage::{ARGUMENTS, RUN, STACKS, Stage, check, ledgers, wait_until};
use std::path::Path;
use std::time::Duration;

/// A metric of a stack in `summary.json`.
#[track_caller]
fn metric(out: &Path, name: &str, stack: &str) -> f64 {
    let summary = json_of(&out.join("summary.json"));
    let mut all = summary["metrics"].as_array().unwrap().iter();
    let found = all.find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("no metric {name}"));
    found["estimates"][stack]["value"].as_f64().unwrap()
}

/// Two thousand messages a second for so long; the greater p99 of the send delays in milliseconds. Workers run beside
/// the seeder, or only after it: on AWS they have machines of their own.
fn send_delay(name: &str, seconds: u64, beside: bool) -> f64 {
    let phase = format!("arrivals = \"even\"\nduration = \"{seconds}s\"\nrate = 2000");
    let mut stage = Stage::new(name, &phase, Odds::default());
    // Nothing between the seeder and the endpoint.
    stage.queues.url = stage.world.queues.clone();
    stage.world.script.lock().unwrap().page = Some(10_000);
    let going = stage.begin(&[&RUN[..], &["--empty-for", "1s", "--set", "drain-max=60s"]].concat());
    if !beside {
        let all = 2_000 * seconds;
        wait_until("all is sent", 60, || STACKS.iter().all(|(_, queue, _)| stage.depth(queue) == all));
    }
    for (_, queue, group) in STACKS {
        let more = [("VERSUS_CONCURRENCY", "10"), ("VERSUS_POLL", "all-done"), ("VERSUS_DELETE", "batch")];
        stage.world.work_so(queue, group, silent, &more);
    }
    let done = going.ends_within(90);
    let (_, figures) = check(&stage.out(), "the generator was on time");
    for (stack, ..) in STACKS {
        assert_eq!(ledgers(&stage.out())[stack]["completed"], 2_000 * seconds, "{}", done.err);
    }
    let delays = STACKS.map(|(stack, ..)| metric(&stage.out(), "send-delay-p99", stack));
    eprintln!("{name}: p99 of the send delay {delays:?} ms; {figures}");
    delays[0].max(delays[1])
}

#[test]
fn two_thousand_messages_a_second_are_on_time() {
    // The other tests have the machine, too.
    let delay = send_delay("aws-pace", 3, true);
    assert!(delay < 2_000.0, "{delay}");
}

#[test]
#[ignore = "needs the machine for itself: run it alone, by its name"]
fn two_thousand_messages_a_second_are_at_most_five_milliseconds_late() {
    let delay = send_delay("aws-pace-strict", 10, false);
    assert!(delay < 5.0, "{delay}");
}

#[test]
fn an_endpoint_that_stalls_shows_as_send_delay_and_not_as_missing_load() {
    let phase = "arrivals = \"even\"\nduration = \"5s\"\nrate = 300";
    let mut stage = Stage::new("aws-stall", phase, Odds::default());
    stage.work();
    let going = stage.begin(&ARGUMENTS);
    wait_until("messages are sent", 20, || stage.queues.taken().len() > 600);
    stage.queues.turn(Mood::Stalls);
    std::thread::sleep(Duration::from_secs(2));
    stage.queues.turn(Mood::Fair);
    let done = going.ends_within(30);
    assert!([0, 4].contains(&done.code), "{}", done.err);
    assert_eq!(stage.holds_what_workers_told(), [(1_500, 0); 2]);
    let (same, offered) = check(&stage.out(), "every stack was offered the same messages");
    assert!(same, "{offered}");
    for (stack, ..) in STACKS {
        let delay = metric(&stage.out(), "send-delay-p99", stack);
        assert!((1_500.0..10_000.0).contains(&delay), "{stack}: {delay} ms");
    }
    // More than its calls in flight can wait: those behind them were not even issued in time.
    let (on_time, late) = check(&stage.out(), "the generator was on time");
    assert!(!on_time, "{late}");
}
