//! The price list in force, for people and programs: what `versus prices` prints.

use crate::cost::label;
use crate::format::{NBSP, number};
use crate::prices::{Prices, UnitPrice, regions};
use crate::text::widths;
use model::usage::Item;
use serde_json::{Value, json};
use std::fmt::Write;

/// Columns of numbers.
const NUMBERS: [usize; 2] = [1, 3];

/// As a table.
#[must_use]
pub fn text(prices: &Prices) -> String {
    let mut lines = vec![["Item", "USD", "per", "free a month", "source"].map(String::from).to_vec()];
    lines.extend(prices.all().flat_map(|(item, variant, price)| rows(prices, item, variant, &price)));
    let mut out = String::new();
    let _ = writeln!(out, "Prices of {} for {}, on demand, in USD\n", prices.date(), prices.region());
    let widths = widths(&lines);
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(&widths).enumerate().map(aligned).collect();
        let _ = writeln!(out, "{}", cells.join("   ").trim_end());
    }
    let _ = writeln!(out, "\nFree amounts count with --free-tier only. Regions: {}", regions().join(", "));
    out.replace(NBSP, " ")
}

/// Numbers flush right, words flush left.
fn aligned((column, (cell, width)): (usize, (&String, &usize))) -> String {
    let padding = " ".repeat(width - cell.chars().count());
    if NUMBERS.contains(&column) { padding + cell } else { cell.to_owned() + &padding }
}

/// The price, and a row for each of its tiers.
fn rows(prices: &Prices, item: Item, variant: &str, price: &UnitPrice) -> Vec<Vec<String>> {
    let free = prices.free(item).map(|allowance| number(allowance.quantity)).unwrap_or_default();
    let mut source = format!("{}, {}", price.source, price.date);
    if let Some(region) = price.borrowed_from {
        let _ = write!(source, " (assumed: price of {region})");
    } else if price.assumed {
        source.push_str(" (assumed)");
    }
    let mut rows =
        vec![vec![label(item, variant), exact(price.usd_per_unit), price.unit.into(), free, source]];
    rows.extend(price.tiers.iter().map(|tier| {
        let above = format!("  above {} a month", number(tier.above));
        vec![above, exact(tier.usd), price.unit.into(), String::new(), String::new()]
    }));
    rows
}

/// A unit price with all of its digits, cents at least.
pub(crate) fn exact(usd: f64) -> String {
    let text = format!("{usd:.10}");
    let digits = text.trim_end_matches('0');
    let cents = text.find('.').map_or(text.len(), |point| point + 3);
    text[..digits.len().max(cents)].into()
}

/// As JSON.
#[must_use]
pub fn json(prices: &Prices) -> Value {
    let price = |(item, variant, price): (Item, &str, UnitPrice)| {
        json!({
            "item": item.name(),
            "variant": variant,
            "unit": price.unit,
            "usd": price.usd_per_unit,
            "tiers": price.tiers,
            "source": price.source,
            "date": price.date,
            "assumed": price.assumed,
            "borrowed-from": price.borrowed_from,
        })
    };
    let free = Item::ALL.iter().filter_map(|item| prices.free(*item)).map(|allowance| {
        json!({
            "item": allowance.item.name(),
            "unit": allowance.unit,
            "quantity-per-month": allowance.quantity,
            "source": allowance.source,
            "date": allowance.date,
        })
    });
    json!({
        "date": prices.date(),
        "region": prices.region(),
        "prices": prices.all().map(price).collect::<Vec<_>>(),
        "free": free.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_prices_tiers_allowances_and_doubts() {
        let text = text(&Prices::for_region("eu-central-1").unwrap());
        let line = |start: &str| {
            let line = text
                .lines()
                .find(|line| line.starts_with(start))
                .unwrap_or_else(|| panic!("{start}\n{text}"));
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert!(text.starts_with("Prices of 2026-11-20 for eu-central-1, on demand, in USD\n"));
        assert_eq!(
            line("Lambda duration (x86)"),
            "Lambda duration (x86) 0.0000166667 GB-s 400,000 AWS Price List, AWSLambda, 2026-09-19"
        );
        assert_eq!(line("  above 6,000,000,000 a month"), "above 6,000,000,000 a month 0.000015 GB-s");
        assert!(line("SQS requests").starts_with("SQS requests 0.40 million requests 1 AWS Price List"));
        assert!(line("SQS requests").ends_with("(assumed: price of us-east-1)"));
        assert!(line("Fargate Spot memory (x86)").contains("assumed"));
        assert!(line("EC2 instances (t3.medium)").contains("Remembered"));
    }

    #[test]
    fn the_json_has_all_of_it() {
        let json = json(&Prices::for_region("us-east-1").unwrap());
        assert_eq!((&json["date"], &json["region"]), (&json!("2026-11-20"), &json!("us-east-1")));
        let prices = json["prices"].as_array().unwrap();
        let sqs = prices.iter().find(|price| price["item"] == "sqs-requests").unwrap();
        assert_eq!(
            sqs["tiers"],
            json!([{ "above": 100_000.0, "usd": 0.3 }, { "above": 200_000.0, "usd": 0.24 }])
        );
        assert_eq!(
            (&sqs["assumed"], &sqs["borrowed-from"], &sqs["usd"]),
            (&json!(false), &json!(null), &json!(0.4))
        );
        let spot = prices.iter().find(|price| price["item"] == "fargate-spot-vcpu").unwrap();
        assert_eq!(spot["assumed"], true);
        assert_eq!(json["free"].as_array().unwrap().len(), 5);
    }
}
