//! Latency by stage and window of intended time: `latency.hlog`, an HdrHistogram interval log.
//!
//! Goals: recording costs a few nanoseconds and no allocation; memory follows the number of windows that
//! still have messages outstanding, not the number of messages; the file opens in the standard tools.
//! Non-goals: raw samples (`messages.csv`), percentiles (whoever judges merges windows first).
//!
//! Values are microseconds at three significant digits (0.1 %), the layout of HdrHistogram itself, so
//! nothing is lost between memory and file.

mod log;

use crate::merged::{Merged, Merger};
use crate::time::{HOUR, MICROSECOND, Nanos, SECOND};
use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
pub(crate) use log::{LogLine, read_log, write_log};
use std::collections::VecDeque;
use std::io::Write;

/// A part of a message's latency. The parts add up to `Latency`, with `Acknowledge` coming after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Scheduled to finished.
    Latency,
    /// Scheduled to sent: what the generator lags behind (absent in simulations, whose generator is exact).
    SendDelay,
    /// Sent to received, earlier failed attempts included.
    Queue,
    /// Received to started: delivery, cold start, waiting within the batch.
    Start,
    /// Started to finished.
    Work,
    /// Finished to deleted.
    Acknowledge,
}

impl Stage {
    /// All stages, in the order of the file.
    pub const ALL: [Self; 6] =
        [Self::Latency, Self::SendDelay, Self::Queue, Self::Start, Self::Work, Self::Acknowledge];

    /// The tag in the interval log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::SendDelay => "send-delay",
            Self::Queue => "queue",
            Self::Start => "start",
            Self::Work => "work",
            Self::Acknowledge => "acknowledge",
        }
    }
}

/// The histogram of one stage in one window, as the bins that are not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowCounts {
    /// Start of the window of intended time.
    pub start: Nanos,
    /// Stage.
    pub stage: Stage,
    /// The bins.
    pub counts: Counts,
}

/// `(value in microseconds, count)` of the bins that are not empty, ascending; the value is the largest of its
/// HdrHistogram bin. Packed to four bytes a bin, since a run has thousands of histograms; fixed in width, since a report
/// goes through millions of bins, and where a number begins must not depend on the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The number of the bin in the upper half, its count in the lower.
    packed: Box<[u32]>,
}

/// The largest count that has room beside its bin.
const MOST_TOGETHER: u64 = 0xffff;

impl Counts {
    /// The bins, ascending; one of very many samples comes in several parts.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.bins().map(|(bin, count)| (highest_of(bin), count))
    }

    /// The same as `(number of the bin, count)`; [`bin_of`] has the number of a value's bin.
    #[inline]
    pub fn bins(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.packed.iter().map(|both| ((both >> 16) as usize, u64::from(*both) & MOST_TOGETHER))
    }

    /// How many pairs [`Counts::bins`] gives.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.packed.len()
    }

    /// Number of samples.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.bins().map(|(_, count)| count).sum()
    }
}

/// From values in any unit's place of their bin, ascending.
impl FromIterator<(u64, u64)> for Counts {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(bins: I) -> Self {
        let mut packed = Vec::new();
        for (value, count) in bins {
            put(&mut packed, bin_of(value.min(VALUE_MAX - 1)), count);
        }
        Self { packed: packed.into_boxed_slice() }
    }
}

fn put(packed: &mut Vec<u32>, bin: usize, mut count: u64) {
    while count > 0 {
        let part = count.min(MOST_TOGETHER);
        packed.push((bin as u32) << 16 | part as u32);
        count -= part;
    }
}

