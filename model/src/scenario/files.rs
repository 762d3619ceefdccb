//! Files beside the scenario: how messages call them, and what reading them can end in.

use super::problem::Place;
use std::io;
use std::path::Path;

/// How a trace file is called in messages: next to the scenario that names it.
pub(super) fn beside(scenario: &str, file: &str) -> String {
    let folder = Path::new(scenario).parent().unwrap_or(Path::new(""));
    folder.join(file).display().to_string()
}

/// What an error of the file system means.
pub(super) fn said(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        io::ErrorKind::PermissionDenied => "the file may not be read".into(),
        io::ErrorKind::InvalidData => "the file is not UTF-8 text".into(),
        io::ErrorKind::IsADirectory => "it is a folder, not a file".into(),
        _ => format!("the file can't be read ({error})"),
    }
}

/// A place in a file other than the scenario.
pub(super) fn place_in(path: &str, line: usize) -> Place {
    Place::File { path: path.into(), line, column: 1 }
}
