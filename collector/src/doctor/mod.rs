//! Whether a run on AWS can work: credentials, permissions, queues, limits, clocks, logs.
//!
//! Goals: everything that would spoil a run is found before it, by one call for each permission; nothing is changed
//! and nothing sent.
//! Non-goals: mending it.

mod clock;
mod compare;

use crate::aws::{Clients, function, message, scaling, tasks};
use crate::cloudwatch::{self, Source};
use crate::outputs::{Deployed, QUEUE_TAG};
use anyhow::Result;
use aws_config::SdkConfig;
use aws_sdk_sqs::types::QueueAttributeName;
use model::scenario::{Platform, Scenario, Stack};
use model::time::{MILLISECOND, MINUTE, SECOND};
use std::collections::HashMap;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Well,
    /// A run works, but may not measure what is meant.
    Doubt,
    /// A run cannot work.
    Wrong,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// A stack, or empty for what concerns all.
    pub stack: String,
    /// What was looked at.
    pub what: &'static str,
    /// What was found, and what to do about it.
    pub said: String,
}

/// Looks at everything that a run of `scenario` on what is deployed needs; Lambda stacks need so many concurrent
/// executions together.
///
/// # Errors
/// When the network cannot be used at all.
pub fn doctor(
    scenario: &Scenario,
    deployed: &[Deployed],
    concurrency: u64,
    config: Option<SdkConfig>,
) -> Result<Vec<Finding>> {
    crate::clients::runtime()?.block_on(async {
        let config = match config {
            Some(config) => config,
            None => crate::clients::config(&scenario.region).await,
        };
        let mut looking = Looking { clients: Clients::new(&config), stack: String::new(), found: Vec::new() };
        looking.account(scenario, deployed, concurrency).await;
        for (stack, deployed) in scenario.stacks.iter().zip(deployed) {
            looking.stack.clone_from(&stack.name);
            looking.stack(stack, deployed).await;
        }
        Ok(looking.found)
    })
}

struct Looking {
    clients: Clients,
    stack: String,
    found: Vec<Finding>,
}

impl Looking {
    fn note(&mut self, level: Level, what: &'static str, said: impl Into<String>) {
        self.found.push(Finding { level, stack: self.stack.clone(), what, said: said.into() });
    }

    /// Notes that a call works, or why it does not.
    fn called<T>(&mut self, level: Level, what: &'static str, result: Result<T>) -> Option<T> {
        match result {
            Ok(answer) => {
                self.note(Level::Well, what, "allowed");
                Some(answer)
            }
            Err(error) => {
                self.note(level, what, format!("{error:#}"));
                None
            }
        }
    }

    /// What concerns all stacks.
    async fn account(&mut self, scenario: &Scenario, deployed: &[Deployed], concurrency: u64) {
        let identity = self.clients.sts.get_caller_identity().send().await;
        match identity.map_err(|error| message("sts:GetCallerIdentity", &error)) {
            Ok(identity) => self.note(
                Level::Well,
                "credentials",
                format!("{} in account {}", identity.arn().unwrap_or("?"), identity.account().unwrap_or("?")),
            ),
            Err(error) => self.note(Level::Wrong, "credentials", format!("{error:#}")),
        }
        if let Some(url) = deployed.iter().find_map(|one| one.queue.clone()) {
            match clock::offset(&self.clients.sqs, &url).await {
                Ok(offset) => {
                    let apart = offset.least.max(-offset.most).max(0) as u64;
                    let level = match apart {
                        // Source: AWS General Reference, Signature Version 4: requests are good for five minutes.
                        _ if apart > 4 * MINUTE => Level::Wrong,
                        _ if apart > SECOND => Level::Doubt,
                        _ => Level::Well,
                    };
                    self.note(level, "clock", offset.said());
                }
                Err(error) => self.note(Level::Doubt, "clock", format!("not measured: {error:#}")),
            }
        }
        if scenario.stacks.iter().any(|stack| matches!(stack.platform, Platform::Lambda(_))) {
            self.concurrency(concurrency).await;
        }
    }

    /// Whether the account lets as many functions run at once as the scenario needs.
    async fn concurrency(&mut self, needed: u64) {
        let settings = self.clients.lambda.get_account_settings().send().await;
        match settings.map_err(|error| message("lambda:GetAccountSettings", &error)) {
            Ok(settings) => {
                let limit = settings.account_limit();
                let free = limit.and_then(|limit| limit.unreserved_concurrent_executions()).unwrap_or(0);
                let all = limit.map_or(0, |limit| limit.concurrent_executions());
                let free = u64::try_from(free).unwrap_or(0);
                let said = format!("{free} of {all} are unreserved; the scenario needs about {needed}");
                let level = if free >= needed { Level::Well } else { Level::Doubt };
                self.note(level, "account concurrency", said);
            }
            Err(error) => self.note(Level::Doubt, "account concurrency", format!("{error:#}")),
        }
    }

