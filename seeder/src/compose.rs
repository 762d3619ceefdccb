//! From planned messages to the body of a SendMessageBatch.
//!
//! Goals: written once for all queues, for they get the same bytes. With the SDK's own entries, built once, copied for
//! each queue and written as JSON by the SDK, the seeder costs some 7 % more processor time.
//! Non-goals: the rest of the call, which the SDK makes, signs and reads. Should a release of it speak another
//! protocol with SQS than JSON, every call would fail.

use crate::digest::{self, Md5Sum, STRING};
use model::plan::Arrival;
use model::scenario::Scenario;
use model::work::{ATTRIBUTE, Work};
use std::fmt::Write;

/// What all messages of a run have in common.
#[derive(Clone, Debug)]
pub(crate) struct Composer {
    seed: u64,
    alphabet: String,
    run: u32,
    cpu_share: f64,
    memory_bytes: u64,
}

/// What SQS must answer with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digests {
    pub(crate) body: Md5Sum,
    pub(crate) attributes: Md5Sum,
}

impl Composer {
    pub(crate) fn new(scenario: &Scenario, run: u32) -> Self {
        Self {
            seed: scenario.seed,
            alphabet: scenario.message.alphabet.clone(),
            run,
            cpu_share: scenario.message.cpu_share,
            memory_bytes: scenario.message.memory_bytes,
        }
    }

    /// The entries of a batch. The same messages give the same bytes each time, so a retry keeps none.
    pub(crate) fn batch(&self, arrivals: &[Arrival]) -> Batch {
        let bytes: usize = arrivals.iter().map(|arrival| arrival.bytes as usize + ENTRY_BYTES).sum();
        let mut batch =
            Batch { entries: String::with_capacity(bytes), digests: Vec::with_capacity(arrivals.len()) };
        let mut text = String::with_capacity(64);
        for (place, arrival) in arrivals.iter().enumerate() {
            let body = arrival.body(self.seed, &self.alphabet);
            text.clear();
            Work::of(self.run, arrival, self.cpu_share, self.memory_bytes).write(&mut text);
            batch.add(place, &body, &text);
        }
        batch
    }
}

/// Bytes of an entry beside the message's body, as a rule.
const ENTRY_BYTES: usize = 192;

/// The entries of a call, and what SQS must say of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    /// JSON, without the brackets.
    entries: String,
    pub(crate) digests: Vec<Digests>,
}

impl Batch {
    fn add(&mut self, place: usize, body: &str, attribute: &str) {
        let json = &mut self.entries;
        json.push_str(if place == 0 { r#"{"Id":"# } else { r#",{"Id":"# });
        push_string(json, id(place).encode_utf8(&mut [0; 4]));
        json.push_str(r#","MessageBody":"#);
        push_string(json, body);
        json.push_str(r#","MessageAttributes":{"#);
        push_string(json, ATTRIBUTE);
        json.push_str(r#":{"DataType":"#);
        push_string(json, STRING);
        json.push_str(r#","StringValue":"#);
        push_string(json, attribute);
        json.push_str("}}}");
        self.digests
            .push(Digests { body: digest::of_body(body), attributes: digest::of_attribute(attribute) });
    }

    /// The request's body, in the JSON protocol that the SDK speaks with SQS.
    pub(crate) fn request(&self, queue_url: &str) -> String {
        let mut json = String::with_capacity(self.entries.len() + queue_url.len() + 32);
        json.push_str(r#"{"QueueUrl":"#);
        push_string(&mut json, queue_url);
        json.push_str(r#","Entries":["#);
        json.push_str(&self.entries);
        json.push_str("]}");
        json
    }
}

/// Appends `text` to JSON.
fn push_string(json: &mut String, text: &str) {
    json.push('"');
    let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    // To the end, whatever is found: so the compiler takes many bytes at a time.
    if text.bytes().fold(true, |all, byte| all & plain(byte)) {
        json.push_str(text);
    } else {
        for letter in text.chars() {
            match letter {
                '"' | '\\' => json.extend(['\\', letter]),
                ' '.. => json.push(letter),
                control => write!(json, "\\u{:04x}", u32::from(control)).expect("a string takes all"),
            }
        }
    }
    json.push('"');
}

/// What names the entry at this place of a batch.
fn id(place: usize) -> char {
    char::from(b'0' + place as u8)
}

/// The place within its batch that an id stands for.
pub(crate) fn place(id: &str) -> Option<usize> {
    id.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_what_sqs_reads() {
        let bodies = ["plain", "a \"quoted\" \\ and\tlines\r\nof \u{1}", "é \u{10348} \u{7f}"];
        let mut batch = Batch::default();
        for (place, body) in bodies.into_iter().enumerate() {
            batch.add(place, body, "run=1 seq=0");
        }
        let request = batch.request("http://host/\"queue\"");
        let request: serde_json::Value = serde_json::from_str(&request).expect("JSON");
        let entry = |(place, body): (usize, &&str)| {
            let attribute = serde_json::json!({ "DataType": "String", "StringValue": "run=1 seq=0" });
            let attributes = serde_json::json!({ "versus": attribute });
            serde_json::json!({ "Id": place.to_string(), "MessageBody": body, "MessageAttributes": attributes })
        };
        let entries: Vec<_> = bodies.iter().enumerate().map(entry).collect();
        assert_eq!(request, serde_json::json!({ "QueueUrl": "http://host/\"queue\"", "Entries": entries }));
        assert!((0..10).all(|at| place(id(at).encode_utf8(&mut [0; 4])) == Some(at)));
    }
}
