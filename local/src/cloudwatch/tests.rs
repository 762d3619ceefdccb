//! Calls as SDKs make them, at a time that the tests choose.

use super::*;
use crate::message::Message;
use crate::queues::Outgoing;
use model::scenario::{self, Parameters};
use model::time::{HOUR, MINUTE, Nanos, Origin, SECOND};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

/// A full minute: 2025-11-20 12:00 UTC.
const NOON: u64 = 1_763_640_000;

struct Fixture {
    metrics: Metrics,
    store: Arc<MetricStore>,
    now: Arc<AtomicU64>,
}

impl Fixture {
    fn new() -> Self {
        let store = Arc::new(MetricStore::default());
        let now = Arc::new(AtomicU64::new(NOON * SECOND));
        let clock = Arc::clone(&now);
        let metrics = Metrics::new(Arc::clone(&store), move || clock.load(Ordering::Relaxed));
        Self { metrics, store, now }
    }

    fn at(&self, after_noon: Nanos) -> &Self {
        self.now.store(NOON * SECOND + after_noon, Ordering::Relaxed);
        self
    }

    fn reply(&self, operation: &str, body: &Value) -> Reply {
        let body = serde_json::to_vec(body).unwrap().into();
        let protocol = Protocol::Json;
        self.metrics.answer(Request { operation: operation.into(), protocol, gzipped: false, body })
    }

    fn ok(&self, operation: &str, body: Value) -> Value {
        let reply = self.reply(operation, &body);
        let answer = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(reply.status, 200, "{body}: {answer}");
        answer
    }

    /// The code and the message of a refusal.
    fn refused(&self, operation: &str, body: Value) -> (String, String) {
        let reply = self.reply(operation, &body);
        assert_eq!(reply.status, 400, "{body}");
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        let (_, code) = reply.headers.iter().find(|(name, _)| *name == "x-amzn-query-error").unwrap();
        (code.strip_suffix(";Sender").unwrap().into(), answer["message"].as_str().unwrap().into())
    }

    fn put(&self, datum: Value) {
        self.ok("PutMetricData", json!({"Namespace": "Test", "MetricData": [datum]}));
    }

    /// Values of minutes from noon on.
    fn put_minutes(&self, name: &str, values: impl IntoIterator<Item = f64>) {
        for (minute, value) in values.into_iter().enumerate() {
            let at = NOON + 60 * minute as u64;
            self.put(json!({"MetricName": name, "Timestamp": at, "Value": value}));
        }
    }

    /// The only result of a query.
    fn one(&self, stat: Value, start: u64, end: u64) -> Value {
        let query = json!({"Id": "q", "MetricStat": stat});
        let answer = self.ok(
            "GetMetricData",
            json!({
                "MetricDataQueries": [query], "StartTime": start, "EndTime": end, "ScanBy": "TimestampAscending",
            }),
        );
        assert_eq!(answer["MetricDataResults"].as_array().unwrap().len(), 1);
        answer["MetricDataResults"][0].clone()
    }
}

fn stat(name: &str, statistic: &str, period: u64) -> Value {
    json!({"Metric": {"Namespace": "Test", "MetricName": name}, "Period": period, "Stat": statistic})
}

#[test]
fn what_is_put_is_got() {
    let fixture = Fixture::new();
    fixture.put(json!({"MetricName": "m", "Value": 11, "Unit": "Seconds"}));
    let set = json!({"SampleCount": 10, "Sum": 55, "Minimum": 1, "Maximum": 10});
    fixture.put(json!({"MetricName": "m", "StatisticValues": set, "Unit": "Seconds"}));
    for (name, value) in
        [("Sum", 66.0), ("SampleCount", 11.0), ("Minimum", 1.0), ("Maximum", 11.0), ("Average", 6.0)]
    {
        let result = fixture.one(stat("m", name, 60), NOON, NOON + 60);
        assert_eq!(result["Values"], json!([value]), "{name}");
        assert_eq!(result["Timestamps"], json!([NOON as f64]));
        assert_eq!(result["StatusCode"], "Complete");
        assert_eq!(result["Label"], "m");
    }
    // Of the statistic set the values are not known.
    assert_eq!(fixture.one(stat("m", "p50", 60), NOON, NOON + 60)["Values"], json!([]));
    let weighted = json!({"MetricName": "w", "Values": [1, 10], "Counts": [2, 4]});
    fixture.put(weighted);
    assert_eq!(fixture.one(stat("w", "p50", 60), NOON, NOON + 60)["Values"], json!([10.0]));
    assert_eq!(fixture.one(stat("w", "p33", 60), NOON, NOON + 60)["Values"], json!([1.0]));
}

