//! One stack that is watched: where its evidence comes from, and how far each source has been read.
//!
//! Goals: a source that fails is named once and asked again; only a queue that stays silent ends the run.

use crate::aws::logs::Tail;
use crate::aws::meter::Meter;
use crate::aws::report_line::Report;
use crate::aws::{Clients, function, scaling};
use crate::cloudwatch::{Source, Total, Totals};
use crate::collect::nanos;
use crate::folder::{self, Heard, Refused};
use crate::lines::Lines;
use crate::outputs::Deployed;
use crate::queue::{self, Depth};
use anyhow::{Context, Result};
use model::journal::{self, Entry, Point, Record, RecordLine};
use model::run::{Activity, ActivityKind};
use model::series::metric;
use model::time::{MILLISECOND, Nanos};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::stdin;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Calls to a queue that may fail in a row.
const MOST_UNANSWERED: u32 = 10;

/// A stack that is watched.
pub(crate) struct Watched {
    pub(crate) name: String,
    deployed: Deployed,
    pub(crate) source: Source,
    files: Vec<Lines<File>>,
    /// Records from standard input.
    piped: Option<Receiver<Record>>,
    tail: Option<Tail>,
    /// Records that an earlier collection of this run took from the log, by what they say, and how often.
    known: HashMap<u64, u32>,
    /// The log holds more than was read.
    pub(crate) has_more_logs: bool,
    pub(crate) meter: Meter,
    /// When its service was first looked at, and the count that it wanted then.
    first_desired: Option<(Nanos, u64)>,
    /// Where its tasks are kept.
    tasks_file: PathBuf,
    started_ns: u64,
    /// Messages that its queue said to have, when it last said.
    pub(crate) depth: Option<u64>,
    /// How often in a row the queue could not be asked.
    unanswered: u32,
    /// What last went wrong with each other source; what works again is forgotten.
    trouble: BTreeMap<&'static str, String>,
    /// Messages that were in the dead-letter queue before the run, and those that came.
    pub(crate) dead_letters_before: Option<u64>,
    dead_letters: Option<u64>,
    /// Since when its queue has been empty.
    pub(crate) empty_since: Option<Nanos>,
    /// Whether it was seen at work: then the moment of its end is known.
    pub(crate) worked: bool,
    pub(crate) drained: bool,
    /// Whether it was its queue that said so.
    pub(crate) emptied: bool,
}

impl Watched {
    pub(crate) fn new(
        folder: &Path,
        name: &str,
        deployed: &Deployed,
        started_ns: u64,
        message_bytes: u64,
    ) -> Result<Self> {
        let (mut files, mut piped) = (Vec::new(), None);
        for path in &deployed.records {
            if path.as_os_str() == "-" {
                piped = Some(pipe());
            } else {
                files.push(Lines::open(path)?);
            }
        }
        let queue = |url: &String| url.rsplit('/').next().unwrap_or(url).to_owned();
        let started_ms = i64::try_from(started_ns / MILLISECOND)?;
        let tail = deployed.log_group.as_ref().map(|group| Tail::new(group, started_ms));
        let known = if tail.is_some() { known_records(folder, name)? } else { HashMap::new() };
        let tasks_file = folder::journal(folder, name).join("tasks.json");
        let mut meter = Meter::of_messages(message_bytes);
        if tasks_file.exists() {
            meter.tasks = folder::read_json(&tasks_file)?;
        }
        Ok(Self {
            name: name.into(),
            source: Source {
                queue: deployed.queue.as_ref().map(queue),
                function: deployed.function.clone(),
                service: deployed.service.clone(),
                log_group: deployed.log_group.clone(),
                ..Source::default()
            },
            deployed: deployed.clone(),
            files,
            piped,
            tail,
            known,
            has_more_logs: false,
            meter,
            first_desired: None,
            tasks_file,
            started_ns,
            depth: None,
            unanswered: 0,
            trouble: BTreeMap::new(),
            dead_letters_before: None,
            dead_letters: None,
            empty_since: None,
            worked: false,
            drained: false,
            emptied: false,
        })
    }

    /// Whether its records are read again from their beginning: then those that are known are to be forgotten.
    pub(crate) fn reads_again(&self) -> bool {
        // What came from standard input, or from a log, does not come again, or is told apart.
        !self.files.is_empty() && self.piped.is_none() && self.tail.is_none()
    }

