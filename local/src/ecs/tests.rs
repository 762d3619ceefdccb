//! Services with shells for workers. Minutes pass on a paused clock; what processes do takes its real time.

use super::*;
use crate::message::Message;
use crate::process::{Spawner, aws_environment};
use crate::queues::{Injected, Outgoing, Queues, SharedQueue};
use model::journal::{Entry, Record};
use model::run::{Activity, ActivityKind};
use model::scenario::{
    Adjustment, Alarm, AlarmMetric, Comparison, Fault, FaultKind, Fleet, MissingData, ScalingPolicy, Stack,
    Statistic, StepScaling,
};
use model::series::metric;
use model::time::{Origin, SECOND};
use model::usage::{Item, Usage};
use platform::ecs::{Command, Reading};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A service that runs, and what it tells.
struct Running {
    queues: Queues,
    queue: Arc<SharedQueue>,
    told: mpsc::UnboundedReceiver<Entry>,
    stop: oneshot::Sender<()>,
    service: JoinHandle<Result<Ended>>,
    origin: Origin,
}

fn start(script: &str, config: Ecs, change: impl FnOnce(&mut StackSetup)) -> Running {
    let origin = Origin { instant: Instant::now().into_std(), utc: UNIX_EPOCH };
    let queues = Queues::new(origin, "eu-west-1", Parameters::default());
    let stack = Stack { provisioning: Provisioning::None, ..Stack::new("ecs", Platform::Ecs(config)) };
    let queue = queues.create("ecs", stack.queue, None).unwrap();
    let (sender, told) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let mut setup = StackSetup {
        stack,
        beliefs: Parameters::default(),
        seed: 7,
        queue: Arc::clone(&queue),
        command: ["sh", "-c", script].map(String::from).into(),
        environment: aws_environment("eu-west-1", "http://127.0.0.1:1"),
        tell: Arc::new(move |entry| _ = sender.send(entry)),
        origin,
        window: 5 * SECOND,
        spawner: Spawner::new(None).unwrap(),
        faults: Vec::new(),
        log: None,
    };
    change(&mut setup);
    let service = tokio::spawn(run(setup, async { _ = stopped.await }));
    Running { queues, queue, told, stop, service, origin }
}

fn tasks(count: u32) -> Ecs {
    Ecs { tasks: count, stop_timeout: SECOND, ..Ecs::default() }
}

/// A worker that says that it runs, with the record of a message that is nobody's.
const READY: &str = "echo '{\"versus\":1,\"message_id\":\"x\"}'; ";

impl Running {
    /// The next thing told that `wanted` finds something in.
    async fn next<T>(&mut self, mut wanted: impl FnMut(Entry) -> Option<T>) -> T {
        loop {
            let entry = self.told.recv().await.expect("the service goes on");
            if let Some(found) = wanted(entry) {
                return found;
            }
        }
    }

    async fn record(&mut self) -> Record {
        self.next(|entry| if let Entry::Record(record) = entry { Some(record) } else { None }).await
    }

    async fn activity(&mut self, kind: ActivityKind) -> Activity {
        self.next(|entry| match entry {
            Entry::Activity(activity) if activity.kind == kind => Some(activity),
            _ => None,
        })
        .await
    }

    /// The names of the next workers that say that they run, sorted.
    async fn ready(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..count {
            names.extend(self.record().await.worker);
        }
        names.sort();
        names
    }

    async fn end(self) -> (Ended, Vec<Entry>) {
        self.stop.send(()).unwrap();
        let ended = self.service.await.unwrap().unwrap();
        let mut told = self.told;
        let mut rest = Vec::new();
        while let Ok(entry) = told.try_recv() {
            rest.push(entry);
        }
        (ended, rest)
    }

    async fn until(&self, at: Nanos) {
        tokio::time::sleep_until(self.origin.instant(at).into()).await;
    }
}

