//! A token bucket: burst and refill, in integers.

use model::time::{Nanos, SECOND};

/// A token bucket that starts full.
///
/// Kept as the instant at which the next token would be free if the bucket never filled up (the generic cell
/// rate algorithm), so that no fraction is ever lost.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// Time one token takes to come back, in nanoseconds scaled by [`SCALE`].
    interval: u128,
    /// Time that a full bucket is worth beyond its first token; scaled.
    depth: u128,
    /// Scaled, and shifted by `depth` so that a full bucket at time 0 is not negative.
    next_free: u128,
}

const SCALE: u128 = 1 << 20;

impl Bucket {
    /// `burst` tokens at once, `per` tokens back every `period`. Zero tokens per period never refill.
    #[must_use]
    pub fn new(burst: u64, per: u64, period: Nanos) -> Self {
        let interval = match per {
            0 => u128::from(u64::MAX) * SCALE,
            per => u128::from(period) * SCALE / u128::from(per),
        };
        Self { interval, depth: u128::from(burst.max(1) - 1) * interval, next_free: 0 }
    }

    /// The instant at which one token taken from now on is available, and takes it.
    pub fn reserve(&mut self, now: Nanos) -> Nanos {
        let scaled = u128::from(now) * SCALE;
        let at = self.next_free.max(scaled);
        self.next_free = at + self.interval;
        let free = at.saturating_sub(self.depth).max(scaled);
        free.div_ceil(SCALE).min(u128::from(Nanos::MAX)) as Nanos
    }

    /// Takes a token if one is there now.
    pub fn take(&mut self, now: Nanos) -> bool {
        let ready = self.ready(now);
        if ready {
            self.reserve(now);
        }
        ready
    }

    /// Whether a token is there now.
    #[must_use]
    pub fn ready(&self, now: Nanos) -> bool {
        self.next_free.saturating_sub(self.depth) <= u128::from(now) * SCALE
    }

    /// A bucket of so many tokens a second.
    #[must_use]
    pub fn per_second(burst: u64, per_second: u64) -> Self {
        Self::new(burst, per_second, SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::MINUTE;

    #[test]
    fn burst_then_refill() {
        let mut bucket = Bucket::per_second(100, 20);
        let at: Vec<Nanos> = (0..3_500).map(|_| bucket.reserve(0)).collect();
        assert!(at[..100].iter().all(|&t| t == 0));
        assert_eq!(at[100], SECOND / 20);
        assert_eq!(at[3_499], 170 * SECOND);
        assert!(at.is_sorted());
    }

    #[test]
    fn unused_tokens_do_not_pile_up_beyond_the_burst() {
        let mut bucket = Bucket::new(2, 60, MINUTE);
        assert!(bucket.take(MINUTE) && bucket.take(MINUTE));
        assert!(!bucket.take(MINUTE));
        assert!(bucket.take(MINUTE + SECOND));
        assert!(!bucket.take(MINUTE + SECOND));
    }
}
