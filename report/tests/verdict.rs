//! The verdict where it is easily wrong: stacks that do not complete, many stacks, runs that are no repeats, zeros.
#![allow(missing_docs, clippy::unwrap_used)]

mod fixture;

use fixture::summary;
use model::record::Ledger;
use model::run::Run;
use model::series::metric;
use serde_json::Value;

fn verdict(runs: &[Run]) -> (String, String) {
    let summary = summary(runs);
    let word = |key: &str| summary["verdict"][key].as_str().unwrap().to_owned();
    (word("form"), word("sentence").replace('\u{a0}', " "))
}

/// A stack of a run that completed only so many of its messages; the rest is dead-lettered.
fn completes(run: &mut Run, stack: usize, share: f64) {
    let ledger = &mut run.manifest.stacks[stack].ledger;
    let completed = (ledger.planned as f64 * share) as u64;
    *ledger = Ledger {
        planned: ledger.planned,
        completed,
        dead_lettered: ledger.planned - completed,
        ..Ledger::default()
    };
}

#[test]
fn who_does_not_complete_does_not_win() {
    for share in [0.0, 0.29, 0.99] {
        for stack in [0, 1] {
            let mut run = fixture::spike(2, 1);
            completes(&mut run, 1 - stack, 1.0);
            completes(&mut run, stack, share);
            let (form, sentence) = verdict(&[run]);
            let winner = ["ecs", "lambda"][1 - stack];
            assert_eq!(form, "one-leads", "{sentence}");
            assert!(
                sentence.starts_with(&format!("{winner} leads: 100 % of the messages completed")),
                "{sentence}"
            );
        }
    }
}

#[test]
fn a_few_uncompleted_messages_decide_nothing() {
    let mut run = fixture::spike(2, 1);
    completes(&mut run, 0, 1.0);
    completes(&mut run, 1, 0.9995);
    let (_, sentence) = verdict(&[run]);
    assert!(!sentence.contains("completed"), "{sentence}");
}

#[test]
fn a_run_is_no_repeat_of_itself() {
    let run = fixture::spike(2, 1);
    let other = fixture::spike(2, 2);
    assert_ne!(verdict(&[run.clone(), other.clone()]).0, "withheld");
    let (form, sentence) = verdict(&[run.clone(), other, run]);
    assert_eq!(form, "withheld");
    assert!(sentence.contains("runs 1 and 3 are one and the same"), "{sentence}");
}

/// All leads are shares of what they lead over.
#[test]
fn no_lead_is_more_than_all_of_it() {
    for stacks in 2..=6 {
        for seed in 1..8 {
            let (_, sentence) = verdict(&[fixture::spike(stacks, seed)]);
            for word in sentence.split(' ').collect::<Vec<_>>().windows(2).filter(|pair| pair[1] == "%") {
                let share: f64 =
                    word[0].trim_start_matches(['(', '<', '>']).replace(',', "").parse().unwrap();
                assert!((0.0..=100.0).contains(&share), "{sentence}");
            }
        }
    }
}

/// Repeats of which some have a zero: no ratio, and only a difference in one direction is called one.
#[test]
fn zeros_in_repeats_are_not_certain() {
    let with = |seed: u64, ages: [f64; 2]| {
        let mut run = fixture::spike(2, seed);
        for (stack, age) in run.stacks.iter_mut().zip(ages) {
            let series = stack.series.iter_mut().find(|s| s.metric == metric::OLDEST_AGE).unwrap();
            series.points.iter_mut().for_each(|point| point.1 = age);
        }
        run
    };
    let word = |ages: [[f64; 2]; 3]| -> Value {
        let runs: Vec<Run> = (1..).zip(ages).map(|(seed, ages)| with(seed, ages)).collect();
        let summary = summary(&runs);
        let metrics = summary["metrics"].as_array().unwrap();
        let metric = metrics.iter().find(|m| m["name"] == "oldest-age-max").unwrap();
        let low = metric["estimates"]["ecs"]["low"].as_f64().unwrap();
        assert!(low >= 0.0, "{low}");
        metric["differences"]["lambda"]["word"].clone()
    };
    assert_eq!(word([[0.0, 1.0], [3.0, 0.0], [0.0, 2.0]]), "unclear");
    assert_eq!(word([[0.0, 1.0], [0.0, 1.1], [0.0, 0.9]]), "worse");
    assert_eq!(word([[0.0, 0.0]; 3]), "level");
}
