//! What each fault does to a run that would go well without it.

use crate::worlds::{function, instant, one_by_one, scenario};
use model::plan::Plan;
use model::record::{Ledger, MessageRecord};
use model::run::ActivityKind;
use model::scenario::{
    Arrivals, Delete, Distribution, Ecs, Fault, FaultKind, Lambda, Parameters, Platform, Poll, Queue, Rate,
    Scenario, Stack, Worker,
};
use model::series::metric;
use model::time::{MILLISECOND, MINUTE, Nanos, SECOND};
use model::usage::Item;
use sim::{Options, Provenance, Simulated};

/// A service and a function under an even load, everything but the work without delay.
fn world(rate: f64, duration: Nanos, work: Nanos, tasks: u32) -> Scenario {
    let queue = Queue { visibility_timeout: 30 * SECOND, ..Queue::default() };
    let stack = |name: &str, platform| Stack { queue, ..Stack::new(name, platform) };
    let lambda = Lambda { timeout: 20 * SECOND, ..function() };
    let stacks = vec![stack("ecs", one_by_one(tasks)), stack("lambda", Platform::Lambda(lambda))];
    let mut world = scenario(rate, duration, Distribution::Constant(work), stacks);
    world.phases[0].arrivals = Arrivals::Even(Rate::Constant(rate));
    world.parameters = instant(Parameters::default());
    world
}

/// One message at the very beginning.
fn one_message(work: Nanos, tasks: u32) -> Scenario {
    world(0.5, 2 * SECOND, work, tasks)
}

fn at(from: Nanos, kind: FaultKind) -> Fault {
    Fault { stack: None, from, until: from, kind }
}

fn during(from: Nanos, until: Nanos, kind: FaultKind) -> Fault {
    Fault { until, ..at(from, kind) }
}

fn simulate(scenario: &Scenario, faults: Vec<Fault>) -> Simulated {
    let scenario = Scenario { faults, ..scenario.clone() };
    let out =
        sim::simulate(&scenario, &Provenance::default(), Options { records: true, ..Options::default() });
    for (entry, records) in out.run.manifest.stacks.iter().zip(&out.records) {
        assert!(entry.ledger.balances(), "{}: {:?}", entry.name, entry.ledger);
        records.iter().for_each(|record| model::record::check_order(record).unwrap());
    }
    out
}

const ECS: usize = 0;
const LAMBDA: usize = 1;

fn ledger(out: &Simulated, stack: usize) -> Ledger {
    out.run.manifest.stacks[stack].ledger
}

fn points(out: &Simulated, stack: usize, metric: &str, within: std::ops::Range<Nanos>) -> Vec<f64> {
    let series = out.run.stacks[stack].series(metric).unwrap();
    series.points.iter().filter(|p| within.contains(&p.0)).map(|p| p.1).collect()
}

fn total(out: &Simulated, stack: usize, metric: &str, within: std::ops::Range<Nanos>) -> f64 {
    points(out, stack, metric, within).iter().sum()
}

fn largest(out: &Simulated, stack: usize, metric: &str) -> f64 {
    points(out, stack, metric, 0..Nanos::MAX).into_iter().fold(0.0, f64::max)
}

/// Activities of faults and deployments: when and which.
fn told(out: &Simulated, stack: usize) -> Vec<(Nanos, ActivityKind, &str)> {
    let kinds = [ActivityKind::Fault, ActivityKind::Deployment];
    let all = out.run.stacks[stack].activities.iter();
    all.filter(|a| kinds.contains(&a.kind)).map(|a| (a.at, a.kind, a.detail.as_str())).collect()
}

fn only(records: &[MessageRecord]) -> &MessageRecord {
    assert_eq!(records.len(), 1);
    &records[0]
}

