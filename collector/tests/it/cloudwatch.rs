//! CloudWatch over the wire: a server of a few lines that pages, lags and refuses.

use crate::lab::START_NS;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::Builder;
use ciborium::Value;
use collector::{Source, fetch};
use model::series::metric;
use model::time::{MINUTE, SECOND};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What to say to a request: its path or target, and its body.
type Answer = dyn FnMut(&str, &[u8]) -> (u16, Vec<u8>) + Send;

/// Serves `answer` on loopback, and says where; ends with the test.
pub(crate) fn serve(mut answer: Box<Answer>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that goes away is no concern of the server.
            let _ = exchange(stream.unwrap(), answer.as_mut());
        }
    });
    url
}

fn exchange(mut stream: TcpStream, answer: &mut Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut name, mut length, mut line) = (String::new(), 0, String::new());
    reader.read_line(&mut name)?;
    while reader.read_line(&mut line)? > 2 {
        let (key, value) = line.trim().split_once(':').unwrap_or_default();
        match key.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "x-amz-target" => name = value.trim().into(),
            _ => {}
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, body) = answer(&name, &body);
    let cbor = name.contains("GraniteService");
    let kind = if cbor { "application/cbor" } else { "application/x-amz-json-1.0" };
    let head = format!(
        "HTTP/1.1 {status} X\r\nsmithy-protocol: rpc-v2-cbor\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

/// A configuration whose every call goes to `url`.
pub(crate) fn config(url: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(Builder::new().build_http())
        .build()
}

pub(crate) fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    let entries = value.as_map().unwrap();
    &entries.iter().find(|(key, _)| key.as_text() == Some(name)).unwrap_or_else(|| panic!("no {name}")).1
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// A result of GetMetricData.
pub(crate) fn result(id: &str, points: &[(u64, f64)]) -> Value {
    let times = points.iter().map(|(s, _)| Value::Tag(1, Box::new((*s).into()))).collect();
    let values = points.iter().map(|(_, value)| (*value).into()).collect();
    map([
        ("Id", id.into()),
        ("Label", "x".into()),
        ("Timestamps", Value::Array(times)),
        ("Values", Value::Array(values)),
        ("StatusCode", "Complete".into()),
    ])
}

pub(crate) fn page(results: Vec<Value>, next: Option<&str>) -> (u16, Vec<u8>) {
    let mut entries = vec![("MetricDataResults".into(), Value::Array(results))];
    entries.extend(next.map(|token| ("NextToken".into(), token.into())));
    (200, bytes(&Value::Map(entries)))
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn ask(url: &str, sources: &[Source]) -> anyhow::Result<Vec<(usize, model::journal::Point)>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = aws_sdk_cloudwatch::Client::new(&config(url));
    Ok(runtime.block_on(fetch(&client, sources, START_NS, START_NS + 5 * MINUTE))?.0)
}

#[test]
fn many_metrics_come_in_several_calls_and_pages() {
    let start_s = START_NS / SECOND;
    let minute = start_s / 60 * 60;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let calls = Arc::clone(&seen);
    let url = serve(Box::new(move |name, body| {
        assert!(
            name.starts_with("POST /service/GraniteServiceVersion20100801/operation/GetMetricData "),
            "{name}"
        );
        let request: Value = ciborium::from_reader(body).unwrap();
        let ids: Vec<String> = field(&request, "MetricDataQueries")
            .as_array()
            .unwrap()
            .iter()
            .map(|query| field(query, "Id").as_text().unwrap().to_owned())
            .collect();
        let second = request.as_map().unwrap().iter().any(|(key, _)| key.as_text() == Some("NextToken"));
        calls.lock().unwrap().push(request);
        // One page has the first minute of all, the other the second minute of the first one only.
        if second {
            return page(vec![result(&ids[0], &[(minute + 60, 9.0)])], None);
        }
        page(ids.iter().map(|id| result(id, &[(minute, 1.0)])).collect(), Some("more"))
    }));
    let one = |n: usize| Source { queue: Some(format!("queue-{n}")), ..Source::default() };
    let sources: Vec<Source> = (0..80).map(one).collect();
    let points = ask(&url, &sources).unwrap();
    // 560 queries: 500 and 60, each in two pages.
    let seen = seen.lock().unwrap();
    let counts = seen.iter().map(|request| field(request, "MetricDataQueries").as_array().unwrap().len());
    assert_eq!(counts.collect::<Vec<_>>(), [500, 500, 60, 60]);
    assert_eq!(points.len(), 560 + 2);
    let instant = |name| {
        let Value::Tag(1, seconds) = field(&seen[0], name) else { panic!("{name}") };
        match seconds.as_ref() {
            Value::Float(seconds) => *seconds as u64,
            Value::Integer(seconds) => u64::try_from(*seconds).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(instant("StartTime"), minute, "aligned, whenever the run began");
    assert_eq!(instant("EndTime"), (start_s + 300).div_ceil(60) * 60);
    let (stack, first) = &points[0];
    // The minute in which the run began is put at its start.
    assert_eq!((*stack, first.t, first.period, first.value), (0, 0, MINUTE, 1.0));
    let later: Vec<u64> = points.iter().map(|(_, point)| point.t).filter(|t| *t > 0).collect();
    assert_eq!(later, [(minute + 60) * SECOND - START_NS; 2]);
    for stack in 0..80 {
        assert_eq!(points.iter().filter(|(number, point)| *number == stack && point.t == 0).count(), 7);
    }
}

#[test]
fn each_platform_is_asked_for_its_own_metrics() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let calls = Arc::clone(&seen);
    let url = serve(Box::new(move |_, body| {
        calls.lock().unwrap().push(ciborium::from_reader::<Value, _>(body).unwrap());
        page(Vec::new(), None)
    }));
    let ecs = Source { service: Some(("c".into(), "s".into())), ..Source::default() };
    let lambda = Source { function: Some("f".into()), ..Source::default() };
    assert!(ask(&url, &[ecs, lambda]).unwrap().is_empty());
    let seen = seen.lock().unwrap();
    let queries = field(&seen[0], "MetricDataQueries").as_array().unwrap();
    let names: Vec<String> = queries
        .iter()
        .map(|query| {
            let stat = field(query, "MetricStat");
            let asked = field(stat, "Metric");
            let text = |name| field(asked, name).as_text().unwrap();
            let dimensions = field(asked, "Dimensions").as_array().unwrap().len();
            let statistic = field(stat, "Stat").as_text().unwrap();
            format!("{} {} {statistic} {dimensions}", text("Namespace"), text("MetricName"))
        })
        .collect();
    assert!(names.contains(&format!("AWS/ECS {} Average 2", metric::CPU)), "{names:?}");
    assert!(
        names.contains(&format!("ECS/ContainerInsights {} Maximum 2", metric::RUNNING_TASKS)),
        "{names:?}"
    );
    assert!(names.contains(&format!("AWS/Lambda {} Maximum 1", metric::CONCURRENCY)), "{names:?}");
    assert!(names.contains(&"AWS/Lambda Duration Sum 1".to_owned()), "{names:?}");
    assert_eq!(names.len(), 10);
}

#[test]
fn a_refusal_says_what_was_asked() {
    let url = serve(Box::new(|_, _| {
        let mut refused = result("m0", &[]);
        let Value::Map(entries) = &mut refused else { unreachable!() };
        entries.retain(|(key, _)| key.as_text() != Some("StatusCode"));
        entries.push(("StatusCode".into(), "InternalError".into()));
        page(vec![refused], None)
    }));
    let source = [Source { queue: Some("q".into()), ..Source::default() }];
    let error = format!("{:#}", ask(&url, &source).unwrap_err());
    assert!(error.contains(metric::SENT) && error.contains("InternalError"), "{error}");
    let url = serve(Box::new(|_, _| (403, bytes(&map([("__type", "x#AccessDeniedException".into())])))));
    let error = format!("{:#}", ask(&url, &source).unwrap_err());
    assert!(error.contains("GetMetricData"), "{error}");
}
