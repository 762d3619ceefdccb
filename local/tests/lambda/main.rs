//! Lambda stacks on this machine, with a runtime that does what the messages say (`examples/runtime.rs`).
#![allow(clippy::unwrap_used)]

mod foreign;
mod invocations;
mod life;
mod mapping;
mod rig;
