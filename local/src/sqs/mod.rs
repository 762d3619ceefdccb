//! The SQS protocol: AWS JSON 1.0 over the queues of this process.
//!
//! Goals: what SDK clients call on standard and FIFO queues, with AWS's limits, digests, shapes and words; calls that carry
//! messages read and write their JSON without copies.
//! Non-goals: throughput limits, IAM (policies are kept, not enforced), the query protocol.

mod access;
mod attributes;
mod batch;
mod error;
pub(crate) mod fifo;
mod json;
mod lifecycle;
mod move_tasks;
mod receive;
mod redrive;
mod send;
mod settle;
mod user_attributes;

use crate::queues::{ACCOUNT, Injected, Queues, SharedQueue};
use crate::server::Reply;
use error::{Answer, Error, Kind};
use json::Text;
use serde::Deserialize;
use std::sync::Arc;

/// Answers the actions of SQS.
pub(crate) struct Sqs {
    queues: Arc<Queues>,
    /// What queue URLs begin with.
    url: String,
    move_tasks: move_tasks::MoveTasks,
}

/// Answers without content.
const NOTHING: &str = "{}";

impl Sqs {
    pub(crate) fn new(queues: Arc<Queues>, endpoint_url: &str) -> Self {
        let url = format!("{endpoint_url}/{ACCOUNT}/");
        Self { queues, url, move_tasks: move_tasks::MoveTasks::default() }
    }

    /// Answers one call. Only ReceiveMessage waits.
    pub(crate) async fn answer(&self, action: &str, body: &[u8]) -> Reply {
        let answer = match action {
            "ReceiveMessage" => self.receive_message(body).await,
            _ => self.answer_at_once(action, body),
        };
        match answer {
            Ok(body) => Reply::json(body),
            Err(error) => error.reply(),
        }
    }

    fn answer_at_once(&self, action: &str, body: &[u8]) -> Answer<Vec<u8>> {
        match action {
            "SendMessage" => self.send_message(body),
            "SendMessageBatch" => self.send_message_batch(body),
            "DeleteMessage" => self.delete_message(body),
            "DeleteMessageBatch" => self.delete_message_batch(body),
            "ChangeMessageVisibility" => self.change_message_visibility(body),
            "ChangeMessageVisibilityBatch" => self.change_message_visibility_batch(body),
            "CreateQueue" => self.create_queue(body),
            "GetQueueUrl" => self.get_queue_url(body),
            "ListQueues" => self.list_queues(body),
            "DeleteQueue" => self.delete_queue(body),
            "PurgeQueue" => self.purge_queue(body),
            "GetQueueAttributes" => self.get_queue_attributes(body),
            "SetQueueAttributes" => self.set_queue_attributes(body),
            "AddPermission" => self.add_permission(body),
            "RemovePermission" => self.remove_permission(body),
            "TagQueue" => self.tag_queue(body),
            "UntagQueue" => self.untag_queue(body),
            "ListQueueTags" => self.list_queue_tags(body),
            "ListDeadLetterSourceQueues" => self.list_dead_letter_source_queues(body),
            "StartMessageMoveTask" => self.start_message_move_task(body),
            "ListMessageMoveTasks" => self.list_message_move_tasks(body),
            "CancelMessageMoveTask" => self.cancel_message_move_task(body),
            _ => {
                let message = format!("The action {action} is not valid for this endpoint.");
                Err(Kind::InvalidAction.because(message))
            }
        }
    }

    /// The queue of a QueueUrl, whatever its host: the last segment names it.
    fn queue(&self, url: Option<&Text<'_>>) -> Answer<Arc<SharedQueue>> {
        let url = url.ok_or_else(|| Error::missing("QueueUrl"))?;
        let name = url.rsplit('/').next().unwrap_or_default();
        self.queues.get(name).ok_or_else(Error::no_queue)
    }

    /// The queue of a consumer's call (receive, delete, change of visibility): some of these fail on purpose. Sending
    /// and control never do, so that load and measurement stay as planned.
    fn consumed_queue(&self, url: Option<&Text<'_>>) -> Answer<Arc<SharedQueue>> {
        let queue = self.queue(url)?;
        match queue.fault() {
            None => Ok(queue),
            Some(Injected::Error) => Err(Kind::InternalFailure
                .because("We encountered an internal error. Please try again. (Injected by the scenario.)")),
            Some(Injected::Throttle) => {
                Err(Kind::RequestThrottled.because("The request was throttled. (Injected by the scenario.)"))
            }
        }
    }

    fn queue_url(&self, name: &str) -> String {
        format!("{}{name}", self.url)
    }

    fn arn(&self, name: &str) -> String {
        format!("arn:aws:sqs:{}:{ACCOUNT}:{name}", self.queues.region)
    }
}

/// Reads a request.
fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Answer<T> {
    let body = if body.is_empty() { b"{}" } else { body };
    let text = std::str::from_utf8(body).map_err(|error| Kind::Serialization.because(error.to_string()))?;
    serde_json::from_str(text).map_err(|error| Kind::Serialization.because(error.to_string()))
}

/// The queue's name in an ARN.
fn name_in(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let sqs = parts.next() == Some("arn") && parts.nth(1) == Some("sqs");
    parts.nth(2).filter(|name| sqs && !name.is_empty())
}
