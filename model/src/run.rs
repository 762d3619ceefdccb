//! A run: what one scenario did to every stack, and the directory that holds it.
//!
//! Goals: the one type between producers (simulator, local processes, AWS) and judges (report, compare, check);
//! versioned; reading a run gives what was written.
//! Non-goals: knowing how a run was produced, and any number that can be derived from its files.

use crate::breakdown::Breakdown;
use crate::record::Ledger;
use crate::sample::Sample;
use crate::scenario::Belief;
use crate::series::{self, Series};
use crate::streams::{self, StreamRun};
use crate::time::Nanos;
use crate::usage::Usage;
use crate::windows::Windows;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

/// Version of the run directory's format. A reader refuses any other.
pub const SCHEMA: u32 = 2;

/// A run in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// `run.json`.
    pub manifest: Manifest,
    /// One entry per stack, in the order of the manifest.
    pub stacks: Vec<StackRun>,
}

/// What one stack did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StackRun {
    /// `series.csv`.
    pub series: Vec<Series>,
    /// `latency.hlog`.
    pub windows: Windows,
    /// `stages.csv`.
    pub breakdown: Breakdown,
    /// `sample.csv`.
    pub sample: Sample,
    /// `usage.json`.
    pub usage: Usage,
    /// `activities.csv`.
    pub activities: Vec<Activity>,
    /// `streams.json` and `streams.hlog`; empty if all messages are of one kind.
    pub streams: Vec<StreamRun>,
}

impl StackRun {
    /// The series of a metric, if the run has it.
    #[must_use]
    pub fn series(&self, metric: &str) -> Option<&Series> {
        self.series.iter().find(|s| s.metric == metric)
    }
}

/// `run.json`: the whole cause of a run, and its accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// Says what the file is, for people: a simulated run says so here.
    pub about: String,
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// Version of the tool that wrote it.
    pub tool_version: String,
    /// `sim`, `local` or `aws`.
    pub target: String,
    /// Scenario title.
    pub title: String,
    /// The scenario's `analysis`.
    pub analysis: String,
    /// Where the scenario was read from.
    pub scenario_path: String,
    /// SHA-256 of the scenario text, hexadecimal.
    pub scenario_hash: String,
    /// The scenario file as it was.
    pub scenario: String,
    /// `--set` overrides, in order.
    pub overrides: Vec<String>,
    /// Seed in force.
    pub seed: u64,
    /// Position among repeats, from 1, and their number.
    pub repeat: (u32, u32),
    /// Command line.
    pub command: Vec<String>,
    /// Wall-clock start of a measured run, UTC; a simulation has none.
    pub started_utc: Option<String>,
    /// AWS region: selects the price list.
    pub region: String,
    /// Excluded from summaries.
    pub warmup: Nanos,
    /// Window of latency histograms and series.
    pub window: Nanos,
    /// Phases with the instants they began and ended at.
    pub phases: Vec<PhaseSpan>,
    /// End of the last phase.
    pub load_end: Nanos,
    /// Messages in the plan.
    pub planned: u64,
    /// Hash of the plan, hexadecimal: equal hashes mean the same messages at the same intended instants.
    pub plan_hash: String,
    /// The stacks, the first being the reference.
    pub stacks: Vec<StackEntry>,
    /// Beliefs about AWS in force.
    pub parameters: Vec<Belief>,
    /// Validity checks; one that failed withholds every verdict.
    pub checks: Vec<Check>,
    /// False if the run was cut short.
    pub complete: bool,
    /// What measuring itself used, beside the stacks; a simulation uses nothing.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub measurement: Usage,
}

/// A phase on the run's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PhaseSpan {
    /// Name.
    pub name: String,
    /// First instant.
    pub from: Nanos,
    /// First instant after it.
    pub until: Nanos,
}

/// A stack in the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StackEntry {
    /// Name; also its folder.
    pub name: String,
    /// `ecs` or `lambda`.
    pub platform: String,
    /// Its configuration in one line, for people.
    pub configuration: String,
    /// Accounts of all planned messages.
    pub ledger: Ledger,
    /// When its queue was empty and its workers idle again, or the drain was given up.
    pub end: Nanos,
}

/// A named validity check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Check {
    /// What was checked, as a short claim.
    pub name: String,
    /// Whether the claim holds.
    pub passed: bool,
    /// Figures.
    pub detail: String,
}

