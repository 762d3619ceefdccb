//! A tuning for a terminal.

use super::{Stack, Target, Trial, Tuning};
use crate::format::{self, NBSP, counted};
use std::fmt::Write;

/// The summary: each stack's best, then the stacks beside each other.
#[must_use]
pub fn text(tuning: &Tuning) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "SIMULATED tuning: {}", tuning.title);
    let targets: Vec<String> = tuning.targets.iter().map(Target::text).collect();
    let _ = writeln!(
        out,
        "To keep: {}; every message completed; a backlog that does not grow over the load",
        targets.join(", ")
    );
    let _ = writeln!(out, "Under {}", seeds(tuning.seeds));
    if !tuning.overrides.is_empty() {
        let _ = writeln!(out, "With {}", tuning.overrides.join(", "));
    }
    tuning.stacks.iter().for_each(|stack| of_stack(&mut out, tuning, stack));
    out.push('\n');
    ranking(&mut out, tuning.stacks);
    // Terminals and grep want plain spaces.
    out.replace(NBSP, " ")
}

fn seeds(seeds: &[u64]) -> String {
    let shown: Vec<String> = seeds.iter().map(u64::to_string).collect();
    let noun = if seeds.len() == 1 { "seed" } else { "seeds" };
    format!("{noun} {}", shown.join(", "))
}

fn of_stack(out: &mut String, tuning: &Tuning, stack: &Stack) {
    let _ = writeln!(out, "\n{} ({})", stack.name, stack.platform);
    match (stack.found(), stack.nearest()) {
        (Some(best), _) => found(out, tuning, stack, best),
        (None, Some(nearest)) => {
            let open = if nearest.judged.holds() && !stack.missed(nearest) {
                "keeps it under the first seed, and the simulations did not do for the others (--simulations):"
            } else {
                "no configuration that was tried keeps it; the nearest:"
            };
            let _ = writeln!(out, "  {open}");
            let _ = writeln!(out, "  {}", nearest.arguments());
            let missed = stack
                .trials
                .iter()
                .filter(|trial| trial.overrides == nearest.overrides && !trial.judged.holds());
            for trial in missed {
                let _ = writeln!(out, "    seed {}: {}", trial.seed, words(&trial.judged.misses.join("; ")));
            }
        }
        (None, None) => {
            let _ = writeln!(out, "  nothing was tried");
        }
    }
    tried(out, tuning, stack);
    if !stack.over {
        let _ = writeln!(
            out,
            "  the search was not over when its simulations were used up: a cheaper one is possible (--simulations)"
        );
    }
    for note in &stack.notes {
        let _ = writeln!(out, "  {note}");
    }
}

fn found(out: &mut String, tuning: &Tuning, stack: &Stack, best: &Trial) {
    let _ = writeln!(out, "  {}, {}", costs(best), standings(tuning, best));
    let _ = writeln!(out, "  {}", best.arguments());
    let others = stack.best.map(|best| stack.seeds_of(best)).unwrap_or_default();
    for trial in others.iter().skip(1) {
        let _ = writeln!(
            out,
            "    seed {}: {}, {}",
            trial.seed,
            month(trial.judged.cost_per_month),
            standings(tuning, trial)
        );
    }
    if let Some(given) = stack.given().filter(|given| !best.overrides.is_empty() && given.seed == best.seed) {
        let kept = match given.judged.misses.as_slice() {
            [] => standings(tuning, given),
            misses => format!("not kept: {}", words(&misses.join("; "))),
        };
        let _ = writeln!(out, "  as the scenario has it: {}, {kept}", month(given.judged.cost_per_month));
    }
}

fn tried(out: &mut String, tuning: &Tuning, stack: &Stack) {
    let other = stack.trials.iter().filter(|trial| Some(&trial.seed) != tuning.seeds.first()).count();
    let on_others = if other > 0 {
        format!(", {} of them under other seeds", format::count(other as f64))
    } else {
        String::new()
    };
    let how = if tuning.exhaustive { "all" } else { "searched" };
    let knobs: Vec<String> = stack.knobs.iter().map(|(key, values)| format!("{key} ({values})")).collect();
    let _ = writeln!(
        out,
        "  {}{on_others}; {how} of {}: {}",
        counted(stack.trials.len() as u64, "simulation"),
        counted(stack.combinations() as u64, "combination"),
        if knobs.is_empty() { "nothing is varied".into() } else { knobs.join(", ") }
    );
}

fn costs(trial: &Trial) -> String {
    let million = trial.judged.cost_per_million.map_or_else(|| format::ABSENT.into(), format::usd);
    format!("{}, {million} per million messages", month(trial.judged.cost_per_month))
}

fn month(usd: Option<f64>) -> String {
    usd.map_or_else(|| "cost not known".into(), |usd| format!("{} a month", format::usd(usd)))
}

fn standings(tuning: &Tuning, trial: &Trial) -> String {
    let each = tuning.targets.iter().zip(&trial.judged.values).map(|(target, value)| target.standing(*value));
    each.collect::<Vec<_>>().join(", ")
}

/// Objections as the report writes them.
fn words(text: &str) -> String {
    format::with_separators(text)
}

/// The stacks by what their best costs.
fn ranking(out: &mut String, stacks: &[Stack]) {
    let mut known: Vec<(&str, f64)> = stacks
        .iter()
        .filter_map(|stack| Some((stack.name.as_str(), stack.found()?.judged.cost_per_month?)))
        .collect();
    known.sort_by(|a, b| a.1.total_cmp(&b.1));
    let Some(((first, least), others)) = known.split_first() else {
        out.push_str("No verdict: no stack is known to keep the target.\n");
        return;
    };
    let best =
        if stacks.iter().all(|stack| stack.over) { "Each at its best" } else { "Each at the best found" };
    let _ = writeln!(out, "{best}: {first} costs least, {} a month.", format::usd(*least));
    for (name, usd) in others {
        let _ = writeln!(out, "  {name}: {}, {}", format::usd(*usd), format::difference(*usd, *least));
    }
    for stack in stacks.iter().filter(|stack| stack.best.is_none()) {
        let open = stack.nearest().is_some_and(|trial| trial.judged.holds() && !stack.missed(trial));
        let why = if open { "was not looked at under all seeds" } else { "does not keep the target" };
        let _ = writeln!(out, "  {}: {why}", stack.name);
    }
}