#[test]
fn a_crash_brings_the_message_back_after_its_visibility_timeout() {
    let world = one_message(10 * SECOND, 2);
    let out = simulate(&world, vec![at(5 * SECOND, FaultKind::WorkerCrash { count: 1 })]);
    for stack in [ECS, LAMBDA] {
        let record = only(&out.records[stack]);
        assert_eq!((ledger(&out, stack).completed, record.receive_count), (1, 2));
        assert_eq!(record.received_at, Some(30 * SECOND));
        assert_eq!(told(&out, stack), [(5 * SECOND, ActivityKind::Fault, "worker-crash: 1 worker")]);
    }
    // The other task has it, for the one that replaces the dead one is still on its way.
    assert_eq!(only(&out.records[ECS]).worker, Some(1));
    assert_eq!(only(&out.records[ECS]).finished_at, Some(40 * SECOND));
    assert_eq!(points(&out, ECS, metric::RUNNING_TASKS, 10 * SECOND..25 * SECOND), [1.0; 3]);
    assert_eq!(points(&out, ECS, metric::PENDING_TASKS, 10 * SECOND..25 * SECOND), [1.0; 3]);
    // The same environment, initialised once more; the second init is in the duration.
    let record = only(&out.records[LAMBDA]);
    assert_eq!((record.worker, record.cold_start), (Some(0), false));
    assert!(record.started_at.unwrap() > record.received_at.unwrap());
    assert_eq!(total(&out, LAMBDA, metric::ERRORS, 0..MINUTE), 1.0);
    assert_eq!(total(&out, LAMBDA, metric::COLD_STARTS, 0..MINUTE), 1.0);
    let billed_s = out.run.stacks[LAMBDA].usage.quantity(Item::LambdaDuration, "x86") as f64 / 512.0 / 1e3;
    assert!((15.0..15.6).contains(&billed_s), "5 s to the crash, then 10 s and the inits, not {billed_s} s");
}

/// A run that ends with a crash is not billed for what the invocation would have taken.
#[test]
fn a_crash_is_billed_up_to_the_crash() {
    let mut world = one_message(10 * MINUTE, 1);
    world.drain_max = MINUTE;
    let Platform::Lambda(lambda) = &mut world.stacks[LAMBDA].platform else { unreachable!() };
    lambda.timeout = 15 * MINUTE;
    world.stacks[LAMBDA].queue.visibility_timeout = 15 * MINUTE;
    let out = simulate(&world, vec![at(40 * SECOND, FaultKind::WorkerCrash { count: 9 })]);
    let billed_s = out.run.stacks[LAMBDA].usage.quantity(Item::LambdaDuration, "x86") as f64 / 512.0 / 1e3;
    assert!((39.0..40.5).contains(&billed_s), "{billed_s} s");
    assert_eq!(ledger(&out, LAMBDA).failed, 1, "it waits for its visibility timeout");
    // The task lived 40 s and is billed for a minute; the next is billed from its pull.
    let usage = &out.run.stacks[ECS].usage;
    let vcpu_s = usage.quantity(Item::FargateVcpu, "x86") / 256;
    assert!((60..=85).contains(&vcpu_s), "{vcpu_s} task seconds");
}

#[test]
fn a_crash_takes_busy_workers_first() {
    let world = one_message(10 * SECOND, 3);
    let plain = simulate(&world, Vec::new());
    let busy = only(&plain.records[ECS]).worker;
    let out = simulate(&world, vec![at(SECOND, FaultKind::WorkerCrash { count: 1 })]);
    assert_eq!(busy, Some(0));
    assert_eq!(only(&out.records[ECS]).receive_count, 2);
    let idle = simulate(&world, vec![at(20 * SECOND, FaultKind::WorkerCrash { count: 3 })]);
    assert_eq!((&idle.records[ECS], &idle.records[LAMBDA]), (&plain.records[ECS], &plain.records[LAMBDA]));
}

#[test]
fn a_killed_task_finishes_what_it_has_and_is_replaced() {
    let world = one_message(10 * SECOND, 2);
    let out = simulate(&world, vec![at(5 * SECOND, FaultKind::TaskKill { count: 1 })]);
    let record = only(&out.records[ECS]);
    assert_eq!((record.worker, record.receive_count, record.finished_at), (Some(0), 1, Some(10 * SECOND)));
    assert_eq!(largest(&out, ECS, metric::DRAINING_TASKS), 1.0);
    assert_eq!(largest(&out, ECS, metric::PENDING_TASKS), 1.0);
    assert!(told(&out, LAMBDA).is_empty(), "Lambda has no tasks");
    // Beyond its stop timeout it is killed, and the message comes back.
    let slow = one_message(40 * SECOND, 2);
    let mut slow = Scenario { drain_max: 5 * MINUTE, ..slow };
    slow.stacks[ECS].queue.visibility_timeout = 50 * SECOND;
    let out = simulate(&slow, vec![at(5 * SECOND, FaultKind::TaskKill { count: 1 })]);
    let record = only(&out.records[ECS]);
    assert_eq!((record.worker, record.receive_count), (Some(1), 2));
    assert_eq!(record.received_at, Some(50 * SECOND));
}

