//! Runtimes that others wrote. They need programs that the tests of this crate do not bring: `tests/foreign/lambda.sh`
//! gets them and runs these.

use crate::rig::{Rig, Trial};
use local::message::{Attribute, Message};
use model::journal::MessageId;
use model::scenario::Queue;
use model::series::metric;

const ONE_BY_ONE: u64 = 500;
const AT_ONCE: u64 = 200;

/// Milliseconds behind `name` in the log, in its order.
fn ms(rig: &Rig, name: &str) -> Vec<f64> {
    let name = format!("\t{name}: ");
    let value =
        |line: &String| line.split_once(&name).unwrap().1.split_once(" ms").unwrap().0.parse().unwrap();
    rig.lines(&name).iter().map(value).collect()
}

/// Sends messages one after the other, each when the one before was deleted, and then many at once; says what the log says.
async fn try_out(command: &[String], variables: Vec<(&'static str, String)>) -> Rig {
    let mut rig = Trial { command: Some(command.into()), variables, ..Trial::default() }.run(&[]).await;
    rig.queues.create("notes", Queue::default(), None).unwrap();
    for seq in 0..ONE_BY_ONE {
        let id = rig.send_message(message("plain", seq));
        let record = rig.record().await;
        assert_eq!((record.message_id, record.seq.unwrap_or(seq), record.ok), (id, seq, true));
        assert_eq!(record.cold_start, seq == 0);
        assert_eq!(rig.deleted(1).await[0].message, id);
    }
    let durations = ms(&rig, "Duration");
    let mut warm = durations[1..].to_vec();
    warm.sort_by(f64::total_cmp);
    let (p50, p99) = (warm[warm.len() / 2], warm[warm.len() * 99 / 100]);
    println!("{}", command.join(" "));
    println!(
        "  spawn to first next {} ms; first invocation {} ms",
        ms(&rig, "Init Duration")[0],
        durations[0]
    );
    println!("  warm invoke p50 {p50} ms, p99 {p99} ms");
    let mut sent: Vec<MessageId> = (0..AT_ONCE).map(|seq| rig.send_message(message("note", seq))).collect();
    let deleted = rig.deleted(AT_ONCE as usize).await;
    let mut deleted: Vec<MessageId> = deleted.iter().map(|sighting| sighting.message).collect();
    deleted.sort_unstable();
    sent.sort_unstable();
    assert_eq!(deleted, sent);
    let (rig, _) = rig.stop().await;
    assert_eq!(rig.total(metric::ERRORS), 0.0, "{}", rig.log());
    rig
}

fn message(body: &str, seq: u64) -> Message {
    let work = format!("run=1 seq={seq}");
    Message::new(body).with_attributes(vec![Attribute::string("versus", &work)])
}

#[tokio::test]
#[ignore = "needs awslambdaric and boto3: tests/foreign/lambda.sh"]
async fn python_with_boto3() {
    let python = std::env::var("LAMBDA_PYTHON").expect("LAMBDA_PYTHON");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign");
    let command = [&python, "-m", "awslambdaric", "app.handler"].map(str::to_owned);
    let rig = try_out(&command, vec![("PYTHONPATH", folder.to_owned())]).await;
    let notes = rig.queues.get("notes").unwrap();
    assert_eq!(notes.counts().visible, AT_ONCE, "the handler notes them through boto3");
}

#[tokio::test]
#[ignore = "needs the reference worker: tests/foreign/lambda.sh"]
async fn the_reference_worker() {
    let worker = std::env::var("VERSUS_WORKER_PROGRAM").expect("VERSUS_WORKER_PROGRAM");
    try_out(&[worker], Vec::new()).await;
}
