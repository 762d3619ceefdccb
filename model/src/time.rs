//! Time as integer nanoseconds.
//!
//! Goals: one clock type for instants (since the run began) and spans, no floats, no wall clock.
//! Non-goals: calendars and time zones; the manifest holds the one wall-clock instant of a measured run.

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
