//! How far the percentiles of one run can be trusted: a joint circular block bootstrap over its windows.
//!
//! Goals: messages that are near in time share their fate (a queue, a cold start), so minutes are resampled and not
//! messages; every stack, stage and percentile gets the same minutes, for all stacks had the same messages, so what
//! a minute did to both of two stacks cancels from their ratio; a spike that the scenario plans is in every resample,
//! so a minute is replaced by one beside it; the same intervals on every machine.
//! Non-goals: what varies from run to run but not within one, such as the instant of the one alarm of a flash crowd.
//! Repeats show that (see [`crate::difference`]).

use crate::view::{StackView, for_each_stack};
use model::random::Stream;
use model::time::{Nanos, SECOND};
use model::windows::{Stage, Windows, bin_of};

/// How often the run is resampled.
pub(crate) const RESAMPLES: usize = 2_000;

/// Length of a block: longer than most queues and cold starts are felt.
const BLOCK: Nanos = 60 * SECOND;

/// A block is drawn from a stretch of this many around its place. From the whole run, a resample would have the
/// scenario's spike twice or not at all, and intervals would tell of that.
const STRETCH: usize = 3;

/// Fewer blocks than this have no interval.
const LEAST_BLOCKS: usize = 5;

/// Windows of a long run are merged until at most this many remain.
const MOST_WINDOWS: u64 = 180;

/// Fixed, so that a verdict can be reproduced.
const SEED: u64 = 0;

/// Why a run may have no intervals.
pub(crate) const TOO_SHORT: &str = "too short for an interval: needs 5 min after warm-up";

/// Sums are kept in lanes, so that they vectorise and still add up in one order on every machine.
pub(crate) const LANES: usize = 8;
pub(crate) type Lanes = [f32; LANES];

/// The windows of a run between warm-up and the end of the load, and the blocks that they form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Start of the first window.
    pub(crate) from: Nanos,
    /// Width of a window.
    pub(crate) width: Nanos,
    /// Number of windows.
    pub(crate) windows: usize,
    /// Windows per block.
    length: usize,
    /// Number of blocks, rounded.
    pub(crate) blocks: usize,
}

impl Layout {
    pub(crate) fn of(width: Nanos, warmup: Nanos, load_end: Nanos) -> Option<Self> {
        if load_end.saturating_sub(warmup) < LEAST_BLOCKS as Nanos * BLOCK {
            return None;
        }
        let from = warmup.div_ceil(width.max(1)).checked_mul(width)?;
        let recorded = load_end.checked_sub(from)?.div_ceil(width.max(1));
        let merged = recorded.div_ceil(MOST_WINDOWS);
        let width = width.checked_mul(merged).filter(|width| *width > 0)?;
        let windows = recorded.div_ceil(merged) as usize;
        let length = ((BLOCK + width / 2) / width).max(1) as usize;
        let blocks = (windows + length / 2) / length;
        (blocks >= LEAST_BLOCKS).then_some(Self { from, width, windows, length, blocks })
    }

    /// Lanes that hold one number per window.
    pub(crate) fn lanes(&self) -> usize {
        self.windows.div_ceil(LANES)
    }

    /// How often each window counts in each resample, resample after resample. What lies beyond the end of the run is
    /// its start, and the other way round: so every window is drawn equally often.
    pub(crate) fn weights(&self) -> Vec<Lanes> {
        let mut stream = Stream::new(SEED, "block bootstrap");
        let mut weights = vec![[0.0; LANES]; RESAMPLES * self.lanes()];
        for resample in weights.chunks_exact_mut(self.lanes()) {
            let mut missing = self.windows;
            while missing > 0 {
                let choices = STRETCH * self.length;
                // As many before a block's place as after it; a run's length is added to stay above 0.
                let first = 2 * self.windows - missing - choices / 2;
                let start = first + stream.between(0, choices as u64 - 1) as usize;
                let length = self.length.min(missing);
                for window in (start..start + length).map(|window| window % self.windows) {
                    resample[window / LANES][window % LANES] += 1.0;
                }
                missing -= length;
            }
        }
        weights
    }
}

