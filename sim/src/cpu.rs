//! What a small CPU does to work, and how much of it is in use.

use model::time::{DAY, Nanos};

/// How a platform's CPU stretches work: `share` of it is computing, on `vcpus` for so many messages at once.
///
/// Computing takes 1 / vCPU times as long on less than one vCPU, since the quota is a hard limit; on more than one
/// it is no faster. Messages at once that together want more than there is get an even share of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuShare {
    pub(crate) share: f64,
    pub(crate) vcpus: f64,
}

/// The longest that one message is worked on: ten years, far beyond any run.
const WORK_MAX: f64 = 10.0 * 365.0 * DAY as f64;

impl CpuShare {
    /// Duration of `work` while `at_once` messages share the CPU.
    #[inline]
    pub(crate) fn stretch(&self, work: Nanos, at_once: u32) -> Nanos {
        if self.share == 0.0 {
            return work;
        }
        let alone = 1.0 - self.share + self.share / self.vcpus.min(1.0);
        let crowded = f64::from(at_once) * self.share / self.vcpus;
        (work as f64 * alone.max(crowded)).min(WORK_MAX) as Nanos
    }
}

/// vCPUs in use, and vCPU time used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuUse {
    rate: f64,
    since: Nanos,
    /// In nanoseconds of one vCPU.
    pub(crate) total: f64,
}

impl CpuUse {
    /// Counts the time up to now.
    pub(crate) fn settle(&mut self, now: Nanos) {
        self.total += self.rate * (now - self.since) as f64;
        self.since = now;
    }

    #[inline]
    /// From now on `by` vCPUs more (or less) are in use, by `busy` messages in all.
    pub(crate) fn change(&mut self, now: Nanos, by: f64, busy: u32) {
        self.settle(now);
        // Sums of floats drift: nothing busy is nothing used.
        self.rate = if busy == 0 { 0.0 } else { (self.rate + by).max(0.0) };
    }
}
