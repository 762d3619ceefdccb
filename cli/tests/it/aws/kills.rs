//! Runs that are killed or asked to end: `versus collect` finds every message that a queue took.

use super::faulty::Odds;
use super::json_of;
use super::stage::{
    ARGUMENTS, COLLECT, Stage, failed_but_for_time, failed_checks, ledgers, valid_or_late, wait_until,
};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

const PLANNED: u64 = 120;
const LOAD: &str = "arrivals = \"even\"\nduration = \"2s\"\nrate = 60";

/// SplitMix64: instants that are the same in every run of the test.
fn draw(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % below
}

fn is_complete(stage: &Stage) -> bool {
    json_of(&stage.out().join("run.json"))["complete"] == true
}

/// Kills a run, and now and then its collection, too; how far the run had come.
fn killed(round: u64) -> &'static str {
    let mut state = round;
    let mut stage = Stage::new(&format!("aws-kill-{round}"), LOAD, Odds::default());
    stage.work();
    let going = stage.begin(&ARGUMENTS);
    // A run takes ten seconds; the moments in which it begins come up seldom.
    let until = if draw(&mut state, 6) == 0 { 150 } else { 9_500 };
    std::thread::sleep(Duration::from_millis(draw(&mut state, until)));
    going.signal("-KILL");
    going.ends_within(10);
    if !stage.out().join("run.json").exists() {
        assert!(stage.queues.taken().is_empty(), "round {round}: sent before there is a run");
        let done = stage.play(&COLLECT);
        assert!(done.code == 1 && done.err.contains("out"), "round {round}: {}", done.err);
        let done = stage.play(&["run", "small.toml", "--out", "out", "-q"]);
        assert!(done.code == 0 || done.err.contains("out is not empty; name another"), "{}", done.err);
        return "before it began";
    }
    if is_complete(&stage) {
        stage.holds_what_workers_told();
        return "at its end";
    }
    let sent = stage.queues.taken().len() as u64;
    if draw(&mut state, 3) == 0 {
        let going = stage.begin(&COLLECT);
        std::thread::sleep(Duration::from_millis(draw(&mut state, 2_500)));
        going.signal("-KILL");
        going.ends_within(10);
    }
    if !is_complete(&stage) {
        let done = stage.play(&COLLECT);
        assert!([0, 4].contains(&done.code), "round {round}: {}{}", done.out, done.err);
    }
    assert!(is_complete(&stage), "round {round}");
    for (done, more) in stage.holds_what_workers_told() {
        assert_eq!(more, 0, "round {round}");
        // Nothing but what was never sent is missing, and that is said.
        let named = failed_checks(&stage.out()).iter().any(|name| name == "the queues were drained in time");
        assert_eq!(named, done < PLANNED, "round {round}: {:?}", failed_checks(&stage.out()));
    }
    fs::remove_dir_all(&stage.place).unwrap();
    match sent {
        0 => "before its first message",
        _ if sent < 2 * PLANNED => "while it was sending",
        _ => "while it was draining",
    }
}

/// So many kills, a few at once; how many of them when.
fn kill_at_random(rounds: u64, from: u64) -> BTreeMap<&'static str, u64> {
    let mut when = BTreeMap::new();
    for some in (from..from + rounds).collect::<Vec<_>>().chunks(4) {
        let reached: Vec<&str> = std::thread::scope(|scope| {
            let rounds: Vec<_> = some.iter().map(|round| scope.spawn(|| killed(*round))).collect();
            rounds.into_iter().map(|round| round.join().unwrap()).collect()
        });
        reached.into_iter().for_each(|reached| *when.entry(reached).or_default() += 1);
    }
    eprintln!("killed {when:?}");
    when
}

#[test]
fn whatever_is_killed_no_message_is_lost() {
    kill_at_random(4, 0);
}

#[test]
#[ignore = "takes four minutes: `./test.sh --slow` runs it"]
fn whatever_is_killed_fifty_times_no_message_is_lost() {
    let when = kill_at_random(50, 1_000);
    assert!(when["while it was sending"] >= 3 && when["while it was draining"] >= 3, "{when:?}");
}

