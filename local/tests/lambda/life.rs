//! The life of environments: initialised, reused, frozen, reset, ended.

use crate::rig::{Trial, state};
use model::journal::Sight;
use model::run::ActivityKind;
use model::scenario::{Fault, FaultKind, Lambda, Parameters, Provisioning};
use model::series::metric;
use model::time::{MILLISECOND, SECOND};

/// The number before ` ms` behind `name: ` in a line.
fn ms(line: &str, name: &str) -> f64 {
    let (_, rest) = line.split_once(&format!("\t{name}: ")).unwrap_or_else(|| panic!("{name} in {line:?}"));
    rest.split_once(" ms").unwrap().0.parse().unwrap()
}

#[tokio::test]
async fn a_warm_environment_is_reused_and_the_cold_start_is_reported_once() {
    let mut rig = Trial::default().run(&["ok"]).await;
    let first = rig.record().await;
    assert!(first.cold_start);
    assert_eq!(first.worker.as_deref(), Some("lambda-0"));
    rig.deleted(1).await;
    rig.send(&["ok"]);
    assert!(!rig.record().await.cold_start);
    rig.deleted(1).await;
    let (rig, ended) = rig.stop().await;
    assert!(!ended.account_limited);
    let reports = rig.lines("REPORT RequestId: ");
    assert_eq!(reports.len(), 2, "{}", rig.log());
    let init = ms(&reports[0], "Init Duration");
    assert!(init > 0.3 && init < 5_000.0, "{init}");
    assert!(!reports[1].contains("Init Duration"));
    // The line rounds both to hundredths, the bill is rounded up once.
    let beyond = ms(&reports[0], "Billed Duration") - ms(&reports[0], "Duration") - init;
    assert!((-0.011..1.011).contains(&beyond), "{}", reports[0]);
    assert!(reports.iter().all(|line| line.contains("Memory Size: 512 MB\tMax Memory Used: ")));
    assert_eq!([rig.total(metric::COLD_STARTS), rig.total(metric::INVOCATIONS)], [1.0, 2.0]);
    assert_eq!(rig.lines("START RequestId: ").len(), 2);
    assert!(rig.lines("START").iter().all(|line| line.ends_with(" Version: $LATEST")));
}

#[tokio::test]
async fn between_invocations_an_environment_is_frozen() {
    let mut rig = Trial::default().run(&["ok"]).await;
    rig.deleted(1).await;
    let ids = rig.processes();
    assert_eq!(ids.len(), 1);
    rig.until("stopped", |_| state(ids[0]) == Some('T')).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(state(ids[0]), Some('T'));
    let hang = rig.send(&["sleep 300"]);
    assert_eq!(rig.sees(Sight::Received).await.message, hang[0]);
    rig.until("thawed", |_| matches!(state(ids[0]), Some('S' | 'R'))).await;
    rig.deleted(1).await;
    let (rig, _) = rig.stop().await;
    let ticks: Vec<u64> =
        rig.lines("ticks ").iter().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    // A second would be 200 ticks of its background thread.
    assert!(ticks.len() == 2 && ticks[1] < 100, "{ticks:?}");
}

#[tokio::test]
async fn a_function_that_times_out_is_killed_and_initialised_within_the_next_invocation() {
    let lambda = Lambda { timeout: 400 * MILLISECOND, batch_size: 1, ..Lambda::default() };
    let mut rig = Trial { lambda, ..Trial::default() }.run(&["hang"]).await;
    rig.sees(Sight::Received).await;
    let log = "\tStatus: timeout";
    rig.until("a timeout", |rig| rig.lines(log).len() == 1).await;
    rig.send(&["ok"]);
    assert!(!rig.record().await.cold_start, "a reset is no cold start");
    rig.deleted(1).await;
    let (rig, _) = rig.stop().await;
    let reports = rig.lines("REPORT RequestId: ");
    assert_eq!(ms(&reports[0], "Duration"), 400.0);
    assert!(!reports[1].contains("Init Duration"), "it is suppressed");
    assert_eq!(rig.lines("Task timed out after 0.40 seconds").len(), 1);
    assert_eq!([metric::COLD_STARTS, metric::ERRORS].map(|m| rig.total(m)), [1.0, 1.0]);
    assert_eq!(rig.queue.counts().in_flight, 1, "the message stays invisible until its timeout");
}

#[tokio::test]
async fn a_runtime_that_exits_fails_its_invocation() {
    let lambda = Lambda { batch_size: 1, ..Lambda::default() };
    let mut rig = Trial { lambda, ..Trial::default() }.run(&["exit"]).await;
    rig.until("an exit", |rig| rig.lines("Status: error\tError Type: Runtime.ExitError").len() == 1).await;
    assert_eq!(rig.lines("Error: Runtime exited with error: exit status 3").len(), 1, "{}", rig.log());
    rig.send(&["ok"]);
    rig.deleted(1).await;
    let (rig, _) = rig.stop().await;
    assert_eq!([metric::COLD_STARTS, metric::ERRORS].map(|m| rig.total(m)), [1.0, 1.0]);
}

