//! The price list: what one unit of each metered item costs in a region.
//!
//! Goals: every unit price carries its source and date; a figure that is a guess says so; an unknown price is absent,
//! never 0.
//! Non-goals: commitments, and quantities (see [`crate::cost`]).

use anyhow::{Context, Result, bail, ensure};
use model::usage::Item;
use serde::{Deserialize, Serialize};
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

/// The regions that the list knows.
#[must_use]
pub fn regions() -> &'static [String] {
    LIST.as_ref().map_or(&[], |list| &list.regions)
}

/// What one natural unit of an item costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitPrice {
    /// US dollars per natural unit: the first of a month.
    pub usd_per_unit: f64,
    /// What the units above a volume cost, in ascending order.
    pub tiers: &'static [Tier],
    /// The natural unit, e.g. `GB-s` or `million requests`: see [`natural_unit`].
    pub unit: &'static str,
    /// Where the figure was read.
    pub source: &'static str,
    /// The date of the source, or when it was read, `YYYY-MM-DD`.
    pub date: &'static str,
    /// True if the figure is a guess: inferred, or another region's.
    pub assumed: bool,
    /// The region whose price this is, if not the one that was asked for.
    pub borrowed_from: Option<&'static str>,
}

/// Another price above so many units a month.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Natural units of a month before it.
    pub above: f64,
    /// US dollars per natural unit.
    pub usd: f64,
}

impl UnitPrice {
    /// US dollars for `quantity` natural units in one month, of which the first `free` cost nothing. AWS counts free
    /// units into the volume.
    #[must_use]
    pub fn of_month(&self, quantity: f64, free: f64) -> f64 {
        let starts = self.tiers.iter().map(|tier| (tier.above, tier.usd));
        let starts = std::iter::once((0.0, self.usd_per_unit)).chain(starts);
        let ends = self.tiers.iter().map(|tier| tier.above).chain([f64::INFINITY]);
        let amount =
            |((from, usd), until): ((f64, f64), f64)| (quantity.min(until) - from.max(free)).max(0.0) * usd;
        starts.zip(ends).map(amount).sum()
    }
}

