//! Expectations: does a run keep to the thresholds that its scenario sets?

use super::Expectation;
use super::baseline::{COLD_SHARE, baseline};
use crate::format::{self, Unit};
use crate::idle;
use crate::metrics::{Better, METRICS};
use crate::streams;
use model::baseline::{Baseline, Stack, edges};
use model::run::Run;
use model::scenario::{Expect, Limit};
use std::collections::BTreeMap;

/// The metric that is meant by a name, or by a short form of it such as `p99`, and its unit.
///
/// # Errors
/// Lists the names that there are.
pub fn metric(name: &str) -> Result<(&'static str, Unit), String> {
    let full = if name.starts_with('p') { format!("latency-{name}") } else { name.to_owned() };
    let known = METRICS.iter().map(|metric| (metric.name, metric.unit)).chain([(COLD_SHARE, Unit::Share)]);
    known
        .into_iter()
        .find(|(known, _)| *known == name || *known == full)
        .ok_or_else(|| format!("{name:?} is no metric; there are {}", metric_names().join(", ")))
}

/// The same of a metric that streams and hops have.
fn metric_of_stream(name: &str) -> Result<(&'static str, Unit), String> {
    let full = if name.starts_with('p') { format!("latency-{name}") } else { name.to_owned() };
    let known = streams::metrics().into_iter().find(|known| *known == name || *known == full);
    known.and_then(|known| Some((known, streams::unit(known)?))).ok_or_else(|| {
        format!("{name:?} is no metric of a stream; there are {}", streams::metrics().join(", "))
    })
}

/// Metrics of which it is known whether more is better or worse.
#[must_use]
pub fn metric_names() -> Vec<&'static str> {
    let judged = METRICS.iter().filter(|metric| metric.better != Better::Neither);
    judged.map(|metric| metric.name).chain([COLD_SHARE]).collect()
}

