//! What Application Auto Scaling did to a service, and the alarms that its policies keep.

use super::message;
use anyhow::Result;
use aws_sdk_applicationautoscaling::Client;
use aws_sdk_applicationautoscaling::types::{ScalingActivity, ServiceNamespace};
use model::run::{Activity, ActivityKind};
use model::time::Nanos;

fn resource(cluster: &str, service: &str) -> String {
    format!("service/{cluster}/{service}")
}

/// Everything that was done from the start of the run on, in order; `desired` is the service's count at some instant.
///
/// # Errors
/// When the service cannot be asked.
pub(crate) async fn activities(
    client: &Client,
    cluster: &str,
    service: &str,
    started_ns: u64,
    desired: Option<(Nanos, u64)>,
) -> Result<Vec<Activity>> {
    let call = client
        .describe_scaling_activities()
        .service_namespace(ServiceNamespace::Ecs)
        .resource_id(resource(cluster, service));
    let mut pages = call.into_paginator().items().send();
    let mut told = Vec::new();
    while let Some(activity) = pages.next().await {
        let activity =
            activity.map_err(|error| message("application-autoscaling:DescribeScalingActivities", &error))?;
        let at = u64::try_from(activity.start_time().as_nanos()).ok();
        // The newest come first: what is older than the run ends the walk.
        let Some(at) = at.and_then(|at| at.checked_sub(started_ns)) else { break };
        told.push((at, activity));
    }
    told.reverse();
    Ok(read(&told, desired))
}

/// Alarms that the service's policies keep.
///
/// # Errors
/// When the service cannot be asked.
pub(crate) async fn alarms(client: &Client, cluster: &str, service: &str) -> Result<u64> {
    let call = client
        .describe_scaling_policies()
        .service_namespace(ServiceNamespace::Ecs)
        .resource_id(resource(cluster, service));
    let mut pages = call.into_paginator().items().send();
    let mut count = 0;
    while let Some(policy) = pages.next().await {
        let policy =
            policy.map_err(|error| message("application-autoscaling:DescribeScalingPolicies", &error))?;
        count += policy.alarms().len() as u64;
    }
    Ok(count)
}

fn read(told: &[(Nanos, ScalingActivity)], known: Option<(Nanos, u64)>) -> Vec<Activity> {
    // A count that was taken before the first of them says which way that went.
    let first = told.first().map(|(at, _)| *at);
    let mut before = known.filter(|(at, _)| first.is_some_and(|first| *at < first)).map(|(_, count)| count);
    let mut read = Vec::new();
    for (at, activity) in told {
        let count = desired(activity.description());
        let kind = match (before, count) {
            (Some(before), Some(count)) if count < before => ActivityKind::ScaleIn,
            // Of the first only its cause says which way it went.
            (None, _) if activity.cause().contains("AlarmLow") => ActivityKind::ScaleIn,
            _ => ActivityKind::ScaleOut,
        };
        before = count.or(before);
        let status = activity.status_code().as_str();
        let detail = format!("{} ({status}; {})", activity.description(), activity.cause());
        read.push(Activity { at: *at, kind, detail });
    }
    read
}

/// The count in "Setting desired count to 5."
fn desired(description: &str) -> Option<u64> {
    let number = description.split("desired count to ").nth(1)?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_applicationautoscaling::primitives::DateTime;
    use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScalingActivityStatusCode};

    #[test]
    fn an_activity_goes_out_or_in_by_the_count_before_it() {
        let activity = |at: Nanos, count: u64| {
            let one = ScalingActivity::builder()
                .activity_id("a")
                .service_namespace(ServiceNamespace::Ecs)
                .resource_id("service/a/b")
                .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
                .description(format!("Setting desired count to {count}."))
                .cause("monitor alarm backlog in state ALARM triggered policy out")
                .start_time(DateTime::from_secs(0))
                .status_code(ScalingActivityStatusCode::Successful)
                .build();
            (at, one.unwrap())
        };
        let all = [activity(1, 5), activity(2, 10), activity(3, 1)];
        let kind = |known| read(&all, known)[0].kind;
        assert_eq!(kind(Some((0, 7))), ActivityKind::ScaleIn);
        assert_eq!(kind(Some((1, 7))), ActivityKind::ScaleOut, "it may have been counted afterwards");
        let read = read(&all, None);
        let kinds: Vec<_> = read.iter().map(|activity| (activity.at, activity.kind)).collect();
        use ActivityKind::{ScaleIn, ScaleOut};
        assert_eq!(kinds, [(1, ScaleOut), (2, ScaleOut), (3, ScaleIn)]);
        assert_eq!(
            read[2].detail,
            "Setting desired count to 1. (Successful; monitor alarm backlog in state ALARM triggered policy out)"
        );
    }
}
