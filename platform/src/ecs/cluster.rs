//! EC2 instances behind a capacity provider with managed scaling.
//!
//! Source: ECS developer guide, cluster auto scaling: every minute CapacityProviderReservation = instances needed /
//! instances x 100; above target it scales out at once (at least two from zero) and then waits for the warm-up;
//! below target for 15 minutes it removes empty instances, at most half of them a minute.

use model::random::{Sampler, Stream};
use model::scenario::{Ec2, Ecs, Parameters};
use model::time::Nanos;

#[derive(Clone, Copy, Debug)]
struct Instance {
    id: u32,
    ready_at: Nanos,
    tasks: u32,
    has_image: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Cluster {
    instances: Vec<Instance>,
    created: u32,
    tasks_per_instance: u32,
    min: u32,
    max: u32,
    target_percent: u32,
    image_cached: bool,
    boot: Sampler,
    warmup: Nanos,
    scale_in_datapoints: u64,
    low_minutes: u64,
    scaled_out_at: Option<Nanos>,
}

impl Cluster {
    pub(super) fn new(ec2: &Ec2, ecs: &Ecs, beliefs: &Parameters) -> Self {
        let mut cluster = Self {
            instances: Vec::new(),
            created: 0,
            tasks_per_instance: ec2.tasks_per_instance(ecs),
            min: ec2.min_instances,
            max: ec2.max_instances,
            target_percent: ec2.target_capacity_percent.clamp(1, 100),
            image_cached: ec2.image_cached,
            boot: Sampler::uniform(beliefs.ec2_boot_min, beliefs.ec2_boot_max),
            warmup: beliefs.ec2_warmup,
            scale_in_datapoints: beliefs.ec2_scale_in_datapoints,
            low_minutes: 0,
            scaled_out_at: None,
        };
        for _ in 0..ec2.min_instances {
            cluster.launch(0);
        }
        cluster
    }

    pub(super) fn size(&self) -> u32 {
        self.instances.len() as u32
    }

    fn launch(&mut self, ready_at: Nanos) {
        let has_image = self.image_cached;
        self.instances.push(Instance { id: self.created, ready_at, tasks: 0, has_image });
        self.created += 1;
    }

    /// Room on an instance that is ready, adding one that already runs if there is none.
    pub(super) fn place_at_begin(&mut self) -> u32 {
        loop {
            if let Some((id, _)) = self.place(0) {
                return id;
            }
            self.launch(0);
        }
    }

    /// Takes room on the fullest ready instance: its number, and whether it holds the image already.
    pub(super) fn place(&mut self, now: Nanos) -> Option<(u32, bool)> {
        let room = self.tasks_per_instance;
        let ready = self.instances.iter_mut().filter(|i| i.ready_at <= now && i.tasks < room);
        let chosen = ready.reduce(|a, b| if b.tasks > a.tasks { b } else { a })?;
        chosen.tasks += 1;
        let had_image = chosen.has_image;
        chosen.has_image = true;
        Some((chosen.id, had_image))
    }

    pub(super) fn leave(&mut self, _now: Nanos, id: u32) {
        if let Some(instance) = self.instances.iter_mut().find(|i| i.id == id) {
            instance.tasks = instance.tasks.saturating_sub(1);
        }
    }

    /// One minute of managed scaling for `tasks` placed or waiting; instants at which new instances are ready.
    pub(super) fn scale(&mut self, now: Nanos, tasks: u32, stream: &mut Stream) -> Vec<Nanos> {
        let needed = tasks.div_ceil(self.tasks_per_instance);
        let have = self.size();
        let goal = (needed * 100).div_ceil(self.target_percent).clamp(self.min, self.max.max(self.min));
        if goal > have {
            self.low_minutes = 0;
            if self.scaled_out_at.is_some_and(|at| now < at + self.warmup) {
                return Vec::new();
            }
            self.scaled_out_at = Some(now);
            let goal = if have == 0 { goal.max(2).min(self.max) } else { goal };
            return (have..goal)
                .map(|_| {
                    let ready_at = now + self.boot.draw(stream);
                    self.launch(ready_at);
                    ready_at
                })
                .collect();
        }
        self.low_minutes = if goal < have { self.low_minutes + 1 } else { 0 };
        if self.low_minutes >= self.scale_in_datapoints {
            let mut removable = (have - goal).min((have / 2).max(1));
            self.instances.retain(|instance| {
                let remove = removable > 0 && instance.tasks == 0 && instance.ready_at <= now;
                removable -= u32::from(remove);
                !remove
            });
        }
        Vec::new()
    }
}
