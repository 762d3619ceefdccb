//! Queues come, are found, and go: CreateQueue, GetQueueUrl, ListQueues, PurgeQueue, DeleteQueue.

use super::attributes::check_encryption;
use super::error::{Answer, Error, Kind};
use super::json::{Pairs, Text, Writer};
use super::{NOTHING, Sqs, access, fifo, parse};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::scenario;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(borrow)]
    queue_name: Option<Text<'a>>,
    #[serde(borrow)]
    queue_url: Option<Text<'a>>,
    #[serde(borrow)]
    attributes: Option<Pairs<'a, Text<'a>>>,
    // A small letter here, a capital one in TagQueue.
    #[serde(borrow, rename = "tags")]
    tags: Option<Pairs<'a, Text<'a>>>,
    #[serde(borrow)]
    queue_name_prefix: Option<Text<'a>>,
    max_results: Option<i64>,
    #[serde(borrow)]
    next_token: Option<Text<'a>>,
}

/// One page of a list of queues.
pub(super) struct Page {
    names: Vec<String>,
    next_token: Option<String>,
}

impl Sqs {
    pub(super) fn create_queue(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let name = request.queue_name.ok_or_else(|| Error::missing("QueueName"))?;
        let attributes = request.attributes.unwrap_or_default();
        fifo::check_name(&name, &attributes)?;
        let settings = self.read_settings(&name, &attributes)?;
        check_encryption(&settings)?;
        fifo::check_throughput(&settings, None)?;
        let tags = request.tags.unwrap_or_default();
        if self.queues.get(&name).is_none() {
            access::check_tags(&name, &tags, 0)?;
            // Between the look and this another call may have taken the name: then it is compared like any other.
            if let Some(queue) = self.queues.create(&name, scenario::Queue::default(), None) {
                let tags = tags.0.into_iter().map(|(key, value)| (key.0.into_owned(), value.0.into_owned()));
                queue.details().tags.extend(tags);
                self.apply(&queue, settings);
                return Ok(self.url_answer(&name));
            }
        }
        let queue = self.queues.get(&name).ok_or_else(Error::no_queue)?;
        match self.difference(&queue, &settings) {
            None => Ok(self.url_answer(&name)),
            Some(attribute) => Err(Kind::QueueNameExists.because(format!(
                "A queue already exists with the same name and a different value for attribute {attribute}"
            ))),
        }
    }

    pub(super) fn get_queue_url(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let name = request.queue_name.ok_or_else(|| Error::missing("QueueName"))?;
        self.queues.get(&name).ok_or_else(Error::no_queue)?;
        Ok(self.url_answer(&name))
    }

    fn url_answer(&self, name: &str) -> Vec<u8> {
        let mut json = Writer::with_capacity(128);
        json.raw("{").member("QueueUrl", &self.queue_url(name)).raw("}");
        json.finish()
    }

    pub(super) fn list_queues(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let prefix = request.queue_name_prefix.as_deref().unwrap_or_default();
        let queues = self.queues.all().into_iter().filter(|queue| queue.name.starts_with(prefix));
        let names = queues.map(|queue| queue.name.clone()).collect();
        let page = page(names, request.max_results, request.next_token.as_deref())?;
        let mut json = Writer::with_capacity(1024);
        json.raw("{");
        if !page.names.is_empty() {
            self.write_page(&mut json, "QueueUrls", &page);
        }
        json.raw("}");
        Ok(json.finish())
    }

    pub(super) fn write_page(&self, json: &mut Writer, member: &str, page: &Page) {
        json.name(member).raw("[");
        for name in &page.names {
            json.comma().string(&self.queue_url(name));
        }
        json.raw("]");
        if let Some(token) = &page.next_token {
            json.member("NextToken", token);
        }
    }

    pub(super) fn purge_queue(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let queue = self.queue(request.queue_url.as_ref())?;
        if !queue.details().purge(self.queues.now()) {
            return Err(Kind::PurgeQueueInProgress.because(format!(
                "Only one PurgeQueue operation on {} is allowed every 60 seconds.",
                queue.name
            )));
        }
        queue.purge();
        Ok(NOTHING.into())
    }

    pub(super) fn delete_queue(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let request: Request<'_> = parse(body)?;
        let queue = self.queue(request.queue_url.as_ref())?;
        self.queues.delete(&queue.name);
        Ok(NOTHING.into())
    }
}

/// The page of `names`, which are sorted, after the one that `token` names. Without a limit there are 1,000 on a page,
/// and no token for the next one.
pub(super) fn page(names: Vec<String>, most: Option<i64>, token: Option<&str>) -> Answer<Page> {
    let limit = match most {
        None => 1000,
        Some(most @ 1..=1000) => most as usize,
        Some(most) => {
            return Err(Error::invalid(most, "MaxResults", "MaxResults must be between 1 and 1000."));
        }
    };
    let after = match token {
        None => String::new(),
        Some(token) => {
            let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            text.ok_or_else(|| {
                Error::invalid(token, "NextToken", "The token is not one of this endpoint's.")
            })?
        }
    };
    let mut rest = names.into_iter().filter(|name| *name > after);
    let names: Vec<String> = rest.by_ref().take(limit).collect();
    let more = most.is_some() && rest.next().is_some();
    let next_token = names.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(last));
    Ok(Page { names, next_token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_and_miss_nothing() {
        let names: Vec<String> = (0..7).map(|number| format!("queue-{number}")).collect();
        let mut seen = Vec::new();
        let mut token = None;
        loop {
            let next = page(names.clone(), Some(3), token.as_deref()).unwrap();
            seen.extend(next.names);
            token = next.next_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, names);
        assert!(page(names.clone(), Some(0), None).is_err());
        assert!(page(names.clone(), None, Some("!")).is_err());
        assert_eq!(page(names, None, None).unwrap().next_token, None);
    }
}
