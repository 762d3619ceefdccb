//! From scenario text to a [`Scenario`].
//!
//! Goals: strict, precise, all problems at once; the list of keys below is also the JSON Schema.
//! Non-goals: files other than the scenario and its traces, and any opinion on good configuration.

use super::arrivals::phase;
use super::expect::{self, EXPECT, expect};
use super::files::said;
use super::injection::{self, FAULT, fault};
use super::kinds::{At, Bytes, Choice, Count, Kind, Line, Number, Span, Sub, Text, Whole};
use super::lists::{List, Range};
use super::overrides;
use super::problem::{Problems, quoted};
use super::settings::parameters;
use super::stacks::{Stacks, queue};
use super::streams::{self, Streams};
use super::table::{Context, Table};
use super::tree::{self, Node, Value};
use super::{Distribution, Message, Parameters, Queue, REGIONS, Scenario, check, units};
use crate::time::{DAY, HOUR};
use serde_json::{Value as Json, json};
use std::fs;
use std::io::{self, Read};
use std::path::Path;

/// Longest scenario text in bytes.
const MOST_TEXT: usize = 256 * 1024;
/// Longest trace file in bytes.
const MOST_TRACE: u64 = 64 * 1024 * 1024;

/// Most hops of a message.
const MOST_HOPS: u32 = 100;

/// An example of a phase.
pub(super) const PHASE: &str =
    "{ name = \"steady\", arrivals = \"poisson\", duration = \"10m\", rate = 100 }";

/// A scenario file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As the user named it.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// Reads a scenario file and the trace files it names (relative to its own folder).
///
/// `overrides` are `KEY=VALUE`, applied in order; `seed` wins over everything else.
///
/// # Errors
///
/// Everything that is wrong with the scenario, including files that can't be read.
pub fn load(path: &Path, overrides: &[String], seed: Option<u64>) -> Result<(Scenario, Source), Problems> {
    let name = path.display().to_string();
    let text = read_file(path, MOST_TEXT as u64).map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::InvalidData => "save it as UTF-8",
            _ => "check the path of the scenario",
        };
        Problems::with_file(&name, format!("{}; {remedy}", said(&error)))
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut read_trace = |file: &str| read_file(&folder.join(file), MOST_TRACE);
    let scenario = parse(&name, &text, overrides, seed, &mut read_trace)?;
    Ok((scenario, Source { path: name, text }))
}

/// Reads scenario text. `path` names it in messages; `read_trace` gives the content of a trace file by the
/// name that the scenario uses.
///
/// # Errors
///
/// Everything that is wrong with the scenario.
pub fn parse(
    path: &str,
    text: &str,
    overrides: &[String],
    seed: Option<u64>,
    read_trace: &mut dyn FnMut(&str) -> io::Result<String>,
) -> Result<Scenario, Problems> {
    if text.len() > MOST_TEXT {
        return Err(Problems::with_file(path, "is longer than 256 KB; is it a scenario?".into()));
    }
    let (root, problems) = match tree::parse(path, text) {
        Ok(mut root) => {
            let problems = overrides::apply(&mut root, overrides);
            (Some(root), problems)
        }
        Err(problems) => (None, problems),
    };
    let mut cx = Context::new(path, text, overrides);
    *cx.problems.get_mut() = problems;
    let mut read = None;
    if let Some(root) = &root {
        cx.traces = traces(root, read_trace);
        read = Table::read(&At { cx: &cx, node: root, path: String::new() }, scenario).flatten();
    }
    match (Problems::of(cx.problems.into_inner()), read) {
        (None, Some(mut scenario)) => {
            scenario.seed = seed.unwrap_or(scenario.seed);
            Ok(scenario)
        }
        (Some(problems), _) => Err(problems),
        (None, None) => {
            Err(Problems::with_file(path, "is not a scenario; see model/scenario.schema.json".into()))
        }
    }
}

