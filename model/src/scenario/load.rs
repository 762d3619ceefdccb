//! What arrives and what it asks for: phases, rates, messages, work.

use crate::random::Sampler;
use crate::time::{MILLISECOND, Nanos, seconds};

/// A stretch of time with one arrival process.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Shown over the charts.
    pub name: String,
    /// Length; `None` (batches with a count only) lasts until the last batch is sent.
    pub duration: Option<Nanos>,
    /// When messages arrive.
    pub arrivals: Arrivals,
}

/// An arrival process.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Equal gaps.
    Even(Rate),
    /// Independent arrivals.
    Poisson(Rate),
    /// Groups of messages sent at one instant, a random gap after the previous group.
    Batches(Batches),
    /// Counts per interval, e.g. exported from CloudWatch; instants are uniform within an interval.
    Trace(Vec<TraceInterval>),
}

/// The classic seeder's load.
#[derive(Clone, Debug, PartialEq)]
pub struct Batches {
    /// How many batches; `None` goes on for the phase's duration.
    pub count: Option<u64>,
    /// Fewest and most messages in a batch.
    pub size: (u64, u64),
    /// Shortest and longest gap between batches; the first batch comes at the start of the phase.
    pub gap: (Nanos, Nanos),
}

/// One row of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceInterval {
    /// Start, from the start of the phase.
    pub at: Nanos,
    /// Length.
    pub length: Nanos,
    /// Messages in it.
    pub count: u64,
}

/// Messages per second over the time of a phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// The same all along; messages per second.
    Constant(f64),
    /// Linear from the start of the phase to its end; messages per second.
    Ramp {
        /// At the start.
        from: f64,
        /// At the end.
        to: f64,
    },
    /// `mean + amplitude * sin(2 pi t / period)`; messages per second.
    Sine {
        /// Around which it swings.
        mean: f64,
        /// At most `mean`.
        amplitude: f64,
        /// One full swing.
        period: Nanos,
    },
}

impl Rate {
    /// How many messages it brings in a phase of that length, on average.
    #[must_use]
    pub fn messages(&self, length: Nanos) -> f64 {
        let length = seconds(length);
        match *self {
            Self::Constant(rate) => rate * length,
            Self::Ramp { from, to } => (from + to) / 2.0 * length,
            Self::Sine { mean, amplitude, period } => {
                let turn = std::f64::consts::TAU / seconds(period);
                mean * length + amplitude * (1.0 - libm::cos(turn * length)) / turn
            }
        }
    }

    /// The same shape, so many times as high.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        match self {
            Self::Constant(rate) => Self::Constant(rate * factor),
            Self::Ramp { from, to } => Self::Ramp { from: from * factor, to: to * factor },
            Self::Sine { mean, amplitude, period } => {
                Self::Sine { mean: mean * factor, amplitude: amplitude * factor, period }
            }
        }
    }
}

/// What each message asks of a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Work per message on one full vCPU, without the cost of receiving and deleting.
    pub work: Distribution,
    /// Share of the work that is computing rather than waiting, 0 to 1: what a small CPU slows down.
    pub cpu_share: f64,
    /// Probability that an attempt fails after doing its work, 0 to 1.
    pub failure: f64,
    /// Shortest and longest body in bytes.
    pub body_bytes: (u32, u32),
    /// The characters that bodies are made of (ASCII).
    pub alphabet: String,
    /// Memory that the work touches, in bytes; a simulation has no use for it.
    pub memory_bytes: u64,
    /// Message groups (tenants) to draw from; 1 means none.
    pub groups: u32,
    /// How often a message is worked on; after each hop but the last its worker sends it on.
    pub hops: u32,
    /// Bodies above this many bytes go through S3; `None` sends all as they are.
    pub claim_check: Option<u32>,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            work: Distribution::Constant(100 * MILLISECOND),
            cpu_share: 0.0,
            failure: 0.0,
            body_bytes: (256, 256),
            alphabet: "ABCDEFGHIJKLMNOPQRSTUVWXYZ".into(),
            memory_bytes: 0,
            groups: 1,
            hops: 1,
            claim_check: None,
        }
    }
}

impl Message {
    /// The most bytes that a queue carries for such a message; `pointer` of one whose body is in S3.
    #[must_use]
    pub fn payload_max(&self, pointer: u64) -> u64 {
        let body = u64::from(self.body_bytes.1);
        match self.claim_check.map(u64::from) {
            Some(most) if body > most => most.max(pointer),
            _ => body,
        }
    }
}

/// A distribution of spans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Constant(Nanos),
    /// Uniform between two values.
    Uniform {
        /// Shortest.
        from: Nanos,
        /// Longest.
        to: Nanos,
    },
    /// Exponential.
    Exponential {
        /// Mean.
        mean: Nanos,
    },
    /// Lognormal, given by two of its percentiles.
    Lognormal {
        /// 50th percentile.
        median: Nanos,
        /// 99th percentile, at least the median.
        p99: Nanos,
    },
    /// Either of two values.
    Bimodal {
        /// The usual one.
        fast: Nanos,
        /// The rare one.
        slow: Nanos,
        /// Probability of the rare one.
        slow_share: f64,
    },
}

impl Distribution {
    /// The sampler that draws from it.
    #[must_use]
    pub fn sampler(&self) -> Sampler {
        match *self {
            Self::Constant(value) => Sampler::constant(value),
            Self::Uniform { from, to } => Sampler::uniform(from, to),
            Self::Exponential { mean } => Sampler::exponential(mean),
            Self::Lognormal { median, p99 } => Sampler::lognormal(median, p99),
            Self::Bimodal { fast, slow, slow_share } => Sampler::two(fast, slow, slow_share),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;

    #[test]
    fn a_rate_brings_its_integral_and_keeps_its_shape() {
        let near = |rate: Rate, length_s: u64, messages: f64| {
            let brought = rate.messages(length_s * SECOND);
            assert!((brought - messages).abs() < 1e-9 * messages, "{rate:?}: {brought}");
            assert!((rate.times(2.5).messages(length_s * SECOND) - 2.5 * messages).abs() < 1e-9 * messages);
        };
        near(Rate::Constant(3.0), 20, 60.0);
        near(Rate::Ramp { from: 10.0, to: 30.0 }, 6, 120.0);
        let sine = Rate::Sine { mean: 10.0, amplitude: 10.0, period: 60 * SECOND };
        near(sine, 60, 600.0);
        // The crest without the trough.
        near(sine, 30, 300.0 + 2.0 * 10.0 * 60.0 / std::f64::consts::TAU);
    }
}