#[test]
fn a_dimension_more_or_less_is_another_metric_and_their_order_does_not_matter() {
    let fixture = Fixture::new();
    let dimension = |name: &str, value: &str| json!({"Name": name, "Value": value});
    let (a, b) = (dimension("A", "1"), dimension("B", "2"));
    fixture.put(json!({"MetricName": "m", "Value": 1, "Dimensions": [a, b]}));
    fixture.put(json!({"MetricName": "m", "Value": 2, "Dimensions": [a]}));
    let sum = |dimensions: Value| {
        let metric = json!({"Namespace": "Test", "MetricName": "m", "Dimensions": dimensions});
        fixture.one(json!({"Metric": metric, "Period": 60, "Stat": "Sum"}), NOON, NOON + 60)["Values"].clone()
    };
    assert_eq!(sum(json!([b, a])), json!([1.0]));
    assert_eq!(sum(json!([a])), json!([2.0]));
    assert_eq!(sum(json!([])), json!([]));
    assert_eq!(sum(json!([dimension("A", "10")])), json!([]));
}

#[test]
fn the_start_is_rounded_down_to_the_minute_and_the_end_is_exclusive() {
    let fixture = Fixture::new();
    fixture.put_minutes("m", [1.0, 2.0, 3.0, 4.0]);
    let values = |start, end| fixture.one(stat("m", "Sum", 60), start, end)["Values"].clone();
    assert_eq!(values(NOON + 59, NOON + 120), json!([1.0, 2.0]));
    assert_eq!(values(NOON + 60, NOON + 121), json!([2.0, 3.0]));
    let result = fixture.one(stat("m", "Sum", 120), NOON + 90, NOON + 240);
    assert_eq!(result["Values"], json!([5.0, 4.0]));
    assert_eq!(result["Timestamps"], json!([(NOON + 60) as f64, (NOON + 180) as f64]));
}

#[test]
fn the_start_of_old_data_is_rounded_further() {
    let noon = NOON * SECOND;
    let (now, day) = (noon + 100 * 24 * HOUR, 24 * HOUR);
    for (age, step) in [(14 * day, MINUTE), (16 * day, 5 * MINUTE), (70 * day, HOUR)] {
        let start = now - age + 59 * MINUTE + 59 * SECOND;
        assert_eq!(check::rounded_start(start, now, MINUTE), start - start % step);
    }
    assert_eq!(check::rounded_start(noon + 37 * SECOND, noon, 10 * SECOND), noon + 30 * SECOND);
}

/// Reads all pages of one query and joins them.
fn pages(fixture: &Fixture, names: &[&str], scan_by: &str, most: u64) -> (Vec<Vec<(f64, f64)>>, usize) {
    let queries: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(index, name)| json!({"Id": format!("q{index}"), "MetricStat": stat(name, "Sum", 60)}))
        .collect();
    let mut joined = vec![Vec::new(); names.len()];
    let mut body = json!({
        "MetricDataQueries": queries, "StartTime": NOON, "EndTime": NOON + 3600, "ScanBy": scan_by,
        "MaxDatapoints": most,
    });
    for page in 1.. {
        let answer = fixture.ok("GetMetricData", body.clone());
        let results = answer["MetricDataResults"].as_array().unwrap();
        let mut count = 0;
        for (index, result) in results.iter().enumerate() {
            assert_eq!(result["Id"], format!("q{index}"));
            let pairs =
                result["Timestamps"].as_array().unwrap().iter().zip(result["Values"].as_array().unwrap());
            let before = joined[index].len();
            joined[index].extend(pairs.map(|(at, value)| (at.as_f64().unwrap(), value.as_f64().unwrap())));
            count += joined[index].len() - before;
        }
        assert!(count as u64 <= most);
        let partial = results.iter().any(|result| result["StatusCode"] == "PartialData");
        assert_eq!(partial, answer.get("NextToken").is_some());
        match answer.get("NextToken") {
            Some(token) => body["NextToken"] = token.clone(),
            None => return (joined, page),
        }
    }
    unreachable!()
}

