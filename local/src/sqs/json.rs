//! JSON as the hot calls read and write it: borrowed texts in, bytes out.

use crate::message::Hex;
use model::journal::MessageId;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// A text of the request: borrowed where nothing in it was escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

// Derived, it would always be owned within an Option or a list.
impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.into())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The members of an object in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct Pairs<'a, V>(pub(super) Vec<(Text<'a>, V)>);

impl<V> Default for Pairs<'_, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'a, V> Pairs<'a, V> {
    pub(super) fn get(&self, name: &str) -> Option<&V> {
        self.0.iter().find_map(|(key, value)| (&**key == name).then_some(value))
    }
}

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Pairs<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor<'a, V>(PhantomData<(&'a str, V)>);
        impl<'de: 'a, 'a, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<'a, V> {
            type Value = Pairs<'a, V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'a, V>, A::Error> {
                let mut pairs: Vec<(Text<'a>, V)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'a>, V>()? {
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

/// JSON that is being written.
#[derive(Debug)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Whether this is the last byte.
    pub(super) fn ends_with(&self, byte: u8) -> bool {
        self.bytes.last() == Some(&byte)
    }

    /// What another writer wrote.
    pub(super) fn append(&mut self, other: Self) -> &mut Self {
        self.bytes.extend_from_slice(&other.bytes);
        self
    }

    /// Digits of base64 as a string.
    pub(super) fn base64(&mut self, digits: &[u8]) -> &mut Self {
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(digits);
        self.bytes.push(b'"');
        self
    }

    /// Text that is JSON already.
    pub(super) fn raw(&mut self, text: &str) -> &mut Self {
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    /// A comma, unless something was just opened or this is the beginning.
    pub(super) fn comma(&mut self) -> &mut Self {
        if !matches!(self.bytes.last(), None | Some(b'{' | b'[')) {
            self.bytes.push(b',');
        }
        self
    }

    /// A member's name, with the comma before it if one is needed.
    pub(super) fn name(&mut self, name: &str) -> &mut Self {
        self.comma().string(name);
        self.bytes.push(b':');
        self
    }

    /// A member that is a string.
    pub(super) fn member(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name).string(value)
    }

    /// A string, escaped.
    pub(super) fn string(&mut self, text: &str) -> &mut Self {
        self.bytes.push(b'"');
        let mut rest = text.as_bytes();
        while let Some(length) = rest.iter().position(|&byte| ESCAPED[usize::from(byte)]) {
            let (plain, tail) = rest.split_at(length);
            self.bytes.extend_from_slice(plain);
            self.escape(tail[0]);
            rest = &tail[1..];
        }
        self.bytes.extend_from_slice(rest);
        self.bytes.push(b'"');
        self
    }

    fn escape(&mut self, byte: u8) {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => {
                self.bytes.extend_from_slice(b"\\u00");
                self.hex_byte(byte);
                return;
            }
        };
        self.bytes.extend_from_slice(&[b'\\', short]);
    }

    fn hex_byte(&mut self, byte: u8) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| DIGITS[usize::from(value)];
        self.bytes.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }

    /// A number.
    pub(super) fn number(&mut self, mut value: u64) -> &mut Self {
        let mut digits = [0; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.bytes.extend_from_slice(&digits[first..]);
        self
    }

    /// A string that is a number.
    pub(super) fn number_string(&mut self, value: u64) -> &mut Self {
        self.bytes.push(b'"');
        self.number(value);
        self.bytes.push(b'"');
        self
    }

    /// A string of hexadecimal digits.
    pub(super) fn digest(&mut self, hex: &Hex) -> &mut Self {
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(hex);
        self.bytes.push(b'"');
        self
    }

    /// A string that is a UUID.
    pub(super) fn uuid(&mut self, MessageId(id): MessageId) -> &mut Self {
        self.bytes.push(b'"');
        for (index, byte) in id.to_be_bytes().into_iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                self.bytes.push(b'-');
            }
            self.hex_byte(byte);
        }
        self.bytes.push(b'"');
        self
    }
}

/// Bytes that cannot stand in a JSON string as they are.
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escaped[byte] = true;
        byte += 1;
    }
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped
};

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_slice, from_str};

    #[test]
    fn every_character_reads_back() {
        let all: String = (0..0x3000).filter_map(char::from_u32).chain("\u{ffff}😀".chars()).collect();
        let mut json = Writer::with_capacity(0);
        json.raw("{").member("text", &all).name("n").number(0).name("m").number_string(u64::MAX).raw("}");
        let value: Value = from_slice(&json.finish()).unwrap();
        assert_eq!(value["text"], all.as_str());
        assert_eq!(value["n"], 0);
        assert_eq!(value["m"], u64::MAX.to_string());
    }

    #[test]
    fn ids_are_written_as_they_are_shown() {
        let id = MessageId::new("0f8fad5b-d9cb-469f-a165-70867728950e");
        let mut json = Writer::with_capacity(0);
        json.uuid(id);
        assert_eq!(json.finish(), format!("\"{id}\"").into_bytes());
    }

    #[test]
    fn texts_are_borrowed_unless_escaped() {
        let pairs: Pairs<'_, Text<'_>> = from_str(r#"{"a":"plain","b":"a\nb"}"#).unwrap();
        assert!(matches!(pairs.get("a"), Some(Text(Cow::Borrowed("plain")))));
        assert!(matches!(pairs.get("b"), Some(Text(Cow::Owned(text))) if text == "a\nb"));
        assert!(from_str::<Text<'_>>("1").is_err());
    }
}
