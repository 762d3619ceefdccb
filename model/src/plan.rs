//! The plan: every message with its intended instant, size and work, as a pure, seeded, streaming iterator.
//!
//! Goals: the same scenario and seed give the same messages to every stack and target; constant memory; a few
//! nanoseconds per message.
//! Non-goals: sending, and anything that depends on how the system behaves (the load is open loop).

mod faults;

use crate::random::{Sampler, Stream};
use crate::run::PhaseSpan;
use crate::scenario::{
    Arrivals, Batches, Load, Message, MessageStream, Phase, Rate, Scenario, TraceInterval,
};
use crate::time::{Nanos, SECOND, from_seconds, seconds};
use faults::Marks;

/// One planned message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Position in the plan, from 0.
    pub seq: u64,
    /// Intended instant; never decreases.
    pub at: Nanos,
    /// Message class: its position among the scenario's streams; 0 where there is but one.
    pub stream: u16,
    /// Message group (tenant), from 0.
    pub group: u32,
    /// Body length.
    pub bytes: u32,
    /// Work on one full vCPU.
    pub work: Nanos,
    /// How many attempts fail before the first that succeeds; 255 stands for all.
    pub failures: u8,
}

impl Arrival {
    /// Whether the attempt with this receive count (from 1) fails.
    #[inline]
    #[must_use]
    pub fn fails(&self, receive_count: u32) -> bool {
        self.failures == u8::MAX || receive_count <= u32::from(self.failures)
    }

    /// The body: `bytes` characters drawn from the alphabet, a function of the seed and `seq` alone.
    #[must_use]
    pub fn body(&self, seed: u64, alphabet: &str) -> String {
        let letters = alphabet.as_bytes();
        let mut stream = Stream::new(seed ^ self.seq.wrapping_mul(0xd134_2543_de82_ef95), "body");
        let last = letters.len() as u64 - 1;
        let bytes: Vec<u8> = (0..self.bytes).map(|_| letters[stream.between(0, last) as usize]).collect();
        // At once: character by character it takes longer than the drawing.
        String::from_utf8(bytes)
            .unwrap_or_else(|other| other.as_bytes().iter().copied().map(char::from).collect())
    }
}

/// The plan of a scenario; iterate it.
#[derive(Clone, Debug)]
pub struct Plan {
    lanes: Vec<Lane>,
    classes: Vec<Class>,
    exponential: Sampler,
    marks: Option<Box<Marks>>,
    next_seq: u64,
    /// Streams that are given, as bits; the others keep their places in the sequence.
    only: u64,
}

/// A sequence of phases, and whose messages they bring.
#[derive(Clone, Debug)]
struct Lane {
    phases: std::vec::IntoIter<(Nanos, Process)>,
    current: Option<(Nanos, Process)>,
    spans: Vec<PhaseSpan>,
    arrivals: Stream,
    of: Of,
    /// Its next instant, where there are other lanes.
    next: Option<Nanos>,
}

/// Whose messages a lane brings.
#[derive(Clone, Debug)]
enum Of {
    One(u16),
    /// Drawn for each message: streams, and the sum of shares up to each.
    Shares(Vec<(u16, f64)>, Stream),
}

/// What the messages of a stream ask for. Substreams: one per thing drawn, so that a change to one leaves the others
/// alone.
#[derive(Clone, Debug)]
struct Class {
    work: Sampler,
    works: Stream,
    body_bytes: (u64, u64),
    sizes: Stream,
    failure: f64,
    failures: Stream,
    last_group: u64,
    groups: Stream,
}

impl Class {
    fn new(message: &Message, seed: u64, of: &str) -> Self {
        let stream = |what: &str| Stream::new(seed, &format!("{what}{of}"));
        Self {
            work: message.work.sampler(),
            works: stream("work"),
            body_bytes: (u64::from(message.body_bytes.0), u64::from(message.body_bytes.1)),
            sizes: stream("sizes"),
            failure: message.failure,
            failures: stream("failures"),
            last_group: u64::from(message.groups.saturating_sub(1)),
            groups: stream("groups"),
        }
    }

