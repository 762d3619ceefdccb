//! One stack of one run, with what every judgement of it needs: merged histograms and its bill.
//!
//! Goals: the rules of summaries live here once (warm-up excluded, percentiles only with samples beyond them).
//! Non-goals: which numbers are worth showing (see [`crate::metrics`]).

use crate::cost::{Cost, Terms};
use crate::idle;
use crate::options::Options;
use crate::prices::Prices;
use model::merged::{Merged, Merger};
use model::run::{Manifest, Run, StackEntry, StackRun};
use model::scenario::Scenario;
use model::series::{Series, metric};
use model::time::{Nanos, SECOND, seconds};
use model::windows::Stage;
use std::sync::Arc;

/// A percentile shows only with at least this many samples beyond it.
pub(crate) const SAMPLES_BEYOND: u64 = 10;

/// A backlog counts as "behind" above what arrives in this many seconds at the mean rate of the load.
pub(crate) const BEHIND_SECONDS: f64 = 10.0;

/// One stack of one run.
pub struct StackView<'a> {
    /// The run's manifest.
    pub manifest: &'a Manifest,
    /// The stack's entry in it.
    pub entry: &'a StackEntry,
    /// What the stack did.
    pub stack: &'a StackRun,
    /// Its bill, or why there is none.
    pub cost: Result<Cost, String>,
    /// What the reader asked for.
    pub(crate) options: Options,
    /// The run's scenario, if it can be read.
    pub(crate) scenario: Option<Arc<Scenario>>,
    histograms: Vec<Option<Merged>>,
}

impl<'a> StackView<'a> {
    /// The views of a run's stacks, in their order.
    #[must_use]
    pub fn all(run: &'a Run, options: Options) -> Vec<Self> {
        let prices = Prices::for_region(&run.manifest.region).map_err(|error| format!("{error:#}"));
        let scenario = idle::scenario(&run.manifest).map(Arc::new);
        let terms = |entry: &StackEntry| Terms {
            load: run.manifest.load_end,
            run: entry.end,
            free_tier: options.free_tier,
        };
        let stacks: Vec<(&StackEntry, &StackRun)> = run.manifest.stacks.iter().zip(&run.stacks).collect();
        let histograms = for_each_stack(&stacks, |(_, stack)| {
            let mut merger = Merger::default();
            let from = run.manifest.warmup;
            Stage::ALL.map(|stage| stack.windows.merged_by(&mut merger, stage, from, Nanos::MAX)).into()
        });
        stacks
            .into_iter()
            .zip(histograms)
            .map(|((entry, stack), histograms)| Self {
                manifest: &run.manifest,
                entry,
                stack,
                cost: prices
                    .as_ref()
                    .map_err(Clone::clone)
                    .and_then(|prices| bill(stack, prices, terms(entry))),
                options,
                scenario: scenario.clone(),
                histograms,
            })
            .collect()
    }

