//! Is it larger than the noise? One row per metric: the ratio to the first stack with its interval, the repeats as
//! dots, and the margin within which nothing is called a difference.

use super::Subject;
use super::figure::{Figure, Table, stack_keys};
use crate::chart::ink::{STACK_COLOURS, stack_class};
use crate::difference::{Difference, Word};
use crate::estimate::Estimate;
use crate::format;
use crate::judgement::Row;
use crate::text::capital;
use crate::verdict::{MARGIN, list, margin};
use maud::{Markup, html};

/// What is shown: the axes of the verdict, and what stands behind them.
const SHOWN: [(&str, &str); 8] = [
    ("cost-per-million", "cost per message"),
    ("latency-p50", "p50 latency"),
    ("latency-p99", "p99 latency"),
    ("backlog-max", "largest backlog"),
    ("latency-p95", "p95 latency"),
    ("time-behind", "time behind"),
    ("drain-time", "drain"),
    ("achieved-rate", "achieved rate"),
];

/// Many stacks have room for so many of them.
const AXES: usize = 4;

/// Repeats of many stacks would be a cloud.
const MOST_DOTS: usize = 12;

/// Where a label leaves room for the one in the middle on a phone, in percent of the width.
const FAR: f64 = 78.0;

/// Ratios farther from 1 than this are drawn at the edge.
const FARTHEST: f64 = 1_000.0;

/// One stack's ratio in one metric.
struct Line<'r> {
    metric: &'static str,
    stack: usize,
    difference: &'r Difference,
    /// The ratio of each repeat.
    repeats: &'r [f64],
}

/// The section.
pub(crate) fn figure(subject: &Subject) -> Figure {
    let reference = subject.names.first().copied().unwrap_or_default();
    let mut figure = Figure::without_data(
        "differences",
        "Differences",
        "Differences",
        "No metric has a ratio: there are no two stacks with values other than 0.",
    );
    let lines = lines(subject);
    if lines.is_empty() {
        figure.notes.extend(without_ratio(subject));
        return figure;
    }
    figure.take = take(subject, &lines);
    figure.notes.extend(without_ratio(subject));
    figure.caption = format!(
        "against {reference}, log scale; bar: 95 % interval; shaded: within {}, which is level",
        margin()
    );
    figure.legend = stack_keys(&subject.names).split_off(1);
    figure.body = Some(rows(subject, &lines, &Axis::of(&lines)));
    // With many stacks the scorecard says the same.
    figure.table = subject.is_small().then(|| table(subject, &lines));
    if subject.judgement.runs.len() > 1 && subject.is_small() {
        figure.notes.push(format!(
            "Each dot is one of the first {MOST_DOTS} repeats; both stacks had the same messages in it."
        ));
    }
    figure
}

fn lines<'s>(subject: &'s Subject) -> Vec<Line<'s>> {
    let of_row = |(name, label): &(&'static str, &'static str)| {
        let row: &'s Row = subject.judgement.row(name);
        let stacks = (1..subject.names.len()).filter_map(|stack| {
            let difference =
                row.differences[stack].as_ref().filter(|difference| difference.ratio.is_some())?;
            let dots = if subject.is_small() { MOST_DOTS } else { 0 };
            let repeats = &row.repeats[stack][..row.repeats[stack].len().min(dots)];
            Some(Line { metric: label, stack, difference, repeats })
        });
        stacks.collect::<Vec<_>>()
    };
    shown(subject).iter().flat_map(of_row).collect()
}

/// The metrics that there is room for, with their labels.
fn shown(subject: &Subject) -> &'static [(&'static str, &'static str)] {
    if subject.is_small() { &SHOWN } else { &SHOWN[..AXES] }
}

/// What is not drawn for want of a ratio: nothing is a multiple of 0.
fn without_ratio(subject: &Subject) -> Option<String> {
    let of_row = |(name, label): &(&str, &str)| {
        let row = subject.judgement.row(name);
        let values = format::row(row.metric.unit, &row.values());
        let said = |stack: usize| format!("{} on {}", values[stack], subject.names[stack]);
        let none = (1..subject.names.len())
            .filter(|stack| {
                row.differences[*stack].as_ref().is_some_and(|difference| difference.ratio.is_none())
            })
            .filter(|stack| values[*stack] != values[0]);
        let stacks: Vec<String> = none.map(said).collect();
        (!stacks.is_empty()).then(|| format!("{label} ({}; {})", said(0), stacks.join(", ")))
    };
    let found: Vec<String> = shown(subject).iter().filter_map(of_row).collect();
    (!found.is_empty()).then(|| format!("Not drawn, for there is no ratio to 0: {}.", found.join("; ")))
}

