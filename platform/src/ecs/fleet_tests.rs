//! Instances and pods: start-up, nodes and what is billed, by published figures.

use super::*;
use model::scenario::{AutoScalingGroup, Eks, INSTANCE_TYPES, NodeProvisioner};
use model::time::{HOUR, MINUTE, SECOND};
use std::collections::BTreeSet;

/// A fleet whose commands are carried out at their instants.
struct Played {
    service: Service,
    account: Account,
    /// Starts and wakes to come.
    due: BTreeSet<(Nanos, Option<TaskId>)>,
    started: Vec<Nanos>,
    stops: Vec<TaskId>,
}

impl Played {
    fn new(fleet: Fleet<'_>) -> Self {
        let beliefs = Parameters::default();
        Self {
            service: Service::new(fleet, &beliefs, Stream::new(1, "service")),
            account: Account::new(fleet, &beliefs),
            due: BTreeSet::new(),
            started: Vec::new(),
            stops: Vec::new(),
        }
    }

    fn note(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Start { task, at } => _ = self.due.insert((at, Some(task))),
                Command::Wake { at } => _ = self.due.insert((at, None)),
                Command::Stop { task, .. } => self.stops.push(task),
                Command::Cancel { .. } | Command::Interrupt { .. } | Command::Look { .. } => {}
            }
        }
    }

    fn desire(&mut self, now: Nanos, count: u32) {
        let mut out = Vec::new();
        self.service.set_desired(now, count, &mut self.account, &mut out);
        self.note(out);
    }

    fn run(&mut self, until: Nanos) {
        while let Some((at, task)) = self.due.first().copied().filter(|due| due.0 <= until) {
            self.due.pop_first();
            let mut out = Vec::new();
            match task {
                Some(task) if self.service.started(at, task, &mut out) => self.started.push(at),
                Some(_) => {}
                None => self.service.reconcile(at, &mut self.account, &mut out),
            }
            self.note(out);
        }
    }

    /// Stops all that run, and looks after the nodes once every ten seconds.
    fn empty(&mut self, now: Nanos, until: Nanos) -> Option<Nanos> {
        self.desire(now, 0);
        std::mem::take(&mut self.stops).into_iter().for_each(|task| self.service.exited(now, task));
        (now..=until).step_by(10 * SECOND as usize).find(|&at| {
            let mut out = Vec::new();
            self.service.reconcile(at, &mut self.account, &mut out);
            self.service.instances() == 0
        })
    }
}

fn minutes(at: Nanos) -> f64 {
    at as f64 / MINUTE as f64
}

fn pods(provisioner: NodeProvisioner) -> Eks {
    Eks { provisioner, min_nodes: 0, max_nodes: 5_000, ..Eks::default() }
}

/// 0 to 3,500 pods on EC2 nodes: the first after 2.5 min, the last after 6.5 (vladionescu.me, 2022). The first comes
/// within that by either provisioner; the last sooner than published, by 20 pods a second and no limit of launches.
#[test]
fn eks_reaches_3500_pods_within_minutes() {
    for (provisioner, first_within, last_within) in [
        (NodeProvisioner::Karpenter, 0.9..=2.5, 3.0..=5.0),
        (NodeProvisioner::ClusterAutoscaler, 1.5..=3.5, 3.5..=6.5),
    ] {
        let mut played = Played::new(Fleet::Eks(&pods(provisioner)));
        played.desire(0, 3_500);
        played.run(HOUR);
        assert_eq!(played.service.running(), 3_500);
        let (first, last) = (played.started[0], played.started[3_499]);
        assert!(
            first_within.contains(&minutes(first)),
            "{provisioner:?}: first after {} min",
            minutes(first)
        );
        assert!(last_within.contains(&minutes(last)), "{provisioner:?}: last after {} min", minutes(last));
    }
}

/// A new node takes 45 to 90 s by Karpenter (EKS engineering playbook, 2026), 1.5 to 5 min by Cluster Autoscaler
/// (vladionescu.me, 2022; zop.dev, 2026).
#[test]
fn a_pod_waits_for_its_node() {
    for (provisioner, least, most) in [
        (NodeProvisioner::Karpenter, 36 * SECOND, 110 * SECOND),
        (NodeProvisioner::ClusterAutoscaler, 65 * SECOND, 210 * SECOND),
    ] {
        let eks = Eks { image_cached: true, ..pods(provisioner) };
        let mut played = Played::new(Fleet::Eks(&eks));
        played.desire(0, 1);
        played.run(HOUR);
        let at = played.started[0];
        assert!((least..=most).contains(&at), "{provisioner:?}: {} s", at / SECOND);
        assert_eq!(played.service.instances(), 1);
    }
}

