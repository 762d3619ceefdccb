//! SendMessage and SendMessageBatch.

use super::batch::{self, Outcome};
use super::error::{Answer, Error, Kind};
use super::json::{Pairs, Text, Writer};
use super::user_attributes::{self, Given};
use super::{Sqs, fifo, parse};
use crate::message::{Hex, Message, digest};
use crate::queues::{Outgoing, PAYLOAD_LIMIT};
use model::journal::MessageId;
use model::time::SECOND;
use serde::Deserialize;
use std::slice;

/// A message to be sent: SendMessage, or an entry of a batch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry<'a> {
    #[serde(borrow)]
    queue_url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    message_body: Option<Text<'a>>,
    pub(super) delay_seconds: Option<i64>,
    #[serde(borrow)]
    message_attributes: Option<Pairs<'a, Given<'a>>>,
    #[serde(borrow)]
    message_system_attributes: Option<Pairs<'a, Given<'a>>>,
    #[serde(borrow)]
    pub(super) message_group_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) message_deduplication_id: Option<Text<'a>>,
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
        if queue.is_fifo() {
            return self.send_ordered(&queue, &entry);
        }
        let (mut outgoing, digests) = draft(&entry)?;
        check_size(outgoing.message.bytes, queue.details().maximum_message_bytes)?;
        outgoing.message = self.queues.identify(outgoing.message);
        let mut json = Writer::with_capacity(256);
        json.raw("{");
        describe(&mut json, outgoing.message.id, &digests);
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
        if queue.is_fifo() {
            return self.send_batch_ordered(&queue, &entries);
        }
        let drafts: Vec<_> = entries.iter().map(draft).collect();
        check_batch_size(&drafts)?;
        let most = queue.details().maximum_message_bytes;
        let mut outcome = Outcome::with_capacity(64 + 192 * entries.len());
        let mut accepted = Vec::with_capacity(entries.len());
        for (id, draft) in ids.into_iter().flatten().zip(drafts) {
            let checked = draft.and_then(|(outgoing, digests)| {
                check_size(outgoing.message.bytes, most).map(|()| (outgoing, digests))
            });
            match checked {
                Ok((Outgoing { message, delay }, digests)) => {
                    let message = self.queues.identify(message);
                    let json = outcome.successful(id);
                    describe(json, message.id, &digests);
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

/// A message to be sent, without an id, and what is answered beside it.
pub(super) type Draft = (Outgoing, Digests);

/// Digests that an answer has.
pub(super) struct Digests {
    body: Hex,
    attributes: Option<Hex>,
    system_attributes: Option<Hex>,
}

/// What the answer says of a message.
pub(super) fn describe(json: &mut Writer, id: MessageId, digests: &Digests) {
    json.name("MessageId").uuid(id).name("MD5OfMessageBody").digest(&digests.body);
    if let Some(md5) = &digests.attributes {
        json.name("MD5OfMessageAttributes").digest(md5);
    }
    if let Some(md5) = &digests.system_attributes {
        json.name("MD5OfMessageSystemAttributes").digest(md5);
    }
}

/// The message that an entry asks to send to a standard queue.
fn draft(entry: &Entry<'_>) -> Answer<Draft> {
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
    let (message, digests) = message(entry)?;
    Ok((Outgoing { message, delay }, digests))
}

/// What an entry asks of any queue.
pub(super) fn message(entry: &Entry<'_>) -> Answer<(Message, Digests)> {
    let body = entry.message_body.as_deref().unwrap_or_default();
    if body.is_empty() {
        return Err(Error::missing("MessageBody"));
    }
    user_attributes::check_characters(body)?;
    let mut message = Message::new(body);
    if let Some(given) = &entry.message_attributes {
        message = message.with_attributes(user_attributes::read(given)?);
    }
    let group = entry.message_group_id.as_deref();
    message.group = group.map(|group| fifo::check_id(group, "MessageGroupId")).transpose()?.map(Into::into);
    let header = entry.message_system_attributes.as_ref().map(user_attributes::trace_header).transpose()?;
    let header = header.flatten();
    message.trace_header = header.as_ref().and_then(|header| header.text()).map(Into::into);
    let digests = Digests {
        body: message.body_md5,
        attributes: message.attributes.as_ref().map(|attributes| attributes.md5),
        system_attributes: header.as_ref().map(|header| digest(slice::from_ref(header))),
    };
    Ok((message, digests))
}

/// The messages of a batch have a limit that is theirs together.
pub(super) fn check_batch_size(drafts: &[Answer<Draft>]) -> Answer<()> {
    let bytes: u32 = drafts.iter().flatten().map(|(outgoing, _)| outgoing.message.bytes).sum();
    if bytes <= PAYLOAD_LIMIT {
        return Ok(());
    }
    Err(Kind::BatchRequestTooLong.because(format!(
        "Batch requests cannot be longer than {PAYLOAD_LIMIT} bytes. You have sent {bytes} bytes."
    )))
}

pub(super) fn check_size(bytes: u32, most: u32) -> Answer<()> {
    if bytes <= most {
        return Ok(());
    }
    Err(Kind::InvalidParameterValue.because(format!(
        "One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
    )))
}
