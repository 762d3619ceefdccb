//! The price list: what one unit of each metered item costs in a region.
//!
//! Goals: every unit price carries its source; a figure that is a guess says so; an unknown price is absent, never 0.
//! Non-goals: tiers, free tier, commitments, and quantities (see [`crate::cost`]).

use anyhow::{Context, Result, bail, ensure};
use model::usage::Item;
use serde::Deserialize;
use std::sync::LazyLock;

/// Hours in a billing month, by AWS's own convention (8,760 h a year / 12).
pub const HOURS_PER_MONTH: f64 = 730.0;

const PRICE_LIST: &str = include_str!("../prices.toml");

static LIST: LazyLock<Result<PriceList, String>> =
    LazyLock::new(|| PriceList::parse(PRICE_LIST).map_err(|error| format!("{error:#}")));

/// The date of the price list in force, `YYYY-MM-DD`.
#[must_use]
pub fn price_list_date() -> &'static str {
    LIST.as_ref().map_or("unknown", |list| &list.date)
}

/// What one natural unit of an item costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitPrice {
    /// US dollars per natural unit.
    pub usd_per_unit: f64,
    /// The natural unit, e.g. `GB-s` or `million requests`: see [`natural_unit`].
    pub unit: &'static str,
    /// Where the figure was read.
    pub source: &'static str,
    /// True if the figure is a guess: inferred, or another region's.
    pub assumed: bool,
    /// The region whose price this is, if not the one that was asked for.
    pub borrowed_from: Option<&'static str>,
}

/// The prices of one region.
#[derive(Clone, Debug)]
pub struct Prices {
    list: &'static PriceList,
    region: String,
}

impl Prices {
    /// The prices of `region`, e.g. `eu-central-1`.
    ///
    /// # Errors
    /// When the list does not cover the region; names those that it covers.
    pub fn for_region(region: &str) -> Result<Self> {
        let list = LIST.as_ref().map_err(|error| anyhow::anyhow!("prices.toml: {error}"))?;
        if !list.regions.iter().any(|known| known == region) {
            bail!("no price list for region {region:?}; known regions: {}", list.regions.join(", "));
        }
        Ok(Self { list, region: region.into() })
    }

    /// The date of the list, `YYYY-MM-DD`.
    #[must_use]
    pub fn date(&self) -> &'static str {
        &self.list.date
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What a natural unit of `item` costs; `variant` as in [`model::usage::Metered::variant`].
    ///
    /// A region without a figure of its own borrows the fallback region's, flagged as assumed. `None` means that
    /// the list has no figure at all.
    #[must_use]
    pub fn price(&self, item: Item, variant: &str) -> Option<UnitPrice> {
        let own = self.list.find(item, variant, &self.region);
        let (entry, borrowed_from) = match own {
            Some(entry) => (entry, None),
            None => {
                let fallback = &self.list.fallback_region;
                (self.list.find(item, variant, fallback)?, Some(fallback.as_str()))
            }
        };
        Some(UnitPrice {
            usd_per_unit: entry.usd,
            unit: natural_unit(item).0,
            source: &entry.source,
            assumed: entry.assumed || borrowed_from.is_some(),
            borrowed_from,
        })
    }
}

