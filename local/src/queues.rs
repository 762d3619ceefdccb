//! The queues of the endpoint, in this process: `platform`'s queues in real time, shared between the HTTP server, the
//! event source mapping and whoever samples.
//!
//! Goals: one lock per queue, held for no longer than one call's bookkeeping; waiting receives wake at once; every
//! message's fate is told to the run (`Sighting`).
//! Non-goals: the wire protocol, and checking what callers ask for (`sqs`).

mod calls;
mod clock;
mod details;
mod faults;
mod fifo;
mod handle;
mod laws;
mod moves;

use crate::message::{Ids, Message};
use laws::Laws;
use model::journal::{Sight, Sighting};
use model::random::Stream;
use model::scenario::{self, Parameters};
use model::time::{Nanos, Origin};
use platform::sqs::Receipt;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use details::{Details, PAYLOAD_LIMIT};
pub use faults::Injected;
pub(crate) use fifo::SUFFIX as FIFO_SUFFIX;
pub(crate) use handle::Handle;

/// Told of every sighting, under the queue's lock: it must be quick.
pub type Sightings = Box<dyn Fn(Sighting) + Send + Sync>;

/// All queues of an endpoint.
pub struct Queues {
    /// The start of the run: what instants count from.
    pub origin: Origin,
    /// Beliefs that queues follow.
    pub beliefs: Parameters,
    /// Region in ARNs.
    pub region: String,
    by_name: RwLock<BTreeMap<String, Arc<SharedQueue>>>,
    numbers: AtomicU32,
    ids: Ids,
}

/// Account in ARNs and URLs.
pub const ACCOUNT: &str = "000000000000";

/// A message that was handed out.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What was sent.
    pub message: Arc<Message>,
    /// To delete it with.
    pub receipt: Receipt,
    /// ApproximateReceiveCount, this receive included.
    pub receive_count: u32,
    /// SentTimestamp.
    pub sent_at: Nanos,
    /// ApproximateFirstReceiveTimestamp.
    pub first_received_at: Nanos,
    /// When it was handed out; earlier, if a receive from a FIFO queue was tried again.
    pub received_at: Nanos,
    /// When it becomes visible again unless it is deleted.
    pub visible_at: Nanos,
}

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// What is sent, with an id ([`Queues::identify`]).
    pub message: Message,
    /// DelaySeconds of its own.
    pub delay: Option<Nanos>,
}

/// Calls and messages since the queue was created. Requests are counted in 64 KB chunks, as they are billed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// NumberOfMessagesSent.
    pub sent: u64,
    /// SentMessageSize, summed up.
    pub sent_bytes: u64,
    /// NumberOfMessagesReceived.
    pub received: u64,
    /// NumberOfMessagesDeleted.
    pub deleted: u64,
    /// NumberOfEmptyReceives.
    pub empty_receives: u64,
    /// Billed requests: SendMessage and its batch.
    pub send_requests: u64,
    /// Billed requests: receives that found messages.
    pub receive_requests: u64,
    /// Billed requests: DeleteMessage and its batch.
    pub delete_requests: u64,
    /// Billed requests: everything else that workers call (ChangeMessageVisibility).
    pub other_requests: u64,
    /// Calls that were answered with an injected 500.
    pub injected_errors: u64,
    /// Calls that were answered with an injected RequestThrottled.
    pub injected_throttles: u64,
}

/// What a change of visibility found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The message was in flight; it is visible at the new time.
    Changed,
    /// It is in the queue, but not in flight under this receipt.
    NotInFlight,
    /// It is no longer in the queue.
    Gone,
}

/// A queue's state at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// ApproximateNumberOfMessages.
    pub visible: u64,
    /// ApproximateNumberOfMessagesNotVisible.
    pub in_flight: u64,
    /// ApproximateNumberOfMessagesDelayed.
    pub delayed: u64,
    /// Age of the oldest message.
    pub oldest_age: Nanos,
    /// Since the queue was created.
    pub totals: Totals,
}

/// One queue.
pub struct SharedQueue {
    /// Its name.
    pub name: String,
    /// Told apart from a queue of the same name that was deleted.
    number: u32,
    origin: Origin,
    state: Mutex<State>,
    /// A message can be received: wakes one waiting receive.
    arrived: Notify,
    /// The next timer is earlier than the clock thinks, or the queue is gone.
    rearm: Notify,
    faults: faults::Faults,
    details: Mutex<Details>,
}

struct State {
    queue: Laws,
    /// Messages by the number that the queue carries.
    messages: Vec<Option<Arc<Message>>>,
    free: Vec<u32>,
    totals: Totals,
    dead_letters: Option<DeadLetters>,
    sightings: Option<Sightings>,
    /// When the clock will look at the timers.
    armed_for: Nanos,
    deleted: bool,
}

/// Where messages go that were received too often.
struct DeadLetters {
    name: String,
    /// Gone when that queue was deleted.
    queue: Weak<SharedQueue>,
}

impl Queues {
    /// No queues yet. `beliefs` says how many servers a queue has and how many messages may be in flight.
    #[must_use]
    pub fn new(origin: Origin, region: &str, beliefs: Parameters) -> Self {
        Self {
            origin,
            beliefs,
            region: region.into(),
            by_name: RwLock::default(),
            numbers: AtomicU32::new(0),
            ids: Ids::new(origin.utc_ns(0)),
        }
    }

