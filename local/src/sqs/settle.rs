//! What becomes of a received message: DeleteMessage, ChangeMessageVisibility and their batches.

use super::batch::{self, Outcome};
use super::error::{Answer, Error};
use super::json::Text;
use super::{NOTHING, Sqs, fifo, parse};
use crate::queues::{Change, Handle, SharedQueue};
use model::time::{Nanos, SECOND};
use platform::sqs::Receipt;
use serde::Deserialize;

/// A receipt handle, and for a change of visibility the new timeout: an action, or an entry of its batch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    #[serde(borrow)]
    queue_url: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    receipt_handle: Option<Text<'a>>,
    visibility_timeout: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<'a> {
    #[serde(borrow)]
    queue_url: Option<Text<'a>>,
    #[serde(borrow)]
    entries: Option<Vec<Entry<'a>>>,
}

/// Most that visibility timeouts of one receive can add up to.
const VISIBILITY_LIMIT: i64 = 43_200;

impl Sqs {
    pub(super) fn delete_message(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let entry: Entry<'_> = parse(body)?;
        let queue = self.consumed_queue(entry.queue_url.as_ref())?;
        let receipt = handle(&queue, &entry)?.receipt;
        if !queue.is_fifo() {
            queue.delete([receipt]);
        } else if queue.delete_in_time(&[receipt]) == [false] {
            return Err(fifo::expired(entry.receipt_handle.as_deref().unwrap_or_default(), false));
        }
        Ok(NOTHING.into())
    }

    pub(super) fn delete_message_batch(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Batch<'_> = parse(body)?;
        let queue = self.consumed_queue(request.queue_url.as_ref())?;
        let entries = request.entries.unwrap_or_default();
        check(&entries, "DeleteMessageBatchRequestEntry")?;
        if queue.is_fifo() {
            return Ok(delete_in_time(&queue, &entries));
        }
        let mut outcome = Outcome::with_capacity(64 + 96 * entries.len());
        let mut receipts = Vec::with_capacity(entries.len());
        for entry in &entries {
            let id = entry.id.as_deref().unwrap_or_default();
            match handle(&queue, entry) {
                Ok(handle) => {
                    receipts.push(handle.receipt);
                    outcome.successful(id).raw("}");
                }
                Err(error) => outcome.failed(id, &error),
            }
        }
        queue.delete(receipts);
        Ok(outcome.finish())
    }

    pub(super) fn change_message_visibility(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let entry: Entry<'_> = parse(body)?;
        let queue = self.consumed_queue(entry.queue_url.as_ref())?;
        let change = self.change(&queue, &entry)?;
        let changed = queue.change_visibility(&[change]);
        if changed.iter().any(|&change| refuses(&queue, change)) {
            return Err(gone(&entry));
        }
        Ok(NOTHING.into())
    }

    pub(super) fn change_message_visibility_batch(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Batch<'_> = parse(body)?;
        let queue = self.consumed_queue(request.queue_url.as_ref())?;
        let entries = request.entries.unwrap_or_default();
        check(&entries, "ChangeMessageVisibilityBatchRequestEntry")?;
        let asked: Vec<_> = entries.iter().map(|entry| self.change(&queue, entry)).collect();
        let changes: Vec<_> = asked.iter().flatten().copied().collect();
        let mut changed = queue.change_visibility(&changes).into_iter();
        let mut outcome = Outcome::with_capacity(64 + 96 * entries.len());
        for (entry, asked) in entries.iter().zip(asked) {
            let id = entry.id.as_deref().unwrap_or_default();
            // There is one for each that was asked for.
            match asked.map(|_| changed.next()) {
                Ok(Some(change)) if refuses(&queue, change) => outcome.failed(id, &gone(entry)),
                Ok(_) => _ = outcome.successful(id).raw("}"),
                Err(error) => outcome.failed(id, &error),
            }
        }
        Ok(outcome.finish())
    }

    /// What a change of visibility asks of the queue.
    fn change(&self, queue: &SharedQueue, entry: &Entry<'_>) -> Answer<(Receipt, Nanos)> {
        let Handle { receipt, received_at } = handle(queue, entry)?;
        let seconds = entry.visibility_timeout.ok_or_else(|| Error::missing("VisibilityTimeout"))?;
        if !(0..=VISIBILITY_LIMIT).contains(&seconds) {
            let reason = "VisibilityTimeout must be an integer between 0 and 43200";
            return Err(Error::invalid(seconds, "VisibilityTimeout", reason));
        }
        let timeout = seconds.unsigned_abs() * SECOND;
        // Handles know the second only: what is within it is allowed.
        let latest = received_at + (VISIBILITY_LIMIT.unsigned_abs() + 1) * SECOND;
        if self.queues.now() + timeout > latest {
            let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
            return Err(Error::invalid(seconds, "VisibilityTimeout", reason));
        }
        Ok((receipt, timeout))
    }
}

/// DeleteMessageBatch on a FIFO queue.
fn delete_in_time(queue: &SharedQueue, entries: &[Entry<'_>]) -> Vec<u8> {
    let handles: Vec<_> = entries.iter().map(|entry| handle(queue, entry)).collect();
    let receipts: Vec<_> = handles.iter().flatten().map(|handle| handle.receipt).collect();
    let mut deleted = queue.delete_in_time(&receipts).into_iter();
    let mut outcome = Outcome::with_capacity(64 + 96 * entries.len());
    for (entry, handle) in entries.iter().zip(handles) {
        let id = entry.id.as_deref().unwrap_or_default();
        // There is one for each handle.
        match handle.map(|_| deleted.next()) {
            Ok(Some(false)) => {
                let handle = entry.receipt_handle.as_deref().unwrap_or_default();
                outcome.failed(id, &fifo::expired(handle, true));
            }
            Ok(_) => _ = outcome.successful(id).raw("}"),
            Err(error) => outcome.failed(id, &error),
        }
    }
    outcome.finish()
}

/// Whether a change of visibility is answered with a refusal: a standard queue takes it for a message that is no longer
/// in flight, without effect, and a FIFO queue does not.
fn refuses(queue: &SharedQueue, change: Change) -> bool {
    match change {
        Change::Changed => false,
        Change::NotInFlight => queue.is_fifo(),
        Change::Gone => true,
    }
}

fn check(entries: &[Entry<'_>], name: &str) -> Answer<()> {
    let ids: Vec<_> = entries.iter().map(|entry| entry.id.as_ref()).collect();
    batch::check(&ids, name)
}

fn handle(queue: &SharedQueue, entry: &Entry<'_>) -> Answer<Handle> {
    let text = entry.receipt_handle.as_deref().ok_or_else(|| Error::missing("ReceiptHandle"))?;
    queue.decode(text).ok_or_else(|| Error::receipt_handle(text))
}

fn gone(entry: &Entry<'_>) -> Error {
    let handle = entry.receipt_handle.as_deref().unwrap_or_default();
    let reason = "Message does not exist or is not available for visibility timeout change.";
    Error::invalid(handle, "ReceiptHandle", reason)
}
