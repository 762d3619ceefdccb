//! The page of a sweep: cost and latency along the first varied key, and the frontier. One file that needs nothing.
//!
//! Goals: every tested point is marked; what was not compared is not drawn but in the table; readable without scripts.
//! Non-goals: a crosshair, and curves between tested points other than straight lines.

use super::frontier::frontier;
use super::slices::{at, slices};
use super::standing::{Standing, standing, trouble, zones};
use super::{Row, Sweep, points};
use crate::chart::ink::Ink;
use crate::chart::labels::Band;
use crate::chart::scale::Scale;
use crate::chart::{Chart, Mark};
use crate::format::{self, Unit, counted};
use crate::metrics::named;
use crate::page;
use crate::page::figure::{Figure, Plot, Table, stack_keys};
use anyhow::Result;

/// More choices of the other keys than this are not drawn: the tables have them.
const MOST_PLOTS: usize = 6;
/// Longer tables would make the page slow.
const MOST_ROWS: usize = 500;

/// The page as one self-contained HTML file.
///
/// # Errors
/// When a chart cannot be drawn.
pub fn html(sweep: &Sweep) -> Result<String> {
    let figures = [
        along(sweep, "cost", "Cost per month", "cost-per-month")?,
        along(sweep, "latency", "Latency p99", "latency-p99")?,
        frontier_figure(sweep)?,
    ];
    let varied: Vec<&str> = sweep.varied.iter().map(|varied| varied.key.as_str()).collect();
    let (title, heading) = (format!("Simulated sweep: {}", sweep.title), format!("Sweep: {}", sweep.title));
    let points = counted(points(sweep.rows).count() as u64, "point");
    let lead = format!("{points}, seed {} at each; varied: {}.", sweep.seed, varied.join(", "));
    Ok(page::of_simulations(&title, &names(sweep), &heading, &lead, &figures).into_string())
}

fn names<'a>(sweep: &Sweep<'a>) -> Vec<&'a str> {
    points(sweep.rows)
        .next()
        .map_or_else(Vec::new, |point| point.iter().map(|row| row.stack.as_str()).collect())
}

/// A metric along the first varied key, a plot for each choice of the others.
fn along(sweep: &Sweep, id: &'static str, title: &'static str, name: &'static str) -> Result<Figure> {
    let all: Vec<&[Row]> = points(sweep.rows).collect();
    let mut figure = Figure::without_data(id, title, title, "");
    figure.table = Some(table(sweep, &all, name));
    let Some((first, axis)) = sweep.varied.first().and_then(|first| Some((first, first.axis()?))) else {
        figure.take =
            "The first varied key has no numbers of one unit, so nothing is drawn; see the table.".into();
        return Ok(figure);
    };
    let slices = slices(first, &axis, &all);
    let sound = all.iter().flat_map(|point| point.iter().filter(|row| sound(row, point)));
    let tested: Vec<f64> = sound.filter_map(|row| row.figure(name)).collect();
    let y = match named(name).unit {
        Unit::Milliseconds => spanning(&tested, format::milliseconds),
        _ => spanning(&tested, format::usd),
    };
    let x = spanning(&axis, format::number);
    for slice in slices.iter().take(MOST_PLOTS) {
        let place = |point: &[Row]| at(first, &axis, point);
        let bands = bands(slice, &place);
        let chart = Chart {
            id,
            x: x.clone(),
            y: y.clone(),
            bands: &bands,
            // Headings of several plots stand where names would.
            named_bands: slices.len() == 1,
            marks: marks(slice, &place, name),
            ends: Vec::new(),
        };
        let heading: Vec<String> = sweep.varied[1..]
            .iter()
            .zip(&slice[0][0].values[1..])
            .map(|(varied, value)| format!("{}={value}", varied.key))
            .collect();
        figure.plots.push(Plot::plain(&chart, (!heading.is_empty()).then(|| heading.join(", ")))?);
    }
    figure.legend = stack_keys(&names(sweep));
    figure.caption = format!("{title} over {}; dots are tested points", first.key);
    figure.take = match id {
        "cost" => turns(&slices),
        _ => range(name, &tested),
    };
    if slices.len() > MOST_PLOTS {
        figure
            .notes
            .push(format!("{} more choices of the other keys are in points.csv.", slices.len() - MOST_PLOTS));
    }
    figure
        .notes
        .push("Points at which a stack did not do its work are not drawn; the table says why.".into());
    Ok(figure)
}

