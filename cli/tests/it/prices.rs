//! `versus prices`, and the free tier in what a run tells.

use crate::lab::{expect, folder};
use serde_json::Value;
use std::fs;

#[test]
fn the_price_list_is_printed_for_a_region() {
    let place = folder("prices");
    let table = expect(0, &place, &["prices", "--region", "eu-central-1"]).out;
    assert!(table.starts_with("Prices of ") && table.contains("for eu-central-1"), "{table}");
    assert!(table.contains("Fargate vCPU (x86)") && table.contains("assumed: price of us-east-1"), "{table}");
    let json: Value = serde_json::from_str(&expect(0, &place, &["prices", "--format", "json"]).out).unwrap();
    assert_eq!(json["region"], "us-east-1");
    for price in json["prices"].as_array().unwrap() {
        assert!(price["usd"].as_f64().unwrap() > 0.0 && price["source"] != "", "{price}");
        assert_eq!(price["date"].as_str().unwrap().len(), 10, "{price}");
    }
}

#[test]
fn an_unknown_region_is_a_usage_error_that_names_the_known() {
    let done = expect(2, &folder("prices-nowhere"), &["prices", "--region", "mars-1"]);
    assert!(done.err.contains("mars-1") && done.err.contains("eu-central-1"), "{}", done.err);
}

#[test]
fn the_free_tier_is_taken_off_when_asked_for() {
    let place = folder("free-tier");
    let list = expect(0, &place, &["run", "smoke.toml", "--out", "out"]).out;
    assert!(list.contains("without free tier"), "{list}");
    let free = expect(0, &place, &["report", "out", "--free-tier", "--out", "free"]).out;
    assert!(free.contains("with the free tier"), "{free}");
    let summary = |folder: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(place.join(folder).join("summary.json")).unwrap()).unwrap()
    };
    assert_eq!((&summary("out")["free-tier"], &summary("free")["free-tier"]), (&false.into(), &true.into()));
}
