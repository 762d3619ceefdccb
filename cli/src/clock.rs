//! The clocks and signals of this machine: the only place that reads them, but for the crates that measure.

use anyhow::{Context, Result};
use model::time::Origin;
use std::time::{Duration, Instant, SystemTime};
use tokio::signal::unix::{SignalKind, signal};

/// Now, on both clocks.
#[allow(clippy::disallowed_methods)]
pub(crate) fn origin() -> Origin {
    Origin { instant: Instant::now(), utc: SystemTime::now() }
}

/// A start that is still to come.
pub(crate) fn origin_in(lead: Duration) -> Origin {
    let now = origin();
    Origin { instant: now.instant + lead, utc: now.utc + lead }
}

/// The wall clock.
#[allow(clippy::disallowed_methods)]
pub(crate) fn utc() -> SystemTime {
    SystemTime::now()
}

/// The monotonic clock.
#[allow(clippy::disallowed_methods)]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Returns at the next Ctrl-C or SIGTERM.
pub(crate) async fn interrupted() -> Result<()> {
    let mut term = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.context("listening for Ctrl-C"),
        _ = term.recv() => Ok(()),
    }
}

/// Has `act` called at every Ctrl-C or SIGTERM, from a thread of its own.
pub(crate) fn on_interrupt(act: impl Fn() + Send + 'static) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("starting a thread")?;
    let wait = move || {
        runtime.block_on(async {
            while interrupted().await.is_ok() {
                act()
            }
        })
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).context("starting a thread").map(drop)
}
