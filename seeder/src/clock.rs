//! Reads the clock, and wakes at an instant: some 0.1 ms after it, where tokio's timer, which counts whole
//! milliseconds, takes 1 ms.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Instant;
use tokio::sync::Notify;

#[allow(clippy::disallowed_methods, reason = "the only place where the seeder reads a clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Wakes one task. A thread of its own waits for the instant; it ends when the alarm is dropped.
pub(crate) struct Alarm {
    instants: Sender<Instant>,
    rings: Arc<Notify>,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let (instants, set) = channel();
        let rings = Arc::new(Notify::new());
        let bell = Arc::clone(&rings);
        thread::Builder::new().name("seeder-alarm".into()).spawn(move || ring(&set, &bell))?;
        Ok(Self { instants, rings })
    }

    /// Returns at `instant` or soon after, never before. May be dropped and called anew.
    pub(crate) async fn at(&self, instant: Instant) {
        while now() < instant {
            self.instants.send(instant).expect("the thread lives as long as the alarm");
            // It may still ring for an earlier call.
            self.rings.notified().await;
        }
    }
}

/// Rings at each instant that is set, unless another is set before.
fn ring(set: &Receiver<Instant>, bell: &Notify) {
    while let Ok(mut instant) = set.recv() {
        loop {
            match set.recv_timeout(instant.saturating_duration_since(now())) {
                Ok(other) => instant = other,
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        bell.notify_one();
    }
}