/// The unit that a price list uses for an item, and how many of [`Item::unit`] make one.
#[must_use]
pub fn natural_unit(item: Item) -> (&'static str, f64) {
    const MB_PER_GB: f64 = 1024.0;
    const CPU_UNITS_PER_VCPU: f64 = 1024.0;
    const SECONDS_PER_HOUR: f64 = 3_600.0;
    match item {
        Item::LambdaRequests | Item::SqsRequests => ("million requests", 1e6),
        Item::LambdaDuration | Item::LambdaProvisionedDuration => ("GB-s", MB_PER_GB * 1e3),
        Item::LambdaProvisionedConcurrency => ("GB-s", MB_PER_GB),
        Item::LambdaEventPollers => ("poller-h", SECONDS_PER_HOUR),
        Item::FargateVcpu | Item::FargateSpotVcpu => ("vCPU-h", CPU_UNITS_PER_VCPU * SECONDS_PER_HOUR),
        Item::FargateMemory | Item::FargateSpotMemory => ("GB-h", MB_PER_GB * SECONDS_PER_HOUR),
        Item::Ec2Instances => ("instance-h", SECONDS_PER_HOUR),
        Item::CloudwatchAlarms => ("alarm-month", HOURS_PER_MONTH * SECONDS_PER_HOUR),
        Item::LogBytes => ("GB", 1024.0 * 1024.0 * 1024.0),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct PriceList {
    date: String,
    fallback_region: String,
    regions: Vec<String>,
    price: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Entry {
    item: Item,
    /// Absent: any variant.
    variant: Option<String>,
    unit: String,
    usd: f64,
    regions: Vec<String>,
    source: String,
    #[serde(default)]
    assumed: bool,
}

impl PriceList {
    fn parse(text: &str) -> Result<Self> {
        let list: Self = toml::from_str(text).context("the price list is damaged")?;
        ensure!(list.regions.contains(&list.fallback_region), "the fallback region is not among the regions");
        for entry in &list.price {
            let name = entry.item.name();
            let unit = natural_unit(entry.item).0;
            ensure!(entry.unit == unit, "{name}: priced per {}, expected per {unit}", entry.unit);
            ensure!(entry.usd.is_finite() && entry.usd > 0.0, "{name}: {} is not a price", entry.usd);
            ensure!(!entry.source.is_empty(), "{name}: a price without a source");
            for region in &entry.regions {
                ensure!(list.regions.contains(region), "{name}: unknown region {region}");
                let same = |e: &&Entry| {
                    e.item == entry.item && e.variant == entry.variant && e.regions.contains(region)
                };
                ensure!(list.price.iter().filter(same).count() == 1, "{name}: priced twice in {region}");
            }
        }
        Ok(list)
    }

    fn find(&self, item: Item, variant: &str, region: &str) -> Option<&Entry> {
        self.price.iter().find(|entry| {
            entry.item == item
                && entry.variant.as_deref().is_none_or(|v| v == variant)
                && entry.regions.iter().any(|r| r == region)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::scenario::{INSTANCE_TYPES, REGIONS};

    #[test]
    fn the_list_is_sound_and_prices_every_item() {
        let list = PriceList::parse(PRICE_LIST).unwrap();
        assert_eq!(list.regions, REGIONS, "a scenario can ask for exactly these");
        assert_eq!(price_list_date(), "2026-11-20");
        for region in &list.regions {
            let prices = Prices::for_region(region).unwrap();
            for item in Item::ALL {
                for variant in ["x86", "arm"] {
                    let variant = if item == Item::Ec2Instances { "m7i.large" } else { variant };
                    assert!(prices.price(item, variant).is_some(), "{} {variant} in {region}", item.name());
                }
            }
            for instance in INSTANCE_TYPES {
                assert!(prices.price(Item::Ec2Instances, instance.name).is_some(), "{}", instance.name);
            }
        }
    }

    #[test]
    fn a_borrowed_price_says_so() {
        let frankfurt = Prices::for_region("eu-central-1").unwrap();
        let own = frankfurt.price(Item::FargateVcpu, "x86").unwrap();
        assert_eq!((own.usd_per_unit, own.assumed, own.borrowed_from), (0.04656, false, None));
        let borrowed = frankfurt.price(Item::FargateVcpu, "arm").unwrap();
        assert_eq!(
            (borrowed.usd_per_unit, borrowed.assumed, borrowed.borrowed_from),
            (0.03238, true, Some("us-east-1"))
        );
    }

    #[test]
    fn what_is_not_listed_is_absent() {
        let prices = Prices::for_region("us-east-1").unwrap();
        assert_eq!(prices.price(Item::Ec2Instances, "x9.huge"), None);
        let error = Prices::for_region("mars-1").unwrap_err().to_string();
        assert!(
            error.starts_with("no price list for region \"mars-1\"; known regions: us-east-1, "),
            "{error}"
        );
    }

    #[test]
    fn a_damaged_list_is_refused() {
        let head = "date = \"d\"\nfallback-region = \"r\"\nregions = [\"r\"]\n";
        let entry = |unit: &str, usd: &str| {
            format!(
                "{head}[[price]]\nitem = \"log-bytes\"\nunit = \"{unit}\"\nusd = {usd}\nregions = [\"r\"]\nsource = \"s\"\n"
            )
        };
        assert!(PriceList::parse(&entry("GB", "0.5")).is_ok());
        assert!(PriceList::parse(&entry("TB", "0.5")).is_err());
        assert!(PriceList::parse(&entry("GB", "0.0")).is_err());
        assert!(PriceList::parse(&format!("{}surprise = 1\n", entry("GB", "0.5"))).is_err());
    }
}
