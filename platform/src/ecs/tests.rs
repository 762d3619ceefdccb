use super::*;
use model::scenario::{Capacity, Ec2, Ecs, INSTANCE_TYPES};
use model::time::{HOUR, MINUTE, SECOND};

struct World {
    service: Service,
    account: Account,
    starts: Vec<(Nanos, TaskId)>,
    stops: Vec<(Nanos, TaskId)>,
}

fn world(ecs: &Ecs) -> World {
    let beliefs = Parameters::default();
    let service = Service::new(Fleet::Ecs(ecs), &beliefs, Stream::new(1, "service"));
    World { service, account: Account::new(Fleet::Ecs(ecs), &beliefs), starts: Vec::new(), stops: Vec::new() }
}

impl World {
    fn note(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Start { task, at } => self.starts.push((at, task)),
                Command::Stop { task, kill_at } => self.stops.push((kill_at, task)),
                Command::Cancel { task } => self.starts.retain(|s| s.1 != task),
                Command::Interrupt { .. } | Command::Wake { .. } | Command::Look { .. } => {}
            }
        }
        self.starts.sort_unstable();
    }

    fn desire(&mut self, now: Nanos, count: u32) {
        let mut out = Vec::new();
        self.service.set_desired(now, count, &mut self.account, &mut out);
        self.note(out);
    }

    fn start_until(&mut self, now: Nanos) {
        while let Some(&(at, task)) = self.starts.first().filter(|s| s.0 <= now) {
            self.starts.remove(0);
            let mut out = Vec::new();
            assert!(self.service.started(at, task, &mut out));
            self.note(out);
        }
    }

    fn reconcile(&mut self, now: Nanos) {
        let mut out = Vec::new();
        self.service.reconcile(now, &mut self.account, &mut out);
        self.note(out);
    }

    fn counts(&self) -> (u32, u32, u32) {
        (self.service.running(), self.service.pending(), self.service.stopping())
    }

    fn minute(&mut self, now: Nanos) {
        self.start_until(now);
        let mut out = Vec::new();
        self.service.every_minute(now, &mut self.account, &mut out);
        self.service.reconcile(now, &mut self.account, &mut out);
        self.note(out);
    }
}

fn with_image(image_mb: u32) -> Ecs {
    Ecs { image_mb, max_tasks: 5_000, ..Ecs::default() }
}

/// Ten starts of a 413 MB image took 53 to 62 s, 57 on average (elasticscale.com, 2024-04-10).
#[test]
fn a_413_mb_image_starts_in_about_57_s() {
    let mut w = world(&with_image(413));
    w.desire(0, 20);
    let mean = w.starts.iter().map(|s| s.0).sum::<Nanos>() as f64 / 20.0 / SECOND as f64;
    assert!((50.0..=58.0).contains(&mean), "{mean}");
    let first = w.starts[0].0 / SECOND;
    assert!(first > 40, "{first}");
}

/// 0 to 3,500 tasks took about 4.5 min (vladionescu.me, 2022): the account bucket allows 100 + 20/s, one
/// service's scheduler 500 a minute. Spread over two to seven services it lands within 20 %; a single service
/// needs 7 min by its documented quota alone.
#[test]
fn fargate_reaches_3500_tasks_in_four_and_a_half_minutes() {
    for services in [2, 7] {
        let beliefs = Parameters::default();
        let ecs = with_image(413);
        let mut account = Account::new(Fleet::Ecs(&ecs), &beliefs);
        let mut last = 0;
        for index in 0..services {
            let mut service = Service::new(Fleet::Ecs(&ecs), &beliefs, Stream::new(index, "service"));
            let mut out = Vec::new();
            service.set_desired(0, 3_500 / services as u32, &mut account, &mut out);
            let starts = out.iter().map(|c| if let Command::Start { at, .. } = c { *at } else { 0 });
            last = last.max(starts.max().unwrap_or(0));
        }
        let minutes = last as f64 / MINUTE as f64;
        assert!((3.6..=5.4).contains(&minutes), "{services} services: {minutes} min");
    }
    let mut one = world(&with_image(413));
    one.desire(0, 3_500);
    let minutes = one.starts[3_499].0 as f64 / MINUTE as f64;
    assert!((7.0..=8.5).contains(&minutes), "one service: {minutes} min");
}

