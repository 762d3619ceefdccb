//! Metered quantities: what a bill is computed from. Cost = usage x price list, so no price is here.
//!
//! The rules by which AWS rounds what it meters are functions at the end: whoever meters calls them.

use crate::time::{MILLISECOND, Nanos, SECOND};
use serde::{Deserialize, Serialize};

/// Everything AWS bills that a stack can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// Lambda invocations.
    LambdaRequests,
    /// Lambda on-demand duration, initialisation included; variant is the architecture.
    LambdaDuration,
    /// Lambda duration on provisioned concurrency; variant is the architecture.
    LambdaProvisionedDuration,
    /// Lambda provisioned concurrency held; variant is the architecture.
    LambdaProvisionedConcurrency,
    /// Provisioned event pollers of an event source mapping.
    LambdaEventPollers,
    /// Fargate vCPU; variant is the architecture.
    FargateVcpu,
    /// Fargate memory; variant is the architecture.
    FargateMemory,
    /// Fargate Spot vCPU; variant is the architecture.
    FargateSpotVcpu,
    /// Fargate Spot memory; variant is the architecture.
    FargateSpotMemory,
    /// EC2 instances; variant is the instance type.
    Ec2Instances,
    /// Control planes of EKS clusters.
    EksClusters,
    /// SQS requests in 64 KB chunks; variant is the action: `send`, `receive`, `empty-receive`, `delete`,
    /// `get-attributes`.
    SqsRequests,
    /// Standard-resolution CloudWatch alarms.
    CloudwatchAlarms,
    /// CloudWatch Logs ingestion.
    LogBytes,
    /// Metrics asked of CloudWatch.
    CloudwatchMetrics,
    /// S3 requests for bodies that do not travel with their messages; variant is `put` or `get`.
    S3Requests,
}

impl Item {
    /// All items.
    pub const ALL: [Self; 16] = [
        Self::LambdaRequests,
        Self::LambdaDuration,
        Self::LambdaProvisionedDuration,
        Self::LambdaProvisionedConcurrency,
        Self::LambdaEventPollers,
        Self::FargateVcpu,
        Self::FargateMemory,
        Self::FargateSpotVcpu,
        Self::FargateSpotMemory,
        Self::Ec2Instances,
        Self::EksClusters,
        Self::SqsRequests,
        Self::CloudwatchAlarms,
        Self::LogBytes,
        Self::CloudwatchMetrics,
        Self::S3Requests,
    ];

    /// As in files: kebab-case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LambdaRequests => "lambda-requests",
            Self::LambdaDuration => "lambda-duration",
            Self::LambdaProvisionedDuration => "lambda-provisioned-duration",
            Self::LambdaProvisionedConcurrency => "lambda-provisioned-concurrency",
            Self::LambdaEventPollers => "lambda-event-pollers",
            Self::FargateVcpu => "fargate-vcpu",
            Self::FargateMemory => "fargate-memory",
            Self::FargateSpotVcpu => "fargate-spot-vcpu",
            Self::FargateSpotMemory => "fargate-spot-memory",
            Self::Ec2Instances => "ec2-instances",
            Self::EksClusters => "eks-clusters",
            Self::SqsRequests => "sqs-requests",
            Self::CloudwatchAlarms => "cloudwatch-alarms",
            Self::LogBytes => "log-bytes",
            Self::CloudwatchMetrics => "cloudwatch-metrics",
            Self::S3Requests => "s3-requests",
        }
    }

    /// The unit of its quantity.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::LambdaRequests | Self::SqsRequests | Self::S3Requests => "requests",
            Self::LambdaDuration | Self::LambdaProvisionedDuration => "MB-ms",
            Self::LambdaProvisionedConcurrency => "MB-s",
            Self::LambdaEventPollers => "poller-s",
            Self::FargateVcpu | Self::FargateSpotVcpu => "CPU-unit-s",
            Self::FargateMemory | Self::FargateSpotMemory => "MB-s",
            Self::Ec2Instances => "instance-s",
            Self::EksClusters => "cluster-s",
            Self::CloudwatchAlarms => "alarm-s",
            Self::LogBytes => "bytes",
            Self::CloudwatchMetrics => "metrics",
        }
    }
}

