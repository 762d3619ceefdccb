//! The handler of a Lambda function: works on the batches that an event source mapping hands it.
//!
//! Goals: what a scenario's `partial-batch-responses` and `parallel-batch` mean in the simulation, they mean here.
//! Non-goals: deleting, which the mapping does; the Runtime API, which `lambda_runtime` speaks.

use crate::attempt::{Message, Worker};
use crate::settings::Batches;
use crate::{GRACE, Signals, clock};
use anyhow::{Context, Error, Result};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// What the mapping sends. `{}` is an invocation without messages.
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "Records", default)]
    records: Vec<EventRecord>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventRecord {
    message_id: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    message_attributes: BTreeMap<String, Attribute>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attribute {
    #[serde(default)]
    string_value: Option<String>,
}

/// What the mapping is answered with ReportBatchItemFailures.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    batch_item_failures: Vec<ItemFailure>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemFailure {
    item_identifier: String,
}

impl EventRecord {
    fn message(&self) -> Message {
        let system = |name: &str| self.attributes.get(name).map(String::as_str);
        let attribute = self.message_attributes.get(model::work::ATTRIBUTE);
        Message::new(&self.message_id, system, attribute.and_then(|it| it.string_value.as_deref()))
    }
}

struct Function {
    batches: Batches,
    worker: Arc<Worker>,
    /// No invocation yet.
    cold: AtomicBool,
    /// Held while an invocation goes on.
    busy: Mutex<()>,
}

/// Serves invocations until a signal says stop, or the Runtime API is gone.
pub(crate) async fn run(batches: Batches, worker: Arc<Worker>, mut signals: Signals) -> Result<()> {
    let function = Function { batches, worker, cold: AtomicBool::new(true), busy: Mutex::new(()) };
    let invocations =
        lambda_runtime::run(service_fn(|event: LambdaEvent<Event>| function.invoke(event.payload)));
    let stop = async {
        signals.stop().await;
        let _idle = function.busy.lock().await;
        // The answer of the last invocation may be on its way.
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = invocations => {
            ended.map_err(Error::from_boxed).context("calling the Lambda Runtime API")
        }
        () = stop => Ok(()),
    }
}

impl Function {
    async fn invoke(&self, event: Event) -> Result<Option<Response>, Diagnostic> {
        let here = clock::now().instant;
        let _busy = self.busy.lock().await;
        // Provisioned environments were initialised before anybody waited.
        let provisioned = std::env::var("AWS_LAMBDA_INITIALIZATION_TYPE")
            .is_ok_and(|kind| kind == "provisioned-concurrency");
        let cold = self.cold.swap(false, Ordering::Relaxed) && !provisioned;
        let messages = event.records.len();
        let failed = match self.batches.parallel {
            true => self.all_at_once(&event.records, here, cold).await,
            false => self.one_by_one(&event.records, here, cold).await,
        };
        let failed = failed.map_err(|problem| diagnostic("RecordNotWritten", format!("{problem:#}")))?;
        if self.batches.partial_responses {
            let failure =
                |index: usize| ItemFailure { item_identifier: event.records[index].message_id.clone() };
            return Ok(Some(Response { batch_item_failures: failed.into_iter().map(failure).collect() }));
        }
        match failed.first() {
            None => Ok(None),
            Some(&index) => {
                let id = &event.records[index].message_id;
                let text = format!("message {id} failed, and with it the batch of {messages}");
                Err(diagnostic("MessageFailed", text))
            }
        }
    }

    /// Returns the places of the messages that failed; a batch that fails as a whole is left at the first.
    async fn one_by_one(&self, records: &[EventRecord], here: Instant, cold: bool) -> Result<Vec<usize>> {
        let mut failed = Vec::new();
        for (index, record) in records.iter().enumerate() {
            if !self.worker.attempt(&record.message(), here, cold).await? {
                failed.push(index);
                if !self.batches.partial_responses {
                    break;
                }
            }
        }
        Ok(failed)
    }

    /// Returns the places of the messages that failed.
    async fn all_at_once(&self, records: &[EventRecord], here: Instant, cold: bool) -> Result<Vec<usize>> {
        let mut attempts = JoinSet::new();
        for (index, record) in records.iter().enumerate() {
            let (worker, message) = (Arc::clone(&self.worker), record.message());
            attempts.spawn(async move { worker.attempt(&message, here, cold).await.map(|ok| (index, ok)) });
        }
        let mut failed = Vec::new();
        while let Some(ended) = attempts.join_next().await {
            let (index, ok) = ended.context("working on a message")??;
            if !ok {
                failed.push(index);
            }
        }
        failed.sort_unstable();
        Ok(failed)
    }
}

fn diagnostic(error_type: &str, error_message: String) -> Diagnostic {
    Diagnostic { error_type: error_type.into(), error_message }
}
