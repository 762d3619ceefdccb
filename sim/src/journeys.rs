//! The accounts of messages that are not all of one kind: of several streams, with several hops, of several groups, or
//! with bodies in S3.
//!
//! Goals: a ledger and latencies per stream and hop; memory follows the messages that are under way; a scenario of plain
//! messages has none of this and pays nothing for it.
//! Non-goals: the accounts of the stack as a whole (`books`).

use crate::books::Attempt;
use crate::load::Load;
use model::plan::{Arrival, Hops, PlanHash};
use model::record::{Ledger, Outcome};
use model::scenario::{BetweenHops, Scenario, Stack};
use model::streams::{Latencies, StreamRun};
use model::time::Nanos;
use model::usage::Usage;
use model::windows::Spans;
use std::collections::BTreeMap;

/// Of the messages of one stack.
pub(crate) struct Journeys {
    hops: Hops,
    /// Per stream of the scenario.
    streams: Vec<StreamBooks>,
    /// Messages with several hops, or of groups, that are not done with.
    under_way: BTreeMap<u32, Journey>,
    /// Groups that workers have met.
    tenants: BTreeMap<u32, Tenants>,
    has_groups: bool,
    /// Hops follow each other within the worker.
    in_memory: bool,
    warmup: Nanos,
    pub(crate) puts: u64,
    pub(crate) gets: u64,
    /// In the open window.
    pub(crate) sent_on: u64,
    pub(crate) shared: u64,
}

struct StreamBooks {
    name: String,
    claim_check: Option<u32>,
    planned: PlanHash,
    whole: Row,
    /// Empty for messages with one hop.
    hops: Vec<Row>,
}

/// What became of one stream or hop.
struct Row {
    ledger: Ledger,
    work: Nanos,
    shared: u64,
    latency: Latencies,
}

impl Row {
    fn new() -> Self {
        Self { ledger: Ledger::default(), work: 0, shared: 0, latency: Latencies::default() }
    }

    fn completed(&mut self, latency: Nanos, work: Nanos, is_shared: bool, counts: bool) {
        self.work += work;
        self.shared += u64::from(is_shared);
        if counts {
            self.latency.record(latency);
        }
    }
}

/// A message on its way through its hops.
#[derive(Clone, Copy, Debug)]
struct Journey {
    group: u32,
    /// When it was sent to the hop that it is at.
    sent_at: Nanos,
    /// Summed over the hops behind it.
    queue: Nanos,
    start: Nanos,
    work: Nanos,
    cold: Nanos,
}

/// The groups whose messages a worker has met.
#[derive(Clone, Copy, Debug)]
struct Tenants {
    first: u32,
    has_others: bool,
}

impl Journeys {
    /// `None` if all messages that `stack` drains are plain ones of one kind.
    pub(crate) fn of(scenario: &Scenario, stack: &Stack) -> Option<Box<Self>> {
        let messages = scenario.messages();
        let has_groups = messages.iter().any(|message| message.groups > 1);
        let plain = messages.iter().all(|message| message.hops == 1 && message.claim_check.is_none());
        if plain && !has_groups && scenario.streams.is_empty() {
            return None;
        }
        let in_memory =
            stack.platform.fleet().is_some_and(|fleet| fleet.worker().between_hops == BetweenHops::Memory);
        let books = |(message, name): (&&model::scenario::Message, &&str)| StreamBooks {
            name: (*name).into(),
            claim_check: message.claim_check,
            planned: PlanHash::default(),
            whole: Row::new(),
            hops: (0..if in_memory || message.hops == 1 { 0 } else { message.hops })
                .map(|_| Row::new())
                .collect(),
        };
        Some(Box::new(Self {
            hops: Hops::new(scenario),
            streams: messages.iter().zip(&scenario.stream_names()).map(books).collect(),
            under_way: BTreeMap::new(),
            tenants: BTreeMap::new(),
            has_groups,
            in_memory,
            warmup: scenario.warmup,
            puts: 0,
            gets: 0,
            sent_on: 0,
            shared: 0,
        }))
    }

    /// A message is sent: says what it carries beyond a plain one.
    pub(crate) fn planned(&mut self, arrival: &Arrival, load: &mut Load) {
        let stream = &mut self.streams[usize::from(arrival.stream)];
        stream.planned.add(arrival);
        stream.whole.ledger.planned += 1;
        if let Some(first) = stream.hops.first_mut() {
            first.ledger.planned += 1;
        }
        if stream.claim_check.is_some_and(|most| arrival.bytes > most) {
            load.claim();
            self.puts += 1;
        }
        let hops = self.hops.of(arrival.stream);
        if self.in_memory {
            load.work +=
                (1..hops).map(|hop| self.hops.draw(arrival.stream, arrival.seq, hop).0).sum::<Nanos>();
            if hops > 1 && load.failures < u8::MAX {
                // An attempt fails if any of its hops does, and is made again as a whole.
                load.failures = self.hops.failures_of_all(arrival.stream, arrival.seq);
            }
        } else {
            load.set_onward(hops > 1);
        }
        if self.has_groups || hops > 1 {
            let journey =
                Journey { group: arrival.group, sent_at: arrival.at, queue: 0, start: 0, work: 0, cold: 0 };
            self.under_way.insert(load.seq, journey);
        }
    }

