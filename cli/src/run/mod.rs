//! `versus run`: a scenario becomes a run directory with its report.

mod aws_target;
mod forecast;
mod local_target;

use crate::deployed::is_not_only_simulated;
use crate::report::{browse, judge};
use crate::{Ended, Refusal, output::print};
use crate::{clock, output, overlay};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use model::plan::Plan;
use model::run::Run;
use model::sample::Sample;
use model::scenario::{self, Scenario, Source};
use sim::{Options, Provenance};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `versus run`.
#[derive(Clone, clap::Args)]
pub(crate) struct Args {
    /// Scenario file.
    scenario: PathBuf,
    /// Where the stacks run.
    #[arg(long, value_enum, default_value = "sim")]
    target: Target,
    /// Folder of the run [default: results/<scenario>-<UTC time>-<target>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seed, instead of the scenario's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How often, each time with the next seed; estimates are then over all repeats.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    repeat: u32,
    /// Override a key of the scenario, e.g. phases.spike.rate=500 (may be given several times).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// File of such overrides, one a line, before those of --set.
    #[arg(long, value_name = "FILE")]
    set_file: Option<PathBuf>,
    /// Target local: the worker's command, for every stack [default: that of the stack, else the reference worker].
    #[arg(long, value_name = "COMMAND")]
    worker: Option<String>,
    /// Target aws: what is deployed, as `aws cloudformation describe-stacks` or `terraform output -json` prints it (may
    /// be given several times).
    #[arg(long, value_name = "FILE")]
    outputs: Vec<PathBuf>,
    /// Target aws: a queue that may be sent to though it does not carry the tag `versus` (may be given several times).
    #[arg(long = "allow-queue", value_name = "URL")]
    allow_queues: Vec<String>,
    /// Target aws: end the load before the run costs more US dollars than this.
    #[arg(long, value_name = "USD", value_parser = usd)]
    max_cost: Option<f64>,
    /// Target aws: do not ask CloudWatch for metrics; the endpoint has none.
    #[arg(long)]
    no_metrics: bool,
    /// Target aws: how long after the end logs and CloudWatch are asked again for what comes late.
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = humantime::parse_duration)]
    settle: Duration,
    /// Target aws: how long a queue must have been empty to count as drained; SQS needs a minute to be sure.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
    empty_for: Duration,
    /// Also write one row per message and stack (messages.csv); measured runs always do.
    #[arg(long)]
    messages: bool,
    /// Check the scenario and print its plan, without running it; with --target aws also the calls and the cost to
    /// expect.
    #[arg(long)]
    dry_run: bool,
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

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Virtual time: no account, no processes, the same result every time.
    Sim,
    /// This machine: real messages over loopback, real worker processes, real time.
    Local,
    /// Stacks that are deployed, named by --outputs; AWS_ENDPOINT_URL points elsewhere.
    Aws,
}

