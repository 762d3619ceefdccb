//! What happens by itself when time passes.

use super::{SharedQueue, State};
use model::time::{Nanos, SECOND};
use std::sync::Weak;
use tokio::time::Instant;

impl SharedQueue {
    /// Shows the messages whose delay or visibility timeout has ended. Whoever looks first wakes those who wait for them.
    pub(super) fn advance(&self, state: &mut State, now: Nanos) {
        if state.queue.advance(now) {
            // There may be several messages: receivers pass the wake-up on.
            self.arrived.notify_one();
        }
    }

    /// Has the clock look at the timers earlier, if the next one is earlier than it thinks.
    pub(super) fn arm(&self, state: &mut State) {
        let next = state.queue.next_timer();
        if next < state.armed_for {
            state.armed_for = next;
            self.rearm.notify_one();
        }
    }
}

/// Shows messages again when their delay or visibility timeout ends, and drops those past the retention period.
pub(super) async fn keep_time(queue: Weak<SharedQueue>) {
    loop {
        let Some(queue) = queue.upgrade() else { return };
        let until = {
            let mut state = queue.lock();
            let now = queue.now();
            if state.deleted {
                return;
            }
            queue.advance(&mut state, now);
            state.queue.expire(now);
            state.armed_for = state.queue.next_timer().min(now + 10 * SECOND);
            let until = state.armed_for;
            queue.settle(state, now);
            Instant::from_std(queue.origin.instant(until))
        };
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = queue.rearm.notified() => {}
        }
    }
}
