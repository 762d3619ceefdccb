//! The accounts of one stack: ledger, latency windows, series, usage.
//!
//! Goals: constant cost per message, memory by windows and outstanding messages only.
//! Non-goals: knowing what consumes the queue.

use crate::journeys::Journeys;
use crate::load::{End, Load, SENT_ON};
use crate::meters::Meters;
use crate::sends::Sends;
use model::breakdown::{self, Breakdown};
use model::plan::{Arrival, PlanHash};
use model::record::{Ledger, MessageRecord, Outcome};
use model::run::Activity;
use model::sample::Sampler;
use model::series::{Series, metric};
use model::streams::StreamRun;
use model::time::{Nanos, seconds};
use model::usage::{Item, Usage, sqs_requests};
use model::windows::{Recorder, Spans, Windows};
use platform::sqs::{self, Deleted, Destination, Queue, Receipt};
use std::collections::BTreeMap;

/// One attempt at a message, as its worker saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) receipt: Receipt,
    pub(crate) received_at: Nanos,
    pub(crate) started_at: Nanos,
    pub(crate) finished_at: Nanos,
    pub(crate) receive_count: u32,
    pub(crate) worker: u32,
    /// What of received to started the worker needed to start; 0 if it was ready.
    pub(crate) cold: Nanos,
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
}

/// A message that has left the queue, but not all workers.
#[derive(Clone, Copy, Debug)]
struct Lingering {
    load: Load,
    receive_count: u32,
    to: Option<Destination>,
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
    warmup: Nanos,
    recorder: Recorder,
    breakdown: breakdown::Recorder,
    sampler: Sampler,
    pub(crate) meters: Meters,
    /// Messages that left the queue while a worker still held them.
    lingering: BTreeMap<sqs::Message, Lingering>,
    records: Option<Vec<MessageRecord>>,
    sends: Sends,
    /// `None` for plain messages of one kind.
    journeys: Option<Box<Journeys>>,
    /// Bytes of a message whose body is in S3.
    pointer_bytes: u32,
    /// Queues that a receive which finds nothing has asked.
    queues: u64,
}

/// Most activities kept: a run that scales more often than that is told in the series.
const ACTIVITIES_MAX: usize = 10_000;

impl Books {
    pub(crate) fn new(window: Nanos, warmup: Nanos, log_bytes_per_message: u32, keep_records: bool) -> Self {
        Self {
            ledger: Ledger::default(),
            hash: PlanHash::default(),
            counters: Counters::default(),
            requests: Requests::default(),
            log_bytes: 0,
            activities: Vec::new(),
            log_bytes_per_message: u64::from(log_bytes_per_message),
            warmup,
            recorder: Recorder::new(window),
            breakdown: breakdown::Recorder::default(),
            sampler: Sampler::default(),
            meters: Meters::new(window),
            lingering: BTreeMap::new(),
            records: keep_records.then(Vec::new),
            sends: Sends::default(),
            journeys: None,
            pointer_bytes: 0,
            queues: 1,
        }
    }

    /// The accounts of messages that are not all of one kind, out of `queues` queues.
    pub(crate) fn with_journeys(
        self,
        journeys: Option<Box<Journeys>>,
        pointer_bytes: u32,
        queues: u64,
    ) -> Self {
        Self { journeys, pointer_bytes, queues, ..self }
    }

    /// Plans a message and counts the request that sends it.
    #[inline(always)]
    pub(crate) fn sent(&mut self, arrival: &Arrival) -> Load {
        self.hash.add(arrival);
        self.ledger.planned += 1;
        self.counters.sent += 1;
        let window = self.recorder.planned(arrival.at) as u16;
        if self.records.is_some() {
            self.record_sent(arrival);
        }
        let mut load = Load {
            seq: arrival.seq as u32,
            at: arrival.at,
            work: arrival.work,
            bytes: arrival.bytes,
            window,
            stream: arrival.stream as u8,
            hop: 0,
            flags: 0,
            failures: arrival.failures,
            completions: 0,
            holders: 0,
        };
        if let Some(journeys) = &mut self.journeys {
            journeys.planned(arrival, &mut load);
        }
        self.requests.send += self.sends.requests(arrival.at, self.payload(&load));
        load
    }