    /// Creates a queue and starts its clock, which needs a tokio runtime and stops with it: then messages that become
    /// visible wake nobody, but the next receive finds them. A name with `.fifo` at its end makes a FIFO queue. `None` if
    /// the name is taken.
    pub fn create(
        &self,
        name: &str,
        attributes: scenario::Queue,
        sightings: Option<Sightings>,
    ) -> Option<Arc<SharedQueue>> {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        if by_name.contains_key(name) {
            return None;
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let stream = Stream::new(u64::from(number), name);
        let state = State {
            queue: Laws::new(name.ends_with(FIFO_SUFFIX), attributes, &self.beliefs, stream),
            messages: Vec::new(),
            free: Vec::new(),
            totals: Totals::default(),
            dead_letters: None,
            sightings,
            armed_for: Nanos::MAX,
            deleted: false,
        };
        let queue = Arc::new(SharedQueue {
            name: name.into(),
            number,
            origin: self.origin,
            state: Mutex::new(state),
            arrived: Notify::new(),
            rearm: Notify::new(),
            faults: faults::Faults::default(),
            details: Mutex::new(Details::new(self.now(), name.ends_with(FIFO_SUFFIX))),
        });
        for source in by_name.values() {
            source.relink(&queue);
        }
        tokio::spawn(clock::keep_time(Arc::downgrade(&queue)));
        by_name.insert(name.into(), Arc::clone(&queue));
        Some(queue)
    }

    /// The queue of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<SharedQueue>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All queues, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<SharedQueue>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Deletes a queue with its messages; false if there is none.
    pub fn delete(&self, name: &str) -> bool {
        let queue = self.by_name.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        queue.is_some_and(|queue| {
            queue.purge();
            queue.lock().deleted = true;
            queue.arrived.notify_waiters();
            queue.rearm.notify_one();
            true
        })
    }

    /// Gives a message an id of its own.
    #[must_use]
    pub fn identify(&self, message: Message) -> Message {
        Message { id: self.ids.next(), ..message }
    }

    /// Time since the start of the run.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.origin.since(Instant::now().into_std())
    }
}

impl SharedQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Nanos {
        self.origin.since(Instant::now().into_std())
    }

    /// What the wire protocol keeps of the queue beside its laws.
    pub(crate) fn details(&self) -> MutexGuard<'_, Details> {
        self.details.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the queue was deleted since.
    pub(crate) fn is_deleted(&self) -> bool {
        self.lock().deleted
    }

    /// Attributes in force.
    #[must_use]
    pub fn attributes(&self) -> scenario::Queue {
        self.lock().queue.attributes()
    }

    /// Changes attributes; `dead_letters` is where messages go that were received too often.
    pub fn set_attributes(&self, attributes: scenario::Queue, dead_letters: Option<&Arc<SharedQueue>>) {
        let mut state = self.lock();
        state.queue.set_attributes(attributes);
        state.dead_letters =
            dead_letters.map(|queue| DeadLetters { name: queue.name.clone(), queue: Arc::downgrade(queue) });
        // A shorter delay may have shown messages, for which long polls wait.
        let now = self.now();
        self.advance(&mut state, now);
        self.arm(&mut state);
    }

    /// Name of the queue for messages that were received too often. It may have been deleted.
    #[must_use]
    pub fn dead_letters(&self) -> Option<String> {
        self.lock().dead_letters.as_ref().map(|target| target.name.clone())
    }

    /// Sends dead letters to a queue that was created again.
    fn relink(&self, queue: &Arc<SharedQueue>) {
        if let Some(target) = self.lock().dead_letters.as_mut().filter(|target| target.name == queue.name) {
            target.queue = Arc::downgrade(queue);
        }
    }

    /// Drops all messages.
    pub fn purge(&self) {
        let mut state = self.lock();
        let now = self.now();
        for number in state.queue.clear() {
            if let Some(message) = state.take(number) {
                state.see(now, &message, Sight::Expired, 0);
            }
        }
    }

    /// State and totals.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut state = self.lock();
        let now = self.now();
        self.advance(&mut state, now);
        Counts {
            visible: state.queue.visible(),
            in_flight: state.queue.in_flight(),
            delayed: state.queue.delayed(),
            oldest_age: state.queue.oldest_sent_at().map_or(0, |at| now.saturating_sub(at)),
            totals: state.totals,
        }
    }

    /// ApproximateNumberOfMessages, ...NotVisible and ...Delayed.
    #[must_use]
    pub fn levels(&self) -> [u64; 3] {
        let mut state = self.lock();
        self.advance(&mut state, self.now());
        [state.queue.visible(), state.queue.in_flight(), state.queue.delayed()]
    }

    /// Messages that can be received now: the cheap part of [`SharedQueue::counts`].
    #[must_use]
    pub fn visible(&self) -> u64 {
        self.lock().queue.visible()
    }
}

impl State {
    fn store(&mut self, message: Arc<Message>) -> u32 {
        if let Some(number) = self.free.pop() {
            self.messages[number as usize] = Some(message);
            return number;
        }
        self.messages.push(Some(message));
        (self.messages.len() - 1) as u32
    }

    fn take(&mut self, number: u32) -> Option<Arc<Message>> {
        let message = self.messages[number as usize].take();
        if message.is_some() {
            self.free.push(number);
        }
        message
    }

    fn see(&self, at: Nanos, message: &Message, sight: Sight, receive_count: u32) {
        if let Some(tell) = &self.sightings {
            tell(Sighting { at, message: message.id, sight, receive_count, seq: message.seq });
        }
    }
}
