//! Records in the output of workers: files that may still grow, or standard input.
//!
//! Non-goals: any other meaning of what a worker prints.

use anyhow::{Context, Result};
use model::journal::Record;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Longest line that can hold a record; of a longer one, the beginning is let go.
const LONGEST: usize = 1024 * 1024;

/// A worker's output.
pub struct Lines<R> {
    source: R,
    /// A line whose end has not come yet.
    held: Vec<u8>,
    /// Lines that were no records.
    pub others: u64,
}

impl Lines<File> {
    /// The output that a file holds now and later.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("reading records from {}", path.display()))?;
        Ok(Self::new(file))
    }
}

impl<R: Read> Lines<R> {
    /// The output that `source` gives.
    pub fn new(source: R) -> Self {
        Self { source, held: Vec::new(), others: 0 }
    }

    /// Reads what has come since the last call, to the end of its last whole line.
    ///
    /// # Errors
    /// When the source, or `each`, fails.
    pub fn read(&mut self, mut each: impl FnMut(Record) -> Result<()>) -> Result<()> {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let count = self.source.read(&mut chunk).context("reading records")?;
            if count == 0 {
                return Ok(());
            }
            self.held.extend_from_slice(&chunk[..count]);
            let mut rest = self.held.as_slice();
            while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                self.others += one_line(&rest[..end], &mut each)?;
                rest = &rest[end + 1..];
            }
            let done = self.held.len() - rest.len().min(LONGEST);
            self.held.drain(..done);
        }
    }

    /// Reads the last line, if it has no end: nothing more will come.
    ///
    /// # Errors
    /// When `each` fails.
    pub fn end(&mut self, mut each: impl FnMut(Record) -> Result<()>) -> Result<()> {
        self.others += one_line(&std::mem::take(&mut self.held), &mut each)?;
        Ok(())
    }
}

/// Passes on the record in a line; 1 if there is none.
fn one_line(line: &[u8], each: &mut impl FnMut(Record) -> Result<()>) -> Result<u64> {
    let text = String::from_utf8_lossy(line);
    match Record::parse(&text) {
        Some(record) => each(record).map(|()| 0),
        None => Ok(u64::from(!text.trim().is_empty())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::journal::MessageId;

    /// Gives its bytes a few at a time, and an end of file between.
    struct Trickle<'a>(&'a [u8], bool);

    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Ok(0);
            }
            let count = self.0.len().min(7);
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn records_are_found_among_other_lines_however_they_come() {
        let record = |n: u128| format!("{{\"versus\":1,\"message_id\":\"{}\"}}", MessageId(n));
        let text = format!("hello\n{}\n\n2026 INFO {}\nbroken \u{fffd}\n{}", record(1), record(2), record(3));
        let mut lines = Lines::new(Trickle(text.as_bytes(), false));
        let mut seen = Vec::new();
        for _ in 0..text.len() {
            lines
                .read(|record| {
                    seen.push(record.message_id.0);
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(seen, [1, 2]);
        lines
            .end(|record| {
                seen.push(record.message_id.0);
                Ok(())
            })
            .unwrap();
        assert_eq!((seen, lines.others), (vec![1, 2, 3], 2));
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut lines = Lines::new(std::io::repeat(b'x').take(5 * LONGEST as u64));
        lines.read(|_| Ok(())).unwrap();
        assert!(lines.held.len() <= LONGEST);
    }
}
