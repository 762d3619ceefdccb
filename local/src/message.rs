//! A message as the endpoint keeps it.
//!
//! Goals: small (a queue holds millions), with its digests computed once.
//! Non-goals: checking what callers send, and any form on the wire (`sqs`).

use md5::{Digest, Md5};
use model::journal::MessageId;
use model::time::Nanos;
use model::work::{ATTRIBUTE, Work};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was sent.
#[derive(Clone, Debug)]
pub struct Message {
    /// MessageId.
    pub id: MessageId,
    /// MessageBody.
    pub body: Box<str>,
    /// MD5OfMessageBody, hexadecimal.
    pub body_md5: Hex,
    /// MessageAttributes.
    pub attributes: Option<Box<Attributes>>,
    /// Body and attributes.
    pub bytes: u32,
    /// Position in the plan, if the message says so.
    pub seq: Option<u64>,
    /// SentTimestamp; it stays when the message is moved to another queue.
    pub sent_at: Nanos,
    /// How often it was received in the queue that it was moved from.
    pub received_before: u32,
    /// Name of that queue.
    pub dead_letter_source: Option<Box<str>>,
    /// MessageGroupId: on a standard queue it only marks a tenant.
    pub group: Option<Box<str>>,
    /// What it has in a FIFO queue only.
    pub ordered: Option<Box<Ordered>>,
    /// AWSTraceHeader.
    pub trace_header: Option<Box<str>>,
}

/// What a message of a FIFO queue has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// MessageDeduplicationId, given or made of the body.
    pub deduplication_id: Box<str>,
    /// Its place in the order of the queue, from 1.
    pub sequence: u64,
}

/// Message attributes and their digest.
#[derive(Clone, Debug)]
pub struct Attributes {
    /// Sorted by name.
    pub values: Box<[Attribute]>,
    /// MD5OfMessageAttributes, hexadecimal.
    pub md5: Hex,
}

/// A message attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: Box<str>,
    /// DataType: `String`, `Number` or `Binary`, perhaps with a label after a dot.
    pub data_type: Box<str>,
    /// What it holds.
    pub value: AttributeValue,
}

/// What a message attribute holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// StringValue.
    Text(Box<str>),
    /// BinaryValue, decoded.
    Binary(Box<[u8]>),
}

/// An MD5 digest in hexadecimal digits.
pub type Hex = [u8; 32];

impl Message {
    /// A message with this body and without anything else; it has no id yet.
    #[must_use]
    pub fn new(body: &str) -> Self {
        Self {
            id: MessageId(0),
            body_md5: md5_hex(body.as_bytes()),
            bytes: body.len() as u32,
            body: body.into(),
            attributes: None,
            seq: None,
            sent_at: 0,
            received_before: 0,
            dead_letter_source: None,
            group: None,
            ordered: None,
            trace_header: None,
        }
    }

    /// Adds message attributes.
    #[must_use]
    pub fn with_attributes(mut self, mut values: Vec<Attribute>) -> Self {
        if values.is_empty() {
            return self;
        }
        values.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        self.bytes += values.iter().map(Attribute::bytes).sum::<u32>();
        let work = values.iter().find(|attribute| &*attribute.name == ATTRIBUTE).and_then(Attribute::text);
        self.seq = work.and_then(Work::parse).map(|work| work.seq);
        let md5 = digest(&values);
        self.attributes = Some(Box::new(Attributes { values: values.into(), md5 }));
        self
    }
}

impl Attribute {
    /// An attribute of type `String`.
    #[must_use]
    pub fn string(name: &str, value: &str) -> Self {
        Self { name: name.into(), data_type: "String".into(), value: AttributeValue::Text(value.into()) }
    }

    /// StringValue.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            AttributeValue::Text(text) => Some(text),
            AttributeValue::Binary(_) => None,
        }
    }

    /// What it counts for: name, type and value.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        let value = match &self.value {
            AttributeValue::Text(text) => text.len(),
            AttributeValue::Binary(bytes) => bytes.len(),
        };
        (self.name.len() + self.data_type.len() + value) as u32
    }
}

