//! What the seeder's calls are billed: messages that fall due at one instant go into one SendMessageBatch.

use model::time::Nanos;
use model::usage::sqs_requests;

/// Most messages, and most bytes, of one SendMessageBatch. Source: SQS API reference.
const BATCH_MESSAGES: u32 = 10;
const BATCH_BYTES: u64 = 1024 * 1024;

/// The batch that is open.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sends {
    at: Nanos,
    count: u32,
    bytes: u64,
}

impl Sends {
    /// The requests that one more message costs.
    #[inline]
    pub(crate) fn requests(&mut self, at: Nanos, bytes: u64) -> u64 {
        let joins = self.count > 0
            && self.at == at
            && self.count < BATCH_MESSAGES
            && self.bytes + bytes <= BATCH_BYTES;
        if !joins {
            *self = Self { at, count: 1, bytes };
            return sqs_requests(bytes);
        }
        let before = sqs_requests(self.bytes);
        self.count += 1;
        self.bytes += bytes;
        sqs_requests(self.bytes) - before
    }
}
