//! The summary of a sweep for a terminal.

use super::frontier::frontier;
use super::slices::slices;
use super::standing::{Standing, Zone, standing, trouble, zones};
use super::{Row, Sweep, points};
use crate::format::{self, ABSENT, NBSP, Unit};
use crate::metrics::named;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The summary: break-even zones of each pair with the first stack, latency at the ends, the frontier.
#[must_use]
pub fn text(sweep: &Sweep) -> String {
    let mut out = String::new();
    let all: Vec<&[Row]> = points(sweep.rows).collect();
    let _ = writeln!(
        out,
        "SIMULATED sweep: {}\n{}, seed {} at each",
        sweep.title,
        format::counted(all.len() as u64, "point"),
        sweep.seed
    );
    for varied in sweep.varied {
        let ends = match varied.values.as_slice() {
            [first, .., last] if varied.values.len() > 6 => format!("{first} to {last}"),
            values => values.join(", "),
        };
        let unit = if varied.key == "load" { " (messages per second, mean of the scenario)" } else { "" };
        let _ = writeln!(
            out,
            "  {}{unit}: {}, {ends}",
            varied.key,
            format::counted(varied.values.len() as u64, "value")
        );
    }
    along(&mut out, sweep, &all);
    frontiers(&mut out, sweep);
    troubled(&mut out, &all);
    // Terminals and grep want plain spaces.
    out.replace(NBSP, " ")
}

/// What changes along the first varied key, for each choice of the others.
fn along(out: &mut String, sweep: &Sweep, all: &[&[Row]]) {
    let Some(first) = sweep.varied.first() else { return };
    let Some(axis) = first.axis() else {
        let _ = writeln!(
            out,
            "\n{} has no numbers of one unit to put on an axis: there are no break-even zones.",
            first.key
        );
        return;
    };
    for slice in slices(first, &axis, all) {
        let others = &slice[0][0].values[1..];
        let names: Vec<&str> = sweep.varied[1..].iter().map(|varied| varied.key.as_str()).collect();
        out.push('\n');
        if !others.is_empty() {
            let _ = writeln!(out, "With {}:", pairs(&names, others));
        }
        (1..slice[0].len()).for_each(|other| pair(out, &first.key, &slice, other));
        ends(out, &first.key, &slice);
    }
}

/// `a=1, b=2`.
fn pairs(names: &[&str], values: &[String]) -> String {
    let each = names.iter().zip(values).map(|(name, value)| format!("{name}={value}"));
    each.collect::<Vec<_>>().join(", ")
}

/// The zones of the first stack against another.
fn pair(out: &mut String, key: &str, slice: &[&[Row]], other: usize) {
    let [a, b] = [0, other].map(|index| slice[0][index].stack.as_str());
    let _ = writeln!(out, "Cost per month, {a} against {b}, over {key}");
    let standings: Vec<Standing> = slice.iter().map(|point| standing(point, 0, other)).collect();
    let zones = zones(&standings);
    let at = |index: usize| slice[index][0].values[0].as_str();
    let range = |zone: &Zone| match zone.from == zone.to {
        true => format!("at {}", at(zone.from)),
        false => format!("{} to {}", at(zone.from), at(zone.to)),
    };
    let width = zones.iter().map(|zone| range(zone).len()).max().unwrap_or(0);
    let mut before: Option<&Zone> = None;
    for zone in &zones {
        if let Some(before) = before
            && !matches!(
                (&before.standing, &zone.standing),
                (Standing::Untold(_), _) | (_, Standing::Untold(_))
            )
        {
            let _ = writeln!(out, "    break-even between {} and {}", at(before.to), at(zone.from));
        }
        let cost = |index: usize| {
            let costs = [0, other].map(|stack| slice[index][stack].figure("cost-per-month"));
            format::row(Unit::Usd, &costs).join(" against ")
        };
        let costs = match zone.from == zone.to {
            true => cost(zone.from),
            false => format!("{}, then {}", cost(zone.from), cost(zone.to)),
        };
        let said = match &zone.standing {
            Standing::First => format!("{a} is cheaper: {costs}"),
            Standing::Second => format!("{b} is cheaper: {costs}"),
            Standing::Level => format!("level: {costs}"),
            Standing::Untold(why) => format!("not compared: {why}"),
        };
        let _ = writeln!(out, "  {:<width$}   {said}", range(zone));
        before = Some(zone);
    }
}

