//! HdrHistogram interval logs of microseconds, as files of a run.

use super::{Counts, empty_histogram};
use crate::time::{Nanos, SECOND};
use anyhow::{Context, Result, anyhow};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, LogIteratorError, Tag,
};
use std::io::Write;
use std::time::{Duration, SystemTime};

/// A histogram of an interval log.
pub(crate) struct LogLine<'a, C> {
    /// Start on the run's clock.
    pub(crate) start: Nanos,
    pub(crate) width: Nanos,
    pub(crate) tag: &'a str,
    pub(crate) counts: C,
}

/// Writes an interval log of histograms of microseconds.
pub(crate) fn write_log<'a>(
    mut sink: impl Write,
    file: &str,
    what: &str,
    lines: impl Iterator<Item = LogLine<'a, &'a Counts>>,
) -> Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    // Times count from the start of the run, which stands at the epoch: a simulation has no wall clock.
    builder
        .add_comment(&format!("[versus: values in microseconds, {what}]"))
        .with_base_time(SystemTime::UNIX_EPOCH);
    let mut log =
        builder.begin_log_with(&mut sink, &mut serializer).with_context(|| format!("writing {file}"))?;
    let mut histogram = empty_histogram();
    for line in lines {
        histogram.reset();
        add(&mut histogram, line.counts);
        let tag = Tag::new(line.tag);
        log.write_histogram(
            &histogram,
            Duration::from_nanos(line.start),
            Duration::from_nanos(line.width),
            tag,
        )
        .map_err(|error| anyhow!("writing {file}: {error}"))?;
    }
    Ok(())
}

/// Gives each histogram of an interval log to `each`.
pub(crate) fn read_log(
    bytes: &[u8],
    file: &str,
    mut each: impl FnMut(LogLine<'_, Counts>) -> Result<()>,
) -> Result<()> {
    let mut deserializer = hdrhistogram::serialization::Deserializer::new();
    for entry in IntervalLogIterator::new(bytes) {
        let LogEntry::Interval(interval) = entry.map_err(|error| unreadable(file, error))? else { continue };
        let tag = interval.tag().with_context(|| format!("{file}: an interval has no tag"))?;
        // The log has milliseconds; window widths are whole seconds.
        let start = round_to_ms(interval.start_timestamp());
        let width = round_to_ms(interval.duration());
        let encoded = decode_base64(interval.encoded_histogram()).with_context(|| file.to_owned())?;
        let histogram: Histogram<u64> = deserializer
            .deserialize(&mut encoded.as_slice())
            .map_err(|error| anyhow!("{file}: window at {} s: {error}", start / SECOND))?;
        let counts = histogram.iter_recorded().map(|v| (v.value_iterated_to(), v.count_at_value())).collect();
        each(LogLine { start, width, tag: tag.as_str(), counts })?;
    }
    Ok(())
}

fn unreadable(file: &str, error: LogIteratorError) -> anyhow::Error {
    let LogIteratorError::ParseError { offset } = error;
    anyhow!("{file}: cannot be read from byte {offset} on")
}

fn round_to_ms(duration: Duration) -> Nanos {
    let ms = 1_000_000;
    (duration.as_nanos() as Nanos + ms / 2) / ms * ms
}

fn add(histogram: &mut Histogram<u64>, counts: &Counts) {
    for (value, count) in counts.iter() {
        histogram.record_n(value, count).expect("the histogram resizes itself");
    }
}

fn decode_base64(text: &str) -> Result<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).context("not base64")
}
