//! The collector while a run goes on: appends to the folder of the run, and counts.
//!
//! Goals: what was flushed survives whatever happens to this process; a few hundred nanoseconds per entry; memory
//! follows the messages that are outstanding.
//! Non-goals: conclusions; those are drawn from the files ([`crate::join`]).

use crate::folder::{self, Heard, State};
use crate::join::join;
use crate::progress::Progress;
use anyhow::{Context, Result};
use model::journal::{self, Appender, Entry, MessageId, Record, RecordLine, Sent, Sight, Sighting};
use model::run::{Manifest, Run, read_manifest, write_manifest};
use model::time::{Nanos, Origin};
use model::usage::Usage;
use serde::Serialize;
use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Load and drain came to their ends, be it that of `drain-max`.
    ByItself,
    /// Somebody or something cut it short.
    CutShort,
}

/// Writes the journal of a run.
#[derive(Debug)]
pub struct Collector {
    folder: PathBuf,
    state: State,
    stacks: Vec<Stack>,
}

/// Begins the run of `manifest` in `folder`, which must exist: from here on the folder is a run, if an incomplete one.
///
/// # Errors
/// When the scenario in the manifest or a trace that it names cannot be read, or the folder cannot be written.
pub fn begin(folder: &Path, manifest: &Manifest, origin: &Origin) -> Result<Collector> {
    folder::keep_traces(folder, manifest)?;
    let state =
        State { started_ns: origin.utc_ns(0), ends: vec![None; manifest.stacks.len()], ..State::default() };
    state.write(folder)?;
    let collector = Collector::open(folder, manifest, state)?;
    // Last: whoever finds a manifest finds the journal, too.
    write_manifest(folder, &Manifest { complete: false, ..manifest.clone() })?;
    Ok(collector)
}

impl Collector {
    /// Goes on with a run that was begun and not joined to its end: another process sends, or sent, its messages.
    ///
    /// # Errors
    /// When `folder` holds no such run.
    pub fn resume(folder: &Path) -> Result<Self> {
        let manifest = read_manifest(folder)?;
        let state = State::read(folder)
            .with_context(|| format!("{} holds no run that is still to be collected", folder.display()))?;
        let mut collector = Self::open(folder, &manifest, state)?;
        collector.stacks.iter_mut().try_for_each(Stack::recount)?;
        Ok(collector)
    }

    /// Takes away the records that a stack has: they are about to be read again from where they came.
    pub(crate) fn forget_records(&mut self, stack: usize) -> Result<()> {
        let Some(one) = self.stacks.get_mut(stack) else { return Ok(()) };
        one.records = None;
        folder::remove(&one.place.join(journal::RECORDS))?;
        one.recount()
    }

    /// Counts anew what the folder holds: what another process sent meanwhile nobody told this one.
    pub(crate) fn recount(&mut self) -> Result<()> {
        self.flush()?;
        self.stacks.iter_mut().try_for_each(Stack::recount)
    }

    fn open(folder: &Path, manifest: &Manifest, state: State) -> Result<Self> {
        let mut stacks = Vec::new();
        for entry in &manifest.stacks {
            let place = folder::journal(folder, &entry.name);
            fs::create_dir_all(&place).with_context(|| format!("creating {}", place.display()))?;
            stacks.push(Stack::new(place, manifest.planned));
        }
        Ok(Self { folder: folder.into(), state, stacks })
    }

    /// Start of the run: UTC nanoseconds.
    #[must_use]
    pub fn started_ns(&self) -> u64 {
        self.state.started_ns
    }

    /// Takes note of something that concerns a stack, by its position in the manifest.
    ///
    /// # Errors
    /// When there is no such stack, or the journal cannot be written.
    pub fn take(&mut self, stack: usize, entry: Entry) -> Result<()> {
        let one = self.stacks.get_mut(stack).with_context(|| format!("the run has no stack {stack}"))?;
        if let Entry::End(at) = entry {
            self.state.ends[stack] = Some(at);
            return self.state.write(&self.folder);
        }
        one.take(entry)
    }