impl Line<'_> {
    fn has_interval(&self) -> bool {
        self.difference.ratio.as_ref().and_then(Estimate::interval).is_some()
    }

    /// The ratio, and the ends of its interval or twice itself.
    fn ends(&self) -> (f64, f64, f64) {
        let ratio = self.difference.ratio.as_ref();
        let value = ratio.map_or(1.0, |ratio| ratio.value);
        let (low, high) = ratio.and_then(Estimate::interval).unwrap_or((value, value));
        (low, value, high)
    }
}

/// A logarithmic axis of ratios, as far down as up.
struct Axis {
    /// The ratio at its right end.
    most: f64,
}

impl Axis {
    fn of(lines: &[Line]) -> Self {
        let far = |ratio: f64| ratio.max(1.0 / ratio);
        let all = lines.iter().flat_map(|line| {
            let (low, value, high) = line.ends();
            [low, value, high].into_iter().chain(line.repeats.iter().copied()).collect::<Vec<_>>()
        });
        let farthest = all.map(far).filter(|far| far.is_finite()).fold(1.2, f64::max);
        Self { most: (farthest * 1.1).min(FARTHEST) }
    }

    /// Percent of the width.
    fn at(&self, ratio: f64) -> f64 {
        let place = libm::log(ratio.max(1.0 / FARTHEST)) / libm::log(self.most);
        50.0 + 50.0 * place.clamp(-1.0, 1.0)
    }

    /// Labelled ratios with their labels and classes: on a phone, `alt` is too near the middle.
    fn ticks(&self) -> Vec<(f64, String, &'static str)> {
        let steps: &[f64] = match self.most {
            most if most > 30.0 => &[10.0, 100.0, 1_000.0],
            most if most > 4.0 => &[2.0, 10.0],
            most if most > 1.6 => &[1.5, 2.0, 3.0],
            _ => &[1.1, 1.2, 1.4],
        };
        // What is labelled keeps its distance from the edge, where there is no room for its half.
        let steps = steps.iter().filter(|step| self.at(**step) < 93.0);
        let both = |step: &f64| {
            let class = if self.at(*step) >= FAR { "tick" } else { "tick alt" };
            [(1.0 / step, format!("1/{step}"), class), (*step, format!("{step}×"), class)]
        };
        std::iter::once((1.0, "equal".to_owned(), "tick")).chain(steps.flat_map(both)).collect()
    }
}

/// Height of one line in CSS pixels.
const LINE: usize = 22;

/// A row per metric, in it a line per stack.
fn rows(subject: &Subject, lines: &[Line], axis: &Axis) -> Markup {
    let metrics = lines.chunk_by(|one, other| one.metric == other.metric);
    // Several stacks stand below the name of the metric.
    let several = subject.names.len() > 2;
    let column = |first: &str, lines: &[Line], cell: &dyn Fn(&Line) -> String| {
        let cells = lines.iter().map(cell).collect::<Vec<_>>().join("\n");
        if several { format!("{first}\n{cells}") } else { cells }
    };
    let name =
        |line: &Line| if several { subject.names[line.stack].to_owned() } else { line.metric.to_owned() };
    let said = |line: &Line| format!("{}: {}", subject.names[line.stack], words(line));
    html! {
        div.stages.ratios {
            @for lines in metrics {
                div {
                    span { (column(lines[0].metric, lines, &name)) }
                    (picture(lines, axis, several, &lines.iter().map(said).collect::<Vec<_>>().join(", ")))
                    b { (column("", lines, &words)) }
                }
            }
            div aria-hidden="true" {
                span {}
                svg.split width="100%" height="18" {
                    @for (ratio, label, class) in axis.ticks() {
                        text.(class) x={ (percent(axis.at(ratio))) "%" } y="13" text-anchor="middle" { (label) }
                    }
                }
                b {}
            }
        }
    }
}

fn percent(place: f64) -> String {
    format!("{place:.2}")
}

