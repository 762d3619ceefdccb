//! Tests of the collector, in one binary.
#![allow(clippy::unwrap_used)]

mod again;
mod cloudwatch;
mod doubts;
mod foreign;
mod garbage;
mod join;
mod kill;
mod lab;
mod provisioned;
mod seeders;
mod stories;
