//! Plays a plan against the platform laws in virtual time: (scenario, stack) -> run.
//!
//! Goals: deterministic to the byte, one thread per stack, millions of messages a second, memory that does not
//! grow with the number of messages.
//! Non-goals: wall-clock time, files (`model::run`), judging (`report`).

mod books;
mod cpu;
mod ecs;
mod engine;
mod errands;
mod events;
mod faults;
mod journeys;
mod lambda;
mod load;
mod meters;
mod parts;
mod run;
mod sends;

pub use run::{Options, Provenance, Simulated, simulate, task_starts};
