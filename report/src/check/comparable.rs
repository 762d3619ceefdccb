//! Whether runs may be compared at all: the same messages in front of the same stacks, by the same tool.

use super::Settings;
use model::baseline::{Baseline, Stack};
use model::time::{Nanos, seconds};

/// Why nothing can be compared, a sentence for each field that differs; empty if nothing stands against it.
pub(super) fn objections(
    baselines: &[(String, Baseline)],
    candidates: &[(String, Baseline)],
    settings: &Settings,
) -> Vec<String> {
    let mut found = Vec::new();
    if candidates.is_empty() {
        found.push("there is no candidate".into());
    }
    let Some((reference, others)) = baselines.split_first() else {
        found.insert(0, "there is no baseline".into());
        return found;
    };
    for (name, run) in baselines.iter().chain(candidates) {
        found.extend(run.objections.iter().map(|objection| format!("{name}: {objection}")));
    }
    for other in others.iter().chain(candidates) {
        differences(reference, other, &mut found);
    }
    let names: Vec<&str> = reference.1.stacks.iter().map(|stack| stack.name.as_str()).collect();
    match settings.control.as_deref() {
        Some(control) if !names.contains(&control) => found.push(format!(
            "no stack is called {control:?}, which was given as the control; there are {}",
            names.join(", ")
        )),
        Some(control) if names.len() == 1 => {
            found.push(format!("{control} is the control, and there is no other stack to check"));
        }
        _ if names.is_empty() => found.push(format!("{} has no stack", reference.0)),
        _ => {}
    }
    found
}

/// A field, as people read it.
type Field = (&'static str, fn(&Baseline) -> String);
type FieldOfStack = (&'static str, fn(&Stack) -> &str);

const FIELDS: [Field; 9] = [
    ("plan hash", |run| short(&run.plan_hash)),
    ("seed", |run| run.seed.to_string()),
    ("region", |run| run.region.clone()),
    ("target", |run| run.target.clone()),
    ("major version of the tool", |run| major(&run.tool_version)),
    ("warm-up", |run| span(run.warmup)),
    ("end of the load", |run| span(run.load_end)),
    ("windows", |run| {
        let count = run.stacks.first().map_or(0, |stack| stack.windows.len());
        format!("{count} of {} from {}", span(run.width), span(run.from))
    }),
    ("stacks", |run| run.stacks.iter().map(|stack| stack.name.as_str()).collect::<Vec<_>>().join(", ")),
];

fn differences(
    (name, reference): &(String, Baseline),
    (other_name, other): &(String, Baseline),
    found: &mut Vec<String>,
) {
    let mut differ = |field: &str, one: &str, another: &str| {
        if one != another {
            found.push(format!("{field} differs: {one} in {name}, {another} in {other_name}"));
        }
    };
    for (field, value) in FIELDS {
        differ(field, &value(reference), &value(other));
    }
    for stack in &reference.stacks {
        let Some(same) = other.stack(&stack.name) else { continue };
        let of_stack: [FieldOfStack; 2] =
            [("platform", |stack| &stack.platform), ("configuration", |stack| &stack.configuration)];
        for (field, value) in of_stack {
            differ(&format!("{field} of {}", stack.name), value(stack), value(same));
        }
    }
}

fn short(hash: &str) -> String {
    hash.chars().take(16).collect()
}

fn major(version: &str) -> String {
    version.split('.').next().unwrap_or_default().into()
}

fn span(nanos: Nanos) -> String {
    format!("{} s", seconds(nanos))
}
