//! `--set KEY=VALUE`: the command line's changes to a scenario.
//!
//! Goals: any key can be set, missing tables appear, a mistake names the override.
//! Non-goals: removing keys.

use super::problem::{Place, Problem, alternatives, clipped, nearest, quoted};
use super::tree::{Entry, Node, Origin, Value, parse_value};

/// Applies the overrides in order; a later one wins.
pub(super) fn apply(root: &mut Node, overrides: &[String]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, text) in overrides.iter().enumerate() {
        let place = Place::Override { index, text: text.clone() };
        let Some((key, value)) = text.split_once('=') else {
            let text = "has no \"=\"; write --set KEY=VALUE, e.g. --set stacks.ecs.memory=1GB".into();
            problems.push(Problem { place, key: String::new(), text });
            continue;
        };
        let path: Vec<&str> = key.trim().split('.').map(str::trim).collect();
        let done = if path.iter().any(|part| part.is_empty()) {
            Err(format!(
                "{} is not a key; write names with dots between, e.g. stacks.ecs.memory",
                quoted(key)
            ))
        } else if path.len() > 12 {
            Err("no key of a scenario is nested this deep; write e.g. stacks.ecs.memory".into())
        } else {
            put(root, &path, parse_value(value, index), index)
        };
        if let Err(text) = done {
            problems.push(Problem { place, key: clipped(key.trim()), text });
        }
    }
    problems
}

/// Puts a value under a path, making tables on the way.
fn put(root: &mut Node, path: &[&str], value: Node, index: usize) -> Result<(), String> {
    let mut node = root;
    for (depth, part) in path.iter().enumerate() {
        known_stack(node, path, depth)?;
        let last = depth + 1 == path.len();
        let sofar = path[..depth].join(".");
        let shown = node.show();
        match &mut node.value {
            Value::Table(entries) => {
                let at = entries.iter().position(|entry| entry.key == *part).unwrap_or_else(|| {
                    let empty = Node { value: Value::Table(Vec::new()), origin: Origin::Set(index) };
                    entries.push(Entry { key: (*part).into(), origin: Origin::Set(index), node: empty });
                    entries.len() - 1
                });
                if last {
                    entries[at].origin = Origin::Set(index);
                }
                node = &mut entries[at].node;
            }
            Value::Array(items) => {
                let at = element(items, part).ok_or_else(|| no_element(&sofar, items, part))?;
                node = &mut items[at];
            }
            _ => {
                return Err(format!(
                    "{sofar} is {shown}, not a table; set it whole, e.g. --set '{sofar}={{ {part} = ... }}'"
                ));
            }
        }
    }
    *node = value;
    Ok(())
}

/// Only a whole stack can be added: half of one is a mistyped name.
fn known_stack(node: &Node, path: &[&str], depth: usize) -> Result<(), String> {
    if depth != 1 || path[0] != "stacks" || path.len() == 2 || node.get(path[1]).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = node.entries().iter().map(|entry| entry.key.as_str()).collect();
    let name = quoted(path[1]);
    Err(match nearest(path[1], names.iter().copied()) {
        Some(near) => format!("there is no stack {name}; did you mean {}?", quoted(near)),
        None if names.is_empty() => format!("there is no stack {name}; the file has none"),
        None => format!("there is no stack {name}; write {}", alternatives(&names)),
    })
}

/// An element by index, or by the text under its `name`.
fn element(items: &[Node], part: &str) -> Option<usize> {
    let named = items.iter().position(|item| item.get("name").and_then(Node::text) == Some(part));
    named.or_else(|| part.parse().ok().filter(|at| *at < items.len()))
}

fn no_element(sofar: &str, items: &[Node], part: &str) -> String {
    let names: Vec<&str> = items.iter().filter_map(|item| item.get("name").and_then(Node::text)).collect();
    let part = quoted(part);
    match items.len() {
        0 => format!("{sofar} is empty; there is no element {part} to set"),
        1 if names.is_empty() => format!("{sofar} has no element {part}; write 0"),
        n if names.is_empty() => format!("{sofar} has no element {part}; write 0 to {}", n - 1),
        _ => format!("{sofar} has no element {part}; write {}", alternatives(&names)),
    }
}
