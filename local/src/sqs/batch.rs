//! What all batch actions check, and the answer they share.

use super::error::{Answer, Error, Kind};
use super::json::{Text, Writer};

/// Most entries of a batch.
const MOST: usize = 10;

/// Checks number and ids of a batch's entries. `entry` is what SQS calls one of them.
pub(super) fn check(ids: &[Option<&Text<'_>>], entry: &str) -> Answer<()> {
    if ids.is_empty() {
        let message = format!("There should be at least one {entry} in the request.");
        return Err(Kind::EmptyBatchRequest.because(message));
    }
    if ids.len() > MOST {
        let message =
            format!("Maximum number of entries per request are {MOST}. You have sent {}.", ids.len());
        return Err(Kind::TooManyEntries.because(message));
    }
    for (index, id) in ids.iter().enumerate() {
        let id = id.ok_or_else(|| Error::missing(&format!("{entry}.{}.Id", index + 1)))?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || id.len() > 80 || !id.bytes().all(allowed) {
            return Err(Kind::InvalidBatchEntryId.because(
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
                 It can be at most 80 letters long.",
            ));
        }
        if ids[..index].contains(&Some(id)) {
            return Err(Kind::BatchEntryIdsNotDistinct.because(format!("Id {} repeated.", &**id)));
        }
    }
    Ok(())
}

/// Writes `{"Successful":[...],"Failed":[...]}`, each only if there are any.
pub(super) struct Outcome {
    successful: Writer,
    failed: Option<Writer>,
}

impl Outcome {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        let mut successful = Writer::with_capacity(bytes);
        successful.raw("{\"Successful\":[");
        Self { successful, failed: None }
    }

    /// Begins an entry that succeeded; the caller adds members and closes the brace.
    pub(super) fn successful(&mut self, id: &str) -> &mut Writer {
        self.successful.comma().raw("{").member("Id", id)
    }

    pub(super) fn failed(&mut self, id: &str, error: &Error) {
        let failed = self.failed.get_or_insert_with(|| Writer::with_capacity(256));
        failed.comma().raw("{").member("Id", id).name("SenderFault").raw("true");
        failed.member("Code", error.kind.code()).member("Message", &error.message).raw("}");
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let any = !self.successful.ends_with(b'[');
        let Some(failed) = self.failed else {
            self.successful.raw("]}");
            return self.successful.finish();
        };
        if any {
            self.successful.raw("],\"Failed\":[");
        } else {
            self.successful = Writer::with_capacity(1024);
            self.successful.raw("{\"Failed\":[");
        }
        self.successful.append(failed).raw("]}");
        self.successful.finish()
    }
}
