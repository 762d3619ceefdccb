//! The check as annotations of a GitHub workflow: commands on stdout, one per line.

use super::{expectation_line, headline, sentence};
use crate::check::{Check, Finding, Outcome};
use crate::format::NBSP;

/// Most annotations that GitHub shows of a step, for each level.
const MOST: usize = 10;

/// An annotation.
struct Note {
    level: &'static str,
    title: String,
    text: String,
}

/// The check as annotations: errors for what fails, warnings for what should be looked at, at most ten.
#[must_use]
pub fn github(check: &Check) -> String {
    let mut notes: Vec<Note> = Vec::new();
    let mut note = |level, title: String, text: String| notes.push(Note { level, title, text });
    for why in &check.incomparable {
        note("error", "not comparable".into(), why.clone());
    }
    for expectation in check.expectations.iter().filter(|e| e.holds != Some(true)) {
        note("error", format!("{} {}", expectation.stack, expectation.metric), expectation_line(expectation));
    }
    let mut findings: Vec<&Finding> = check.findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.outcome));
    for finding in findings {
        let level = match finding.outcome {
            Outcome::Regressed => "error",
            Outcome::Concentrated | Outcome::Inconclusive | Outcome::Untestable => "warning",
            Outcome::Improved | Outcome::Unchanged => continue,
        };
        let title = format!("{} {} {}", finding.stack, finding.metric, finding.outcome.name());
        note(level, title, sentence(finding));
    }
    let level = if notes.iter().any(|note| note.level == "error") { "error" } else { "notice" };
    let mut text = headline(check);
    if notes.len() >= MOST {
        text += &format!("; {} of the annotations are left out", notes.len() + 1 - MOST);
        notes.truncate(MOST - 1);
    }
    notes.insert(0, Note { level, title: "versus check".into(), text });
    notes.iter().map(line).collect::<String>().replace(NBSP, " ")
}

fn line(note: &Note) -> String {
    format!("::{} title={}::{}\n", note.level, property(&note.title), message(&note.text))
}

fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}
