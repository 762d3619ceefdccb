//! The collecting half of a run whose messages another process sends: records, queue depths, CloudWatch.
//!
//! Goals: works while the run goes on and long after; asking twice changes nothing.
//! Non-goals: deploying, sending.

use crate::cloudwatch::{self, Source};
use crate::collector::{Collector, Ended};
use crate::folder::replay;
use crate::lines::Lines;
use crate::progress::{Board, Progress};
use crate::queue::{self, Depth};
use anyhow::{Context, Result, ensure};
use aws_config::SdkConfig;
use model::journal::{Entry, Point, Record};
use model::plan::Plan;
use model::run::{Run, read_manifest};
use model::time::{Nanos, SECOND};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::stdin;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Where a stack's evidence comes from.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    /// QueueUrl: its depth is sampled, and its metrics are fetched.
    pub queue: Option<String>,
    /// FunctionName.
    pub function: Option<String>,
    /// ClusterName and ServiceName.
    pub service: Option<(String, String)>,
    /// Files of worker output, which may still grow; `-` is standard input.
    pub records: Vec<PathBuf>,
}

/// How to collect.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Time between samples of the queues.
    pub sample_every: Duration,
    /// How long after the last send a queue's depth is to be believed.
    pub consistent_after: Duration,
    /// Whether CloudWatch is asked at all: not every endpoint has one.
    pub metrics: bool,
    /// How long after the end CloudWatch is asked again for points that come late.
    pub settle: Duration,
    /// Show no progress.
    pub quiet: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sample_every: Duration::from_secs(5),
            // Source: SQS API reference, GetQueueAttributes.
            consistent_after: Duration::from_secs(60),
            metrics: true,
            settle: Duration::from_secs(180),
            quiet: false,
        }
    }
}

/// Collects the run in `folder`, which a seeder began, until its stacks (by position in the manifest) are drained or
/// `drain-max` is over, or `stop` says so; then joins it.
///
/// Files of records are read from their beginnings, and replace what the run knew of the stack's records; what comes
/// from standard input is added.
///
/// # Errors
/// When the folder holds no such run, a file cannot be read, or AWS refuses. What there is has been joined then, and
/// the run can be collected again.
pub fn collect(
    folder: &Path,
    stacks: &[Stack],
    config: Option<SdkConfig>,
    options: &Options,
    stop: &dyn Fn() -> bool,
) -> Result<Run> {
    crate::clients::runtime()?.block_on(async {
        let mut collecting = Collecting::new(folder, stacks, config, *options).await?;
        let watched = collecting.watch(stop).await;
        let ended = watched.as_ref().map_or(Ended::CutShort, |ended| *ended);
        let joined = collecting.collector.finish(ended);
        watched.with_context(|| {
            format!("{} is incomplete for now: collect it again when this is put right", folder.display())
        })?;
        joined
    })
}

/// Calls to a queue that may fail in a row.
const MOST_UNANSWERED: u32 = 10;

struct Collecting {
    collector: Collector,
    stacks: Vec<Watched>,
    sqs: aws_sdk_sqs::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    options: Options,
    load_end: Nanos,
    deadline: Nanos,
    board: Board,
}

/// A stack that is watched.
struct Watched {
    name: String,
    queue: Option<String>,
    source: Source,
    files: Vec<Lines<File>>,
    /// Records from standard input.
    piped: Option<Receiver<Record>>,
    /// How often in a row the queue could not be asked.
    unanswered: u32,
    complained: bool,
    /// Since when its queue has been empty.
    empty_since: Option<Nanos>,
    /// Whether it was seen at work: then the moment of its end is known.
    worked: bool,
    drained: bool,
}

