//! Moving dead letters back: StartMessageMoveTask, ListMessageMoveTasks, CancelMessageMoveTask.
//!
//! As on AWS a message that is moved is a new one: another id, another SentTimestamp, received never.

use super::error::{Answer, Error, Kind};
use super::json::{Text, Writer};
use super::{Sqs, name_in, parse};
use crate::message::Message;
use crate::queues::{FIFO_SUFFIX, Outgoing, Queues, SharedQueue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::time::MILLISECOND;
use serde::Deserialize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The tasks that were started, the oldest first.
#[derive(Default)]
pub(super) struct MoveTasks(Mutex<Vec<Arc<Task>>>);

/// How many tasks of a source are remembered.
const REMEMBERED: usize = 10;
/// Messages that a task without a limit moves at once.
const CHUNK: u32 = 100;

struct Task {
    handle: String,
    source: String,
    /// `None` moves each message to the queue that it came from.
    destination: Option<String>,
    per_second: Option<u32>,
    to_move: u64,
    moved: AtomicU64,
    started_utc_ms: u64,
    cancelled: AtomicBool,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Completed,
    Cancelled,
    Failed(&'static str),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(borrow)]
    source_arn: Option<Text<'a>>,
    #[serde(borrow)]
    destination_arn: Option<Text<'a>>,
    max_number_of_messages_per_second: Option<i64>,
    max_results: Option<i64>,
    #[serde(borrow)]
    task_handle: Option<Text<'a>>,
}

impl Sqs {
    pub(super) fn start_message_move_task(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let source = self.queue_of_arn(request.source_arn.as_deref(), "SourceArn")?;
        if self.dead_letter_sources(&source.name).is_empty() {
            return Err(Kind::InvalidParameterValue
                .because("Source queue must be configured as a Dead Letter Queue."));
        }
        let destination = match request.destination_arn.as_deref() {
            Some(arn) if Some(arn) == request.source_arn.as_deref() => {
                return Err(Kind::InvalidParameterValue
                    .because("Source queue arn and destination queue arn cannot be the same."));
            }
            Some(arn) => Some(self.queue_of_arn(Some(arn), "DestinationArn")?.name.clone()),
            None => None,
        };
        if destination.as_ref().is_some_and(|to| to.ends_with(FIFO_SUFFIX) != source.is_fifo()) {
            return Err(Kind::InvalidParameterValue.because(
                "Source and destination queues must be of the same type: both standard, or both FIFO.",
            ));
        }
        let per_second = match request.max_number_of_messages_per_second {
            None => None,
            Some(rate @ 1..=500) => Some(rate as u32),
            Some(rate) => {
                let reason = "Must be between 1 and 500, if provided.";
                return Err(Error::invalid(rate, "MaxNumberOfMessagesPerSecond", reason));
            }
        };
        let mut tasks = self.move_tasks.lock();
        if tasks.iter().any(|task| task.source == source.name && *task.state() == State::Running) {
            return Err(Kind::UnsupportedOperation.because(
                "There is already a task running. Only one active task is allowed for a source queue arn at a \
                 given time.",
            ));
        }
        let [visible, _, delayed] = source.levels();
        let id = self.queues.identify(Message::new("")).id;
        let handle = format!("{{\"taskId\":\"{id}\",\"sourceArn\":\"{}\"}}", self.arn(&source.name));
        let task = Arc::new(Task {
            handle: STANDARD.encode(handle),
            source: source.name.clone(),
            destination,
            per_second,
            to_move: visible + delayed,
            moved: AtomicU64::new(0),
            started_utc_ms: self.queues.origin.utc_ns(self.queues.now()) / MILLISECOND,
            cancelled: AtomicBool::new(false),
            state: Mutex::new(State::Running),
        });
        remember(&mut tasks, &task);
        tokio::spawn(run(Arc::clone(&self.queues), source, Arc::clone(&task)));
        let mut json = Writer::with_capacity(256);
        json.raw("{").member("TaskHandle", &task.handle).raw("}");
        Ok(json.finish())
    }

    pub(super) fn list_message_move_tasks(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let source = self.queue_of_arn(request.source_arn.as_deref(), "SourceArn")?;
        let most = match request.max_results {
            None => 1,
            Some(most @ 1..=10) => most as usize,
            Some(most) => {
                return Err(Error::invalid(most, "MaxResults", "Must be between 1 and 10, if provided."));
            }
        };
        let mut json = Writer::with_capacity(1024);
        json.raw("{\"Results\":[");
        let tasks = self.move_tasks.lock();
        for task in tasks.iter().rev().filter(|task| task.source == source.name).take(most) {
            json.comma().raw("{");
            self.write_task(&mut json, task);
            json.raw("}");
        }
        json.raw("]}");
        Ok(json.finish())
    }

    fn write_task(&self, json: &mut Writer, task: &Task) {
        let state = *task.state();
        let status = match state {
            State::Running if task.cancelled.load(Ordering::Relaxed) => "CANCELLING",
            State::Running => "RUNNING",
            State::Completed => "COMPLETED",
            State::Cancelled => "CANCELLED",
            State::Failed(_) => "FAILED",
        };
        if state == State::Running {
            json.member("TaskHandle", &task.handle);
        }
        json.member("Status", status).member("SourceArn", &self.arn(&task.source));
        if let Some(destination) = &task.destination {
            json.member("DestinationArn", &self.arn(destination));
        }
        if let Some(rate) = task.per_second {
            json.name("MaxNumberOfMessagesPerSecond").number(u64::from(rate));
        }
        if let State::Failed(reason) = state {
            json.member("FailureReason", reason);
        }
        json.name("ApproximateNumberOfMessagesMoved").number(task.moved.load(Ordering::Relaxed));
        json.name("ApproximateNumberOfMessagesToMove").number(task.to_move);
        json.name("StartedTimestamp").number(task.started_utc_ms);
    }

    pub(super) fn cancel_message_move_task(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let handle = request.task_handle.ok_or_else(|| Error::missing("TaskHandle"))?;
        let tasks = self.move_tasks.lock();
        let task = tasks
            .iter()
            .find(|task| *task.handle == *handle)
            .ok_or_else(|| Kind::ResourceNotFound.because("Task does not exist."))?;
        if *task.state() != State::Running {
            return Err(Kind::UnsupportedOperation.because("Only active tasks can be cancelled."));
        }
        task.cancelled.store(true, Ordering::Relaxed);
        let mut json = Writer::with_capacity(64);
        let moved = task.moved.load(Ordering::Relaxed);
        json.raw("{").name("ApproximateNumberOfMessagesMoved").number(moved).raw("}");
        Ok(json.finish())
    }

    fn queue_of_arn(&self, arn: Option<&str>, parameter: &str) -> Answer<Arc<SharedQueue>> {
        let arn = arn.ok_or_else(|| Error::missing(parameter))?;
        let name = name_in(arn).ok_or_else(|| {
            Kind::InvalidParameterValue.because(format!(
                "You must use this format to specify the {parameter}: \
                 arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
            ))
        })?;
        self.queues.get(name).ok_or_else(|| {
            Kind::ResourceNotFound.because(format!(
                "The resource that you specified for the {parameter} parameter doesn't exist."
            ))
        })
    }
}

impl MoveTasks {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Task>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds a task and forgets the oldest one of its source when there are too many.
fn remember(tasks: &mut Vec<Arc<Task>>, task: &Arc<Task>) {
    let of_source: Vec<usize> = tasks
        .iter()
        .enumerate()
        .filter(|(_, old)| old.source == task.source)
        .map(|(index, _)| index)
        .collect();
    if of_source.len() >= REMEMBERED {
        tasks.remove(of_source[0]);
    }
    tasks.push(Arc::clone(task));
}

/// Moves what is visible until nothing is.
async fn run(queues: Arc<Queues>, source: Arc<SharedQueue>, task: Arc<Task>) {
    // With a limit, a tenth of a second's worth at a time.
    let chunk = task.per_second.map_or(CHUNK, |rate| rate.div_ceil(10));
    let state = loop {
        if task.cancelled.load(Ordering::Relaxed) {
            break State::Cancelled;
        }
        let messages = source.take(chunk);
        let count = messages.len() as u32;
        if count == 0 {
            break State::Completed;
        }
        if let Err((left, reason)) = pass_all_on(&queues, &task, &messages) {
            source.restore(left.iter().map(|message| Message::clone(message)));
            break State::Failed(reason);
        }
        match task.per_second {
            None => tokio::task::yield_now().await,
            Some(rate) => {
                tokio::time::sleep(Duration::from_secs_f64(f64::from(count) / f64::from(rate))).await;
            }
        }
    };
    *task.state() = state;
}

/// Sends messages where the task says, up to the first that cannot be sent: it and those behind it are left.
fn pass_all_on<'a>(
    queues: &Queues,
    task: &Task,
    messages: &'a [Arc<Message>],
) -> Result<(), (&'a [Arc<Message>], &'static str)> {
    for (index, message) in messages.iter().enumerate() {
        pass_on(queues, task, message).map_err(|reason| (&messages[index..], reason))?;
    }
    Ok(())
}

fn pass_on(queues: &Queues, task: &Task, message: &Message) -> Result<(), &'static str> {
    let name = task.destination.as_deref().or(message.dead_letter_source.as_deref());
    let destination = match name {
        None => Err("CouldNotDetermineMessageSource"),
        Some(name) => queues.get(name).ok_or("AWS.SimpleQueueService.NonExistentQueue"),
    };
    let destination = destination?;
    let message = Message { received_before: 0, dead_letter_source: None, ..message.clone() };
    let message = queues.identify(message);
    if destination.is_fifo() {
        // A duplicate of the message that failed must not be lost.
        destination.restore([Message { sent_at: queues.now(), ..message }]);
        task.moved.fetch_add(1, Ordering::Relaxed);
        return Ok(());
    }
    destination.send([Outgoing { message, delay: Some(0) }].into_iter());
    task.moved.fetch_add(1, Ordering::Relaxed);
    Ok(())
}