/// Looks whether expectations are of metrics that there are, in their units.
///
/// # Errors
/// Says of each that is not what is wrong.
pub fn understood(expect: &[Expect]) -> Result<(), Vec<String>> {
    let problem =
        |expect: &Expect| threshold(expect).err().map(|problem| format!("expect {expect}: {problem}"));
    let problems: Vec<String> = expect.iter().filter_map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The metric's name and unit, and the threshold in it.
pub(crate) fn threshold(expect: &Expect) -> Result<(&'static str, Unit, f64), String> {
    let (name, unit) = match &expect.stream {
        None => metric(&expect.metric)?,
        Some(_) => metric_of_stream(&expect.metric)?,
    };
    let limit = match (expect.limit, unit) {
        (Limit::Span(nanos), Unit::Milliseconds) => nanos as f64 / 1e6,
        (Limit::Span(nanos), Unit::Seconds) => nanos as f64 / 1e9,
        (Limit::Usd(usd), Unit::Usd) => usd,
        (Limit::Share(share), Unit::Share) => share,
        (Limit::Rate(rate), Unit::Rate) => rate,
        (Limit::Number(number), Unit::Messages | Unit::Count) => number,
        _ => {
            let example = match unit {
                Unit::Milliseconds | Unit::Seconds => "\"2s\"",
                Unit::Usd => "\"1 USD\"",
                Unit::Share => "\"5 %\"",
                Unit::Rate => "\"100/s\"",
                Unit::Messages | Unit::Count => "1000",
            };
            return Err(format!("{} does not measure {name}; write e.g. {example}", expect.limit));
        }
    };
    Ok((name, unit, limit))
}

/// The thresholds of the scenario that a run was made from.
#[must_use]
pub fn thresholds(run: &Run) -> Vec<Expect> {
    idle::scenario(&run.manifest).map(|scenario| scenario.expect).unwrap_or_default()
}

/// Judges one run, or repeats, by the thresholds of the scenario.
#[must_use]
pub fn expectations(runs: &[Run]) -> Vec<Expectation> {
    let expect = runs.first().map(thresholds).unwrap_or_default();
    if expect.is_empty() {
        return Vec::new();
    }
    let runs: Vec<(String, Baseline)> = runs.iter().map(|run| (String::new(), baseline(run))).collect();
    self::expect(&expect, &runs)
}

/// Judges runs by thresholds: by the median of several. Of invalid runs nothing is said.
#[must_use]
pub fn expect(expect: &[Expect], runs: &[(String, Baseline)]) -> Vec<Expectation> {
    if runs.iter().any(|(_, run)| !run.objections.is_empty()) {
        return Vec::new();
    }
    expect.iter().map(|expect| judge(expect, runs)).collect()
}

fn judge(expect: &Expect, runs: &[(String, Baseline)]) -> Expectation {
    let of = |metric: &str, unit, text, value: Option<f64>, holds| Expectation {
        stack: expect.stack.clone(),
        metric: metric.into(),
        unit,
        below: expect.below,
        text,
        value,
        holds,
    };
    // A name that nobody knows was refused before the run; that of an older version may be gone since.
    let Ok((name, unit, limit)) = threshold(expect) else {
        return of(&expect.metric, Unit::Count, expect.to_string(), None, None);
    };
    let of_run = |(_, run): &(String, Baseline)| match &expect.stream {
        None => value(run.stack(&expect.stack)?, name),
        Some(stream) => run.stack(&expect.stack)?.metrics.get(&streams::key(stream, name)).copied(),
    };
    let values = runs.iter().filter_map(of_run).collect();
    let value = median(values);
    let holds = value.map(|value| if expect.below { value < limit } else { value > limit });
    let side = if expect.below { "below" } else { "above" };
    let shown = match unit {
        Unit::Milliseconds => format::milliseconds(limit),
        Unit::Seconds => format::milliseconds(limit * 1e3),
        unit => format::value(unit, limit),
    };
    let metric = expect.stream.as_ref().map_or_else(|| name.into(), |stream| streams::key(stream, name));
    of(&metric, unit, format!("{} {metric} {side} {shown}", expect.stack), value, holds)
}

fn value(stack: &Stack, metric: &str) -> Option<f64> {
    let unfinished = stack.ledger.planned.saturating_sub(stack.ledger.done());
    let percentile = metric.strip_prefix("latency-p").and_then(|p| p.parse::<f64>().ok());
    match percentile {
        // What was not finished is later than all that was.
        Some(p) if unfinished > 0 => with_unfinished(stack, p / 100.0),
        _ => stack.metrics.get(metric).copied(),
    }
}

/// A percentile in milliseconds (`p` in 0..1) over all messages, the unfinished as infinitely late.
fn with_unfinished(stack: &Stack, p: f64) -> Option<f64> {
    let mut bins: BTreeMap<u32, u64> = BTreeMap::new();
    for (bin, count) in stack.windows.iter().flat_map(|window| &window.bins) {
        *bins.entry(*bin).or_default() += count;
    }
    let messages: u64 = stack.windows.iter().map(model::baseline::Window::messages).sum();
    let rank = (messages as f64 * p).ceil() as u64;
    if messages == 0 {
        return None;
    }
    let mut seen = 0;
    for (bin, count) in bins {
        seen += count;
        if seen >= rank {
            return Some(edges(bin).1 / 1e3);
        }
    }
    Some(f64::INFINITY)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::baseline::{Window, bin};
    use model::record::Ledger;
    use model::time::SECOND;

    fn expect(metric: &str, below: bool, limit: Limit) -> Expect {
        Expect { stack: "lambda".into(), stream: None, metric: metric.into(), below, limit }
    }

    fn run(unfinished: u64, metrics: &[(&str, f64)]) -> (String, Baseline) {
        let bins = vec![(bin(1_000_000), 900), (bin(3_000_000), 100)];
        let stack = Stack {
            name: "lambda".into(),
            platform: "lambda".into(),
            configuration: String::new(),
            ledger: Ledger {
                planned: 1_000 + unfinished,
                completed: 1_000,
                in_flight: unfinished,
                ..Ledger::default()
            },
            metrics: metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            windows: vec![Window { bins, unfinished }],
        };
        let baseline = Baseline {
            title: String::new(),
            scenario_hash: String::new(),
            plan_hash: String::new(),
            seed: 1,
            tool_version: String::new(),
            target: "sim".into(),
            region: String::new(),
            planned: 1_000,
            warmup: 0,
            load_end: 60 * SECOND,
            objections: Vec::new(),
            from: 0,
            width: 60 * SECOND,
            stacks: vec![stack],
        };
        (String::new(), baseline)
    }

    #[test]
    fn names_may_be_short_and_units_must_fit() {
        assert_eq!(metric("p99").unwrap(), ("latency-p99", Unit::Milliseconds));
        assert_eq!(metric("latency-p99.9").unwrap().0, "latency-p99.9");
        assert_eq!(metric(COLD_SHARE).unwrap().1, Unit::Share);
        let unknown = metric("latency").unwrap_err();
        assert!(unknown.contains("\"latency\" is no metric; there are messages-completed,"), "{unknown}");
        let wrong = [expect("p99", true, Limit::Usd(1.0)), expect("cost-run", true, Limit::Number(1.0))];
        let problems = understood(&wrong).unwrap_err();
        assert_eq!(
            problems[0],
            "expect lambda p99 below 1 USD: 1 USD does not measure latency-p99; write e.g. \"2s\""
        );
        assert!(problems[1].ends_with("write e.g. \"1 USD\""), "{}", problems[1]);
        assert_eq!(understood(&[expect("drain-time", true, Limit::Span(SECOND))]), Ok(()));
    }

    #[test]
    fn the_median_of_the_runs_is_judged() {
        let runs = [1_500.0, 1_900.0, 2_500.0].map(|p99| run(0, &[("latency-p99", p99)]));
        let found = super::expect(
            &[
                expect("p99", true, Limit::Span(2 * SECOND)),
                expect("p99", false, Limit::Span(2 * SECOND)),
                expect("backlog-max", true, Limit::Number(5.0)),
            ],
            &runs,
        );
        let plain = |text: &str| text.replace(format::NBSP, " ");
        assert_eq!(plain(&found[0].text), "lambda latency-p99 below 2 s");
        assert_eq!((found[0].value, found[0].holds), (Some(1_900.0), Some(true)));
        assert_eq!((found[1].holds, found[1].below), (Some(false), false));
        assert_eq!((found[2].value, found[2].holds), (None, None), "what has no value does not hold");
    }

    #[test]
    fn what_was_not_finished_counts_as_late() {
        let p95 = |unfinished| {
            let found =
                super::expect(&[expect("p95", true, Limit::Span(5 * SECOND))], &[run(unfinished, &[])]);
            (found[0].value.unwrap(), found[0].holds)
        };
        let (value, holds) = p95(20);
        assert!((2_900.0..3_100.0).contains(&value) && holds == Some(true), "{value}");
        assert_eq!(p95(200), (f64::INFINITY, Some(false)));
    }

    #[test]
    fn nothing_is_said_of_an_invalid_run() {
        let mut invalid = run(0, &[("latency-p99", 1.0)]);
        invalid.1.objections.push("the run was cut short".into());
        assert_eq!(super::expect(&[expect("p99", true, Limit::Span(SECOND))], &[invalid]), []);
    }
}
