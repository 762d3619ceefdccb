//! Cost = usage x price list, item by item.
//!
//! Goals: every line shows its quantity, its unit price and whether that price is assumed; an item without a price
//! is a line without an amount, and then there is no total.
//! Non-goals: metering (`model::usage`), commitments.
//!
//! A run is scaled to a month of 730 h by repeating its load back to back: whatever messages cause (requests,
//! duration, tasks, instances, logs; the drain included) is multiplied by month / length of the load. What is held
//! whether or not there is load (alarms, event pollers, provisioned concurrency) is multiplied by month / length
//! of the run, drain included, because that is how long the meter ran.
//!
//! A month has volume tiers. A run has not: it is charged at the price of a month's first unit, for nothing tells
//! what else the month holds. With the free tier that would be 0 for any short run, so the run is then charged what
//! its share of the month costs.

use crate::prices::{HOURS_PER_MONTH, Prices, UnitPrice, natural_unit};
use model::time::{HOUR, Nanos};
use model::usage::{Item, Metered, Usage};

/// How a bill is made out.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Length of the load.
    pub load: Nanos,
    /// Length of the run with its drain.
    pub run: Nanos,
    /// Whether the account's free tier is taken off, as if the stack had it to itself.
    pub free_tier: bool,
}

impl Terms {
    /// How many times what a run used of `item` fits into a month; see the module's head. `None` for a run without
    /// length.
    fn per_month(&self, item: Item) -> Option<f64> {
        let span = if held_by_time(item) { self.run.max(self.load) } else { self.load };
        (self.load > 0 && self.run > 0).then(|| HOURS_PER_MONTH * HOUR as f64 / span as f64)
    }
}

/// What a stack's usage costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// One line per metered item and variant, in the order of the usage.
    pub lines: Vec<CostLine>,
}

/// One line of a bill.
#[derive(Clone, Debug, PartialEq)]
pub struct CostLine {
    /// What.
    pub item: Item,
    /// Which kind of it.
    pub variant: String,
    /// For people, e.g. `Fargate vCPU (arm)`.
    pub label: String,
    /// How much, in [`CostLine::unit`].
    pub quantity: f64,
    /// Natural unit of the price list, e.g. `GB-s`.
    pub unit: &'static str,
    /// The price in force; `None` if the list has none.
    pub price: Option<UnitPrice>,
    /// Amount in US dollars; `None` if there is no price.
    pub usd: Option<f64>,
    /// The same for a month of this load; `None` also if the run has no length.
    pub month: Option<Month>,
}

/// What a month costs in US dollars, volume tiers included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Month {
    /// At list prices.
    pub list: f64,
    /// With the account's free tier taken off.
    pub after_free: f64,
    /// Whether so much is used that some of it has a volume tier's price.
    pub tiered: bool,
}

impl Month {
    /// The one or the other.
    #[must_use]
    pub fn usd(&self, free_tier: bool) -> f64 {
        if free_tier { self.after_free } else { self.list }
    }
}

/// Prices a month's quantities in natural units. The variants of an item fill its tiers and use up its free units
/// together, each in proportion. `None` where the list has no price.
#[must_use]
pub fn month(prices: &Prices, quantities: &[(Item, &str, f64)]) -> Vec<Option<Month>> {
    let one = |&(item, variant, quantity): &(Item, &str, f64)| {
        let price = prices.price(item, variant)?;
        let pool: f64 = quantities.iter().filter(|other| other.0 == item).map(|other| other.2).sum();
        if pool <= 0.0 {
            return Some(Month::default());
        }
        let free = prices.free(item).map_or(0.0, |allowance| allowance.quantity);
        let share = quantity / pool;
        Some(Month {
            list: price.of_month(pool, 0.0) * share,
            after_free: price.of_month(pool, free) * share,
            tiered: price.tiers.first().is_some_and(|tier| pool > tier.above),
        })
    };
    quantities.iter().map(one).collect()
}

impl CostLine {
    fn new(metered: &Metered, price: Option<UnitPrice>, month: Option<Month>, terms: Terms) -> Self {
        let unit = natural_unit(metered.item).0;
        let quantity = natural(metered);
        let share_of_month = || Some(month?.after_free / terms.per_month(metered.item)?);
        Self {
            item: metered.item,
            variant: metered.variant.clone(),
            label: label(metered.item, &metered.variant),
            quantity,
            unit,
            price,
            usd: if terms.free_tier { share_of_month() } else { price.map(|p| quantity * p.usd_per_unit) },
            month,
        }
    }

    /// Whether the unit price is a guess.
    #[must_use]
    pub fn assumed(&self) -> bool {
        self.price.is_some_and(|p| p.assumed)
    }

    /// Amount in US dollars at the price of a month's first unit, whatever the terms.
    #[must_use]
    pub fn at_list_price(&self) -> Option<f64> {
        self.price.map(|price| self.quantity * price.usd_per_unit)
    }
}

/// A quantity in natural units.
fn natural(metered: &Metered) -> f64 {
    metered.quantity as f64 / natural_unit(metered.item).1
}

