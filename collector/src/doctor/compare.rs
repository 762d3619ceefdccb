//! What is deployed against what the scenario says, and against what AWS advises.

use super::Level;
use crate::aws::function::Function;
use aws_sdk_sqs::types::QueueAttributeName;
use model::scenario::{Architecture, Lambda, Stack};
use model::time::{Nanos, SECOND};
use std::collections::HashMap;

type Attributes = HashMap<QueueAttributeName, String>;

/// Times its function's timeout that a queue should hide what was received. Source: AWS Lambda developer guide, "Using
/// Lambda with Amazon SQS".
const VISIBILITY_FACTOR: u64 = 6;

fn seconds(attributes: &Attributes, name: &QueueAttributeName) -> Option<u64> {
    attributes.get(name)?.parse().ok()
}

/// A queue's attributes against the scenario's.
pub(super) fn queue(stack: &Stack, attributes: &Attributes) -> Vec<(Level, String)> {
    if attributes.is_empty() {
        return Vec::new();
    }
    let whole = |nanos: Nanos| nanos / SECOND;
    let mut found = Vec::new();
    for (name, wanted) in [
        (QueueAttributeName::VisibilityTimeout, whole(stack.queue.visibility_timeout)),
        (QueueAttributeName::DelaySeconds, whole(stack.queue.delay)),
        (QueueAttributeName::MessageRetentionPeriod, whole(stack.queue.retention)),
    ] {
        if let Some(has) = seconds(attributes, &name)
            && has != wanted
        {
            found.push((Level::Doubt, format!("{} is {has} s, the scenario's {wanted} s", name.as_str())));
        }
    }
    let redrive = attributes.get(&QueueAttributeName::RedrivePolicy);
    let count = redrive.and_then(|policy| {
        let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
        let count = &policy["maxReceiveCount"];
        count.as_u64().or_else(|| count.as_str()?.parse().ok())
    });
    match (count, stack.queue.max_receive_count.map(u64::from)) {
        (has, wanted) if has == wanted => {}
        (None, _) => found.push((
            Level::Doubt,
            "has no dead-letter queue: a message that fails comes back for days".into(),
        )),
        (Some(has), None) => {
            found.push((Level::Doubt, format!("maxReceiveCount is {has}, the scenario has none")))
        }
        (Some(has), Some(wanted)) => {
            found.push((Level::Doubt, format!("maxReceiveCount is {has}, the scenario's {wanted}")));
        }
    }
    if found.is_empty() {
        found.push((Level::Well, "as in the scenario".into()));
    }
    found
}

/// A function and its mapping against the scenario's, and its timeout against the queue's.
pub(super) fn function(wanted: &Lambda, has: &Function, attributes: &Attributes) -> Vec<(Level, String)> {
    let mut found = Vec::new();
    let mut differ = |what: &str, has: u64, wanted: u64| {
        if has != wanted {
            found.push((Level::Doubt, format!("{what} is {has}, the scenario's {wanted}")));
        }
    };
    differ("MemorySize", has.memory_mb, wanted.memory_mb.into());
    differ("Timeout", has.timeout_s, wanted.timeout / SECOND);
    differ(
        "reserved concurrency",
        has.reserved.unwrap_or(0),
        wanted.reserved_concurrency.unwrap_or(0).into(),
    );
    differ("provisioned concurrency", has.provisioned, wanted.provisioned_concurrency.into());
    if let Some(mapping) = &has.mapping {
        differ("BatchSize", mapping.batch_size, wanted.batch_size.into());
        differ("MaximumBatchingWindowInSeconds", mapping.window_s, wanted.batching_window / SECOND);
        let most = wanted.maximum_concurrency.unwrap_or(0);
        differ("MaximumConcurrency", mapping.maximum_concurrency.unwrap_or(0), most.into());
        let pollers = wanted.provisioned_pollers.map_or(0, |pollers| pollers.min);
        differ("MinimumPollers", mapping.pollers.unwrap_or(0), pollers.into());
        if mapping.partial_batch_responses != wanted.partial_batch_responses {
            found.push((Level::Doubt, "ReportBatchItemFailures is not as in the scenario".into()));
        }
        if !mapping.enabled {
            found.push((Level::Wrong, "its event source mapping is disabled: enable it".into()));
        }
    } else {
        found.push((Level::Wrong, "no event source mapping reads the stack's queue: create one".into()));
    }
    if has.arm != (wanted.architecture == Architecture::Arm) {
        found.push((Level::Doubt, "its architecture is not the scenario's".into()));
    }
    let hidden = seconds(attributes, &QueueAttributeName::VisibilityTimeout).unwrap_or(0);
    if hidden < has.timeout_s {
        // Lambda refuses such a mapping.
        let said = format!(
            "the queue hides messages for {hidden} s, less than the function's timeout of {} s",
            has.timeout_s
        );
        found.push((Level::Wrong, said));
    } else if hidden < has.timeout_s * VISIBILITY_FACTOR {
        let said = format!(
            "the queue hides messages for {hidden} s; AWS advises {VISIBILITY_FACTOR} times the function's timeout, {} s",
            has.timeout_s * VISIBILITY_FACTOR
        );
        found.push((Level::Doubt, said));
    }
    if found.is_empty() {
        found.push((Level::Well, "as in the scenario".into()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::function::Mapping;

    fn attributes(visibility: u64) -> Attributes {
        [(QueueAttributeName::VisibilityTimeout, visibility.to_string())].into()
    }

    fn deployed() -> (Lambda, Function) {
        let wanted = Lambda::default();
        let mapping = Mapping { enabled: true, batch_size: 10, ..Mapping::default() };
        let has = Function { memory_mb: 512, timeout_s: 30, mapping: Some(mapping), ..Function::default() };
        (wanted, has)
    }

    #[test]
    fn a_function_as_in_the_scenario_is_well() {
        let (wanted, has) = deployed();
        assert_eq!(function(&wanted, &has, &attributes(180)), [(Level::Well, "as in the scenario".into())]);
    }

    #[test]
    fn what_differs_is_named() {
        let (wanted, mut has) = deployed();
        has.memory_mb = 1_024;
        has.arm = true;
        if let Some(mapping) = &mut has.mapping {
            mapping.enabled = false;
            mapping.maximum_concurrency = Some(5);
        }
        let found = function(&wanted, &has, &attributes(20));
        let levels = found.iter().filter(|(level, _)| *level == Level::Wrong).count();
        assert_eq!((found.len(), levels), (5, 2), "{found:?}");
        assert!(found.iter().any(|(_, said)| said.contains("less than the function's timeout of 30 s")));
        has.mapping = None;
        let found = function(&wanted, &has, &attributes(100));
        assert!(found.iter().any(|(_, said)| said.contains("AWS advises 6 times")), "{found:?}");
        assert!(found.iter().any(|(_, said)| said.contains("create one")), "{found:?}");
    }
}
