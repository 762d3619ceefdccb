//! A log group while workers print to it: every event once, in about the order of its arrival.
//!
//! Goals: events that arrive late are found; a page without events is no end; asking again tells nothing twice.
//! Non-goals: filter patterns and Insights: a record may stand anywhere in a line.

use super::message;
use anyhow::{Context, Result};
use aws_sdk_cloudwatchlogs::Client;
use std::collections::BTreeSet;

/// How far back each reading looks for events that arrived late, in milliseconds.
const OVERLAP_MS: i64 = 30_000;

/// Pages of one reading: a group that never ends must not keep the run from going on.
const MOST_PAGES: u32 = 1_000;

/// A line that a worker, or the platform, printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// UTC milliseconds.
    pub(crate) at_ms: i64,
    /// What was printed.
    pub(crate) text: String,
}

/// A log group, and how far it has been read.
#[derive(Debug)]
pub(crate) struct Tail {
    group: String,
    /// Where the run began: nothing before that is of it.
    started_ms: i64,
    /// The latest instant of an event so far.
    newest_ms: i64,
    /// Events near the newest, by instant and id.
    seen: BTreeSet<(i64, String)>,
}

impl Tail {
    pub(crate) fn new(group: &str, started_ms: i64) -> Self {
        Self { group: group.into(), started_ms, newest_ms: started_ms, seen: BTreeSet::new() }
    }

    /// Tells everything once more with the next reading.
    pub(crate) fn begin_again(&mut self) {
        self.newest_ms = self.started_ms;
        self.seen.clear();
    }

    /// The events that came since the last reading.
    ///
    /// # Errors
    /// When the group cannot be read. What was read of it comes again with the next reading.
    pub(crate) async fn read(&mut self, client: &Client) -> Result<Vec<Line>> {
        let from = self.started_ms.max(self.newest_ms - OVERLAP_MS);
        let mut lines = Vec::new();
        let mut fresh = BTreeSet::new();
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let call = client.filter_log_events().log_group_name(&self.group).start_time(from);
            let page = call.set_next_token(token.clone()).send().await;
            let page = page.map_err(|error| message("logs:FilterLogEvents", &error)).with_context(|| {
                format!("reading the log group {}; does it exist, and may it be read?", self.group)
            })?;
            for event in page.events() {
                let (Some(at_ms), Some(text)) = (event.timestamp(), event.message()) else { continue };
                let id = event.event_id().unwrap_or(text).to_owned();
                let event = (at_ms, id);
                if at_ms >= self.started_ms && !self.seen.contains(&event) && fresh.insert(event) {
                    lines.push(Line { at_ms, text: text.to_owned() });
                }
            }
            let next = page.next_token().filter(|next| !next.is_empty()).map(str::to_owned);
            // The same token again is how some say that there is no more.
            if next.is_none() || next == token {
                break;
            }
            token = next;
        }
        self.seen.append(&mut fresh);
        self.newest_ms = self.seen.last().map_or(self.newest_ms, |(at_ms, _)| self.newest_ms.max(*at_ms));
        self.seen = self.seen.split_off(&(self.newest_ms - OVERLAP_MS, String::new()));
        Ok(lines)
    }
}
