//! A log group while workers print to it: every event once, in about the order of its arrival.
//!
//! Goals: events that arrive late are found; a page without events is no end; asking again tells nothing twice.
//! Non-goals: filter patterns and Insights: a record may stand anywhere in a line.

use super::message;
use anyhow::{Context, Result};
use aws_sdk_cloudwatchlogs::Client;
use std::collections::BTreeSet;

/// How far back readings look for events that arrived late, in milliseconds; most of them a tenth as far, for what is
/// read again costs as much as what is new.
const OVERLAP_MS: i64 = 30_000;
const LOOKS_FAR_EVERY: u64 = 6;

/// Pages of one reading: meanwhile nothing else is looked at. AWS answers five requests a second for all of an account
/// (AWS re:Post, "CloudWatch Logs throttling").
const MOST_PAGES: u32 = 10;

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
    readings: u64,
    /// Where a reading was broken off: its beginning, and the page that comes next.
    open: Option<(i64, String)>,
}

impl Tail {
    pub(crate) fn new(group: &str, started_ms: i64) -> Self {
        Self {
            group: group.into(),
            started_ms,
            newest_ms: started_ms,
            seen: BTreeSet::new(),
            readings: 0,
            open: None,
        }
    }

    /// Tells everything once more with the next reading.
    pub(crate) fn begin_again(&mut self) {
        self.newest_ms = self.started_ms;
        self.seen.clear();
        self.open = None;
    }

    /// The events that came since the last reading, and whether there are more to be read at once.
    ///
    /// What a page said is kept, whatever becomes of the next: a large log is read in as many readings as it takes.
    ///
    /// # Errors
    /// When the group cannot be read at all.
    pub(crate) async fn read(&mut self, client: &Client) -> Result<(Vec<Line>, bool)> {
        let (from, mut token) = match self.open.take() {
            Some((from, token)) => (from, Some(token)),
            None => (self.started_ms.max(self.newest_ms - self.overlap_ms()), None),
        };
        let mut lines = Vec::new();
        for _ in 0..MOST_PAGES {
            let call = client.filter_log_events().log_group_name(&self.group).start_time(from);
            let page = match call.set_next_token(token.clone()).send().await {
                Ok(page) => page,
                // The next reading goes on from here.
                Err(_) if !lines.is_empty() => {
                    self.open = token.map(|token| (from, token));
                    return Ok((lines, true));
                }
                Err(error) => {
                    return Err(message("logs:FilterLogEvents", &error)).with_context(|| {
                        format!("reading the log group {}; does it exist, and may it be read?", self.group)
                    });
                }
            };
            for event in page.events() {
                let (Some(at_ms), Some(text)) = (event.timestamp(), event.message()) else { continue };
                let id = event.event_id().unwrap_or(text).to_owned();
                if at_ms >= self.started_ms && self.seen.insert((at_ms, id)) {
                    lines.push(Line { at_ms, text: text.to_owned() });
                }
            }
            let next = page.next_token().filter(|next| !next.is_empty()).map(str::to_owned);
            // The same token again is how some say that there is no more.
            if next.is_none() || next == token {
                self.advance();
                return Ok((lines, false));
            }
            token = next;
        }
        self.open = token.map(|token| (from, token));
        Ok((lines, true))
    }

    /// Most readings look back but a little; now and then one looks for what came late.
    fn overlap_ms(&mut self) -> i64 {
        self.readings += 1;
        if self.readings.is_multiple_of(LOOKS_FAR_EVERY) { OVERLAP_MS } else { OVERLAP_MS / 10 }
    }

    fn advance(&mut self) {
        self.newest_ms = self.seen.last().map_or(self.newest_ms, |(at_ms, _)| self.newest_ms.max(*at_ms));
        self.seen = self.seen.split_off(&(self.newest_ms - OVERLAP_MS, String::new()));
    }
}
