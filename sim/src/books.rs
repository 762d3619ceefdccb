//! The accounts of one stack: ledger, latency windows, series, usage.
//!
//! Goals: constant cost per message, memory by windows and outstanding messages only.
//! Non-goals: knowing what consumes the queue.

use model::plan::{Arrival, PlanHash};
use model::record::{Ledger, MessageRecord, Outcome};
use model::run::Activity;
use model::series::{Series, metric};
use model::time::{Nanos, seconds};
use model::usage::{Item, Metered, Usage, sqs_requests};
use model::windows::{Recorder, Spans, Windows};
use platform::sqs::{self, Deleted, Destination, Queue, Receipt};
use std::collections::BTreeMap;

/// What a simulated message carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Position in the plan: a scenario has fewer than 2^32 messages.
    seq: u32,
    pub(crate) at: Nanos,
    pub(crate) work: Nanos,
    pub(crate) bytes: u32,
    pub(crate) window: u32,
    failures: u8,
    completions: u8,
    /// Workers that hold it now; more than one after a visibility timeout.
    holders: u8,
}

impl Load {
    /// Whether the attempt with this receive count fails.
    #[inline]
    pub(crate) fn fails(&self, receive_count: u32) -> bool {
        self.failures == u8::MAX || receive_count <= u32::from(self.failures)
    }
}

/// One attempt at a message, as its worker saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) receipt: Receipt,
    pub(crate) received_at: Nanos,
    pub(crate) started_at: Nanos,
    pub(crate) finished_at: Nanos,
    pub(crate) receive_count: u32,
    pub(crate) worker: u32,
    pub(crate) cold_start: bool,
}

/// A series that is sampled once per window.
#[derive(Clone, Debug)]
struct Track {
    metric: &'static str,
    unit: &'static str,
    statistic: &'static str,
    points: Vec<(Nanos, f64)>,
}

/// A metered quantity, in total and per window.
#[derive(Clone, Debug)]
struct Tally {
    item: Item,
    variant: &'static str,
    total: u64,
    before: u64,
    points: Vec<(Nanos, f64)>,
}

/// Counters of the window that is open, by CloudWatch metric.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) deleted: u64,
    pub(crate) completed: u64,
    pub(crate) empty_receives: u64,
    pub(crate) visible_max: u64,
    pub(crate) not_visible_max: u64,
}

/// Requests of one action, in 64 KB chunks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Requests {
    pub(crate) send: u64,
    pub(crate) receive: u64,
    pub(crate) empty_receive: u64,
    pub(crate) delete: u64,
    pub(crate) dead_letter: u64,
}

/// The accounts.
pub(crate) struct Books {
    pub(crate) ledger: Ledger,
    pub(crate) hash: PlanHash,
    pub(crate) counters: Counters,
    pub(crate) requests: Requests,
    pub(crate) log_bytes: u64,
    pub(crate) activities: Vec<Activity>,
    log_bytes_per_message: u64,
    recorder: Recorder,
    window: Nanos,
    next_window: Nanos,
    tracks: Vec<Track>,
    tallies: Vec<Tally>,
    /// Messages that left the queue while a worker still held them.
    lingering: BTreeMap<sqs::Message, Load>,
    records: Option<Vec<MessageRecord>>,
    send_group: SendGroup,
}

/// Messages that fall due at one instant go into one SendMessageBatch.
#[derive(Clone, Copy, Debug, Default)]
struct SendGroup {
    at: Nanos,
    count: u32,
    bytes: u64,
}

/// Most messages, and most bytes, of one SendMessageBatch. Source: SQS API reference.
const BATCH_MESSAGES: u32 = 10;
const BATCH_BYTES: u64 = 1024 * 1024;

/// Most activities kept: a run that scales more often than that is told in the series.
const ACTIVITIES_MAX: usize = 10_000;

impl Books {
    pub(crate) fn new(window: Nanos, log_bytes_per_message: u32, keep_records: bool) -> Self {
        Self {
            ledger: Ledger::default(),
            hash: PlanHash::default(),
            counters: Counters::default(),
            requests: Requests::default(),
            log_bytes: 0,
            activities: Vec::new(),
            log_bytes_per_message: u64::from(log_bytes_per_message),
            recorder: Recorder::new(window),
            window,
            next_window: window,
            tracks: Vec::new(),
            tallies: Vec::new(),
            lingering: BTreeMap::new(),
            records: keep_records.then(Vec::new),
            send_group: SendGroup::default(),
        }
    }

