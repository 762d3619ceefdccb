//! Expectations: thresholds that a scenario sets for its own results.
//!
//! Goals: a threshold says its unit, so that nobody compares seconds with milliseconds.
//! Non-goals: which metrics there are, and whether a threshold is met: whoever judges runs knows both.

use super::kinds::{At, Kind, Line};
use super::problem::{alternatives, quoted};
use super::table::Table;
use super::tree::Value;
use super::units::{self, show_duration};
use super::{BetweenHops, Scenario, Stack};
use crate::streams::StreamRun;
use crate::time::Nanos;
use serde_json::{Value as Json, json};
use std::fmt;
use std::str::FromStr;

/// A threshold for a metric of a stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// The stack.
    pub stack: String,
    /// One of its streams or hops, as in `login`, `hop 2` or `login hop 2`; `None` for all messages.
    pub stream: Option<String>,
    /// The metric, as in `summary.json`, or short as `p99`.
    pub metric: String,
    /// Whether the value has to be below the threshold; else above.
    pub below: bool,
    /// The threshold.
    pub limit: Limit,
}

/// A threshold with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// A span of time.
    Span(Nanos),
    /// US dollars.
    Usd(f64),
    /// A part of a whole, 0 to 1; written in percent.
    Share(f64),
    /// Messages per second.
    Rate(f64),
    /// A count.
    Number(f64),
}

/// As in scenarios.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Span(nanos) => write!(f, "{}", show_duration(*nanos)),
            Self::Usd(usd) => write!(f, "{usd} USD"),
            // Through a whole number: 0.07 * 100 is not quite 7.
            Self::Share(share) => write!(f, "{} %", (share * 1e8).round() / 1e6),
            Self::Rate(rate) => write!(f, "{rate}/s"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// As in scenarios, and counts as bare numbers: `2s`, `1 USD`, `5 %`, `100/s`, `1000`.
impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        units::plain(text).map_or_else(|| amount(text), |number| Ok(Self::Number(number)))
    }
}

/// `lambda latency-p99 below 2s`.
impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.below { "below" } else { "above" };
        let stream = self.stream.as_ref().map_or_else(String::new, |stream| format!("{stream}/"));
        write!(f, "{} {stream}{} {side} {}", self.stack, self.metric, self.limit)
    }
}

/// An example of an expectation.
pub(super) const EXPECT: &str = "{ stack = \"lambda\", metric = \"p99\", below = \"2s\" }";
/// Most expectations of a scenario.
pub(super) const MOST: usize = 100;

/// The keys of an expectation.
pub(super) fn expect(t: &mut Table<'_>) -> Option<Expect> {
    let stack = t.required("stack", "The stack.", &Line);
    let doc = "One of its streams or hops, as reports call it, e.g. \"login\" or \"hop 2\"; without it all messages.";
    let stream = t.optional("stream", doc, &Line);
    let doc = "The metric: a name of summary.json, such as latency-p99 (short: p99) or cost-per-million.";
    let metric = t.required("metric", doc, &Line);
    let below = t.optional("below", "The value has to be below this; write this or \"above\".", &Amount);
    let above = t.optional("above", "The value has to be above this.", &Amount);
    let (below, limit) = match (t.has("below"), t.has("above")) {
        (true, false) => (true, below?),
        (false, true) => (false, above?),
        (false, false) => {
            t.problem_here("needs a threshold; add e.g. below = \"2s\"".into());
            return None;
        }
        (true, true) => {
            t.problem("above", "does not go with \"below\"; write two expectations".into());
            return None;
        }
    };
    Some(Expect { stack: stack?, stream, metric: metric?, below, limit })
}

/// Each expectation is of a stack that there is, and says something new.
pub(super) fn check(t: &Table<'_>, scenario: &Scenario) {
    for (i, expect) in scenario.expect.iter().enumerate() {
        if !scenario.stacks.iter().any(|stack| stack.name == expect.stack) {
            let names: Vec<&str> = scenario.stacks.iter().map(|stack| stack.name.as_str()).collect();
            let text = format!("{} names no stack; write {}", quoted(&expect.stack), alternatives(&names));
            t.problem(&format!("expect.{i}.stack"), text);
        }
        let stack = scenario.stacks.iter().find(|stack| stack.name == expect.stack);
        if let (Some(stream), Some(stack)) = (&expect.stream, stack) {
            let names = labels(scenario, stack);
            if !names.contains(stream) {
                let text = match names.as_slice() {
                    [] => {
                        format!("{} names no stream, for all messages are alike; remove it", quoted(stream))
                    }
                    names => format!(
                        "{} names no stream or hop of {}; write e.g. {}",
                        quoted(stream),
                        stack.name,
                        quoted(&names[0])
                    ),
                };
                t.problem(&format!("expect.{i}.stream"), text);
            }
        }
        let what = |expect: &Expect| {
            let Expect { stack, stream, metric, below, .. } = expect;
            (stack.clone(), stream.clone(), metric.clone(), *below)
        };
        if scenario.expect[..i].iter().any(|other| what(other) == what(expect)) {
            let text = "has a threshold of this kind already; keep the stricter one".into();
            t.problem(&format!("expect.{i}.metric"), text);
        }
    }
}