    /// A worker sends a message on: the message of the next hop.
    pub(crate) fn send_on(&mut self, load: &Load, attempt: &Attempt) -> Load {
        let is_shared = self.is_shared(load.seq, attempt.worker);
        let stream = &mut self.streams[usize::from(load.stream)];
        let mut sent_at = load.at;
        if let Some(journey) = self.under_way.get_mut(&load.seq) {
            sent_at = journey.sent_at;
            journey.queue += attempt.received_at.saturating_sub(journey.sent_at);
            journey.start += attempt.started_at - attempt.received_at;
            journey.work += attempt.finished_at - attempt.started_at;
            journey.cold += attempt.cold;
            journey.sent_at = attempt.finished_at;
        }
        let work = attempt.finished_at - attempt.started_at;
        let counts = load.at >= self.warmup;
        stream.whole.work += work;
        stream.whole.shared += u64::from(is_shared);
        let (here, next) = (usize::from(load.hop), usize::from(load.hop) + 1);
        stream.hops[here].ledger.completed += 1;
        stream.hops[here].completed(attempt.finished_at - sent_at, work, is_shared, counts);
        stream.hops[next].ledger.planned += 1;
        let last = next + 1 == stream.hops.len();
        self.sent_on += 1;
        self.puts += u64::from(load.object() > 0);
        let (work, failures) = self.hops.draw(u16::from(load.stream), u64::from(load.seq), next as u32);
        load.next_hop(work, failures, !last)
    }

    /// A message is completed for the first time: what its spans are over all its hops, and what of them was cold.
    pub(crate) fn completed(&mut self, load: &Load, attempt: &Attempt, spans: &mut Spans) -> Nanos {
        let is_shared = self.is_shared(load.seq, attempt.worker);
        let stream = &mut self.streams[usize::from(load.stream)];
        let counts = load.at >= self.warmup;
        let mut cold = attempt.cold;
        let mut latency = spans.latency;
        let work = spans.work;
        if let Some(journey) = self.under_way.remove(&load.seq) {
            latency = attempt.finished_at - journey.sent_at;
            spans.queue = journey.queue + attempt.received_at.saturating_sub(journey.sent_at);
            spans.start += journey.start;
            spans.work += journey.work;
            cold += journey.cold;
        }
        if let Some(last) = stream.hops.get_mut(usize::from(load.hop)) {
            last.ledger.completed += 1;
            last.completed(latency, work, is_shared, counts);
        }
        stream.whole.completed(spans.latency, work, is_shared, counts);
        cold
    }

    /// The outcome of a message is known.
    pub(crate) fn closed(&mut self, stream: u8, seq: u32, outcome: Outcome) {
        self.under_way.remove(&seq);
        self.streams[usize::from(stream)].whole.ledger.count(outcome);
    }

    /// Whether the worker has met another group than this message's; from now on it has met this one.
    fn is_shared(&mut self, seq: u32, worker: u32) -> bool {
        if !self.has_groups {
            return false;
        }
        let Some(group) = self.under_way.get(&seq).map(|journey| journey.group) else { return false };
        let met = self.tenants.entry(worker).or_insert(Tenants { first: group, has_others: false });
        let is_shared = met.has_others || met.first != group;
        met.has_others = is_shared;
        self.shared += u64::from(is_shared);
        is_shared
    }

    /// Whether messages have groups, or hops: series that only those need.
    pub(crate) fn has(&self) -> (bool, bool) {
        (self.has_groups, self.streams.iter().any(|stream| !stream.hops.is_empty()))
    }

    /// The hash of what each stream was planned as.
    pub(crate) fn hashes(&self) -> Vec<PlanHash> {
        self.streams.iter().map(|stream| stream.planned).collect()
    }

    /// What became of the streams in `drained`, and of their hops.
    pub(crate) fn finish(self, drained: &[usize]) -> Vec<StreamRun> {
        let row = |name: &str, hop: usize, row: &Row| StreamRun {
            stream: name.into(),
            hop: hop as u32,
            ledger: row.ledger,
            work: row.work,
            shared: row.shared,
            usage: Usage::default(),
            latency: row.latency.counts(),
        };
        let of = |at: &usize| {
            let stream = &self.streams[*at];
            let hops = stream.hops.iter().enumerate().map(|(hop, books)| row(&stream.name, hop + 1, books));
            std::iter::once(row(&stream.name, 0, &stream.whole)).chain(hops).collect::<Vec<_>>()
        };
        drained.iter().flat_map(of).collect()
    }
}