    /// Bytes that the queue carries for a message.
    #[inline]
    pub(crate) fn payload(&self, load: &Load) -> u64 {
        u64::from(load.payload(self.pointer_bytes))
    }

    /// A worker has done what a hop asks for: the message of the next one, to be sent now. `None` if it was sent on
    /// before, by another attempt: whoever works on it twice sends it on once.
    pub(crate) fn send_on(&mut self, queue: &mut Queue<Load>, attempt: &Attempt) -> Option<Load> {
        let load = match queue.payload_mut(attempt.receipt) {
            Some(load) => load,
            None => &mut self.lingering.get_mut(&attempt.receipt.message())?.load,
        };
        if load.flags & SENT_ON != 0 {
            return None;
        }
        load.flags |= SENT_ON;
        let next = self.journeys.as_mut()?.send_on(load, attempt);
        self.requests.send += sqs_requests(u64::from(next.payload(self.pointer_bytes)));
        Some(next)
    }

    /// A worker fetches a message's body from S3.
    #[inline]
    pub(crate) fn fetched(&mut self, object: u32) {
        if let Some(journeys) = &mut self.journeys {
            journeys.gets += u64::from(object > 0);
        }
    }

    #[cold]
    fn record_sent(&mut self, arrival: &Arrival) {
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
        self.counters.empty_receives += count * self.queues;
        self.requests.empty_receive += count * self.queues;
    }

