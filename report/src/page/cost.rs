//! Where did the money go?

use super::Subject;
use super::figure::{Figure, Plot, Table, stack_keys};
use super::throughput::{most, points, readout};
use crate::chart::ink::Ink;
use crate::chart::labels::End;
use crate::chart::readout::Reading;
use crate::chart::scale::Scale;
use crate::chart::{Chart, Mark};
use crate::cost::{Cost, CostLine};
use crate::format::{self, ABSENT, NBSP, Unit};
use crate::prices::{natural_unit, price_list_date};
use crate::text::cost_notes;
use crate::timeline::Timeline;
use crate::view::StackView;
use anyhow::Result;
use model::usage::{Item, Metered};

/// The section.
///
/// # Errors
/// When the chart cannot be drawn.
pub(crate) fn figure(subject: &Subject) -> Result<Figure> {
    let manifest = &subject.judgement.first().manifest;
    let mut figure = Figure::without_data("cost", "Cost over time", "Cost", take(subject));
    figure.caption = "US dollars since the start of the run".into();
    figure.table = table(subject);
    figure.notes = cost_notes(subject.views()).into_iter().map(|note| format!("{note}.")).collect();
    figure.notes.push(format!(
        "List prices of {} for {}, first tier, no free tier. A month is 730 h of this load back to back: what \
         messages cause is scaled by the length of the load ({}), what is held by time (alarms, event pollers, \
         provisioned concurrency) by the length of the run.",
        price_list_date(),
        manifest.region,
        format::span(manifest.load_end)
    ));
    let Some(timeline) = subject.timeline else { return Ok(figure) };
    let curves: Vec<(usize, Curve)> = subject
        .views()
        .iter()
        .enumerate()
        .filter_map(|(i, view)| Some((i, curve(view, &timeline)?)))
        .collect();
    if curves.iter().all(|(_, curve)| curve.metered.is_empty()) {
        figure.notes.push("No usage series: the run does not tell when its costs arose.".into());
        return Ok(figure);
    }
    let mut spread: Vec<String> = curves.iter().flat_map(|(_, curve)| curve.spread.clone()).collect();
    spread.sort();
    spread.dedup();
    if !spread.is_empty() {
        figure.notes.push(format!("Spread evenly over the run for want of a series: {}.", spread.join(", ")));
    }
    figure.plots = vec![plot(subject, &timeline, &curves)?];
    figure.legend = stack_keys(&subject.names);
    Ok(figure)
}

/// A stack's spending.
struct Curve {
    /// Cumulative US dollars at the end of each bucket.
    cumulative: Vec<Option<f64>>,
    /// Items that have a series.
    metered: Vec<String>,
    /// Items that have none and are spread evenly.
    spread: Vec<String>,
}

fn curve(view: &StackView, timeline: &Timeline) -> Option<Curve> {
    let cost = view.cost.as_ref().ok()?;
    let live = timeline.until(view.entry.end).max(1).min(timeline.count);
    let mut spent = vec![0.0; live];
    let (mut metered, mut spread) = (Vec::new(), Vec::new());
    for line in &cost.lines {
        let (Some(price), Some(usd)) = (line.price, line.usd) else { continue };
        let name = Metered::new(line.item, &line.variant, 0).series_name();
        if let Some(series) = view.usage_series(&name) {
            let per_unit = price.usd_per_unit / natural_unit(line.item).1;
            for (bucket, quantity) in spent.iter_mut().zip(timeline.sums(series, view.entry.end)) {
                *bucket += quantity.unwrap_or(0.0) * per_unit;
            }
            metered.push(line.label.clone());
        } else {
            spent.iter_mut().for_each(|bucket| *bucket += usd / live as f64);
            spread.push(line.label.clone());
        }
    }
    let mut total = 0.0;
    let mut cumulative: Vec<Option<f64>> = spent
        .into_iter()
        .map(|usd| {
            total += usd;
            Some(total)
        })
        .collect();
    cumulative.resize(timeline.count, None);
    Some(Curve { cumulative, metered, spread })
}

fn plot(subject: &Subject, timeline: &Timeline, curves: &[(usize, Curve)]) -> Result<Plot> {
    let ends = curves.iter().filter_map(|(i, curve)| {
        let last = curve.cumulative.iter().rposition(Option::is_some)?;
        // A name at the right edge belongs to a line that reaches it.
        let near = last + 1 + timeline.count / 20 >= timeline.count;
        near.then(|| End {
            stack: *i,
            name: subject.names[*i].into(),
            at: curve.cumulative[last].unwrap_or(0.0),
        })
    });
    let chart = Chart {
        id: "cost",
        x: Scale::time(timeline.length(), 6),
        y: Scale::linear(most(curves.iter().map(|(_, curve)| &curve.cumulative)), 4, |v| {
            format!("${}", format::number(v))
        }),
        bands: &subject.bands,
        named_bands: true,
        marks: curves
            .iter()
            .map(|(i, curve)| Mark::Line(Ink::Line(*i), points(timeline, &curve.cumulative)))
            .collect(),
        ends: ends.collect(),
    };
    let readings = curves
        .iter()
        .map(|(i, curve)| Reading {
            name: subject.names[*i].into(),
            stack: Some(*i),
            values: curve.cumulative.clone(),
        })
        .collect();
    Plot::of(&chart, &readout(timeline, "$", readings))
}

