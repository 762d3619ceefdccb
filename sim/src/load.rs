//! What a message carries through a simulated queue: 32 bytes, since millions of them are moved.

use model::time::Nanos;

/// What a simulated message carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Position in the plan: a scenario has fewer than 2^32 messages.
    pub(crate) seq: u32,
    pub(crate) at: Nanos,
    pub(crate) work: Nanos,
    /// Of its body; the highest bit says that the body is in S3.
    pub(crate) bytes: u32,
    /// Of its intended instant: a run has at most 2,160.
    pub(crate) window: u16,
    pub(crate) stream: u8,
    pub(crate) hop: u8,
    pub(crate) flags: u8,
    pub(crate) failures: u8,
    pub(crate) completions: u8,
    /// Workers that hold it now; more than one after a visibility timeout.
    pub(crate) holders: u8,
}

/// Flag of a message that its worker sends on.
const ONWARD: u8 = 1;
/// Flag of a message that was sent on: another one is accounted for in its place.
pub(crate) const SENT_ON: u8 = 2;
/// Of `bytes`: the body is in S3.
const CLAIMED: u32 = 1 << 31;

/// What closing a message's account needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) seq: u32,
    pub(crate) window: u16,
    pub(crate) stream: u8,
    pub(crate) completions: u8,
    pub(crate) flags: u8,
}

impl Load {
    #[inline(always)]
    pub(crate) fn end(&self) -> End {
        let Self { seq, window, stream, completions, flags, .. } = *self;
        End { seq, window, stream, completions, flags }
    }

    /// Whether the attempt with this receive count fails.
    #[inline]
    pub(crate) fn fails(&self, receive_count: u32) -> bool {
        self.failures == u8::MAX || receive_count <= u32::from(self.failures)
    }

    /// Bytes of what the queue carries; of a body in S3 where it is.
    #[inline]
    pub(crate) fn payload(&self, pointer: u32) -> u32 {
        if self.bytes & CLAIMED == 0 { self.bytes } else { pointer }
    }

    /// Bytes of its body in S3; 0 if it is not there.
    #[inline]
    pub(crate) fn object(&self) -> u32 {
        if self.bytes & CLAIMED == 0 { 0 } else { self.bytes & !CLAIMED }
    }

    /// Its body goes to S3.
    pub(crate) fn claim(&mut self) {
        self.bytes |= CLAIMED;
    }

    /// Whether its worker sends it on.
    #[inline]
    pub(crate) fn onward(&self) -> bool {
        self.flags & ONWARD != 0
    }

    pub(crate) fn set_onward(&mut self, onward: bool) {
        self.flags = if onward { ONWARD } else { 0 };
    }

    /// The message of the next hop.
    pub(crate) fn next_hop(&self, work: Nanos, failures: u8, onward: bool) -> Self {
        let flags = if onward { ONWARD } else { 0 };
        Self { work, failures, hop: self.hop + 1, flags, completions: 0, holders: 0, ..*self }
    }
}
