//! The guard: a process that kills the groups that are left when we are gone.
//!
//! It reads `+GROUP` and `-GROUP` from a pipe whose other end only we hold. However we die, the pipe closes. A guard
//! that dies is replaced at once and told everything again.

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The argument that makes our executable a guard.
pub(super) const ARGUMENT: &str = "__guard";

/// Pause before a guard is replaced that could not be started.
const AGAIN: Duration = Duration::from_secs(1);

/// Our end of the guard.
#[derive(Debug)]
pub(super) struct Guard {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    groups: BTreeSet<i32>,
    pipe: Option<ChildStdin>,
    /// The guard's process id.
    id: Option<u32>,
    closing: bool,
}

impl Guard {
    /// Starts a guard, and a thread that replaces it when it dies.
    pub(super) fn start(executable: PathBuf) -> Result<Arc<Self>> {
        let guard = Arc::new(Self { state: Mutex::default() });
        let child =
            guard.replace(&executable).with_context(|| format!("running {}", executable.display()))?;
        let kept = Arc::clone(&guard);
        std::thread::Builder::new()
            .name("guard".into())
            .spawn(move || kept.keep(&executable, child))
            .context("starting a thread")?;
        Ok(guard)
    }

    /// The guard is to kill this group if we die.
    pub(super) fn add(&self, group: Pid) {
        let mut state = self.lock();
        state.groups.insert(group.as_raw());
        state.tell(&format!("+{group}\n"));
    }

    /// This group is gone.
    pub(super) fn remove(&self, group: Pid) {
        let mut state = self.lock();
        state.groups.remove(&group.as_raw());
        state.tell(&format!("-{group}\n"));
    }

    /// Its process id, while there is one.
    pub(super) fn id(&self) -> Option<u32> {
        self.lock().id
    }

    /// Lets the guard end; it kills the groups that it still knows.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closing = true;
        state.pipe = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, executable: &Path, first: Child) {
        let mut child = Some(first);
        loop {
            match &mut child {
                // An error would say that it is no child of ours: then it is not our guard either.
                Some(child) => _ = child.wait(),
                None => std::thread::sleep(AGAIN),
            }
            let mut state = self.lock();
            (state.id, state.pipe) = (None, None);
            if state.closing {
                return;
            }
            drop(state);
            child = self.replace(executable).ok();
        }
    }

    fn replace(&self, executable: &Path) -> std::io::Result<Child> {
        let mut state = self.lock();
        let mut child = Command::new(executable)
            .arg(ARGUMENT)
            .env_clear()
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        (state.id, state.pipe) = (Some(child.id()), child.stdin.take());
        let known: String = state.groups.iter().map(|group| format!("+{group}\n")).collect();
        state.tell(&known);
        Ok(child)
    }
}

impl State {
    /// A guard that cannot be told is about to be replaced, and the next one is told everything.
    fn tell(&mut self, text: &str) {
        if let Some(pipe) = &mut self.pipe {
            _ = pipe.write_all(text.as_bytes());
        }
    }
}

/// What the guard process does.
pub(super) fn stand(told: impl BufRead) {
    // A polite signal must not end it before its work is done: SIGHUP comes to a stopped group that is orphaned.
    _ = SigSet::all().thread_block();
    let mut groups = BTreeSet::new();
    for line in told.lines() {
        let Ok(line) = line else { break };
        let Some(group) = line.get(1..).and_then(|number| number.parse::<i32>().ok()) else { continue };
        if line.starts_with('+') {
            groups.insert(group);
        } else {
            groups.remove(&group);
        }
    }
    // Groups 0 and 1 would be our own, or everybody's.
    for group in groups.into_iter().filter(|&group| group > 1) {
        _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}