/// One stage of one stack: how many samples each window has up to each value.
struct Cumulative {
    /// Logarithms of the values that occur, ascending; row by row.
    ln: Vec<f64>,
    /// Width of each value's bin as a share of the value.
    bins: Vec<f64>,
    /// The counts, row after row.
    counts: Vec<Lanes>,
    lanes: usize,
}

impl Cumulative {
    /// `values` are those that occur, in microseconds, ascending.
    fn of(windows: &Windows, stage: Stage, values: &[u64], layout: &Layout) -> Self {
        let lanes = layout.lanes();
        let mut rows = vec![0_u32; values.last().map_or(0, |last| bin_of(*last) + 1)];
        values.iter().enumerate().for_each(|(row, value)| rows[bin_of(*value)] = row as u32);
        let mut counts = vec![[0.0; LANES]; values.len() * lanes];
        let mut tile = vec![[0_u32; LANES]; values.len()];
        let inside = windows.histograms.iter().filter(|w| w.stage == stage && w.start >= layout.from);
        let mut inside = inside.map(|w| (((w.start - layout.from) / layout.width) as usize, w)).peekable();
        for lane in 0..lanes {
            tile.fill([0; LANES]);
            while let Some((index, window)) = inside.next_if(|(index, _)| *index < (lane + 1) * LANES) {
                for (bin, count) in window.counts.bins() {
                    tile[rows[bin] as usize][index % LANES] += count as u32;
                }
            }
            let mut sum = [0_u32; LANES];
            for (row, tile) in tile.iter().enumerate() {
                (0..LANES).for_each(|i| sum[i] += tile[i]);
                counts[row * lanes + lane] = sum.map(|count| count as f32);
            }
        }
        // A microsecond stands for what is shorter: there is no logarithm of nothing.
        let ln = values.iter().map(|v| libm::log((*v).max(1) as f64)).collect();
        let bins = values.iter().map(|v| (1.0 / (*v).max(1) as f64).max(BIN)).collect();
        Self { ln, bins, counts, lanes }
    }

    fn samples_up_to(&self, row: usize, weights: &[Lanes]) -> f32 {
        let mut sum = [0.0_f32; LANES];
        for (counts, weights) in self.counts[row * self.lanes..][..self.lanes].iter().zip(weights) {
            (0..LANES).for_each(|i| sum[i] += counts[i] * weights[i]);
        }
        sum.iter().sum()
    }

    /// The first row that has a share `p` of the samples at or below it. The search begins at `near`, for resamples
    /// differ little.
    fn quantile(&self, p: f64, weights: &[Lanes], near: usize) -> usize {
        let last = self.ln.len() - 1;
        let wanted = (p * f64::from(self.samples_up_to(last, weights))) as f32;
        let reaches = |row: usize| self.samples_up_to(row, weights) >= wanted;
        // `below` is the first row not known to fall short, `at` is known to reach.
        let (mut below, mut at, mut step) = (0, last, 8);
        if reaches(near) {
            at = near;
            while at > 0 {
                let probe = at.saturating_sub(step);
                if !reaches(probe) {
                    below = probe + 1;
                    break;
                }
                (at, step) = (probe, step * 4);
            }
        } else {
            below = near + 1;
            while below < last {
                let probe = (below + step).min(last);
                if reaches(probe) {
                    at = probe;
                    break;
                }
                (below, step) = (probe + 1, step * 4);
            }
        }
        while below < at {
            let middle = usize::midpoint(below, at);
            if reaches(middle) { at = middle } else { below = middle + 1 }
        }
        at
    }

