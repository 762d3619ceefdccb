//! The points of a sweep: each a scenario.
//!
//! Goals: a point is the scenario with overrides that `versus run --set` takes, so anybody can run it alone; the files
//! are read once, so that all points are of one scenario.
//! Non-goals: simulating.

use super::vary::number;
use super::{Refusal, each};
use anyhow::Result;
use model::scenario::{self, Arrivals, MessageStream, Phase, Rate, Scenario, Source};
use model::time::seconds;
use report::sweep::Varied;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

/// The key that is none of a scenario: messages per second, mean over all phases.
pub(super) const LOAD: &str = "load";

/// All points.
pub(crate) struct Grid {
    /// The scenario file.
    pub(crate) source: Source,
    folder: PathBuf,
    pub(crate) overrides: Vec<String>,
    seed: Option<u64>,
    pub(super) varied: Vec<Varied>,
    traces: Mutex<BTreeMap<String, String>>,
}

/// One point.
pub(super) struct Point {
    pub(super) scenario: Scenario,
    /// What made it from the scenario file.
    pub(super) overrides: Vec<String>,
}

impl Grid {
    /// # Errors
    /// When the scenario cannot be read.
    pub(crate) fn new(
        path: &Path,
        overrides: Vec<String>,
        seed: Option<u64>,
        varied: Vec<Varied>,
    ) -> Result<Self> {
        let name = path.display().to_string();
        // A file that is missing or no text has its error from the reader of scenarios.
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(_) => scenario::load(path, &overrides, seed)?.1.text,
        };
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let source = Source { path: name, text };
        Ok(Self { source, folder, overrides, seed, varied, traces: Mutex::default() })
    }

    /// How many points there are.
    pub(super) fn len(&self) -> usize {
        self.varied.iter().fold(1, |points: usize, varied| points.saturating_mul(varied.values.len()))
    }

    /// What the command line sets at every point.
    pub(crate) fn overrides(&self) -> &[String] {
        &self.overrides
    }

    /// The value of each varied key at a point, from 1; the last key changes fastest.
    pub(super) fn values(&self, point: usize) -> Vec<String> {
        let mut rest = point - 1;
        let mut values: Vec<String> = Vec::new();
        for varied in self.varied.iter().rev() {
            values.push(varied.values[rest % varied.values.len()].clone());
            rest /= varied.values.len();
        }
        values.reverse();
        values
    }

    /// A point, from 1.
    ///
    /// # Errors
    /// When its values make no scenario; the error names it.
    pub(super) fn point(&self, point: usize) -> Result<Point> {
        let values = self.values(point);
        let scenario = self.built(&values).map_err(|why| {
            let named: Vec<String> = self
                .varied
                .iter()
                .zip(&values)
                .map(|(varied, value)| format!("{}={value}", varied.key))
                .collect();
            // A scenario's own keys mostly have a dot: one without that it does not know may be a mistyped load.
            let mistyped = why.contains("unknown key")
                && self.varied.iter().all(|varied| varied.key != LOAD)
                && self.varied.iter().any(|varied| !varied.key.contains('.'));
            let hint =
                if mistyped { "\nload, which may be varied too, is the mean rate of all phases" } else { "" };
            Refusal::Usage(format!("point {point} ({}): {why}{hint}", named.join(", ")))
        })?;
        Ok(scenario)
    }

    fn built(&self, values: &[String]) -> Result<Point, String> {
        let mut overrides = self.overrides.clone();
        let keys = self.varied.iter().zip(values);
        overrides.extend(
            keys.filter(|(varied, _)| varied.key != LOAD).map(|(v, value)| format!("{}={value}", v.key)),
        );
        let mut scenario = self.parsed(&overrides)?;
        if let Some(load) = self.varied.iter().position(|varied| varied.key == LOAD) {
            overrides.extend(scaled(&scenario.loads(), &values[load])?);
            scenario = self.parsed(&overrides)?;
        }
        Ok(Point { scenario, overrides })
    }

    /// The scenario with further overrides.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn with(&self, overrides: &[String]) -> Result<Scenario, String> {
        self.parsed(&[&self.overrides, overrides].concat())
    }

    fn parsed(&self, overrides: &[String]) -> Result<Scenario, String> {
        let Source { path, text } = &self.source;
        let mut read_trace = |file: &str| self.trace(file);
        scenario::parse(path, text, overrides, self.seed, &mut read_trace)
            .map_err(|problems| problems.to_string())
    }

    fn trace(&self, file: &str) -> io::Result<String> {
        let mut traces = self.traces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = traces.get(file) {
            return Ok(known.clone());
        }
        let text = fs::read_to_string(self.folder.join(file))?;
        traces.insert(file.into(), text.clone());
        Ok(text)
    }

    /// The trace files that were read, and the hash of each.
    pub(super) fn traces(&self) -> BTreeMap<String, String> {
        let traces = self.traces.lock().unwrap_or_else(PoisonError::into_inner);
        traces.iter().map(|(file, text)| (file.clone(), model::run::text_hash(text))).collect()
    }

    /// Looks at every point before any is simulated, and gives the first.
    ///
    /// # Errors
    /// When a point is no scenario, or has other stacks than the first.
    pub(super) fn checked(&self, jobs: usize) -> Result<Point> {
        let first = self.point(1)?;
        alike(&first.scenario)?;
        let names = |point: &Point| -> Vec<String> {
            point.scenario.stacks.iter().map(|stack| stack.name.clone()).collect()
        };
        let points: Vec<usize> = (2..=self.len()).collect();
        each(jobs, &points, &|point| {
            if names(&self.point(point)?) != names(&first) {
                let text = format!(
                    "point {point} has other stacks than point 1: a sweep compares the same ones everywhere"
                );
                return Err(Refusal::Usage(text).into());
            }
            Ok(())
        })?;
        Ok(first)
    }
}

