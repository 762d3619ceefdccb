//! What the worker says on stderr when calls fail: a line now and then, however often they do.

use crate::clock;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most one line in so long.
const PAUSE: Duration = Duration::from_secs(5);

/// Lets one complaint through per [`PAUSE`] and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Mutex<Tally>);

#[derive(Debug, Default)]
struct Tally {
    last: Option<Instant>,
    kept_back: u64,
}

impl Complaints {
    /// Says what failed and why, or counts it.
    pub(crate) fn add(&self, what: &str, why: impl Display) {
        if let Some(kept_back) = self.due(clock::now().instant) {
            let more = if kept_back > 0 { format!(" ({kept_back} more not shown)") } else { String::new() };
            eprintln!("versus-worker: {what}: {}{more}", brief(&why.to_string()));
        }
    }

    /// How many were kept back before this one; `None` if it is kept back too.
    fn due(&self, now: Instant) -> Option<u64> {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tally.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE) {
            tally.kept_back += 1;
            return None;
        }
        tally.last = Some(now);
        Some(std::mem::take(&mut tally.kept_back))
    }
}

/// The first line, also of a text that is quoted in another. Of a wrong signature AWS says in further ones what should
/// have been signed, and the session token is part of it.
fn brief(text: &str) -> &str {
    text.split('\n').next().and_then(|line| line.split("\\n").next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_is_told() {
        assert_eq!(
            brief("refused: Error { message: \"Wrong.\\nx-amz-security-token:T\" }"),
            "refused: Error { message: \"Wrong."
        );
        assert_eq!(brief("Wrong.\nT"), "Wrong.");
    }

    #[test]
    fn one_line_per_pause_and_the_rest_is_counted() {
        let complaints = Complaints::default();
        let start = clock::now().instant;
        let at = |ms| complaints.due(start + Duration::from_millis(ms));
        assert_eq!([at(0), at(1), at(4_999), at(5_000), at(10_000)], [Some(0), None, None, Some(2), Some(0)]);
    }
}
