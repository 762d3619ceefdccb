//! Names of what is deployed, from the outputs of CloudFormation or Terraform, kept in the run's folder.
//!
//! Goals: nothing that is not named here is asked, sent to, or changed; a run that is collected later needs no names.
//! Non-goals: asking AWS for them: whoever deployed has them as a file.

use crate::folder;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The tag that a queue must carry to be sent to: its key.
pub const QUEUE_TAG: &str = "versus";

/// Where a stack's evidence comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Deployed {
    /// QueueUrl: messages are sent there, its depth is sampled, its metrics are fetched.
    pub queue: Option<String>,
    /// QueueUrl of its dead-letter queue.
    pub dead_letters: Option<String>,
    /// FunctionName.
    pub function: Option<String>,
    /// ClusterName and ServiceName.
    pub service: Option<(String, String)>,
    /// Name of the log group that its workers print to.
    pub log_group: Option<String>,
    /// Files of worker output, which may still grow; `-` is standard input.
    pub records: Vec<PathBuf>,
}

impl Deployed {
    /// `other` where it says something, else what was known.
    #[must_use]
    pub fn or(self, known: Self) -> Self {
        Self {
            queue: self.queue.or(known.queue),
            dead_letters: self.dead_letters.or(known.dead_letters),
            function: self.function.or(known.function),
            service: self.service.or(known.service),
            log_group: self.log_group.or(known.log_group),
            records: if self.records.is_empty() { known.records } else { self.records },
        }
    }
}

/// What is deployed for each stack, by its name in the scenario.
pub type Deployment = BTreeMap<String, Deployed>;

const FILE: &str = "deployed.json";

/// Keeps the names beside a run.
///
/// # Errors
/// When the folder cannot be written.
pub fn keep(folder: &Path, deployment: &Deployment) -> Result<()> {
    folder::replace(&folder.join(FILE), &serde_json::to_vec_pretty(deployment)?)
}

/// The names that were kept beside a run; none, if none were.
///
/// # Errors
/// When the file cannot be read.
pub fn kept(folder: &Path) -> Result<Deployment> {
    let path = folder.join(FILE);
    if path.exists() { folder::read_json(&path) } else { Ok(Deployment::new()) }
}

/// The names in files of outputs: what `aws cloudformation describe-stacks` or `terraform output -json` prints.
///
/// # Errors
/// When a file is neither, or names no stack or queue.
pub fn read(files: &[PathBuf]) -> Result<Deployment> {
    let mut all = Deployment::new();
    for path in files {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let document: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is no JSON: give the outputs of a stack", path.display()))?;
        let found = named(&document).with_context(|| format!("in {}", path.display()))?;
        ensure!(!found.is_empty(), "{} has no outputs; {EXPECTED}", path.display());
        for (name, deployed) in found {
            if all.insert(name.clone(), deployed).is_some() {
                bail!("{}: stack {name} is in two outputs; give each once", path.display());
            }
        }
    }
    distinct(&all)?;
    Ok(all)
}

/// What two stacks share would be counted for both.
fn distinct(all: &Deployment) -> Result<()> {
    let mut seen = BTreeMap::new();
    for (name, deployed) in all {
        for (what, value) in
            [("queue", &deployed.queue), ("function", &deployed.function), ("log group", &deployed.log_group)]
        {
            let Some(value) = value else { continue };
            if let Some(other) = seen.insert((what, value), name) {
                bail!("stacks {other} and {name} have the same {what} {value}: each needs its own");
            }
        }
    }
    Ok(())
}

const EXPECTED: &str = "expected what `aws cloudformation describe-stacks` or `terraform output -json` prints, with \
                        StackName and QueueUrl (or stack_name and queue_url) among the outputs";

fn named(document: &Value) -> Result<Vec<(String, Deployed)>> {
    let Value::Object(top) = document else { bail!("{EXPECTED}") };
    if let Some(stacks) = top.get("Stacks").and_then(Value::as_array) {
        // Other stacks of the account may be among them: those without these outputs are none of ours.
        let outputs = stacks.iter().map(cloudformation).filter(|outputs| outputs.contains_key("queueurl"));
        return outputs.map(|outputs| one(&outputs)).collect();
    }
    let values = top.iter().filter_map(|(key, output)| Some((key, output.get("value")?)));
    let (objects, flat): (Vec<_>, Vec<_>) = values.partition(|(_, value)| value.is_object());
    if flat.iter().any(|(key, _)| normal(key) == "queueurl") {
        let outputs = flat.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        return Ok(vec![one(&normalised(&outputs))?]);
    }
    // One output for each stack, or one that holds all of them.
    let mut found = Vec::new();
    for (key, value) in objects.into_iter().filter_map(|(key, value)| Some((key, value.as_object()?))) {
        let nested: Vec<_> = if is_stack(value) {
            vec![(key, value)]
        } else {
            value.iter().filter_map(|(key, value)| Some((key, value.as_object()?))).collect()
        };
        for (name, value) in nested.into_iter().filter(|(_, value)| is_stack(value)) {
            let mut outputs = normalised(value);
            outputs.entry("stackname").or_insert_with(|| name.clone());
            found.push(one(&outputs)?);
        }
    }
    Ok(found)
}

