//! Redrive policies, and which queues have a queue for their dead letters.

use super::error::{Answer, Error, Kind};
use super::json::{Text, Writer};
use super::{Sqs, lifecycle, name_in, parse};
use crate::queues::FIFO_SUFFIX;
use serde::Deserialize;
use serde_json::Value;

/// A redrive policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Redrive {
    /// Name of the dead-letter queue.
    pub(super) target: String,
    pub(super) max_receive_count: u32,
}

impl Redrive {
    /// As an attribute.
    pub(super) fn policy(&self, arn: impl Fn(&str) -> String) -> String {
        let Self { target, max_receive_count } = self;
        format!("{{\"deadLetterTargetArn\":\"{}\",\"maxReceiveCount\":{max_receive_count}}}", arn(target))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(borrow)]
    queue_url: Option<Text<'a>>,
    max_results: Option<i64>,
    #[serde(borrow)]
    next_token: Option<Text<'a>>,
}

impl Sqs {
    /// Reads the policy of the queue of this name; an empty one unsets it.
    pub(super) fn read_redrive(&self, queue: &str, policy: &str) -> Answer<Option<Redrive>> {
        if policy.is_empty() {
            return Ok(None);
        }
        let refuse = |reason: &str| Error::invalid(policy, "RedrivePolicy", reason);
        let json: Value =
            serde_json::from_str(policy).map_err(|_| refuse("Redrive policy is not a valid JSON map."))?;
        let members = json.as_object().ok_or_else(|| refuse("Redrive policy is not a valid JSON map."))?;
        if members.is_empty() {
            return Ok(None);
        }
        let [arn, count] = ["deadLetterTargetArn", "maxReceiveCount"].map(|name| {
            members.get(name).ok_or_else(|| {
                refuse(&format!("Redrive policy does not contain mandatory attribute: {name}."))
            })
        });
        let (arn, count) = (arn?, count?);
        let target =
            arn.as_str().and_then(name_in).ok_or_else(|| refuse("Invalid value for deadLetterTargetArn."))?;
        let number = count.as_u64().or_else(|| count.as_str()?.parse().ok());
        let max_receive_count = number.filter(|count| (1..=1000).contains(count)).ok_or_else(|| {
            let shown = count.as_str().map_or_else(|| count.to_string(), ToOwned::to_owned);
            refuse(&format!(
                "Invalid value for maxReceiveCount: {shown}, valid values are from 1 to 1000 both inclusive."
            ))
        })?;
        if target != queue && self.queues.get(target).is_none() {
            return Err(refuse("Dead letter target does not exist."));
        }
        if target.ends_with(FIFO_SUFFIX) != queue.ends_with(FIFO_SUFFIX) {
            return Err(refuse("Dead-letter queue must be same type of queue as the source."));
        }
        Ok(Some(Redrive { target: target.into(), max_receive_count: max_receive_count as u32 }))
    }

    pub(super) fn list_dead_letter_source_queues(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let queue = self.queue(request.queue_url.as_ref())?;
        let names = self.dead_letter_sources(&queue.name);
        let page = lifecycle::page(names, request.max_results, request.next_token.as_deref())?;
        let mut json = Writer::with_capacity(1024);
        json.raw("{");
        // The member begins with a small letter, unlike that of ListQueues.
        self.write_page(&mut json, "queueUrls", &page);
        json.raw("}");
        Ok(json.finish())
    }

    /// Names of the queues whose dead letters go to the queue of this name.
    pub(super) fn dead_letter_sources(&self, target: &str) -> Vec<String> {
        let queues = self.queues.all().into_iter();
        let sources = queues.filter(|queue| self.redrive_of(queue).is_some_and(|to| to.target == target));
        sources.map(|queue| queue.name.clone()).collect()
    }
}

/// Checks a RedriveAllowPolicy: it is kept, not enforced.
pub(super) fn check_allow_policy(policy: &str) -> Answer<()> {
    let permission = |value: &Value| {
        let permission = value.get("redrivePermission").and_then(Value::as_str);
        permission.is_some_and(|permission| matches!(permission, "allowAll" | "denyAll" | "byQueue"))
    };
    if policy.is_empty() || serde_json::from_str(policy).is_ok_and(|policy: Value| permission(&policy)) {
        return Ok(());
    }
    Err(Kind::InvalidAttributeValue.because("Invalid value for the parameter RedriveAllowPolicy."))
}
