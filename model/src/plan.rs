//! The plan: every message with its intended instant, size and work, as a pure, seeded, streaming iterator.
//!
//! Goals: the same scenario and seed give the same messages to every stack and target; constant memory; a few
//! nanoseconds per message.
//! Non-goals: sending, and anything that depends on how the system behaves (the load is open loop).

mod faults;
mod process;

use crate::random::{Sampler, Stream};
use crate::run::PhaseSpan;
use crate::scenario::{Load, Message, MessageStream, Phase, Scenario};
use crate::time::Nanos;
use faults::Marks;
use process::{Process, UNIT};

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

    /// How many attempts at all hops of a message in a row fail: each does if one of its hops does.
    #[must_use]
    pub fn failures_of_all(&self, stream: u16, seq: u64) -> u8 {
        let (_, failure, hops) = &self.classes[usize::from(stream)];
        let any = 1.0 - libm::pow(1.0 - failure, f64::from(*hops));
        let seed = self.seed ^ seq.wrapping_mul(0xd134_2543_de82_ef95);
        if any > 0.0 { failures(&mut Stream::new(seed, "all hops"), any) } else { 0 }
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
    use crate::scenario::{Arrivals, Batches, Distribution, Parameters, Rate, TraceInterval};
    use crate::time::{MILLISECOND, MINUTE, SECOND};

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
