//! What AWS itself says of a stack, beside queue and metrics: logs, tasks, scaling, the bill's quantities.
//!
//! Goals: what is reported was measured; a service that cannot be asked is named, and the run goes on without it.
//! Non-goals: changing anything: every call here reads.

pub(crate) mod function;
pub(crate) mod logs;
pub(crate) mod meter;
pub(crate) mod report_line;
pub(crate) mod scaling;
pub(crate) mod tasks;

use anyhow::anyhow;
use aws_config::SdkConfig;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use std::error::Error;
use std::fmt::Debug;

/// A client for each service that is asked.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(crate) logs: aws_sdk_cloudwatchlogs::Client,
    pub(crate) ecs: aws_sdk_ecs::Client,
    pub(crate) lambda: aws_sdk_lambda::Client,
    pub(crate) scaling: aws_sdk_applicationautoscaling::Client,
    pub(crate) sts: aws_sdk_sts::Client,
}

impl Clients {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self {
            sqs: aws_sdk_sqs::Client::new(config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
            ecs: aws_sdk_ecs::Client::new(config),
            lambda: aws_sdk_lambda::Client::new(config),
            scaling: aws_sdk_applicationautoscaling::Client::new(config),
            sts: aws_sdk_sts::Client::new(config),
        }
    }
}

/// The error of a call, in one line with what to do about it; `action` is its permission.
pub(crate) fn message<E, R>(action: &str, error: &SdkError<E, R>) -> anyhow::Error
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: Debug + Send + Sync + 'static,
{
    let Some(service) = error.as_service_error() else {
        return anyhow!("{action} got no answer: {}", first_line(&DisplayErrorContext(error).to_string()));
    };
    let code = service.code().unwrap_or("an error without a code");
    let said = service.message().map(first_line).unwrap_or_default();
    let remedy = match code {
        _ if code.contains("AccessDenied") || code == "UnauthorizedOperation" => {
            format!("; allow {action} for these credentials")
        }
        _ if code.contains("Expired") => "; renew the credentials, then collect the run again".into(),
        "InvalidClientTokenId" | "UnrecognizedClientException" | "SignatureDoesNotMatch" => {
            "; check AWS_PROFILE, or the keys, and the region".into()
        }
        _ => String::new(),
    };
    anyhow!("{action} was refused: {code} {said}{remedy}")
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}
