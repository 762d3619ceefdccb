//! The signal to stop.

use std::sync::Arc;
use tokio::sync::watch;

/// Ends a seeder early; clones are the same signal. It can be given from any thread, and stays given.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Asks to stop.
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// Whether somebody did.
    #[must_use]
    pub fn requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when somebody does.
    pub(crate) async fn wait(&self) {
        // The sender is `self`, so that there always is one.
        let _ = self.0.subscribe().wait_for(|&requested| requested).await;
    }
}
