//! From the messages of a measured run to the beliefs that a simulation of it should rest on.
//!
//! Goals: only what was measured alone: messages before which nobody waited, the first of a batch, warm or cold; each
//! belief with the number of messages that it rests on.
//! Non-goals: laws (ramps, scaling): they are not fitted, but compared.

use model::record::MessageRecord;
use model::scenario::{Platform, Scenario};
use model::time::{MICROSECOND, Nanos};
use std::collections::BTreeSet;

/// Fewer messages than this say too little of a 99th percentile.
const LEAST: usize = 100;

/// Fewer cold starts, or starts of tasks, than this say too little of their spread.
pub(super) const LEAST_COLD: usize = 5;

/// A belief, fitted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fitted {
    /// Key and value, as an override.
    pub(crate) line: String,
    /// What it rests on, for people.
    pub(crate) from: String,
}

/// What the messages of each stack say of the beliefs of `scenario`, and what they do not say, and why.
///
/// Only a queue on this machine says when it handed a message out; on AWS a worker says when it had it.
pub(crate) fn fit(
    scenario: &Scenario,
    stacks: &[Vec<MessageRecord>],
    queue_tells: bool,
) -> (Vec<Fitted>, Vec<String>) {
    let mut fitting = Fitting { fitted: Vec::new(), left: Vec::new() };
    for (stack, rows) in scenario.stacks.iter().zip(stacks) {
        let rows: Vec<&MessageRecord> =
            rows.iter().filter(|row| row.receive_count <= 1 && row.finished_at.is_some()).collect();
        let alone = alone(&rows);
        match &stack.platform {
            Platform::Lambda(lambda) if lambda.batching_window > 0 => {
                fitting.left.push(format!(
                    "{}: its batching window hides how fast messages are delivered",
                    stack.name
                ));
            }
            Platform::Lambda(_) => fitting.lambda(&stack.name, &rows, &alone),
            Platform::Ecs(_) if queue_tells => fitting.ecs(&stack.name, &alone),
            Platform::Ecs(_) => {
                fitting.left.push(format!("{}: its queue does not tell its receives", stack.name))
            }
        }
    }
    let both = scenario.stacks.iter().zip(stacks);
    if let Some((stack, rows)) =
        both.max_by_key(|(stack, rows)| (matches!(stack.platform, Platform::Ecs(_)), rows.len()))
    {
        fitting.work(&stack.name, rows);
        fitting.deletes(&stack.name, rows);
    }
    (fitting.fitted, fitting.left)
}

struct Fitting {
    fitted: Vec<Fitted>,
    left: Vec<String>,
}

impl Fitting {
    fn put(&mut self, key: &str, value: Nanos, from: &str) {
        let line = format!("{key} = \"{}us\"", value.div_ceil(MICROSECOND));
        self.fitted.push(Fitted { line, from: from.to_owned() });
    }

    /// Quantiles of spans, if there are enough of them.
    fn quantiles(&mut self, name: &str, what: &str, mut spans: Vec<Nanos>, keys: &[(&str, f64)]) {
        if spans.len() < LEAST {
            self.left.push(format!("{name}: {} messages tell {what}, {LEAST} are needed", spans.len()));
            return;
        }
        spans.sort_unstable();
        let from = format!("{what}, {} messages of {name}", spans.len());
        let mut least = 0;
        for (key, p) in keys {
            // Quantiles that fall together would be no distribution.
            least = at(&spans, *p).max(least + 2 * MICROSECOND);
            self.put(key, least, &from);
        }
    }

