//! A check, written down.