impl Collecting {
    async fn new(
        folder: &Path,
        stacks: &[Stack],
        config: Option<SdkConfig>,
        options: Options,
    ) -> Result<Self> {
        let manifest = read_manifest(folder)?;
        let mut collector = Collector::resume(folder)?;
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
        let stacks: Vec<Watched> =
            names.iter().zip(stacks).map(|(name, stack)| Watched::new(name, stack)).collect::<Result<_>>()?;
        for (number, stack) in stacks.iter().enumerate() {
            // What came from standard input does not come again.
            if !stack.files.is_empty() && stack.piped.is_none() {
                collector.forget_records(number)?;
            }
        }
        Ok(Self {
            collector,
            stacks,
            sqs: aws_sdk_sqs::Client::new(&config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            options,
            load_end,
            deadline: load_end + scenario.drain_max,
            board: Board::new(&names, options.quiet),
        })
    }

    fn now(&self) -> Nanos {
        utc_ns().saturating_sub(self.collector.started_ns())
    }

    /// Takes all that there is to take.
    async fn watch(&mut self, stop: &dyn Fn() -> bool) -> Result<Ended> {
        let ended = self.drain(stop).await?;
        self.last_lines()?;
        self.metrics(stop).await?;
        Ok(ended)
    }

    /// Takes records and depths until everything is drained.
    async fn drain(&mut self, stop: &dyn Fn() -> bool) -> Result<Ended> {
        loop {
            let now = self.now();
            for number in 0..self.stacks.len() {
                self.look(number, now).await?;
            }
            self.collector.flush()?;
            let all: Vec<Progress> =
                (0..self.stacks.len()).map(|number| self.collector.progress(number)).collect();
            self.board.show(now, &all);
            if self.stacks.iter().all(|stack| stack.drained) || now >= self.deadline {
                return Ok(Ended::ByItself);
            }
            if pause(self.options.sample_every, stop).await {
                return Ok(Ended::CutShort);
            }
        }
    }

    /// Takes the last lines of files that do not end with one, and says what the files held.
    fn last_lines(&mut self) -> Result<()> {
        for (number, stack) in self.stacks.iter_mut().enumerate() {
            let mut others = 0;
            for file in &mut stack.files {
                file.end(|record| self.collector.take(number, Entry::Record(record)))?;
                others += file.others;
            }
            let Progress { done, failed, .. } = self.collector.progress(number);
            if !self.options.quiet && !stack.files.is_empty() {
                eprintln!("{}: {} records, {others} other lines", stack.name, done + failed);
            }
        }
        self.collector.flush()
    }

    /// One look at one stack.
    async fn look(&mut self, number: usize, now: Nanos) -> Result<()> {
        let stack = &mut self.stacks[number];
        let mut records = stack.records()?;
        stack.worked |= !records.is_empty();
        records.drain(..).try_for_each(|record| self.collector.take(number, Entry::Record(record)))?;
        if stack.drained {
            return Ok(());
        }
        if let Some(url) = &stack.queue {
            match queue::depth(&self.sqs, url).await {
                Ok(depth) => {
                    for point in depth.points(now, nanos(self.options.sample_every)) {
                        self.collector.take(number, Entry::Point(point))?;
                    }
                    stack.answered(depth, now);
                }
                Err(error) => stack.not_answered(error)?,
            }
        }
        let consistent = nanos(self.options.consistent_after);
        let long = |since: &Nanos| now >= self.load_end.max(*since) + consistent;
        let empty = stack.empty_since.filter(|since| stack.unanswered == 0 && long(since));
        let nothing_to_watch = stack.queue.is_none() && stack.files.is_empty() && stack.piped.is_none();
        let counted = self.collector.is_drained(number).then_some(now);
        if now >= self.load_end && (empty.is_some() || counted.is_some() || nothing_to_watch) {
            stack.drained = true;
            if let Some(end) = empty.or(counted).filter(|_| stack.worked) {
                self.collector.take(number, Entry::End(end.max(self.load_end)))?;
            }
        }
        Ok(())
    }

    /// Fetches metrics, and again until no more are to be expected.
    async fn metrics(&mut self, stop: &dyn Fn() -> bool) -> Result<()> {
        let sources: Vec<Source> = self.stacks.iter().map(|stack| stack.source.clone()).collect();
        if !self.options.metrics || sources.iter().all(|source| *source == Source::default()) {
            return Ok(());
        }
        // A run that is collected later has its metrics already.
        let end = self.now().min(self.deadline);
        let mut known = BTreeMap::new();
        loop {
            let started_ns = self.collector.started_ns();
            let points = cloudwatch::fetch(&self.cloudwatch, &sources, started_ns, started_ns + end).await?;
            for (number, point) in fresh(&mut known, points) {
                self.collector.take(number, Entry::Point(point))?;
            }
            self.collector.flush()?;
            if self.now() >= end + nanos(self.options.settle) {
                return Ok(());
            }
            if pause(self.options.settle.min(Duration::from_secs(30)), stop).await {
                return Ok(());
            }
        }
    }
}

/// The points that are new, or have another value now.
fn fresh(
    known: &mut BTreeMap<(usize, String, Nanos), f64>,
    mut points: Vec<(usize, Point)>,
) -> Vec<(usize, Point)> {
    points.retain(|(number, point)| {
        known.insert((*number, point.metric.clone(), point.t), point.value) != Some(point.value)
    });
    points
}

impl Watched {
    fn new(name: &str, stack: &Stack) -> Result<Self> {
        let (mut files, mut piped) = (Vec::new(), None);
        for path in &stack.records {
            if path.as_os_str() == "-" {
                piped = Some(pipe());
            } else {
                files.push(Lines::open(path)?);
            }
        }
        let queue = |url: &String| url.rsplit('/').next().unwrap_or(url).to_owned();
        Ok(Self {
            name: name.into(),
            queue: stack.queue.clone(),
            source: Source {
                queue: stack.queue.as_ref().map(queue),
                function: stack.function.clone(),
                service: stack.service.clone(),
            },
            files,
            piped,
            unanswered: 0,
            complained: false,
            empty_since: None,
            worked: false,
            drained: false,
        })
    }

