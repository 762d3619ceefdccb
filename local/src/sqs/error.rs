//! What SQS answers when it refuses: shape, code, status and words as recorded from AWS.
//!
//! SDKs of the query protocol knew errors by their codes; the JSON protocol names shapes. Both are sent, for some SDKs
//! show the one and some the other.

use crate::server::Reply;
use std::borrow::Cow;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Error {
    pub(super) kind: Kind,
    pub(super) message: Cow<'static, str>,
}

/// The answer of an action.
pub(super) type Answer<T> = Result<T, Error>;

macro_rules! kinds {
    ($($kind:ident $status:literal $shape:literal $code:literal;)*) => {
        /// Which refusal.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind { $($kind),* }

        impl Kind {
            fn wire(self) -> (u16, &'static str, &'static str) {
                match self { $(Self::$kind => ($status, $shape, $code)),* }
            }
        }
    };
}

// Source: the recorded answers and the service model that facts 1.3 names; 403 and 404 where AWS's model says so.
kinds! {
    BatchEntryIdsNotDistinct 400 "com.amazonaws.sqs#BatchEntryIdsNotDistinct" "AWS.SimpleQueueService.BatchEntryIdsNotDistinct";
    BatchRequestTooLong 400 "com.amazonaws.sqs#BatchRequestTooLong" "AWS.SimpleQueueService.BatchRequestTooLong";
    EmptyBatchRequest 400 "com.amazonaws.sqs#EmptyBatchRequest" "AWS.SimpleQueueService.EmptyBatchRequest";
    InternalFailure 500 "com.amazon.coral.service#InternalFailure" "InternalFailure";
    InvalidAction 400 "com.amazon.coral.service#UnknownOperationException" "InvalidAction";
    InvalidAttributeName 400 "com.amazonaws.sqs#InvalidAttributeName" "InvalidAttributeName";
    InvalidAttributeValue 400 "com.amazonaws.sqs#InvalidAttributeValue" "InvalidAttributeValue";
    InvalidBatchEntryId 400 "com.amazonaws.sqs#InvalidBatchEntryId" "AWS.SimpleQueueService.InvalidBatchEntryId";
    InvalidMessageContents 400 "com.amazonaws.sqs#InvalidMessageContents" "InvalidMessageContents";
    InvalidParameterValue 400 "com.amazon.coral.service#InvalidParameterValueException" "InvalidParameterValue";
    MissingParameter 400 "com.amazon.coral.service#MissingRequiredParameterException" "MissingParameter";
    OverLimit 403 "com.amazonaws.sqs#OverLimit" "OverLimit";
    PurgeQueueInProgress 403 "com.amazonaws.sqs#PurgeQueueInProgress" "AWS.SimpleQueueService.PurgeQueueInProgress";
    QueueDoesNotExist 400 "com.amazonaws.sqs#QueueDoesNotExist" "AWS.SimpleQueueService.NonExistentQueue";
    QueueNameExists 400 "com.amazonaws.sqs#QueueNameExists" "QueueAlreadyExists";
    ReceiptHandleIsInvalid 400 "com.amazonaws.sqs#ReceiptHandleIsInvalid" "ReceiptHandleIsInvalid";
    RequestThrottled 403 "com.amazonaws.sqs#RequestThrottled" "RequestThrottled";
    ResourceNotFound 404 "com.amazonaws.sqs#ResourceNotFoundException" "ResourceNotFoundException";
    Serialization 400 "com.amazon.coral.service#SerializationException" "MalformedInput";
    TooManyEntries 400 "com.amazonaws.sqs#TooManyEntriesInBatchRequest" "AWS.SimpleQueueService.TooManyEntriesInBatchRequest";
    UnsupportedOperation 400 "com.amazonaws.sqs#UnsupportedOperation" "AWS.SimpleQueueService.UnsupportedOperation";
}

impl Kind {
    /// A refusal of this kind.
    pub(super) fn because(self, message: impl Into<Cow<'static, str>>) -> Error {
        Error { kind: self, message: message.into() }
    }

    /// The code that SDKs show.
    pub(super) fn code(self) -> &'static str {
        self.wire().2
    }
}

impl Error {
    /// A parameter that is there, but cannot be that.
    pub(super) fn invalid(value: impl std::fmt::Display, parameter: &str, reason: &str) -> Self {
        let message = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
        Kind::InvalidParameterValue.because(message)
    }

    /// A parameter that has to be there.
    pub(super) fn missing(parameter: &str) -> Self {
        Kind::MissingParameter.because(format!("The request must contain the parameter {parameter}."))
    }

    /// There is no such queue.
    pub(super) fn no_queue() -> Self {
        Kind::QueueDoesNotExist.because("The specified queue does not exist.")
    }

    /// Words for a refused receipt handle.
    pub(super) fn receipt_handle(handle: &str) -> Self {
        let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        Kind::ReceiptHandleIsInvalid.because(message)
    }

    pub(super) fn reply(&self) -> Reply {
        let (status, shape, code) = self.kind.wire();
        Reply::error(status, shape, code, &self.message)
    }
}
