//! What a worker does for a message beside its work: fetching and storing its body in S3, sending it on.

use model::random::{Sampler, Stream};
use model::scenario::Parameters;
use model::time::{Nanos, from_seconds};

#[derive(Clone, Debug)]
pub(crate) struct Errands {
    send: Sampler,
    object: Sampler,
    bytes_per_second: f64,
}

impl Errands {
    pub(crate) fn new(beliefs: &Parameters) -> Self {
        Self {
            send: Sampler::lognormal(beliefs.sqs_send_median, beliefs.sqs_send_p99),
            object: Sampler::uniform(
                beliefs.s3_latency_min,
                beliefs.s3_latency_max.max(beliefs.s3_latency_min),
            ),
            bytes_per_second: (beliefs.s3_mb_per_second * 1e6).max(1.0),
        }
    }

    /// How long they take for a message whose body of `object` bytes (0: none) is in S3, and that is sent on or not.
    #[inline]
    pub(crate) fn time(&self, stream: &mut Stream, object: u32, onward: bool) -> Nanos {
        if object == 0 && !onward {
            return 0;
        }
        let transfer = || from_seconds(f64::from(object) / self.bytes_per_second);
        let mut time = 0;
        if object > 0 {
            time += self.object.draw(stream) + transfer();
        }
        if onward {
            time += self.send.draw(stream);
            if object > 0 {
                time += self.object.draw(stream) + transfer();
            }
        }
        time
    }
}