impl Cost {
    /// Prices what was used.
    #[must_use]
    pub fn of(usage: &Usage, prices: &Prices, terms: Terms) -> Self {
        let scaled = |metered: &Metered| natural(metered) * terms.per_month(metered.item).unwrap_or(0.0);
        let quantities: Vec<(Item, &str, f64)> =
            usage.metered.iter().map(|m| (m.item, m.variant.as_str(), scaled(m))).collect();
        let line = |(metered, month): (&Metered, Option<Month>)| {
            let month = month.filter(|_| terms.per_month(metered.item).is_some());
            CostLine::new(metered, prices.price(metered.item, &metered.variant), month, terms)
        };
        Self { lines: usage.metered.iter().zip(month(prices, &quantities)).map(line).collect() }
    }

    /// The whole bill in US dollars; `None` if any line has no price.
    #[must_use]
    pub fn total(&self) -> Option<f64> {
        // An empty sum of floats is -0.
        self.lines.iter().map(|line| line.usd).sum::<Option<f64>>().map(|usd| usd + 0.0)
    }

    /// US dollars per million messages done; `None` without messages or without a total.
    #[must_use]
    pub fn per_million(&self, done: u64) -> Option<f64> {
        (done > 0).then(|| self.total()).flatten().map(|usd| usd * 1e6 / done as f64)
    }

    /// US dollars per month of 730 h at this load, with volume tiers; see the module's head for what is scaled by
    /// what. `None` if a line has no price or the run no length.
    #[must_use]
    pub fn per_month(&self, free_tier: bool) -> Option<f64> {
        self.lines
            .iter()
            .map(|line| Some(line.month?.usd(free_tier)))
            .sum::<Option<f64>>()
            .map(|usd| usd + 0.0)
    }

    /// The labels of the lines that have no price.
    pub fn unpriced(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(|line| line.price.is_none()).map(|line| line.label.as_str())
    }
}

/// Whether an item is billed for existing, not for work.
fn held_by_time(item: Item) -> bool {
    matches!(item, Item::CloudwatchAlarms | Item::LambdaEventPollers | Item::LambdaProvisionedConcurrency)
}

/// An item and its variant for people.
#[must_use]
pub fn label(item: Item, variant: &str) -> String {
    let name = name(item);
    if variant.is_empty() { name.into() } else { format!("{name} ({variant})") }
}

