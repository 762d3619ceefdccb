//! The clocks and signals of this machine: the only place that reads them, but for the crates that measure.

use anyhow::{Context, Result};
use model::time::Origin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::signal::unix::{Signal, SignalKind, signal};

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

/// Returns at the next Ctrl-C, SIGTERM or SIGHUP.
pub(crate) async fn interrupted() -> Result<()> {
    Interrupts::listen()?.next().await;
    Ok(())
}

/// Has `act` called at every Ctrl-C or SIGTERM, from a thread of its own.
pub(crate) fn on_interrupt(act: impl Fn() + Send + 'static) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("starting a thread")?;
    let mut interrupts = {
        let _inside = runtime.enter();
        Interrupts::listen()?
    };
    let wait = move || {
        runtime.block_on(async {
            loop {
                interrupts.next().await;
                act();
            }
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).context("starting a thread").map(drop)
}

/// A flag that the first Ctrl-C, SIGTERM or SIGHUP sets; the second one ends the program, and what is not written down by
/// then is lost. For work that looks at the flag between parts.
pub(crate) fn asked_to_stop() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    on_interrupt(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(1);
        }
    })?;
    Ok(stop)
}

/// Signals that ask for an end; from the first listening on they do not end the program by themselves.
struct Interrupts {
    int: Signal,
    term: Signal,
    /// The terminal is gone.
    hup: Signal,
}

impl Interrupts {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self {
            int: listen(SignalKind::interrupt())?,
            term: listen(SignalKind::terminate())?,
            hup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.int.recv() => {}
            _ = self.term.recv() => {}
            _ = self.hup.recv() => {}
        }
    }
}