    /// An attempt succeeded, and its message is deleted; the delete is answered at `deleted_at`.
    #[inline]
    pub(crate) fn finished(&mut self, queue: &mut Queue<Load>, attempt: &Attempt, deleted_at: Nanos) {
        // Only what is needed is read back: a copy of the whole would wait for the small stores just made.
        let seen = queue.delete_after(attempt.receipt, |load| {
            self.account(load, attempt, Some(deleted_at));
            (load.end(), (load.holders > 0).then_some(*load))
        });
        self.counters.deleted += 1;
        match seen {
            Some(((end, None), Deleted::Gone(()))) => {
                let outcome = if end.completions == 1 { Outcome::Completed } else { Outcome::CompletedMore };
                self.close(end, attempt.receive_count, outcome);
            }
            Some(((_, Some(load)), Deleted::Gone(()))) => {
                self.settle(Some(attempt.receipt.message()), load, attempt.receive_count, None);
            }
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
        if let Some(mut left) = self.lingering.get(&message).copied() {
            self.account(&mut left.load, attempt, deleted_at);
            self.lingering.insert(message, left);
            self.release_lingering(message);
        }
    }

    /// Counts a successful attempt; the first one of a message is its completion.
    #[inline]
    fn account(&mut self, load: &mut Load, attempt: &Attempt, deleted_at: Option<Nanos>) {
        self.log_bytes += self.log_bytes_per_message;
        load.holders = load.holders.saturating_sub(1);
        if load.onward() {
            return;
        }
        load.completions = load.completions.saturating_add(1);
        if load.completions > 1 {
            return;
        }
        self.counters.completed += 1;
        let mut cold = attempt.cold;
        let mut spans = Spans {
            latency: attempt.finished_at - load.at,
            queue: attempt.received_at - load.at,
            start: attempt.started_at - attempt.received_at,
            work: attempt.finished_at - attempt.started_at,
            acknowledge: deleted_at.map(|at| at - attempt.finished_at),
        };
        if let Some(journeys) = &mut self.journeys {
            cold = journeys.completed(load, attempt, &mut spans);
        }
        self.recorder.completed(u32::from(load.window), &spans);
        self.sampler.completed(u64::from(load.seq), load.at, spans.latency);
        if load.at >= self.warmup {
            self.breakdown.completed(0, &spans, cold);
        }
        if self.records.is_some() {
            self.record(load, attempt, deleted_at);
        }
    }

    #[cold]
    fn record(&mut self, load: &Load, attempt: &Attempt, deleted_at: Option<Nanos>) {
        let Some(record) = self.records.as_mut().and_then(|records| record_of(records, load.seq)) else {
            return;
        };
        record.received_at = Some(attempt.received_at);
        record.started_at = Some(attempt.started_at);
        record.finished_at = Some(attempt.finished_at);
        record.deleted_at = deleted_at;
        record.worker = Some(attempt.worker);
        record.cold_start = attempt.cold > 0;
    }

    /// An attempt ended without success: failed, killed, or never begun.
    #[inline]
    pub(crate) fn abandoned(&mut self, queue: &mut Queue<Load>, receipt: Receipt) {
        if let Some(load) = queue.payload_mut(receipt) {
            load.holders = load.holders.saturating_sub(1);
        } else if let Some(left) = self.lingering.get_mut(&receipt.message()) {
            left.load.holders = left.load.holders.saturating_sub(1);
            self.release_lingering(receipt.message());
        }
    }

    /// Books the messages that went to the dead-letter queue or expired.
    pub(crate) fn departures(&mut self, queue: &mut Queue<Load>) {
        for gone in queue.departures() {
            self.settle(gone.message, gone.payload, gone.receive_count, Some(gone.to));
        }
    }

    /// A message has left the queue: its outcome is known, unless a worker still holds it.
    #[inline]
    fn settle(
        &mut self,
        message: Option<sqs::Message>,
        load: Load,
        receive_count: u32,
        to: Option<Destination>,
    ) {
        if let (1.., Some(message)) = (load.holders, message) {
            self.lingering.insert(message, Lingering { load, receive_count, to });
            return;
        }
        self.close(load.end(), receive_count, outcome_of(&load, to));
    }

    fn release_lingering(&mut self, message: sqs::Message) {
        if let Some(left) = self.lingering.get(&message).copied().filter(|left| left.load.holders == 0) {
            self.lingering.remove(&message);
            self.settle(Some(message), left.load, left.receive_count, left.to);
        }
    }

    #[inline]
    fn close(&mut self, load: End, receive_count: u32, outcome: Outcome) {
        if load.flags & SENT_ON != 0 {
            return;
        }
        self.ledger.count(outcome);
        if let Some(journeys) = &mut self.journeys {
            journeys.closed(load.stream, load.seq, outcome);
        }
        if load.completions == 0 {
            self.recorder.settled(u32::from(load.window));
        }
        if let Some(record) = self.records.as_mut().and_then(|records| record_of(records, load.seq)) {
            record.outcome = outcome;
            record.receive_count = receive_count;
        }
    }

    /// Notes what scaling or the platform did.
    pub(crate) fn note(&mut self, activity: Activity) {
        if self.activities.len() < ACTIVITIES_MAX {
            self.activities.push(activity);
        }
    }

    /// Samples what every queue has and opens the next window. The stack samples its own first.
    pub(crate) fn close_window(&mut self, now: Nanos, queue: &Queue<Load>) {
        let c = std::mem::take(&mut self.counters);
        let age = queue.oldest_sent_at().map_or(0.0, |sent_at| seconds(now.saturating_sub(sent_at)));
        self.meters.sample(metric::SENT, "Count", "Sum", c.sent as f64);
        self.meters.sample(metric::RECEIVED, "Count", "Sum", c.received as f64);
        self.meters.sample(metric::DELETED, "Count", "Sum", c.deleted as f64);
        self.meters.sample(metric::COMPLETED, "Count", "Sum", c.completed as f64);
        self.meters.sample(metric::EMPTY_RECEIVES, "Count", "Sum", c.empty_receives as f64);
        self.meters.sample(metric::VISIBLE, "Count", "Maximum", c.visible_max.max(queue.visible()) as f64);
        self.meters.sample(
            metric::NOT_VISIBLE,
            "Count",
            "Maximum",
            c.not_visible_max.max(queue.in_flight()) as f64,
        );
        self.meters.sample(metric::OLDEST_AGE, "Seconds", "Maximum", age);
        self.sample_journeys();
        let r = self.requests;
        for (variant, total) in [
            ("send", r.send),
            ("receive", r.receive),
            ("empty-receive", r.empty_receive),
            ("delete", r.delete),
        ] {
            self.meters.meter(Item::SqsRequests, variant, total);
        }
        self.meters.meter(Item::LogBytes, "", self.log_bytes);
        self.counters.visible_max = queue.visible();
        self.counters.not_visible_max = queue.in_flight();
        self.meters.next();
    }

    /// What only messages of several hops or groups have, and those whose bodies are in S3.
    fn sample_journeys(&mut self) {
        let Some(journeys) = &mut self.journeys else { return };
        let (has_groups, has_hops) = journeys.has();
        let (sent_on, shared) = (std::mem::take(&mut journeys.sent_on), std::mem::take(&mut journeys.shared));
        if has_hops {
            self.meters.sample(metric::SENT_ON, "Count", "Sum", sent_on as f64);
        }
        if has_groups {
            self.meters.sample(metric::SHARED_WORKERS, "Count", "Sum", shared as f64);
        }
        self.meters.meter(Item::S3Requests, "put", journeys.puts);
        self.meters.meter(Item::S3Requests, "get", journeys.gets);
    }

    /// Closes the accounts: whatever is still in the queue has failed or is in flight.
    pub(crate) fn finish(mut self, queue: &Queue<Load>, drained: &[usize]) -> Closed {
        // Whoever still holds what has left the queue will not change its outcome any more.
        for left in std::mem::take(&mut self.lingering).into_values() {
            self.close(left.load.end(), left.receive_count, outcome_of(&left.load, left.to));
        }
        for (load, receive_count) in queue.remaining() {
            let outcome = match (load.completions, receive_count) {
                (0, 0) => Outcome::InFlight,
                (0, _) if load.holders > 0 => Outcome::InFlight,
                (0, _) => Outcome::Failed,
                _ => outcome_of(load, None),
            };
            self.close(load.end(), receive_count, outcome);
        }
        let (hashes, streams) = match self.journeys {
            Some(journeys) => (journeys.hashes(), journeys.finish(drained)),
            None => (vec![self.hash], Vec::new()),
        };
        Closed {
            ledger: self.ledger,
            hashes,
            streams,
            windows: self.recorder.finish(),
            breakdown: self.breakdown.finish(),
            sampler: self.sampler,
            usage: self.meters.usage(),
            series: self.meters.into_series(),
            activities: self.activities,
            records: self.records,
        }
    }
}

/// The record of a message: they are in order of their numbers, some of which may be another stack's.
fn record_of(records: &mut [MessageRecord], seq: u32) -> Option<&mut MessageRecord> {
    let is_it = |record: &MessageRecord| record.seq == u64::from(seq);
    let at = match records.get(seq as usize) {
        Some(record) if is_it(record) => seq as usize,
        _ => records.binary_search_by_key(&u64::from(seq), |record| record.seq).ok()?,
    };
    records.get_mut(at)
}

/// The outcome of a message that has left the queue: deleted, unless `to` says otherwise.
fn outcome_of(load: &Load, to: Option<Destination>) -> Outcome {
    match (load.completions, to) {
        (0, Some(Destination::DeadLetterQueue)) => Outcome::DeadLettered,
        (0, _) => Outcome::Lost,
        (1, _) => Outcome::Completed,
        _ => Outcome::CompletedMore,
    }
}

/// Closed accounts.
pub(crate) struct Closed {
    pub(crate) ledger: Ledger,
    /// Of the plan, by stream.
    pub(crate) hashes: Vec<PlanHash>,
    pub(crate) streams: Vec<StreamRun>,
    pub(crate) windows: Windows,
    pub(crate) breakdown: Breakdown,
    pub(crate) sampler: Sampler,
    pub(crate) series: Vec<Series>,
    pub(crate) usage: Usage,
    pub(crate) activities: Vec<Activity>,
    pub(crate) records: Option<Vec<MessageRecord>>,
}
