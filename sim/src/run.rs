//! From a scenario to a run: one thread per stack, then the manifest.

use crate::books::{Books, Closed};
use crate::ecs::EcsStack;
use crate::engine::{Bounds, World, play};
use crate::events::Events;
use crate::journeys::Journeys;
use crate::lambda::LambdaStack;
use crate::load::Load;
use crate::parts::{self, Part};
use model::plan::{Plan, PlanHash};
use model::random::Stream;
use model::record::{Ledger, MessageRecord};
use model::run::{Check, Manifest, Run, SCHEMA, StackEntry, StackRun};
use model::scenario::{Ecs, Fleet, Platform, Scenario, Split, Stack, describe};
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
    let parts: Vec<Vec<Part>> = scenario.stacks.iter().map(|stack| Part::of(scenario, stack)).collect();
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let play = |part, until| {
            let plan = plan.clone();
            scope.spawn(move || simulate_part(scenario, seed, part, plan, window, until, options))
        };
        let start = |part| play(part, 0);
        let threads: Vec<Vec<_>> = parts.iter().map(|parts| parts.iter().map(start).collect()).collect();
        let ended = |thread: thread::ScopedJoinHandle<'_, Outcome>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads
            .into_iter()
            .zip(&parts)
            .filter_map(|(threads, parts)| {
                let outcomes: Vec<Outcome> = threads.into_iter().map(ended).collect();
                let end = outcomes.iter().map(|outcome| outcome.end).max()?;
                // A consumer whose stream is drained stands, and is paid for, until the others' are.
                let again: Vec<_> = parts
                    .iter()
                    .zip(outcomes)
                    .map(
                        |(part, outcome)| {
                            if outcome.end == end { Ok(outcome) } else { Err(play(part, end)) }
                        },
                    )
                    .collect();
                let names = parts.iter().map(|part| part.name.clone());
                let outcomes = again.into_iter().map(|one| one.unwrap_or_else(ended));
                Outcome::joined(names.zip(outcomes).collect())
            })
            .collect()
    });
    assemble(scenario, provenance, &plan, window, outcomes)
}

/// How long `count` tasks of an ECS service take to start on Fargate under the beliefs of `scenario`, in nanoseconds
/// from their launch: a function of the scenario, as a run is.
#[must_use]
pub fn task_starts(scenario: &Scenario, ecs: &Ecs, count: usize) -> Vec<Nanos> {
    let stream = Stream::new(scenario.seed, "task starts");
    let mut service = Service::new(Fleet::Ecs(ecs), &scenario.parameters, stream);
    std::iter::repeat_with(|| service.draw_start().iter().sum()).take(count).collect()
}

impl Outcome {
    /// Of a stack, from those of its parts.
    fn joined(parts: Vec<(String, Self)>) -> Option<Self> {
        let end = parts.iter().map(|(_, part)| part.end).max()?;
        let account_limited = parts.iter().any(|(_, part)| part.account_limited);
        let closed = parts::joined(parts.into_iter().map(|(name, part)| (name, part.closed)).collect())?;
        Some(Self { closed, end, account_limited })
    }

    /// Hash of the streams that the stack drains.
    fn plan_hash(&self) -> PlanHash {
        let mut drained = self.closed.hashes.iter().filter(|hash| hash.count() > 0);
        let mut first = drained.next().copied().unwrap_or_default();
        drained.for_each(|hash| first.join(hash));
        first
    }
}