    pub(crate) fn has_queue(&self) -> bool {
        self.deployed.queue.is_some()
    }

    pub(crate) fn has_logs(&self) -> bool {
        self.tail.is_some()
    }

    pub(crate) fn has_records(&self) -> bool {
        !self.files.is_empty() || self.tail.is_some()
    }

    /// Whether AWS runs it: then its bill follows from what AWS says.
    pub(crate) fn is_deployed(&self) -> bool {
        self.deployed.function.is_some() || self.deployed.service.is_some()
    }

    /// Whether anything says when it is done.
    pub(crate) fn is_watched(&self) -> bool {
        self.deployed.queue.is_some() || self.has_records() || self.piped.is_some()
    }

    /// Whether something could not be asked in the end.
    pub(crate) fn is_troubled(&self) -> bool {
        !self.trouble.is_empty() || self.has_more_logs || !self.drained && self.unanswered > 0
    }

    pub(crate) fn queue_answers(&self) -> bool {
        self.unanswered == 0
    }

    /// Asks how it is deployed.
    pub(crate) async fn describe(&mut self, clients: &Clients) {
        if let (Some(function), Some(url)) = (self.deployed.function.clone(), self.deployed.queue.clone()) {
            let asked = async {
                let arn = queue::arn(&clients.sqs, &url).await?;
                function::describe(&clients.lambda, &function, &arn).await
            };
            self.meter.function = self.noted("function", asked.await);
            if let Some(function) = &self.meter.function {
                let mapping = function.mapping.as_ref().filter(|mapping| mapping.pollers.is_some());
                self.source.pollers = mapping.and_then(|mapping| mapping.uuid.clone());
                self.source.provisioned = function.provisioned > 0;
                self.source.unreserved = function.unreserved.is_some();
            }
        }
        if let Some((cluster, service)) = self.deployed.service.clone() {
            let alarms = scaling::alarms(&clients.scaling, &cluster, &service).await;
            self.meter.alarms = self.noted("scaling policies", alarms).unwrap_or(0);
        }
        if let Some(url) = self.deployed.dead_letters.clone() {
            let depth = queue::depth(&clients.sqs, &url).await;
            self.dead_letters_before = self.noted("dead letters", depth).map(Depth::all);
        }
    }

    /// What a source said; if nothing, why is told once and remembered.
    pub(crate) fn noted<T>(&mut self, what: &'static str, said: Result<T>) -> Option<T> {
        match said {
            Ok(said) => {
                self.trouble.remove(what);
                Some(said)
            }
            Err(error) => {
                let error = format!("{error:#}");
                if self.trouble.get(what) != Some(&error) {
                    eprintln!("{}: {error}; going on without", self.name);
                }
                self.trouble.insert(what, error);
                None
            }
        }
    }

    /// The records that have come since the last look in files and standard input.
    pub(crate) fn records(&mut self) -> Result<Vec<Entry>> {
        let mut records: Vec<Entry> =
            self.piped.iter().flat_map(Receiver::try_iter).map(Entry::Record).collect();
        for file in &mut self.files {
            file.read(|record| {
                records.push(Entry::Record(record));
                Ok(())
            })?;
        }
        Ok(records)
    }

    /// The last records of files that do not end with a line, and how many lines were none.
    pub(crate) fn last_records(&mut self) -> Result<(Vec<Entry>, u64)> {
        let (mut records, mut others) = (Vec::new(), 0);
        for file in &mut self.files {
            file.end(|record| {
                records.push(Entry::Record(record));
                Ok(())
            })?;
            others += file.others;
        }
        Ok((records, others))
    }