#[test]
fn scale_in_cancels_what_has_not_started_and_then_stops_the_youngest() {
    let mut w = world(&with_image(100));
    w.desire(0, 4);
    w.start_until(MINUTE);
    w.desire(MINUTE, 6);
    assert_eq!((w.service.running(), w.service.pending()), (4, 2));
    w.desire(MINUTE + SECOND, 3);
    assert_eq!((w.service.running(), w.service.pending(), w.service.stopping()), (3, 0, 1));
    let (kill_at, task) = w.stops[0];
    assert_eq!(kill_at, MINUTE + 31 * SECOND);
    w.service.exited(MINUTE + 2 * SECOND, task);
    assert_eq!(w.service.stopping(), 0);
}

#[test]
fn fargate_bills_from_the_pull_by_the_second_and_at_least_a_minute() {
    let mut w = world(&with_image(105));
    w.desire(0, 1);
    let started = w.starts[0].0;
    w.start_until(started);
    let State::Running = w.service.tasks[0].state else { panic!("not running") };
    let pull_at = w.service.tasks[0].billed_from;
    assert!((8 * SECOND..=15 * SECOND).contains(&pull_at), "provisioning is not billed");
    w.desire(started + SECOND, 0);
    w.service.exited(started + 2 * SECOND, 0);
    assert_eq!(w.service.billed(started + HOUR).task_time, MINUTE);

    let mut w = world(&with_image(105));
    w.service.begin_running(2, &mut Vec::new());
    assert_eq!(w.service.billed(10 * MINUTE).task_time, 20 * MINUTE);
    w.desire(10 * MINUTE, 1);
    w.service.exited(10 * MINUTE + SECOND / 2, 1);
    assert_eq!(w.service.billed(11 * MINUTE).task_time, 11 * MINUTE + 10 * MINUTE + SECOND);
}

#[test]
fn a_pull_in_progress_is_billed() {
    let mut w = world(&with_image(10_000));
    w.desire(0, 1);
    let State::Launching { pull_at } = w.service.tasks[0].state else { panic!("not launching") };
    assert_eq!(w.service.billed(2 * MINUTE).task_time, 2 * MINUTE - pull_at);
    let started = w.starts[0].0;
    w.start_until(started);
    assert_eq!(w.service.billed(started + SECOND).task_time, started + SECOND - pull_at);
}

#[test]
fn spot_tasks_are_warned_and_replaced() {
    let ecs = Ecs { capacity: Capacity::FargateSpot, stop_timeout: 120 * SECOND, ..Ecs::default() };
    let mut w = world(&ecs);
    let mut out = Vec::new();
    w.service.begin_running(200, &mut out);
    let at: Vec<Nanos> = out
        .iter()
        .filter_map(|c| if let Command::Interrupt { at, .. } = c { Some(*at) } else { None })
        .collect();
    let mean_hours = at.iter().sum::<Nanos>() as f64 / at.len() as f64 / HOUR as f64;
    assert_eq!(at.len(), 200);
    assert!((40.0..=60.0).contains(&mean_hours), "0.02 per hour is one in 50 h, not {mean_hours}");
    let mut out = Vec::new();
    assert!(w.service.interrupt(HOUR, 3, &mut w.account, &mut out));
    assert!(!w.service.interrupt(HOUR, 3, &mut w.account, &mut out));
    assert_eq!((w.service.running(), w.service.pending(), w.service.stopping()), (199, 1, 1));
    assert!(out.contains(&Command::Stop { task: 3, kill_at: HOUR + 2 * MINUTE }));
}

fn on_ec2(min: u32, max: u32) -> Ecs {
    let instance_type = INSTANCE_TYPES.into_iter().find(|t| t.name == "c6i.large").unwrap();
    let ec2 = Ec2 {
        instance_type,
        min_instances: min,
        max_instances: max,
        target_capacity_percent: 100,
        image_cached: true,
    };
    Ecs { capacity: Capacity::Ec2(ec2), cpu_units: 512, memory_mb: 512, max_tasks: 100, ..Ecs::default() }
}

#[test]
fn ec2_starts_in_seconds_while_there_is_room_and_boots_when_there_is_not() {
    let mut w = world(&on_ec2(1, 10));
    w.desire(0, 4);
    assert!(w.starts.iter().all(|s| s.0 <= 4 * SECOND), "four half vCPU fit on two vCPU, image cached");
    w.start_until(MINUTE);
    w.desire(MINUTE, 10);
    assert_eq!((w.starts.len(), w.service.pending()), (0, 6));
    w.minute(2 * MINUTE);
    assert_eq!(w.service.instances(), 3);
    w.minute(5 * MINUTE);
    w.start_until(6 * MINUTE);
    assert_eq!(w.service.running(), 10);
}

