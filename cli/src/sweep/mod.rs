//! `versus sweep`: one scenario at every point of a grid, simulated on all cores.
//!
//! Goals: every point is looked at before the first is simulated; what is done stays done; the result does not depend
//! on how many cores, processes or attempts it took.
//! Non-goals: searching for the best point, and judging (`report::sweep`).

mod grid;
pub(crate) mod manifest;
pub(crate) mod rows;
pub(crate) mod vary;

use crate::output::{self, print};
use crate::part::{self, Part};
use crate::{Ended, Refusal, clock, overlay};
use anyhow::{Context, Result, bail};
use grid::LOAD;
pub(crate) use grid::{Grid, alike};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use manifest::Manifest;
use report::sweep::{Row, Varied};
use rows::Rows;
use sim::{Options, Provenance};
use std::fs::{self, File, TryLockError};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Name of the page in the folder of a sweep.
const PAGE: &str = "sweep.html";

/// More points than this are a mistyped range.
const MOST_POINTS: usize = 100_000;

/// Arguments of `versus sweep`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Scenario file.
    scenario: PathBuf,
    /// A key and its values: 256,512,1024 or 10..100:10 or 1..1000:log20 (may be given several times, for a grid). The
    /// key load is the mean rate of all phases in messages per second, or with an x, e.g. 0.1x..10x:log9, a factor.
    #[arg(long = "vary", value_name = "KEY=VALUES", required = true, value_parser = vary::vary)]
    varied: Vec<Varied>,
    /// Override a key of the scenario at every point (may be given several times).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// File of such overrides, one a line, before those of --set.
    #[arg(long, value_name = "FILE")]
    set_file: Option<PathBuf>,
    /// Seed of every point, instead of the scenario's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Folder of the results; a sweep that began there goes on [default: results/<scenario>-<UTC time>-sweep].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Do every N-th point only, beginning with the I-th, e.g. 1/4; `versus merge` joins the parts [default: that of an
    /// AWS Batch array job or a Kubernetes indexed Job, else all].
    #[arg(long, value_name = "I/N")]
    shard: Option<Part>,
    /// Points at once [default: the number of cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    jobs: Option<u16>,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn sweep(args: &Args) -> Result<Ended> {
    let jobs = args.jobs.map_or_else(|| thread::available_parallelism().map_or(1, NonZero::get), usize::from);
    let grid = grid(args)?;
    let part = part::given(args.shard)?;
    let first = grid.checked(jobs)?.scenario;
    let whole = part.0.of == 1;
    let manifest = Manifest {
        about: "SIMULATED sweep of versus: virtual time, modelled platforms, no AWS involved.".into(),
        tool_version: env!("CARGO_PKG_VERSION").into(),
        title: first.title.clone(),
        scenario_file: args
            .scenario
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into()),
        scenario_hash: model::run::text_hash(&grid.source.text),
        traces: grid.traces(),
        overrides: grid.overrides.clone(),
        seed: first.seed,
        varied: grid.varied.clone(),
        stacks: first.stacks.iter().map(|stack| stack.name.clone()).collect(),
        points: grid.len(),
        shard: (!whole).then(|| format!("{}/{}", part.0.index + 1, part.0.of)),
        scenario: grid.source.text.clone(),
    };
    let folder = args.out.clone().unwrap_or_else(|| output::default_folder(&args.scenario, "sweep"));
    let _lock = enter(&folder, &manifest)?;
    let rows = Rows::open(&folder, &grid.varied, &manifest.stacks)?;
    let done = rows.points();
    let mine = |point: &usize| (point - 1) % part.0.of as usize == part.0.index as usize;
    if let Some(stray) = done.iter().find(|point| !mine(point) || **point > grid.len()) {
        bail!("{} has point {stray}, which is not of this part: it is damaged, remove it", folder.display());
    }
    let points: Vec<usize> = (1..=grid.len()).filter(mine).collect();
    let todo: Vec<usize> = points.iter().copied().filter(|point| !done.contains(point)).collect();
    if !args.quiet && !done.is_empty() {
        eprintln!("{} of {} points are there already.", done.len(), points.len());
    }
    let rows = simulated(&grid, rows, &todo, jobs, args.quiet)?;
    let there = rows.points().len();
    let rows = rows.finish()?;
    if there < points.len() {
        bail!(
            "interrupted after {there} of {} points; the same command with --out {} goes on",
            points.len(),
            folder.display()
        );
    }
    if whole {
        return told(&manifest, &folder, &rows, args.quiet);
    }
    if !args.quiet {
        let points = grid.len();
        eprintln!("Part: {}, {there} of {points} points; versus merge joins all parts.", folder.display());
    }
    Ok(Ended::Well)
}

