//! Brings a group of messages to one queue: the call, its retries, and one record per message.

use crate::answer::{Failure, Verdict, judge};
use crate::compose::Composer;
use crate::crew::Job;
use crate::outbox::Outbox;
use crate::stop::Stop;
use crate::{Settings, clock};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::http::HttpRequest;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::send_message_batch::{SendMessageBatchError, SendMessageBatchOutput};
use bytes::Bytes;
use model::journal::{MessageId, Sent};
use model::plan::Arrival;
use model::random::Stream;
use model::time::{Nanos, Origin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What the deliveries of a thread have in common.
pub(crate) struct Post {
    pub(crate) client: Client,
    pub(crate) composer: Composer,
    pub(crate) queue_urls: Vec<String>,
    pub(crate) settings: Settings,
    pub(crate) origin: Origin,
    pub(crate) stop: Stop,
    /// One permit per call in flight.
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) outbox: Outbox,
    pub(crate) jitter: Mutex<Stream>,
}

/// A call that was made.
#[derive(Clone, Copy, Debug)]
struct Call {
    /// From 1.
    attempt: u32,
    issued_at: Nanos,
    answered_at: Nanos,
}

/// The bound of the pause before the second attempt; it doubles with each further one.
const PAUSE: Duration = Duration::from_millis(100);
/// The bound does not grow beyond this.
const PAUSE_MAX: Duration = Duration::from_secs(5);

impl Post {
    pub(crate) fn now(&self) -> Nanos {
        self.origin.since(clock::now())
    }

    /// Sends the batch of a job to the queue of its stack; whatever fails is tried again alone. The outbox gets one
    /// record per message.
    pub(crate) async fn deliver(&self, job: Job) {
        let Job { stack, mut arrivals, mut batch, mut permit } = job;
        let mut first_issued_at = None;
        for attempt in 1.. {
            let issued_at = self.now();
            let answer = self.call(batch.request(&self.queue_urls[stack])).await;
            let call = Call { attempt, issued_at, answered_at: self.now() };
            drop(permit);

            let verdicts = judge(answer, &batch.digests);
            let begun = *first_issued_at.get_or_insert(issued_at);
            let retries_left = attempt < self.settings.max_attempts && !self.stop.requested();
            let pause = self.pause(attempt);
            let too_late = begun + self.settings.retry_for.as_nanos() as Nanos;
            let retry = retries_left && call.answered_at + pause.as_nanos() as Nanos <= too_late;
            let failed = self.settle(stack, call, arrivals.into_iter().zip(verdicts), retry);
            if failed.is_empty() {
                return;
            }
            permit = tokio::select! {
                biased;
                () = self.stop.wait() => return self.give_up(stack, call, failed),
                permit = self.permit_after(pause) => permit,
            };
            arrivals = failed.into_iter().map(|(arrival, _)| arrival).collect();
            batch = Arc::new(self.composer.batch(&arrivals));
        }
    }

    /// Has the SDK make a call of which only the body is ours.
    async fn call(&self, body: String) -> Result<SendMessageBatchOutput, SdkError<SendMessageBatchError>> {
        let body = Bytes::from(body);
        let replace = move |request: &mut HttpRequest| {
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = body.clone().into();
        };
        self.client.send_message_batch().customize().mutate_request(replace).send().await
    }

    async fn permit_after(&self, pause: Duration) -> OwnedSemaphorePermit {
        tokio::time::sleep(pause).await;
        Arc::clone(&self.calls).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Reports what is decided, and returns what is to be sent again.
    fn settle(
        &self,
        stack: usize,
        call: Call,
        verdicts: impl Iterator<Item = (Arrival, Verdict)>,
        retry: bool,
    ) -> Vec<(Arrival, Failure)> {
        let mut tray = self.outbox.tray(stack);
        tray.summary().calls += 1;
        let mut failed = Vec::new();
        for (arrival, verdict) in verdicts {
            let (message, error) = match verdict {
                Verdict::Taken { id, intact: true } => (Some(id), None),
                Verdict::Taken { id, intact: false } => (Some(id), Some("md5".into())),
                Verdict::Failed(failure) if retry && failure.again => {
                    tray.summary().error(&failure.word);
                    failed.push((arrival, failure));
                    continue;
                }
                Verdict::Failed(failure) => (None, Some(failure.word.into_owned())),
            };
            error.iter().for_each(|word| tray.summary().error(word));
            tray.put(call.sent(&arrival, message, error));
        }
        failed
    }

    /// Reports what was to be sent again and will not be.
    fn give_up(&self, stack: usize, call: Call, failed: Vec<(Arrival, Failure)>) {
        let mut tray = self.outbox.tray(stack);
        for (arrival, failure) in failed {
            tray.put(call.sent(&arrival, None, Some(failure.word.into_owned())));
        }
    }

    /// Anything up to a bound that doubles, so that retries spread.
    fn pause(&self, attempt: u32) -> Duration {
        let bound = PAUSE.saturating_mul(1 << (attempt - 1).min(16)).min(PAUSE_MAX);
        Duration::from_nanos(
            self.jitter.lock().unwrap_or_else(PoisonError::into_inner).between(0, bound.as_nanos() as Nanos),
        )
    }
}

impl Call {
    fn sent(&self, arrival: &Arrival, message: Option<MessageId>, error: Option<String>) -> Sent {
        Sent {
            seq: arrival.seq,
            scheduled_at: arrival.at,
            issued_at: self.issued_at,
            answered_at: self.answered_at,
            attempts: self.attempt,
            message,
            error,
        }
    }
}
