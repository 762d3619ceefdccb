//! The rule, on made-up runs.

use super::*;
use libm::exp;
use model::baseline::{self, Baseline, Stack, Window, bin};
use model::random::{Sampler, Stream};
use model::record::Ledger;
use model::time::{MILLISECOND, MINUTE, SECOND};
use std::collections::BTreeMap;

/// A run of windows of 30 s with `messages` each; `longer` says how much longer than usual those of a window take.
fn run(windows: usize, messages: u64, seed: u64, longer: impl Fn(usize, u64) -> f64) -> Baseline {
    let latency = Sampler::lognormal(80 * MILLISECOND, 300 * MILLISECOND);
    let mut stream = Stream::new(seed, "latency");
    let mut window = |index: usize| {
        let mut bins = BTreeMap::new();
        for message in 0..messages {
            let micros = latency.draw(&mut stream) as f64 / 1e3 * longer(index, message);
            *bins.entry(bin(micros as u64)).or_default() += 1;
        }
        Window { bins: bins.into_iter().collect(), unfinished: 0 }
    };
    let windows: Vec<Window> = (0..windows).map(&mut window).collect();
    let planned = messages * windows.len() as u64;
    let load_end = MINUTE + windows.len() as u64 * 30 * SECOND;
    let stack = Stack {
        name: "ecs".into(),
        platform: "ecs".into(),
        configuration: "2 tasks".into(),
        ledger: Ledger { planned, completed: planned, ..Ledger::default() },
        metrics: BTreeMap::from([("cost-per-million".into(), 2.0), ("achieved-rate".into(), 100.0)]),
        windows,
    };
    Baseline {
        title: "Made up".into(),
        scenario_hash: "5f".into(),
        plan_hash: "3a".into(),
        seed: 1,
        tool_version: "0.1.0".into(),
        target: "sim".into(),
        region: "us-east-1".into(),
        planned,
        warmup: MINUTE,
        load_end,
        objections: vec![],
        from: MINUTE,
        width: 30 * SECOND,
        stacks: vec![stack],
    }
}

fn even(seed: u64) -> Baseline {
    run(20, 3_000, seed, |_, _| 1.0)
}

fn named(runs: &[Baseline]) -> Vec<(String, Baseline)> {
    runs.iter().enumerate().map(|(index, run)| (format!("run {}", index + 1), run.clone())).collect()
}

fn check(baselines: &[Baseline], candidates: &[Baseline], settings: &Settings) -> Check {
    decide(&named(baselines), &named(candidates), settings)
}

fn one(baseline: &Baseline, candidate: &Baseline) -> Check {
    check(std::slice::from_ref(baseline), std::slice::from_ref(candidate), &Settings::default())
}

fn outcomes(check: &Check) -> Vec<Outcome> {
    assert!(check.findings.iter().all(|finding| !finding.reason.is_empty()));
    check.findings.iter().map(|finding| finding.outcome).collect()
}

#[test]
fn a_run_is_unchanged_against_itself() {
    let run = even(1);
    let check = one(&run, &run);
    assert_eq!(outcomes(&check), [Outcome::Unchanged; 3]);
    assert_eq!(check.verdict(), Verdict::Pass);
    for finding in &check.findings {
        let (low, high) = finding.bounds.unwrap();
        assert!(low < 1.0 && high > 1.0 && finding.ratio == Some(1.0) && finding.n == 20, "{finding:?}");
    }
    let metrics: Vec<&str> = check.findings.iter().map(|finding| finding.metric.as_str()).collect();
    assert_eq!(metrics, ["latency-p50", "latency-p95", "latency-p99"]);
}

#[test]
fn what_is_slower_regresses_and_what_is_faster_improves() {
    let (run, other) = (even(1), even(2));
    let slower = one(&run, &other.scaled(1.3));
    assert_eq!((outcomes(&slower), slower.verdict()), (vec![Outcome::Regressed; 3], Verdict::Regressed));
    assert_eq!(outcomes(&one(&run, &other.scaled(0.7))), [Outcome::Improved; 3]);
    assert_eq!(outcomes(&one(&other.scaled(1.3), &run)), [Outcome::Improved; 3], "the other way round");
    for finding in slower.findings {
        assert!((finding.ratio.unwrap() / 1.3 - 1.0).abs() < 0.05, "{finding:?}");
        assert!(finding.detectable.is_some_and(|share| (0.1..0.3).contains(&share)), "{finding:?}");
    }
}

