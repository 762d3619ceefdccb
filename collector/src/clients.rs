//! Clients for AWS, or for what stands in for it.

use anyhow::{Context, Result};
use aws_config::{BehaviorVersion, Region, SdkConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use std::time::Duration;

/// Longest wait for the answer to one attempt at a call, and to all of them: the SDK itself would wait for ever.
const ATTEMPT: Duration = Duration::from_secs(10);
const CALL: Duration = Duration::from_secs(20);

/// Configuration from the environment (credentials, region, endpoints), with `region` where it names none.
pub async fn config(region: &str) -> SdkConfig {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts =
        TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(CALL).build();
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .timeout_config(timeouts)
        .load()
        .await;
    if config.region().is_some() {
        return config;
    }
    config.into_builder().region(Region::new(region.to_owned())).build()
}

/// One thread for all calls: they are few.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the network's runtime")
}
