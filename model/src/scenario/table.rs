//! Tables as they are read and as they are described.
//!
//! Goals: one list of keys, with their docs, kinds and defaults, serves both reading and the JSON Schema;
//! every problem is collected; an unknown key is told its nearest neighbour.
//! Non-goals: what the keys are (`read`), what a value looks like (`kinds`).

use super::kinds::{At, Choice, Kind};
use super::problem::{Place, Problem, alternatives, clipped, in_file, nearest, quoted};
use super::tree::{Entry, Node, Origin};
use serde_json::{Map, Value as Json, json};
use std::cell::RefCell;

/// The text that is read, and what was found wrong with it.
pub(super) struct Context<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) overrides: &'a [String],
    /// Trace files by the name that the scenario uses.
    pub(super) traces: Vec<(String, std::io::Result<String>)>,
    pub(super) problems: RefCell<Vec<Problem>>,
}

impl<'a> Context<'a> {
    /// Nothing found yet.
    pub(super) fn new(path: &'a str, text: &'a str, overrides: &'a [String]) -> Self {
        Self { path, text, overrides, traces: Vec::new(), problems: RefCell::default() }
    }

    /// Records a problem with something that was written.
    pub(super) fn problem(&self, origin: &Origin, key: &str, text: String) {
        let place = match origin {
            Origin::File(span) => in_file(self.path, self.text, span),
            Origin::Set(index) => {
                let text = self.overrides.get(*index).cloned().unwrap_or_default();
                Place::Override { index: *index, text }
            }
        };
        self.record(place, key, text);
    }

    /// Records a problem at a place of its own; beyond a thousand nobody reads them.
    pub(super) fn record(&self, place: Place, key: &str, text: String) {
        if self.full() {
            return;
        }
        self.problems.borrow_mut().push(Problem { place, key: key.into(), text });
    }

    /// Whether further problems are dropped.
    fn full(&self) -> bool {
        self.count() >= 1_000
    }

    /// Problems so far.
    pub(super) fn count(&self) -> usize {
        self.problems.borrow().len()
    }
}

/// A table that is being read or, without a node, described.
pub(super) struct Table<'a> {
    pub(super) cx: &'a Context<'a>,
    node: Option<&'a Node>,
    path: String,
    known: Vec<String>,
    /// What this table was chosen to be, and which keys go with the other choices.
    variant: String,
    elsewhere: Vec<(String, &'static str)>,
    lenient: bool,
    problems_before: usize,
    description: Description,
}

/// What describing has gathered.
#[derive(Default)]
struct Description {
    properties: Map<String, Json>,
    required: Vec<Json>,
    variants: Vec<Description>,
}