#[test]
fn pages_joined_are_the_whole() {
    let fixture = Fixture::new();
    fixture.put_minutes("a", (0..10).map(f64::from));
    fixture.put_minutes("b", (0..3).map(f64::from));
    fixture.put_minutes("c", (0..7).map(f64::from));
    let names = ["a", "nothing", "b", "c"];
    for scan_by in ["TimestampAscending", "TimestampDescending"] {
        let (whole, count) = pages(&fixture, &names, scan_by, 100_800);
        assert_eq!((whole.iter().map(Vec::len).collect::<Vec<_>>(), count), (vec![10, 0, 3, 7], 1));
        let ascending = whole[0].is_sorted_by(|a, b| a.0 < b.0);
        assert_eq!(ascending, scan_by == "TimestampAscending");
        for most in 1..=21 {
            let (joined, count) = pages(&fixture, &names, scan_by, most);
            assert_eq!(joined, whole, "{scan_by} {most}");
            assert_eq!(count as u64, 20_u64.div_ceil(most), "pages of {most}");
        }
    }
}

#[test]
fn a_token_is_bound_to_its_request() {
    let fixture = Fixture::new();
    fixture.put_minutes("a", [1.0, 2.0]);
    let mut body = json!({
        "MetricDataQueries": [{"Id": "q", "MetricStat": stat("a", "Sum", 60)}], "StartTime": NOON,
        "EndTime": NOON + 3600, "MaxDatapoints": 1,
    });
    let token = fixture.ok("GetMetricData", body.clone())["NextToken"].clone();
    body["NextToken"] = token.clone();
    fixture.ok("GetMetricData", body.clone());
    body["EndTime"] = json!(NOON + 1800);
    assert_eq!(fixture.refused("GetMetricData", body.clone()).0, "InvalidNextToken");
    body["NextToken"] = json!("bm9uZSBvZiBvdXJz");
    assert_eq!(fixture.refused("GetMetricData", body).0, "InvalidNextToken");
}

#[test]
fn labels_say_what_tells_the_queries_apart() {
    let fixture = Fixture::new();
    let labels = |stats: &[Value]| -> Vec<Value> {
        let query = |(index, stat): (usize, &Value)| json!({"Id": format!("q{index}"), "MetricStat": stat});
        let queries: Vec<Value> = stats.iter().enumerate().map(query).collect();
        let body = json!({"MetricDataQueries": queries, "StartTime": NOON, "EndTime": NOON + 60});
        let answer = fixture.ok("GetMetricData", body);
        answer["MetricDataResults"].as_array().unwrap().iter().map(|result| result["Label"].clone()).collect()
    };
    assert_eq!(labels(&[stat("a", "Sum", 60), stat("b", "Sum", 60)]), ["a", "b"]);
    assert_eq!(labels(&[stat("a", "Sum", 60), stat("a", "p90", 60)]), ["a Sum", "a p90"]);
    assert_eq!(labels(&[stat("a", "Sum", 60), stat("a", "Sum", 30)]), ["a 60", "a 30"]);
    assert_eq!(labels(&[stat("a", "Sum", 60), stat("a", "Minimum", 30)]), ["a Sum 60", "a Minimum 30"]);
}

