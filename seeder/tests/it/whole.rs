//! Every planned message reaches every queue once, as planned.

use crate::lab::{Act, Call, Lab, Seeded, at_once, phase, scenario};
use crate::mock::{Answer, Reply};
use model::journal::MessageId;
use model::plan::{Arrival, Plan};
use model::scenario::{Arrivals, Batches, Rate, Scenario};
use model::time::MILLISECOND;
use model::work::Work;
use proptest::prelude::*;
use seeder::{Settings, Shard};
use std::collections::BTreeMap;

fn arrivals() -> impl Strategy<Value = Arrivals> {
    let rate = 1_000.0..20_000.0;
    let batches = (1..30_u64, 0..30_u64, 1..20_u64).prop_map(|(least, more, gap)| {
        let gap = (gap * MILLISECOND, 2 * gap * MILLISECOND);
        Arrivals::Batches(Batches { count: None, size: (least, least + more), gap })
    });
    prop_oneof![
        rate.clone().prop_map(|rate| Arrivals::Even(Rate::Constant(rate))),
        rate.prop_map(|rate| Arrivals::Poisson(Rate::Constant(rate))),
        batches,
    ]
}

/// Loads of a tenth of a second at most.
fn scenarios() -> impl Strategy<Value = Scenario> {
    let phases = prop::collection::vec((1..50_u64, arrivals()), 1..3);
    (phases, 1..3_000_u32, 0..200_000_u32, any::<u64>()).prop_map(|(phases, least, more, seed)| {
        let phase = |(length, arrivals)| phase(length * MILLISECOND, arrivals);
        let mut scenario = scenario(phases.into_iter().map(phase).collect());
        scenario.seed = seed;
        // Mostly small, sometimes so large that few fit a call.
        scenario.message.body_bytes = (least, least + if more > 190_000 { more } else { more / 1_000 });
        scenario.message.memory_bytes = u64::from(more);
        scenario
    })
}

/// What came, by stack and `seq`: body and number. Fails if anything came twice or was not as planned.
fn received(calls: &[Call], scenario: &Scenario, stacks: usize) -> Vec<BTreeMap<u64, MessageId>> {
    let plan: Vec<Arrival> = Plan::new(scenario).collect();
    let message = &scenario.message;
    let mut came = vec![BTreeMap::new(); stacks];
    for call in calls {
        let Answer::Entries(replies) = &call.answer else { panic!("{:?}", call.answer) };
        assert!((1..=10).contains(&call.messages.len()));
        let bytes = |came: &crate::lab::Came| {
            came.body.len() + came.attribute.0.len() + came.attribute.1.len() + came.attribute.2.len()
        };
        assert!(call.messages.iter().map(bytes).sum::<usize>() <= 1024 * 1024);
        for (one, reply) in call.messages.iter().zip(replies) {
            let arrival = &plan[one.seq() as usize];
            assert_eq!(one.body, arrival.body(scenario.seed, &message.alphabet));
            let work = Work::of(0x5f3a, arrival, message.cpu_share, message.memory_bytes).to_string();
            assert_eq!(one.attribute, ("versus".to_owned(), "String".to_owned(), work));
            let Reply::Take(number) = reply else { panic!("{reply:?}") };
            assert_eq!(came[call.stack].insert(one.seq(), MessageId(u128::from(*number))), None);
        }
    }
    came
}

fn records_are_right(seeded: &Seeded, came: &[BTreeMap<u64, MessageId>], plan: &[Arrival]) {
    for (stack, came) in came.iter().enumerate() {
        let sent = seeded.of(stack);
        assert_eq!(sent.len(), came.len());
        for sent in sent {
            let arrival = &plan[sent.seq as usize];
            assert_eq!(sent.scheduled_at, arrival.at);
            assert!(sent.scheduled_at <= sent.issued_at && sent.issued_at < sent.answered_at, "{sent:?}");
            assert_eq!((sent.attempts, sent.error.as_deref()), (1, None));
            assert_eq!(sent.message.as_ref(), came.get(&sent.seq));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_planned_message_reaches_every_queue_once(
        scenario in scenarios(),
        stacks in 1..4_usize,
        threads in 1..4_usize,
        in_flight_max in 1..20_usize,
    ) {
        let lab = Lab::new(|_, _| Act::Take);
        let settings = Settings { threads: Some(threads), in_flight_max, ..lab.settings() };
        let seeded = lab.seed(&scenario, stacks, &settings);
        let plan: Vec<Arrival> = Plan::new(&scenario).collect();
        let calls = lab.calls();
        let came = received(&calls, &scenario, stacks);
        for came in &came {
            prop_assert!(came.keys().copied().eq(0..plan.len() as u64));
        }
        records_are_right(&seeded, &came, &plan);

        prop_assert_eq!(seeded.summary.messages, plan.len() as u64);
        prop_assert!(!seeded.summary.stopped);
        for (index, stack) in seeded.summary.stacks.iter().enumerate() {
            prop_assert_eq!(stack.accepted, plan.len() as u64);
            prop_assert_eq!((stack.failed, stack.retried, stack.errors.len()), (0, 0, 0));
            prop_assert_eq!(stack.calls, calls.iter().filter(|call| call.stack == index).count() as u64);
            let longest = seeded.of(index).iter().map(|sent| sent.issued_at - sent.scheduled_at).max();
            prop_assert_eq!(Some(stack.send_delay_max), longest.or(Some(0)));
        }
    }
}

#[test]
fn shards_are_the_plan_together() {
    let lab = Lab::new(|_, _| Act::Take);
    let scenario = at_once(257);
    let mut parts = Vec::new();
    for index in 0..3 {
        let settings = Settings { shard: Shard { index, of: 3 }, threads: Some(2), ..lab.settings() };
        parts.push(lab.seed(&scenario, 2, &settings).summary.messages);
    }
    let came = received(&lab.calls(), &scenario, 2);
    assert!(came.iter().all(|came| came.keys().copied().eq(0..257)));
    assert!(parts.iter().all(|&messages| (80..=90).contains(&messages)), "{parts:?}");
}

#[test]
fn bodies_are_the_same_for_every_stack_and_calls_are_full() {
    let lab = Lab::new(|_, _| Act::Take);
    let settings = Settings { threads: Some(1), ..lab.settings() };
    lab.seed(&at_once(95), 2, &settings);
    let calls = lab.calls();
    for stack in 0..2 {
        let mut sizes: Vec<usize> =
            calls.iter().filter(|call| call.stack == stack).map(|call| call.messages.len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [5, 10, 10, 10, 10, 10, 10, 10, 10, 10]);
    }
    let bodies = |stack| -> BTreeMap<u64, String> {
        let of = calls.iter().filter(|call| call.stack == stack);
        of.flat_map(|call| &call.messages).map(|one| (one.seq(), one.body.clone())).collect()
    };
    assert_eq!(bodies(0), bodies(1));
    assert_eq!(bodies(0).len(), 95);
}