    /// When a stack was idle again.
    #[must_use]
    pub fn end(&self, stack: usize) -> Option<Nanos> {
        self.state.ends.get(stack).copied().flatten()
    }

    /// Messages that were in the dead-letter queue of a stack before the run: as first told, which is `now` if nobody
    /// told before.
    pub(crate) fn dead_letters_before(&mut self, stack: usize, now: Option<u64>) -> Option<u64> {
        self.state.heard.resize(self.stacks.len(), Heard::default());
        let heard = self.state.heard.get_mut(stack)?;
        heard.dead_letters_before = heard.dead_letters_before.or(now);
        heard.dead_letters_before
    }

    /// Writes down how far the run has come.
    pub(crate) fn keep_state(&self) -> Result<()> {
        self.state.write(&self.folder)
    }

    /// Takes note of what was heard of the stacks in all, and of what measuring cost.
    pub(crate) fn heard(&mut self, heard: Vec<Heard>, measurement: Usage) -> Result<()> {
        self.state.heard = heard;
        self.state.measurement = measurement;
        self.state.write(&self.folder)
    }

    /// Hands what was taken to the system. Call it a few times a second.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.stacks.iter_mut().try_for_each(Stack::flush)
    }

    /// How far a stack has come.
    #[must_use]
    pub fn progress(&self, stack: usize) -> Progress {
        self.stacks.get(stack).map(Stack::progress).unwrap_or_default()
    }

    /// Whether all of a stack's messages were sent, and all that its queue took are gone from it.
    #[must_use]
    pub fn is_drained(&self, stack: usize) -> bool {
        let progress = self.progress(stack);
        progress.tried >= progress.planned && progress.outstanding == 0
    }

    /// Leaves the run to be collected by another process.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn leave(mut self) -> Result<()> {
        self.flush()
    }

    /// Ends the run and joins it.
    ///
    /// # Errors
    /// When a file of the run cannot be written.
    pub fn finish(mut self, ended: Ended) -> Result<Run> {
        self.flush()?;
        self.state.complete = ended == Ended::ByItself;
        self.state.write(&self.folder)?;
        let Self { folder, stacks, .. } = self;
        drop(stacks);
        join(&folder)
    }
}

/// A stack's files, opened when first needed, and its counters.
#[derive(Debug)]
struct Stack {
    place: PathBuf,
    sends: Option<Appender>,
    sightings: Option<Appender>,
    records: Option<Appender>,
    points: Option<Appender>,
    activities: Option<Appender>,
    /// Usage that is not written yet.
    usage: Option<Usage>,
    counters: Counters,
}

impl Stack {
    fn new(place: PathBuf, planned: u64) -> Self {
        Self {
            place,
            sends: None,
            sightings: None,
            records: None,
            points: None,
            activities: None,
            usage: None,
            counters: Counters::new(planned),
        }
    }

    /// Counts what is in the journal, and nothing else.
    fn recount(&mut self) -> Result<()> {
        self.counters = Counters::new(self.counters.progress.planned);
        let open = |name: &str| {
            let path = self.place.join(name);
            if !path.exists() {
                return Ok(None);
            }
            File::open(&path).map(Some).with_context(|| format!("opening {}", path.display()))
        };
        if let Some(file) = open(journal::SIGHTINGS)? {
            journal::read(file, |sighting| self.counters.sighting(&sighting));
        }
        if let Some(file) = open(journal::SENDS)? {
            journal::read(file, |sent| self.counters.sent(&sent));
        }
        if let Some(file) = open(journal::RECORDS)? {
            journal::read(file, |line: RecordLine| self.counters.record(&line.into()));
        }
        Ok(())
    }

