//! The same message at two stacks: by how much the latencies differ.
//!
//! Goals: differences of messages, not of percentiles; intervals by the blocks of [`crate::bootstrap`], for what befell
//! a message befell its neighbours, too.
//! Non-goals: judging by them: the median of differences says nothing of the tail.

use crate::bootstrap::{LANES, Lanes, Layout, dot, tails, widening};
use crate::estimate::{Basis, Estimate};
use crate::view::{SAMPLES_BEYOND, StackView};
use model::time::Nanos;

/// Differences in latency of one stack to the first, over the messages after warm-up that both completed.
pub(crate) struct Pairs {
    /// Milliseconds, ascending; not empty.
    differences: Vec<f64>,
    /// The share of the messages that the stack finished sooner than the first.
    pub(crate) sooner: Estimate,
    /// The share of the messages that both finished equally soon.
    pub(crate) equal: f64,
    /// The median difference in milliseconds.
    pub(crate) median: Estimate,
    /// Whether these are not all messages.
    pub(crate) is_sample: bool,
}

/// The difference of one message.
#[derive(Clone, Copy)]
struct Pair {
    scheduled_at: Nanos,
    ms: f64,
}

impl Pairs {
    /// Every stack but the first, by its index, if it has a message in common with the first.
    pub(crate) fn of(views: &[StackView]) -> Vec<(usize, Self)> {
        let Some((reference, others)) = views.split_first() else { return Vec::new() };
        let manifest = reference.manifest;
        let layout = Layout::of(reference.stack.windows.width, manifest.warmup, manifest.load_end);
        let resampled = layout.map(|layout| Resampled { layout, weights: layout.weights() });
        let pairs = |view: &StackView| Self::between(reference, view, resampled.as_ref());
        (1..).zip(others).filter_map(|(stack, view)| Some((stack, pairs(view)?))).collect()
    }

    fn between(reference: &StackView, view: &StackView, resampled: Option<&Resampled>) -> Option<Self> {
        let warmup = reference.manifest.warmup;
        let (sample, other) = (&view.stack.sample, &reference.stack.sample);
        // At once as large as it can become: there are megabytes of them.
        let mut pairs: Vec<Pair> = Vec::with_capacity(sample.messages.len().min(other.messages.len()));
        let inside = sample.pairs(other).filter(|(one, _)| one.scheduled_at >= warmup);
        pairs.extend(inside.map(|(one, other)| Pair {
            scheduled_at: one.scheduled_at,
            ms: (one.latency as f64 - other.latency as f64) / 1e6,
        }));
        pairs.sort_unstable_by(|a, b| a.ms.total_cmp(&b.ms));
        let count = pairs.len();
        let (sooner, not_later) =
            (pairs.partition_point(|pair| pair.ms < 0.0), pairs.partition_point(|pair| pair.ms <= 0.0));
        let equal = (not_later - sooner) as f64 / count as f64;
        let sooner = sooner as f64 / count as f64;
        let median = pairs.get(count / 2)?.ms;
        let sampled = |view: &StackView| (view.stack.sample.messages.len() as u64) < view.entry.ledger.done();
        let (sooner, median) = match resampled {
            Some(resampled) => (resampled.sooner(&pairs, sooner), resampled.median(&pairs, median)),
            None => (Estimate::single(sooner), Estimate::single(median)),
        };
        Some(Self {
            differences: pairs.into_iter().map(|pair| pair.ms).collect(),
            sooner,
            equal,
            median,
            is_sample: sampled(reference) || sampled(view),
        })
    }

    /// The share of the messages that the stack finished later than the first.
    pub(crate) fn later(&self) -> f64 {
        (1.0 - self.sooner.value - self.equal).max(0.0)
    }

    /// How many messages are compared.
    pub(crate) fn count(&self) -> usize {
        self.differences.len()
    }

    /// The difference in milliseconds that so many percent of the messages do not exceed; 0 and 100 are the extremes.
    pub(crate) fn at_percent(&self, percent: f64) -> f64 {
        let last = self.differences.len() - 1;
        self.differences[((percent / 100.0 * last as f64).round() as usize).min(last)]
    }
}

