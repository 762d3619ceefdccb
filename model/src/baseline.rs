//! A baseline: what a check needs of a run, as one small file that can live in git.
//!
//! Goals: a run and the file made of it lead to the same verdict, so a check sees nothing but baselines; small for
//! long runs, too; a file that was cut off, changed or is something else says so by name.
//! Non-goals: numbers that a check cannot use, and computing metrics (whoever judges passes them in).
//!
//! Latency is kept in the windows of a check, in bins eight times as wide as a run's: half a percent.

use crate::record::Ledger;
use crate::run::{Run, text_hash};
use crate::series::metric;
use crate::time::{Nanos, SECOND};
use crate::windows::{Stage, Windows, bin_of, highest_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

/// Version of the file's format.
pub const SCHEMA: u32 = 1;

/// Shortest window of a check.
const SHORTEST: Nanos = 30 * SECOND;

/// Most windows of a check.
const MOST: u64 = 60;

/// Bins of a run in one bin of a baseline, as a power of two.
const COARSER: usize = 3;

/// First line of the file: by it a file is known to be one of ours, whatever became of the rest.
const ABOUT: &str = "Baseline of versus: made by `versus baseline`, read by `versus check`";

/// What a check needs of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Baseline {
    /// Title of the scenario.
    pub title: String,
    /// SHA-256 of the scenario's text.
    pub scenario_hash: String,
    /// Hash of the plan.
    pub plan_hash: String,
    /// Seed in force.
    pub seed: u64,
    /// Version of the tool that made the run.
    pub tool_version: String,
    /// `sim`, `local` or `aws`.
    pub target: String,
    /// AWS region.
    pub region: String,
    /// Messages in the plan.
    pub planned: u64,
    /// Left out of everything below but the ledger.
    pub warmup: Nanos,
    /// End of the last phase.
    pub load_end: Nanos,
    /// Why nothing may be concluded from the run; empty for valid runs.
    pub objections: Vec<String>,
    /// Start of the first window.
    pub from: Nanos,
    /// Width of a window; the last may be wider.
    pub width: Nanos,
    /// The stacks.
    pub stacks: Vec<Stack>,
}

/// A stack of a baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Stack {
    /// Name.
    pub name: String,
    /// `ecs` or `lambda`.
    pub platform: String,
    /// Its configuration in one line.
    pub configuration: String,
    /// Accounts of all planned messages.
    pub ledger: Ledger,
    /// Values of metrics by name.
    pub metrics: BTreeMap<String, f64>,
    /// Latency from warm-up to the end of the load, window by window.
    #[serde(with = "packed")]
    pub windows: Vec<Window>,
}

/// The messages that were planned in one window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// `(bin, messages)` by latency, ascending; [`edges`] has the latencies of a bin.
    pub bins: Vec<(u32, u64)>,
    /// Messages that were not finished.
    pub unfinished: u64,
}

impl Window {
    /// Messages, the unfinished included.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.unfinished + self.bins.iter().map(|bin| bin.1).sum::<u64>()
    }
}

/// The bin of a latency in microseconds.
#[must_use]
pub fn bin(micros: u64) -> u32 {
    (bin_of(micros.min(LONGEST)) >> COARSER) as u32
}

/// A year: far beyond what a run holds, and a bin number that fits.
const LONGEST: u64 = 1 << 45;

/// Where a bin begins and ends, in microseconds.
#[must_use]
pub fn edges(bin: u32) -> (f64, f64) {
    let first = (bin as usize) << COARSER;
    let below = first.checked_sub(1).map_or(0, |last| highest_of(last) + 1);
    (below as f64, (highest_of(first + (1 << COARSER) - 1) + 1) as f64)
}