#[test]
fn a_deployment_replaces_every_worker_and_loses_nothing() {
    let world = world(10.0, 5 * MINUTE, 200 * MILLISECOND, 3);
    let out = simulate(&world, vec![at(MINUTE, FaultKind::Deployment)]);
    for stack in [ECS, LAMBDA] {
        assert_eq!(ledger(&out, stack).completed, 3_000);
        assert_eq!(told(&out, stack), [(MINUTE, ActivityKind::Deployment, "deployment: a new version")]);
    }
    let workers = |stack: usize, within: std::ops::Range<Nanos>| {
        let seen = out.records[stack].iter().filter(move |record| within.contains(&record.scheduled_at));
        let mut workers: Vec<u32> = seen.filter_map(|record| record.worker).collect();
        workers.sort_unstable();
        workers.dedup();
        workers
    };
    assert_eq!(workers(ECS, 0..MINUTE), [0, 1, 2]);
    assert_eq!(workers(ECS, 3 * MINUTE..5 * MINUTE), [3, 4, 5]);
    assert_eq!(largest(&out, ECS, metric::RUNNING_TASKS), 6.0, "both generations, before one is healthy");
    let least = points(&out, ECS, metric::RUNNING_TASKS, 0..5 * MINUTE).into_iter().fold(9.0, f64::min);
    assert_eq!(least, 3.0);
    let old = workers(LAMBDA, 0..MINUTE);
    assert!(workers(LAMBDA, 2 * MINUTE..5 * MINUTE).iter().all(|worker| !old.contains(worker)));
    let colds = |from, until| total(&out, LAMBDA, metric::COLD_STARTS, from..until);
    assert!(colds(MINUTE, MINUTE + 10 * SECOND) >= 2.0);
    assert_eq!(colds(30 * SECOND, MINUTE), 0.0);
    assert_eq!(total(&out, LAMBDA, metric::ERRORS, 0..Nanos::MAX), 0.0);
}

#[test]
fn a_short_visibility_timeout_makes_messages_come_twice() {
    let world = world(1.0, MINUTE, 5 * SECOND, 10);
    let plain = simulate(&world, Vec::new());
    let short = FaultKind::ShortVisibility { timeout: 2 * SECOND };
    let out = simulate(&world, vec![during(20 * SECOND, 40 * SECOND, short)]);
    for stack in [ECS, LAMBDA] {
        assert_eq!(ledger(&plain, stack).completed, 60);
        assert_eq!(ledger(&out, stack).done(), 60);
        let twice: Vec<&MessageRecord> =
            out.records[stack].iter().filter(|record| record.receive_count > 1).collect();
        assert!(ledger(&out, stack).completed_more >= 10, "{:?}", ledger(&out, stack));
        // It is the receive that counts; at one instant an arrival comes before the end of the fault.
        let span = 20 * SECOND..=40 * SECOND;
        assert!(twice.iter().all(|record| span.contains(&record.received_at.unwrap())));
    }
    // Where the receive call says how long, the queue's timeout does not matter.
    let mut own = world;
    let Platform::Ecs(ecs) = &mut own.stacks[ECS].platform else { unreachable!() };
    ecs.worker.visibility_timeout = Some(30 * SECOND);
    let out = simulate(&own, vec![during(20 * SECOND, 40 * SECOND, short)]);
    assert_eq!((ledger(&out, ECS).completed, ledger(&out, LAMBDA).done()), (60, 60));
}

#[test]
fn failing_calls_make_it_slower_and_lose_nothing() {
    let world = world(10.0, 2 * MINUTE, 100 * MILLISECOND, 2);
    let plain = simulate(&world, Vec::new());
    for kind in [FaultKind::EndpointErrors { share: 0.5 }, FaultKind::EndpointThrottles { share: 0.5 }] {
        let out = simulate(&world, vec![during(20 * SECOND, MINUTE, kind)]);
        for stack in [ECS, LAMBDA] {
            assert_eq!(ledger(&plain, stack).completed, 1_200);
            assert_eq!(ledger(&out, stack).done(), 1_200);
            let latency = |out: &Simulated| {
                let of = |record: &MessageRecord| record.finished_at.unwrap() - record.scheduled_at;
                out.records[stack].iter().map(of).sum::<Nanos>() / 1_200
            };
            // Another loop of the mapping takes what one that pauses would have taken.
            let slower = [50 * MILLISECOND, 5 * MILLISECOND][stack];
            assert!(latency(&out) > latency(&plain) + slower, "{} after {}", latency(&out), latency(&plain));
        }
        // A worker's delete that fails is not tried again, the mapping's is.
        assert!(ledger(&out, ECS).completed_more > 50, "{:?}", ledger(&out, ECS));
        assert_eq!(ledger(&out, LAMBDA).completed_more, 0);
    }
}

