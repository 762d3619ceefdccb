//! Streams: several classes of messages in one scenario, and how a stack parts them among queues and consumers.
//!
//! Goals: a stream differs from the common load and message only where the file says so.
//! Non-goals: drawing messages (`plan`).

use super::arrivals::phase;
use super::kinds::{At, Choice, Kind, Number, Sub};
use super::lists::List;
use super::problem::{alternatives, clipped, quoted};
use super::read::{PHASE, message};
use super::table::Table;
use super::tree::{Entry, Node, Value};
use super::{Message, Phase, Platform, Queue, Scenario, Stack};
use serde_json::{Value as Json, json};

/// A class of messages with its own load and work.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageStream {
    /// As stacks and reports call it: `[a-z0-9-]`, unique.
    pub name: String,
    /// When its messages arrive.
    pub load: Load,
    /// What they ask of a worker.
    pub message: Message,
}

/// Where the messages of a stream come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Load {
    /// This share of the scenario's common phases, 0 to 1; which messages is drawn for each.
    Share(f64),
    /// Phases of its own, from the start of the run.
    Phases(Vec<Phase>),
}

/// How a stack parts its streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// One queue for all of them, one consumer.
    #[default]
    None,
    /// A queue for each stream, read in turn by one consumer.
    Queues,
    /// A queue and a consumer for each stream.
    Consumers,
}

/// With [`Split::Consumers`]: what drains one stream of a stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Consumer {
    /// Position of the stream in the scenario.
    pub stream: usize,
    /// Its queue.
    pub queue: Queue,
    /// Its service or function.
    pub platform: Platform,
}

/// Most streams of a scenario.
pub const MOST_STREAMS: usize = 16;

impl Scenario {
    /// The streams by name; one without a name where the scenario has no `streams`.
    #[must_use]
    pub fn stream_names(&self) -> Vec<&str> {
        if self.streams.is_empty() {
            return vec![""];
        }
        self.streams.iter().map(|stream| stream.name.as_str()).collect()
    }

    /// What the messages of each stream ask for; of the one that there is where the scenario has no `streams`.
    #[must_use]
    pub fn messages(&self) -> Vec<&Message> {
        if self.streams.is_empty() {
            return vec![&self.message];
        }
        self.streams.iter().map(|stream| &stream.message).collect()
    }

    /// Every sequence of phases, with the stream it is of: `None` for the common ones.
    #[must_use]
    pub fn loads(&self) -> Vec<(Option<&MessageStream>, &[Phase])> {
        let common = (!self.phases.is_empty()).then_some((None, self.phases.as_slice()));
        let own = self.streams.iter().filter_map(|stream| match &stream.load {
            Load::Phases(phases) => Some((Some(stream), phases.as_slice())),
            Load::Share(_) => None,
        });
        common.into_iter().chain(own).collect()
    }
}

impl Scenario {
    /// Whether all stacks drain the same streams: else they are not offered the same messages.
    #[must_use]
    pub fn drains_alike(&self) -> bool {
        let drained = |stack: &Stack| {
            let mut streams = stack.drained(self.streams.len());
            streams.sort_unstable();
            streams
        };
        self.stacks.iter().all(|stack| drained(stack) == drained(&self.stacks[0]))
    }

    /// What of it only a simulation can play, as the key to change; `None` if any target can.
    #[must_use]
    pub fn only_simulated(&self) -> Option<String> {
        let of = |key: &str, message: &Message| {
            let several = (message.hops > 1).then(|| format!("{key}.hops"));
            several.or_else(|| message.claim_check.map(|_| format!("{key}.claim-check")))
        };
        let of_stack = |stack: &Stack| {
            let some = (!stack.streams.is_empty()).then(|| format!("stacks.{}.streams", stack.name));
            some.or_else(|| (stack.split != Split::None).then(|| format!("stacks.{}.split", stack.name)))
        };
        let messages = self.streams.iter().map(|s| of(&format!("streams.{}.message", s.name), &s.message));
        let mut keys = std::iter::once(of("message", &self.message)).chain(messages);
        keys.find_map(|key| key).or_else(|| self.stacks.iter().find_map(of_stack))
    }
}

