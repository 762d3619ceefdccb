//! Messages per second through a whole stack on one core: plan, queue, pollers or tasks, environments, scaling,
//! alarms, histograms, usage.
//!
//! `cargo bench -p versus-sim` takes 2 M messages a sample; `MESSAGES=20000000 cargo bench -p versus-sim` is the
//! figure that docs/BENCHMARKS.md quotes.

use divan::Bencher;
use divan::counter::ItemsCount;
use model::scenario::{
    AlarmMetric, Arrivals, Delete, Distribution, Ecs, Lambda, Message, Parameters, Phase, Platform, Poll,
    Queue, Rate, ScalingPolicy, Scenario, Stack, TargetTracking, Worker,
};
use model::time::{HOUR, MILLISECOND, MINUTE, SECOND, from_seconds};
use sim::{Options, Provenance, simulate};

fn main() {
    divan::main();
}

/// Messages per second of load: a busy queue, tens of tasks or hundreds of environments.
const RATE: f64 = 2_000.0;

fn messages() -> f64 {
    std::env::var("MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(2e6)
}

fn scenario(platform: Platform, failure: f64) -> Scenario {
    Scenario {
        title: "benchmark".into(),
        analysis: "benchmark".into(),
        seed: 1,
        region: Scenario::REGION.into(),
        warmup: MINUTE,
        drain_max: HOUR,
        phases: vec![Phase {
            name: "load".into(),
            duration: Some(from_seconds(messages() / RATE)),
            arrivals: Arrivals::Poisson(Rate::Constant(RATE)),
        }],
        message: Message {
            work: Distribution::Lognormal { median: 150 * MILLISECOND, p99: 800 * MILLISECOND },
            failure,
            ..Message::default()
        },
        stacks: vec![Stack {
            queue: Queue { max_receive_count: Some(5), ..Queue::default() },
            log_bytes_per_message: 200,
            ..Stack::new("stack", platform)
        }],
        faults: Vec::new(),
        streams: Vec::new(),
        expect: Vec::new(),
        parameters: Parameters::default(),
    }
}

fn ecs(worker: Worker) -> Platform {
    Platform::Ecs(Ecs {
        cpu_units: 1024,
        memory_mb: 2048,
        tasks: 60,
        min_tasks: 45,
        max_tasks: 200,
        worker,
        scaling: vec![ScalingPolicy::TargetTracking(TargetTracking {
            metric: AlarmMetric::BacklogPerTask,
            target: 100.0,
            scale_out_cooldown: MINUTE,
            scale_in_cooldown: 300 * SECOND,
            disable_scale_in: false,
        })],
        ..Ecs::default()
    })
}

fn bench(bencher: Bencher, platform: Platform, failure: f64) {
    let scenario = scenario(platform, failure);
    bencher
        .counter(ItemsCount::new(messages() as u64))
        .bench_local(|| simulate(&scenario, &Provenance::default(), Options::default()));
}

/// Standard mode, batches of up to 10, cold starts, every message succeeds.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn lambda(bencher: Bencher) {
    bench(bencher, Platform::Lambda(Lambda::default()), 0.0);
}

/// The same with 0.5 % failing attempts, partial batch responses, redeliveries and a dead-letter queue.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn lambda_with_failures(bencher: Bencher) {
    let lambda = Lambda { partial_batch_responses: true, ..Lambda::default() };
    bench(bencher, Platform::Lambda(lambda), 0.005);
}

/// Ten messages at once per task, a receive whenever a slot is free, a delete each, target tracking.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn ecs_slots(bencher: Bencher) {
    let worker = Worker { concurrency: 10, poll: Poll::SlotFree, ..Worker::default() };
    bench(bencher, ecs(worker), 0.0);
}

/// Receive ten, work on all, delete as a batch, receive again; target tracking.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn ecs_batches(bencher: Bencher) {
    let worker = Worker { concurrency: 10, delete: Delete::Batch, ..Worker::default() };
    bench(bencher, ecs(worker), 0.0);
}
