//! Arrival processes: the instants of one phase, relative to its start.
//!
//! Goals: exact counts of even loads and traces, rates by their integral, a few nanoseconds per message.
//! Non-goals: which phase comes when, and whose message it is (`plan`).

use crate::random::{Sampler, Stream};
use crate::scenario::{Arrivals, Batches, Phase, Rate, TraceInterval};
use crate::time::{Nanos, SECOND, from_seconds, seconds};

/// Fixed-point unit of the exponential draws.
pub(super) const UNIT: u64 = 1 << 40;

/// An arrival process; instants are relative to its phase.
#[derive(Clone, Debug)]
pub(super) enum Process {
    Rated(Rated),
    Batched(Batched),
    Traced(Traced),
}

impl Process {
    /// The process of a phase; gaps between batches have a substream called `gaps`.
    pub(super) fn new(phase: &Phase, seed: u64, gaps: &str) -> Self {
        let duration = phase.duration;
        match &phase.arrivals {
            Arrivals::Even(rate) => Self::Rated(Rated::new(*rate, false, duration.unwrap_or(0))),
            Arrivals::Poisson(rate) => Self::Rated(Rated::new(*rate, true, duration.unwrap_or(0))),
            // Gaps have a stream of their own, so that the end of the phase can be told beforehand.
            Arrivals::Batches(batches) => {
                Self::Batched(Batched::new(batches.clone(), duration, Stream::new(seed, gaps)))
            }
            Arrivals::Trace(intervals) => Self::Traced(Traced::new(intervals.clone())),
        }
    }

    pub(super) fn length(&self) -> Nanos {
        match self {
            Self::Rated(rated) => rated.duration,
            Self::Batched(batched) => batched.length(),
            Self::Traced(traced) => traced.intervals.last().map_or(0, |last| last.at + last.length),
        }
    }

    #[inline]
    pub(super) fn next(&mut self, stream: &mut Stream, exponential: &Sampler) -> Option<Nanos> {
        match self {
            Self::Rated(rated) => rated.next(stream, exponential),
            Self::Batched(batched) => batched.next(stream),
            Self::Traced(traced) => traced.next(stream),
        }
    }
}

/// Even or Poisson arrivals at a rate: arrival k comes when the integral of the rate reaches the k-th target.
/// Every rate is a chain of linear segments, for which the inverse of the integral is a square root.
#[derive(Clone, Debug)]
pub(super) struct Rated {
    rate: Rate,
    poisson: bool,
    duration: Nanos,
    /// Integral of the rate at which the next message is due.
    target: f64,
    first: bool,
    segment: Segment,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    start_s: f64,
    length_s: f64,
    from: f64,
    to: f64,
    /// Seconds per message at the start.
    gap_s: f64,
    /// Integral of the rate up to its start.
    before: f64,
}

impl Segment {
    fn new(start_s: f64, length_s: f64, (from, to): (f64, f64), before: f64) -> Self {
        Self { start_s, length_s, from, to, gap_s: 1.0 / from, before }
    }

    fn mass(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.length_s
    }

    /// The instant, in seconds of the phase, at which the integral within the segment reaches `mass`.
    fn invert(&self, mass: f64) -> f64 {
        if self.from == self.to {
            return self.start_s + mass * self.gap_s;
        }
        let slope = (self.to - self.from) / self.length_s;
        let root = libm::sqrt((self.from * self.from + 2.0 * slope * mass).max(0.0));
        let divisor = self.from + root;
        if divisor > 0.0 { self.start_s + 2.0 * mass / divisor } else { self.start_s }
    }
}

/// Linear pieces per period of a sine: off by at most 5e-6 of its amplitude.
const PIECES_PER_PERIOD: f64 = 1024.0;

impl Rated {
    fn new(rate: Rate, poisson: bool, duration: Nanos) -> Self {
        let segment = Segment::new(0.0, 0.0, (0.0, 0.0), 0.0);
        let mut rated = Self { rate, poisson, duration, target: 0.0, first: true, segment };
        rated.segment = rated.segment_at(0.0, 0.0);
        rated
    }

    fn segment_at(&self, start_s: f64, before: f64) -> Segment {
        let end_s = seconds(self.duration);
        let whole = end_s - start_s;
        match self.rate {
            Rate::Constant(rate) => Segment::new(start_s, whole, (rate, rate), before),
            Rate::Ramp { from, to } => Segment::new(start_s, whole, (from, to), before),
            Rate::Sine { mean, amplitude, period } => {
                let period_s = seconds(period);
                let length_s = (period_s / PIECES_PER_PERIOD).min(whole);
                let at = |t: f64| {
                    let turns = t / period_s;
                    let angle = (turns - libm::floor(turns)) * std::f64::consts::TAU;
                    (mean + amplitude * libm::sin(angle)).max(0.0)
                };
                Segment::new(start_s, length_s, (at(start_s), at(start_s + length_s)), before)
            }
        }
    }

