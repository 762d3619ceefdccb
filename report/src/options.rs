//! What a reader may ask for that is not in a run.

/// How a run is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether the bill leaves out what AWS gives each account for nothing.
    pub free_tier: bool,
}
