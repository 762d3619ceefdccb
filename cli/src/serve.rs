//! `versus serve`: the local SQS and CloudWatch endpoint alone.

use crate::Ended;
use crate::clock;
use crate::output::print;
use anyhow::{Context, Result, bail};
use local::cloudwatch::{self, publish, store::MetricStore};
use local::queues::Queues;
use local::server::Endpoint;
use model::scenario::{self, Parameters};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::sync::Arc;

/// Arguments of `versus serve`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 9324)]
    port: u16,
    /// A queue to begin with, a FIFO queue if it ends with .fifo (may be given several times); clients can create more.
    #[arg(long = "queue", value_name = "NAME")]
    queues: Vec<String>,
    /// Region in ARNs.
    #[arg(long, default_value = "us-east-1")]
    region: String,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn serve(args: &Args) -> Result<Ended> {
    for name in &args.queues {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let stem = name.strip_suffix(".fifo").unwrap_or(name);
        if stem.is_empty() || name.len() > 80 || !stem.chars().all(plain) {
            bail!(
                "{name:?} cannot be the name of a queue: write 1 to 80 letters, digits, - and _, for a FIFO queue with \
                 .fifo at the end"
            );
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting")?;
    runtime.block_on(until_interrupted(args)).map(|()| Ended::Well)
}

async fn until_interrupted(args: &Args) -> Result<()> {
    // One server behind a queue: a short poll then sees all of it, which is what users of an endpoint expect.
    let beliefs = Parameters {
        sqs_shards: 1,
        sqs_short_poll_shards: 1,
        sqs_duplicate_probability: 0.0,
        ..Parameters::default()
    };
    let lag = beliefs.sqs_metric_lag;
    let queues = Arc::new(Queues::new(clock::origin(), &args.region, beliefs));
    let store = Arc::new(MetricStore::default());
    let metrics = Arc::new(cloudwatch::Metrics::beside(&queues, Arc::clone(&store)));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let endpoint = Endpoint::start(address, Arc::clone(&queues), metrics, threads)?;
    for name in &args.queues {
        queues.create(name, scenario::Queue::default(), None);
    }
    if !args.quiet {
        let (url, region) = (endpoint.url(), &args.region);
        print(&format!(
            "SQS and CloudWatch on {url}\n\n  export AWS_ENDPOINT_URL={url} AWS_REGION={region} AWS_DEFAULT_REGION={region} AWS_ACCESS_KEY_ID=local \
             AWS_SECRET_ACCESS_KEY=local\n  aws sqs list-queues --endpoint-url {url}\n\nMessages are kept in memory. Ctrl-C ends it.\n",
        ))?;
    }
    let publishing = tokio::spawn(publish::run(queues, store, lag, |full| eprintln!("versus: {full}")));
    clock::interrupted().await?;
    publishing.abort();
    endpoint.stop();
    Ok(())
}
