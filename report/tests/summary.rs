//! The text summary and `summary.json`: golden text, the metric table on a hand-made run, agreement of all outputs.
#![allow(missing_docs, clippy::unwrap_used)]

mod fixture;

use fixture::{html, text};

use model::record::Ledger;
use model::run::{Run, StackRun};
use model::series::{Series, metric};
use model::time::{MILLISECOND, MINUTE, SECOND};
use model::usage::{Item, Metered, Usage};
use model::windows::{Recorder, Spans};
use serde_json::Value;

/// Two minutes of one message a second on two stacks. Warm-up is the first minute, which is ten times slower.
fn tiny() -> Run {
    let mut run = fixture::single();
    run.manifest.title = "Tiny".into();
    run.manifest.warmup = MINUTE;
    run.manifest.load_end = 2 * MINUTE;
    run.manifest.planned = 120;
    for (i, (entry, stack)) in run.manifest.stacks.iter_mut().zip(&mut run.stacks).enumerate() {
        let factor = i as u64 + 1;
        entry.ledger = Ledger { planned: 120, completed: 119, completed_more: 1, ..Ledger::default() };
        entry.end = 2 * MINUTE + factor * 10 * SECOND;
        *stack = tiny_stack(factor);
    }
    run
}

fn tiny_stack(factor: u64) -> StackRun {
    let mut recorder = Recorder::new(5 * SECOND);
    for second in 0..120 {
        let number = recorder.planned(second * SECOND);
        let work = factor * if second < 60 { 1_000 } else { 100 } * MILLISECOND;
        recorder.completed(number, &Spans { latency: work, queue: 0, start: 0, work, acknowledge: None });
    }
    let series = |name: &str, statistic: &str, value: fn(u64, u64) -> f64| Series {
        metric: name.into(),
        unit: "Count".into(),
        statistic: statistic.into(),
        period: 5 * SECOND,
        points: (0..24).map(|i| (i * 5 * SECOND, value(i, 0))).collect(),
    };
    let mut visible = series(metric::VISIBLE, "Maximum", |i, _| if i < 12 { 500.0 } else { 4.0 });
    // More than 10 s of load (10 messages) waiting in two windows after warm-up.
    (visible.points[20].1, visible.points[21].1) = (11.0 * factor as f64, 30.0);
    StackRun {
        series: vec![
            series(metric::SENT, "Sum", |_, _| 5.0),
            series(metric::COMPLETED, "Sum", |i, _| if i == 23 { 0.0 } else { 5.0 }),
            visible,
            series(metric::INVOCATIONS, "Sum", |_, _| 1.0),
            series(metric::COLD_STARTS, "Sum", |i, _| if i % 12 == 0 { 3.0 } else { 0.0 }),
        ],
        windows: recorder.finish(),
        usage: Usage { metered: vec![Metered::new(Item::SqsRequests, "receive", 300 * factor)] },
        activities: vec![],
        ..StackRun::default()
    }
}

/// The value of a metric for each stack.
fn values(summary: &Value, name: &str) -> Vec<Option<f64>> {
    let metrics = summary["metrics"].as_array().unwrap();
    let metric = metrics.iter().find(|m| m["name"] == name).unwrap_or_else(|| panic!("no metric {name}"));
    let stacks = summary["stacks"].as_array().unwrap().iter();
    stacks.map(|stack| metric["estimates"][stack.as_str().unwrap()]["value"].as_f64()).collect()
}