    /// The end of the open window.
    #[inline]
    pub(crate) fn next_window(&self) -> Nanos {
        self.next_window
    }

    /// The start of the open window.
    pub(crate) fn window_start(&self) -> Nanos {
        self.next_window - self.window
    }

    /// Plans a message and counts the request that sends it.
    #[inline]
    pub(crate) fn sent(&mut self, arrival: &Arrival) -> Load {
        self.hash.add(arrival);
        self.ledger.planned += 1;
        self.counters.sent += 1;
        let window = self.recorder.planned(arrival.at);
        self.count_send(arrival.at, u64::from(arrival.bytes));
        if let Some(records) = &mut self.records {
            records.push(MessageRecord {
                seq: arrival.seq,
                scheduled_at: arrival.at,
                sent_at: Some(arrival.at),
                received_at: None,
                started_at: None,
                finished_at: None,
                deleted_at: None,
                receive_count: 0,
                worker: None,
                cold_start: false,
                outcome: Outcome::InFlight,
            });
        }
        Load {
            seq: arrival.seq as u32,
            at: arrival.at,
            work: arrival.work,
            bytes: arrival.bytes,
            window,
            failures: arrival.failures,
            completions: 0,
            holders: 0,
        }
    }

    #[inline]
    fn count_send(&mut self, at: Nanos, bytes: u64) {
        let group = &mut self.send_group;
        let joins = group.count > 0
            && group.at == at
            && group.count < BATCH_MESSAGES
            && group.bytes + bytes <= BATCH_BYTES;
        if joins {
            let before = sqs_requests(group.bytes);
            group.count += 1;
            group.bytes += bytes;
            self.requests.send += sqs_requests(group.bytes) - before;
        } else {
            *group = SendGroup { at, count: 1, bytes };
            self.requests.send += sqs_requests(bytes);
        }
    }

    /// A worker has the message now.
    #[inline]
    pub(crate) fn held(load: &mut Load) {
        load.holders = load.holders.saturating_add(1);
    }

    /// A receive that found messages of so many bytes in total.
    #[inline]
    pub(crate) fn received(&mut self, messages: u32, bytes: u64) {
        self.counters.received += u64::from(messages);
        self.requests.receive += sqs_requests(bytes);
    }

    /// Receives that found nothing.
    #[inline]
    pub(crate) fn empty_receives(&mut self, count: u64) {
        self.counters.empty_receives += count;
        self.requests.empty_receive += count;
    }

    /// An attempt succeeded, and its message is deleted; the delete is answered at `deleted_at`.
    #[inline]
    pub(crate) fn finished(&mut self, queue: &mut Queue<Load>, attempt: &Attempt, deleted_at: Nanos) {
        let seen = queue.delete_after(attempt.receipt, |load| {
            self.account(load, attempt, Some(deleted_at));
            *load
        });
        self.counters.deleted += 1;
        match seen {
            Some((load, Deleted::Gone(()))) => self.settle(Some(attempt.receipt.message()), load, None),
            Some(_) => {}
            None => self.account_lingering(attempt, Some(deleted_at)),
        }
    }

    /// An attempt succeeded, but its message will not be deleted.
    pub(crate) fn completed(&mut self, queue: &mut Queue<Load>, attempt: &Attempt) {
        match queue.payload_mut(attempt.receipt) {
            Some(load) => self.account(load, attempt, None),
            None => self.account_lingering(attempt, None),
        }
    }

    /// A message that left the queue while a worker held it is completed once more.
    #[cold]
    fn account_lingering(&mut self, attempt: &Attempt, deleted_at: Option<Nanos>) {
        let message = attempt.receipt.message();
        if let Some(mut load) = self.lingering.get(&message).copied() {
            self.account(&mut load, attempt, deleted_at);
            self.lingering.insert(message, load);
            self.release_lingering(message);
        }
    }