/// An item for people.
#[must_use]
pub fn name(item: Item) -> &'static str {
    match item {
        Item::LambdaRequests => "Lambda requests",
        Item::LambdaDuration => "Lambda duration",
        Item::LambdaProvisionedDuration => "Lambda duration, provisioned",
        Item::LambdaProvisionedConcurrency => "Lambda provisioned concurrency",
        Item::LambdaEventPollers => "Lambda event pollers",
        Item::FargateVcpu => "Fargate vCPU",
        Item::FargateMemory => "Fargate memory",
        Item::FargateSpotVcpu => "Fargate Spot vCPU",
        Item::FargateSpotMemory => "Fargate Spot memory",
        Item::Ec2Instances => "EC2 instances",
        Item::EksClusters => "EKS clusters",
        Item::SqsRequests => "SQS requests",
        Item::CloudwatchAlarms => "CloudWatch alarms",
        Item::LogBytes => "CloudWatch Logs ingestion",
        Item::CloudwatchMetrics => "CloudWatch metrics asked for",
        Item::S3Requests => "S3 requests",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::MINUTE;

    fn cost(region: &str, used: &[(Item, &str, u64)]) -> Cost {
        bill(region, used, Terms { load: HOUR, run: HOUR, free_tier: false })
    }

    fn bill(region: &str, used: &[(Item, &str, u64)], terms: Terms) -> Cost {
        let metered = used.iter().map(|&(item, variant, quantity)| Metered::new(item, variant, quantity));
        Cost::of(&Usage { metered: metered.collect() }, &Prices::for_region(region).unwrap(), terms)
    }

    fn dollars(cost: &Cost) -> String {
        format!("{:.4}", cost.total().unwrap())
    }

    const MONTH_S: u64 = 730 * 3_600;

    #[test]
    fn a_hundred_million_invocations() {
        // 100 M x 202 ms x 512 MB = 10.1 M GB-s x 0.0000166667 = 168.33, + 100 x 0.20 = 188.33.
        let used =
            [(Item::LambdaDuration, "x86", 100_000_000 * 202 * 512), (Item::LambdaRequests, "", 100_000_000)];
        let cost = cost("us-east-1", &used);
        assert_eq!(format!("{:.2}", cost.lines[0].usd.unwrap()), "168.33");
        assert_eq!(format!("{:.2}", cost.lines[1].usd.unwrap()), "20.00");
        assert_eq!(dollars(&cost), "188.3337");
    }

    #[test]
    fn a_small_fargate_task_for_a_month() {
        // 0.25 vCPU x 0.04048 + 0.5 GB x 0.004445 = 0.0123425 an hour; x 730 h = 9.0100.
        // The 9.07 that one article gives needs 735 h, which is no month: 720 h give 8.89, 744 h give 9.18.
        let task = |hours: u64| {
            let seconds = hours * 3_600;
            let used =
                [(Item::FargateVcpu, "x86", 256 * seconds), (Item::FargateMemory, "x86", 512 * seconds)];
            format!("{:.2}", cost("us-east-1", &used).total().unwrap())
        };
        assert_eq!([720, 730, 735, 744].map(task), ["8.89", "9.01", "9.07", "9.18"]);
    }

    #[test]
    fn two_provisioned_pollers_for_a_month() {
        // 2 x 730 h x 0.00925 = 13.505.
        assert_eq!(dollars(&cost("us-east-1", &[(Item::LambdaEventPollers, "", 2 * MONTH_S)])), "13.5050");
    }

    #[test]
    fn queue_calls_of_any_kind_cost_the_same() {
        // 1 M sends + 2 M empty receives = 3 x 0.40.
        let used = [(Item::SqsRequests, "send", 1_000_000), (Item::SqsRequests, "empty-receive", 2_000_000)];
        assert_eq!(dollars(&cost("us-east-1", &used)), "1.2000");
    }

    #[test]
    fn arm_in_sydney_and_logs_in_mumbai() {
        // 10 h of 2 vCPU: 20 x 0.03885 = 0.777. Memory, 4 GB: 40 x 0.00426 = 0.1704.
        let used = [(Item::FargateVcpu, "arm", 2_048 * 36_000), (Item::FargateMemory, "arm", 4_096 * 36_000)];
        let sydney = cost("ap-southeast-2", &used);
        assert_eq!(dollars(&sydney), "0.9474");
        assert_eq!(sydney.lines.iter().map(CostLine::assumed).collect::<Vec<_>>(), [false, true]);
        // 10 GB x 0.70.
        assert_eq!(dollars(&cost("ap-south-1", &[(Item::LogBytes, "", 10 << 30)])), "7.0000");
    }

    #[test]
    fn provisioned_concurrency_for_a_month() {
        // 10 environments of 1,024 MB for 730 h: 26.28 M GB-s x 0.0000041667 = 109.500876.
        let used = [(Item::LambdaProvisionedConcurrency, "x86", 10 * 1_024 * MONTH_S)];
        assert_eq!(dollars(&cost("us-east-1", &used)), "109.5009");
    }

    #[test]
    fn an_item_without_a_price_is_not_free() {
        let cost =
            cost("us-east-1", &[(Item::Ec2Instances, "x9.huge", 3_600), (Item::SqsRequests, "send", 1)]);
        assert_eq!((cost.lines[0].usd, cost.total(), cost.per_million(1)), (None, None, None));
        assert_eq!(cost.unpriced().collect::<Vec<_>>(), ["EC2 instances (x9.huge)"]);
    }

    #[test]
    fn a_month_repeats_the_load_and_holds_alarms() {
        // Load 30 min, run 40 min. 1 M requests a load: 1,460 loads a month x 0.40 = 584.
        // Two alarms, metered for the 40 min, cost 2 x 0.10 a month whatever the load.
        let used = [(Item::SqsRequests, "send", 1_000_000), (Item::CloudwatchAlarms, "", 2 * 40 * 60)];
        let terms = Terms { load: 30 * MINUTE, run: 40 * MINUTE, free_tier: false };
        let per_month =
            |terms| bill("us-east-1", &used, terms).per_month(false).map(|usd| format!("{usd:.4}"));
        assert_eq!(per_month(terms), Some("584.2000".into()));
        assert_eq!(per_month(Terms { load: 0, ..terms }), None);
    }

    #[test]
    fn the_free_tier_is_shared_by_the_variants_of_an_item() {
        // A month of 1,460 half hours: 1.46 M sends and 0.73 M receives, of which 1 M are free: 1.19 x 0.40 = 0.476.
        // The run is charged its 1,460th part of it, the sends two thirds.
        let used = [(Item::SqsRequests, "receive", 500), (Item::SqsRequests, "send", 1_000)];
        let terms = Terms { load: 30 * MINUTE, run: 30 * MINUTE, free_tier: true };
        let cost = bill("us-east-1", &used, terms);
        assert_eq!(format!("{:.4}", cost.per_month(true).unwrap()), "0.4760");
        assert_eq!(format!("{:.4}", cost.per_month(false).unwrap()), "0.8760");
        assert_eq!(format!("{:.9}", cost.total().unwrap()), "0.000326027");
        assert_eq!(format!("{:.9}", cost.lines[1].usd.unwrap()), "0.000217352");
        // What the account gets for nothing costs nothing; a run without length has no month to share in.
        assert_eq!(bill("us-east-1", &used[..1], terms).total(), Some(0.0));
        assert_eq!(bill("us-east-1", &used, Terms { load: 0, ..terms }).total(), None);
    }

    #[test]
    fn per_million_counts_messages_done() {
        // 3 M requests for 500,000 messages: 1.2 x 2.
        let cost = cost("us-east-1", &[(Item::SqsRequests, "receive", 3_000_000)]);
        assert_eq!(cost.per_million(500_000).map(|v| format!("{v:.6}")), Some("2.400000".into()));
        assert_eq!(cost.per_million(0), None);
    }
}
