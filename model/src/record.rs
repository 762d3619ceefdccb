//! What befell each planned message, and the ledger that accounts for all of them.
//!
//! Goals: instants are facts, spans are methods; absent is absent; every message ends in exactly one outcome.

use crate::time::Nanos;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

/// How a planned message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Worked on successfully, once.
    Completed,
    /// Worked on successfully more than once.
    CompletedMore,
    /// Moved to the dead-letter queue.
    DeadLettered,
    /// Attempted without success, and neither dead-lettered nor gone when the run ended.
    Failed,
    /// Gone without success: expired, purged or never seen.
    Lost,
    /// Not yet attempted to the end when the run ended.
    InFlight,
}

/// One row of `messages.csv`. Instants are nanoseconds from the start of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRecord {
    /// Position in the plan.
    pub seq: u64,
    /// Intended instant.
    pub scheduled_at: Nanos,
    /// SQS SentTimestamp.
    pub sent_at: Option<Nanos>,
    /// Receive of the attempt that first completed it.
    pub received_at: Option<Nanos>,
    /// First line of the handler or worker for it, in that attempt.
    pub started_at: Option<Nanos>,
    /// End of its work, in that attempt.
    pub finished_at: Option<Nanos>,
    /// Answer to its delete.
    pub deleted_at: Option<Nanos>,
    /// How often it was received.
    pub receive_count: u32,
    /// Task or environment that completed it.
    pub worker: Option<u32>,
    /// Whether that attempt waited for a cold start.
    pub cold_start: bool,
    /// How it ended.
    pub outcome: Outcome,
}

impl MessageRecord {
    /// Scheduled to sent; negative spans (clock skew) are `None` here and counted by whoever judges.
    #[must_use]
    pub fn send_delay(&self) -> Option<Nanos> {
        self.sent_at?.checked_sub(self.scheduled_at)
    }
    /// Sent to received.
    #[must_use]
    pub fn queue_time(&self) -> Option<Nanos> {
        self.received_at?.checked_sub(self.sent_at?)
    }
    /// Received to started.
    #[must_use]
    pub fn start_delay(&self) -> Option<Nanos> {
        self.started_at?.checked_sub(self.received_at?)
    }
    /// Started to finished.
    #[must_use]
    pub fn service_time(&self) -> Option<Nanos> {
        self.finished_at?.checked_sub(self.started_at?)
    }
    /// Scheduled to finished: the latency that every summary means.
    #[must_use]
    pub fn latency(&self) -> Option<Nanos> {
        self.finished_at?.checked_sub(self.scheduled_at)
    }
}

/// Counts of outcomes. A run is valid only if they add up to what was planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ledger {
    /// Messages in the plan.
    pub planned: u64,
    /// [`Outcome::Completed`].
    pub completed: u64,
    /// [`Outcome::CompletedMore`].
    pub completed_more: u64,
    /// [`Outcome::DeadLettered`].
    pub dead_lettered: u64,
    /// [`Outcome::Failed`].
    pub failed: u64,
    /// [`Outcome::Lost`].
    pub lost: u64,
    /// [`Outcome::InFlight`].
    pub in_flight: u64,
}

impl Ledger {
    /// Sum over all outcomes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.completed + self.completed_more + self.dead_lettered + self.failed + self.lost + self.in_flight
    }
    /// Whether every planned message has exactly one outcome.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.total() == self.planned
    }
    /// Messages worked on successfully at least once.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.completed + self.completed_more
    }
    /// Counts one outcome.
    pub fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Completed => &mut self.completed,
            Outcome::CompletedMore => &mut self.completed_more,
            Outcome::DeadLettered => &mut self.dead_lettered,
            Outcome::Failed => &mut self.failed,
            Outcome::Lost => &mut self.lost,
            Outcome::InFlight => &mut self.in_flight,
        } += 1;
    }
}

/// Writes `messages.csv`: a header, then one row per record.
///
/// # Errors
/// When the sink cannot be written.
pub fn write_csv<'a>(sink: impl Write, records: impl IntoIterator<Item = &'a MessageRecord>) -> Result<()> {
    let mut writer = csv::Writer::from_writer(sink);
    for record in records {
        writer.serialize(record).context("writing a message record")?;
    }
    writer.flush().context("writing message records")
}

/// Reads `messages.csv` row by row. A last row cut short by a crash is an error on that row only.
pub fn read_csv(source: impl Read) -> impl Iterator<Item = Result<MessageRecord>> {
    csv::Reader::from_reader(source)
        .into_deserialize()
        .enumerate()
        .map(|(row, record)| record.with_context(|| format!("messages.csv, record {}", row + 1)))
}

/// Checks that one record's instants are in order within each clock.
///
/// # Errors
/// Names the record and the pair that is out of order.
pub fn check_order(record: &MessageRecord) -> Result<()> {
    let instants = [
        ("received_at", record.received_at),
        ("started_at", record.started_at),
        ("finished_at", record.finished_at),
        ("deleted_at", record.deleted_at),
    ];
    let mut known = instants.iter().filter_map(|(name, at)| at.map(|at| (*name, at)));
    if let Some(mut previous) = known.next() {
        for next in known {
            if next.1 < previous.1 {
                bail!("message {}: {} is before {}", record.seq, next.0, previous.0);
            }
            previous = next;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> MessageRecord {
        MessageRecord {
            seq: 3,
            scheduled_at: 10,
            sent_at: Some(11),
            received_at: Some(20),
            started_at: Some(25),
            finished_at: Some(40),
            deleted_at: None,
            receive_count: 1,
            worker: Some(0),
            cold_start: true,
            outcome: Outcome::Completed,
        }
    }

    #[test]
    fn spans_follow_from_instants() {
        let r = record();
        assert_eq!(
            (r.send_delay(), r.queue_time(), r.start_delay(), r.service_time(), r.latency()),
            (Some(1), Some(9), Some(5), Some(15), Some(30))
        );
    }

    #[test]
    fn csv_round_trips_and_keeps_absence() {
        let rows = vec![record(), MessageRecord { finished_at: None, worker: None, ..record() }];
        let mut bytes = Vec::new();
        write_csv(&mut bytes, &rows).unwrap();
        let back: Vec<_> = read_csv(bytes.as_slice()).collect::<Result<_>>().unwrap();
        assert_eq!(back, rows);
    }

    #[test]
    fn disorder_is_named() {
        let bad = MessageRecord { finished_at: Some(24), ..record() };
        let message = check_order(&bad).unwrap_err().to_string();
        assert_eq!(message, "message 3: finished_at is before started_at");
    }
}
