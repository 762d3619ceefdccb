//! The accounts of all messages of one stack, filled from its journal.

use super::account::{Account, At, Loss, NOBODY, flag, signed};
use super::attempt::Clocks;
use super::ids::{Ids, fingerprint};
use super::read_lines;
use anyhow::Result;
use hdrhistogram::Histogram;
use model::journal::{self, MessageId, Record, RecordLine, Sent, Sight, Sighting};
use model::time::{MICROSECOND, Nanos};
use model::windows::empty_histogram;
use std::collections::BTreeMap;
use std::path::Path;

/// The accounts of a stack.
pub(crate) struct Accounts {
    messages: Vec<Account>,
    ids: Ids,
    clocks: Clocks,
    /// Whether any worker printed a record.
    workers_tell: bool,
    workers: BTreeMap<String, u32>,
    /// Why messages were not taken; the first two stand for what is not known, and for the rest.
    errors: Vec<String>,
    /// How late sends were issued, in microseconds.
    pub(crate) issued_late: Histogram<u64>,
    /// Sends issued before their instant.
    pub(crate) issued_early: u64,
    /// Messages that took more than one call.
    pub(crate) retried: u64,
    /// Lines that could not be read.
    pub(crate) unread: u64,
    /// Lines about messages that were not planned.
    pub(crate) unplanned: u64,
    /// Attempts whose start was taken between two clocks.
    pub(crate) crossed: u64,
    /// The last instant that seeder or queue saw.
    pub(crate) last_seen: Nanos,
}

impl Accounts {
    /// Reads the journal in `place` of a run with so many planned messages.
    pub(crate) fn read(place: &Path, planned: u64, started_ns: u64, is_lambda: bool) -> Result<Self> {
        let planned = usize::try_from(planned)?;
        let mut accounts = Self {
            messages: vec![Account::default(); planned],
            ids: Ids::with_capacity(planned),
            clocks: Clocks { started_ns, one_machine: false, worker_receives: !is_lambda },
            workers_tell: false,
            workers: BTreeMap::new(),
            errors: vec!["no reason was told".into(), "other reasons".into()],
            issued_late: empty_histogram(),
            issued_early: 0,
            retried: 0,
            unread: 0,
            unplanned: 0,
            crossed: 0,
            last_seen: 0,
        };
        accounts.read_all(place)?;
        accounts.ids = Ids::default();
        Ok(accounts)
    }

    fn read_all(&mut self, place: &Path) -> Result<()> {
        self.unread += read_lines(place, journal::SENDS, |sent: Sent| self.sent(&sent))?;
        self.ids.sort();
        // Ids that the seeder does not know: the answer to a send was lost, or the end of its file was.
        read_lines(place, journal::SIGHTINGS, |sighting: Sighting| {
            self.clocks.one_machine = true;
            if sighting.sight == Sight::Sent {
                self.taken(sighting.message, sighting.seq);
            }
        })?;
        self.ids.sort();
        read_lines(place, journal::RECORDS, |line: RecordLine| {
            let record = Record::from(line);
            self.named(record.message_id, record.seq);
        })?;
        self.ids.sort();
        // Records before sightings: a receive is that of the attempt that completed the message.
        self.unread += read_lines(place, journal::RECORDS, |line: RecordLine| self.record(&line.into()))?;
        self.unread += read_lines(place, journal::SIGHTINGS, |sighting: Sighting| self.sighting(&sighting))?;
        Ok(())
    }

    /// The account of a message.
    pub(crate) fn message(&self, seq: u64) -> &Account {
        &self.messages[seq as usize]
    }

    /// How long each worker took to start, at most: the least that one of its first messages waited for it. The others
    /// waited for those before them in the batch, too.
    pub(crate) fn cold_starts(&self) -> BTreeMap<u32, Nanos> {
        let mut least = BTreeMap::new();
        for (worker, start) in self.messages.iter().filter_map(Account::cold_start) {
            least.entry(worker).and_modify(|least: &mut Nanos| *least = start.min(*least)).or_insert(start);
        }
        least
    }

    /// Frees what the next stack needs.
    pub(crate) fn forget_messages(&mut self) {
        self.messages = Vec::new();
    }

    /// Why a message was lost, for people.
    pub(crate) fn reason(&self, loss: Loss) -> String {
        match loss {
            Loss::Refused(number) => {
                format!("never taken by the queue ({})", self.errors[usize::from(number)])
            }
            Loss::Expired => "expired or purged".into(),
            Loss::DeletedFailed => "deleted after a failed attempt".into(),
            Loss::DeletedUntold => "deleted, but no worker told that it was done".into(),
            Loss::GoneUntold => "gone from its queue, but no worker told that it was done".into(),
        }
    }

    fn planned(&self, seq: Option<u64>) -> Option<u32> {
        seq.filter(|seq| *seq < self.messages.len() as u64).map(|seq| seq as u32)
    }

    /// The queue took a message of this run; mostly the seeder said so, too.
    fn taken(&mut self, id: MessageId, seq: Option<u64>) {
        let Some(seq) = self.planned(seq) else { return };
        self.messages[seq as usize].flags |= flag::NAMED;
        self.ids.add(id, seq);
    }

    /// A worker says which message an id stands for.
    fn named(&mut self, id: MessageId, seq: Option<u64>) {
        if let Some(seq) = self.seq(id, seq) {
            self.ids.add(id, seq);
        }
    }

