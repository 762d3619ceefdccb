//! Judges runs: statistics, one metric table, cost, charts, text and HTML. Runs in, bytes out; pure: no clock, no
//! network, no file.
//!
//! [`judge`] takes one run, or several repeats of one scenario: then estimates are over all of them and charts show
//! the first. [`text`], [`html`] and [`summary`] tell what it found.

pub mod bootstrap;
mod chart;
pub mod check;
pub mod compare;
pub mod cost;
pub mod difference;
pub mod estimate;
mod format;
mod idle;
mod judgement;
pub mod metrics;
mod options;
mod page;
mod pairs;
pub mod price_table;
pub mod prices;
mod side_by_side;
mod streams;
mod summary;
pub mod sweep;
mod text;
mod timeline;
pub mod tune;
mod verdict;
pub mod view;

pub use format::Unit;
pub use judgement::{Judgement, judge};
pub use options::Options;
pub use page::html;
pub use prices::price_list_date;
pub use side_by_side::side_by_side;
pub use summary::summary;
pub use text::{markdown, text};