impl<'a> Table<'a> {
    /// Reads a node that should be a table: all keys, then what is left over.
    pub(super) fn read<T>(at: &At<'a>, read: impl FnOnce(&mut Table<'_>) -> T) -> Option<T> {
        if !matches!(at.node.value, super::tree::Value::Table(_)) {
            at.problem(format!("{} is not a table; write {{ key = value, ... }}", at.node.show()));
            return None;
        }
        let mut table = Table::over(at.cx, Some(at.node), at.path.clone());
        let value = read(&mut table);
        table.refuse_unknown();
        Some(value)
    }

    /// The JSON Schema of what `read` would read.
    pub(super) fn describe<T>(read: impl FnOnce(&mut Table<'_>) -> T) -> Json {
        described(read).schema(None)
    }

    fn over(cx: &'a Context<'a>, node: Option<&'a Node>, path: String) -> Self {
        Table {
            cx,
            node,
            path,
            known: Vec::new(),
            variant: String::new(),
            elsewhere: Vec::new(),
            lenient: false,
            problems_before: cx.count(),
            description: Description::default(),
        }
    }

    /// The value under a key, or the default.
    pub(super) fn get<K: Kind>(&mut self, key: &str, doc: &str, kind: &K, default: K::Out) -> K::Out {
        if self.node.is_none() {
            self.describe_key(key, doc, kind, Some(kind.show(&default)));
        }
        self.value(key, kind).unwrap_or(default)
    }

    /// The value under a key, if it is there.
    pub(super) fn optional<K: Kind>(&mut self, key: &str, doc: &str, kind: &K) -> Option<K::Out> {
        if self.node.is_none() {
            self.describe_key(key, doc, kind, None);
        }
        self.value(key, kind)
    }

    /// The value under a key that has to be there; `None` is always a recorded problem.
    pub(super) fn required<K: Kind>(&mut self, key: &str, doc: &str, kind: &K) -> Option<K::Out> {
        if self.node.is_none() {
            self.describe_key(key, doc, kind, None);
            self.description.required.push(json!(key));
        } else if !self.has(key) {
            self.missing(key, &kind.example());
        }
        self.value(key, kind)
    }

    /// A key whose value decides which further keys there are. Call it last.
    pub(super) fn variants<T: Copy + PartialEq, O>(
        &mut self,
        key: &str,
        doc: &str,
        choices: &[(T, &'static str)],
        read: &dyn Fn(&mut Table<'_>, T) -> O,
    ) -> Option<O> {
        if self.node.is_none() {
            for (choice, name) in choices {
                let mut variant = described(|table| read(table, *choice));
                variant.properties.insert(key.into(), json!({ "const": name, "description": doc }));
                variant.required.push(json!(key));
                self.description.variants.push(variant);
            }
            return None;
        }
        let chosen = self.required(key, doc, &Choice(choices.to_vec()));
        let Some(chosen) = chosen else {
            self.lenient = true;
            return None;
        };
        let value = read(self, chosen);
        if self.unknown().next().is_some() {
            for (choice, name) in choices {
                if *choice == chosen {
                    self.variant = format!("{key} = {}", quoted(name));
                } else {
                    let other = described(|table| read(table, *choice));
                    self.elsewhere.extend(other.properties.keys().map(|k| (k.clone(), *name)));
                }
            }
        }
        Some(value)
    }

    /// The names and nodes of a table whose keys are names of the user's own.
    pub(super) fn named(&mut self) -> Vec<(&'a str, At<'a>)> {
        self.lenient = true;
        let entries = self.node.map_or(&[][..], Node::entries);
        entries.iter().map(|entry| (entry.key.as_str(), self.at(entry))).collect()
    }

    /// Reads this table with the keys of `over`, which stands under `key`, in the place of its own.
    pub(super) fn overlaid<T>(
        &self,
        key: &str,
        over: &Node,
        read: impl FnOnce(&mut Table<'_>) -> Option<T>,
    ) -> Option<T> {
        let node = super::streams::overlaid(self.node?, over);
        Table::read(&At { cx: self.cx, node: &node, path: self.dotted(key) }, read).flatten()
    }

    /// Records that a key that has to be there is not.
    pub(super) fn lacks(&self, key: &str, example: &str) {
        self.missing(key, example);
    }

    /// Whether the key is written.
    pub(super) fn has(&self, key: &str) -> bool {
        self.node.is_some_and(|node| node.get(key).is_some())
    }

    /// Whether values are being read, and none of them was wrong so far.
    pub(super) fn clean(&self) -> bool {
        self.node.is_some() && self.cx.count() == self.problems_before
    }

    /// Records a problem with a key: at its value, or at the table if the key is not written.
    pub(super) fn problem(&self, key: &str, text: String) {
        let Some(node) = self.node else { return };
        let mut place = node;
        let mut labels = Vec::new();
        for part in key.split('.') {
            let child = place.child(part);
            let index = part.parse().ok();
            labels.push(child.zip(index).map_or_else(|| part.into(), |(child, index)| child.label(index)));
            place = child.unwrap_or(place);
        }
        self.cx.problem(&place.origin, &self.dotted(&labels.join(".")), text);
    }

    /// Records a problem with the table as a whole.
    pub(super) fn problem_here(&self, text: String) {
        if let Some(node) = self.node {
            self.cx.problem(&node.origin, &self.path, text);
        }
    }

    fn value<K: Kind>(&mut self, key: &str, kind: &K) -> Option<K::Out> {
        self.known.push(key.into());
        let entry = self.node?.entries().iter().find(|entry| entry.key == key)?;
        kind.read(&self.at(entry))
    }

    fn at(&self, entry: &'a Entry) -> At<'a> {
        At { cx: self.cx, node: &entry.node, path: self.dotted(&entry.key) }
    }

    fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() { key.into() } else { format!("{}.{key}", self.path) }
    }

    fn missing(&self, key: &str, example: &str) {
        if let Some(node) = self.node {
            let text = format!("is missing; add e.g. {key} = {example}");
            self.cx.problem(&node.origin, &self.dotted(key), text);
        }
    }

    fn unknown(&self) -> impl Iterator<Item = &'a Entry> {
        let entries = self.node.map_or(&[][..], Node::entries);
        entries.iter().filter(|entry| !self.known.contains(&entry.key))
    }

    fn refuse_unknown(&self) {
        const FEW: usize = 14;
        if self.lenient {
            return;
        }
        for entry in self.unknown().take_while(|_| !self.cx.full()) {
            let homes: Vec<&str> =
                self.elsewhere.iter().filter(|(key, _)| *key == entry.key).map(|(_, name)| *name).collect();
            let known = || self.known.iter().map(String::as_str);
            let near = nearest(&entry.key, known().filter(|key| !self.has(key)))
                .or_else(|| nearest(&entry.key, known()));
            let text = if !homes.is_empty() {
                format!("does not go with {}, only with {}; remove it", self.variant, alternatives(&homes))
            } else if let Some(near) = near {
                format!("unknown key; did you mean {}?", quoted(near))
            } else if self.known.len() > FEW {
                "unknown key; remove it, or see model/scenario.schema.json for the keys".into()
            } else {
                format!("unknown key; allowed here: {}", alternatives(&self.known))
            };
            self.cx.problem(&entry.origin, &self.dotted(&clipped(&entry.key)), text);
        }
    }

    fn describe_key<K: Kind>(&mut self, key: &str, doc: &str, kind: &K, default: Option<Json>) {
        let mut schema = kind.schema();
        if let Json::Object(fields) = &mut schema {
            fields.insert("description".into(), json!(doc));
            if let Some(default) = default.filter(|default| !default.is_null()) {
                fields.insert("default".into(), default);
            }
        }
        self.description.properties.insert(key.into(), schema);
    }
}

fn described<T>(read: impl FnOnce(&mut Table<'_>) -> T) -> Description {
    let cx = Context::new("", "", &[]);
    let mut table = Table::over(&cx, None, String::new());
    read(&mut table);
    table.description
}

impl Description {
    /// An object, or one object per variant with the common keys in each.
    fn schema(&self, common: Option<&Description>) -> Json {
        if !self.variants.is_empty() {
            return json!({ "oneOf": self.variants.iter().map(|v| v.schema(Some(self))).collect::<Vec<_>>() });
        }
        let mut properties = common.map(|c| c.properties.clone()).unwrap_or_default();
        properties.extend(self.properties.clone());
        let mut required = common.map(|c| c.required.clone()).unwrap_or_default();
        required.extend(self.required.clone());
        let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        if !required.is_empty() {
            object["required"] = Json::Array(required);
        }
        object
    }
}