fn sound(row: &Row, point: &[Row]) -> bool {
    trouble(row, point).is_none()
}

fn spanning(values: &[f64], label: impl Fn(f64) -> String) -> Scale {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    Scale::spanning(least, values.iter().copied().fold(0.0, f64::max), label)
}

/// How often the cheaper of two stacks changes, and where.
fn turns(slices: &[Vec<&[Row]>]) -> String {
    if slices[0][0].len() != 2 {
        return format!("{} stacks at each tested point.", slices[0][0].len());
    }
    let mut found = Vec::new();
    for slice in slices {
        let standings: Vec<Standing> = slice.iter().map(|point| standing(point, 0, 1)).collect();
        for pair in zones(&standings).windows(2).filter(|pair| turn(&pair[0].standing, &pair[1].standing)) {
            let value = |index: usize| slice[index][0].values[0].as_str();
            found.push(format!("{} and {}", value(pair[0].to), value(pair[1].from)));
        }
    }
    match (found.len(), slices.len()) {
        (0, _) => "The cheaper stack is the same at all points that can be compared.".into(),
        (_, 1) => format!("Break-even, shaded, lies between {}.", found.join(", between ")),
        (turns, choices) => {
            let turns = counted(turns as u64, "time");
            format!(
                "The cheaper stack changes {turns}, where shaded, over {choices} choices of the other keys."
            )
        }
    }
}

/// Whether the order changes from one zone to the next; where one side is not compared nothing is known to.
fn turn(before: &Standing, after: &Standing) -> bool {
    !matches!((before, after), (Standing::Untold(_), _) | (_, Standing::Untold(_)))
}

fn range(name: &str, tested: &[f64]) -> String {
    let least = tested.iter().copied().reduce(f64::min);
    let most = tested.iter().copied().reduce(f64::max);
    if least.is_none() {
        return "No point has enough messages for a p99, and did all its work.".into();
    }
    let shown = format::row(named(name).unit, &[least, most]);
    format!("From {} to {} over all points that can be compared.", shown[0], shown[1])
}

/// Where which of two stacks is cheaper; every second band, the shaded one, lies between two zones.
fn bands(slice: &[&[Row]], place: &dyn Fn(&[Row]) -> f64) -> Vec<Band> {
    if slice[0].len() != 2 {
        return Vec::new();
    }
    let standings: Vec<Standing> = slice.iter().map(|point| standing(point, 0, 1)).collect();
    let zones = zones(&standings);
    let mut bands = Vec::new();
    for (index, zone) in zones.iter().enumerate() {
        let name = match zone.standing {
            Standing::First => format!("{} cheaper", slice[0][0].stack),
            Standing::Second => format!("{} cheaper", slice[0][1].stack),
            Standing::Level => "level".into(),
            Standing::Untold(_) => "not compared".into(),
        };
        bands.push(Band { name, from: place(slice[zone.from]), until: place(slice[zone.to]) });
        if let Some(next) = zones.get(index + 1) {
            let from = place(slice[zone.to]);
            let until = if turn(&zone.standing, &next.standing) { place(slice[next.from]) } else { from };
            bands.push(Band { name: "break-even".into(), from, until });
        }
    }
    bands
}

fn marks(slice: &[&[Row]], place: &dyn Fn(&[Row]) -> f64, name: &str) -> Vec<Mark> {
    let of = |stack: usize| {
        let points: Vec<(f64, Option<f64>)> = slice
            .iter()
            .map(|point| (place(point), point[stack].figure(name).filter(|_| sound(&point[stack], point))))
            .collect();
        let dots = points.iter().filter_map(|(x, y)| Some((*x, (*y)?))).collect();
        [Mark::Line(Ink::Line(stack), points), Mark::Dots(Ink::Dot(stack), dots)]
    };
    (0..slice[0].len()).flat_map(of).collect()
}