/// What an account gets for nothing each month.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// Of what; all of its variants share it.
    pub item: Item,
    /// The natural unit.
    pub unit: String,
    /// Natural units per month.
    pub quantity: f64,
    /// Where the figure was read.
    pub source: String,
    /// The date of the source, or when it was read, `YYYY-MM-DD`.
    pub date: String,
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
            tiers: &entry.tiers,
            unit: natural_unit(item).0,
            source: &entry.source,
            date: &entry.date,
            assumed: entry.assumed || borrowed_from.is_some(),
            borrowed_from,
        })
    }

    /// What an account gets for nothing of an item each month, if anything.
    #[must_use]
    pub fn free(&self, item: Item) -> Option<&'static Allowance> {
        self.list.free.iter().find(|allowance| allowance.item == item)
    }

    /// All that is priced in this region: item, variant (empty: any) and price, in the order of the list.
    pub fn all(&self) -> impl Iterator<Item = (Item, &'static str, UnitPrice)> {
        let mut seen: Vec<(Item, &'static str)> = Vec::new();
        for entry in &self.list.price {
            let key = (entry.item, entry.variant.as_deref().unwrap_or_default());
            if !seen.contains(&key) {
                seen.push(key);
            }
        }
        seen.into_iter().filter_map(|(item, variant)| Some((item, variant, self.price(item, variant)?)))
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
        Item::EksClusters => ("cluster-h", SECONDS_PER_HOUR),
        Item::CloudwatchAlarms => ("alarm-month", HOURS_PER_MONTH * SECONDS_PER_HOUR),
        Item::LogBytes => ("GB", 1024.0 * 1024.0 * 1024.0),
        Item::CloudwatchMetrics => ("thousand metrics", 1e3),
        Item::S3Requests => ("thousand requests", 1e3),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct PriceList {
    date: String,
    fallback_region: String,
    regions: Vec<String>,
    price: Vec<Entry>,
    #[serde(default)]
    free: Vec<Allowance>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Entry {
    item: Item,
    /// Absent: any variant.
    variant: Option<String>,
    unit: String,
    usd: f64,
    #[serde(default)]
    tiers: Vec<Tier>,
    regions: Vec<String>,
    source: String,
    date: String,
    #[serde(default)]
    assumed: bool,
}

impl PriceList {
    fn parse(text: &str) -> Result<Self> {
        let list: Self = toml::from_str(text).context("the price list is damaged")?;
        ensure!(list.regions.contains(&list.fallback_region), "the fallback region is not among the regions");
        ensure!(is_date(&list.date), "{:?} is not the date of a list", list.date);
        list.price.iter().try_for_each(|entry| list.check(entry))?;
        for free in &list.free {
            let name = free.item.name();
            list.check_figure(free.item, &free.unit, free.quantity, (&free.source, &free.date))?;
            let same = list.free.iter().filter(|other| other.item == free.item).count();
            ensure!(same == 1, "{name}: two allowances");
        }
        Ok(list)
    }

    fn check(&self, entry: &Entry) -> Result<()> {
        let name = entry.item.name();
        self.check_figure(entry.item, &entry.unit, entry.usd, (&entry.source, &entry.date))?;
        let mut below = 0.0;
        for tier in &entry.tiers {
            ensure!(tier.above.is_finite() && tier.above > below, "{name}: tiers do not ascend");
            ensure!(tier.usd.is_finite() && tier.usd > 0.0, "{name}: {} is not a price", tier.usd);
            below = tier.above;
        }
        for region in &entry.regions {
            ensure!(self.regions.contains(region), "{name}: unknown region {region}");
            let same =
                |e: &&Entry| e.item == entry.item && e.variant == entry.variant && e.regions.contains(region);
            ensure!(self.price.iter().filter(same).count() == 1, "{name}: priced twice in {region}");
        }
        Ok(())
    }

    /// What holds for prices and allowances alike: the item's own unit, a real figure, a source and a date.
    fn check_figure(&self, item: Item, unit: &str, figure: f64, (source, date): (&str, &str)) -> Result<()> {
        let name = item.name();
        let expected = natural_unit(item).0;
        ensure!(unit == expected, "{name}: priced per {unit}, expected per {expected}");
        ensure!(figure.is_finite() && figure > 0.0, "{name}: {figure} is not a price");
        ensure!(!source.is_empty(), "{name}: a figure without a source");
        ensure!(is_date(date), "{name}: {date:?} is not a date");
        // ISO dates sort as text.
        ensure!(date <= self.date.as_str(), "{name}: read on {date}, after the date of the list");
        Ok(())
    }

    fn find(&self, item: Item, variant: &str, region: &str) -> Option<&Entry> {
        self.price.iter().find(|entry| {
            entry.item == item
                && entry.variant.as_deref().is_none_or(|v| v == variant)
                && entry.regions.iter().any(|r| r == region)
        })
    }
}

/// Whether a text has the form `YYYY-MM-DD`.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number =
        |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten();
    let [year, month, day] = parts.as_slice() else { return false };
    year.len() == 4
        && number(year).is_some()
        && month.len() == 2
        && number(month).is_some_and(|month| (1..=12).contains(&month))
        && day.len() == 2
        && number(day).is_some_and(|day| (1..=31).contains(&day))
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
                let variants = match item {
                    Item::Ec2Instances => ["m5.large", "m7i.large"],
                    Item::S3Requests => ["put", "get"],
                    _ => ["x86", "arm"],
                };
                for variant in variants {
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
    fn volumes_and_allowances() {
        let tiers: &'static [Tier] = &[Tier { above: 10.0, usd: 1.0 }, Tier { above: 20.0, usd: 0.5 }];
        let sqs = Prices::for_region("us-east-1").unwrap().price(Item::SqsRequests, "send").unwrap();
        let price = UnitPrice { usd_per_unit: 2.0, tiers, ..sqs };
        let of = |quantity: f64, free: f64| price.of_month(quantity, free);
        assert_eq!([of(0.0, 0.0), of(10.0, 0.0), of(11.0, 0.0), of(24.0, 0.0)], [0.0, 20.0, 21.0, 32.0]);
        // The free units are the first and dearest; an allowance may reach into a tier.
        assert_eq!([of(3.0, 5.0), of(6.0, 5.0), of(24.0, 5.0), of(24.0, 12.0)], [0.0, 2.0, 22.0, 10.0]);
    }

    #[test]
    fn all_that_is_priced_is_listed_once() {
        let all: Vec<_> = Prices::for_region("eu-central-1").unwrap().all().collect();
        let vcpu: Vec<_> = all.iter().filter(|one| one.0 == Item::FargateVcpu).collect();
        assert_eq!(vcpu.iter().map(|one| one.1).collect::<Vec<_>>(), ["x86", "arm"]);
        assert_eq!((vcpu[0].2.borrowed_from, vcpu[1].2.borrowed_from), (None, Some("us-east-1")));
        assert!(Item::ALL.iter().all(|item| all.iter().any(|one| one.0 == *item)));
    }

    #[test]
    fn a_damaged_list_is_refused() {
        let head = "date = \"2026-02-02\"\nfallback-region = \"r\"\nregions = [\"r\"]\n";
        let good = "[[price]]\nitem = \"log-bytes\"\nunit = \"GB\"\nusd = 0.5\nregions = [\"r\"]\nsource = \"s\"\n\
                    date = \"2026-01-31\"\n[[free]]\nitem = \"log-bytes\"\nunit = \"GB\"\nquantity = 5\nsource = \"s\"\n\
                    date = \"2026-02-01\"\n";
        let parsed = |what: &str, instead: &str| {
            assert!(what.is_empty() || good.contains(what), "{what}");
            PriceList::parse(&format!("{head}{}", good.replacen(what, instead, 1)))
        };
        assert!(parsed("", "").is_ok());
        for (what, instead) in [
            ("unit = \"GB\"\nusd", "unit = \"TB\"\nusd"),
            ("0.5", "0.0"),
            ("source = \"s\"", "source = \"\""),
            ("source = \"s\"", "source = \"s\"\nsurprise = 1"),
            ("date = \"2026-01-31\"", ""),
            ("2026-01-31", "31.1.2026"),
            ("2026-01-31", "2026-13-01"),
            ("2026-01-31", "2026-03-01"),
            ("2026-02-01", "2027-01-01"),
            ("quantity = 5", "quantity = 0"),
            ("0.5", "0.5\ntiers = [{ above = 2, usd = 0.4 }, { above = 2, usd = 0.3 }]"),
            ("0.5", "0.5\ntiers = [{ above = 2, usd = 0 }]"),
        ] {
            assert!(parsed(what, instead).is_err(), "{instead}");
        }
    }
}
