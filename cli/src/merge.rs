//! `versus merge`: the parts of a sweep become the sweep.

use crate::sweep::manifest::Manifest;
use crate::sweep::{rows, told};
use crate::{Ended, output};
use anyhow::{Result, bail};
use report::sweep::Row;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Arguments of `versus merge`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folders that `versus sweep --shard` wrote.
    #[arg(required = true, value_name = "DIR")]
    parts: Vec<PathBuf>,
    /// Folder of the joined sweep.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn merge(args: &Args) -> Result<Ended> {
    let mut whole: Option<Manifest> = None;
    let mut points: BTreeMap<usize, (&Path, Vec<Row>)> = BTreeMap::new();
    for part in &args.parts {
        let manifest = Manifest { shard: None, ..Manifest::read(part)? };
        let rows = rows::read(part, &manifest.varied, &manifest.stacks)?;
        match &whole {
            Some(whole) => manifest.must_equal(whole, part)?,
            None => whole = Some(manifest),
        }
        for point in rows.chunk_by(|a, b| a.point == b.point) {
            let number = point[0].point;
            let known = points.entry(number).or_insert_with(|| (part, point.to_vec()));
            if known.1 != point {
                bail!("point {number} differs between {} and {}", known.0.display(), part.display());
            }
        }
    }
    let Some(manifest) = whole else { bail!("name the folders to merge") };
    let missing: Vec<usize> = (1..=manifest.points).filter(|point| !points.contains_key(point)).collect();
    if !missing.is_empty() {
        let shown: Vec<String> = missing.iter().take(20).map(ToString::to_string).collect();
        let more = missing.len() - shown.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        bail!(
            "{} of {} points are missing: {}{more}; name every part, and let those end that did not",
            missing.len(),
            manifest.points,
            shown.join(", ")
        );
    }
    if let Some(stray) = points.keys().find(|point| **point > manifest.points || **point == 0) {
        bail!("point {stray} is not of this sweep, which has {}", manifest.points);
    }
    let claim = output::prepare(&args.out)?;
    let rows: Vec<Row> = points.into_values().flat_map(|(_, rows)| rows).collect();
    rows::write(&args.out, &manifest.varied, &rows)?;
    manifest.write(&args.out)?;
    drop(claim);
    told(&manifest, &args.out, &rows, args.quiet)
}