    fn take(&mut self, entry: Entry) -> Result<()> {
        let place = &self.place;
        match entry {
            Entry::Sent(mut sent) => {
                self.counters.sent(&sent);
                sent.error = sent.error.map(|word| word.replace(|c: char| c.is_control(), " "));
                append(&mut self.sends, place, journal::SENDS, &sent)
            }
            Entry::Sighting(sighting) => {
                self.counters.sighting(&sighting);
                append(&mut self.sightings, place, journal::SIGHTINGS, &sighting)
            }
            Entry::Record(record) => {
                self.counters.record(&record);
                append(&mut self.records, place, journal::RECORDS, &RecordLine::from(record))
            }
            Entry::Activity(activity) => append(&mut self.activities, place, journal::ACTIVITIES, &activity),
            Entry::Point(point) => append(&mut self.points, place, journal::POINTS, &point),
            Entry::Usage(usage) => {
                self.usage = Some(usage);
                Ok(())
            }
            Entry::End(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        let Self { sends, sightings, records, points, activities, .. } = self;
        for appender in [sends, sightings, records, points, activities].into_iter().flatten() {
            appender.flush()?;
        }
        if let Some(usage) = self.usage.take() {
            folder::replace(&self.place.join(journal::USAGE), &serde_json::to_vec_pretty(&usage)?)?;
        }
        Ok(())
    }

    fn progress(&self) -> Progress {
        Progress { outstanding: self.counters.outstanding.len() as u64, ..self.counters.progress }
    }
}

fn append(slot: &mut Option<Appender>, place: &Path, name: &str, line: &impl Serialize) -> Result<()> {
    let appender = match slot {
        Some(appender) => appender,
        None => slot.insert(Appender::open(&place.join(name))?),
    };
    appender.add(line)
}

/// Counts for progress and drain.
#[derive(Debug, Default)]
struct Counters {
    progress: Progress,
    /// Taken by the queue and not known to be gone.
    outstanding: HashSet<MessageId>,
    /// Gone before it was said that the queue took them.
    gone_early: HashSet<MessageId>,
    /// The queue tells what it sees: then nobody else is asked about it.
    queue_tells: bool,
    workers_tell: bool,
    /// When the last call was issued and answered: the messages of a batch have both in common.
    last_call: Option<(Nanos, Nanos)>,
}

impl Counters {
    fn new(planned: u64) -> Self {
        Self { progress: Progress { planned, ..Progress::default() }, ..Self::default() }
    }

    fn sent(&mut self, sent: &Sent) {
        self.progress.tried += 1;
        self.progress.unsure += u64::from(sent.attempts > 1 || sent.message.is_none());
        let call = Some((sent.issued_at, sent.answered_at));
        if self.last_call != call {
            self.progress.calls += u64::from(sent.attempts);
        }
        self.last_call = call;
        self.progress.lag = sent.issued_at.saturating_sub(sent.scheduled_at);
        if let Some(id) = sent.message {
            self.progress.sent += 1;
            if !self.queue_tells {
                self.accepted(id);
            }
        }
    }

    fn sighting(&mut self, sighting: &Sighting) {
        self.queue_tells = true;
        match sighting.sight {
            Sight::Sent => self.accepted(sighting.message),
            Sight::Received => {}
            Sight::Deleted => {
                self.progress.done += u64::from(!self.workers_tell);
                self.gone(sighting.message);
            }
            Sight::DeadLettered | Sight::Expired => self.gone(sighting.message),
        }
    }

    fn record(&mut self, record: &Record) {
        if !self.workers_tell {
            self.workers_tell = true;
            self.progress.done = 0;
        }
        if !record.ok {
            self.progress.failed += 1;
            return;
        }
        self.progress.done += 1;
        if !self.queue_tells {
            self.gone(record.message_id);
        }
    }

    fn accepted(&mut self, id: MessageId) {
        if !self.gone_early.remove(&id) {
            self.outstanding.insert(id);
        }
    }

    fn gone(&mut self, id: MessageId) {
        if !self.outstanding.remove(&id) {
            self.gone_early.insert(id);
        }
    }
}
