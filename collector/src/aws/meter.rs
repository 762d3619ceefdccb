//! From what AWS said of a stack to the quantities of its bill.
//!
//! Goals: everything that can be counted is counted; what cannot be is bounded from above, and METHODOLOGY says how.

use super::function::Function;
use super::report_line::Report;
use super::tasks::Tasks;
use crate::cloudwatch::{Total, Totals};
use model::series::metric;
use model::time::{Nanos, SECOND};
use model::usage::{Item, Metered, Usage, sqs_requests};
use std::collections::BTreeMap;

/// What was metered of one stack.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Invocations that Lambda reported.
    pub(crate) reports: u64,
    /// Those that waited for an initialisation.
    pub(crate) cold_starts: u64,
    /// Both by the period of the report.
    pub(crate) reports_at: BTreeMap<Nanos, (u64, u64)>,
    /// Billed MB-ms of the reports.
    billed_mb_ms: u64,
    pub(crate) tasks: Tasks,
    pub(crate) function: Option<Function>,
    /// The largest payload of a message, in bytes.
    pub(crate) message_bytes: u64,
    /// Alarms of the scaling policies.
    pub(crate) alarms: u64,
}

impl Meter {
    /// For a stack whose messages have at most so many bytes.
    pub(crate) fn of_messages(message_bytes: u64) -> Self {
        Self { message_bytes, ..Self::default() }
    }

    /// An invocation was reported, in the period that begins at `at`.
    pub(crate) fn report(&mut self, report: &Report, at: Nanos) {
        let cold = u64::from(report.init.is_some());
        self.reports += 1;
        self.cold_starts += cold;
        let counts = self.reports_at.entry(at).or_default();
        *counts = (counts.0 + 1, counts.1 + cold);
        self.billed_mb_ms += report.billed_ms * report.memory_mb;
    }

    /// All reports are about to come again.
    pub(crate) fn forget_reports(&mut self) {
        (self.reports, self.cold_starts, self.billed_mb_ms) = (0, 0, 0);
        self.reports_at.clear();
    }

    /// The bill's quantities from the run's start to `until`, with what the stack's metrics came to and so many
    /// calls of the seeder.
    pub(crate) fn usage(&self, totals: &Totals, sends: u64, started_ns: u64, until: Nanos) -> Usage {
        let sum = |metric: &str| totals.get(metric).map_or(0, Total::count);
        let mut metered = self.tasks.metered(started_ns, until);
        let mut add = |item, variant: &str, quantity: u64| {
            metered.push(Metered::new(item, variant, quantity));
        };
        let seconds = until / SECOND;
        let invocations = sum(metric::INVOCATIONS).max(self.reports);
        if let Some(function) = &self.function {
            let variant = if function.arm { "arm" } else { "x86" };
            add(Item::LambdaRequests, "", invocations);
            let duration = self.lambda_duration(invocations, totals, function);
            let on_provisioned = (duration as f64 * provisioned_share(totals)).round() as u64;
            add(Item::LambdaDuration, variant, duration.saturating_sub(on_provisioned));
            add(Item::LambdaProvisionedDuration, variant, on_provisioned);
            let provisioned = function.provisioned * function.memory_mb;
            add(Item::LambdaProvisionedConcurrency, variant, provisioned * seconds);
            add(Item::LambdaEventPollers, "", poller_seconds(function, totals, seconds));
        }
        add(Item::CloudwatchAlarms, "", self.alarms * seconds);
        add(Item::LogBytes, "", sum(LOG_BYTES));
        add(Item::SqsRequests, "send", sends * sqs_requests(10 * self.message_bytes));
        add(Item::SqsRequests, "empty-receive", sum(metric::EMPTY_RECEIVES));
        // Nobody counts the receives and deletes of batches. A small batch of Lambda's takes one of each; elsewhere
        // every message may have had its own.
        let small = |function: &Function| {
            function.mapping.as_ref().is_some_and(|mapping| mapping.batch_size <= 10 && mapping.window_s == 0)
        };
        let by_batch = self.function.as_ref().is_some_and(small);
        let calls = |metric| if by_batch { invocations.min(sum(metric)) } else { sum(metric) };
        let chunks = sqs_requests(if by_batch { 10 } else { 1 } * self.message_bytes);
        add(Item::SqsRequests, "receive", calls(metric::RECEIVED) * chunks);
        add(Item::SqsRequests, "delete", calls(metric::DELETED));
        metered.retain(|one| one.quantity > 0);
        metered.sort_by(|a, b| (a.item, &a.variant).cmp(&(b.item, &b.variant)));
        Usage { metered }
    }