#[tokio::test]
async fn warm_tasks_run_from_the_start_and_end_with_the_run() {
    let mut running = start(&format!("{READY} exec sleep 1000"), tasks(3), |_| {});
    assert_eq!(running.ready(3).await, ["ecs-0", "ecs-1", "ecs-2"]);
    let (ended, told) = running.end().await;
    assert_eq!(ended, Ended { started: 3, ended_by_themselves: 0 });
    assert!(!told.iter().any(|entry| matches!(entry, Entry::Activity(_))), "{told:?}");
}

#[tokio::test]
async fn a_task_that_ends_is_replaced() {
    let script =
        format!("{READY} if [ $VERSUS_WORKER = ecs-0 ]; then sleep 0.1; exit 3; fi; exec sleep 1000");
    let mut running = start(&script, tasks(2), |_| {});
    assert_eq!(running.ready(2).await, ["ecs-0", "ecs-1"]);
    let activity = running.activity(ActivityKind::Fault).await;
    assert!(
        activity.detail.contains("ecs-0 ended by itself") && activity.detail.contains('3'),
        "{activity:?}"
    );
    assert_eq!(running.ready(1).await, ["ecs-2"]);
    let (ended, told) = running.end().await;
    assert_eq!(ended, Ended { started: 3, ended_by_themselves: 1 });
    let desired =
        |entry: &&Entry| matches!(entry, Entry::Point(point) if point.metric == metric::DESIRED_TASKS);
    assert!(told.iter().filter(desired).all(|entry| matches!(entry, Entry::Point(p) if p.value == 2.0)));
}

#[tokio::test]
async fn a_worker_that_always_fails_ends_the_run_with_what_it_printed() {
    let running = start("echo 'no module named boto3' >&2; exit 1", tasks(2), |_| {});
    let error = running.service.await.unwrap().unwrap_err().to_string();
    for wanted in ["stack ecs", "exit status: 1", "sh -c", "ecs-0: no module named boto3"] {
        assert!(error.contains(wanted), "{wanted} is not in {error}");
    }
}

#[tokio::test]
async fn a_command_that_is_not_there_is_told_at_once() {
    let running = start("", tasks(1), |setup| setup.command = vec!["no-such-worker".into()]);
    let error = format!("{:#}", running.service.await.unwrap().unwrap_err());
    assert!(error.contains("no-such-worker") && error.contains("ecs-0"), "{error}");
}

fn fault(at: Nanos, kind: FaultKind) -> Fault {
    Fault { stack: None, from: at, until: at, kind }
}

/// As [`READY`], with the process id for a name.
const READY_WITH_ID: &str =
    "echo \"{\\\"versus\\\":1,\\\"message_id\\\":\\\"x\\\",\\\"worker\\\":\\\"$$\\\"}\"; ";

#[tokio::test]
async fn a_stopped_task_gets_sigterm_then_sigkill_and_another_takes_its_place() {
    // On SIGTERM it says so, and goes on.
    let script =
        format!("says() {{ {READY} }}; trap says TERM; {READY_WITH_ID} while :; do sleep 0.02; done");
    let mut running = start(&script, tasks(1), |setup| {
        setup.faults = vec![fault(2 * SECOND, FaultKind::TaskKill { count: 1 })];
    });
    let id = running.ready(1).await.remove(0);
    let process = PathBuf::from(format!("/proc/{id}"));
    let activity = running.activity(ActivityKind::Fault).await;
    assert_eq!((activity.at, activity.detail.as_str()), (2 * SECOND, "task-kill: 1 task"));
    // SIGTERM, and the task in its place, in either order.
    let both = running.ready(2).await;
    assert!(both.contains(&"ecs-0".into()) && !both.contains(&id), "{both:?}");
    running.until(2 * SECOND + SECOND / 2).await;
    assert!(process.exists(), "the stop timeout is not over");
    running.until(4 * SECOND).await;
    assert!(!process.exists(), "the stop timeout is over");
    let (ended, told) = running.end().await;
    assert_eq!(ended, Ended { started: 2, ended_by_themselves: 0 });
    let peak = |metric: &str| {
        told.iter().rev().find_map(|entry| match entry {
            Entry::Point(point) if point.metric == metric => Some(point.value),
            _ => None,
        })
    };
    assert_eq!((peak(metric::DRAINING_TASKS), peak(metric::RUNNING_TASKS)), (Some(1.0), Some(1.0)));
}

