//! A Deployment on Amazon EKS: pods, what scales them, and the nodes that they run on.

use super::{INSTANCE_TYPES, InstanceType, Worker};
use crate::time::{Nanos, SECOND};

/// A Deployment of pods that each run the worker, on EC2 nodes that are there for it alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Eks {
    /// Instance type of the nodes.
    pub instance_type: InstanceType,
    /// Nodes that are always there.
    pub min_nodes: u32,
    /// Most nodes.
    pub max_nodes: u32,
    /// What launches nodes for pods that find no room.
    pub provisioner: NodeProvisioner,
    /// Whether nodes hold the image from the beginning.
    pub image_cached: bool,
    /// CPU that a pod requests, in units of 1/1,024 vCPU.
    pub cpu_units: u32,
    /// Memory that a pod requests, in MiB.
    pub memory_mb: u32,
    /// Compressed image size in MB.
    pub image_mb: u32,
    /// Replicas at the start.
    pub pods: u32,
    /// Whether those pods already run when the load begins, or are created then.
    pub warm_start: bool,
    /// A ScaledObject on the queue; without it the replicas are fixed.
    pub keda: Option<Keda>,
    /// The program in each pod.
    pub worker: Worker,
    /// terminationGracePeriodSeconds.
    pub stop_timeout: Nanos,
}

impl Default for Eks {
    fn default() -> Self {
        Self {
            instance_type: INSTANCE_TYPES[4],
            min_nodes: 1,
            max_nodes: 10,
            provisioner: NodeProvisioner::Karpenter,
            image_cached: false,
            cpu_units: 256,
            memory_mb: 512,
            image_mb: 200,
            pods: 1,
            warm_start: true,
            keda: None,
            worker: Worker::default(),
            stop_timeout: 30 * SECOND,
        }
    }
}

/// What launches nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeProvisioner {
    /// Karpenter launches instances itself, a batch of pods at a time.
    Karpenter,
    /// Cluster Autoscaler raises the desired capacity of a node group.
    ClusterAutoscaler,
}

/// A KEDA ScaledObject with the trigger `aws-sqs-queue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keda {
    /// queueLength: messages for each pod.
    pub queue_length: u32,
    /// activationQueueLength: there are pods only above that many messages.
    pub activation_queue_length: u32,
    /// minReplicaCount.
    pub min_pods: u32,
    /// maxReplicaCount.
    pub max_pods: u32,
    /// pollingInterval: how often a Deployment without pods is looked at.
    pub polling_interval: Nanos,
    /// cooldownPeriod: how long there is nothing to do before the last pods go.
    pub cooldown_period: Nanos,
    /// scaleOnInFlight: whether messages that are being worked on count, too.
    pub scale_on_in_flight: bool,
}

/// The defaults of KEDA's own.
impl Default for Keda {
    fn default() -> Self {
        Self {
            queue_length: 5,
            activation_queue_length: 0,
            min_pods: 0,
            max_pods: 100,
            polling_interval: 30 * SECOND,
            cooldown_period: 300 * SECOND,
            scale_on_in_flight: true,
        }
    }
}

/// Pods of the system that run on every node: aws-node and kube-proxy.
const SYSTEM_PODS: u32 = 2;
/// CPU that they request, in thousandths: 50 and 100.
const SYSTEM_MILLICPU: u32 = 150;
/// evictionHard memory.available, in MiB.
const EVICTION_MB: u32 = 100;

impl Eks {
    /// What a node leaves for pods: thousandths of a vCPU, MiB, and their number.
    ///
    /// Source: EKS user guide, maximum pods per instance type; Amazon EKS AMI, bootstrap: 6 % of the first core, 1 %
    /// of the second, 0.5 % of the next two and 0.25 % of others are reserved, and 255 MiB + 11 MiB for each pod.
    #[must_use]
    pub fn allocatable(&self) -> (u32, u32, u32) {
        let InstanceType { cpu_units, memory_mb, .. } = self.instance_type;
        let vcpus = cpu_units / 1024;
        let of_core = |core: u32| match core {
            0 => 600,
            1 => 100,
            2 | 3 => 50,
            _ => 25,
        };
        let reserved = (0..vcpus).map(of_core).sum::<u32>() / 10;
        let most = self.most_pods();
        let memory = memory_mb.saturating_sub(255 + 11 * most + EVICTION_MB);
        ((vcpus * 1000).saturating_sub(reserved + SYSTEM_MILLICPU), memory, most - SYSTEM_PODS)
    }

    /// Addresses that the network interfaces of a node have room for.
    fn most_pods(&self) -> u32 {
        match self.instance_type.name.split('.').next_back() {
            Some("small") => 11,
            Some("medium") => 17,
            Some("xlarge") => 58,
            _ => 29,
        }
    }

    /// Pods of this size that one node has room for; 0 if it is too large.
    #[must_use]
    pub fn pods_per_node(&self) -> u32 {
        let (millicpu, memory_mb, pods) = self.allocatable();
        let by_cpu = u64::from(millicpu) * 1024 / (u64::from(self.cpu_units.max(1)) * 1000);
        (by_cpu as u32).min(memory_mb / self.memory_mb.max(1)).min(pods)
    }
}
