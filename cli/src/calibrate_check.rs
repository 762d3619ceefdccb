//! `versus calibrate-check`: how often a check of this scenario would be wrong, and what it would see.
//!
//! Pairs of runs of one plan, between which nothing changed but chance, are simulated and checked: every regression is
//! a false alarm. Then the second run of each pair is made slower, and every regression is a catch.

use crate::check::Rule;
use crate::output::print;
use crate::{Ended, Refusal};
use anyhow::Result;
use model::scenario::{self, Scenario, Source};
use report::check::{EFFECTS, Rates, Settings, baseline, rates};
use sim::{Options, Provenance};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Arguments of `versus calibrate-check`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Scenario file.
    scenario: PathBuf,
    /// How many pairs: the more, the surer the rates.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pairs: u64,
    #[command(flatten)]
    rule: Rule,
    /// Seed, instead of the scenario's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Override a key of the scenario (may be given several times).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

pub(crate) fn calibrate(args: &Args) -> Result<Ended> {
    let (scenario, source) = scenario::load(&args.scenario, &args.overrides, args.seed)?;
    let settings = args.rule.settings();
    if let Some(control) = &settings.control
        && !scenario.stacks.iter().any(|stack| stack.name == *control)
    {
        let names: Vec<&str> = scenario.stacks.iter().map(|stack| stack.name.as_str()).collect();
        let text = format!("--control {control}: the scenario has no such stack, only {}", names.join(", "));
        return Err(Refusal::Usage(text).into());
    }
    let tally = simulated(&scenario, &source, args, &settings);
    print(&text(&scenario, &tally))?;
    Ok(if tally.told() { Ended::Well } else { Ended::WithoutVerdict })
}

/// Outcomes over all pairs.
#[derive(Default)]
struct Tally {
    /// Pairs that could be compared.
    pairs: u64,
    /// Whatever regressed.
    any: Counts,
    /// By stack and metric.
    metrics: BTreeMap<String, Counts>,
}

#[derive(Default)]
struct Counts {
    /// Regressed while nothing had changed.
    alarms: u64,
    /// Shown to be unchanged.
    unchanged: u64,
    /// Regressed once it was slower, by [`EFFECTS`].
    caught: [u64; EFFECTS.len()],
}

impl Tally {
    /// Adds the rates of one pair, each of which is 0 or 1.
    fn add(&mut self, pair: &Rates) {
        if pair.pairs == 0 {
            return;
        }
        let once = |share: f64| u64::from(share > 0.5);
        let place = |effect: f64| EFFECTS.iter().position(|known| *known == effect);
        self.pairs += 1;
        self.any.alarms += once(pair.any);
        for (effect, share) in &pair.power {
            place(*effect).into_iter().for_each(|place| self.any.caught[place] += once(*share));
        }
        for (name, share) in &pair.regressed {
            self.metrics.entry(name.clone()).or_default().alarms += once(*share);
        }
        for (name, share) in &pair.unchanged {
            self.metrics.entry(name.clone()).or_default().unchanged += once(*share);
        }
        for (effect, name, share) in &pair.caught {
            let counts = self.metrics.entry(name.clone()).or_default();
            place(*effect).into_iter().for_each(|place| counts.caught[place] += once(*share));
        }
    }

    fn told(&self) -> bool {
        self.untested().len() < self.metrics.len()
    }

    /// Stacks and metrics of which no check told anything, not even when they were slower.
    fn untested(&self) -> Vec<&str> {
        let silent =
            |counts: &Counts| counts.alarms + counts.unchanged + counts.caught.iter().sum::<u64>() == 0;
        self.metrics.iter().filter(|(_, counts)| silent(counts)).map(|(name, _)| name.as_str()).collect()
    }
}

/// Simulates and checks all pairs, on all cores.
fn simulated(scenario: &Scenario, source: &Source, args: &Args, settings: &Settings) -> Tally {
    let provenance = Provenance {
        path: source.path.clone(),
        text: source.text.clone(),
        overrides: args.overrides.clone(),
        command: Vec::new(),
        repeat: (1, 1),
        tool_version: env!("CARGO_PKG_VERSION").into(),
    };
    let run = |noise| {
        let options = Options { noise, ..Options::default() };
        baseline(&sim::simulate(scenario, &provenance, options).run)
    };
    let next = AtomicU64::new(0);
    let work = || {
        let mut found = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= args.pairs {
                return found;
            }
            let pair = (run(2 * index + 1), run(2 * index + 2));
            found.push(rates(std::iter::once(pair), settings));
        }
    };
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let found = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            found.iter().for_each(|pair| tally.add(pair));
        }
    });
    tally
}

fn text(scenario: &Scenario, tally: &Tally) -> String {
    let mut out =
        format!("{}: {} pairs of runs between which nothing changed\n", scenario.title, tally.pairs);
    if !tally.told() {
        out.push_str("Nothing could be told: the load is too short, or its runs are not valid.\n");
        return out;
    }
    let width = tally.metrics.keys().map(String::len).max().unwrap_or(0).max("Any".len());
    let _ = write!(out, "\n{:width$}   {:<22}   unchanged", "", "false alarms");
    EFFECTS.iter().for_each(|effect| _ = write!(out, "   caught +{:.0} %", effect * 100.0));
    out.push('\n');
    let mut row = |name: &str, counts: &Counts, unchanged: &str| {
        let _ = write!(
            out,
            "{name:<width$}   {:<22}   {unchanged:>9}",
            with_interval(counts.alarms, tally.pairs)
        );
        for (effect, caught) in EFFECTS.iter().zip(counts.caught) {
            // As wide as its heading.
            let wide = format!("caught +{:.0} %", effect * 100.0).len();
            let _ = write!(out, "   {:>wide$}", percent(caught, tally.pairs));
        }
        out.push('\n');
    };
    row("Any", &tally.any, "");
    tally
        .metrics
        .iter()
        .for_each(|(name, counts)| row(name, counts, &percent(counts.unchanged, tally.pairs)));
    let untested = tally.untested();
    if !untested.is_empty() {
        let _ = writeln!(out, "\nNothing could be told of {}.", untested.join(", "));
    }
    out.push_str(
        "\nA false alarm is a check that fails although nothing changed; in parentheses its 95 % interval. Unchanged: shown to\n\
         be within the margin. Caught: the check fails once all latencies of the second run are so much longer.\n",
    );
    out
}

fn percent(n: u64, of: u64) -> String {
    format!("{:.1} %", n as f64 / of as f64 * 100.0)
}

/// `1.5 % (0.8 to 2.9 %)`.
fn with_interval(n: u64, of: u64) -> String {
    let (low, high) = wilson(n as f64, of as f64);
    format!("{} ({:.1} to {:.1} %)", percent(n, of), low * 100.0, high * 100.0)
}

/// Wilson's 95 % interval of a share.
fn wilson(n: f64, of: f64) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    let (share, z2) = (n / of, Z * Z);
    let middle = (share + z2 / (2.0 * of)) / (1.0 + z2 / of);
    let half = Z / (1.0 + z2 / of) * (share * (1.0 - share) / of + z2 / (4.0 * of * of)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_share_is_wilsons() {
        // Known values: 0 of 10 is up to 27.8 %, 5 of 10 is 23.7 to 76.3 %.
        assert_eq!(with_interval(0, 10), "0.0 % (0.0 to 27.8 %)");
        assert_eq!(with_interval(5, 10), "50.0 % (23.7 to 76.3 %)");
        assert_eq!(with_interval(10, 10), "100.0 % (72.2 to 100.0 %)");
    }
}
