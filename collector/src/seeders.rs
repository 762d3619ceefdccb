//! Who seeds a run: a file for each part of its plan, locked for as long as its seeder lives.
//!
//! Goals: a part is sent by one seeder; whoever collects on the same machine knows when nobody seeds any more, however
//! the seeders ended, for the kernel lets go of what a dead process had locked.
//! Non-goals: seeders on other machines: their locks are not seen here, so they may always be at work.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What the names of the files begin with; `1-of-4` follows.
const PREFIX: &str = "seeder-";

/// A part of a plan that this process seeds until it drops this, or dies.
#[derive(Debug)]
pub struct Claim {
    _locked: File,
}

/// Claims part `index`, from 0, of `of`: a part that is sent twice would count twice.
///
/// # Errors
/// When another seeder sends that part, or counts other parts.
pub fn claim(folder: &Path, index: u32, of: u32) -> Result<Claim> {
    let claims = claims(folder).with_context(|| format!("reading {}", folder.display()))?;
    if let Some((_, path)) = claims.iter().find(|((_, parts), _)| *parts != of) {
        bail!("{} is there: every seeder needs the same number of parts", path.display());
    }
    let part = index + 1;
    let path = folder.join(format!("{PREFIX}{part}-of-{of}"));
    let taken = OpenOptions::new().write(true).create_new(true).open(&path);
    let mut file = taken.with_context(|| {
        format!("another seeder sends part {part}/{of} of this run ({} is there)", path.display())
    })?;
    // First the lock, then the machine: a file that names a machine was locked there.
    if file.lock().is_ok()
        && let Some(machine) = machine()
    {
        file.write_all(machine.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(Claim { _locked: file })
}

/// Whether every part of the plan was seeded on this machine since it was started, into one of `folders`, and no seeder
/// of them lives any more.
#[must_use]
pub fn are_gone(folders: &[&Path]) -> bool {
    let Some(machine) = machine() else { return false };
    let mut all = BTreeMap::new();
    for folder in folders {
        let Ok(claims) = claims(folder) else { return false };
        all.extend(claims);
    }
    let Some((_, of)) = all.keys().next().copied() else { return false };
    let is_gone = |path: &PathBuf| {
        let here = fs::read_to_string(path).is_ok_and(|text| text == machine);
        here && File::open(path).is_ok_and(|file| file.try_lock_shared().is_ok())
    };
    (1..=of).all(|part| all.get(&(part, of)).is_some_and(is_gone))
}

/// Takes the claims away: the run is complete.
pub(crate) fn remove_claims(folder: &Path) -> std::io::Result<()> {
    claims(folder)?.values().try_for_each(fs::remove_file)
}

/// The claims in a folder, by part, from 1, and number of parts.
fn claims(folder: &Path) -> std::io::Result<BTreeMap<(u32, u32), PathBuf>> {
    let mut claims = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let part = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once("-of-"));
        if let Some((Ok(part), Ok(of))) = part.map(|(part, of)| (part.parse(), of.parse())) {
            claims.insert((part, of), entry.path());
        }
    }
    Ok(claims)
}

/// This machine since it was started: a kernel's locks are of that. `None` where no kernel says so.
///
/// Source: Linux, random(4).
fn machine() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().filter(|id| !id.trim().is_empty())
}
