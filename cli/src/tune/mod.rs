//! `versus tune`: for each stack the cheapest configuration that keeps a target through the whole scenario.
//!
//! Goals: the platforms are compared each at its best, under one load and one rule; a lucky seed does not win; what was
//! tried is told; the result does not depend on how many cores it took.
//! Non-goals: choosing the next trial (`search`), judging a run (`report::tune`), and changing the load or the program.

mod additive;
mod knobs;
mod search;
mod space;

use crate::output::{self, print};
use crate::sweep::{Grid, alike, each, vary};
use crate::{Ended, Refusal, clock, overlay};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::plan::Plan;
use model::scenario::Scenario;
use report::sweep::Varied;
use report::tune::{Stack, Target, Trial, Tuning, csv_header, csv_row, targets};
use search::{Point, Score, Search};
use space::Space;
use std::fmt::Write;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Arguments of `versus tune`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Scenario file.
    scenario: PathBuf,
    /// What has to be kept, e.g. p99<2s or p50<200ms,p99.9<10s: p50, p90, p95, p99, p99.9, max, or another metric of
    /// summary.json with its unit. Beside it every message has to be completed, and the backlog must not grow.
    #[arg(long, value_name = "TARGETS")]
    slo: String,
    /// A key of a stack and its values, as for sweep: stacks.ecs.tasks=1..20:20. A stack that is named so has no other
    /// knobs; without it those of its platform are moved (may be given several times).
    #[arg(long = "vary", value_name = "KEY=VALUES", value_parser = vary::vary)]
    varied: Vec<Varied>,
    /// A key that stays as the scenario has it, e.g. stacks.ecs.architecture (may be given several times).
    #[arg(long, value_name = "KEY")]
    keep: Vec<String>,
    /// Override a key of the scenario (may be given several times).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// File of such overrides, one a line, before those of --set.
    #[arg(long, value_name = "FILE")]
    set_file: Option<PathBuf>,
    /// Seed of the search, instead of the scenario's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Seeds under which the best has to keep the target: that of the search and those after it.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    seeds: u16,
    /// Most simulations of a stack, other seeds included.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000), conflicts_with = "exhaustive")]
    simulations: u32,
    /// Try every combination instead of searching.
    #[arg(long)]
    exhaustive: bool,
    /// Folder of the results [default: results/<scenario>-<UTC time>-tune].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What is printed; the folder has both.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Simulations at once [default: the number of cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    jobs: Option<u16>,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(crate) fn tune(args: &Args) -> Result<Ended> {
    let targets = targets(&args.slo).map_err(|text| Refusal::Usage(format!("--slo: {text}")))?;
    if args.simulations < u32::from(args.seeds) && !args.exhaustive {
        let (simulations, seeds) = (args.simulations, args.seeds);
        let text = format!(
            "--simulations {simulations} cannot confirm anything under --seeds {seeds}: write more of them, or fewer seeds"
        );
        return Err(Refusal::Usage(text).into());
    }
    let overrides = overlay::with(args.set_file.as_deref(), &args.overrides)?;
    let grid = Grid::new(&args.scenario, overrides, args.seed, Vec::new())?;
    let given = grid.with(&[]).map_err(Refusal::Usage)?;
    alike(&given)?;
    keys(args, &given)?;
    enough(&given, &targets)?;
    let spaces = given
        .stacks
        .iter()
        .map(|stack| Space::new(&grid, &given, stack, &args.varied, &args.keep, &targets))
        .collect::<Result<Vec<Space>>>()?;
    kept_keys(args, &given)?;
    let folder = args.out.clone().unwrap_or_else(|| output::default_folder(&args.scenario, "tune"));
    let claim = output::prepare(&folder)?;
    let seeds: Vec<u64> = (0..args.seeds).map(|index| given.seed.wrapping_add(index.into())).collect();
    let bench = Bench::new(args, seeds)?;
    let tuned = bench.tuned(&spaces);
    let stacks = bench.stacks(&spaces, tuned.as_deref().unwrap_or_default());
    write_trials(&folder, &stacks, &targets)?;
    if bench.stopped() {
        let trials: usize = stacks.iter().map(|stack| stack.trials.len()).sum();
        bail!("interrupted after {trials} simulations, which are in {}", folder.join(TRIALS).display());
    }
    tuned?;
    let tuning = Tuning {
        title: &given.title,
        overrides: grid.overrides(),
        seeds: &bench.seeds,
        targets: &targets,
        stacks: &stacks,
        exhaustive: args.exhaustive,
    };
    told(args, &folder, &tuning)?;
    drop(claim);
    Ok(if stacks.iter().any(|stack| stack.best.is_some()) { Ended::Well } else { Ended::WithoutVerdict })
}

