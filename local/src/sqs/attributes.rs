//! Attributes of queues: GetQueueAttributes, SetQueueAttributes, and what CreateQueue checks.
//!
//! Those that a law follows are the queue's own (`SharedQueue::attributes`), so that what changes in this process shows
//! here, too. A change is in force at once, where AWS takes up to a minute.

use super::error::{Answer, Error, Kind};
use super::json::{Pairs, Text, Writer};
use super::redrive::{self, Redrive};
use super::{NOTHING, Sqs, fifo, parse};
use crate::queues::SharedQueue;
use model::time::{Nanos, SECOND};
use serde::Deserialize;
use std::sync::Arc;

/// Attributes in the order in which they are answered.
const NAMES: [&str; 22] = [
    "QueueArn",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "VisibilityTimeout",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "DelaySeconds",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "Policy",
    "RedriveAllowPolicy",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
    fifo::FIFO_QUEUE,
    fifo::CONTENT_BASED,
    fifo::SCOPE,
    fifo::THROUGHPUT_LIMIT,
    "All",
];

/// Whether queues have an attribute of this name, standard or FIFO.
pub(super) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// An attribute and the value it shall have.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Setting {
    VisibilityTimeout(Nanos),
    Retention(Nanos),
    Delay(Nanos),
    ReceiveWait(Nanos),
    MaximumMessageBytes(u32),
    Redrive(Option<Redrive>),
    /// Kept as given; without text it is unset.
    Text(&'static str, Option<String>),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(borrow)]
    queue_url: Option<Text<'a>>,
    #[serde(borrow)]
    attribute_names: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    attributes: Option<Pairs<'a, Text<'a>>>,
}

impl Sqs {
    pub(super) fn get_queue_attributes(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let queue = self.queue(request.queue_url.as_ref())?;
        let asked = request.attribute_names.unwrap_or_default();
        if let Some(name) = asked.iter().find(|name| !is_known(name)) {
            return Err(unknown(name));
        }
        let all = asked.iter().any(|name| &**name == "All");
        let mut json = Writer::with_capacity(1024);
        json.raw("{");
        for name in NAMES.into_iter().filter(|name| all || asked.iter().any(|asked| **asked == **name)) {
            if let Some(value) = self.attribute(&queue, name) {
                if json.ends_with(b'{') {
                    json.raw("\"Attributes\":{");
                }
                json.member(name, &value);
            }
        }
        json.raw(if json.ends_with(b'{') { "}" } else { "}}" });
        Ok(json.finish())
    }

    pub(super) fn set_queue_attributes(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let queue = self.queue(request.queue_url.as_ref())?;
        let given = request.attributes.ok_or_else(|| Error::missing("Attributes"))?;
        let settings = self.read_settings(&queue.name, &given)?;
        check_encryption(&settings)?;
        fifo::check_throughput(&settings, Some(&queue))?;
        self.apply(&queue, settings);
        queue.details().modified_at = self.queues.now();
        Ok(NOTHING.into())
    }

    /// The value of an attribute, if the queue has it.
    fn attribute(&self, queue: &SharedQueue, name: &str) -> Option<String> {
        let laws = queue.attributes();
        let details = queue.details();
        let seconds = |at: Nanos| (self.queues.origin.utc_ns(at) / SECOND).to_string();
        Some(match name {
            "QueueArn" => self.arn(&queue.name),
            "ApproximateNumberOfMessages" => queue.levels()[0].to_string(),
            "ApproximateNumberOfMessagesNotVisible" => queue.levels()[1].to_string(),
            "ApproximateNumberOfMessagesDelayed" => queue.levels()[2].to_string(),
            "CreatedTimestamp" => seconds(details.created_at),
            "LastModifiedTimestamp" => seconds(details.modified_at),
            "VisibilityTimeout" => (laws.visibility_timeout / SECOND).to_string(),
            "MaximumMessageSize" => details.maximum_message_bytes.to_string(),
            "MessageRetentionPeriod" => (laws.retention / SECOND).to_string(),
            "DelaySeconds" => (laws.delay / SECOND).to_string(),
            "ReceiveMessageWaitTimeSeconds" => (details.receive_wait / SECOND).to_string(),
            "RedrivePolicy" => self.redrive_of(queue)?.policy(|name| self.arn(name)),
            "KmsDataKeyReusePeriodSeconds" if details.texts.contains_key("KmsMasterKeyId") => {
                details.texts.get(name).map_or_else(|| "300".into(), Clone::clone)
            }
            "SqsManagedSseEnabled" if details.texts.contains_key("KmsMasterKeyId") => "false".into(),
            name => details.texts.get(name)?.clone(),
        })
    }

    /// Where dead letters go, and after how many receives.
    pub(super) fn redrive_of(&self, queue: &SharedQueue) -> Option<Redrive> {
        let max_receive_count = queue.attributes().max_receive_count?;
        Some(Redrive { target: queue.dead_letters()?, max_receive_count })
    }

    /// Checks attributes for the queue of this name.
    pub(super) fn read_settings(&self, queue: &str, given: &Pairs<'_, Text<'_>>) -> Answer<Vec<Setting>> {
        // What AWS does with blanks around a name is not known; here they do no harm.
        given.0.iter().map(|(name, value)| self.read_setting(queue, name.trim(), value)).collect()
    }

