//! Which stack, by how much: the one sentence that a report opens with.
//!
//! Goals: five forms (one wins, several lead, a split that names its axes, no measurable difference, no verdict);
//! no winner for a run that is not valid.
//! Non-goals: intervals within a run. For one run "measurable" means beyond [`MARGIN`]; for repeats the intervals
//! must be apart as well.

use crate::estimate::Estimate;
use crate::format::{NBSP, percent};
use crate::judgement::Row;
use crate::metrics::Better;
use crate::view::StackView;

/// Differences up to this share count as none.
pub(crate) const MARGIN: f64 = 0.05;

/// [`MARGIN`] for people.
pub(crate) fn margin() -> String {
    format!("{}{NBSP}%", MARGIN * 100.0)
}

/// What the figures say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The run is not valid, or shows nothing: why.
    Withheld(String),
    /// Stacks that lead on every axis; mostly one.
    Lead {
        /// Indices of the stacks.
        leaders: Vec<usize>,
        /// Axes with a measurable difference.
        axes: Vec<Axis>,
    },
    /// Different stacks lead on different axes.
    Split {
        /// Axes with a measurable difference.
        axes: Vec<Axis>,
    },
    /// No axis has a measurable difference.
    Even {
        /// Names of the axes that were looked at.
        axes: Vec<&'static str>,
    },
}

/// One axis of the comparison.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    /// Its name, e.g. `p99 latency`.
    pub(crate) name: &'static str,
    /// The stacks that lead, as indices.
    pub(crate) leaders: Vec<usize>,
    /// The best value, for people.
    pub(crate) best: String,
    /// The best value among the others, for people.
    pub(crate) next: String,
    /// How the lead reads, e.g. `27 % cheaper`.
    pub(crate) lead: String,
}

/// A piece of a sentence; pieces about a stack are shown in its colour.
pub(crate) struct Piece {
    /// Words.
    pub(crate) text: String,
    /// The stack they are about.
    pub(crate) stack: Option<usize>,
}

impl Verdict {
    /// As in `summary.json`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Withheld(_) => "withheld",
            Self::Lead { leaders, .. } if leaders.len() == 1 => "one-leads",
            Self::Lead { .. } => "several-lead",
            Self::Split { .. } => "split",
            Self::Even { .. } => "even",
        }
    }

    /// The sentence, in pieces.
    pub(crate) fn pieces(&self, names: &[&str]) -> Vec<Piece> {
        let plain = |text: String| Piece { text, stack: None };
        match self {
            Self::Withheld(why) => vec![plain(format!("No verdict: {why}."))],
            Self::Even { axes } => {
                let who = if names.len() == 2 { names.join(" and ") } else { "the stacks".into() };
                let margin = percent(MARGIN);
                vec![plain(format!(
                    "No measurable difference between {who}: within {margin} in {}.",
                    list(axes)
                ))]
            }
            Self::Lead { leaders, axes } => {
                let leads: Vec<&str> = axes.iter().map(|a| a.lead.as_str()).collect();
                let verb = if leaders.len() == 1 { "leads" } else { "lead alike" };
                let mut pieces = stacks(leaders, names);
                pieces.push(plain(format!(" {verb}: {}{}.", list(&leads), against(names))));
                pieces
            }
            Self::Split { axes } => split(axes, names),
        }
    }

    /// The sentence.
    pub(crate) fn sentence(&self, names: &[&str]) -> String {
        self.pieces(names).into_iter().map(|piece| piece.text).collect()
    }

    /// When to take which, for a split; else nothing.
    pub(crate) fn rule(&self, names: &[&str]) -> Option<String> {
        let Self::Split { axes } = self else { return None };
        let rules: Vec<String> = axes
            .iter()
            .map(|a| {
                let who: Vec<&str> = a.leaders.iter().map(|i| names[*i]).collect();
                format!("Take {} where {} decides ({} against {}).", list_or(&who), a.name, a.best, a.next)
            })
            .collect();
        Some(rules.join(" "))
    }
}

fn split(axes: &[Axis], names: &[&str]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut done: Vec<&[usize]> = Vec::new();
    for axis in axes {
        if done.contains(&axis.leaders.as_slice()) {
            continue;
        }
        done.push(&axis.leaders);
        let same = axes.iter().filter(|a| a.leaders == axis.leaders);
        let leads: Vec<&str> = same.map(|a| a.lead.as_str()).collect();
        if done.len() > 1 {
            pieces.push(Piece { text: "; ".into(), stack: None });
        }
        pieces.extend(stacks(&axis.leaders, names));
        let verb = if axis.leaders.len() == 1 { "has" } else { "have" };
        pieces.push(Piece { text: format!(" {verb} {}", list(&leads)), stack: None });
    }
    pieces.push(Piece { text: format!("{}.", against(names)), stack: None });
    pieces
}

/// What a lead is measured against; of two stacks it is the other.
fn against(names: &[&str]) -> &'static str {
    if names.len() > 2 { " (each against the next best)" } else { "" }
}

