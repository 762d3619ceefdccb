//! Scenarios for tests, built in code.

use model::scenario::{
    Arrivals, Distribution, Ecs, Lambda, Message, Parameters, Phase, Platform, Queue, Rate, Scenario, Stack,
    Worker,
};
use model::time::{HOUR, MINUTE, Nanos, SECOND};
use sim::{Options, Provenance, Simulated};

/// Poisson arrivals for `duration` in front of one stack.
pub(crate) fn scenario(rate: f64, duration: Nanos, work: Distribution, stacks: Vec<Stack>) -> Scenario {
    Scenario {
        title: "test".into(),
        analysis: "test".into(),
        seed: 1,
        region: Scenario::REGION.into(),
        warmup: 0,
        drain_max: HOUR,
        phases: vec![Phase {
            name: "load".into(),
            duration: Some(duration),
            arrivals: Arrivals::Poisson(Rate::Constant(rate)),
        }],
        message: Message { work, ..Message::default() },
        stacks,
        faults: Vec::new(),
        streams: Vec::new(),
        expect: Vec::new(),
        parameters: Parameters::default(),
    }
}

pub(crate) fn stack(name: &str, platform: Platform) -> Stack {
    // Visible long enough that no test of waiting meets a redelivery.
    let queue = Queue { visibility_timeout: 12 * HOUR, ..Queue::default() };
    Stack { queue, ..Stack::new(name, platform) }
}

/// Calls, deliveries and starts that take no time, and no duplicates: pure queueing.
pub(crate) fn instant(beliefs: Parameters) -> Parameters {
    Parameters {
        sqs_receive_median: 0,
        sqs_receive_p99: 0,
        sqs_delete_median: 0,
        sqs_delete_p99: 0,
        sqs_duplicate_probability: 0.0,
        esm_delivery_p10: 0,
        esm_delivery_p50: 0,
        esm_delivery_p90: 0,
        esm_delivery_p99: 0,
        lambda_start_overhead_min: 0,
        lambda_start_overhead_max: 0,
        ..beliefs
    }
}

/// A service of `tasks` that take one message at a time.
pub(crate) fn one_by_one(tasks: u32) -> Platform {
    Platform::Ecs(Ecs {
        tasks,
        max_tasks: tasks,
        worker: Worker { batch_size: 1, wait_time: 20 * SECOND, ..Worker::default() },
        ..Ecs::default()
    })
}

/// A function that takes one message at a time.
pub(crate) fn function() -> Lambda {
    Lambda { batch_size: 1, timeout: 15 * MINUTE, ..Lambda::default() }
}

pub(crate) fn simulate(scenario: &Scenario) -> Simulated {
    sim::simulate(scenario, &Provenance::default(), Options::default())
}
