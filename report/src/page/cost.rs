//! Where did the money go?

use super::Subject;
use super::figure::{Figure, Plot, Table, stack_keys};
use super::throughput::{most, points, readout};
use crate::chart::ink::Ink;
use crate::chart::labels::End;
use crate::chart::readout::Reading;
use crate::chart::scale::Scale;
use crate::chart::{Chart, Mark};
use crate::cost::{self, Cost, CostLine};
use crate::format::{self, ABSENT, NBSP, Unit};
use crate::metrics::named;
use crate::price_table::exact;
use crate::prices::{natural_unit, price_list_date};
use crate::text::cost_notes;
use crate::timeline::Timeline;
use crate::verdict::list;
use crate::view::StackView;
use anyhow::Result;
use model::usage::{Item, Metered};

/// The section.
///
/// # Errors
/// When the chart cannot be drawn.
pub(crate) fn figure(subject: &Subject) -> Result<Figure> {
    let mut figure = Figure::without_data("cost", "Cost over time", "Cost", take(subject));
    figure.caption = "US dollars since the start of the run".into();
    figure.table = table(subject);
    figure.notes = cost_notes(subject.views()).into_iter().map(|note| format!("{note}.")).collect();
    figure.notes.extend(terms(subject));
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

/// By which rules the bill was made out.
fn terms(subject: &Subject) -> Vec<String> {
    let manifest = &subject.judgement.first().manifest;
    let run = if subject.judgement.options.free_tier {
        "Each stack has the account's free tier to itself; as that is meaningful per month only, this run and a \
         million messages are charged what they are of the month."
    } else {
        "This run and a million messages are charged at the price of a month's first unit, without free tier."
    };
    let mut notes = vec![
        format!("List prices of {} for {}. {run}", price_list_date(), manifest.region),
        format!(
            "A month is 730 h of this load back to back, with volume tiers: {}. What messages cause is scaled by the \
             length of the load ({}), what is held by time (alarms, event pollers, provisioned concurrency) by that \
             of the run.",
            tiers_reached(subject),
            format::span(manifest.load_end)
        ),
    ];
    if subject.views().iter().any(|view| view.idle_share().is_some()) {
        notes.push(
            "Idle is the compute that was paid for and did not work on a message; failed attempts count as idle. A \
             month without a message holds the least desired count of this run, alarms, pollers, provisioned \
             concurrency and empty receives."
                .into(),
        );
    }
    notes
}

/// Whose month is large enough for a lower price.
fn tiers_reached(subject: &Subject) -> String {
    let mut reached = Vec::new();
    for view in subject.views() {
        for line in view
            .cost
            .iter()
            .flat_map(|cost| &cost.lines)
            .filter(|line| line.month.is_some_and(|month| month.tiered))
        {
            let name = format!("{} of {}", cost::name(line.item), view.name());
            if !reached.contains(&name) {
                reached.push(name);
            }
        }
    }
    let names: Vec<&str> = reached.iter().map(String::as_str).collect();
    if names.is_empty() { "none is reached here".into() } else { format!("they lower {}", list(&names)) }
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
        let Some(usd) = line.usd else { continue };
        let name = Metered::new(line.item, &line.variant, 0).series_name();
        if let Some(series) = view.usage_series(&name) {
            // What the line costs over what was metered: with the free tier that is less than the list price.
            let per_unit = usd / (line.quantity * natural_unit(line.item).1);
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
    let idle = subject.across(Unit::Share, &first_run(subject, "idle-share"));
    let idle = idle.map_or_else(String::new, |range| format!(" Idle share of compute: {range}."));
    if !subject.is_small()
        && let Some(range) = subject.across(Unit::Usd, &first_run(subject, "cost-run"))
    {
        return format!("This run cost {range}.{idle}");
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
    if parts.is_empty() { "The run has no stacks.".into() } else { format!("{}.{idle}", parts.join("; ")) }
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
    use Item::{CloudwatchAlarms, CloudwatchMetrics, LambdaRequests, LogBytes, S3Requests, SqsRequests};
    !matches!(
        item,
        SqsRequests | LambdaRequests | LogBytes | CloudwatchAlarms | CloudwatchMetrics | S3Requests
    )
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
    let (shown, small): (Vec<_>, Vec<_>) = items
        .into_iter()
        .partition(|item| with_quantities || costs.iter().flatten().any(|cost| matters(cost, *item)));
    let mut rows: Vec<Vec<String>> =
        shown.iter().map(|item| item_row(*item, &costs, with_quantities)).collect();
    if !small.is_empty() {
        let rest = |cost: &&Cost| small.iter().map(|item| spent_on(cost, *item)).sum::<f64>();
        let rest: Vec<_> = costs.iter().map(|cost| cost.as_ref().map(rest)).collect();
        let mut row =
            vec![format!("{} below 1{NBSP}%", format::counted(small.len() as u64, "item")), String::new()];
        row.extend(format::row(Unit::Usd, &rest));
        rows.push(row);
    }
    for (label, unit, values) in sums(subject) {
        let mut row = vec![label, String::new()];
        for value in format::row(unit, &values) {
            if with_quantities {
                row.push(String::new());
            }
            row.push(value);
        }
        rows.push(row);
    }
    Some(Table { head, rows, words: 2 })
}

/// Whether an item is worth a row among many stacks: it has no price, or at least a hundredth of a bill.
fn matters(cost: &Cost, item: (Item, &str)) -> bool {
    let unpriced =
        cost.lines.iter().any(|line| (line.item, line.variant.as_str()) == item && line.usd.is_none());
    unpriced || spent_on(cost, item) >= 0.01 * cost.total().unwrap_or(0.0)
}

fn spent_on(cost: &Cost, item: (Item, &str)) -> f64 {
    cost.lines
        .iter()
        .filter(|line| (line.item, line.variant.as_str()) == item)
        .filter_map(|line| line.usd)
        .sum()
}

/// What stands below the items: the metrics of cost, and the month on the other terms.
fn sums(subject: &Subject) -> Vec<(String, Unit, Vec<Option<f64>>)> {
    let of = |name: &str| {
        let metric = named(name);
        (metric.label.to_owned(), metric.unit, first_run(subject, name))
    };
    let other = !subject.judgement.options.free_tier;
    let month = subject.views().iter().map(|view| view.cost.as_ref().ok()?.per_month(other)).collect();
    let label = if other { "The same with the free tier" } else { "The same without free tier" };
    let mut sums = vec![
        of("cost-run"),
        of("cost-per-million"),
        of("cost-per-month"),
        (label.into(), Unit::Usd, month),
        of("idle-cost-per-month"),
        of("idle-share"),
    ];
    if !subject.is_small() {
        // The scorecard has all but these.
        sums.retain(|(name, ..)| ["This run", label].contains(&name.as_str()));
    }
    sums.retain(|(_, _, values)| values.iter().any(Option::is_some));
    sums
}

/// A metric of the first run: what the itemised bill adds up to, also when there are repeats.
fn first_run(subject: &Subject, name: &str) -> Vec<Option<f64>> {
    let metric = named(name);
    subject.views().iter().map(|view| metric.value(view)).collect()
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
            format!("${} per {}{assumed}", exact(p.usd_per_unit), p.unit)
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