fn is_stack(value: &Map<String, Value>) -> bool {
    value.keys().any(|key| normal(key) == "queueurl")
}

/// `queue_url`, `QueueUrl` and `queue-url` are one name.
fn normal(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

type Outputs = BTreeMap<&'static str, String>;

/// The outputs that mean something here.
const KNOWN: [&str; 8] =
    ["stackname", "queueurl", "deadletterqueueurl", "function", "cluster", "service", "loggroup", "platform"];

fn normalised(values: &Map<String, Value>) -> Outputs {
    let mut outputs = Outputs::new();
    for (key, value) in values {
        let key = normal(key);
        if let (Some(known), Some(text)) = (KNOWN.into_iter().find(|known| *known == key), value.as_str())
            && !text.is_empty()
        {
            outputs.insert(known, text.to_owned());
        }
    }
    outputs
}

fn cloudformation(stack: &Value) -> Outputs {
    let outputs = stack.get("Outputs").and_then(Value::as_array).into_iter().flatten();
    let pairs = outputs.filter_map(|output| {
        Some((output.get("OutputKey")?.as_str()?.into(), output.get("OutputValue")?.clone()))
    });
    normalised(&pairs.collect())
}

fn one(outputs: &Outputs) -> Result<(String, Deployed)> {
    let get = |key: &str| outputs.get(key).cloned();
    let queue = get("queueurl").with_context(|| format!("there is no QueueUrl; {EXPECTED}"))?;
    let name = get("stackname").with_context(|| {
        format!("the outputs with the queue {queue} do not say which stack of the scenario they are for; {EXPECTED}")
    })?;
    let last = |name: String| name.rsplit(['/', ':']).next().unwrap_or_default().to_owned();
    let service = match (get("cluster"), get("service")) {
        (Some(cluster), Some(service)) => Some((last(cluster), last(service))),
        (None, None) => None,
        _ => bail!("stack {name}: Cluster and Service go together, and one is missing"),
    };
    let deployed = Deployed {
        queue: Some(queue),
        dead_letters: get("deadletterqueueurl"),
        function: get("function").map(function_name),
        service,
        log_group: get("loggroup"),
        records: Vec::new(),
    };
    Ok((name, deployed))
}

/// A function's name, of its ARN or the name with a version or an alias, too.
fn function_name(text: String) -> String {
    let name = text.split(":function:").nth(1).unwrap_or(&text);
    name.split(':').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(document: &Value) -> Deployment {
        named(document).unwrap().into_iter().collect()
    }

    fn ecs() -> Deployed {
        Deployed {
            queue: Some("https://sqs/1/jobs".into()),
            service: Some(("blue".into(), "worker".into())),
            log_group: Some("/versus/ecs".into()),
            ..Deployed::default()
        }
    }

    #[test]
    fn outputs_of_cloudformation_name_the_stacks_of_the_scenario() {
        let output = |key: &str, value: &str| json!({"OutputKey": key, "OutputValue": value});
        let document = json!({"Stacks": [
            {"StackName": "someone-elses", "Outputs": [output("Url", "x")]},
            {"StackName": "a", "Outputs": [
                output("StackName", "ecs"), output("QueueUrl", "https://sqs/1/jobs"),
                output("Cluster", "arn:aws:ecs:eu-west-1:1:cluster/blue"),
                output("Service", "arn:aws:ecs:eu-west-1:1:service/blue/worker"),
                output("LogGroup", "/versus/ecs"), output("DeadLetterQueueUrl", "")]},
            {"StackName": "b", "Outputs": [
                output("StackName", "lambda"), output("QueueUrl", "https://sqs/1/b"),
                output("Function", "arn:aws:lambda:eu-west-1:1:function:worker:live")]},
        ]});
        let found = names(&document);
        assert_eq!(found["ecs"], ecs());
        assert_eq!(found["lambda"].function.as_deref(), Some("worker"));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn outputs_of_terraform_may_be_flat_or_nested() {
        let value = |text: &str| json!({"sensitive": false, "type": "string", "value": text});
        let flat = json!({"stack_name": value("ecs"), "queue_url": value("https://sqs/1/jobs"),
            "cluster": value("blue"), "service": value("worker"), "log_group": value("/versus/ecs")});
        assert_eq!(names(&flat)["ecs"], ecs());
        let stack = json!({"queue_url": "https://sqs/1/jobs", "cluster": "blue", "service": "worker",
            "log_group": "/versus/ecs"});
        assert_eq!(names(&json!({"ecs": {"value": stack}, "other": {"value": "x"}}))["ecs"], ecs());
        assert_eq!(names(&json!({"stacks": {"value": {"ecs": stack}}}))["ecs"], ecs());
    }

    #[test]
    fn what_names_no_stack_is_refused_by_name() {
        let value = |text: &str| json!({"value": text});
        let broken = [
            (json!([]), "expected what"),
            (json!({"queue_url": value("https://sqs/1/jobs")}), "do not say which stack"),
            (
                json!({"stack_name": value("a"), "queue_url": value("u"), "cluster": value("c")}),
                "Cluster and Service go together",
            ),
        ];
        for (document, expected) in broken {
            let error = format!("{:#}", named(&document).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
        assert!(named(&json!({"a": value("b")})).unwrap().is_empty());
    }
}