    /// Its queue told its depth.
    fn answered(&mut self, depth: Depth, now: Nanos) {
        self.unanswered = 0;
        self.worked |= !depth.is_empty();
        self.empty_since = if depth.is_empty() { self.empty_since.or(Some(now)) } else { None };
    }

    /// Its queue could not be asked: that may pass.
    fn not_answered(&mut self, error: anyhow::Error) -> Result<()> {
        self.unanswered += 1;
        if self.unanswered >= MOST_UNANSWERED {
            return Err(error);
        }
        if !self.complained {
            self.complained = true;
            eprintln!("{}: {error:#}; going on without", self.name);
        }
        Ok(())
    }

    /// The records that have come since the last look.
    fn records(&mut self) -> Result<Vec<Record>> {
        let mut records: Vec<Record> = self.piped.iter().flat_map(Receiver::try_iter).collect();
        for file in &mut self.files {
            file.read(|record| {
                records.push(record);
                Ok(())
            })?;
        }
        Ok(records)
    }
}

/// Records from standard input, read by a thread: it may be silent for as long as it likes.
fn pipe() -> Receiver<Record> {
    let (to, from): (Sender<Record>, Receiver<Record>) = channel();
    std::thread::spawn(move || {
        let mut lines = Lines::new(stdin());
        let each = |record| to.send(record).context("nobody collects any more");
        // Ends with its input, or with the process.
        let _ = lines.read(each).and_then(|()| lines.end(each));
    });
    from
}

/// Waits; whether it was told to stop.
async fn pause(time: Duration, stop: &dyn Fn() -> bool) -> bool {
    let mut left = time;
    while !left.is_zero() && !stop() {
        let step = left.min(Duration::from_millis(100));
        tokio::time::sleep(step).await;
        left -= step;
    }
    stop()
}

fn nanos(time: Duration) -> Nanos {
    time.as_secs().saturating_mul(SECOND).saturating_add(u64::from(time.subsec_nanos()))
}

/// The wall clock: the run's clock, where another process began the run.
#[allow(clippy::disallowed_methods)]
fn utc_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_taken_once_and_again_when_it_changed() {
        let point = |t, value| {
            let text = String::new;
            (0, Point { t, period: 60, metric: text(), unit: text(), statistic: text(), value })
        };
        let mut known = BTreeMap::new();
        assert_eq!(fresh(&mut known, vec![point(0, 1.0)]).len(), 1);
        // The last minute was not complete, and a later one has come.
        let second = fresh(&mut known, vec![point(0, 1.0), point(60, 2.0)]);
        assert_eq!(second, [point(60, 2.0)]);
        assert_eq!(fresh(&mut known, vec![point(0, 1.0), point(60, 3.0)]), [point(60, 3.0)]);
    }
}
