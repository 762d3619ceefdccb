//! The keys of `platform = "ec2"` and `platform = "eks"`.

use super::kinds::{Choice, Count, Flag, Megabytes, Span, Sub};
use super::lists::List;
use super::scaling::{Of, policy};
use super::stacks::{Vcpu, bounds, worker};
use super::table::Table;
use super::units::show_size;
use super::{AutoScalingGroup, Eks, INSTANCE_TYPES, InstanceType, Keda, NodeProvisioner, check};
use crate::time::{HOUR, SECOND};

/// An EC2 Auto Scaling group.
pub(super) fn group(t: &mut Table<'_>) -> Option<AutoScalingGroup> {
    let default = AutoScalingGroup::default();
    let instance_type = instance_type(t);
    let doc = "EC2 Auto Scaling policies.";
    let list = List(
        Sub("{ policy = \"backlog-per-instance\", target = 100 }", |t: &mut Table<'_>| {
            policy(t, Of::Instances)
        }),
        20,
    );
    let scaling = t.get("scaling", doc, &list, default.scaling);
    let (instances, min_instances, max_instances) = bounds(t, "instances", !scaling.is_empty());
    let doc = "Whether those instances already run when the load begins, or are launched then.";
    let warm_start = t.get("warm-start", doc, &Flag, default.warm_start);
    let worker = worker(t, "instance");
    let doc = "From SIGTERM to the end of the program when its instance is terminated.";
    let stop_timeout = t.get("stop-timeout", doc, &Span::seconds(2 * SECOND, HOUR), default.stop_timeout);
    let doc = "DefaultInstanceWarmup: an instance counts for policies only when it has run this long.";
    let instance_warmup = t.get("instance-warmup", doc, &Span::seconds(0, HOUR), default.instance_warmup);
    let group = AutoScalingGroup {
        instance_type: instance_type?,
        instances,
        warm_start,
        min_instances,
        max_instances,
        worker,
        stop_timeout,
        instance_warmup,
        scaling,
    };
    if t.clean() {
        check::bounds(t, "instances", (instances, min_instances, max_instances));
        check::deletes(t, &group.worker);
    }
    Some(group)
}

fn instance_type(t: &mut Table<'_>) -> Option<InstanceType> {
    let types = INSTANCE_TYPES.map(|kind| (kind, kind.name)).to_vec();
    t.required("instance-type", "EC2 instance type.", &Choice(types))
}

/// A Deployment on EKS.
pub(super) fn eks(t: &mut Table<'_>) -> Option<Eks> {
    let default = Eks::default();
    let instance_type = instance_type(t);
    let doc = "Nodes that are always there.";
    let min_nodes = t.get("min-nodes", doc, &Count(0, 5_000), default.min_nodes);
    let max_nodes = t.get("max-nodes", "Most nodes.", &Count(1, 5_000), default.max_nodes.max(min_nodes));
    let provisioners = vec![
        (NodeProvisioner::Karpenter, "karpenter"),
        (NodeProvisioner::ClusterAutoscaler, "cluster-autoscaler"),
    ];
    let doc = "What launches nodes for pods that find no room.";
    let provisioner = t.get("node-provisioner", doc, &Choice(provisioners), default.provisioner);
    let doc = "Whether nodes hold the image from the beginning; without it the first pod of a node pulls it.";
    let image_cached = t.get("image-cached", doc, &Flag, default.image_cached);
    let cpu_units = t.get("cpu", "vCPUs that a pod requests, e.g. 0.25.", &Vcpu, default.cpu_units);
    let doc = "Memory that a pod requests.";
    let memory_mb = t.get("memory", doc, &Megabytes(64, 192 * 1024), default.memory_mb);
    let doc = "Compressed image size: what a node pulls before its first pod starts.";
    let image_mb = t.get("image-size", doc, &Megabytes(1, 20 * 1024), default.image_mb);
    let doc = "KEDA's ScaledObject on the queue; without it the replicas are fixed.";
    let keda = t.optional("keda", doc, &Sub("{ queue-length = 5 }", keda));
    let doc = "Replicas at the start; without it min-pods of keda, or 1.";
    let pods = t.optional("pods", doc, &Count(0, 5_000));
    let doc = "Whether those pods already run when the load begins, or are created then.";
    let warm_start = t.get("warm-start", doc, &Flag, default.warm_start);
    let worker = worker(t, "pod");
    let doc = "terminationGracePeriodSeconds: from SIGTERM to SIGKILL.";
    let stop_timeout = t.get("stop-timeout", doc, &Span::seconds(2 * SECOND, HOUR), default.stop_timeout);
    let eks = Eks {
        instance_type: instance_type?,
        min_nodes,
        max_nodes,
        provisioner,
        image_cached,
        cpu_units,
        memory_mb,
        image_mb,
        pods: pods.unwrap_or(keda.map_or(1, |keda| keda.min_pods)),
        warm_start,
        keda,
        worker,
        stop_timeout,
    };
    if t.clean() {
        pods_fit(t, &eks);
        check::deletes(t, &eks.worker);
    }
    Some(eks)
}

