//! Keeps messages invisible for as long as the worker holds them: ChangeMessageVisibility at half the visibility
//! timeout, in batches.
//!
//! Goals: no call at all where messages are held briefly; the queue's timeout is asked for once, when first needed.
//! Non-goals: knowing how long the work will take. Whoever holds a message drops its [`Hold`] when done, or when the
//! work has failed: then the message comes back after what is left of its timeout.

use crate::clock;
use crate::complaints::Complaints;
use anyhow::{Context, Error, Result};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry as Entry, QueueAttributeName};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The shortest visibility timeout is a second. What is held for less than half of that needs no heartbeat, whatever
/// the queue's timeout is.
const SHORTEST_PACE: Duration = Duration::from_millis(500);
/// The timeout of a queue that won't tell its own: SQS's default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Entries of one ChangeMessageVisibilityBatch.
const BATCH_MOST: usize = 10;

/// The messages that are held, and the task that prolongs them.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    sqs: Client,
    queue_url: String,
    /// VisibilityTimeout of the receive call.
    known: Option<Duration>,
    leases: Mutex<Leases>,
    /// That there is a lease after there was none.
    news: Notify,
    complaints: Complaints,
}

#[derive(Debug, Default)]
struct Leases {
    next: u64,
    held: BTreeMap<u64, Lease>,
}

#[derive(Clone, Debug)]
struct Lease {
    receipt: String,
    /// When it was received, or last prolonged.
    since: Instant,
}

/// Keeps a message invisible until it is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    heartbeat: Arc<Heartbeat>,
    number: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.heartbeat.leases().held.remove(&self.number);
    }
}

impl Heartbeat {
    /// Starts the task; it lives as long as the runtime.
    pub(crate) fn start(sqs: Client, queue_url: String, timeout_s: Option<u32>) -> Arc<Self> {
        let heartbeat = Arc::new(Self {
            sqs,
            queue_url,
            known: timeout_s.map(|seconds| Duration::from_secs(seconds.into())),
            leases: Mutex::default(),
            news: Notify::new(),
            complaints: Complaints::default(),
        });
        tokio::spawn(Arc::clone(&heartbeat).beat());
        heartbeat
    }

    /// A message that has been received at `since` is kept invisible.
    pub(crate) fn hold(self: &Arc<Self>, receipt: &str, since: Instant) -> Hold {
        let mut leases = self.leases();
        let number = leases.next;
        leases.next += 1;
        if leases.held.is_empty() {
            self.news.notify_one();
        }
        leases.held.insert(number, Lease { receipt: receipt.into(), since });
        Hold { heartbeat: Arc::clone(self), number }
    }

    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn beat(self: Arc<Self>) {
        let mut timeout = self.known;
        loop {
            let oldest = self.leases().held.values().map(|lease| lease.since).min();
            let Some(oldest) = oldest else {
                self.news.notified().await;
                continue;
            };
            let Some(pace) = pace(timeout) else { return };
            let due = oldest + pace;
            if due > clock::now().instant {
                clock::sleep_until(due).await;
            } else if let Some(timeout) = timeout {
                self.prolong(timeout, pace).await;
            } else {
                timeout = Some(self.ask_timeout().await);
            }
        }
    }

    /// The queue's VisibilityTimeout.
    async fn ask_timeout(&self) -> Duration {
        let name = QueueAttributeName::VisibilityTimeout;
        let call = self.sqs.get_queue_attributes().queue_url(&self.queue_url).attribute_names(name.clone());
        let answer = async || -> Result<Duration> {
            let answer = call.send().await?;
            let text = answer.attributes().and_then(|attributes| attributes.get(&name));
            let seconds = text.context("the answer lacks VisibilityTimeout")?.parse()?;
            Ok(Duration::from_secs(seconds))
        };
        answer().await.unwrap_or_else(|problem| {
            let why = format!("{problem:#}; taking 30 s for the visibility timeout");
            self.complaints.add("GetQueueAttributes", why);
            DEFAULT_TIMEOUT
        })
    }

    /// Prolongs what is due, and what will be soon.
    async fn prolong(&self, timeout: Duration, pace: Duration) {
        let now = clock::now().instant;
        let soon = now + timeout / 8;
        let due = |(_, lease): &(&u64, &Lease)| lease.since + pace <= soon;
        let named = |(number, lease): (&u64, &Lease)| (*number, lease.clone());
        let due: Vec<_> = self.leases().held.iter().filter(due).map(named).collect();
        for chunk in due.chunks(BATCH_MOST) {
            let began = clock::now().instant;
            let prolonged = self.change_visibility(chunk, timeout).await;
            let mut leases = self.leases();
            for (number, _) in chunk {
                let Some(lease) = leases.held.get_mut(number) else { continue };
                // What failed is tried again before the timeout is over.
                let again = began.checked_sub(pace - timeout / 8).unwrap_or(began);
                lease.since = if prolonged.contains(number) { began } else { again };
            }
        }
    }

    /// ChangeMessageVisibilityBatch; returns the numbers of those that were prolonged.
    async fn change_visibility(&self, leases: &[(u64, Lease)], timeout: Duration) -> Vec<u64> {
        let entries = leases.iter().map(|(number, lease)| {
            let entry = Entry::builder().id(number.to_string()).receipt_handle(&lease.receipt);
            entry.visibility_timeout(timeout.as_secs() as i32).build()
        });
        let call = async || -> Result<_> {
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            let call = self.sqs.change_message_visibility_batch().queue_url(&self.queue_url);
            call.set_entries(Some(entries)).send().await.map_err(Error::from)
        };
        match call().await {
            Ok(answer) => {
                if let Some(failed) = answer.failed().first() {
                    self.complaints.add("ChangeMessageVisibilityBatch", failed.code());
                }
                answer.successful().iter().filter_map(|entry| entry.id().parse().ok()).collect()
            }
            Err(problem) => {
                self.complaints.add("ChangeMessageVisibilityBatch", format!("{problem:#}"));
                Vec::new()
            }
        }
    }
}

/// How long after its receive, or its last heartbeat, a message needs one. `None`: never, for it was not invisible at
/// all.
fn pace(timeout: Option<Duration>) -> Option<Duration> {
    match timeout {
        None => Some(SHORTEST_PACE),
        Some(Duration::ZERO) => None,
        Some(timeout) => Some(timeout / 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_due_at_half_the_timeout() {
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(pace(seconds(30)), seconds(15));
        assert_eq!(pace(seconds(43_200)), seconds(21_600));
        assert_eq!(pace(seconds(1)), Some(SHORTEST_PACE));
        assert_eq!(pace(seconds(0)), None);
        // Not known yet: in time for the shortest.
        assert_eq!(pace(None), pace(seconds(1)));
    }
}
