//! The seeder against an endpoint that does as it is told.

mod failing;
mod lab;
mod mock;
mod pacing;
mod starting;
mod whole;
