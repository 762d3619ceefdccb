//! What a run on AWS is expected to cost, from simulations of the same plan.

use anyhow::{Context, Result};
use model::run::Run;
use model::scenario::{Scenario, Source};
use model::time::Nanos;
use model::usage::Item;
use report::cost::{Cost, Terms};
use report::estimate::Estimate;
use report::prices::Prices;
use sim::{Options, Provenance};

/// Simulations of a forecast: enough for an interval, few enough for a second.
const SIMULATIONS: u64 = 5;

/// US dollars that all stacks of one run cost together.
#[derive(Clone)]
pub(super) struct Forecast {
    pub(super) mean: f64,
    /// Ends of the interval that holds the cost of one run in 95 % of cases, as far as the simulator is right.
    pub(super) low: f64,
    pub(super) high: f64,
    /// The same per stack, means.
    pub(super) stacks: Vec<(String, f64)>,
    /// What of it AWS tells only when the run is over: queue calls and logs.
    pub(super) told_late: f64,
    /// Calls that the stacks make to their queues.
    pub(super) queue_calls: u64,
    /// Length of the run with its drain.
    pub(super) length: Nanos,
}

impl Forecast {
    /// What is spent at an instant if so much is metered and the cost comes evenly.
    pub(super) fn spent(&self, metered: f64, now: Nanos) -> f64 {
        let share = (now as f64 / self.length.max(1) as f64).min(1.0);
        (metered + self.told_late * share).max(self.mean * share)
    }
}

/// Simulates `scenario` and prices what its stacks use.
///
/// # Errors
/// When there are no prices for the region, or not for all that is used.
pub(super) fn forecast(scenario: &Scenario, source: &Source) -> Result<Forecast> {
    let prices = Prices::for_region(&scenario.region)?;
    let provenance =
        Provenance { path: source.path.clone(), text: source.text.clone(), ..Provenance::default() };
    let mut totals = Vec::new();
    let mut stacks: Vec<(String, f64)> =
        scenario.stacks.iter().map(|stack| (stack.name.clone(), 0.0)).collect();
    let (mut length, mut queue_calls, mut told_late) = (0, 0, 0.0);
    for noise in 0..SIMULATIONS {
        let run = sim::simulate(scenario, &provenance, Options { noise, ..Options::default() }).run;
        let bills = bills(&run, &prices)?;
        for ((_, sum), bill) in stacks.iter_mut().zip(&bills) {
            *sum += bill / SIMULATIONS as f64;
        }
        totals.push(bills.iter().sum());
        told_late += late(&run, &prices) / SIMULATIONS as f64;
        length = run.manifest.stacks.iter().map(|entry| entry.end).fold(length, Nanos::max);
        queue_calls = queue_calls.max(calls(&run));
    }
    let estimate = Estimate::over_runs(&totals).context("nothing was simulated")?;
    // From the interval of the mean to that of one run more.
    let wider = (totals.len() as f64 + 1.0).sqrt();
    let (low, high) = estimate.interval().unwrap_or((estimate.value, estimate.value));
    let mean = estimate.value;
    let one = |end: f64| (mean + (end - mean) * wider).max(0.0);
    Ok(Forecast { mean, low: one(low), high: one(high), stacks, told_late, queue_calls, length })
}

fn bills(run: &Run, prices: &Prices) -> Result<Vec<f64>> {
    let bill = |(entry, stack): (&model::run::StackEntry, &model::run::StackRun)| {
        let terms = Terms { load: run.manifest.load_end, run: entry.end, free_tier: false };
        let cost = Cost::of(&stack.usage, prices, terms);
        cost.total().with_context(|| {
            let missing: Vec<&str> = cost.unpriced().collect();
            format!("stack {}: there is no price for {}", entry.name, missing.join(", "))
        })
    };
    run.manifest.stacks.iter().zip(&run.stacks).map(bill).collect()
}

/// What of the bills AWS tells only when a run is over.
fn late(run: &Run, prices: &Prices) -> f64 {
    let terms = Terms { load: run.manifest.load_end, run: run.manifest.load_end, free_tier: false };
    let lines = run.stacks.iter().flat_map(|stack| Cost::of(&stack.usage, prices, terms).lines);
    lines
        .filter(|line| matches!(line.item, Item::SqsRequests | Item::LogBytes))
        .filter_map(|line| line.usd)
        .sum()
}

fn calls(run: &Run) -> u64 {
    let of = |stack: &model::run::StackRun| -> u64 {
        let metered = stack.usage.metered.iter();
        metered.filter(|one| one.item == Item::SqsRequests).map(|one| one.quantity).sum()
    };
    run.stacks.iter().map(of).sum()
}