#[test]
fn every_metric_by_hand() {
    let summary = fixture::summary(&[tiny()]);
    let near = |name: &str, expected: [Option<f64>; 2]| {
        for (value, expected) in values(&summary, name).into_iter().zip(expected) {
            match (value, expected) {
                (Some(v), Some(e)) => assert!((v - e).abs() <= 1e-3 * e.abs(), "{name}: {v}, not {e}"),
                (v, e) => assert_eq!(v, e, "{name}"),
            }
        }
    };
    let both = |v: f64| [Some(v), Some(v)];
    near("messages-completed", both(120.0));
    near("messages-not-completed", both(0.0));
    near("completed-more-than-once", both(1.0));
    // After warm-up: 12 windows of 5 messages in 60 s; the last window completes nothing.
    near("offered-rate", both(1.0));
    near("achieved-rate", both(55.0 / 60.0));
    near("latency-p50", [Some(100.0), Some(200.0)]);
    // 60 samples: p90 has 6 beyond it.
    near("latency-p90", [None, None]);
    near("latency-max", [Some(100.0), Some(200.0)]);
    near("work-p50", [Some(100.0), Some(200.0)]);
    near("send-delay-p99", [None, None]);
    near("backlog-max", both(30.0));
    near("time-behind", both(10.0));
    near("drain-time", [Some(10.0), Some(20.0)]);
    near("oldest-age-max", [None, None]);
    // Only Lambda has cold starts; those of warm-up do not count. Throttles are not in the series: none.
    near("cold-starts", [None, Some(3.0)]);
    near("throttles", [None, Some(0.0)]);
    // 300 requests x 0.40 per million.
    near("cost-run", [Some(0.000_12), Some(0.000_24)]);
    near("cost-per-million", [Some(1.0), Some(2.0)]);
    // 730 h / 2 min = 21,900 loads.
    near("cost-per-month", [Some(2.628), Some(5.256)]);
}

#[test]
fn the_golden_text() {
    let expected = include_str!("golden/tiny.txt");
    assert_eq!(text(&[tiny()]), expected);
}

#[test]
fn a_text_for_any_number_of_stacks() {
    for stacks in 1..=6 {
        let text = text(&[fixture::spike(stacks, 42)]);
        assert!(text.starts_with("SIMULATED run: Flash crowd (virtual time, no AWS involved)\n"));
        assert_eq!(text.matches("Ledger of ").count(), stacks);
        assert!(!text.contains('\u{a0}') && !text.contains("NaN"));
    }
    let measured = text(&[fixture::invalid()]);
    assert!(measured.starts_with("Measured run: "));
    assert!(measured.contains("Not valid:\n  the run was cut short\n  failed check \"nothing lost\": 17 of"));
    assert!(text(&[fixture::empty(2)]).contains("No verdict: the run has no data."));
}

#[test]
fn repeats_are_estimates() {
    let runs: Vec<Run> = (1..=5).map(|seed| fixture::spike(2, seed)).collect();
    let summary = fixture::summary(&runs);
    let p99 = summary["metrics"].as_array().unwrap().iter().find(|m| m["name"] == "latency-p99").unwrap();
    let ecs = &p99["estimates"]["ecs"];
    assert_eq!(ecs["n"], 5);
    assert!(ecs["low"].as_f64().unwrap() < ecs["value"].as_f64().unwrap());
    assert_eq!(ecs["basis"], "runs");
    // Both stacks had the same messages in each repeat: the ratio is far better known than either value.
    let ratio = &p99["differences"]["lambda"];
    assert_eq!((ratio["basis"].as_str(), ratio["n"].as_u64()), (Some("runs"), Some(5)));
    assert!(text(&runs).contains("Means over 5 repeats; ±, or a range, is the 95 % interval"));
    let mut mixed = runs;
    mixed[1].manifest.scenario_hash = "other".into();
    assert_eq!(fixture::summary(&mixed)["valid"], false);
}

/// A metric of a summary.
fn metric_of<'s>(summary: &'s Value, name: &str) -> &'s Value {
    summary["metrics"].as_array().unwrap().iter().find(|m| m["name"] == name).unwrap()
}

