//! Whether queues may be sent to: they are standard queues, ours by their tag, or named by hand, and empty.
//!
//! Goals: a wrong file of outputs cannot fill somebody's production queue.

use crate::aws::message;
use crate::outputs::{Deployed, QUEUE_TAG};
use crate::queue;
use anyhow::{Context, Result, bail, ensure};
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;

/// Asks the queues of stacks, by their names, whether they may be sent to; those in `allowed` need no tag. They have to
/// be `empty`, unless another seeder is at work already.
///
/// # Errors
/// Names the first queue that may not, and how to proceed.
pub fn admit(
    stacks: &[(&str, &Deployed)],
    allowed: &[String],
    empty: bool,
    config: Option<SdkConfig>,
    region: &str,
) -> Result<()> {
    for (name, deployed) in stacks {
        refuse_fifo(deployed).with_context(|| format!("stack {name}"))?;
    }
    crate::clients::runtime()?.block_on(async {
        let config = match config {
            Some(config) => config,
            None => crate::clients::config(region).await,
        };
        let client = Client::new(&config);
        for (name, deployed) in stacks {
            let url = deployed.queue.as_ref().with_context(|| format!("stack {name} has no queue"))?;
            admit_one(&client, url, allowed, empty, region).await.with_context(|| format!("stack {name}"))?;
        }
        Ok(())
    })
}

/// Refuses a FIFO queue, as AWS tells one: by the end of its name.
pub(crate) fn refuse_fifo(deployed: &Deployed) -> Result<()> {
    if let Some(url) = deployed.queue.as_deref().filter(|url| url.ends_with(".fifo")) {
        bail!(
            "{url} is a FIFO queue: only standard queues are compared, for in a FIFO queue message groups, not workers, \
             say how much is done at once: give the stack a standard queue"
        );
    }
    Ok(())
}

async fn admit_one(
    client: &Client,
    url: &String,
    allowed: &[String],
    empty: bool,
    region: &str,
) -> Result<()> {
    if !allowed.contains(url) {
        let tags = client.list_queue_tags().queue_url(url).send().await;
        let tags = tags.map_err(|error| message("sqs:ListQueueTags", &error))?;
        ensure!(
            tags.tags().is_some_and(|tags| tags.contains_key(QUEUE_TAG)),
            "the queue {url} does not carry the tag {QUEUE_TAG}, so it may be somebody's: if it is yours to fill, add \
             the tag, or say --allow-queue {url}"
        );
    }
    let arn = queue::arn(client, url).await?;
    let there = arn.split(':').nth(3).unwrap_or_default();
    ensure!(
        there == region,
        "the queue {url} is in {there:?}, and the scenario in {region:?}, whose prices would be on the bill: write \
         region = {there:?} into the scenario, or --set region={there}"
    );
    let depth = queue::depth(client, url).await?;
    if empty && !depth.is_empty() {
        bail!(
            "the queue {url} is not empty: {} waiting, {} being worked on, {} delayed. They would be counted as this \
             run's: wait until its workers are done, or purge it (aws sqs purge-queue --queue-url {url}) and wait a \
             minute",
            depth.visible,
            depth.not_visible,
            depth.delayed
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;
    use std::path::Path;

    #[test]
    fn a_fifo_queue_is_refused_before_anything_is_asked() {
        let url = "http://127.0.0.1:9/000000000000/orders.fifo".to_owned();
        let deployed = Deployed { queue: Some(url.clone()), ..Deployed::default() };
        let admitted = admit(&[("ecs", &deployed)], &[url], false, None, "us-east-1");
        let collected =
            crate::collect(Path::new("/nonexistent"), &[deployed], None, &Options::default(), &|| true);
        for refused in [format!("{:#}", admitted.unwrap_err()), format!("{:#}", collected.unwrap_err())] {
            assert!(refused.contains("orders.fifo is a FIFO queue: only standard queues"), "{refused}");
        }
    }
}
