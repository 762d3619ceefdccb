//! Folders, scenarios and runs for the tests.

use collector::{Collector, Provenance, begin, manifest};
use model::run::Manifest;
use model::scenario::{Scenario, parse};
use model::time::Origin;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Start of the runs: UTC nanoseconds.
pub(crate) const START_NS: u64 = 1_800_000_012_345_678_901;

/// Twenty messages a second for ten seconds, an ECS and a Lambda stack.
pub(crate) const SCENARIO: &str = r#"
title = "Test"
analysis = "For tests."
drain-max = "1m"
[[phases]]
name = "steady"
arrivals = "even"
duration = "10s"
rate = 20
[stacks.ecs]
platform = "ecs"
[stacks.lambda]
platform = "lambda"
"#;

/// A folder of its own, removed when the test is done.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    #[allow(clippy::disallowed_methods)]
    pub(crate) fn new(name: &str) -> Self {
        let unique = Instant::now();
        let name = format!("versus-collector-{}-{name}-{unique:?}", std::process::id());
        let path = std::env::temp_dir().join(name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A copy of it.
    pub(crate) fn copy(&self, name: &str) -> Self {
        let copy = Self::new(name);
        copy_into(&self.0, &copy.0);
        copy
    }

    /// All files with their content, by path.
    pub(crate) fn content(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = self.files().into_iter();
        paths.map(|path| (path.strip_prefix(&self.0).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
    }

    /// The paths of all files.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let (mut found, mut open) = (Vec::new(), vec![self.0.clone()]);
        while let Some(place) = open.pop() {
            for entry in fs::read_dir(place).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { open.push(path) } else { found.push(path) }
            }
        }
        found.sort();
        found
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_into(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&place).unwrap();
            copy_into(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), &place).unwrap();
        }
    }
}

pub(crate) fn scenario(text: &str) -> Scenario {
    parse("test.toml", text, &[], None, &mut |_| unreachable!("no traces")).unwrap()
}

pub(crate) fn provenance(text: &str) -> Provenance {
    Provenance {
        target: "local".into(),
        path: "test.toml".into(),
        text: text.into(),
        repeat: (1, 1),
        tool_version: "0.0.0".into(),
        ..Provenance::default()
    }
}

pub(crate) fn the_manifest() -> Manifest {
    manifest(&scenario(SCENARIO), &provenance(SCENARIO))
}

#[allow(clippy::disallowed_methods)]
pub(crate) fn origin(started_ns: u64) -> Origin {
    Origin { instant: Instant::now(), utc: UNIX_EPOCH + Duration::from_nanos(started_ns) }
}

/// A run of [`SCENARIO`] that has just begun.
pub(crate) fn begun(folder: &Folder) -> Collector {
    begin(&folder.0, &the_manifest(), &origin(START_NS)).unwrap()
}
