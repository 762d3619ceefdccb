//! Arguments of the form STACK=VALUE.

use anyhow::{Result, bail};
use std::str::FromStr;

/// A value for one stack.
#[derive(Clone, Debug)]
pub(crate) struct ForStack {
    pub(crate) stack: String,
    pub(crate) value: String,
}

impl FromStr for ForStack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((stack, value)) if !stack.is_empty() && !value.is_empty() => {
                Ok(Self { stack: stack.into(), value: value.into() })
            }
            _ => Err("write STACK=VALUE, with a stack of the scenario".into()),
        }
    }
}

/// Refuses values for stacks that there are not.
pub(crate) fn check<'a>(
    flag: &str,
    values: impl IntoIterator<Item = &'a ForStack>,
    stacks: &[&str],
) -> Result<()> {
    for ForStack { stack, .. } in values {
        if !stacks.contains(&stack.as_str()) {
            bail!("{flag} {stack}=...: there is no stack {stack:?}, only {}", stacks.join(", "));
        }
    }
    Ok(())
}

/// The last value for a stack.
pub(crate) fn last<'a>(values: &'a [ForStack], stack: &str) -> Option<&'a str> {
    values.iter().rev().find(|one| one.stack == stack).map(|one| one.value.as_str())
}

/// All values for a stack.
pub(crate) fn all<'a>(values: &'a [ForStack], stack: &'a str) -> impl Iterator<Item = &'a str> {
    values.iter().filter(move |one| one.stack == stack).map(|one| one.value.as_str())
}
