//! `--target aws`: the plan is sent to the queues of stacks that are deployed, and what they did with it is collected.
//!
//! The seeder has threads of its own; one writes down what it tells, this one asks AWS.

use super::forecast::{Forecast, forecast};
use super::{Args, provenance};
use crate::clock;
use crate::deployed::deployed;
use anyhow::{Context, Result};
use collector::{Collector, Course, Deployed, Deployment, Options, Progress};
use model::journal::{Entry, Sent};
use model::run::Run;
use model::scenario::{Scenario, Source};
use model::time::{MINUTE, Nanos, SECOND};
use model::usage::Usage;
use report::cost::{Cost, Terms};
use report::prices::Prices;
use seeder::{Destination, Seeder, Settings, Stop};
use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Time between connecting and the first message.
const LEAD: Duration = Duration::from_secs(2);

/// How often what the seeder tells is handed to the system.
const FLUSH_EVERY: Duration = Duration::from_millis(50);

/// Plays `scenario` on what is deployed and writes the run to `place`.
pub(super) fn play(
    place: &Path,
    scenario: &Scenario,
    source: &Source,
    args: &Args,
    index: u32,
    interrupts: &AtomicU32,
) -> Result<Run> {
    let deployed = deployed(scenario, &args.outputs)?;
    let names: Vec<&str> = scenario.stacks.iter().map(|stack| stack.name.as_str()).collect();
    let both: Vec<(&str, &Deployed)> = names.iter().copied().zip(&deployed).collect();
    collector::admit(&both, &args.allow_queues, true, None, &scenario.region)?;
    let destination = |(name, deployed): &(&str, &Deployed)| Destination {
        stack: (*name).into(),
        queue_url: deployed.queue.clone().unwrap_or_default(),
    };
    let destinations: Vec<Destination> = both.iter().map(destination).collect();
    let settings = Settings { run: clock::origin().utc_ns(0) as u32, ..Settings::default() };
    // What is wrong with the queues is known before there is a run.
    let seeder = Seeder::connect(scenario, &destinations, &settings)?;
    let limit = args.max_cost.map(|limit| Limit::new(limit, scenario, source)).transpose()?;
    let origin = clock::origin_in(LEAD);
    let manifest = collector::manifest(scenario, &provenance(source, args, index, LEAD));
    let deployment: Deployment = names.iter().map(|name| (*name).to_owned()).zip(deployed.clone()).collect();
    // First: whoever finds a run finds the names.
    collector::keep(place, &deployment)?;
    let collector = Mutex::new(collector::begin(place, &manifest, &origin)?);
    // Whoever collects after a kill knows by this that nobody sends any more.
    let at_work = collector::claim(place, 0, 1)?;
    let (sender, told) = channel();
    let stop = Stop::default();
    let (sending, failed) = (AtomicBool::new(true), AtomicBool::new(false));
    let going = Going {
        interrupts,
        stop: stop.clone(),
        sending: &sending,
        failed: &failed,
        limit,
        over: Cell::new(false),
    };
    let (watched, sent) = thread::scope(|scope| {
        let (collector, sending, failed) = (&collector, &sending, &failed);
        let written = thread::Builder::new().name("journal".into()).spawn_scoped(scope, move || {
            let written = write_down(&told, collector);
            sending.store(false, Ordering::Release);
            written
        });
        let send = {
            let stop = stop.clone();
            move || {
                let tell = sender.clone();
                let sent = seeder.run(origin, &stop, move |stack, sent: Vec<Sent>| {
                    sent.into_iter().for_each(|one| _ = tell.send((stack, Entry::Sent(one))));
                });
                failed.store(sent.is_err(), Ordering::Release);
                // Only now may it be known that nothing more comes.
                drop(sender);
                sent
            }
        };
        let seeding = thread::Builder::new().name("seeder".into()).spawn_scoped(scope, send);
        let (written, seeding) = match (written, seeding) {
            (Ok(written), Ok(seeding)) => (written, seeding),
            (Err(error), _) | (_, Err(error)) => {
                stop.request();
                return (Err(error).context("starting the seeder"), Ok(()));
            }
        };
        let options = options(args);
        let watched = collector::watch(place, collector, &deployed, None, &options, &going);
        stop.request();
        let sent = seeding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let written = written.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (watched, sent.map(drop).context("sending the messages").and(written))
    });
    drop(at_work);
    let collector = collector.into_inner().unwrap_or_else(PoisonError::into_inner);
    // What went wrong first is what matters; what was written down stays in any case.
    let ended = match sent {
        Ok(()) => watched,
        Err(error) => Err(error),
    };
    collector::finish(place, collector, ended)
}

fn options(args: &Args) -> Options {
    Options {
        metrics: !args.no_metrics,
        settle: args.settle,
        consistent_after: args.empty_for,
        quiet: args.quiet,
        ..Options::default()
    }
}

/// Writes down what the seeder tells, until it has ended: what a queue took is on its way to the disk within moments.
fn write_down(told: &Receiver<(usize, Entry)>, collector: &Mutex<Collector>) -> Result<()> {
    let mut open = true;
    while open {
        let until = clock::instant() + FLUSH_EVERY;
        loop {
            match told.recv_timeout(until.saturating_duration_since(clock::instant())) {
                Ok((stack, entry)) => lock(collector).take(stack, entry)?,
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    open = false;
                    break;
                }
            }
        }
        lock(collector).flush()?;
    }
    Ok(())
}

fn lock(collector: &Mutex<Collector>) -> std::sync::MutexGuard<'_, Collector> {
    collector.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the run goes on.
