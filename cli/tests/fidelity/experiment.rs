//! What a published experiment is here: its source, its setup, and its numbers beside simulated ones.

use std::collections::BTreeSet;

/// From here on a row is a miss, and has to be explained.
pub(crate) const MISS_PERCENT: f64 = 15.0;

/// What a published number is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A measured outcome that no parameter was taken from.
    Predicted,
    /// Arithmetic on list prices, by its source as well as here.
    Computed,
    /// It is a parameter, decides one, or was used to reconstruct the setup: agreement shows consistency only.
    Input,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Predicted, Self::Computed, Self::Input];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Predicted => "predicted",
            Self::Computed => "computed",
            Self::Input => "input",
        }
    }
}

/// What was published: a number, or a range of which any value is right.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Published {
    Value(f64),
    Range(f64, f64),
}

/// One published number.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) published: Published,
    pub(crate) simulated: f64,
    pub(crate) kind: Kind,
    /// Why the simulator misses it; empty if it does not.
    pub(crate) why: &'static str,
}

impl Row {
    /// How far off the simulation is, in percent of what was published; there is no percentage of nothing.
    pub(crate) fn error(&self) -> Option<f64> {
        let aim = match self.published {
            Published::Value(value) => value,
            Published::Range(least, most) => self.simulated.clamp(least, most),
        };
        (aim != 0.0).then(|| (self.simulated / aim - 1.0) * 100.0)
    }
}

/// An experiment that somebody published.
pub(crate) struct Experiment {
    pub(crate) title: &'static str,
    /// A link in Markdown.
    pub(crate) source: &'static str,
    pub(crate) date: &'static str,
    /// Its file in scenarios/fidelity, without the ending.
    pub(crate) scenario: &'static str,
    /// What the source tells of the setup.
    pub(crate) setup: &'static str,
    /// What it does not, and what was taken instead.
    pub(crate) assumed: &'static str,
    /// Parameters that the runs set, by their keys.
    pub(crate) overridden: BTreeSet<String>,
    pub(crate) rows: Vec<Row>,
    /// What else is to be said of the rows; may be empty.
    pub(crate) note: String,
}

/// Rows of one experiment, which mostly share a kind.
pub(crate) struct Rows(pub(crate) Vec<Row>);

impl Rows {
    /// A row without an explanation.
    pub(crate) fn add(
        &mut self,
        kind: Kind,
        what: &'static str,
        unit: &'static str,
        published: f64,
        simulated: f64,
    ) {
        self.miss(kind, what, unit, published, simulated, "");
    }

    /// A row that is explained.
    pub(crate) fn miss(
        &mut self,
        kind: Kind,
        what: &'static str,
        unit: &'static str,
        published: f64,
        simulated: f64,
        why: &'static str,
    ) {
        let published = Published::Value(published);
        self.0.push(Row { what, unit, published, simulated, kind, why });
    }
}

/// The median of absolute values.
pub(crate) fn median(errors: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { (sorted[middle - 1] + sorted[middle]) / 2.0 } else { sorted[middle] }
}
