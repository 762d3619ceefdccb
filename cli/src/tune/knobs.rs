//! The knobs of a stack: which keys may be moved, and over which values.
//!
//! Goals: what an operator sets on AWS without a change of the program; each ladder holds the scenario's own value, so
//! that the result is never worse than the scenario; keys that only make sense together move together.
//! Memory is never less than the scenario has: no simulation knows what the program needs.
//! Non-goals: what belongs to the program (a worker's concurrency, its batch and wait, a timeout) or to the offer
//! (Spot, provisioned concurrency): those move only with `--vary`.

use model::scenario::{
    AutoScalingGroup, Capacity, Ecs, Eks, Lambda, Platform, ScalingPolicy, Scenario, Stack,
};
use report::sweep::Varied;

/// Keys that move together, over a ladder of values.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Knob {
    /// For people: its keys below the stack.
    pub(super) name: String,
    /// The values, each as what is written after `--set`; an empty one leaves the scenario as it is.
    pub(super) rungs: Vec<Vec<String>>,
}

/// Numbers about a half apart, for counts.
const COUNTS: [u32; 31] = [
    1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256,
    384, 512, 768, 1_024,
];
/// Counts are looked for within this factor of the scenario's own.
const COUNT_FACTOR: u32 = 8;
/// CPU units and least memory of Fargate tasks, up to what a queue worker uses.
/// Source: ECS API reference, RegisterTaskDefinition, `memory`.
const FARGATE: [(u32, u32); 5] = [(256, 512), (512, 1_024), (1_024, 2_048), (2_048, 4_096), (4_096, 8_192)];
/// Memory in MB: powers of two, and one vCPU.
const MEMORY: [u32; 8] = [128, 256, 512, 1_024, 1_769, 2_048, 3_072, 4_096];
const BATCHES: [u32; 6] = [1, 2, 5, 10, 50, 100];
const WINDOWS: [u64; 5] = [0, 1, 2, 5, 20];
const CONCURRENCY: [u32; 10] = [2, 5, 10, 20, 50, 100, 200, 400, 700, 1_000];
/// What thresholds and targets of policies are multiplied by.
const FACTORS: [f64; 5] = [0.2, 0.5, 1.0, 2.0, 5.0];

/// The knobs of a stack without `--vary`. Values that the scenario has already are among them.
pub(super) fn of_platform(stack: &Stack) -> Vec<Knob> {
    let place = Place(format!("stacks.{}", stack.name));
    match &stack.platform {
        Platform::Ecs(ecs) => of_ecs(&place, ecs),
        Platform::Ec2(group) => of_group(&place, group),
        Platform::Eks(eks) => of_eks(&place, eks),
        Platform::Lambda(function) => of_lambda(&place, function),
    }
}

/// What to know about those knobs.
pub(super) fn note(stack: &Stack) -> String {
    let name = &stack.name;
    let example = match stack.platform {
        Platform::Ecs(_) => "memory=512MB,1GB",
        Platform::Ec2(_) | Platform::Eks(_) => "instance-type=c6i.large,m6i.large",
        Platform::Lambda(_) => "memory=128MB,256MB,512MB",
    };
    format!(
        "Memory is not made less than the scenario's, for what the program needs is not known, nor whether it runs on arm: \
         say so, e.g. --vary stacks.{name}.{example}, or --keep stacks.{name}.architecture"
    )
}

/// A knob that the command line names.
pub(super) fn named(stack: &str, varied: &Varied) -> Knob {
    let prefix = format!("stacks.{stack}.");
    Knob {
        name: varied.key.strip_prefix(&prefix).unwrap_or(&varied.key).into(),
        rungs: varied.values.iter().map(|value| vec![format!("{}={value}", varied.key)]).collect(),
    }
}

/// Where the keys of a stack are.
struct Place(String);

impl Place {
    fn set(&self, key: &str, value: impl std::fmt::Display) -> String {
        format!("{}.{key}={value}", self.0)
    }

    fn knob<T: std::fmt::Display>(&self, key: &str, values: impl IntoIterator<Item = T>) -> Knob {
        Knob { name: key.into(), rungs: values.into_iter().map(|value| vec![self.set(key, value)]).collect() }
    }
}

/// The values with the scenario's own among them, in order.
fn with<T: Ord + Copy>(values: &[T], own: T) -> Vec<T> {
    let mut all = values.to_vec();
    all.push(own);
    all.sort_unstable();
    all.dedup();
    all
}

