//! What a reader may ask for that is not in a run.

/// How a run is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether the bill leaves out what AWS gives each account for nothing.
    pub free_tier: bool,
}

impl Options {
    /// For people: `with the free tier`, or without it.
    pub(crate) fn tier(self) -> &'static str {
        if self.free_tier { "with the free tier" } else { "without free tier" }
    }
}
