//! Errors in CloudWatch's shapes and codes.

use std::fmt::Display;

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Error {
    pub(super) status: u16,
    /// The shape's name, of which the protocols make `__type`.
    pub(super) shape: &'static str,
    /// The code of the old query protocol, which is what SDKs show.
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Error {
    fn new(shape: &'static str, code: &'static str, message: String) -> Self {
        Self { status: 400, shape, code, message }
    }

    pub(super) fn value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValueException", "InvalidParameterValue", message.into())
    }

    pub(super) fn combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombinationException", "InvalidParameterCombination", message.into())
    }

    /// A parameter is required, such as `MetricData.member.1.MetricName`.
    pub(super) fn missing(parameter: impl Display) -> Self {
        let message = format!("The parameter {parameter} is required.");
        Self::new("MissingRequiredParameterException", "MissingParameter", message)
    }

    pub(super) fn missing_one_of(parameters: impl Display) -> Self {
        let message = format!("At least one of the parameters {parameters} must be specified.");
        Self::new("MissingRequiredParameterException", "MissingParameter", message)
    }

    pub(super) fn exclusive(one: impl Display, other: impl Display) -> String {
        format!("The parameters {one} and {other} are mutually exclusive and you have specified both.")
    }

    /// What GetMetricData says of its parameters.
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", "ValidationError", message.into())
    }

    pub(super) fn next_token() -> Self {
        let message = "The NextToken is not one that this request was answered with.";
        Self::new("InvalidNextToken", "InvalidNextToken", message.into())
    }

    /// The body is not what its protocol says.
    pub(super) fn serialization(why: impl Display) -> Self {
        Self::new(
            "SerializationException",
            "SerializationException",
            format!("The body cannot be read: {why}."),
        )
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("The request is larger than {limit} bytes.");
        Self { status: 413, ..Self::new("RequestEntityTooLargeException", "RequestEntityTooLarge", message) }
    }

    pub(super) fn full(why: impl Display) -> Self {
        Self::new("LimitExceededFault", "LimitExceeded", why.to_string())
    }

    pub(super) fn unknown_operation(operation: &str) -> Self {
        let message = format!(
            "The operation {operation} is not served here; PutMetricData, GetMetricData, GetMetricStatistics and \
             ListMetrics are."
        );
        Self::new("UnknownOperationException", "UnknownOperation", message)
    }
}