    fn lambda(&mut self, name: &str, rows: &[&MessageRecord], alone: &[&MessageRecord]) {
        let delivered = |row: &&MessageRecord| {
            row.started_at.zip(row.sent_at).and_then(|(start, sent)| start.checked_sub(sent))
        };
        let warm: Vec<Nanos> = alone.iter().filter(|row| !row.cold_start).filter_map(delivered).collect();
        let keys = [
            ("parameters.esm-delivery-p10", 0.10),
            ("parameters.esm-delivery-p50", 0.50),
            ("parameters.esm-delivery-p90", 0.90),
            ("parameters.esm-delivery-p99", 0.99),
        ];
        let mut sorted = warm.clone();
        sorted.sort_unstable();
        let typical = if sorted.is_empty() { 0 } else { at(&sorted, 0.5) };
        self.quantiles(name, "sent to the first line of a warm handler", warm, &keys);
        let mut workers = BTreeSet::new();
        let first = rows.iter().filter(|row| row.cold_start && workers.insert(row.worker));
        let mut cold: Vec<Nanos> =
            first.filter_map(delivered).map(|span| span.saturating_sub(typical)).collect();
        if cold.len() < LEAST_COLD {
            self.left.push(format!("{name}: {} cold starts, {LEAST_COLD} are needed", cold.len()));
            return;
        }
        cold.sort_unstable();
        let from = format!("{} cold starts of {name}, all of each being its initialisation", cold.len());
        let (p50, p99) = (at(&cold, 0.5), at(&cold, 0.99));
        let us = |span: Nanos| span.div_ceil(MICROSECOND);
        let line = format!(
            "stacks.{name}.init = {{ p50 = \"{}us\", p99 = \"{}us\" }}",
            us(p50),
            us(p99.max(p50 + 2 * MICROSECOND))
        );
        self.fitted.push(Fitted { line, from: from.clone() });
        self.put("parameters.lambda-start-overhead-min", 0, &from);
        self.put("parameters.lambda-start-overhead-max", 0, &from);
    }

    fn ecs(&mut self, name: &str, alone: &[&MessageRecord]) {
        // Messages of one receive come one after the other: only of the first is the rest of it known.
        let mut receives = BTreeSet::new();
        let first =
            alone.iter().filter(|row| !row.cold_start && receives.insert((row.worker, row.received_at)));
        let spans = first.filter_map(|row| row.started_at?.checked_sub(row.received_at?)).collect();
        let keys = [("parameters.sqs-receive-median", 0.50), ("parameters.sqs-receive-p99", 0.99)];
        self.quantiles(name, "received to the first line of a warm worker", spans, &keys);
    }

    fn deletes(&mut self, name: &str, rows: &[MessageRecord]) {
        let spans = rows.iter().filter_map(|row| row.deleted_at?.checked_sub(row.finished_at?)).collect();
        let keys = [("parameters.sqs-delete-median", 0.50), ("parameters.sqs-delete-p99", 0.99)];
        self.quantiles(name, "finished to deleted", spans, &keys);
    }

    fn work(&mut self, name: &str, rows: &[MessageRecord]) {
        let mut spans: Vec<Nanos> =
            rows.iter().filter_map(|row| row.finished_at?.checked_sub(row.started_at?)).collect();
        if spans.len() < LEAST {
            self.left.push(format!("{name}: {} messages tell their work, {LEAST} are needed", spans.len()));
            return;
        }
        spans.sort_unstable();
        let us = |p| at(&spans, p).div_ceil(MICROSECOND);
        let (median, p99) = (us(0.5).max(1), us(0.99));
        let from = format!("started to finished, {} messages of {name}", spans.len());
        // A spread of less than a percent is none.
        let line = if p99 * 100 <= median * 101 {
            format!("message.work = \"{median}us\"")
        } else {
            format!(
                "message.work = {{ distribution = \"lognormal\", median = \"{median}us\", p99 = \"{p99}us\" }}"
            )
        };
        self.fitted.push(Fitted { line, from });
    }
}

