//! Kinds of values: how each is read, what is wrong with a bad one, and its JSON Schema.
//!
//! Goals: a refusal shows the value, says what is wrong and what to write.
//! Non-goals: tables with keys of their own (`table`), contradictions between keys (`check`).

use super::problem::{alternatives, nearest, quoted};
use super::table::{Context, Table};
use super::tree::{Node, Value};
use super::units::{self, KB, MB, show_count, show_duration, show_size};
use crate::time::{Nanos, SECOND};
use serde_json::{Value as Json, json};

/// A value, where it is, and where to complain.
pub(super) struct At<'a> {
    pub(super) cx: &'a Context<'a>,
    pub(super) node: &'a Node,
    pub(super) path: String,
}

impl At<'_> {
    /// Records a problem with this value.
    pub(super) fn problem(&self, text: String) {
        self.cx.problem(&self.node.origin, &self.path, text);
    }

    /// Records what is wrong; gives what is right.
    fn checked<T>(&self, result: Result<T, String>) -> Option<T> {
        result.map_err(|text| self.problem(text)).ok()
    }

    /// Records that the value is of another kind.
    pub(super) fn is_not<T>(&self, what: &str, remedy: &str) -> Option<T> {
        self.problem(format!("{} is not {what}; write {remedy}", self.node.show()));
        None
    }

    fn outside<T>(&self, least: &str, most: &str) -> Option<T> {
        self.problem(format!("{} is out of range; write {least} to {most}", self.node.show()));
        None
    }

    /// An element of this list.
    pub(super) fn item<'i>(&'i self, index: usize, node: &'i Node) -> At<'i> {
        At { cx: self.cx, node, path: format!("{}.{}", self.path, node.label(index)) }
    }
}

/// A kind of value.
pub(super) trait Kind {
    /// What it becomes.
    type Out;
    /// Reads it; `None` is always a recorded problem.
    fn read(&self, at: &At<'_>) -> Option<Self::Out>;
    /// Its JSON Schema.
    fn schema(&self) -> Json;
    /// How a value is written, as JSON; null if it has no short spelling.
    fn show(&self, _: &Self::Out) -> Json {
        Json::Null
    }
    /// A value for "add e.g.".
    fn example(&self) -> String;
}

/// Text that is not empty.
pub(super) struct Text;

impl Kind for Text {
    type Out = String;

    fn read(&self, at: &At<'_>) -> Option<String> {
        match &at.node.value {
            Value::Text(text) if text.trim().is_empty() => {
                at.problem("is empty; write some text".into());
                None
            }
            Value::Text(text) => Some(text.trim().to_string()),
            _ => at.is_not("text", &format!("it in quotes, e.g. {}", self.example())),
        }
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": r"\S" })
    }

    fn show(&self, value: &String) -> Json {
        json!(value)
    }

    fn example(&self) -> String {
        "\"...\"".into()
    }
}

/// Text of one line, short enough for a heading.
pub(super) struct Line;

impl Kind for Line {
    type Out = String;

    fn read(&self, at: &At<'_>) -> Option<String> {
        const MOST: usize = 120;
        let text = Text.read(at)?;
        if text.chars().any(char::is_control) {
            at.problem("is more than one line; write one".into());
            return None;
        }
        if text.chars().count() > MOST {
            at.problem(format!("has {} characters; write at most {MOST}", text.chars().count()));
            return None;
        }
        Some(text)
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": r"\S", "maxLength": 120 })
    }

    fn show(&self, value: &String) -> Json {
        json!(value)
    }

    fn example(&self) -> String {
        Text.example()
    }
}

/// `true` or `false`.
pub(super) struct Flag;

impl Kind for Flag {
    type Out = bool;

    fn read(&self, at: &At<'_>) -> Option<bool> {
        match at.node.value {
            Value::Boolean(flag) => Some(flag),
            _ => at.is_not("true or false", "true or false, without quotes"),
        }
    }

    fn schema(&self) -> Json {
        json!({ "type": "boolean" })
    }

    fn show(&self, value: &bool) -> Json {
        json!(value)
    }

    fn example(&self) -> String {
        "true".into()
    }
}

/// A whole number between two bounds.
pub(super) struct Whole(pub(super) i64, pub(super) u64);

impl Kind for Whole {
    type Out = i64;