#[inline]
pub(crate) fn pack(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
pub(crate) fn unpack(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    // Most numbers are small.
    if first < 0x80 { Some(u64::from(first)) } else { unpack_rest(u64::from(first & 0x7f), bytes) }
}

fn unpack_rest(mut value: u64, bytes: &mut &[u8]) -> Option<u64> {
    for shift in (7..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    Some(value)
}

/// All windows of a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// Width of a window.
    pub width: Nanos,
    /// Windows with data, ascending by start, then stage.
    pub histograms: Vec<WindowCounts>,
}

impl Windows {
    /// The window width for a run of `planned` length: 5 s, wider above 3 h so that there are at most 2,160.
    #[must_use]
    pub fn width_for(planned: Nanos) -> Nanos {
        5 * SECOND * planned.div_ceil(3 * HOUR).max(1)
    }

    /// One histogram of `stage` over the windows that start in `from..until`; `None` if there is no sample.
    #[must_use]
    pub fn merged(&self, stage: Stage, from: Nanos, until: Nanos) -> Option<Merged> {
        self.merged_by(&mut Merger::default(), stage, from, until)
    }

    /// The same with a merger that serves more than once.
    pub fn merged_by(&self, merger: &mut Merger, stage: Stage, from: Nanos, until: Nanos) -> Option<Merged> {
        self.inside(stage, from, until).for_each(|counts| merger.add(counts));
        merger.take()
    }

    /// How many samples of `stage` there are in the windows that start in `from..until`.
    #[must_use]
    pub fn samples(&self, stage: Stage, from: Nanos, until: Nanos) -> u64 {
        self.inside(stage, from, until).map(Counts::total).sum()
    }

    fn inside(&self, stage: Stage, from: Nanos, until: Nanos) -> impl Iterator<Item = &Counts> {
        let before = |end: Nanos| self.histograms.partition_point(|window| window.start < end);
        let inside = self.histograms.get(before(from)..before(until)).unwrap_or_default();
        inside.iter().filter(move |window| window.stage == stage).map(|window| &window.counts)
    }

    /// Writes the interval log.
    ///
    /// # Errors
    /// When the sink cannot be written.
    pub fn write_hlog(&self, sink: impl Write) -> Result<()> {
        let lines = self.histograms.iter().map(|window| LogLine {
            start: window.start,
            width: self.width,
            tag: window.stage.name(),
            counts: &window.counts,
        });
        write_log(sink, "latency.hlog", "one histogram per stage and window", lines)
    }

    /// Reads an interval log written by [`Windows::write_hlog`].
    ///
    /// # Errors
    /// When a line cannot be decoded, has an unknown stage or another width.
    pub fn read_hlog(bytes: &[u8]) -> Result<Self> {
        let mut windows = Self::default();
        read_log(bytes, "latency.hlog", |line| {
            let stage = Stage::ALL
                .into_iter()
                .find(|stage| stage.name() == line.tag)
                .with_context(|| format!("latency.hlog: unknown stage {:?}", line.tag))?;
            if windows.width != 0 && windows.width != line.width {
                bail!("latency.hlog: windows of {} ns and {} ns in one file", windows.width, line.width);
            }
            windows.width = line.width;
            windows.histograms.push(WindowCounts { start: line.start, stage, counts: line.counts });
            Ok(())
        })?;
        windows.histograms.sort_by_key(|w| (w.start, w.stage));
        Ok(windows)
    }
}

/// A histogram of microseconds at three significant digits that grows as needed.
#[must_use]
pub fn empty_histogram() -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(1, 60_000_000, 3).expect("constant bounds are valid");
    histogram.auto(true);
    histogram
}

/// Number of stages.
const STAGES: usize = Stage::ALL.len();

/// Bins per power of two: HdrHistogram's half sub-bucket count at three significant digits.
const HALF: usize = 1024;
/// Powers of two above the linear part: up to 2^41 us, about 25 days.
const OCTAVES: usize = 31;

/// Spans of one completed message, to be recorded in its window.
#[derive(Clone, Copy, Debug)]
pub struct Spans {
    /// Scheduled to finished.
    pub latency: Nanos,
    /// Sent to received.
    pub queue: Nanos,
    /// Received to started.
    pub start: Nanos,
    /// Started to finished.
    pub work: Nanos,
    /// Finished to deleted; `None` if it was not deleted.
    pub acknowledge: Option<Nanos>,
}

/// Records spans by window of intended time, as a run goes on.
#[derive(Debug)]
pub struct Recorder {
    width: Nanos,
    /// Window numbers `first..first + open.len()`.
    first: u64,
    /// When the window that takes new messages ends.
    newest_end: Nanos,
    open: VecDeque<Open>,
    spare: Vec<[Bins; STAGES]>,
    closed: Vec<WindowCounts>,
}

#[derive(Debug)]
struct Open {
    outstanding: u64,
    /// `None` until the first record and after the last.
    stages: Option<[Bins; STAGES]>,
}

impl Recorder {
    /// A recorder with windows of `width`.
    #[must_use]
    pub fn new(width: Nanos) -> Self {
        Self { width, first: 0, newest_end: 0, open: VecDeque::new(), spare: Vec::new(), closed: Vec::new() }
    }

    /// Opens the window for a message scheduled at `at` and returns its number; `at` must not decrease.
    #[inline]
    pub fn planned(&mut self, at: Nanos) -> u32 {
        if at >= self.newest_end {
            self.advance(at);
        }
        let last = self.open.len() - 1;
        self.open[last].outstanding += 1;
        (self.first + last as u64) as u32
    }

