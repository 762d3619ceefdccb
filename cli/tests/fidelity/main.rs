//! docs/FIDELITY.md: what others measured on AWS, and what the simulator makes of the same experiments.
//!
//! `UPDATE=1 cargo test -p versus --test fidelity` writes the page; without `UPDATE` the page must be in step.
//!
//! Goals: rows are data (published value, source, what it is to the model) beside the function that simulates them;
//! each experiment says what its source tells of the setup and what had to be assumed; a miss is explained.
//! Non-goals: fitting. Whoever changes a parameter to please a row needs a source for it, like for any other.
//!
//! A test program of its own: it needs the simulator and the price list, not the binary.
#![allow(missing_docs, clippy::unwrap_used)]

mod experiment;
mod latency;
mod mapping;
mod money;
mod page;
mod runs;
mod tasks;

use experiment::{Experiment, Kind, MISS_PERCENT, Row, median};
use model::scenario::Setting;
use std::collections::BTreeSet;
use std::fs;
use std::sync::LazyLock;

/// Simulated once for all tests.
static EXPERIMENTS: LazyLock<Vec<Experiment>> = LazyLock::new(|| {
    [mapping::all(), tasks::all(), latency::all(), money::all()].into_iter().flatten().collect()
});

fn experiments() -> &'static [Experiment] {
    &EXPERIMENTS
}

fn rows(experiments: &[Experiment]) -> impl Iterator<Item = (&Experiment, &Row)> {
    experiments.iter().flat_map(|experiment| experiment.rows.iter().map(move |row| (experiment, row)))
}

#[test]
fn the_page_of_fidelity_is_in_step() {
    let path = runs::root().join("docs/FIDELITY.md");
    let now = page::page(experiments());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == now, "docs/FIDELITY.md is stale: UPDATE=1 cargo test -p versus --test fidelity");
}

#[test]
fn half_of_the_published_rows_are_within_fifteen_percent() {
    let errors = |of: &dyn Fn(&Row) -> bool| {
        let chosen = rows(experiments()).map(|(_, row)| row).filter(|row| of(row));
        chosen.filter_map(Row::error).collect::<Vec<f64>>()
    };
    let kinds = [("all", errors(&|_| true)), ("predicted", errors(&|row| row.kind == Kind::Predicted))];
    for (name, errors) in kinds {
        assert!(errors.len() >= 12, "{name}: only {} rows", errors.len());
        assert!(median(&errors) <= MISS_PERCENT, "{name}: a median of {} %", median(&errors));
    }
}

#[test]
fn every_miss_is_explained_and_nothing_else_is() {
    for (experiment, row) in rows(experiments()) {
        let (what, error) = (row.what, row.error().unwrap_or(0.0));
        let miss = error.abs() > MISS_PERCENT;
        assert!(!miss || row.why.len() > 40, "{}: {what} is off by {error} %: say why", experiment.title);
        assert!(
            miss || row.why.is_empty(),
            "{}: {what} is explained, and off by {error} %",
            experiment.title
        );
    }
}

/// A parameter that is not its default is one that the reader can see, with its reason, beside the rows.
#[test]
fn what_an_experiment_overrides_is_said_beside_its_rows() {
    let experiments = experiments();
    let sources = rows(experiments).all(|(experiment, row)| {
        experiment.source.contains("http") && !experiment.date.is_empty() && !row.what.is_empty()
    });
    assert!(sources, "an experiment without a source");
    for experiment in experiments {
        for belief in &experiment.overridden {
            let named = experiment.assumed.contains(&format!("`{belief}`"));
            assert!(named, "{}: does not say that it sets {belief}", experiment.title);
        }
    }
}

/// Every scenario of the folder is one that a row rests on.
#[test]
fn every_scenario_of_the_folder_is_played() {
    let experiments = experiments();
    let played: BTreeSet<String> =
        experiments.iter().map(|experiment| format!("{}.toml", experiment.scenario)).collect();
    let folder = fs::read_dir(runs::root().join("scenarios/fidelity")).unwrap();
    let there: BTreeSet<String> =
        folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(played, there);
}

/// The keys of parameters that are not at their defaults.
fn overridden(parameters: &model::scenario::Parameters) -> BTreeSet<String> {
    let differs = |belief: &model::scenario::Belief| -> bool {
        let (value, default): (&Setting, &Setting) = (&belief.value, &belief.default);
        value != default
    };
    parameters.beliefs().into_iter().filter(differs).map(|belief| belief.key).collect()
}
