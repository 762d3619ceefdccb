//! Child processes: what they print, how they end, and that none is left behind.

#![allow(clippy::unwrap_used)]

use local::process::{Launch, Line, Output, Process, Spawner};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

const MARK: &str = "VERSUS_TEST_MARK";

/// The example `child`, which is built with all tests (alone: `cargo build --example child`).
fn executable() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(std::path::Path::parent).unwrap().join("examples/child")
}

/// A text that the environment of one test's processes holds, and no other.
fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Process ids of the living processes with this mark.
fn marked(mark: &str) -> Vec<i32> {
    let wanted = format!("{MARK}={mark}\0").into_bytes();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let alive = |id: &i32| {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.windows(wanted.len()).any(|part| part == wanted)
    };
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(alive).collect()
}

/// Waits until `holds`. There is no event for the death of somebody else's child.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..4_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("waited in vain: {what}");
}

/// Alive, and not a zombie.
fn runs(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

struct Started {
    process: Process,
    lines: mpsc::UnboundedReceiver<Line>,
    mark: String,
}

impl Started {
    async fn line(&mut self) -> String {
        self.lines.recv().await.expect("a line").text
    }
}

async fn start(spawner: &Arc<Spawner>, script: &str) -> Started {
    let mark = mark();
    let launch = Launch {
        name: "test".into(),
        command: ["sh", "-c", script].map(String::from).into(),
        environment: vec![(MARK.into(), mark.clone())],
    };
    let (sender, lines) = mpsc::unbounded_channel();
    let on_line = Box::new(move |line| _ = sender.send(line));
    let process = Process::spawn(spawner, &launch, on_line).await.unwrap();
    Started { process, lines, mark }
}

fn spawners() -> [Arc<Spawner>; 2] {
    [None, Some(executable())].map(|wrapper| Spawner::new(wrapper).unwrap())
}

#[tokio::test]
async fn output_comes_whole_before_the_status() {
    for spawner in spawners() {
        let mut child =
            start(&spawner, "echo out; echo err >&2; read x; echo \"<$x>\"; printf end; exit 3").await;
        assert_eq!(child.process.wait().await.code(), Some(3));
        assert!(child.process.has_exited());
        let mut lines = Vec::new();
        while let Ok(line) = child.lines.try_recv() {
            lines.push(line);
        }
        let of = |output: Output| -> Vec<&str> {
            lines.iter().filter(|line| line.output == output).map(|line| line.text.as_str()).collect()
        };
        assert_eq!(of(Output::Stdout), ["out", "<>", "end"], "standard input is empty");
        assert_eq!(of(Output::Stderr), ["err"]);
    }
}

#[test]
fn nothing_of_the_users_account_is_inherited() {
    let real = [("AWS_PROFILE", "prod"), ("AWS_ACCESS_KEY_ID", "real"), ("AWS_SESSION_TOKEN", "real")];
    let others = [("QUEUE_URL", "real"), ("MY_OWN", "kept"), ("NO_PROXY", "intranet")];
    let output = Command::new(executable()).arg("env").envs(real).envs(others).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let seen: Vec<&str> = text.lines().collect();
    for wanted in [
        "MY_OWN=kept",
        "NO_PROXY=intranet,127.0.0.1,localhost",
        "AWS_ACCESS_KEY_ID=versus",
        "AWS_EC2_METADATA_DISABLED=true",
        "AWS_CONFIG_FILE=/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
        "AWS_ENDPOINT_URL=http://127.0.0.1:1",
    ] {
        assert!(seen.contains(&wanted), "{wanted} is not in {seen:?}");
    }
    assert!(seen.iter().any(|line| line.starts_with("PATH=")));
    assert!(!seen.iter().any(|line| line.contains("prod") || line.contains("real")), "{seen:?}");
}

#[tokio::test]
async fn a_missing_command_is_named() {
    let launch =
        Launch { name: "ecs-0".into(), command: vec!["no-such-program".into()], ..Launch::default() };
    let error = Process::spawn(&spawners()[1], &launch, Box::new(|_| {})).await.err().unwrap();
    let text = format!("{error:#}");
    assert!(text.contains("ecs-0") && text.contains("no-such-program") && text.contains("PATH"), "{text}");
    let launch = Launch { name: "ecs-0".into(), ..Launch::default() };
    assert!(Process::spawn(&spawners()[1], &launch, Box::new(|_| {})).await.is_err());
}

#[tokio::test]
async fn a_group_is_killed_with_its_grandchildren() {
    let script = "(trap '' TERM; sleep 1000; :) & sleep 1000 & echo ready; wait";
    for spawner in spawners() {
        let mut child = start(&spawner, script).await;
        child.line().await;
        assert!(marked(&child.mark).len() >= 3);
        child.process.kill();
        assert_eq!(child.process.wait().await.signal(), Some(Signal::SIGKILL as i32));
        until("no grandchildren", || marked(&child.mark).is_empty());

        let mut child = start(&spawner, script).await;
        child.line().await;
        drop(child.process);
        until("none after a drop", || marked(&child.mark).is_empty());

        // What a child leaves behind goes with it, and does not hold back its status.
        let child = start(&spawner, "sleep 1000 & exit 0").await;
        assert!(child.process.wait().await.success());
        until("nothing left behind", || marked(&child.mark).is_empty());
    }
}

#[tokio::test]
async fn signals_reach_the_group_and_frozen_children_can_be_killed() {
    for spawner in spawners() {
        let mut child =
            start(&spawner, "trap 'echo term; exit 7' TERM; echo ready; while :; do sleep 0.01; done").await;
        child.line().await;
        child.process.signal(Signal::SIGSTOP);
        child.process.signal(Signal::SIGTERM);
        child.process.signal(Signal::SIGCONT);
        // The shell may have something to say about its own child's end.
        while child.line().await != "term" {}
        assert_eq!(child.process.wait().await.code(), Some(7));

        let mut child = start(&spawner, "echo ready; exec sleep 1000").await;
        child.line().await;
        child.process.signal(Signal::SIGSTOP);
        child.process.kill();
        assert_eq!(child.process.wait().await.signal(), Some(Signal::SIGKILL as i32));
    }
}

#[tokio::test]
async fn cpu_time_is_that_of_the_tree_and_stays() {
    let spawner = Spawner::new(Some(executable())).unwrap();
    let child = start(&spawner, "sh -c 'while :; do :; done' & wait").await;
    until("CPU time", || child.process.cpu_time() >= 50_000_000);
    child.process.kill();
    child.process.wait().await;
    assert!(child.process.cpu_time() >= 50_000_000);
}

/// The example in its part as a parent.
struct Parent {
    child: Child,
    says: std::io::Lines<BufReader<ChildStdout>>,
    mark: String,
}

impl Parent {
    fn start() -> Self {
        let mark = mark();
        let mut child =
            Command::new(executable()).args(["parent", &mark]).stdout(Stdio::piped()).spawn().unwrap();
        let says = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, says, mark }
    }

    /// Waits until the children run; returns the guard's process id.
    fn ready(&mut self) -> u32 {
        let line = self.says.next().unwrap().unwrap();
        line.strip_prefix("ready ").unwrap().parse().unwrap()
    }

    /// SIGKILL.
    fn dies(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn end(id: u32) {
    kill(Pid::from_raw(id.cast_signed()), Signal::SIGKILL).unwrap();
}

#[test]
fn no_orphan_survives_a_killed_parent() {
    let mut parent = Parent::start();
    let guard = parent.ready();
    assert!(marked(&parent.mark).len() >= 6);
    parent.dies();
    until("no orphans", || marked(&parent.mark).is_empty());
    until("no guard", || !runs(guard));
}

#[test]
fn a_guard_that_is_killed_is_replaced_and_told_everything() {
    let mut parent = Parent::start();
    let first = parent.ready();
    end(first);
    let second = parent.ready();
    assert!(first != second && !runs(first));
    parent.dies();
    until("no orphans", || marked(&parent.mark).is_empty());
    until("no guard", || !runs(second));
}

#[test]
fn direct_children_die_with_us_though_there_is_no_guard() {
    let mut parent = Parent::start();
    let guard = parent.ready();
    // Stopped, it can't be replaced before its parent dies.
    kill(Pid::from_raw(guard.cast_signed()), Signal::SIGSTOP).unwrap();
    let children = marked(&parent.mark);
    let direct: Vec<u32> = children
        .iter()
        .filter(|id| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.split(' ').nth(1) == Some(&parent.child.id().to_string())
        })
        .map(|id| id.cast_unsigned())
        .collect();
    assert_eq!(direct.len(), 3);
    parent.dies();
    until("no children", || direct.iter().all(|&id| !runs(id)));
    kill(Pid::from_raw(guard.cast_signed()), Signal::SIGCONT).unwrap();
    until("no orphans", || marked(&parent.mark).is_empty());
}

#[test]
fn no_orphan_survives_a_parent_killed_at_any_instant() {
    for step in 0..30_u64 {
        let mut parent = Parent::start();
        // Deliberately not an event: the instant is to be any.
        std::thread::sleep(Duration::from_micros(400 * step));
        parent.dies();
        until("no orphans", || marked(&parent.mark).is_empty());
    }
}

#[tokio::test]
async fn every_child_is_reaped() {
    for spawner in spawners() {
        for _ in 0..20 {
            let mut child = start(&spawner, "echo one").await;
            assert!(child.process.wait().await.success());
            assert_eq!(child.line().await, "one");
            let id = child.process.id();
            assert!(!PathBuf::from(format!("/proc/{id}")).exists(), "not even a zombie");
        }
    }
}