#[tokio::test]
async fn an_answer_counts_even_if_the_runtime_never_asks_again() {
    let lambda = Lambda { timeout: 300 * MILLISECOND, batch_size: 1, ..Lambda::default() };
    let mut rig = Trial { lambda, ..Trial::default() }.run(&["linger"]).await;
    rig.deleted(1).await;
    rig.send(&["ok"]);
    rig.deleted(1).await;
    let (rig, _) = rig.stop().await;
    assert_eq!(rig.lines("Status: timeout").len(), 1);
    assert_eq!(rig.total(metric::ERRORS), 0.0);
}

/// Runs one message against an initialisation that goes wrong only the first time; returns the log.
async fn failed_once(init: &str, limit: u64) -> String {
    let folder = std::env::temp_dir().join(format!("versus-once-{}-{}", std::process::id(), init.len()));
    let once = folder.display().to_string();
    let variables = vec![("RUNTIME_INIT", init.to_owned()), ("RUNTIME_INIT_ONCE", once)];
    let beliefs = Parameters { lambda_init_limit: limit, ..Parameters::default() };
    let mut rig = Trial { variables, beliefs, ..Trial::default() }.run(&["ok"]).await;
    assert!(rig.record().await.cold_start);
    rig.deleted(1).await;
    let (rig, _) = rig.stop().await;
    std::fs::remove_file(folder).unwrap();
    assert_eq!([metric::COLD_STARTS, metric::ERRORS].map(|m| rig.total(m)), [1.0, 0.0]);
    assert!(!rig.lines("REPORT RequestId")[0].contains("Init Duration"), "it was initialised within");
    rig.log()
}

#[tokio::test]
async fn an_initialisation_that_fails_is_repeated_within_the_first_invocation() {
    let log = failed_once("exit", 10 * SECOND).await;
    assert!(log.contains("\tPhase: init\tStatus: error\tError Type: Runtime.ExitError"), "{log}");
    let log = failed_once("error", 10 * SECOND).await;
    assert!(log.contains("\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError"), "{log}");
    let log = failed_once("hang", 300 * MILLISECOND).await;
    assert!(log.contains("INIT_REPORT Init Duration: 300.00 ms\tPhase: init\tStatus: timeout"), "{log}");
    let report = log.lines().find(|line| line.contains("REPORT RequestId")).unwrap();
    assert!(ms(report, "Billed Duration") >= 300.0, "the first try is billed, too: {report}");
}

#[tokio::test]
async fn an_initialisation_that_never_works_fails_the_invocation() {
    let variables = vec![("RUNTIME_INIT", "error".to_owned())];
    let mut rig = Trial { variables, ..Trial::default() }.run(&["ok"]).await;
    rig.sees(Sight::Received).await;
    rig.until("both tries", |rig| rig.lines("Error Type: Runtime.ImportModuleError").len() == 3).await;
    let (rig, _) = rig.stop().await;
    assert_eq!(rig.lines("\tPhase: init\t").len(), 1);
    assert_eq!(rig.lines("\tPhase: invoke\t").len(), 1);
    assert_eq!(rig.total(metric::ERRORS), 1.0);
}

#[tokio::test]
async fn a_modelled_cold_start_waits_for_what_lambda_does_not_report() {
    for (provisioning, waits) in [(Provisioning::Modelled, true), (Provisioning::None, false)] {
        let beliefs = Parameters {
            lambda_start_overhead_min: 1_500 * MILLISECOND,
            lambda_start_overhead_max: 1_500 * MILLISECOND,
            ..Parameters::default()
        };
        let mut rig = Trial { provisioning, beliefs, ..Trial::default() }.run(&["ok"]).await;
        let received = rig.sees(Sight::Received).await.at;
        let deleted = rig.sees(Sight::Deleted).await.at;
        let (rig, _) = rig.stop().await;
        let report = &rig.lines("REPORT RequestId")[0];
        let took = (deleted - received) as f64 / 1e6;
        let beyond = took - ms(report, "Init Duration") - ms(report, "Duration");
        assert_eq!(beyond >= 1_499.0, waits, "{beyond} ms beyond {report}");
    }
}

