//! Streams, hops, groups and bodies in S3.

use crate::worlds::{function, one_by_one, scenario, simulate, stack};
use model::scenario::{
    BetweenHops, Consumer, Distribution, Ecs, Lambda, Load, Message, MessageStream, Platform, Queue,
    Scenario, Split, Stack, Worker,
};
use model::series::metric;
use model::streams::StreamRun;
use model::time::{HOUR, MILLISECOND, MINUTE, SECOND, seconds};
use model::usage::Item;
use model::windows::Stage;

const WORK: Distribution = Distribution::Constant(100 * MILLISECOND);

fn hopping(hops: u32, stacks: Vec<Stack>) -> Scenario {
    let world = scenario(5.0, 5 * MINUTE, WORK, stacks);
    Scenario { message: Message { hops, ..world.message.clone() }, ..world }
}

fn ecs(tasks: u32, between_hops: BetweenHops) -> Platform {
    let Platform::Ecs(ecs) = one_by_one(tasks) else { unreachable!("a service") };
    Platform::Ecs(Ecs { worker: Worker { between_hops, ..ecs.worker }, ..ecs })
}

fn row<'a>(rows: &'a [StreamRun], label: &str) -> &'a StreamRun {
    rows.iter().find(|row| row.label() == label).unwrap_or_else(|| panic!("no {label} in {rows:?}"))
}

fn mean_ms(row: &StreamRun) -> f64 {
    let sum: f64 = row.latency.iter().map(|(us, count)| us as f64 * count as f64).sum();
    sum / row.latency.total() as f64 / 1e3
}

#[test]
fn a_message_is_worked_on_once_per_hop_and_counted_once() {
    let stacks = vec![stack("ecs", ecs(40, BetweenHops::Sqs)), stack("lambda", Platform::Lambda(function()))];
    let simulated = simulate(&hopping(6, stacks));
    for (entry, run) in simulated.run.manifest.stacks.iter().zip(&simulated.run.stacks) {
        let planned = entry.ledger.planned;
        assert!(planned > 1_000 && entry.ledger.completed == planned, "{entry:?}");
        let sent_on: f64 = run.series(metric::SENT_ON).unwrap().points.iter().map(|p| p.1).sum();
        assert_eq!(sent_on as u64, 5 * planned);
        // Plain messages, each sent by a call of its own: as many requests as messages and hops.
        assert_eq!(run.usage.quantity(Item::SqsRequests, "send"), 6 * planned);
        let whole = row(&run.streams, "all");
        assert_eq!((whole.ledger.planned, whole.ledger.completed), (planned, planned));
        for hop in 1..=6 {
            let hop = row(&run.streams, &format!("hop {hop}"));
            assert_eq!((hop.ledger.planned, hop.ledger.completed), (planned, planned));
            // Work, a receive or a delivery, and a send.
            assert!((105.0..180.0).contains(&mean_ms(hop)), "{} ms", mean_ms(hop));
        }
        let hops: f64 = (1..=6).map(|hop| mean_ms(row(&run.streams, &format!("hop {hop}")))).sum();
        assert!((hops - mean_ms(whole)).abs() < 1.0, "{hops} against {}", mean_ms(whole));
        // The parts of the latency are those of all hops.
        let work = run.windows.merged(Stage::Work, 0, HOUR).unwrap().mean() / 1e3;
        assert!((work - 600.0 - 5.0 * 9.0).abs() < 10.0, "{work}");
    }
}

#[test]
fn a_broker_in_memory_needs_no_calls_between_hops() {
    let stacks = vec![stack("sqs", ecs(40, BetweenHops::Sqs)), stack("memory", ecs(40, BetweenHops::Memory))];
    let run = simulate(&hopping(6, stacks)).run;
    let [sqs, memory] = run.stacks.as_slice() else { panic!("two stacks") };
    let planned = run.manifest.planned;
    assert_eq!(memory.usage.quantity(Item::SqsRequests, "send"), planned);
    assert_eq!(memory.usage.quantity(Item::SqsRequests, "delete"), planned);
    assert_eq!(sqs.usage.quantity(Item::SqsRequests, "delete"), 6 * planned);
    let mean = |rows: &[StreamRun]| mean_ms(row(rows, "all"));
    assert!((mean(&memory.streams) - 612.0).abs() < 10.0, "{}", mean(&memory.streams));
    assert!(mean(&sqs.streams) > mean(&memory.streams) + 5.0 * 14.0);
}

