//! Time series of a run, under CloudWatch's own metric names where it has one.

use crate::time::Nanos;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

/// One metric over time: the value at `t` describes the period that starts at `t`.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// CloudWatch's name, or `usage/<item>/<variant>` for metered quantities.
    pub metric: String,
    /// CloudWatch's unit (`Count`, `Seconds`, ...) or the usage item's.
    pub unit: String,
    /// `Sum`, `Average`, `Minimum` or `Maximum`.
    pub statistic: String,
    /// Length of a point's period.
    pub period: Nanos,
    /// `(start of the period, value)`, ascending; periods without data have no point.
    pub points: Vec<(Nanos, f64)>,
}

/// Names of the series that every run has, or may have.
pub mod metric {
    /// Messages sent to the queue per period (`Sum`): the offered load.
    pub const SENT: &str = "NumberOfMessagesSent";
    /// Deletes per period (`Sum`).
    pub const DELETED: &str = "NumberOfMessagesDeleted";
    /// Messages handed out per period (`Sum`).
    pub const RECEIVED: &str = "NumberOfMessagesReceived";
    /// Receives that found nothing per period (`Sum`).
    pub const EMPTY_RECEIVES: &str = "NumberOfEmptyReceives";
    /// First completions per period (`Sum`), by the instant of completion: the achieved rate.
    pub const COMPLETED: &str = "CompletedMessages";
    /// Messages waiting (`Maximum`).
    pub const VISIBLE: &str = "ApproximateNumberOfMessagesVisible";
    /// Messages received and not deleted (`Maximum`).
    pub const NOT_VISIBLE: &str = "ApproximateNumberOfMessagesNotVisible";
    /// Age of the oldest waiting message in seconds (`Maximum`).
    pub const OLDEST_AGE: &str = "ApproximateAgeOfOldestMessage";
    /// ECS: tasks running (`Maximum`).
    pub const RUNNING_TASKS: &str = "RunningTaskCount";
    /// ECS: tasks provisioning, pulling or starting (`Maximum`).
    pub const PENDING_TASKS: &str = "PendingTaskCount";
    /// ECS: desired count (`Maximum`).
    pub const DESIRED_TASKS: &str = "DesiredTaskCount";
    /// ECS: tasks between SIGTERM and their end (`Maximum`).
    pub const DRAINING_TASKS: &str = "DeactivatingTaskCount";
    /// ECS on EC2: instances (`Maximum`).
    pub const INSTANCES: &str = "GroupInServiceInstances";
    /// ECS: CPU utilization in percent of the running tasks' CPU (`Average`).
    pub const CPU: &str = "CPUUtilization";
    /// ECS: from a task being asked for to the pull of its image, in seconds (`Maximum`). This and the next three are
    /// measured, not simulated: one point a task, at the instant that it was asked for.
    pub const TASK_PROVISIONING: &str = "TaskProvisioningTime";
    /// ECS: the pull of a task's image, in seconds (`Maximum`).
    pub const TASK_PULL: &str = "TaskPullTime";
    /// ECS: from a task's image being there to the task running, in seconds (`Maximum`).
    pub const TASK_START: &str = "TaskStartTime";
    /// ECS: from a task being asked for to the task running, in seconds (`Maximum`).
    pub const TASK_READY: &str = "TaskReadyTime";
    /// Lambda: environments at work (`Maximum`).
    pub const CONCURRENCY: &str = "ConcurrentExecutions";
    /// Lambda: invocations started (`Sum`).
    pub const INVOCATIONS: &str = "Invocations";
    /// Lambda: invocations that failed (`Sum`).
    pub const ERRORS: &str = "Errors";
    /// Lambda: invocations refused (`Sum`).
    pub const THROTTLES: &str = "Throttles";
    /// Lambda: event pollers of a mapping in provisioned mode (`Maximum`).
    pub const POLLERS: &str = "ProvisionedPollers";
    /// Lambda: invocations on provisioned concurrency (`Sum`).
    pub const PROVISIONED_INVOCATIONS: &str = "ProvisionedConcurrencyInvocations";
    /// Lambda: concurrent executions of all the account's functions without a reserve (`Maximum`).
    pub const UNRESERVED_CONCURRENCY: &str = "UnreservedConcurrentExecutions";
    /// Lambda: handler time per invocation in milliseconds, initialisation left out (`Average`).
    pub const DURATION: &str = "Duration";
    /// Lambda: environments initialised for an invocation (`Sum`).
    pub const COLD_STARTS: &str = "ColdStarts";
    /// Lambda: concurrent batches the event source mapping allows itself (`Maximum`).
    pub const MAPPING_CONCURRENCY: &str = "EventSourceMappingConcurrency";
}

/// One row of `series.csv`.
#[derive(Serialize, Deserialize)]
struct Row {
    t: Nanos,
    period: Nanos,
    metric: String,
    unit: String,
    statistic: String,
    value: f64,
}

/// Writes `series.csv`: `t,period,metric,unit,statistic,value`, series after series.
///
/// # Errors
/// When the sink cannot be written.
pub fn write_csv(sink: impl Write, series: &[Series]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(sink);
    for one in series {
        for &(t, value) in &one.points {
            let row = Row {
                t,
                period: one.period,
                metric: one.metric.clone(),
                unit: one.unit.clone(),
                statistic: one.statistic.clone(),
                value,
            };
            writer.serialize(row).context("writing series.csv")?;
        }
    }
    writer.flush().context("writing series.csv")
}

/// Reads `series.csv`; rows of one series need not be adjacent.
///
/// # Errors
/// Names the row that cannot be read.
pub fn read_csv(source: impl Read) -> Result<Vec<Series>> {
    let mut all: Vec<Series> = Vec::new();
    let mut last = usize::MAX;
    for (index, row) in csv::Reader::from_reader(source).into_deserialize::<Row>().enumerate() {
        let row = row.with_context(|| format!("series.csv, record {}", index + 1))?;
        let same =
            |s: &Series| s.metric == row.metric && s.statistic == row.statistic && s.period == row.period;
        if all.get(last).is_none_or(|s| !same(s)) {
            last = all.iter().position(same).unwrap_or_else(|| {
                all.push(Series {
                    metric: row.metric,
                    unit: row.unit,
                    statistic: row.statistic,
                    period: row.period,
                    points: Vec::new(),
                });
                all.len() - 1
            });
        }
        all[last].points.push((row.t, row.value));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_round_trips() {
        let one = |metric: &str, points: &[(Nanos, f64)]| Series {
            metric: metric.into(),
            unit: "Count".into(),
            statistic: "Sum".into(),
            period: 5,
            points: points.to_vec(),
        };
        let all = vec![one("A", &[(0, 1.5), (5, 1e-9)]), one("B", &[(10, 3.0)])];
        let mut bytes = Vec::new();
        write_csv(&mut bytes, &all).unwrap();
        assert_eq!(read_csv(bytes.as_slice()).unwrap(), all);
    }
}
