//! The tasks of an ECS service, from their own timestamps, and how many the service wants.
//!
//! Goals: task starts and billed time are measured; tasks that came and went between two looks are found, for stopped
//! tasks are listed for an hour.
//! Non-goals: EC2 instances.

use super::message;
use anyhow::{Context, Result};
use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{DesiredStatus, TaskStopCode};
use model::journal::Point;
use model::series::metric;
use model::time::{MILLISECOND, MINUTE, Nanos, SECOND, seconds};
use model::usage::{Item, Metered, fargate_billed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most tasks of one DescribeTasks. Source: ECS API reference.
const MOST_DESCRIBED: usize = 100;

/// Least that Fargate bills of a task on Linux. Source: aws.amazon.com/fargate/pricing.
const LEAST_BILLED: Nanos = MINUTE;

/// A task. Instants are UTC nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Task {
    pub(crate) created: Option<u64>,
    pub(crate) pull_started: Option<u64>,
    #[serde(default)]
    pub(crate) pull_stopped: Option<u64>,
    pub(crate) started: Option<u64>,
    pub(crate) stopping: Option<u64>,
    pub(crate) stopped: Option<u64>,
    /// CPU units; 1,024 are one vCPU.
    pub(crate) cpu_units: u64,
    pub(crate) memory_mb: u64,
    /// `FARGATE`, `FARGATE_SPOT`, or that of EC2.
    pub(crate) capacity: String,
    pub(crate) arm: bool,
    /// Why it was taken, if Spot took it.
    pub(crate) interrupted: Option<String>,
}

/// What a service wants and has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) desired: u64,
    pub(crate) running: u64,
    pub(crate) pending: u64,
}

/// A service's tasks so far, by ARN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tasks {
    pub(crate) all: BTreeMap<String, Task>,
}

impl Tasks {
    /// Looks at the tasks of a service, and counts them.
    ///
    /// # Errors
    /// When ECS cannot be asked, or knows no such service.
    pub(crate) async fn look(&mut self, client: &Client, cluster: &str, service: &str) -> Result<Counts> {
        let mut wanted: Vec<String> =
            self.all.iter().filter(|(_, task)| task.stopped.is_none()).map(|(arn, _)| arn.clone()).collect();
        for status in [DesiredStatus::Running, DesiredStatus::Stopped] {
            let call = client.list_tasks().cluster(cluster).service_name(service).desired_status(status);
            let mut pages = call.into_paginator().items().send();
            while let Some(arn) = pages.next().await {
                let arn = arn.map_err(|error| message("ecs:ListTasks", &error))?;
                if !self.all.contains_key(&arn) {
                    wanted.push(arn);
                }
            }
        }
        for some in wanted.chunks(MOST_DESCRIBED) {
            let call = client.describe_tasks().cluster(cluster).set_tasks(Some(some.to_vec()));
            let answer = call.send().await.map_err(|error| message("ecs:DescribeTasks", &error))?;
            for task in answer.tasks() {
                if let Some(arn) = task.task_arn() {
                    self.all.insert(arn.to_owned(), read(task));
                }
            }
        }
        counts(client, cluster, service).await
    }

    /// How long the tasks that lived during the run, from 0 to `until`, took to start, by the parts that ECS tells: a
    /// point each, at the instant that the task was asked for, or at 0 if that was before the run. What was asked for
    /// after the run is no answer to its load.
    pub(crate) fn starts(&self, started_ns: u64, until: Nanos) -> Vec<Point> {
        let lived = |task: &&Task| {
            task.created.is_some_and(|at| at.saturating_sub(started_ns) < until)
                && task.stopped.is_none_or(|at| at > started_ns)
        };
        let mut all: Vec<&Task> = self.all.values().filter(lived).collect();
        all.sort_by_key(|task| task.created);
        let mut points = Vec::new();
        let mut next = 0;
        for task in all {
            // ECS tells milliseconds: tasks of one instant are a nanosecond apart, for a series has one point each.
            let t = task.created.map_or(0, |at| at.saturating_sub(started_ns)).max(next);
            next = t + 1;
            for (metric, from, to) in [
                (metric::TASK_PROVISIONING, task.created, task.pull_started),
                (metric::TASK_PULL, task.pull_started, task.pull_stopped),
                (metric::TASK_START, task.pull_stopped, task.started),
                (metric::TASK_READY, task.created, task.started),
            ] {
                let Some(span) = to.zip(from).and_then(|(to, from)| to.checked_sub(from)) else { continue };
                let (metric, unit, statistic) = (metric.into(), "Seconds".into(), "Maximum".into());
                points.push(Point { t, period: 1, metric, unit, statistic, value: seconds(span) });
            }
        }
        points
    }

