//! `versus report`: from stored runs to the page and the summary.

use crate::output::{self, print};
use crate::{Ended, check};
use anyhow::{Context, Result, bail};
use model::run::Run;
use report::Options;
use report::check::Check;
use std::path::{Path, PathBuf};

/// Arguments of `versus report`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run directories: repeats of one scenario are judged together, different configurations set side by side. A
    /// folder of repeats stands for all of them.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Folder for report.html and summary.json [default: that of the first run].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Add a section that sets the run against this one (several times for a history): a run, or a file that
    /// `versus baseline` wrote. `versus check` is the gate.
    #[arg(long, value_name = "RUN|FILE")]
    baseline: Vec<PathBuf>,
    /// Open the report in the browser.
    #[arg(long)]
    open: bool,
    /// Take the account's free tier off every stack's bill, as if it were alone.
    #[arg(long)]
    free_tier: bool,
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
    let given = runs.len();
    let runs = together(runs)?;
    if runs.len() < given && args.out.is_none() {
        bail!(
            "say with --out DIR where the report goes: it is of several configurations and belongs to none of their folders"
        );
    }
    let folder = args.out.clone().unwrap_or_else(|| args.runs[0].clone());
    let against = check::against(&args.baseline, &runs)?;
    output::make_folder(&folder)?;
    let ended = judge_against(&folder, &runs, Options { free_tier: args.free_tier }, against, args.quiet)?;
    if args.open {
        browse(&folder)?;
    }
    Ok(ended)
}

/// Opens the report of a folder in the browser.
pub(crate) fn browse(folder: &Path) -> Result<()> {
    let page = folder.join("report.html");
    open::that_detached(&page).with_context(|| format!("opening {} in a browser", page.display()))
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
pub(crate) fn places(path: &Path) -> Result<Vec<PathBuf>> {
    let mut repeats: Vec<PathBuf> =
        (1..).map(|index| path.join(format!("repeat-{index}"))).take_while(|place| place.is_dir()).collect();
    if repeats.is_empty() || path.join("run.json").exists() {
        repeats = vec![path.to_path_buf()];
    }
    Ok(repeats)
}

/// Repeats of one scenario as they are; runs of different configurations as one run with the stacks of all.
fn together(runs: Vec<Run>) -> Result<Vec<Run>> {
    let Some(first) = runs.first() else { bail!("no run was given") };
    let repeats = |one: &Run, other: &Run| {
        one.manifest.scenario_hash == other.manifest.scenario_hash
            && one.manifest.overrides == other.manifest.overrides
            && one.manifest.target == other.manifest.target
    };
    if let Some(other) = runs.iter().find(|run| run.manifest.tool_version != first.manifest.tool_version) {
        bail!(
            "these runs are of versus {} and {}: their figures do not compare; run the older again",
            first.manifest.tool_version,
            other.manifest.tool_version
        );
    }
    if runs.iter().all(|run| repeats(run, first)) {
        return Ok(runs);
    }
    let repeated = runs.iter().enumerate().any(|(i, run)| runs[..i].iter().any(|other| repeats(run, other)));
    if repeated {
        bail!(
            "some of these runs are repeats of one scenario and some are not: report the repeats of each by themselves, \
             or one run of each together"
        );
    }
    Ok(vec![report::side_by_side(&runs)?])
}

/// Writes `report.html` and `summary.json`, prints the summary, and says whether there is a verdict.
pub(crate) fn judge(folder: &Path, runs: &[Run], options: Options, quiet: bool) -> Result<Ended> {
    judge_against(folder, runs, options, None, quiet)
}

fn judge_against(
    folder: &Path,
    runs: &[Run],
    options: Options,
    against: Option<Check>,
    quiet: bool,
) -> Result<Ended> {
    let mut judgement = report::judge(runs, options)?;
    if let Some(check) = against {
        judgement = judgement.against(check);
    }
    let summary = report::summary(&judgement);
    let text = serde_json::to_string_pretty(&summary).context("summary.json")?;
    output::write(&folder.join("summary.json"), text + "\n")?;
    let page = folder.join("report.html");
    output::write(&page, report::html(&judgement)?)?;
    if !quiet {
        print(&report::text(&judgement))?;
        eprintln!("\nReport: {}", page.display());
    }
    let failed: Vec<_> =
        report::check::expectations(runs).into_iter().filter(|e| e.holds != Some(true)).collect();
    for expectation in &failed {
        eprintln!("versus: {}", report::check::render::expectation_line(expectation));
    }
    let withheld = summary["valid"] != true || summary["verdict"]["form"] == "withheld";
    Ok(match (failed.is_empty(), withheld) {
        // Of a run whose figures mean nothing no expectation was judged.
        (false, _) => Ended::Regressed,
        (true, true) => Ended::WithoutVerdict,
        (true, false) => Ended::Well,
    })
}
