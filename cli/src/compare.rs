//! `versus compare`: two runs side by side.

use crate::Ended;
use crate::output::print;
use crate::report::open;
use anyhow::{Context, Result};
use report::compare::Comparison;
use std::path::{Path, PathBuf};

/// Arguments of `versus compare`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run to compare with.
    #[arg(value_name = "REFERENCE")]
    first: PathBuf,
    /// The run that is compared.
    #[arg(value_name = "RUN")]
    second: PathBuf,
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
    let (first, second) = (open(&args.first)?, open(&args.second)?);
    let names = names(&args.first, &args.second);
    let comparison = Comparison::new((&names[0], &first), (&names[1], &second));
    let text = match args.format {
        Format::Text => comparison.text(),
        Format::Markdown => comparison.markdown(),
        Format::Json => serde_json::to_string_pretty(&comparison.json()).context("writing JSON")? + "\n",
    };
    print(&text)?;
    Ok(if comparison.objections().is_empty() { Ended::Well } else { Ended::WithoutVerdict })
}

/// The folders' names; the whole paths if those are the same.
fn names(first: &Path, second: &Path) -> [String; 2] {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    match (name(first), name(second)) {
        (Some(one), Some(other)) if one != other => [one, other],
        _ => [first.display().to_string(), second.display().to_string()],
    }
}