/// Every simulation as a row.
const TRIALS: &str = "trials.csv";

fn write_trials(folder: &Path, stacks: &[Stack], targets: &[Target]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(csv_header(targets)).context("writing a row")?;
    for stack in stacks {
        for (index, trial) in stack.trials.iter().enumerate() {
            writer.write_record(csv_row(&stack.name, index + 1, trial, targets)).context("writing a row")?;
        }
    }
    let bytes = writer.into_inner().context("writing rows")?;
    output::write(&folder.join(TRIALS), bytes)
}

fn told(args: &Args, folder: &Path, tuning: &Tuning) -> Result<()> {
    let json = serde_json::to_string_pretty(&report::tune::json(tuning)).context("writing JSON")? + "\n";
    output::write(&folder.join("tune.json"), &json)?;
    let page = folder.join("tune.html");
    output::write(&page, report::tune::html(tuning)?)?;
    let mut sets = format!("# {}: what versus tune found for --slo {}\n", tuning.title.trim(), args.slo);
    tuning.overrides.iter().for_each(|set| sets += &format!("{set}\n"));
    for stack in tuning.stacks {
        let best = stack.best.map(|best| &stack.trials[best]);
        let said = if best.is_some() { "" } else { ": none that keeps the target" };
        let _ = writeln!(sets, "# {}{said}", stack.name);
        best.iter().flat_map(|best| &best.overrides).for_each(|set| sets += &format!("{set}\n"));
    }
    let best = folder.join("best.set");
    output::write(&best, sets)?;
    if args.quiet {
        return Ok(());
    }
    eprintln!("Tuning: {}; run the best with --set-file {}", page.display(), best.display());
    match args.format {
        Format::Text => print(&report::tune::text(tuning)),
        Format::Json => print(&json),
    }
}

/// Only a stack's own keys are for tuning to choose.
fn keys(args: &Args, given: &Scenario) -> Result<()> {
    let names: Vec<&str> = given.stacks.iter().map(|stack| stack.name.as_str()).collect();
    let mut seen: Vec<&str> = Vec::new();
    for varied in &args.varied {
        let key = varied.key.as_str();
        let known = names.iter().any(|name| {
            key.strip_prefix("stacks.").is_some_and(|rest| rest.starts_with(&format!("{name}.")))
        });
        if !known {
            let text = format!(
                "--vary {key} is no key of a stack: tune chooses configurations, and the load and the work are given; write \
                 stacks.{}.KEY, or look at versus sweep",
                names.join(".KEY or stacks.")
            );
            return Err(Refusal::Usage(text).into());
        }
        if seen.contains(&key) {
            return Err(
                Refusal::Usage(format!("--vary {key} is there twice: give all values of it in one")).into()
            );
        }
        seen.push(key);
    }
    Ok(())
}

/// A key that is kept has to be one that would be moved.
fn kept_keys(args: &Args, given: &Scenario) -> Result<()> {
    for key in &args.keep {
        if !given
            .stacks
            .iter()
            .any(|stack| knobs::of_platform(stack).iter().any(|knob| knobs::moves(knob, key)))
        {
            let mut all: Vec<String> = given
                .stacks
                .iter()
                .flat_map(knobs::of_platform)
                .map(|knob| knob.rungs)
                .flat_map(|rungs| rungs.concat())
                .filter_map(|set| Some(set.split_once('=')?.0.to_owned()))
                .collect();
            all.sort();
            all.dedup();
            return Err(Refusal::Usage(format!(
                "--keep {key}: nothing moves it; there are {}",
                all.join(", ")
            ))
            .into());
        }
    }
    Ok(())
}