#[test]
fn managed_scaling_waits_for_its_warm_up_and_starts_with_two() {
    let mut w = world(&on_ec2(0, 10));
    w.desire(0, 1);
    w.minute(MINUTE);
    assert_eq!(w.service.instances(), 2);
    w.desire(2 * MINUTE, 30);
    w.minute(2 * MINUTE);
    assert_eq!(w.service.instances(), 2, "within 300 s of the last step");
    w.minute(6 * MINUTE);
    assert_eq!(w.service.instances(), 8);
}

#[test]
fn empty_instances_go_after_fifteen_minutes_by_halves() {
    let mut w = world(&on_ec2(0, 10));
    w.service.begin_running(32, &mut Vec::new());
    assert_eq!(w.service.instances(), 8);
    w.desire(0, 0);
    for (_, task) in std::mem::take(&mut w.stops) {
        w.service.exited(SECOND, task);
    }
    let sizes: Vec<u32> = (1..=19)
        .map(|minute| {
            w.minute(minute * MINUTE);
            w.service.instances()
        })
        .collect();
    assert_eq!(sizes[..14], [8; 14]);
    assert_eq!(sizes[14..], [4, 2, 1, 0, 0]);
    assert_eq!(w.service.billed(HOUR).task_time, 0, "EC2 bills instances");
}

#[test]
fn a_crashed_task_is_billed_to_its_end_and_replaced_at_once() {
    let mut w = world(&with_image(105));
    w.service.begin_running(2, &mut Vec::new());
    let mut out = Vec::new();
    assert!(w.service.crashed(90 * SECOND, 0, &mut w.account, &mut out));
    assert!(!w.service.crashed(90 * SECOND, 0, &mut w.account, &mut out), "it is gone");
    w.note(out);
    assert_eq!(w.counts(), (1, 1, 0));
    assert!(w.stops.is_empty(), "nobody sends a signal to what has died");
    let replaced = w.starts[0];
    assert!((100 * SECOND..120 * SECOND).contains(&replaced.0) && replaced.1 == 2);
    // The one lived 90 s, the other lives on; the pull of the third is billed once it begins.
    assert_eq!(w.service.billed(91 * SECOND).task_time, (90 + 91) * SECOND);
    w.start_until(3 * MINUTE);
    assert_eq!(w.counts(), (2, 0, 0));
    // One that dies while it is being stopped was not wanted any more.
    w.desire(4 * MINUTE, 1);
    let mut out = Vec::new();
    assert!(w.service.crashed(4 * MINUTE + SECOND, w.stops[0].1, &mut w.account, &mut out));
    assert!(out.is_empty());
    assert_eq!(w.counts(), (1, 0, 0));
}

#[test]
fn killed_tasks_have_their_stop_timeout_and_are_replaced() {
    let mut w = world(&with_image(105));
    w.service.begin_running(3, &mut Vec::new());
    let mut out = Vec::new();
    assert_eq!(w.service.kill(MINUTE, 2, &mut w.account, &mut out), 2);
    w.note(out);
    assert_eq!((w.counts(), &w.stops[..]), ((1, 2, 2), &[(90 * SECOND, 0), (90 * SECOND, 1)][..]));
    let mut out = Vec::new();
    assert_eq!(w.service.kill(MINUTE, 9, &mut w.account, &mut out), 1, "those that run");
    assert_eq!(w.counts(), (0, 3, 3));
}

/// ECS API reference: 100 % stay healthy, at most 200 % run, and a task is healthy 40 s after it began to run.
#[test]
fn a_deployment_replaces_one_generation_by_the_next() {
    let mut w = world(&with_image(105));
    w.service.begin_running(3, &mut Vec::new());
    w.desire(MINUTE, 4);
    let on_its_way = w.starts[0].1;
    let mut out = Vec::new();
    w.service.deploy(MINUTE + SECOND, &mut w.account, &mut out);
    assert!(out.contains(&Command::Cancel { task: on_its_way }));
    w.note(out);
    assert!(w.service.deploying());
    assert_eq!(w.counts(), (3, 4, 0), "the new generation beside the old one");
    let starts = w.starts.clone();
    let mut stopped = Vec::new();
    for (n, &(at, task)) in starts.iter().enumerate() {
        let mut out = Vec::new();
        assert!(w.service.started(at, task, &mut out));
        assert!(out.contains(&Command::Wake { at: at + 40 * SECOND }), "start {n}");
        assert!(w.service.running() + w.service.pending() <= 8);
    }
    // Four are wanted and three old ones are healthy: the first new one that is healthy makes up for the fourth.
    for (n, &(at, _)) in starts.iter().enumerate() {
        w.reconcile(at + 40 * SECOND - 1);
        assert_eq!(w.stops.len(), n.saturating_sub(1), "not before the next one is healthy");
        w.reconcile(at + 40 * SECOND);
        stopped.clone_from(&w.stops);
    }
    assert_eq!(stopped.iter().map(|s| s.1).collect::<Vec<_>>(), [0, 1, 2], "the oldest first");
    assert!(!w.service.deploying());
    assert_eq!(w.counts(), (4, 0, 3));
}