#[test]
fn within_the_margin_nothing_changed() {
    assert_eq!(outcomes(&one(&even(1), &even(2).scaled(1.04))), [Outcome::Unchanged; 3]);
    let settings = Settings { margin: Some(0.01), floor_ms: 1.0, ..Settings::default() };
    let strict = check(&[even(1)], &[even(2).scaled(1.04)], &settings);
    assert_eq!((strict.findings[0].outcome, strict.findings[0].margin), (Outcome::Regressed, 0.01));
}

#[test]
fn a_few_bad_windows_are_no_regression_but_a_warning() {
    let bad = [(2, 4.0), (9, 5.0), (16, 80.0)];
    let factor = |window: usize| bad.iter().find(|bad| bad.0 == window).map_or(1.0, |bad| bad.1);
    let candidate = run(20, 3_000, 2, |window, message| if message % 2 == 0 { factor(window) } else { 1.0 });
    let check = one(&even(1), &candidate);
    let p99 = &check.findings[2];
    assert_eq!(p99.outcome, Outcome::Concentrated, "{p99:?}");
    assert!(p99.reason.contains("9:00"), "window 16 begins 8 min after the warm-up: {}", p99.reason);
    assert_ne!(check.verdict(), Verdict::Regressed);
}

#[test]
fn the_same_difference_decides_or_not_by_its_noise() {
    // Minutes differ by a factor of up to three, in both runs on their own.
    let noisy = |seed: u64, factor: f64| {
        run(20, 3_000, seed, move |window, _| {
            factor * exp(Stream::new(seed * 100 + window as u64, "tide").unit())
        })
    };
    let check = one(&noisy(1, 1.0), &noisy(2, 1.15));
    let p50 = &check.findings[0];
    assert_eq!(p50.outcome, Outcome::Inconclusive, "{p50:?}");
    assert!(p50.detectable.is_some_and(|share| share > 0.2), "{p50:?}");
    assert_eq!(check.verdict(), Verdict::Inconclusive);
}

#[test]
fn too_little_is_not_testable() {
    let short = one(&run(9, 3_000, 1, |_, _| 1.0), &run(9, 3_000, 1, |_, _| 9.0));
    assert_eq!((outcomes(&short), short.verdict()), (vec![Outcome::Untestable; 3], Verdict::Inconclusive));
    let sparse = |longer: f64| run(20, 100, 1, move |_, _| longer);
    let found = outcomes(&one(&sparse(1.0), &sparse(2.0)));
    assert_eq!(
        found,
        [Outcome::Regressed, Outcome::Regressed, Outcome::Untestable],
        "p95: ten groups of two"
    );
    // Windows are joined: p99 needs 1,000 messages in each, so 60 windows of 300 are 15.
    let long = |longer: f64| run(60, 300, 1, move |_, _| longer);
    let check = one(&long(1.0), &long(1.5));
    assert_eq!((check.findings[2].outcome, check.findings[2].n), (Outcome::Regressed, 15));
}

#[test]
fn nothing_compared_never_passes() {
    let run = even(1);
    for (baselines, candidates) in
        [(vec![], vec![run.clone()]), (vec![run.clone()], vec![]), (vec![], vec![])]
    {
        let check = check(&baselines, &candidates, &Settings::default());
        assert_eq!(check.verdict(), Verdict::NotComparable);
        assert!(!check.incomparable.is_empty());
    }
    let without = Baseline { stacks: vec![], ..run.clone() };
    assert_eq!(one(&without, &without).verdict(), Verdict::NotComparable);
    let mut silent = run.clone();
    silent.stacks[0].windows.iter_mut().for_each(|window| window.bins.clear());
    for check in [one(&run, &silent), one(&silent, &run), one(&silent, &silent)] {
        assert_eq!(
            (outcomes(&check), check.verdict()),
            (vec![Outcome::Untestable; 3], Verdict::Inconclusive)
        );
    }
    let mut empty = run.clone();
    empty.stacks[0].windows.clear();
    assert_eq!(one(&empty, &empty).verdict(), Verdict::Inconclusive);
}