/// The digest of message attributes, which are sorted by name.
///
/// Source: SQS developer guide, message metadata: each name, type and value with its length before it (big endian),
/// and before the value a byte for the transport (1 string, 2 binary).
#[must_use]
pub fn digest<'a>(sorted: impl IntoIterator<Item = &'a Attribute>) -> Hex {
    let mut md5 = Md5::new();
    let add = |md5: &mut Md5, part: &[u8]| {
        md5.update((part.len() as u32).to_be_bytes());
        md5.update(part);
    };
    for Attribute { name, data_type, value } in sorted {
        add(&mut md5, name.as_bytes());
        add(&mut md5, data_type.as_bytes());
        let (transport, value) = match value {
            AttributeValue::Text(text) => (1, text.as_bytes()),
            AttributeValue::Binary(bytes) => (2, &**bytes),
        };
        md5.update([transport]);
        add(&mut md5, value);
    }
    hex(&md5.finalize())
}

/// MD5 in hexadecimal.
#[must_use]
pub fn md5_hex(bytes: &[u8]) -> Hex {
    hex(&Md5::digest(bytes))
}

fn hex(digest: &[u8]) -> Hex {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; 32];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(digest) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    hex
}

/// The text of a digest.
#[must_use]
pub fn text(hex: &Hex) -> String {
    hex.iter().fold(String::with_capacity(hex.len()), |mut text, &digit| {
        // Writing into a String cannot fail.
        let _ = text.write_char(char::from(digit));
        text
    })
}

/// Makes ids that look like random UUIDs and never repeat within an endpoint.
#[derive(Debug)]
pub struct Ids {
    seed: u64,
    next: AtomicU64,
}

impl Ids {
    /// Ids that follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, next: AtomicU64::new(0) }
    }

    /// Another id.
    pub fn next(&self) -> MessageId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let high = mix(self.seed ^ number);
        let low = mix(number ^ high);
        // Version 4, variant 1.
        let id = (u128::from(high) << 64) | u128::from(low);
        MessageId((id & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62))
    }
}

/// SplitMix64's finalizer: a permutation of 64-bit numbers.
pub(crate) fn mix(value: u64) -> u64 {
    let value =
        (value.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_attributes_is_the_documented_one() {
        // Two attributes, digested by hand: 4-byte lengths, name, type, transport, value; sorted by name.
        let binary = AttributeValue::Binary(Box::from([0_u8, 255]));
        let binary = Attribute { name: "later".into(), data_type: "Binary".into(), value: binary };
        let message = Message::new("").with_attributes(vec![binary, Attribute::string("early", "value")]);
        let mut plain = Vec::new();
        let parts: [(u8, [&[u8]; 3]); 2] =
            [(1, [b"early", b"String", b"value"]), (2, [b"later", b"Binary", &[0, 255]])];
        for (transport, [name, data_type, value]) in parts {
            for part in [name, data_type] {
                plain.extend((part.len() as u32).to_be_bytes());
                plain.extend(part);
            }
            plain.push(transport);
            plain.extend((value.len() as u32).to_be_bytes());
            plain.extend(value);
        }
        assert_eq!(message.attributes.unwrap().md5, md5_hex(&plain));
        assert_eq!(message.bytes, 16 + 13);
    }

    #[test]
    fn a_planned_message_says_its_position() {
        let message =
            Message::new("hello").with_attributes(vec![Attribute::string("versus", "run=1 seq=42")]);
        assert_eq!(message.seq, Some(42));
        assert_eq!(text(&message.body_md5), "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(Message::new("hello").with_attributes(Vec::new()).seq, None);
    }

    #[test]
    fn ids_differ_and_are_version_4() {
        let ids = Ids::new(7);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..10_000 {
            let id = ids.next();
            assert!(seen.insert(id));
            let text = id.to_string();
            assert_eq!(&text[14..15], "4");
            assert!("89ab".contains(&text[19..20]));
        }
    }
}
