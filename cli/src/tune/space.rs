//! All configurations of one stack that may be tried, and how one of them is simulated and judged.
//!
//! Goals: a configuration is the scenario with overrides that `versus run --set` takes; a trial has that stack alone,
//! which moves none of its figures; the seed is the same for all, so that two trials differ by their configuration.
//! Non-goals: which one to try (`search`).

use super::knobs::{self, Knob};
use super::search::{Point, advance};
use crate::Refusal;
use crate::sweep::Grid;
use anyhow::Result;
use model::scenario::Scenario;
use report::sweep::Varied;
use report::tune::{Judged, Target, Trial};
use sim::{Options, Provenance};

/// More combinations than this are a mistyped range.
const MOST_COMBINATIONS: usize = 100_000;

/// The configurations of one stack.
pub(super) struct Space<'a> {
    grid: &'a Grid,
    targets: &'a [Target],
    pub(super) stack: String,
    pub(super) platform: &'static str,
    pub(super) knobs: Vec<Knob>,
    /// The scenario's own value of each knob, if that is on its ladder.
    own: Vec<Option<usize>>,
    /// What to know about the knobs.
    pub(super) notes: Vec<String>,
}

impl<'a> Space<'a> {
    /// The space of a stack: the named knobs, or those of its platform without what is kept.
    ///
    /// # Errors
    /// When a named value can be part of no scenario, or there are too many combinations.
    pub(super) fn new(
        grid: &'a Grid,
        given: &Scenario,
        stack: &model::scenario::Stack,
        varied: &[Varied],
        keep: &[String],
        targets: &'a [Target],
    ) -> Result<Self> {
        let prefix = format!("stacks.{}.", stack.name);
        let mut knobs: Vec<Knob> = varied
            .iter()
            .filter(|varied| varied.key.starts_with(&prefix))
            .map(|varied| knobs::named(&stack.name, varied))
            .collect();
        let read = |overrides: &[String]| grid.with(overrides);
        let mut notes = Vec::new();
        if knobs.is_empty() {
            let kept = |knob: &Knob| keep.iter().any(|key| knobs::moves(knob, key));
            knobs = knobs::of_platform(stack).into_iter().filter(|knob| !kept(knob)).collect();
            notes.push(knobs::note(stack));
            while combinations(&knobs) > MOST_COMBINATIONS {
                let left = knobs.pop().map(|knob| knob.name).unwrap_or_default();
                notes.push(format!("{left} is left as it is: there would be too many combinations"));
            }
        }
        few(&stack.name, &knobs)?;
        if notes.is_empty() {
            possible(&knobs, &read)?;
        }
        let own = knobs::own(&knobs, given, &read);
        Ok(Self {
            grid,
            targets,
            stack: stack.name.clone(),
            platform: stack.platform.name(),
            knobs,
            own,
            notes,
        })
    }

    /// How many values each knob has.
    pub(super) fn rungs(&self) -> Vec<usize> {
        self.knobs.iter().map(|knob| knob.rungs.len()).collect()
    }

    /// Where a search begins: at the scenario, or in the middle of what was named instead.
    pub(super) fn start(&self) -> Point {
        self.own.iter().zip(&self.knobs).map(|(own, knob)| own.unwrap_or(knob.rungs.len() / 2)).collect()
    }

    /// All points in order.
    pub(super) fn all(&self) -> Vec<Point> {
        let rungs = self.rungs();
        let mut point = vec![0; rungs.len()];
        let mut all = vec![point.clone()];
        while advance(&mut point, &rungs) {
            all.push(point.clone());
        }
        all
    }

    /// What makes a point from the scenario: nothing for knobs that are as it has them.
    pub(super) fn overrides(&self, point: &[usize]) -> Vec<String> {
        let moved =
            self.knobs.iter().zip(&self.own).zip(point).filter(|((_, own), rung)| **own != Some(**rung));
        moved.flat_map(|((knob, _), rung)| knob.rungs[*rung].clone()).collect()
    }

    /// The stack alone at a point; `None` if its values contradict each other.
    fn scenario(&self, point: &[usize]) -> Option<Scenario> {
        let mut scenario = self.grid.with(&self.overrides(point)).ok()?;
        scenario.stacks.retain(|stack| stack.name == self.stack);
        (scenario.stacks.len() == 1).then_some(scenario)
    }

    /// Simulates a point under the scenario's seed or one of those after it; `None` if it is no scenario.
    pub(super) fn attempt(&self, point: &[usize], seed: Option<u64>) -> Option<Trial> {
        let mut scenario = self.scenario(point)?;
        scenario.seed = seed.unwrap_or(scenario.seed);
        let overrides = self.overrides(point);
        let provenance = Provenance {
            path: self.grid.source.path.clone(),
            text: self.grid.source.text.clone(),
            overrides: [self.grid.overrides.as_slice(), &overrides].concat(),
            command: Vec::new(),
            repeat: (1, 1),
            tool_version: env!("CARGO_PKG_VERSION").into(),
        };
        let run = sim::simulate(&scenario, &provenance, Options::default()).run;
        Some(Trial { overrides, seed: scenario.seed, judged: Judged::of(&run, self.targets) })
    }
}

fn combinations(knobs: &[Knob]) -> usize {
    knobs.iter().fold(1, |all: usize, knob| all.saturating_mul(knob.rungs.len()))
}

/// Refuses what nobody means to search.
fn few(stack: &str, knobs: &[Knob]) -> Result<()> {
    let combinations = combinations(knobs);
    if combinations <= MOST_COMBINATIONS {
        return Ok(());
    }
    let text = format!(
        "stack {stack}: {combinations} combinations are too many: at most {MOST_COMBINATIONS}; name fewer values with \
         --vary"
    );
    Err(Refusal::Usage(text).into())
}

/// Looks whether each named value is part of some scenario: by itself, or with one value of another knob beside it.
fn possible(knobs: &[Knob], read: &dyn Fn(&[String]) -> Result<Scenario, String>) -> Result<()> {
    for knob in knobs {
        for rung in &knob.rungs {
            let Err(problem) = read(rung) else { continue };
            let beside = knobs.iter().filter(|other| *other != knob).flat_map(|other| &other.rungs);
            if !beside.into_iter().any(|other| read(&[rung.as_slice(), other].concat()).is_ok()) {
                return Err(Refusal::Usage(format!("--vary {}: {problem}", rung.join(" "))).into());
            }
        }
    }
    Ok(())
}
