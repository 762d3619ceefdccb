//! `points.csv`: one row per point and stack, written as points end.
//!
//! Goals: whatever ends the process, what is done is kept; the finished file is the same bytes however it came about.
//! Non-goals: what the cells mean (`report::sweep`).

use anyhow::{Context, Result, bail};
use report::sweep::{Row, Varied};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Its name in the folder of a sweep.
const POINTS: &str = "points.csv";

/// The rows of a sweep, in memory and on disk.
pub(crate) struct Rows {
    path: PathBuf,
    file: File,
    header: String,
    rows: Vec<Row>,
}

impl Rows {
    /// Opens the rows of a folder, and cuts off what was being written when the process ended.
    pub(crate) fn open(folder: &Path, varied: &[Varied], stacks: &[String]) -> Result<Self> {
        let path = folder.join(POINTS);
        let rows = read(folder, varied, stacks)?;
        let header = line(&Row::header(varied))?;
        replace(&path, &text(&header, &rows)?)?;
        let file = OpenOptions::new().append(true).open(&path);
        let file = file.with_context(|| format!("writing {}", path.display()))?;
        Ok(Self { path, file, header, rows })
    }

    /// The points that are there.
    pub(crate) fn points(&self) -> BTreeSet<usize> {
        self.rows.iter().map(|row| row.point).collect()
    }

    /// Adds the rows of one point.
    pub(crate) fn add(&mut self, rows: Vec<Row>) -> Result<()> {
        let lines = rows.iter().map(|row| line(&row.cells())).collect::<Result<String>>()?;
        self.file.write_all(lines.as_bytes()).with_context(|| format!("writing {}", self.path.display()))?;
        self.rows.extend(rows);
        Ok(())
    }

    /// Puts the file into the order of points, and gives all rows in it.
    pub(crate) fn finish(mut self) -> Result<Vec<Row>> {
        // Rows of a point stay in the order of its stacks.
        self.rows.sort_by_key(|row| row.point);
        replace(&self.path, &text(&self.header, &self.rows)?)?;
        Ok(self.rows)
    }
}

/// The rows of a folder; none if there is no file yet. What a process was writing when it ended is left out.
pub(crate) fn read(folder: &Path, varied: &[Varied], stacks: &[String]) -> Result<Vec<Row>> {
    let path = folder.join(POINTS);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&bytes[..whole]);
    let mut rows: Vec<Row> = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record.with_context(|| format!("reading {}", path.display()))?;
        let cells: Vec<&str> = record.iter().collect();
        let damaged = || {
            format!(
                "{}:{} is damaged: remove the file, and its points are simulated again",
                path.display(),
                index + 1
            )
        };
        if index == 0 {
            if Row::header(varied) != cells {
                bail!(damaged());
            }
            continue;
        }
        let row = Row::from_cells(varied.len(), &cells).with_context(damaged)?;
        // Stack after stack: a point that breaks off is followed by nothing.
        let next = &stacks[rows.len() % stacks.len()];
        let begun = rows.last().filter(|_| !rows.len().is_multiple_of(stacks.len()));
        if row.stack != *next || begun.is_some_and(|before| before.point != row.point) {
            bail!(damaged());
        }
        rows.push(row);
    }
    rows.truncate(rows.len() / stacks.len() * stacks.len());
    Ok(rows)
}

/// Writes rows that are in order, as [`Rows::finish`] does.
pub(crate) fn write(folder: &Path, varied: &[Varied], rows: &[Row]) -> Result<()> {
    replace(&folder.join(POINTS), &text(&line(&Row::header(varied))?, rows)?)
}

fn text(header: &str, rows: &[Row]) -> Result<String> {
    rows.iter().try_fold(header.to_owned(), |text, row| Ok(text + &line(&row.cells())?))
}

fn line(cells: &[String]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).context("writing a row")?;
    let bytes = writer.into_inner().context("writing a row")?;
    String::from_utf8(bytes).context("writing a row")
}

/// Writes a file in one step: it is the old one or the new one, whatever happens.
pub(crate) fn replace(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("new");
    let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, path));
    written.with_context(|| format!("writing {}", path.display()))
}