    /// The stack's name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        &self.entry.name
    }

    /// Whether the stack runs on Lambda.
    #[must_use]
    pub fn is_lambda(&self) -> bool {
        self.entry.platform == "lambda"
    }

    /// All samples of a stage after warm-up, in microseconds.
    pub(crate) fn histogram(&self, stage: Stage) -> Option<&Merged> {
        let index = Stage::ALL.iter().position(|s| *s == stage)?;
        self.histograms[index].as_ref()
    }

    /// A percentile of a stage in milliseconds (`p` in 0..1), if enough samples lie beyond it.
    #[must_use]
    pub fn percentile(&self, stage: Stage, p: f64) -> Option<f64> {
        percentile(self.histogram(stage)?, p)
    }

    /// The longest latency in milliseconds.
    #[must_use]
    pub fn longest(&self) -> Option<f64> {
        self.histogram(Stage::Latency).map(|h| h.max() as f64 / 1e3)
    }

    /// The points of a series after warm-up.
    pub(crate) fn after_warmup(&self, name: &str) -> Option<impl Iterator<Item = (Nanos, f64)>> {
        let warmup = self.manifest.warmup;
        self.stack.series(name).map(|s| s.points.iter().copied().filter(move |p| p.0 >= warmup))
    }

    /// The largest point of a series after warm-up.
    #[must_use]
    pub fn largest(&self, name: &str) -> Option<f64> {
        self.after_warmup(name)?.map(|p| p.1).reduce(f64::max)
    }

    /// The sum of a Lambda series after warm-up; a series that a Lambda run leaves out is 0.
    #[must_use]
    pub fn lambda_sum(&self, name: &str) -> Option<f64> {
        if !self.is_lambda() || self.stack.series(metric::INVOCATIONS).is_none() {
            return None;
        }
        Some(self.after_warmup(name).map_or(0.0, |points| points.map(|p| p.1).sum::<f64>() + 0.0))
    }

    /// Messages per second of a `Sum` series between warm-up and the end of the load, over whole periods.
    #[must_use]
    pub fn rate(&self, name: &str) -> Option<f64> {
        let series = self.stack.series(name)?;
        let period = series.period.max(1);
        let from = self.manifest.warmup.div_ceil(period) * period;
        let until = self.manifest.load_end.div_ceil(period) * period;
        if until <= from {
            return None;
        }
        let inside = series.points.iter().filter(|p| (from..until).contains(&p.0));
        Some((inside.map(|p| p.1).sum::<f64>() + 0.0) / seconds(until - from))
    }

    /// How many waiting messages count as behind: what arrives in 10 s at the mean rate of the load, at least one.
    #[must_use]
    pub fn backlog_bound(&self) -> f64 {
        let load = seconds(self.manifest.load_end.max(SECOND));
        (BEHIND_SECONDS * self.manifest.planned as f64 / load).max(1.0)
    }

    /// Seconds after warm-up in which more than [`StackView::backlog_bound`] messages waited.
    #[must_use]
    pub fn seconds_behind(&self) -> Option<f64> {
        let series = self.stack.series(metric::VISIBLE)?;
        let bound = self.backlog_bound();
        let behind = self.after_warmup(metric::VISIBLE)?.filter(|p| p.1 > bound).count();
        Some(behind as f64 * seconds(series.period))
    }

    /// Seconds from the instant at which more than [`StackView::backlog_bound`] messages waited, to the first at which
    /// there were more tasks or environments than then, in the first such episode in which there came to be more before
    /// the backlog was below the bound again; `None` if there was none.
    #[must_use]
    pub fn scale_out_delay(&self) -> Option<f64> {
        let bound = self.backlog_bound();
        let waiting: Vec<(Nanos, f64)> = self.after_warmup(metric::VISIBLE)?.collect();
        let workers = &self.stack.series(self.workers())?.points;
        let delay = |episode: &[(Nanos, f64)]| {
            let (from, until) = (episode.first()?.0, episode.last()?.0);
            let had = workers.iter().take_while(|p| p.0 <= from).last().map_or(0.0, |p| p.1);
            let more = workers.iter().find(|p| p.0 > from && p.0 <= until && p.1 > had)?.0;
            Some(seconds(more - from))
        };
        waiting.split(|p| p.1 <= bound).find_map(delay)
    }

    /// Seconds from the end of the load to an empty queue; `None` if it was not reached.
    #[must_use]
    pub fn drain_seconds(&self) -> Option<f64> {
        let drained =
            self.manifest.complete && self.entry.ledger.in_flight == 0 && self.manifest.load_end > 0;
        drained.then(|| seconds(self.entry.end.saturating_sub(self.manifest.load_end)))
    }

    /// The largest number of tasks (ECS) or of environments at work (Lambda).
    #[must_use]
    pub fn most_workers(&self) -> Option<f64> {
        self.largest(self.workers())
    }

    /// The series of tasks (ECS) or of environments at work (Lambda).
    fn workers(&self) -> &'static str {
        if self.is_lambda() { metric::CONCURRENCY } else { metric::RUNNING_TASKS }
    }

    /// How long each task took from being asked for until it ran, in seconds, ascending: all of the run, where that was
    /// measured.
    #[must_use]
    pub fn task_starts(&self) -> Vec<f64> {
        let mut spans: Vec<f64> = self
            .stack
            .series(metric::TASK_READY)
            .map_or(Vec::new(), |s| s.points.iter().map(|p| p.1).collect());
        spans.sort_by(f64::total_cmp);
        spans
    }

    /// A percentile of the tasks' starts in seconds (`p` in 0..1), if enough of them lie beyond it.
    #[must_use]
    pub fn task_start(&self, p: f64) -> Option<f64> {
        let spans = self.task_starts();
        let rank = (spans.len() as f64 * p).ceil() as usize;
        let beyond = spans.len().saturating_sub(rank) as u64;
        (beyond >= SAMPLES_BEYOND).then(|| spans[rank.max(1) - 1])
    }

    /// The bill in US dollars.
    #[must_use]
    pub fn total_cost(&self) -> Option<f64> {
        self.cost.as_ref().ok()?.total()
    }

    /// US dollars per million messages done.
    #[must_use]
    pub fn cost_per_million(&self) -> Option<f64> {
        self.cost.as_ref().ok()?.per_million(self.entry.ledger.done())
    }

    /// US dollars per month of this load; see [`Cost::per_month`].
    #[must_use]
    pub fn cost_per_month(&self) -> Option<f64> {
        self.cost.as_ref().ok()?.per_month(self.options.free_tier)
    }

    /// The series of one metered quantity.
    pub(crate) fn usage_series(&self, name: &str) -> Option<&'a Series> {
        self.stack.series.iter().find(|s| s.metric == name)
    }
}

