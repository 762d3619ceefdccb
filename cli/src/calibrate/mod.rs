//! `versus calibrate`: the simulator's beliefs as a measured run has them, and how well it then predicts that run.

mod fit;
mod task_starts;

use crate::output::print;
use crate::{Ended, Refusal};
use anyhow::{Context, Result};
use fit::{Fitted, LEAST_COLD, at, fit};
use model::record::{MessageRecord, read_csv};
use model::run::{Manifest, Run};
use model::scenario::{Scenario, parse};
use model::time::{Nanos, seconds};
use model::windows::Stage;
use sim::{Options, Provenance};
use std::fmt::Write;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use task_starts::{TaskStarts, on_fargate};

/// Arguments of `versus calibrate`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder of a measured run.
    run: PathBuf,
    /// File for the fitted beliefs, which `versus run --set-file` reads.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Latencies that are compared.
const PERCENTILES: [f64; 3] = [50.0, 95.0, 99.0];

pub(crate) fn calibrate(args: &Args) -> Result<Ended> {
    let run = model::run::read(&args.run)?;
    let manifest = &run.manifest;
    if manifest.target == "sim" {
        let text = format!("{} was simulated: beliefs are fitted to measured runs", args.run.display());
        return Err(Refusal::Usage(text).into());
    }
    let before = scenario(manifest, &[])?;
    let rows = manifest.stacks.iter().map(|entry| messages(&args.run.join(&entry.name)));
    let (mut fitted, mut left) = fit(&before, &rows.collect::<Result<Vec<_>>>()?, manifest.target == "local");
    let starts: Vec<TaskStarts> = run.stacks.iter().map(TaskStarts::of).collect();
    let (of_tasks, not_of_tasks) = task_starts::fit(&before, &starts);
    fitted.extend(of_tasks);
    left.extend(not_of_tasks);
    let lines: Vec<String> = fitted.iter().map(|one| one.line.clone()).collect();
    let after = scenario(manifest, &lines).context("the fitted beliefs make no scenario")?;
    let overlay = overlay(manifest, &fitted, &left);
    let mut text = String::new();
    match &args.out {
        Some(path) => fs::write(path, &overlay).with_context(|| format!("writing {}", path.display()))?,
        None => {
            text += &overlay;
            text.push('\n');
        }
    }
    text += &errors(&run, &simulate(&before, manifest), &simulate(&after, manifest));
    text += &task_errors(&starts, &before, &after);
    print(&text)?;
    Ok(if fitted.is_empty() { Ended::WithoutVerdict } else { Ended::Well })
}

/// The scenario of a run, with more overrides.
fn scenario(manifest: &Manifest, more: &[String]) -> Result<Scenario> {
    let beside = Path::new(&manifest.scenario_path).parent().unwrap_or(Path::new(""));
    let mut read_trace = |name: &str| fs::read_to_string(beside.join(name));
    let overrides: Vec<String> = manifest.overrides.iter().chain(more).cloned().collect();
    let path = &manifest.scenario_path;
    Ok(parse(path, &manifest.scenario, &overrides, Some(manifest.seed), &mut read_trace)?)
}

fn messages(folder: &Path) -> Result<Vec<MessageRecord>> {
    let path = folder.join("messages.csv");
    let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    read_csv(BufReader::new(file)).collect::<Result<_>>().with_context(|| format!("in {}", folder.display()))
}

fn simulate(scenario: &Scenario, manifest: &Manifest) -> Run {
    let provenance = Provenance {
        path: manifest.scenario_path.clone(),
        text: manifest.scenario.clone(),
        ..Provenance::default()
    };
    sim::simulate(scenario, &provenance, Options::default()).run
}

/// The fitted beliefs as a file.
fn overlay(manifest: &Manifest, fitted: &[Fitted], left: &[String]) -> String {
    let mut text = format!(
        "# Beliefs fitted to a run of {:?} on {}.\n# versus run SCENARIO --set-file THIS-FILE\n",
        manifest.title,
        manifest.started_utc.as_deref().unwrap_or("an unknown day")
    );
    let mut from = "";
    for one in fitted {
        if one.from != from {
            from = &one.from;
            let _ = writeln!(text, "\n# {from}");
        }
        let _ = writeln!(text, "{}", one.line);
    }
    for why in left {
        let _ = writeln!(text, "\n# Not fitted: {why}");
    }
    text
}

/// How far simulations without and with the fitted beliefs are off what was measured.
fn errors(measured: &Run, before: &Run, after: &Run) -> String {
    let mut text = String::from("Latency             measured    before             after\n");
    let latency = |run: &Run, stack: usize, p: f64| {
        let merged = run.stacks[stack].windows.merged(Stage::Latency, 0, u64::MAX)?;
        Some(merged.value_at_quantile(p / 100.0) as f64 / 1_000.0)
    };
    for (index, entry) in measured.manifest.stacks.iter().enumerate() {
        for p in PERCENTILES {
            let Some(truth) = latency(measured, index, p) else { continue };
            let said = |run: &Run| match latency(run, index, p) {
                Some(ms) => format!("{ms:>9.1} {:>8}", percent(ms / truth.max(f64::MIN_POSITIVE) - 1.0)),
                None => format!("{:>9} {:>8}", "none", ""),
            };
            let name = format!("{} p{p}", entry.name);
            let _ = writeln!(text, "{name:<16} {truth:>8.1} ms {} {}", said(before), said(after));
        }
    }
    text
}

/// Starts that are drawn from beliefs.
const DRAWN_STARTS: usize = 1_001;

/// The same of how long tasks take to start on Fargate, where that was measured.
fn task_errors(starts: &[TaskStarts], before: &Scenario, after: &Scenario) -> String {
    let mut text = String::new();
    for (index, (stack, starts)) in before.stacks.iter().zip(starts).enumerate() {
        if starts.ready.len() < LEAST_COLD || on_fargate(&stack.platform).is_none() {
            continue;
        }
        if text.is_empty() {
            text.push_str("\nTask start          measured    before             after\n");
        }
        for p in [50.0, 90.0] {
            let truth = seconds(at(&starts.ready, p / 100.0));
            let said = |scenario: &Scenario| {
                let ecs = on_fargate(&scenario.stacks[index].platform);
                let mut drawn: Vec<Nanos> =
                    ecs.map_or(Vec::new(), |ecs| sim::task_starts(scenario, ecs, DRAWN_STARTS));
                drawn.sort_unstable();
                let s = if drawn.is_empty() { 0.0 } else { seconds(at(&drawn, p / 100.0)) };
                format!("{s:>9.1} {:>8}", percent(s / truth.max(f64::MIN_POSITIVE) - 1.0))
            };
            let name = format!("{} p{p}", stack.name);
            let _ = writeln!(text, "{name:<16} {truth:>8.1} s  {} {}", said(before), said(after));
        }
    }
    text
}

fn percent(share: f64) -> String {
    format!("{:+.0} %", share * 100.0)
}