fn take(subject: &Subject) -> String {
    if !subject.is_small()
        && let Some(range) = subject.across(Unit::Usd, &first_run(subject, "cost-run"))
    {
        return format!("This run cost {range}.");
    }
    let parts: Vec<String> = subject
        .views()
        .iter()
        .map(|view| {
            let Ok(cost) = &view.cost else { return format!("{} has no bill", view.name()) };
            let Some(total) = cost.total() else { return format!("{} has no total", view.name()) };
            match largest(cost, total) {
                Some((label, share)) => {
                    format!("{} spent {}, {share} of it on {label}", view.name(), format::usd(total))
                }
                None => format!("{} spent {}", view.name(), format::usd(total)),
            }
        })
        .collect();
    if parts.is_empty() { "The run has no stacks.".into() } else { format!("{}.", parts.join("; ")) }
}

/// The dearest group of lines: its name and its share of the total.
fn largest(cost: &Cost, total: f64) -> Option<(&'static str, String)> {
    if total <= 0.0 {
        return None;
    }
    let groups = [
        ("compute", cost.lines.iter().filter(|l| is_compute(l.item)).filter_map(|l| l.usd).sum::<f64>()),
        ("queue calls", of(cost, Item::SqsRequests)),
        ("invocations", of(cost, Item::LambdaRequests)),
        ("logs", of(cost, Item::LogBytes)),
        ("alarms", of(cost, Item::CloudwatchAlarms)),
    ];
    let (name, usd) = groups.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some((name, format::percent(usd / total)))
}

fn of(cost: &Cost, item: Item) -> f64 {
    cost.lines.iter().filter(|l| l.item == item).filter_map(|l| l.usd).sum()
}

fn is_compute(item: Item) -> bool {
    !matches!(item, Item::SqsRequests | Item::LambdaRequests | Item::LogBytes | Item::CloudwatchAlarms)
}

/// Item by item; a row per item and variant, two columns per stack.
fn table(subject: &Subject) -> Option<Table> {
    let costs: Vec<Option<&Cost>> = subject.views().iter().map(|view| view.cost.as_ref().ok()).collect();
    let mut items: Vec<(Item, &str)> = costs
        .iter()
        .flatten()
        .flat_map(|cost| cost.lines.iter().map(|l| (l.item, l.variant.as_str())))
        .collect();
    items.sort_unstable();
    items.dedup();
    if items.is_empty() {
        return None;
    }
    let mut head = vec!["Item".into(), "Unit price".into()];
    // With many stacks quantities are in `summary.json` only.
    let with_quantities = subject.is_small();
    for name in &subject.names {
        if with_quantities {
            head.push(format!("{name}: quantity"));
            head.push("cost".into());
        } else {
            head.push((*name).into());
        }
    }
    let mut rows: Vec<Vec<String>> =
        items.iter().map(|item| item_row(*item, &costs, with_quantities)).collect();
    for (label, name) in [
        ("This run", "cost-run"),
        ("Per million messages", "cost-per-million"),
        ("Per month at this load", "cost-per-month"),
    ] {
        let mut row = vec![label.into(), String::new()];
        for value in format::row(Unit::Usd, &first_run(subject, name)) {
            if with_quantities {
                row.push(String::new());
            }
            row.push(value);
        }
        rows.push(row);
    }
    Some(Table { head, rows, words: 2 })
}

/// A metric of the first run: what the itemised bill adds up to, also when there are repeats.
fn first_run(subject: &Subject, name: &str) -> Vec<Option<f64>> {
    let value = crate::metrics::named(name).value;
    subject.views().iter().map(value).collect()
}

fn item_row(item: (Item, &str), costs: &[Option<&Cost>], with_quantities: bool) -> Vec<String> {
    let line = |cost: &Cost| -> Option<CostLine> {
        cost.lines.iter().find(|l| (l.item, l.variant.as_str()) == item).cloned()
    };
    let found: Vec<Option<CostLine>> = costs.iter().map(|cost| cost.and_then(line)).collect();
    let any = found.iter().flatten().next();
    let price = any.map_or_else(String::new, |l| match l.price {
        Some(p) => {
            let assumed = if p.assumed { ", assumed" } else { "" };
            format!("${} per {}{assumed}", trimmed(p.usd_per_unit), p.unit)
        }
        None => "no price known".into(),
    });
    let mut row = vec![crate::cost::label(item.0, item.1), price];
    for line in &found {
        if with_quantities {
            let quantity = |l: &CostLine| format!("{}{NBSP}{}", format::number(l.quantity), l.unit);
            row.push(line.as_ref().map_or_else(|| ABSENT.into(), quantity));
        }
        let usd = |l: &CostLine| l.usd.map_or_else(|| "unknown".into(), format::usd);
        row.push(line.as_ref().map_or_else(|| ABSENT.into(), usd));
    }
    row
}

/// A unit price with all of its digits, cents at least.
fn trimmed(usd: f64) -> String {
    let text = format!("{usd:.10}");
    let digits = text.trim_end_matches('0');
    let cents = text.find('.').map_or(text.len(), |point| point + 3);
    text[..digits.len().max(cents)].into()
}
