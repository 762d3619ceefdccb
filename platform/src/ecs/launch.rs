//! How the units of a fleet come and go: what differs between ECS tasks, instances and pods in the life of one of them.
//!
//! Goals: one life (asked for, on its way, billed, running, told to stop, gone) with three sets of laws.
//! Non-goals: how many there should be (`scaling`), where nodes come from (`cluster`, `nodes`).
//!
//! An instance of an Auto Scaling group is pending, which is not billed, boots, and starts the program that is in its
//! image. A pod waits for the controller that creates it and for room on a node, then for its image if the node does
//! not hold it, and starts.

use super::cluster::Cluster;
use crate::bucket::Bucket;
use model::random::{Sampler, normal_quantile};
use model::scenario::{AutoScalingGroup, Capacity, Ecs, Eks, Fleet, Parameters};
use model::time::{HOUR, MINUTE, Nanos, from_seconds};

/// More than any bucket is asked for.
const UNLIMITED: u64 = 1_000_000_000;

#[derive(Clone, Debug)]
pub(super) struct Launch {
    /// What one scheduler, group or controller may launch.
    pub(super) launches: Bucket,
    /// Instances that units are placed on; without it each unit is capacity of its own.
    pub(super) cluster: Option<Cluster>,
    /// Before billing starts.
    pub(super) provisioning: Sampler,
    /// Billed: the image is pulled, or the instance boots.
    pub(super) pull: Sampler,
    /// From there to the program's first line.
    pub(super) start: Sampler,
    /// How long a unit has to run before it counts as healthy, or as warmed up.
    pub(super) healthy_after: Nanos,
    pub(super) stop_timeout: Nanos,
    pub(super) interruption: Option<Sampler>,
    pub(super) billing_minimum: Nanos,
    /// Whether a deployment is a Kubernetes one: a quarter more at a time, a quarter missing.
    pub(super) rolls_by_quarters: bool,
}

impl Launch {
    pub(super) fn of(fleet: Fleet<'_>, beliefs: &Parameters) -> Self {
        match fleet {
            Fleet::Ecs(ecs) => Self::of_tasks(ecs, beliefs),
            Fleet::Ec2(group) => Self::of_instances(group, beliefs),
            Fleet::Eks(eks) => Self::of_pods(eks, beliefs),
        }
    }

    fn of_tasks(ecs: &Ecs, beliefs: &Parameters) -> Self {
        let hourly = beliefs.spot_interruptions_per_hour;
        let spot = ecs.capacity == Capacity::FargateSpot && hourly > 0.0;
        let per_minute = beliefs.ecs_service_launch_per_minute;
        Self {
            launches: Bucket::new((per_minute / 60).max(1), per_minute, MINUTE),
            cluster: match &ecs.capacity {
                Capacity::Ec2(ec2) => Some(Cluster::of_provider(ec2, ecs, beliefs)),
                Capacity::Fargate | Capacity::FargateSpot => None,
            },
            provisioning: Sampler::uniform(beliefs.ecs_provisioning_min, beliefs.ecs_provisioning_max),
            pull: pull(ecs.image_mb, beliefs),
            start: Sampler::uniform(beliefs.ecs_start_min, beliefs.ecs_start_max),
            healthy_after: beliefs.ecs_healthy_after,
            stop_timeout: ecs.stop_timeout,
            interruption: spot.then(|| Sampler::exponential((HOUR as f64 / hourly) as Nanos)),
            billing_minimum: beliefs.ecs_billing_minimum,
            rolls_by_quarters: false,
        }
    }

    fn of_instances(group: &AutoScalingGroup, beliefs: &Parameters) -> Self {
        Self {
            launches: Bucket::per_second(UNLIMITED, UNLIMITED),
            cluster: None,
            provisioning: Sampler::uniform(beliefs.ec2_pending_min, beliefs.ec2_pending_max),
            pull: Sampler::uniform(beliefs.ec2_boot_min, beliefs.ec2_boot_max),
            start: Sampler::uniform(beliefs.ecs_start_min, beliefs.ecs_start_max),
            healthy_after: group.instance_warmup,
            stop_timeout: group.stop_timeout,
            interruption: None,
            billing_minimum: beliefs.ec2_billing_minimum,
            rolls_by_quarters: false,
        }
    }

    fn of_pods(eks: &Eks, beliefs: &Parameters) -> Self {
        Self {
            launches: Bucket::per_second(beliefs.pod_create_burst, beliefs.pod_create_per_second),
            cluster: Some(Cluster::of_nodes(eks, beliefs)),
            // Pods are not billed: their nodes are.
            provisioning: Sampler::uniform(0, 0),
            pull: pull(eks.image_mb, beliefs),
            start: Sampler::uniform(beliefs.ecs_start_min, beliefs.ecs_start_max),
            healthy_after: 0,
            stop_timeout: eks.stop_timeout,
            interruption: None,
            billing_minimum: 0,
            rolls_by_quarters: true,
        }
    }
}

/// How long a pull of so many MB takes.
fn pull(image_mb: u32, beliefs: &Parameters) -> Sampler {
    let mb_per_s = beliefs.ecs_pull_mb_per_second.max(0.001);
    let pull = from_seconds(f64::from(image_mb) / mb_per_s);
    let p99 = pull + (pull as f64 * beliefs.ecs_pull_spread * normal_quantile(0.99)) as Nanos;
    Sampler::lognormal(pull, p99)
}
