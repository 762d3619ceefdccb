//! What FIFO queues ask beside what all queues do: names, attributes, and how messages are sent.
//!
//! Source: SQS API reference, CreateQueue, SendMessage; words as recorded from AWS by LocalStack's tests (2024, 2025).

use super::Sqs;
use super::attributes::{Setting, invalid, unknown};
use super::batch::Outcome;
use super::error::{Answer, Error, Kind};
use super::json::{Pairs, Text, Writer};
use super::send::{Digests, Draft, Entry, check_batch_size, check_size, describe, message};
use crate::message::Ordered;
use crate::queues::{FIFO_SUFFIX, Outgoing, SharedQueue};
use model::journal::MessageId;
use platform::sqs::fifo::Scope;
use sha2::{Digest, Sha256};
use std::fmt::Write;

pub(super) const FIFO_QUEUE: &str = "FifoQueue";
pub(super) const CONTENT_BASED: &str = "ContentBasedDeduplication";
pub(super) const SCOPE: &str = "DeduplicationScope";
pub(super) const THROUGHPUT_LIMIT: &str = "FifoThroughputLimit";

/// Attributes that only FIFO queues have, with their defaults.
pub(crate) const ATTRIBUTES: [(&str, &str); 4] =
    [(FIFO_QUEUE, "true"), (CONTENT_BASED, "false"), (SCOPE, "queue"), (THROUGHPUT_LIMIT, "perQueue")];

/// Checks the name of a new queue: it ends with `.fifo` if the attributes say that it is a FIFO queue, and only then.
pub(super) fn check_name(name: &str, attributes: &Pairs<'_, Text<'_>>) -> Answer<()> {
    let fifo = attributes.get(FIFO_QUEUE).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let stem = if fifo { name.strip_suffix(FIFO_SUFFIX) } else { Some(name) };
    if stem.is_some_and(|stem| !stem.is_empty() && stem.bytes().all(allowed)) && name.len() <= 80 {
        return Ok(());
    }
    Err(Kind::InvalidParameterValue.because(if fifo {
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with \
         .fifo suffix and be 1 to 80 in length"
    } else {
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
    }))
}

/// Reads one of [`ATTRIBUTES`] for the queue of this name.
pub(super) fn read_setting(queue: &str, attribute: &'static str, value: &str) -> Answer<Setting> {
    let choices: &[&str] = match attribute {
        SCOPE => &["queue", "messageGroup"],
        THROUGHPUT_LIMIT => &["perQueue", "perMessageGroupId"],
        _ => &["true", "false"],
    };
    if !queue.ends_with(FIFO_SUFFIX) {
        return Err(match attribute {
            SCOPE | THROUGHPUT_LIMIT => Kind::InvalidAttributeName
                .because(format!("You can specify the {attribute} only when FifoQueue is set to true.")),
            _ => unknown(attribute),
        });
    }
    // Only true and false are taken in capital letters, too.
    let same =
        |choice: &&&str| **choice == value || choices[0] == "true" && choice.eq_ignore_ascii_case(value);
    match choices.iter().find(same) {
        Some(&"false") | None if attribute == FIFO_QUEUE => Err(Kind::InvalidAttributeValue.because(
            "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
        )),
        None => Err(invalid(attribute)),
        Some(&choice) => Ok(Setting::Text(attribute, Some(choice.to_owned()))),
    }
}

/// High throughput is by message group only where deduplication is, too.
pub(super) fn check_throughput(settings: &[Setting], queue: Option<&SharedQueue>) -> Answer<()> {
    let value = |attribute: &str, default: &str| {
        let set = settings.iter().rev().find_map(|setting| match setting {
            Setting::Text(name, Some(text)) if *name == attribute => Some(text.clone()),
            _ => None,
        });
        set.or_else(|| queue?.details().texts.get(attribute).cloned()).unwrap_or_else(|| default.to_owned())
    };
    if value(THROUGHPUT_LIMIT, "perQueue") == "perMessageGroupId" && value(SCOPE, "queue") == "queue" {
        return Err(Kind::InvalidAttributeValue.because(
            "Invalid value for the parameter FifoThroughputLimit. Reason: The perMessageGroupId value is allowed only \
             when the value for DeduplicationScope is messageGroup.",
        ));
    }
    Ok(())
}

/// The scope that a value of `DeduplicationScope` names.
pub(super) fn scope(value: &str) -> Scope {
    if value == "messageGroup" { Scope::MessageGroup } else { Scope::Queue }
}

/// Checks the characters of an id that a caller gives.
pub(super) fn check_id<'a>(id: &'a str, parameter: &str) -> Answer<&'a str> {
    if (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(id);
    }
    let reason =
        format!("{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.");
    Err(Error::invalid(id, parameter, &reason))
}

/// SequenceNumber as text: 20 digits that grow, with gaps.
pub(super) fn sequence_number(sequence: u64) -> String {
    (18_850_000_000_000_000_000_u128 + 256 * u128::from(sequence)).to_string()
}

