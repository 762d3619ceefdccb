//! The executable through which tests start children, as `versus` does itself; and a process that has children and is
//! killed by a test: `child parent MARK`. `child env` shows the environment that a child gets.

use local::process::{Launch, Process, Spawner, aws_environment, run_if_child};
use std::process::ExitCode;
use std::sync::mpsc;

fn main() -> ExitCode {
    if let Some(code) = run_if_child(std::env::args_os()) {
        return code;
    }
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("parent"), Some(mark)) => parent(&mark),
        (Some("env"), None) => env(),
        _ => eprintln!("only for tests of versus-local"),
    }
    ExitCode::FAILURE
}

#[tokio::main(flavor = "current_thread")]
async fn env() {
    let spawner = Spawner::new(std::env::current_exe().ok()).expect("a spawner");
    let environment = aws_environment("eu-west-1", "http://127.0.0.1:1");
    let launch = Launch { name: "env".into(), command: vec!["env".into()], environment };
    let on_line = Box::new(|line: local::process::Line| println!("{}", line.text));
    Process::spawn(&spawner, &launch, on_line).await.expect("env starts").wait().await;
}

/// Starts children that ignore what can be ignored, says `ready` with the guard's process id, and waits for its end.
#[tokio::main(flavor = "current_thread")]
async fn parent(mark: &str) {
    let spawner = Spawner::new(std::env::current_exe().ok()).expect("a spawner");
    let (ready, children) = mpsc::channel();
    let scripts = [
        "echo ready; exec sleep 1000",
        "trap '' TERM INT HUP; (trap '' TERM; sleep 1000) & sleep 1000 & echo ready; wait",
        "sh -c 'sh -c \"echo ready; sleep 1000; :\"; :'; :",
    ];
    let mut processes = Vec::new();
    for script in scripts {
        let launch = Launch {
            name: "test".into(),
            command: ["sh", "-c", script].map(String::from).into(),
            environment: vec![("VERSUS_TEST_MARK".into(), mark.into())],
        };
        let ready = ready.clone();
        let on_line = Box::new(move |_| _ = ready.send(()));
        processes.push(Process::spawn(&spawner, &launch, on_line).await.expect("sh starts"));
    }
    let waited = tokio::task::spawn_blocking(move || children.iter().take(scripts.len()).count()).await;
    assert_eq!(waited.ok(), Some(scripts.len()));
    // A frozen child, as Lambda's are between invocations.
    processes[2].signal(nix::sys::signal::Signal::SIGSTOP);
    let mut guard = None;
    loop {
        let now = spawner.guard();
        if now.is_some() && now != guard {
            guard = now;
            println!("ready {}", now.unwrap_or(0));
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}
