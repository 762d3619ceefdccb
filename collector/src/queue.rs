//! A queue's depth as its attributes tell it: for queues that do not tell every receive and delete.

use anyhow::{Context, Result};
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::QueueAttributeName::{
    ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed, ApproximateNumberOfMessagesNotVisible,
    QueueArn,
};
use aws_sdk_sqs::{Client, Config};
use model::journal::Point;
use model::series::metric;
use model::time::Nanos;
use std::time::Duration;

/// Messages in a queue, approximately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Waiting.
    pub visible: u64,
    /// Received and not deleted.
    pub not_visible: u64,
    /// Not to be received yet.
    pub delayed: u64,
}

impl Depth {
    /// Whether nothing is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All that are there.
    #[must_use]
    pub fn all(self) -> u64 {
        self.visible + self.not_visible + self.delayed
    }

    /// As points of series with a `period`.
    #[must_use]
    pub fn points(&self, at: Nanos, period: Nanos) -> [Point; 2] {
        let period = period.max(1);
        [(metric::VISIBLE, self.visible), (metric::NOT_VISIBLE, self.not_visible)].map(|(metric, value)| {
            Point {
                t: at / period * period,
                period,
                metric: metric.into(),
                unit: "Count".into(),
                statistic: "Maximum".into(),
                value: value as f64,
            }
        })
    }
}

/// A depth that is older than this says nothing of the instant that it was asked for.
const FRESH: Duration = Duration::from_secs(5);

/// Asks a queue for its depth.
///
/// # Errors
/// When the queue cannot be asked.
pub async fn depth(client: &Client, url: &str) -> Result<Depth> {
    let names = [
        ApproximateNumberOfMessages,
        ApproximateNumberOfMessagesNotVisible,
        ApproximateNumberOfMessagesDelayed,
    ];
    let mut request = client.get_queue_attributes().queue_url(url);
    for name in names.clone() {
        request = request.attribute_names(name);
    }
    let in_time = TimeoutConfig::builder().operation_timeout(FRESH).build();
    let request = request.customize().config_override(Config::builder().timeout_config(in_time));
    let answer = request.send().await.map_err(|error| crate::aws::message("sqs:GetQueueAttributes", &error));
    let answer = answer.with_context(|| {
        format!("asking {url} for its depth; is the URL right, and GetQueueAttributes allowed?")
    })?;
    let told = |name| answer.attributes().and_then(|all| all.get(name)?.parse().ok());
    let [visible, not_visible, delayed] = names.each_ref().map(told);
    let untold = || format!("{url} did not tell how many messages it has");
    let (visible, not_visible) = visible.zip(not_visible).with_context(untold)?;
    let delayed = delayed.unwrap_or(0);
    Ok(Depth { visible, not_visible, delayed })
}

/// The ARN of a queue.
pub(crate) async fn arn(client: &Client, url: &str) -> Result<String> {
    let call = client.get_queue_attributes().queue_url(url).attribute_names(QueueArn);
    let answer = call.send().await.map_err(|error| crate::aws::message("sqs:GetQueueAttributes", &error))?;
    let arn = answer.attributes().and_then(|all| all.get(&QueueArn)).cloned();
    arn.with_context(|| format!("{url} did not tell its ARN"))
}
