//! One attempt at a message: its work, and the line that tells of it.

use crate::clock;
use crate::work::{Cpu, perform};
use anyhow::{Context, Result};
use model::journal::{MessageId, Record};
use model::work::Work;
use std::io::Write;
use std::time::Instant;

/// What all attempts share.
#[derive(Debug)]
pub(crate) struct Worker {
    name: String,
    cpu: Cpu,
}

/// A message, whichever way it came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    id: MessageId,
    receive_count: u32,
    sent_ms: Option<u64>,
    first_received_ms: Option<u64>,
    /// `None` asks for nothing.
    work: Option<Work>,
}

impl Message {
    /// `system` gives system attributes by name; `attribute` is the content of [`model::work::ATTRIBUTE`].
    pub(crate) fn new<'a>(
        id: &str,
        system: impl Fn(&str) -> Option<&'a str>,
        attribute: Option<&str>,
    ) -> Self {
        let number = |name| system(name).and_then(|text| text.parse().ok());
        Self {
            id: MessageId::new(id),
            receive_count: number("ApproximateReceiveCount").map_or(1, |count| count as u32),
            sent_ms: number("SentTimestamp"),
            first_received_ms: number("ApproximateFirstReceiveTimestamp"),
            work: attribute.and_then(Work::parse),
        }
    }
}

impl Worker {
    pub(crate) fn new(name: String, cpu_share: Option<f64>) -> Self {
        Self { name, cpu: Cpu::new(cpu_share) }
    }

    /// Does the work of a message that is `here` since, and prints its record. Returns whether it succeeded.
    ///
    /// # Errors
    /// When the record cannot be printed: whoever reads is gone.
    pub(crate) async fn attempt(&self, message: &Message, here: Instant, cold_start: bool) -> Result<bool> {
        let began = clock::now();
        let mut ok = true;
        if let Some(work) = &message.work {
            ok = !work.fails(message.receive_count);
            if let Err(problem) = perform(work, &self.cpu).await {
                eprintln!("versus-worker: message {}: {problem:#}", message.id);
                ok = false;
            }
        }
        let work_ns = began.since(clock::now().instant);
        let waited_ns = began.instant.saturating_duration_since(here).as_nanos() as u64;
        print(&Record {
            seq: message.work.map(|work| work.seq),
            receive_count: message.receive_count,
            sent_ms: message.sent_ms,
            first_received_ms: message.first_received_ms,
            started_ns: Some(began.utc_ns(0)),
            waited_ns: Some(waited_ns),
            work_ns: Some(work_ns),
            worker: Some(self.name.clone()),
            cold_start,
            ok,
            ..Record::new(message.id)
        })?;
        Ok(ok)
    }
}

/// A line of stdout in one write, so that the lines of concurrent messages do not mix.
fn print(record: &Record) -> Result<()> {
    let mut line = serde_json::to_vec(record).context("writing a record")?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line).and_then(|()| out.flush()).context("writing a record to stdout")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

    #[test]
    fn a_message_is_read_from_its_attributes() {
        let system = |name: &str| match name {
            "ApproximateReceiveCount" => Some("3"),
            "SentTimestamp" => Some("1790000000123"),
            "ApproximateFirstReceiveTimestamp" => Some("1790000000456"),
            _ => None,
        };
        let message = Message::new(ID, system, Some("run=5 seq=9 sleep_ns=7"));
        let work = Work { run: 5, seq: 9, sleep: 7, ..Work::default() };
        let expected = Message {
            id: MessageId::new(ID),
            receive_count: 3,
            sent_ms: Some(1_790_000_000_123),
            first_received_ms: Some(1_790_000_000_456),
            work: Some(work),
        };
        assert_eq!(message, expected);
    }

    #[test]
    fn a_message_without_attributes_is_taken_as_it_is() {
        let plain = Message::new(ID, |_| None, None);
        let expected = Message {
            id: MessageId::new(ID),
            receive_count: 1,
            sent_ms: None,
            first_received_ms: None,
            work: None,
        };
        assert_eq!(plain, expected);
        assert_eq!(Message::new(ID, |_| None, Some("gibberish")), expected);
    }
}