/// What reports call the streams and hops of a stack; none where its messages are all alike.
fn labels(scenario: &Scenario, stack: &Stack) -> Vec<String> {
    let (names, messages) = (scenario.stream_names(), scenario.messages());
    let in_memory =
        stack.platform.fleet().is_some_and(|fleet| fleet.worker().between_hops == BetweenHops::Memory);
    let of = |at: usize| {
        let several = messages[at].hops > 1 && !in_memory;
        let hops = if several { messages[at].hops } else { 0 };
        let label = |hop| StreamRun { stream: names[at].into(), hop, ..StreamRun::default() }.label();
        (0..=hops).map(label).collect::<Vec<_>>()
    };
    let all: Vec<String> = stack.drained(names.len()).into_iter().flat_map(of).collect();
    if scenario.streams.is_empty() && all.len() == 1 && messages[0].hops == 1 { Vec::new() } else { all }
}

/// A number with its unit: a span, dollars, a share, a rate; bare numbers are counts.
struct Amount;

impl Kind for Amount {
    type Out = Limit;

    fn read(&self, at: &At<'_>) -> Option<Limit> {
        const NEGATIVE: &str = "is negative, and no metric is; write 0 or more";
        let number = match &at.node.value {
            Value::Integer(number) => *number as f64,
            Value::Float(number) => *number,
            Value::Text(text) => return amount(text).map_err(|problem| at.problem(problem)).ok(),
            _ => return at.is_not("an amount", EXAMPLES),
        };
        if number.is_finite() && number >= 0.0 {
            return Some(Limit::Number(number));
        }
        at.problem(format!("{} {NEGATIVE}", at.node.show()));
        None
    }

    fn schema(&self) -> Json {
        let patterns = [units::DURATION_PATTERN, units::RATE_PATTERN, units::AMOUNT_PATTERN];
        let mut choices = patterns.map(|pattern| json!({ "type": "string", "pattern": pattern })).to_vec();
        choices.push(json!({ "type": "number", "minimum": 0 }));
        json!({ "anyOf": choices })
    }

    fn example(&self) -> String {
        "\"2s\"".into()
    }
}

const EXAMPLES: &str = "e.g. \"2s\", \"1 USD\", \"5 %\", \"100/s\", or a count without quotes";

fn amount(text: &str) -> Result<Limit, String> {
    let trimmed = text.trim();
    let limit = if let Some(usd) = trimmed.strip_prefix('$').or_else(|| trimmed.strip_suffix("USD")) {
        units::plain(usd).map(Limit::Usd)
    } else if let Some(percent) = trimmed.strip_suffix('%') {
        units::plain(percent).map(|percent| Limit::Share(percent / 100.0))
    } else if trimmed.contains('/') {
        units::rate(text).ok().map(Limit::Rate)
    } else {
        units::duration(text).ok().map(Limit::Span)
    };
    limit.ok_or_else(|| format!("{} is not an amount; write {EXAMPLES}", quoted(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{MILLISECOND, SECOND};

    #[test]
    fn amounts_say_their_unit() {
        for (text, limit, shown) in [
            ("2s", Limit::Span(2 * SECOND), "2s"),
            ("300 ms", Limit::Span(300 * MILLISECOND), "300ms"),
            ("1 USD", Limit::Usd(1.0), "1 USD"),
            ("$0.45", Limit::Usd(0.45), "0.45 USD"),
            ("7 %", Limit::Share(0.07), "7 %"),
            ("0.1%", Limit::Share(0.001), "0.1 %"),
            ("6000/min", Limit::Rate(100.0), "100/s"),
        ] {
            assert_eq!(amount(text), Ok(limit), "{text}");
            assert_eq!(limit.to_string(), shown);
            assert_eq!(text.parse(), Ok(limit), "{text}");
        }
        assert_eq!("1000".parse(), Ok(Limit::Number(1_000.0)));
        for text in ["", "2", "1 EUR", "USD", "%", "$", "-1 USD", "1 USD 2", "5 %%"] {
            assert!(amount(text).is_err(), "{text}");
        }
    }
}
