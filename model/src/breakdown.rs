//! Where the latency of completed messages went, by how long it was: `stages.csv`.
//!
//! Goals: tells what the slowest share of the messages waited for, which histograms of single stages cannot; constant
//! memory, a few nanoseconds a message.
//! Non-goals: percentiles of a stage (see [`crate::windows`]); messages of the warm-up, which are left out.

use crate::time::{MICROSECOND, Nanos};
use crate::windows::Spans;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

/// A part of a message's latency, in order of time; all but the last add up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Scheduled to sent.
    SendDelay,
    /// Sent to received, earlier failed attempts included.
    Queue,
    /// Received to started, but for the cold start: batch window, hand-over, messages before it in its batch.
    PollGap,
    /// What of received to started its worker needed to start.
    ColdStart,
    /// Started to finished.
    Work,
    /// Finished to deleted.
    Acknowledge,
}

impl Part {
    /// All parts, in order of time.
    pub const ALL: [Self; 6] =
        [Self::SendDelay, Self::Queue, Self::PollGap, Self::ColdStart, Self::Work, Self::Acknowledge];

    /// As in `summary.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SendDelay => "send-delay",
            Self::Queue => "queue",
            Self::PollGap => "poll-gap",
            Self::ColdStart => "cold-start",
            Self::Work => "work",
            Self::Acknowledge => "acknowledge",
        }
    }
}

/// Messages of about the same latency: bins are at most an eighth wide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Band {
    /// The largest latency of the bin, in microseconds.
    pub latency_us: u64,
    /// Messages.
    pub messages: u64,
    /// Those of them that waited for a worker to start.
    pub cold: u64,
    /// Sums over the messages in microseconds, in the order of [`Part::ALL`].
    pub sums_us: [u64; 6],
}

/// The bands that are not empty, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breakdown {
    /// Bands.
    pub bands: Vec<Band>,
}

/// Means over messages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Means {
    /// Messages they are over; a fraction where a band was cut.
    pub messages: f64,
    /// The share of them that waited for a worker to start.
    pub cold: f64,
    /// Mean milliseconds, in the order of [`Part::ALL`].
    pub parts_ms: [f64; 6],
}

impl Breakdown {
    /// Number of messages.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.bands.iter().map(|band| band.messages).sum()
    }

    /// Means over the slowest `share` (0..=1) of the messages; `None` without messages. The band that the share ends
    /// in counts in part.
    #[must_use]
    pub fn slowest(&self, share: f64) -> Option<Means> {
        let wanted = self.messages() as f64 * share;
        let (mut messages, mut cold, mut sums) = (0.0, 0.0, [0.0; 6]);
        for band in self.bands.iter().rev() {
            let part = ((wanted - messages) / band.messages as f64).min(1.0);
            if part <= 0.0 {
                break;
            }
            messages += band.messages as f64 * part;
            cold += band.cold as f64 * part;
            sums.iter_mut().zip(band.sums_us).for_each(|(sum, us)| *sum += us as f64 * part);
        }
        let mean = |sum: f64| sum / messages / 1e3;
        (messages > 0.0).then(|| Means { messages, cold: cold / messages, parts_ms: sums.map(mean) })
    }

    /// Writes `stages.csv`.
    ///
    /// # Errors
    /// When the sink cannot be written.
    pub fn write_csv(&self, sink: impl Write) -> Result<()> {
        let mut writer = csv::Writer::from_writer(sink);
        for band in &self.bands {
            writer.serialize(Row::from(band)).context("writing stages.csv")?;
        }
        writer.flush().context("writing stages.csv")
    }

    /// Reads `stages.csv`.
    ///
    /// # Errors
    /// When a row cannot be read; names it.
    pub fn read_csv(source: impl Read) -> Result<Self> {
        let rows = csv::Reader::from_reader(source).into_deserialize().enumerate();
        let band = |(n, row): (usize, csv::Result<Row>)| {
            row.map(Band::from).with_context(|| format!("stages.csv, record {}", n + 1))
        };
        Ok(Self { bands: rows.map(band).collect::<Result<_>>()? })
    }
}

/// One row of `stages.csv`.
#[derive(Serialize, Deserialize)]
struct Row {
    latency_us: u64,
    messages: u64,
    cold: u64,
    send_delay_us: u64,
    queue_us: u64,
    poll_gap_us: u64,
    cold_start_us: u64,
    work_us: u64,
    acknowledge_us: u64,
}

impl From<&Band> for Row {
    fn from(band: &Band) -> Self {
        let [send_delay_us, queue_us, poll_gap_us, cold_start_us, work_us, acknowledge_us] = band.sums_us;
        let Band { latency_us, messages, cold, .. } = *band;
        Self {
            latency_us,
            messages,
            cold,
            send_delay_us,
            queue_us,
            poll_gap_us,
            cold_start_us,
            work_us,
            acknowledge_us,
        }
    }
}

impl From<Row> for Band {
    fn from(row: Row) -> Self {
        let sums_us = [
            row.send_delay_us,
            row.queue_us,
            row.poll_gap_us,
            row.cold_start_us,
            row.work_us,
            row.acknowledge_us,
        ];
        Self { latency_us: row.latency_us, messages: row.messages, cold: row.cold, sums_us }
    }
}

