//! The clock of one stack: arrivals, queue timers and events, in that order when they fall together.

use crate::books::Books;
use crate::events::{Due, Events};
use crate::load::Load;
use model::plan::{Arrival, Plan};
use model::time::Nanos;
use platform::sqs::Queue;

/// What every stack has.
pub(crate) struct World {
    pub(crate) queue: Queue<Load>,
    pub(crate) events: Events,
    pub(crate) books: Books,
}

/// What drains the queue.
pub(crate) trait Consumer {
    /// The queue, the events and the accounts.
    fn world(&mut self) -> &mut World;
    /// Hands a message that is just being sent to a long poll that waits; false if there is none, or others are
    /// before it.
    fn deliver(&mut self, now: Nanos, load: Load) -> bool;
    /// Messages may have become visible.
    fn visible(&mut self, now: Nanos);
    /// An event that this consumer scheduled.
    fn handle(&mut self, due: Due);
    /// Whether no message is being worked on.
    fn idle(&self) -> bool;
    /// The open window ends: sample what only this consumer knows.
    fn sample(&mut self, now: Nanos);
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// End of the last phase: the run lasts at least this long.
    pub(crate) load_end: Nanos,
    /// The drain is given up here.
    pub(crate) deadline: Nanos,
}

/// Plays the plan against the consumer and returns the instant at which it ended.
pub(crate) fn play<C: Consumer>(plan: Plan, consumer: &mut C, bounds: Bounds) -> Nanos {
    let mut plan = plan;
    let mut arrival = Arrival::default();
    let mut more = plan.next_into(&mut arrival);
    let mut previous = 0;
    loop {
        let world = consumer.world();
        let arrival_at = if more { arrival.at } else { Nanos::MAX };
        let timer_at = world.queue.next_timer();
        let event_at = world.events.next_at();
        let now = arrival_at.min(timer_at).min(event_at);
        if now >= bounds.load_end && !more {
            let drained = world.queue.is_empty() && consumer.idle();
            if drained || now > bounds.deadline {
                let end = if drained { previous.max(bounds.load_end) } else { bounds.deadline };
                close_windows(consumer, end);
                close_last(consumer, end);
                return end;
            }
        }
        previous = now;
        let world = consumer.world();
        if now >= world.books.meters.next_window() {
            close_windows(consumer, now);
        }
        let world = consumer.world();
        if more && arrival_at == now {
            let load = world.books.sent(&arrival);
            send(consumer, now, load);
            more = plan.next_into(&mut arrival);
        } else if timer_at == now {
            if world.queue.advance(now) {
                world.books.counters.visible_max =
                    world.books.counters.visible_max.max(world.queue.visible());
                consumer.visible(now);
            }
        } else if let Some(due) = world.events.pop() {
            consumer.handle(due);
        }
        let world = consumer.world();
        if world.queue.has_departures() {
            world.books.departures(&mut world.queue);
        }
    }
}

/// Sends a message: to a long poll that waits, or into the queue.
#[inline(always)]
pub(crate) fn send<C: Consumer>(consumer: &mut C, now: Nanos, load: Load) {
    if !consumer.deliver(now, load) {
        let world = consumer.world();
        world.queue.send(now, load);
        world.books.counters.visible_max = world.books.counters.visible_max.max(world.queue.visible());
        consumer.visible(now);
    }
}

/// Closes the windows that end by `now`, each at its own end.
fn close_windows<C: Consumer>(consumer: &mut C, now: Nanos) {
    while consumer.world().books.meters.next_window() <= now {
        let end = consumer.world().books.meters.next_window();
        close_one(consumer, end);
    }
}

/// Closes the last window of a run. It may be shorter than the others; one without length, which holds what
/// happened at the very end, is added to the one before.
fn close_last<C: Consumer>(consumer: &mut C, end: Nanos) {
    let books = &mut consumer.world().books;
    if end == books.meters.window_start() {
        books.meters.fold_into_last();
    }
    close_one(consumer, end);
}

fn close_one<C: Consumer>(consumer: &mut C, end: Nanos) {
    consumer.sample(end);
    let world = consumer.world();
    world.books.close_window(end, &world.queue);
}
