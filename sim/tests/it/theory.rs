//! With fixed workers and no start-up, mean waits are those of queueing theory within 1 %.

use crate::worlds::{function, instant, one_by_one, scenario, simulate, stack};
use model::scenario::{Distribution, InitDuration, Lambda, Parameters, Platform, Scenario};
use model::time::{MICROSECOND, MILLISECOND, Nanos, from_seconds, seconds};
use model::windows::Stage;

const MEAN: Nanos = MILLISECOND;

/// Mean wait of the simulated stack in seconds, over `messages` at utilization `rho` of `workers`.
fn simulated_wait(work: Distribution, mean_s: f64, workers: u32, rho: f64, messages: f64) -> f64 {
    let rate = rho * f64::from(workers) / mean_s;
    let stacks = vec![stack("ecs", one_by_one(workers))];
    mean_wait(&Scenario {
        parameters: instant(Parameters::default()),
        ..scenario(rate, from_seconds(messages / rate), work, stacks)
    })
}

fn mean_wait(scenario: &Scenario) -> f64 {
    let out = simulate(scenario);
    let ledger = out.run.manifest.stacks[0].ledger;
    assert_eq!(ledger.completed, ledger.planned);
    let waits = out.run.stacks[0].windows.merged(Stage::Queue, 0, Nanos::MAX).unwrap();
    // Waits are recorded in whole microseconds, rounded down: half of one is missing on average, and all of it
    // where there was no wait.
    let waited = 1.0 - waits.count_at(0) as f64 / waits.len() as f64;
    seconds((waits.mean() * MICROSECOND as f64) as Nanos) + waited * 0.5e-6
}

/// Erlang C: mean wait in M/M/c with service rate 1 / `mean_s`.
fn erlang_c_wait(workers: u32, rho: f64, mean_s: f64) -> f64 {
    let offered = rho * f64::from(workers);
    // Erlang B by its recursion, then C from B.
    let b = (1..=workers).fold(1.0, |b, k| offered * b / (f64::from(k) + offered * b));
    let c = b / (1.0 - rho * (1.0 - b));
    c * mean_s / (f64::from(workers) * (1.0 - rho))
}

/// Pollaczek-Khinchine: mean wait in M/G/1 with the given first two moments of service.
fn pollaczek_khinchine(rho: f64, mean_s: f64, second_moment: f64) -> f64 {
    let rate = rho / mean_s;
    rate * second_moment / (2.0 * (1.0 - rho))
}

#[track_caller]
fn assert_close(simulated: f64, theory: f64, what: &str) {
    let error = simulated / theory - 1.0;
    println!("{what}: simulated {simulated:.6e} s, theory {theory:.6e} s, {:+.2} %", 100.0 * error);
    assert!(
        error.abs() < 0.01,
        "{what}: simulated {simulated:e} s, theory {theory:e} s, {:+.2} %",
        100.0 * error
    );
}

fn mmc(workers: u32, rho: f64, messages: f64) {
    let work = Distribution::Exponential { mean: MEAN };
    let simulated = simulated_wait(work, seconds(MEAN), workers, rho, messages);
    assert_close(simulated, erlang_c_wait(workers, rho, seconds(MEAN)), &format!("M/M/{workers} at {rho}"));
}

#[test]
fn m_m_1_at_half_load() {
    mmc(1, 0.5, 4e6);
}

#[test]
fn m_m_1_at_0_9() {
    mmc(1, 0.9, 40e6);
}

#[test]
fn m_m_4_at_0_7() {
    mmc(4, 0.7, 6e6);
}

#[test]
fn m_m_16_at_0_9() {
    mmc(16, 0.9, 40e6);
}

#[test]
fn m_d_1_at_several_loads() {
    for (rho, messages) in [(0.3, 3e6), (0.6, 3e6), (0.9, 12e6)] {
        let simulated = simulated_wait(Distribution::Constant(MEAN), seconds(MEAN), 1, rho, messages);
        let theory = pollaczek_khinchine(rho, seconds(MEAN), seconds(MEAN).powi(2));
        assert_close(simulated, theory, &format!("M/D/1 at {rho}"));
    }
}

#[test]
fn m_g_1_with_lognormal_work() {
    let (median, p99) = (MEAN, 4 * MEAN);
    let (mu, sigma) = (seconds(median).ln(), (4.0_f64).ln() / 2.326_347_874_040_841);
    let mean_s = (mu + sigma * sigma / 2.0).exp();
    let second = (2.0 * mu + 2.0 * sigma * sigma).exp();
    for (rho, messages) in [(0.5, 6e6), (0.8, 16e6), (0.9, 40e6)] {
        let simulated = simulated_wait(Distribution::Lognormal { median, p99 }, mean_s, 1, rho, messages);
        assert_close(simulated, pollaczek_khinchine(rho, mean_s, second), &format!("M/lognormal/1 at {rho}"));
    }
}

#[test]
fn m_g_1_with_bimodal_work() {
    let (fast, slow, slow_share) = (MEAN / 2, 5 * MEAN, 0.1);
    let mean_s = 0.9 * seconds(fast) + slow_share * seconds(slow);
    let second = 0.9 * seconds(fast).powi(2) + slow_share * seconds(slow).powi(2);
    let simulated = simulated_wait(Distribution::Bimodal { fast, slow, slow_share }, mean_s, 1, 0.7, 12e6);
    assert_close(simulated, pollaczek_khinchine(0.7, mean_s, second), "M/bimodal/1 at 0.7");
}

/// A mapping that may run so many batches at once, warm from the first message on, is an M/M/c too.
#[test]
fn a_function_with_fixed_concurrency_is_m_m_c() {
    let workers = 5;
    let beliefs = Parameters {
        esm_start: workers,
        // One environment may initialise for each loop; that is over in the first moments.
        lambda_idle_min: Nanos::MAX / 4,
        lambda_idle_max: Nanos::MAX / 4,
        lambda_age_min: Nanos::MAX / 4,
        lambda_age_max: Nanos::MAX / 4,
        ..instant(Parameters::default())
    };
    let lambda = Lambda {
        maximum_concurrency: Some(workers as u32),
        init: Some(InitDuration { p50: 0, p99: 0 }),
        ..function()
    };
    let work = Distribution::Exponential { mean: 10 * MEAN };
    let (mean_s, rho, messages) = (seconds(10 * MEAN), 0.8, 10e6);
    let rate = rho * workers as f64 / mean_s;
    let stacks = vec![stack("lambda", Platform::Lambda(lambda))];
    let simulated = mean_wait(&Scenario {
        parameters: beliefs,
        ..scenario(rate, from_seconds(messages / rate), work, stacks)
    });
    assert_close(simulated, erlang_c_wait(workers as u32, rho, mean_s), "Lambda as M/M/5 at 0.8");
}
