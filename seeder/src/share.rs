//! A thread's share of the plan, and what of it is due.
//!
//! Goals: shares are disjoint and together the plan; a group is never sent early and never waits for more.

use crate::Shard;
use model::plan::{Arrival, Plan};
use model::time::Nanos;

/// Entries of a SendMessageBatch.
pub(crate) const BATCH_MESSAGES: usize = 10;
/// Bytes of a SendMessageBatch: bodies and attributes.
pub(crate) const BATCH_BYTES: u64 = 1024 * 1024;
/// More than name, type and text of the attribute can have.
pub(crate) const ATTRIBUTE_BYTES: u64 = 160;

/// Shards and threads take turns at as many messages as fit a batch, so that what is due together stays together.
const BLOCK: u64 = BATCH_MESSAGES as u64;

/// One thread's messages, in the plan's order.
pub(crate) struct Share {
    plan: Plan,
    shard: (u64, u64),
    thread: (u64, u64),
    next: Option<Arrival>,
}

impl Share {
    /// The messages of thread `thread.0` of `thread.1` within `shard`.
    pub(crate) fn new(plan: Plan, shard: Shard, thread: (usize, usize)) -> Self {
        let shard = (u64::from(shard.index), u64::from(shard.of));
        let mut share = Self { plan, shard, thread: (thread.0 as u64, thread.1 as u64), next: None };
        share.advance();
        share
    }

    fn advance(&mut self) {
        self.next = self.plan.by_ref().find(|arrival| {
            let block = arrival.seq / BLOCK;
            block % self.shard.1 == self.shard.0 && block / self.shard.1 % self.thread.1 == self.thread.0
        });
    }

    /// When the next message is due; `None` after the last.
    pub(crate) fn due(&self) -> Option<Nanos> {
        self.next.map(|arrival| arrival.at)
    }

    /// Fills `group` with what is due at `now` and fits one call. A message that is too large for any goes alone.
    pub(crate) fn take_due(&mut self, now: Nanos, group: &mut Vec<Arrival>) {
        group.clear();
        let mut bytes = 0;
        while let Some(arrival) = self.next {
            bytes += u64::from(arrival.bytes) + ATTRIBUTE_BYTES;
            let fits = group.is_empty() || group.len() < BATCH_MESSAGES && bytes <= BATCH_BYTES;
            if arrival.at > now || !fits {
                break;
            }
            group.push(arrival);
            self.advance();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::scenario::{Arrivals, Batches, Message, Parameters, Phase, Rate, Scenario};
    use model::time::{MILLISECOND, MINUTE, SECOND};
    use proptest::prelude::*;

    fn scenario(arrivals: Arrivals, body_bytes: (u32, u32)) -> Scenario {
        Scenario {
            title: String::new(),
            analysis: String::new(),
            seed: 3,
            region: Scenario::REGION.into(),
            warmup: 0,
            drain_max: MINUTE,
            phases: vec![Phase { name: "p".into(), duration: Some(SECOND), arrivals }],
            message: Message { body_bytes, ..Message::default() },
            stacks: Vec::new(),
            faults: Vec::new(),
            streams: Vec::new(),
            expect: Vec::new(),
            parameters: Parameters::default(),
        }
    }

    fn loads() -> impl Strategy<Value = Scenario> {
        let batches = (1..40_u64, 1..100_u64).prop_map(|(size, gap)| {
            let gap = (gap * MILLISECOND, 3 * gap * MILLISECOND);
            Arrivals::Batches(Batches { count: None, size: (1, size), gap })
        });
        let rated = (1.0..3_000.0).prop_map(|rate| Arrivals::Poisson(Rate::Constant(rate)));
        let bytes = prop_oneof![Just((10, 100)), Just((10, 400_000)), Just((1_048_576, 1_048_576))];
        (prop_oneof![batches, rated], bytes).prop_map(|(arrivals, bytes)| scenario(arrivals, bytes))
    }

    fn bytes(group: &[Arrival]) -> u64 {
        group.iter().map(|arrival| u64::from(arrival.bytes) + ATTRIBUTE_BYTES).sum()
    }

    proptest! {
        #[test]
        fn a_group_is_what_is_due_and_fits(scenario in loads(), steps in prop::collection::vec(0..50_u64, 1..100)) {
            let mut share = Share::new(Plan::new(&scenario), Shard { index: 0, of: 1 }, (0, 1));
            let mut plan = Plan::new(&scenario).peekable();
            let (mut now, mut group) = (0_u64, Vec::new());
            for step in steps.into_iter().chain(std::iter::repeat(u64::MAX)) {
                now = now.saturating_add(step.saturating_mul(MILLISECOND));
                prop_assert_eq!(share.due(), plan.peek().map(|arrival| arrival.at));
                share.take_due(now, &mut group);
                prop_assert!(group.len() <= BATCH_MESSAGES && (group.len() <= 1 || bytes(&group) <= BATCH_BYTES));
                for arrival in &group {
                    prop_assert!(arrival.at <= now, "early");
                    prop_assert_eq!(Some(*arrival), plan.next());
                }
                // Nothing that is due stays behind, unless it does not fit.
                if let Some(next) = plan.peek().filter(|next| next.at <= now) {
                    prop_assert!(group.len() == BATCH_MESSAGES || bytes(&group) + bytes(&[*next]) > BATCH_BYTES);
                }
                if plan.peek().is_none() {
                    break;
                }
            }
            prop_assert!(plan.next().is_none() && share.due().is_none());
        }

        #[test]
        fn shares_are_the_plan_together(scenario in loads(), of in 1..5_u32, threads in 1..5_usize) {
            let mut all = Vec::new();
            for index in 0..of {
                for thread in 0..threads {
                    let mut share = Share::new(Plan::new(&scenario), Shard { index, of }, (thread, threads));
                    let mut group = Vec::new();
                    while share.due().is_some() {
                        share.take_due(Nanos::MAX, &mut group);
                        all.append(&mut group);
                    }
                }
            }
            all.sort_by_key(|arrival| arrival.seq);
            prop_assert!(all.into_iter().eq(Plan::new(&scenario)));
        }
    }
}