/// Pods that find room start at once; those of a node without the image wait for one pull of it.
#[test]
fn a_node_pulls_an_image_once() {
    let eks = Eks { min_nodes: 1, max_nodes: 1, image_mb: 200, ..Eks::default() };
    let mut played = Played::new(Fleet::Eks(&eks));
    played.desire(0, 3);
    played.run(HOUR);
    let pull = 200.0 / Parameters::default().ecs_pull_mb_per_second;
    for at in &played.started {
        let seconds = *at as f64 / SECOND as f64;
        assert!((pull * 0.8..pull * 1.3 + 3.0).contains(&seconds), "{seconds} s of {pull}");
    }
    let before = played.started.len();
    played.desire(HOUR, 4);
    played.run(2 * HOUR);
    let start = played.started[before] - HOUR;
    assert!((SECOND..=3 * SECOND).contains(&start), "{start}");
}

/// What a node has no room for waits, and its most nodes are never exceeded.
#[test]
fn pods_wait_when_there_are_no_more_nodes() {
    let eks = Eks { max_nodes: 2, ..pods(NodeProvisioner::Karpenter) };
    let mut played = Played::new(Fleet::Eks(&eks));
    played.desire(0, 100);
    played.run(HOUR);
    let room = 2 * eks.pods_per_node();
    assert_eq!((played.service.running(), played.service.pending()), (room, 100 - room));
    assert_eq!(played.service.instances(), 2);
}

/// m6i.large with pods of 0.25 vCPU: 2,000 thousandths less 70 for the kubelet and 150 for the system's pods.
#[test]
fn a_node_holds_less_than_its_size() {
    let eks = pods(NodeProvisioner::Karpenter);
    assert_eq!(eks.instance_type.name, "m6i.large");
    assert_eq!(eks.allocatable(), (1_780, 8_192 - 255 - 11 * 29 - 100, 27));
    assert_eq!(eks.pods_per_node(), 7);
}

/// Karpenter takes empty nodes at once, Cluster Autoscaler after ten minutes.
#[test]
fn empty_nodes_go() {
    for (provisioner, least, most) in
        [(NodeProvisioner::Karpenter, 15, 25), (NodeProvisioner::ClusterAutoscaler, 600, 610)]
    {
        let mut played = Played::new(Fleet::Eks(&pods(provisioner)));
        played.desire(0, 30);
        played.run(HOUR);
        assert!(played.service.instances() > 1);
        let gone = played.empty(HOUR, 2 * HOUR).map(|at| (at - HOUR) / SECOND);
        assert!(gone.is_some_and(|gone| (least..=most).contains(&gone)), "{provisioner:?}: {gone:?} s");
        let billed = played.service.billed(2 * HOUR);
        assert_eq!(played.service.billed(3 * HOUR), billed, "what has gone costs nothing");
        assert_eq!(billed.task_time, 0);
    }
}

/// Launch, boot and the program: one to two and a half minutes. Billed from the boot on, a minute at least.
#[test]
fn an_instance_of_a_group_takes_minutes_and_is_billed_by_the_second() {
    let group = AutoScalingGroup { instance_type: INSTANCE_TYPES[4], ..AutoScalingGroup::default() };
    let mut played = Played::new(Fleet::Ec2(&group));
    played.desire(0, 50);
    played.run(HOUR);
    let (first, last) = (played.started[0], played.started[49]);
    assert!(first >= 66 * SECOND && last <= 141 * SECOND, "{} to {} s", first / SECOND, last / SECOND);
    let begun = played.service.billed(last).task_time;
    assert_eq!(played.service.billed(last + MINUTE).task_time, begun + 50 * MINUTE);

    let mut brief = Played::new(Fleet::Ec2(&group));
    let mut out = Vec::new();
    brief.service.begin_running(1, &mut out);
    brief.desire(SECOND, 0);
    brief.service.exited(2 * SECOND, 0);
    assert_eq!(brief.service.billed(HOUR).task_time, MINUTE);
}

/// RunInstances has 1,000 instances at once, then two a second.
#[test]
fn launches_of_instances_are_limited() {
    let group = AutoScalingGroup { max_instances: 5_000, ..AutoScalingGroup::default() };
    let mut played = Played::new(Fleet::Ec2(&group));
    played.desire(0, 1_600);
    played.run(2 * HOUR);
    let last = minutes(played.started[1_599]);
    assert!((5.0..=7.5).contains(&last), "{last} min");
}
