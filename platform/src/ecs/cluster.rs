//! EC2 instances that tasks or pods are placed on.
//!
//! A capacity provider with managed scaling decides every minute how many there are; nodes of a Kubernetes cluster have
//! laws of their own (`nodes`).
//!
//! Source: ECS developer guide, cluster auto scaling: every minute CapacityProviderReservation = instances needed /
//! instances x 100; above target it scales out at once (at least two from zero) and then waits for the warm-up;
//! below target for 15 minutes it removes empty instances, at most half of them a minute.

use super::nodes::{Decision, Nodes};
use model::random::{Sampler, Stream};
use model::scenario::{Ec2, Ecs, Eks, Parameters};
use model::time::Nanos;

#[derive(Clone, Copy, Debug)]
struct Instance {
    id: u32,
    /// Billed from then on.
    running_at: Nanos,
    ready_at: Nanos,
    tasks: u32,
    image: Image,
    empty_since: Nanos,
}

/// Whether an instance holds the image of a task that is placed on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Image {
    Held,
    /// Another one pulls it: there at that instant.
    Coming(Nanos),
    Missing,
}

#[derive(Clone, Debug)]
pub(super) struct Cluster {
    instances: Vec<Instance>,
    created: u32,
    tasks_per_instance: u32,
    min: u32,
    max: u32,
    image_cached: bool,
    law: Law,
}

#[derive(Clone, Debug)]
enum Law {
    Managed(Managed),
    Nodes(Nodes),
}

/// Managed scaling of a capacity provider.
#[derive(Clone, Debug)]
struct Managed {
    target_percent: u32,
    boot: Sampler,
    warmup: Nanos,
    scale_in_datapoints: u64,
    low_minutes: u64,
    scaled_out_at: Option<Nanos>,
}

impl Cluster {
    pub(super) fn of_provider(ec2: &Ec2, ecs: &Ecs, beliefs: &Parameters) -> Self {
        let law = Law::Managed(Managed {
            target_percent: ec2.target_capacity_percent.clamp(1, 100),
            boot: Sampler::uniform(beliefs.ec2_boot_min, beliefs.ec2_boot_max),
            warmup: beliefs.ec2_warmup,
            scale_in_datapoints: beliefs.ec2_scale_in_datapoints,
            low_minutes: 0,
            scaled_out_at: None,
        });
        let bounds = (ec2.min_instances, ec2.max_instances);
        Self::new(ec2.tasks_per_instance(ecs), bounds, ec2.image_cached, law)
    }

    pub(super) fn of_nodes(eks: &Eks, beliefs: &Parameters) -> Self {
        let law = Law::Nodes(Nodes::new(eks, beliefs));
        Self::new(eks.pods_per_node().max(1), (eks.min_nodes, eks.max_nodes), eks.image_cached, law)
    }

    fn new(tasks_per_instance: u32, (min, max): (u32, u32), image_cached: bool, law: Law) -> Self {
        let instances = Vec::new();
        let mut cluster = Self { instances, created: 0, tasks_per_instance, min, max, image_cached, law };
        for _ in 0..min {
            cluster.launch(0, 0);
        }
        cluster
    }

    pub(super) fn size(&self) -> u32 {
        self.instances.len() as u32
    }

    fn launch(&mut self, running_at: Nanos, ready_at: Nanos) {
        let image = if self.image_cached { Image::Held } else { Image::Missing };
        let id = self.created;
        self.instances.push(Instance { id, running_at, ready_at, tasks: 0, image, empty_since: ready_at });
        self.created += 1;
    }

    /// Instance time that is billed for a span.
    pub(super) fn billed(&self, from: Nanos, to: Nanos) -> Nanos {
        match self.law {
            Law::Managed(_) => (to - from) * u64::from(self.size()),
            Law::Nodes(_) => self.instances.iter().map(|i| to.saturating_sub(from.max(i.running_at))).sum(),
        }
    }

    /// Room on an instance that is ready, adding one that already runs if there is none.
    pub(super) fn place_at_begin(&mut self) -> u32 {
        loop {
            if let Some((id, _)) = self.place(0) {
                self.pulling(id, 0);
                return id;
            }
            self.launch(0, 0);
        }
    }