impl Baseline {
    /// What a check needs of `run`; `metrics` and `objections` are those of whoever judges runs, stack by stack.
    #[must_use]
    pub fn of(run: &Run, metrics: Vec<BTreeMap<String, f64>>, objections: Vec<String>) -> Self {
        let manifest = &run.manifest;
        let layout = Layout::of(manifest.window.max(1), manifest.warmup, manifest.load_end);
        let mut metrics = metrics.into_iter();
        let stacks = manifest.stacks.iter().zip(&run.stacks).map(|(entry, stack)| {
            let mut windows = layout.windows(&stack.windows);
            let sent = stack.series(metric::SENT).map_or(&[][..], |series| &series.points);
            layout.add_unfinished(&mut windows, sent, entry.ledger);
            Stack {
                name: entry.name.clone(),
                platform: entry.platform.clone(),
                configuration: entry.configuration.clone(),
                ledger: entry.ledger,
                metrics: metrics.next().unwrap_or_default().into_iter().filter_map(plain).collect(),
                windows,
            }
        });
        Self {
            title: manifest.title.clone(),
            scenario_hash: manifest.scenario_hash.clone(),
            plan_hash: manifest.plan_hash.clone(),
            seed: manifest.seed,
            tool_version: manifest.tool_version.clone(),
            target: manifest.target.clone(),
            region: manifest.region.clone(),
            planned: manifest.planned,
            warmup: manifest.warmup,
            load_end: manifest.load_end,
            objections,
            from: layout.from,
            width: layout.width,
            stacks: stacks.collect(),
        }
    }

    /// The stack of that name.
    #[must_use]
    pub fn stack(&self, name: &str) -> Option<&Stack> {
        self.stacks.iter().find(|stack| stack.name == name)
    }

    /// The same with all latencies `factor` times as long: what a check must notice.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let mut scaled = self.clone();
        for window in scaled.stacks.iter_mut().flat_map(|stack| &mut stack.windows) {
            let mut bins: BTreeMap<u32, u64> = BTreeMap::new();
            for (from, count) in &window.bins {
                let (low, high) = edges(*from);
                *bins.entry(bin((f64::midpoint(low, high) * factor) as u64)).or_default() += count;
            }
            window.bins = bins.into_iter().collect();
        }
        scaled
    }
}

/// Twelve digits: as many as every reader of JSON returns to the bit.
fn plain((name, value): (String, f64)) -> Option<(String, f64)> {
    let value: f64 = format!("{value:.11e}").parse().ok()?;
    value.is_finite().then_some((name, value))
}

/// The windows of a check.
struct Layout {
    from: Nanos,
    width: Nanos,
    count: usize,
}

impl Layout {
    fn of(recorded: Nanos, warmup: Nanos, load_end: Nanos) -> Self {
        let from = warmup.div_ceil(recorded).saturating_mul(recorded);
        let length = load_end.saturating_sub(from);
        let width = SHORTEST.max(length.div_ceil(MOST)).div_ceil(recorded).saturating_mul(recorded);
        let count = (length / width).max(u64::from(length > 0)) as usize;
        Self { from, width, count }
    }

    /// The window of an instant. The last one takes what is too short for one of its own.
    fn index(&self, at: Nanos) -> Option<usize> {
        let index = at.checked_sub(self.from)? / self.width;
        self.count.checked_sub(1).map(|last| (index as usize).min(last))
    }

    fn windows(&self, recorded: &Windows) -> Vec<Window> {
        let mut bins = vec![BTreeMap::<u32, u64>::new(); self.count];
        for histogram in recorded.histograms.iter().filter(|window| window.stage == Stage::Latency) {
            let Some(index) = self.index(histogram.start) else { continue };
            for (bin, count) in histogram.counts.bins() {
                *bins[index].entry((bin >> COARSER) as u32).or_default() += count;
            }
        }
        bins.into_iter().map(|bins| Window { bins: bins.into_iter().collect(), unfinished: 0 }).collect()
    }

    /// What was sent in a window and has no latency was not finished. A message that was sent late counts in the wrong
    /// window, so there are never more than the ledger has; those that no window misses were sent in the last.
    fn add_unfinished(&self, windows: &mut [Window], sent: &[(Nanos, f64)], ledger: Ledger) {
        let mut missing = ledger.planned.saturating_sub(ledger.done());
        if missing == 0 {
            return;
        }
        let mut offered = vec![0.0; self.count];
        let mut before = 0.0;
        for (at, count) in sent {
            match self.index(*at) {
                Some(index) => offered[index] += count,
                None => before += count,
            }
        }
        for (window, offered) in windows.iter_mut().zip(&offered) {
            window.unfinished = (*offered as u64).saturating_sub(window.messages()).min(missing);
            missing -= window.unfinished;
        }
        // Those of the warm-up count as little as its latencies; but what has no place must not get lost.
        if let Some(last) = windows.last_mut() {
            last.unfinished += missing.saturating_sub(before as u64);
        }
    }
}