    fn read(&self, at: &At<'_>) -> Option<i64> {
        let Value::Integer(number) = at.node.value else {
            return at.is_not("a whole number", &format!("e.g. {}", self.example()));
        };
        match i64::try_from(number) {
            Ok(n) if number >= i128::from(self.0) && number <= i128::from(self.1) => Some(n),
            _ => at.outside(&show_count(self.0.into()), &show_count(self.1.into())),
        }
    }

    fn schema(&self) -> Json {
        json!({ "type": "integer", "minimum": self.0, "maximum": self.1 })
    }

    fn show(&self, value: &i64) -> Json {
        json!(value)
    }

    fn example(&self) -> String {
        self.0.max(10).min(self.1.min(i64::MAX as u64) as i64).to_string()
    }
}

/// A whole number that fits 32 bits, between two bounds.
pub(super) struct Count(pub(super) u32, pub(super) u32);

impl Kind for Count {
    type Out = u32;

    fn read(&self, at: &At<'_>) -> Option<u32> {
        Whole(self.0.into(), self.1.into()).read(at).and_then(|n| u32::try_from(n).ok())
    }

    fn schema(&self) -> Json {
        Whole(self.0.into(), self.1.into()).schema()
    }

    fn show(&self, value: &u32) -> Json {
        json!(value)
    }

    fn example(&self) -> String {
        Whole(self.0.into(), self.1.into()).example()
    }
}

/// A number between two bounds.
pub(super) struct Number(pub(super) f64, pub(super) f64);

impl Kind for Number {
    type Out = f64;

    fn read(&self, at: &At<'_>) -> Option<f64> {
        let number = match at.node.value {
            Value::Integer(number) => number as f64,
            Value::Float(number) => number,
            _ => return at.is_not("a number", &format!("e.g. {}", self.example())),
        };
        if number >= self.0 && number <= self.1 {
            Some(number)
        } else {
            at.outside(&self.0.to_string(), &self.1.to_string())
        }
    }

    fn schema(&self) -> Json {
        json!({ "type": "number", "minimum": self.0, "maximum": self.1 })
    }

    fn show(&self, value: &f64) -> Json {
        json!(value)
    }

    fn example(&self) -> String {
        self.1.min(0.5_f64.max(self.0)).to_string()
    }
}

/// A span between two bounds.
pub(super) struct Span {
    pub(super) least: Nanos,
    pub(super) most: Nanos,
    /// Where AWS counts whole seconds.
    pub(super) whole_seconds: bool,
}

impl Span {
    /// Any span between two bounds.
    pub(super) fn within(least: Nanos, most: Nanos) -> Self {
        Self { least, most, whole_seconds: false }
    }

    /// Whole seconds between two bounds.
    pub(super) fn seconds(least: Nanos, most: Nanos) -> Self {
        Self { least, most, whole_seconds: true }
    }
}

impl Kind for Span {
    type Out = Nanos;

    fn read(&self, at: &At<'_>) -> Option<Nanos> {
        let nanos = match &at.node.value {
            Value::Text(text) => at.checked(units::duration(text))?,
            Value::Integer(_) | Value::Float(_) => {
                let shown = at.node.show();
                at.problem(format!("{shown} has no unit; write \"{shown}s\""));
                return None;
            }
            _ => return at.is_not("a duration", &format!("e.g. {}", self.example())),
        };
        if nanos < self.least || nanos > self.most {
            return at.outside(&show_duration(self.least), &show_duration(self.most));
        }
        if self.whole_seconds && !nanos.is_multiple_of(SECOND) {
            let near = show_duration(nanos.div_ceil(SECOND) * SECOND);
            at.problem(format!(
                "{} is not whole seconds, which AWS asks for; write e.g. \"{near}\"",
                at.node.show()
            ));
            return None;
        }
        Some(nanos)
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": units::DURATION_PATTERN })
    }

    fn show(&self, value: &Nanos) -> Json {
        json!(show_duration(*value))
    }

    fn example(&self) -> String {
        format!("\"{}\"", show_duration((30 * SECOND).clamp(self.least, self.most)))
    }
}

/// A size in bytes between two bounds; bare numbers are refused unless `bare` allows them as bytes.
pub(super) struct Bytes {
    pub(super) least: u64,
    pub(super) most: u64,
    pub(super) bare: bool,
}

impl Kind for Bytes {
    type Out = u32;

