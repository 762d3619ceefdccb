//! Text that is not TOML: what is wrong in our words, and which key it belongs to.
//!
//! Goals: the remedy for each mistake that people make; several mistakes at once.
//! Non-goals: finding them (the `toml` crate does).

use super::problem::clipped;
use std::ops::Range;

const QUOTES: &str = "text without quotes; write it in \"double quotes\"";
const NUMBER: &str = "not a number as TOML writes it; write e.g. 10 or 0.5, and text in \"double quotes\"";
const NO_VALUE: &str = "no value after \"=\"; write one, or remove the line";

/// Beginnings of the `toml` crate's messages, and what we say.
const WORDS: &[(&str, &str)] = &[
    ("duplicate key", "written twice; keep one of the two"),
    ("cannot extend value", "written as a value before, so it can't be a table here; keep one of the two"),
    ("string values must be quoted", QUOTES),
    ("invalid boolean", QUOTES),
    ("invalid date-time", "not a date; write text in \"double quotes\""),
    (
        "invalid basic string",
        "text with a stray character or no closing quote; write it in \"double quotes\" on one line",
    ),
    (
        "invalid literal string",
        "text with a stray character or no closing quote; write it in 'quotes' on one line",
    ),
    (
        "invalid multi-line",
        "text with a stray character or no closing quotes; end it with the three quotes it began with",
    ),
    ("missing value", NO_VALUE),
    ("key with no value", "a line without \"=\"; write key = value"),
    ("extra `=`", "a second \"=\"; write one key = value per line, and text in \"double quotes\""),
    ("extra assignment", "a second \"=\"; write a comma between { key = value, key = value }"),
    ("missing assignment", "a key without \"=\"; write { key = value }"),
    ("missing comma", "a missing comma; put one between the elements"),
    ("extra comma", "a comma too many; remove it"),
    ("unclosed table", "a header without its closing bracket; write [name]"),
    ("unclosed array table", "a header without its closing brackets; write [[name]]"),
    ("unclosed inline table", "a { without its }; close it"),
    ("unclosed array", "a [ without its ]; close it"),
    ("invalid unquoted key", "a key with a character that keys can't have; use letters, digits and -"),
    ("unquoted keys cannot be empty", "a key without a name; write key = value"),
    ("invalid integer", NUMBER),
    ("invalid float", NUMBER),
    ("invalid mantissa", NUMBER),
    ("invalid fraction", NUMBER),
    ("invalid exponent", NUMBER),
    ("unexpected leading zero", "a number with a leading zero; write it without"),
    ("unexpected content", "something after the value; write one key = value per line"),
    ("unexpected key or value", "something after the value; write one key = value per line"),
    ("cannot recurse further", "nested too deep; no value of a scenario is"),
    ("recursion limit", "nested too deep; no value of a scenario is"),
];

/// A syntax error in our words.
pub(super) fn said(message: &str, text: &str, span: &Range<usize>) -> String {
    let rest = text.get(span.start..).and_then(|rest| rest.lines().next()).unwrap_or("");
    let rest = rest.split('#').next().unwrap_or("").trim();
    match WORDS.iter().find(|(start, _)| message.starts_with(start)) {
        Some((_, words)) if *words == QUOTES && rest.is_empty() => NO_VALUE.into(),
        Some((_, words)) => (*words).into(),
        None => format!("not TOML ({}); put it right, see toml.io", clipped(message)),
    }
}

/// A guess at the dotted key of a position in a file that could not be read.
pub(super) fn key_at(text: &str, offset: usize) -> String {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or("");
    let header_of = |line: &str| {
        let inner = line.trim().strip_prefix('[')?.trim_start_matches('[');
        Some(inner.split(']').next().unwrap_or("").trim().to_string())
    };
    if let Some(header) = header_of(line) {
        return clipped(&header);
    }
    let header = text[..start].lines().rev().find_map(header_of);
    let key = line.split_once('=').map(|(key, _)| key.trim()).filter(|key| is_bare_key(key));
    match (header, key) {
        (Some(header), Some(key)) => clipped(&format!("{header}.{key}")),
        (Some(header), None) => clipped(&header),
        (None, key) => clipped(key.unwrap_or("")),
    }
}

/// Whether a key can be written without quotes.
fn is_bare_key(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