    /// Counts a successful attempt; the first one of a message is its completion.
    #[inline]
    fn account(&mut self, load: &mut Load, attempt: &Attempt, deleted_at: Option<Nanos>) {
        self.log_bytes += self.log_bytes_per_message;
        load.holders = load.holders.saturating_sub(1);
        load.completions = load.completions.saturating_add(1);
        if load.completions > 1 {
            return;
        }
        self.counters.completed += 1;
        let spans = Spans {
            latency: attempt.finished_at - load.at,
            queue: attempt.received_at - load.at,
            start: attempt.started_at - attempt.received_at,
            work: attempt.finished_at - attempt.started_at,
            acknowledge: deleted_at.map(|at| at - attempt.finished_at),
        };
        self.recorder.completed(load.window, &spans);
        if self.records.is_some() {
            self.record(load, attempt, deleted_at);
        }
    }

    #[cold]
    fn record(&mut self, load: &Load, attempt: &Attempt, deleted_at: Option<Nanos>) {
        let Some(records) = &mut self.records else { return };
        let record = &mut records[load.seq as usize];
        record.received_at = Some(attempt.received_at);
        record.started_at = Some(attempt.started_at);
        record.finished_at = Some(attempt.finished_at);
        record.deleted_at = deleted_at;
        record.receive_count = attempt.receive_count;
        record.worker = Some(attempt.worker);
        record.cold_start = attempt.cold_start;
    }

    /// An attempt ended without success: failed, killed, or never begun.
    #[inline]
    pub(crate) fn abandoned(&mut self, queue: &mut Queue<Load>, receipt: Receipt) {
        if let Some(load) = queue.payload_mut(receipt) {
            load.holders = load.holders.saturating_sub(1);
        } else if let Some(load) = self.lingering.get_mut(&receipt.message()) {
            load.holders = load.holders.saturating_sub(1);
            self.release_lingering(receipt.message());
        }
    }

    /// Books the messages that went to the dead-letter queue or expired.
    pub(crate) fn departures(&mut self, queue: &mut Queue<Load>) {
        let gone: Vec<_> = queue.departures().collect();
        for departure in gone {
            if departure.to == Destination::DeadLetterQueue {
                self.requests.dead_letter += sqs_requests(u64::from(departure.payload.bytes));
            }
            self.settle(departure.message, departure.payload, Some(departure.to));
        }
    }

    /// A message has left the queue: its outcome is known, unless a worker still holds it.
    #[inline]
    fn settle(&mut self, message: Option<sqs::Message>, load: Load, to: Option<Destination>) {
        if let (1.., None, Some(message)) = (load.holders, to, message) {
            self.lingering.insert(message, load);
            return;
        }
        let outcome = match (load.completions, to) {
            (0, Some(Destination::DeadLetterQueue)) => Outcome::DeadLettered,
            (0, _) => Outcome::Lost,
            (1, _) => Outcome::Completed,
            _ => Outcome::CompletedMore,
        };
        self.close(&load, outcome);
    }

    fn release_lingering(&mut self, message: sqs::Message) {
        if let Some(load) = self.lingering.get(&message).copied().filter(|load| load.holders == 0) {
            self.lingering.remove(&message);
            self.settle(Some(message), load, None);
        }
    }

    #[inline]
    fn close(&mut self, load: &Load, outcome: Outcome) {
        self.ledger.count(outcome);
        if load.completions == 0 {
            self.recorder.settled(load.window);
        }
        if let Some(records) = &mut self.records {
            records[load.seq as usize].outcome = outcome;
        }
    }

    /// Notes what scaling or the platform did.
    pub(crate) fn note(&mut self, activity: Activity) {
        if self.activities.len() < ACTIVITIES_MAX {
            self.activities.push(activity);
        }
    }

    /// Adds a point to a series of the stack's own; the order of first use is the order of the file.
    pub(crate) fn sample(
        &mut self,
        metric: &'static str,
        unit: &'static str,
        statistic: &'static str,
        value: f64,
    ) {
        let start = self.next_window - self.window;
        let track = match self.tracks.iter().position(|t| t.metric == metric) {
            Some(index) => &mut self.tracks[index],
            None => {
                self.tracks.push(Track { metric, unit, statistic, points: Vec::new() });
                let last = self.tracks.len() - 1;
                &mut self.tracks[last]
            }
        };
        track.points.push((start, value));
    }

    /// Sets a metered quantity to its total so far.
    pub(crate) fn meter(&mut self, item: Item, variant: &'static str, total: u64) {
        let start = self.next_window - self.window;
        let index = self.tallies.iter().position(|t| t.item == item && t.variant == variant);
        let index = index.unwrap_or_else(|| {
            self.tallies.push(Tally { item, variant, total: 0, before: 0, points: Vec::new() });
            self.tallies.len() - 1
        });
        let tally = &mut self.tallies[index];
        tally.total = total;
        if total > tally.before {
            tally.points.push((start, (total - tally.before) as f64));
            tally.before = total;
        }
    }