#[test]
fn several_units_are_told_apart() {
    let fixture = Fixture::new();
    for (value, unit) in [(60_000, "Milliseconds"), (60, "Seconds"), (5, "Count")] {
        fixture.put(json!({"MetricName": "m", "Value": value, "Unit": unit}));
    }
    let result = fixture.one(stat("m", "Sum", 60), NOON, NOON + 60);
    assert_eq!(result["Values"], json!([5.0]));
    let message = json!({"Code": "MultipleUnits", "Value": "Multiple units returned: '[Count, Milliseconds, Seconds]'"});
    assert_eq!(result["Messages"], json!([message]));
    let mut seconds = stat("m", "Sum", 60);
    seconds["Unit"] = json!("Seconds");
    let result = fixture.one(seconds, NOON, NOON + 60);
    assert_eq!((&result["Values"], result.get("Messages")), (&json!([60.0]), None));
    let units = |unit: Value| -> Vec<Value> {
        let answer = fixture.ok(
            "GetMetricStatistics",
            json!({
                "Namespace": "Test", "MetricName": "m", "StartTime": NOON, "EndTime": NOON + 60, "Period": 60,
                "Statistics": ["Average"], "Unit": unit,
            }),
        );
        answer["Datapoints"].as_array().unwrap().iter().map(|point| point["Unit"].clone()).collect()
    };
    assert_eq!(units(Value::Null), ["Count", "Milliseconds", "Seconds"]);
    assert_eq!(units(json!("Seconds")), ["Seconds"]);
    assert!(units(json!("Bytes")).is_empty());
}

#[test]
fn statistics_of_a_period() {
    let fixture = Fixture::new();
    for value in 0..10 {
        fixture.put(json!({"MetricName": "m", "Value": value}));
    }
    let mut body = json!({
        "Namespace": "Test", "MetricName": "m", "StartTime": NOON, "EndTime": NOON + 60, "Period": 60,
        "Statistics": ["SampleCount", "Sum", "Average", "Minimum", "Maximum"],
    });
    let answer = fixture.ok("GetMetricStatistics", body.clone());
    let point = json!({
        "Timestamp": NOON as f64, "Unit": "None", "SampleCount": 10.0, "Sum": 45.0, "Average": 4.5, "Minimum": 0.0,
        "Maximum": 9.0,
    });
    assert_eq!(answer, json!({"Label": "m", "Datapoints": [point]}));
    body["Statistics"] = Value::Null;
    body["ExtendedStatistics"] = json!(["p90", "tm50"]);
    let answer = fixture.ok("GetMetricStatistics", body.clone());
    assert_eq!(answer["Datapoints"][0]["ExtendedStatistics"], json!({"p90": 8.0, "tm50": 2.0}));
    // A negative value, and there are no percentiles.
    fixture.put(json!({"MetricName": "m", "Value": -1}));
    assert_eq!(fixture.ok("GetMetricStatistics", body)["Datapoints"], json!([]));
}

#[test]
fn statistics_are_refused_as_the_service_does() {
    let fixture = Fixture::new();
    let good = json!({
        "Namespace": "Test", "MetricName": "m", "StartTime": NOON, "EndTime": NOON + 86_400, "Period": 60,
        "Statistics": ["Sum"],
    });
    fixture.ok("GetMetricStatistics", good.clone());
    let cases = [
        ("Namespace", Value::Null, "MissingParameter", "The parameter Namespace is required."),
        ("MetricName", json!(""), "MissingParameter", "MetricName"),
        ("StartTime", Value::Null, "MissingParameter", "StartTime"),
        ("Period", Value::Null, "MissingParameter", "Period"),
        ("Period", json!(61), "InvalidParameterValue", "multiple of 60"),
        ("Period", json!(0), "InvalidParameterValue", "multiple of 60"),
        ("Period", json!(-60), "InvalidParameterValue", "multiple of 60"),
        ("EndTime", json!(NOON as f64 + 0.9), "InvalidParameterValue", "must be less than"),
        (
            "EndTime",
            json!(NOON + 86_401),
            "InvalidParameterCombination",
            "up to 1441 datapoints, which exceeds the limit",
        ),
        ("Statistics", json!([]), "InvalidParameterCombination", "Must specify either"),
        ("Statistics", json!(["p90"]), "InvalidParameterValue", "Statistics.member.1"),
        ("ExtendedStatistics", json!(["p90"]), "InvalidParameterCombination", "mutually exclusive"),
        ("Unit", json!("Parsecs"), "InvalidParameterValue", "Parsecs"),
        ("Period", json!("x"), "SerializationException", "cannot be read"),
    ];
    for (key, value, code, says) in cases {
        let mut body = good.clone();
        body[key] = value.clone();
        let (got, message) = fixture.refused("GetMetricStatistics", body);
        assert_eq!(got, code, "{key} {value}");
        assert!(message.contains(says), "{key} {value}: {message}");
    }
}