/// Latency at both ends of the axis.
fn ends(out: &mut String, key: &str, slice: &[&[Row]]) {
    let (Some(low), Some(high)) = (slice.first(), slice.last()) else { return };
    let metric = named("latency-p99");
    let _ = writeln!(out, "Latency p99, {key} at {} and at {}", low[0].values[0], high[0].values[0]);
    let width = low.iter().map(|row| row.stack.len()).max().unwrap_or(0);
    for (low_row, high_row) in low.iter().zip(*high) {
        let shown = [(low_row, *low), (high_row, *high)].map(|(row, point)| {
            let mark = trouble(row, point).map_or_else(String::new, |why| format!(" ({why})"));
            let value = row.figure(metric.name);
            let value = value.map_or_else(|| ABSENT.into(), |v| format::value(metric.unit, v));
            value + &mark
        });
        let _ = writeln!(out, "  {:<width$}   {}, {}", low_row.stack, shown[0], shown[1]);
    }
}

/// The frontier. A load is given, not chosen: where more than the load was varied, each load has its own.
fn frontiers(out: &mut String, sweep: &Sweep) {
    let load = sweep.varied.iter().position(|varied| varied.key == "load");
    let Some(load) = load.filter(|_| sweep.varied.len() > 1) else {
        out.push_str("\nFrontier of cost and latency: no tested point is both cheaper and faster\n");
        if load_alone(sweep) {
            out.push_str("(a load is given, not chosen: compare the stacks at yours)\n");
        }
        list(out, sweep, sweep.rows);
        return;
    };
    let mut by_load: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    for row in sweep.rows {
        by_load.entry(&row.values[load]).or_default().push(row.clone());
    }
    for value in &sweep.varied[load].values {
        let rows = by_load.remove(value.as_str()).unwrap_or_default();
        let _ = writeln!(
            out,
            "\nFrontier of cost and latency at load {value}: no tested point is both cheaper and faster"
        );
        list(out, sweep, &rows);
    }
}

fn load_alone(sweep: &Sweep) -> bool {
    matches!(sweep.varied, [varied] if varied.key == "load")
}

/// The values of a row that say anything about its stack: other stacks have theirs for themselves.
fn its_own(sweep: &Sweep, row: &Row) -> String {
    let of_it = |key: &str| {
        let stack = key.strip_prefix("stacks.").and_then(|rest| rest.split('.').next());
        stack.is_none_or(|stack| stack == row.stack)
    };
    let each = sweep.varied.iter().zip(&row.values).filter(|(varied, _)| of_it(&varied.key));
    each.map(|(varied, value)| format!("{}={value}", varied.key)).collect::<Vec<_>>().join(", ")
}

fn list(out: &mut String, sweep: &Sweep, rows: &[Row]) {
    let kept = frontier(rows);
    if kept.is_empty() {
        out.push_str(
            "  none: no point has a known cost and enough messages for a p99, and did all its work\n",
        );
        return;
    }
    let column = |name: &str| {
        let values: Vec<Option<f64>> = kept.iter().map(|row| row.figure(name)).collect();
        format::row(named(name).unit, &values)
    };
    let (costs, latencies) = (column("cost-per-million"), column("latency-p99"));
    let width = |cells: &mut dyn Iterator<Item = usize>| cells.max().unwrap_or(0);
    let cost_width = width(&mut costs.iter().map(|cell| cell.chars().count()));
    let latency_width = width(&mut latencies.iter().map(|cell| cell.chars().count()));
    let stack_width = width(&mut kept.iter().map(|row| row.stack.len()));
    for ((row, cost), latency) in kept.iter().zip(costs).zip(latencies) {
        let _ = writeln!(
            out,
            "  {cost:>cost_width$} per million   p99 {latency:>latency_width$}   {:<stack_width$}   {} (point {})",
            row.stack,
            its_own(sweep, row),
            row.point
        );
    }
}

/// Points whose figures are no answer.
fn troubled(out: &mut String, all: &[&[Row]]) {
    let mut found: Vec<(String, Vec<usize>)> = Vec::new();
    for (row, point) in all.iter().flat_map(|point| point.iter().map(move |row| (row, point))) {
        let Some(why) = trouble(row, point) else { continue };
        let said = format!("{} {why}", row.stack);
        match found.iter_mut().find(|known| known.0 == said) {
            Some(known) => known.1.push(row.point),
            None => found.push((said, vec![row.point])),
        }
    }
    if found.is_empty() {
        return;
    }
    out.push_str("\nNot compared, and not on the frontier\n");
    for (said, numbers) in found {
        let shown: Vec<String> = numbers.iter().take(12).map(ToString::to_string).collect();
        let more = numbers.len().saturating_sub(shown.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(out, "  {said}: point {}{more}", shown.join(", "));
    }
}
