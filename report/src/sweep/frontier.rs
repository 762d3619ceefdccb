//! The frontier of cost against latency: what no other tested point beats in both.

use super::standing::trouble;
use super::{Row, points};

/// The rows that are not dominated in cost per million messages and p99 latency, cheapest first. Rows in trouble, or
/// without either figure, are not on it.
pub(super) fn frontier(rows: &[Row]) -> Vec<&Row> {
    let sound = |point: &'_ [Row]| -> Vec<usize> {
        (0..point.len()).filter(|index| trouble(&point[*index], point).is_none()).collect()
    };
    let mut candidates: Vec<(f64, f64, &Row)> = points(rows)
        .flat_map(|point| sound(point).into_iter().map(move |index| &point[index]))
        .filter_map(|row| Some((row.figure("cost-per-million")?, row.figure("latency-p99")?, row)))
        .collect();
    // Of equals the first point stays: the sort is stable.
    candidates.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut fastest = f64::INFINITY;
    let mut kept = Vec::new();
    for (_, p99, row) in candidates {
        if p99 < fastest {
            fastest = p99;
            kept.push(row);
        }
    }
    kept
}
