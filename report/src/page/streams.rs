//! Streams and hops: what became of each class of messages, and what each step took.

use super::Subject;
use super::figure::{Figure, Table};
use crate::format::{self, NBSP};
use crate::streams::{self, HEAD};
use crate::verdict::list;

/// The section; none if all messages are of one kind.
pub(crate) fn figure(subject: &Subject) -> Option<Figure> {
    let rows = streams::rows(subject.views());
    if rows.is_empty() {
        return None;
    }
    let mut figure = Figure::without_data("streams", "Streams and hops", "Streams", take(subject));
    figure.table = Some(Table { head: HEAD.map(Into::into).to_vec(), rows, words: 2 });
    figure.notes = vec![streams::cost_note(subject.views())];
    let shared = subject.views().iter().any(|view| view.stack.streams.iter().any(|row| row.shared > 0));
    if shared {
        figure.notes.push(
            "Messages of another group: the worker that had them had met a message of another group (tenant) before, in the \
             same environment or task."
                .into(),
        );
    }
    Some(figure)
}

/// The slowest stream of each stack, or its slowest hop.
fn take(subject: &Subject) -> String {
    let slowest = |view: &crate::view::StackView| {
        let all = streams::of(view);
        let several = all.iter().filter(|stream| stream.run.hop == 0).count() > 1;
        let candidates = all.iter().filter(|stream| (stream.run.hop == 0) == several);
        let p50 = |stream: &&streams::StreamView| stream.metric("latency-p50");
        let worst = candidates
            .filter_map(|stream| Some((p50(&stream)?, stream.run.label())))
            .reduce(|a, b| if b.0 > a.0 { b } else { a })?;
        let (ms, label) = worst;
        Some(format!("{label} on {} (p50{NBSP}{})", view.name(), format::milliseconds(ms)))
    };
    let slowest: Vec<String> = subject.views().iter().filter_map(slowest).collect();
    let slowest: Vec<&str> = slowest.iter().map(String::as_str).collect();
    match slowest.as_slice() {
        [] => "No stream completed enough messages to tell its latency.".into(),
        some => format!("Slowest: {}.", list(some)),
    }
}