/// The messages before which nobody waited: sent when all that were sent before had been started.
fn alone<'a>(rows: &[&'a MessageRecord]) -> Vec<&'a MessageRecord> {
    let mut sent: Vec<&MessageRecord> =
        rows.iter().copied().filter(|row| row.sent_at.is_some() && row.started_at.is_some()).collect();
    sent.sort_by_key(|row| (row.sent_at, row.seq));
    let mut waited_until = None;
    let mut alone = Vec::new();
    for row in sent {
        if waited_until <= row.sent_at {
            alone.push(row);
        }
        waited_until = waited_until.max(row.started_at);
    }
    alone
}

/// The value at a quantile of sorted values, which there are.
pub(super) fn at<T: Copy>(sorted: &[T], p: f64) -> T {
    let rank = (sorted.len() as f64 * p).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::record::Outcome;
    use model::time::{MILLISECOND, SECOND};

    fn row(seq: u64, sent: Nanos, started: Nanos, cold_start: bool) -> MessageRecord {
        MessageRecord {
            seq,
            scheduled_at: sent,
            sent_at: Some(sent),
            received_at: Some(started.saturating_sub(MILLISECOND)),
            started_at: Some(started),
            finished_at: Some(started + 20 * MILLISECOND),
            deleted_at: Some(started + 25 * MILLISECOND),
            receive_count: 1,
            worker: Some(seq as u32),
            cold_start,
            outcome: Outcome::Completed,
        }
    }

    #[test]
    fn who_waited_behind_others_says_nothing_of_delivery() {
        let rows =
            [row(0, 0, 50, false), row(1, 10, 60, false), row(2, 60, 70, false), row(3, 70, 75, false)]
                .map(|row| MessageRecord { received_at: row.started_at, ..row });
        let rows: Vec<&MessageRecord> = rows.iter().collect();
        let seqs: Vec<u64> = alone(&rows).iter().map(|row| row.seq).collect();
        assert_eq!(seqs, [0, 2, 3]);
    }

    #[test]
    fn beliefs_are_what_was_put_in() {
        let text = "title = \"T\"\nanalysis = \"A\"\n[[phases]]\nname = \"p\"\narrivals = \"even\"\nduration = \"1s\"\n\
                    rate = 1\n[stacks.ecs]\nplatform = \"ecs\"\n[stacks.lambda]\nplatform = \"lambda\"\n";
        let mut none = |_: &str| unreachable!();
        let scenario = model::scenario::parse("t", text, &[], None, &mut none).unwrap();
        let warm = |seq: u64| row(seq, seq * SECOND, seq * SECOND + (10 + seq % 5) * MILLISECOND, false);
        let ecs: Vec<MessageRecord> = (0..200).map(warm).collect();
        let cold = |seq: u64| row(seq, seq * SECOND, seq * SECOND + 312 * MILLISECOND, true);
        let lambda: Vec<MessageRecord> = (0..10).map(cold).chain((10..300).map(warm)).collect();
        let (fitted, left) = fit(&scenario, &[ecs, lambda], true);
        assert_eq!(left, [""; 0]);
        let lines: Vec<&str> = fitted.iter().map(|one| one.line.as_str()).collect();
        for line in [
            "parameters.sqs-receive-median = \"1000us\"",
            "parameters.esm-delivery-p10 = \"10000us\"",
            "parameters.esm-delivery-p50 = \"12000us\"",
            "parameters.esm-delivery-p99 = \"14002us\"",
            "stacks.lambda.init = { p50 = \"300000us\", p99 = \"300002us\" }",
            "parameters.lambda-start-overhead-max = \"0us\"",
            "message.work = \"20000us\"",
            "parameters.sqs-delete-median = \"5000us\"",
        ] {
            assert!(lines.contains(&line), "{line}\n{lines:#?}");
        }
        // The overlay is a scenario's.
        let overrides: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        model::scenario::parse("t", text, &overrides, None, &mut none).unwrap();
        // Too few messages say nothing.
        let (fitted, left) = fit(&scenario, &[vec![warm(0)], Vec::new()], true);
        assert!(fitted.is_empty() && left.len() >= 3, "{left:?}");
    }
}
