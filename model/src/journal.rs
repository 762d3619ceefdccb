//! What a measured run writes down while it goes on: sends, sightings at the queue, records of the workers.
//!
//! Goals: every line stands for itself and is appended, so that a run that is killed keeps what it had; a line that
//! was cut short is skipped and counted. A run's folder is joined from these files, at its end or later.
//! Non-goals: joining them (`collector`), simulated runs (they need no journal).

use crate::run::Activity;
use crate::time::Nanos;
use crate::usage::Usage;
use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Folder of a stack's journal, below the stack's own.
pub const FOLDER: &str = "journal";
/// One [`Sent`] a line.
pub const SENDS: &str = "sends.csv";
/// One [`Sighting`] a line.
pub const SIGHTINGS: &str = "sightings.csv";
/// One [`Record`] a line, as [`RecordLine`].
pub const RECORDS: &str = "records.csv";
/// One [`Point`] a line.
pub const POINTS: &str = "series.csv";
/// One [`Activity`] a line.
pub const ACTIVITIES: &str = "activities.csv";
/// The [`Usage`] so far.
pub const USAGE: &str = "usage.json";

/// SQS MessageId: a UUID as a number. Other texts are hashed to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct MessageId(pub u128);

impl MessageId {
    /// The id of a text as SQS gives it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        // FNV-1a, 128 bits.
        let hash = || {
            text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
                (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
            })
        };
        Self(uuid(text).unwrap_or_else(hash))
    }
}

/// The number that 32 hexadecimal digits are, hyphens left out. The seeder reads one a message, so digits are looked up
/// and collected in words of the machine.
fn uuid(text: &str) -> Option<u128> {
    const NONE: u8 = u8::MAX;
    static DIGITS: [u8; 256] = {
        let mut digits = [NONE; 256];
        let mut digit = 0;
        while digit < 16 {
            digits[b"0123456789abcdef"[digit] as usize] = digit as u8;
            digits[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
            digit += 1;
        }
        digits
    };
    let mut halves = [0_u64; 2];
    let mut count = 0;
    for byte in text.bytes().filter(|&byte| byte != b'-') {
        let digit = DIGITS[usize::from(byte)];
        if digit == NONE || count == 32 {
            return None;
        }
        halves[count / 16] = halves[count / 16] << 4 | u64::from(digit);
        count += 1;
    }
    (count == 32).then_some(u128::from(halves[0]) << 64 | u128::from(halves[1]))
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        let part = |shift: u32, bits: u32| (n >> shift) & ((1 << bits) - 1);
        let (a, b, c, d, e) = (part(96, 32), part(80, 16), part(64, 16), part(48, 16), part(0, 48));
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }
}

impl From<String> for MessageId {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.to_string()
    }
}

/// What the seeder knows of one message to one stack. Instants are nanoseconds from the start of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Position in the plan.
    pub seq: u64,
    /// Intended instant.
    pub scheduled_at: Nanos,
    /// When the call that succeeded, or the last one, was issued.
    pub issued_at: Nanos,
    /// When it was answered.
    pub answered_at: Nanos,
    /// Calls that carried it; more than one after throttling or errors.
    pub attempts: u32,
    /// MessageId; `None` if the queue never said that it took it.
    pub message: Option<MessageId>,
    /// Why not: one word.
    pub error: Option<String>,
}

/// What happened to a message at the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// The queue took it.
    Sent,
    /// It was handed out.
    Received,
    /// It was deleted.
    Deleted,
    /// It was moved to the dead-letter queue.
    DeadLettered,
    /// It was dropped: retention or purge.
    Expired,
}

/// What the queue itself saw, where the queue is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Nanoseconds from the start of the run.
    pub at: Nanos,
    /// Which message.
    pub message: MessageId,
    /// What happened.
    pub sight: Sight,
    /// ApproximateReceiveCount by then.
    pub receive_count: u32,
    /// Position in the plan, if the message says so ([`crate::work::Work`]).
    pub seq: Option<u64>,
}

