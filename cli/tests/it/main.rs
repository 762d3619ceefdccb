//! The tool as its users meet it: through the binary, its files and its exit codes; and the house rules.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

mod aws;
mod check;
mod coverage;
mod errors;
mod false_alarms;
mod lab;
mod local_target;
mod prices;
mod run;
mod stacks;
mod stories;
mod sweep;
mod tidy;
mod tune;