/// Refuses stacks that are not offered the same messages: setting them beside each other would name a winner.
///
/// # Errors
/// When they drain different streams.
pub(crate) fn alike(scenario: &Scenario) -> Result<()> {
    if scenario.drains_alike() {
        return Ok(());
    }
    let text = "the stacks drain different streams, so they are not offered the same messages: remove stacks.NAME.streams";
    Err(Refusal::Usage(text.into()).into())
}

/// The overrides that bring the mean rate of all phases to `load`: messages per second, or with an `x` behind it a
/// multiple of what it is. Every rate is multiplied alike, those of streams with phases of their own too, so the load
/// keeps its shape.
fn scaled(loads: &[(Option<&MessageStream>, &[Phase])], load: &str) -> Result<Vec<String>, String> {
    let (number, times) = match number(load) {
        Some((number, "")) if number > 0.0 => (number, false),
        Some((number, "x")) if number > 0.0 => (number, true),
        _ => {
            return Err(format!(
                "load {load} is neither a rate nor a factor; write messages per second above 0, e.g. 100, or e.g. 0.5x"
            ));
        }
    };
    let rates = |phases: &[Phase]| -> Result<Vec<(Rate, f64, f64)>, String> {
        phases
            .iter()
            .map(|phase| rate(phase).map(|(rate, messages, length)| (*rate, messages, length)))
            .collect()
    };
    let of_loads = loads.iter().map(|(_, phases)| rates(phases)).collect::<Result<Vec<_>, String>>()?;
    let messages: f64 = of_loads.iter().flatten().map(|rate| rate.1).sum();
    // All loads begin with the run, and it lasts as long as the longest.
    let length = of_loads.iter().map(|rates| rates.iter().map(|rate| rate.2).sum()).fold(0.0, f64::max);
    if messages <= 0.0 {
        return Err("load cannot be scaled: the scenario sends no message; raise a rate".into());
    }
    let factor = if times { number } else { number * length / messages };
    let mut all = Vec::new();
    for ((stream, phases), rates) in loads.iter().zip(&of_loads) {
        let before = stream.map_or_else(String::new, |stream| format!("streams.{}.", stream.name));
        for (index, ((rate, ..), phase)) in rates.iter().zip(*phases).enumerate() {
            // Names are unique; an index would be taken for a name if there is such a one.
            let plain =
                !phase.name.is_empty() && phase.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            let place = if plain { phase.name.clone() } else { index.to_string() };
            all.push(format!("{before}phases.{place}.rate={}", written(rate.times(factor))));
        }
    }
    Ok(all)
}

