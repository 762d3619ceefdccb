//! A scenario as a tree of values that remember where they were written.
//!
//! Goals: one tree for the file and for `--set`, entries in the order of the file, all syntax errors at once.
//! Non-goals: meaning.

use super::problem::{Place, Problem, clipped, in_file, quoted};
use super::syntax::{key_at, said};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_parser::Source as Tokens;
use toml_parser::lexer::TokenKind;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Byte span in the scenario file.
    File(Range<usize>),
    /// Index of an override.
    Set(usize),
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Moment(String),
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key, where it was written, and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) origin: Origin,
    pub(super) node: Node,
}

impl Node {
    /// The entries of a table; none if it is not a table.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The value under a key of a table.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The value under a key of a table or an index of a list.
    pub(super) fn child(&self, part: &str) -> Option<&Node> {
        match &self.value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            _ => self.get(part),
        }
    }

    /// How an element of a list is called: by its name if it has a plain one, or else by its index.
    pub(super) fn label(&self, index: usize) -> String {
        let plain = |name: &&str| {
            name.len() <= 32
                && !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        self.get("name").and_then(Node::text).filter(plain).map_or_else(|| index.to_string(), Into::into)
    }

    /// The text, if it is text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// For messages: scalars as they are written, the rest by kind.
    pub(super) fn show(&self) -> String {
        match &self.value {
            Value::Text(text) => quoted(text),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(flag) => flag.to_string(),
            Value::Moment(text) => text.clone(),
            Value::Array(_) => "a list".into(),
            Value::Table(_) => "a table".into(),
        }
    }
}

/// More syntax errors than this follow from the earlier ones.
const MOST_ERRORS: usize = 200;

/// Reads TOML. Gives every syntax error, one per line, rather than a tree with holes.
pub(super) fn parse(path: &str, text: &str) -> Result<Node, Vec<Problem>> {
    if let Some(span) = too_deep(text) {
        let text_of = "keys are nested more than 32 deep; no key of a scenario is";
        return Err(vec![Problem {
            place: in_file(path, text, &span),
            key: String::new(),
            text: text_of.into(),
        }]);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = Vec::new();
    for error in errors.iter().take(MOST_ERRORS) {
        let span = error.span().unwrap_or(0..0);
        let place = in_file(path, text, &span);
        let same_line = |p: &Problem| matches!((&p.place, &place), (Place::File { line: a, .. }, Place::File { line: b, .. }) if a == b);
        if !problems.iter().any(same_line) {
            problems.push(Problem {
                place,
                key: key_at(text, span.start),
                text: said(error.message(), text, &span),
            });
        }
    }
    let origin = Origin::File(0..0);
    let mut faults = Vec::new();
    let root = Node { value: table_of(table.get_ref(), &|span| Origin::File(span), &mut faults), origin };
    problems.extend(faults.into_iter().map(|(span, text_of)| Problem {
        place: in_file(path, text, &span),
        key: key_at(text, span.start),
        text: text_of,
    }));
    if problems.is_empty() { Ok(root) } else { Err(problems) }
}

/// Reads one TOML value from the command line; what is not TOML is bare text.
pub(super) fn parse_value(text: &str, index: usize) -> Node {
    let bare = || Node { value: Value::Text(text.into()), origin: Origin::Set(index) };
    if too_deep(text).is_some() {
        return bare();
    }
    let mut faults = Vec::new();
    match DeValue::parse(text.trim()) {
        Ok(value) => {
            let node = node_of(&value, &|_| Origin::Set(index), &mut faults);
            if faults.is_empty() { node } else { bare() }
        }
        Err(_) => bare(),
    }
}

/// The span of a dotted key with too many parts: a tree that deep can't be taken down recursively.
fn too_deep(text: &str) -> Option<Range<usize>> {
    const DEEPEST: usize = 32;
    let (mut dots, mut start) = (0, 0);
    for token in Tokens::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::Atom | TokenKind::Whitespace | TokenKind::BasicString | TokenKind::LiteralString => {}
            _ => {
                dots = 0;
                start = token.span().end();
            }
        }
        if dots > DEEPEST {
            return Some(start..token.span().end());
        }
    }
    None
}

type Faults = Vec<(Range<usize>, String)>;

fn table_of(table: &DeTable<'_>, origin: &dyn Fn(Range<usize>) -> Origin, faults: &mut Faults) -> Value {
    let mut entries: Vec<(usize, Entry)> = table
        .iter()
        .map(|(key, value)| {
            let node = node_of(value, origin, faults);
            let name = key.get_ref().to_string();
            (key.span().start, Entry { key: name, origin: origin(key.span()), node })
        })
        .collect();
    entries.sort_by_key(|(start, _)| *start);
    Value::Table(entries.into_iter().map(|(_, entry)| entry).collect())
}

fn node_of(
    value: &Spanned<DeValue<'_>>,
    origin: &dyn Fn(Range<usize>) -> Origin,
    faults: &mut Faults,
) -> Node {
    let read = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str();
            Value::Integer(i128::from_str_radix(digits, number.radix()).unwrap_or_else(|_| {
                faults.push((
                    value.span(),
                    format!("{} is too large a number; write a smaller one", clipped(digits)),
                ));
                0
            }))
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(moment) => Value::Moment(moment.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| node_of(item, origin, faults)).collect())
        }
        DeValue::Table(table) => table_of(table, origin, faults),
    };
    Node { value: read, origin: origin(value.span()) }
}