/// A positive amount.
fn usd(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|usd: &f64| usd.is_finite() && *usd > 0.0)
        .ok_or("write US dollars, e.g. 0.50".into())
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Local => "local",
            Self::Aws => "aws",
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Ended> {
    let args = &Args { overrides: overlay::with(args.set_file.as_deref(), &args.overrides)?, ..args.clone() };
    let (scenario, source) = scenario::load(&args.scenario, &args.overrides, args.seed)?;
    report::check::understood(&scenario.expect).map_err(|problems| {
        Refusal::Usage(format!("{}: {}", source.path, problems.join(&format!("\nversus: {}: ", source.path))))
    })?;
    understood(args)?;
    if args.target != Target::Sim {
        is_not_only_simulated(&scenario)?;
    }
    if args.dry_run {
        dry_run(&scenario)?;
        if args.target == Target::Aws {
            dry_run_on_aws(&scenario, &source, args)?;
        }
        return Ok(Ended::Well);
    }
    let folder =
        args.out.clone().unwrap_or_else(|| output::default_folder(&args.scenario, args.target.name()));
    let claim = output::prepare(&folder)?;
    let mut runs = Vec::new();
    // A simulation ends at Ctrl-C as any program does.
    let interrupts = match args.target {
        Target::Sim => Arc::default(),
        Target::Local | Target::Aws => local_target::interrupts()?,
    };
    for index in 1..=args.repeat {
        let place = if args.repeat == 1 { folder.clone() } else { folder.join(format!("repeat-{index}")) };
        std::fs::create_dir_all(&place).with_context(|| format!("creating {}", place.display()))?;
        let scenario =
            Scenario { seed: scenario.seed.wrapping_add(u64::from(index - 1)), ..scenario.clone() };
        let played = match args.target {
            Target::Sim => simulate_into(&place, &scenario, &source, args, index),
            Target::Local => local_target::play(&place, &scenario, &source, args, index, &interrupts),
            Target::Aws => aws_target::play(&place, &scenario, &source, args, index, &interrupts),
        };
        // A repeat that did not begin leaves no folder.
        runs.push(played.inspect_err(|_| _ = std::fs::remove_dir(&place))?);
        if index > 1
            && let Some(run) = runs.last_mut()
        {
            forget_sample(run);
        }
        if !runs.last().is_some_and(|run| run.manifest.complete) {
            break;
        }
    }
    drop(claim);
    let ended = judge(&folder, &runs, report::Options { free_tier: args.free_tier }, args.quiet)?;
    if args.open {
        browse(&folder)?;
    }
    Ok(ended)
}

/// Refuses options that the target has no use for.
fn understood(args: &Args) -> Result<()> {
    if args.worker.is_some() && args.target != Target::Local {
        bail!("--worker has a use with --target local only: add that, or leave it out");
    }
    let of_aws = [
        ("--outputs", !args.outputs.is_empty()),
        ("--allow-queue", !args.allow_queues.is_empty()),
        ("--max-cost", args.max_cost.is_some()),
        ("--no-metrics", args.no_metrics),
    ];
    if args.max_cost.is_some() && args.repeat > 1 {
        bail!("--max-cost is for one run: repeat it by hand, or leave out --repeat");
    }
    if let Some((flag, _)) = of_aws.iter().find(|(_, given)| *given && args.target != Target::Aws) {
        bail!("{flag} has a use with --target aws only: add that, or leave it out");
    }
    Ok(())
}

/// Single messages are compared in the first repeat only, and those of a thousand would not fit into memory.
pub(crate) fn forget_sample(run: &mut Run) {
    run.stacks.iter_mut().for_each(|stack| stack.sample = Sample::default());
}

/// One repeat: simulated, and written before the next begins.
fn simulate_into(place: &Path, scenario: &Scenario, source: &Source, args: &Args, index: u32) -> Result<Run> {
    let provenance = Provenance {
        path: source.path.clone(),
        text: source.text.clone(),
        overrides: args.overrides.clone(),
        command: command_line(),
        repeat: (index, args.repeat),
        tool_version: env!("CARGO_PKG_VERSION").into(),
    };
    let simulated =
        sim::simulate(scenario, &provenance, Options { records: args.messages, ..Options::default() });
    model::run::write(place, &simulated.run)?;
    if args.messages {
        for (entry, records) in simulated.run.manifest.stacks.iter().zip(&simulated.records) {
            let path = place.join(&entry.name).join("messages.csv");
            let file = File::create(&path).with_context(|| format!("writing {}", path.display()))?;
            model::record::write_csv(BufWriter::new(file), records)
                .with_context(|| format!("writing {}", path.display()))?;
        }
    }
    Ok(simulated.run)
}