    /// Takes room on the fullest ready instance: its number, and whether it holds the image already.
    pub(super) fn place(&mut self, now: Nanos) -> Option<(u32, Image)> {
        let room = self.tasks_per_instance;
        let ready = self.instances.iter_mut().filter(|i| i.ready_at <= now && i.tasks < room);
        let chosen = ready.reduce(|a, b| if b.tasks > a.tasks { b } else { a })?;
        chosen.tasks += 1;
        let image = chosen.image;
        if let Law::Managed(_) = self.law {
            chosen.image = Image::Held;
        }
        Some((chosen.id, image))
    }

    /// An instance has begun to pull the image, which will be there then.
    pub(super) fn pulling(&mut self, id: u32, until: Nanos) {
        if let Some(instance) = self.instances.iter_mut().find(|i| i.id == id)
            && instance.image == Image::Missing
        {
            instance.image = Image::Coming(until);
        }
    }

    pub(super) fn leave(&mut self, now: Nanos, id: u32) {
        if let Some(instance) = self.instances.iter_mut().find(|i| i.id == id) {
            instance.tasks = instance.tasks.saturating_sub(1);
            instance.empty_since = now;
        }
    }

    /// One minute of managed scaling for `tasks` placed or waiting; instants at which new instances are ready.
    pub(super) fn scale(&mut self, now: Nanos, tasks: u32, stream: &mut Stream) -> Vec<Nanos> {
        let needed = tasks.div_ceil(self.tasks_per_instance);
        let have = self.size();
        let (min, max) = (self.min, self.max);
        let Law::Managed(law) = &mut self.law else { return Vec::new() };
        let goal = (needed * 100).div_ceil(law.target_percent).clamp(min, max.max(min));
        if goal > have {
            law.low_minutes = 0;
            if law.scaled_out_at.is_some_and(|at| now < at + law.warmup) {
                return Vec::new();
            }
            law.scaled_out_at = Some(now);
            let goal = if have == 0 { goal.max(2).min(max) } else { goal };
            let boots: Vec<Nanos> = (have..goal).map(|_| now + law.boot.draw(stream)).collect();
            boots.iter().for_each(|&ready_at| self.launch(now, ready_at));
            return boots;
        }
        law.low_minutes = if goal < have { law.low_minutes + 1 } else { 0 };
        if law.low_minutes >= law.scale_in_datapoints {
            let mut removable = (have - goal).min((have / 2).max(1));
            self.instances.retain(|instance| {
                let remove = removable > 0 && instance.tasks == 0 && instance.ready_at <= now;
                removable -= u32::from(remove);
                !remove
            });
        }
        Vec::new()
    }

    /// Nodes for `waiting` pods that found no room: instants at which to come again.
    pub(super) fn provision(&mut self, now: Nanos, waiting: u32, stream: &mut Stream) -> Vec<Nanos> {
        let (size, room, max) = (self.size(), self.tasks_per_instance, self.max);
        let Law::Nodes(law) = &mut self.law else { return Vec::new() };
        let coming: u32 = self.instances.iter().filter(|i| i.ready_at > now).map(|i| room - i.tasks).sum();
        let missing = waiting.saturating_sub(coming).div_ceil(room).min(max.saturating_sub(size));
        if missing == 0 {
            law.forget();
            return Vec::new();
        }
        if let Decision::Wait(at) = law.decide(now, missing) {
            return vec![at];
        }
        let nodes: Vec<(Nanos, Nanos)> = (0..missing).map(|_| law.launch(now, stream)).collect();
        nodes.iter().for_each(|&(running_at, ready_at)| self.launch(running_at, ready_at));
        nodes.into_iter().map(|node| node.1).collect()
    }

    /// No pod waits: a batch or a scan that was to come has nothing to decide.
    pub(super) fn nobody_waits(&mut self) {
        if let Law::Nodes(law) = &mut self.law {
            law.forget();
        }
    }

    /// Removes nodes that have been empty for long enough; the least stay.
    pub(super) fn retire(&mut self, now: Nanos) {
        let Law::Nodes(law) = &self.law else { return };
        let mut removable = self.instances.len().saturating_sub(self.min as usize);
        self.instances.retain(|instance| {
            let is_empty = instance.tasks == 0 && instance.ready_at <= now;
            let remove = removable > 0 && is_empty && law.may_go(now, instance.empty_since);
            removable -= usize::from(remove);
            !remove
        });
    }
}
