//! The end of a collection: what is asked only when all is over, and the books.

use super::{Collecting, Course, lock, nanos, pause};
use crate::cloudwatch::{self, Source, Totals};
use crate::folder::Heard;
use anyhow::Result;
use model::journal::Entry;
use model::time::Nanos;
use model::usage::{Item, Metered, Usage};
use std::collections::BTreeMap;
use std::time::Duration;

impl Collecting<'_> {
    /// Fetches metrics, and again until no more are to be expected; what they came to by stack and metric.
    pub(super) async fn metrics(&mut self, course: &dyn Course) -> Result<Vec<Totals>> {
        let sources: Vec<Source> = self.stacks.iter().map(|stack| stack.source.clone()).collect();
        let mut known = BTreeMap::new();
        if !self.options.metrics || sources.iter().all(|source| *source == Source::default()) {
            return Ok(vec![Totals::new(); sources.len()]);
        }
        // A run that is collected later has its metrics already.
        let end = self.now().min(self.deadline);
        let settled = end + nanos(self.options.settle);
        loop {
            let (from, until) = (self.started_ns, self.started_ns + end);
            let asked = cloudwatch::fetch(&self.clients.cloudwatch, &sources, from, until).await;
            let told = self.stacks[0].noted("metrics", asked);
            let (points, asked) = told.unwrap_or_default();
            self.metrics_asked += asked;
            let new = cloudwatch::fresh(&mut known, points);
            let changed = !new.is_empty();
            for (number, point) in new {
                if !point.metric.ends_with("Sum") {
                    self.take(number, Entry::Point(point))?;
                }
            }
            lock(self.collector).flush()?;
            // What still changes when it should have settled is given as long again, and no longer.
            let until = if changed { settled + nanos(self.options.settle) } else { settled };
            if self.now() >= until {
                break;
            }
            if pause(self.options.settle.min(Duration::from_secs(30)), course).await {
                break;
            }
        }
        // What a queue was asked after the end is not the run's.
        let collector = lock(self.collector);
        known.retain(|(number, _, t), _| collector.end(*number).is_none_or(|end| *t <= end));
        Ok(cloudwatch::totals(&known, sources.len()))
    }

    /// Asks what is known only when all is over: scaling, dead letters; and closes the books.
    pub(super) async fn last_word(&mut self, totals: &[Totals]) -> Result<()> {
        let now = self.now();
        for number in 0..self.stacks.len() {
            // Reports of the last invocations come after the records of their messages.
            self.rest_of_log(number).await?;
            let until = lock(self.collector).end(number).unwrap_or(now.min(self.deadline));
            let stack = &mut self.stacks[number];
            let none = Totals::new();
            let told = stack.last_word(&self.clients, now, until, totals.get(number).unwrap_or(&none)).await;
            self.queue_calls += 1;
            told.into_iter().try_for_each(|entry| self.take(number, entry))?;
        }
        let usage = self.usage(totals, now);
        let measurement = self.measurement();
        let mut collector = lock(self.collector);
        for (number, usage) in usage.into_iter().enumerate() {
            if !usage.metered.is_empty() {
                collector.take(number, Entry::Usage(usage))?;
            }
        }
        let heard =
            self.stacks.iter().zip(totals).map(|(stack, totals)| stack.heard(totals)).collect::<Vec<Heard>>();
        collector.heard(heard, measurement)
    }

    pub(super) fn usage(&self, totals: &[Totals], now: Nanos) -> Vec<Usage> {
        let none = Totals::new();
        let collector = lock(self.collector);
        let each = self.stacks.iter().enumerate().map(|(number, stack)| {
            if !stack.is_deployed() {
                return Usage::default();
            }
            let until = collector.end(number).unwrap_or(now.min(self.deadline));
            let sends = collector.progress(number).calls;
            stack.meter.usage(totals.get(number).unwrap_or(&none), sends, self.started_ns, until)
        });
        each.collect()
    }

    /// What measuring cost, beside the stacks.
    fn measurement(&self) -> Usage {
        let metered = [
            Metered::new(Item::CloudwatchMetrics, "", self.metrics_asked),
            Metered::new(Item::SqsRequests, "attributes", self.queue_calls),
        ];
        Usage { metered: metered.into_iter().filter(|one| one.quantity > 0).collect() }
    }
}