#[test]
fn messages_without_an_end_are_infinitely_late() {
    let unfinished = |count: u64| {
        let mut run = even(2);
        run.stacks[0].windows.iter_mut().for_each(|window| window.unfinished = count);
        run.stacks[0].ledger.completed -= 20 * count;
        run
    };
    let check = one(&even(1), &unfinished(60));
    let p99 = &check.findings[2];
    assert_eq!(
        (p99.outcome, p99.candidate, p99.unfinished),
        (Outcome::Regressed, Some(f64::INFINITY), 1_200)
    );
    assert!(p99.reason.contains("never finished"), "{}", p99.reason);
    assert_eq!(check.findings[0].outcome, Outcome::Unchanged);
    assert_eq!(one(&unfinished(60), &even(1)).findings[2].outcome, Outcome::Improved);
    assert_eq!(one(&unfinished(60), &unfinished(60)).findings[2].outcome, Outcome::Untestable);
    // Fewer of them than lie beyond the percentile make it larger.
    let few = one(&even(1), &unfinished(20));
    assert!(
        few.findings[2].ratio.is_some_and(|ratio| ratio > 1.05 && ratio.is_finite()),
        "{:?}",
        few.findings[2]
    );
}

#[test]
fn what_nobody_feels_does_not_count() {
    let fast = |seed| even(seed).scaled(0.02);
    let check = one(&fast(1), &fast(2).scaled(1.5));
    assert_eq!(check.findings[0].outcome, Outcome::Unchanged, "1.6 ms and 2.4 ms: {:?}", check.findings[0]);
    let settings = Settings { floor_ms: 0.1, ..Settings::default() };
    assert_eq!(
        super::decide(&named(&[fast(1)]), &named(&[fast(2).scaled(1.5)]), &settings).findings[0].outcome,
        Outcome::Regressed
    );
}

#[test]
fn each_field_that_differs_is_named_with_both_values() {
    type Change = fn(&mut Baseline);
    let changes: [(&str, &str, Change); 10] = [
        ("plan hash", "77", |run| run.plan_hash = "77".into()),
        ("seed", "9", |run| run.seed = 9),
        ("region", "eu-west-1", |run| run.region = "eu-west-1".into()),
        ("target", "aws", |run| run.target = "aws".into()),
        ("major version", "1", |run| run.tool_version = "1.0.0".into()),
        ("configuration of ecs", "3 tasks", |run| run.stacks[0].configuration = "3 tasks".into()),
        ("platform of ecs", "lambda", |run| run.stacks[0].platform = "lambda".into()),
        ("stacks", "other", |run| run.stacks[0].name = "other".into()),
        ("warm-up", "0 s", |run| run.warmup = 0),
        ("windows", "19 of 30 s", |run| _ = run.stacks[0].windows.pop()),
    ];
    for (field, value, change) in changes {
        let mut other = even(1);
        change(&mut other);
        let check = one(&even(1), &other);
        assert_eq!(check.verdict(), Verdict::NotComparable);
        assert!(check.findings.is_empty());
        let [why] = check.incomparable.as_slice() else { panic!("{field}: {:?}", check.incomparable) };
        assert!(why.starts_with(field) && why.contains(value) && why.contains(" in run 1, "), "{why}");
    }
    let minor = Baseline { tool_version: "0.9.3".into(), scenario_hash: "00".into(), ..even(1) };
    assert_eq!(one(&even(1), &minor).verdict(), Verdict::Pass);
    let invalid = Baseline { objections: vec!["the run was cut short".into()], ..even(1) };
    assert!(one(&even(1), &invalid).incomparable[0].contains("cut short"));
}

/// Runs that differ by about `deviation`.
fn history(count: u64, deviation: f64) -> Vec<Baseline> {
    let shift = |index: u64| if index.is_multiple_of(2) { deviation } else { -deviation };
    (0..count).map(|index| even(index + 1).scaled(exp(shift(index)))).collect()
}