/// The table of streams, in the order of the file.
pub(super) struct Streams {
    /// What a stream's own message table overrides.
    pub(super) message: Message,
}

impl Kind for Streams {
    type Out = Vec<MessageStream>;

    fn read(&self, at: &At<'_>) -> Option<Vec<MessageStream>> {
        let (count, read) = Table::read(at, |t| {
            let named = t.named();
            let read: Vec<Option<MessageStream>> =
                named.iter().take(MOST_STREAMS).map(|(name, at)| self.stream(name, at)).collect();
            (named.len(), read)
        })?;
        if count > MOST_STREAMS {
            at.problem(format!("has {count} streams; write at most {MOST_STREAMS}"));
        }
        read.into_iter().collect()
    }

    fn schema(&self) -> Json {
        let stream = Table::describe(|t: &mut Table<'_>| keys(t, "", &self.message));
        json!({
            "type": "object",
            "maxProperties": MOST_STREAMS,
            "patternProperties": { (NAME_PATTERN): stream },
            "additionalProperties": false,
        })
    }

    fn example(&self) -> String {
        "{ login = { share = 0.9 }, recovery = { share = 0.1 } }".into()
    }
}

/// What names of streams and stacks are made of.
pub(super) const NAME_PATTERN: &str = "^[a-z][a-z0-9-]{0,31}$";

/// Whether a stack or a stream can have that name.
pub(super) fn is_name(name: &str) -> bool {
    let letters = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    letters && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() <= 32
}

impl Streams {
    fn stream(&self, name: &str, at: &At<'_>) -> Option<MessageStream> {
        if !is_name(name) {
            at.problem(format!(
                "{} can't name a stream; write a lower-case letter and up to 31 of a-z, 0-9 and -",
                quoted(name)
            ));
            return None;
        }
        if !matches!(at.node.value, Value::Table(_)) {
            at.problem(format!("{} is not a stream; write [streams.{}]", at.node.show(), clipped(name)));
            return None;
        }
        Table::read(at, |t| keys(t, name, &self.message)).flatten()
    }
}

/// The keys of a stream.
fn keys(t: &mut Table<'_>, name: &str, base: &Message) -> Option<MessageStream> {
    let doc = "The share of the scenario's phases that is of this stream, 0 to 1; all shares add up to 1.";
    let share = t.optional("share", doc, &Number(0.0, 1.0));
    let doc = "A load of its own, phase after phase, instead of a share.";
    let phases = t.optional("phases", doc, &List(Sub(PHASE, phase), 100));
    let doc = "What its messages ask of a worker, where it differs from [message].";
    let sub = Sub("{ work = \"200ms\" }", |t: &mut Table<'_>| message(t, base, true));
    let message = t.get("message", doc, &sub, base.clone());
    let load = match (t.has("share"), t.has("phases")) {
        (true, false) => Load::Share(share?),
        (false, true) => Load::Phases(phases?),
        (true, true) => {
            t.problem("phases", "does not go with \"share\"; remove one of the two".into());
            return None;
        }
        (false, false) => {
            t.problem_here("has no load; add e.g. share = 0.5, or phases of its own".into());
            return None;
        }
    };
    Some(MessageStream { name: name.into(), load, message })
}

/// The streams of the scenario fit its phases and each other.
pub(super) fn check(t: &Table<'_>, scenario: &Scenario) {
    let shares = || {
        scenario.streams.iter().filter_map(|stream| match stream.load {
            Load::Share(share) => Some(share),
            Load::Phases(_) => None,
        })
    };
    let total: f64 = shares().sum();
    if shares().next().is_none() {
        if !scenario.streams.is_empty() && t.has("phases") {
            let text = "are no stream's: each has phases of its own; remove these, or give streams a share";
            t.problem("phases", text.into());
        }
    } else if (total - 1.0).abs() > 1e-9 {
        let text = format!("take shares of {total} in all; write shares that add up to 1");
        t.problem("streams", text);
    }
}

/// A stream by its name.
struct StreamName<'a>(&'a [String]);

impl Kind for StreamName<'_> {
    type Out = usize;