#[test]
fn one_run_has_intervals_from_its_blocks() {
    // 23 minutes after warm-up, windows of 10 s.
    let run = fixture::spike(2, 42);
    let summary = fixture::summary(std::slice::from_ref(&run));
    let p50 = metric_of(&summary, "latency-p50");
    for estimate in [&p50["estimates"]["ecs"], &p50["differences"]["lambda"]] {
        assert_eq!((estimate["basis"].as_str(), estimate["n"].as_u64()), (Some("blocks"), Some(23)));
    }
    let ratio = |key: &str| p50["differences"]["lambda"][key].as_f64().unwrap();
    assert!(ratio("low") < ratio("ratio") && ratio("ratio") < ratio("high"));
    assert!(p50["differences"].get("ecs").is_none(), "the reference does not differ from itself");
    // Those beyond the 99th percentile all come from the one spike: no telling how other spikes would be.
    assert_eq!(metric_of(&summary, "latency-p99")["estimates"]["ecs"]["basis"], "single");
    // The bill has no blocks.
    let cost = metric_of(&summary, "cost-run");
    assert_eq!(cost["estimates"]["ecs"]["basis"], "single");
    assert_eq!(cost["differences"]["lambda"]["low"], Value::Null);
    let text = text(std::slice::from_ref(&run));
    assert!(
        text.contains("±, or a range, is the 95 % interval of percentiles, from 23 blocks of 60 s"),
        "{text}"
    );
    let html = html(&[run]);
    assert!(html.contains("\n±"));
}

#[test]
fn a_short_run_says_once_why_it_has_no_intervals() {
    let reason = "oo short for an interval: needs 5 min after warm-up";
    let text = text(&[tiny()]);
    assert_eq!(text.matches(reason).count(), 1, "{text}");
    assert!(!text.contains('±') && !text.contains("CI "));
    assert!(html(&[tiny()]).contains(reason));
    let summary = fixture::summary(&[tiny()]);
    assert_eq!(metric_of(&summary, "latency-p50")["estimates"]["ecs"]["low"], Value::Null);
    assert_eq!(metric_of(&summary, "latency-p50")["differences"]["lambda"]["word"], "worse");
}

#[test]
fn an_invalid_run_calls_nothing_better() {
    let summary = fixture::summary(&[fixture::invalid()]);
    for metric in summary["metrics"].as_array().unwrap() {
        assert_eq!(metric["differences"]["lambda"]["word"], Value::Null, "{metric}");
    }
}

/// A difference of a fifth that comes from one minute of a quarter of an hour is not one to act on.
#[test]
fn what_one_minute_did_is_unclear() {
    let mut run = fixture::spike(2, 1);
    run.stacks[1] = run.stacks[0].clone();
    run.manifest.stacks[1].ledger = run.manifest.stacks[0].ledger;
    let mut recorder = [Recorder::new(5 * SECOND), Recorder::new(5 * SECOND)];
    for second in 0..1_500_u64 {
        for message in 0..50 {
            for (stack, recorder) in recorder.iter_mut().enumerate() {
                let slow = stack == 1 && (600..630).contains(&second);
                let work = if slow { 5_000 } else { 100 + second * 7 % 30 + message } * MILLISECOND;
                let number = recorder.planned(second * SECOND + message * 20 * MILLISECOND);
                let spans = Spans { latency: work, queue: 0, start: 0, work, acknowledge: None };
                recorder.completed(number, &spans);
            }
        }
    }
    for (stack, recorder) in run.stacks.iter_mut().zip(recorder) {
        stack.windows = recorder.finish();
    }
    let summary = fixture::summary(&[run]);
    let p99 = &metric_of(&summary, "latency-p99")["differences"]["lambda"];
    assert_eq!(p99["word"], "unclear", "{p99}");
    assert!(p99["ratio"].as_f64().unwrap() > 2.0, "{p99}");
    assert_eq!(metric_of(&summary, "latency-p50")["differences"]["lambda"]["word"], "level");
    assert_eq!(summary["verdict"]["form"], "even");
    let sentence = summary["verdict"]["sentence"].as_str().unwrap();
    assert!(sentence.contains("in cost") && sentence.contains("p99 latency unclear"), "{sentence}");
}

