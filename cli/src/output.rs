//! Standard output and the folders that runs go to.

use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Prints data; a reader that has gone away (`| head`) is not an error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("writing to standard output"),
    }
}

/// Makes the folder that a run will be written to, and proves that it can be: before the run, not after.
///
/// # Errors
/// When it exists and is not empty, or cannot be written.
pub(crate) fn prepare(folder: &Path) -> Result<Claim> {
    make_folder(folder)?;
    let mut entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read the output folder {}", folder.display()))?;
    if entries.next().is_some() {
        bail!("the output folder {} is not empty; name another with --out", folder.display());
    }
    let claim = folder.join(CLAIM);
    match fs::OpenOptions::new().write(true).create_new(true).open(claim) {
        Ok(_) => Ok(Claim(folder.into())),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!(
                "another run has just begun in the output folder {}; name another with --out",
                folder.display()
            )
        }
        Err(error) => {
            Err(error).with_context(|| format!("cannot write into the output folder {}", folder.display()))
        }
    }
}

/// The right to begin a run in a folder; two runs at once would mix.
#[must_use]
pub(crate) struct Claim(PathBuf);

impl Drop for Claim {
    fn drop(&mut self) {
        // What is in the folder now speaks for itself; if it is nothing, the folder goes, too.
        let _ = fs::remove_file(self.0.join(CLAIM));
        let _ = fs::remove_dir(&self.0);
    }
}

/// Stands in a folder between the look whether it is empty and the first file of the run.
const CLAIM: &str = ".versus-claim";

/// Makes a folder and those above it.
///
/// # Errors
/// When a file is in the way, or the file system says no.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    if let Some(file) = folder.ancestors().find(|place| place.is_file()) {
        bail!(
            "cannot create the output folder {}: {} is a file; name another with --out",
            folder.display(),
            file.display()
        );
    }
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the output folder {}", folder.display()))
}

/// `results/<scenario>-<UTC time>-<target>`, with a number if that is taken.
pub(crate) fn default_folder(scenario: &Path, target: &str) -> PathBuf {
    let name = scenario.file_stem().map_or_else(|| "scenario".into(), |stem| stem.to_string_lossy());
    let stamp = humantime::format_rfc3339_seconds(now()).to_string().replace(['-', ':'], "");
    let base = Path::new("results").join(format!("{name}-{stamp}-{target}"));
    let numbered = (2..1_000).map(|n| PathBuf::from(format!("{}-{n}", base.display())));
    std::iter::once(base.clone()).chain(numbered).find(|path| !path.exists()).unwrap_or(base)
}

/// The wall clock: only names folders.
#[allow(clippy::disallowed_methods)]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// Writes a file whole, or says which one could not be.
pub(crate) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}
