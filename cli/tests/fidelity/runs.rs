//! Plays the scenarios, and reads from a run what the experiments read from AWS.

use model::record::MessageRecord;
use model::run::StackRun;
use model::scenario::load;
use model::series::metric;
use model::time::{Nanos, SECOND};
use sim::{Options, Provenance, Simulated};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// A simulated run and the parameters that it set.
pub(crate) struct Played {
    out: Simulated,
    pub(crate) overridden: BTreeSet<String>,
}

/// Plays a scenario of scenarios/fidelity with overrides as for `--set`.
pub(crate) fn play(scenario: &str, overrides: &[&str]) -> Played {
    played(scenario, overrides, Options::default())
}

/// The same, with a record of each message.
pub(crate) fn play_recorded(scenario: &str, overrides: &[&str]) -> Played {
    played(scenario, overrides, Options { records: true, ..Options::default() })
}

fn played(scenario: &str, overrides: &[&str], options: Options) -> Played {
    let path = root().join(format!("scenarios/fidelity/{scenario}.toml"));
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let (scenario, _) = load(&path, &overrides, None).unwrap_or_else(|problems| panic!("{problems}"));
    let out = sim::simulate(&scenario, &Provenance::default(), options);
    Played { out, overridden: crate::overridden(&scenario.parameters) }
}

impl Played {
    pub(crate) fn load_end(&self) -> Nanos {
        self.out.run.manifest.load_end
    }

    pub(crate) fn stack(&self, name: &str) -> Of<'_> {
        let entries = &self.out.run.manifest.stacks;
        let index = entries.iter().position(|entry| entry.name == name).unwrap();
        let records = self.out.records.get(index).map_or(&[][..], Vec::as_slice);
        Of { run: &self.out.run.stacks[index], records, end: entries[index].end }
    }
}

/// One stack of a run.
#[derive(Clone, Copy)]
pub(crate) struct Of<'a> {
    pub(crate) run: &'a StackRun,
    pub(crate) records: &'a [MessageRecord],
    pub(crate) end: Nanos,
}

impl Of<'_> {
    fn points(&self, metric: &str) -> &[(Nanos, f64)] {
        self.run.series(metric).map_or(&[][..], |series| &series.points)
    }

    pub(crate) fn total(&self, metric: &str) -> f64 {
        self.points(metric).iter().map(|point| point.1).sum()
    }

    /// The largest value from `from` until `until`.
    pub(crate) fn most(&self, metric: &str, from: Nanos, until: Nanos) -> f64 {
        let within = self.points(metric).iter().filter(|point| (from..until).contains(&point.0));
        within.map(|point| point.1).fold(0.0, f64::max)
    }

    /// Sums (or maxima) of periods of `width`, the first from 0.
    pub(crate) fn periods(&self, metric: &str, width: Nanos, join: fn(f64, f64) -> f64) -> Vec<f64> {
        let mut periods = Vec::new();
        for &(at, value) in self.points(metric) {
            let index = (at / width) as usize;
            if periods.len() <= index {
                periods.resize(index + 1, 0.0);
            }
            periods[index] = join(periods[index], value);
        }
        periods
    }

    /// The mean of its points from `from` until `until`.
    pub(crate) fn mean(&self, metric: &str, from: Nanos, until: Nanos) -> f64 {
        let within = self.points(metric).iter().filter(|point| (from..until).contains(&point.0));
        let (sum, count) = within.fold((0.0, 0.0), |(sum, count), point| (sum + point.1, count + 1.0));
        sum / f64::max(count, 1.0)
    }

    /// The start of the period, in seconds, in which the metric first has at least `value`.
    pub(crate) fn first_s(&self, metric: &str, value: f64) -> f64 {
        let first = self.points(metric).iter().find(|point| point.1 >= value);
        seconds(first.unwrap_or_else(|| panic!("{metric} never has {value}")).0)
    }

    /// The end of the run, in seconds.
    pub(crate) fn end_s(&self) -> f64 {
        seconds(self.end)
    }

    /// Percentiles of the time from the intended instant to the first line, in milliseconds.
    pub(crate) fn until_first_line_ms(&self, percentiles: &[f64]) -> Vec<f64> {
        let spans =
            self.records.iter().filter_map(|record| record.started_at?.checked_sub(record.scheduled_at));
        let mut spans: Vec<Nanos> = spans.collect();
        spans.sort_unstable();
        let at = |percentile: f64| {
            let rank = (percentile / 100.0 * spans.len() as f64).ceil() as usize;
            seconds(spans[rank.clamp(1, spans.len()) - 1]) * 1_000.0
        };
        percentiles.iter().map(|&percentile| at(percentile)).collect()
    }

    /// When the workers began with their first messages, on average, in seconds.
    pub(crate) fn first_lines_s(&self) -> f64 {
        let mut first = std::collections::BTreeMap::new();
        for record in self.records {
            if let (Some(worker), Some(at)) = (record.worker, record.started_at) {
                first
                    .entry(worker)
                    .and_modify(|earliest: &mut Nanos| *earliest = at.min(*earliest))
                    .or_insert(at);
            }
        }
        first.values().map(|&at| seconds(at)).sum::<f64>() / first.len() as f64
    }
}

pub(crate) fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / SECOND as f64
}

/// What a ramp looks like in invocations per ten seconds.
pub(crate) struct Ramp {
    pub(crate) seconds: f64,
    pub(crate) cold_starts: f64,
    pub(crate) cold_starts_per_minute: f64,
    pub(crate) invocations: f64,
    /// Invocations per ten seconds that a minute of the ramp adds.
    pub(crate) growth: f64,
}

/// The ramp ends with the ten seconds that have the most invocations: after them the backlog is gone.
pub(crate) fn ramp(stack: Of<'_>) -> Ramp {
    let sum = |metric| stack.periods(metric, 10 * SECOND, |a, b| a + b);
    let (invocations, cold) = (sum(metric::INVOCATIONS), sum(metric::COLD_STARTS));
    let most = invocations.iter().copied().fold(0.0, f64::max);
    let last = invocations.iter().position(|&count| count == most).unwrap();
    let minutes = (last + 1) as f64 / 6.0;
    Ramp {
        seconds: minutes * 60.0,
        cold_starts: cold.iter().sum(),
        cold_starts_per_minute: cold[..=last].iter().sum::<f64>() / minutes,
        invocations: invocations[..=last].iter().sum(),
        growth: most / minutes,
    }
}