/// Why a file is no baseline.
#[derive(Debug)]
pub enum Unreadable {
    /// There is no such file.
    Missing,
    /// It has no content.
    Empty,
    /// It is something else.
    Foreign,
    /// It was cut off or changed.
    Damaged,
    /// A newer version of the tool wrote it: its schema.
    Newer(u32),
    /// It cannot be read.
    Unopened(io::Error),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "there is no such baseline"),
            Self::Empty => write!(f, "the file is empty"),
            Self::Foreign => write!(f, "not a baseline of versus"),
            Self::Damaged => write!(f, "the baseline was cut off or changed since it was written"),
            Self::Newer(schema) => write!(
                f,
                "the baseline was written by a newer versus (schema {schema}, this one reads {SCHEMA}): update versus"
            ),
            Self::Unopened(error) => write!(f, "the baseline cannot be read: {error}"),
        }
    }
}

impl std::error::Error for Unreadable {}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    about: String,
    schema: u32,
    baseline: Baseline,
}

/// Where the sum of what comes before it begins.
const SUM: &str = ",\n  \"sha256\": \"";

/// The file's text.
#[must_use]
pub fn text(baseline: &Baseline) -> String {
    let file = File { about: ABOUT.into(), schema: SCHEMA, baseline: baseline.clone() };
    let json = serde_json::to_string_pretty(&file).expect("no map has keys that are not text");
    let body = json.strip_suffix("\n}").unwrap_or(&json);
    format!("{body}{SUM}{}\"\n}}\n", text_hash(body))
}

/// The baseline of a file's text.
///
/// # Errors
/// Says why it is none.
pub fn parse(text: &str) -> Result<Baseline, Unreadable> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
    }
    if text.trim().is_empty() {
        return Err(Unreadable::Empty);
    }
    if !text.get(..200.min(text.len())).unwrap_or(text).contains("Baseline of versus") {
        return Err(Unreadable::Foreign);
    }
    // A checkout may have changed the line ends.
    let text = text.replace('\r', "");
    let Version { schema } = serde_json::from_str(&text).map_err(|_| Unreadable::Damaged)?;
    if schema > SCHEMA {
        return Err(Unreadable::Newer(schema));
    }
    let (body, sum) = text.rsplit_once(SUM).ok_or(Unreadable::Damaged)?;
    if !sum.starts_with(&text_hash(body)) {
        return Err(Unreadable::Damaged);
    }
    let file: File = serde_json::from_str(&text).map_err(|_| Unreadable::Damaged)?;
    let alike = |stack: &Stack| stack.windows.len() == file.baseline.stacks[0].windows.len();
    if !file.baseline.stacks.iter().all(alike) {
        return Err(Unreadable::Damaged);
    }
    Ok(file.baseline)
}

/// Writes a baseline.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, baseline: &Baseline) -> io::Result<()> {
    fs::write(path, text(baseline))
}

/// Reads a baseline.
///
/// # Errors
/// Says why the file is none.
pub fn read(path: &Path) -> Result<Baseline, Unreadable> {
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unreadable::Missing,
        _ => Unreadable::Unopened(error),
    })?;
    parse(std::str::from_utf8(&bytes).map_err(|_| Unreadable::Foreign)?)
}