/// Most of a plan of five minutes is still to come when its seeder dies.
#[test]
fn a_run_whose_seeder_was_killed_is_collected_at_once() {
    let load = "arrivals = \"even\"\nduration = \"5m\"\nrate = 30";
    let mut stage = Stage::new("aws-kill-long", load, Odds::default());
    stage.work();
    let going = stage.begin(&ARGUMENTS);
    half_way(&stage);
    // Whoever looks meanwhile waits for it.
    let looking = stage.begin_with(&COLLECT, &[("AWS_ENDPOINT_URL_SQS", &stage.world.queues)]);
    std::thread::sleep(Duration::from_millis(3_000));
    looking.signal("-KILL");
    looking.ends_within(10);
    assert!(!is_complete(&stage), "its seeder lives");
    going.signal("-KILL");
    going.ends_within(10);
    let done = stage.play(&COLLECT[..COLLECT.len() - 1]);
    assert_eq!(done.code, 4, "{}", done.err);
    assert!(done.err.contains("Nobody sends any more, though the plan has 2"), "{}", done.err);
    assert!(is_complete(&stage));
    for (done, _) in stage.holds_what_workers_told() {
        assert!(done > PLANNED / 4, "{done}");
    }
    assert!(!stage.out().join("seeder-1-of-1").exists(), "a complete run needs no claims");
}

fn half_way(stage: &Stage) {
    wait_until("messages are sent", 20, || stage.queues.taken().len() as u64 > PLANNED / 2);
}

/// What is left of a run that was asked to end can be collected.
fn completes(stage: &Stage) {
    let done = stage.play(&COLLECT);
    let failed = ["every stack was offered the same messages", "the queues were drained in time"];
    assert_eq!((done.code, failed_but_for_time(&stage.out())), (4, failed.map(String::from).to_vec()));
    assert!(is_complete(stage));
    for (done, _) in stage.holds_what_workers_told() {
        assert!((1..PLANNED).contains(&done), "{done}");
    }
}

#[test]
fn one_signal_ends_the_load_and_keeps_the_run() {
    for signal in ["-INT", "-TERM"] {
        let mut stage = Stage::new(&format!("aws-signal{signal}"), LOAD, Odds::default());
        stage.work();
        let going = stage.begin(&ARGUMENTS);
        half_way(&stage);
        going.signal(signal);
        let done = going.ends_within(20);
        assert_eq!(done.code, 4, "{}", done.err);
        assert!(done.err.contains("interrupted; sends no more and drains the queues"), "{}", done.err);
        assert!(!is_complete(&stage), "it was cut short");
        let before = stage.holds_what_workers_told();
        completes(&stage);
        assert_eq!(before, stage.holds_what_workers_told(), "it had been drained");
    }
}

#[test]
fn a_signal_after_the_last_message_spoils_nothing() {
    let mut stage = Stage::new("aws-signal-late", LOAD, Odds::default());
    let going = stage.begin(&ARGUMENTS);
    wait_until("all is sent", 20, || stage.queues.taken().len() as u64 == 2 * PLANNED);
    // For the answers to the last calls.
    std::thread::sleep(Duration::from_millis(500));
    going.signal("-INT");
    std::thread::sleep(Duration::from_millis(500));
    stage.work();
    let done = going.ends_within(30);
    assert!(done.err.contains("interrupted; all is sent; drains the queues"), "{}", done.err);
    assert!(is_complete(&stage), "{}", done.err);
    valid_or_late(&stage.out(), &done);
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    let mut stage = Stage::new("aws-signals", LOAD, Odds::default());
    // Nobody works, so that the drain would take its ten seconds.
    let going = stage.begin(&ARGUMENTS);
    half_way(&stage);
    going.signal("-INT");
    std::thread::sleep(Duration::from_millis(300));
    going.signal("-INT");
    let done = going.ends_within(6);
    assert_eq!(done.code, 4, "{}", done.err);
    assert!(!is_complete(&stage));
    for ledger in ledgers(&stage.out()).values() {
        assert_eq!((&ledger["in-flight"], &ledger["lost"]), (&PLANNED.into(), &0.into()), "{ledger}");
    }
    stage.work();
    stage.drained();
    completes(&stage);
}
