//! Which throttles are worth a note.
//!
//! Goals: one note for each stretch of throttling and limit, so that a limit of the account is never missing from the
//! notes because another limit throttled before it.
//! Non-goals: counting throttles (`meter`).

use model::time::{MINUTE, Nanos};
use platform::lambda::Limit;

/// The last throttle by each limit; there are four limits at most.
#[derive(Debug, Default)]
pub(super) struct Throttles(Vec<(Limit, Nanos)>);

impl Throttles {
    /// Whether this throttle is the limit's first, or its first after a minute without.
    pub(super) fn begins(&mut self, now: Nanos, limit: Limit) -> bool {
        let Some((_, last)) = self.0.iter_mut().find(|(other, _)| *other == limit) else {
            self.0.push((limit, now));
            return true;
        };
        now - std::mem::replace(last, now) > MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_begins_by_itself_and_again_after_a_minute_without() {
        let mut throttles = Throttles::default();
        let minute = MINUTE;
        for (now, limit, begins) in [
            (0, Limit::Scaling, true),
            (1, Limit::Scaling, false),
            (2, Limit::Account, true),
            (3, Limit::Requests, true),
            (minute, Limit::Scaling, false),
            (minute + 2, Limit::Account, false),
            (minute + 4, Limit::Requests, true),
            (2 * minute, Limit::Scaling, false),
            (3 * minute + 1, Limit::Scaling, true),
        ] {
            assert_eq!(throttles.begins(now, limit), begins, "{limit:?} at {now}");
        }
    }
}