/// The rate of a phase, its messages and its seconds.
fn rate(phase: &Phase) -> Result<(&Rate, f64, f64), String> {
    let refused = |what: &str, instead: &str| {
        let name = &phase.name;
        Err(format!(
            "load cannot scale phase {name:?}, {what}: its shape would change; vary {instead} instead"
        ))
    };
    match &phase.arrivals {
        Arrivals::Even(rate) | Arrivals::Poisson(rate) => {
            let length = phase.duration.unwrap_or(0);
            Ok((rate, rate.messages(length), seconds(length)))
        }
        Arrivals::Batches(_) => refused(
            "which sends batches of whole messages",
            &format!("phases.{0}.size or phases.{0}.gap", phase.name),
        ),
        Arrivals::Trace(_) => {
            refused("which replays a file of counts", &format!("phases.{}.file", phase.name))
        }
    }
}

/// A rate as it is written after `--set`.
fn written(rate: Rate) -> String {
    match rate {
        Rate::Constant(rate) => rate.to_string(),
        Rate::Ramp { from, to } => format!("{{ from = {from}, to = {to} }}"),
        Rate::Sine { mean, amplitude, period } => {
            format!("{{ mean = {mean}, amplitude = {amplitude}, period = \"{period}ns\" }}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::SECOND;

    fn phase(name: &str, seconds: u64, rate: Rate) -> Phase {
        Phase { name: name.into(), duration: Some(seconds * SECOND), arrivals: Arrivals::Poisson(rate) }
    }

    #[test]
    fn load_scales_all_rates_alike() {
        let phases = [
            phase("calm", 30, Rate::Constant(10.0)),
            phase("a rise", 10, Rate::Ramp { from: 10.0, to: 50.0 }),
            phase("wave", 60, Rate::Sine { mean: 5.0, amplitude: 2.0, period: 60 * SECOND }),
        ];
        // 300 + 300 + 300 messages in 100 s are 9 a second.
        let doubled = [
            "phases.calm.rate=20",
            "phases.1.rate={ from = 20, to = 100 }",
            "phases.wave.rate={ mean = 10, amplitude = 4, period = \"60000000000ns\" }",
        ];
        let loads = [(None, phases.as_slice())];
        assert_eq!(scaled(&loads, "2x").unwrap(), doubled);
        let scaled_to = scaled(&loads, "18").unwrap();
        assert_eq!(scaled_to[0], doubled[0]);
        assert!(scaled_to[1].starts_with("phases.1.rate={ from = "), "{scaled_to:?}");
        for wrong in ["0", "-1", "fast", "2y", "0x"] {
            assert!(scaled(&loads, wrong).unwrap_err().contains("messages per second"), "{wrong}");
        }
    }

    #[test]
    fn streams_with_phases_of_their_own_are_scaled_too() {
        let (common, own) =
            ([phase("calm", 100, Rate::Constant(10.0))], vec![phase("own", 50, Rate::Constant(4.0))]);
        let message = model::scenario::Message::default();
        let load = model::scenario::Load::Phases(own.clone());
        let jobs = MessageStream { name: "jobs".into(), load, message };
        // 1,000 and 200 messages in 100 s are 12 a second.
        let loads = [(None, common.as_slice()), (Some(&jobs), own.as_slice())];
        let scaled = scaled(&loads, "24").unwrap();
        assert_eq!(scaled, ["phases.calm.rate=20", "streams.jobs.phases.own.rate=8"]);
    }

    #[test]
    fn the_last_key_changes_fastest() {
        let varied = |key: &str, values: &[&str]| Varied {
            key: key.into(),
            values: values.iter().map(|v| (*v).into()).collect(),
        };
        let grid = Grid {
            source: Source { path: String::new(), text: String::new() },
            folder: PathBuf::new(),
            overrides: Vec::new(),
            seed: None,
            varied: vec![varied("a", &["1", "2"]), varied("b", &["x", "y", "z"])],
            traces: Mutex::default(),
        };
        assert_eq!(grid.len(), 6);
        let all: Vec<String> = (1..=6).map(|point| grid.values(point).concat()).collect();
        assert_eq!(all, ["1x", "1y", "1z", "2x", "2y", "2z"]);
    }
}
