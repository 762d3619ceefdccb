//! How many units there should be: policies that watch CloudWatch, or KEDA and the autoscaler that it feeds.

use crate::scaling::{AutoScaling, Keda, Metrics};
use model::random::Stream;
use model::run::Activity;
use model::scenario::{Eks, Fleet, Parameters};
use model::time::Nanos;

#[derive(Clone, Debug)]
pub(super) enum Scaler {
    Policies(AutoScaling),
    Keda(Box<Keda>),
}

impl Scaler {
    /// `stream` draws only where there is a ScaledObject.
    pub(super) fn new(fleet: Fleet<'_>, beliefs: &Parameters, stream: &mut Stream) -> Self {
        match fleet {
            Fleet::Eks(&Eks { keda: Some(rules), pods, .. }) => {
                Self::Keda(Box::new(Keda::new(rules, pods, beliefs, stream)))
            }
            _ => Self::Policies(AutoScaling::new(fleet, beliefs)),
        }
    }

    pub(super) fn desired(&self) -> u32 {
        match self {
            Self::Policies(scaling) => scaling.desired(),
            Self::Keda(keda) => keda.desired(),
        }
    }

    /// Alarms that AWS bills.
    pub(super) fn alarms(&self) -> u64 {
        match self {
            Self::Policies(scaling) => scaling.alarms(),
            Self::Keda(_) => 0,
        }
    }

    /// The autoscaler in the cluster, if that is what scales.
    pub(super) fn keda(&mut self) -> Option<&mut Keda> {
        match self {
            Self::Policies(_) => None,
            Self::Keda(keda) => Some(keda),
        }
    }

    pub(super) fn settle(&mut self, now: Nanos, running: u32) {
        if let Self::Policies(scaling) = self {
            scaling.settle(now, running);
        }
    }

    pub(super) fn evaluate(&mut self, now: Nanos, metrics: &Metrics, running: u32, no_scale_in: bool) {
        if let Self::Policies(scaling) = self {
            scaling.suspend_scale_in(no_scale_in);
            scaling.evaluate(now, metrics, running);
        }
    }

    pub(super) fn next_scheduled(&self) -> Option<Nanos> {
        match self {
            Self::Policies(scaling) => scaling.next_scheduled(),
            Self::Keda(_) => None,
        }
    }

    pub(super) fn apply_scheduled(&mut self, now: Nanos) {
        if let Self::Policies(scaling) = self {
            scaling.apply_scheduled(now);
        }
    }

    /// What happened since the last call.
    pub(super) fn activities(&mut self) -> Vec<Activity> {
        match self {
            Self::Policies(scaling) => scaling.activities().collect(),
            Self::Keda(keda) => keda.activities().collect(),
        }
    }
}
