//! The laws of SQS, Lambda, ECS and CloudWatch as small state machines that are told the time.
//!
//! Pure: no clock, no I/O, randomness by argument. Constants are `model::scenario::Parameters`, each with its
//! source; where AWS publishes nothing, the module says what is assumed.

pub mod bucket;
pub mod cloudwatch;
pub mod ecs;
pub mod lambda;
pub mod scaling;
pub mod sqs;