    async fn stack(&mut self, stack: &Stack, deployed: &Deployed) {
        if let Some(url) = &deployed.queue {
            let attributes = self.queue(url).await;
            for (level, said) in compare::queue(stack, &attributes) {
                self.note(level, "queue settings", said);
            }
            self.may_send(url).await;
            if let (Platform::Lambda(wanted), Some(name)) = (&stack.platform, &deployed.function) {
                let arn = attributes.get(&QueueAttributeName::QueueArn).cloned().unwrap_or_default();
                let asked = function::describe(&self.clients.lambda, name, &arn).await;
                if let Some(function) = self.called(Level::Wrong, "function", asked) {
                    for (level, said) in compare::function(wanted, &function, &attributes) {
                        self.note(level, "function settings", said);
                    }
                }
            }
        }
        if let Some((cluster, service)) = &deployed.service {
            self.service(cluster, service).await;
        }
        self.metrics(deployed).await;
        match &deployed.log_group {
            Some(group) => self.logs(group).await,
            None => self.note(
                Level::Doubt,
                "logs",
                "no log group is named: records of workers and reports of Lambda will not be found",
            ),
        }
    }

    /// A queue's attributes; whether it may be asked, is ours, and is empty.
    async fn queue(&mut self, url: &str) -> HashMap<QueueAttributeName, String> {
        let call = self.clients.sqs.get_queue_attributes().queue_url(url);
        let asked = call.attribute_names(QueueAttributeName::All).send().await;
        let asked = asked.map_err(|error| message("sqs:GetQueueAttributes", &error));
        let answer = self.called(Level::Wrong, "sqs:GetQueueAttributes", asked);
        let attributes = answer.and_then(|answer| answer.attributes).unwrap_or_default();
        let tags = self.clients.sqs.list_queue_tags().queue_url(url).send().await;
        match tags.map_err(|error| message("sqs:ListQueueTags", &error)) {
            Ok(tags) if tags.tags().is_some_and(|tags| tags.contains_key(QUEUE_TAG)) => {
                self.note(Level::Well, "queue tag", format!("carries {QUEUE_TAG}"));
            }
            Ok(_) => self.note(
                Level::Wrong,
                "queue tag",
                format!("does not carry {QUEUE_TAG}: tag it, or run with --allow-queue {url}"),
            ),
            Err(error) => self.note(Level::Wrong, "queue tag", format!("{error:#}")),
        }
        attributes
    }

    /// Whether messages may be sent: a batch without messages is refused either way, but for different reasons.
    async fn may_send(&mut self, url: &str) {
        let call = self.clients.sqs.send_message_batch().queue_url(url).set_entries(Some(Vec::new()));
        let Err(error) = call.send().await else { return };
        let said = format!("{:#}", message("sqs:SendMessage", &error));
        if said.contains("EmptyBatchRequest") {
            self.note(Level::Well, "sqs:SendMessage", "allowed");
        } else {
            self.note(Level::Wrong, "sqs:SendMessage", said);
        }
    }

    async fn service(&mut self, cluster: &str, service: &str) {
        let mut all = tasks::Tasks::default();
        let looked = all.look(&self.clients.ecs, cluster, service).await;
        if let Some(counts) =
            self.called(Level::Wrong, "ecs:ListTasks, DescribeTasks, DescribeServices", looked)
        {
            let said = format!("{} of {} tasks run", counts.running, counts.desired);
            self.note(Level::Well, "service", said);
        }
        let asked = scaling::activities(&self.clients.scaling, cluster, service, u64::MAX, None).await;
        self.called(Level::Doubt, "application-autoscaling:DescribeScalingActivities", asked);
        let asked = scaling::alarms(&self.clients.scaling, cluster, service).await;
        self.called(Level::Doubt, "application-autoscaling:DescribeScalingPolicies", asked);
    }

    async fn metrics(&mut self, deployed: &Deployed) {
        let queue = deployed.queue.as_ref().map(|url| url.rsplit('/').next().unwrap_or(url).to_owned());
        let source = [Source { queue, ..Source::default() }];
        let now = crate::watched::utc_ns();
        let asked = cloudwatch::fetch(&self.clients.cloudwatch, &source, now - 5 * MINUTE, now).await;
        self.called(Level::Doubt, "cloudwatch:GetMetricData", asked);
    }

    /// Whether a group may be read, and how long its lines take to arrive.
    async fn logs(&mut self, group: &str) {
        let hour_ago = crate::watched::utc_ns().saturating_sub(60 * MINUTE) / MILLISECOND;
        let asked = lag(&self.clients.logs, group, i64::try_from(hour_ago).unwrap_or(0)).await;
        match self.called(Level::Wrong, "logs:FilterLogEvents", asked) {
            Some(Some(lag)) => {
                let said = format!("lines arrive within {:.1} s", lag as f64 / 1_000.0);
                self.note(Level::Well, "log delivery", said);
            }
            Some(None) => {
                self.note(
                    Level::Doubt,
                    "log delivery",
                    format!("{group} had no lines in the last hour: not proved"),
                );
            }
            None => {}
        }
    }
}

/// Pages that are turned in search of a line: empty ones are normal.
const MOST_PAGES: u32 = 20;

/// The longest that lines of a group took to arrive, in milliseconds, on the first page that has any.
async fn lag(client: &aws_sdk_cloudwatchlogs::Client, group: &str, from_ms: i64) -> Result<Option<i64>> {
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let call = client.filter_log_events().log_group_name(group).start_time(from_ms).limit(100);
        let page = call.set_next_token(token).send().await;
        let page = page.map_err(|error| message("logs:FilterLogEvents", &error))?;
        let lags =
            page.events().iter().filter_map(|event| Some(event.ingestion_time()? - event.timestamp()?));
        if let Some(lag) = lags.max() {
            return Ok(Some(lag));
        }
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    Ok(None)
}
