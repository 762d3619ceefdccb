//! The SQS endpoint over real connections, without anybody's SDK.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod connections;
mod dead_letters;
mod errors;
mod faults;
mod fifo;
mod lab;
mod messages;
mod nonsense;
mod waiting;