/// Windows in a line of text: numbers as LEB128, those of one kind after another, deflated, in base64.
mod packed {
    use super::{Read, Window, Write};
    use base64::{Engine, engine::general_purpose::STANDARD};
    use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _, ser::Error as _};

    /// Bins of a stack are a few hundred thousand at most: what claims more is no baseline.
    const LARGEST: u64 = 64 << 20;

    pub(super) fn serialize<S: Serializer>(windows: &[Window], to: S) -> Result<S::Ok, S::Error> {
        let mut numbers = vec![windows.len() as u64];
        numbers.extend(windows.iter().flat_map(|window| [window.bins.len() as u64, window.unfinished]));
        for window in windows {
            let mut last = 0;
            for (bin, _) in &window.bins {
                numbers.push(u64::from(bin - last));
                last = *bin;
            }
        }
        numbers.extend(windows.iter().flat_map(|window| window.bins.iter().map(|bin| bin.1)));
        let mut bytes = Vec::new();
        numbers.into_iter().for_each(|number| crate::windows::pack(&mut bytes, number));
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes).map_err(S::Error::custom)?;
        to.serialize_str(&STANDARD.encode(encoder.finish().map_err(S::Error::custom)?))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Window>, D::Error> {
        let text = String::deserialize(from)?;
        let deflated = STANDARD.decode(text).map_err(D::Error::custom)?;
        let mut bytes = Vec::new();
        DeflateDecoder::new(deflated.as_slice())
            .take(LARGEST)
            .read_to_end(&mut bytes)
            .map_err(D::Error::custom)?;
        windows(&bytes).ok_or_else(|| D::Error::custom("the windows are damaged"))
    }

    fn windows(mut bytes: &[u8]) -> Option<Vec<Window>> {
        let mut next = || crate::windows::unpack(&mut bytes);
        let count = next()?;
        let mut lengths = Vec::new();
        let mut windows = Vec::new();
        for _ in 0..count {
            lengths.push(next()?);
            windows.push(Window { bins: Vec::new(), unfinished: next()? });
        }
        for (window, length) in windows.iter_mut().zip(lengths) {
            let mut bin = 0_u32;
            for _ in 0..length {
                bin = bin
                    .checked_add(u32::try_from(next()?).ok()?)
                    .filter(|bin| *bin <= super::bin(u64::MAX))?;
                window.bins.push((bin, 0));
            }
        }
        for bin in windows.iter_mut().flat_map(|window| &mut window.bins) {
            // More than a run can have would overflow sums.
            bin.1 = next().filter(|count| *count < 1 << 40)?;
        }
        Some(windows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Sampler, Stream};
    use crate::time::{MILLISECOND, MINUTE};
    use crate::windows::{Recorder, Spans};

    /// A stack with `messages` in each of 60 windows.
    fn stack(name: &str, messages: u64) -> Stack {
        let latency = Sampler::lognormal(80 * MILLISECOND, 400 * MILLISECOND);
        let mut stream = Stream::new(1, name);
        let mut window = || {
            let mut bins = BTreeMap::new();
            for _ in 0..messages {
                *bins.entry(bin(latency.draw(&mut stream) / 1_000)).or_default() += 1;
            }
            Window { bins: bins.into_iter().collect(), unfinished: 3 }
        };
        Stack {
            name: name.into(),
            platform: "ecs".into(),
            configuration: "2 tasks".into(),
            ledger: Ledger { planned: 60 * messages, ..Ledger::default() },
            metrics: BTreeMap::from([("cost-per-million".into(), 0.123_456_789_012)]),
            windows: (0..60).map(|_| window()).collect(),
        }
    }

    fn baseline(messages: u64) -> Baseline {
        Baseline {
            title: "Made up".into(),
            scenario_hash: "5f".into(),
            plan_hash: "3a".into(),
            seed: u64::MAX,
            tool_version: "0.1.0".into(),
            target: "sim".into(),
            region: "us-east-1".into(),
            planned: 60 * messages,
            warmup: MINUTE,
            load_end: 31 * MINUTE,
            objections: vec![],
            from: MINUTE,
            width: 30 * SECOND,
            stacks: vec![stack("ecs", messages), stack("lambda", messages)],
        }
    }

    #[test]
    fn reading_a_baseline_gives_what_was_written() {
        let baseline = baseline(50);
        let written = text(&baseline);
        assert_eq!(parse(&written).unwrap(), baseline);
        assert_eq!(parse(&written.replace('\n', "\r\n")).unwrap(), baseline, "a checkout on Windows");
        assert_eq!(text(&baseline), written, "the same bytes each time");
    }

    #[test]
    fn ten_million_messages_take_less_than_200_kb() {
        let size = text(&baseline(10_000_000 / 60)).len();
        assert!(size < 200_000, "{size}");
    }

    #[test]
    fn what_is_no_baseline_says_why() {
        let whole = text(&baseline(50));
        for length in (200..whole.len() - 2).step_by(97) {
            assert!(matches!(parse(&whole[..length]), Err(Unreadable::Damaged)), "cut at {length}");
        }
        let changed = whole.replacen("us-east-1", "eu-west-1", 1);
        assert!(matches!(parse(&changed), Err(Unreadable::Damaged)));
        assert!(matches!(parse(" \n"), Err(Unreadable::Empty)));
        assert!(matches!(parse("{\"schema\": 1}"), Err(Unreadable::Foreign)));
        let newer = whole.replacen("\"schema\": 1", "\"schema\": 7", 1);
        let error = parse(&newer).unwrap_err();
        assert!(matches!(error, Unreadable::Newer(7)) && error.to_string().contains("schema 7"));
        assert!(matches!(read(Path::new("no such file")), Err(Unreadable::Missing)));
    }

    #[test]
    fn a_bin_holds_its_latencies() {
        for micros in [0, 1, 7, 8, 1_023, 1_024, 2_047, 2_048, 79_999, 1_234_567, 1 << 40] {
            let (low, high) = edges(bin(micros));
            assert!(low <= micros as f64 && (micros as f64) < high, "{micros}: {low} to {high}");
            assert!(micros < 2_048 || high / low <= 1.0 + 1.0 / 128.0, "{micros}: {low} to {high}");
        }
        assert!(edges(bin(u64::MAX)).1 > 1e13);
    }

    #[test]
    fn windows_are_merged_from_warm_up_to_the_end_of_the_load() {
        let mut recorder = Recorder::new(5 * SECOND);
        for second in 0..100 {
            let number = recorder.planned(second * SECOND);
            let latency = second * SECOND;
            recorder
                .completed(number, &Spans { latency, queue: 0, start: 0, work: latency, acknowledge: None });
        }
        let recorded = recorder.finish();
        let layout = Layout::of(5 * SECOND, 8 * SECOND, 100 * SECOND);
        assert_eq!((layout.from, layout.width, layout.count), (10 * SECOND, 30 * SECOND, 3));
        let windows = layout.windows(&recorded);
        assert_eq!(windows.iter().map(Window::messages).collect::<Vec<_>>(), [30, 30, 30]);
        let long = Layout::of(5 * SECOND, 0, 24 * 60 * MINUTE);
        assert_eq!((long.width, long.count), (24 * MINUTE, 60));
        let rest = Layout::of(5 * SECOND, 0, 100 * SECOND);
        assert_eq!((rest.count, rest.index(99 * SECOND)), (3, Some(2)), "the rest joins the last");
        assert_eq!(Layout::of(5 * SECOND, MINUTE, MINUTE).count, 0);
    }

    #[test]
    fn unfinished_messages_are_where_none_was_completed() {
        let layout = Layout { from: 10, width: 10, count: 3 };
        let full = || Window { bins: vec![(5, 4)], unfinished: 0 };
        let add = |planned, sent: &[(Nanos, f64)]| {
            let mut windows = [full(), full(), full()];
            layout.add_unfinished(&mut windows, sent, Ledger { planned, completed: 14, ..Ledger::default() });
            windows.map(|window| window.unfinished)
        };
        assert_eq!(add(14, &[(10, 5.0)]), [0, 0, 0], "the ledger has the last word");
        assert_eq!(add(19, &[(0, 3.0), (10, 4.0), (20, 9.0), (30, 4.0)]), [0, 5, 0]);
        assert_eq!(add(17, &[(0, 5.0), (10, 4.0), (20, 4.0), (30, 4.0)]), [0, 0, 0], "of the warm-up");
        assert_eq!(add(17, &[]), [0, 0, 3], "nobody knows where");
    }
}