    #[inline]
    fn draw(&mut self, arrival: &mut Arrival) {
        arrival.group = self.groups.between(0, self.last_group) as u32;
        arrival.bytes = self.sizes.between(self.body_bytes.0, self.body_bytes.1) as u32;
        arrival.work = self.work.draw(&mut self.works);
        arrival.failures = if self.failure > 0.0 { failures(&mut self.failures, self.failure) } else { 0 };
    }
}

/// How many attempts fail before one succeeds, each with that probability.
fn failures(stream: &mut Stream, probability: f64) -> u8 {
    let mut failures = 0;
    while failures < u8::MAX && stream.chance(probability) {
        failures += 1;
    }
    failures
}

/// What the hops of messages after the first ask for: a function of the seed, the message and the hop, whoever asks.
#[derive(Clone, Debug)]
pub struct Hops {
    seed: u64,
    classes: Vec<(Sampler, f64, u32)>,
}

impl Hops {
    /// The hops of a scenario's messages.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let of = |message: &&Message| (message.work.sampler(), message.failure, message.hops);
        Self { seed: scenario.seed, classes: scenario.messages().iter().map(of).collect() }
    }

    /// How many hops a message of that stream has.
    #[must_use]
    pub fn of(&self, stream: u16) -> u32 {
        self.classes[usize::from(stream)].2
    }

    /// The work of a hop (from 1; hop 0 is planned), and how many attempts at it fail.
    #[must_use]
    pub fn draw(&self, stream: u16, seq: u64, hop: u32) -> (Nanos, u8) {
        let (work, failure, _) = &self.classes[usize::from(stream)];
        let seed = self.seed ^ seq.wrapping_mul(0xd134_2543_de82_ef95) ^ u64::from(hop).rotate_left(48);
        let mut stream = Stream::new(seed, "hop");
        let work = work.draw(&mut stream);
        (work, if *failure > 0.0 { failures(&mut stream, *failure) } else { 0 })
    }
}

impl Plan {
    /// The plan of `scenario` with its seed.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let seed = scenario.seed;
        let names = scenario.stream_names();
        // The only stream has no name, and its substreams are called as they always were.
        let of = |name: &str| if name.is_empty() { String::new() } else { format!(" of {name}") };
        let messages = scenario.messages();
        let classes = messages.iter().zip(&names).map(|(message, name)| Class::new(message, seed, &of(name)));
        let lane = |(stream, phases): (Option<&MessageStream>, &[Phase])| match stream {
            None => Lane::new(phases, seed, "", shares(scenario)),
            Some(stream) => {
                let at = names.iter().position(|name| *name == stream.name).unwrap_or(0);
                Lane::new(phases, seed, &of(&stream.name), Of::One(at as u16))
            }
        };
        let mut lanes: Vec<Lane> = scenario.loads().into_iter().map(lane).collect();
        let exponential = Sampler::exponential(UNIT);
        if lanes.len() > 1 {
            lanes.iter_mut().for_each(|lane| lane.next = lane.instant(&exponential));
        }
        let marks = Marks::new(&scenario.faults, seed);
        Self { classes: classes.collect(), lanes, exponential, marks, next_seq: 0, only: u64::MAX }
    }

    /// The same plan with the messages of those streams alone, at the places that they have in the whole.
    #[must_use]
    pub fn only(self, streams: &[usize]) -> Self {
        Self { only: streams.iter().fold(0, |bits, stream| bits | 1 << stream), ..self }
    }

    /// The phases on the run's clock: the common ones, or else those of the stream whose load is the longest.
    #[must_use]
    pub fn spans(&self) -> &[PhaseSpan] {
        let common = self.lanes.iter().find(|lane| matches!(lane.of, Of::Shares(..)));
        let longest = || self.lanes.iter().reduce(|a, b| if b.end() > a.end() { b } else { a });
        common.or_else(longest).map_or(&[], |lane| &lane.spans)
    }

    /// The end of the last phase.
    #[must_use]
    pub fn load_end(&self) -> Nanos {
        self.lanes.iter().map(Lane::end).max().unwrap_or(0)
    }

    /// The next instant, and whose it is. Among equals the first lane comes first.
    fn next_instant(&mut self) -> Option<(Nanos, u16)> {
        if let [lane] = self.lanes.as_mut_slice() {
            let at = lane.instant(&self.exponential)?;
            return Some((at, lane.stream()));
        }
        let (at, lane) = self
            .lanes
            .iter_mut()
            .filter_map(|lane| Some((lane.next?, lane)))
            .reduce(|a, b| if b.0 < a.0 { b } else { a })?;
        lane.next = lane.instant(&self.exponential);
        Some((at, lane.stream()))
    }
}

