//! From a scenario to a run: one thread per stack, then the manifest.

use crate::books::{Books, Closed};
use crate::ecs::EcsStack;
use crate::engine::{Bounds, World, play};
use crate::events::Events;
use crate::lambda::LambdaStack;
use model::plan::Plan;
use model::random::Stream;
use model::record::{Ledger, MessageRecord};
use model::run::{Check, Manifest, Run, SCHEMA, StackEntry, StackRun};
use model::scenario::{Ecs, Platform, Scenario, Stack, describe};
use model::time::Nanos;
use model::usage::Usage;
use model::windows::Windows;
use platform::ecs::Service;
use platform::sqs::{Queue, Settings};
use std::thread;

/// What is asked of a simulation beyond its scenario.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Keep one record per message: memory then grows with the plan.
    pub records: bool,
    /// Another run of the same plan: everything that is drawn by a stack, and not by the plan, is drawn anew. 0 is the
    /// run that the seed stands for.
    pub noise: u64,
}

/// Where a scenario came from: copied into the manifest.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// Path of the scenario file.
    pub path: String,
    /// Its text.
    pub text: String,
    /// `--set` overrides.
    pub overrides: Vec<String>,
    /// Command line.
    pub command: Vec<String>,
    /// Position among repeats, from 1, and their number.
    pub repeat: (u32, u32),
    /// Version of the tool.
    pub tool_version: String,
}

/// A simulated run.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// The run.
    pub run: Run,
    /// Records per stack in order of sequence, if they were asked for.
    pub records: Vec<Vec<MessageRecord>>,
}

/// One stack's result.
struct Outcome {
    closed: Closed,
    end: Nanos,
    account_limited: bool,
}