/// The run, resampled by blocks of time.
struct Resampled {
    layout: Layout,
    weights: Vec<Lanes>,
}

/// Most values that a resampled median can take; they are as many messages apart from each other.
const VALUES: usize = 400;

impl Resampled {
    /// The interval around the share of messages that were finished sooner.
    fn sooner(&self, pairs: &[Pair], share: f64) -> Estimate {
        let all = self.counted(pairs);
        let sooner = self.counted(&pairs[..pairs.partition_point(|pair| pair.ms < 0.0)]);
        let draw = |weights: &[Lanes]| {
            let pairs = enough(f64::from(dot(&all, weights)))?;
            Some(f64::from(dot(&sooner, weights)) / pairs)
        };
        self.estimate(share, &all, draw, (0.0, 1.0))
    }

    /// The interval around the median difference; `pairs` are in order of it.
    fn median(&self, pairs: &[Pair], median: f64) -> Estimate {
        let step = pairs.len().div_ceil(VALUES);
        let values: Vec<f64> = pairs.chunks(step).map(|chunk| chunk[chunk.len() - 1].ms).collect();
        // How many pairs each window has up to each of the values.
        let mut sum = vec![[0.0_f32; LANES]; self.layout.lanes()];
        let mut rows: Vec<Lanes> = Vec::with_capacity(values.len() * sum.len());
        for chunk in pairs.chunks(step) {
            self.count(chunk, &mut sum);
            rows.extend_from_slice(&sum);
        }
        let lanes = self.layout.lanes();
        let draw = |weights: &[Lanes]| {
            let half = enough(f64::from(dot(&sum, weights)))? / 2.0;
            let (mut from, mut to) = (0, values.len() - 1);
            while from < to {
                let middle = usize::midpoint(from, to);
                let enough = f64::from(dot(&rows[middle * lanes..][..lanes], weights)) >= half;
                if enough { to = middle } else { from = middle + 1 }
            }
            Some(values[from])
        };
        let (least, most) = (pairs[0].ms, pairs[pairs.len() - 1].ms);
        self.estimate(median, &sum, draw, (least, most))
    }

    fn counted(&self, pairs: &[Pair]) -> Vec<Lanes> {
        let mut counts = vec![[0.0_f32; LANES]; self.layout.lanes()];
        self.count(pairs, &mut counts);
        counts
    }

    fn count(&self, pairs: &[Pair], counts: &mut [Lanes]) {
        let Layout { from, width, windows, .. } = self.layout;
        for pair in pairs.iter().filter(|pair| pair.scheduled_at >= from) {
            let window = (((pair.scheduled_at - from) / width) as usize).min(windows - 1);
            counts[window / LANES][window % LANES] += 1.0;
        }
    }

    /// A value with the interval that the resamples' deviations from it give, within what there can be. `pairs` are
    /// counted by window: like a percentile's samples they must be from several events, and in nearly every resample.
    fn estimate(
        &self,
        value: f64,
        pairs: &[Lanes],
        draw: impl Fn(&[Lanes]) -> Option<f64>,
        (least, most): (f64, f64),
    ) -> Estimate {
        let counts = pairs.iter().flatten().map(|count| f64::from(*count));
        if !self.layout.are_from_several_events(counts) {
            return Estimate::single(value);
        }
        let resamples = self.weights.chunks_exact(self.layout.lanes());
        let mut deviations: Vec<f64> = resamples.filter_map(draw).map(|drawn| drawn - value).collect();
        let Some((low, high)) = tails(&mut deviations, f64::total_cmp) else {
            return Estimate::single(value);
        };
        let widen = widening(self.layout.blocks);
        Estimate {
            value,
            low: Some((value + low.min(0.0) * widen).max(least)),
            high: Some((value + high.max(0.0) * widen).min(most)),
            basis: Basis::Blocks,
            n: self.layout.blocks,
        }
    }
}

/// The pairs of a resample, if they are enough to tell.
fn enough(pairs: f64) -> Option<f64> {
    (pairs >= SAMPLES_BEYOND as f64).then_some(pairs)
}
