//! An EC2 Auto Scaling group in AWS's own terms: instances that each run the worker.

use super::{INSTANCE_TYPES, InstanceType, ScalingPolicy, Worker};
use crate::time::{Nanos, SECOND};

/// An EC2 Auto Scaling group. The worker is in its image, one program on each instance.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoScalingGroup {
    /// Instance type.
    pub instance_type: InstanceType,
    /// DesiredCapacity at the start.
    pub instances: u32,
    /// Whether those instances already run when the load begins, or are launched then.
    pub warm_start: bool,
    /// MinSize.
    pub min_instances: u32,
    /// MaxSize.
    pub max_instances: u32,
    /// The program on each instance.
    pub worker: Worker,
    /// From SIGTERM to the end of the program when an instance is terminated.
    pub stop_timeout: Nanos,
    /// DefaultInstanceWarmup: an instance counts for policies only when it has run this long.
    pub instance_warmup: Nanos,
    /// EC2 Auto Scaling policies; they have no cooldowns, the warm-up stands in for them.
    pub scaling: Vec<ScalingPolicy>,
}

impl Default for AutoScalingGroup {
    fn default() -> Self {
        Self {
            instance_type: INSTANCE_TYPES[0],
            instances: 1,
            warm_start: true,
            min_instances: 1,
            max_instances: 10,
            worker: Worker::default(),
            stop_timeout: 90 * SECOND,
            instance_warmup: 300 * SECOND,
            scaling: Vec::new(),
        }
    }
}
