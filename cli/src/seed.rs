//! `versus seed`: the sending half of a measured run, to queues that are there already.

use crate::Ended;
use crate::by_stack::{self, ForStack};
use crate::part::{self, Part};
use crate::{clock, output};
use anyhow::{Context, Result, bail};
use collector::{Board, Collector, Deployed, Provenance};
use model::journal::{Entry, Sent};
use model::run::Manifest;
use model::scenario::{self, Scenario};
use model::time::Origin;
use seeder::{Destination, Seeder, Settings, Stop, Summary};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

/// Time between connecting and the first message.
const LEAD: Duration = Duration::from_secs(2);

/// Arguments of `versus seed`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Scenario file.
    scenario: PathBuf,
    /// The queue of a stack, by its URL (once for each stack).
    #[arg(long = "queue", value_name = "STACK=URL", required = true)]
    queues: Vec<ForStack>,
    /// A queue that may be sent to though it does not carry the tag `versus` (may be given several times).
    #[arg(long = "allow-queue", value_name = "URL")]
    allow_queues: Vec<String>,
    /// Folder of the run. If another seeder began a run there, this one sends its own part of it.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Part of the plan to send, e.g. 1/4: for several seeders beside each other [default: that of an AWS Batch array
    /// job or a Kubernetes indexed Job, else all].
    #[arg(long, value_name = "I/N")]
    shard: Option<Part>,
    /// UTC instant of the plan's beginning, e.g. 2026-11-20T12:00:00Z: the same for seeders on several machines.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_rfc3339)]
    start_at: Option<SystemTime>,
    /// Seed, instead of the scenario's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Override a key of the scenario (may be given several times).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn seed(args: &Args) -> Result<Ended> {
    let (scenario, source) = scenario::load(&args.scenario, &args.overrides, args.seed)?;
    let destinations = destinations(&scenario, &args.queues)?;
    let folder = args.out.clone().unwrap_or_else(|| output::default_folder(&args.scenario, "aws"));
    let provenance = Provenance {
        target: "aws".into(),
        path: source.path.clone(),
        text: source.text.clone(),
        overrides: args.overrides.clone(),
        command: std::iter::once("versus".into()).chain(std::env::args().skip(1)).collect(),
        repeat: (1, 1),
        tool_version: env!("CARGO_PKG_VERSION").into(),
        started_utc: String::new(),
    };
    let shard = part::given(args.shard)?.0;
    let lead = lead(args.start_at)?;
    let mut settings = Settings { shard, ..Settings::default() };
    let joins = folder.join("run.json").exists();
    admit(&destinations, args, !joins, &scenario.region)?;
    let claim = if joins { None } else { Some(output::prepare(&folder)?) };
    // Connecting first: what is wrong with the queues is then known before there is a run.
    settings.run = clock::origin().utc_ns(0) as u32;
    let seeder = Seeder::connect(&scenario, &destinations, &settings)?;
    let (collector, origin) = if joins {
        join(&folder, &collector::manifest(&scenario, &provenance))?
    } else {
        // Connecting took its time.
        let origin = match args.start_at {
            Some(at) => Origin { instant: clock::origin_in(lead_to(at)).instant, utc: at },
            None => clock::origin_in(lead),
        };
        let started_utc = humantime::format_rfc3339_millis(origin.utc).to_string();
        let manifest = collector::manifest(&scenario, &Provenance { started_utc, ..provenance });
        (collector::begin(&folder, &manifest, &origin)?, origin)
    };
    drop(claim);
    let _at_work = collector::claim(&folder, settings.shard.index, settings.shard.of)?;
    let names: Vec<&str> = scenario.stacks.iter().map(|stack| stack.name.as_str()).collect();
    let board = Board::new(&names, args.quiet);
    let summary = send(seeder, origin, collector, board, names.len())?;
    if !args.quiet {
        tell(&names, &summary);
        eprintln!("Run: {}", folder.display());
    }
    Ok(Ended::Well)
}

/// Time to the beginning of the plan.
fn lead(start_at: Option<SystemTime>) -> Result<Duration> {
    let Some(at) = start_at else { return Ok(LEAD) };
    let lead = lead_to(at);
    if lead < LEAD {
        bail!(
            "--start-at {} is past, or nearly: give the seeders time to connect",
            humantime::format_rfc3339(at)
        );
    }
    Ok(lead)
}

