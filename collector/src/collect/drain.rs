//! How long a stack takes for what it has: the rest of its drain, if nothing more is sent.
//!
//! Goals: by the records of its workers, or, where they print none, by its queue alone; rather too long than too short.
//! Non-goals: guessing before anything is known.

use crate::progress::Progress;
use model::time::Nanos;
use std::collections::VecDeque;

/// What was sent to a stack in the last while.
#[derive(Debug, Default)]
pub(super) struct Drain {
    /// When, and how many until then; the first is as old as a depth may be, or older.
    sent: VecDeque<(Nanos, u64)>,
    /// When nothing had been sent yet, for the last time: a plan may begin idle, and that is no time to work in.
    idle_until: Nanos,
}

impl Drain {
    /// The rest at `now`. The queue has `depth` messages; that may tell of any instant in the last `stale`, so only of
    /// what was sent before that is it known whether it is gone.
    pub(super) fn rest(
        &mut self,
        now: Nanos,
        progress: &Progress,
        depth: Option<u64>,
        stale: Nanos,
    ) -> Option<Nanos> {
        if progress.sent == 0 {
            self.idle_until = now;
        }
        let begun = self.idle_until;
        self.sent.push_back((now, progress.sent));
        while self.sent.get(1).is_some_and(|(at, _)| at + stale <= now) {
            self.sent.pop_front();
        }
        if progress.done > 0 {
            return Some(at_rate(progress.outstanding, progress.done, now.saturating_sub(begun)));
        }
        let (then, sent) = *self.sent.front()?;
        // Until then even a stack that keeps up may seem to do nothing.
        if now < begun + 2 * stale || then + stale > now {
            return None;
        }
        // Nothing that was sent is old enough to be known as gone: that is not to do nothing.
        if sent == 0 {
            return None;
        }
        let depth = depth?;
        let left = depth + progress.sent.saturating_sub(sent);
        Some(at_rate(left, sent.saturating_sub(depth), then.saturating_sub(begun)))
    }
}

/// How long `left` messages take where so many were `done` in `time`.
fn at_rate(left: u64, done: u64, time: Nanos) -> Nanos {
    match (left, done) {
        (0, _) => 0,
        (_, 0) => Nanos::MAX,
        _ => {
            let rest = u128::from(left) * u128::from(time) / u128::from(done);
            Nanos::try_from(rest).unwrap_or(Nanos::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::SECOND;

    const STALE: Nanos = 60 * SECOND;

    /// The rest after so many seconds of 100 messages a second, of which the queue always has so many.
    fn after(seconds: u64, depth: impl Fn(u64) -> u64) -> Option<Nanos> {
        let mut drain = Drain::default();
        let mut rest = None;
        for t in 1..=seconds {
            let progress = Progress { sent: 100 * t, ..Progress::default() };
            rest = drain.rest(t * SECOND, &progress, Some(depth(t)), STALE);
        }
        assert!(drain.sent.len() <= 61, "{}", drain.sent.len());
        rest
    }

    #[test]
    fn a_silent_stack_is_judged_by_its_queue() {
        // It keeps up: a minute's messages are not known to be gone, and take a minute.
        assert_eq!(after(119, |_| 0), None);
        assert_eq!(after(600, |_| 0), Some(60 * SECOND));
        // It does half: what is left takes as long as what was done.
        let rest = after(600, |t| 50 * t).unwrap();
        assert!((620 * SECOND..=900 * SECOND).contains(&rest), "{rest}");
        // It does nothing.
        assert_eq!(after(600, |t| 100 * t), Some(Nanos::MAX));
    }

    #[test]
    fn a_load_that_begins_late_is_measured_from_its_beginning() {
        let idle: u64 = 600;
        let (mut silent, mut told) = (Drain::default(), Drain::default());
        for t in 1..=idle + 600 {
            let sent = 100 * t.saturating_sub(idle);
            let progress = Progress { sent, ..Progress::default() };
            let rest = silent.rest(t * SECOND, &progress, Some(0), STALE);
            assert_eq!(rest, (t >= idle + 120).then_some(60 * SECOND), "{t}");
            let progress = Progress { done: sent / 2, outstanding: sent / 2, ..progress };
            let rest = told.rest(t * SECOND, &progress, Some(0), STALE);
            assert_eq!(rest.filter(|_| sent > 0), (sent > 0).then(|| (t - idle) * SECOND), "{t}");
        }
    }

    #[test]
    fn records_say_it_better() {
        let told = Progress { sent: 300, done: 200, outstanding: 100, ..Progress::default() };
        let rest = Drain::default().rest(10 * SECOND, &told, None, STALE);
        assert_eq!(rest, Some(5 * SECOND));
        let nothing = Progress { sent: 300, ..Progress::default() };
        assert_eq!(Drain::default().rest(600 * SECOND, &nothing, None, STALE), None);
    }
}