#[test]
fn a_bad_datum_is_refused_and_nothing_is_stored() {
    let fixture = Fixture::new();
    let far = |seconds: i64| json!(NOON as i64 + seconds);
    let many: Vec<u32> = (0..151).collect();
    let dimensions: Vec<Value> = (0..31).map(|n| json!({"Name": format!("d{n}"), "Value": "v"})).collect();
    let set = json!({"SampleCount": 1, "Sum": 1, "Minimum": 2, "Maximum": 1});
    let twice = json!([{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]);
    let cases = [
        (json!({"Value": 1}), "MissingParameter", "MetricData.member.2.MetricName"),
        (json!({"MetricName": "m"}), "MissingParameter", "MetricData.member.2.Value"),
        (json!({"MetricName": "m", "Value": "NaN"}), "InvalidParameterValue", "NaN"),
        (json!({"MetricName": "m", "Value": 1e200}), "InvalidParameterValue", "2^360"),
        (
            json!({"MetricName": "m", "Value": 1, "Values": [1]}),
            "InvalidParameterCombination",
            "member.2.Values are mutually",
        ),
        (
            json!({"MetricName": "m", "Value": 1, "StatisticValues": set}),
            "InvalidParameterCombination",
            "StatisticValues",
        ),
        (json!({"MetricName": "m", "StatisticValues": set}), "InvalidParameterValue", "Maximum"),
        (
            json!({"MetricName": "m", "StatisticValues": {"SampleCount": 0}}),
            "InvalidParameterValue",
            "greater than 0",
        ),
        (
            json!({"MetricName": "m", "Value": 1, "Dimensions": twice}),
            "InvalidParameterValue",
            "same dimension twice",
        ),
        (
            json!({"MetricName": "m", "StatisticValues": {"Sum": 1}}),
            "MissingParameter",
            "StatisticValues.SampleCount",
        ),
        (
            json!({"MetricName": "m", "Values": [1, 2], "Counts": [1]}),
            "InvalidParameterValue",
            "must be of the same size.",
        ),
        (json!({"MetricName": "m", "Values": [1], "Counts": [-1]}), "InvalidParameterValue", "negative"),
        (json!({"MetricName": "m", "Values": many}), "InvalidParameterValue", "150"),
        (json!({"MetricName": "m", "Value": 1, "Unit": "Furlongs"}), "InvalidParameterValue", "Furlongs"),
        (json!({"MetricName": "m", "Value": 1, "StorageResolution": 5}), "InvalidParameterValue", "1 or 60"),
        (
            json!({"MetricName": "m", "Value": 1, "Timestamp": far(7201)}),
            "InvalidParameterValue",
            "Timestamp",
        ),
        (
            json!({"MetricName": "m", "Value": 1, "Timestamp": far(-14 * 86_400 - 1)}),
            "InvalidParameterValue",
            "Timestamp",
        ),
        (json!({"MetricName": "m", "Value": 1, "Dimensions": dimensions}), "InvalidParameterValue", "30"),
        (
            json!({"MetricName": "m", "Value": 1, "Dimensions": [{"Name": "a"}]}),
            "MissingParameter",
            "Dimensions.member.1.Value",
        ),
        (json!({"MetricName": "m".repeat(256), "Value": 1}), "InvalidParameterValue", "255"),
    ];
    for (datum, code, says) in cases {
        let data = json!([{"MetricName": "good", "Value": 1}, datum]);
        let (got, message) =
            fixture.refused("PutMetricData", json!({"Namespace": "Test", "MetricData": data}));
        assert_eq!(got, code, "{datum}");
        assert!(message.contains(says), "{datum}: {message}");
    }
    let good = json!({"MetricName": "m", "Value": 1});
    let whole = [
        (json!({"MetricData": [good]}), "MissingParameter"),
        (json!({"Namespace": ":x", "MetricData": [good]}), "InvalidParameterValue"),
        (json!({"Namespace": "Test"}), "MissingParameter"),
        (json!({"Namespace": "Test", "MetricData": []}), "MissingParameter"),
        (json!({"Namespace": "Test", "MetricData": vec![good.clone(); 1001]}), "InvalidParameterValue"),
    ];
    for (body, code) in whole {
        assert_eq!(fixture.refused("PutMetricData", body).0, code);
    }
    assert_eq!(fixture.ok("ListMetrics", json!({})), json!({"Metrics": []}));
    let entity = json!({"Entity": {}, "MetricData": [good]});
    fixture.ok("PutMetricData", json!({"Namespace": "Test", "EntityMetricData": [entity]}));
    assert_eq!(fixture.ok("ListMetrics", json!({}))["Metrics"].as_array().unwrap().len(), 1);
}

#[test]
fn queries_are_refused_as_the_service_does() {
    let fixture = Fixture::new();
    let get = |query: Value| {
        let body = json!({"MetricDataQueries": [query], "StartTime": NOON, "EndTime": NOON + 60});
        fixture.refused("GetMetricData", body)
    };
    let good = || stat("m", "Sum", 60);
    let cases = [
        (json!({"MetricStat": good()}), "MissingParameter", "MetricDataQueries.member.1.Id"),
        (json!({"Id": "Q", "MetricStat": good()}), "ValidationError", "expected pattern"),
        (json!({"Id": "q q", "MetricStat": good()}), "ValidationError", "expected pattern"),
        (json!({"Id": "q"}), "ValidationError", "Either"),
        (json!({"Id": "q", "Expression": "m1/m2"}), "ValidationError", "no metric math"),
        (
            json!({"Id": "q", "Expression": "m1", "MetricStat": good()}),
            "ValidationError",
            "mutually exclusive",
        ),
        (json!({"Id": "q", "Period": 60, "MetricStat": good()}), "ValidationError", "member.1.Period and"),
        (json!({"Id": "q", "MetricStat": stat("m", "p101", 60)}), "ValidationError", "p101"),
        (json!({"Id": "q", "MetricStat": stat("m", "Sum", 90)}), "ValidationError", "90"),
        (json!({"Id": "q", "MetricStat": {"Period": 60, "Stat": "Sum"}}), "MissingParameter", "Metric is"),
    ];
    for (query, code, says) in cases {
        let (got, message) = get(query.clone());
        assert_eq!(got, code, "{query}");
        assert!(message.contains(says), "{query}: {message}");
    }
    let query = json!({"Id": "q", "MetricStat": good()});
    let bodies = [
        (json!({"StartTime": NOON, "EndTime": NOON + 60}), "MissingParameter"),
        (json!({"MetricDataQueries": [query], "EndTime": NOON}), "MissingParameter"),
        (json!({"MetricDataQueries": [query], "StartTime": NOON, "EndTime": NOON}), "ValidationError"),
        (
            json!({"MetricDataQueries": [query, query], "StartTime": NOON, "EndTime": NOON + 60}),
            "ValidationError",
        ),
        (
            json!({"MetricDataQueries": vec![query.clone(); 501], "StartTime": NOON, "EndTime": NOON + 60}),
            "ValidationError",
        ),
        (
            json!({"MetricDataQueries": [query], "StartTime": NOON, "EndTime": NOON + 60, "MaxDatapoints": 0}),
            "ValidationError",
        ),
        (
            json!({"MetricDataQueries": [query], "StartTime": NOON, "EndTime": NOON + 60, "ScanBy": "Chance"}),
            "ValidationError",
        ),
    ];
    for (body, code) in bodies {
        assert_eq!(fixture.refused("GetMetricData", body).0, code);
    }
    // What is not to be returned is not.
    let queries = json!([query, {"Id": "r", "MetricStat": good(), "ReturnData": false}]);
    let body = json!({"MetricDataQueries": queries, "StartTime": NOON, "EndTime": NOON + 60});
    assert_eq!(fixture.ok("GetMetricData", body)["MetricDataResults"].as_array().unwrap().len(), 1);
}

/// The sizes of the pages that answer `body`, and how many different metrics they name.
fn listed(fixture: &Fixture, body: &Value) -> (Vec<usize>, usize) {
    let mut sizes = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    let mut next = Some(body.clone());
    while let Some(body) = next.take() {
        let answer = fixture.ok("ListMetrics", body.clone());
        let metrics = answer["Metrics"].as_array().unwrap();
        sizes.push(metrics.len());
        names.extend(metrics.iter().map(Value::to_string));
        if let Some(token) = answer.get("NextToken") {
            let mut body = body;
            body["NextToken"] = token.clone();
            next = Some(body);
        }
    }
    (sizes, names.len())
}

#[test]
fn metrics_are_listed_filtered_and_in_pages() {
    let fixture = Fixture::new();
    for n in 0..1203 {
        let dimensions =
            json!([{"Name": "N", "Value": n.to_string()}, {"Name": "Parity", "Value": (n % 2).to_string()}]);
        fixture.put(json!({"MetricName": "m", "Value": 1, "Dimensions": dimensions}));
    }
    fixture.put(json!({"MetricName": "plain", "Value": 1}));
    let pages = |body: &Value| listed(&fixture, body);
    assert_eq!(pages(&json!({})), (vec![500, 500, 204], 1204));
    assert_eq!(pages(&json!({"Namespace": "Test", "MetricName": "plain"})), (vec![1], 1));
    assert_eq!(pages(&json!({"Namespace": "Tes"})), (vec![0], 0));
    assert_eq!(pages(&json!({"Dimensions": [{"Name": "Parity", "Value": "1"}]})), (vec![500, 101], 601));
    assert_eq!(
        pages(&json!({"Dimensions": [{"Name": "Parity", "Value": "1"}, {"Name": "N", "Value": "2"}]})).1,
        0
    );
    let odd = json!({"Dimensions": [{"Name": "Parity"}]});
    let token = fixture.ok("ListMetrics", odd)["NextToken"].clone();
    let (code, _) = fixture.refused("ListMetrics", json!({"NextToken": token}));
    assert_eq!(code, "InvalidParameterValue");

    fixture.at(4 * HOUR).put(json!({"MetricName": "late", "Value": 1}));
    assert_eq!(pages(&json!({"RecentlyActive": "PT3H"})), (vec![1], 1));
    assert_eq!(fixture.refused("ListMetrics", json!({"RecentlyActive": "PT1H"})).0, "InvalidParameterValue");
    fixture.at(15 * 24 * HOUR);
    assert_eq!(pages(&json!({})), (vec![0], 0));
}

#[test]
fn a_full_store_is_an_error_that_says_what_to_do() {
    let store = Arc::new(MetricStore::new(store::Limits { metrics: 1, values: 1000 }));
    let fixture =
        Fixture { metrics: Metrics::new(Arc::clone(&store), || NOON * SECOND), store, ..Fixture::new() };
    fixture.put(json!({"MetricName": "a", "Value": 1}));
    let body = json!({"Namespace": "Test", "MetricData": [{"MetricName": "b", "Value": 1}]});
    let (code, message) = fixture.refused("PutMetricData", body);
    assert_eq!(code, "LimitExceeded");
    assert!(message.contains("at most 1 metrics") && message.contains("publish fewer"), "{message}");
}

#[test]
fn other_operations_are_unknown() {
    let fixture = Fixture::new();
    for operation in ["PutMetricAlarm", "", "getmetricdata"] {
        let (code, message) = fixture.refused(operation, json!({}));
        assert_eq!(code, "UnknownOperation");
        assert!(message.contains("GetMetricStatistics"));
    }
}

#[test]
fn cbor_says_the_same_as_json() {
    let fixture = Fixture::new();
    fixture.put_minutes("m", [1.5, 2.5]);
    let cbor = |body: Value| -> ciborium::Value {
        let mut bytes = Vec::new();
        // Timestamps get their tag.
        let mut body = ciborium::Value::serialized(&body).unwrap();
        for (key, value) in body.as_map_mut().unwrap() {
            if key.as_text().is_some_and(|key| key.ends_with("Time")) {
                *value = ciborium::Value::Tag(1, Box::new(value.clone()));
            }
        }
        ciborium::into_writer(&body, &mut bytes).unwrap();
        let request = Request {
            operation: "GetMetricData".into(),
            protocol: Protocol::Cbor,
            gzipped: false,
            body: bytes.into(),
        };
        let reply = fixture.metrics.answer(request);
        assert_eq!((reply.status, reply.content_type), (200, "application/cbor"));
        ciborium::from_reader(reply.body.as_slice()).unwrap()
    };
    let queries = json!([{"Id": "q", "MetricStat": stat("m", "Average", 60)}]);
    let answer = cbor(json!({"MetricDataQueries": queries, "StartTime": NOON, "EndTime": NOON + 120}));
    let text = format!("{answer:?}");
    for at in [NOON, NOON + 60] {
        assert!(text.contains(&format!("Tag(1, Float({:?}))", at as f64)), "{text}");
    }
    let find = |value: &ciborium::Value, key: &str| {
        value.as_map().unwrap().iter().find(|(name, _)| name.as_text() == Some(key)).unwrap().1.clone()
    };
    let result = find(&answer, "MetricDataResults").as_array().unwrap()[0].clone();
    assert_eq!(find(&result, "Values"), ciborium::Value::Array(vec![2.5.into(), 1.5.into()]));
    assert_eq!(find(&result, "StatusCode"), "Complete".into());
}

fn queues(after_the_minute: Nanos) -> Arc<Queues> {
    let utc = UNIX_EPOCH + Duration::from_secs(NOON) + Duration::from_nanos(after_the_minute);
    let origin = Origin { instant: tokio::time::Instant::now().into_std(), utc };
    Arc::new(Queues::new(origin, "eu-west-1", Parameters::default()))
}

/// In paused time: queues publish at each full minute, and it is seen a lag later.
#[tokio::test(start_paused = true)]
async fn queues_publish_by_themselves() {
    let queues = queues(50 * SECOND);
    let fixture = Fixture::new();
    let store = Arc::clone(&fixture.store);
    let fixture = Fixture { metrics: Metrics::beside(&queues, Arc::clone(&store)), ..fixture };
    let publishing = tokio::spawn(publish::run(Arc::clone(&queues), store, MINUTE, |full| panic!("{full}")));
    let queue = queues.create("work", scenario::Queue::default(), None).unwrap();
    queues.create("idle", scenario::Queue::default(), None).unwrap();
    let send = |count: usize| {
        let outgoing = |_| Outgoing { message: queues.identify(Message::new("12345")), delay: None };
        queue.send((0..count).map(outgoing));
    };
    send(7);
    // 12:01:20; the first minute ended at 12:01 and is seen from 12:02 on.
    tokio::time::sleep(Duration::from_secs(30)).await;
    send(5);
    let metric = |queue: &str, name: &str, statistic: &str| {
        let dimensions = [json!({"Name": "QueueName", "Value": queue})];
        let metric = json!({"Namespace": "AWS/SQS", "MetricName": name, "Dimensions": dimensions});
        let stat = json!({"Metric": metric, "Period": 60, "Stat": statistic});
        fixture.one(stat, NOON, NOON + 3600)["Values"].clone()
    };
    assert_eq!(metric("work", "NumberOfMessagesSent", "Sum"), json!([]));
    assert_eq!(fixture.ok("ListMetrics", json!({"Namespace": "AWS/SQS"}))["Metrics"], json!([]));
    tokio::time::sleep(Duration::from_secs(39)).await;
    assert_eq!(metric("work", "NumberOfMessagesSent", "Sum"), json!([]));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(metric("work", "NumberOfMessagesSent", "Sum"), json!([7.0]));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(metric("work", "NumberOfMessagesSent", "Sum"), json!([7.0, 5.0]));
    assert_eq!(metric("work", "NumberOfMessagesSent", "SampleCount"), json!([7.0, 5.0]));
    assert_eq!(metric("work", "SentMessageSize", "Average"), json!([5.0, 5.0]));
    assert_eq!(metric("work", "ApproximateNumberOfMessagesVisible", "Maximum"), json!([7.0, 12.0]));
    assert_eq!(metric("work", "ApproximateAgeOfOldestMessage", "Maximum"), json!([10.0, 70.0]));
    assert_eq!(metric("idle", "NumberOfMessagesSent", "Sum"), json!([0.0, 0.0]));
    assert_eq!(metric("idle", "SentMessageSize", "Sum"), json!([]));
    let listed = fixture.ok("ListMetrics", json!({"Namespace": "AWS/SQS"}));
    assert_eq!(listed["Metrics"].as_array().unwrap().len(), 9 + 8);
    publishing.abort();
}
