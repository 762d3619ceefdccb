//! The collecting half of a run whose messages another thread or process sends: records, logs, tasks, queue depths,
//! CloudWatch.
//!
//! Goals: works while the run goes on and long after; asking twice changes nothing; what cannot be asked is named, and
//! the run goes on without it.
//! Non-goals: deploying, sending.

mod closing;
mod drain;

use crate::admit;
use crate::aws::Clients;
use crate::collector::{Collector, Ended};
use crate::folder::replay;
use crate::outputs::Deployed;
use crate::progress::{Board, Progress};
use crate::watched::{Watched, utc_ns};
use anyhow::{Context, Result, ensure};
use aws_config::SdkConfig;
use drain::Drain;
use model::journal::Entry;
use model::plan::Plan;
use model::run::{Manifest, Run, read_manifest};
use model::time::{Nanos, SECOND};
use model::usage::Usage;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How to collect.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Time between samples of the queues.
    pub sample_every: Duration,
    /// Time between looks at logs and tasks.
    pub look_every: Duration,
    /// How long after the last send a queue's depth is to be believed.
    pub consistent_after: Duration,
    /// Whether CloudWatch is asked at all: not every endpoint has one.
    pub metrics: bool,
    /// How long after the end logs and CloudWatch are asked again for what comes late.
    pub settle: Duration,
    /// Show no progress.
    pub quiet: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sample_every: Duration::from_secs(1),
            look_every: Duration::from_secs(5),
            // Source: SQS API reference, GetQueueAttributes.
            consistent_after: Duration::from_secs(60),
            metrics: true,
            settle: Duration::from_secs(180),
            quiet: false,
        }
    }
}

/// What whoever began the run knows of its course.
pub trait Course {
    /// Whether to end at once.
    fn stopped(&self) -> bool;

    /// Whether somebody ended the load: nothing more will be sent, and all that was sent has been told. Whether the plan
    /// had more is for the counts to say.
    fn load_ended(&self) -> bool {
        false
    }

    /// Whether nobody sends any more, though the plan may have more: whoever sent was killed.
    fn load_over(&self) -> bool {
        false
    }

    /// Is called once, when [`Self::load_over`] is first true: brings into the folder what was sent from others.
    ///
    /// # Errors
    /// When it cannot be read or written.
    fn gather(&self) -> Result<()> {
        Ok(())
    }

    /// Is told what the stacks used so far, and how far each has come, every `sample_every`.
    fn used(&self, now: Nanos, usage: &[Usage], progress: &[Progress]) {
        let _ = (now, usage, progress);
    }
}

impl<F: Fn() -> bool> Course for F {
    fn stopped(&self) -> bool {
        self()
    }
}

/// Collects the run in `folder`, which a seeder began, until its stacks (by position in the manifest) are drained or
/// `drain-max` is over, or `course` says so; then joins it.
///
/// Files of records are read from their beginnings, and replace what the run knew of the stack's records; what comes
/// from standard input or logs is added.
///
/// # Errors
/// When a queue is a FIFO queue, the folder holds no such run, a file cannot be read, or AWS refuses. What there is has been joined then, and
/// the run can be collected again.
pub fn collect(
    folder: &Path,
    stacks: &[Deployed],
    config: Option<SdkConfig>,
    options: &Options,
    course: &dyn Course,
) -> Result<Run> {
    stacks.iter().try_for_each(admit::refuse_fifo)?;
    let collector = Mutex::new(Collector::resume(folder)?);
    let watched = watch(folder, &collector, stacks, config, options, course);
    let collector = collector.into_inner().unwrap_or_else(PoisonError::into_inner);
    finish(folder, collector, watched)
}

/// Ends a run as [`watch`] said it ended, and joins it.
///
/// # Errors
/// Those of [`watch`], when what there is has been joined.
pub fn finish(folder: &Path, collector: Collector, watched: Result<Ended>) -> Result<Run> {
    let ended = watched.as_ref().map_or(Ended::CutShort, |ended| *ended);
    let joined = collector.finish(ended);
    watched.with_context(|| {
        format!("{} is incomplete for now: collect it again when this is put right", folder.display())
    })?;
    joined
}

