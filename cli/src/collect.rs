//! `versus collect`: the other half of a measured run: records of workers, depths of queues, CloudWatch.

use crate::Ended;
use crate::by_stack::{self, ForStack};
use crate::clock;
use crate::report::judge;
use anyhow::{Context, Result};
use collector::{Course, Deployed, Options};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Arguments of `versus collect`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder of a run that `versus seed` began, or has finished sending.
    run: PathBuf,
    /// What is deployed, as `aws cloudformation describe-stacks` or `terraform output -json` prints it; a run of
    /// --target aws knows it already (may be given several times).
    #[arg(long, value_name = "FILE")]
    outputs: Vec<PathBuf>,
    /// The queue of a stack, by its URL: its depth is sampled, its metrics are fetched.
    #[arg(long = "queue", value_name = "STACK=URL")]
    queues: Vec<ForStack>,
    /// What the workers of a stack print; the file may still grow, - is standard input (may be given several times).
    #[arg(long = "records", value_name = "STACK=FILE")]
    records: Vec<ForStack>,
    /// Name of the Lambda function of a stack.
    #[arg(long = "function", value_name = "STACK=NAME")]
    functions: Vec<ForStack>,
    /// Log group that the workers of a stack print to.
    #[arg(long = "log-group", value_name = "STACK=NAME")]
    log_groups: Vec<ForStack>,
    /// ECS cluster and service of a stack.
    #[arg(long = "service", value_name = "STACK=CLUSTER/SERVICE")]
    services: Vec<ForStack>,
    /// Folder of another seeder that sent its own part of the same plan from the same --start-at on (may be given
    /// several times).
    #[arg(long, value_name = "DIR")]
    sends: Vec<PathBuf>,
    /// No seeder is at work any more, though the plan may not be over: it was killed. On the machine of the seeders this
    /// is known without being said.
    #[arg(long)]
    load_over: bool,
    /// Do not ask CloudWatch: the endpoint has none.
    #[arg(long)]
    no_metrics: bool,
    /// How long after the end CloudWatch is asked again for points that come late.
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = humantime::parse_duration)]
    settle: std::time::Duration,
    /// How long a queue must have been empty to count as drained; SQS needs a minute to be sure.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
    empty_for: std::time::Duration,
    /// Take the account's free tier off every stack's bill, as if it were alone.
    #[arg(long)]
    free_tier: bool,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn collect(args: &Args) -> Result<Ended> {
    let manifest = model::run::read_manifest(&args.run)?;
    let names: Vec<&str> = manifest.stacks.iter().map(|entry| entry.name.as_str()).collect();
    let flags = [
        ("--queue", &args.queues),
        ("--records", &args.records),
        ("--function", &args.functions),
        ("--service", &args.services),
        ("--log-group", &args.log_groups),
    ];
    for (flag, values) in flags {
        by_stack::check(flag, values, &names)?;
    }
    if !args.sends.is_empty() {
        let new = collector::merge(&args.run, &args.sends)?;
        if !args.quiet {
            eprintln!("{new} sends of other seeders");
        }
    }
    let mut known = collector::kept(&args.run)?;
    for (name, deployed) in collector::read_outputs(&args.outputs)? {
        let before = known.remove(&name).unwrap_or_default();
        known.insert(name, deployed.or(before));
    }
    let mut stack = |name: &&str| {
        let given = stack(args, name)?;
        Ok(given.or(known.remove(*name).unwrap_or_default()))
    };
    let stacks = names.iter().map(&mut stack).collect::<Result<Vec<_>>>()?;
    let stopped = Arc::new(AtomicBool::new(false));
    clock::on_interrupt({
        let stopped = Arc::clone(&stopped);
        move || stopped.store(true, Ordering::Relaxed)
    })?;
    let options = Options {
        metrics: !args.no_metrics,
        settle: args.settle,
        consistent_after: args.empty_for,
        quiet: args.quiet,
        ..Options::default()
    };
    let folders = std::iter::once(&args.run).chain(&args.sends).map(PathBuf::as_path).collect();
    let run = collector::collect(
        &args.run,
        &stacks,
        None,
        &options,
        &Going { stopped, run: &args.run, sends: &args.sends, folders, load_over: Cell::new(args.load_over) },
    )?;
    judge(&args.run, &[run], report::Options { free_tier: args.free_tier }, args.quiet)
}

/// How the collection goes on.
struct Going<'a> {
    stopped: Arc<AtomicBool>,
    /// The run, and the folders of other seeders of it.
    run: &'a Path,
    sends: &'a [PathBuf],
    /// Where seeders wrote.
    folders: Vec<&'a Path>,
    /// Whether they are known to be gone.
    load_over: Cell<bool>,
}

impl Course for Going<'_> {
    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn load_over(&self) -> bool {
        if !self.load_over.get() {
            self.load_over.set(collector::seeders_are_gone(&self.folders));
        }
        self.load_over.get()
    }

    fn gather(&self) -> Result<()> {
        // What they sent after the collection began.
        if self.sends.is_empty() { Ok(()) } else { collector::merge(self.run, self.sends).map(drop) }
    }
}

fn stack(args: &Args, name: &str) -> Result<Deployed> {
    let service = by_stack::last(&args.services, name).map(|value| {
        let both = value.split_once('/').map(|(cluster, service)| (cluster.to_owned(), service.to_owned()));
        both.with_context(|| format!("--service {name}={value}: write the cluster, / and the service"))
    });
    Ok(Deployed {
        dead_letters: None,
        log_group: by_stack::last(&args.log_groups, name).map(String::from),
        queue: by_stack::last(&args.queues, name).map(String::from),
        function: by_stack::last(&args.functions, name).map(String::from),
        service: service.transpose()?,
        records: by_stack::all(&args.records, name).map(PathBuf::from).collect(),
    })
}