/// Bins per power of two.
const STEPS: u64 = 8;
/// Bins up to 2^41 us, about 25 days; longer latencies count as that.
const BINS: usize = 40 * STEPS as usize;

/// Adds messages up as they complete.
#[derive(Debug)]
pub struct Recorder {
    bins: Box<[Bin; BINS]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    messages: u64,
    cold: u64,
    sums_us: [u64; 6],
}

impl Default for Recorder {
    fn default() -> Self {
        let bins = vec![Bin::default(); BINS].into_boxed_slice();
        Self { bins: bins.try_into().expect("the slice has this length") }
    }
}

impl Recorder {
    /// Counts a completed message; `cold` is what of its start span its worker needed to start, 0 if that was ready.
    #[inline]
    pub fn completed(&mut self, send_delay: Nanos, spans: &Spans, cold: Nanos) {
        let bin = &mut self.bins[bin_of(spans.latency / MICROSECOND)];
        bin.messages += 1;
        bin.cold += u64::from(cold > 0);
        let cold = cold.min(spans.start);
        let mut add = |part: Part, span: Nanos| {
            let sum = &mut bin.sums_us[part as usize];
            *sum = sum.saturating_add(span / MICROSECOND);
        };
        add(Part::SendDelay, send_delay);
        add(Part::Queue, spans.queue);
        add(Part::PollGap, spans.start - cold);
        add(Part::ColdStart, cold);
        add(Part::Work, spans.work);
        add(Part::Acknowledge, spans.acknowledge.unwrap_or(0));
    }

    /// All bands.
    #[must_use]
    pub fn finish(self) -> Breakdown {
        let filled = self.bins.iter().enumerate().filter(|(_, bin)| bin.messages > 0);
        let band = |(index, bin): (usize, &Bin)| Band {
            latency_us: highest_of(index),
            messages: bin.messages,
            cold: bin.cold,
            sums_us: bin.sums_us,
        };
        Breakdown { bands: filled.map(band).collect() }
    }
}

/// The bin of a value: linear up to 16, then eight to a power of two.
#[inline]
fn bin_of(value: u64) -> usize {
    if value < 2 * STEPS {
        return value as usize;
    }
    let octave = u64::from(value.ilog2() - STEPS.ilog2());
    ((octave * STEPS + (value >> octave)) as usize).min(BINS - 1)
}

/// The largest value of a bin.
fn highest_of(bin: usize) -> u64 {
    let bin = bin as u64;
    if bin < 2 * STEPS {
        return bin;
    }
    let octave = bin / STEPS - 1;
    ((bin - octave * STEPS + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MILLISECOND;

    fn spans(queue_ms: u64, start_ms: u64) -> Spans {
        Spans {
            latency: (queue_ms + start_ms + 100) * MILLISECOND,
            queue: queue_ms * MILLISECOND,
            start: start_ms * MILLISECOND,
            work: 100 * MILLISECOND,
            acknowledge: Some(MILLISECOND),
        }
    }

    #[test]
    fn bins_meet_and_are_an_eighth_wide_at_most() {
        let mut last = None;
        for bin in 0..BINS {
            let high = highest_of(bin);
            assert_eq!(bin_of(high), bin);
            if let Some(low) = last.map(|last: u64| last + 1) {
                assert_eq!(bin_of(low), bin);
                assert!((high - low) as f64 <= low as f64 / 8.0, "{low} to {high}");
            }
            last = Some(high);
        }
        assert_eq!(bin_of(u64::MAX), BINS - 1);
    }

    #[test]
    fn the_slowest_hundredth_waited_for_something_else() {
        let mut recorder = Recorder::default();
        for _ in 0..990 {
            recorder.completed(0, &spans(10, 0), 0);
        }
        for _ in 0..10 {
            recorder.completed(0, &spans(10, 900), 700 * MILLISECOND);
        }
        let breakdown = recorder.finish();
        let all = breakdown.slowest(1.0).unwrap();
        assert_eq!((all.messages, all.cold), (1_000.0, 0.01));
        assert_eq!(all.parts_ms, [0.0, 10.0, 2.0, 7.0, 100.0, 1.0]);
        let slow = breakdown.slowest(0.01).unwrap();
        assert_eq!((slow.messages, slow.cold), (10.0, 1.0));
        assert_eq!(slow.parts_ms, [0.0, 10.0, 200.0, 700.0, 100.0, 1.0]);
        // Half of the 20 slowest are of the fast band.
        assert_eq!(breakdown.slowest(0.02).unwrap().parts_ms[Part::ColdStart as usize], 350.0);
        assert_eq!(Breakdown::default().slowest(1.0), None);
    }

    #[test]
    fn the_file_round_trips() {
        let mut recorder = Recorder::default();
        (0..1_000).for_each(|i| recorder.completed(i, &spans(i * i, i), i % 7 * MILLISECOND));
        let breakdown = recorder.finish();
        let mut bytes = Vec::new();
        breakdown.write_csv(&mut bytes).unwrap();
        assert_eq!(Breakdown::read_csv(bytes.as_slice()).unwrap(), breakdown);
        assert!(Breakdown::read_csv("latency_us\nx\n".as_bytes()).is_err());
    }
}