fn counts(own: u32) -> Vec<u32> {
    let near = |count: &u32| *count <= own.max(1) * COUNT_FACTOR && *count * COUNT_FACTOR >= own;
    with(&COUNTS.iter().copied().filter(near).collect::<Vec<_>>(), own)
}

/// Upper bounds around the scenario's own.
fn mosts(most: u32) -> Vec<u32> {
    let ladder = [most / 4, most / 2, most * 3 / 4, most * 3 / 2, most * 2, most * 4];
    with(&ladder.into_iter().filter(|count| (1..=5_000).contains(count)).collect::<Vec<_>>(), most)
}

fn of_lambda(place: &Place, function: &Lambda) -> Vec<Knob> {
    let megabytes = |mb: u32| format!("{mb}MB");
    let mut memory = with(&MEMORY, function.memory_mb);
    memory.retain(|mb| *mb >= function.memory_mb);
    let mut knobs = vec![
        place.knob("memory", memory.into_iter().map(megabytes)),
        place.knob("batch-size", with(&BATCHES, function.batch_size)),
        place.knob(
            "batching-window",
            with(&WINDOWS, function.batching_window / 1_000_000_000).into_iter().map(|s| format!("{s}s")),
        ),
        place.knob("architecture", ["x86", "arm"]),
    ];
    if function.provisioned_pollers.is_none() {
        let own = function.maximum_concurrency;
        let ladder = own.map_or_else(|| CONCURRENCY.to_vec(), |own| with(&CONCURRENCY, own));
        let mut knob = place.knob("maximum-concurrency", ladder);
        if own.is_none() {
            // No key is no limit but the account's.
            knob.rungs.push(Vec::new());
        }
        knobs.push(knob);
    }
    knobs
}

fn of_ecs(place: &Place, ecs: &Ecs) -> Vec<Knob> {
    let scales = !ecs.scaling.is_empty();
    let mut knobs = vec![of_counts(place, "tasks", (ecs.tasks, ecs.min_tasks), scales)];
    if !matches!(ecs.capacity, Capacity::Ec2(_)) {
        let enough = FARGATE.map(|(cpu, least)| (cpu, least.max(ecs.memory_mb)));
        let sizes = with(&enough, (ecs.cpu_units, ecs.memory_mb));
        let size = |(cpu, memory): (u32, u32)| {
            vec![place.set("cpu", f64::from(cpu) / 1_024.0), place.set("memory", format!("{memory}MB"))]
        };
        knobs.push(Knob { name: "cpu and memory".into(), rungs: sizes.into_iter().map(size).collect() });
        knobs.push(place.knob("architecture", ["x86", "arm"]));
    }
    if scales {
        knobs.push(place.knob("max-tasks", mosts(ecs.max_tasks)));
    }
    knobs.extend(of_policies(place, &ecs.scaling));
    knobs
}

fn of_group(place: &Place, group: &AutoScalingGroup) -> Vec<Knob> {
    let scales = !group.scaling.is_empty();
    let mut knobs = vec![of_counts(place, "instances", (group.instances, group.min_instances), scales)];
    if scales {
        knobs.push(place.knob("max-instances", mosts(group.max_instances)));
    }
    knobs.extend(of_policies(place, &group.scaling));
    knobs
}

fn of_eks(place: &Place, eks: &Eks) -> Vec<Knob> {
    let mut knobs =
        vec![place.knob("min-nodes", counts(eks.min_nodes)), place.knob("max-nodes", mosts(eks.max_nodes))];
    match eks.keda {
        None => knobs.push(place.knob("pods", counts(eks.pods))),
        Some(keda) => {
            knobs.push(place.knob("keda.queue-length", counts(keda.queue_length)));
            knobs.push(place.knob("keda.max-pods", mosts(keda.max_pods)));
        }
    }
    knobs
}

/// How many there are at the start and at least, of which the scenario has `own`.
fn of_counts(place: &Place, noun: &str, own: (u32, u32), scales: bool) -> Knob {
    let (at_start, least) = own;
    let bounds: Vec<String> = match scales {
        true => vec![noun.into(), format!("min-{noun}")],
        false => vec![noun.into(), format!("min-{noun}"), format!("max-{noun}")],
    };
    let all = |count: u32| bounds.iter().map(|key| place.set(key, count)).collect::<Vec<_>>();
    let ladder = counts(if scales { least } else { at_start });
    let mut rungs: Vec<Vec<String>> = ladder.into_iter().map(all).collect();
    if scales && at_start != least {
        // The scenario's own start is none of them.
        rungs.push(Vec::new());
    }
    let name = if scales { format!("{noun} and min-{noun}") } else { noun.into() };
    Knob { name, rungs }
}

