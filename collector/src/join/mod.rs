//! From the folder of a run that was measured to a [`Run`]: plan, sends, sightings, records and points joined.
//!
//! Goals: a pure function of the folder's files, so that a run that was killed can be joined later, and again; one
//! outcome for each planned message, whatever the journal holds; at most a hundred bytes of memory per message.
//! Non-goals: order of the journal's lines, but for those of one message in one file.

mod account;
mod accounts;
mod attempt;
mod checks;
mod ids;
mod points;
mod streams;

use crate::folder::{self, Heard, State};
use account::Rest;
use accounts::Accounts;
use anyhow::{Context, Result, ensure};
use model::breakdown;
use model::journal::{self, Appender};
use model::plan::{Arrival, Plan, PlanHash};
use model::record::{Ledger, MessageRecord, Outcome};
use model::run::{Activity, Manifest, Run, StackEntry, StackRun, read_manifest};
use model::sample::Sampler;
use model::scenario::Scenario;
use model::time::Nanos;
use model::windows::{Recorder, Spans, Stage};
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::path::Path;
use streams::Streams;

/// What the journal of one stack comes to.
pub(crate) struct Joined {
    pub(crate) ledger: Ledger,
    pub(crate) tally: Tally,
    pub(crate) accounts: Accounts,
    pub(crate) activities: Vec<Activity>,
    pub(crate) heard: Heard,
    /// No worker told anything, nor did the queue: what is known is how many messages are gone.
    pub(crate) silent: bool,
    /// The last that was heard of the stack's messages.
    last_seen: Nanos,
}

/// Counts for the validity checks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    /// Messages that the queue took.
    pub(crate) accepted: u64,
    /// Messages of which no send is known.
    pub(crate) unsent: u64,
    /// Lost messages by reason.
    pub(crate) lost: BTreeMap<String, u64>,
    /// Negative spans by stage.
    pub(crate) negative: BTreeMap<&'static str, u64>,
    /// Completed messages that the queue still had, as far as it told.
    pub(crate) undeleted: u64,
    /// Completed messages whose latency is not known.
    pub(crate) untimed: u64,
    /// Sum of the send delays, and how many there are.
    pub(crate) send_delay: (i128, u64),
    /// The latest end of work.
    last_finished: Nanos,
    /// First completions by window.
    completed: BTreeMap<Nanos, u64>,
    /// Messages sent by window.
    sent: BTreeMap<Nanos, u64>,
}

/// Joins what `folder` holds of a run. A run that is complete is only read.
///
/// # Errors
/// When the folder holds no run, or a file cannot be read or written. What was cut off is no error.
pub fn join(folder: &Path) -> Result<Run> {
    // Whoever looks at a run that goes on does not get in the way of its end.
    let _lock = folder::lock(folder)?;
    let manifest = read_manifest(folder)?;
    if manifest.complete {
        if folder::has_journal(folder) {
            // Killed after the last file was written.
            folder::remove_journal(folder, &manifest)?;
        }
        return model::run::read(folder);
    }
    let state = State::read(folder)
        .with_context(|| format!("{} was cut short and its journal is gone", folder.display()))?;
    let scenario = folder::replay(folder, &manifest)?;
    let plan = Plan::new(&scenario);
    let mut hash = PlanHash::default();
    plan.clone().for_each(|arrival| hash.add(&arrival));
    ensure!(manifest.window > 0, "{} is damaged: it has no windows", folder.join("run.json").display());
    let cause = Cause {
        manifest: &manifest,
        started_ns: state.started_ns,
        scenario: &scenario,
        plan: &plan,
        planned: hash.count(),
        deadline: plan.load_end() + scenario.drain_max,
    };
    let mut stacks = Vec::new();
    let mut joined = Vec::new();
    for (number, entry) in manifest.stacks.iter().enumerate() {
        let heard = state.heard.get(number).cloned().unwrap_or_default();
        let (stack, one) = join_stack(folder, entry, &cause, heard)
            .with_context(|| format!("joining stack {} of {}", entry.name, folder.display()))?;
        stacks.push(stack);
        joined.push(one);
    }
    let run = Run { manifest: conclude(manifest, &state, &hash, &joined), stacks };
    model::run::write(folder, &run)?;
    if run.manifest.complete {
        folder::remove_journal(folder, &run.manifest)?;
    }
    Ok(run)
}

