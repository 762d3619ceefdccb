//! Writes `report.html` into run directories, or one over the repeats in a folder: for work on the page, because it
//! builds in a fraction of the time that the whole tool takes.
//!
//!     cargo run -p versus-report --example render -- results/flash-crowd-...

use anyhow::{Context, Result};
use model::run::{Run, read};
use std::path::{Path, PathBuf};

fn main() -> Result<()> {
    for folder in std::env::args_os().skip(1).map(PathBuf::from) {
        let page = folder.join("report.html");
        let judged = runs(&folder)?;
        let judgement = report::judge(&judged, report::Options::default())?;
        std::fs::write(&page, report::html(&judgement)?).with_context(|| page.display().to_string())?;
    }
    Ok(())
}

fn runs(folder: &Path) -> Result<Vec<Run>> {
    if folder.join("run.json").exists() {
        return Ok(vec![read(folder)?]);
    }
    (1..)
        .map(|i| folder.join(format!("repeat-{i}")))
        .take_while(|run| run.is_dir())
        .map(|run| read(&run))
        .collect()
}
