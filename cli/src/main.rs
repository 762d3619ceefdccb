//! `versus`: should this SQS worker run on ECS or on Lambda?
//!
//! Verbs to functions, verdicts to exit codes; one file per verb.

mod by_stack;
mod clock;
mod collect;
mod compare;
mod output;
mod prices;
mod report;
mod run;
mod seed;
mod serve;

use clap::{Parser, Subcommand};
use model::scenario::Problems;
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
  versus report results/flash-crowd-20261120T120000Z-sim

Exit codes:
  0  done
  1  the tool failed, or a file cannot be read or written
  2  the command line or the scenario is wrong
  4  no verdict: the run is invalid, or nothing was compared"
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
    /// Serve the local SQS and CloudWatch endpoint alone.
    Serve(serve::Args),
    /// Send the messages of a scenario to queues that are there already.
    Seed(seed::Args),
    /// Collect what became of messages that `versus seed` sends, and report it.
    Collect(collect::Args),
    /// Drain a queue as the reference worker; its settings come from the environment.
    #[command(hide = true)]
    Worker,
    /// Print the price list in force.
    Prices(prices::Args),
    /// Print the JSON Schema of scenario files, for editors.
    Schema,
}

/// How a verb ended, if it ended well.
enum Ended {
    /// Nothing was shown to be wrong.
    Well,
    /// A validity check failed, or there was nothing to compare.
    WithoutVerdict,
}

fn main() -> ExitCode {
    if let Some(code) = local::process::run_if_child(std::env::args_os()) {
        return code;
    }
    let result = match Cli::parse().verb {
        Verb::Run(args) => run::run(&args),
        Verb::Report(args) => report::report(&args),
        Verb::Compare(args) => compare::compare(&args),
        Verb::Serve(args) => serve::serve(&args),
        Verb::Seed(args) => seed::seed(&args),
        Verb::Collect(args) => collect::collect(&args),
        Verb::Worker => return worker::main(),
        Verb::Prices(args) => prices::prices(&args),
        Verb::Schema => output::print(&model::scenario::schema()).map(|()| Ended::Well),
    };
    match result {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::WithoutVerdict) => ExitCode::from(4),
        Err(error) => {
            if let Some(problems) = error.downcast_ref::<Problems>() {
                eprintln!("{problems}");
                return ExitCode::from(2);
            }
            eprintln!("versus: {error:#}");
            ExitCode::FAILURE
        }
    }
}
