//! What other seeders of one plan wrote down, each in a folder of its own.
//!
//! Goals: a folder that is merged twice counts once; folders of other plans, or of another beginning, are refused.

use crate::collector::Collector;
use crate::folder::{self, State};
use anyhow::{Context, Result, ensure};
use model::journal::{self, Entry, Sent};
use model::run::read_manifest;
use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Takes the sends of the seeders in `others` into the run in `folder`, which is not joined yet; how many were new.
///
/// # Errors
/// When a folder holds no run of the same plan and the same beginning, or a file cannot be read or written.
pub fn merge(folder: &Path, others: &[PathBuf]) -> Result<u64> {
    let ours = read_manifest(folder)?;
    let mut collector = Collector::resume(folder)?;
    let mut new = 0;
    for other in others {
        let theirs = read_manifest(other)?;
        let state = State::read(other)
            .with_context(|| format!("{} holds no sends: it was joined already", other.display()))?;
        ensure!(
            theirs.plan_hash == ours.plan_hash && theirs.seed == ours.seed,
            "{} holds sends of another plan: give all seeders the same scenario, seed and overrides",
            other.display()
        );
        ensure!(
            state.started_ns == collector.started_ns(),
            "{} began at another instant: give all seeders the same --start-at",
            other.display()
        );
        for (number, entry) in ours.stacks.iter().enumerate() {
            let mut known = HashSet::new();
            sends(&folder::journal(folder, &entry.name), |sent| _ = known.insert(sent.seq))?;
            let mut taken = Vec::new();
            sends(&folder::journal(other, &entry.name), |sent| {
                if known.insert(sent.seq) {
                    taken.push(sent);
                }
            })?;
            new += taken.len() as u64;
            taken.into_iter().try_for_each(|sent| collector.take(number, Entry::Sent(sent)))?;
            collector.flush()?;
        }
    }
    collector.leave()?;
    Ok(new)
}

fn sends(place: &Path, each: impl FnMut(Sent)) -> Result<()> {
    let path = place.join(journal::SENDS);
    if path.exists() {
        let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        journal::read(file, each);
    }
    Ok(())
}