    fn read(&self, at: &At<'_>) -> Option<usize> {
        let Some(name) = at.node.text() else { return at.is_not("the name of a stream", &self.example()) };
        let position = self.0.iter().position(|known| known == name);
        if position.is_none() {
            at.problem(match self.0 {
                [] => {
                    format!("{} names a stream, and the scenario has none; add [streams.NAME]", quoted(name))
                }
                names => format!("{} names no stream; write {}", quoted(name), alternatives(names)),
            });
        }
        position
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": NAME_PATTERN })
    }

    fn example(&self) -> String {
        quoted(self.0.first().map_or("login", String::as_str))
    }
}

/// How a stack parts its streams, and which those are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mapping {
    /// Positions in the scenario; empty for all.
    pub(super) streams: Vec<usize>,
    pub(super) split: Split,
}

/// The keys of a stack that map streams to it.
pub(super) fn mapping(t: &mut Table<'_>, names: &[String]) -> Mapping {
    let doc = "The streams that it drains; without it all of them.";
    let streams = t.optional("streams", doc, &List(StreamName(names), MOST_STREAMS));
    let streams = streams.unwrap_or_default();
    if let Some(twice) = streams.iter().enumerate().find(|(i, at)| streams[..*i].contains(at)) {
        t.problem("streams", format!("has {} twice; write it once", quoted(&names[*twice.1])));
    }
    if t.has("streams") && streams.is_empty() && !names.is_empty() && t.clean() {
        t.problem("streams", format!("is empty; write {}, or leave it out", alternatives(names)));
    }
    let doc = "What each of its streams has for itself: nothing (one queue for all), a queue, or a queue and a \
               consumer of its own.";
    let choices = vec![(Split::None, "none"), (Split::Queues, "queues"), (Split::Consumers, "consumers")];
    let split = t.get("split", doc, &Choice(choices), Split::default());
    if split != Split::None && names.is_empty() {
        t.problem(
            "split",
            "needs streams, and the scenario has none; add [streams.NAME] or remove it".into(),
        );
    }
    Mapping { streams, split }
}

/// How a stack parts its streams.
pub(super) fn check_split(t: &Table<'_>, stack: &Stack, streams: &[String]) {
    let several = stack.drained(streams.len()).len() > 1;
    match stack.split {
        Split::Queues if matches!(stack.platform, Platform::Lambda(_)) => {
            let text = "\"queues\" has one consumer read several queues, which is not modelled for Lambda; write \
                        \"consumers\" or \"none\"";
            t.problem("split", text.into());
        }
        Split::Queues | Split::Consumers if !streams.is_empty() && !several => {
            t.problem("split", "has nothing to part, for the stack drains one stream; remove it".into());
        }
        _ => {}
    }
}

/// The stack's table with the keys of one of its consumers over it.
pub(super) fn overlaid(stack: &Node, consumer: &Node) -> Node {
    let mut node = stack.clone();
    let Value::Table(entries) = &mut node.value else { return node };
    entries.retain(|entry| entry.key != "consumers" && entry.key != "split" && entry.key != "streams");
    for Entry { key, origin, node } in consumer.entries() {
        let new = Entry { key: key.clone(), origin: origin.clone(), node: node.clone() };
        match entries.iter_mut().find(|entry| entry.key == *key) {
            // Tables such as a queue are put together key by key.
            Some(known)
                if matches!((&known.node.value, &new.node.value), (Value::Table(_), Value::Table(_))) =>
            {
                known.node = overlaid(&known.node, &new.node);
            }
            Some(known) => *known = new,
            None => entries.push(new),
        }
    }
    node
}
