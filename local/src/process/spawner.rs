//! Starts children, all from one thread: the kernel ends a child when the thread that started it ends.

use super::guard::Guard;
use super::{Launch, environment, wrapper};
use anyhow::{Context, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::{PipeWriter, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Starts children that never outlive us.
#[derive(Debug)]
pub struct Spawner {
    wrapper: Option<PathBuf>,
    guard: Option<Arc<Guard>>,
    requests: mpsc::Sender<Request>,
}

/// A child that runs, in a group of its own.
pub(super) struct Started {
    pub(super) child: tokio::process::Child,
    pub(super) group: Group,
}

/// A process group that the guard knows. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Group {
    id: Pid,
    guard: Option<Arc<Guard>>,
}

struct Request {
    command: Command,
    /// Lets the wrapper go on, once the guard knows it.
    go: Option<PipeWriter>,
    runtime: Handle,
    reply: oneshot::Sender<std::io::Result<Started>>,
}

impl Spawner {
    /// Starts children through `wrapper`, an executable that begins with [`super::run_if_child`]: our own
    /// (`std::env::current_exe`). Without one, children are killed when they are dropped but can outlive us.
    ///
    /// # Errors
    /// When `wrapper` cannot be run.
    pub fn new(wrapper: Option<PathBuf>) -> Result<Arc<Self>> {
        allow_many_files();
        let guard =
            wrapper.clone().map(Guard::start).transpose().context("starting the guard of processes")?;
        let (requests, incoming) = mpsc::channel();
        let known = guard.clone();
        std::thread::Builder::new()
            .name("spawner".into())
            .spawn(move || serve(&incoming, known.as_ref()))
            .context("starting a thread")?;
        Ok(Arc::new(Self { wrapper, guard, requests }))
    }

    /// Process id of the guard, while there is one.
    #[must_use]
    pub fn guard(&self) -> Option<u32> {
        self.guard.as_ref().and_then(|guard| guard.id())
    }

    pub(super) async fn start(&self, launch: &Launch) -> Result<Started> {
        let (program, arguments) = launch.command.split_first().context("no command")?;
        let (mut command, go) = match &self.wrapper {
            Some(executable) => {
                let (wait, go) = std::io::pipe().context("making a pipe")?;
                let mut command = Command::new(executable);
                command.args(wrapper::arguments()).arg(program).stdin(wait);
                (command, Some(go))
            }
            None => {
                let mut command = Command::new(program);
                command.stdin(Stdio::null());
                (command, None)
            }
        };
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        environment::apply(&mut command, &launch.environment);
        let (reply, started) = oneshot::channel();
        let request = Request { command, go, runtime: Handle::current(), reply };
        self.requests.send(request).ok().context("the thread that starts processes is gone")?;
        // On a thread that blocks, so that a test's paused clock stands still meanwhile.
        let started = tokio::task::spawn_blocking(|| started.blocking_recv()).await?;
        let started = started.context("the thread that starts processes is gone")?;
        let shown = self.wrapper.as_ref().map_or(program.clone(), |wrapper| wrapper.display().to_string());
        started.with_context(|| format!("running {shown}"))
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        if let Some(guard) = &self.guard {
            guard.close();
        }
    }
}

impl Group {
    pub(super) fn leader(&self) -> u32 {
        self.id.as_raw().unsigned_abs()
    }

    /// Fails only if all its processes are gone.
    pub(super) fn signal(&self, signal: Signal) {
        _ = killpg(self.id, signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Some(guard) = &self.guard {
            guard.remove(self.id);
        }
    }
}

/// A child costs about five file descriptors: as many as the system allows, for two hundred are more than usual.
fn allow_many_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // Without it starting a child may fail, and says so then.
        _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn serve(incoming: &mpsc::Receiver<Request>, guard: Option<&Arc<Guard>>) {
    for Request { command, go, runtime, reply } in incoming {
        let _entered = runtime.enter();
        // Whoever asked may be gone: what was started then is dropped, and killed.
        _ = reply.send(spawn(command, go, guard));
    }
}

fn spawn(command: Command, go: Option<PipeWriter>, guard: Option<&Arc<Guard>>) -> std::io::Result<Started> {
    let child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
    let id = child.id().ok_or_else(|| std::io::Error::other("it has no process id"))?;
    let group = Group { id: Pid::from_raw(id.cast_signed()), guard: guard.cloned() };
    if let Some(guard) = guard {
        guard.add(group.id);
    }
    if let Some(mut go) = go {
        // Fails if it was killed meanwhile, which its exit will tell.
        _ = go.write_all(b"\n");
    }
    Ok(Started { child, group })
}