/// Writes the page and prints the summary; without a single sound row nothing was compared.
pub(crate) fn told(manifest: &Manifest, folder: &Path, rows: &[Row], quiet: bool) -> Result<Ended> {
    let sweep = manifest.sweep(rows);
    output::write(&folder.join(PAGE), report::sweep::html(&sweep)?)?;
    if !quiet {
        eprintln!("Sweep: {}", folder.join(PAGE).display());
        print(&report::sweep::text(&sweep))?;
    }
    Ok(if report::sweep::compared(rows) { Ended::Well } else { Ended::WithoutVerdict })
}

fn grid(args: &Args) -> Result<Grid> {
    let refused = |text: String| Err(Refusal::Usage(text).into());
    let keys: Vec<&str> = args.varied.iter().map(|varied| varied.key.as_str()).collect();
    if let Some(twice) = (1..keys.len()).find(|at| keys[..*at].contains(&keys[*at])) {
        return refused(format!("--vary {0} is there twice: give all values of {0} in one", keys[twice]));
    }
    if keys.contains(&"seed") {
        return refused("--vary seed: every point has the same seed, so that points differ by their values alone; use versus run --repeat".into());
    }
    let factors = |varied: &&Varied| varied.key == LOAD && varied.values.iter().any(|v| v.ends_with('x'));
    if let Some(load) = args.varied.iter().find(factors)
        && !load.values.iter().all(|value| value.ends_with('x'))
    {
        return refused("--vary load mixes rates and factors: write all values with an x, or none".into());
    }
    let overrides = overlay::with(args.set_file.as_deref(), &args.overrides)?;
    let grid = Grid::new(&args.scenario, overrides, args.seed, args.varied.clone())?;
    if grid.len() > MOST_POINTS {
        return refused(format!(
            "{} points are too many: at most {MOST_POINTS}, so ask for fewer values",
            grid.len()
        ));
    }
    Ok(grid)
}

/// Begins a sweep in a folder, or goes on with it. Others are kept out as long as the result lives.
fn enter(folder: &Path, manifest: &Manifest) -> Result<File> {
    output::make_folder(folder)?;
    let lock = File::open(folder).with_context(|| format!("opening {}", folder.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            bail!("another sweep is at work in {}; name another with --out", folder.display())
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("locking {}", folder.display()));
        }
    }
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    // A manifest that was being written is nothing yet.
    let there = entries.flatten().filter(|entry| entry.file_name() != "sweep.new").count();
    if there == 0 {
        manifest.write(folder)?;
    } else {
        Manifest::read(folder)
            .with_context(|| {
                format!("the output folder {} is not empty; name another with --out", folder.display())
            })?
            .must_equal(manifest, folder)?;
    }
    Ok(lock)
}

/// Simulates points and writes each down as it ends; at Ctrl-C those that are begun are still ended.
fn simulated(grid: &Grid, rows: Rows, todo: &[usize], jobs: usize, quiet: bool) -> Result<Rows> {
    let stop = clock::asked_to_stop()?;
    let bar = if quiet { ProgressBar::hidden() } else { bar(todo.len() as u64) };
    let rows = Mutex::new(rows);
    each(jobs, todo, &|point| {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let made = simulate(grid, point)?;
        rows.lock().unwrap_or_else(PoisonError::into_inner).add(made)?;
        bar.inc(1);
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok(rows.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn simulate(grid: &Grid, number: usize) -> Result<Vec<Row>> {
    let point = grid.point(number)?;
    let provenance = Provenance {
        path: grid.source.path.clone(),
        text: grid.source.text.clone(),
        overrides: point.overrides,
        command: Vec::new(),
        repeat: (1, 1),
        tool_version: env!("CARGO_PKG_VERSION").into(),
    };
    let run = sim::simulate(&point.scenario, &provenance, Options::default()).run;
    Ok(Row::all(number, &grid.values(number), &run))
}

fn bar(points: u64) -> ProgressBar {
    // Nothing is drawn where standard error is no terminal.
    let bar = ProgressBar::with_draw_target(Some(points), ProgressDrawTarget::stderr_with_hz(5));
    let style = ProgressStyle::with_template("[{bar:30}] {pos} of {len} points, {eta} to go");
    style.map_or(bar.clone(), |style| bar.with_style(style.progress_chars("=> ")))
}

/// Does `work` for each number on so many threads. After an error nothing new begins; of several the first number's
/// is given, whatever the threads did.
pub(crate) fn each(
    jobs: usize,
    numbers: &[usize],
    work: &(dyn Fn(usize) -> Result<()> + Sync),
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let errors = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs.min(numbers.len()) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let Some(number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                    if let Err(error) = work(*number) {
                        failed.store(true, Ordering::Relaxed);
                        errors.lock().unwrap_or_else(PoisonError::into_inner).push((*number, error));
                    }
                }
            });
        }
    });
    let errors = errors.into_inner().unwrap_or_else(PoisonError::into_inner);
    errors.into_iter().min_by_key(|(number, _)| *number).map_or(Ok(()), |(_, error)| Err(error))
}