#[test]
fn with_many_baselines_the_run_is_what_varies() {
    let candidate = [even(99).scaled(1.12)];
    let quiet = check(&history(6, 0.01), &candidate, &Settings::default());
    let p50 = &quiet.findings[0];
    assert_eq!(
        (p50.outcome, p50.margin, p50.n, p50.history.len()),
        (Outcome::Regressed, 0.05, 7, 7),
        "{p50:?}"
    );
    let rough = check(&history(6, 0.1), &candidate, &Settings::default());
    assert_eq!(rough.findings[0].outcome, Outcome::Inconclusive, "{:?}", rough.findings[0]);
    assert_eq!(
        outcomes(&check(&history(6, 0.01), &[even(99)], &Settings::default())),
        [Outcome::Unchanged; 3]
    );
    let long = check(&history(12, 0.01), &candidate, &Settings::default());
    assert_eq!(long.findings[0].outcome, Outcome::Regressed);
}

#[test]
fn a_few_baselines_widen_the_bounds_if_they_differ() {
    let width = |baselines: &[Baseline]| {
        let check = check(baselines, &[even(99)], &Settings::default());
        let (low, high) = check.findings[0].bounds.unwrap();
        assert_eq!(check.findings[0].margin, 0.1);
        high / low
    };
    assert!(width(&history(3, 0.05)) > 1.3 && width(&history(3, 0.0)) < 1.1);
}

#[test]
fn what_the_control_did_does_not_count() {
    let with_control = |run: Baseline, control: Baseline| {
        let mut both = run;
        both.stacks.push(Stack { name: "lambda".into(), ..control.stacks[0].clone() });
        both
    };
    let before = with_control(even(1), even(2));
    let after = with_control(even(3).scaled(1.3), even(4).scaled(1.3));
    let settings = Settings { control: Some("lambda".into()), ..Settings::default() };
    assert_eq!(outcomes(&one(&before, &after)), [Outcome::Regressed; 6]);
    let check = |after: &Baseline| {
        super::decide(&named(std::slice::from_ref(&before)), &named(std::slice::from_ref(after)), &settings)
    };
    assert_eq!(outcomes(&check(&after)), [Outcome::Unchanged; 3], "both were slower");
    let after = with_control(even(3).scaled(1.3), even(4));
    assert_eq!(outcomes(&check(&after)), [Outcome::Regressed; 3]);
    let nobody = Settings { control: Some("nobody".into()), ..Settings::default() };
    let refused = super::decide(&named(&[before]), &named(&[after]), &nobody);
    assert!(
        refused.incomparable[0].contains("\"nobody\"") && refused.incomparable[0].contains("ecs, lambda")
    );
}

#[test]
fn a_control_that_broke_down_tells_nothing() {
    let with_control = |run: Baseline, unfinished: u64| {
        let mut both = run.clone();
        let mut control = Stack { name: "lambda".into(), ..run.stacks[0].clone() };
        control.windows.iter_mut().for_each(|window| window.unfinished = unfinished);
        both.stacks.push(control);
        both
    };
    let settings = Settings { control: Some("lambda".into()), ..Settings::default() };
    for (before, after) in [(0, 400), (400, 0), (400, 400)] {
        let runs = [with_control(even(1), before), with_control(even(2), after)].map(|run| named(&[run]));
        let found = super::decide(&runs[0], &runs[1], &settings);
        // p95 and p99 of the control are never reached.
        assert_eq!(outcomes(&found)[1..], [Outcome::Untestable; 2], "{before} and {after}: {found:?}");
        assert!(found.findings[2].reason.contains("control"), "{}", found.findings[2].reason);
    }
}