/// The streams that share the common phases; the only one where the scenario has none.
fn shares(scenario: &Scenario) -> Of {
    let mut sum = 0.0;
    let shares: Vec<(u16, f64)> = scenario
        .streams
        .iter()
        .enumerate()
        .filter_map(|(at, stream)| match stream.load {
            Load::Share(share) => {
                sum += share;
                Some((at as u16, sum))
            }
            Load::Phases(_) => None,
        })
        .collect();
    match shares.as_slice() {
        [] => Of::One(0),
        [(only, _)] => Of::One(*only),
        _ => Of::Shares(shares, Stream::new(scenario.seed, "streams")),
    }
}

impl Lane {
    fn new(phases: &[Phase], seed: u64, name: &str, of: Of) -> Self {
        let mut start = 0;
        let mut processes = Vec::new();
        let mut spans = Vec::new();
        for (index, phase) in phases.iter().enumerate() {
            let process = Process::new(phase, seed, &format!("gaps of phase {index}{name}"));
            let until = start + process.length();
            spans.push(PhaseSpan { name: phase.name.clone(), from: start, until });
            processes.push((start, process));
            start = until;
        }
        let mut phases = processes.into_iter();
        let arrivals = Stream::new(seed, &format!("arrivals{name}"));
        Self { current: phases.next(), phases, spans, arrivals, of, next: None }
    }

    fn end(&self) -> Nanos {
        self.spans.last().map_or(0, |span| span.until)
    }

    #[inline]
    fn instant(&mut self, exponential: &Sampler) -> Option<Nanos> {
        loop {
            let (start, process) = self.current.as_mut()?;
            if let Some(at) = process.next(&mut self.arrivals, exponential) {
                return Some(*start + at);
            }
            self.current = self.phases.next();
        }
    }

    /// Whose message the one at this instant is.
    #[inline]
    fn stream(&mut self) -> u16 {
        match &mut self.of {
            Of::One(stream) => *stream,
            Of::Shares(shares, stream) => {
                let drawn = stream.unit();
                let (last, _) = shares[shares.len() - 1];
                shares.iter().find(|(_, sum)| drawn < *sum).map_or(last, |(stream, _)| *stream)
            }
        }
    }
}

impl Plan {
    /// The next message, written in place; false at the end of the plan.
    ///
    /// For loops that read millions: an `Option<Arrival>` by value is copied in wider pieces than it was written
    /// in, and the processor waits for each.
    #[inline]
    pub fn next_into(&mut self, arrival: &mut Arrival) -> bool {
        loop {
            let Some((at, stream)) = self.next_instant() else { return false };
            arrival.at = at;
            arrival.seq = self.next_seq;
            self.next_seq += 1;
            arrival.stream = stream;
            self.classes[usize::from(stream)].draw(arrival);
            if let Some(marks) = &mut self.marks {
                marks.mark(arrival);
            }
            if self.only >> stream & 1 == 1 {
                return true;
            }
        }
    }
}

impl Iterator for Plan {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let mut arrival = Arrival::default();
        self.next_into(&mut arrival).then_some(arrival)
    }
}

/// Fixed-point unit of the exponential draws.
const UNIT: u64 = 1 << 40;

/// An arrival process; instants are relative to its phase.
#[derive(Clone, Debug)]
enum Process {
    Rated(Rated),
    Batched(Batched),
    Traced(Traced),
}

