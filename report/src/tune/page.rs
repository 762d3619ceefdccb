//! The page of a tuning: what each stack's best is, and every trial by cost and p99. One file that needs nothing.
//!
//! Goals: every trial is drawn or in the table; readable without scripts.
//! Non-goals: a crosshair.

use super::{Stack, Target, Trial, Tuning};
use crate::chart::ink::Ink;
use crate::chart::scale::Scale;
use crate::chart::{Chart, Mark};
use crate::format::{self, counted};
use crate::page;
use crate::page::figure::{Figure, Plot, Table, stack_keys};
use anyhow::Result;
use maud::html;

/// Longer tables would make the page slow.
const MOST_ROWS: usize = 500;

/// The page as one self-contained HTML file.
///
/// # Errors
/// When a chart cannot be drawn.
pub fn html(tuning: &Tuning) -> Result<String> {
    let figures = [best(tuning), trials(tuning)?];
    let names: Vec<&str> = tuning.stacks.iter().map(|stack| stack.name.as_str()).collect();
    let targets: Vec<String> = tuning.targets.iter().map(Target::text).collect();
    let (title, heading) =
        (format!("Simulated tuning: {}", tuning.title), format!("Tuning: {}", tuning.title));
    let lead =
        format!("To keep: {}; every message completed; a backlog that does not grow.", targets.join(", "));
    Ok(page::of_simulations(&title, &names, &heading, &lead, &figures).into_string())
}

/// A list of the stacks' best.
fn best(tuning: &Tuning) -> Figure {
    let costs = |stack: &&Stack| stack.found()?.judged.cost_per_month;
    let cheapest = tuning.stacks.iter().filter(|stack| costs(stack).is_some()).min_by(|a, b| {
        let [a, b] = [a, b].map(|stack| costs(stack).unwrap_or(f64::INFINITY));
        a.total_cmp(&b)
    });
    let take = cheapest.map_or_else(
        || "No stack keeps the target.".into(),
        |stack| {
            let month = costs(&stack).map_or_else(String::new, format::usd);
            let over = tuning.stacks.iter().all(|stack| stack.over);
            let best = if over { "Each at its best" } else { "Each at the best found" };
            format!("{best}, {} costs least: {month} a month.", stack.name)
        },
    );
    let mut figure = Figure::without_data("best", "Each stack at its best", "Best", take);
    figure.body = Some(html! {
        dl { @for stack in tuning.stacks {
            dt { b { (stack.name) } }
            dd { (said(tuning, stack)) }
            @if let Some(trial) = stack.found().or_else(|| stack.nearest()) { dd { code { (trial.arguments()) } } }
            @for note in &stack.notes { dd { (note) } }
        } }
    });
    figure
}

fn said(tuning: &Tuning, stack: &Stack) -> String {
    let simulations = counted(stack.trials.len() as u64, "simulation");
    let all = counted(stack.combinations() as u64, "combination");
    let standing = |trial: &Trial| {
        let each =
            tuning.targets.iter().zip(&trial.judged.values).map(|(target, value)| target.standing(*value));
        each.collect::<Vec<_>>().join(", ")
    };
    match (stack.found(), stack.nearest()) {
        (Some(trial), _) => format!(
            "{} a month; {}; found in {simulations} of {all}.",
            trial.judged.cost_per_month.map_or_else(|| format::ABSENT.into(), format::usd),
            standing(trial)
        ),
        (None, Some(trial)) => {
            format!("Does not keep the target in {simulations} of {all}; the nearest: {}.", standing(trial))
        }
        (None, None) => "Nothing was tried.".into(),
    }
}

/// Every trial under the first seed by cost and latency.
fn trials(tuning: &Tuning) -> Result<Figure> {
    let mut figure =
        Figure::without_data("trials", "What was tried", "Trials", "No trial has a cost and a p99.");
    let first = tuning.seeds.first();
    let at = |trial: &Trial| trial.judged.cost_per_month.zip(trial.judged.p99);
    let of = |stack: &Stack, kept: bool| -> Vec<(f64, f64)> {
        let its = stack.trials.iter().filter(|trial| Some(&trial.seed) == first);
        its.filter(|trial| trial.judged.holds() == kept).filter_map(at).collect()
    };
    let all: Vec<(f64, f64)> =
        tuning.stacks.iter().flat_map(|stack| [of(stack, true), of(stack, false)].concat()).collect();
    figure.table = Some(table(tuning));
    if all.is_empty() {
        return Ok(figure);
    }
    let mut marks: Vec<Mark> = Vec::new();
    for (index, stack) in tuning.stacks.iter().enumerate() {
        marks.push(Mark::Dots(Ink::Dot(index), [of(stack, true), of(stack, false)].concat()));
        if let Some((cost, _)) = stack.found().and_then(at) {
            marks.push(Mark::Rule(Ink::Dashed(index), cost));
        }
    }
    let limit =
        tuning.targets.iter().find(|target| target.metric.name == "latency-p99").map(|target| target.limit);
    let x = spanning(all.iter().map(|at| at.0), format::usd);
    let y = spanning(all.iter().map(|at| at.1).chain(limit), format::milliseconds);
    if let Some(limit) = limit {
        let (from, to) =
            all.iter().fold((f64::INFINITY, 0.0_f64), |(from, to), at| (from.min(at.0), to.max(at.0)));
        marks.push(Mark::Line(Ink::Zero, vec![(from, Some(limit)), (to, Some(limit))]));
        figure.notes.push("The level line is the target's p99.".into());
    }
    let chart = Chart { id: "trials", x, y, bands: &[], named_bands: false, marks, ends: Vec::new() };
    figure.plots.push(Plot::plain(&chart, None)?);
    let names: Vec<&str> = tuning.stacks.iter().map(|stack| stack.name.as_str()).collect();
    figure.legend = stack_keys(&names);
    figure.caption = "p99 latency over cost per month; dots are simulations, dashed rules the best".into();
    let kept: usize = tuning.stacks.iter().map(|stack| of(stack, true).len()).sum();
    figure.take = format!("{kept} of {} keep the target.", counted(all.len() as u64, "simulation"));
    Ok(figure)
}

fn spanning(values: impl Iterator<Item = f64> + Clone, label: impl Fn(f64) -> String) -> Scale {
    let least = values.clone().fold(f64::INFINITY, f64::min);
    Scale::spanning(least, values.fold(0.0, f64::max), label)
}

fn table(tuning: &Tuning) -> Table {
    let head = ["Stack", "Seed", "Configuration", "Cost per month", "p99", "Missed"];
    let row = |stack: &Stack, trial: &Trial| {
        let judged = &trial.judged;
        vec![
            stack.name.clone(),
            trial.seed.to_string(),
            trial.overrides.join(" "),
            judged.cost_per_month.map_or_else(|| format::ABSENT.into(), format::usd),
            judged.p99.map_or_else(|| format::ABSENT.into(), format::milliseconds),
            format::with_separators(&judged.misses.join("; ")),
        ]
    };
    let all = tuning.stacks.iter().flat_map(|stack| stack.trials.iter().map(move |trial| row(stack, trial)));
    let count: usize = tuning.stacks.iter().map(|stack| stack.trials.len()).sum();
    let mut rows: Vec<Vec<String>> = all.take(MOST_ROWS).collect();
    if count > MOST_ROWS {
        let mut last = vec![String::new(); head.len()];
        last[0] = format!("and {} more in trials.csv", count - MOST_ROWS);
        rows.push(last);
    }
    Table { head: head.map(String::from).to_vec(), rows, words: 3 }
}