    fn read(&self, at: &At<'_>) -> Option<u32> {
        let bytes = match &at.node.value {
            Value::Text(text) => at.checked(units::size(text, "B"))?,
            Value::Integer(number) if self.bare && *number >= 0 => u64::try_from(*number).unwrap_or(u64::MAX),
            _ => return sizeless(at, "B", &self.example()),
        };
        match u32::try_from(bytes) {
            Ok(fit) if bytes >= self.least && bytes <= self.most => Some(fit),
            _ => at.outside(&show_size(self.least), &show_size(self.most)),
        }
    }

    fn schema(&self) -> Json {
        let text = json!({ "type": "string", "pattern": units::SIZE_PATTERN });
        if self.bare {
            json!({ "anyOf": [text, { "type": "integer", "minimum": self.least, "maximum": self.most }] })
        } else {
            text
        }
    }

    fn show(&self, value: &u32) -> Json {
        json!(show_size((*value).into()))
    }

    fn example(&self) -> String {
        format!("\"{}\"", show_size(KB.clamp(self.least, self.most)))
    }
}

/// A size in whole MB between two bounds.
pub(super) struct Megabytes(pub(super) u32, pub(super) u32);

impl Kind for Megabytes {
    type Out = u32;

    fn read(&self, at: &At<'_>) -> Option<u32> {
        let Value::Text(text) = &at.node.value else {
            return sizeless(at, "MB", &self.example());
        };
        let bytes = at.checked(units::size(text, "MB"))?;
        if bytes < u64::from(self.0) * MB || bytes > u64::from(self.1) * MB {
            return at.outside(&show_size(u64::from(self.0) * MB), &show_size(u64::from(self.1) * MB));
        }
        if !bytes.is_multiple_of(MB) {
            at.problem(format!("{} is not whole MB; write e.g. \"{} MB\"", quoted(text), bytes.div_ceil(MB)));
            return None;
        }
        u32::try_from(bytes / MB).ok()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": units::SIZE_PATTERN })
    }

    fn show(&self, value: &u32) -> Json {
        json!(show_size(u64::from(*value) * MB))
    }

    fn example(&self) -> String {
        format!("\"{}\"", show_size(u64::from(512.clamp(self.0, self.1)) * MB))
    }
}

fn sizeless<T>(at: &At<'_>, unit: &str, example: &str) -> Option<T> {
    match at.node.value {
        Value::Integer(_) | Value::Float(_) => {
            let shown = at.node.show();
            at.problem(format!("{shown} has no unit; write \"{shown} {unit}\""));
            None
        }
        _ => at.is_not("a size", &format!("e.g. {example}")),
    }
}

/// One of a few names.
pub(super) struct Choice<T>(pub(super) Vec<(T, &'static str)>);

impl<T: Copy + PartialEq> Kind for Choice<T> {
    type Out = T;

    fn read(&self, at: &At<'_>) -> Option<T> {
        let names: Vec<&str> = self.0.iter().map(|(_, name)| *name).collect();
        let word = at.node.text();
        if let Some((value, _)) = self.0.iter().find(|(_, name)| Some(*name) == word) {
            return Some(*value);
        }
        let near = word.and_then(|word| nearest(word, names.iter().copied()));
        let shown = at.node.show();
        at.problem(match near {
            Some(near) => format!("{shown} is not known; did you mean {}?", quoted(near)),
            None => format!("{shown} is not known; write {}", alternatives(&names)),
        });
        None
    }

    fn schema(&self) -> Json {
        json!({ "enum": self.0.iter().map(|(_, name)| *name).collect::<Vec<_>>() })
    }

    fn show(&self, value: &T) -> Json {
        self.0.iter().find(|(known, _)| known == value).map_or(Json::Null, |(_, name)| json!(name))
    }

    fn example(&self) -> String {
        self.0.first().map_or(String::new(), |(_, name)| quoted(name))
    }
}

/// A table with keys of its own; the text is an example.
pub(super) struct Sub<F>(pub(super) &'static str, pub(super) F);

impl<T, F: Fn(&mut Table<'_>) -> Option<T>> Kind for Sub<F> {
    type Out = T;

    fn read(&self, at: &At<'_>) -> Option<T> {
        Table::read(at, &self.1).flatten()
    }

    fn schema(&self) -> Json {
        Table::describe(&self.1)
    }

    fn example(&self) -> String {
        self.0.into()
    }
}
