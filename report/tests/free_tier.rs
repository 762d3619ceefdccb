//! With and without the account's free tier: text, page and summary say which, and agree.
#![allow(missing_docs, clippy::unwrap_used)]

mod fixture;

use model::run::Run;
use model::usage::{Item, Metered};
use report::Options;
use serde_json::Value;

fn told(run: &Run, free_tier: bool) -> (Value, String, String) {
    let judgement = report::judge(std::slice::from_ref(run), Options { free_tier }).unwrap();
    (report::summary(&judgement), report::text(&judgement), report::html(&judgement).unwrap())
}

/// A metric of the second stack, the one on Lambda.
fn lambda(summary: &Value, name: &str) -> f64 {
    let metric = summary["metrics"].as_array().unwrap().iter().find(|m| m["name"] == name).unwrap();
    metric["estimates"]["lambda"]["value"].as_f64().unwrap()
}

#[test]
fn everything_says_whether_the_free_tier_is_in() {
    let run = fixture::spike(2, 42);
    for free_tier in [false, true] {
        let (summary, text, html) = told(&run, free_tier);
        let words = if free_tier { "with the free tier" } else { "without free tier" };
        assert_eq!(summary["free-tier"], free_tier);
        assert!(text.contains(&format!("prices of {} {words}", report::price_list_date())), "{text}");
        assert!(html.contains(&format!("list of {}, {words}", report::price_list_date())));
        assert_eq!(html.contains("free tier to itself"), free_tier);
        assert!(html.contains(if free_tier {
            "The same without free tier"
        } else {
            "The same with the free tier"
        }));
    }
}

#[test]
fn a_run_is_charged_its_share_of_the_month() {
    let run = fixture::spike(2, 42);
    let (list, ..) = told(&run, false);
    let (free, ..) = told(&run, true);
    for name in ["cost-run", "cost-per-million", "cost-per-month"] {
        assert!(lambda(&free, name) < lambda(&list, name), "{name}");
    }
    // 1,752 loads of 25 minutes make a month of 730 h; Lambda has nothing that is held by time.
    assert!((lambda(&free, "cost-per-month") / lambda(&free, "cost-run") / 1_752.0 - 1.0).abs() < 1e-9);
    // Both months stand in the bill; what is saved is at most 400,000 GB-s, 2 M requests and 5 GB of logs.
    let lines = free["bills"]["lambda"].as_array().unwrap();
    let saved = |line: &Value| {
        line["usd-per-month"].as_f64().unwrap() - line["usd-per-month-with-free-tier"].as_f64().unwrap()
    };
    let saved: f64 = lines.iter().map(saved).sum();
    assert!((saved - (400_000.0 * 0.000_016_666_7 + 0.20 + 0.40 + 2.50)).abs() < 1e-6, "{saved}");
}

#[test]
fn the_page_names_what_reaches_a_volume_tier() {
    let mut run = fixture::spike(2, 42);
    assert!(told(&run, false).2.contains("none is reached here"));
    // 100 million requests in 25 minutes are 175 billion a month.
    run.stacks[1].usage.metered.retain(|metered| metered.item != Item::SqsRequests);
    run.stacks[1].usage.metered.push(Metered::new(Item::SqsRequests, "send", 100_000_000));
    assert!(told(&run, false).2.contains("they lower SQS requests of lambda"));
}
