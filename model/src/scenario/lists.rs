//! Lists of values: any number of them, the least and the most of a range, or a command line.

use super::kinds::{At, Kind};
use super::problem::quoted;
use super::tree::Value;
use serde_json::{Value as Json, json};

/// A list with a bound on its length.
pub(super) struct List<K>(pub(super) K, pub(super) usize);

impl<K: Kind> Kind for List<K> {
    type Out = Vec<K::Out>;

    fn read(&self, at: &At<'_>) -> Option<Vec<K::Out>> {
        let Value::Array(items) = &at.node.value else {
            let header = matches!(at.node.value, Value::Table(_)) && !at.path.contains(".scaling.");
            let remedy = if header { format!("[[{}]]", at.path) } else { self.example() };
            return at.is_not("a list", &remedy);
        };
        if items.len() > self.1 {
            at.problem(format!("has {} elements; write at most {}", items.len(), self.1));
            return None;
        }
        Some(items.iter().enumerate().filter_map(|(i, item)| self.0.read(&at.item(i, item))).collect())
    }

    fn schema(&self) -> Json {
        json!({ "type": "array", "items": self.0.schema(), "maxItems": self.1 })
    }

    fn example(&self) -> String {
        format!("[{}]", self.0.example())
    }
}

/// One value, or the least and the most of a range.
pub(super) struct Range<K>(pub(super) K);

impl<K: Kind> Kind for Range<K>
where
    K::Out: Copy + PartialOrd,
{
    type Out = (K::Out, K::Out);

    fn read(&self, at: &At<'_>) -> Option<Self::Out> {
        let Value::Array(items) = &at.node.value else {
            return self.0.read(at).map(|value| (value, value));
        };
        let [least, most] = items.as_slice() else {
            let example = self.0.example();
            at.problem(format!(
                "has {} elements; write one value, or [least, most], e.g. [{example}, {example}]",
                items.len()
            ));
            return None;
        };
        let pair = (self.0.read(&at.item(0, least)), self.0.read(&at.item(1, most)));
        let (Some(low), Some(high)) = pair else { return None };
        if low > high {
            at.problem(format!(
                "the least, {}, is above the most, {}; write [{1}, {0}]",
                least.show(),
                most.show()
            ));
            return None;
        }
        Some((low, high))
    }

    fn schema(&self) -> Json {
        let item = self.0.schema();
        json!({ "anyOf": [item, { "type": "array", "items": item, "minItems": 2, "maxItems": 2 }] })
    }

    fn show(&self, (least, most): &Self::Out) -> Json {
        if least == most { self.0.show(least) } else { json!([self.0.show(least), self.0.show(most)]) }
    }

    fn example(&self) -> String {
        self.0.example()
    }
}

/// A program and its arguments, each as it is given to the program.
pub(super) struct Command;

impl Kind for Command {
    type Out = Vec<String>;

    fn read(&self, at: &At<'_>) -> Option<Vec<String>> {
        const MOST: usize = 100;
        let items = match &at.node.value {
            Value::Array(items) => items,
            Value::Text(line) if !line.trim().is_empty() => {
                let words: Vec<String> = line.split_whitespace().take(MOST).map(quoted).collect();
                return at.is_not("a list", &format!("[{}]", words.join(", ")));
            }
            _ => return at.is_not("a list", &self.example()),
        };
        if items.is_empty() || items.len() > MOST {
            let is =
                if items.is_empty() { "is empty".into() } else { format!("has {} elements", items.len()) };
            at.problem(format!(
                "{is}; write the program and up to {} arguments, e.g. {}",
                MOST - 1,
                self.example()
            ));
            return None;
        }
        let words: Vec<Option<String>> =
            items.iter().enumerate().map(|(i, item)| word(&at.item(i, item))).collect();
        words.into_iter().collect()
    }

    fn schema(&self) -> Json {
        json!({
            "type": "array",
            "items": { "type": "string", "minLength": 1 },
            "minItems": 1,
            "maxItems": 100,
            "examples": [["python3", "app.py"]],
        })
    }

    fn example(&self) -> String {
        "[\"python3\", \"app.py\"]".into()
    }
}

fn word(at: &At<'_>) -> Option<String> {
    let Value::Text(text) = &at.node.value else { return at.is_not("text", "it in quotes") };
    if text.is_empty() {
        at.problem("is empty; write the argument, or remove it".into());
        return None;
    }
    if text.contains('\0') {
        at.problem("holds a NUL, which no argument can; remove it".into());
        return None;
    }
    Some(text.clone())
}