/// Simulates every stack of `scenario` and returns the run.
///
/// The result is a function of the scenario, its seed and this version, on every machine.
#[must_use]
pub fn simulate(scenario: &Scenario, provenance: &Provenance, options: Options) -> Simulated {
    let plan = Plan::new(scenario);
    let window = Windows::width_for(plan.load_end());
    // The plan is drawn already: from here on the seed is that of the stacks.
    let seed = scenario.seed ^ options.noise.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    let drawing = &Scenario { seed, ..scenario.clone() };
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let threads: Vec<_> = scenario
            .stacks
            .iter()
            .map(|stack| {
                let plan = plan.clone();
                scope.spawn(move || simulate_stack(drawing, stack, plan, window, options))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    assemble(scenario, provenance, &plan, window, outcomes)
}

/// How long `count` tasks of an ECS service take to start on Fargate under the beliefs of `scenario`, in nanoseconds
/// from their launch: a function of the scenario, as a run is.
#[must_use]
pub fn task_starts(scenario: &Scenario, ecs: &Ecs, count: usize) -> Vec<Nanos> {
    let stream = Stream::new(scenario.seed, "task starts");
    let mut service = Service::new(ecs, &scenario.parameters, stream);
    std::iter::repeat_with(|| service.draw_start().iter().sum()).take(count).collect()
}

fn simulate_stack(
    scenario: &Scenario,
    stack: &Stack,
    plan: Plan,
    window: Nanos,
    options: Options,
) -> Outcome {
    let beliefs = &scenario.parameters;
    let seed = scenario.seed;
    let load_end = plan.load_end();
    let bounds = Bounds { load_end, deadline: load_end + scenario.drain_max };
    let stream = Stream::new(seed, &format!("{} queue", stack.name));
    let world = World {
        queue: Queue::new(Settings::new(stack.queue, beliefs), stream),
        events: Events::default(),
        books: Books::new(window, scenario.warmup, stack.log_bytes_per_message, options.records),
    };
    let (world, end, account_limited) = match &stack.platform {
        Platform::Ecs(ecs) => {
            let mut consumer = EcsStack::new(world, scenario, stack, ecs);
            let end = play(plan, &mut consumer, bounds);
            (consumer.into_world(), end, false)
        }
        Platform::Lambda(lambda) => {
            let mut consumer = LambdaStack::new(world, scenario, stack, lambda);
            let end = play(plan, &mut consumer, bounds);
            let limited = consumer.account_limited();
            (consumer.into_world(), end, limited)
        }
    };
    let World { queue, books, .. } = world;
    Outcome { closed: books.finish(&queue), end, account_limited }
}

fn assemble(
    scenario: &Scenario,
    provenance: &Provenance,
    plan: &Plan,
    window: Nanos,
    outcomes: Vec<Outcome>,
) -> Simulated {
    let hashes: Vec<String> = outcomes.iter().map(|outcome| outcome.closed.hash.hex()).collect();
    let checks = checks(scenario, &outcomes, &hashes);
    let stacks = scenario.stacks.iter().zip(&outcomes);
    let entries = stacks
        .map(|(stack, outcome)| StackEntry {
            name: stack.name.clone(),
            platform: stack.platform.name().into(),
            configuration: describe(stack),
            ledger: outcome.closed.ledger,
            end: outcome.end,
        })
        .collect();
    let manifest = Manifest {
        about: "SIMULATED run of versus: virtual time, modelled platforms, no AWS involved. The parameters below \
                are the beliefs it rests on, each with its source."
            .into(),
        schema: SCHEMA,
        tool_version: provenance.tool_version.clone(),
        target: "sim".into(),
        title: scenario.title.clone(),
        analysis: scenario.analysis.clone(),
        scenario_path: provenance.path.clone(),
        scenario_hash: model::run::text_hash(&provenance.text),
        scenario: provenance.text.clone(),
        overrides: provenance.overrides.clone(),
        seed: scenario.seed,
        repeat: provenance.repeat,
        command: provenance.command.clone(),
        started_utc: None,
        region: scenario.region.clone(),
        warmup: scenario.warmup,
        window,
        phases: plan.spans().to_vec(),
        load_end: plan.load_end(),
        planned: outcomes.first().map_or(0, |outcome| outcome.closed.ledger.planned),
        plan_hash: hashes.first().cloned().unwrap_or_default(),
        stacks: entries,
        parameters: scenario.parameters.beliefs(),
        checks,
        complete: true,
        measurement: Usage::default(),
    };
    let mut records = Vec::new();
    let mut runs = Vec::new();
    for outcome in outcomes {
        records.push(outcome.closed.records.unwrap_or_default());
        runs.push(StackRun {
            series: outcome.closed.series,
            windows: outcome.closed.windows,
            breakdown: outcome.closed.breakdown,
            sample: outcome.closed.sample,
            usage: outcome.closed.usage,
            activities: outcome.closed.activities,
        });
    }
    Simulated { run: Run { manifest, stacks: runs }, records }
}

/// The validity checks of a simulated run.
fn checks(scenario: &Scenario, outcomes: &[Outcome], hashes: &[String]) -> Vec<Check> {
    let named =
        || scenario.stacks.iter().zip(outcomes).map(|(stack, outcome)| (stack.name.as_str(), outcome));
    let each = |figure: &dyn Fn(&Ledger) -> String| {
        named()
            .map(|(name, o)| format!("{name}: {}", figure(&o.closed.ledger)))
            .collect::<Vec<_>>()
            .join("; ")
    };
    let all = |holds: &dyn Fn(&Ledger) -> bool| outcomes.iter().all(|o| holds(&o.closed.ledger));
    let check = |name: &str, passed: bool, detail: String| Check { name: name.into(), passed, detail };
    let limited: Vec<&str> = named().filter(|(_, o)| o.account_limited).map(|(name, _)| name).collect();
    vec![
        check(
            "every stack was offered the same messages",
            hashes.windows(2).all(|pair| pair[0] == pair[1]),
            format!("plan hash {}", hashes.join(", ")),
        ),
        check(
            "the generator was on time",
            true,
            "a simulated message is sent at its intended instant".into(),
        ),
        check(
            "every planned message is accounted for",
            all(&Ledger::balances),
            each(&|l| format!("{} of {}", l.total(), l.planned)),
        ),
        check("no message was lost", all(&|l| l.lost == 0), each(&|l| format!("{} lost", l.lost))),
        check(
            "the queues were drained in time",
            all(&|l| l.in_flight == 0 && l.failed == 0),
            each(&|l| format!("{} left", l.in_flight + l.failed)),
        ),
        check(
            "no account limit throttled a stack",
            limited.is_empty(),
            if limited.is_empty() { "none did".into() } else { format!("it did: {}", limited.join(", ")) },
        ),
    ]
}