fn stacks(indices: &[usize], names: &[&str]) -> Vec<Piece> {
    if indices.len() > 2 {
        return vec![Piece { text: format!("{} of {} stacks", indices.len(), names.len()), stack: None }];
    }
    let mut pieces = Vec::new();
    for (position, index) in indices.iter().enumerate() {
        if position > 0 {
            let joint = if position + 1 == indices.len() { " and " } else { ", " };
            pieces.push(Piece { text: joint.into(), stack: None });
        }
        pieces.push(Piece { text: names[*index].into(), stack: Some(*index) });
    }
    pieces
}

/// Decides from the rows of the metric table.
pub(crate) fn decide(views: &[StackView], rows: &[Row], objections: &[String]) -> Verdict {
    match objections {
        [] => {}
        [one] => return Verdict::Withheld(format!("this run is not valid ({one})")),
        [first, rest @ ..] => {
            return Verdict::Withheld(format!("this run is not valid ({first}; {} more)", rest.len()));
        }
    }
    if views.len() < 2 {
        return Verdict::Withheld("there are no two stacks to compare".into());
    }
    let candidates = candidates(views, rows);
    if candidates.is_empty() {
        let why = if rows.iter().any(|row| row.metric.better != Better::Neither && is_positive(row)) {
            "no cost, latency or backlog is known for every stack"
        } else {
            "the run has no data"
        };
        return Verdict::Withheld(why.into());
    }
    let axes: Vec<Axis> = candidates.iter().filter_map(axis).collect();
    if axes.is_empty() {
        return Verdict::Even { axes: candidates.iter().map(|c| c.name).collect() };
    }
    let leaders: Vec<usize> =
        (0..views.len()).filter(|i| axes.iter().all(|axis| axis.leaders.contains(i))).collect();
    if leaders.is_empty() { Verdict::Split { axes } } else { Verdict::Lead { leaders, axes } }
}

fn is_positive(row: &Row) -> bool {
    row.values().iter().flatten().any(|v| *v > 0.0)
}

/// An axis that may tell stacks apart.
struct Candidate<'r> {
    /// Its name.
    name: &'static str,
    /// What its leader has.
    words: &'static str,
    /// The metric.
    row: &'r Row,
    /// Values up to this one are as good as any.
    good_enough: f64,
}

/// The axes that every stack has a value on: cost, the highest latency percentile they share, and the backlog if
/// any stack fell behind; stacks that did not are level.
fn candidates<'r>(views: &[StackView], rows: &'r [Row]) -> Vec<Candidate<'r>> {
    let shared = |metric: &str| {
        rows.iter().find(|row| row.metric.name == metric && row.estimates.iter().all(Option::is_some))
    };
    let candidate = |metric: &str, name, words, good_enough| {
        shared(metric).map(|row| Candidate { name, words, row, good_enough })
    };
    let bound = views.iter().map(StackView::backlog_bound).fold(1.0, f64::max);
    let latencies = [
        ("latency-p99", "p99 latency", "lower p99 latency"),
        ("latency-p95", "p95 latency", "lower p95 latency"),
        ("latency-p90", "p90 latency", "lower p90 latency"),
        ("latency-p50", "p50 latency", "lower p50 latency"),
    ];
    let cost = candidate("cost-per-million", "cost", "lower cost per message", 0.0);
    let latency = latencies.into_iter().find_map(|(metric, name, words)| candidate(metric, name, words, 0.0));
    let backlog = candidate("backlog-max", "backlog", "smaller largest backlog", bound)
        .filter(|backlog| backlog.row.values().iter().flatten().any(|v| *v > bound));
    [cost, latency, backlog].into_iter().flatten().collect()
}

/// The axis if its stacks differ measurably. Lower is better on all axes.
fn axis(candidate: &Candidate) -> Option<Axis> {
    let estimates: Vec<Estimate> = candidate.row.estimates.iter().flatten().copied().collect();
    let best = estimates.iter().copied().min_by(|a, b| a.value.total_cmp(&b.value))?;
    let level = |e: &Estimate| {
        let near = e.value <= candidate.good_enough.max(best.value * (1.0 + MARGIN));
        let undecided = e.low.is_some() && best.low.is_some() && !e.is_apart_from(&best);
        near || undecided
    };
    let leaders: Vec<usize> = (0..estimates.len()).filter(|i| level(&estimates[*i])).collect();
    let next = estimates.iter().filter(|e| !level(e)).map(|e| e.value).reduce(f64::min)?;
    // Several leaders are worth what the last of them is worth.
    let best = leaders.iter().map(|i| estimates[*i].value).fold(best.value, f64::max);
    let shown = crate::format::row(candidate.row.metric.unit, &[Some(best), Some(next)]);
    Some(Axis {
        name: candidate.name,
        leaders,
        lead: format!("{} {}", percent(1.0 - best / next), candidate.words),
        best: shown[0].clone(),
        next: shown[1].clone(),
    })
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list(items: &[&str]) -> String {
    join(items, "and")
}

fn list_or(items: &[&str]) -> String {
    join(items, "or")
}

fn join(items: &[&str], word: &str) -> String {
    match items {
        [] => String::new(),
        [one] => (*one).into(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}
