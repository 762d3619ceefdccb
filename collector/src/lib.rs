//! Joins plan, sends, sightings, records and metrics into a run.
//!
//! While a run goes on a [`Collector`] appends what it is told to the run's folder and counts. When the run is over,
//! or was killed, [`join`] makes a [`model::run::Run`] of that folder's files and of nothing else.
//!
//! Goals: whatever is killed, the folder reads, every planned message has one outcome, and what was lost is named
//! with its reason.
//! Non-goals: sending (`seeder`), running workers (`local`), judging (`report`).

mod admit;
mod aws;
mod clients;
mod cloudwatch;
mod collect;
mod collector;
mod doctor;
mod folder;
mod join;
mod lines;
mod manifest;
mod merge;
mod outputs;
mod progress;
mod queue;
mod seeders;
mod watched;

pub use admit::admit;
pub use clients::config;
pub use cloudwatch::{Source, fetch};
pub use collect::{Course, Options, collect, finish, watch};
pub use collector::{Collector, Ended, begin};
pub use doctor::{Finding, Level, doctor};
pub use join::join;
pub use lines::Lines;
pub use manifest::{Provenance, manifest};
pub use merge::merge;
pub use model::journal::Entry;
pub use outputs::{Deployed, Deployment, QUEUE_TAG, keep, kept, read as read_outputs};
pub use progress::{Board, Progress};
pub use queue::{Depth, depth};
pub use seeders::{Claim, are_gone as seeders_are_gone, claim};
