//! Did latency regress? A candidate against a baseline, stack by stack, percentile by percentile.
//!
//! Goals: a change is called a regression only if it is larger than the margin, lasts, and is felt; data that cannot
//! tell say so, with what it would take; nothing compared is never green.
//! Non-goals: how a run came about, and how a check is written down (see [`render`]).
//!
//! The rule and its defaults are those of docs/METHODOLOGY.md, "The check".

mod baseline;
mod comparable;
mod confirm;
mod decide;
mod expect;
mod history;
mod latency;
mod quantiles;
mod rates;
pub mod render;
mod resample;
mod rule;
mod single;
mod student;
#[cfg(test)]
mod tests;
mod windows;

pub use baseline::baseline;
pub use confirm::confirmed;
pub use decide::decide;
pub(crate) use expect::threshold;
pub use expect::{expect, expectations, metric, metric_names, thresholds, understood};
pub use rates::{EFFECTS, Rates, rates};
pub use single::gateable;

use crate::format::Unit;

/// What is asked of a check.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Smallest change that counts, as a share: 0.1 is 10 %. `None`: by the evidence (see the methodology).
    pub margin: Option<f64>,
    /// Changes of fewer milliseconds do not count.
    pub floor_ms: f64,
    /// One-sided error of a bound.
    pub alpha: f64,
    /// A stack that did not change, whose own differences are taken off those of the others.
    pub control: Option<String>,
    /// Metrics gated beside latency, by name.
    pub metrics: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { margin: None, floor_ms: 5.0, alpha: 0.05, control: None, metrics: Vec::new() }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What was asked.
    pub settings: Settings,
    /// The baselines, by the names they were given under.
    pub baselines: Vec<Input>,
    /// The candidates.
    pub candidates: Vec<Input>,
    /// Why nothing could be compared: each names the field that differs. Empty if something was.
    pub incomparable: Vec<String>,
    /// One per stack and metric.
    pub findings: Vec<Finding>,
    /// The scenario's own thresholds.
    pub expectations: Vec<Expectation>,
}

/// One of the runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Path, or whatever it was given under.
    pub name: String,
    /// Of its plan, hexadecimal.
    pub plan_hash: String,
    /// Its seed.
    pub seed: u64,
    /// Version of the tool that made it.
    pub tool_version: String,
    /// Messages planned.
    pub planned: u64,
}

/// What became of one metric of one stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The stack.
    pub stack: String,
    /// The metric's name, as in the metric table, e.g. `latency-p99`.
    pub metric: String,
    /// Its unit.
    pub unit: Unit,
    /// Value of the baseline: the median over several.
    pub baseline: Option<f64>,
    /// Value of the candidate: the median over several.
    pub candidate: Option<f64>,
    /// Candidate over baseline.
    pub ratio: Option<f64>,
    /// One-sided lower and upper bounds of the ratio.
    pub bounds: Option<(f64, f64)>,
    /// The same of the mean over windows, where the rule asks for persistence.
    pub window_bounds: Option<(f64, f64)>,
    /// The margin in force.
    pub margin: f64,
    /// Windows, or runs if there are several, that it rests on.
    pub n: usize,
    /// Messages that were never finished, of the candidate; they count as infinitely late.
    pub unfinished: u64,
    /// Smallest change that these data would have shown four times in five, as a share.
    pub detectable: Option<f64>,
    /// What it comes to.
    pub outcome: Outcome,
    /// Why, in a sentence.
    pub reason: String,
    /// Values of the baselines and the candidates in their order: the sparkline.
    pub history: Vec<f64>,
}

/// What a comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Better beyond the margin.
    Improved,
    /// The bound lies within the margin.
    Unchanged,
    /// These data cannot tell.
    Inconclusive,
    /// Worse, but by a few windows alone: look, and confirm.
    Concentrated,
    /// Too few data for this metric.
    Untestable,
    /// Worse beyond margin, doubt and floor.
    Regressed,
}

/// A threshold of the scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// The stack.
    pub stack: String,
    /// The metric's name.
    pub metric: String,
    /// Its unit.
    pub unit: Unit,
    /// Whether the value has to be below the threshold; else above.
    pub below: bool,
    /// As written, e.g. `lambda latency-p99 below 2 s`.
    pub text: String,
    /// The value found.
    pub value: Option<f64>,
    /// Whether it holds; `None` if there is no value.
    pub holds: Option<bool>,
}

/// The verdict over all findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was shown to be worse, and something was compared.
    Pass,
    /// A finding regressed, or an expectation failed.
    Regressed,
    /// Nothing could be told.
    Inconclusive,
    /// Nothing could be compared.
    NotComparable,
}

impl Outcome {
    /// As in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Improved => "improved",
            Self::Unchanged => "unchanged",
            Self::Inconclusive => "inconclusive",
            Self::Concentrated => "burst-concentrated",
            Self::Untestable => "not-testable",
            Self::Regressed => "regressed",
        }
    }
}

impl Verdict {
    /// As in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Regressed => "regressed",
            Self::Inconclusive => "inconclusive",
            Self::NotComparable => "not-comparable",
        }
    }
}

impl Check {
    /// What all findings come to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let failed = self.expectations.iter().any(|e| e.holds != Some(true));
        let worst = self.findings.iter().map(|finding| finding.outcome).max();
        let told = |outcome: Outcome| matches!(outcome, Outcome::Improved | Outcome::Unchanged);
        if failed || worst == Some(Outcome::Regressed) {
            Verdict::Regressed
        } else if !self.incomparable.is_empty() || (self.findings.is_empty() && self.expectations.is_empty())
        {
            Verdict::NotComparable
        } else if self.findings.is_empty() || self.findings.iter().any(|finding| told(finding.outcome)) {
            Verdict::Pass
        } else {
            Verdict::Inconclusive
        }
    }
}