    fn read_setting(&self, queue: &str, name: &str, value: &str) -> Answer<Setting> {
        let number = |least: u64, most: u64| {
            let number = value.parse().ok().filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| invalid(name))
        };
        let seconds = |least, most| number(least, most).map(|seconds: u64| seconds * SECOND);
        let text = (!value.is_empty()).then(|| value.to_owned());
        Ok(match name {
            "VisibilityTimeout" => Setting::VisibilityTimeout(seconds(0, 43_200)?),
            "MessageRetentionPeriod" => Setting::Retention(seconds(60, 1_209_600)?),
            "DelaySeconds" => Setting::Delay(seconds(0, 900)?),
            "ReceiveMessageWaitTimeSeconds" => Setting::ReceiveWait(seconds(0, 20)?),
            "MaximumMessageSize" => Setting::MaximumMessageBytes(number(1024, 1024 * 1024)? as u32),
            "RedrivePolicy" => Setting::Redrive(self.read_redrive(queue, value)?),
            "RedriveAllowPolicy" => {
                redrive::check_allow_policy(value)?;
                Setting::Text("RedriveAllowPolicy", text)
            }
            "Policy" if !value.is_empty() && serde_json::from_str::<serde_json::Value>(value).is_err() => {
                return Err(invalid(name));
            }
            "Policy" => Setting::Text("Policy", text),
            "KmsMasterKeyId" => Setting::Text("KmsMasterKeyId", text),
            "KmsDataKeyReusePeriodSeconds" => {
                number(60, 86_400)?;
                Setting::Text("KmsDataKeyReusePeriodSeconds", text)
            }
            "SqsManagedSseEnabled" if !matches!(value, "true" | "false") => return Err(invalid(name)),
            "SqsManagedSseEnabled" => Setting::Text("SqsManagedSseEnabled", text),
            _ => match fifo::ATTRIBUTES.into_iter().find(|(attribute, _)| *attribute == name) {
                Some((attribute, _)) => fifo::read_setting(queue, attribute, value)?,
                None => return Err(unknown(name)),
            },
        })
    }

    /// The first of `settings` that the queue does not have.
    pub(super) fn difference(&self, queue: &SharedQueue, settings: &[Setting]) -> Option<&'static str> {
        let laws = queue.attributes();
        let details = queue.details();
        let differs = |setting: &&Setting| match *setting {
            Setting::VisibilityTimeout(timeout) => *timeout != laws.visibility_timeout,
            Setting::Retention(retention) => *retention != laws.retention,
            Setting::Delay(delay) => *delay != laws.delay,
            Setting::ReceiveWait(wait) => *wait != details.receive_wait,
            Setting::MaximumMessageBytes(most) => *most != details.maximum_message_bytes,
            Setting::Redrive(redrive) => *redrive != self.redrive_of(queue),
            Setting::Text(name, text) => text.as_ref() != details.texts.get(name),
        };
        settings.iter().find(differs).map(Setting::name)
    }

    /// Gives a queue attributes.
    pub(super) fn apply(&self, queue: &Arc<SharedQueue>, settings: Vec<Setting>) {
        let mut laws = queue.attributes();
        let mut target = queue.dead_letters();
        let mut details = queue.details();
        let mut scope = None;
        for setting in settings {
            match setting {
                Setting::VisibilityTimeout(timeout) => laws.visibility_timeout = timeout,
                Setting::Retention(retention) => laws.retention = retention,
                Setting::Delay(delay) => laws.delay = delay,
                Setting::ReceiveWait(wait) => details.receive_wait = wait,
                Setting::MaximumMessageBytes(most) => details.maximum_message_bytes = most,
                Setting::Redrive(redrive) => {
                    laws.max_receive_count = redrive.as_ref().map(|redrive| redrive.max_receive_count);
                    target = redrive.map(|redrive| redrive.target);
                }
                Setting::Text(name, Some(text)) => {
                    if name == fifo::SCOPE {
                        scope = Some(fifo::scope(&text));
                    }
                    details.texts.insert(name, text);
                }
                Setting::Text(name, None) => _ = details.texts.remove(name),
            }
        }
        drop(details);
        if let Some(scope) = scope {
            queue.set_scope(scope);
        }
        let target = target.and_then(|name| self.queues.get(&name));
        queue.set_attributes(laws, target.as_ref());
    }
}

impl Setting {
    fn name(&self) -> &'static str {
        match self {
            Self::VisibilityTimeout(_) => "VisibilityTimeout",
            Self::Retention(_) => "MessageRetentionPeriod",
            Self::Delay(_) => "DelaySeconds",
            Self::ReceiveWait(_) => "ReceiveMessageWaitTimeSeconds",
            Self::MaximumMessageBytes(_) => "MaximumMessageSize",
            Self::Redrive(_) => "RedrivePolicy",
            Self::Text(name, _) => name,
        }
    }
}

/// A queue is encrypted in one way.
pub(super) fn check_encryption(settings: &[Setting]) -> Answer<()> {
    let sets = |name: &str, value: Option<&str>| {
        settings.iter().any(|setting| match setting {
            Setting::Text(set, Some(text)) => *set == name && value.is_none_or(|value| value == text),
            _ => false,
        })
    };
    if sets("SqsManagedSseEnabled", Some("true")) && sets("KmsMasterKeyId", None) {
        return Err(Kind::InvalidAttributeName.because(
            "You can use one type of server-side encryption (SSE) at one time. \
             You can either enable KMS SSE or SQS SSE.",
        ));
    }
    Ok(())
}

pub(super) fn unknown(name: &str) -> Error {
    Kind::InvalidAttributeName.because(format!("Unknown Attribute {name}."))
}

pub(super) fn invalid(name: &str) -> Error {
    Kind::InvalidAttributeValue.because(format!("Invalid value for the parameter {name}."))
}