    fn draws(&self, p: f64, weights: &[Lanes]) -> Draws {
        let point = self.quantile(p, &vec![[1.0; LANES]; self.lanes], self.ln.len() / 2);
        let deviation =
            |resample: &[Lanes]| (self.ln[self.quantile(p, resample, point)] - self.ln[point]) as f32;
        let deviations = weights.chunks_exact(self.lanes).map(deviation).collect();
        // What is uniform within its bin is off by this much.
        Draws { deviations, resolution: self.bins[point] / 12_f64.sqrt() }
    }
}

/// Width of a bin of an HdrHistogram with three digits, as a share of the value: at most 1/1,024.
const BIN: f64 = 1.0 / 1_024.0;

/// A percentile of a stack in every resample.
#[derive(Clone, Debug)]
struct Draws {
    /// Logarithm of the resample's value over that of the run.
    deviations: Vec<f32>,
    /// Standard error that the histogram's bins leave in any case, on the log scale.
    resolution: f64,
}

/// A 95 % interval as factors of the value it belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Of the lower end; at most 1.
    pub low: f64,
    /// Of the upper end; at least 1.
    pub high: f64,
}

/// All percentiles of all stacks in every resample.
#[derive(Debug)]
pub struct Bootstrap {
    layout: Layout,
    quantiles: Vec<(Stage, f64)>,
    /// Stack after stack, one for each of `quantiles`; `None` where the stack has no such percentile, or it is 0.
    draws: Vec<Vec<Option<Draws>>>,
}

impl Bootstrap {
    /// Resamples the stacks of one run.
    ///
    /// # Errors
    /// Says why the run has no intervals.
    pub fn of(views: &[StackView], quantiles: &[(Stage, f64)]) -> Result<Self, &'static str> {
        let Some(first) = views.first() else { return Err("there is no stack") };
        // A stack without messages has no windows either.
        let width = views.iter().map(|view| view.stack.windows.width).max().unwrap_or(0);
        if views.iter().any(|view| ![0, width].contains(&view.stack.windows.width)) {
            return Err("no intervals: the stacks have windows of different widths");
        }
        let manifest = first.manifest;
        let layout = Layout::of(width, manifest.warmup, manifest.load_end).ok_or(TOO_SHORT)?;
        let weights = layout.weights();
        let draws = for_each_stack(views, |view| draws(view, quantiles, &layout, &weights));
        Ok(Self { layout, quantiles: quantiles.into(), draws })
    }

    /// How many blocks the run has.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.layout.blocks
    }

    /// Length of a block.
    #[must_use]
    pub fn block(&self) -> Nanos {
        self.layout.width * self.layout.length as Nanos
    }

    fn drawn(&self, stack: usize, stage: Stage, p: f64) -> Option<&Draws> {
        let index = self.quantiles.iter().position(|quantile| *quantile == (stage, p))?;
        self.draws.get(stack)?[index].as_ref()
    }

    /// The interval of a percentile.
    #[must_use]
    pub fn of_stack(&self, stack: usize, stage: Stage, p: f64) -> Option<Spread> {
        let draws = self.drawn(stack, stage, p)?;
        Some(self.spread(draws.deviations.clone(), draws.resolution))
    }

    /// The interval of a percentile's ratio between two stacks.
    #[must_use]
    pub fn of_ratio(&self, stack: usize, reference: usize, stage: Stage, p: f64) -> Option<Spread> {
        let (one, other) = (self.drawn(stack, stage, p)?, self.drawn(reference, stage, p)?);
        let deviations =
            one.deviations.iter().zip(&other.deviations).map(|(one, other)| one - other).collect();
        Some(self.spread(deviations, libm::hypot(one.resolution, other.resolution)))
    }

    fn spread(&self, mut deviations: Vec<f32>, resolution: f64) -> Spread {
        let mut at = |rank: usize| f64::from(*deviations.select_nth_unstable_by(rank, f32::total_cmp).1);
        let tail = RESAMPLES / 40;
        let (low, high) = (at(tail - 1), at(RESAMPLES - tail));
        let (widen, least) = (widening(self.layout.blocks), NORMAL_975 * resolution);
        Spread { low: libm::exp((low * widen).min(-least)), high: libm::exp((high * widen).max(least)) }
    }
}