    /// Samples what every queue has and opens the next window. The stack samples its own first.
    pub(crate) fn close_window(&mut self, now: Nanos, queue: &Queue<Load>) {
        let c = std::mem::take(&mut self.counters);
        let age = queue.oldest_sent_at().map_or(0.0, |sent_at| seconds(now.saturating_sub(sent_at)));
        self.sample(metric::SENT, "Count", "Sum", c.sent as f64);
        self.sample(metric::RECEIVED, "Count", "Sum", c.received as f64);
        self.sample(metric::DELETED, "Count", "Sum", c.deleted as f64);
        self.sample(metric::COMPLETED, "Count", "Sum", c.completed as f64);
        self.sample(metric::EMPTY_RECEIVES, "Count", "Sum", c.empty_receives as f64);
        self.sample(metric::VISIBLE, "Count", "Maximum", c.visible_max.max(queue.visible()) as f64);
        self.sample(metric::NOT_VISIBLE, "Count", "Maximum", c.not_visible_max.max(queue.in_flight()) as f64);
        self.sample(metric::OLDEST_AGE, "Seconds", "Maximum", age);
        let r = self.requests;
        for (variant, total) in [
            ("send", r.send),
            ("receive", r.receive),
            ("empty-receive", r.empty_receive),
            ("delete", r.delete),
            ("dead-letter", r.dead_letter),
        ] {
            self.meter(Item::SqsRequests, variant, total);
        }
        self.meter(Item::LogBytes, "", self.log_bytes);
        self.counters.visible_max = queue.visible();
        self.counters.not_visible_max = queue.in_flight();
        self.next_window += self.window;
    }

    /// Closes the accounts: whatever is still in the queue has failed or is in flight.
    pub(crate) fn finish(mut self, queue: &Queue<Load>) -> Closed {
        let mut left: Vec<(Load, u32)> =
            queue.remaining().map(|(load, receive_count)| (*load, receive_count)).collect();
        left.extend(self.lingering.values().map(|load| (*load, u32::MAX)));
        for (load, receive_count) in left {
            let outcome = match (load.completions, receive_count) {
                (0, 0) => Outcome::InFlight,
                (0, _) if load.holders > 0 => Outcome::InFlight,
                (0, _) => Outcome::Failed,
                (1, _) => Outcome::Completed,
                _ => Outcome::CompletedMore,
            };
            self.close(&load, outcome);
        }
        Closed {
            ledger: self.ledger,
            hash: self.hash,
            windows: self.recorder.finish(),
            series: series_of(self.tracks, &self.tallies, self.window),
            usage: usage_of(&self.tallies),
            activities: self.activities,
            records: self.records,
        }
    }
}

/// Closed accounts.
pub(crate) struct Closed {
    pub(crate) ledger: Ledger,
    pub(crate) hash: PlanHash,
    pub(crate) windows: Windows,
    pub(crate) series: Vec<Series>,
    pub(crate) usage: Usage,
    pub(crate) activities: Vec<Activity>,
    pub(crate) records: Option<Vec<MessageRecord>>,
}

fn series_of(tracks: Vec<Track>, tallies: &[Tally], period: Nanos) -> Vec<Series> {
    let own = tracks.into_iter().map(|track| Series {
        metric: track.metric.into(),
        unit: track.unit.into(),
        statistic: track.statistic.into(),
        period,
        points: track.points,
    });
    let metered = tallies.iter().filter(|tally| tally.total > 0).map(|tally| Series {
        metric: Metered::new(tally.item, tally.variant, 0).series_name(),
        unit: tally.item.unit().into(),
        statistic: "Sum".into(),
        period,
        points: tally.points.clone(),
    });
    own.chain(metered).collect()
}

fn usage_of(tallies: &[Tally]) -> Usage {
    let mut metered: Vec<Metered> = tallies
        .iter()
        .filter(|tally| tally.total > 0)
        .map(|tally| Metered::new(tally.item, tally.variant, tally.total))
        .collect();
    metered.sort_by(|a, b| (a.item, &a.variant).cmp(&(b.item, &b.variant)));
    Usage { metered }
}