    /// What its workers, and Lambda, have logged since the last look, and whether that was news, or not yet all.
    pub(crate) async fn logged(&mut self, clients: &Clients) -> (Vec<Entry>, bool) {
        let Some(tail) = &mut self.tail else { return (Vec::new(), false) };
        let read = tail.read(&clients.logs).await;
        let (lines, more) = self.noted("logs", read).unwrap_or_default();
        let news = more || !lines.is_empty();
        self.has_more_logs = more;
        let mut told = Vec::new();
        let before = self.meter.cold_starts;
        for line in lines {
            if let Some(report) = Report::parse(&line.text) {
                let at = (line.at_ms.max(0) as u64 * MILLISECOND).saturating_sub(self.started_ns);
                self.meter.report(&report, at / REPORTS_PERIOD * REPORTS_PERIOD);
            } else if let Some(record) = Record::parse(&line.text)
                && !self.is_known(&record)
            {
                told.push(Entry::Record(record));
            }
        }
        if self.meter.cold_starts > before {
            let cold_starts = self.meter.reports_at.iter().map(|(t, (_, cold))| (*t, *cold));
            told.extend(counted(metric::COLD_STARTS, cold_starts));
        }
        (told, news)
    }

    /// Begins its log anew; what was taken of it is known.
    pub(crate) fn read_log_again(&mut self, folder: &Path) -> Result<()> {
        self.known = known_records(folder, &self.name)?;
        self.meter.forget_reports();
        if let Some(tail) = &mut self.tail {
            tail.begin_again();
        }
        Ok(())
    }

    /// Whether an earlier collection took this record; each that it took is known once.
    fn is_known(&mut self, record: &Record) -> bool {
        let Some(left) = self.known.get_mut(&said(record)) else { return false };
        let known = *left > 0;
        *left = left.saturating_sub(1);
        known
    }

    /// What its service wants and has, and what befell its tasks.
    pub(crate) async fn tasks(&mut self, clients: &Clients, now: Nanos, every: Nanos) -> Vec<Entry> {
        let Some((cluster, service)) = self.deployed.service.clone() else { return Vec::new() };
        let started_ns = self.started_ns;
        let interrupted = |meter: &Meter| -> Vec<String> {
            let of_run = |at: Option<u64>| at.is_none_or(|at| at >= started_ns);
            let all = meter.tasks.all.iter();
            let all = all.filter(|(_, task)| task.interrupted.is_some() && of_run(task.stopped));
            all.map(|(arn, _)| arn.clone()).collect()
        };
        let before = interrupted(&self.meter);
        let known = self.meter.tasks.clone();
        let looked = self.meter.tasks.look(&clients.ecs, &cluster, &service).await;
        if self.meter.tasks != known {
            // ECS forgets a task an hour after its end; whoever collects again must not.
            let kept = serde_json::to_vec(&self.meter.tasks).map_err(Into::into);
            let kept = kept.and_then(|bytes| folder::replace(&self.tasks_file, &bytes));
            self.noted("tasks file", kept);
        }
        let Some(counts) = self.noted("tasks", looked) else { return Vec::new() };
        self.first_desired.get_or_insert((now, counts.desired));
        let at = now / every * every;
        let mut told: Vec<Entry> = [
            (metric::DESIRED_TASKS, counts.desired),
            (metric::RUNNING_TASKS, counts.running),
            (metric::PENDING_TASKS, counts.pending),
        ]
        .into_iter()
        .map(|(metric, count)| {
            Entry::Point(Point { value: count as f64, ..point(at, every, metric, "Maximum") })
        })
        .collect();
        for arn in interrupted(&self.meter).into_iter().filter(|arn| !before.contains(arn)) {
            let task = &self.meter.tasks.all[&arn];
            let at = task.stopping.or(task.stopped).map_or(now, |at| at.saturating_sub(self.started_ns));
            let detail = task.interrupted.clone().unwrap_or_default();
            told.push(Entry::Activity(Activity { at, kind: ActivityKind::Interruption, detail }));
        }
        told
    }

    /// How deep its queue is.
    ///
    /// # Errors
    /// When the queue has not answered for long.
    pub(crate) async fn ask_depth(
        &mut self,
        clients: &Clients,
        now: Nanos,
        every: Nanos,
    ) -> Result<Vec<Entry>> {
        let Some(url) = &self.deployed.queue else { return Ok(Vec::new()) };
        match queue::depth(&clients.sqs, url).await {
            Ok(depth) => {
                self.unanswered = 0;
                self.depth = Some(depth.all());
                self.worked |= !depth.is_empty();
                self.empty_since = if depth.is_empty() { self.empty_since.or(Some(now)) } else { None };
                Ok(depth.points(now, every).into_iter().map(Entry::Point).collect())
            }
            Err(error) => {
                self.unanswered += 1;
                if self.unanswered >= MOST_UNANSWERED {
                    return Err(error);
                }
                if self.unanswered == 1 {
                    eprintln!("{}: {error:#}; going on without", self.name);
                }
                Ok(Vec::new())
            }
        }
    }

