//! The one place that reads clocks.

use model::time::Origin;
use std::time::{Instant, SystemTime};

/// This moment, on both clocks.
#[allow(clippy::disallowed_methods)]
pub(crate) fn now() -> Origin {
    Origin { instant: Instant::now(), utc: SystemTime::now() }
}

/// Returns at `instant` or up to two milliseconds later, never earlier.
pub(crate) async fn sleep_until(instant: Instant) {
    if instant > now().instant {
        tokio::time::sleep_until(instant.into()).await;
    }
}