    #[cold]
    fn advance(&mut self, at: Nanos) {
        let number = at / self.width;
        // The window that took messages until now can be packed, too, if nothing of it is outstanding.
        if self.open.back().is_some_and(|window| window.outstanding == 0) {
            self.pack(self.open.len() - 1);
        }
        while self.first + (self.open.len() as u64) <= number {
            self.open.push_back(Open { outstanding: 0, stages: None });
        }
        self.newest_end = (number + 1) * self.width;
        while self.open.len() > 1 && self.open[0].outstanding == 0 {
            self.pack(0);
            self.open.pop_front();
            self.first += 1;
        }
    }

    /// Records the first completion of a message of window `number`.
    #[inline]
    pub fn completed(&mut self, number: u32, spans: &Spans) {
        let stages = self.stages(number);
        stages[Stage::Latency as usize].record(spans.latency / MICROSECOND);
        stages[Stage::Queue as usize].record(spans.queue / MICROSECOND);
        stages[Stage::Start as usize].record(spans.start / MICROSECOND);
        stages[Stage::Work as usize].record(spans.work / MICROSECOND);
        if let Some(acknowledge) = spans.acknowledge {
            stages[Stage::Acknowledge as usize].record(acknowledge / MICROSECOND);
        }
        self.settled(number);
    }

    /// Records one span of a message of window `number`, where not all of them are known;
    /// [`Recorder::settled`] follows the last one.
    pub fn span(&mut self, number: u32, stage: Stage, span: Nanos) {
        self.stages(number)[stage as usize].record(span / MICROSECOND);
    }

    #[inline]
    fn stages(&mut self, number: u32) -> &mut [Bins; STAGES] {
        let Self { first, open, spare, .. } = self;
        let window = &mut open[(u64::from(number) - *first) as usize];
        window
            .stages
            .get_or_insert_with(|| spare.pop().unwrap_or_else(|| std::array::from_fn(|_| Bins::new())))
    }

    /// A message of window `number` will not be recorded (any more).
    #[inline]
    pub fn settled(&mut self, number: u32) {
        let index = (u64::from(number) - self.first) as usize;
        self.open[index].outstanding -= 1;
        if self.open[index].outstanding == 0 && index + 1 < self.open.len() {
            self.pack(index);
        }
    }

    /// Packs what a window holds; the bins go to the next one that needs some.
    fn pack(&mut self, index: usize) {
        let Some(mut stages) = self.open[index].stages.take() else { return };
        let start = (self.first + index as u64) * self.width;
        for (bins, stage) in stages.iter_mut().zip(Stage::ALL) {
            if let Some(counts) = bins.drain() {
                self.closed.push(WindowCounts { start, stage, counts });
            }
        }
        self.spare.push(stages);
    }

    /// All windows; messages that are still outstanding have no sample.
    #[must_use]
    pub fn finish(mut self) -> Windows {
        (0..self.open.len()).for_each(|index| self.pack(index));
        self.closed.sort_by_key(|window| (window.start, window.stage));
        Windows { width: self.width, histograms: self.closed }
    }
}

/// Dense log-linear bins in HdrHistogram's layout.
#[derive(Debug)]
struct Bins {
    counts: Box<[u32; BINS]>,
    /// A bit for each group of `HALF` bins that is not empty.
    touched: u32,
}

/// The linear part is the first group and a half; each further group is one octave.
pub(crate) const BINS: usize = (OCTAVES + 1) * HALF;
/// The largest value that has a bin; longer spans count as this one.
const VALUE_MAX: u64 = (2 * HALF as u64) << (OCTAVES - 1);

impl Bins {
    fn new() -> Self {
        let counts = vec![0; BINS].into_boxed_slice();
        Self { counts: counts.try_into().expect("the slice has this length"), touched: 0 }
    }

    #[inline]
    fn record(&mut self, value: u64) {
        let index = bin_of(value.min(VALUE_MAX - 1)) % BINS;
        self.counts[index] += 1;
        self.touched |= 1 << (index / HALF);
    }

    /// Takes the counts out and leaves the bins empty; `None` if they are.
    fn drain(&mut self) -> Option<Counts> {
        let touched = std::mem::take(&mut self.touched);
        if touched == 0 {
            return None;
        }
        let mut packed = Vec::with_capacity(2 * HALF);
        for group in (0..=OCTAVES).filter(|group| touched & (1 << group) != 0) {
            let start = group * HALF;
            for (index, count) in self.counts[start..start + HALF].iter_mut().enumerate() {
                put(&mut packed, start + index, u64::from(std::mem::take(count)));
            }
        }
        Some(Counts { packed: packed.into_boxed_slice() })
    }
}