fn picture(lines: &[Line], axis: &Axis, several: bool, words: &str) -> Markup {
    let top = if several { LINE } else { 0 };
    let height = top + lines.len() * LINE;
    let (margin_low, margin_high) = (axis.at(1.0 / (1.0 + MARGIN)), axis.at(1.0 + MARGIN));
    html! {
        svg.split.ratio overflow="visible" width="100%" height=(height) role="img" aria-label={ (lines[0].metric) ": " (words) } {
            rect.margin fill="#e3e7ec" x={ (percent(margin_low)) "%" } width={ (percent(margin_high - margin_low)) "%" }
                height=(height) {}
            line.zero stroke="#5a6472" x1="50%" x2="50%" y1="0" y2=(height) {}
            @for (i, line) in lines.iter().enumerate() { (ratio(line, axis, top + i * LINE + LINE / 2)) }
        }
    }
}

/// One stack's repeats, interval and value at the height `y`.
fn ratio(line: &Line, axis: &Axis, y: usize) -> Markup {
    let (low, value, high) = line.ends();
    let class = stack_class(line.stack);
    let colour = STACK_COLOURS[line.stack % STACK_COLOURS.len()];
    html! {
        @for ratio in line.repeats {
            circle.dot.(class) fill=(colour) fill-opacity="0.35" cx={ (percent(axis.at(*ratio))) "%" } cy=(y) r="3.5" {}
        }
        @if low < high {
            line.l.(class) stroke=(colour) stroke-width="2" x1={ (percent(axis.at(low))) "%" }
                x2={ (percent(axis.at(high))) "%" } y1=(y) y2=(y) {}
        }
        circle.f.(class) fill=(colour) cx={ (percent(axis.at(value))) "%" } cy=(y) r="4.5" {}
    }
}

/// The difference without its interval.
fn words(line: &Line) -> String {
    format::difference(line.ends().1, 1.0)
}

fn take(subject: &Subject, lines: &[Line]) -> String {
    let judged: Vec<&Line> = lines.iter().filter(|line| line.difference.word.is_some()).collect();
    if judged.is_empty() {
        return "The run gives no verdict: differences are shown as they are.".into();
    }
    let several = subject.names.len() > 2;
    let name = |line: &Line| {
        if several {
            format!("{} of {}", line.metric, subject.names[line.stack])
        } else {
            line.metric.to_owned()
        }
    };
    let listed = |lines: &[&Line]| {
        let names: Vec<String> = lines.iter().map(|line| name(line)).collect();
        list(&names.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let with = |words: &[Word]| -> Vec<&Line> {
        let has = |line: &&Line| line.difference.word.is_some_and(|word| words.contains(&word));
        judged.iter().copied().filter(has).collect()
    };
    // Only an interval can leave no doubt; a number of one run may be chance.
    let (certain, plain): (Vec<&Line>, Vec<&Line>) =
        with(&[Word::Better, Word::Worse]).into_iter().partition(|line| line.has_interval());
    if !subject.is_small() {
        return format!(
            "Of {} differences, {} exceed {} beyond doubt; {} more exceed it, but have no interval.",
            judged.len(),
            certain.len(),
            margin(),
            plain.len()
        );
    }
    let said = [
        (format!("Larger than {} beyond doubt", margin()), certain),
        (format!("larger than {}, but without an interval", margin()), plain),
        ("unclear".into(), with(&[Word::Unclear])),
    ];
    let parts: Vec<String> = said
        .iter()
        .filter(|(_, lines)| !lines.is_empty())
        .map(|(words, lines)| format!("{words}: {}", listed(lines)))
        .collect();
    if parts.is_empty() {
        format!("Every difference is within {}.", margin())
    } else {
        capital(&parts.join("; ")) + "."
    }
}

/// A row per metric and stack.
fn table(subject: &Subject, lines: &[Line]) -> Table {
    let row = |line: &Line| {
        let word = match line.difference.word {
            Some(Word::Better) => "better",
            Some(Word::Worse) => "worse",
            Some(Word::Level) => "level",
            Some(Word::Unclear) => "unclear",
            None => format::ABSENT,
        };
        let ratio = line.difference.ratio.as_ref();
        let change = ratio
            .map_or_else(|| format::ABSENT.into(), |ratio| format::change(ratio.value, ratio.interval()));
        vec![line.metric.to_owned(), subject.names[line.stack].into(), change, word.into()]
    };
    let against = format!("Against {}", subject.names[0]);
    let head = vec!["Metric".into(), "Stack".into(), against, "Result".into()];
    Table { head, rows: lines.iter().map(row).collect(), words: 4 }
}