    /// Billed MB-ms of all invocations: the reports' own, and their mean for those whose report did not come. Without
    /// any report, CloudWatch's durations, which leave out the initialisations.
    fn lambda_duration(&self, invocations: u64, totals: &Totals, function: &Function) -> u64 {
        if self.reports > 0 {
            let all = u128::from(self.billed_mb_ms) * u128::from(invocations) / u128::from(self.reports);
            return u64::try_from(all).unwrap_or(u64::MAX);
        }
        let milliseconds = totals.get(DURATION_SUM).map_or(0.0, |total| total.sum.max(0.0).ceil());
        milliseconds as u64 * function.memory_mb
    }

    /// What the bill takes for granted because CloudWatch did not tell, for people.
    pub(crate) fn assumed(&self, totals: &Totals) -> Vec<String> {
        let Some(function) = &self.function else { return Vec::new() };
        let mut assumed = Vec::new();
        let least = least_pollers(function);
        if least > 0 && !totals.contains_key(metric::POLLERS) {
            assumed.push(format!(
                "its event pollers are billed at their least number, {least}, for no {} are known",
                metric::POLLERS
            ));
        }
        let invoked =
            self.reports > 0 || totals.get(metric::INVOCATIONS).is_some_and(|total| total.sum > 0.0);
        if invoked && function.provisioned > 0 && provisioned_share(totals) == 0.0 {
            assumed.push(format!(
                "all of its duration is billed as on demand, for no {} are known",
                metric::PROVISIONED_INVOCATIONS
            ));
        }
        assumed
    }
}

/// The share of the invocations that ran on provisioned concurrency; none where CloudWatch did not tell.
fn provisioned_share(totals: &Totals) -> f64 {
    let count = |metric| totals.get(metric).map_or(0, Total::count);
    let (on_it, all) = (count(metric::PROVISIONED_INVOCATIONS), count(metric::INVOCATIONS));
    if all == 0 { 0.0 } else { (on_it as f64 / all as f64).min(1.0) }
}

fn least_pollers(function: &Function) -> u64 {
    function.mapping.as_ref().and_then(|mapping| mapping.pollers).unwrap_or(0)
}

/// Poller-seconds: the mean of the most in each minute, and no fewer than are always there.
fn poller_seconds(function: &Function, totals: &Totals, seconds: u64) -> u64 {
    let least = least_pollers(function);
    let mean = totals.get(metric::POLLERS).map_or(0.0, |total| total.sum / total.minutes.max(1) as f64);
    ((mean * seconds as f64).round() as u64).max(least * seconds)
}

