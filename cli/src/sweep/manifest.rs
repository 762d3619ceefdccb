//! `sweep.json`: what a sweep's rows are of.
//!
//! Goals: a folder goes on only with the sweep that began it, and parts are joined only if they are of one sweep.
//! Non-goals: what does not change a row: jobs, the command line, where the scenario lay.

use super::rows::replace;
use anyhow::{Context, Result, bail};
use report::sweep::{Row, Sweep, Varied};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Its name in the folder of a sweep.
const NAME: &str = "sweep.json";

/// What a sweep's rows are a function of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) about: String,
    pub(crate) tool_version: String,
    pub(crate) title: String,
    /// Name of the scenario file.
    pub(crate) scenario_file: String,
    pub(crate) scenario_hash: String,
    /// Trace files and their hashes.
    pub(crate) traces: BTreeMap<String, String>,
    pub(crate) overrides: Vec<String>,
    pub(crate) seed: u64,
    pub(crate) varied: Vec<Varied>,
    pub(crate) stacks: Vec<String>,
    pub(crate) points: usize,
    /// Which part of the points, e.g. `1/3`; absent if it is all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) shard: Option<String>,
    /// The scenario's text.
    pub(crate) scenario: String,
}

impl Manifest {
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("{} is no sweep: reading {}", folder.display(), path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} was not written by this versus", path.display()))
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("writing JSON")? + "\n";
        replace(&folder.join(NAME), &text)
    }

    /// Refuses what is not of the same sweep; `place` has `self`.
    pub(crate) fn must_equal(&self, other: &Self, place: &Path) -> Result<()> {
        let differing = [
            ("version of versus", self.tool_version != other.tool_version),
            (
                "scenario",
                self.scenario_hash != other.scenario_hash || self.scenario_file != other.scenario_file,
            ),
            ("trace", self.traces != other.traces),
            ("--set", self.overrides != other.overrides),
            ("seed", self.seed != other.seed),
            ("--vary", self.varied != other.varied),
            ("stacks", self.stacks != other.stacks),
            ("shard", self.shard != other.shard),
        ];
        let differing: Vec<&str> =
            differing.iter().filter(|(_, differs)| *differs).map(|(what, _)| *what).collect();
        if differing.is_empty() && self == other {
            return Ok(());
        }
        let what = if differing.is_empty() { "manifest".into() } else { differing.join(", ") };
        bail!(
            "{} holds another sweep: it differs in {what}; give the arguments that began it, or another folder",
            place.display()
        )
    }

    /// What the report judges: this with all of its rows.
    pub(crate) fn sweep<'a>(&'a self, rows: &'a [Row]) -> Sweep<'a> {
        Sweep { title: &self.title, seed: self.seed, varied: &self.varied, rows }
    }
}