struct Going<'a> {
    interrupts: &'a AtomicU32,
    stop: Stop,
    /// Whether the seeder has not ended yet.
    sending: &'a AtomicBool,
    /// Whether it gave up.
    failed: &'a AtomicBool,
    limit: Option<Limit>,
    /// Whether it was said that the load is cut short.
    over: Cell<bool>,
}

impl Going<'_> {
    fn cut(&self, why: &str) {
        let does = if self.is_sending() { "sends no more and drains" } else { "all is sent; drains" };
        self.stop.request();
        if !self.over.replace(true) {
            eprintln!("versus: {why}; {does} the queues; Ctrl-C ends it at once");
        }
    }

    fn is_sending(&self) -> bool {
        self.sending.load(Ordering::Acquire)
    }
}

impl Course for Going<'_> {
    fn stopped(&self) -> bool {
        let count = self.interrupts.load(Ordering::Relaxed);
        if count == 1 {
            self.cut("interrupted");
        }
        count > 1
    }

    fn load_ended(&self) -> bool {
        let cut = self.stop.requested() || self.failed.load(Ordering::Acquire);
        cut && !self.is_sending()
    }

    fn used(&self, now: Nanos, usage: &[Usage], progress: &[Progress]) {
        // What has been sent costs what it costs: cutting would save nothing and spoil the run.
        if let Some(limit) = &self.limit
            && self.is_sending()
            && let Some(spent) = limit.reached(now, usage, progress)
        {
            self.cut(&format!("about {spent:.4} US dollars are spent, and --max-cost is {:.4}", limit.usd));
        }
    }
}

/// The most that a run may cost.
struct Limit {
    usd: f64,
    /// The longest drain.
    drain_max: Nanos,
    prices: Prices,
    forecast: Forecast,
}

impl Limit {
    fn new(usd: f64, scenario: &Scenario, source: &Source) -> Result<Self> {
        let forecast = forecast(scenario, source)?;
        if forecast.high > usd {
            eprintln!(
                "versus: the whole run is expected to cost {:.4} to {:.4} US dollars; it will be cut short at {usd:.4}",
                forecast.low, forecast.high
            );
        }
        let prices = Prices::for_region(&scenario.region)?;
        Ok(Self { usd, drain_max: scenario.drain_max, prices, forecast })
    }

    /// What was spent, if stopping now is the last chance to stay below the limit.
    ///
    /// AWS tells late what a stack used: where it has not yet, the forecast stands in. What the drain will cost is
    /// kept back: as long as the stacks take for what they have, `drain-max` at most, but a minute at least, the least
    /// that Fargate bills.
    fn reached(&self, now: Nanos, usage: &[Usage], progress: &[Progress]) -> Option<f64> {
        let load = now.max(SECOND);
        let terms = Terms { load, run: load, free_tier: false };
        // A line without a price would make all of the bill unknown.
        let bill = |usage: &Usage| -> f64 {
            Cost::of(usage, &self.prices, terms).lines.iter().filter_map(|line| line.usd).sum()
        };
        let spent = self.forecast.spent(usage.iter().map(bill).sum(), now);
        let drains = progress.iter().map(|stack| stack.drain.unwrap_or(0).min(self.drain_max));
        let drain = spent * drains.fold(MINUTE, Nanos::max) as f64 / load.max(MINUTE) as f64;
        (spent + drain >= self.usd).then_some(spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(usd: f64) -> Limit {
        let forecast = Forecast {
            mean: 1.0,
            low: 1.0,
            high: 1.0,
            stacks: Vec::new(),
            told_late: 0.25,
            queue_calls: 0,
            length: 1_000 * SECOND,
        };
        let prices = Prices::for_region("us-east-1").expect("prices");
        Limit { usd, drain_max: 900 * SECOND, prices, forecast }
    }

    #[test]
    fn what_is_sent_already_is_not_cut_for_its_cost() {
        let (interrupts, failed) = (AtomicU32::new(0), AtomicBool::new(false));
        for is_sending in [true, false] {
            let (stop, sending) = (Stop::default(), AtomicBool::new(is_sending));
            let going = Going {
                interrupts: &interrupts,
                stop: stop.clone(),
                sending: &sending,
                failed: &failed,
                limit: Some(limit(0.1)),
                over: Cell::new(false),
            };
            going.used(500 * SECOND, &[], &[]);
            assert_eq!(stop.requested(), is_sending);
        }
    }

    #[test]
    fn what_the_drain_will_cost_is_kept_back() {
        let now = 500 * SECOND;
        // Half is spent; a minute of drain is 0.06 more.
        assert_eq!(limit(0.57).reached(now, &[], &[]), None);
        assert_eq!(limit(0.55).reached(now, &[], &[]), Some(0.5));
        // A backlog of as much as was done takes as long again.
        let behind = Progress { drain: Some(now), ..Progress::default() };
        assert_eq!(limit(1.01).reached(now, &[], &[behind]), None);
        assert_eq!(limit(0.99).reached(now, &[], &[behind]), Some(0.5));
        // One that does nothing is waited for as long as the scenario allows.
        let stuck = Progress { drain: Some(Nanos::MAX), ..Progress::default() };
        assert_eq!(limit(1.41).reached(now, &[], &[stuck]), None);
        assert_eq!(limit(1.39).reached(now, &[], &[stuck]), Some(0.5));
        // What is metered counts, and what AWS tells late comes on top of it.
        let metered = model::usage::Metered::new(model::usage::Item::LambdaRequests, "", 10_000_000);
        let usage = [Usage { metered: vec![metered] }];
        let spent = limit(0.1).reached(now, &usage, &[]).expect("more than that");
        assert!((spent - (2.0 + 0.125)).abs() < 1e-9, "{spent}");
    }
}