    #[inline]
    fn next(&mut self, stream: &mut Stream, exponential: &Sampler) -> Option<Nanos> {
        if self.poisson {
            self.target += exponential.draw(stream) as f64 * (1.0 / UNIT as f64);
        } else if !self.first {
            self.target += 1.0;
        }
        self.first = false;
        loop {
            let mass = self.target - self.segment.before;
            let whole = self.segment.mass();
            if mass < whole {
                let at = from_seconds(self.segment.invert(mass));
                return (at < self.duration).then_some(at);
            }
            let next_s = self.segment.start_s + self.segment.length_s;
            if let Rate::Sine { mean, period, .. } = self.rate {
                if mean <= 0.0 {
                    return None;
                }
                // A whole period holds `mean * period`, so periods that bring no message are passed at once.
                let whole_periods = libm::floor((mass - whole) / (mean * seconds(period)) - 1e-9);
                if whole_periods >= 1.0 {
                    let skipped = whole_periods * seconds(period);
                    let before = self.segment.before + whole + whole_periods * mean * seconds(period);
                    if from_seconds(next_s + skipped) >= self.duration {
                        return None;
                    }
                    self.segment = self.segment_at(next_s + skipped, before);
                    continue;
                }
            }
            if from_seconds(next_s) >= self.duration {
                return None;
            }
            self.segment = self.segment_at(next_s, self.segment.before + whole);
        }
    }
}

/// The classic seeder: a batch, a gap, a batch.
#[derive(Clone, Debug)]
pub(super) struct Batched {
    batches: Batches,
    duration: Option<Nanos>,
    gaps: Stream,
    at: Nanos,
    sent: u64,
    left_in_batch: u64,
}

impl Batched {
    fn new(batches: Batches, duration: Option<Nanos>, gaps: Stream) -> Self {
        Self { batches, duration, gaps, at: 0, sent: 0, left_in_batch: 0 }
    }

    /// Starts the next batch; false when the phase is over.
    fn advance(&mut self) -> bool {
        if self.batches.count.is_some_and(|count| self.sent >= count) {
            return false;
        }
        if self.sent > 0 {
            self.at += self.gaps.between(self.batches.gap.0, self.batches.gap.1);
        }
        self.sent += 1;
        // A batch without a gap would never move on; the reader of scenarios refuses that with a duration.
        self.duration.is_none_or(|duration| self.at < duration)
    }

    fn length(&self) -> Nanos {
        self.duration.unwrap_or_else(|| {
            let mut copy = self.clone();
            while copy.advance() {}
            // At least a moment, so that the last batch lies within its phase.
            copy.at + SECOND
        })
    }

    fn next(&mut self, sizes: &mut Stream) -> Option<Nanos> {
        while self.left_in_batch == 0 {
            if !self.advance() {
                return None;
            }
            self.left_in_batch = sizes.between(self.batches.size.0, self.batches.size.1);
        }
        self.left_in_batch -= 1;
        Some(self.at)
    }
}

/// Counts per interval; within an interval the instants are uniform, drawn in order.
#[derive(Clone, Debug)]
pub(super) struct Traced {
    intervals: Vec<TraceInterval>,
    index: usize,
    sent: u64,
    /// Position within the interval, 0 to 1.
    position: f64,
}

impl Traced {
    fn new(intervals: Vec<TraceInterval>) -> Self {
        Self { intervals, index: 0, sent: 0, position: 0.0 }
    }

    fn next(&mut self, stream: &mut Stream) -> Option<Nanos> {
        loop {
            let interval = *self.intervals.get(self.index)?;
            let left = interval.count - self.sent;
            if left > 0 {
                // The smallest of `left` uniforms on what remains of the interval.
                let step = 1.0 - libm::pow(1.0 - stream.unit(), 1.0 / left as f64);
                self.position += (1.0 - self.position) * step;
                self.sent += 1;
                let within = (self.position * interval.length as f64) as Nanos;
                return Some(interval.at + within.min(interval.length.saturating_sub(1)));
            }
            self.index += 1;
            self.sent = 0;
            self.position = 0.0;
        }
    }
}
