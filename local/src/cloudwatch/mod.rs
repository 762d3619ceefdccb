//! CloudWatch on loopback: metrics by the minute, in AWS JSON 1.0 and Smithy RPC v2 CBOR.
//!
//! Goals: what a collector reads (`AWS/SQS`, `AWS/Lambda`, `AWS/ECS`) and what workers put, with the lag, limits and
//! errors of the service; one set of operations, two codecs.
//! Non-goals: alarms (the laws of scaling have their own, `platform`), dashboards, streams, metric math, the query
//! protocol of old SDKs.

mod check;
mod codec;
mod data;
pub mod distribution;
mod errors;
mod list;
pub mod publish;
mod put;
pub mod services;
pub mod statistic;
mod statistics;
pub mod store;
#[cfg(test)]
mod tests;
mod token;
pub mod unit;
mod wire;

use crate::queues::Queues;
use crate::server::{CloudWatch, Protocol, Reply, Request};
use errors::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use store::{MetricStore, UtcNanos};

pub use distribution::Distribution;
pub use store::RunMetric;
pub use unit::Unit;

/// Answers calls to CloudWatch from a store.
pub struct Metrics {
    store: Arc<MetricStore>,
    utc: Box<dyn Fn() -> UtcNanos + Send + Sync>,
}

impl Metrics {
    /// Serves `store`; `utc` is the clock that decides what can be seen.
    #[must_use]
    pub fn new(store: Arc<MetricStore>, utc: impl Fn() -> UtcNanos + Send + Sync + 'static) -> Self {
        Self { store, utc: Box::new(utc) }
    }

    /// Serves `store` by the clock of `queues`, which is the one that their metrics are published by.
    #[must_use]
    pub fn beside(queues: &Arc<Queues>, store: Arc<MetricStore>) -> Self {
        let queues = Arc::clone(queues);
        Self::new(store, move || queues.origin.utc_ns(queues.now()))
    }

    fn dispatch(&self, call: &Request) -> Result<Reply, Error> {
        let (store, now) = (&*self.store, (self.utc)());
        match call.operation.as_str() {
            "PutMetricData" => {
                serve(call, |input| put::put_metric_data(store, now, &input).map(|()| Empty {}))
            }
            "GetMetricData" => serve(call, |input| data::get_metric_data(store, now, &input)),
            "GetMetricStatistics" => {
                serve(call, |input| statistics::get_metric_statistics(store, now, &input))
            }
            "ListMetrics" => serve(call, |input| list::list_metrics(store, now, &input)),
            other => Err(Error::unknown_operation(other)),
        }
    }
}

impl CloudWatch for Metrics {
    fn answer(&self, request: Request) -> Reply {
        self.dispatch(&request).unwrap_or_else(|error| codec::failure(request.protocol, error))
    }
}

/// The answer of an operation that has none.
#[derive(Serialize)]
struct Empty {}

fn serve<I: DeserializeOwned, O: Serialize>(
    call: &Request,
    operation: impl FnOnce(I) -> Result<O, Error>,
) -> Result<Reply, Error> {
    let protocol: Protocol = call.protocol;
    let input = codec::decode(protocol, call.gzipped, &call.body)?;
    operation(input).map(|answer| codec::success(protocol, &answer))
}
