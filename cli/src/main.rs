//! `versus`: should this SQS worker run on ECS or on Lambda?
//!
//! Verbs to functions, verdicts to exit codes; one file per verb.

mod baseline;
mod by_stack;
mod calibrate;
mod calibrate_check;
mod check;
mod clock;
mod collect;
mod compare;
mod deployed;
mod doctor;
mod export;
mod merge;
mod output;
mod overlay;
mod part;
mod prices;
mod report;
mod run;
mod seed;
mod serve;
mod stacks;
mod sweep;
mod tune;

use clap::{Parser, Subcommand};
use model::scenario::Problems;
use std::fmt;
use std::process::ExitCode;

/// Should this SQS worker run on ECS or on Lambda? Replays a load against both and says by how much they differ.
#[derive(Parser)]
#[command(
    name = "versus",
    version,
    max_term_width = 80,
    after_help = "Examples:
  versus run scenarios/flash-crowd.toml
  versus run scenarios/steady.toml --set stacks.lambda.memory=1GB --repeat 5
  versus run scenarios/smoke.toml --target local
  versus run scenarios/smoke.toml --target aws --outputs outputs.json
  versus sweep scenarios/steady.toml --vary load=1..1000:log20
  versus report results/flash-crowd-20261120T120000Z-sim
  versus sweep scenarios/steady.toml --vary load=1..1000:log20
  versus check --baseline steady.baseline.json results/candidate

Exit codes:
  0  done, and nothing was shown to be wrong
  1  the tool failed, or a file cannot be read or written
  2  the command line, the scenario or a file to be checked is wrong
  3  a check found a regression, or an expectation of the scenario failed
  4  no verdict: a run is invalid, missing, or cannot work, or nothing was compared"
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Play a scenario against its stacks and write the run with its report.
    Run(run::Args),
    /// Write the report of one run, or of several repeats of one scenario.
    Report(report::Args),
    /// Set two runs side by side, stack by stack.
    Compare(compare::Args),
    /// Say whether latency regressed against a baseline: a gate for CI.
    Check(check::Args),
    /// Write what a check needs of a run as a small file.
    Baseline(baseline::Args),
    /// Write the messages of runs as a Parquet file, for Athena, DuckDB or Spark.
    Export(export::Args),
    /// Fit the simulator's beliefs to a measured run, and say how well it then predicts that run.
    Calibrate(calibrate::Args),
    /// Say how often a check of a scenario would be wrong, and what it would see.
    CalibrateCheck(calibrate_check::Args),
    /// Serve the local SQS and CloudWatch endpoint alone.
    Serve(serve::Args),
    /// Send the messages of a scenario to queues that are there already.
    Seed(seed::Args),
    /// Collect what became of messages that `versus seed` sends, and report it.
    Collect(collect::Args),
    /// Write CloudFormation templates and parameters that deploy a scenario's stacks.
    Stacks(stacks::Args),
    /// Look whether a run on AWS can work: credentials, permissions, queues, limits, clock, logs.
    Doctor(doctor::Args),
    /// Drain a queue as the reference worker; its settings come from the environment.
    #[command(hide = true)]
    Worker,
    /// Simulate a scenario over a grid of values: where each stack is cheaper, and the frontier of cost and latency.
    Sweep(sweep::Args),
    /// Find the cheapest configuration of each stack that keeps a target: the platforms, each at its best.
    Tune(tune::Args),
    /// Join the parts of a sweep that was split with --shard.
    Merge(merge::Args),
    /// Print the price list in force.
    Prices(prices::Args),
    /// Print the JSON Schema of scenario files, for editors, or of a check's JSON.
    Schema(check::Schema),
}

/// How a verb ended, if it ended well.
enum Ended {
    /// Nothing was shown to be wrong.
    Well,
    /// A check found a regression, or an expectation of the scenario failed.
    Regressed,
    /// A validity check failed, or there was nothing to compare.
    WithoutVerdict,
}

/// Why a verb did not begin, where neither the tool nor the machine is to blame.
#[derive(Debug)]
enum Refusal {
    /// What was asked for is wrong, or a file is not what it should be.
    Usage(String),
    /// There is nothing to judge.
    NoVerdict(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::NoVerdict(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Refusal {}

fn main() -> ExitCode {
    if let Some(code) = local::process::run_if_child(std::env::args_os()) {
        return code;
    }
    let result = match Cli::parse().verb {
        Verb::Run(args) => run::run(&args),
        Verb::Report(args) => report::report(&args),
        Verb::Compare(args) => compare::compare(&args),
        Verb::Check(args) => check::check(&args),
        Verb::Baseline(args) => baseline::baseline(&args),
        Verb::Export(args) => export::export(&args),
        Verb::Calibrate(args) => calibrate::calibrate(&args),
        Verb::CalibrateCheck(args) => calibrate_check::calibrate(&args),
        Verb::Serve(args) => serve::serve(&args),
        Verb::Seed(args) => seed::seed(&args),
        Verb::Collect(args) => collect::collect(&args),
        Verb::Doctor(args) => doctor::doctor(&args),
        Verb::Stacks(args) => stacks::stacks(&args),
        Verb::Worker => return worker::main(),
        Verb::Sweep(args) => sweep::sweep(&args),
        Verb::Tune(args) => tune::tune(&args),
        Verb::Merge(args) => merge::merge(&args),
        Verb::Prices(args) => prices::prices(&args),
        Verb::Schema(args) => check::schema(&args),
    };
    match result {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Regressed) => ExitCode::from(3),
        Ok(Ended::WithoutVerdict) => ExitCode::from(4),
        Err(error) => {
            if let Some(problems) = error.downcast_ref::<Problems>() {
                eprintln!("{problems}");
                return ExitCode::from(2);
            }
            eprintln!("versus: {error:#}");
            match error.downcast_ref::<Refusal>() {
                Some(Refusal::Usage(_)) => ExitCode::from(2),
                Some(Refusal::NoVerdict(_)) => ExitCode::from(4),
                None => ExitCode::FAILURE,
            }
        }
    }
}
