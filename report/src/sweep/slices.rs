//! The points along the first varied key, for each choice of the others.

use super::{Row, Varied};
use std::collections::BTreeMap;

/// The points of each choice in order of the axis; choices in the order in which they begin.
pub(super) fn slices<'a>(first: &Varied, axis: &[f64], all: &[&'a [Row]]) -> Vec<Vec<&'a [Row]>> {
    let mut places: BTreeMap<&[String], usize> = BTreeMap::new();
    let mut slices: Vec<Vec<&[Row]>> = Vec::new();
    for point in all {
        let place = *places.entry(&point[0].values[1..]).or_insert(slices.len());
        if place == slices.len() {
            slices.push(Vec::new());
        }
        slices[place].push(point);
    }
    let by_axis = |a: &&[Row], b: &&[Row]| at(first, axis, a).total_cmp(&at(first, axis, b));
    slices.iter_mut().for_each(|slice| slice.sort_by(by_axis));
    slices
}

/// Where a point lies on the axis.
pub(super) fn at(first: &Varied, axis: &[f64], point: &[Row]) -> f64 {
    let place = first.values.iter().position(|value| *value == point[0].values[0]);
    place.and_then(|place| axis.get(place)).copied().unwrap_or(f64::NAN)
}
