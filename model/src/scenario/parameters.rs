//! The beliefs about AWS that a simulation rests on: name, value, unit, source, confidence.
//!
//! Goals: one line per belief; each can be overridden under `[parameters]` and is listed in `run.json`.
//! Non-goals: per-runtime tables of measured cold starts (data of the `platform` crate; a function's own
//! figures go into its `init` key).

use crate::time::{HOUR, MILLISECOND, MINUTE, Nanos, SECOND};
use serde::{Deserialize, Serialize};

/// How well a belief is founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// AWS says so.
    Documented,
    /// Somebody measured it.
    Measured,
    /// Derived by us from documents or measurements, or a plain assumption.
    Inferred,
}

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// A span in nanoseconds.
    Nanos(Nanos),
    /// A whole number.
    Count(u64),
    /// A real number.
    Number(f64),
}

/// One parameter as it is in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Belief {
    /// Key below `[parameters]`, e.g. `esm-ramp-per-minute`.
    pub key: String,
    /// Value in force.
    pub value: Setting,
    /// Value without an override.
    pub default: Setting,
    /// What it says.
    pub meaning: String,
    /// Where the default comes from.
    pub source: String,
    /// How well it is founded.
    pub confidence: Confidence,
}

macro_rules! field_type {
    (nanos) => {
        Nanos
    };
    (count) => {
        u64
    };
    (number) => {
        f64
    };
}

macro_rules! setting {
    (nanos, $value:expr) => {
        Setting::Nanos($value)
    };
    (count, $value:expr) => {
        Setting::Count($value)
    };
    (number, $value:expr) => {
        Setting::Number($value)
    };
}

macro_rules! assign {
    (nanos, $place:expr, $setting:expr) => {
        if let Setting::Nanos(v) = $setting {
            $place = v;
            true
        } else {
            false
        }
    };
    (count, $place:expr, $setting:expr) => {
        if let Setting::Count(v) = $setting {
            $place = v;
            true
        } else {
            false
        }
    };
    (number, $place:expr, $setting:expr) => {
        if let Setting::Number(v) = $setting {
            $place = v;
            true
        } else {
            false
        }
    };
}

