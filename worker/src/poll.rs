//! The loop of an ECS task: receive, work, delete.
//!
//! Goals: what a scenario's `poll`, `delete`, `concurrency`, `idle-sleep` and `drains-on-sigterm` mean in the
//! simulation, they mean here; failing calls are said and survived.
//! Non-goals: more than one ReceiveMessage at a time.

use crate::attempt::{Message, Worker};
use crate::complaints::Complaints;
use crate::heartbeat::{Heartbeat, Hold};
use crate::settings::Polling;
use crate::{GRACE, Signals, clock};
use anyhow::{Context, Result};
use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message as SqsMessage, MessageSystemAttributeName as System,
};
use aws_smithy_http_client::{Builder, tls};
use model::scenario::{Delete, Poll};
use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinError, JoinSet};

/// The first pause after a failed receive; each further one doubles it.
const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
const BACK_OFF_MOST: Duration = Duration::from_secs(5);
/// An answer may come so long after WaitTimeSeconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Entries of one DeleteMessageBatch.
const DELETE_MOST: usize = 10;

/// Polls until a signal says stop.
pub(crate) async fn run(polling: Polling, worker: Arc<Worker>, signals: Signals) -> Result<()> {
    let sqs = client(&polling).await;
    let heartbeat = polling
        .heartbeat
        .then(|| Heartbeat::start(sqs.clone(), polling.queue_url.clone(), polling.visibility_timeout_s));
    let task = Arc::new(Task { sqs, polling, worker, heartbeat, complaints: Complaints::default() });
    let state = Loop {
        task,
        signals,
        buffer: VecDeque::new(),
        working: JoinSet::new(),
        done: Vec::new(),
        receiving: None,
        paused_until: None,
        back_off: Duration::ZERO,
        stopping: false,
    };
    state.run().await
}

/// Credentials, region and endpoint come from the environment, as for any AWS client.
async fn client(polling: &Polling) -> Client {
    let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    // A third of the start is reading the machine's root certificates: not where they are of no use.
    let http = match polling.plain_http {
        true => Builder::new().build_http(),
        false => Builder::new().tls_provider(ring).build_https(),
    };
    let answer_within = Duration::from_secs(polling.wait_time_s.into()) + ANSWER_WITHIN;
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::standard())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(answer_within).build())
        .load()
        .await;
    Client::new(&config)
}

/// What the loop and its messages share.
struct Task {
    sqs: Client,
    polling: Polling,
    worker: Arc<Worker>,
    heartbeat: Option<Arc<Heartbeat>>,
    complaints: Complaints,
}

/// A message between its receive and its delete.
struct Held {
    message: Message,
    receipt: String,
    /// When the answer to its receive was here.
    here: Instant,
    /// Gone as soon as the message may come back.
    _hold: Option<Hold>,
}

impl Task {
    async fn receive(self: Arc<Self>, most: u32) -> Result<Vec<SqsMessage>> {
        let call = self.sqs.receive_message().queue_url(&self.polling.queue_url);
        let call = call
            .max_number_of_messages(most as i32)
            .wait_time_seconds(self.polling.wait_time_s as i32)
            .set_visibility_timeout(self.polling.visibility_timeout_s.map(|seconds| seconds as i32))
            .message_attribute_names(model::work::ATTRIBUTE)
            .message_system_attribute_names(System::ApproximateReceiveCount)
            .message_system_attribute_names(System::SentTimestamp)
            .message_system_attribute_names(System::ApproximateFirstReceiveTimestamp);
        Ok(call.send().await?.messages.unwrap_or_default())
    }

    fn held(&self, message: &SqsMessage, here: Instant) -> Held {
        let receipt = message.receipt_handle().unwrap_or_default();
        let system = |name: &str| {
            message.attributes().and_then(|all| all.get(&System::from(name))).map(String::as_str)
        };
        let attribute = message.message_attributes().and_then(|all| all.get(model::work::ATTRIBUTE));
        let text = attribute.and_then(|attribute| attribute.string_value());
        Held {
            message: Message::new(message.message_id().unwrap_or_default(), system, text),
            receipt: receipt.into(),
            here,
            _hold: self.heartbeat.as_ref().map(|heartbeat| heartbeat.hold(receipt, here)),
        }
    }

    /// Works on a message and deletes it, or hands it back for the batch's delete. One that failed is let go: it comes
    /// back after its visibility timeout.
    async fn work(self: Arc<Self>, held: Held) -> Result<Option<Held>> {
        if !self.worker.attempt(&held.message, held.here, false).await? {
            return Ok(None);
        }
        if self.polling.delete == Delete::Batch {
            return Ok(Some(held));
        }
        let call = self.sqs.delete_message().queue_url(&self.polling.queue_url).receipt_handle(&held.receipt);
        if let Err(problem) = call.send().await {
            self.complaints.add("DeleteMessage", format!("{:#}", anyhow::Error::from(problem)));
        }
        Ok(None)
    }

