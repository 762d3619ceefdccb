//! `versus check`: did latency regress? Runs and baselines in, a verdict out, in whatever form CI reads.

use crate::output::{self, print};
use crate::report::{open, places};
use crate::{Ended, Refusal};
use anyhow::{Context, Result};
use clap::ValueEnum;
use model::baseline::{Baseline, Unreadable};
use model::run::Run;
use model::scenario::Expect;
use report::check::{self, Check, Outcome, Settings, Verdict, render};
use std::path::{Path, PathBuf};

/// Arguments of `versus check`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to compare with (several times for a history): a run, a folder of repeats, or a file that `versus baseline`
    /// wrote.
    #[arg(long, required = true, value_name = "RUN|FILE")]
    baseline: Vec<PathBuf>,
    /// What may have become slower: a run, a folder of repeats, or a baseline file.
    #[arg(required = true, value_name = "CANDIDATE")]
    candidates: Vec<PathBuf>,
    #[command(flatten)]
    rule: Rule,
    /// One more run of the candidate: a regression counts only if this run shows it, too.
    #[arg(long, value_name = "RUN")]
    confirm: Option<PathBuf>,
    /// Exit with 4 if anything could not be told, too.
    #[arg(long, value_enum, value_name = "WHAT")]
    fail_on: Option<FailOn>,
    /// How the check is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Also write it to a file, e.g. junit=check.xml (may be given several times).
    #[arg(long = "write", value_name = "FORMAT=FILE", value_parser = written)]
    writes: Vec<(Format, PathBuf)>,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

/// What a check asks: the same for `versus calibrate-check`.
#[derive(clap::Args)]
pub(crate) struct Rule {
    /// Smallest change that counts [default: 10, or 5 with five baselines or more].
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    margin: Option<f64>,
    /// Smallest change of latency that counts.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "5ms")]
    floor: std::time::Duration,
    /// A stack that did not change: its differences are taken off those of the others.
    #[arg(long, value_name = "STACK")]
    control: Option<String>,
    /// A metric to check beside the latency's p50, p95 and p99, e.g. cost-per-million (may be given several times).
    #[arg(long = "metric", value_name = "NAME", value_parser = metric)]
    metrics: Vec<String>,
}

