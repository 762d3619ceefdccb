//! What became of each stream of a run's messages, and of each of their hops: `streams.json` and `streams.hlog`. A run
//! whose messages are all of one kind has neither.
//!
//! Goals: a ledger and a latency histogram per stream, beside those of the stack.
//! Non-goals: latency over time (see [`crate::windows`], which has all streams of a stack together).

use crate::record::Ledger;
use crate::time::{MICROSECOND, Nanos};
use crate::usage::Usage;
use crate::windows::{Counts, LogLine, empty_histogram, read_log, write_log};
use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

/// What became of one stream, or of one of its hops.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StreamRun {
    /// The stream; empty where the scenario has but one.
    pub stream: String,
    /// A hop, from 1; 0 stands for the whole way.
    pub hop: u32,
    /// Of the whole way: the outcome of every planned message. Of a hop: those that came to it, and those that it sent
    /// on or completed.
    pub ledger: Ledger,
    /// Time that workers spent on its messages, nanoseconds.
    pub work: Nanos,
    /// Messages that were worked on where a message of another group had been before.
    pub shared: u64,
    /// What its own queue and consumer used, where it has such.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
    /// Latencies after warm-up: scheduled to finished, or of a hop: sent to finished.
    #[serde(skip)]
    pub latency: Counts,
}

impl StreamRun {
    /// As in headings: `login`, `login hop 2`, `hop 2`.
    #[must_use]
    pub fn label(&self) -> String {
        match (self.stream.as_str(), self.hop) {
            ("", 0) => "all".into(),
            ("", hop) => format!("hop {hop}"),
            (stream, 0) => stream.into(),
            (stream, hop) => format!("{stream} hop {hop}"),
        }
    }

    /// The tag of its histogram; no stream has a `/` in its name.
    fn tag(&self) -> String {
        match self.hop {
            0 if self.stream.is_empty() => "all".into(),
            0 => self.stream.clone(),
            hop => format!("{}/hop-{hop}", self.stream),
        }
    }
}

/// Records latencies over a whole run.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(empty_histogram())
    }
}

impl Latencies {
    /// Adds one.
    pub fn record(&mut self, latency: Nanos) {
        self.0.record(latency / MICROSECOND).expect("the histogram resizes itself");
    }

    /// The bins that are not empty.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.iter_recorded().map(|v| (v.value_iterated_to(), v.count_at_value())).collect()
    }
}

/// Writes `streams.json`.
///
/// # Errors
/// When the sink cannot be written.
pub fn write_json(mut sink: impl Write, streams: &[StreamRun]) -> Result<()> {
    serde_json::to_writer_pretty(&mut sink, streams).context("writing streams.json")?;
    writeln!(sink).context("writing streams.json")
}

/// Writes `streams.hlog`: one histogram for each, over the whole run.
///
/// # Errors
/// When the sink cannot be written.
pub fn write_hlog(sink: impl Write, streams: &[StreamRun], length: Nanos) -> Result<()> {
    let tags: Vec<String> = streams.iter().map(StreamRun::tag).collect();
    let lines = streams.iter().zip(&tags).map(|(stream, tag)| LogLine {
        start: 0,
        width: length,
        tag,
        counts: &stream.latency,
    });
    write_log(sink, "streams.hlog", "one histogram per stream and hop", lines)
}

/// Reads both files.
///
/// # Errors
/// When one is damaged, or they are not of the same streams.
pub fn read(json: impl Read, hlog: &[u8]) -> Result<Vec<StreamRun>> {
    let mut streams: Vec<StreamRun> = serde_json::from_reader(json).context("streams.json is damaged")?;
    let mut known = 0;
    read_log(hlog, "streams.hlog", |line| {
        let stream = streams.iter_mut().find(|stream| stream.tag() == line.tag);
        let Some(stream) = stream else { bail!("streams.hlog has {:?}, streams.json has not", line.tag) };
        if stream.latency != Counts::default() {
            bail!("streams.hlog has {:?} twice", line.tag);
        }
        stream.latency = line.counts;
        known += 1;
        Ok(())
    })?;
    if known != streams.len() {
        bail!("streams.json has {} streams and hops, streams.hlog {known}", streams.len());
    }
    Ok(streams)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{HOUR, MINUTE, SECOND};
    use crate::usage::{Item, Metered};

    #[test]
    fn a_latency_of_hours_is_one() {
        let mut latencies = Latencies::default();
        [SECOND, 3 * HOUR].into_iter().for_each(|latency| latencies.record(latency));
        let most = latencies.counts().iter().last().map(|(us, _)| us).unwrap();
        assert!((most as f64 / 10_800e6 - 1.0).abs() < 1e-3, "{most}");
    }

    #[test]
    fn the_files_round_trip() {
        let of = |stream: &str, hop, latencies: &[u64]| StreamRun {
            stream: stream.into(),
            hop,
            ledger: Ledger { planned: 3, completed: 2, lost: 1, ..Ledger::default() },
            work: 7,
            shared: 1,
            usage: if hop == 0 {
                Usage { metered: vec![Metered::new(Item::LambdaRequests, "", 3)] }
            } else {
                Usage::default()
            },
            latency: latencies.iter().map(|us| (*us, 1)).collect(),
        };
        let streams = vec![
            of("login", 0, &[100, 900]),
            of("login", 1, &[50]),
            of("login-hop-1", 0, &[7]),
            of("recovery", 0, &[]),
        ];
        let (mut json, mut hlog) = (Vec::new(), Vec::new());
        write_json(&mut json, &streams).unwrap();
        write_hlog(&mut hlog, &streams, MINUTE).unwrap();
        assert_eq!(read(json.as_slice(), &hlog).unwrap(), streams);
        assert!(read(&b"[]"[..], &hlog).unwrap_err().to_string().contains("streams.json has not"));
        assert!(read(json.as_slice(), &[]).is_err());
    }
}
