//! What the answer to a SendMessageBatch says of each of its messages.
//!
//! Goals: one word per error, the same for the same cause; whether another attempt makes sense.

use crate::compose::{Digests, place};
use crate::digest;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::types::SendMessageBatchResultEntry;
use model::journal::MessageId;
use std::borrow::Cow;
use std::error::Error;
use std::io;

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// One word.
    pub(crate) word: Cow<'static, str>,
    /// Whether another attempt may succeed.
    pub(crate) again: bool,
}

impl Failure {
    fn new(word: impl Into<Cow<'static, str>>, again: bool) -> Self {
        Self { word: word.into(), again }
    }
}

/// What became of one message of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The queue took it.
    Taken {
        id: MessageId,
        /// Whether both MD5s are those of what was sent.
        intact: bool,
    },
    /// It did not, or did not say so.
    Failed(Failure),
}

/// One verdict per message of the call, in its order.
pub(crate) fn judge<E>(answer: Result<SendMessageBatchOutput, SdkError<E>>, sent: &[Digests]) -> Vec<Verdict>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let output = match answer {
        Ok(output) => output,
        Err(error) => return vec![Verdict::Failed(failure(&error)); sent.len()],
    };
    // Whether the queue has a message of which it says nothing cannot be known; another attempt might double it.
    let mut verdicts = vec![Verdict::Failed(Failure::new("unanswered", false)); sent.len()];
    for entry in &output.failed {
        if let Some(verdict) = place(&entry.id).and_then(|place| verdicts.get_mut(place)) {
            *verdict = Verdict::Failed(by_code(&entry.code, !entry.sender_fault));
        }
    }
    for entry in &output.successful {
        if let Some((verdict, sent)) = place(&entry.id).and_then(|at| verdicts.get_mut(at).zip(sent.get(at)))
        {
            let id = MessageId::new(&entry.message_id);
            *verdict = Verdict::Taken { id, intact: intact(entry, sent) };
        }
    }
    verdicts
}

fn intact(entry: &SendMessageBatchResultEntry, sent: &Digests) -> bool {
    let attributes = entry.md5_of_message_attributes.as_deref().unwrap_or_default();
    digest::is(&entry.md5_of_message_body, &sent.body) && digest::is(attributes, &sent.attributes)
}

/// Why a call failed, whatever it was.
pub(crate) fn failure<E>(error: &SdkError<E>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::TimeoutError(_) => Failure::new("timeout", true),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Failure::new("timeout", true),
        // An other of a kind is a connection that was closed before the answer.
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.as_other().is_some() => {
            Failure::new(connection_word(error), true)
        }
        SdkError::ServiceError(answer) => match (answer.raw().status().as_u16(), answer.err().code()) {
            (429, _) => Failure::new("throttled", true),
            (status @ 500.., code) if !code.is_some_and(throttled) => {
                Failure::new(format!("http-{status}"), true)
            }
            (_, Some(code)) => by_code(code, false),
            // A success that cannot be read.
            (200..300, None) => Failure::new("response", true),
            (status, None) => Failure::new(format!("http-{status}"), false),
        },
        SdkError::ResponseError(_) => Failure::new("response", true),
        // The request could not be signed; credentials that ran out may be renewed.
        SdkError::DispatchFailure(_) => Failure::new("request", true),
        // It could not even be made.
        _ => Failure::new("request", false),
    }
}

fn by_code(code: &str, again: bool) -> Failure {
    if throttled(code) {
        return Failure::new("throttled", true);
    }
    // AWS.SimpleQueueService.NonExistentQueue, com.amazonaws.sqs#QueueDoesNotExist
    let name = code.rsplit(['.', '#']).next().unwrap_or_default();
    let word: String =
        name.chars().filter(|&c| c.is_ascii_alphanumeric() || "-_".contains(c)).take(40).collect();
    Failure::new(if word.is_empty() { "unnamed".into() } else { word }, again)
}

/// By the names that AWS has for it: RequestThrottled, ThrottlingException, KMS.ThrottlingException and the like.
fn throttled(code: &str) -> bool {
    code.contains("Throttl") || code.contains("TooManyRequests") || code.contains("RequestLimitExceeded")
}

/// `refused`, `reset` or, of a connection that broke otherwise, `connection`.
fn connection_word(error: &(dyn Error + 'static)) -> &'static str {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return "refused",
            Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => return "reset",
            _ => cause = error.source(),
        }
    }
    "connection"
}