fn pods_fit(t: &Table<'_>, eks: &Eks) {
    if eks.min_nodes > eks.max_nodes {
        let (is, most) = (eks.min_nodes, eks.max_nodes);
        t.problem("min-nodes", format!("{is} is above max-nodes, {most}; lower this or raise that"));
    }
    if let Some(keda) = &eks.keda {
        let (pods, least, most) = (eks.pods, keda.min_pods, keda.max_pods);
        if pods < least {
            t.problem("pods", format!("{pods} is below keda.min-pods, {least}; raise this or lower that"));
        } else if pods > most {
            t.problem("pods", format!("{pods} is above keda.max-pods, {most}; lower this or raise that"));
        }
    }
    let room = eks.max_nodes.saturating_mul(eks.pods_per_node().max(1));
    if eks.warm_start && eks.pods > room {
        let text = format!(
            "{} that run from the start do not fit max-nodes, which has room for {room}; lower this or raise that",
            eks.pods
        );
        t.problem("pods", text);
    }
    let name = eks.instance_type.name;
    let (millicpu, memory_mb, _) = eks.allocatable();
    let vcpus = f64::from(eks.cpu_units) / 1024.0;
    if vcpus * 1000.0 > f64::from(millicpu) {
        let most = f64::from(millicpu) / 1000.0;
        let text = format!(
            "{vcpus} vCPU does not fit {name}, which leaves {most} for pods; write less, or a larger instance type"
        );
        t.problem("cpu", text);
    }
    if eks.memory_mb > memory_mb {
        let size = |mb: u32| show_size(u64::from(mb) << 20);
        let (is, most) = (size(eks.memory_mb), size(memory_mb));
        let text = format!(
            "{is} does not fit {name}, which leaves {most} for pods; write less, or a larger instance type"
        );
        t.problem("memory", text);
    }
}

fn keda(t: &mut Table<'_>) -> Option<Keda> {
    let default = Keda::default();
    let doc = "queueLength: messages for each pod.";
    let queue_length = t.get("queue-length", doc, &Count(1, 1_000_000), default.queue_length);
    let doc = "activationQueueLength: there are pods only above that many messages; with min-pods = 0.";
    let activation_queue_length =
        t.get("activation-queue-length", doc, &Count(0, 1_000_000), default.activation_queue_length);
    let min_pods = t.get("min-pods", "minReplicaCount.", &Count(0, 5_000), default.min_pods);
    let doc = "maxReplicaCount.";
    let max_pods = t.get("max-pods", doc, &Count(1, 5_000), default.max_pods.max(min_pods));
    let doc = "pollingInterval: how often a Deployment without pods is looked at.";
    let polling = Span::seconds(SECOND, HOUR);
    let polling_interval = t.get("polling-interval", doc, &polling, default.polling_interval);
    let doc = "cooldownPeriod: how long there is nothing to do before the last pods go.";
    let cooldown_period =
        t.get("cooldown-period", doc, &Span::seconds(0, 24 * HOUR), default.cooldown_period);
    let doc = "scaleOnInFlight: whether messages that are being worked on count, too.";
    let scale_on_in_flight = t.get("scale-on-in-flight", doc, &Flag, default.scale_on_in_flight);
    if min_pods > max_pods {
        t.problem("min-pods", format!("{min_pods} is above max-pods, {max_pods}; lower this or raise that"));
    }
    Some(Keda {
        queue_length,
        activation_queue_length,
        min_pods,
        max_pods,
        polling_interval,
        cooldown_period,
        scale_on_in_flight,
    })
}
