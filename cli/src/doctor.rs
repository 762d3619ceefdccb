//! `versus doctor`: whether a run on AWS can work, before it costs anything.

use crate::Ended;
use crate::deployed::{deployed, is_not_only_simulated};
use crate::output::print;
use anyhow::Result;
use collector::{Finding, Level};
use model::run::Run;
use model::scenario::{self, Scenario, Source};
use model::series::metric;
use sim::{Options, Provenance};
use std::fmt::Write;
use std::path::PathBuf;

/// Arguments of `versus doctor`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Scenario file.
    scenario: PathBuf,
    /// What is deployed, as `aws cloudformation describe-stacks` or `terraform output -json` prints it (may be given
    /// several times).
    #[arg(long, value_name = "FILE", required = true)]
    outputs: Vec<PathBuf>,
    /// Override a key of the scenario (may be given several times).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Print only what is in doubt or wrong.
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn doctor(args: &Args) -> Result<Ended> {
    let (scenario, source) = scenario::load(&args.scenario, &args.overrides, None)?;
    is_not_only_simulated(&scenario)?;
    let deployed = deployed(&scenario, &args.outputs)?;
    let found = collector::doctor(&scenario, &deployed, concurrency(&scenario, &source), None)?;
    print(&told(&found, args.quiet))?;
    Ok(if found.iter().any(|finding| finding.level == Level::Wrong) {
        Ended::WithoutVerdict
    } else {
        Ended::Well
    })
}

/// Concurrent executions of all functions together, as simulated.
fn concurrency(scenario: &Scenario, source: &Source) -> u64 {
    let provenance =
        Provenance { path: source.path.clone(), text: source.text.clone(), ..Provenance::default() };
    let Run { stacks, .. } = sim::simulate(scenario, &provenance, Options::default()).run;
    let most = |stack: &model::run::StackRun| {
        let points = stack.series(metric::CONCURRENCY).map(|series| series.points.as_slice());
        points.unwrap_or_default().iter().map(|(_, value)| *value).fold(0.0, f64::max) as u64
    };
    stacks.iter().map(most).sum()
}

fn told(found: &[Finding], quiet: bool) -> String {
    let mut text = String::new();
    let (mut doubts, mut wrongs) = (0, 0);
    for Finding { level, stack, what, said } in found {
        let word = match level {
            Level::Well => "ok",
            Level::Doubt => "doubt",
            Level::Wrong => "WRONG",
        };
        doubts += u32::from(*level == Level::Doubt);
        wrongs += u32::from(*level == Level::Wrong);
        if *level != Level::Well || !quiet {
            let place = if stack.is_empty() { "account" } else { stack };
            let _ = writeln!(text, "{word:<6} {place:<14} {what}: {said}");
        }
    }
    let _ = match (wrongs, doubts) {
        (0, 0) => writeln!(text, "All is well."),
        (0, doubts) => writeln!(text, "A run can work; {doubts} in doubt."),
        (wrongs, doubts) => writeln!(text, "A run cannot work: {wrongs} wrong, {doubts} in doubt."),
    };
    text
}
