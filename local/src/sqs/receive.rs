//! ReceiveMessage: the only action that waits.

use super::error::{Answer, Error, Kind};
use super::json::{Text, Writer};
use super::{Sqs, fifo, parse};
use crate::message::{Attribute, AttributeValue, Message, digest};
use crate::queues::{Delivery, Handle, SharedQueue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::time::{MILLISECOND, Nanos, SECOND};
use platform::sqs::{OverLimit, Polling};
use serde::Deserialize;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(borrow)]
    queue_url: Option<Text<'a>>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    #[serde(borrow)]
    attribute_names: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    message_system_attribute_names: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    message_attribute_names: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    receive_request_attempt_id: Option<Text<'a>>,
}

/// SenderId of every message: there are no users here.
const SENDER: &str = "AIDAVERSUSVERSUSLOCAL";

impl Sqs {
    pub(super) async fn receive_message(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let queue = self.consumed_queue(request.queue_url.as_ref())?;
        let most = within(request.max_number_of_messages, 1..=10).map_err(|value| {
            Error::invalid(value, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
        })?;
        let wait = within(request.wait_time_seconds, 0..=20).map_err(|value| {
            Error::invalid(value, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")
        })?;
        let visibility = within(request.visibility_timeout, 0..=43_200).map_err(|value| {
            Error::invalid(value, "VisibilityTimeout", "Must be >= 0 and <= 43200, if provided.")
        })?;
        let system = SystemAttributes::of(
            request.attribute_names.iter().chain(&request.message_system_attribute_names).flatten(),
        )?;
        let wait = wait.map_or_else(|| queue.details().receive_wait, |seconds| seconds * SECOND);
        let most = most.unwrap_or(1) as u32;
        let visibility = visibility.map(|seconds| seconds * SECOND);
        let attempt = request.receive_request_attempt_id.as_deref().filter(|_| queue.is_fifo());
        let attempt = attempt.map(|id| fifo::check_id(id, "ReceiveRequestAttemptId")).transpose()?;
        let deliveries = receive(&queue, most, wait, visibility, attempt).await?;
        let names = request.message_attribute_names.unwrap_or_default();
        Ok(self.write(&queue, &deliveries, &system, &names))
    }

    fn write(
        &self,
        queue: &SharedQueue,
        deliveries: &[Delivery],
        system: &SystemAttributes,
        names: &[Text<'_>],
    ) -> Vec<u8> {
        if deliveries.is_empty() {
            return super::NOTHING.into();
        }
        let bytes: usize = deliveries.iter().map(|delivery| delivery.message.bytes as usize + 512).sum();
        let mut json = Writer::with_capacity(bytes);
        json.raw("{\"Messages\":[");
        for delivery in deliveries {
            let message = &*delivery.message;
            let handle =
                queue.encode(Handle { receipt: delivery.receipt, received_at: delivery.received_at });
            json.comma().raw("{\"MessageId\":").uuid(message.id);
            json.raw(",\"ReceiptHandle\":").base64(&handle);
            json.raw(",\"MD5OfBody\":").digest(&message.body_md5);
            json.raw(",\"Body\":").string(&message.body);
            if system.any() {
                json.raw(",\"Attributes\":{");
                self.write_system_attributes(&mut json, delivery, system);
                json.raw("}");
            }
            if !names.is_empty() {
                write_attributes(&mut json, message, names);
            }
            json.raw("}");
        }
        json.raw("]}");
        json.finish()
    }

    fn write_system_attributes(&self, json: &mut Writer, delivery: &Delivery, system: &SystemAttributes) {
        let message = &*delivery.message;
        let milliseconds = |at: Nanos| self.queues.origin.utc_ns(at) / MILLISECOND;
        if system.sender {
            json.member("SenderId", SENDER);
        }
        if system.sent {
            json.name("SentTimestamp").number_string(milliseconds(delivery.sent_at));
        }
        if system.receive_count {
            json.name("ApproximateReceiveCount").number_string(u64::from(delivery.receive_count));
        }
        if system.first_received {
            let at = milliseconds(delivery.first_received_at);
            json.name("ApproximateFirstReceiveTimestamp").number_string(at);
        }
        if let Some(group) = message.group.as_deref().filter(|_| system.group) {
            json.member("MessageGroupId", group);
        }
        if let Some(ordered) = &message.ordered {
            if system.deduplication {
                json.member("MessageDeduplicationId", &ordered.deduplication_id);
            }
            if system.sequence {
                json.member("SequenceNumber", &fifo::sequence_number(ordered.sequence));
            }
        }
        if let Some(header) = message.trace_header.as_deref().filter(|_| system.trace_header) {
            json.member("AWSTraceHeader", header);
        }
        if let Some(source) = message.dead_letter_source.as_deref().filter(|_| system.dead_letter_source) {
            json.member("DeadLetterQueueSourceArn", &self.arn(source));
        }
    }
}

/// A number of the request, if it is within its limits; else the number.
fn within(value: Option<i64>, limits: std::ops::RangeInclusive<i64>) -> Result<Option<u64>, i64> {
    match value {
        None => Ok(None),
        Some(value) if limits.contains(&value) => Ok(Some(value.unsigned_abs())),
        Some(value) => Err(value),
    }
}

/// Receives, and waits for messages where that was asked for.
async fn receive(
    queue: &SharedQueue,
    most: u32,
    wait: Nanos,
    visibility: Option<Nanos>,
    attempt: Option<&str>,
) -> Answer<Vec<Delivery>> {
    let polling = if wait == 0 { Polling::Short } else { Polling::Long };
    let until = Instant::now() + Duration::from_nanos(wait);
    loop {
        match queue.try_receive(most, polling, visibility, attempt) {
            Ok(deliveries) if !deliveries.is_empty() => {
                if wait > 0 {
                    queue.pass_on();
                }
                return Ok(deliveries);
            }
            Err(OverLimit) if wait == 0 => {
                return Err(Kind::OverLimit.because("Too many messages are in flight for this queue."));
            }
            _ => {}
        }
        // Whoever deletes the queue wakes those that wait for its messages.
        if queue.is_deleted() {
            return Err(Kind::QueueDoesNotExist.because("The specified queue does not exist."));
        }
        if wait == 0 || timeout_at(until, queue.arrived()).await.is_err() {
            queue.count_empty_receives(1);
            return Ok(Vec::new());
        }
    }
}

/// Which message system attributes were asked for.
#[derive(Clone, Copy, Debug, Default)]
struct SystemAttributes {
    sender: bool,
    sent: bool,
    receive_count: bool,
    first_received: bool,
    group: bool,
    deduplication: bool,
    sequence: bool,
    trace_header: bool,
    dead_letter_source: bool,
}

impl SystemAttributes {
    fn of<'a>(names: impl Iterator<Item = &'a Text<'a>>) -> Answer<Self> {
        let mut asked = Self::default();
        for name in names {
            match &**name {
                "All" => {
                    asked = Self {
                        sender: true,
                        sent: true,
                        receive_count: true,
                        first_received: true,
                        group: true,
                        deduplication: true,
                        sequence: true,
                        trace_header: true,
                        dead_letter_source: true,
                    };
                }
                "SenderId" => asked.sender = true,
                "SentTimestamp" => asked.sent = true,
                "ApproximateReceiveCount" => asked.receive_count = true,
                "ApproximateFirstReceiveTimestamp" => asked.first_received = true,
                "MessageGroupId" => asked.group = true,
                "AWSTraceHeader" => asked.trace_header = true,
                "DeadLetterQueueSourceArn" => asked.dead_letter_source = true,
                "MessageDeduplicationId" => asked.deduplication = true,
                "SequenceNumber" => asked.sequence = true,
                // Attributes of queues have been taken here since the beginning, and ignored.
                other if super::attributes::is_known(other) => {}
                other => {
                    return Err(Kind::InvalidAttributeName.because(format!("Unknown Attribute {other}.")));
                }
            }
        }
        Ok(asked)
    }

    fn any(&self) -> bool {
        self.sender
            || self.sent
            || self.receive_count
            || self.first_received
            || self.group
            || self.deduplication
            || self.sequence
            || self.trace_header
            || self.dead_letter_source
    }
}

/// Whether an attribute was asked for: by name, by prefix (`prefix.*`), or with all others (`All`, `.*`).
fn asked(names: &[Text<'_>], attribute: &Attribute) -> bool {
    names.iter().any(|name| match &**name {
        "All" | ".*" | "*" => true,
        name => match name.strip_suffix(".*").or_else(|| name.strip_suffix('*')) {
            Some(prefix) => attribute.name.starts_with(prefix),
            None => *name == *attribute.name,
        },
    })
}

fn write_attributes(json: &mut Writer, message: &Message, names: &[Text<'_>]) {
    let Some(attributes) = &message.attributes else { return };
    let count = attributes.values.iter().filter(|attribute| asked(names, attribute)).count();
    if count == 0 {
        return;
    }
    let wanted = || attributes.values.iter().filter(|attribute| asked(names, attribute));
    // The digest is of what is handed out.
    let md5 = if count == attributes.values.len() { attributes.md5 } else { digest(wanted()) };
    json.raw(",\"MD5OfMessageAttributes\":").digest(&md5);
    json.raw(",\"MessageAttributes\":{");
    for attribute in wanted() {
        json.name(&attribute.name).raw("{").member("DataType", &attribute.data_type);
        match &attribute.value {
            AttributeValue::Text(text) => json.member("StringValue", text),
            AttributeValue::Binary(bytes) => json.member("BinaryValue", &STANDARD.encode(bytes)),
        };
        json.raw("}");
    }
    json.raw("}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn attributes_are_asked_for_by_name_prefix_or_all() {
        let asked = |filter: &str, name: &str| {
            asked(&[Text(Cow::Borrowed(filter))], &Attribute::string(name, "value"))
        };
        for (filter, name) in [("All", "a"), (".*", "a"), ("a", "a"), ("He.*", "Help.Me"), ("a.*", "a.b")] {
            assert!(asked(filter, name), "{filter} {name}");
        }
        for (filter, name) in [("b", "a"), ("A", "a"), ("b.*", "a"), ("", "a"), ("abc", "ab")] {
            assert!(!asked(filter, name), "{filter} {name}");
        }
    }
}
