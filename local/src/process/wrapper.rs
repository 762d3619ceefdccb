//! What our own executable does when it is started as a child: it ties itself to us, then becomes the command.

use super::guard;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

/// The argument that makes our executable a wrapper.
const ARGUMENT: &str = "__child";

/// As shells have it: the command could not be run.
const CANNOT_RUN: u8 = 127;

/// What precedes the command.
pub(super) fn arguments() -> [String; 3] {
    [ARGUMENT.into(), std::process::id().to_string(), "--".into()]
}

/// Plays the part of a child or of the guard if the arguments (the program's name first) ask for it. Call it before
/// anything else in `main`, and return what it returns.
pub fn run_if_child(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let part = arguments.nth(1)?;
    if part == guard::ARGUMENT {
        guard::stand(std::io::stdin().lock());
        return Some(ExitCode::SUCCESS);
    }
    if part != ARGUMENT {
        return None;
    }
    Some(become_command(arguments).unwrap_or_else(|| ExitCode::from(CANNOT_RUN)))
}

fn become_command(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let parent: u32 = arguments.next()?.to_str()?.parse().ok()?;
    arguments.next().filter(|dashes| dashes == "--")?;
    let program = arguments.next()?;
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).ok()?;
    // It may have died before that.
    if std::os::unix::process::parent_id() != parent {
        return Some(ExitCode::FAILURE);
    }
    // The guard has to know us before the command can start anything.
    if std::io::stdin().read(&mut [0]).ok()? == 0 {
        return Some(ExitCode::FAILURE);
    }
    let error = Command::new(&program).args(arguments).stdin(Stdio::null()).exec();
    eprintln!("versus: cannot run {}: {error}", program.display());
    None
}