#[tokio::test]
async fn provisioned_environments_are_there_from_the_start() {
    let lambda = Lambda { provisioned_concurrency: 2, ..Lambda::default() };
    let mut rig = Trial { lambda, ..Trial::default() }.run(&[]).await;
    rig.until("two that wait", |rig| {
        let ids = rig.processes();
        ids.len() == 2 && ids.iter().all(|&id| state(id) == Some('T'))
    })
    .await;
    rig.send(&["environment"]);
    assert!(!rig.record().await.cold_start);
    rig.deleted(1).await;
    let (rig, _) = rig.stop().await;
    assert_eq!(rig.total(metric::COLD_STARTS), 0.0);
    assert_eq!(rig.lines("env AWS_LAMBDA_INITIALIZATION_TYPE=provisioned-concurrency").len(), 1);
    let used = |item| rig.usage.quantity(item, "x86");
    assert_eq!(used(model::usage::Item::LambdaDuration), 0);
    assert!(used(model::usage::Item::LambdaProvisionedDuration) >= 512);
}

#[tokio::test]
async fn a_new_version_replaces_environments_after_their_invocation() {
    let fault = Fault {
        stack: None,
        from: 1_500 * MILLISECOND,
        until: 1_500 * MILLISECOND,
        kind: FaultKind::Deployment,
    };
    let lambda = Lambda { batch_size: 1, ..Lambda::default() };
    let mut rig = Trial { lambda, faults: vec![fault], ..Trial::default() }.run(&["ok", "sleep 3000"]).await;
    rig.deleted(1).await;
    let before = rig.processes();
    assert_eq!(before.len(), 2);
    rig.until("the idle one to end", |rig| rig.processes().len() == 1).await;
    rig.deleted(1).await;
    rig.until("the busy one to end", |rig| rig.processes().is_empty()).await;
    rig.send(&["ok"]);
    rig.deleted(1).await;
    assert!(rig.processes().iter().all(|id| !before.contains(id)));
    let (rig, _) = rig.stop().await;
    assert_eq!(rig.total(metric::COLD_STARTS), 3.0);
    assert_eq!(rig.total(metric::ERRORS), 0.0);
    assert_eq!(rig.noted(ActivityKind::Deployment).len(), 1);
}

#[tokio::test]
async fn a_crash_takes_those_at_work() {
    let at = 1_500 * MILLISECOND;
    let fault = Fault { stack: None, from: at, until: at, kind: FaultKind::WorkerCrash { count: 1 } };
    let lambda = Lambda { batch_size: 1, ..Lambda::default() };
    let mut rig =
        Trial { lambda, faults: vec![fault], ..Trial::default() }.run(&["sleep 3000", "sleep 3000"]).await;
    rig.deleted(1).await;
    let (rig, _) = rig.stop().await;
    assert_eq!(rig.queue.counts().in_flight, 1, "the other was in an environment that was killed");
    assert_eq!(rig.lines("Runtime exited with error: signal: killed").len(), 1, "{}", rig.log());
    assert_eq!(rig.total(metric::ERRORS), 1.0);
    assert_eq!(rig.noted(ActivityKind::Fault), ["worker-crash: 1 worker"]);
}

#[tokio::test]
async fn idle_environments_end() {
    let beliefs =
        Parameters { lambda_idle_min: MILLISECOND, lambda_idle_max: MILLISECOND, ..Parameters::default() };
    let mut rig = Trial { beliefs, ..Trial::default() }.run(&["ok"]).await;
    rig.deleted(1).await;
    let before = rig.processes();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    rig.send(&["ok"]);
    rig.deleted(1).await;
    rig.until("the old one to end", |rig| rig.processes().len() == 1).await;
    assert_ne!(rig.processes(), before);
    let (rig, _) = rig.stop().await;
    assert_eq!(rig.total(metric::COLD_STARTS), 2.0);
}

#[tokio::test]
async fn stopping_lets_invocations_end_and_kills_the_others() {
    let lambda = Lambda { batch_size: 1, ..Lambda::default() };
    let mut rig = Trial { lambda, ..Trial::default() }.run(&["sleep 500", "hang"]).await;
    rig.until("both at work", |rig| rig.lines("START").len() == 2).await;
    rig.sees(Sight::Received).await;
    let (mut rig, _) = rig.stop().await;
    assert_eq!(rig.seen().iter().filter(|(sight, _)| *sight == Sight::Deleted).count(), 1);
}

#[tokio::test]
async fn whatever_an_environment_is_about_it_ends_with_the_stack() {
    let variables = vec![("RUNTIME_INIT", "hang".to_owned())];
    let rig = Trial { variables, ..Trial::default() }.run(&["ok"]).await;
    rig.until("it starts", |rig| rig.processes().len() == 1).await;
    rig.stop().await;
    let lambda = Lambda { batch_size: 1, provisioned_concurrency: 3, ..Lambda::default() };
    for pause in [0, 1, 2, 4, 8, 16, 32] {
        let rig = Trial { lambda: lambda.clone(), ..Trial::default() }.run(&["ok"; 50]).await;
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        rig.stop().await;
    }
}
