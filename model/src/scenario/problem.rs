//! What is wrong with a scenario, said so that it can be put right.
//!
//! Goals: every problem names its place, its key, what is wrong and what to do; many at once, in file order.
//! Non-goals: deciding what is wrong (`read`, `check`), colours, source excerpts.

use std::fmt;
use std::ops::Range;

/// Everything that is wrong with one scenario; at least one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    found: Vec<Problem>,
}

/// One thing that is wrong, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written.
    pub place: Place,
    /// Dotted key, e.g. `stacks.ecs.memory`; empty if the problem belongs to no key.
    pub key: String,
    /// What is wrong; what to do.
    pub text: String,
}

/// Where the offending text was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A whole file.
    Whole {
        /// As the user named it.
        path: String,
    },
    /// A position in a file.
    File {
        /// As the user named it.
        path: String,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
    },
    /// An override on the command line.
    Override {
        /// Position among the overrides, from 0.
        index: usize,
        /// As the user wrote it: `KEY=VALUE`.
        text: String,
    },
}

impl Problems {
    /// More than this many are counted instead of printed.
    pub const SHOWN: usize = 20;

    /// Sorts by place and drops repetitions; `None` if nothing is wrong.
    pub(crate) fn of(mut found: Vec<Problem>) -> Option<Self> {
        found.sort_by(|a, b| a.place.cmp(&b.place));
        found.dedup();
        (!found.is_empty()).then_some(Self { found })
    }

    /// A single problem with a whole file.
    pub(crate) fn with_file(path: &str, text: String) -> Self {
        let place = Place::Whole { path: path.into() };
        Self { found: vec![Problem { place, key: String::new(), text }] }
    }

    /// The problems, sorted by place.
    #[must_use]
    pub fn all(&self) -> &[Problem] {
        &self.found
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.found.iter().take(Self::SHOWN).enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        match self.found.len().saturating_sub(Self::SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.place, self.text)
        } else {
            write!(f, "{}: {}: {}", self.place, self.key, self.text)
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole { path } => write!(f, "{path}"),
            Self::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Self::Override { text, .. } => write!(f, "--set {}", clipped(text)),
        }
    }
}

/// Line and column (both from 1, columns in characters) of a byte offset.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

/// The place of a byte span of a file.
pub(super) fn in_file(path: &str, text: &str, span: &Range<usize>) -> Place {
    let (line, column) = position(text, span.start);
    Place::File { path: path.into(), line, column }
}

/// User text for a message: one line, no control characters, not too long.
pub(super) fn clipped(text: &str) -> String {
    const MOST: usize = 60;
    let mut out: String = text.chars().take(MOST).flat_map(plain).collect();
    if text.chars().nth(MOST).is_some() {
        out.push_str("...");
    }
    out
}

/// The same in double quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", clipped(text))
}

fn plain(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}

/// `"a", "b" or "c"` in the order given.
pub(super) fn alternatives<S: AsRef<str>>(names: &[S]) -> String {
    let names: Vec<String> = names.iter().map(|name| quoted(name.as_ref())).collect();
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// The candidate that was probably meant, if one is near.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let bare = |s: &str| -> String {
        s.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(64).collect()
    };
    let word = bare(word);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &bare(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4 && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