impl Sqs {
    /// SendMessage to a FIFO queue.
    pub(super) fn send_ordered(&self, queue: &SharedQueue, entry: &Entry<'_>) -> Answer<Vec<u8>> {
        let (mut outgoing, digests) = draft(entry, is_content_based(queue))?;
        check_size(outgoing.message.bytes, queue.details().maximum_message_bytes)?;
        outgoing.message = self.queues.identify(outgoing.message);
        let mut json = Writer::with_capacity(256);
        json.raw("{");
        for (id, sequence) in queue.send_ordered(vec![outgoing]) {
            describe_ordered(&mut json, id, sequence, &digests);
        }
        json.raw("}");
        Ok(json.finish())
    }

    /// SendMessageBatch to a FIFO queue. A message without group or deduplication id fails the batch, not its entry.
    pub(super) fn send_batch_ordered(&self, queue: &SharedQueue, entries: &[Entry<'_>]) -> Answer<Vec<u8>> {
        let content_based = is_content_based(queue);
        let checked: Answer<()> = entries.iter().try_for_each(|entry| check_order(entry, content_based));
        checked.map_err(|error| Kind::InvalidParameterValue.because(error.message))?;
        let drafts: Vec<_> = entries.iter().map(|entry| draft(entry, content_based)).collect();
        check_batch_size(&drafts)?;
        let most = queue.details().maximum_message_bytes;
        let mut accepted = Vec::with_capacity(entries.len());
        let mut answers = Vec::with_capacity(entries.len());
        for draft in drafts {
            let checked = draft.and_then(|(outgoing, digests)| {
                check_size(outgoing.message.bytes, most).map(|()| (outgoing, digests))
            });
            answers.push(checked.map(|(Outgoing { message, delay }, digests)| {
                accepted.push(Outgoing { message: self.queues.identify(message), delay });
                digests
            }));
        }
        let mut sent = queue.send_ordered(accepted).into_iter();
        let mut outcome = Outcome::with_capacity(64 + 256 * entries.len());
        for (entry, answer) in entries.iter().zip(answers) {
            let id = entry.id.as_deref().unwrap_or_default();
            // There is one for each that was accepted.
            match answer.map(|digests| sent.next().map(|sent| (sent, digests))) {
                Ok(Some(((message, sequence), digests))) => {
                    let json = outcome.successful(id);
                    describe_ordered(json, message, sequence, &digests);
                    json.raw("}");
                }
                Ok(None) => {}
                Err(error) => outcome.failed(id, &error),
            }
        }
        Ok(outcome.finish())
    }
}

fn is_content_based(queue: &SharedQueue) -> bool {
    queue.details().texts.get(CONTENT_BASED).is_some_and(|value| value == "true")
}

fn describe_ordered(json: &mut Writer, id: MessageId, sequence: u64, digests: &Digests) {
    describe(json, id, digests);
    json.member("SequenceNumber", &sequence_number(sequence));
}

/// A group, and something that tells duplicates.
fn check_order(entry: &Entry<'_>, content_based: bool) -> Answer<()> {
    if entry.message_group_id.is_none() {
        return Err(Error::missing("MessageGroupId"));
    }
    if entry.message_deduplication_id.is_none() && !content_based {
        return Err(Kind::InvalidParameterValue.because(
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
             explicitly",
        ));
    }
    Ok(())
}

/// The message that an entry asks to send in order. A delay is the queue's affair; none is as good as not given.
fn draft(entry: &Entry<'_>, content_based: bool) -> Answer<Draft> {
    check_order(entry, content_based)?;
    if let Some(seconds) = entry.delay_seconds.filter(|&seconds| seconds != 0) {
        let reason = "The request include parameter that is not valid for this queue type.";
        return Err(Error::invalid(seconds, "DelaySeconds", reason));
    }
    let given = entry.message_deduplication_id.as_deref();
    let given = given.map(|id| check_id(id, "MessageDeduplicationId")).transpose()?;
    let (mut message, digests) = message(entry)?;
    let deduplication_id = given.map_or_else(|| sha256_hex(&message.body), Into::into);
    message.ordered = Some(Box::new(Ordered { deduplication_id, sequence: 0 }));
    Ok((Outgoing { message, delay: None }, digests))
}

fn sha256_hex(text: &str) -> Box<str> {
    let digest = Sha256::digest(text.as_bytes());
    let hex = digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing into a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    hex.into()
}

/// The refusal of a receipt whose visibility timeout has passed. In a batch it has a code and words of its own.
pub(super) fn expired(handle: &str, in_batch: bool) -> Error {
    if in_batch {
        return Kind::ReceiptHandleIsInvalid.because("The receipt handle has expired");
    }
    Error::invalid(handle, "ReceiptHandle", "The receipt handle has expired.")
}
