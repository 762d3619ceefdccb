//! Child processes that never outlive us, however we end.
//!
//! Each child leads a process group of its own and is started through our own executable ([`run_if_child`]), which asks
//! the kernel to be killed with us and then becomes the command. That does not reach what the command starts in its
//! turn, so a guard process knows all groups, notices when its pipe to us closes, and kills what is left.
//!
//! Goals: no orphans after any death, SIGKILL included; every child is reaped; output comes line by line, bounded.
//! Non-goals: isolation. A program that leaves its process group (`setsid`) is out of reach, and limits of memory and
//! CPU are not enforced.

mod cpu;
mod environment;
mod guard;
mod lines;
mod spawner;
mod wrapper;

pub use environment::{aws_environment, find_program};
pub use spawner::Spawner;
pub use wrapper::run_if_child;

use anyhow::{Context, Result, bail};
use lines::Lines;
use model::time::Nanos;
use nix::sys::signal::Signal;
use spawner::{Group, Started};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

/// What is to be started.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// For people: `ecs-0`.
    pub name: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Set on top of what is inherited; nothing of the user's AWS configuration is.
    pub environment: Vec<(String, String)>,
}

/// Where a line was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line that a child printed, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where.
    pub output: Output,
    /// What; bytes that are not UTF-8 are replaced, and what is longer than 256 KiB is cut.
    pub text: String,
}

/// Told of every line.
pub type OnLine = Box<dyn FnMut(Line) + Send>;

/// How long output may still come after the child and its group are gone: only from a program that left the group.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A child process with all that it started. Dropping it kills them.
pub struct Process {
    id: u32,
    group: SharedGroup,
    exited: watch::Receiver<Option<ExitStatus>>,
    /// The most that was read: it shrinks when a grandchild is gone before its parent asked for it.
    cpu: AtomicU64,
}

/// `None` once the child has exited and its group was killed: the number may then belong to somebody else.
type SharedGroup = Arc<Mutex<Option<Group>>>;

impl Process {
    /// Starts a child; needs a tokio runtime.
    ///
    /// # Errors
    /// When there is no such program; says what to do.
    pub async fn spawn(spawner: &Arc<Spawner>, launch: &Launch, on_line: OnLine) -> Result<Self> {
        let Some(program) = launch.command.first() else {
            bail!("{} has no command; write e.g. command = [\"python3\", \"app.py\"]", launch.name);
        };
        find_program(program, &launch.environment).with_context(|| format!("starting {}", launch.name))?;
        let started = spawner.start(launch).await.with_context(|| format!("starting {}", launch.name))?;
        let id = started.group.leader();
        let (sender, exited) = watch::channel(None);
        let Started { child, group } = started;
        let group = Arc::new(Mutex::new(Some(group)));
        tokio::spawn(supervise(Arc::clone(spawner), child, Arc::clone(&group), on_line, sender));
        Ok(Self { id, group, exited, cpu: AtomicU64::new(0) })
    }

    /// Its process id, which is its process group's, too.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Signals the child and all that it started; nothing happens if it has exited.
    pub fn signal(&self, signal: Signal) {
        if let Some(group) = &*lock(&self.group) {
            group.signal(signal);
        }
    }

    /// SIGKILL, which reaches stopped processes, too.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Whether the child has exited and all its output was told.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        self.exited.borrow().is_some()
    }

    /// Waits until the child has exited and all its output was told. What it started was killed then.
    pub async fn wait(&self) -> ExitStatus {
        self.exit().await
    }

    /// As [`Process::wait`], to be awaited away from the process.
    pub fn exit(&self) -> impl Future<Output = ExitStatus> + Send + use<> {
        let mut exited = self.exited.clone();
        async move {
            let status = exited.wait_for(Option::is_some).await.ok().and_then(|status| *status);
            // Without a status the runtime is going down, and has killed the child.
            status.unwrap_or_else(|| ExitStatus::from_raw(Signal::SIGKILL as i32))
        }
    }

    /// CPU time that the child and its living descendants have used, and those it has waited for: in steps of 10 ms.
    /// After the end it is what was seen last, so ask now and then.
    pub fn cpu_time(&self) -> Nanos {
        let used = if lock(&self.group).is_some() { cpu::of_tree(self.id) } else { 0 };
        self.cpu.fetch_max(used, Ordering::Relaxed).max(used)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn lock(group: &SharedGroup) -> std::sync::MutexGuard<'_, Option<Group>> {
    group.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads what the child prints and reaps it. Holds the spawner, whose thread must live as long as its children.
async fn supervise(
    _spawner: Arc<Spawner>,
    mut child: tokio::process::Child,
    group: SharedGroup,
    on_line: OnLine,
    exited: watch::Sender<Option<ExitStatus>>,
) {
    let outputs = child.stdout.take().zip(child.stderr.take());
    let mut reading = tokio::spawn(async move {
        if let Some((stdout, stderr)) = outputs {
            read_lines(stdout, stderr, on_line).await;
        }
    });
    let status = child.wait().await;
    // Kills what the child leaves behind; a container ends with its first process, too.
    drop(lock(&group).take());
    if tokio::time::timeout(LAST_WORDS, &mut reading).await.is_err() {
        reading.abort();
    }
    let status = status.unwrap_or_else(|_| ExitStatus::from_raw(Signal::SIGKILL as i32));
    exited.send_replace(Some(status));
}

async fn read_lines(
    mut stdout: impl AsyncRead + Unpin,
    mut stderr: impl AsyncRead + Unpin,
    mut on_line: OnLine,
) {
    let mut chunks = (vec![0; 64 * 1024], vec![0; 16 * 1024]);
    let mut lines = (Lines::default(), Lines::default());
    let mut open = (true, true);
    while open.0 || open.1 {
        tokio::select! {
            count = stdout.read(&mut chunks.0), if open.0 => {
                let count = count.unwrap_or(0);
                open.0 = count > 0;
                lines.0.add(&chunks.0[..count], |text| on_line(Line { output: Output::Stdout, text }));
            }
            count = stderr.read(&mut chunks.1), if open.1 => {
                let count = count.unwrap_or(0);
                open.1 = count > 0;
                lines.1.add(&chunks.1[..count], |text| on_line(Line { output: Output::Stderr, text }));
            }
        }
    }
    lines.0.finish(|text| on_line(Line { output: Output::Stdout, text }));
    lines.1.finish(|text| on_line(Line { output: Output::Stderr, text }));
}
