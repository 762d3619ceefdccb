//! The metrics that queues publish by themselves (namespace AWS/SQS).
//!
//! Goals: every full minute, per queue, what happened in it and how it stood at its end; visible only after a lag.
//! Non-goals: queues that fall silent after hours without any action (a run is shorter), FIFO and fair-queue metrics,
//! the sizes of single messages: of SentMessageSize the sum and the number are right, and its minimum and maximum are
//! the mean.
//!
//! Source: SQS developer guide, "Available CloudWatch metrics for Amazon SQS".

use super::distribution::Distribution;
use super::store::{Full, MetricStore, RunMetric, UtcNanos};
use super::unit::Unit;
use crate::queues::{Counts, Queues, Totals};
use model::time::{MINUTE, Nanos, SECOND};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Namespace of queues' metrics.
pub const NAMESPACE: &str = "AWS/SQS";

/// Publishes the metrics of all queues, minute after minute.
#[derive(Debug, Default)]
pub struct QueueMetrics {
    /// Totals at the end of the minute before.
    before: BTreeMap<String, Totals>,
}

impl QueueMetrics {
    /// Publishes the minute that began at `minute_start` and has just ended, to be seen `lag` after its end.
    ///
    /// # Errors
    /// [`Full`], when the store has no room; other queues are published all the same.
    pub fn publish_minute(
        &mut self,
        queues: &Queues,
        store: &MetricStore,
        minute_start: UtcNanos,
        lag: Nanos,
    ) -> Result<(), Full> {
        let mut outcome = Ok(());
        let mut totals = BTreeMap::new();
        for queue in queues.all() {
            let counts = queue.counts();
            let before = self.before.get(&queue.name).copied().unwrap_or_default();
            totals.insert(queue.name.clone(), counts.totals);
            let dimensions = [("QueueName", queue.name.as_str())];
            for (name, unit, samples) in measured(&counts, &before) {
                let metric = RunMetric { namespace: NAMESPACE, name, dimensions: &dimensions, unit };
                let stored =
                    store.put_run_metric(&metric, samples, minute_start, minute_start + MINUTE + lag);
                outcome = outcome.and(stored);
            }
        }
        self.before = totals;
        outcome
    }
}

/// What happened since `before`, and how it stands now.
fn measured(counts: &Counts, before: &Totals) -> Vec<(&'static str, Unit, Distribution)> {
    let totals = &counts.totals;
    // A queue that was deleted and created again counts from 0.
    let since = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now) as f64;
    // One sample per message or call; a minute without any is one sample of 0.
    let events = |now, before| match since(now, before) {
        0.0 => Distribution::single(0.0),
        number => Distribution::repeated(1.0, number),
    };
    let gauge = |value: u64| Distribution::single(value as f64);
    let mut measured = vec![
        ("ApproximateNumberOfMessagesVisible", Unit::Count, gauge(counts.visible)),
        ("ApproximateNumberOfMessagesNotVisible", Unit::Count, gauge(counts.in_flight)),
        ("ApproximateNumberOfMessagesDelayed", Unit::Count, gauge(counts.delayed)),
        ("ApproximateAgeOfOldestMessage", Unit::Seconds, gauge(counts.oldest_age / SECOND)),
        ("NumberOfMessagesSent", Unit::Count, events(totals.sent, before.sent)),
        ("NumberOfMessagesReceived", Unit::Count, events(totals.received, before.received)),
        ("NumberOfMessagesDeleted", Unit::Count, events(totals.deleted, before.deleted)),
        ("NumberOfEmptyReceives", Unit::Count, events(totals.empty_receives, before.empty_receives)),
    ];
    let sent = since(totals.sent, before.sent);
    if sent > 0.0 {
        let bytes = since(totals.sent_bytes, before.sent_bytes);
        let mean = bytes / sent;
        measured.push(("SentMessageSize", Unit::Bytes, Distribution::summarized(sent, bytes, mean, mean)));
    }
    measured
}

/// Publishes the metrics of `queues` at every full minute of UTC, as long as it is polled. `told` hears of minutes
/// that could not be stored.
pub async fn run(queues: Arc<Queues>, store: Arc<MetricStore>, lag: Nanos, told: impl Fn(Full)) {
    let mut metrics = QueueMetrics::default();
    let utc = |at: Nanos| queues.origin.utc_ns(at);
    loop {
        let minute_end = (utc(queues.now()) / MINUTE + 1) * MINUTE;
        let until = queues.origin.instant(queues.origin.from_utc_ns(minute_end));
        tokio::time::sleep_until(until.into()).await;
        // After a machine has slept, the minute that ended last.
        let minute_start = (utc(queues.now()) / MINUTE).saturating_sub(1) * MINUTE;
        if let Err(full) = metrics.publish_minute(&queues, &store, minute_start, lag) {
            told(full);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(visible: u64, totals: Totals) -> Counts {
        Counts { visible, oldest_age: 2_900 * 1_000_000, totals, ..Counts::default() }
    }

    fn value(measured: &[(&str, Unit, Distribution)], name: &str) -> Option<(f64, f64)> {
        let found = measured.iter().find(|(other, ..)| *other == name)?;
        Some((found.2.count(), found.2.sum()))
    }

    #[test]
    fn a_minute_has_what_happened_in_it_and_how_it_stood() {
        let before = Totals { sent: 10, sent_bytes: 1_000, received: 4, ..Totals::default() };
        let now = Totals { sent: 15, sent_bytes: 1_600, received: 4, deleted: 3, ..Totals::default() };
        let measured = measured(&counts(7, now), &before);
        assert_eq!(measured.len(), 9);
        assert_eq!(value(&measured, "NumberOfMessagesSent"), Some((5.0, 5.0)));
        assert_eq!(value(&measured, "NumberOfMessagesReceived"), Some((1.0, 0.0)));
        assert_eq!(value(&measured, "NumberOfMessagesDeleted"), Some((3.0, 3.0)));
        assert_eq!(value(&measured, "SentMessageSize"), Some((5.0, 600.0)));
        assert_eq!(value(&measured, "ApproximateNumberOfMessagesVisible"), Some((1.0, 7.0)));
        // Whole seconds.
        assert_eq!(value(&measured, "ApproximateAgeOfOldestMessage"), Some((1.0, 2.0)));
    }

    #[test]
    fn a_queue_that_was_created_again_counts_from_nothing() {
        let before = Totals { sent: 10, ..Totals::default() };
        let measured = measured(&counts(0, Totals { sent: 2, ..Totals::default() }), &before);
        assert_eq!(value(&measured, "NumberOfMessagesSent"), Some((2.0, 2.0)));
        assert!(value(&super::measured(&counts(0, before), &before), "SentMessageSize").is_none());
    }
}