#[test]
fn a_value_of_nothing_is_compared_by_how_the_runs_differ_too() {
    let settings = Settings { metrics: vec!["backlog-max".into()], ..Settings::default() };
    let of = |backlog: f64| {
        let mut run = even(1);
        run.stacks[0].metrics.insert("backlog-max".into(), backlog);
        run
    };
    let baselines = [0.0, 0.0, 2.0, 50.0, 0.0, 40.0].map(of);
    let found = |backlog: f64| {
        let check = check(&baselines, &[of(backlog)], &settings);
        (check.findings[3].outcome, check.findings[3].reason.clone())
    };
    let (within, reason) = found(45.0);
    assert_eq!(within, Outcome::Inconclusive, "{reason}");
    assert!(!reason.contains("one run each"), "{reason}");
    assert_eq!(found(5_000.0).0, Outcome::Regressed);
    assert_eq!(check(&[of(0.0)], &[of(45.0)], &settings).findings[3].outcome, Outcome::Regressed);
    assert_eq!(check(&[of(0.0), of(0.0)], &[of(0.0)], &settings).findings[3].outcome, Outcome::Unchanged);
}

#[test]
fn other_metrics_are_compared_as_they_stand_or_over_runs() {
    let metrics = ["cost-per-million", "achieved-rate", "latency-p99.9", "backlog-max", "nonsense"];
    let settings = Settings { metrics: metrics.map(String::from).into(), ..Settings::default() };
    let of = |cost: f64, rate: f64| {
        let mut run = even(1);
        run.stacks[0]
            .metrics
            .extend([("cost-per-million".to_owned(), cost), ("achieved-rate".to_owned(), rate)]);
        run
    };
    let found = |candidate: &Baseline| {
        let check = check(&[of(2.0, 100.0)], std::slice::from_ref(candidate), &settings);
        assert!(check.findings[3].reason.contains("one run each has no interval"), "{:?}", check.findings[3]);
        outcomes(&check)[3..].to_vec()
    };
    use Outcome::{Improved, Inconclusive, Regressed, Unchanged, Untestable};
    // p99.9 has 3 messages beyond it in a window of 3,000: 20 windows are 5 groups.
    assert_eq!(found(&of(2.3, 80.0)), [Regressed, Regressed, Untestable, Untestable, Untestable]);
    assert_eq!(found(&of(1.5, 120.0))[..2], [Improved, Improved]);
    assert_eq!(found(&of(2.1, 95.0))[..2], [Unchanged, Unchanged]);
    let runs: Vec<Baseline> = [1.9, 2.0, 2.1, 2.0, 1.9, 2.1].map(|cost| of(cost, 100.0)).into();
    let over_runs = |cost: f64| check(&runs, &[of(cost, 100.0)], &settings).findings[3].outcome;
    assert_eq!([2.0, 2.2, 2.6].map(over_runs), [Inconclusive, Inconclusive, Regressed]);
}

#[test]
fn a_check_is_the_same_each_time_and_from_a_file() {
    let (run, other) = (even(1), even(2).scaled(1.08));
    let first = one(&run, &other);
    assert_eq!(one(&run, &other), first);
    let written = |run: &Baseline| baseline::parse(&baseline::text(run)).unwrap();
    assert_eq!(one(&written(&run), &written(&other)), first);
}

#[test]
fn rates_are_those_of_the_pairs() {
    let pairs = (0..4).map(|seed| (even(2 * seed), even(2 * seed + 1)));
    let rates = rates(pairs, &Settings::default());
    assert_eq!((rates.pairs, rates.any), (4, 0.0));
    assert_eq!(rates.regressed[0], ("ecs latency-p50".into(), 0.0));
    assert_eq!((rates.power[0], rates.power[2]), ((0.05, 0.0), (0.2, 1.0)));
    assert_eq!(rates.caught.len(), 9);
    // The control is what did not change, so it is not made slower either.
    let with_control = |seed: u64| {
        let mut run = even(seed);
        run.stacks.push(Stack { name: "lambda".into(), ..even(seed + 100).stacks[0].clone() });
        run
    };
    let settings = Settings { control: Some("lambda".into()), ..Settings::default() };
    let rates = super::rates(std::iter::once((with_control(1), with_control(2))), &settings);
    assert_eq!((rates.any, rates.power[2]), (0.0, (0.2, 1.0)));
    let alien = Baseline { seed: 7, ..even(1) };
    assert_eq!(super::rates(std::iter::once((even(1), alien)), &Settings::default()).pairs, 0);
}