    /// The planned message that an id stands for. What the message itself says counts only where it may have been
    /// taken under an id that is not known: an earlier run of the same plan may have left its messages behind.
    fn seq(&self, id: MessageId, seq: Option<u64>) -> Option<u32> {
        self.ids.seq(id).or_else(|| {
            self.planned(seq).filter(|seq| {
                let account = &self.messages[*seq as usize];
                !account.has(flag::NAMED) || account.has(flag::RETRIED)
            })
        })
    }

    /// Whether neither queue nor workers told of single messages.
    pub(crate) fn nobody_told(&self) -> bool {
        !self.workers_tell && !self.queue_tells()
    }

    /// Messages that the queue took.
    pub(crate) fn accepted(&self) -> u64 {
        self.messages.iter().filter(|account| account.accepted()).count() as u64
    }

    /// Whether the queue told what it saw.
    pub(crate) fn queue_tells(&self) -> bool {
        self.clocks.one_machine
    }

    fn sent(&mut self, sent: &Sent) {
        let Some(seq) = self.planned(Some(sent.seq)) else {
            self.unplanned += 1;
            return;
        };
        self.last_seen = self.last_seen.max(sent.answered_at);
        match sent.issued_at.checked_sub(sent.scheduled_at) {
            Some(late) => self.issued_late.saturating_record(late / MICROSECOND),
            None => self.issued_early += 1,
        }
        self.retried += u64::from(sent.attempts > 1);
        let account = &mut self.messages[seq as usize];
        account.flags |= flag::TRIED | if sent.attempts > 1 { flag::RETRIED } else { 0 };
        if let Some(id) = sent.message {
            if !account.accepted() {
                account.sent = At::of(signed(sent.answered_at));
            }
            account.flags |= flag::ACCEPTED | flag::NAMED;
            account.fingerprint = fingerprint(id);
            self.ids.add(id, seq);
        } else if let Some(error) = &sent.error {
            account.error = number_of(&mut self.errors, error);
        }
    }

    fn record(&mut self, record: &Record) {
        self.workers_tell = true;
        let Some(seq) = self.seq(record.message_id, record.seq) else {
            self.unplanned += 1;
            return;
        };
        let account = &mut self.messages[seq as usize];
        account.flags |= flag::ACCEPTED;
        account.receive_count = account.receive_count.max(record.receive_count);
        if !record.ok {
            account.flags |= flag::FAILED;
            return;
        }
        let instants = self.clocks.instants(record, account.sent.get());
        let (started, finished) = (At::of(instants.started), At::of(instants.finished));
        let id = fingerprint(record.message_id);
        // The same attempt, printed or read twice.
        let again = account.completions == 1 && account.fingerprint == id && account.started == started;
        if again && instants.started.is_some() {
            return;
        }
        account.completions = account.completions.saturating_add(1);
        let earlier = instants.finished.zip(account.finished.get()).is_some_and(|(new, old)| new < old);
        if account.completions > 1 && !earlier {
            return;
        }
        self.crossed += u64::from(instants.crossed);
        let worker = record.worker.as_ref().map_or(NOBODY, |name| {
            let next = self.workers.len() as u32;
            *self.workers.entry(name.clone()).or_insert(next)
        });
        account.received = At::of(instants.received);
        (account.started, account.finished) = (started, finished);
        (account.worker, account.fingerprint) = (worker, id);
        account.attempt = record.receive_count as u16;
        account.flags &= !flag::COLD_START;
        account.flags |= if record.cold_start { flag::COLD_START } else { 0 };
    }

    fn sighting(&mut self, sighting: &Sighting) {
        let Some(seq) = self.seq(sighting.message, sighting.seq) else {
            self.unplanned += 1;
            return;
        };
        self.last_seen = self.last_seen.max(sighting.at);
        let account = &mut self.messages[seq as usize];
        account.flags |= flag::ACCEPTED;
        account.receive_count = account.receive_count.max(sighting.receive_count);
        let at = At::of(signed(sighting.at));
        let id = fingerprint(sighting.message);
        match sighting.sight {
            Sight::Sent => {
                // Of a message that was sent twice by mistake, the first counts.
                if !account.has(flag::SENT_SEEN) || at.get() < account.sent.get() {
                    account.sent = at;
                }
                account.flags |= flag::SENT_SEEN;
            }
            Sight::Received if self.workers_tell => {
                if account.completed() && account.fingerprint == id {
                    account.seen_received(at, sighting.receive_count as u16);
                }
            }
            Sight::Received => {
                if !account.completed() {
                    (account.received, account.fingerprint) = (at, id);
                }
            }
            Sight::Deleted => self.deleted(seq, at, id),
            Sight::DeadLettered => account.flags |= flag::DEAD_LETTERED,
            Sight::Expired => account.flags |= flag::EXPIRED,
        }
    }

    fn deleted(&mut self, seq: u32, at: At, id: u32) {
        let account = &mut self.messages[seq as usize];
        let first = !account.has(flag::DELETED);
        account.flags |= flag::DELETED;
        if !self.workers_tell {
            account.completions = account.completions.saturating_add(1);
            if first && account.fingerprint != id {
                account.received = At::NONE;
            }
            account.fingerprint = id;
        }
        if first {
            account.deleted = at;
        }
    }
}

/// Most reasons that are told apart.
const MOST_ERRORS: usize = 100;

/// The number of a reason among those seen.
fn number_of(errors: &mut Vec<String>, error: &str) -> u16 {
    let found = errors.iter().position(|known| known == error);
    let index = match found {
        Some(index) => index,
        None if errors.len() < MOST_ERRORS => {
            errors.push(error.to_owned());
            errors.len() - 1
        }
        None => 1,
    };
    index as u16
}