    /// What Fargate bills of them on the run's clock, from 0 to `until`.
    pub(crate) fn metered(&self, started_ns: u64, until: Nanos) -> Vec<Metered> {
        let mut sums: BTreeMap<(Item, &str), u64> = BTreeMap::new();
        for task in self.all.values() {
            let (vcpu, memory) = match task.capacity.as_str() {
                "FARGATE" => (Item::FargateVcpu, Item::FargateMemory),
                "FARGATE_SPOT" => (Item::FargateSpotVcpu, Item::FargateSpotMemory),
                // EC2 is billed by its instances.
                _ => continue,
            };
            // What a task cost before the run is not the run's.
            let Some(from) = task.pull_started.or(task.created).map(|at| at.saturating_sub(started_ns))
            else {
                continue;
            };
            let to = task.stopped.map_or(until, |at| at.saturating_sub(started_ns)).min(until);
            let Some(lived) = to.checked_sub(from).filter(|lived| *lived > 0) else { continue };
            let least = if task.stopped.is_some() && from > 0 { LEAST_BILLED } else { 0 };
            let seconds = fargate_billed(lived, least) / SECOND;
            let variant = if task.arm { "arm" } else { "x86" };
            *sums.entry((vcpu, variant)).or_default() += seconds * task.cpu_units;
            *sums.entry((memory, variant)).or_default() += seconds * task.memory_mb;
        }
        sums.into_iter().map(|((item, variant), quantity)| Metered::new(item, variant, quantity)).collect()
    }
}

async fn counts(client: &Client, cluster: &str, service: &str) -> Result<Counts> {
    let call = client.describe_services().cluster(cluster).services(service);
    let answer = call.send().await.map_err(|error| message("ecs:DescribeServices", &error))?;
    let found = answer.services().first();
    let found = found.with_context(|| format!("the cluster {cluster} has no service {service}"))?;
    let count = |count: i32| u64::try_from(count).unwrap_or(0);
    Ok(Counts {
        desired: count(found.desired_count()),
        running: count(found.running_count()),
        pending: count(found.pending_count()),
    })
}

fn read(task: &aws_sdk_ecs::types::Task) -> Task {
    let at = |at: Option<&aws_sdk_ecs::primitives::DateTime>| {
        at.and_then(|at| u64::try_from(at.as_nanos()).ok()).map(|ns| ns / MILLISECOND * MILLISECOND)
    };
    let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
    let arm = task
        .attributes()
        .iter()
        .any(|attribute| attribute.name() == "ecs.cpu-architecture" && attribute.value() == Some("arm64"));
    let spot = task.stop_code() == Some(&TaskStopCode::SpotInterruption);
    let launch = task.launch_type().map_or("", |launch| launch.as_str());
    Task {
        created: at(task.created_at()),
        pull_started: at(task.pull_started_at()),
        pull_stopped: at(task.pull_stopped_at()),
        started: at(task.started_at()),
        stopping: at(task.stopping_at()),
        stopped: at(task.stopped_at()),
        cpu_units: number(task.cpu()),
        memory_mb: number(task.memory()),
        capacity: task.capacity_provider_name().unwrap_or(launch).to_owned(),
        arm,
        interrupted: spot.then(|| task.stopped_reason().unwrap_or("Spot interruption").to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_has_one_point_for_each_part_of_its_start() {
        let run = 1_000 * SECOND;
        let task = |created: u64, started: Option<u64>| Task {
            created: Some(created),
            pull_started: Some(created + 10 * SECOND),
            pull_stopped: Some(created + 30 * SECOND),
            started,
            ..Task::default()
        };
        let both = run + 5 * SECOND;
        let before = task(run - 60 * SECOND, Some(run - 25 * SECOND));
        let over = Task { stopped: Some(run - SECOND), ..before.clone() };
        let until = 50 * SECOND;
        let after = task(run + until, Some(run + until + 32 * SECOND));
        let all = [before, over, task(both, Some(both + 32 * SECOND)), task(both, None), after];
        let all = all.into_iter().enumerate().map(|(n, task)| (n.to_string(), task)).collect();
        let starts = Tasks { all }.starts(run, until);
        let of = |metric: &str| -> Vec<(Nanos, f64)> {
            starts.iter().filter(|one| one.metric == metric).map(|one| (one.t, one.value)).collect()
        };
        let asked = [0, 5 * SECOND, 5 * SECOND + 1];
        assert_eq!(of(metric::TASK_PROVISIONING), asked.map(|t| (t, 10.0)));
        assert_eq!(of(metric::TASK_PULL), asked.map(|t| (t, 20.0)));
        // One task never ran.
        assert_eq!(of(metric::TASK_START), [(asked[0], 5.0), (asked[1], 2.0)]);
        assert_eq!(of(metric::TASK_READY), [(asked[0], 35.0), (asked[1], 32.0)]);
    }

    #[test]
    fn fargate_bills_from_the_pull_to_the_end_a_minute_at_least() {
        let start = 1_000 * SECOND;
        let task = |from: u64, stopped: Option<u64>| Task {
            created: Some(start),
            pull_started: Some(start + from * SECOND),
            stopped: stopped.map(|at| start + at * SECOND),
            cpu_units: 256,
            memory_mb: 512,
            capacity: "FARGATE".into(),
            ..Task::default()
        };
        let billed = |tasks: &[Task]| {
            let all = tasks.iter().enumerate().map(|(n, task)| (n.to_string(), task.clone())).collect();
            let metered = Tasks { all }.metered(start, 100 * SECOND);
            metered.iter().map(|one| one.quantity).collect::<Vec<_>>()
        };
        assert_eq!(billed(&[task(10, Some(90))]), [80 * 256, 80 * 512]);
        // Ten seconds cost a minute; what still runs is billed so far.
        assert_eq!(billed(&[task(10, Some(20)), task(40, None)]), [120 * 256, 120 * 512]);
        let on_ec2 = Task { capacity: "EC2".into(), ..task(0, None) };
        assert_eq!(billed(&[on_ec2, task(200, None)]), [0_u64; 0]);
    }
}
