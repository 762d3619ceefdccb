//! Sends each planned message at its instant to every stack's queue, and records how late it was.
//!
//! Goals: open loop (a message is sent at its instant whatever the queue does; what comes late says how late); paired
//! (every message goes to every stack, same bytes, in turning order); a batch holds what is due, and never waits to be
//! filled; every error is counted, for the SDK's own retries are off.
//! Non-goals: FIFO queues, making queues, receiving.
//!
//! A call that timed out, or broke off after it was written, may have been carried out: its retry can put a second
//! message into the queue. Both carry the same `seq` in the attribute, so that the ledger tells a message that was
//! sent twice from two messages.

mod answer;
mod client;
mod clock;
mod compose;
mod crew;
mod deliver;
mod digest;
mod lane;
mod outbox;
mod share;
mod stop;
mod summary;
mod threads;

pub use client::Credentials;
pub use stop::Stop;
pub use summary::{StackSummary, Summary};
pub use threads::threads_for;

use anyhow::{Context, Result, bail, ensure};
use lane::Lane;
use model::journal::Sent;
use model::scenario::Scenario;
use model::time::Origin;
use std::sync::Arc;
use std::time::Duration;

/// Where the messages of a stack go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Name of the stack.
    pub stack: String,
    /// Its queue.
    pub queue_url: String,
}

/// A part of the plan, for several seeders beside each other: `index` of `of`, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part.
    pub index: u32,
    /// How many parts there are.
    pub of: u32,
}

/// How to send.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names the run in every message.
    pub run: u32,
    /// Which part of the plan to send.
    pub shard: Shard,
    /// Threads; `None` takes what the plan's peak rate needs ([`threads_for`]).
    pub threads: Option<usize>,
    /// Calls in flight per thread; at least one per stack. Messages that wait for a call to end are late.
    pub in_flight_max: usize,
    /// Calls that may carry a message, the first included.
    pub max_attempts: u32,
    /// A message is not sent again later than this after its first call.
    pub retry_for: Duration,
    /// A call that is not answered within this has failed.
    pub call_timeout: Duration,
    /// Endpoint; `None` takes `AWS_ENDPOINT_URL_SQS`, `AWS_ENDPOINT_URL` or that of the region.
    pub endpoint_url: Option<String>,
    /// Region; `None` takes that of the environment, else the scenario's.
    pub region: Option<String>,
    /// Who sends.
    pub credentials: Credentials,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            run: 0,
            shard: Shard { index: 0, of: 1 },
            threads: None,
            in_flight_max: 64,
            max_attempts: 8,
            retry_for: Duration::from_secs(60),
            call_timeout: Duration::from_secs(10),
            endpoint_url: None,
            region: None,
            credentials: Credentials::Environment,
        }
    }
}

/// Connected, and ready to send.
pub struct Seeder {
    scenario: Scenario,
    destinations: Vec<Destination>,
    settings: Settings,
    lanes: Vec<Lane>,
}

impl Seeder {
    /// Loads the credentials, opens connections and asks every queue for an attribute, so that nothing of that makes
    /// the first messages late. Blocks; must not be called within an async task.
    ///
    /// # Errors
    /// Names the queue that does not answer, and why.
    pub fn connect(scenario: &Scenario, destinations: &[Destination], settings: &Settings) -> Result<Self> {
        ensure!(!destinations.is_empty(), "there is no queue to send to");
        for Destination { stack, queue_url } in destinations {
            if queue_url.ends_with(".fifo") {
                bail!(
                    "{queue_url}, the queue of stack {stack}, is a FIFO queue: only standard queues are compared"
                );
            }
        }
        let Shard { index, of } = settings.shard;
        ensure!(
            index < of,
            "shard {index}/{of}: the first is 0/{of}, the last {}/{of}",
            of.saturating_sub(1)
        );
        let needed = threads_for(scenario, destinations.len(), of);
        let threads = settings.threads.unwrap_or(needed).max(1);
        let lanes = (0..threads)
            .map(|_| Lane::connect(scenario, destinations, settings))
            .collect::<Result<Vec<_>>>()?;
        let (scenario, destinations) = (scenario.clone(), destinations.to_vec());
        Ok(Self { scenario, destinations, settings: settings.clone(), lanes })
    }

    /// Sends the plan, counting its instants from `origin`, until its end or until `stop`: then nothing new is sent,
    /// calls in flight are awaited and messages that wait for a retry are given up. Blocks; must not be called within
    /// an async task.
    ///
    /// `sink` gets one record per message that was begun and stack, some at a time: the stack's position among the
    /// destinations, and the records. It is called from the sending threads, so it should return at once.
    ///
    /// # Errors
    /// When a thread cannot be started or broke down. Messages that were not taken are no error: see the records.
    pub fn run(
        self,
        origin: Origin,
        stop: &Stop,
        sink: impl Fn(usize, Vec<Sent>) + Send + Sync + 'static,
    ) -> Result<Summary> {
        let Self { scenario, destinations, settings, lanes } = self;
        let sink: Arc<outbox::Sink> = Arc::new(sink);
        let threads = lanes.len();
        let mut summary = Summary::new(destinations.len());
        let parts = std::thread::scope(|scope| -> Result<Vec<Summary>> {
            let mut running = Vec::new();
            for (index, lane) in lanes.into_iter().enumerate() {
                let work = lane::Work {
                    scenario: &scenario,
                    destinations: &destinations,
                    settings: &settings,
                    thread: (index, threads),
                    origin,
                    stop: stop.clone(),
                    sink: Arc::clone(&sink),
                };
                let builder = std::thread::Builder::new().name(format!("seeder-{index}"));
                let handle = builder.spawn_scoped(scope, move || lane.run(&work));
                // The threads that did start must not go on alone.
                running
                    .push(handle.inspect_err(|_| stop.request()).context("starting a thread of the seeder")?);
            }
            running
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })?;
        parts.iter().for_each(|part| summary.add(part));
        summary.stopped = stop.requested();
        Ok(summary)
    }
}
