//! What a scenario asks and what a run answers, and their files.
//!
//! Data flows one way: scenario -> plan -> run -> report. Everything that measures writes a run, everything
//! that judges reads one. Pure: no async, no AWS, no clock.

pub mod baseline;
pub mod breakdown;
pub mod journal;
pub mod merged;
pub mod plan;
pub mod random;
pub mod record;
pub mod run;
pub mod sample;
pub mod scenario;
pub mod series;
pub mod streams;
pub mod time;
pub mod usage;
pub mod windows;
pub mod work;
