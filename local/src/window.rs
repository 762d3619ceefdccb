//! What each stack tells once per window: points of its series, and what it has used so far.
//!
//! Goals: the same names, units and statistics as a simulation, so that a report needs to know neither.
//! Non-goals: what only a platform knows (its driver adds that), `CompletedMessages` (follows from the records).

use crate::queues::{Counts, SharedQueue, Totals};
use crate::stack::{StackSetup, Tell};
use model::journal::{Entry, Point};
use model::series::metric;
use model::time::{MILLISECOND, Nanos, seconds};
use model::usage::{Item, Metered, Usage};
use std::sync::Arc;

/// How often the queue is looked at for the largest counts of a window.
pub const LOOK_EVERY: Nanos = 250 * MILLISECOND;

/// The open window of one stack.
pub struct Meters {
    queue: Arc<SharedQueue>,
    tell: Tell,
    window: Nanos,
    next_window: Nanos,
    log_bytes_per_message: u64,
    /// When the last window closed.
    before: Totals,
    visible: u64,
    in_flight: u64,
    tallies: Vec<Tally>,
}

/// A metered quantity.
struct Tally {
    item: Item,
    variant: String,
    total: u64,
    /// When the last window closed.
    before: u64,
}

impl Meters {
    /// The first window is open.
    #[must_use]
    pub fn new(setup: &StackSetup) -> Self {
        Self {
            queue: Arc::clone(&setup.queue),
            tell: Arc::clone(&setup.tell),
            window: setup.window,
            next_window: setup.window,
            log_bytes_per_message: u64::from(setup.stack.log_bytes_per_message),
            before: Totals::default(),
            visible: 0,
            in_flight: 0,
            tallies: Vec::new(),
        }
    }

    /// The end of the open window: call [`Meters::close`] then.
    #[must_use]
    pub fn next_window(&self) -> Nanos {
        self.next_window
    }

    /// Looks at the queue; call it every [`LOOK_EVERY`].
    pub fn look(&mut self) {
        let counts = self.queue.counts();
        self.see(&counts);
    }

    fn see(&mut self, counts: &Counts) {
        self.visible = self.visible.max(counts.visible);
        self.in_flight = self.in_flight.max(counts.in_flight);
    }

    /// Tells a point of the open window.
    pub fn sample(&self, metric: &str, unit: &str, statistic: &str, value: f64) {
        (self.tell)(Entry::Point(Point {
            t: self.next_window - self.window,
            period: self.window,
            metric: metric.into(),
            unit: unit.into(),
            statistic: statistic.into(),
            value,
        }));
    }

    /// Sets a metered quantity to its total so far.
    pub fn meter(&mut self, item: Item, variant: &str, total: u64) {
        let index = self.tallies.iter().position(|tally| tally.item == item && tally.variant == variant);
        let index = index.unwrap_or_else(|| {
            self.tallies.push(Tally { item, variant: variant.into(), total: 0, before: 0 });
            self.tallies.len() - 1
        });
        self.tallies[index].total = total;
    }

    /// Tells what the queue has and what was used, and opens the next window; the driver has sampled and metered its
    /// own before. `succeeded` are attempts that workers reported; `log_bytes` were logged by others than workers.
    pub fn close(&mut self, succeeded: u64, log_bytes: u64) {
        let counts = self.queue.counts();
        self.see(&counts);
        let (now, before) = (counts.totals, self.before);
        for (metric, total, before) in [
            (metric::SENT, now.sent, before.sent),
            (metric::RECEIVED, now.received, before.received),
            (metric::DELETED, now.deleted, before.deleted),
            (metric::EMPTY_RECEIVES, now.empty_receives, before.empty_receives),
        ] {
            self.sample(metric, "Count", "Sum", (total - before) as f64);
        }
        self.sample(metric::VISIBLE, "Count", "Maximum", self.visible as f64);
        self.sample(metric::NOT_VISIBLE, "Count", "Maximum", self.in_flight as f64);
        self.sample(metric::OLDEST_AGE, "Seconds", "Maximum", seconds(counts.oldest_age));
        for (variant, total) in [
            ("send", now.send_requests),
            ("receive", now.receive_requests),
            ("empty-receive", now.empty_receives),
            ("delete", now.delete_requests),
            ("change-visibility", now.other_requests),
        ] {
            self.meter(Item::SqsRequests, variant, total);
        }
        // A worker that prints no records deletes what it has done.
        let attempts = succeeded.max(now.deleted);
        self.meter(Item::LogBytes, "", log_bytes + self.log_bytes_per_message * attempts);
        self.tell_usage();
        (self.visible, self.in_flight) = (counts.visible, counts.in_flight);
        self.before = now;
        self.next_window += self.window;
    }

    fn tell_usage(&mut self) {
        let mut usage = Usage::default();
        for tally in &self.tallies {
            let metered = Metered::new(tally.item, &tally.variant, tally.total);
            if tally.total > tally.before {
                let used = (tally.total - tally.before) as f64;
                self.sample(&metered.series_name(), tally.item.unit(), "Sum", used);
            }
            if tally.total > 0 {
                usage.metered.push(metered);
            }
        }
        self.tallies.iter_mut().for_each(|tally| tally.before = tally.total);
        usage.metered.sort_by(|a, b| (a.item, &a.variant).cmp(&(b.item, &b.variant)));
        (self.tell)(Entry::Usage(usage));
    }
}
