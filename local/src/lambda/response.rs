//! What a function's response says about its batch.
//!
//! Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html (ReportBatchItemFailures): nothing, null
//! and an empty list are success; what cannot be understood, or names a message that is not there, fails the whole batch.

use model::journal::MessageId;
use serde_json::Value;

/// Which messages of a batch failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failures {
    /// All of them: none is deleted.
    All,
    /// Those at these places in the batch, ascending.
    Some(Vec<usize>),
}

/// Reads the response of an invocation that did not fail; `partial` is ReportBatchItemFailures.
pub(super) fn failures(partial: bool, response: &[u8], batch: &[MessageId]) -> Failures {
    if !partial || response.is_empty() {
        return Failures::Some(Vec::new());
    }
    named(response, batch).map_or(Failures::All, |mut places| {
        places.sort_unstable();
        places.dedup();
        Failures::Some(places)
    })
}

/// The places that the response names; `None` if it makes no sense.
fn named(response: &[u8], batch: &[MessageId]) -> Option<Vec<usize>> {
    let items = match serde_json::from_slice(response).ok()? {
        Value::Null => return Some(Vec::new()),
        Value::Object(mut fields) => match fields.remove("batchItemFailures") {
            None | Some(Value::Null) => return Some(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return None,
        },
        _ => return None,
    };
    items.iter().map(|item| place(item, batch)).collect()
}

fn place(item: &Value, batch: &[MessageId]) -> Option<usize> {
    let id = item.get("itemIdentifier")?.as_str()?;
    let id = MessageId::new(id);
    batch.iter().position(|&message| message == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> [MessageId; 3] {
        [7, 8, 9].map(MessageId)
    }

    fn read(response: &str) -> Failures {
        failures(true, response.as_bytes(), &batch())
    }

    #[test]
    fn nothing_null_and_an_empty_list_are_success() {
        for response in ["", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#] {
            assert_eq!(read(response), Failures::Some(vec![]), "{response}");
        }
    }

    #[test]
    fn named_messages_failed() {
        let [_, b, c] = batch();
        let response = format!(
            r#"{{"batchItemFailures":[{{"itemIdentifier":"{c}"}},{{"itemIdentifier":"{b}"}},{{"itemIdentifier":"{c}"}}]}}"#
        );
        assert_eq!(read(&response), Failures::Some(vec![1, 2]));
        assert_eq!(failures(false, response.as_bytes(), &batch()), Failures::Some(vec![]), "not asked for");
    }

    #[test]
    fn what_makes_no_sense_fails_the_whole_batch() {
        let known = batch()[0];
        for response in [
            "nonsense",
            "\"done\"",
            "[]",
            r#"{"batchItemFailures":{}}"#,
            r#"{"batchItemFailures":"all"}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"foo":"bar"}]}"#,
            r#"{"batchItemFailures":["x"]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"00000000-0000-0000-0000-00000000000a"}]}"#,
            &format!(
                r#"{{"batchItemFailures":[{{"itemIdentifier":"{known}"}},{{"itemIdentifier":"other"}}]}}"#
            ),
        ] {
            assert_eq!(read(response), Failures::All, "{response}");
        }
        assert_eq!(failures(false, b"nonsense", &batch()), Failures::Some(vec![]));
    }
}