fn lead_to(at: SystemTime) -> Duration {
    at.duration_since(clock::utc()).unwrap_or_default()
}

/// Refuses queues that may be somebody's, or hold messages already.
fn admit(destinations: &[Destination], args: &Args, empty: bool, region: &str) -> Result<()> {
    let deployed: Vec<(&str, Deployed)> = destinations
        .iter()
        .map(|Destination { stack, queue_url }| {
            (stack.as_str(), Deployed { queue: Some(queue_url.clone()), ..Deployed::default() })
        })
        .collect();
    let both: Vec<(&str, &Deployed)> = deployed.iter().map(|(name, deployed)| (*name, deployed)).collect();
    collector::admit(&both, &args.allow_queues, empty, None, region)
}

fn destinations(scenario: &Scenario, queues: &[ForStack]) -> Result<Vec<Destination>> {
    let names: Vec<&str> = scenario.stacks.iter().map(|stack| stack.name.as_str()).collect();
    by_stack::check("--queue", queues, &names)?;
    let of = |name: &&str| match by_stack::last(queues, name) {
        Some(url) => Ok(Destination { stack: (*name).into(), queue_url: url.into() }),
        None => bail!("stack {name} has no queue: add --queue {name}=URL"),
    };
    names.iter().map(of).collect()
}

/// Goes on with the run that another seeder began.
fn join(folder: &Path, ours: &Manifest) -> Result<(Collector, Origin)> {
    let manifest = model::run::read_manifest(folder)?;
    let same = manifest.plan_hash == ours.plan_hash
        && manifest.scenario_hash == ours.scenario_hash
        && manifest.seed == ours.seed
        && manifest.overrides == ours.overrides;
    if !same {
        bail!(
            "{} holds a run of another plan: give the same scenario, seed and overrides, or another --out",
            folder.display()
        );
    }
    let collector = Collector::resume(folder)?;
    let now = clock::origin();
    let passed = Duration::from_nanos(now.utc_ns(0).saturating_sub(collector.started_ns()));
    let ahead = Duration::from_nanos(collector.started_ns().saturating_sub(now.utc_ns(0)));
    let instant = now.instant.checked_sub(passed).context("the run began before this machine did")?;
    Ok((collector, Origin { instant: instant + ahead, utc: now.utc - passed + ahead }))
}

/// Sends in the background and writes down what it told.
fn send(
    seeder: Seeder,
    origin: Origin,
    mut collector: Collector,
    mut board: Board,
    stacks: usize,
) -> Result<Summary> {
    let (sender, told) = mpsc::channel();
    let stop = Stop::default();
    clock::on_interrupt({
        let stop = stop.clone();
        move || stop.request()
    })?;
    let sending = std::thread::Builder::new().name("seeder".into()).spawn(move || {
        seeder.run(origin, &stop, move |stack, sent: Vec<Sent>| {
            sent.into_iter().for_each(|one| _ = sender.send((stack, Entry::Sent(one))));
        })
    });
    let sending = sending.context("starting the seeder")?;
    while write_down(&told, &mut collector)? {
        collector.flush()?;
        let progress: Vec<_> = (0..stacks).map(|stack| collector.progress(stack)).collect();
        board.show(origin.since(clock::instant()), &progress);
    }
    let summary = sending.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    collector.leave()?;
    summary
}

/// Takes what is told within a fifth of a second; false once nothing more will come.
fn write_down(told: &Receiver<(usize, Entry)>, collector: &mut Collector) -> Result<bool> {
    let until = clock::instant() + Duration::from_millis(200);
    loop {
        match told.recv_timeout(until.saturating_duration_since(clock::instant())) {
            Ok((stack, entry)) => collector.take(stack, entry)?,
            Err(RecvTimeoutError::Timeout) => return Ok(true),
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
        }
    }
}

fn tell(names: &[&str], summary: &Summary) {
    for (name, stack) in names.iter().zip(&summary.stacks) {
        let late = Duration::from_nanos(stack.send_delay_max);
        eprintln!(
            "{name}: {} taken, {} not taken, {} sent again, at most {late:?} late",
            stack.accepted, stack.failed, stack.retried
        );
        for (error, count) in &stack.errors {
            eprintln!("  {count} times {error}");
        }
    }
    if summary.stopped {
        eprintln!("The load was cut short.");
    }
}
