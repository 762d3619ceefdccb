//! How far the percentiles of one run can be trusted: a joint block bootstrap over its windows.
//!
//! Goals: messages that are near in time share their fate (a queue, a cold start), so minutes are resampled and not
//! messages; every stack, stage and percentile gets the same minutes, for all stacks had the same messages, so what
//! a minute did to both of two stacks cancels from their ratio; a spike that the scenario plans stays in its place, for a
//! minute is replaced by one beside it, and mostly in the resample, if it lasts three minutes; the same intervals on
//! every machine.
//! Non-goals: percentiles that rest on one event, which is in a resample once, twice, or not at all; what varies from run to run but not within one, such as the instant of the one alarm of a flash crowd.
//! Repeats show that (see [`crate::difference`]).

mod cumulative;
mod layout;
#[cfg(test)]
mod tests;

use crate::view::{StackView, for_each_stack};
use cumulative::Draws;
use layout::STRETCH;
pub(crate) use layout::{LANES, Lanes, Layout, RESAMPLES, dot};
use model::time::Nanos;
use model::windows::Stage;
use std::cmp::Ordering;

/// Why a run may have no intervals.
pub(crate) const TOO_SHORT: &str = "too short for an interval: needs 5 min after warm-up";

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

    /// The interval of a percentile, if it has one. A percentile is not below one of a smaller share, so neither are the
    /// ends of its interval.
    #[must_use]
    pub fn of_stack(&self, stack: usize, stage: Stage, p: f64) -> Option<Spread> {
        let point = self.drawn(stack, stage, p)?.point;
        let Spread { mut low, mut high } = self.alone(stack, stage, p)?;
        for (_, other) in self.quantiles.iter().filter(|(of, other)| *of == stage && *other != p) {
            let Some(spread) = self.alone(stack, stage, *other) else { continue };
            let ratio = libm::exp(self.drawn(stack, stage, *other)?.point - point);
            if *other < p {
                low = low.max(spread.low * ratio);
            } else {
                high = high.min(spread.high * ratio);
            }
        }
        Some(Spread { low, high })
    }

    /// The interval of a percentile, by its own resamples.
    fn alone(&self, stack: usize, stage: Stage, p: f64) -> Option<Spread> {
        let drawn = self.drawn(stack, stage, p).filter(|drawn| !drawn.one_event)?;
        let Draws { deviations, resolution, least, most, .. } = drawn;
        self.spread(deviations.iter().copied(), *resolution, (*least, *most))
    }

    /// The interval of a percentile's ratio between two stacks.
    #[must_use]
    pub fn of_ratio(&self, stack: usize, reference: usize, stage: Stage, p: f64) -> Option<Spread> {
        let one_event = |stack| self.drawn(stack, stage, p).is_none_or(|drawn| drawn.one_event);
        if one_event(stack) || one_event(reference) {
            return None;
        }
        self.ratio(stack, reference, stage, p)
    }

    /// Whether resamples, of one event too, leave it open which of two stacks is better: then no word may say so.
    #[must_use]
    pub fn leaves_open(&self, stack: usize, reference: usize, stage: Stage, p: f64) -> bool {
        let points = self.drawn(stack, stage, p).zip(self.drawn(reference, stage, p));
        let Some((ratio, spread)) = points
            .map(|(one, other)| libm::exp(one.point - other.point))
            .zip(self.ratio(stack, reference, stage, p))
        else {
            return true;
        };
        ratio * spread.low <= 1.0 && ratio * spread.high >= 1.0
    }

    fn ratio(&self, stack: usize, reference: usize, stage: Stage, p: f64) -> Option<Spread> {
        let (one, other) = (self.drawn(stack, stage, p)?, self.drawn(reference, stage, p)?);
        let deviations = one.deviations.iter().zip(&other.deviations).map(|(one, other)| one - other);
        let bounds = (one.least - other.most, one.most - other.least);
        self.spread(deviations, libm::hypot(one.resolution, other.resolution), bounds)
    }

    /// The interval within `bounds`: there is no telling of what was not seen.
    fn spread(
        &self,
        deviations: impl Iterator<Item = f32>,
        resolution: f64,
        bounds: (f64, f64),
    ) -> Option<Spread> {
        let mut known: Vec<f32> = deviations.filter(|deviation| !deviation.is_nan()).collect();
        let (low, high) = tails(&mut known, f32::total_cmp)?;
        let (widen, least) = (widening(self.layout.blocks), NORMAL_975 * resolution);
        Some(Spread {
            low: libm::exp((f64::from(low) * widen).min(-least).max(bounds.0)),
            high: libm::exp((f64::from(high) * widen).max(least).min(bounds.1)),
        })
    }
}

/// The values that 2.5 % of the resamples do not exceed, and exceed; `None` if more than those say nothing.
pub(crate) fn tails<T: Copy>(known: &mut [T], by: impl Fn(&T, &T) -> Ordering) -> Option<(T, T)> {
    if known.len() < RESAMPLES - RESAMPLES / 40 {
        return None;
    }
    let (tail, last) = (known.len() / 40, known.len());
    let mut at = |rank: usize| *known.select_nth_unstable_by(rank, &by).1;
    Some((at(tail - 1), at(last - tail)))
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
    let mut room = Vec::new();
    for stage in Stage::ALL {
        let wanted: Vec<usize> = (0..quantiles.len())
            .filter(|i| quantiles[*i].0 == stage)
            .filter(|i| view.percentile(stage, quantiles[*i].1).is_some_and(|value| value > 0.0))
            .collect();
        let Some(histogram) = view.histogram(stage).filter(|_| !wanted.is_empty()) else { continue };
        let percentiles: Vec<f64> = wanted.iter().map(|i| quantiles[*i].1).collect();
        let windows = (&view.stack.windows, stage);
        let draws = cumulative::draws(windows, histogram, &percentiles, layout, weights, &mut room);
        wanted.into_iter().zip(draws).for_each(|(i, draws)| all[i] = Some(draws));
    }
    all
}
