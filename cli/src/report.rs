//! `versus report`: from stored runs to the page and the summary.

use crate::output::{self, print};
use crate::Ended;
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
            runs.push(model::run::read(&place)?);
        }
    }
    let folder = args.out.clone().unwrap_or_else(|| args.runs[0].clone());
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    refuse_mixture(&runs)?;
    let page = write_report(&folder, &runs)?;
    if !args.quiet {
        print(&report::text(&runs))?;
        eprintln!("\nReport: {}", page.display());
    }
    Ok(Ended::Well)
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

/// Writes `report.html` and `summary.json`; returns the path of the page.
pub(crate) fn write_report(folder: &Path, runs: &[Run]) -> Result<PathBuf> {
    let summary = serde_json::to_string_pretty(&report::summary(runs)).context("summary.json")?;
    output::write(&folder.join("summary.json"), summary + "\n")?;
    let page = folder.join("report.html");
    output::write(&page, report::html(runs)?)?;
    Ok(page)
}