impl Process {
    fn new(phase: &Phase, seed: u64, gaps: &str) -> Self {
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

    fn length(&self) -> Nanos {
        match self {
            Self::Rated(rated) => rated.duration,
            Self::Batched(batched) => batched.length(),
            Self::Traced(traced) => traced.intervals.last().map_or(0, |last| last.at + last.length),
        }
    }

    #[inline]
    fn next(&mut self, stream: &mut Stream, exponential: &Sampler) -> Option<Nanos> {
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
struct Rated {
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
struct Batched {
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
struct Traced {
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

/// A running hash of a plan: equal for equal plans, whatever consumes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanHash {
    state: u64,
    count: u64,
}

impl Default for PlanHash {
    fn default() -> Self {
        Self { state: 0x243f_6a88_85a3_08d3, count: 0 }
    }
}

impl PlanHash {
    /// Adds the next arrival.
    #[inline]
    pub fn add(&mut self, arrival: &Arrival) {
        self.count += 1;
        let packed = u64::from(arrival.bytes) << 32
            ^ u64::from(arrival.group) << 12
            ^ u64::from(arrival.stream) << 8
            ^ u64::from(arrival.failures);
        for word in [arrival.at, arrival.work, packed] {
            let product = u128::from(self.state ^ word) * 0x9e37_79b9_7f4a_7c15;
            // The rotation keeps a product of 0 from swallowing what came before.
            self.state = self.state.rotate_left(29) ^ product as u64 ^ (product >> 64) as u64;
        }
    }

    /// Adds the hash of another stream's arrivals.
    pub fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.state = self.state.rotate_left(29) ^ other.state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// Arrivals added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// 16 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        format!("{:016x}", self.state ^ self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Distribution, Parameters};
    use crate::time::{MILLISECOND, MINUTE};

    fn scenario(phases: Vec<Phase>) -> Scenario {
        Scenario {
            title: String::new(),
            analysis: String::new(),
            seed: 11,
            region: Scenario::REGION.into(),
            warmup: 0,
            drain_max: MINUTE,
            phases,
            message: Message { work: Distribution::Exponential { mean: MILLISECOND }, ..Message::default() },
            stacks: Vec::new(),
            faults: Vec::new(),
            streams: Vec::new(),
            expect: Vec::new(),
            parameters: Parameters::default(),
        }
    }

    fn phase(duration: Nanos, arrivals: Arrivals) -> Phase {
        Phase { name: "p".into(), duration: Some(duration), arrivals }
    }

    fn instants(phases: Vec<Phase>) -> Vec<Nanos> {
        Plan::new(&scenario(phases)).map(|a| a.at).collect()
    }

    #[test]
    fn even_arrivals_have_equal_gaps_and_the_exact_count() {
        let at = instants(vec![phase(MINUTE, Arrivals::Even(Rate::Constant(10.0)))]);
        assert_eq!(at.len(), 600);
        assert!(at.iter().enumerate().all(|(k, &at)| at == k as u64 * 100 * MILLISECOND));
    }

    #[test]
    fn rates_integrate_to_their_counts() {
        let sine = Rate::Sine { mean: 50.0, amplitude: 50.0, period: MINUTE };
        for (rate, expected) in [
            (Rate::Constant(80.0), 48_000.0),
            (Rate::Ramp { from: 0.0, to: 200.0 }, 60_000.0),
            (sine, 30_000.0),
        ] {
            let even = instants(vec![phase(10 * MINUTE, Arrivals::Even(rate))]).len() as f64;
            assert!((even - expected).abs() <= 1.0, "{rate:?}: {even}");
            let poisson = instants(vec![phase(10 * MINUTE, Arrivals::Poisson(rate))]).len() as f64;
            assert!((poisson - expected).abs() < 4.0 * expected.sqrt(), "{rate:?}: {poisson}");
        }
    }

    #[test]
    fn a_slow_sine_over_many_periods_is_quick_and_right() {
        let rate = Rate::Sine { mean: 0.001, amplitude: 0.001, period: SECOND };
        let at = instants(vec![phase(31 * crate::time::DAY, Arrivals::Even(rate))]);
        assert_eq!(at.len(), 31 * 86_400 / 1_000 + 1);
        assert!(at.is_sorted());
        let nothing = Rate::Sine { mean: 0.0, amplitude: 0.0, period: SECOND };
        assert!(instants(vec![phase(31 * crate::time::DAY, Arrivals::Even(nothing))]).is_empty());
    }

    #[test]
    fn a_ramp_is_half_done_where_it_should_be() {
        let at = instants(vec![phase(100 * SECOND, Arrivals::Even(Rate::Ramp { from: 0.0, to: 100.0 }))]);
        // Half of the time holds a quarter of the messages.
        let first_half = at.partition_point(|&at| at < 50 * SECOND);
        assert!((first_half as i64 - 1_250).abs() <= 1, "{first_half}");
    }

    #[test]
    fn batches_keep_to_their_ranges() {
        let batches = Batches { count: Some(50), size: (1, 5), gap: (5 * SECOND, 15 * SECOND) };
        let phases = vec![Phase { name: "b".into(), duration: None, arrivals: Arrivals::Batches(batches) }];
        let at = instants(phases.clone());
        let mut starts = at.clone();
        starts.dedup();
        assert_eq!(starts.len(), 50);
        assert!(starts.windows(2).all(|w| (5 * SECOND..=15 * SECOND).contains(&(w[1] - w[0]))));
        assert!((50..=250).contains(&at.len()));
        assert!(Plan::new(&scenario(phases)).load_end() > *starts.last().unwrap());
    }

    #[test]
    fn a_trace_is_met_exactly() {
        let intervals = vec![
            TraceInterval { at: 0, length: MINUTE, count: 100 },
            TraceInterval { at: MINUTE, length: MINUTE, count: 0 },
            TraceInterval { at: 2 * MINUTE, length: MINUTE, count: 7 },
        ];
        let at =
            instants(vec![Phase { name: "t".into(), duration: None, arrivals: Arrivals::Trace(intervals) }]);
        assert!(at.is_sorted());
        assert_eq!(at.partition_point(|&at| at < MINUTE), 100);
        assert_eq!(at.partition_point(|&at| at < 2 * MINUTE), 100);
        assert_eq!(at.len(), 107);
    }

    #[test]
    fn phases_follow_each_other() {
        let at = instants(vec![
            phase(MINUTE, Arrivals::Even(Rate::Constant(1.0))),
            phase(MINUTE, Arrivals::Even(Rate::Constant(0.0))),
            phase(MINUTE, Arrivals::Poisson(Rate::Constant(5.0))),
        ]);
        assert!(at.is_sorted());
        assert_eq!(at.partition_point(|&at| at < 2 * MINUTE), 60);
        assert!(at.iter().all(|&at| at < 3 * MINUTE));
    }

    #[test]
    fn equal_seeds_give_equal_plans_and_others_do_not() {
        let hash = |seed| {
            let phases = vec![phase(MINUTE, Arrivals::Poisson(Rate::Constant(50.0)))];
            let mut hash = PlanHash::default();
            Plan::new(&Scenario { seed, ..scenario(phases) }).for_each(|a| hash.add(&a));
            hash.hex()
        };
        assert_eq!(hash(1), hash(1));
        assert_ne!(hash(1), hash(2));
    }

    #[test]
    fn failures_are_geometric() {
        let mut s = scenario(vec![phase(MINUTE, Arrivals::Even(Rate::Constant(1_000.0)))]);
        s.message.failure = 0.2;
        let all: Vec<_> = Plan::new(&s).collect();
        let once = all.iter().filter(|a| a.failures >= 1).count() as f64 / all.len() as f64;
        let twice = all.iter().filter(|a| a.failures >= 2).count() as f64 / all.len() as f64;
        assert!((once - 0.2).abs() < 0.01 && (twice - 0.04).abs() < 0.005, "{once} {twice}");
        s.message.failure = 1.0;
        assert!(Plan::new(&s).take(5).all(|a| a.fails(1_000)));
    }

    #[test]
    fn bodies_are_a_function_of_seed_and_sequence() {
        let arrival =
            Plan::new(&scenario(vec![phase(MINUTE, Arrivals::Even(Rate::Constant(1.0)))])).next().unwrap();
        let body = arrival.body(5, "AB");
        assert_eq!(body.len(), 256);
        assert!(body.chars().all(|c| "AB".contains(c)));
        assert_eq!(body, arrival.body(5, "AB"));
        assert_ne!(body, arrival.body(6, "AB"));
    }
}
