//! Cost = usage x price list, item by item.
//!
//! Goals: every line shows its quantity, its unit price and whether that price is assumed; an item without a price
//! is a line without an amount, and then there is no total.
//! Non-goals: metering (`model::usage`), free tier and volume tiers.
//!
//! A run is scaled to a month of 730 h by repeating its load back to back: whatever messages cause (requests,
//! duration, tasks, instances, logs; the drain included) is multiplied by month / length of the load. What is held
//! whether or not there is load (alarms, event pollers, provisioned concurrency) is multiplied by month / length
//! of the run, drain included, because that is how long the meter ran.

use crate::prices::{HOURS_PER_MONTH, Prices, UnitPrice, natural_unit};
use model::time::{HOUR, Nanos};
use model::usage::{Item, Metered, Usage};

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
}

impl CostLine {
    fn new(metered: &Metered, prices: &Prices) -> Self {
        let (unit, size) = natural_unit(metered.item);
        let quantity = metered.quantity as f64 / size;
        let price = prices.price(metered.item, &metered.variant);
        Self {
            item: metered.item,
            variant: metered.variant.clone(),
            label: label(metered.item, &metered.variant),
            quantity,
            unit,
            price,
            usd: price.map(|p| quantity * p.usd_per_unit),
        }
    }

    /// Whether the unit price is a guess.
    #[must_use]
    pub fn assumed(&self) -> bool {
        self.price.is_some_and(|p| p.assumed)
    }
}

impl Cost {
    /// Prices what was used.
    #[must_use]
    pub fn of(usage: &Usage, prices: &Prices) -> Self {
        Self { lines: usage.metered.iter().map(|metered| CostLine::new(metered, prices)).collect() }
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

    /// US dollars per month of 730 h at this load. `load` is the length of the load, `run` that of the run with
    /// its drain; see the module's head for which item follows which. `None` if either is 0.
    #[must_use]
    pub fn per_month(&self, load: Nanos, run: Nanos) -> Option<f64> {
        if load == 0 || run == 0 {
            return None;
        }
        let month = HOURS_PER_MONTH * HOUR as f64;
        self.lines
            .iter()
            .map(|line| {
                let span = if held_by_time(line.item) { run.max(load) } else { load };
                line.usd.map(|usd| usd * month / span as f64)
            })
            .sum()
    }

    /// The labels of the lines that have no price.
    pub fn unpriced(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(|line| line.usd.is_none()).map(|line| line.label.as_str())
    }
}

/// Whether an item is billed for existing, not for work.
fn held_by_time(item: Item) -> bool {
    matches!(item, Item::CloudwatchAlarms | Item::LambdaEventPollers | Item::LambdaProvisionedConcurrency)
}

/// An item and its variant for people.
#[must_use]
pub fn label(item: Item, variant: &str) -> String {
    let name = match item {
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
        Item::SqsRequests => "SQS requests",
        Item::CloudwatchAlarms => "CloudWatch alarms",
        Item::LogBytes => "CloudWatch Logs ingestion",
    };
    if variant.is_empty() { name.into() } else { format!("{name} ({variant})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::MINUTE;

    fn cost(region: &str, used: &[(Item, &str, u64)]) -> Cost {
        let metered = used.iter().map(|&(item, variant, quantity)| Metered::new(item, variant, quantity));
        Cost::of(&Usage { metered: metered.collect() }, &Prices::for_region(region).unwrap())
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
        let cost = cost("us-east-1", &used);
        assert_eq!(format!("{:.4}", cost.per_month(30 * MINUTE, 40 * MINUTE).unwrap()), "584.2000");
        assert_eq!(cost.per_month(0, MINUTE), None);
    }

    #[test]
    fn per_million_counts_messages_done() {
        // 3 M requests for 500,000 messages: 1.2 x 2.
        let cost = cost("us-east-1", &[(Item::SqsRequests, "receive", 3_000_000)]);
        assert_eq!(cost.per_million(500_000).map(|v| format!("{v:.6}")), Some("2.400000".into()));
        assert_eq!(cost.per_million(0), None);
    }
}
