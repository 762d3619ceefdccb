//! The SDK's client: retries off, for they hide throttling, and a timeout on, for there is none by default.

use crate::answer::{Failure, failure};
use crate::{Destination, Settings};
use anyhow::Result;
use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{Credentials as Keys, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use std::time::Duration;

/// Who sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Whom the SDK finds: environment, profile, container, instance.
    #[default]
    Environment,
    /// Nobody: keys that only an endpoint that asks for none accepts.
    Dummy,
}

/// A client of its own for each runtime: connections belong to the runtime that opened them.
pub(crate) async fn client(settings: &Settings, fallback_region: &str) -> Client {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        // The timeout of the call does.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(settings.call_timeout).build());
    if let Some(url) = &settings.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if settings.credentials == Credentials::Dummy {
        loader = loader.credentials_provider(Keys::new("versus", "versus", None, None, "dummy"));
    }
    // A region that is given is not looked for: that can take the network.
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let config = loader.load().await;
    if config.region().is_some() {
        return Client::new(&config);
    }
    Client::new(&config.into_builder().region(Region::new(fallback_region.to_owned())).build())
}

/// Tries of the first call to a queue, should it be throttled or break off.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Asks a queue for an attribute: opens a connection, loads the credentials, and tells early what is wrong.
pub(crate) async fn greet(client: &Client, Destination { stack, queue_url }: &Destination) -> Result<()> {
    for tried in 1.. {
        let call = client.get_queue_attributes().queue_url(queue_url);
        let Err(error) = call.attribute_names(QueueAttributeName::QueueArn).send().await else { break };
        let Failure { word, again } = failure(&error);
        if !again || tried == TRIES {
            // Its causes are told one by one; the SDK's own account of them is a page long. Nor is all of an answer
            // told: of a wrong signature AWS says what should have been signed, and the session token is part of it.
            let causes = format!("{:#}", anyhow::Error::new(error));
            let causes = causes.split("\\n").next().unwrap_or_default().to_owned();
            return Err(anyhow::Error::msg(causes).context(format!(
                "stack {stack}: the queue {queue_url} does not answer ({word}): {}",
                remedy(&word)
            )));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

fn remedy(word: &str) -> &'static str {
    match word {
        "NonExistentQueue" | "QueueDoesNotExist" => {
            "it must exist, in this region and account, before messages are sent"
        }
        "refused" => "nothing listens there; start the endpoint, or correct AWS_ENDPOINT_URL",
        "request" => {
            "check region and credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
        }
        _ => {
            "check queue URL, region, endpoint (AWS_ENDPOINT_URL), credentials, and the permission sqs:GetQueueAttributes"
        }
    }
}