#[test]
fn who_works_twice_sends_on_once() {
    // Visible again long before the work is done: every hop is worked on several times.
    let queue = Queue { visibility_timeout: 2 * SECOND, ..Queue::default() };
    let platform = ecs(300, BetweenHops::Sqs);
    let world = hopping(3, vec![Stack { queue, ..stack("ecs", platform) }]);
    let message = Message { work: Distribution::Constant(5 * SECOND), ..world.message.clone() };
    let run = simulate(&Scenario { message, ..world }).run;
    let entry = &run.manifest.stacks[0];
    assert!(entry.ledger.balances() && entry.ledger.done() == entry.ledger.planned, "{:?}", entry.ledger);
    let received: f64 = run.stacks[0].series(metric::RECEIVED).unwrap().points.iter().map(|p| p.1).sum();
    assert!(received as u64 > 6 * entry.ledger.planned, "{received}");
    let hop = row(&run.stacks[0].streams, "hop 3");
    assert_eq!(hop.ledger.planned, entry.ledger.planned);
}

#[test]
fn large_bodies_go_through_s3() {
    let stacks = vec![stack("lambda", Platform::Lambda(function()))];
    let world = hopping(2, stacks);
    let with = |claim_check, body: u32| {
        let message = Message { body_bytes: (body, body), claim_check, ..world.message.clone() };
        simulate(&Scenario { message, ..world.clone() }).run
    };
    let inline = with(Some(256 * 1024), 200 * 1024);
    assert_eq!(inline.stacks[0].usage.quantity(Item::S3Requests, "put"), 0);
    let run = with(Some(256 * 1024), 850_000);
    let (planned, usage) = (run.manifest.planned, &run.stacks[0].usage);
    // The seeder puts it and each hop but the last; each hop gets it.
    assert_eq!(usage.quantity(Item::S3Requests, "put"), 2 * planned);
    assert_eq!(usage.quantity(Item::S3Requests, "get"), 2 * planned);
    // A pointer is one request, 200 KB are four.
    assert_eq!(usage.quantity(Item::SqsRequests, "send"), 2 * planned);
    assert_eq!(inline.stacks[0].usage.quantity(Item::SqsRequests, "send"), 8 * planned);
    // Twice a get, once a put: 150 ms and a hundredth of a second of transfer each.
    let more = mean_ms(row(&run.stacks[0].streams, "all")) - mean_ms(row(&inline.stacks[0].streams, "all"));
    assert!((more - 480.0).abs() < 40.0, "{more}");
}

#[test]
fn groups_meet_in_environments() {
    let world = scenario(5.0, 5 * MINUTE, WORK, vec![stack("lambda", Platform::Lambda(function()))]);
    let shared = |groups| {
        let message = Message { groups, ..world.message.clone() };
        let run = simulate(&Scenario { message, ..world.clone() }).run;
        let series = run.stacks[0].series(metric::SHARED_WORKERS).map(|series| series.points.clone());
        let sum: f64 = series.unwrap_or_default().iter().map(|p| p.1).sum();
        (sum, run.manifest.planned as f64)
    };
    assert_eq!(shared(1).0, 0.0);
    let (of_twenty, planned) = shared(20);
    // All but the first messages of a few environments.
    assert!(of_twenty > 0.95 * planned && of_twenty < planned, "{of_twenty} of {planned}");
}

fn stream(name: &str, load: Load, work_ms: u64) -> MessageStream {
    let work = Distribution::Constant(work_ms * MILLISECOND);
    MessageStream { name: name.into(), load, message: Message { work, ..Message::default() } }
}

/// 9 of 10 messages are of the first stream.
fn streaming(stacks: Vec<Stack>) -> Scenario {
    let streams = vec![stream("login", Load::Share(0.9), 20), stream("recovery", Load::Share(0.1), 200)];
    Scenario { streams, ..scenario(50.0, 5 * MINUTE, WORK, stacks) }
}

fn split(name: &str, platform: Platform, split: Split) -> Stack {
    let whole = stack(name, platform);
    let consumer = |stream| Consumer { stream, queue: whole.queue, platform: whole.platform.clone() };
    let consumers = if split == Split::Consumers { vec![consumer(0), consumer(1)] } else { Vec::new() };
    Stack { split, consumers, ..whole }
}