/// Something that scaling, or the platform, did. `activities.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// When.
    pub at: Nanos,
    /// What kind.
    pub kind: ActivityKind,
    /// What and why, for people.
    pub detail: String,
}

/// Kinds of activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivityKind {
    /// An alarm changed state.
    Alarm,
    /// The desired count rose.
    ScaleOut,
    /// The desired count fell.
    ScaleIn,
    /// A Spot task was warned.
    Interruption,
    /// Invocations began to be refused.
    Throttling,
    /// Something went wrong as the scenario asked for.
    Fault,
    /// A new version is rolled out.
    Deployment,
}

/// The files of a stack that every run has.
const STACK_FILES: [&str; 6] =
    ["series.csv", "latency.hlog", "stages.csv", "sample.csv", "usage.json", "activities.csv"];

/// Those of a stack whose messages are of several kinds.
const STREAM_FILES: [&str; 2] = ["streams.json", "streams.hlog"];

/// SHA-256 of each of them, as `sha256sum --check` reads it: a file cut off at the end of a line looks whole.
const SUMS: &str = "SHA256SUMS";

/// Writes a run into `dir`, which must exist.
///
/// # Errors
/// Names the file that cannot be written.
pub fn write(dir: &Path, run: &Run) -> Result<()> {
    let mut sums = String::new();
    for (entry, stack) in run.manifest.stacks.iter().zip(&run.stacks) {
        let folder = dir.join(&entry.name);
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        write_file(&folder.join("series.csv"), |sink| series::write_csv(sink, &stack.series))?;
        write_file(&folder.join("latency.hlog"), |sink| stack.windows.write_hlog(sink))?;
        write_file(&folder.join("stages.csv"), |sink| stack.breakdown.write_csv(sink))?;
        write_file(&folder.join("sample.csv"), |sink| stack.sample.write_csv(sink))?;
        write_file(&folder.join("usage.json"), |sink| write_json(sink, &stack.usage))?;
        write_file(&folder.join("activities.csv"), |sink| write_activities(sink, &stack.activities))?;
        write_streams(&folder, &stack.streams, run.manifest.load_end)?;
        for file in
            STACK_FILES.into_iter().chain(STREAM_FILES.into_iter().filter(|_| !stack.streams.is_empty()))
        {
            let path = folder.join(file);
            let bytes = fs::read(&path).with_context(|| format!("reading back {}", path.display()))?;
            sums += &format!("{}  {}/{file}\n", hash(&bytes), entry.name);
        }
    }
    write_file(&dir.join(SUMS), |sink| Ok(sink.write_all(sums.as_bytes())?))?;
    // Last, so that a directory with a complete manifest is a whole run.
    write_manifest(dir, &run.manifest)
}

/// Writes `run.json` alone: a run that has begun.
///
/// # Errors
/// When it cannot be written.
pub fn write_manifest(dir: &Path, manifest: &Manifest) -> Result<()> {
    write_file(&dir.join("run.json"), |sink| write_json(sink, manifest))
}

/// Reads a run directory.
///
/// # Errors
/// When it is not a run, is of another schema, or a file is missing or damaged; names the file.
pub fn read(dir: &Path) -> Result<Run> {
    let manifest = read_manifest(dir)?;
    check_sums(dir, &manifest.stacks)?;
    let stacks = manifest
        .stacks
        .iter()
        .map(|entry| {
            let folder = dir.join(&entry.name);
            read_stack(&folder).with_context(|| format!("stack {} of {}", entry.name, dir.display()))
        })
        .collect::<Result<_>>()?;
    Ok(Run { manifest, stacks })
}

/// Reads `run.json` alone.
///
/// # Errors
/// When the directory is not a run, or is of another schema, or the file is damaged.
pub fn read_manifest(dir: &Path) -> Result<Manifest> {
    let path = dir.join("run.json");
    let text = fs::read_to_string(&path)
        .with_context(|| format!("{} is not a run directory: reading {}", dir.display(), path.display()))?;
    check_schema(&text).with_context(|| format!("{}", path.display()))?;
    let manifest: Manifest =
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
    for entry in &manifest.stacks {
        check_name(&entry.name).with_context(|| format!("{} is damaged", path.display()))?;
    }
    Ok(manifest)
}

/// SHA-256 of a text, hexadecimal.
#[must_use]
pub fn text_hash(text: &str) -> String {
    hash(text.as_bytes())
}