/// The record protocol: the JSON line that a worker prints for each attempt at a message.
///
/// Only `versus` and `message_id` are required; a minimal line is `{"versus":1,"message_id":"..."}`. Whatever else
/// a worker prints is its own business. Spans are taken on the worker's monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`RECORD_VERSION`].
    pub versus: u32,
    /// SQS MessageId.
    pub message_id: MessageId,
    /// Position in the plan, from the message attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// ApproximateReceiveCount.
    #[serde(default = "one")]
    pub receive_count: u32,
    /// SentTimestamp: UTC milliseconds, SQS's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_ms: Option<u64>,
    /// ApproximateFirstReceiveTimestamp: UTC milliseconds, SQS's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_received_ms: Option<u64>,
    /// First line of the work: UTC nanoseconds, the worker's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ns: Option<u64>,
    /// From the answer to ReceiveMessage, or the handler's first line, to the first line of the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_ns: Option<u64>,
    /// Length of the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_ns: Option<u64>,
    /// Task or environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// Whether this is the first invocation of the environment.
    #[serde(default)]
    pub cold_start: bool,
    /// Whether the work succeeded.
    #[serde(default = "yes")]
    pub ok: bool,
}

/// One point of a series, as its period closes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Start of the period.
    pub t: Nanos,
    /// Length of the period.
    pub period: Nanos,
    /// [`crate::series::metric`], or [`crate::usage::Metered::series_name`].
    pub metric: String,
    /// As in [`crate::series::Series`].
    pub unit: String,
    /// As in [`crate::series::Series`].
    pub statistic: String,
    /// The value.
    pub value: f64,
}

/// Whatever one stack of a measured run has to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// From the seeder.
    Sent(Sent),
    /// From the queue.
    Sighting(Sighting),
    /// From a worker.
    Record(Record),
    /// From the control plane.
    Activity(Activity),
    /// A period of a series has closed.
    Point(Point),
    /// Everything metered so far: replaces what was told before.
    Usage(Usage),
    /// The stack is idle again, or was given up.
    End(Nanos),
}

/// Version of the record protocol.
pub const RECORD_VERSION: u32 = 1;

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

impl Record {
    /// A successful attempt of which nothing else is known.
    #[must_use]
    pub fn new(message_id: MessageId) -> Self {
        Self {
            versus: RECORD_VERSION,
            message_id,
            seq: None,
            receive_count: 1,
            sent_ms: None,
            first_received_ms: None,
            started_ns: None,
            waited_ns: None,
            work_ns: None,
            worker: None,
            cold_start: false,
            ok: true,
        }
    }

    /// The record in a line of a worker's output; `None` if there is none.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let line = &line[line.find('{')?..];
        if !line.contains("\"versus\"") {
            return None;
        }
        serde_json::from_str(line).ok().filter(|record: &Self| record.versus == RECORD_VERSION)
    }
}

/// A [`Record`] as a line of `records.csv`, which has every column in every line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordLine {
    message_id: MessageId,
    seq: Option<u64>,
    receive_count: u32,
    sent_ms: Option<u64>,
    first_received_ms: Option<u64>,
    started_ns: Option<u64>,
    waited_ns: Option<u64>,
    work_ns: Option<u64>,
    worker: Option<String>,
    cold_start: bool,
    ok: bool,
}

impl From<Record> for RecordLine {
    fn from(record: Record) -> Self {
        // A line break within a line would make it two when it is cut off there.
        let one_line = |name: String| name.replace(|c: char| c.is_control(), " ");
        Self {
            message_id: record.message_id,
            seq: record.seq,
            receive_count: record.receive_count,
            sent_ms: record.sent_ms,
            first_received_ms: record.first_received_ms,
            started_ns: record.started_ns,
            waited_ns: record.waited_ns,
            work_ns: record.work_ns,
            worker: record.worker.map(one_line),
            cold_start: record.cold_start,
            ok: record.ok,
        }
    }
}

impl From<RecordLine> for Record {
    fn from(line: RecordLine) -> Self {
        Self {
            versus: RECORD_VERSION,
            message_id: line.message_id,
            seq: line.seq,
            receive_count: line.receive_count,
            sent_ms: line.sent_ms,
            first_received_ms: line.first_received_ms,
            started_ns: line.started_ns,
            waited_ns: line.waited_ns,
            work_ns: line.work_ns,
            worker: line.worker,
            cold_start: line.cold_start,
            ok: line.ok,
        }
    }
}

/// A file of the journal, open for appending. Several processes may append to one file.
#[derive(Debug)]
pub struct Appender {
    writer: csv::Writer<Chunk>,
}