#[test]
fn scaling_out_is_timed_from_falling_behind() {
    let run = fixture::spike(2, 42);
    let found = values(&fixture::summary(&[run]), "scale-out-delay");
    // The spike comes at 600 s and overtakes ECS within seconds; its tasks rise at 720 s. Lambda keeps up.
    assert!(found[0].is_some_and(|s| (100.0..=120.0).contains(&s)), "{found:?}");
    assert!(found[1].is_none_or(|s| s <= 10.0), "{found:?}");
}

#[test]
fn markdown_is_the_same_table() {
    let mut run = fixture::spike(2, 42);
    run.manifest.stacks[1].name = "lambda|arm".into();
    let runs = [run];
    let judgement = report::judge(&runs, report::Options::default()).unwrap();
    let markdown = report::markdown(&judgement);
    assert!(markdown.starts_with("SIMULATED run: Flash crowd (virtual time, no AWS involved)\n\n**"));
    assert!(
        markdown.contains(
            "|  | ecs | lambda\\|arm | against ecs | better |\n| --- | ---: | ---: | ---: | ---: |\n"
        )
    );
    let rows: Vec<&str> = markdown.lines().filter(|line| line.starts_with('|')).collect();
    let cells = |row: &str| row.replace("\\|", "").matches('|').count();
    assert!(rows.len() > 30 && rows.iter().all(|row| cells(row) == 6), "{markdown}");
    assert!(markdown.contains("\nLedger of ecs: "));
    let invalid = [fixture::invalid()];
    let judgement = report::judge(&invalid, report::Options::default()).unwrap();
    assert!(report::markdown(&judgement).contains("\n- the run was cut short\n"));
}

#[test]
fn stacks_that_do_not_differ_have_no_winner() {
    let mut run = fixture::spike(2, 1);
    run.stacks[1] = run.stacks[0].clone();
    run.manifest.stacks[1].ledger = run.manifest.stacks[0].ledger;
    let summary = fixture::summary(&[run]);
    assert_eq!(summary["verdict"]["form"], "even");
}

#[test]
fn a_stack_that_leads_everywhere_wins() {
    let mut run = fixture::spike(2, 1);
    run.stacks[1].usage.metered.iter_mut().for_each(|m| m.quantity /= 10);
    let summary = fixture::summary(&[run.clone()]);
    assert_eq!(summary["verdict"]["form"], "one-leads");
    assert!(summary["verdict"]["sentence"].as_str().unwrap().starts_with("lambda leads: "));
    run.manifest.checks[0].passed = false;
    assert_eq!(fixture::summary(&[run])["verdict"]["form"], "withheld");
}

#[test]
fn every_number_has_unit_and_direction() {
    let summary = fixture::summary(&[fixture::spike(3, 9)]);
    assert_eq!(summary["price-list-date"], report::price_list_date());
    for metric in summary["metrics"].as_array().unwrap() {
        assert!(
            ["messages", "count", "messages/s", "ms", "s", "USD", "share"]
                .contains(&metric["unit"].as_str().unwrap())
        );
        assert!(["lower", "higher", "neither"].contains(&metric["better"].as_str().unwrap()));
        assert_eq!(metric["estimates"].as_object().unwrap().len(), 3);
    }
}

#[test]
fn the_cost_curve_ends_at_the_bill() {
    // The readout's last value of the cost chart is the total of the bill, alarms spread evenly included.
    let run = fixture::spike(2, 42);
    let total = values(&fixture::summary(std::slice::from_ref(&run)), "cost-run")[0].unwrap();
    let html = html(&[run]);
    let cost = &html[html.find("id=\"cost\"").unwrap()..];
    let json = &cost[cost.find("<script type=\"application/json\">").unwrap() + 32..];
    let data: Value = serde_json::from_str(&json[..json.find("</script>").unwrap()]).unwrap();
    let last = data["series"][0]["values"].as_array().unwrap().iter().rev().find_map(Value::as_f64).unwrap();
    assert!((last / total - 1.0).abs() < 5e-3, "{last} and {total}");
}