/// A percentile is not known without enough messages, whatever the configuration.
fn enough(given: &Scenario, targets: &[Target]) -> Result<()> {
    let Some(most) =
        targets.iter().max_by_key(|target| target.samples()).filter(|target| target.samples() > 0)
    else {
        return Ok(());
    };
    let messages =
        Plan::new(given).filter(|arrival| arrival.at >= given.warmup).take(most.samples() as usize).count()
            as u64;
    if messages < most.samples() {
        let text = format!(
            "--slo: {} needs {} messages after the warm-up, and the scenario sends {messages}; make its load longer, or ask \
             for a lower percentile",
            most.name(),
            most.samples()
        );
        return Err(Refusal::Usage(text).into());
    }
    Ok(())
}

/// What was tried on a stack, in order.
type Tried = Vec<(Point, Trial)>;

/// Does the trials, and keeps them.
struct Bench {
    seeds: Vec<u64>,
    simulations: usize,
    exhaustive: bool,
    jobs: usize,
    stop: Arc<AtomicBool>,
    bar: ProgressBar,
    /// The trials of each stack.
    trials: Mutex<Vec<Tried>>,
}

impl Bench {
    fn new(args: &Args, seeds: Vec<u64>) -> Result<Self> {
        let cores = || thread::available_parallelism().map_or(1, NonZero::get);
        Ok(Self {
            seeds,
            simulations: args.simulations as usize,
            exhaustive: args.exhaustive,
            jobs: args.jobs.map_or_else(cores, usize::from),
            stop: clock::asked_to_stop()?,
            bar: if args.quiet { ProgressBar::hidden() } else { bar() },
            trials: Mutex::default(),
        })
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The best point of each stack.
    /// The best of each stack, and whether its search was over.
    fn tuned(&self, spaces: &[Space]) -> Result<Vec<(Option<Point>, bool)>> {
        *self.lock() = vec![Vec::new(); spaces.len()];
        let numbers: Vec<usize> = (0..spaces.len()).collect();
        let best = Mutex::new(vec![(None, false); spaces.len()]);
        // A search is one trial after another; all combinations of one stack keep every core busy.
        let all = each(if self.exhaustive { 1 } else { self.jobs }, &numbers, &|index| {
            let found = match self.exhaustive {
                true => self.all(&spaces[index], index).map(|best| (best, true)),
                false => self.searched(&spaces[index], index),
            }?;
            best.lock().unwrap_or_else(PoisonError::into_inner)[index] = found;
            Ok(())
        });
        self.bar.finish_and_clear();
        all?;
        Ok(best.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Tried>> {
        self.trials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A trial that is kept; `None` if the point is no scenario.
    fn attempt(&self, space: &Space, index: usize, point: &[usize]) -> Result<Option<Score>> {
        let Some(trial) = self.simulated(space, point, None)? else { return Ok(None) };
        let score = score(&trial);
        self.lock()[index].push((point.to_vec(), trial));
        Ok(Some(score))
    }

    fn simulated(&self, space: &Space, point: &[usize], seed: Option<u64>) -> Result<Option<Trial>> {
        if self.stopped() {
            bail!("interrupted");
        }
        let trial = space.attempt(point, seed);
        self.bar.inc(u64::from(trial.is_some()));
        Ok(trial)
    }

    fn searched(&self, space: &Space, index: usize) -> Result<(Option<Point>, bool)> {
        let attempt = |point: &[usize]| self.attempt(space, index, point);
        let mut search = Search::new(space.rungs(), space.start(), self.simulations, &attempt);
        let mut others = self.seeds[1..].to_vec();
        // Two may have to be looked at under other seeds.
        search.run((2 * others.len()).min(self.simulations / 2))?;
        loop {
            let last = search.left() < 2 * others.len();
            let Some(best) = (if last { search.safest() } else { search.best() }) else {
                return Ok((None, search.is_over()));
            };
            if search.left() < others.len() {
                // Not under all seeds: that would be said of no other, either.
                return Ok((None, false));
            }
            let (missed, simulated) = self.missed(space, index, &best, &mut others)?;
            search.spend(simulated);
            match missed {
                None => return Ok((Some(best), search.is_over())),
                Some(excess) => search.deny(&best, excess),
            }
            search.run(others.len().min(search.left()))?;
        }
    }

    /// How far a point is from keeping everything under one of the other seeds, if it does not under one of them, and
    /// how many were simulated. A seed that found a miss is the first to be asked the next time.
    fn missed(
        &self,
        space: &Space,
        index: usize,
        point: &Point,
        others: &mut [u64],
    ) -> Result<(Option<f64>, usize)> {
        for number in 0..others.len() {
            let Some(trial) = self.simulated(space, point, Some(others[number]))? else { continue };
            let missed = (!trial.judged.holds()).then_some(trial.judged.excess);
            self.lock()[index].push((point.clone(), trial));
            if missed.is_some() {
                others[..=number].rotate_right(1);
                return Ok((missed, number + 1));
            }
        }
        Ok((None, others.len()))
    }

    /// Tries every point, then the cheapest ones under the other seeds.
    fn all(&self, space: &Space, index: usize) -> Result<Option<Point>> {
        let points = space.all();
        let numbers: Vec<usize> = (0..points.len()).collect();
        let found = Mutex::new(Vec::new());
        let all = each(self.jobs, &numbers, &|number| {
            if let Some(trial) = self.simulated(space, &points[number], None)? {
                found.lock().unwrap_or_else(PoisonError::into_inner).push((points[number].clone(), trial));
            }
            Ok(())
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_by(|a, b| a.0.cmp(&b.0));
        // What is done is told even if it was interrupted.
        self.lock()[index].clone_from(&found);
        all?;
        let mut keeping: Vec<(Point, f64)> = found
            .into_iter()
            .map(|(point, trial)| (point, score(&trial)))
            .filter(|(_, score)| score.keeps)
            .map(|(point, score)| (point, score.cost))
            .collect();
        keeping.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut others = self.seeds[1..].to_vec();
        for (point, _) in keeping {
            if self.missed(space, index, &point, &mut others)?.0.is_none() {
                return Ok(Some(point));
            }
        }
        Ok(None)
    }

    /// What the report tells of each stack.
    fn stacks(&self, spaces: &[Space], best: &[(Option<Point>, bool)]) -> Vec<Stack> {
        let all = std::mem::take(&mut *self.lock());
        let of = |(index, (space, trials)): (usize, (&Space, Tried))| {
            let (best, over) = best.get(index).cloned().unwrap_or((None, false));
            Stack {
                name: space.stack.clone(),
                platform: space.platform.into(),
                knobs: space.knobs.iter().map(|knob| (knob.name.clone(), knob.rungs.len())).collect(),
                best: best.and_then(|best| trials.iter().position(|(point, _)| *point == best)),
                trials: trials.into_iter().map(|(_, trial)| trial).collect(),
                over,
                notes: space.notes.clone(),
            }
        };
        spaces.iter().zip(all).enumerate().map(of).collect()
    }
}

fn score(trial: &Trial) -> Score {
    let judged = &trial.judged;
    Score {
        cost: judged.cost_per_month.unwrap_or(f64::INFINITY),
        excess: judged.excess,
        keeps: judged.holds(),
    }
}

fn bar() -> ProgressBar {
    // Nothing is drawn where standard error is no terminal. How many there will be is not known.
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
    let style = ProgressStyle::with_template("{spinner} {pos} simulations, {elapsed}");
    style.map_or(bar.clone(), |style| bar.with_style(style))
}