/// Collects the run in `folder` into `collector`, which the one who sends may use beside, until it is over.
///
/// # Errors
/// As for [`collect`].
pub fn watch(
    folder: &Path,
    collector: &Mutex<Collector>,
    stacks: &[Deployed],
    config: Option<SdkConfig>,
    options: &Options,
    course: &dyn Course,
) -> Result<Ended> {
    crate::clients::runtime()?.block_on(async {
        let mut collecting = Collecting::new(folder, collector, stacks, config, *options).await?;
        tokio::select! {
            ended = collecting.watch(course) => ended,
            // A call that nobody answers must not keep whoever wants to end.
            () = run_out(course) => Ok(Ended::CutShort),
        }
    })
}

/// What a message carries beside its body, at most: name, type and value of the attribute.
const ATTRIBUTE_BYTES: u64 = 128;

/// For the last words of a run that was stopped.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Returns when the run was stopped and its time for last words is over.
async fn run_out(course: &dyn Course) {
    while !pause(Duration::from_secs(1), course).await {}
    tokio::time::sleep(LAST_WORDS).await;
}

struct Collecting<'a> {
    folder: &'a Path,
    collector: &'a Mutex<Collector>,
    started_ns: u64,
    stacks: Vec<Watched>,
    clients: Clients,
    options: Options,
    load_end: Nanos,
    deadline: Nanos,
    /// Whether nobody sends any more; the counts are of after that.
    over: bool,
    board: Board,
    /// How long each stack takes for what it has.
    drains: Vec<Drain>,
    /// Calls that are billed to whoever measures.
    queue_calls: u64,
    metrics_asked: u64,
}

impl<'a> Collecting<'a> {
    async fn new(
        folder: &'a Path,
        collector: &'a Mutex<Collector>,
        stacks: &[Deployed],
        config: Option<SdkConfig>,
        options: Options,
    ) -> Result<Self> {
        let manifest = read_manifest(folder)?;
        ensure!(
            stacks.len() == manifest.stacks.len(),
            "the run has {} stacks, and {} are to be collected",
            manifest.stacks.len(),
            stacks.len()
        );
        let scenario = replay(folder, &manifest)?;
        let load_end = Plan::new(&scenario).load_end();
        let config = match config {
            Some(config) => config,
            None => crate::clients::config(&manifest.region).await,
        };
        let names: Vec<&str> = manifest.stacks.iter().map(|entry| entry.name.as_str()).collect();
        let started_ns = lock(collector).started_ns();
        // Body and attribute.
        let message_bytes = u64::from(scenario.message.body_bytes.1) + ATTRIBUTE_BYTES;
        let stacks = Self::watched(folder, collector, &manifest, stacks, message_bytes)?;
        Ok(Self {
            folder,
            collector,
            started_ns,
            drains: stacks.iter().map(|_| Drain::default()).collect(),
            stacks,
            clients: Clients::new(&config),
            options,
            load_end,
            deadline: load_end + scenario.drain_max,
            over: false,
            board: Board::new(&names, options.quiet),
            queue_calls: 0,
            metrics_asked: 0,
        })
    }

    fn watched(
        folder: &Path,
        collector: &Mutex<Collector>,
        manifest: &Manifest,
        stacks: &[Deployed],
        message_bytes: u64,
    ) -> Result<Vec<Watched>> {
        let started_ns = lock(collector).started_ns();
        let both = manifest.stacks.iter().zip(stacks).enumerate();
        let watched = both.map(|(number, (entry, deployed))| {
            let watched = Watched::new(folder, &entry.name, deployed, started_ns, message_bytes)?;
            if watched.reads_again() {
                lock(collector).forget_records(number)?;
            }
            Ok(watched)
        });
        watched.collect()
    }

    fn now(&self) -> Nanos {
        utc_ns().saturating_sub(self.started_ns)
    }

    fn take(&self, number: usize, entry: Entry) -> Result<()> {
        lock(self.collector).take(number, entry)
    }

    /// Takes all that there is to take.
    async fn watch(&mut self, course: &dyn Course) -> Result<Ended> {
        self.describe().await?;
        let ended = self.drain(course).await?;
        self.late_lines(course).await?;
        self.last_lines()?;
        let totals = self.metrics(course).await?;
        self.last_word(&totals).await?;
        // What could not be asked now can be later, as long as the run is not closed.
        Ok(if self.stacks.iter().any(Watched::is_troubled) { Ended::CutShort } else { ended })
    }

