//! The first screen: verdict, decision rule, four paired numbers, validity.

use super::Subject;
use crate::chart::ink::stack_class;
use crate::difference::{Difference, Word};
use crate::format::{self, counted, percent, percents};
use crate::judgement::Row;
use crate::verdict::{Verdict, margin};
use maud::{Markup, html};

/// Kicker, verdict sentence, banner of a simulation, decision rule.
pub(crate) fn header(subject: &Subject) -> Markup {
    let judgement = subject.judgement;
    let manifest = &judgement.first().manifest;
    html! {
        header {
            @if judgement.is_simulated() {
                p.banner {
                    b { "Simulated in virtual time: no AWS was involved." }
                    " What follows is as good as " a href="#beliefs" { "the beliefs it rests on" } "."
                }
            }
            p.kicker { (manifest.title) " · " (subject.names.join(" vs ")) }
            h1 { @for piece in judgement.verdict.pieces(&subject.names) {
                @match piece.stack {
                    Some(stack) => b class=(stack_class(stack)) { (piece.text) },
                    None => (piece.text),
                }
            } }
            p.lead { (lead(subject)) }
            button #theme type="button" hidden { "Theme: auto" }
        }
    }
}

fn lead(subject: &Subject) -> String {
    let judgement = subject.judgement;
    let manifest = &judgement.first().manifest;
    let mut said = judgement.verdict.rule(&subject.names).map(|rule| rule + " ").unwrap_or_default();
    said += &format!("{} over {}", counted(manifest.planned, "message"), format::span(manifest.load_end));
    if manifest.warmup > 0 {
        said += &format!(", the first {} left out as warm-up", format::span(manifest.warmup));
    }
    said += &match judgement.runs.len() {
        1 => format!("; {}.", judgement.intervals),
        n => format!(". Figures are means over {n} repeats with 95 % intervals; charts show the first."),
    };
    said
}

/// KPI cards and the validity strip.
pub(crate) fn verdict(subject: &Subject) -> Markup {
    let judgement = subject.judgement;
    let latency = ["latency-p99", "latency-p95", "latency-p90", "latency-p50", "latency-max"]
        .into_iter()
        .map(|name| judgement.row(name))
        .find(|row| row.has_data())
        .unwrap_or_else(|| judgement.row("latency-p99"));
    let bound = judgement.views.first().map_or(0.0, |view| view.backlog_bound());
    let behind = format!("more than {} waiting", format::number(bound));
    let latency_name = format!("{} latency", latency.metric.label);
    html! {
        section #verdict aria-label="Verdict" {
            div.kpis {
                (card(subject, "Cost per million", "messages, idle time included", judgement.row("cost-per-million")))
                (card(subject, &latency_name, "scheduled to finished", latency))
                (card(subject, "Largest backlog", "messages waiting", judgement.row("backlog-max")))
                (card(subject, "Time behind", &behind, judgement.row("time-behind")))
            }
            (validity(subject))
        }
    }
}

fn card(subject: &Subject, name: &str, what: &str, row: &Row) -> Markup {
    let values = row.values();
    let largest = values.iter().flatten().fold(0.0_f64, |most, v| most.max(*v));
    let shown = format::row(row.metric.unit, &values);
    let width = |v: &Option<f64>| v.map_or(0.0, |v| if largest > 0.0 { v / largest * 100.0 } else { 0.0 });
    html! {
        article.kpi {
            h2 { (name) }
            p.why { (what) }
            ul { @for (i, (value, text)) in values.iter().zip(&shown).enumerate() {
                li class=(stack_class(i)) style={ "--w:" (format!("{:.1}", width(value))) "%" } {
                    span { (subject.names[i]) }
                    (text)
                }
            } }
            p.win { (outcome(subject, row)) }
        }
    }
}