/// The results of each stack, in their order; stacks are worked on at once, for a run has thousands of histograms.
pub(crate) fn for_each_stack<S: Sync, T: Send>(stacks: &[S], work: impl Fn(&S) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = stacks.iter().map(|stack| scope.spawn(move || work(stack))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, T>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    })
}

fn bill(stack: &StackRun, prices: &Prices, terms: Terms) -> Result<Cost, String> {
    if stack.usage.metered.is_empty() {
        return Err("the run has no metered usage".into());
    }
    Ok(Cost::of(&stack.usage, prices, terms))
}

/// A percentile in milliseconds (`p` in 0..1), if at least [`SAMPLES_BEYOND`] samples lie beyond it.
pub(crate) fn percentile(histogram: &Merged, p: f64) -> Option<f64> {
    let at_or_below = (histogram.len() as f64 * p).ceil() as u64;
    let beyond = histogram.len().saturating_sub(at_or_below);
    (beyond >= SAMPLES_BEYOND).then(|| histogram.value_at_quantile(p) as f64 / 1e3)
}

/// How many samples a percentile needs (`p` in 0..1).
pub(crate) fn samples_for(p: f64) -> u64 {
    // The small slack forgives that 1 - 0.99 is not quite 0.01.
    (SAMPLES_BEYOND as f64 / (1.0 - p) - 1e-6).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_needs_ten_samples_beyond_it() {
        let of = |n: u64| {
            let mut merger = Merger::default();
            merger.add(&(1..=n).map(|v| (v * 1_000, 1)).collect());
            merger.take().unwrap()
        };
        assert_eq!(percentile(&of(999), 0.99), None);
        let p99 = percentile(&of(1_000), 0.99).unwrap();
        assert!((p99 / 990.0 - 1.0).abs() < 2e-3, "{p99}");
        assert_eq!(percentile(&of(19), 0.5), None);
        assert!(percentile(&of(20), 0.5).is_some());
        assert_eq!([0.5, 0.9, 0.99, 0.999].map(samples_for), [20, 100, 1_000, 10_000]);
    }
}
