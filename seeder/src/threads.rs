//! How many threads a plan needs.

use model::scenario::{Arrivals, Phase, Rate, Scenario};
use model::time::{SECOND, seconds};

/// Messages per second, over all stacks, that one thread sends on time with most of a core to spare for others.
const SENDS_PER_THREAD: f64 = 20_000.0;

/// Threads that the plan's peak rate needs: one up to 20,000 messages a second over all stacks. More would cost a
/// core that the workers may need, and on a target of this machine they do. A shard sends its part of the rate.
#[must_use]
pub fn threads_for(scenario: &Scenario, stacks: usize, shards: u32) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rate = peak_rate(scenario) * stacks as f64 / f64::from(shards.max(1));
    ((rate / SENDS_PER_THREAD).ceil() as usize).clamp(1, cores)
}

/// The highest planned rate, in messages per second.
fn peak_rate(scenario: &Scenario) -> f64 {
    let peak = |arrivals: &Arrivals| match arrivals {
        Arrivals::Even(rate) | Arrivals::Poisson(rate) => match *rate {
            Rate::Constant(rate) => rate,
            Rate::Ramp { from, to } => from.max(to),
            Rate::Sine { mean, amplitude, .. } => mean + amplitude,
        },
        // A batch is a moment, so what counts is how soon it is out: a second.
        Arrivals::Batches(batches) => batches.size.1 as f64 / seconds(batches.gap.0.clamp(1, SECOND)),
        Arrivals::Trace(intervals) => intervals
            .iter()
            .map(|interval| interval.count as f64 / seconds(interval.length.max(1)))
            .fold(0.0, f64::max),
    };
    let highest = |phases: &[Phase]| phases.iter().map(|phase| peak(&phase.arrivals)).fold(0.0, f64::max);
    scenario.loads().into_iter().map(|(_, phases)| highest(phases)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::scenario::{Batches, Message, Parameters, TraceInterval};
    use model::time::{MINUTE, Nanos};

    fn peak(arrivals: Arrivals) -> f64 {
        peak_rate(&scenario(vec![arrivals]))
    }

    fn scenario(loads: Vec<Arrivals>) -> Scenario {
        let phase = |arrivals| Phase { name: "p".into(), duration: Some(MINUTE), arrivals };
        Scenario {
            title: String::new(),
            analysis: String::new(),
            seed: 1,
            region: Scenario::REGION.into(),
            warmup: 0,
            drain_max: MINUTE,
            phases: loads.into_iter().map(phase).collect(),
            message: Message::default(),
            stacks: Vec::new(),
            faults: Vec::new(),
            streams: Vec::new(),
            expect: Vec::new(),
            parameters: Parameters::default(),
        }
    }

    fn batches(size: u64, gap: Nanos) -> Arrivals {
        Arrivals::Batches(Batches { count: None, size: (1, size), gap: (gap, 2 * gap) })
    }

    #[test]
    fn the_peak_of_every_load_is_found() {
        assert_eq!(peak(Arrivals::Poisson(Rate::Constant(5.0))), 5.0);
        assert_eq!(peak(Arrivals::Even(Rate::Ramp { from: 9.0, to: 4.0 })), 9.0);
        assert_eq!(peak(Arrivals::Even(Rate::Sine { mean: 9.0, amplitude: 4.0, period: MINUTE })), 13.0);
        assert_eq!(peak(batches(5, 5 * SECOND)), 5.0);
        assert_eq!(peak(batches(5, SECOND / 2)), 10.0);
        let interval = |at, count| TraceInterval { at, length: MINUTE, count };
        assert_eq!(peak(Arrivals::Trace(vec![interval(0, 60), interval(MINUTE, 600)])), 10.0);
        let two = [1.0, 7.0].map(|rate| Arrivals::Even(Rate::Constant(rate)));
        assert_eq!(peak_rate(&scenario(two.to_vec())), 7.0);
    }

    #[test]
    fn one_thread_is_enough_for_most() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = |rate, stacks, shards| {
            threads_for(&scenario(vec![Arrivals::Even(Rate::Constant(rate))]), stacks, shards)
        };
        assert_eq!(threads(0.0, 2, 1), 1);
        assert_eq!(threads(SENDS_PER_THREAD / 2.0, 2, 1), 1);
        assert_eq!(threads(SENDS_PER_THREAD / 2.0 + 1.0, 2, 1), 2.min(cores));
        assert_eq!(threads(SENDS_PER_THREAD, 2, 2), 1);
        assert_eq!(threads(1e12, 2, 1), cores);
    }
}