/// The bin of a value: linear up to 2,047, then 1,024 bins per power of two.
#[must_use]
#[inline]
pub fn bin_of(value: u64) -> usize {
    let octave = (53_u32).saturating_sub(value.leading_zeros()) as usize;
    octave * HALF + (value >> octave) as usize
}

/// The largest value of a bin: what HdrHistogram's iterators report.
#[must_use]
#[inline]
pub fn highest_of(index: usize) -> u64 {
    let octave = (index / HALF).saturating_sub(1);
    (((index - octave * HALF) as u64 + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{MILLISECOND, MINUTE};

    #[test]
    fn bins_are_hdrhistograms() {
        let hdr = empty_histogram();
        let mut value = 1_u64;
        while value < 1 << 40 {
            for v in [value, value + 1, value * 3 / 2] {
                assert_eq!(highest_of(bin_of(v)), hdr.highest_equivalent(v), "{v}");
            }
            value = value * 5 / 4 + 1;
        }
        assert_eq!(highest_of(bin_of(0)), 0);
        assert_eq!(bin_of(VALUE_MAX - 1), BINS - 1);
        let mut bins = Bins::new();
        [u64::MAX, VALUE_MAX, VALUE_MAX - 1, 0, 2_047].iter().for_each(|value| bins.record(*value));
        assert_eq!(bins.drain().map(|counts| counts.total()), Some(5));
        assert_eq!(bins.drain(), None);
    }

    fn spans(latency: Nanos) -> Spans {
        Spans { latency, queue: latency / 2, start: 0, work: latency / 2, acknowledge: Some(MILLISECOND) }
    }

    #[test]
    fn windows_close_behind_the_load_and_keep_their_counts() {
        let mut recorder = Recorder::new(5 * SECOND);
        let slow = recorder.planned(SECOND);
        for i in 0..100 {
            let number = recorder.planned((2 + i) * SECOND);
            recorder.completed(number, &spans(20 * MILLISECOND));
        }
        assert_eq!(
            recorder.open.len(),
            21,
            "the slow message holds its window, and so its followers' places, open"
        );
        let held = recorder.open.iter().filter(|window| window.stages.is_some()).count();
        assert_eq!(held, 2, "but only its own and the newest hold bins");
        recorder.completed(slow, &spans(MINUTE));
        let next = recorder.planned(110 * SECOND);
        assert_eq!(recorder.open.len(), 1);
        recorder.settled(next);
        let windows = recorder.finish();
        let latency = windows.merged(Stage::Latency, 0, Nanos::MAX).unwrap();
        assert_eq!(latency.len(), 101);
        assert_eq!(windows.merged(Stage::Latency, 0, 5 * SECOND).unwrap().max(), latency.max());
        assert!(windows.merged(Stage::SendDelay, 0, Nanos::MAX).is_none());
    }

    #[test]
    fn a_measured_message_has_the_spans_that_are_known() {
        let mut recorder = Recorder::new(5 * SECOND);
        let number = recorder.planned(0);
        recorder.span(number, Stage::SendDelay, MILLISECOND);
        recorder.settled(number);
        let windows = recorder.finish();
        let delays = windows.merged(Stage::SendDelay, 0, Nanos::MAX).unwrap();
        assert_eq!((delays.len(), delays.max()), (1, 1_000));
        assert!(windows.merged(Stage::Latency, 0, Nanos::MAX).is_none());
        assert_eq!(Stage::ALL.map(|stage| stage as usize), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn the_log_round_trips() {
        let mut recorder = Recorder::new(5 * SECOND);
        for i in 0..1_000_u64 {
            let number = recorder.planned(i * 20 * MILLISECOND);
            recorder.completed(number, &spans(i * i * 1_000 + 7));
        }
        let windows = recorder.finish();
        let mut bytes = Vec::new();
        windows.write_hlog(&mut bytes).unwrap();
        assert_eq!(Windows::read_hlog(&bytes).unwrap(), windows);
    }

    #[test]
    fn a_damaged_log_is_an_error_and_not_a_panic() {
        for bad in [
            "nonsense\n",
            "Tag=latency,0.000,5.000,1.0,!!!!\n",
            "Tag=other,0.000,5.000,1.0,AAAA\n",
            "0,1,1,A\n",
        ] {
            assert!(Windows::read_hlog(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn long_runs_get_wider_windows() {
        assert_eq!(
            [0, HOUR, 3 * HOUR, 3 * HOUR + 1, 24 * HOUR].map(|d| Windows::width_for(d) / SECOND),
            [5, 5, 5, 10, 40]
        );
    }
}
