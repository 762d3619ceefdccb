//! `versus report`: from stored runs to the page and the summary.

use crate::Ended;
use crate::output::{self, print};
use anyhow::{Context, Result, bail};
use model::run::Run;
use std::path::{Path, PathBuf};

/// Arguments of `versus report`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run directories; several must be repeats of one scenario. A folder of repeats stands for all of them.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Folder for report.html and summary.json [default: that of the first run].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn report(args: &Args) -> Result<Ended> {
    let mut runs = Vec::new();
    for path in &args.runs {
        for place in places(path)? {
            runs.push(open(&place)?);
        }
    }
    refuse_mixture(&runs)?;
    let folder = args.out.clone().unwrap_or_else(|| args.runs[0].clone());
    output::make_folder(&folder)?;
    judge(&folder, &runs, args.quiet)
}

/// Reads a run. One that was killed, or still goes on, is joined from what it has written down by now.
pub(crate) fn open(place: &Path) -> Result<Run> {
    let incomplete = || model::run::read_manifest(place).is_ok_and(|manifest| !manifest.complete);
    if place.join("journal.json").exists() && incomplete() {
        return collector::join(place);
    }
    model::run::read(place)
}

/// A run, or the repeats in a folder of them, in order.
fn places(path: &Path) -> Result<Vec<PathBuf>> {
    let mut repeats: Vec<PathBuf> =
        (1..).map(|index| path.join(format!("repeat-{index}"))).take_while(|place| place.is_dir()).collect();
    if repeats.is_empty() || path.join("run.json").exists() {
        repeats = vec![path.to_path_buf()];
    }
    Ok(repeats)
}

/// Estimates over runs make sense only over repeats of one scenario.
fn refuse_mixture(runs: &[Run]) -> Result<()> {
    let Some(first) = runs.first() else { bail!("no run was given") };
    for run in runs {
        let same = run.manifest.scenario_hash == first.manifest.scenario_hash
            && run.manifest.overrides == first.manifest.overrides
            && run.manifest.tool_version == first.manifest.tool_version;
        if !same {
            bail!(
                "these runs are not repeats of one scenario: {} (seed {}) and {} (seed {}) differ in scenario, \
                 overrides or version; report them one by one",
                first.manifest.scenario_path,
                first.manifest.seed,
                run.manifest.scenario_path,
                run.manifest.seed
            );
        }
    }
    Ok(())
}

/// Writes `report.html` and `summary.json`, prints the summary, and says whether there is a verdict.
pub(crate) fn judge(folder: &Path, runs: &[Run], quiet: bool) -> Result<Ended> {
    let judgement = report::judge(runs, report::Options::default())?;
    let summary = report::summary(&judgement);
    let text = serde_json::to_string_pretty(&summary).context("summary.json")?;
    output::write(&folder.join("summary.json"), text + "\n")?;
    let page = folder.join("report.html");
    output::write(&page, report::html(&judgement)?)?;
    if !quiet {
        print(&report::text(&judgement))?;
        eprintln!("\nReport: {}", page.display());
    }
    let withheld = summary["valid"] != true || summary["verdict"]["form"] == "withheld";
    Ok(if withheld { Ended::WithoutVerdict } else { Ended::Well })
}
