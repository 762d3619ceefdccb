//! MessageAttributes of a request: checked, and turned into what is kept.

use super::error::{Answer, Error, Kind};
use super::json::{Pairs, Text};
use crate::message::{Attribute, AttributeValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// Most attributes of a message.
const MOST: usize = 10;

/// An attribute's value as it comes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Given<'a> {
    #[serde(borrow)]
    pub(super) data_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) string_value: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) binary_value: Option<Text<'a>>,
}

/// Checks and converts.
pub(super) fn read(given: &Pairs<'_, Given<'_>>) -> Answer<Vec<Attribute>> {
    if given.0.len() > MOST {
        let message =
            format!("Number of message attributes [{}] exceeds the allowed maximum [{MOST}].", given.0.len());
        return Err(Kind::InvalidParameterValue.because(message));
    }
    given.0.iter().map(|(name, value)| attribute(name, value)).collect()
}

fn attribute(name: &str, given: &Given<'_>) -> Answer<Attribute> {
    let refuse = |message: String| Err(Kind::InvalidParameterValue.because(message));
    check_name(name)?;
    let Some(data_type) = given.data_type.as_deref().filter(|data_type| !data_type.is_empty()) else {
        return refuse(format!(
            "The message attribute '{name}' must contain non-empty message attribute type."
        ));
    };
    let prefix = data_type.split('.').next().unwrap_or_default();
    let value = match (prefix, &given.string_value, &given.binary_value) {
        ("String" | "Number", Some(text), None) => string(name, prefix, text)?,
        ("Binary", None, Some(base64)) => match STANDARD.decode(base64.as_bytes()) {
            Ok(bytes) => AttributeValue::Binary(bytes.into()),
            Err(_) => return refuse(format!("The message attribute '{name}' is not base64.")),
        },
        ("String" | "Number" | "Binary", None, None) => return refuse(empty(name, data_type)),
        ("String" | "Number", ..) => {
            return refuse(format!(
                "The message attribute '{name}' with type '{data_type}' must use field 'String'."
            ));
        }
        ("Binary", ..) => {
            return refuse(format!(
                "The message attribute '{name}' with type '{data_type}' must use field 'Binary'."
            ));
        }
        _ => {
            return refuse(format!(
                "The message attribute '{name}' has an invalid message attribute type, the set of supported type \
                 prefixes is Binary, Number, and String."
            ));
        }
    };
    let none = match &value {
        AttributeValue::Text(text) => text.is_empty(),
        AttributeValue::Binary(bytes) => bytes.is_empty(),
    };
    if none {
        return refuse(empty(name, data_type));
    }
    Ok(Attribute { name: name.into(), data_type: data_type.into(), value })
}

fn empty(name: &str, data_type: &str) -> String {
    format!(
        "The message attribute '{name}' must contain non-empty message attribute value for message attribute type \
         '{data_type}'."
    )
}

fn string(name: &str, prefix: &str, text: &str) -> Answer<AttributeValue> {
    check_characters(text)?;
    // Rust reads "inf" and "nan", too.
    let number =
        || text.parse::<f64>().is_ok() && !text.bytes().any(|byte| matches!(byte, b'i' | b'I' | b'n' | b'N'));
    if prefix == "Number" && !text.is_empty() && !number() {
        let message = format!("Can't cast the value of message (user) attribute '{name}' to a number.");
        return Err(Kind::InvalidParameterValue.because(message));
    }
    Ok(AttributeValue::Text(text.into()))
}

fn check_name(name: &str) -> Answer<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let dotted = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    let reserved = ["aws.", "amazon."].iter().any(|prefix| {
        name.get(..prefix.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(prefix))
    });
    let message = if name.len() > 256 {
        "Length of message attribute name must be less than 256 bytes.".to_owned()
    } else if reserved {
        "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. \
         These strings are reserved for internal use."
            .to_owned()
    } else if name.is_empty() || dotted || !name.bytes().all(allowed) {
        format!(
            "The message attribute name '{name}' is invalid. Attribute name can contain A-Z, a-z, 0-9, \
             underscore (_), hyphen (-), and period (.) characters."
        )
    } else {
        return Ok(());
    };
    Err(Kind::InvalidParameterValue.because(message))
}

/// Whether a text has only characters that XML 1.0 allows, which SQS has kept to.
pub(super) fn check_characters(text: &str) -> Answer<()> {
    let control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    let bytes = text.as_bytes();
    // U+FFFE and U+FFFF; surrogates cannot be in a str.
    let beyond = |window: &[u8]| window[0] == 0xef && window[1] == 0xbf && window[2] >= 0xbe;
    if !bytes.iter().any(control) && (text.is_ascii() || !bytes.windows(3).any(beyond)) {
        return Ok(());
    }
    Err(Kind::InvalidMessageContents.because(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | \
         #xE000 to #xFFFD | #x10000 to #x10FFFF.",
    ))
}

/// MessageSystemAttributes of a request: the trace header is the only one.
pub(super) fn trace_header(given: &Pairs<'_, Given<'_>>) -> Answer<Option<Attribute>> {
    const NAME: &str = "AWSTraceHeader";
    if let Some((name, _)) = given.0.iter().find(|(name, _)| &**name != NAME) {
        return Err(Error::invalid(
            &**name,
            "MessageSystemAttributes",
            "Only AWSTraceHeader can be sent as a message system attribute.",
        ));
    }
    let Some(value) = given.get(NAME) else { return Ok(None) };
    let header = attribute(NAME, value)?;
    if &*header.data_type != "String" {
        let message = format!("The message system attribute '{NAME}' must be of type 'String'.");
        return Err(Kind::InvalidParameterValue.because(message));
    }
    Ok(Some(header))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_outside_of_xml_are_refused() {
        for fine in ["", "plain", "\t\n\r", "ä€😀", "\u{fffd}\u{ffef}"] {
            assert_eq!(check_characters(fine), Ok(()), "{fine:?}");
        }
        for bad in ["\0", "a\u{1f}b", "\u{fffe}", "x\u{ffff}"] {
            assert_eq!(check_characters(bad).unwrap_err().kind, Kind::InvalidMessageContents, "{bad:?}");
        }
    }

    #[test]
    fn names_follow_the_rules() {
        for fine in ["a", "SOME_Valid.attribute-Name", "awsome"] {
            assert_eq!(check_name(fine), Ok(()), "{fine}");
        }
        for bad in ["", ".a", "a.", "a..b", "öther", "AWS.x", "aMaZoN.x", &"x".repeat(257)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