/// A row per point, a column per stack.
fn table(sweep: &Sweep, all: &[&[Row]], name: &str) -> Table {
    let mut head = vec!["Point".to_owned()];
    head.extend(sweep.varied.iter().map(|varied| varied.key.clone()));
    head.extend(names(sweep).iter().map(|stack| (*stack).to_owned()));
    let unit = named(name).unit;
    let row = |point: &&[Row]| {
        let mut cells = vec![point[0].point.to_string()];
        cells.extend(point[0].values.iter().cloned());
        let shown = format::row(unit, &point.iter().map(|row| row.figure(name)).collect::<Vec<_>>());
        let marked = |(row, shown): (&Row, String)| match trouble(row, point) {
            Some(why) => format!("{shown} ({why})"),
            None => shown,
        };
        cells.extend(point.iter().zip(shown).map(marked));
        cells
    };
    let mut rows: Vec<Vec<String>> = all.iter().take(MOST_ROWS).map(row).collect();
    if all.len() > MOST_ROWS {
        let mut last = vec![String::new(); head.len()];
        last[0] = format!("and {} more in points.csv", all.len() - MOST_ROWS);
        rows.push(last);
    }
    Table { head, rows, words: 1 }
}

/// Every tested point by cost and latency, and those that nothing beats in both.
fn frontier_figure(sweep: &Sweep) -> Result<Figure> {
    let mut figure = Figure::without_data("frontier", "Frontier of cost and latency", "Frontier", "");
    let kept = frontier(sweep.rows);
    let of = |row: &Row| row.figure("cost-per-million").zip(row.figure("latency-p99"));
    let tested: Vec<(&Row, (f64, f64))> = points(sweep.rows)
        .flat_map(|point| point.iter().filter(|row| sound(row, point)))
        .filter_map(|row| Some((row, of(row)?)))
        .collect();
    if tested.is_empty() {
        figure.take = "No point has a known cost and enough messages for a p99, and did all its work.".into();
        return Ok(figure);
    }
    let names = names(sweep);
    let column =
        |pick: &dyn Fn((f64, f64)) -> f64| tested.iter().map(|(_, at)| pick(*at)).collect::<Vec<f64>>();
    let mut marks = vec![Mark::Line(
        Ink::Zero,
        kept.iter().filter_map(|row| of(row)).map(|(x, y)| (x, Some(y))).collect(),
    )];
    marks.extend(names.iter().enumerate().map(|(stack, name)| {
        let its = tested.iter().filter(|(row, _)| row.stack == *name);
        Mark::Dots(Ink::Dot(stack), its.map(|(_, at)| *at).collect())
    }));
    let chart = Chart {
        id: "frontier",
        x: spanning(&column(&|at| at.0), format::usd),
        y: spanning(&column(&|at| at.1), format::milliseconds),
        bands: &[],
        named_bands: false,
        marks,
        ends: Vec::new(),
    };
    figure.plots.push(Plot::plain(&chart, None)?);
    figure.legend = stack_keys(&names);
    figure.caption = "p99 latency over cost per million messages; dots are tested points".into();
    figure.take = format!(
        "{} of {} tested points: none is both cheaper and faster than these, joined by the line.",
        kept.len(),
        tested.len()
    );
    if sweep.varied.iter().any(|varied| varied.key == "load") {
        figure.notes.push("Loads differ between the points: a load is given, not chosen.".into());
    }
    let mut head = vec!["Stack".to_owned(), "Point".into()];
    head.extend(sweep.varied.iter().map(|varied| varied.key.clone()));
    head.extend(["Cost per million".into(), "Latency p99".into()]);
    let row =
        |row: &&Row| {
            let mut cells = vec![row.stack.clone(), row.point.to_string()];
            cells.extend(row.values.iter().cloned());
            cells.extend(["cost-per-million", "latency-p99"].map(|name| {
                row.figure(name).map_or_else(String::new, |v| format::value(named(name).unit, v))
            }));
            cells
        };
    figure.table = Some(Table { head, rows: kept.iter().take(MOST_ROWS).map(row).collect(), words: 1 });
    Ok(figure)
}