/// AWS/Logs: bytes that a log group took.
pub(crate) const LOG_BYTES: &str = "IncomingBytes";
/// The sum of AWS/Lambda's Duration, in milliseconds.
pub(crate) const DURATION_SUM: &str = "DurationSum";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::function::Mapping;

    fn report(init: Option<Nanos>) -> Report {
        Report { duration: 12, billed_ms: 20, memory_mb: 512, init }
    }

    /// Each in one minute.
    fn sums(all: &[(&str, f64)]) -> Totals {
        let mut totals = Totals::new();
        for (metric, value) in all {
            totals.entry((*metric).into()).or_default().add(*value);
        }
        totals
    }

    #[test]
    fn lambda_is_billed_by_its_reports_and_what_is_missing_by_their_mean() {
        let mapping = Mapping { pollers: Some(2), batch_size: 10, ..Mapping::default() };
        let function =
            Function { memory_mb: 512, provisioned: 3, mapping: Some(mapping), ..Function::default() };
        let mut meter = Meter { function: Some(function), ..Meter::default() };
        meter.report(&report(Some(5)), 0);
        meter.report(&report(None), 0);
        assert_eq!((meter.reports, meter.cold_starts), (2, 1));
        let counted = sums(&[
            (metric::INVOCATIONS, 4.0),
            (metric::RECEIVED, 40.0),
            (metric::DELETED, 3.0),
            (metric::EMPTY_RECEIVES, 7.0),
            (LOG_BYTES, 1234.0),
        ]);
        let usage = meter.usage(&counted, 0, 0, 10 * SECOND);
        let quantity = |item, variant| usage.quantity(item, variant);
        assert_eq!(quantity(Item::LambdaRequests, ""), 4);
        assert_eq!(quantity(Item::LambdaDuration, "x86"), 4 * 20 * 512);
        assert_eq!(quantity(Item::LambdaProvisionedConcurrency, "x86"), 3 * 512 * 10);
        assert_eq!(quantity(Item::LambdaEventPollers, ""), 20);
        assert_eq!(quantity(Item::SqsRequests, "receive"), 4);
        assert_eq!(quantity(Item::SqsRequests, "delete"), 3);
        assert_eq!(quantity(Item::SqsRequests, "empty-receive"), 7);
        assert_eq!(quantity(Item::LogBytes, ""), 1234);
        assert_eq!(quantity(Item::CloudwatchAlarms, ""), 0);
    }

    #[test]
    fn pollers_and_provisioned_invocations_are_billed_as_cloudwatch_counted_them() {
        let mapping = Mapping { pollers: Some(2), ..Mapping::default() };
        let function =
            Function { memory_mb: 512, provisioned: 3, mapping: Some(mapping), ..Function::default() };
        let mut meter = Meter { function: Some(function), ..Meter::default() };
        (0..4).for_each(|_| meter.report(&report(None), 0));
        let billed = |all: &[(&str, f64)]| {
            let totals = sums(all);
            let usage = meter.usage(&totals, 0, 0, 120 * SECOND);
            let items = [Item::LambdaDuration, Item::LambdaProvisionedDuration, Item::LambdaEventPollers];
            (
                items.map(|item| {
                    usage.quantity(item, if item == Item::LambdaEventPollers { "" } else { "x86" })
                }),
                meter.assumed(&totals),
            )
        };
        let all = 4 * 20 * 512;
        // Three in one minute and eight in the other; a quarter of the invocations spilled over.
        let told = [
            (metric::INVOCATIONS, 4.0),
            (metric::PROVISIONED_INVOCATIONS, 3.0),
            (metric::POLLERS, 3.0),
            (metric::POLLERS, 8.0),
        ];
        assert_eq!(billed(&told), ([all / 4, all * 3 / 4, 660], Vec::new()));
        let (quantities, assumed) = billed(&[(metric::INVOCATIONS, 4.0)]);
        assert_eq!(quantities, [all, 0, 240]);
        assert_eq!(assumed.len(), 2);
        assert!(assumed[0].contains("least number, 2, for no ProvisionedPollers are known"), "{assumed:?}");
        assert!(assumed[1].contains("as on demand"), "{assumed:?}");
        // Fewer than are always kept there cannot have been.
        assert_eq!(billed(&[(metric::POLLERS, 1.0)]).0[2], 240);
    }

    #[test]
    fn large_messages_and_large_batches_are_more_requests() {
        let requests = |batch_size: u64, message_bytes: u64| {
            let mapping = Mapping { batch_size, ..Mapping::default() };
            let function = Function { mapping: Some(mapping), ..Function::default() };
            let meter = Meter { function: Some(function), message_bytes, ..Meter::default() };
            let counted =
                sums(&[(metric::INVOCATIONS, 4.0), (metric::RECEIVED, 400.0), (metric::DELETED, 400.0)]);
            let usage = meter.usage(&counted, 40, 0, SECOND);
            ["send", "receive", "delete"].map(|variant| usage.quantity(Item::SqsRequests, variant))
        };
        let kb = 1024;
        assert_eq!(requests(10, kb), [40, 4, 4]);
        assert_eq!(requests(10, 50 * kb), [40 * 8, 4 * 8, 4]);
        // Nobody knows how many calls a batch of a thousand took.
        assert_eq!(requests(1_000, 200 * kb), [40 * 32, 400 * 4, 400]);
    }

    #[test]
    fn without_reports_durations_come_from_cloudwatch() {
        let function = Function { memory_mb: 128, arm: true, ..Function::default() };
        let meter = Meter { function: Some(function), ..Meter::default() };
        let usage = meter.usage(&sums(&[(metric::INVOCATIONS, 2.0), (DURATION_SUM, 30.5)]), 0, 0, SECOND);
        assert_eq!(usage.quantity(Item::LambdaDuration, "arm"), 31 * 128);
    }
}
