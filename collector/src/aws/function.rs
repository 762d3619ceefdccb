//! How a Lambda function and its event source mapping are configured.

use super::message;
use anyhow::Result;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::types::{Architecture, EventSourceMappingConfiguration, FunctionResponseType};

/// A function as it is deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) memory_mb: u64,
    pub(crate) timeout_s: u64,
    pub(crate) arm: bool,
    /// Reserved concurrency.
    pub(crate) reserved: Option<u64>,
    /// Provisioned concurrency of all its versions and aliases.
    pub(crate) provisioned: u64,
    /// Concurrency that the account leaves to all functions without a reserve; asked where this is one of them.
    pub(crate) unreserved: Option<u64>,
    pub(crate) mapping: Option<Mapping>,
}

/// An event source mapping as it is deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) uuid: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) batch_size: u64,
    pub(crate) window_s: u64,
    pub(crate) maximum_concurrency: Option<u64>,
    /// Event pollers kept at least, in provisioned mode.
    pub(crate) pollers: Option<u64>,
    pub(crate) partial_batch_responses: bool,
}

/// Asks how `name` is configured, and how it reads the queue with this ARN.
///
/// # Errors
/// When Lambda cannot be asked.
pub(crate) async fn describe(client: &Client, name: &str, queue_arn: &str) -> Result<Function> {
    let call = client.get_function_configuration().function_name(name);
    let found = call.send().await.map_err(|error| message("lambda:GetFunctionConfiguration", &error))?;
    let call = client.get_function_concurrency().function_name(name);
    let concurrency = call.send().await.map_err(|error| message("lambda:GetFunctionConcurrency", &error))?;
    let count = |count: Option<i32>| count.and_then(|count| u64::try_from(count).ok());
    let reserved = count(concurrency.reserved_concurrent_executions());
    Ok(Function {
        memory_mb: count(found.memory_size()).unwrap_or(0),
        timeout_s: count(found.timeout()).unwrap_or(0),
        arm: found.architectures().contains(&Architecture::Arm64),
        reserved,
        provisioned: provisioned(client, name).await?,
        unreserved: if reserved.is_none() { unreserved(client).await } else { None },
        mapping: mapping(client, name, queue_arn).await?,
    })
}

/// A run can do without: what is not known is not checked.
async fn unreserved(client: &Client) -> Option<u64> {
    let settings = client.get_account_settings().send().await.ok()?;
    let limit = settings.account_limit()?.unreserved_concurrent_executions()?;
    u64::try_from(limit).ok()
}

async fn provisioned(client: &Client, name: &str) -> Result<u64> {
    let call = client.list_provisioned_concurrency_configs().function_name(name);
    let mut pages = call.into_paginator().items().send();
    let mut sum = 0;
    while let Some(config) = pages.next().await {
        let config = match config {
            Ok(config) => config,
            // How some say that there is none.
            Err(error)
                if error
                    .code()
                    .is_some_and(|code| code.starts_with("ProvisionedConcurrencyConfigNotFound")) =>
            {
                break;
            }
            Err(error) => return Err(message("lambda:ListProvisionedConcurrencyConfigs", &error)),
        };
        sum += config
            .allocated_provisioned_concurrent_executions()
            .and_then(|n| u64::try_from(n).ok())
            .unwrap_or(0);
    }
    Ok(sum)
}

async fn mapping(client: &Client, name: &str, queue_arn: &str) -> Result<Option<Mapping>> {
    let call = client.list_event_source_mappings().event_source_arn(queue_arn);
    let mut pages = call.into_paginator().items().send();
    while let Some(found) = pages.next().await {
        let found = found.map_err(|error| message("lambda:ListEventSourceMappings", &error))?;
        // Its ARN may end with a version or an alias.
        let of = found.function_arn().and_then(|arn| arn.split(":function:").nth(1)?.split(':').next());
        if found.event_source_arn() == Some(queue_arn) && of.is_none_or(|of| of == name) {
            return Ok(Some(read(&found)));
        }
    }
    Ok(None)
}

fn read(found: &EventSourceMappingConfiguration) -> Mapping {
    let count = |count: Option<i32>| count.and_then(|count| u64::try_from(count).ok());
    Mapping {
        uuid: found.uuid().map(str::to_owned),
        enabled: matches!(found.state(), Some("Enabled" | "Enabling" | "Updating")),
        batch_size: count(found.batch_size()).unwrap_or(0),
        window_s: count(found.maximum_batching_window_in_seconds()).unwrap_or(0),
        maximum_concurrency: found.scaling_config().and_then(|config| count(config.maximum_concurrency())),
        pollers: found.provisioned_poller_config().and_then(|config| count(config.minimum_pollers())),
        partial_batch_responses: found
            .function_response_types()
            .contains(&FunctionResponseType::ReportBatchItemFailures),
    }
}
