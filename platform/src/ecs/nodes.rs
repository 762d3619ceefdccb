//! Nodes of an EKS cluster: launched for pods that find no room, removed when they are empty.
//!
//! Goals: Karpenter's batches, Cluster Autoscaler's scans and the way through a node group, bounds, the time until a node
//! is ready, what is billed from when.
//! Non-goals: choosing instance types, packing pods of different sizes, moving pods to make room: a node goes only when
//! its last pod has gone by itself.
//!
//! Sources: karpenter.sh/docs, Settings, Disruption; Cluster Autoscaler FAQ; delays as cited in `Parameters`.

use model::random::{Sampler, Stream};
use model::scenario::{Eks, NodeProvisioner, Parameters};
use model::time::Nanos;

/// When nodes are launched, and when they go.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    provisioner: NodeProvisioner,
    /// When the pods without room are looked at next.
    decide_at: Option<Nanos>,
    /// Karpenter: when the open batch began, and how many nodes' worth of pods it has.
    batch: Option<(Nanos, u32)>,
    batch_idle: Nanos,
    batch_max: Nanos,
    scan_interval: Nanos,
    /// From the decision to the instance running: not billed.
    pending: Sampler,
    group_delay: Sampler,
    ready: Sampler,
    empty_after: Nanos,
    delay_after_add: Nanos,
    added_at: Option<Nanos>,
}

/// What becomes of pods without room.
pub(super) enum Decision {
    /// Nothing to do before then.
    Wait(Nanos),
    /// Launch what is missing now.
    Launch,
}

impl Nodes {
    pub(super) fn new(eks: &Eks, beliefs: &Parameters) -> Self {
        let scans = eks.provisioner == NodeProvisioner::ClusterAutoscaler;
        let of_scans = |delay: Nanos| if scans { delay } else { 0 };
        Self {
            provisioner: eks.provisioner,
            decide_at: None,
            batch: None,
            batch_idle: beliefs.karpenter_batch_idle,
            batch_max: beliefs.karpenter_batch_max,
            scan_interval: beliefs.ca_scan_interval.max(1),
            pending: Sampler::uniform(beliefs.ec2_pending_min, beliefs.ec2_pending_max),
            group_delay: Sampler::uniform(
                of_scans(beliefs.ca_group_delay_min),
                of_scans(beliefs.ca_group_delay_max),
            ),
            ready: Sampler::uniform(beliefs.eks_node_ready_min, beliefs.eks_node_ready_max),
            empty_after: if scans { beliefs.ca_unneeded } else { beliefs.karpenter_empty_after },
            delay_after_add: of_scans(beliefs.ca_delay_after_add),
            added_at: None,
        }
    }

    /// What to do about `missing` nodes, which pods wait for.
    pub(super) fn decide(&mut self, now: Nanos, missing: u32) -> Decision {
        if self.provisioner == NodeProvisioner::Karpenter {
            let (began, known) = self.batch.unwrap_or((now, 0));
            if missing > known {
                // A pod that comes while the batch is open keeps it open.
                self.batch = Some((began, missing));
                self.decide_at = Some((now + self.batch_idle).min(began + self.batch_max));
            }
        } else if self.decide_at.is_none() {
            self.decide_at = Some((now / self.scan_interval + 1) * self.scan_interval);
        }
        match self.decide_at {
            Some(at) if now < at => Decision::Wait(at),
            _ => {
                self.forget();
                self.added_at = Some(now);
                Decision::Launch
            }
        }
    }

    /// No pod waits any more.
    pub(super) fn forget(&mut self) {
        (self.decide_at, self.batch) = (None, None);
    }

    /// When a node that is launched now runs, and when it is ready.
    pub(super) fn launch(&self, now: Nanos, stream: &mut Stream) -> (Nanos, Nanos) {
        let running = now + self.group_delay.draw(stream) + self.pending.draw(stream);
        (running, running + self.ready.draw(stream))
    }

    /// Whether a node may go that has been empty since then.
    pub(super) fn may_go(&self, now: Nanos, empty_since: Nanos) -> bool {
        let settled = self.added_at.is_none_or(|at| now >= at + self.delay_after_add);
        settled && now >= empty_since + self.empty_after
    }
}