fn hash(bytes: &[u8]) -> String {
    use sha2::Digest;
    use std::fmt::Write;
    sha2::Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        // Writing into a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Compares the files of a run with their sums. A run that was cut short has none yet.
fn check_sums(dir: &Path, stacks: &[StackEntry]) -> Result<()> {
    let Ok(sums) = fs::read_to_string(dir.join(SUMS)) else { return Ok(()) };
    for stack in stacks {
        let streams = STREAM_FILES.into_iter().filter(|file| dir.join(&stack.name).join(file).exists());
        for file in STACK_FILES.into_iter().chain(streams) {
            let name = format!("{}/{file}", stack.name);
            let known = sums.lines().find_map(|line| line.strip_suffix(&name)?.strip_suffix("  "));
            let known = known.with_context(|| format!("{SUMS} is damaged: it has no line for {name}"))?;
            let path = dir.join(&name);
            let bytes = fs::read(&path).with_context(|| format!("opening {}", path.display()))?;
            if hash(&bytes) != known {
                bail!("{} is not what the run wrote: it was cut off or changed since", path.display());
            }
        }
    }
    Ok(())
}

/// A stack's name is also its folder: it must not lead elsewhere.
fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(plain) {
        bail!("{name:?} cannot be the name of a stack");
    }
    Ok(())
}

fn check_schema(text: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
    }
    let Version { schema } = serde_json::from_str(text).context("not a versus run manifest")?;
    if schema > SCHEMA {
        bail!("written by a newer versus (schema {schema}, this one reads {SCHEMA}): update versus");
    }
    if schema < SCHEMA {
        bail!(
            "written by an older versus (schema {schema}, this one reads {SCHEMA}): run the scenario again"
        );
    }
    Ok(())
}

fn read_stack(folder: &Path) -> Result<StackRun> {
    let open = |name: &str| {
        let path = folder.join(name);
        File::open(&path).map(BufReader::new).with_context(|| format!("opening {}", path.display()))
    };
    let hlog = folder.join("latency.hlog");
    let bytes = fs::read(&hlog).with_context(|| format!("opening {}", hlog.display()))?;
    Ok(StackRun {
        series: series::read_csv(open("series.csv")?)?,
        windows: Windows::read_hlog(&bytes)?,
        breakdown: Breakdown::read_csv(open("stages.csv")?)?,
        sample: Sample::read_csv(open("sample.csv")?)?,
        usage: serde_json::from_reader(open("usage.json")?).context("usage.json is damaged")?,
        activities: csv::Reader::from_reader(open("activities.csv")?)
            .into_deserialize()
            .collect::<Result<_, _>>()
            .context("activities.csv is damaged")?,
        streams: read_streams(folder)?,
    })
}

fn write_streams(folder: &Path, streams: &[StreamRun], length: Nanos) -> Result<()> {
    if streams.is_empty() {
        return Ok(());
    }
    let [json, hlog] = STREAM_FILES.map(|file| folder.join(file));
    write_file(&json, |sink| streams::write_json(sink, streams))?;
    write_file(&hlog, |sink| streams::write_hlog(sink, streams, length))
}

fn read_streams(folder: &Path) -> Result<Vec<StreamRun>> {
    let [json, hlog] = STREAM_FILES.map(|file| folder.join(file));
    if !json.exists() {
        return Ok(Vec::new());
    }
    let bytes = fs::read(&hlog).with_context(|| format!("opening {}", hlog.display()))?;
    let json = File::open(&json).with_context(|| format!("opening {}", json.display()))?;
    streams::read(BufReader::new(json), &bytes)
}

fn write_activities(sink: impl Write, activities: &[Activity]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(sink);
    for activity in activities {
        writer.serialize(activity)?;
    }
    Ok(writer.flush()?)
}

fn write_json(mut sink: impl Write, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer_pretty(&mut sink, value)?;
    Ok(writeln!(sink)?)
}

/// Writes beside the file, then puts it into its place: whoever is killed here leaves the old one or the new one.
fn write_file(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let result = (|| {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let mut sink = BufWriter::new(File::create(&beside)?);
        write(&mut sink)?;
        sink.flush()?;
        Ok(fs::rename(&beside, path)?)
    })();
    result.map_err(|error: anyhow::Error| error.context(format!("writing {}", path.display())))
}