fn of_policies(place: &Place, policies: &[ScalingPolicy]) -> Vec<Knob> {
    let knob = |(index, policy): (usize, &ScalingPolicy)| {
        let (key, own) = match policy {
            ScalingPolicy::Step(step) => ("threshold", step.alarm.threshold),
            ScalingPolicy::TargetTracking(tracking) => ("target", tracking.target),
            ScalingPolicy::Scheduled(_) => return None,
        };
        let key = format!("scaling.{index}.{key}");
        Some(place.knob(&key, FACTORS.map(|factor| rounded(own * factor))))
    };
    policies.iter().enumerate().filter_map(knob).collect()
}

/// Without the dust of a multiplication.
fn rounded(v: f64) -> f64 {
    format!("{v:.6e}").parse().unwrap_or(v)
}

/// Whether a knob moves a key, e.g. `stacks.ecs.cpu`.
pub(super) fn moves(knob: &Knob, key: &str) -> bool {
    let is = |set: &String| set.split_once('=').is_some_and(|(known, _)| known == key);
    knob.rungs.iter().flatten().any(is)
}

/// The rung of each knob that leaves the scenario as it is, if it has one.
pub(super) fn own(
    knobs: &[Knob],
    given: &Scenario,
    read: &dyn Fn(&[String]) -> Result<Scenario, String>,
) -> Vec<Option<usize>> {
    let same = |rung: &Vec<String>| rung.is_empty() || read(rung).is_ok_and(|scenario| scenario == *given);
    knobs.iter().map(|knob| knob.rungs.iter().position(same)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        title = "T"
        analysis = "T"
        [[phases]]
        name = "a"
        arrivals = "even"
        duration = "60s"
        rate = 5
        [message]
        work = "20ms"
        [stacks.fixed]
        platform = "ecs"
        cpu = 0.5
        memory = "2 GB"
        tasks = 9
        [stacks.scaled]
        platform = "ecs"
        tasks = 5
        min-tasks = 2
        max-tasks = 17
        scaling = [{ policy = "backlog-per-task", target = 30 }]
        [stacks.capped]
        platform = "lambda"
        memory = "640 MB"
        maximum-concurrency = 33
        [stacks.group]
        platform = "ec2"
        instance-type = "m6i.large"
        min-instances = 1
        instances = 2
        max-instances = 9
        scaling = [{ policy = "backlog-per-instance", target = 30 }]
        [stacks.pods]
        platform = "eks"
        instance-type = "m6i.large"
        min-nodes = 1
        keda = { queue-length = 7 }
    "#;

    fn read(overrides: &[String]) -> Result<Scenario, String> {
        let mut none = |_: &str| Ok(String::new());
        model::scenario::parse("t.toml", TEXT, overrides, None, &mut none)
            .map_err(|problems| problems.to_string())
    }

    #[test]
    fn every_ladder_holds_the_scenarios_own_value() {
        let given = read(&[]).unwrap();
        for stack in &given.stacks {
            let knobs = of_platform(stack);
            let own = own(&knobs, &given, &read);
            for (knob, own) in knobs.iter().zip(&own) {
                assert!(own.is_some(), "{}: {knob:?}", stack.name);
            }
            assert!(knobs.len() >= 3);
        }
    }

    #[test]
    fn every_key_is_one_that_there_is() {
        let given = read(&[]).unwrap();
        for stack in &given.stacks {
            for knob in of_platform(stack) {
                assert!(knob.rungs.len() >= 2, "{knob:?}");
                for (index, rung) in knob.rungs.iter().enumerate() {
                    assert!(!knob.rungs[..index].contains(rung), "{rung:?} is there twice");
                    if let Err(problem) = read(rung) {
                        // Only what contradicts another key, which another knob may move.
                        let known =
                            ["min-tasks", "max-tasks", "batching-window", "memory", "-instances", "-nodes"];
                        assert!(known.iter().any(|key| problem.contains(key)), "{rung:?}: {problem}");
                    }
                }
            }
        }
    }
}
