//! What became of each stream of messages: the accounts that `streams.json` has of a measured run.

use model::plan::Arrival;
use model::record::MessageRecord;
use model::scenario::Scenario;
use model::streams::{Latencies, StreamRun};
use model::time::Nanos;

/// The streams of a stack; none where all messages are of one kind.
pub(super) struct Streams {
    warmup: Nanos,
    all: Vec<(StreamRun, Latencies)>,
}

impl Streams {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let named = |name: &str| StreamRun { stream: name.into(), ..StreamRun::default() };
        let names = if scenario.streams.is_empty() { Vec::new() } else { scenario.stream_names() };
        let all = names.into_iter().map(|name| (named(name), Latencies::default())).collect();
        Self { warmup: scenario.warmup, all }
    }

    /// The account of a message is closed.
    pub(super) fn closed(&mut self, arrival: &Arrival, record: &MessageRecord) {
        let Some((stream, latencies)) = self.all.get_mut(usize::from(arrival.stream)) else { return };
        stream.ledger.planned += 1;
        stream.ledger.count(record.outcome);
        stream.work += record.service_time().unwrap_or(0);
        if let Some(latency) = record.latency().filter(|_| arrival.at >= self.warmup) {
            latencies.record(latency);
        }
    }

    pub(super) fn finish(self) -> Vec<StreamRun> {
        let whole =
            |(stream, latencies): (StreamRun, Latencies)| StreamRun { latency: latencies.counts(), ..stream };
        self.all.into_iter().map(whole).collect()
    }
}
