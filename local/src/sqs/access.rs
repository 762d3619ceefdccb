//! Who may do what, and tags: kept and handed out, but nobody is refused.

use super::error::{Answer, Error, Kind};
use super::json::{Pairs, Text, Writer};
use super::{NOTHING, Sqs, parse};
use serde::Deserialize;
use serde_json::{Value, json};

/// Actions that an owner can allow to others.
const ALLOWABLE: [&str; 9] = [
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
];
const MOST_ACTIONS: usize = 7;
const MOST_TAGS: usize = 50;
const POLICY: &str = "Policy";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(borrow)]
    queue_url: Option<Text<'a>>,
    #[serde(borrow)]
    label: Option<Text<'a>>,
    #[serde(borrow, rename = "AWSAccountIds")]
    account_ids: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    actions: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    tags: Option<Pairs<'a, Text<'a>>>,
    #[serde(borrow)]
    tag_keys: Option<Vec<Text<'a>>>,
}

impl Sqs {
    pub(super) fn add_permission(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let queue = self.queue(request.queue_url.as_ref())?;
        let label = request.label.ok_or_else(|| Error::missing("Label"))?;
        let (accounts, actions) =
            (request.account_ids.unwrap_or_default(), request.actions.unwrap_or_default());
        check_permission(&accounts, &actions)?;
        let arn = self.arn(&queue.name);
        let mut details = queue.details();
        let mut policy = read_policy(details.texts.get(POLICY)).unwrap_or_else(
            || json!({"Version": "2008-10-17", "Id": format!("{arn}/SQSDefaultPolicy"), "Statement": []}),
        );
        let mut statements = take_statements(&mut policy);
        if statements.iter().any(|statement| statement["Sid"] == *label) {
            return Err(Error::invalid(&*label, "Label", "Already exists."));
        }
        let principals = accounts.iter().map(|account| format!("arn:aws:iam::{}:root", &**account)).collect();
        let actions = actions.iter().map(|action| format!("SQS:{}", &**action)).collect();
        statements.push(json!({
            "Sid": &*label,
            "Effect": "Allow",
            "Principal": {"AWS": one_or_all(principals)},
            "Action": one_or_all(actions),
            "Resource": arn,
        }));
        policy["Statement"] = Value::Array(statements);
        details.texts.insert(POLICY, policy.to_string());
        Ok(NOTHING.into())
    }

    pub(super) fn remove_permission(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let queue = self.queue(request.queue_url.as_ref())?;
        let label = request.label.ok_or_else(|| Error::missing("Label"))?;
        let mut details = queue.details();
        let mut policy = read_policy(details.texts.get(POLICY)).unwrap_or_default();
        let mut statements = take_statements(&mut policy);
        let before = statements.len();
        statements.retain(|statement| statement["Sid"] != *label);
        if statements.len() == before {
            return Err(Error::invalid(&*label, "Label", "can't find label on existing policy."));
        }
        if statements.is_empty() {
            details.texts.remove(POLICY);
        } else {
            policy["Statement"] = Value::Array(statements);
            details.texts.insert(POLICY, policy.to_string());
        }
        Ok(NOTHING.into())
    }

    pub(super) fn tag_queue(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let queue = self.queue(request.queue_url.as_ref())?;
        let tags = request.tags.filter(|tags| !tags.0.is_empty()).ok_or_else(|| Error::missing("Tags"))?;
        let mut details = queue.details();
        let others = details.tags.keys().filter(|key| tags.get(key).is_none()).count();
        check_tags(&queue.name, &tags, others)?;
        details
            .tags
            .extend(tags.0.into_iter().map(|(key, value)| (key.0.into_owned(), value.0.into_owned())));
        Ok(NOTHING.into())
    }

    pub(super) fn untag_queue(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let queue = self.queue(request.queue_url.as_ref())?;
        let keys = request.tag_keys.unwrap_or_default();
        if keys.is_empty() {
            return Err(tag_keys_length());
        }
        queue.details().tags.retain(|key, _| !keys.iter().any(|gone| **gone == **key));
        Ok(NOTHING.into())
    }

    pub(super) fn list_queue_tags(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let queue = self.queue(request.queue_url.as_ref())?;
        let details = queue.details();
        if details.tags.is_empty() {
            return Ok(NOTHING.into());
        }
        let mut json = Writer::with_capacity(256);
        json.raw("{\"Tags\":{");
        for (key, value) in &details.tags {
            json.member(key, value);
        }
        json.raw("}}");
        Ok(json.finish())
    }
}

/// Checks new tags of a queue that has `others` beside them.
pub(super) fn check_tags(queue: &str, tags: &Pairs<'_, Text<'_>>, others: usize) -> Answer<()> {
    if tags.0.len() + others > MOST_TAGS {
        let message = format!("Too many tags added for queue {queue}.");
        return Err(Kind::InvalidParameterValue.because(message));
    }
    if tags.0.iter().any(|(key, _)| key.is_empty() || key.chars().count() > 128) {
        return Err(tag_keys_length());
    }
    if tags.0.iter().any(|(_, value)| value.chars().count() > 256) {
        return Err(
            Kind::InvalidParameterValue.because("Tag values must be between 0 and 256 characters in length.")
        );
    }
    Ok(())
}

fn tag_keys_length() -> Error {
    Kind::InvalidParameterValue.because("Tag keys must be between 1 and 128 characters in length.")
}

fn check_permission(accounts: &[Text<'_>], actions: &[Text<'_>]) -> Answer<()> {
    if actions.is_empty() {
        return Err(Error::missing("Actions"));
    }
    if actions.len() > MOST_ACTIONS {
        let message = format!("{} Actions were found, maximum allowed is {MOST_ACTIONS}.", actions.len());
        return Err(Kind::OverLimit.because(message));
    }
    if let Some(action) = actions.iter().find(|action| !ALLOWABLE.contains(&&***action)) {
        let reason = "Only the queue owner is allowed to invoke this action.";
        return Err(Error::invalid(format!("SQS:{}", &**action), "ActionName", reason));
    }
    if accounts.is_empty() {
        return Err(Error::invalid("[]", "PrincipalId", "Unable to verify."));
    }
    Ok(())
}

fn read_policy(text: Option<&String>) -> Option<Value> {
    serde_json::from_str(text?).ok().filter(Value::is_object)
}

/// The statements of a policy, taken out of it: a single one stands there without brackets.
fn take_statements(policy: &mut Value) -> Vec<Value> {
    match policy.get_mut("Statement").map(Value::take) {
        Some(Value::Array(statements)) => statements,
        None | Some(Value::Null) => Vec::new(),
        Some(single) => vec![single],
    }
}

/// Policies write a list of one without brackets.
fn one_or_all(mut values: Vec<String>) -> Value {
    if values.len() == 1 { Value::from(values.remove(0)) } else { Value::from(values) }
}