    /// Asks once what does not change while the run goes on.
    async fn describe(&mut self) -> Result<()> {
        for (number, stack) in self.stacks.iter_mut().enumerate() {
            stack.describe(&self.clients).await;
            self.queue_calls += 2;
            // A collection that was killed knew it better.
            stack.dead_letters_before =
                lock(self.collector).dead_letters_before(number, stack.dead_letters_before);
        }
        lock(self.collector).keep_state()
    }

    /// Takes records and depths until everything is drained.
    async fn drain(&mut self, course: &dyn Course) -> Result<Ended> {
        let mut next_look = 0;
        // Long after the drain there still has to be time to see that a queue stays empty.
        let enough = nanos(self.options.consistent_after + 2 * self.options.sample_every) + SECOND;
        let begun = self.now();
        loop {
            let now = self.now();
            let give_up = self.deadline.max(begun + enough);
            let look = now >= next_look;
            if look {
                next_look = now + nanos(self.options.look_every);
            }
            let over = self.is_over(course)?;
            // A load that somebody ended after its last message was not cut short.
            let cut = course.load_ended() && self.is_cut_short();
            if cut || over && self.is_cut_short() {
                self.cut_at(now, cut);
            }
            // The queues first: whoever reads long logs would make their depths late.
            for number in 0..self.stacks.len() {
                self.depth(number).await?;
            }
            for number in 0..self.stacks.len() {
                self.look(number, now, look).await?;
                if now >= self.load_end {
                    self.drained(number, now, cut, over)?;
                }
            }
            let progress = self.show(now)?;
            course.used(now, &self.usage(&[], now), &progress);
            if self.stacks.iter().all(|stack| stack.drained) || self.now() >= give_up {
                return Ok(if cut { Ended::CutShort } else { Ended::ByItself });
            }
            if pause(self.options.sample_every, course).await {
                return Ok(Ended::CutShort);
            }
        }
    }

    /// Whether nobody sends any more. What another process sent since this one began is counted first: by the old counts
    /// the load would be cut short, and drained.
    fn is_over(&mut self, course: &dyn Course) -> Result<bool> {
        if !self.over && course.load_over() {
            course.gather()?;
            lock(self.collector).recount()?;
            self.over = true;
        }
        Ok(self.over)
    }

    /// Whether messages of the plan are not known to have been sent.
    fn is_cut_short(&self) -> bool {
        let collector = lock(self.collector);
        let mut all = (0..self.stacks.len()).map(|number| collector.progress(number));
        all.any(|progress| progress.tried < progress.planned)
    }

    /// The load was cut short: the drain may take as long as it might have, from now on.
    fn cut_at(&mut self, now: Nanos, told: bool) {
        if now < self.load_end {
            if !told && !self.options.quiet {
                eprintln!(
                    "Nobody sends any more, though the plan has {} s left",
                    (self.load_end - now) / SECOND
                );
            }
            self.deadline = now + (self.deadline - self.load_end);
            self.load_end = now;
        }
    }

    fn show(&mut self, now: Nanos) -> Result<Vec<Progress>> {
        let mut collector = lock(self.collector);
        collector.flush()?;
        let mut all: Vec<Progress> =
            (0..self.stacks.len()).map(|number| collector.progress(number)).collect();
        drop(collector);
        let stale = nanos(self.options.consistent_after);
        for ((drain, stack), progress) in self.drains.iter_mut().zip(&self.stacks).zip(&mut all) {
            progress.drain = drain.rest(now, progress, stack.depth, stale);
        }
        self.board.show(now, &all);
        Ok(all)
    }

    /// How deep the queue of a stack is now.
    async fn depth(&mut self, number: usize) -> Result<()> {
        if self.stacks[number].drained {
            return Ok(());
        }
        let (now, every) = (self.now(), nanos(self.options.sample_every));
        let told = self.stacks[number].ask_depth(&self.clients, now, every).await?;
        self.queue_calls += 1;
        told.into_iter().try_for_each(|entry| self.take(number, entry))
    }

    /// One look at one stack; at its logs and tasks, too, if `all`.
    async fn look(&mut self, number: usize, now: Nanos, all: bool) -> Result<()> {
        let stack = &mut self.stacks[number];
        let mut told = stack.records()?;
        if all {
            told.extend(stack.logged(&self.clients).await.0);
            told.extend(stack.tasks(&self.clients, now, nanos(self.options.look_every)).await);
        }
        stack.worked |= told.iter().any(|entry| matches!(entry, Entry::Record(_)));
        told.into_iter().try_for_each(|entry| self.take(number, entry))
    }

