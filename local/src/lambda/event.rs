//! The event that a function is invoked with: a batch of messages as the event source mapping writes it.
//!
//! Source: docs.aws.amazon.com/lambda/latest/dg/with-sqs.html.

use crate::message::{AttributeValue, Message, text};
use crate::queues::{ACCOUNT, Delivery, SharedQueue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::time::{MILLISECOND, Nanos, Origin};
use serde::Serialize;
use std::collections::BTreeMap;

/// Where the messages come from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) queue: &'a SharedQueue,
    pub(super) origin: Origin,
    pub(super) region: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<'a> {
    records: Vec<Record<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: String,
    receipt_handle: String,
    body: &'a str,
    attributes: System<'a>,
    message_attributes: BTreeMap<&'a str, Attribute<'a>>,
    md5_of_body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'a str,
}

/// System attributes; numbers are texts.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct System<'a> {
    #[serde(rename = "AWSTraceHeader", skip_serializing_if = "Option::is_none")]
    trace_header: Option<&'a str>,
    approximate_receive_count: String,
    sent_timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_group_id: Option<&'a str>,
    sender_id: &'static str,
    approximate_first_receive_timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_queue_source_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attribute<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
    string_list_values: [&'a str; 0],
    binary_list_values: [&'a str; 0],
    data_type: &'a str,
}

/// The event of a batch.
pub(super) fn event(source: Source<'_>, batch: &[Delivery]) -> Bytes {
    let arn = queue_arn(source.region, &source.queue.name);
    let records = batch.iter().map(|delivery| record(source, &arn, delivery)).collect();
    // What has only text for keys and values can always be written.
    serde_json::to_vec(&Batch { records }).unwrap_or_default().into()
}

fn queue_arn(region: &str, queue: &str) -> String {
    format!("arn:aws:sqs:{region}:{ACCOUNT}:{queue}")
}

fn record<'a>(source: Source<'a>, arn: &'a str, delivery: &'a Delivery) -> Record<'a> {
    let message: &Message = &delivery.message;
    let utc_ms = |at: Nanos| (source.origin.utc_ns(at) / MILLISECOND).to_string();
    Record {
        message_id: message.id.to_string(),
        receipt_handle: source.queue.handle(delivery.receipt),
        body: &message.body,
        attributes: System {
            trace_header: message.trace_header.as_deref(),
            approximate_receive_count: delivery.receive_count.to_string(),
            sent_timestamp: utc_ms(delivery.sent_at),
            message_group_id: message.group.as_deref(),
            sender_id: ACCOUNT,
            approximate_first_receive_timestamp: utc_ms(delivery.first_received_at),
            dead_letter_queue_source_arn: message
                .dead_letter_source
                .as_ref()
                .map(|queue| queue_arn(source.region, queue)),
        },
        message_attributes: attributes(message),
        md5_of_body: text(&message.body_md5),
        md5_of_message_attributes: message.attributes.as_ref().map(|own| text(&own.md5)),
        event_source: "aws:sqs",
        event_source_arn: arn,
        aws_region: source.region,
    }
}

/// Message attributes; lists are in the format, but not in use at SQS.
fn attributes(message: &Message) -> BTreeMap<&str, Attribute<'_>> {
    let own = message.attributes.iter().flat_map(|attributes| attributes.values.iter());
    own.map(|one| {
        let (string_value, binary_value) = match &one.value {
            AttributeValue::Text(text) => (Some(&**text), None),
            AttributeValue::Binary(bytes) => (None, Some(STANDARD.encode(bytes))),
        };
        let (string_list_values, binary_list_values) = ([], []);
        let data_type = &*one.data_type;
        let value =
            Attribute { string_value, binary_value, string_list_values, binary_list_values, data_type };
        (&*one.name, value)
    })
    .collect()
}
