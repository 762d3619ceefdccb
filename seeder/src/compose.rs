//! From a planned message to an entry of SendMessageBatch.

use crate::digest::{self, Md5Sum, STRING};
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use model::plan::Arrival;
use model::scenario::Scenario;
use model::work::{ATTRIBUTE, Work};
use std::collections::HashMap;
use std::fmt::Write;

/// What all messages of a run have in common.
#[derive(Clone, Debug)]
pub(crate) struct Composer {
    seed: u64,
    alphabet: String,
    run: u32,
    cpu_share: f64,
    memory_bytes: u64,
}

/// What SQS must answer with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digests {
    pub(crate) body: Md5Sum,
    pub(crate) attributes: Md5Sum,
}

impl Composer {
    pub(crate) fn new(scenario: &Scenario, run: u32) -> Self {
        Self {
            seed: scenario.seed,
            alphabet: scenario.message.alphabet.clone(),
            run,
            cpu_share: scenario.message.cpu_share,
            memory_bytes: scenario.message.memory_bytes,
        }
    }

    /// The entry at this place of a batch. The same message gives the same bytes each time, so a retry keeps none.
    pub(crate) fn entry(&self, arrival: &Arrival, place: usize) -> (SendMessageBatchRequestEntry, Digests) {
        let body = arrival.body(self.seed, &self.alphabet);
        let mut text = String::with_capacity(64);
        let work = Work::of(self.run, arrival, self.cpu_share, self.memory_bytes);
        write!(text, "{work}").expect("a string takes all");
        let digests = Digests { body: digest::of_body(&body), attributes: digest::of_attribute(&text) };
        let attribute = MessageAttributeValue::builder()
            .data_type(STRING)
            .string_value(text)
            .build()
            .expect("an attribute needs a type");
        let entry = SendMessageBatchRequestEntry::builder()
            .id(char::from(b'0' + place as u8))
            .message_body(body)
            .set_message_attributes(Some(HashMap::from([(ATTRIBUTE.to_owned(), attribute)])))
            .build()
            .expect("an entry needs an id and a body");
        (entry, digests)
    }
}

/// The place within its batch that an id stands for.
pub(crate) fn place(id: &str) -> Option<usize> {
    id.parse().ok()
}