#[tokio::test]
async fn crashes_and_deployments_replace_tasks_and_are_no_fault_of_the_worker() {
    let mut running = start(&format!("{READY} exec sleep 1000"), tasks(2), |setup| {
        setup.beliefs.ecs_healthy_after = 0;
        setup.faults = vec![
            fault(2 * SECOND, FaultKind::WorkerCrash { count: 1 }),
            fault(3 * SECOND, FaultKind::Deployment),
            Fault { stack: Some("other".into()), ..fault(0, FaultKind::TaskKill { count: 2 }) },
        ];
    });
    assert_eq!(running.ready(2).await, ["ecs-0", "ecs-1"]);
    assert_eq!(running.ready(1).await, ["ecs-2"]);
    assert_eq!(running.activity(ActivityKind::Deployment).await.at, 3 * SECOND);
    assert_eq!(running.ready(2).await, ["ecs-3", "ecs-4"]);
    let (ended, _) = running.end().await;
    assert_eq!(ended, Ended { started: 5, ended_by_themselves: 0 });
}

#[tokio::test]
async fn other_lines_go_to_the_log_with_the_environment_of_a_container() {
    let path = std::env::temp_dir().join(format!("versus-ecs-{}.log", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let log: Option<PathBuf> = Some(path.clone());
    let mut running = start(&format!("env; {READY} exec sleep 1000"), tasks(1), |setup| setup.log = log);
    running.ready(1).await;
    running.end().await;
    let logged = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    for wanted in
        ["VERSUS_WORKER=ecs-0", "AWS_REGION=eu-west-1", "VERSUS_POLL=all-done", "VERSUS_CPU_SHARE=0.25"]
    {
        assert!(logged.lines().any(|line| line == format!("ecs-0: {wanted}")), "{wanted} is not in {logged}");
    }
}

fn scale_out_on_backlog() -> Ecs {
    let alarm = Alarm {
        metric: AlarmMetric::VisibleMessages,
        statistic: Statistic::Average,
        comparison: Comparison::AtLeast,
        threshold: 100.0,
        period: MINUTE,
        evaluation_periods: 1,
        datapoints_to_alarm: 1,
        missing_data: MissingData::Missing,
    };
    let steps = vec![model::scenario::Step { lower: Some(0.0), upper: None, change: 2 }];
    let adjustment = Adjustment::ChangeInCapacity;
    let policy = StepScaling { alarm, adjustment, steps, cooldown: MINUTE, min_adjustment: 0 };
    Ecs { scaling: vec![ScalingPolicy::Step(policy)], max_tasks: 5, ..tasks(1) }
}

/// The clockwork by hand, with a constant backlog: activities, and the count of tasks, after so many minutes.
fn by_hand(config: &Ecs, setup: &StackSetup, backlog: u64, minutes: u64) -> (Vec<Activity>, u32) {
    let stream = |what: &str| Stream::new(setup.seed, &format!("ecs {what}"));
    let mut control = Control::new(Fleet::Ecs(config), &setup.beliefs, stream("service"), stream("control"));
    control.begin(Fleet::Ecs(config));
    let mut activities = Vec::new();
    for minute in 1..=minutes {
        control.sample(Reading { visible: backlog, not_visible: 0, oldest_age: 0 });
        control.every_minute(minute * MINUTE, backlog, false, 0.0);
        let now = minute * MINUTE + control.evaluation_delay();
        activities.extend(control.evaluate(now));
        while let Some(command) = control.command() {
            if let Command::Start { task, .. } = command {
                assert!(control.started(now, task));
            }
        }
    }
    (activities, control.counts().running)
}

#[tokio::test(start_paused = true)]
async fn a_step_policy_scales_out_at_the_instants_of_the_laws() {
    let mut expected = (Vec::new(), 0);
    let config = scale_out_on_backlog();
    let mut running = start("exec sleep 1000", config.clone(), |setup| {
        setup.beliefs.sqs_metric_lag = 20 * SECOND;
        let (mut config, mut setup) = (config, setup.clone());
        on_this_machine(Provisioning::None, &mut config, &mut setup.beliefs);
        expected = by_hand(&config, &setup, 500, 6);
    });
    let message = |_| Outgoing { message: running.queues.identify(Message::new("x")), delay: None };
    running.queue.send((0..500).map(message));
    running.until(7 * MINUTE).await;
    let mut seen = Vec::new();
    while let Ok(entry) = running.told.try_recv() {
        if let Entry::Activity(activity) = entry {
            seen.push(activity);
        }
    }
    assert!(expected.0.iter().filter(|activity| activity.kind == ActivityKind::ScaleOut).count() == 2);
    assert_eq!(seen, expected.0);
    let (ended, _) = running.end().await;
    assert_eq!((ended.started, expected.1), (5, 5));
}

#[tokio::test(start_paused = true)]
async fn windows_tell_what_a_simulation_tells() {
    let mut running = start("exec sleep 1000", tasks(2), |setup| setup.stack.log_bytes_per_message = 100);
    let message = |_| Outgoing { message: running.queues.identify(Message::new("x")), delay: None };
    running.queue.send((0..7).map(message));
    running.until(12 * SECOND).await;
    running.queue.count_empty_receives(4);
    let received = running.queue.receive(10, platform::sqs::Polling::Long, None).unwrap();
    running.queue.delete(received.iter().map(|delivery| delivery.receipt));
    running.until(13 * SECOND).await;
    let queue = Arc::clone(&running.queue);
    let mut earlier = Vec::new();
    while let Ok(entry) = running.told.try_recv() {
        earlier.push(entry);
    }
    let (_, told) = running.end().await;
    let points = |entries: &[Entry], at: Nanos| -> Vec<String> {
        let line = |entry: &Entry| match entry {
            Entry::Point(p) if p.t == at => {
                assert_eq!(p.period, 5 * SECOND);
                Some(format!("{} {} {} {}", p.metric, p.unit, p.statistic, p.value))
            }
            _ => None,
        };
        entries.iter().filter_map(line).collect()
    };
    let quiet = "PendingTaskCount Count Maximum 0";
    let of_tasks = ["RunningTaskCount Count Maximum 2", quiet, "DesiredTaskCount Count Maximum 2"];
    let first = points(&earlier, 0);
    assert_eq!(first[..3], of_tasks);
    assert_eq!(first[3], "DeactivatingTaskCount Count Maximum 0");
    assert!(first[4].starts_with("CPUUtilization Percent Average "), "{first:?}");
    assert_eq!(
        first[5..],
        [
            "NumberOfMessagesSent Count Sum 7",
            "NumberOfMessagesReceived Count Sum 0",
            "NumberOfMessagesDeleted Count Sum 0",
            "NumberOfEmptyReceives Count Sum 0",
            "ApproximateNumberOfMessagesVisible Count Maximum 7",
            "ApproximateNumberOfMessagesNotVisible Count Maximum 0",
            "ApproximateAgeOfOldestMessage Seconds Maximum 5",
            "usage/fargate-vcpu/x86 CPU-unit-s Sum 2560",
            "usage/fargate-memory/x86 MB-s Sum 5120",
            "usage/sqs-requests/send requests Sum 1",
        ]
    );
    assert!(queue.counts().visible == 0);
    let last = points(&told, 10 * SECOND);
    for wanted in [
        "NumberOfMessagesSent Count Sum 0",
        "NumberOfMessagesReceived Count Sum 7",
        "NumberOfMessagesDeleted Count Sum 7",
        "NumberOfEmptyReceives Count Sum 4",
        "ApproximateNumberOfMessagesVisible Count Maximum 7",
        "ApproximateAgeOfOldestMessage Seconds Maximum 0",
        "usage/sqs-requests/receive requests Sum 1",
        "usage/sqs-requests/empty-receive requests Sum 4",
        "usage/sqs-requests/delete requests Sum 1",
        "usage/log-bytes/ bytes Sum 700",
    ] {
        assert!(last.iter().any(|line| line == wanted), "{wanted} is not in {last:#?}");
    }
    let usage = |entry: &Entry| if let Entry::Usage(usage) = entry { Some(usage.clone()) } else { None };
    let usage: Usage = told.iter().rev().find_map(usage).unwrap();
    assert_eq!(usage.quantity(Item::FargateVcpu, "x86"), 2 * 13 * 256);
    assert_eq!(usage.quantity(Item::LogBytes, ""), 700);
    assert_eq!(usage.quantity(Item::CloudwatchAlarms, ""), 0);
}

#[tokio::test(start_paused = true)]
async fn faults_at_the_queue_last_for_their_span() {
    let span = |kind| Fault { stack: None, from: 10 * SECOND, until: 20 * SECOND, kind };
    let running = start("exec sleep 1000", tasks(1), |setup| {
        setup.faults = vec![
            span(FaultKind::ShortVisibility { timeout: 2 * SECOND }),
            span(FaultKind::EndpointErrors { share: 1.0 }),
            span(FaultKind::EndpointThrottles { share: 1.0 }),
        ];
    });
    let before = running.queue.attributes().visibility_timeout;
    for (at, timeout, failure) in
        [(9, before, None), (11, 2 * SECOND, Some(Injected::Error)), (21, before, None)]
    {
        running.until(at * SECOND).await;
        assert_eq!(running.queue.attributes().visibility_timeout, timeout, "at {at} s");
        assert_eq!(running.queue.fault(), failure, "at {at} s");
    }
    let (_, told) = running.end().await;
    let begun = told.iter().filter(|entry| matches!(entry, Entry::Activity(_))).count();
    assert_eq!(begun, 3);
}

#[tokio::test(start_paused = true)]
async fn of_late_faults_only_what_goes_on_is_acted_out() {
    let fault = |from, until, kind| Fault { stack: None, from: from * SECOND, until: until * SECOND, kind };
    let mut running = start("exec sleep 1000", tasks(1), |setup| {
        setup.faults = vec![
            fault(5, 40, FaultKind::ShortVisibility { timeout: 2 * SECOND }),
            fault(10, 20, FaultKind::EndpointErrors { share: 1.0 }),
            fault(12, 40, FaultKind::EndpointThrottles { share: 1.0 }),
        ];
    });
    let before = running.queue.attributes().visibility_timeout;
    // The service gets to run only then.
    tokio::time::advance(Duration::from_secs(30)).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(running.activity(ActivityKind::Fault).await.detail);
    }
    assert_eq!(
        told,
        [
            "short-visibility until 40s: VisibilityTimeout 2s",
            "endpoint-errors until 20s: 100 % of the calls (came too late: over before it was acted out)",
            "endpoint-throttles until 40s: 100 % of the calls",
        ]
    );
    for (at, timeout, failure) in [(31, 2 * SECOND, Some(Injected::Throttle)), (41, before, None)] {
        running.until(at * SECOND).await;
        assert_eq!(running.queue.attributes().visibility_timeout, timeout, "at {at} s");
        assert_eq!(running.queue.fault(), failure, "at {at} s");
    }
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_warm_waits_for_the_run_to_begin_and_for_its_capacity() {
    let cold = Ecs { warm_start: false, ..tasks(1) };
    let mut running = start("exec sleep 1000", cold, |setup| {
        setup.origin.instant += Duration::from_secs(60);
        setup.stack.provisioning = Provisioning::Modelled;
    });
    running.origin.instant += Duration::from_secs(60);
    running.until(100 * SECOND).await;
    let mut counts = Vec::new();
    while let Ok(entry) = running.told.try_recv() {
        match entry {
            Entry::Point(point) if point.metric == metric::RUNNING_TASKS => {
                counts.push((point.t, point.value))
            }
            _ => {}
        }
    }
    let begins = counts.iter().find(|(_, count)| *count == 1.0).map_or(0, |(t, _)| *t);
    assert_eq!(counts.first(), Some(&(0, 0.0)));
    assert!(
        (25 * SECOND..70 * SECOND).contains(&begins),
        "provisioning and pull take 27 s and more: {counts:?}"
    );
    running.end().await;
}