/// How the stacks of a card compare, in words. Lower is better on all cards.
fn outcome(subject: &Subject, row: &Row) -> String {
    if matches!(subject.judgement.verdict, Verdict::Withheld(_)) {
        return "not judged".into();
    }
    let names = &subject.names;
    let Some(best) = row.best() else { return "no data".into() };
    if names.len() == 2
        && let Some(difference) = row.from_best[1 - best]
    {
        return between_two(row, names[best], 1 - best, &difference);
    }
    let level =
        |stack: &usize| *stack == best || row.from_best[*stack].and_then(|d| d.word) == Some(Word::Level);
    let leaders: Vec<usize> = (0..names.len()).filter(level).collect();
    match leaders.as_slice() {
        [one] => format!("lowest: {}", names[*one]),
        many => alike(many, names),
    }
}

/// The stacks that share the lowest value, by name; or the others, where these are fewer.
fn alike(leaders: &[usize], names: &[&str]) -> String {
    let named =
        |stacks: Vec<usize>| stacks.into_iter().map(|stack| names[stack]).collect::<Vec<_>>().join(", ");
    let others: Vec<usize> = (0..names.len()).filter(|stack| !leaders.contains(stack)).collect();
    match others.len() {
        0 => "all alike".into(),
        n if n < leaders.len() => format!("higher: {}; the others alike", named(others)),
        _ => format!("lowest, alike: {}", named(leaders.to_vec())),
    }
}

/// By how much the lower of two stacks is lower, e.g. `lambda: 95 % lower, CI 89 to 97 %`.
fn between_two(row: &Row, best: &str, other: usize, difference: &Difference) -> String {
    let Some(ratio) = difference.ratio else {
        return if row.values()[other] == Some(0.0) {
            "no difference".into()
        } else {
            format!("{best}: none")
        };
    };
    // The ratio is that of the higher to the lower.
    let lower = |ratio: f64| 1.0 - 1.0 / ratio;
    let size = format!("{best}: {} lower", percent(lower(ratio.value)));
    let interval = match ratio.interval() {
        None => String::new(),
        Some((low, high)) if low < 1.0 => {
            let ends = [1.0 / low, 1.0 / high].map(|end| format::difference(end, 1.0));
            format!(", CI {} to {}", ends[0], ends[1])
        }
        Some((low, high)) => format!(", CI {}", percents(lower(low), lower(high))),
    };
    match difference.word {
        _ if ratio.value == 1.0 => "no difference".into(),
        Some(Word::Level) => format!("level within {} ({size}{interval})", margin()),
        Some(Word::Unclear) => format!("unclear ({size}{interval})"),
        _ => size + &interval,
    }
}

fn validity(subject: &Subject) -> Markup {
    let judgement = subject.judgement;
    let checks: Vec<_> = judgement.runs.iter().flat_map(|run| &run.manifest.checks).collect();
    let passed = checks.iter().filter(|check| check.passed).count();
    let valid = judgement.objections.is_empty();
    html! {
        div.validity.bad[!valid].good[valid && !checks.is_empty()] {
            p {
                b.chip { @if !valid { "Not valid" } @else if checks.is_empty() { "Unchecked" } @else { "Valid" } } " "
                @if checks.is_empty() { "No validity checks were recorded." }
                @else { (passed) " of " (checks.len()) " validity checks passed." }
                @if !valid { " No winner is named." }
            }
            @if !valid { ul { @for objection in &judgement.objections { li { (objection) } } } }
            @if !checks.is_empty() {
                details {
                    summary { "Validity checks" }
                    ul.checks { @for check in &judgement.first().manifest.checks {
                        li class=(if check.passed { "good" } else { "bad" }) { b.chip { (check.name) } ": " (format::with_separators(&check.detail)) }
                    } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::alike;

    #[test]
    fn stacks_that_are_alike_have_their_names() {
        let names = ["a", "b", "c", "d"];
        assert_eq!(alike(&[0, 2], &names), "lowest, alike: a, c");
        assert_eq!(alike(&[0, 1, 3], &names), "higher: c; the others alike");
        assert_eq!(alike(&[0, 1, 2, 3], &names), "all alike");
    }
}