impl Rule {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            margin: self.margin,
            floor_ms: self.floor.as_secs_f64() * 1e3,
            control: self.control.clone(),
            metrics: self.metrics.clone(),
            ..Settings::default()
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum FailOn {
    /// A comparison that could not be told.
    Inconclusive,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A table.
    Text,
    /// A table for a pull request or $GITHUB_STEP_SUMMARY.
    Markdown,
    /// Everything; `versus schema --check` describes it.
    Json,
    /// JUnit XML.
    Junit,
    /// Annotations of a GitHub workflow.
    Github,
    /// OpenMetrics text, e.g. for GitLab.
    Openmetrics,
}

impl Format {
    fn of(self, check: &Check) -> Result<String> {
        Ok(match self {
            Self::Text => render::text(check),
            Self::Markdown => render::markdown(check),
            Self::Json => serde_json::to_string_pretty(&render::json(check)).context("writing JSON")? + "\n",
            Self::Junit => render::junit(check),
            Self::Github => render::github(check),
            Self::Openmetrics => render::openmetrics(check),
        })
    }
}

/// Arguments of `versus schema`.
#[derive(clap::Args)]
pub(crate) struct Schema {
    /// Of what `versus check --format json` prints, instead of scenario files.
    #[arg(long)]
    check: bool,
}

/// Prints a JSON Schema.
pub(crate) fn schema(args: &Schema) -> Result<Ended> {
    print(&if args.check { render::schema().to_owned() } else { model::scenario::schema() })?;
    Ok(Ended::Well)
}

pub(crate) fn check(args: &Args) -> Result<Ended> {
    let check = match missing(args) {
        missing if missing.is_empty() => compared(args)?,
        // CI shall see it where it looks for results.
        missing => Check { incomparable: missing, ..nothing(args.rule.settings()) },
    };
    for (format, path) in &args.writes {
        output::write(path, format.of(&check)?)?;
    }
    if !args.quiet {
        print(&args.format.of(&check)?)?;
    }
    talk(args, &check);
    Ok(ended(args, &check))
}

/// The runs that are not there.
fn missing(args: &Args) -> Vec<String> {
    let given = args.baseline.iter().chain(&args.candidates).chain(&args.confirm);
    given
        .filter(|path| !path.exists())
        .map(|path| format!("{}: there is no such run or baseline", path.display()))
        .collect()
}

fn nothing(settings: Settings) -> Check {
    Check {
        settings,
        baselines: Vec::new(),
        candidates: Vec::new(),
        incomparable: Vec::new(),
        findings: Vec::new(),
        expectations: Vec::new(),
    }
}

/// Reads the runs and compares them.
fn compared(args: &Args) -> Result<Check> {
    let settings = args.rule.settings();
    let baselines = read(&args.baseline)?.runs;
    let candidates = read(&args.candidates)?;
    let confirming = args.confirm.as_slice();
    let confirming = read(confirming)?.runs;
    check::understood(&candidates.expect).map_err(|problems| Refusal::Usage(problems.join("\n")))?;
    let mut check = check::decide(&baselines, &candidates.runs, &settings);
    if !confirming.is_empty() {
        check = check::confirmed(check, &check::decide(&baselines, &confirming, &settings));
    }
    check.expectations = check::expect(&candidates.expect, &candidates.runs);
    Ok(check)
}

/// How runs did against baselines, by the rule's defaults; `None` without any.
pub(crate) fn against(baselines: &[PathBuf], runs: &[Run]) -> Result<Option<Check>> {
    if baselines.is_empty() {
        return Ok(None);
    }
    let name =
        |number: usize| if runs.len() == 1 { "this run".to_owned() } else { format!("repeat {number}") };
    let candidates: Vec<_> =
        (1..).zip(runs).map(|(number, run)| (name(number), check::baseline(run))).collect();
    Ok(Some(check::decide(&read(baselines)?.runs, &candidates, &Settings::default())))
}

/// What was read.
#[derive(Default)]
struct Given {
    /// Each with the name it is shown by.
    runs: Vec<(String, Baseline)>,
    /// The thresholds of the first run's scenario; a baseline file has none.
    expect: Vec<Expect>,
}

/// Reads runs, repeats and baseline files. A run is let go before the next: a baseline of it is small.
fn read(paths: &[PathBuf]) -> Result<Given> {
    let mut given = Given::default();
    for path in paths {
        if path.is_file() {
            given.runs.push((path.display().to_string(), read_file(path)?));
            continue;
        }
        for place in places(path)? {
            let name = place.display().to_string();
            let run = open(&place).with_context(|| Refusal::Usage(format!("{name} cannot be checked")))?;
            if given.expect.is_empty() {
                given.expect = check::thresholds(&run);
            }
            given.runs.push((name, check::baseline(&run)));
        }
    }
    Ok(given)
}

fn read_file(path: &Path) -> Result<Baseline> {
    model::baseline::read(path).map_err(|error| {
        let text = format!("{}: {error}", path.display());
        match error {
            Unreadable::Unopened(_) => anyhow::Error::msg(text),
            Unreadable::Missing => Refusal::NoVerdict(text).into(),
            _ => Refusal::Usage(text).into(),
        }
    })
}

/// What deserves a word beside the check itself.
fn talk(args: &Args, check: &Check) {
    for why in &check.incomparable {
        eprintln!("versus: {why}");
    }
    let regressed = check.findings.iter().any(|finding| finding.outcome == Outcome::Regressed);
    let single = check.baselines.len() == 1 && check.candidates.len() == 1;
    if regressed && single && args.confirm.is_none() {
        eprintln!("versus: to be sure, run the candidate once more and add --confirm RUN: both must regress");
    }
    let untold = check.findings.iter().filter(|finding| !told(finding.outcome)).count();
    if untold > 0 && !regressed {
        let (untold, all) = (untold, check.findings.len());
        eprintln!(
            "versus: warning: {untold} of {all} comparisons show neither a regression nor that there is none"
        );
    }
}

fn told(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Improved | Outcome::Unchanged | Outcome::Regressed)
}

fn ended(args: &Args, check: &Check) -> Ended {
    // A finding that had too few data compared nothing.
    let compared = !check.expectations.is_empty()
        || check.findings.iter().any(|finding| finding.outcome != Outcome::Untestable);
    let untold = check.findings.iter().any(|finding| !told(finding.outcome));
    match check.verdict() {
        Verdict::Regressed => Ended::Regressed,
        Verdict::NotComparable => Ended::WithoutVerdict,
        Verdict::Pass | Verdict::Inconclusive if !compared => Ended::WithoutVerdict,
        Verdict::Pass | Verdict::Inconclusive if untold && args.fail_on.is_some() => Ended::WithoutVerdict,
        Verdict::Pass | Verdict::Inconclusive => Ended::Well,
    }
}

/// `10` or `10%` as a share.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end().parse::<f64>();
    match number {
        Ok(percent) if (0.0..=1_000.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("write a percentage from 0 to 1000, e.g. 10".into()),
    }
}

/// A metric that can be checked, by its full name.
fn metric(name: &str) -> Result<String, String> {
    let (name, _) = check::metric(name)?;
    if check::gateable(name).is_none() {
        return Err(format!(
            "{name} is neither good nor bad; there are {}",
            check::metric_names().join(", ")
        ));
    }
    Ok(name.into())
}

/// `FORMAT=FILE`.
fn written(text: &str) -> Result<(Format, PathBuf), String> {
    let names = || {
        let formats = Format::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        formats.map(|format| format.get_name().to_owned()).collect::<Vec<_>>().join(", ")
    };
    match text.split_once('=') {
        Some((format, path)) if !path.is_empty() => match Format::from_str(format, false) {
            Ok(format) => Ok((format, path.into())),
            Err(_) => Err(format!("{format:?} is no format; there are {}", names())),
        },
        _ => Err(format!("write FORMAT=FILE, e.g. junit=check.xml; formats are {}", names())),
    }
}