/// The keys of a scenario file.
pub(super) fn scenario(t: &mut Table<'_>) -> Option<Scenario> {
    let title = t.required("title", "One line for headings.", &Line);
    let analysis = t.required("analysis", "Why the scenario exists and what it should show.", &Text);
    let seed = t.get(
        "seed",
        "Names the world: every random draw follows from it.",
        &Whole(0, i64::MAX as u64),
        Scenario::SEED as i64,
    );
    let regions = REGIONS.map(|name| (name, name)).to_vec();
    let region = t.get("region", "AWS region: selects the price list.", &Choice(regions), Scenario::REGION);
    let warmup = t.get(
        "warmup",
        "Time at the start that summaries leave out and charts show.",
        &Span::within(0, 31 * DAY),
        0,
    );
    let drain_max = t.get(
        "drain-max",
        "How long after the last arrival the stacks may go on draining.",
        &Span::within(0, 7 * DAY),
        Scenario::DRAIN_MAX,
    );
    let doc = "The load, phase after phase; without it every stream has its own.";
    let phases = t.optional("phases", doc, &List(Sub(PHASE, phase), 100));
    if !t.has("phases") && !t.has("streams") {
        t.lacks("phases", &format!("[{PHASE}]"));
    }
    let base = Message::default();
    let message = t.get(
        "message",
        "What each message asks of a worker.",
        &Sub("{ work = \"200ms\" }", |t: &mut Table<'_>| message(t, &base, false)),
        base.clone(),
    );
    let doc = "Classes of messages with a load and work of their own.";
    let streams = t.get("streams", doc, &Streams { message: message.clone() }, Vec::new());
    let queue = t.get(
        "queue",
        "Attributes of every stack's queue; a stack can override them in its own table.",
        &Sub("{ visibility-timeout = \"30s\" }", |t: &mut Table<'_>| Some(queue(t, Queue::default()))),
        Queue::default(),
    );
    let parameters = t.get(
        "parameters",
        "Beliefs about AWS that a simulation rests on, overridden.",
        &Sub("{ sqs-metric-lag = \"90s\" }", parameters),
        Parameters::default(),
    );
    let limit = parameters.lambda_account_concurrency;
    let stacks = t.required(
        "stacks",
        "Two to six named consumers of one queue each; the first is the reference.",
        &Stacks { queue, limit, streams: streams.iter().map(|stream| stream.name.clone()).collect() },
    );
    let doc = "What goes wrong, and when: the same for every target.";
    let faults = t.get("faults", doc, &List(Sub(FAULT, fault), injection::MOST), Vec::new());
    let doc = "Thresholds for the results: a run that misses one exits with 3.";
    let expect = t.get("expect", doc, &List(Sub(EXPECT, expect), expect::MOST), Vec::new());
    let scenario = Scenario {
        title: title?,
        analysis: analysis?,
        seed: u64::try_from(seed).unwrap_or(Scenario::SEED),
        region: region.into(),
        warmup,
        drain_max,
        phases: phases.unwrap_or_default(),
        message,
        streams,
        stacks: stacks?,
        faults,
        expect,
        parameters,
    };
    if t.clean() {
        check::scenario(t, &scenario);
        streams::check(t, &scenario);
        expect::check(t, &scenario);
    }
    Some(scenario)
}

/// The keys of a message; `base` holds where a key is not written. A stream cannot differ in all of them.
pub(super) fn message(t: &mut Table<'_>, base: &Message, of_stream: bool) -> Option<Message> {
    let mut message = base.clone();
    let doc = "Work per message on one full vCPU, without the cost of receiving and deleting: a span, or a table with \
               a distribution. A message with several hops asks for it at each.";
    message.work = t.get("work", doc, &Work, base.work);
    let doc = "Probability that an attempt fails after doing its work, 0 to 1.";
    message.failure = t.get("failure", doc, &Number(0.0, 1.0), base.failure);
    let doc = "Body length: a size, or the least and the most; bare numbers are bytes. More than 1 MB needs claim-check.";
    let body = Range(Bytes { least: 1, most: 100 * units::MB, bare: true });
    message.body_bytes = t.get("body", doc, &body, base.body_bytes);
    let doc = "Message groups (tenants) to draw from; 1 means none.";
    message.groups = t.get("groups", doc, &Count(1, 1_000_000), base.groups);
    let doc = "How often a message is worked on: after each hop but the last its worker sends it on.";
    message.hops = t.get("hops", doc, &Count(1, MOST_HOPS), base.hops);
    let doc = "Bodies above this go to S3, and messages carry where they are; without it bodies are sent as they are.";
    let most = Bytes { least: 1, most: units::MB, bare: true };
    message.claim_check = t.optional("claim-check", doc, &most).or(base.claim_check);
    if !of_stream {
        common(t, &mut message);
    }
    if t.clean() && message.claim_check.is_none() && u64::from(message.body_bytes.1) > units::MB {
        let is = units::show_size(message.body_bytes.1.into());
        t.problem(
            "body",
            format!("{is} is above 1 MB, which SQS refuses; write less, or add claim-check = \"256 KB\""),
        );
    }
    Some(message)
}

/// What is common to the messages of all streams.
fn common(t: &mut Table<'_>, message: &mut Message) {
    let doc = "Share of the work that is computing rather than waiting, 0 to 1: what a small CPU slows down.";
    message.cpu_share = t.get("cpu-share", doc, &Number(0.0, 1.0), message.cpu_share);
    let doc = "The characters that bodies are made of.";
    message.alphabet = t.get("alphabet", doc, &Alphabet, message.alphabet.clone());
    let doc = "Memory that the work touches on a real worker; a simulation has no use for it.";
    message.memory_bytes =
        t.get("memory", doc, &Bytes { least: 0, most: 2 * units::GB, bare: false }, 0).into();
}

/// Characters of bodies: printable ASCII, each once.
struct Alphabet;

impl Kind for Alphabet {
    type Out = String;

    fn read(&self, at: &At<'_>) -> Option<String> {
        let Some(text) = at.node.text() else {
            at.problem(format!("{} is not text; write e.g. \"ABC\"", at.node.show()));
            return None;
        };
        let twice = text.char_indices().find(|(i, c)| text[..*i].contains(*c));
        let odd = text.chars().find(|c| !(' '..='~').contains(c));
        let wrong = match (odd, twice) {
            (Some(c), _) => format!("{} is not printable ASCII; remove it", quoted(&c.to_string())),
            (None, Some((_, c))) => format!("{} is there twice; keep one", quoted(&c.to_string())),
            (None, None) if text.is_empty() => "is empty; write at least one character".into(),
            (None, None) => return Some(text.into()),
        };
        at.problem(wrong);
        None
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": "^[ -~]+$" })
    }

    fn show(&self, value: &String) -> Json {
        json!(value)
    }

    fn example(&self) -> String {
        "\"ABC\"".into()
    }
}

/// A distribution of work, or a span for constant work.
struct Work;

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Constant,
    Uniform,
    Exponential,
    Lognormal,
    Bimodal,
}

const SHAPES: [(Shape, &str); 5] = [
    (Shape::Constant, "constant"),
    (Shape::Uniform, "uniform"),
    (Shape::Exponential, "exponential"),
    (Shape::Lognormal, "lognormal"),
    (Shape::Bimodal, "bimodal"),
];

const WORK: Span = Span { least: 0, most: 12 * HOUR, whole_seconds: false };

impl Kind for Work {
    type Out = Distribution;

    fn read(&self, at: &At<'_>) -> Option<Distribution> {
        match at.node.value {
            Value::Table(_) => Table::read(at, work).flatten(),
            _ => WORK.read(at).map(Distribution::Constant),
        }
    }

    fn schema(&self) -> Json {
        json!({ "anyOf": [WORK.schema(), Table::describe(work)] })
    }

    fn show(&self, value: &Distribution) -> Json {
        match value {
            Distribution::Constant(nanos) => WORK.show(nanos),
            _ => Json::Null,
        }
    }

    fn example(&self) -> String {
        "\"200ms\"".into()
    }
}

fn work(t: &mut Table<'_>) -> Option<Distribution> {
    let read = |t: &mut Table<'_>, shape: Shape| match shape {
        Shape::Constant => t.required("value", "Always this.", &WORK).map(Distribution::Constant),
        Shape::Uniform => {
            let from = t.required("from", "Shortest.", &WORK);
            let to = t.required("to", "Longest.", &WORK);
            check::ordered(t, ("from", from?), ("to", to?));
            Some(Distribution::Uniform { from: from?, to: to? })
        }
        Shape::Exponential => {
            t.required("mean", "Mean.", &WORK).map(|mean| Distribution::Exponential { mean })
        }
        Shape::Lognormal => {
            let least = Span { least: 1, ..WORK };
            let median = t.required("median", "50th percentile.", &least);
            let p99 = t.required("p99", "99th percentile, at least the median.", &least);
            check::ordered(t, ("median", median?), ("p99", p99?));
            Some(Distribution::Lognormal { median: median?, p99: p99? })
        }
        Shape::Bimodal => {
            let fast = t.required("fast", "The usual one.", &WORK);
            let slow = t.required("slow", "The rare one.", &WORK);
            let share = t.required("slow-share", "Probability of the rare one, 0 to 1.", &Number(0.0, 1.0));
            check::ordered(t, ("fast", fast?), ("slow", slow?));
            Some(Distribution::Bimodal { fast: fast?, slow: slow?, slow_share: share? })
        }
    };
    t.variants("distribution", "Shape of the distribution.", &SHAPES, &read).flatten()
}

/// The content of every trace file that a phase names, each read once.
fn traces(
    root: &Node,
    read_trace: &mut dyn FnMut(&str) -> io::Result<String>,
) -> Vec<(String, io::Result<String>)> {
    let mut traces: Vec<(String, io::Result<String>)> = Vec::new();
    let Some(Value::Array(phases)) = root.get("phases").map(|node| &node.value) else { return traces };
    for name in phases.iter().filter_map(|phase| phase.get("file").and_then(Node::text)) {
        let name = name.trim();
        if !traces.iter().any(|(known, _)| known == name) {
            traces.push((name.into(), read_trace(name)));
        }
    }
    traces
}

fn read_file(path: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        return Err(io::Error::other(format!("longer than {}", units::show_size(most))));
    }
    Ok(text)
}
