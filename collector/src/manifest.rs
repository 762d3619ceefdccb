//! The manifest of a run that is about to begin.

use model::plan::{Plan, PlanHash};
use model::record::Ledger;
use model::run::{Manifest, SCHEMA, StackEntry, text_hash};
use model::scenario::{Scenario, describe};
use model::usage::Usage;
use model::windows::Windows;

/// Where a run comes from: copied into its manifest.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// `local` or `aws`.
    pub target: String,
    /// Path of the scenario file.
    pub path: String,
    /// Its text.
    pub text: String,
    /// `--set` overrides.
    pub overrides: Vec<String>,
    /// Command line.
    pub command: Vec<String>,
    /// Position among repeats, from 1, and their number.
    pub repeat: (u32, u32),
    /// Version of the tool.
    pub tool_version: String,
    /// Wall-clock start, UTC.
    pub started_utc: String,
}

/// The manifest of a measured run of `scenario`: incomplete, without checks, all messages still to come.
#[must_use]
pub fn manifest(scenario: &Scenario, provenance: &Provenance) -> Manifest {
    let plan = Plan::new(scenario);
    let (spans, load_end) = (plan.spans().to_vec(), plan.load_end());
    let mut hash = PlanHash::default();
    plan.for_each(|arrival| hash.add(&arrival));
    let planned = hash.count();
    let entry = |stack: &model::scenario::Stack| StackEntry {
        name: stack.name.clone(),
        platform: stack.platform.name().into(),
        configuration: describe(stack),
        ledger: Ledger { planned, in_flight: planned, ..Ledger::default() },
        end: 0,
    };
    let local = provenance.target == "local";
    Manifest {
        about: if local {
            "Measured run of versus on one machine: real messages through a local SQS endpoint, real worker \
             processes. How capacity comes and scales follows the beliefs below."
        } else {
            "Measured run of versus."
        }
        .into(),
        schema: SCHEMA,
        tool_version: provenance.tool_version.clone(),
        target: provenance.target.clone(),
        title: scenario.title.clone(),
        analysis: scenario.analysis.clone(),
        scenario_path: provenance.path.clone(),
        scenario_hash: text_hash(&provenance.text),
        scenario: provenance.text.clone(),
        overrides: provenance.overrides.clone(),
        seed: scenario.seed,
        repeat: provenance.repeat,
        command: provenance.command.clone(),
        started_utc: Some(provenance.started_utc.clone()).filter(|text| !text.is_empty()),
        region: scenario.region.clone(),
        warmup: scenario.warmup,
        window: Windows::width_for(load_end),
        phases: spans,
        load_end,
        planned,
        plan_hash: hash.hex(),
        stacks: scenario.stacks.iter().map(entry).collect(),
        parameters: if local { scenario.parameters.beliefs() } else { Vec::new() },
        checks: Vec::new(),
        complete: false,
        measurement: Usage::default(),
    }
}
