//! Serves the endpoint alone, for benchmarks and for tests with clients that others wrote:
//! `endpoint [--port N] [--threads N] [--servers N]`. Prints its URL on a line of its own.
#![allow(clippy::disallowed_methods)]

use anyhow::{Context, Result, bail};
use local::cloudwatch::store::{Limits, MetricStore};
use local::cloudwatch::{Metrics, publish};
use local::queues::Queues;
use local::server::Endpoint;
use model::scenario::Parameters;
use model::time::Origin;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (mut port, mut threads) = (0, 2);
    let mut beliefs = Parameters::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{name} needs a number"))?;
        match name.as_str() {
            "--port" => port = value.parse()?,
            "--threads" => threads = value.parse()?,
            // With one server a short poll sees all messages, in the order in which they were sent.
            "--servers" => beliefs.sqs_shards = value.parse()?,
            _ => bail!("unknown argument {name}"),
        }
    }
    let origin = Origin { instant: Instant::now(), utc: SystemTime::now() };
    let lag = beliefs.sqs_metric_lag;
    let queues = Arc::new(Queues::new(origin, "us-east-1", beliefs));
    let store = Arc::new(MetricStore::new(Limits::default()));
    let metrics = Metrics::beside(&queues, Arc::clone(&store));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let endpoint = Endpoint::start(address, Arc::clone(&queues), Arc::new(metrics), threads)?;
    println!("{}", endpoint.url());
    publish::run(queues, store, lag, |full| eprintln!("{full}")).await;
    Ok(())
}
