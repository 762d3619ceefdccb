//! Whole stacks against queueing theory, conservation, determinism and the published ramps.

mod conservation;
mod laws;
mod theory;
mod worlds;
