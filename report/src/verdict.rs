//! Which stack, by how much: the one sentence that a report opens with.
//!
//! Goals: five forms (one wins, several lead, a split that names its axes, no measurable difference, no verdict);
//! no winner for a run that is not valid. A difference is measurable if the stack is [`Word::Worse`] than the best:
//! beyond [`MARGIN`] and, where there is an interval, beyond doubt. Who completes fewer messages is behind, whatever
//! else it is good at: the rest of its figures are of other messages.
//! Non-goals: intervals (see [`crate::difference`]).

use crate::difference::Word;
use crate::format::{NBSP, percent, percents};
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
        /// Names of the axes whose differences are neither measurable nor small.
        unclear: Vec<&'static str>,
    },
    /// Different stacks lead on different axes.
    Split {
        /// Axes with a measurable difference.
        axes: Vec<Axis>,
        /// Names of the axes whose differences are neither measurable nor small.
        unclear: Vec<&'static str>,
    },
    /// No axis has a measurable difference.
    Even {
        /// Names of the axes on which all stacks are level.
        level: Vec<&'static str>,
        /// Names of the axes whose differences are neither measurable nor small.
        unclear: Vec<&'static str>,
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
            Self::Even { level, unclear } => vec![plain(even(level, unclear, names))],
            Self::Lead { leaders, axes, unclear } => {
                let leads: Vec<&str> = axes.iter().map(|a| a.lead.as_str()).collect();
                let verb = if leaders.len() == 1 { "leads" } else { "lead alike" };
                let mut pieces = stacks(leaders, names);
                pieces.push(plain(format!(" {verb}: {}{}{}.", list(&leads), against(names), open(unclear))));
                pieces
            }
            Self::Split { axes, unclear } => split(axes, unclear, names),
        }
    }

    /// The sentence.
    pub(crate) fn sentence(&self, names: &[&str]) -> String {
        self.pieces(names).into_iter().map(|piece| piece.text).collect()
    }

    /// When to take which, for a split; else nothing.
    pub(crate) fn rule(&self, names: &[&str]) -> Option<String> {
        if let Self::Lead { axes, .. } = self
            && axes.iter().any(|axis| axis.name == COMPLETION)
        {
            return Some("Nothing else is compared: the stacks did not complete the same messages.".into());
        }
        let Self::Split { axes, .. } = self else { return None };
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

fn even(level: &[&str], unclear: &[&str], names: &[&str]) -> String {
    let who = if names.len() == 2 { names.join(" and ") } else { "the stacks".into() };
    let level = (!level.is_empty()).then(|| format!("within {} in {}", percent(MARGIN), list(level)));
    let unclear = (!unclear.is_empty()).then(|| format!("{} unclear", list(unclear)));
    let parts: Vec<String> = [level, unclear].into_iter().flatten().collect();
    format!("No measurable difference between {who}: {}.", parts.join("; "))
}

/// Names the axes that are unclear, behind what is clear.
fn open(unclear: &[&str]) -> String {
    if unclear.is_empty() { String::new() } else { format!("; {} unclear", list(unclear)) }
}

fn split(axes: &[Axis], unclear: &[&str], names: &[&str]) -> Vec<Piece> {
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
    pieces.push(Piece { text: format!("{}{}.", against(names), open(unclear)), stack: None });
    pieces
}

/// What a lead is measured against; of two stacks it is the other.
fn against(names: &[&str]) -> &'static str {
    if names.len() > 2 { " (each against the next best)" } else { "" }
}