/// The manifest with what has become of the run.
fn conclude(manifest: Manifest, state: &State, hash: &PlanHash, joined: &[Joined]) -> Manifest {
    let checks = checks::checks(&manifest, hash, state.complete, joined);
    let mut manifest = Manifest {
        checks,
        complete: state.complete,
        planned: hash.count(),
        measurement: state.measurement.clone(),
        ..manifest
    };
    let ends = state.ends.iter().copied().chain(std::iter::repeat(None));
    for ((entry, one), end) in manifest.stacks.iter_mut().zip(joined).zip(ends) {
        entry.ledger = one.ledger;
        entry.end = end.unwrap_or(one.last_seen);
    }
    manifest
}

/// What a run follows from.
struct Cause<'a> {
    manifest: &'a Manifest,
    started_ns: u64,
    scenario: &'a Scenario,
    plan: &'a Plan,
    planned: u64,
    /// The latest end of the drain.
    deadline: Nanos,
}

fn join_stack(
    folder: &Path,
    entry: &StackEntry,
    cause: &Cause<'_>,
    heard: Heard,
) -> Result<(StackRun, Joined)> {
    let place = folder::journal(folder, &entry.name);
    let window = cause.manifest.window;
    let is_lambda = entry.platform == "lambda";
    let mut accounts = Accounts::read(&place, cause.planned, cause.started_ns, is_lambda)?;
    let mut activities = Vec::new();
    accounts.unread += read_lines(&place, journal::ACTIVITIES, |activity| activities.push(activity))?;
    // Whoever collects again is told again.
    let mut told = HashSet::new();
    activities.retain(|one: &Activity| told.insert((one.at, one.detail.clone())));
    let path = folder.join(&entry.name).join("messages.csv");
    let beside = path.with_extension("new");
    // A join that was killed may have left one.
    fs::write(&beside, b"").with_context(|| format!("writing {}", beside.display()))?;
    let mut file = Appender::open(&beside)?;
    let silent = heard.emptied && accounts.nobody_told();
    let mut rest = Rest::new(&accounts, &heard);
    let mut tally = Tally::default();
    let mut ledger = Ledger::default();
    let mut latencies = Latencies::new(cause.manifest, accounts.cold_starts());
    let mut streams = Streams::of(cause.scenario);
    for arrival in cause.plan.clone() {
        let record = tally.close(&accounts, &arrival, &mut rest, &mut latencies, window);
        ledger.planned += 1;
        ledger.count(record.outcome);
        streams.closed(&arrival, &record);
        file.add(&record)?;
    }
    file.flush()?;
    fs::rename(&beside, &path).with_context(|| format!("writing {}", path.display()))?;
    accounts.forget_messages();
    let (series, unread) = points::series(&place, &tally, window)?;
    accounts.unread += unread;
    let usage = points::usage(&place)?;
    // Nor has a log without histograms one for their width.
    let windows =
        Some(latencies.windows.finish()).filter(|windows| !windows.histograms.is_empty()).unwrap_or_default();
    let stack = StackRun {
        series,
        windows,
        breakdown: latencies.breakdown.finish(),
        sample: latencies.sampler.finish(),
        usage,
        activities: activities.clone(),
        streams: streams.finish(),
    };
    // A worker's clock is not the run's: it may not make the run longer than it can have been.
    let last_seen = accounts.last_seen.max(tally.last_finished.min(cause.deadline));
    Ok((stack, Joined { ledger, tally, accounts, activities, heard, silent, last_seen }))
}

