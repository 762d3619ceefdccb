//! The seeder against an endpoint that does as it is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

mod failing;
mod lab;
mod mock;
mod pacing;
mod starting;
mod whole;
