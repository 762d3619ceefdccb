//! `versus compare`: the stacks of one run, or two runs, as a table.

use crate::Ended;
use crate::output::print;
use crate::report::{open, places};
use anyhow::{Context, Result};
use model::run::Run;
use report::compare::Comparison;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Arguments of `versus compare`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run whose stacks are compared (or a folder of repeats), or the run to compare another one with.
    #[arg(value_name = "RUN")]
    first: PathBuf,
    /// Another run, to be compared with the first one stack by stack.
    #[arg(value_name = "OTHER")]
    second: Option<PathBuf>,
    /// How the table is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    Markdown,
    Json,
}

pub(crate) fn compare(args: &Args) -> Result<Ended> {
    match &args.second {
        None => stacks(&args.first, args.format),
        Some(second) => runs(&args.first, second, args.format),
    }
}

/// The stacks of one run.
fn stacks(place: &Path, format: Format) -> Result<Ended> {
    let runs: Vec<Run> = places(place)?.iter().map(|place| open(place)).collect::<Result<_>>()?;
    let judgement = report::judge(&runs, report::Options::default())?;
    print(&match format {
        Format::Text => report::text(&judgement),
        Format::Markdown => report::markdown(&judgement),
        Format::Json => json(&report::summary(&judgement))?,
    })?;
    Ok(if judgement.has_verdict() { Ended::Well } else { Ended::WithoutVerdict })
}

/// Two runs, stack by stack.
fn runs(first: &Path, second: &Path, format: Format) -> Result<Ended> {
    let names = names(first, second);
    let (first, second) = (open(first)?, open(second)?);
    let comparison = Comparison::new((&names[0], &first), (&names[1], &second));
    print(&match format {
        Format::Text => comparison.text(),
        Format::Markdown => comparison.markdown(),
        Format::Json => json(&comparison.json())?,
    })?;
    Ok(if comparison.objections().is_empty() { Ended::Well } else { Ended::WithoutVerdict })
}

fn json(value: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(value).context("writing JSON")? + "\n")
}

/// The folders' names; the whole paths if those are the same.
fn names(first: &Path, second: &Path) -> [String; 2] {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    match (name(first), name(second)) {
        (Some(one), Some(other)) if one != other => [one, other],
        _ => [first.display().to_string(), second.display().to_string()],
    }
}
