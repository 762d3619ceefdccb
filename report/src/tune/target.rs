//! `p99<2s,backlog-max<1000`: what a configuration has to keep.
//!
//! Goals: the words of `[[expect]]`, so that a target and an expectation mean the same figure.
//! Non-goals: targets of single stacks: platforms are compared at one target.

use crate::check::threshold;
use crate::format::{self, Unit};
use crate::metrics::{METRICS, Metric};
use crate::view::{StackView, samples_for};
use crate::{metrics::Source, options::Options};
use model::run::Run;
use model::scenario::Expect;

/// One bound that has to be kept.
#[derive(Clone)]
pub struct Target {
    /// The metric.
    pub(crate) metric: &'static Metric,
    /// Whether its value has to be below the limit; else above.
    pub(crate) below: bool,
    /// In the metric's unit.
    pub(crate) limit: f64,
}

/// Reads targets, separated by commas.
///
/// # Errors
/// Says what is no target, and what one looks like.
pub fn targets(text: &str) -> Result<Vec<Target>, String> {
    text.split(',').map(|part| target(part.trim())).collect()
}

fn target(text: &str) -> Result<Target, String> {
    let Some(at) = text.find(['<', '>']) else {
        return Err(format!(
            "{text:?} is no target; write a metric, < or >, and a limit, e.g. p99<2s or p50<200ms,p99.9<10s"
        ));
    };
    let (name, limit) = (text[..at].trim(), text[at + 1..].trim());
    let metric = match name {
        "max" => "latency-max",
        name => name,
    };
    let limit = limit.parse().map_err(|problem| format!("{text:?}: {problem}"))?;
    let below = text[at..].starts_with('<');
    let expect = Expect { stack: String::new(), stream: None, metric: metric.into(), below, limit };
    let (name, _, limit) = threshold(&expect).map_err(|problem| format!("{text:?}: {problem}"))?;
    let metric = METRICS.iter().find(|metric| metric.name == name);
    let metric = metric.ok_or_else(|| format!("{text:?}: {name} is of a check, not of one run"))?;
    if limit <= 0.0 {
        return Err(format!("{text:?}: a limit of 0 has no margin; write one above 0"));
    }
    Ok(Target { metric, below, limit })
}

impl Target {
    /// How far a value is beyond the limit, as the logarithm of their ratio; below 0 the target is kept. Without a
    /// value it is as far as [`FAR`].
    pub(crate) fn excess(&self, value: Option<f64>) -> f64 {
        let Some(value) = value else { return FAR };
        let ratio = if self.below { value / self.limit } else { self.limit / value };
        libm::log(ratio.max(1e-9)).min(FAR)
    }

    /// Whether a value keeps it: a value at the limit does not.
    pub(crate) fn holds(&self, value: Option<f64>) -> bool {
        value.is_some_and(|value| if self.below { value < self.limit } else { value > self.limit })
    }

    /// How many messages after the warm-up it needs to be told.
    #[must_use]
    pub fn samples(&self) -> u64 {
        match self.metric.source {
            Source::Percentile(_, p) => samples_for(p),
            Source::Stack(_) => 0,
        }
    }

    /// `p99`, or the name of a metric that is no latency.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.metric.name.strip_prefix("latency-").unwrap_or(self.metric.name)
    }

    /// The name of its column in a table of trials.
    pub(crate) fn column(&self) -> String {
        match self.metric.unit {
            Unit::Milliseconds => format!("{}-ms", self.metric.name),
            _ => self.metric.name.into(),
        }
    }

    /// A value of its metric for people.
    pub(crate) fn shown(&self, value: Option<f64>) -> String {
        let show = |value| match self.metric.unit {
            Unit::Seconds => format::milliseconds(value * 1e3),
            Unit::Milliseconds => format::milliseconds(value),
            unit => format::value(unit, value),
        };
        value.map_or_else(|| format::ABSENT.into(), show)
    }

    /// `p99 below 2 s`.
    #[must_use]
    pub fn text(&self) -> String {
        let side = if self.below { "below" } else { "above" };
        format!("{} {side} {}", self.name(), self.shown(Some(self.limit)))
    }

    /// How a value stands to the limit: `p99 412 ms, 79 % below 2 s`.
    pub(crate) fn standing(&self, value: Option<f64>) -> String {
        let by = match value.map(|value| value / self.limit - 1.0) {
            None => "not known".into(),
            Some(0.0) => "the limit itself".into(),
            Some(by) => {
                let side = if by < 0.0 { "below" } else { "above" };
                format!("{} {side} {}", format::percent(by.abs()), self.shown(Some(self.limit)))
            }
        };
        format!("{} {}, {by}", self.name(), self.shown(value))
    }
}

/// The logarithm that stands for "hopelessly far".
pub(crate) const FAR: f64 = 20.0;

/// The views of a run's stacks, as every figure of a tuning is read.
pub(crate) fn views(run: &Run) -> Vec<StackView<'_>> {
    StackView::all(run, Options::default())
}
