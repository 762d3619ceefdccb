//! SendMessage and SendMessageBatch.

use super::batch::{self, Outcome};
use super::error::{Answer, Error, Kind};
use super::json::{Pairs, Text, Writer};
use super::user_attributes::{self, Given};
use super::{Sqs, parse};
use crate::message::{Hex, Message, digest};
use crate::queues::{Outgoing, PAYLOAD_LIMIT};
use model::time::SECOND;
use serde::Deserialize;
use std::slice;

/// A message to be sent: SendMessage, or an entry of a batch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    #[serde(borrow)]
    queue_url: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    message_body: Option<Text<'a>>,
    delay_seconds: Option<i64>,
    #[serde(borrow)]
    message_attributes: Option<Pairs<'a, Given<'a>>>,
    #[serde(borrow)]
    message_system_attributes: Option<Pairs<'a, Given<'a>>>,
    #[serde(borrow)]
    message_group_id: Option<Text<'a>>,
    #[serde(borrow)]
    message_deduplication_id: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<'a> {
    #[serde(borrow)]
    queue_url: Option<Text<'a>>,
    #[serde(borrow)]
    entries: Option<Vec<Entry<'a>>>,
}

impl Sqs {
    pub(super) fn send_message(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let entry: Entry<'_> = parse(body)?;
        let queue = self.queue(entry.queue_url.as_ref())?;
        let (mut outgoing, system_md5) = draft(&entry)?;
        check_size(outgoing.message.bytes, queue.details().maximum_message_bytes)?;
        outgoing.message = self.queues.identify(outgoing.message);
        let mut json = Writer::with_capacity(256);
        json.raw("{");
        describe(&mut json, &outgoing.message, system_md5.as_ref());
        queue.send([outgoing].into_iter());
        json.raw("}");
        Ok(json.finish())
    }

    pub(super) fn send_message_batch(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Batch<'_> = parse(body)?;
        let queue = self.queue(request.queue_url.as_ref())?;
        let entries = request.entries.unwrap_or_default();
        let ids: Vec<_> = entries.iter().map(|entry| entry.id.as_ref()).collect();
        batch::check(&ids, "SendMessageBatchRequestEntry")?;
        let drafts: Vec<_> = entries.iter().map(draft).collect();
        let bytes: u32 = drafts.iter().flatten().map(|(outgoing, _)| outgoing.message.bytes).sum();
        if bytes > PAYLOAD_LIMIT {
            return Err(Kind::BatchRequestTooLong.because(format!(
                "Batch requests cannot be longer than {PAYLOAD_LIMIT} bytes. You have sent {bytes} bytes."
            )));
        }
        let most = queue.details().maximum_message_bytes;
        let mut outcome = Outcome::with_capacity(64 + 192 * entries.len());
        let mut accepted = Vec::with_capacity(entries.len());
        for (id, draft) in ids.into_iter().flatten().zip(drafts) {
            let checked = draft.and_then(|(outgoing, system_md5)| {
                check_size(outgoing.message.bytes, most).map(|()| (outgoing, system_md5))
            });
            match checked {
                Ok((Outgoing { message, delay }, system_md5)) => {
                    let message = self.queues.identify(message);
                    let json = outcome.successful(id);
                    describe(json, &message, system_md5.as_ref());
                    json.raw("}");
                    accepted.push(Outgoing { message, delay });
                }
                Err(error) => outcome.failed(id, &error),
            }
        }
        if !accepted.is_empty() {
            queue.send(accepted.into_iter());
        }
        Ok(outcome.finish())
    }
}

/// What the answer says of a message.
fn describe(json: &mut Writer, message: &Message, system_md5: Option<&Hex>) {
    json.name("MessageId").uuid(message.id).name("MD5OfMessageBody").digest(&message.body_md5);
    if let Some(attributes) = &message.attributes {
        json.name("MD5OfMessageAttributes").digest(&attributes.md5);
    }
    if let Some(md5) = system_md5 {
        json.name("MD5OfMessageSystemAttributes").digest(md5);
    }
}

/// The message that an entry asks to send, without an id, and the digest of its system attributes.
fn draft(entry: &Entry<'_>) -> Answer<(Outgoing, Option<Hex>)> {
    let body = entry.message_body.as_deref().unwrap_or_default();
    if body.is_empty() {
        return Err(Error::missing("MessageBody"));
    }
    user_attributes::check_characters(body)?;
    let delay = match entry.delay_seconds {
        None => None,
        Some(seconds @ 0..=900) => Some(seconds.unsigned_abs() * SECOND),
        Some(seconds) => {
            return Err(Error::invalid(seconds, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900."));
        }
    };
    if let Some(id) = &entry.message_deduplication_id {
        let reason = "The request includes a parameter that is not valid for this queue type.";
        return Err(Error::invalid(&**id, "MessageDeduplicationId", reason));
    }
    let mut message = Message::new(body);
    if let Some(given) = &entry.message_attributes {
        message = message.with_attributes(user_attributes::read(given)?);
    }
    message.group = entry.message_group_id.as_deref().map(check_group).transpose()?.map(Into::into);
    let header = entry.message_system_attributes.as_ref().map(user_attributes::trace_header).transpose()?;
    let header = header.flatten();
    message.trace_header = header.as_ref().and_then(|header| header.text()).map(Into::into);
    let system_md5 = header.as_ref().map(|header| digest(slice::from_ref(header)));
    Ok((Outgoing { message, delay }, system_md5))
}

fn check_group(group: &str) -> Answer<&str> {
    if (1..=128).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(group);
    }
    let reason =
        "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.";
    Err(Error::invalid(group, "MessageGroupId", reason))
}

fn check_size(bytes: u32, most: u32) -> Answer<()> {
    if bytes <= most {
        return Ok(());
    }
    Err(Kind::InvalidParameterValue.because(format!(
        "One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
    )))
}
