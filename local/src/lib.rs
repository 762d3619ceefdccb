//! Serves SQS- and CloudWatch-compatible endpoints on loopback, and runs the user's worker as ECS tasks and as Lambda
//! execution environments.
//!
//! Goals: the laws are `platform`'s, the processes are real; nothing listens beyond 127.0.0.1.
//! Non-goals: being AWS: IAM, and everything that a queue worker does not call.

pub mod cloudwatch;
pub mod ecs;
mod faults;
pub mod lambda;
pub mod message;
pub mod process;
pub mod queues;
pub mod server;
mod sqs;
pub mod stack;
pub mod window;