impl Appender {
    /// Opens `path` for appending. A last line that was cut short is taken away: whoever wrote it is gone.
    ///
    /// # Errors
    /// Names the file that cannot be written.
    pub fn open(path: &Path) -> Result<Self> {
        let open = || -> std::io::Result<(File, bool)> {
            let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
            lock(&file);
            let length = file.metadata()?.len();
            let whole = whole_lines(&mut file, length)?;
            if whole < length {
                file.set_len(whole)?;
            }
            unlock(&file);
            Ok((file, whole == 0))
        };
        let (file, empty) = open().with_context(|| format!("writing {}", path.display()))?;
        let sink = Chunk { file, bytes: Vec::new() };
        let writer = csv::WriterBuilder::new().has_headers(empty).from_writer(sink);
        Ok(Self { writer })
    }

    /// Appends a line.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, line: &impl Serialize) -> Result<()> {
        self.writer.serialize(line).context("writing the journal")?;
        if self.writer.get_ref().bytes.len() >= CHUNK_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands what was added to the system: it then survives this process.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.writer.flush().context("writing the journal")
    }
}

/// Size from which lines are handed to the system unasked.
const CHUNK_BYTES: usize = 64 * 1024;

/// Lines on their way to a file. It is flushed at the ends of lines only, and then written by one process at a time:
/// the lines of several processes do not mix.
#[derive(Debug)]
struct Chunk {
    file: File,
    bytes: Vec<u8>,
}

impl Write for Chunk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        lock(&self.file);
        let written = self.file.write_all(&self.bytes);
        unlock(&self.file);
        // Even if it failed: half of it may be there.
        self.bytes.clear();
        written
    }
}

/// Waits for whoever else has locked the file, or folder, and locks it until it is closed or unlocked. Where files
/// cannot be locked, one process alone may write.
pub fn lock(file: &File) {
    while file.lock().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {}
}

fn unlock(file: &File) {
    // What was not locked needs no unlocking.
    let _ = file.unlock();
}

/// Length of a file up to the end of its last whole line.
fn whole_lines(file: &mut File, length: u64) -> std::io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(4096);
        let mut chunk = vec![0; (end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut chunk)?;
        if let Some(index) = chunk.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + index as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Reads a file of the journal: its lines in order, and how many could not be read. A last line without an end was cut
/// short, however whole it looks. A head may come again: several processes may have begun the file.
pub fn read<T: DeserializeOwned>(source: impl Read, mut each: impl FnMut(T)) -> u64 {
    let mut whole = WholeLines { source, held: Vec::new(), ready: 0 };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(&mut whole);
    let head = reader.headers().cloned().ok();
    let mut unread = 0;
    let mut line = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut line) {
            Ok(false) => break,
            Ok(true) if head.as_ref() == Some(&line) => {}
            Ok(true) => match line.deserialize(head.as_ref()) {
                Ok(line) => each(line),
                Err(_) => unread += 1,
            },
            Err(_) => unread += 1,
        }
    }
    drop(reader);
    unread + u64::from(!whole.held.is_empty())
}

/// Passes on what ends with a newline and holds back the rest.
struct WholeLines<R> {
    source: R,
    held: Vec<u8>,
    /// How much of `held` may be passed on.
    ready: usize,
}

