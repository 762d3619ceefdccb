//! Files of overrides, one `KEY = VALUE` a line: what `--set-file` reads and `versus calibrate` writes.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// The overrides in a file, in order, as `--set` takes them.
///
/// # Errors
/// When the file cannot be read, or a line is no override.
pub(crate) fn read(path: &Path) -> Result<Vec<String>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("reading overrides from {}", path.display()))?;
    let mut overrides = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('[') || !line.contains('=') {
            bail!(
                "{}:{}: {line:?} is no override: write KEY = VALUE with the whole key, e.g. stacks.ecs.memory = \"1 GB\"",
                path.display(),
                number + 1
            );
        }
        overrides.push(line.to_owned());
    }
    Ok(overrides)
}

/// The overrides of a file, if there is one, then those of the command line: the last one wins.
///
/// # Errors
/// As [`read`].
pub(crate) fn with(file: Option<&Path>, overrides: &[String]) -> Result<Vec<String>> {
    let mut all = file.map(read).transpose()?.unwrap_or_default();
    all.extend_from_slice(overrides);
    Ok(all)
}