/// Where a measured run comes from that begins after `lead`.
fn provenance(source: &Source, args: &Args, index: u32, lead: Duration) -> collector::Provenance {
    collector::Provenance {
        target: args.target.name().into(),
        path: source.path.clone(),
        text: source.text.clone(),
        overrides: args.overrides.clone(),
        command: command_line(),
        repeat: (index, args.repeat),
        tool_version: env!("CARGO_PKG_VERSION").into(),
        started_utc: humantime::format_rfc3339_millis(clock::utc() + lead).to_string(),
    }
}

/// The command line, as the manifest has it.
fn command_line() -> Vec<String> {
    std::iter::once("versus".into()).chain(std::env::args().skip(1)).collect()
}

/// The plan in numbers: what would be sent, when, and to whom.
fn dry_run(scenario: &Scenario) -> Result<()> {
    use std::fmt::Write;
    let plan = Plan::new(scenario);
    let spans = plan.spans().to_vec();
    let mut counts = vec![(0_u64, 0_u64); spans.len()];
    let mut phase = 0;
    for arrival in plan {
        while phase + 1 < spans.len() && arrival.at >= spans[phase].until {
            phase += 1;
        }
        counts[phase].0 += 1;
        counts[phase].1 += u64::from(arrival.bytes);
    }
    let mut text = format!("{} (seed {}, dry run: nothing is simulated)\n\n", scenario.title, scenario.seed);
    for (span, (messages, bytes)) in spans.iter().zip(&counts) {
        let length = Duration::from_nanos(span.until - span.from);
        let rate = if length.is_zero() { 0.0 } else { *messages as f64 / length.as_secs_f64() };
        let _ = writeln!(
            text,
            "{:<16} {:>12}  {:>13} messages  {rate:>9.1}/s  {:>15} bytes",
            span.name,
            humantime::format_duration(length).to_string(),
            grouped(*messages),
            grouped(*bytes)
        );
    }
    text.push('\n');
    for stack in &scenario.stacks {
        let _ = writeln!(text, "{:<16} {}", stack.name, scenario::describe(stack));
    }
    print(&text)
}

/// What a run on AWS would call and cost.
fn dry_run_on_aws(scenario: &Scenario, source: &Source, args: &Args) -> Result<()> {
    use std::fmt::Write;
    let forecast = forecast::forecast(scenario, source)?;
    let planned = Plan::new(scenario).count() as u64;
    let stacks = scenario.stacks.len() as u64;
    let length = Duration::from_secs(forecast.length / model::time::SECOND);
    let seconds = length.as_secs() * stacks;
    let mut text = String::from("\nCalls\n");
    let mut call = |action: &str, count: u64, why: &str| {
        let _ = writeln!(text, "  {action:<32} {:>12}  {why}", grouped(count));
    };
    call(
        "sqs:SendMessageBatch",
        planned.div_ceil(10) * stacks,
        "at least; more where messages come one by one",
    );
    call("sqs:GetQueueAttributes", seconds, "once a second and stack");
    call("logs:FilterLogEvents", seconds / 5, "every five seconds, where there is a log group");
    call("ecs:ListTasks, Describe...", seconds / 5 * 4, "every five seconds, where there is a service");
    call("cloudwatch:GetMetricData", 7 * stacks, "at the end; some more for points that come late");
    call("the stacks' own queue calls", forecast.queue_calls, "as simulated");
    text.push_str("\nCost to expect, in US dollars, from five simulations\n");
    for (name, usd) in &forecast.stacks {
        let _ = writeln!(text, "  {name:<32} {usd:>12.4}");
    }
    let _ = writeln!(
        text,
        "  {:<32} {:>12.4}  95 % of runs: {:.4} to {:.4}, if the simulator is right",
        "together", forecast.mean, forecast.low, forecast.high
    );
    for deployed in crate::deployed::deployed(scenario, &args.outputs).into_iter().flatten() {
        let _ = writeln!(text, "  would send to {}", deployed.queue.unwrap_or_default());
    }
    print(&text)
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let places = digits.len();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (places - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