    async fn delete_batch(&self, done: &[Held]) -> Result<()> {
        for chunk in done.chunks(DELETE_MOST) {
            let entries = chunk.iter().enumerate().map(|(index, held)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
                entry.receipt_handle(&held.receipt).build()
            });
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            let call = self.sqs.delete_message_batch().queue_url(&self.polling.queue_url);
            let answer = call.set_entries(Some(entries)).send().await?;
            if let Some(failed) = answer.failed().first() {
                self.complaints.add("DeleteMessageBatch", failed.code());
            }
        }
        Ok(())
    }
}

type Receiving = Pin<Box<dyn Future<Output = Result<Vec<SqsMessage>>>>>;
type Ended = Result<Result<Option<Held>>, JoinError>;

struct Loop {
    task: Arc<Task>,
    signals: Signals,
    /// Received and not begun.
    buffer: VecDeque<Held>,
    working: JoinSet<Result<Option<Held>>>,
    /// Finished and waiting for the batch to be deleted.
    done: Vec<Held>,
    receiving: Option<Receiving>,
    /// No receive before this, after an error or an empty one.
    paused_until: Option<Instant>,
    back_off: Duration,
    stopping: bool,
}

impl Loop {
    async fn run(mut self) -> Result<()> {
        loop {
            self.begin_work();
            if self.all_done() && !self.done.is_empty() {
                self.delete_done().await;
            }
            if self.stopping && self.all_done() {
                return Ok(());
            }
            self.ask_for_more();
            tokio::select! {
                () = self.signals.stop(), if !self.stopping => self.stop().await,
                Some(ended) = self.working.join_next() => self.ended(ended)?,
                answer = or_never(self.receiving.as_mut()) => self.answered(answer),
                () = or_never(self.paused_until.map(|until| Box::pin(clock::sleep_until(until)))) => {
                    self.paused_until = None;
                }
            }
        }
    }

    fn all_done(&self) -> bool {
        self.working.is_empty() && self.buffer.is_empty()
    }

    /// Messages that could be begun now.
    fn free_slots(&self) -> u32 {
        self.task.polling.concurrency - self.working.len() as u32
    }

    fn begin_work(&mut self) {
        while self.free_slots() > 0
            && let Some(held) = self.buffer.pop_front()
        {
            self.working.spawn(Arc::clone(&self.task).work(held));
        }
    }

    fn ask_for_more(&mut self) {
        let polling = &self.task.polling;
        let most = match polling.poll {
            Poll::AllDone if self.all_done() => polling.batch_size,
            Poll::AllDone => 0,
            Poll::SlotFree => self.free_slots().min(polling.batch_size),
        };
        let waiting = self.receiving.is_some() || self.paused_until.is_some();
        if most > 0 && !waiting && !self.stopping {
            self.receiving = Some(Box::pin(Arc::clone(&self.task).receive(most)));
        }
    }

    fn answered(&mut self, answer: Result<Vec<SqsMessage>>) {
        let now = clock::now().instant;
        self.receiving = None;
        match answer {
            Ok(messages) => {
                self.back_off = Duration::ZERO;
                let idle_sleep = self.task.polling.idle_sleep;
                self.paused_until = (messages.is_empty() && !idle_sleep.is_zero()).then(|| now + idle_sleep);
                self.buffer.extend(messages.iter().map(|message| self.task.held(message, now)));
            }
            Err(problem) => {
                self.back_off = (self.back_off * 2).clamp(BACK_OFF_FIRST, BACK_OFF_MOST);
                self.paused_until = Some(now + self.back_off);
                self.task.complaints.add("ReceiveMessage", format!("{problem:#}"));
            }
        }
    }

    fn ended(&mut self, ended: Ended) -> Result<()> {
        self.done.extend(ended.context("working on a message")??);
        Ok(())
    }

    async fn delete_done(&mut self) {
        if let Err(problem) = self.task.delete_batch(&self.done).await {
            self.task.complaints.add("DeleteMessageBatch", format!("{problem:#}"));
        }
        self.done.clear();
    }

    /// Receives no more; what is here is finished.
    async fn stop(&mut self) {
        self.stopping = true;
        self.paused_until = None;
        if let Some(receiving) = self.receiving.take()
            && let Ok(answer) = tokio::time::timeout(GRACE, receiving).await
        {
            self.answered(answer);
            self.paused_until = None;
        }
    }
}

/// Waits for what there may be.
async fn or_never<T>(future: Option<impl Future<Output = T> + Unpin>) -> T {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}
