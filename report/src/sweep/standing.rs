//! Which of two stacks is cheaper at a point, and the zones in which that stays so.
//!
//! The bill of tasks is a staircase, so the order may turn around more than once. Where between two tested points it
//! does is not known, and not guessed.

use super::Row;
use crate::verdict::MARGIN;

/// Fewer completed than another stack by more than this share: not the same job.
const UNCOMPLETED: f64 = 1e-3;

/// Who is cheaper.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    First,
    Second,
    /// To the last digit.
    Level,
    /// Not compared: why.
    Untold(String),
}

/// Neighbouring points with one standing, as indices of the first and the last.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Zone {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) standing: Standing,
}

/// Why the figures of a stack are not to be compared; `point` has all stacks of the row's point.
pub(super) fn trouble(row: &Row, point: &[Row]) -> Option<&'static str> {
    let most = point.iter().map(|row| row.completed).fold(0.0, f64::max);
    let own = own_trouble(row, most);
    // A run is invalid as a whole. If another stack did not do its work, that is why, and this one's figures stand.
    let explained = || point.iter().any(|other| own_trouble(other, most).is_some());
    own.or_else(|| (!row.valid && !explained()).then_some("has a run that is not valid"))
}

/// The same as far as the stack itself is to blame, where the best one completed `most` of its messages.
fn own_trouble(row: &Row, most: f64) -> Option<&'static str> {
    if !row.drained {
        return Some("was not drained");
    }
    if row.completed < most - UNCOMPLETED {
        return Some("completed fewer messages");
    }
    // What is caught up on after the load would not be in a month of it: the cost is that of another load.
    let rates = row.figure("offered-rate").zip(row.figure("achieved-rate"));
    let behind = rates.is_some_and(|(offered, achieved)| achieved < offered * (1.0 - MARGIN));
    behind.then_some("did not keep up with the load")
}

/// How two stacks compare at a point in cost per month.
pub(super) fn standing(point: &[Row], first: usize, second: usize) -> Standing {
    let pair = [first, second].map(|index| &point[index]);
    let troubles: Vec<String> = pair
        .iter()
        .filter_map(|row| trouble(row, point).map(|trouble| format!("{} {trouble}", row.stack)))
        .collect();
    if !troubles.is_empty() {
        return Standing::Untold(troubles.join(", "));
    }
    match pair.map(|row| row.figure("cost-per-month")) {
        [Some(a), Some(b)] if a < b => Standing::First,
        [Some(a), Some(b)] if a > b => Standing::Second,
        [Some(_), Some(_)] => Standing::Level,
        _ => Standing::Untold("a cost is not known".into()),
    }
}

/// The zones along an axis.
pub(super) fn zones(standings: &[Standing]) -> Vec<Zone> {
    let mut from = 0;
    let zone = |run: &[Standing]| {
        let to = from + run.len() - 1;
        let zone = Zone { from, to, standing: run[0].clone() };
        from = to + 1;
        zone
    };
    standings.chunk_by(|a, b| a == b).map(zone).collect()
}
