//! A worker that others could have written, on both platforms: `examples/python-worker`. By hand, in a virtual
//! environment that has its requirements: `cargo test -p versus-worker -- --ignored python`.

use crate::Process;
use crate::runtime_api::RuntimeApi;
use crate::sqs::Fake;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::process::Command;

fn python() -> Command {
    let mut command = Command::new("python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/python-worker/app.py"));
    command
}

#[tokio::test]
#[ignore = "needs python3 with boto3"]
async fn python_polls_and_ends_after_the_current_batch() {
    let fake = Fake::start().await;
    fake.send(&[None, None]);
    let worker: Process = fake.run(python(), &[]);
    fake.until("the first delete", |fake| fake.count("DeleteMessage") == 1).await;
    worker.signal(Signal::SIGTERM);
    let (code, records, said) = worker.end().await;
    assert_eq!((code, records.len(), said.as_str()), (Some(0), 0, ""));
    assert_eq!(fake.actions(), ["ReceiveMessage", "DeleteMessage", "DeleteMessage"]);
    assert!(fake.left().is_empty());
}

#[tokio::test]
#[ignore = "needs python3 with awslambdaric"]
async fn python_serves_as_a_lambda_function() {
    let mut api = RuntimeApi::start().await;
    let _worker = api.run(python(), &[]);
    for number in 1..=2 {
        assert_eq!(api.answer().await.0, "invocation/next");
        api.invoke(&[None], 1);
        assert_eq!(api.answer().await, (format!("invocation/request-{number}/response"), Value::Null));
    }
}