const NORMAL_975: f64 = 1.959_964;

/// Resamples vary too little: each block is one of [`STRETCH`], as the variance of few values is too small if it is
/// divided by their number. And for few blocks the normal quantile is too small: Student's.
pub(crate) fn widening(blocks: usize) -> f64 {
    let stretch = STRETCH as f64;
    crate::estimate::t_quantile_975(blocks - 1) / NORMAL_975 * (stretch / (stretch - 1.0)).sqrt()
}

fn draws(
    view: &StackView,
    quantiles: &[(Stage, f64)],
    layout: &Layout,
    weights: &[Lanes],
) -> Vec<Option<Draws>> {
    let mut all: Vec<Option<Draws>> = vec![None; quantiles.len()];
    for stage in Stage::ALL {
        let wanted: Vec<usize> = (0..quantiles.len())
            .filter(|i| quantiles[*i].0 == stage)
            .filter(|i| view.percentile(stage, quantiles[*i].1).is_some_and(|value| value > 0.0))
            .collect();
        let Some(histogram) = view.histogram(stage).filter(|_| !wanted.is_empty()) else { continue };
        let values: Vec<u64> = histogram.iter_recorded().map(|bin| bin.value_iterated_to()).collect();
        let cumulative = Cumulative::of(&view.stack.windows, stage, &values, layout);
        wanted.into_iter().for_each(|i| all[i] = Some(cumulative.draws(quantiles[i].1, weights)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::random::Sampler;
    use model::time::{DAY, MILLISECOND};
    use model::windows::{Recorder, Spans};

    /// Windows of `seconds` with `rate` messages a second each, whose latency is drawn by second.
    fn windows(seconds: u64, rate: u64, mut latency: impl FnMut(u64) -> Nanos) -> Windows {
        let mut recorder = Recorder::new(Windows::width_for(seconds * SECOND));
        for message in 0..seconds * rate {
            let number = recorder.planned(message * SECOND / rate);
            let latency = latency(message / rate);
            recorder
                .completed(number, &Spans { latency, queue: 0, start: 0, work: latency, acknowledge: None });
        }
        recorder.finish()
    }

    fn cumulative(windows: &Windows, layout: &Layout) -> Cumulative {
        let merged = windows.merged(Stage::Latency, layout.from, Nanos::MAX).unwrap();
        let values: Vec<u64> = merged.iter_recorded().map(|bin| bin.value_iterated_to()).collect();
        Cumulative::of(windows, Stage::Latency, &values, layout)
    }

    /// Stacks by their windows, no warm-up.
    fn bootstrap(stacks: &[Windows], seconds: u64, p: f64) -> Bootstrap {
        let layout = Layout::of(stacks[0].width, 0, seconds * SECOND).unwrap();
        let weights = layout.weights();
        let draws = stacks.iter().map(|w| vec![Some(cumulative(w, &layout).draws(p, &weights))]).collect();
        Bootstrap { layout, quantiles: vec![(Stage::Latency, p)], draws }
    }

    /// Half the width of an interval on the log scale.
    fn half(spread: Spread) -> f64 {
        libm::log(spread.high / spread.low) / 2.0
    }

    #[test]
    fn long_runs_have_wider_windows_and_short_ones_none() {
        let of = |width, warmup, end| {
            let layout: Layout = Layout::of(width * SECOND, warmup * SECOND, end * SECOND)?;
            Some((layout.width / SECOND, layout.windows, layout.length, layout.blocks))
        };
        assert_eq!(of(5, 60, 359), None, "a second is missing from five minutes");
        assert_eq!(of(5, 60, 360), Some((5, 60, 12, 5)));
        assert_eq!(of(5, 60, 660), Some((5, 120, 12, 10)));
        assert_eq!(of(5, 0, 3_600), Some((20, 180, 3, 60)));
        assert_eq!(of(5, 0, 10_800), Some((60, 180, 1, 180)));
        assert_eq!(of(280, 300, 7 * 86_400), Some((3_360, 180, 1, 180)), "a week");
        assert_eq!((of(0, 0, 3_600), of(5, 3_600, 60)), (None, None));
        assert_eq!(Layout::of(Nanos::MAX, Nanos::MAX / 2, DAY), None);
        assert_eq!(Layout::of(5 * SECOND, Nanos::MAX, Nanos::MAX), None);
    }

    #[test]
    fn blocks_are_the_same_every_time_and_favour_no_window() {
        let layout = Layout::of(5 * SECOND, 0, 605 * SECOND).unwrap();
        assert_eq!((layout.windows, layout.lanes()), (121, 16));
        let weights = layout.weights();
        assert_eq!(weights, layout.weights());
        let mut total = vec![0.0_f32; layout.lanes() * LANES];
        for resample in weights.chunks_exact(layout.lanes()) {
            let flat: Vec<f32> = resample.iter().flatten().copied().collect();
            assert_eq!(flat.iter().sum::<f32>(), 121.0);
            // Whole blocks: the count changes at most where one of eleven begins or ends.
            let changes = (0..121).filter(|i| flat[*i] != flat[(i + 1) % 121]).count();
            assert!(changes <= 22, "{changes}");
            total.iter_mut().zip(&flat).for_each(|(total, count)| *total += count);
        }
        assert!(total[121..].iter().all(|count| *count == 0.0));
        let (least, most) = total[..121].iter().fold((f32::MAX, 0.0_f32), |(l, m), c| (l.min(*c), m.max(*c)));
        assert!(least > 1_700.0 && most < 2_300.0, "{least} to {most} of {RESAMPLES}");
    }

    #[test]
    fn the_run_itself_has_the_percentiles_of_its_histogram() {
        let mut stream = Stream::new(7, "test");
        let sampler = Sampler::lognormal(30 * MILLISECOND, 20 * SECOND);
        let windows = windows(330, 20, |_| sampler.draw(&mut stream));
        let layout = Layout::of(windows.width, 0, 330 * SECOND).unwrap();
        let (cumulative, merged) =
            (cumulative(&windows, &layout), windows.merged(Stage::Latency, 0, Nanos::MAX).unwrap());
        let ones = vec![[1.0; LANES]; layout.lanes()];
        for p in [0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999] {
            for near in [0, 100, cumulative.ln.len() - 1] {
                let found = libm::exp(cumulative.ln[cumulative.quantile(p, &ones, near)]);
                assert!((found / merged.value_at_quantile(p) as f64 - 1.0).abs() < 1e-9, "{p}: {found}");
            }
        }
    }

    /// Without any dependence in time the interval is that of the order statistics of independent samples: the
    /// number of samples below a quantile is binomial.
    #[test]
    fn independent_messages_have_the_binomial_interval() {
        let sampler = Sampler::exponential(100 * MILLISECOND);
        let runs: Vec<Windows> = (0..8)
            .map(|seed| {
                let mut stream = Stream::new(seed, "test");
                windows(3_600, 50, |_| sampler.draw(&mut stream))
            })
            .collect();
        for p in [0.5, 0.95, 0.99] {
            let bootstrap = bootstrap(&runs, 3_600, p);
            let found =
                (0..8).map(|i| half(bootstrap.of_stack(i, Stage::Latency, p).unwrap())).sum::<f64>() / 8.0;
            // sqrt(p (1 - p) / n) over density times quantile, which are 1 - p and -ln(1 - p).
            let error = (p / (1.0 - p) / (3_600.0 * 50.0)).sqrt() / -libm::log(1.0 - p);
            // The blocks are drawn from three: they have two thirds of the variance, and widening makes up for it.
            let expected = NORMAL_975 * error * (widening(60) / 1.5_f64.sqrt());
            assert!((found / expected - 1.0).abs() < 0.1, "p{p}: {found}, not {expected}");
        }
    }

    #[test]
    fn a_burst_within_a_minute_is_one_event_and_not_many() {
        let slow = |second: u64, is_burst: bool| {
            let among = if is_burst { (300..330).contains(&second) } else { second % 20 == 7 };
            if among { 2 * SECOND } else { 100 * MILLISECOND + second % 10 * MILLISECOND }
        };
        // 5 % of the messages are slow in both, in 30 seconds of 600; so p95 stands at the edge.
        let half = |is_burst: bool| {
            let windows = windows(600, 50, |second| slow(second, is_burst));
            half(bootstrap(&[windows], 600, 0.96).of_stack(0, Stage::Latency, 0.96).unwrap())
        };
        let (burst, spread) = (half(true), half(false));
        assert!(burst > 1.0, "some resamples have no burst: {burst}");
        assert!(spread < 0.01, "all resamples have slow messages: {spread}");
    }

    /// Three minutes of ten times the latency, as a scenario asked for. Of resamples from the whole run some would have
    /// none of them, and p95 would be that of the others.
    #[test]
    fn a_planned_spike_is_in_every_resample() {
        let mut stream = Stream::new(5, "test");
        let sampler = Sampler::lognormal(100 * MILLISECOND, 300 * MILLISECOND);
        let windows = windows(1_200, 50, |second| {
            sampler.draw(&mut stream) * if (600..780).contains(&second) { 10 } else { 1 }
        });
        let half = |p: f64| {
            let bootstrap = bootstrap(std::slice::from_ref(&windows), 1_200, p);
            half(bootstrap.of_stack(0, Stage::Latency, p).unwrap())
        };
        assert!(half(0.5) < 0.15 && half(0.95) < 0.5, "{} and {}", half(0.5), half(0.95));
    }

    #[test]
    fn what_a_minute_does_to_both_stacks_cancels_from_their_ratio() {
        // The load of a minute makes both slower, by up to a half.
        let stack = |seed: u64, scale: u64| {
            let mut stream = Stream::new(seed, "test");
            let sampler = Sampler::lognormal(scale * 100 * MILLISECOND, scale * 400 * MILLISECOND);
            windows(1_200, 50, move |second| sampler.draw(&mut stream) * (10 + second / 60 * 7 % 6) / 10)
        };
        let bootstrap = bootstrap(&[stack(1, 1), stack(2, 2)], 1_200, 0.9);
        let own = [0, 1].map(|stack| half(bootstrap.of_stack(stack, Stage::Latency, 0.9).unwrap()));
        let ratio = half(bootstrap.of_ratio(1, 0, Stage::Latency, 0.9).unwrap());
        assert!(ratio < 0.5 * libm::hypot(own[0], own[1]), "{ratio} of {own:?}");
        let back = bootstrap.of_ratio(0, 1, Stage::Latency, 0.9).unwrap();
        assert!((half(back) - ratio).abs() < 0.02 * ratio, "turned round it is as wide");
    }

    #[test]
    fn equal_windows_still_leave_the_width_of_a_bin() {
        let same = windows(300, 10, |_| 100 * MILLISECOND);
        let bootstrap = bootstrap(&[same.clone(), same], 300, 0.5);
        let own = bootstrap.of_stack(0, Stage::Latency, 0.5).unwrap();
        let ratio = bootstrap.of_ratio(1, 0, Stage::Latency, 0.5).unwrap();
        assert!((half(own) / (1.96 / 1_024.0 / 12_f64.sqrt()) - 1.0).abs() < 1e-3, "{own:?}");
        assert!(ratio.low < own.low && ratio.high > own.high);
        assert_eq!(bootstrap.of_stack(0, Stage::Work, 0.5), None);
    }

    #[test]
    fn few_blocks_are_widened_most() {
        assert!((widening(5) - 2.776 / 1.96 * 1.5_f64.sqrt()).abs() < 1e-3);
        assert!(widening(10) < widening(5) && (widening(180) / 1.5_f64.sqrt() - 1.0).abs() < 0.02);
    }
}