/// One metered quantity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Metered {
    /// What.
    pub item: Item,
    /// Which kind of it: architecture, instance type or action; empty if there is only one.
    pub variant: String,
    /// The item's unit, repeated so that the file explains itself.
    pub unit: String,
    /// How much, in that unit.
    pub quantity: u64,
}

impl Metered {
    /// A quantity of `item`.
    #[must_use]
    pub fn new(item: Item, variant: &str, quantity: u64) -> Self {
        Self { item, variant: variant.into(), unit: item.unit().into(), quantity }
    }

    /// The name of its series in `series.csv`: `usage/<item>/<variant>`.
    #[must_use]
    pub fn series_name(&self) -> String {
        format!("usage/{}/{}", self.item.name(), self.variant)
    }
}

/// What a stack used from the start of the run to its end, drain included. `usage.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Usage {
    /// In order of item and variant; quantities of 0 are left out.
    pub metered: Vec<Metered>,
}

impl Usage {
    /// Whether nothing was used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metered.is_empty()
    }

    /// The quantity of one item and variant; 0 if it was not used.
    #[must_use]
    pub fn quantity(&self, item: Item, variant: &str) -> u64 {
        self.metered.iter().filter(|m| m.item == item && m.variant == variant).map(|m| m.quantity).sum()
    }
}

/// SQS requests that one call is billed as: one per started 64 KB of payload, at least one.
///
/// Source: aws.amazon.com/sqs/pricing ("each 64 KB chunk of a payload is billed as 1 request").
#[must_use]
pub fn sqs_requests(payload_bytes: u64) -> u64 {
    payload_bytes.div_ceil(64 * 1024).max(1)
}

/// What Fargate bills of a task that `lived` from the start of its image pull to its end: started seconds, `least`
/// at least (a minute on Linux).
///
/// Source: aws.amazon.com/fargate/pricing (per second, with a one-minute minimum).
#[must_use]
pub fn fargate_billed(lived: Nanos, least: Nanos) -> Nanos {
    lived.next_multiple_of(SECOND).max(least)
}

/// The milliseconds that Lambda bills an invocation for: the handler and the initialisation before it, added up and
/// then rounded up, one at least.
///
/// Source: aws.amazon.com/lambda/pricing (rounded up to 1 ms); AWS Compute Blog, "AWS Lambda standardizes billing for
/// INIT phase", 2025-04-29, in force since 2025-08-01.
#[must_use]
pub fn lambda_billed_ms(handler: Nanos, init: Nanos) -> u64 {
    (handler + init).div_ceil(MILLISECOND).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_billed_per_started_64_kb() {
        let kb = 1024;
        assert_eq!([0, 1, 64 * kb, 64 * kb + 1, 1024 * kb].map(sqs_requests), [1, 1, 1, 2, 16]);
    }

    #[test]
    fn lambda_time_is_rounded_up_once() {
        // The sample of the developer guide: 133.61 ms and 80.00 ms make 214 ms.
        assert_eq!(lambda_billed_ms(133_610_000, 80 * MILLISECOND), 214);
        assert_eq!([0, 1, MILLISECOND, MILLISECOND + 1].map(|d| lambda_billed_ms(d, 0)), [1, 1, 1, 2]);
    }

    #[test]
    fn fargate_time_has_a_minimum_and_whole_seconds() {
        let billed = |lived| fargate_billed(lived, 60 * SECOND) / SECOND;
        assert_eq!([0, 59 * SECOND, 60 * SECOND + 1, 90 * SECOND].map(billed), [60, 60, 61, 90]);
    }

    #[test]
    fn names_are_those_of_the_file() {
        for item in Item::ALL {
            assert_eq!(serde_json::to_value(item).unwrap(), item.name());
        }
    }
}
