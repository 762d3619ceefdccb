//! A tuning as data: every trial as a row, and a summary.

use super::{Stack, Target, Trial, Tuning};
use serde_json::{Value, json};

const FACTS: [&str; 5] = ["stack", "trial", "seed", "keeps", "why-not"];
const FIGURES: [&str; 6] =
    ["cost-per-month", "cost-per-million", "latency-p99-ms", "planned", "completed", "backlog-growth"];

/// The names of a trial's cells.
#[must_use]
pub fn csv_header(targets: &[Target]) -> Vec<String> {
    let facts = FACTS.iter().chain(&FIGURES).map(|name| (*name).to_owned());
    let of_targets = others(targets).map(|(_, target)| target.column());
    facts.chain(of_targets).chain(["configuration".into()]).collect()
}

/// Targets of which the figures do not tell already.
fn others(targets: &[Target]) -> impl Iterator<Item = (usize, &Target)> {
    targets.iter().enumerate().filter(|(_, target)| !FIGURES.contains(&target.column().as_str()))
}

/// A trial as cells; `number` counts from 1.
#[must_use]
pub fn csv_row(stack: &str, number: usize, trial: &Trial, targets: &[Target]) -> Vec<String> {
    let judged = &trial.judged;
    let cell = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
    let mut cells = vec![stack.to_owned(), number.to_string(), trial.seed.to_string()];
    cells.extend([judged.holds().to_string(), plain(&judged.misses.join("; "))]);
    cells.extend([judged.cost_per_month, judged.cost_per_million, judged.p99].map(cell));
    cells.extend([judged.planned.to_string(), judged.completed.to_string(), cell(judged.growth)]);
    cells.extend(others(targets).map(|(index, _)| cell(judged.values[index])));
    cells.push(trial.overrides.join(" "));
    cells
}

fn plain(text: &str) -> String {
    text.replace(crate::format::NBSP, " ")
}

/// The summary; trials are in the CSV.
#[must_use]
pub fn json(tuning: &Tuning) -> Value {
    json!({
        "about": "SIMULATED tuning of versus: virtual time, modelled platforms, no AWS involved.",
        "title": tuning.title,
        "set": tuning.overrides,
        "seeds": tuning.seeds,
        "targets": tuning.targets.iter().map(|target| json!({
            "metric": target.metric.name,
            "below": target.below,
            "limit": target.limit,
            "unit": target.metric.unit.name(),
        })).collect::<Vec<_>>(),
        "exhaustive": tuning.exhaustive,
        "stacks": tuning.stacks.iter().map(|stack| of_stack(tuning, stack)).collect::<Vec<_>>(),
    })
}

fn of_stack(tuning: &Tuning, stack: &Stack) -> Value {
    let seeds = stack.best.map(|best| stack.seeds_of(best)).unwrap_or_default();
    json!({
        "name": stack.name,
        "platform": stack.platform,
        "knobs": stack.knobs.iter().map(|(key, values)| json!({ "key": key, "values": values })).collect::<Vec<_>>(),
        "combinations": stack.combinations(),
        "simulations": stack.trials.len(),
        "search-over": stack.over,
        "keeps": stack.best.is_some(),
        "best": stack.found().map(|trial| of_trial(tuning, trial)),
        "under-each-seed": seeds.iter().map(|trial| of_trial(tuning, trial)).collect::<Vec<_>>(),
        "nearest": stack.nearest().filter(|_| stack.best.is_none()).map(|trial| of_trial(tuning, trial)),
        "given": stack.given().map(|trial| of_trial(tuning, trial)),
        "notes": stack.notes,
    })
}

fn of_trial(tuning: &Tuning, trial: &Trial) -> Value {
    let judged = &trial.judged;
    let of_target = |(target, value): (&Target, &Option<f64>)| {
        json!({
            "metric": target.metric.name,
            "value": value,
            "unit": target.metric.unit.name(),
            "holds": target.holds(*value),
            "margin": value.map(|value| 1.0 - value / target.limit),
        })
    };
    json!({
        "set": trial.overrides,
        "seed": trial.seed,
        "keeps": judged.holds(),
        "why-not": judged.misses.iter().map(|text| plain(text)).collect::<Vec<_>>(),
        "cost-per-month": judged.cost_per_month,
        "cost-per-million": judged.cost_per_million,
        "latency-p99-ms": judged.p99,
        "backlog-growth": judged.growth,
        "targets": tuning.targets.iter().zip(&judged.values).map(of_target).collect::<Vec<_>>(),
    })
}