macro_rules! parameters {
    ($( $field:ident $key:literal $kind:ident = $default:expr, $confidence:ident, $meaning:literal, $source:literal; )*) => {
        /// The parameter block: every belief about AWS that a scenario can override.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Parameters {
            $( #[doc = $meaning] #[doc = ""] #[doc = $source] pub $field: field_type!($kind), )*
        }

        impl Default for Parameters {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl Parameters {
            /// Every parameter with the value in force, in the order of the block.
            #[must_use]
            pub fn beliefs(&self) -> Vec<Belief> {
                let default = Self::default();
                vec![ $( Belief {
                    key: $key.into(),
                    value: setting!($kind, self.$field),
                    default: setting!($kind, default.$field),
                    meaning: $meaning.into(),
                    source: $source.into(),
                    confidence: Confidence::$confidence,
                }, )* ]
            }

            /// Overrides one parameter; false if the key is unknown or the setting is of another kind.
            #[must_use]
            pub fn set(&mut self, key: &str, setting: Setting) -> bool {
                match key {
                    $( $key => assign!($kind, self.$field, setting), )*
                    _ => false,
                }
            }
        }
    };
}

parameters! {
    sqs_receive_median "sqs-receive-median" nanos = 7 * MILLISECOND, Inferred,
        "ReceiveMessage that finds messages: median latency, from the queue's answer to the worker's first line.",
        "In-region prior; no percentiles of the 2020s are published. AWS plans with 20 ms a call (SQS developer guide, horizontal scaling).";
    sqs_receive_p99 "sqs-receive-p99" nanos = 45 * MILLISECOND, Inferred,
        "ReceiveMessage that finds messages: 99th percentile of the same.",
        "As sqs-receive-median.";
    sqs_delete_median "sqs-delete-median" nanos = 5 * MILLISECOND, Inferred,
        "DeleteMessage and DeleteMessageBatch: median latency.",
        "As sqs-receive-median.";
    sqs_delete_p99 "sqs-delete-p99" nanos = 30 * MILLISECOND, Inferred,
        "DeleteMessage and DeleteMessageBatch: 99th percentile.",
        "As sqs-receive-median.";
    sqs_send_median "sqs-send-median" nanos = 7 * MILLISECOND, Inferred,
        "SendMessage by a worker that sends a message on: median latency.",
        "As sqs-receive-median.";
    sqs_send_p99 "sqs-send-p99" nanos = 45 * MILLISECOND, Inferred,
        "The same: 99th percentile.",
        "As sqs-receive-median.";
    sqs_shards "sqs-shards" count = 16, Inferred,
        "Servers that a queue's messages are spread over (1 to 64).",
        "Unpublished; SQS developer guide, short and long polling, says only that there are several.";
    sqs_short_poll_shards "sqs-short-poll-shards" count = 4, Inferred,
        "Servers that one short poll asks.",
        "Unpublished; the guide says a weighted random subset.";
    sqs_in_flight_limit "sqs-in-flight-limit" count = 120_000, Documented,
        "Messages received and not deleted that a standard queue allows.",
        "SQS API reference, ChangeMessageVisibility.";
    sqs_duplicate_probability "sqs-duplicate-probability" number = 1e-7, Inferred,
        "Probability that a deleted message comes back once more.",
        "SQS API reference, DeleteMessage, says rare; no rate is published.";
    sqs_metric_lag "sqs-metric-lag" nanos = 60 * SECOND, Measured,
        "From the end of a minute to its SQS datapoint being visible to alarms.",
        "rehanvdm.com/blog/scaling-ecs-fargate-like-lambda (2026-02-11).";
    sqs_attribute_lag "sqs-attribute-lag" nanos = 30 * SECOND, Inferred,
        "Staleness of ApproximateNumberOf* while traffic changes.",
        "SQS API reference, GetQueueAttributes: up to a minute and more; half of that bound.";
    sqs_inactive_after "sqs-inactive-after" nanos = 6 * HOUR, Documented,
        "A queue without any action for this long stops sending metrics.",
        "SQS developer guide, monitoring with CloudWatch.";
    sqs_activation_lag_max "sqs-activation-lag-max" nanos = 15 * MINUTE, Documented,
        "Longest delay until an inactive queue's metrics come back; drawn uniformly.",
        "SQS developer guide, monitoring with CloudWatch.";

    s3_latency_min "s3-latency-min" nanos = 100 * MILLISECOND, Documented,
        "PutObject and GetObject by a worker: least latency, without the transfer.",
        "Amazon S3 user guide, performance design patterns: roughly 100 to 200 ms for small objects.";
    s3_latency_max "s3-latency-max" nanos = 200 * MILLISECOND, Documented,
        "The same: most.",
        "As s3-latency-min.";
    s3_mb_per_second "s3-mb-per-second" number = 85.0, Documented,
        "Transfer rate of one request.",
        "Amazon S3 user guide, performance design patterns: 85 to 90 MB/s of one concurrent request.";
    claim_check_bytes "claim-check-bytes" count = 256, Inferred,
        "Body of a message that says where in S3 its content is.",
        "Counted from the pointer that amazon-sqs-java-extended-client-lib writes: class, bucket and key.";

    esm_start "esm-start" count = 5, Documented,
        "Concurrent batches an event source mapping starts with.",
        "docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html (since November 2025).";
    esm_idle "esm-idle" count = 2, Documented,
        "Concurrent batches it falls back to when quiet (without MaximumConcurrency).",
        "docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html.";
    esm_idle_after "esm-idle-after" nanos = 5 * MINUTE, Inferred,
        "Quiet time before it falls back that far.",
        "Unpublished.";
    esm_ramp_per_minute "esm-ramp-per-minute" count = 300, Documented,
        "Concurrent batches added per minute while messages remain.",
        "docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html.";
    esm_maximum "esm-maximum" count = 1_250, Documented,
        "Most concurrent batches of one mapping.",
        "docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html; 1,000 on older copies.";
    esm_wait_time "esm-wait-time" nanos = 20 * SECOND, Inferred,
        "WaitTimeSeconds of the mapping's own long polls.",
        "Unpublished; the longest that SQS allows.";
    esm_delivery_p10 "esm-delivery-p10" nanos = 13_700_000, Measured,
        "From a message being available to the first line of a warm handler: 10th percentile.",
        "bitesizedserverless.com/bite/serverless-messaging-latency-compared (eu-west-1, September 2022).";
    esm_delivery_p50 "esm-delivery-p50" nanos = 16_200_000, Measured,
        "The same: median.",
        "As esm-delivery-p10.";
    esm_delivery_p90 "esm-delivery-p90" nanos = 33_800_000, Measured,
        "The same: 90th percentile.",
        "As esm-delivery-p10.";
    esm_delivery_p99 "esm-delivery-p99" nanos = 105 * MILLISECOND, Measured,
        "The same: 99th percentile.",
        "As esm-delivery-p10.";
    esm_throttle_retry_first "esm-throttle-retry-first" nanos = SECOND, Inferred,
        "First pause before a throttled batch is tried again; doubles each time.",
        "services-sqs-errorhandling.html says only: with backoff until the visibility timeout.";
    esm_throttle_retry_most "esm-throttle-retry-most" nanos = 10 * SECOND, Inferred,
        "Longest pause between two tries of a throttled batch.",
        "As esm-throttle-retry-first.";
    esm_error_decrease "esm-error-decrease" number = 0.03, Inferred,
        "Share of its concurrency that a mapping gives up with each failed invocation (it regains it at the ramp).",
        "Fitted to rehanvdm.com/blog/sqs-lambda-esm-scaling-behaviour (2026-03-31): 60 falls to 25, 16, 13 at 1, 5, 10 % errors; this gives 33, 15, 10.";
    esm_call_retry "esm-call-retry" nanos = SECOND, Inferred,
        "Pause before a mapping repeats a call to SQS that failed.",
        "Unpublished: an assumption.";
    esm_window_wait "esm-window-wait" nanos = 20 * SECOND, Documented,
        "With a batching window and little traffic, a batch can be held this long even if the window is shorter.",
        "Lambda developer guide 2023, using Lambda with SQS.";
    esm_batch_bytes "esm-batch-bytes" count = 6 * 1024 * 1024, Documented,
        "A batch is closed at this payload, metadata included.",
        "Lambda API reference, CreateEventSourceMapping: 6 MB.";
    esm_record_bytes "esm-record-bytes" count = 500, Inferred,
        "Metadata of one message in that payload.",
        "Counted from the sample event of the Lambda developer guide, using Lambda with SQS.";
    poller_concurrency "poller-concurrency" count = 10, Documented,
        "Concurrent invocations of one provisioned event poller.",
        "AWS News blog, 14 November 2025, provisioned mode for SQS event source mappings.";
    poller_ramp_per_minute "poller-ramp-per-minute" count = 1_000, Documented,
        "Concurrency that provisioned mode adds per minute.",
        "As poller-concurrency.";
    poller_receives_per_second "poller-receives-per-second" count = 10, Documented,
        "ReceiveMessage calls per second of one provisioned event poller.",
        "As poller-concurrency.";
    poller_bytes_per_second "poller-bytes-per-second" count = 1_000_000, Documented,
        "Payload per second of one provisioned event poller.",
        "As poller-concurrency.";

    lambda_account_concurrency "lambda-account-concurrency" count = 1_000, Documented,
        "Concurrent executions of the account in the region.",
        "docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.";
    lambda_new_environments "lambda-new-environments" count = 1_000, Documented,
        "Execution environments a function may add every ten seconds, refilled all the time.",
        "docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html.";
    lambda_requests_per_concurrency "lambda-requests-per-concurrency" count = 10, Documented,
        "Invocations per second for each unit of concurrency that a function may use.",
        "docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html.";
    lambda_init_limit "lambda-init-limit" nanos = 10 * SECOND, Documented,
        "An initialisation that takes longer is cut off, and done again within the first invocation.",
        "docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html.";
    lambda_start_overhead_min "lambda-start-overhead-min" nanos = 200 * MILLISECOND, Inferred,
        "Cold start beyond the reported Init Duration: least.",
        "STeLLAR (IISWC 2021): cold 448 ms against inits of 100 to 250 ms.";
    lambda_start_overhead_max "lambda-start-overhead-max" nanos = 350 * MILLISECOND, Inferred,
        "Cold start beyond the reported Init Duration: most.",
        "As lambda-start-overhead-min.";
    lambda_idle_min "lambda-idle-min" nanos = 5 * MINUTE, Inferred,
        "An idle environment lives at least this long.",
        "AWS gives no figure; reports range from a few minutes (rehanvdm 2026) to an hour (2017).";
    lambda_idle_max "lambda-idle-max" nanos = 15 * MINUTE, Inferred,
        "An idle environment lives at most this long.",
        "As lambda-idle-min.";
    lambda_age_min "lambda-age-min" nanos = 2 * HOUR, Inferred,
        "An environment is replaced at the earliest after this, even if busy.",
        "lambda-runtime-environment.html: every few hours.";
    lambda_age_max "lambda-age-max" nanos = 6 * HOUR, Inferred,
        "An environment is replaced at the latest after this.",
        "As lambda-age-min.";
    lambda_mb_per_vcpu "lambda-mb-per-vcpu" count = 1_769, Documented,
        "Memory that comes with one vCPU.",
        "docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html.";
    lambda_log_bytes "lambda-log-bytes" count = 350, Inferred,
        "Log bytes of the START, END and REPORT lines of one invocation.",
        "Counted from a REPORT line with Init Duration.";

    ecs_provisioning_min "ecs-provisioning-min" nanos = 8 * SECOND, Inferred,
        "Fargate: network interface and microVM before the pull, least; not billed.",
        "elasticscale.com/reduce-aws-fargate-pull-times-with-soci (2024-04-10) and a qiita.com breakdown: about 10 s.";
    ecs_provisioning_max "ecs-provisioning-max" nanos = 15 * SECOND, Inferred,
        "The same, most.",
        "As ecs-provisioning-min.";
    ecs_pull_mb_per_second "ecs-pull-mb-per-second" number = 10.5, Inferred,
        "Fargate: image pull and unpack rate, median.",
        "413 MB in 45 of 57 s (elasticscale.com), 900 MB in 60 of 70 s (containers-roadmap issue 696): 9 to 15 MB/s.";
    ecs_pull_spread "ecs-pull-spread" number = 0.06, Inferred,
        "Spread (sigma of the logarithm) of that rate between tasks.",
        "Ten starts of one image within 8 % (elasticscale.com).";
    ecs_start_min "ecs-start-min" nanos = SECOND, Inferred,
        "From the image being there to the worker's first line, least; on a warm EC2 host the whole start.",
        "containers-roadmap issue 696: 1 to 3 s on EC2 with a cached image.";
    ecs_start_max "ecs-start-max" nanos = 3 * SECOND, Inferred,
        "The same, most.",
        "As ecs-start-min.";
    ecs_launch_burst "ecs-launch-burst" count = 100, Documented,
        "Fargate launch bucket of account and region: burst.",
        "ECS developer guide, AWS Fargate throttling quotas.";
    ecs_launch_per_second "ecs-launch-per-second" count = 20, Documented,
        "Fargate launch bucket of account and region: refill per second.",
        "ECS developer guide, AWS Fargate throttling quotas.";
    ecs_service_launch_per_minute "ecs-service-launch-per-minute" count = 500, Documented,
        "Tasks that one service's scheduler launches per minute.",
        "ECS service quotas, tasks launched by a service per minute.";
    ecs_healthy_after "ecs-healthy-after" nanos = 40 * SECOND, Documented,
        "In a deployment a task without health checks counts as healthy this long after it began to run.",
        "ECS API reference, DeploymentConfiguration, minimumHealthyPercent.";
    ecs_metric_lag "ecs-metric-lag" nanos = 60 * SECOND, Inferred,
        "From the end of a minute to its AWS/ECS datapoint being visible to alarms.",
        "As sqs-metric-lag.";
    ecs_billing_minimum "ecs-billing-minimum" nanos = MINUTE, Documented,
        "Shortest time a Fargate task is billed for.",
        "aws.amazon.com/fargate/pricing.";
    spot_interruptions_per_hour "spot-interruptions-per-hour" number = 0.02, Inferred,
        "Interruptions of one Fargate Spot task per hour.",
        "No rate is published: an assumption to vary.";
    spot_warning "spot-warning" nanos = 2 * MINUTE, Documented,
        "From the Spot warning (SIGTERM) to the task being killed at the latest; stopTimeout may be shorter.",
        "ECS developer guide, Fargate capacity providers.";
    ec2_boot_min "ec2-boot-min" nanos = 60 * SECOND, Inferred,
        "From launching an instance to its agent accepting tasks, least.",
        "No distribution is published.";
    ec2_boot_max "ec2-boot-max" nanos = 120 * SECOND, Inferred,
        "The same, most.",
        "As ec2-boot-min.";
    ec2_warmup "ec2-warmup" nanos = 300 * SECOND, Documented,
        "instanceWarmupPeriod of managed scaling: no further step until it has passed.",
        "ECS API reference, ManagedScaling.";
    ec2_scale_in_datapoints "ec2-scale-in-datapoints" count = 15, Documented,
        "Minutes below target before managed scaling removes instances.",
        "ECS developer guide, cluster auto scaling.";

    ec2_pending_min "ec2-pending-min" nanos = 5 * SECOND, Measured,
        "From asking for an instance to its running, least; not billed.",
        "daemonology.net/blog/2021-08-12-EC2-boot-time-benchmarking: 1.5 s for RunInstances and 4.9 s pending.";
    ec2_pending_max "ec2-pending-max" nanos = 18 * SECOND, Measured,
        "The same, most.",
        "brevdev/ec2-coldboot-research: 16.4 to 18 s from pending to running, whatever the instance type.";
    ec2_launch_burst "ec2-launch-burst" count = 1_000, Documented,
        "Instances of account and region that can be launched at once.",
        "EC2 developer guide, request throttling: resource tokens of RunInstances.";
    ec2_launch_per_second "ec2-launch-per-second" count = 2, Documented,
        "Refill of that bucket per second.",
        "As ec2-launch-burst.";
    ec2_billing_minimum "ec2-billing-minimum" nanos = MINUTE, Documented,
        "Shortest time an instance is billed for.",
        "aws.amazon.com/ec2/pricing/on-demand: per second, with a minimum of 60 s.";

    pod_create_burst "pod-create-burst" count = 30, Documented,
        "Pods that the controller manager creates at once.",
        "kube-controller-manager reference, --kube-api-burst.";
    pod_create_per_second "pod-create-per-second" count = 20, Documented,
        "Pods that it creates per second after that.",
        "kube-controller-manager reference, --kube-api-qps.";
    hpa_sync_period "hpa-sync-period" nanos = 15 * SECOND, Documented,
        "How often the HorizontalPodAutoscaler asks KEDA for the queue and acts.",
        "kube-controller-manager reference, --horizontal-pod-autoscaler-sync-period.";
    hpa_tolerance "hpa-tolerance" number = 0.1, Documented,
        "It does nothing while the ratio of metric to target is this close to 1.",
        "kube-controller-manager reference, --horizontal-pod-autoscaler-tolerance.";
    hpa_up_percent "hpa-up-percent" count = 100, Documented,
        "Scale-up policy: percent of the pods within one period; the larger of both policies counts.",
        "Kubernetes documentation, Horizontal Pod Autoscaling, default behavior.";
    hpa_up_pods "hpa-up-pods" count = 4, Documented,
        "Scale-up policy: pods within one period.",
        "As hpa-up-percent.";
    hpa_up_period "hpa-up-period" nanos = 15 * SECOND, Documented,
        "The period of both policies.",
        "As hpa-up-percent.";
    hpa_down_window "hpa-down-window" nanos = 300 * SECOND, Documented,
        "Scale-down stabilisation: the largest count wanted within this window holds.",
        "As hpa-up-percent.";
    eks_node_ready_min "eks-node-ready-min" nanos = 30 * SECOND, Inferred,
        "From a node's running to its being ready for pods, least.",
        "EKS engineering playbook (2026-02-18): 45 to 90 s for a new node in all, less the time to running.";
    eks_node_ready_max "eks-node-ready-max" nanos = 75 * SECOND, Inferred,
        "The same, most.",
        "As eks-node-ready-min.";
    karpenter_batch_idle "karpenter-batch-idle" nanos = SECOND, Documented,
        "Karpenter launches nodes when no further pod has come for this long.",
        "karpenter.sh/docs/reference/settings, BATCH_IDLE_DURATION.";
    karpenter_batch_max "karpenter-batch-max" nanos = 10 * SECOND, Documented,
        "And at the latest this long after the first.",
        "karpenter.sh/docs/reference/settings, BATCH_MAX_DURATION.";
    karpenter_empty_after "karpenter-empty-after" nanos = 15 * SECOND, Inferred,
        "How long a node is empty before Karpenter removes it.",
        "karpenter.sh/docs/concepts/disruption: consolidateAfter is 0 s unless set, and a decision is checked again after 15 s.";
    ca_scan_interval "ca-scan-interval" nanos = 10 * SECOND, Documented,
        "How often Cluster Autoscaler looks for pods without room.",
        "Cluster Autoscaler FAQ, --scan-interval.";
    ca_group_delay_min "ca-group-delay-min" nanos = 30 * SECOND, Inferred,
        "From its decision to the node group launching an instance, least.",
        "No figure is published: chosen so that nodes take 1.5 to 3 min; zop.dev says 3 to 5, vladionescu.me (2022) 2.5.";
    ca_group_delay_max "ca-group-delay-max" nanos = 90 * SECOND, Inferred,
        "The same, most.",
        "As ca-group-delay-min.";
    ca_unneeded "ca-unneeded" nanos = 10 * MINUTE, Documented,
        "How long a node is not needed before Cluster Autoscaler removes it.",
        "Cluster Autoscaler FAQ, --scale-down-unneeded-time.";
    ca_delay_after_add "ca-delay-after-add" nanos = 10 * MINUTE, Documented,
        "How long after adding nodes it removes none.",
        "Cluster Autoscaler FAQ, --scale-down-delay-after-add.";

    alarm_evaluation_delay_max "alarm-evaluation-delay-max" nanos = 10 * SECOND, Inferred,
        "An alarm is evaluated once a minute, at a moment drawn once below this after the full minute.",
        "No evaluation delay is published; about two minutes end to end were measured (rehanvdm 2026-02-11).";
    scaling_fulfilment_max "scaling-fulfilment-max" nanos = 15 * MINUTE, Inferred,
        "A scaling activity that has not been fulfilled after this counts as ended, and its cooldown begins.",
        "Application Auto Scaling API reference, ScalingActivity: the status Unfulfilled exists; no time is published.";
    tracking_high_datapoints "tracking-high-datapoints" count = 3, Measured,
        "Target tracking: one-minute points above target before it scales out.",
        "Observed alarms of target tracking policies: 3 of 3.";
    tracking_low_datapoints "tracking-low-datapoints" count = 15, Measured,
        "Target tracking: one-minute points below the low mark before it scales in.",
        "Observed alarms of target tracking policies: 15 of 15.";
    tracking_low_share "tracking-low-share" number = 0.9, Measured,
        "Target tracking: the low mark as a share of the target.",
        "Observed alarms of target tracking policies: target 1,500, low 1,350.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_belief_can_be_overridden_by_its_key() {
        let mut parameters = Parameters::default();
        for belief in Parameters::default().beliefs() {
            let other = match belief.value {
                Setting::Nanos(v) => Setting::Nanos(v + 1),
                Setting::Count(v) => Setting::Count(v + 1),
                Setting::Number(v) => Setting::Number(v + 1.0),
            };
            assert!(parameters.set(&belief.key, other), "{}", belief.key);
            assert!(!belief.source.is_empty() && !belief.meaning.is_empty(), "{}", belief.key);
        }
        assert!(parameters.beliefs().iter().all(|b| b.value != b.default));
        assert!(!parameters.set("no-such-key", Setting::Count(1)));
        assert!(!parameters.set("esm-start", Setting::Number(1.0)));
    }
}
