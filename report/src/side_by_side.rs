//! Runs of different configurations as one: their stacks side by side.
//!
//! Goals: stacks that had the same messages can be compared whichever run they were in; what only one of the runs
//! had is a failed check.
//! Non-goals: repeats, which are judged together.

use crate::chart::ink::MOST_STACKS;
use anyhow::{Result, ensure};
use model::run::{Check, Manifest, Run, StackEntry, StackRun};

/// The stacks of all runs as stacks of one; a stack that two runs have alike is in it once.
///
/// Names that more than one run has are followed by the number of the run.
///
/// # Errors
/// When there are more stacks than a report has room for, or no run.
pub fn side_by_side(runs: &[Run]) -> Result<Run> {
    ensure!(!runs.is_empty(), "there is no run to report");
    let mut found: Vec<(usize, &StackEntry, &StackRun)> = Vec::new();
    for (number, run) in (1..).zip(runs) {
        for (entry, stack) in run.manifest.stacks.iter().zip(&run.stacks) {
            if !found.iter().any(|(_, known, like)| *known == entry && *like == stack) {
                found.push((number, entry, stack));
            }
        }
    }
    ensure!(
        found.len() <= MOST_STACKS,
        "these runs have {} different stacks, and a report has room for {MOST_STACKS}: report fewer runs at once",
        found.len()
    );
    let shared = |name: &str| found.iter().filter(|(_, entry, _)| entry.name == name).count() > 1;
    let named = |(number, entry, _): &(usize, &StackEntry, &StackRun)| {
        let name = if shared(&entry.name) { format!("{} {number}", entry.name) } else { entry.name.clone() };
        StackEntry { name, ..(*entry).clone() }
    };
    let stacks = found.iter().map(named).collect();
    Ok(Run {
        manifest: manifest(runs, stacks),
        stacks: found.iter().map(|(.., stack)| (*stack).clone()).collect(),
    })
}

fn manifest(runs: &[Run], stacks: Vec<StackEntry>) -> Manifest {
    let first = &runs[0].manifest;
    let all = |same: &dyn Fn(&Manifest) -> bool| runs.iter().all(|run| same(&run.manifest));
    let check = |name: &str, passed: bool, what: &dyn Fn(&Manifest) -> String| {
        let each = (1..).zip(runs).map(|(number, run)| format!("run {number}: {}", what(&run.manifest)));
        Check { name: name.into(), passed, detail: each.collect::<Vec<_>>().join("; ") }
    };
    let mut checks = vec![
        check("the runs were offered the same messages", all(&|m| m.plan_hash == first.plan_hash), &|m| {
            format!("plan {}, seed {}", m.plan_hash.get(..8).unwrap_or(&m.plan_hash), m.seed)
        }),
        check(
            "the runs are of one kind",
            all(&|m| m.target == first.target && m.region == first.region),
            &|m| format!("{} in {}", m.target, m.region),
        ),
        check("the runs leave out the same warm-up", all(&|m| m.warmup == first.warmup), &|m| {
            crate::format::span(m.warmup)
        }),
    ];
    for (number, run) in (1..).zip(runs) {
        let numbered =
            |check: &Check| Check { name: format!("run {number}: {}", check.name), ..check.clone() };
        checks.extend(run.manifest.checks.iter().map(numbered));
    }
    let mut overrides: Vec<String> = Vec::new();
    for (number, run) in (1..).zip(runs) {
        overrides.extend(run.manifest.overrides.iter().map(|set| format!("run {number}: {set}")));
    }
    Manifest { stacks, checks, overrides, complete: all(&|m| m.complete), ..first.clone() }
}
