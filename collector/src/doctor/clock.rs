//! How far this machine's clock is off that of SQS: from the `Date` of its answers, which is in whole seconds.

use anyhow::{Context, Result};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::error::BoxError;
use aws_sdk_sqs::primitives::{DateTime, DateTimeFormat};
use aws_sdk_sqs::types::QueueAttributeName;
use model::time::{MILLISECOND, SECOND};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Calls, spread over more than a second: one of them is answered just after a second began.
const CALLS: u32 = 24;
const PAUSE: Duration = Duration::from_millis(50);

/// The offset of the server's clock to ours, in nanoseconds: it lies between these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    pub(super) least: i64,
    pub(super) most: i64,
}

/// Measures the offset with calls to a queue.
///
/// # Errors
/// When the queue does not answer, or its answers have no dates that fit together.
pub(super) async fn offset(client: &Client, url: &str) -> Result<Offset> {
    let mut bounds = Offset { least: i64::MIN, most: i64::MAX };
    for _ in 0..CALLS {
        let date = Date::default();
        let call = client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::QueueArn);
        let before = local_ns();
        let answer = call.customize().interceptor(date.clone()).send().await;
        let after = local_ns();
        answer.map_err(|error| crate::aws::message("sqs:GetQueueAttributes", &error))?;
        let second = date.seconds().context("the answers of SQS have no date")? * SECOND as i64;
        bounds = bounds.and(second, before, after);
        tokio::time::sleep(PAUSE).await;
    }
    (bounds.least <= bounds.most).then_some(bounds).context("the clock moved while it was measured")
}

impl Offset {
    /// With a call that was issued at `before`, answered at `after`, and dated `second`.
    fn and(self, second: i64, before: i64, after: i64) -> Self {
        // The answer was made between the two, and its date cut off at the second.
        Self { least: self.least.max(second - after), most: self.most.min(second + SECOND as i64 - before) }
    }

    /// For people.
    pub(super) fn said(self) -> String {
        let ms = |ns: i64| ns as f64 / MILLISECOND as f64;
        format!("SQS is {:+.0} to {:+.0} ms ahead of this machine", ms(self.least), ms(self.most))
    }
}

/// Takes the date of an answer.
#[derive(Clone, Debug, Default)]
struct Date(Arc<Mutex<Option<String>>>);

impl Date {
    fn seconds(&self) -> Option<i64> {
        let date = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        DateTime::from_str(date.as_ref()?, DateTimeFormat::HttpDate).ok().map(|date| date.secs())
    }
}

impl Intercept for Date {
    fn name(&self) -> &'static str {
        "Date"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

fn local_ns() -> i64 {
    i64::try_from(crate::watched::utc_ns()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_just_after_a_second_began_narrows_the_offset() {
        let ms = MILLISECOND as i64;
        let wide = Offset { least: i64::MIN, most: i64::MAX };
        // The server is 300 ms ahead; a call takes 10 ms.
        let call = |local_ms: i64| {
            let second = (local_ms + 5 + 300) / 1_000 * SECOND as i64;
            move |bounds: Offset| bounds.and(second, local_ms * ms, (local_ms + 10) * ms)
        };
        let one = call(10_000)(wide);
        assert_eq!((one.least / ms, one.most / ms), (-10, 1_000));
        let all = (0..24).fold(wide, |bounds, n| call(10_000 + n * 60)(bounds));
        assert!(all.least / ms <= 300 && all.most / ms >= 300, "{all:?}");
        assert!(all.most - all.least <= 80 * ms, "{all:?}");
    }
}