#[test]
fn nothing_is_received_or_deleted_while_every_call_fails() {
    let mut world = world(10.0, 2 * MINUTE, 100 * MILLISECOND, 2);
    world.stacks.iter_mut().for_each(|stack| stack.queue.visibility_timeout = 2 * MINUTE);
    let outage = during(20 * SECOND, MINUTE, FaultKind::EndpointErrors { share: 1.0 });
    let out = simulate(&world, vec![outage]);
    for stack in [ECS, LAMBDA] {
        for metric in [metric::RECEIVED, metric::DELETED] {
            assert_eq!(total(&out, stack, metric, 25 * SECOND..MINUTE), 0.0, "{metric}");
            // Back-off and retries are over within five seconds.
            assert!(total(&out, stack, metric, MINUTE..MINUTE + 10 * SECOND) > 50.0, "{metric}");
        }
        assert_eq!(ledger(&out, stack).done(), 1_200);
    }
}

#[test]
fn batch_deletes_fail_as_a_whole() {
    let worker = Worker { concurrency: 10, delete: Delete::Batch, ..Worker::default() };
    let slots = Worker { concurrency: 10, poll: Poll::SlotFree, ..Worker::default() };
    for worker in [worker, slots] {
        let mut world = world(20.0, MINUTE, 500 * MILLISECOND, 2);
        world.stacks[ECS].platform = Platform::Ecs(Ecs { tasks: 2, max_tasks: 2, worker, ..Ecs::default() });
        let errors = FaultKind::EndpointErrors { share: 0.3 };
        let out = simulate(&world, vec![during(10 * SECOND, 40 * SECOND, errors)]);
        let ledger = ledger(&out, ECS);
        assert_eq!(ledger.done(), 1_200);
        assert!((100..300).contains(&ledger.completed_more), "about three in ten of 600: {ledger:?}");
    }
}

#[test]
fn failed_messages_are_dead_letters_and_slow_ones_late() {
    let mut world = world(10.0, MINUTE, 100 * MILLISECOND, 4);
    let queue = Queue { visibility_timeout: 20 * SECOND, max_receive_count: Some(2), ..Queue::default() };
    world.stacks.iter_mut().for_each(|stack| stack.queue = queue);
    let failing = during(10 * SECOND, 20 * SECOND, FaultKind::FailedMessages { share: 0.5 });
    let slow = FaultKind::SlowTail { share: 0.2, extra: 3 * SECOND };
    let faults = vec![failing, during(30 * SECOND, 40 * SECOND, slow)];
    let out = simulate(&world, faults.clone());
    let planned: Vec<_> = Plan::new(&Scenario { faults, ..world }).collect();
    let failing = planned.iter().filter(|arrival| arrival.failures == u8::MAX).count() as u64;
    assert!((30..70).contains(&failing));
    for stack in [ECS, LAMBDA] {
        assert_eq!(ledger(&out, stack).dead_lettered, failing);
        assert_eq!(ledger(&out, stack).completed, 600 - failing);
        for (record, arrival) in out.records[stack].iter().zip(&planned) {
            let took = record.finished_at.zip(record.started_at).map(|(end, start)| end - start);
            assert!(took.is_none_or(|took| took >= arrival.work), "{record:?}");
        }
        assert_eq!(told(&out, stack).len(), 2);
    }
}

#[test]
fn a_fault_of_one_stack_does_not_move_another() {
    let world = world(10.0, MINUTE, 200 * MILLISECOND, 3);
    let plain = simulate(&world, Vec::new());
    let kinds = [
        FaultKind::WorkerCrash { count: 2 },
        FaultKind::TaskKill { count: 1 },
        FaultKind::Deployment,
        FaultKind::EndpointErrors { share: 0.5 },
        FaultKind::ShortVisibility { timeout: 0 },
    ];
    for (stack, other) in [("ecs", LAMBDA), ("lambda", ECS)] {
        let faults = kinds.map(|kind| Fault {
            stack: Some(stack.into()),
            // An instant, or ten seconds.
            from: 10 * SECOND,
            until: if matches!(kind, FaultKind::EndpointErrors { .. } | FaultKind::ShortVisibility { .. }) {
                20 * SECOND
            } else {
                10 * SECOND
            },
            kind,
        });
        let out = simulate(&world, faults.to_vec());
        assert_eq!(out.run.stacks[other], plain.run.stacks[other]);
        assert_eq!(out.records[other], plain.records[other]);
        assert_ne!(out.run.stacks[1 - other], plain.run.stacks[1 - other]);
    }
}