#[test]
fn deployments_overtake_each_other_and_survive_crashes() {
    let mut w = world(&with_image(105));
    w.service.begin_running(2, &mut Vec::new());
    let mut out = Vec::new();
    w.service.deploy(MINUTE, &mut w.account, &mut out);
    w.note(out);
    w.start_until(90 * SECOND);
    assert_eq!(w.counts(), (4, 0, 0));
    let mut out = Vec::new();
    w.service.deploy(90 * SECOND, &mut w.account, &mut out);
    // Two of the four that are replaced now are healthy, and two are wanted: the others can go.
    assert_eq!(w.counts(), (2, 2, 2));
    assert!(w.service.crashed(91 * SECOND, 0, &mut w.account, &mut out));
    assert_eq!(w.counts(), (1, 2, 2), "the new version is on its way already");
    w.note(out);
    w.start_until(2 * MINUTE);
    w.reconcile(3 * MINUTE);
    assert!(!w.service.deploying());
    assert_eq!(w.counts(), (2, 0, 3));
    w.desire(4 * MINUTE, 0);
    let mut out = Vec::new();
    w.service.deploy(5 * MINUTE, &mut w.account, &mut out);
    assert!(out.is_empty() && !w.service.deploying(), "nothing runs that could be replaced");
}

#[test]
fn a_deployment_on_ec2_waits_for_room() {
    let mut w = world(&on_ec2(1, 10));
    w.service.begin_running(4, &mut Vec::new());
    let mut out = Vec::new();
    w.service.deploy(MINUTE, &mut w.account, &mut out);
    w.note(out);
    assert_eq!(w.counts(), (4, 4, 0), "the one instance is full");
    for minute in 2..=8 {
        w.minute(minute * MINUTE);
        for (_, task) in std::mem::take(&mut w.stops) {
            w.service.exited(minute * MINUTE, task);
        }
    }
    assert_eq!((w.counts(), w.service.deploying()), ((4, 0, 0), false));
}

/// PutScalingPolicy: during a deployment scale-in is suspended, and scale-out is not.
#[test]
fn policies_do_not_scale_in_during_a_deployment() {
    use model::scenario::{AlarmMetric, ScalingPolicy, TargetTracking};
    let policy = TargetTracking {
        metric: AlarmMetric::BacklogPerTask,
        target: 10.0,
        scale_out_cooldown: 0,
        scale_in_cooldown: 0,
        disable_scale_in: false,
    };
    let scaling = vec![ScalingPolicy::TargetTracking(policy)];
    let ecs = Ecs { tasks: 5, min_tasks: 1, max_tasks: 10, scaling, ..with_image(10_000) };
    let beliefs = Parameters::default();
    let stream = |label| Stream::new(1, label);
    let desired_after = |backlog: u64, deploys: bool| {
        let mut control = Control::new(Fleet::Ecs(&ecs), &beliefs, stream("service"), stream("control"));
        assert_eq!(control.begin(Fleet::Ecs(&ecs)), 5);
        for minute in 1..=30 {
            control.sample(Reading { visible: backlog, ..Reading::default() });
            control.every_minute(minute * MINUTE, 100 * minute, false, 0.0);
            // Never before the second generation runs: its image is large.
            if deploys && minute % 10 == 1 {
                control.deploy(minute * MINUTE);
                assert!(control.deploying());
            }
            control.evaluate(minute * MINUTE + control.evaluation_delay());
        }
        control.counts().desired
    };
    assert!(desired_after(0, false) < 5);
    assert_eq!(desired_after(0, true), 5);
    assert_eq!(desired_after(10_000, true), 10);
}