    /// Notes when a stack is done: its queue has been empty for long, or all that was sent is known to be gone; `cut` if
    /// all is known that was sent, `over` if no more will be, though the plan has more.
    fn drained(&mut self, number: usize, now: Nanos, cut: bool, over: bool) -> Result<()> {
        let stack = &mut self.stacks[number];
        if stack.drained {
            return Ok(());
        }
        let progress = lock(self.collector).progress(number);
        let consistent = nanos(self.options.consistent_after);
        let long = |since: &Nanos| now >= self.load_end.max(*since) + consistent;
        let empty = stack.empty_since.filter(|since| stack.queue_answers() && long(since));
        // Whoever was killed may have sent what it did not write down: of that only the queue knows.
        let all_sent = cut || over && !stack.has_queue() || progress.tried >= progress.planned;
        // A call whose answer was lost may have left messages in the queue that nobody counts.
        let counted = (all_sent && progress.outstanding == 0 && progress.unsure == 0).then_some(now);
        if empty.is_none() && counted.is_none() && stack.is_watched() {
            return Ok(());
        }
        stack.drained = true;
        stack.emptied = empty.is_some();
        // What workers tell comes late: an empty queue knows better when it was over.
        let end = stack.empty_since.unwrap_or(now).max(self.load_end);
        let known = stack.worked && (empty.is_some() || counted.is_some());
        if known { self.take(number, Entry::End(end)) } else { Ok(()) }
    }

    /// Reads logs on for as long as records or reports may be late.
    async fn late_lines(&mut self, course: &dyn Course) -> Result<()> {
        let until = self.now().min(self.deadline) + nanos(self.options.settle);
        loop {
            let mut waits = false;
            for number in 0..self.stacks.len() {
                let outstanding = lock(self.collector).progress(number).outstanding;
                let stack = &mut self.stacks[number];
                if !stack.has_logs() {
                    continue;
                }
                let (told, news) = stack.logged(&self.clients).await;
                waits |= news || outstanding > 0;
                told.into_iter().try_for_each(|entry| self.take(number, entry))?;
            }
            if !waits || self.now() >= until || pause(self.options.look_every, course).await {
                break;
            }
        }
        self.very_late_lines().await
    }

    /// Reads logs of which something is missing once more from their beginnings: what came later than others by more
    /// than readings overlap was passed by, be it that only a clock is wrong.
    async fn very_late_lines(&mut self) -> Result<()> {
        lock(self.collector).flush()?;
        for number in 0..self.stacks.len() {
            let outstanding = lock(self.collector).progress(number).outstanding;
            let stack = &mut self.stacks[number];
            if outstanding > 0 && stack.has_logs() {
                stack.read_log_again(self.folder)?;
                self.rest_of_log(number).await?;
            }
        }
        Ok(())
    }

    /// Reads a log to its end.
    async fn rest_of_log(&mut self, number: usize) -> Result<()> {
        loop {
            let (told, _) = self.stacks[number].logged(&self.clients).await;
            told.into_iter().try_for_each(|entry| self.take(number, entry))?;
            if !self.stacks[number].has_more_logs {
                return Ok(());
            }
        }
    }

    /// Takes the last lines of files that do not end with one, and says what the files held.
    fn last_lines(&mut self) -> Result<()> {
        let quiet = self.options.quiet;
        for number in 0..self.stacks.len() {
            let (told, others) = self.stacks[number].last_records()?;
            told.into_iter().try_for_each(|entry| self.take(number, entry))?;
            let Progress { done, failed, .. } = lock(self.collector).progress(number);
            let stack = &self.stacks[number];
            if !quiet && stack.has_records() {
                eprintln!("{}: {} records, {others} other lines", stack.name, done + failed);
            }
        }
        lock(self.collector).flush()
    }
}

/// Whoever panicked while it held the collector left whole entries behind.
fn lock(collector: &Mutex<Collector>) -> MutexGuard<'_, Collector> {
    collector.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits; whether it was told to stop.
async fn pause(time: Duration, course: &dyn Course) -> bool {
    let mut left = time;
    while !left.is_zero() && !course.stopped() {
        let step = left.min(Duration::from_millis(100));
        tokio::time::sleep(step).await;
        left -= step;
    }
    course.stopped()
}

pub(crate) fn nanos(time: Duration) -> Nanos {
    time.as_secs().saturating_mul(SECOND).saturating_add(u64::from(time.subsec_nanos()))
}
