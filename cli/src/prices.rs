//! `versus prices`: the price list in force.

use crate::Ended;
use crate::output::print;
use anyhow::{Context, Result};
use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use model::scenario::Scenario;
use report::prices::{Prices, regions};

/// Arguments of `versus prices`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// AWS region.
    #[arg(long, value_parser = PossibleValuesParser::new(regions().iter().map(String::as_str)), default_value = Scenario::REGION)]
    region: String,
    /// How to print it.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A table.
    Text,
    /// JSON, one object per price.
    Json,
}

pub(crate) fn prices(args: &Args) -> Result<Ended> {
    let prices = Prices::for_region(&args.region)?;
    let text = match args.format {
        Format::Text => report::price_table::text(&prices),
        Format::Json => {
            serde_json::to_string_pretty(&report::price_table::json(&prices)).context("the price list")?
                + "\n"
        }
    };
    print(&text)?;
    Ok(Ended::Well)
}