fn stacks(indices: &[usize], names: &[&str]) -> Vec<Piece> {
    if indices.len() > 2 {
        let who: Vec<&str> = indices.iter().map(|index| names[*index]).collect();
        return vec![Piece { text: list(&who), stack: None }];
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
    if views.iter().any(|view| view.entry.ledger.planned != views[0].entry.ledger.planned) {
        let why = "the stacks drain different streams, so they were not offered the same messages";
        return Verdict::Withheld(why.into());
    }
    if let Some(axis) = completion(views, rows) {
        return Verdict::Lead { leaders: axis.leaders.clone(), axes: vec![axis], unclear: Vec::new() };
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
    let unclear = candidates.iter().filter(|c| c.is_unclear()).map(|c| c.name).collect();
    if axes.is_empty() {
        let level = candidates.iter().filter(|c| !c.is_unclear()).map(|c| c.name).collect();
        return Verdict::Even { level, unclear };
    }
    let leaders: Vec<usize> =
        (0..views.len()).filter(|i| axes.iter().all(|axis| axis.leaders.contains(i))).collect();
    if leaders.is_empty() {
        Verdict::Split { axes, unclear }
    } else {
        Verdict::Lead { leaders, axes, unclear }
    }
}

fn is_positive(row: &Row) -> bool {
    row.values().iter().flatten().any(|v| *v > 0.0)
}

/// Name of the axis that comes before all others.
const COMPLETION: &str = "completion";

/// Up to this share of the messages, nobody cares how many a stack did not complete.
const UNCOMPLETED: f64 = 1e-3;

/// The axis of messages completed, if stacks differ in them.
fn completion(views: &[StackView], rows: &[Row]) -> Option<Axis> {
    let row = rows.iter().find(|row| row.metric.name == "messages-not-completed")?;
    let planned = views.first()?.manifest.planned as f64;
    let known = row.estimates.iter().all(Option::is_some);
    let candidate = Candidate { name: COMPLETION, words: "", row, good_enough: UNCOMPLETED * planned };
    let axis = axis(&candidate).filter(|_| known)?;
    let share = |stacks: &[usize]| {
        let most = stacks.iter().map(|stack| candidate.value(*stack)).fold(0.0, f64::max);
        percent(1.0 - most / planned)
    };
    let behind: Vec<usize> = (0..views.len()).filter(|stack| !axis.leaders.contains(stack)).collect();
    let (best, next) = (share(&axis.leaders), share(&behind));
    Some(Axis { lead: format!("{best} of the messages completed against {next}"), best, next, ..axis })
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

impl Candidate<'_> {
    fn value(&self, stack: usize) -> f64 {
        self.row.estimates[stack].map_or(f64::NAN, |e| e.value)
    }

    /// Whether a stack differs from the best by this word; what is good enough does not differ.
    fn is(&self, stack: usize, word: Word) -> bool {
        let from_best = self.row.from_best[stack].and_then(|difference| difference.word);
        self.value(stack) > self.good_enough && from_best == Some(word)
    }

    /// Whether a stack is as good as the best, which is known of the best itself.
    fn leads(&self, stack: usize) -> bool {
        self.value(stack) <= self.good_enough
            || self.row.from_best[stack].is_none_or(|difference| difference.word == Some(Word::Level))
    }

    /// Whether nobody is measurably behind, and somebody may be.
    fn is_unclear(&self) -> bool {
        let any = |word| (0..self.row.estimates.len()).any(|stack| self.is(stack, word));
        any(Word::Unclear) && !any(Word::Worse)
    }
}

/// The axis if its stacks differ measurably. Lower is better on all axes.
fn axis(candidate: &Candidate) -> Option<Axis> {
    let all = 0..candidate.row.estimates.len();
    let behind = all.clone().filter(|stack| candidate.is(*stack, Word::Worse));
    // Who is neither behind nor level may be either.
    let leaders: Vec<usize> = all.filter(|stack| candidate.leads(*stack)).collect();
    let next = behind.min_by(|a, b| candidate.value(*a).total_cmp(&candidate.value(*b)))?;
    // Several leaders are worth what the last of them is worth.
    let best = leaders.iter().map(|stack| candidate.value(*stack)).fold(0.0, f64::max);
    let (lower, interval) = match candidate.row.from_best[next].and_then(|difference| difference.ratio) {
        // Of one leader the ratio is known, and its interval if there is one.
        Some(ratio) if leaders.len() == 1 => {
            let lower = |ratio: f64| 1.0 - 1.0 / ratio;
            (lower(ratio.value), ratio.interval().map(|(low, high)| (lower(low), lower(high))))
        }
        _ => (1.0 - best / candidate.value(next), None),
    };
    let interval = interval.map(|(low, high)| format!(" ({})", percents(low, high))).unwrap_or_default();
    let shown = crate::format::row(candidate.row.metric.unit, &[Some(best), Some(candidate.value(next))]);
    Some(Axis {
        name: candidate.name,
        leaders,
        lead: format!("{} {}{interval}", percent(lower), candidate.words),
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
