//! Whole stacks against queueing theory, conservation, determinism and the published ramps.

#![allow(clippy::unwrap_used)]

mod conservation;
mod faults;
mod fleets;
mod journeys;
mod laws;
mod theory;
mod worlds;