/// What is kept of the latencies of a stack's messages.
struct Latencies {
    warmup: Nanos,
    windows: Recorder,
    breakdown: breakdown::Recorder,
    sampler: Sampler,
    /// How long a worker took to start, at most: by its number.
    cold_starts: BTreeMap<u32, Nanos>,
}

impl Latencies {
    fn new(manifest: &Manifest, cold_starts: BTreeMap<u32, Nanos>) -> Self {
        Self {
            warmup: manifest.warmup,
            windows: Recorder::new(manifest.window),
            breakdown: breakdown::Recorder::default(),
            sampler: Sampler::default(),
            cold_starts,
        }
    }

    /// The account of a message is closed; its spans by [`Stage`], as far as they are known.
    fn closed(
        &mut self,
        arrival: &Arrival,
        known: [Option<Nanos>; Stage::ALL.len()],
        record: &MessageRecord,
    ) {
        let number = self.windows.planned(arrival.at);
        for (stage, span) in Stage::ALL.into_iter().zip(known) {
            if let Some(span) = span {
                self.windows.span(number, stage, span);
            }
        }
        self.windows.settled(number);
        let [Some(latency), send_delay, queue, start, work, acknowledge] = known else { return };
        self.sampler.completed(arrival.seq, arrival.at, latency);
        // Parts that do not add up to the whole would tell nothing.
        if let (Some(send_delay), Some(queue), Some(start), Some(work)) = (send_delay, queue, start, work)
            && arrival.at >= self.warmup
        {
            let least =
                record.worker.and_then(|worker| self.cold_starts.get(&worker)).copied().unwrap_or(start);
            let cold = if record.cold_start { least } else { 0 };
            self.breakdown.completed(send_delay, &Spans { latency, queue, start, work, acknowledge }, cold);
        }
    }
}

impl Tally {
    /// Closes the account of a message: its row, its spans, its outcome.
    fn close(
        &mut self,
        accounts: &Accounts,
        arrival: &Arrival,
        rest: &mut Rest,
        latencies: &mut Latencies,
        window: Nanos,
    ) -> MessageRecord {
        let account = accounts.message(arrival.seq);
        let (outcome, lost) = rest.settle(account, account.outcome());
        let record = account.record(arrival, outcome);
        if let Some(loss) = lost {
            *self.lost.entry(accounts.reason(loss)).or_default() += 1;
        }
        self.accepted += u64::from(account.accepted());
        self.unsent += u64::from(account.unsent());
        let mut known = [None; Stage::ALL.len()];
        for (stage, span) in account.spans(arrival) {
            match u64::try_from(span) {
                Ok(span) => known[stage as usize] = Some(span),
                Err(_) => *self.negative.entry(stage.name()).or_default() += 1,
            }
            if stage == Stage::SendDelay {
                self.send_delay = (self.send_delay.0 + i128::from(span), self.send_delay.1 + 1);
            }
        }
        latencies.closed(arrival, known, &record);
        if let Some(at) = record.sent_at {
            *self.sent.entry(at / window * window).or_default() += 1;
        }
        if matches!(outcome, Outcome::Completed | Outcome::CompletedMore) {
            self.untimed += u64::from(!account.completed());
        }
        if account.completed() {
            self.undeleted += u64::from(accounts.queue_tells() && !account.gone());
            self.untimed += u64::from(record.finished_at.is_none());
            if let Some(at) = record.finished_at {
                self.last_finished = self.last_finished.max(at);
                *self.completed.entry(at / window * window).or_default() += 1;
            }
        }
        record
    }
}

/// Reads a file of a journal; one that is not there has no lines. Returns how many could not be read.
fn read_lines<T: serde::de::DeserializeOwned>(place: &Path, name: &str, each: impl FnMut(T)) -> Result<u64> {
    let path = place.join(name);
    if !path.exists() {
        return Ok(0);
    }
    let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    Ok(journal::read(file, each))
}
