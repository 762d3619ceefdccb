//! Consumers of single streams: a stack's keys, where they differ for one of its streams.

use super::Stack;
use super::kinds::{At, Kind};
use super::problem::{alternatives, clipped};
use super::stacks::{Stacks, drained};
use super::streams::{Consumer, Split};
use super::table::Table;
use super::tree::{Node, Value};
use serde_json::{Value as Json, json};

/// What each stream of the stack is drained by, if each has a consumer of its own.
pub(super) fn consumers(t: &Table<'_>, stack: &Stack, of: &Stacks, own: &[(String, Node)]) -> Vec<Consumer> {
    if stack.split != Split::Consumers {
        if t.has("consumers") {
            t.problem("consumers", "needs split = \"consumers\"; add it, or remove this".into());
        }
        return Vec::new();
    }
    let streams = stack.drained(of.streams.len());
    for (name, _) in own {
        if !streams.iter().any(|at| of.streams[*at] == *name) {
            let names: Vec<&str> = streams.iter().map(|at| of.streams[*at].as_str()).collect();
            let text = format!("names no stream of this stack; write {}", alternatives(&names));
            t.problem(&format!("consumers.{name}"), text);
        }
    }
    for (name, node) in own {
        for key in OF_THE_STACK.into_iter().filter(|key| node.get(key).is_some()) {
            let text = "is the whole stack's; write it there".into();
            t.problem(&format!("consumers.{name}.{key}"), text);
        }
    }
    let consumer = |stream: usize| {
        let node = own.iter().find(|(name, _)| *name == of.streams[stream]).map(|(_, node)| node);
        let differing = match node {
            Some(node) => t.overlaid(&format!("consumers.{}", of.streams[stream]), node, |t| {
                drained(t, &stack.name, of)
            })?,
            None => stack.clone(),
        };
        Some(Consumer { stream, queue: differing.queue, platform: differing.platform })
    };
    streams.into_iter().filter_map(consumer).collect()
}

/// Keys that a consumer cannot have for itself.
const OF_THE_STACK: [&str; 4] = ["platform", "log-bytes-per-message", "command", "provisioning"];

/// Tables by name, read when it is known what they differ from.
pub(super) struct Consumers;

impl Kind for Consumers {
    type Out = Vec<(String, Node)>;

    fn read(&self, at: &At<'_>) -> Option<Self::Out> {
        for entry in at.node.entries() {
            if !matches!(entry.node.value, Value::Table(_)) {
                at.problem(format!(
                    "{} is not a table; write [{}.{}]",
                    entry.node.show(),
                    at.path,
                    clipped(&entry.key)
                ));
                return None;
            }
        }
        match at.node.value {
            Value::Table(_) => {
                Some(at.node.entries().iter().map(|entry| (entry.key.clone(), entry.node.clone())).collect())
            }
            _ => at.is_not("a table of consumers", &self.example()),
        }
    }

    fn schema(&self) -> Json {
        json!({ "type": "object", "additionalProperties": { "type": "object" } })
    }

    fn example(&self) -> String {
        "{ login = { memory = \"1 GB\" } }".into()
    }
}
