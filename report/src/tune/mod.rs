//! A tuning: what was tried on each stack to keep a target at the least cost. Trials in, text, JSON, CSV and HTML out.
//!
//! Goals: a stack is named best only if it kept everything under every seed; the nearest is told where none did.
//! Non-goals: simulating, and choosing what to try next.

mod data;
mod judged;
mod page;
mod target;
mod text;

pub use data::{csv_header, csv_row, json};
pub use judged::Judged;
pub use page::html;
pub use target::{Target, targets};
pub use text::text;

/// A tuning with all of its trials.
pub struct Tuning<'a> {
    /// The scenario's title.
    pub title: &'a str,
    /// What the command line set at every trial, before what was tried.
    pub overrides: &'a [String],
    /// The seeds; the first is that of the search.
    pub seeds: &'a [u64],
    /// What has to be kept.
    pub targets: &'a [Target],
    /// The stacks, in the scenario's order.
    pub stacks: &'a [Stack],
    /// Whether every combination was tried.
    pub exhaustive: bool,
}

/// What was tried on a stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// `ecs` or `lambda`.
    pub platform: String,
    /// Keys that were varied, and how many values each had.
    pub knobs: Vec<(String, usize)>,
    /// Every simulation, in order.
    pub trials: Vec<Trial>,
    /// The cheapest that kept everything under every seed: its trial under the first.
    pub best: Option<usize>,
    /// Whether the search ended because nothing more promised a saving, not because its simulations were used up.
    pub over: bool,
    /// What it would be good to know about the knobs.
    pub notes: Vec<String>,
}

/// One configuration under one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// What makes it from the scenario; empty if it is the scenario's own.
    pub overrides: Vec<String>,
    /// Its seed.
    pub seed: u64,
    /// What was found.
    pub judged: Judged,
}

impl Stack {
    /// How many combinations of values there are.
    #[must_use]
    pub fn combinations(&self) -> usize {
        self.knobs.iter().fold(1, |all, knob| all.saturating_mul(knob.1))
    }

    /// The best configuration under each seed, beginning with the first.
    fn seeds_of(&self, trial: usize) -> Vec<&Trial> {
        let overrides = &self.trials[trial].overrides;
        self.trials.iter().filter(|other| other.overrides == *overrides).collect()
    }

    /// The trial of the first seed that came nearest to keeping everything: where a seed missed more, that counts.
    fn nearest(&self) -> Option<&Trial> {
        let first = self.trials.first()?.seed;
        let worst = |index: usize| {
            self.seeds_of(index).iter().map(|trial| trial.judged.excess).fold(f64::NEG_INFINITY, f64::max)
        };
        let all = self.trials.iter().enumerate().filter(|(_, trial)| trial.seed == first);
        all.min_by(|a, b| worst(a.0).total_cmp(&worst(b.0))).map(|(_, trial)| trial)
    }

    /// Whether a configuration did not keep everything under one of the seeds that it was tried under.
    fn missed(&self, trial: &Trial) -> bool {
        self.trials.iter().any(|other| other.overrides == trial.overrides && !other.judged.holds())
    }

    /// The trial of the scenario's own configuration.
    fn given(&self) -> Option<&Trial> {
        self.trials.iter().find(|trial| trial.overrides.is_empty())
    }

    /// The best trial.
    fn found(&self) -> Option<&Trial> {
        self.best.map(|best| &self.trials[best])
    }
}

impl Trial {
    /// The configuration as arguments of a command line.
    #[must_use]
    pub fn arguments(&self) -> String {
        if self.overrides.is_empty() {
            return "as the scenario has it".into();
        }
        let quoted = |text: &String| {
            let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._=/:%+-".contains(c));
            if plain { text.clone() } else { format!("'{}'", text.replace('\'', r"'\''")) }
        };
        let each = self.overrides.iter().map(|set| format!("--set {}", quoted(set)));
        each.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests;
