//! Processes that are killed while they collect or join, at whatever instant.

use crate::join::ledger_of;
use crate::lab::{Folder, begun};
use crate::stories::{Fate, Teller, in_order, tell};
use collector::join;
use model::random::Stream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const VARIABLE: &str = "VERSUS_TEST_FOLDER";

/// Starts one of the ignored tests below as a process of its own.
fn start(test: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored"])
        .env(VARIABLE, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Runs it, waits for a file of its folder, and kills it after a time that nobody can foresee.
fn kill(test: &str, folder: &Path, file: &str, after: Duration) {
    let mut child = start(test, folder);
    while !folder.join(file).exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}

fn folder() -> Option<Folder> {
    std::env::var_os(VARIABLE).map(|path| Folder(path.into()))
}

#[test]
#[ignore = "a process that another test kills"]
fn collects() {
    let Some(folder) = folder() else { return };
    let stories = tell(1, Teller::Both, &|fate| fate == Fate::Once);
    let mut collector = begun(&folder);
    for entry in in_order(&stories) {
        for stack in 0..2 {
            collector.take(stack, entry.clone()).unwrap();
        }
        collector.flush().unwrap();
        std::thread::sleep(Duration::from_micros(100));
    }
    collector.finish(collector::Ended::ByItself).unwrap();
    // Its folder is not its own.
    std::mem::forget(folder);
}

#[test]
#[ignore = "a process that another test kills"]
fn joins() {
    let Some(folder) = folder() else { return };
    // For a long time, but not for ever.
    for _ in 0..2_000 {
        join(&folder.0).unwrap();
    }
    std::mem::forget(folder);
}

#[test]
fn a_collector_that_is_killed_leaves_a_run() {
    let mut dice = Stream::new(1, "kills");
    let (mut begun, mut cut, mut complete) = (0, 0, 0);
    for number in 0..30 {
        let folder = Folder::new("killed");
        // Every other one as soon as it starts to write.
        let file = if number % 2 == 0 { "." } else { "run.json" };
        kill("kill::collects", &folder.0, file, Duration::from_micros(dice.between(0, 60_000)));
        if !folder.0.join("run.json").exists() {
            begun += 1;
            continue;
        }
        let run = join(&folder.0).unwrap();
        assert_eq!(model::run::read(&folder.0).unwrap(), run);
        assert!(run.manifest.stacks.iter().all(|stack| stack.ledger.balances()));
        if run.manifest.complete {
            complete += 1;
            assert!(run.manifest.stacks.iter().all(|stack| stack.ledger.completed == 200));
        } else {
            cut += 1;
            assert_eq!(join(&folder.0).unwrap(), run);
        }
    }
    assert!(cut > 0, "{begun} were killed before they began, {complete} after they ended");
}

#[test]
fn a_join_that_is_killed_can_be_done_again() {
    let stories = [Teller::Both, Teller::QueueOnly].map(|teller| tell(2, teller, &|_| true));
    let folder = Folder::new("joined");
    crate::join::told(&folder, &stories).leave().unwrap();
    let whole = folder.copy("whole");
    let expected = join(&whole.0).unwrap();
    assert_eq!(expected.manifest.stacks[0].ledger, ledger_of(&stories[0]));
    let mut dice = Stream::new(2, "kills");
    for _ in 0..20 {
        kill("kill::joins", &folder.0, "ecs/messages.csv", Duration::from_micros(dice.between(0, 40_000)));
        assert_eq!(join(&folder.0).unwrap(), expected);
        assert_eq!(folder.content(), whole.content());
    }
}