fn simulate_part(
    planned: &Scenario,
    seed: u64,
    part: &Part,
    plan: Plan,
    window: Nanos,
    until: Nanos,
    options: Options,
) -> Outcome {
    let Part { streams, stack, name } = part;
    let beliefs = &planned.parameters;
    // Parts draw apart from each other; what is planned is drawn with the scenario's own seed.
    let seed = if name.is_empty() { seed } else { Stream::new(seed, &format!("part {name}")).bits() };
    let scenario = &Scenario { seed, ..planned.clone() };
    let load_end = plan.load_end();
    let bounds = Bounds { load_end: load_end.max(until), deadline: load_end + scenario.drain_max };
    let stream = Stream::new(seed, &format!("{} queue", stack.name));
    let mut queue = Queue::new(Settings::new(stack.queue, beliefs), stream);
    let mut queues = 1;
    if stack.split == Split::Queues {
        queues = streams.len() as u64;
        queue = queue.parted(planned.streams.len() as u32, |load: &Load| u32::from(load.stream));
    }
    let books = Books::new(window, scenario.warmup, stack.log_bytes_per_message, options.records);
    let pointer = beliefs.claim_check_bytes.clamp(1, 1 << 20) as u32;
    let books = books.with_journeys(Journeys::of(planned, stack), pointer, queues);
    let plan = if planned.streams.is_empty() { plan } else { plan.only(streams) };
    let world = World { queue, events: Events::default(), books };
    let (world, end, account_limited) = match &stack.platform {
        Platform::Ecs(ecs) => drained_by(Fleet::Ecs(ecs), world, scenario, stack, plan, bounds),
        Platform::Ec2(group) => drained_by(Fleet::Ec2(group), world, scenario, stack, plan, bounds),
        Platform::Eks(eks) => drained_by(Fleet::Eks(eks), world, scenario, stack, plan, bounds),
        Platform::Lambda(lambda) => {
            let mut consumer = LambdaStack::new(world, scenario, stack, lambda);
            let end = play(plan, &mut consumer, bounds);
            let limited = consumer.account_limited();
            (consumer.into_world(), end, limited)
        }
    };
    let World { queue, books, .. } = world;
    Outcome { closed: books.finish(&queue, streams), end, account_limited }
}

fn drained_by(
    fleet: Fleet<'_>,
    world: World,
    scenario: &Scenario,
    stack: &Stack,
    plan: Plan,
    bounds: Bounds,
) -> (World, Nanos, bool) {
    let mut consumer = EcsStack::new(world, scenario, stack, fleet);
    let end = play(plan, &mut consumer, bounds);
    (consumer.into_world(), end, false)
}

fn assemble(
    scenario: &Scenario,
    provenance: &Provenance,
    plan: &Plan,
    window: Nanos,
    outcomes: Vec<Outcome>,
) -> Simulated {
    let checks = checks(scenario, &outcomes);
    let (planned, plan_hash) = whole_plan(scenario, &outcomes);
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
        planned,
        plan_hash,
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
            sample: outcome.closed.sampler.finish(),
            usage: outcome.closed.usage,
            activities: outcome.closed.activities,
            streams: outcome.closed.streams,
        });
    }
    Simulated { run: Run { manifest, stacks: runs }, records }
}

/// Messages that some stack drains, and their hash.
fn whole_plan(scenario: &Scenario, outcomes: &[Outcome]) -> (u64, String) {
    let of = |stream: usize| outcomes.iter().map(|o| o.closed.hashes[stream]).find(|hash| hash.count() > 0);
    let mut streams = (0..scenario.streams.len().max(1)).filter_map(of);
    let mut whole = streams.next().unwrap_or_default();
    streams.for_each(|hash| whole.join(&hash));
    (whole.count(), whole.hex())
}

/// Whether stacks that drain the same stream were offered the same messages of it.
fn same_messages(scenario: &Scenario, outcomes: &[Outcome]) -> bool {
    let same = |stream: usize| {
        let mut offered = outcomes.iter().map(|o| o.closed.hashes[stream]).filter(|hash| hash.count() > 0);
        let first = offered.next();
        offered.all(|hash| Some(hash) == first)
    };
    (0..scenario.streams.len().max(1)).all(same)
}

/// The validity checks of a simulated run.
fn checks(scenario: &Scenario, outcomes: &[Outcome]) -> Vec<Check> {
    let hashes: Vec<String> = outcomes.iter().map(|outcome| outcome.plan_hash().hex()).collect();
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
            same_messages(scenario, outcomes),
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
