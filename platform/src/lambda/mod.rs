//! A Lambda function (execution environments and their scaling) and its SQS event source mapping.

mod batch;
mod cold_start;
mod function;
mod mapping;

pub use batch::{Batching, DELETE_MOST, RECEIVE_MOST};
pub use cold_start::{FirstInvoke, first_invoke, init_duration};
pub use function::{Admission, Environment, Function, Limit};
pub use mapping::{Mapping, Tick};