#[test]
fn streams_have_accounts_of_their_own_however_they_are_parted() {
    let lambda = || Platform::Lambda(Lambda { batch_size: 1, ..function() });
    let run = simulate(&streaming(vec![
        stack("together", lambda()),
        split("apart", lambda(), Split::Consumers),
        split("queues", one_by_one(30), Split::Queues),
    ]))
    .run;
    assert!(run.manifest.checks.iter().all(|check| check.passed), "{:?}", run.manifest.checks);
    assert!((run.manifest.planned as f64 - 15_000.0).abs() < 400.0);
    for (entry, stack) in run.manifest.stacks.iter().zip(&run.stacks) {
        assert_eq!(entry.ledger.planned, run.manifest.planned);
        let [login, recovery] = ["login", "recovery"].map(|name| row(&stack.streams, name));
        assert_eq!(login.ledger.planned + recovery.ledger.planned, entry.ledger.planned);
        assert_eq!(login.ledger.completed + recovery.ledger.completed, entry.ledger.completed);
        let share = login.ledger.planned as f64 / entry.ledger.planned as f64;
        assert!((share - 0.9).abs() < 0.02, "{share}");
        assert!(mean_ms(recovery) > mean_ms(login) + 150.0);
        assert_eq!(stack.sample.messages.len() as u64, entry.ledger.completed);
        assert!(stack.sample.messages.is_sorted_by_key(|sampled| sampled.seq));
        let completed: f64 = stack.series(metric::COMPLETED).unwrap().points.iter().map(|p| p.1).sum();
        assert_eq!(completed as u64, entry.ledger.completed);
        let latencies = stack.windows.merged(Stage::Latency, 0, HOUR).unwrap();
        assert_eq!(latencies.len(), entry.ledger.completed);
    }
    // What each consumer used is known, and it is what the stack used.
    let apart = &run.stacks[1];
    let of = |usage: &model::usage::Usage| usage.quantity(Item::LambdaRequests, "");
    assert_eq!(of(&apart.streams[0].usage) + of(&apart.streams[1].usage), of(&apart.usage));
    assert_eq!(of(&apart.usage), run.manifest.planned);
}

#[test]
fn an_avalanche_of_one_stream_holds_up_the_others_only_in_a_common_queue() {
    let own = |rate: f64, from_s: u64| {
        let of = |rate, duration, name: &str| model::scenario::Phase {
            name: name.into(),
            duration: Some(duration),
            arrivals: model::scenario::Arrivals::Poisson(model::scenario::Rate::Constant(rate)),
        };
        let rest = 10 * MINUTE - (from_s + 60) * SECOND;
        Load::Phases(vec![of(1.0, from_s * SECOND, "a"), of(rate, MINUTE, "b"), of(1.0, rest, "c")])
    };
    let streams = vec![stream("webhooks", own(100.0, 60), 200), stream("jobs", own(1.0, 60), 200)];
    let stacks = vec![
        stack("common", one_by_one(4)),
        split("queues", one_by_one(4), Split::Queues),
        split("consumers", one_by_one(4), Split::Consumers),
    ];
    let world = Scenario { streams, phases: Vec::new(), ..scenario(1.0, MINUTE, WORK, stacks) };
    let run = simulate(&world).run;
    let [common, queues, consumers] =
        [0, 1, 2].map(|at: usize| mean_ms(row(&run.stacks[at].streams, "jobs")) / 1e3);
    assert!(common > 20.0, "{common} s behind the avalanche");
    assert!(queues < 2.0, "{queues} s with every other turn");
    assert!(consumers < 0.3, "{consumers} s with tasks of its own");
}

#[test]
fn stacks_can_drain_streams_that_others_do_not() {
    let [mut stable, mut canary] = ["stable", "canary"].map(|name| stack(name, one_by_one(8)));
    (stable.streams, canary.streams) = (vec![0], vec![1]);
    let run = simulate(&streaming(vec![stable, canary])).run;
    let planned: Vec<u64> = run.manifest.stacks.iter().map(|entry| entry.ledger.planned).collect();
    assert_eq!(planned.iter().sum::<u64>(), run.manifest.planned);
    assert!(planned[0] > 8 * planned[1], "{planned:?}");
    assert!(run.manifest.checks[0].passed);
    assert_eq!(run.stacks[1].streams.len(), 1);
    assert_eq!(run.stacks[0].sample.pairs(&run.stacks[1].sample).count(), 0);
    assert!(seconds(run.manifest.load_end) == 300.0);
}