    /// What is asked when all is over, which it was for the stack at `until`.
    pub(crate) async fn last_word(
        &mut self,
        clients: &Clients,
        now: Nanos,
        until: Nanos,
        totals: &Totals,
    ) -> Vec<Entry> {
        let mut told = self.tasks(clients, now, nanos(std::time::Duration::from_secs(1))).await;
        told.extend(self.meter.tasks.starts(self.started_ns, until).into_iter().map(Entry::Point));
        if let Some((cluster, service)) = self.deployed.service.clone() {
            let done = scaling::activities(
                &clients.scaling,
                &cluster,
                &service,
                self.started_ns,
                self.first_desired,
            )
            .await;
            let done = self.noted("scaling", done).unwrap_or_default();
            told.extend(done.into_iter().map(Entry::Activity));
        }
        if let Some(url) = self.deployed.dead_letters.clone() {
            let depth = queue::depth(&clients.sqs, &url).await;
            let depth = self.noted("dead letters", depth).map(Depth::all);
            // If nobody knows how many there were before, nobody knows how many came.
            self.dead_letters =
                depth.zip(self.dead_letters_before).map(|(depth, before)| depth.saturating_sub(before));
        }
        if !totals.contains_key(metric::INVOCATIONS) {
            // CloudWatch has not told: then the reports do.
            let reports = self.meter.reports_at.iter().map(|(t, (reports, _))| (*t, *reports));
            told.extend(counted(metric::INVOCATIONS, reports));
        }
        told
    }

    /// What the ledger and the checks need to know of its sources.
    pub(crate) fn heard(&self, totals: &Totals) -> Heard {
        let invocations = totals.get(metric::INVOCATIONS).map(Total::count);
        Heard {
            emptied: self.emptied,
            dead_letters: self.dead_letters,
            dead_letters_before: self.dead_letters_before,
            reports: self.tail.is_some().then_some(self.meter.reports),
            invocations: invocations.filter(|_| self.deployed.function.is_some()),
            trouble: self.trouble.values().cloned().collect(),
            assumed: self.meter.assumed(totals),
            refused: self.refused(totals),
        }
    }

    /// Invocations of its function that were refused; `None` where CloudWatch did not tell.
    fn refused(&self, totals: &Totals) -> Option<Refused> {
        let function = self.meter.function.as_ref()?;
        let in_use =
            totals.get(metric::UNRESERVED_CONCURRENCY).map(|total| total.most.max(0.0).round() as u64);
        Some(Refused {
            invocations: totals.get(metric::THROTTLES)?.count(),
            reserved: function.reserved,
            unreserved: function.unreserved,
            in_use,
        })
    }
}

/// Period of what is counted from reports.
const REPORTS_PERIOD: Nanos = 5 * model::time::SECOND;

/// Counts as points of a series.
fn counted(metric: &str, counts: impl Iterator<Item = (Nanos, u64)>) -> impl Iterator<Item = Entry> {
    counts.map(move |(t, count)| {
        Entry::Point(Point { value: count as f64, ..point(t, REPORTS_PERIOD, metric, "Sum") })
    })
}

fn point(t: Nanos, period: Nanos, metric: &str, statistic: &str) -> Point {
    Point { t, period, metric: metric.into(), unit: "Count".into(), statistic: statistic.into(), value: 0.0 }
}

/// The records that the run has of a stack.
fn known_records(folder: &Path, name: &str) -> Result<HashMap<u64, u32>> {
    let path = folder::journal(folder, name).join(journal::RECORDS);
    let mut known = HashMap::new();
    if path.exists() {
        let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        journal::read(file, |line: RecordLine| *known.entry(said(&line.into())).or_default() += 1);
    }
    Ok(known)
}

/// Two records that say the same are one: a hash of what they say.
fn said(record: &Record) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(record).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
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

/// The wall clock: the run's clock, where another process began the run.
#[allow(clippy::disallowed_methods)]
pub(crate) fn utc_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, nanos)
}
