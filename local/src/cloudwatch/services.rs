//! The metrics that a Lambda function or an ECS service publishes, from what its driver tells per window.
//!
//! Goals: CloudWatch's namespaces, names and dimensions, visible as late as there.
//! Non-goals: single invocations: a window is one sample. Memory: nobody measures it here.

use super::distribution::Distribution;
use super::store::{Full, MetricStore, RunMetric};
use super::unit::Unit;
use model::journal::Point;
use model::scenario::Platform;
use model::series::metric;
use model::time::{MINUTE, Nanos, Origin};
use std::sync::Arc;

/// ClusterName of every service.
pub const CLUSTER: &str = "versus";

/// Publishes the metrics of one stack.
pub struct ServiceMetrics {
    store: Arc<MetricStore>,
    origin: Origin,
    lag: Nanos,
    on_lambda: bool,
    name: String,
}

impl ServiceMetrics {
    /// For the function or service `name` of `platform`; what happens in a minute is visible `lag` after it.
    #[must_use]
    pub fn new(store: Arc<MetricStore>, origin: Origin, lag: Nanos, platform: &Platform, name: &str) -> Self {
        Self { store, origin, lag, on_lambda: matches!(platform, Platform::Lambda(_)), name: name.into() }
    }

    /// A window has closed.
    ///
    /// # Errors
    /// [`Full`].
    pub fn told(&self, point: &Point) -> Result<(), Full> {
        let Some((namespace, unit)) = self.place_of(&point.metric) else { return Ok(()) };
        let function = [("FunctionName", self.name.as_str())];
        let service = [("ClusterName", CLUSTER), ("ServiceName", self.name.as_str())];
        let dimensions: &[(&str, &str)] = if self.on_lambda { &function } else { &service };
        let published = RunMetric { namespace, name: &point.metric, dimensions, unit };
        let at = self.origin.utc_ns(point.t);
        let visible_at = (at / MINUTE + 1) * MINUTE + self.lag;
        self.store.put_run_metric(&published, Distribution::single(point.value), at, visible_at)
    }

    /// Namespace and unit of a metric; `None` for those that CloudWatch does not have, or that the queue publishes.
    fn place_of(&self, name: &str) -> Option<(&'static str, Unit)> {
        match (self.on_lambda, name) {
            (true, metric::INVOCATIONS | metric::ERRORS | metric::THROTTLES | metric::CONCURRENCY) => {
                Some(("AWS/Lambda", Unit::Count))
            }
            (true, metric::DURATION) => Some(("AWS/Lambda", Unit::Milliseconds)),
            (false, metric::CPU) => Some(("AWS/ECS", Unit::Percent)),
            (false, metric::RUNNING_TASKS | metric::PENDING_TASKS | metric::DESIRED_TASKS) => {
                Some(("ECS/ContainerInsights", Unit::Count))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloudwatch::store::{MetricId, Span};
    use model::scenario::{Ecs, Lambda};
    use std::time::{Duration, Instant, UNIX_EPOCH};

    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn origin() -> Origin {
        Origin { instant: Instant::now(), utc: UNIX_EPOCH + Duration::from_secs(1_800_000_000) }
    }

    #[test]
    fn a_minute_of_windows_is_seen_after_its_lag_under_the_services_name() {
        let (store, origin) = (Arc::new(MetricStore::default()), origin());
        let metrics = ServiceMetrics::new(
            Arc::clone(&store),
            origin,
            MINUTE,
            &Platform::Lambda(Lambda::default()),
            "f",
        );
        for window in 0..12 {
            let t = window * MINUTE / 12;
            for (name, value) in [(metric::INVOCATIONS, 3.0), (metric::RUNNING_TASKS, 1.0)] {
                let point = Point {
                    t,
                    period: MINUTE / 12,
                    metric: name.into(),
                    unit: "Count".into(),
                    statistic: "Sum".into(),
                    value,
                };
                metrics.told(&point).unwrap();
            }
        }
        let id = MetricId::of_service("AWS/Lambda", "Invocations", &[("FunctionName", "f")]);
        let start = origin.utc_ns(0);
        let span = Span { from: start, until: start + MINUTE, period: MINUTE };
        assert!(store.periods(start + 2 * MINUTE - 1, &id, span, false).is_empty());
        let seen = store.periods(start + 2 * MINUTE, &id, span, false);
        assert_eq!((seen.len(), seen[0].samples.sum()), (1, 36.0));
        let ecs = ServiceMetrics::new(store, origin, MINUTE, &Platform::Ecs(Ecs::default()), "s");
        assert_eq!(ecs.place_of(metric::CPU), Some(("AWS/ECS", Unit::Percent)));
        assert_eq!(ecs.place_of(metric::INVOCATIONS), None);
    }
}
