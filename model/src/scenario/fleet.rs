//! What ECS tasks, instances and pods have in common: a number of units that each run the poll loop.

use super::{AutoScalingGroup, Ecs, Eks, Platform, ScalingPolicy, Worker};

/// A number of units that each run the worker's poll loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fleet<'a> {
    /// Tasks of an ECS service.
    Ecs(&'a Ecs),
    /// Instances of an EC2 Auto Scaling group.
    Ec2(&'a AutoScalingGroup),
    /// Pods of a Deployment on EKS.
    Eks(&'a Eks),
}

impl Platform {
    /// The units that poll; `None` for a Lambda function, which is called.
    #[must_use]
    pub fn fleet(&self) -> Option<Fleet<'_>> {
        match self {
            Self::Ecs(ecs) => Some(Fleet::Ecs(ecs)),
            Self::Ec2(group) => Some(Fleet::Ec2(group)),
            Self::Eks(eks) => Some(Fleet::Eks(eks)),
            Self::Lambda(_) => None,
        }
    }
}

impl<'a> Fleet<'a> {
    /// The program in each unit.
    #[must_use]
    pub fn worker(self) -> &'a Worker {
        match self {
            Self::Ecs(ecs) => &ecs.worker,
            Self::Ec2(group) => &group.worker,
            Self::Eks(eks) => &eks.worker,
        }
    }

    /// CPU of a unit; 1,024 is one vCPU.
    #[must_use]
    pub fn cpu_units(self) -> u32 {
        match self {
            Self::Ecs(ecs) => ecs.cpu_units,
            Self::Ec2(group) => group.instance_type.cpu_units,
            Self::Eks(eks) => eks.cpu_units,
        }
    }

    /// Memory of a unit in MiB.
    #[must_use]
    pub fn memory_mb(self) -> u32 {
        match self {
            Self::Ecs(ecs) => ecs.memory_mb,
            Self::Ec2(group) => group.instance_type.memory_mb,
            Self::Eks(eks) => eks.memory_mb,
        }
    }

    /// Units wanted at the start, and whether they run by then.
    #[must_use]
    pub fn at_start(self) -> (u32, bool) {
        match self {
            Self::Ecs(ecs) => (ecs.tasks, ecs.warm_start),
            Self::Ec2(group) => (group.instances, group.warm_start),
            Self::Eks(eks) => (eks.pods, eks.warm_start),
        }
    }

    /// Policies that watch CloudWatch.
    #[must_use]
    pub fn policies(self) -> &'a [ScalingPolicy] {
        match self {
            Self::Ecs(ecs) => &ecs.scaling,
            Self::Ec2(group) => &group.scaling,
            Self::Eks(_) => &[],
        }
    }

    /// What a unit is called.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Ecs(_) => "task",
            Self::Ec2(_) => "instance",
            Self::Eks(_) => "pod",
        }
    }
}
