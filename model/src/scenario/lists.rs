//! Lists of values: any number of them, or the least and the most of a range.

use super::kinds::{At, Kind};
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