impl<R: Read> Read for WholeLines<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.ready == 0 {
            let mut chunk = [0; 16 * 1024];
            let count = self.source.read(&mut chunk)?;
            if count == 0 {
                return Ok(0);
            }
            self.held.extend_from_slice(&chunk[..count]);
            self.ready = self.held.iter().rposition(|&byte| byte == b'\n').map_or(0, |index| index + 1);
        }
        let count = self.ready.min(out.len());
        out[..count].copy_from_slice(&self.held[..count]);
        self.held.drain(..count);
        self.ready -= count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_or_hashes() {
        let text = "0f8fad5b-d9cb-469f-a165-70867728950e";
        assert_eq!(MessageId::new(text).to_string(), text);
        let other = MessageId::new("not a uuid");
        assert_ne!(other, MessageId::new("not a UUID"));
        assert_eq!(MessageId::new(&other.to_string()), other);
    }

    #[test]
    fn a_record_is_found_in_a_line_and_a_minimal_one_is_enough() {
        let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let minimal = format!("{{\"versus\":1,\"message_id\":\"{id}\"}}");
        let record = Record::parse(&format!("2026-11-20 INFO {minimal}")).unwrap();
        assert_eq!(record, Record::new(MessageId::new(id)));
        let full = Record { seq: Some(4), work_ns: Some(7), ok: false, ..record };
        assert_eq!(Record::parse(&serde_json::to_string(&full).unwrap()), Some(full));
        for other in ["", "{", "hello {\"a\":1}", "{\"versus\":2,\"message_id\":\"x\"}", "{\"versus\":1}"] {
            assert_eq!(Record::parse(other), None, "{other}");
        }
    }

    fn sent(seq: u64) -> Sent {
        Sent {
            seq,
            scheduled_at: 10,
            issued_at: 11,
            answered_at: 12,
            attempts: 1,
            message: Some(MessageId(5)),
            error: None,
        }
    }

    /// As seeders do that send parts of one plan, each a process.
    #[test]
    fn lines_of_several_writers_of_one_file_do_not_mix() {
        let folder = std::env::temp_dir().join(format!("versus-writers-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(SENDS);
        let (writers, lines) = (4, 5_000);
        std::thread::scope(|scope| {
            for writer in 0..writers {
                let path = &path;
                scope.spawn(move || {
                    let mut appender = Appender::open(path).unwrap();
                    for line in 0..lines {
                        appender.add(&sent(writer * lines + line)).unwrap();
                        // Who comes later leaves alone what is there.
                        if line % 500 == 499 {
                            appender = Appender::open(path).unwrap();
                        }
                    }
                });
            }
        });
        let mut seqs = Vec::new();
        let unread = read(File::open(&path).unwrap(), |line: Sent| seqs.push(line.seq));
        std::fs::remove_dir_all(&folder).unwrap();
        seqs.sort_unstable();
        assert_eq!(unread, 0);
        assert_eq!(seqs, (0..writers * lines).collect::<Vec<_>>());
    }

    #[test]
    fn a_head_that_comes_again_is_no_line() {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(sent(1)).unwrap();
        let bytes = writer.into_inner().unwrap().repeat(2);
        let mut seqs = Vec::new();
        assert_eq!(read(bytes.as_slice(), |line: Sent| seqs.push(line.seq)), 0);
        assert_eq!(seqs, [1, 1]);
    }

    #[test]
    fn a_journal_that_was_cut_off_keeps_its_whole_lines() {
        let sent = sent(1);
        let sighting =
            Sighting { at: 3, message: MessageId(5), sight: Sight::Received, receive_count: 1, seq: None };
        let folder = std::env::temp_dir().join(format!("versus-journal-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(SENDS);
        for _ in 0..2 {
            let mut appender = Appender::open(&path).unwrap();
            appender.add(&sent).unwrap();
            appender.flush().unwrap();
        }
        let bytes = std::fs::read(&path).unwrap();
        for cut in [1, 9] {
            std::fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
            let mut appender = Appender::open(&path).unwrap();
            appender.add(&sent).unwrap();
            appender.flush().unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), bytes, "what was cut off is written again");
        }
        std::fs::write(&path, b"seq,sche").unwrap();
        drop(Appender::open(&path).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0, "not even the head was whole");
        std::fs::remove_dir_all(&folder).unwrap();
        let mut back = Vec::new();
        assert_eq!(read(bytes.as_slice(), |line: Sent| back.push(line)), 0);
        assert_eq!(back, [sent.clone(), sent.clone()]);
        back.clear();
        for cut in [1, 2, 9] {
            back.clear();
            assert_eq!(read(&bytes[..bytes.len() - cut], |line: Sent| back.push(line)), 1);
            assert_eq!(back, std::slice::from_ref(&sent));
        }
        let full = Record {
            seq: Some(1),
            sent_ms: Some(2),
            first_received_ms: Some(3),
            started_ns: Some(4),
            waited_ns: Some(5),
            work_ns: Some(6),
            worker: Some("task \"1\", zone a".into()),
            cold_start: true,
            ok: false,
            ..Record::new(MessageId(5))
        };
        let records = [Record::new(MessageId(7)), full];
        let mut writer = csv::Writer::from_writer(Vec::new());
        records.iter().for_each(|record| writer.serialize(RecordLine::from(record.clone())).unwrap());
        let mut seen: Vec<Record> = Vec::new();
        assert_eq!(read(&writer.into_inner().unwrap()[..], |line: RecordLine| seen.push(line.into())), 0);
        assert_eq!(seen, records);
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(sighting).unwrap();
        let bytes = writer.into_inner().unwrap();
        let mut seen = Vec::new();
        assert_eq!(read(bytes.as_slice(), |line: Sighting| seen.push(line)), 0);
        assert_eq!(seen, [sighting]);
    }
}
