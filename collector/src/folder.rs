//! The folder of a run that is going on: what stands beside the journals of its stacks.
//!
//! Goals: files that are replaced are replaced at once, so that whoever is killed leaves the old or the new one.
//! Non-goals: the files of a finished run (`model::run`).

use anyhow::{Context, Result};
use model::journal;
use model::run::Manifest;
use model::scenario::{Scenario, parse};
use model::time::Nanos;
use model::usage::Usage;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

const STATE: &str = "journal.json";
const TRACES: &str = "traces.json";

/// `journal.json`: the start on the wall clock, and how far the run has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct State {
    /// Start of the run: UTC nanoseconds.
    pub(crate) started_ns: u64,
    /// When each stack was idle again.
    pub(crate) ends: Vec<Option<Nanos>>,
    /// Whether the run ended by itself.
    pub(crate) complete: bool,
    /// What was heard of each stack in all.
    #[serde(default)]
    pub(crate) heard: Vec<Heard>,
    /// What measuring cost.
    #[serde(default)]
    pub(crate) measurement: Usage,
}

/// What the sources of a stack said in all, and whether they could be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Heard {
    /// The queue said for long enough that it was empty.
    pub(crate) emptied: bool,
    /// Messages that were in the dead-letter queue before the run.
    pub(crate) dead_letters_before: Option<u64>,
    /// Messages that came into it.
    pub(crate) dead_letters: Option<u64>,
    /// Reports of invocations in the log.
    pub(crate) reports: Option<u64>,
    /// Invocations that CloudWatch counted.
    pub(crate) invocations: Option<u64>,
    /// Sources that could not be asked in the end, and why.
    pub(crate) trouble: Vec<String>,
    /// What the bill takes for granted because nobody told.
    #[serde(default)]
    pub(crate) assumed: Vec<String>,
    /// Invocations that were refused, as far as CloudWatch told.
    #[serde(default)]
    pub(crate) refused: Option<Refused>,
}

/// Invocations of a function that were refused, and what tells whose limit it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Refused {
    pub(crate) invocations: u64,
    /// The function's own reserve.
    pub(crate) reserved: Option<u64>,
    /// What the account leaves to all functions without one.
    pub(crate) unreserved: Option<u64>,
    /// The most of that in use at once.
    pub(crate) in_use: Option<u64>,
}

impl State {
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        read_json(&folder.join(STATE))
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        replace(&folder.join(STATE), &serde_json::to_vec_pretty(self)?)
    }
}

/// The journal of a stack.
pub(crate) fn journal(folder: &Path, stack: &str) -> PathBuf {
    folder.join(stack).join(journal::FOLDER)
}

/// Whether the folder holds what a run is joined from.
pub(crate) fn has_journal(folder: &Path) -> bool {
    folder.join(STATE).exists()
}

/// Waits for others that join this folder; they wait until the answer is dropped.
pub(crate) fn lock(folder: &Path) -> Result<File> {
    let file = File::open(folder).with_context(|| format!("opening {}", folder.display()))?;
    journal::lock(&file);
    Ok(file)
}

/// Takes away what a complete run no longer needs.
pub(crate) fn remove_journal(folder: &Path, manifest: &Manifest) -> Result<()> {
    let remove = || -> io::Result<()> {
        for entry in &manifest.stacks {
            absent_is_fine(fs::remove_dir_all(journal(folder, &entry.name)))?;
        }
        crate::seeders::remove_claims(folder)?;
        absent_is_fine(fs::remove_file(folder.join(TRACES)))?;
        absent_is_fine(fs::remove_file(folder.join(STATE)))
    };
    remove().with_context(|| format!("removing the journal of {}", folder.display()))
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    absent_is_fine(fs::remove_file(path)).with_context(|| format!("removing {}", path.display()))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// The scenario of a manifest, with the traces that it names; these are kept beside it, for they may change.
pub(crate) fn keep_traces(folder: &Path, manifest: &Manifest) -> Result<Scenario> {
    let beside = Path::new(&manifest.scenario_path).parent().unwrap_or(Path::new(""));
    let mut traces = BTreeMap::new();
    let scenario = scenario(manifest, &mut |name| {
        let text = fs::read_to_string(beside.join(name))?;
        traces.insert(name.to_owned(), text.clone());
        Ok(text)
    })?;
    if !traces.is_empty() {
        replace(&folder.join(TRACES), &serde_json::to_vec(&traces)?)?;
    }
    Ok(scenario)
}

/// The scenario of a manifest, with the traces that were kept.
pub(crate) fn replay(folder: &Path, manifest: &Manifest) -> Result<Scenario> {
    let path = folder.join(TRACES);
    let traces: BTreeMap<String, String> = if path.exists() { read_json(&path)? } else { BTreeMap::new() };
    scenario(manifest, &mut |name| traces.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into()))
}

fn scenario(manifest: &Manifest, read_trace: &mut dyn FnMut(&str) -> io::Result<String>) -> Result<Scenario> {
    parse(&manifest.scenario_path, &manifest.scenario, &manifest.overrides, Some(manifest.seed), read_trace)
        .context("the scenario of the run cannot be read; was it begun by another version of versus?")
}

/// Reads a file of JSON.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    serde_json::from_reader(io::BufReader::new(file))
        .with_context(|| format!("{} is damaged", path.display()))
}

/// Writes a file beside its place, then puts it there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .with_context(|| format!("writing {}", path.display()))
}
