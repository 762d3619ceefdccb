//! Time as integer nanoseconds.
//!
//! Goals: one clock type for instants (since the run began) and spans, no floats, no wall clock.
//! Non-goals: calendars and time zones; the manifest holds the one wall-clock instant of a measured run.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds: an instant counted from the start of the run, or a span between two instants.
pub type Nanos = u64;

/// One microsecond.
pub const MICROSECOND: Nanos = 1_000;
/// One millisecond.
pub const MILLISECOND: Nanos = 1_000_000;
/// One second.
pub const SECOND: Nanos = 1_000_000_000;
/// One minute.
pub const MINUTE: Nanos = 60 * SECOND;
/// One hour.
pub const HOUR: Nanos = 60 * MINUTE;
/// One day.
pub const DAY: Nanos = 24 * HOUR;

/// Seconds as a float, for display and statistics only: never fed back into a simulation.
#[must_use]
pub fn seconds(ns: Nanos) -> f64 {
    ns as f64 / SECOND as f64
}

/// A span in seconds, rounded to the nearest nanosecond; negative and NaN give 0.
#[must_use]
pub fn from_seconds(s: f64) -> Nanos {
    (s * SECOND as f64 + 0.5) as Nanos
}

/// The start of a measured run on this machine's two clocks. Whoever reads a clock makes one; here is only arithmetic.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// On the monotonic clock.
    pub instant: Instant,
    /// On the wall clock, read at the same moment.
    pub utc: SystemTime,
}

impl Origin {
    /// Time from the start of the run to `instant`; 0 before it.
    #[must_use]
    pub fn since(&self, instant: Instant) -> Nanos {
        instant.saturating_duration_since(self.instant).as_nanos() as Nanos
    }

    /// The moment that is `at` after the start of the run.
    #[must_use]
    pub fn instant(&self, at: Nanos) -> Instant {
        self.instant + Duration::from_nanos(at)
    }

    /// UTC nanoseconds of the moment that is `at` after the start of the run.
    #[must_use]
    pub fn utc_ns(&self, at: Nanos) -> u64 {
        self.utc.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64) + at
    }

    /// The inverse of [`Origin::utc_ns`]; 0 for moments before the run.
    #[must_use]
    pub fn from_utc_ns(&self, utc_ns: u64) -> Nanos {
        utc_ns.saturating_sub(self.utc_ns(0))
    }
}
