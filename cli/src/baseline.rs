//! `versus baseline`: what a check needs of a run, as a small file that can live in git.

use crate::report::{open, places};
use crate::{Ended, Refusal};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// Arguments of `versus baseline`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run.
    run: PathBuf,
    /// The file to write, e.g. steady.baseline.json.
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Overwrite the file if it is there.
    #[arg(long)]
    force: bool,
}

pub(crate) fn baseline(args: &Args) -> Result<Ended> {
    let (run, out) = (args.run.display(), args.out.display());
    if args.out.exists() && !args.force {
        return Err(Refusal::Usage(format!("{out} is there already; overwrite it with --force")).into());
    }
    if let [first, _, ..] = places(&args.run)?.as_slice() {
        let text = format!("{run} is a folder of repeats: name one of them, e.g. {}", first.display());
        return Err(Refusal::Usage(text).into());
    }
    let read = open(&args.run).with_context(|| Refusal::Usage(format!("{run} has no baseline")))?;
    let baseline = report::check::baseline(&read);
    if !baseline.objections.is_empty() {
        let text = format!("{run} is no baseline, for it is not valid: {}", baseline.objections.join("; "));
        return Err(Refusal::NoVerdict(text).into());
    }
    model::baseline::write(&args.out, &baseline).with_context(|| format!("writing {out}"))?;
    let bytes = std::fs::metadata(&args.out).with_context(|| format!("reading back {out}"))?.len();
    eprintln!("Baseline: {out}, {} KB", bytes.div_ceil(1024));
    Ok(Ended::Well)
}
