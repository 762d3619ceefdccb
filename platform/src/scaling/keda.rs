//! What scales pods by a queue: KEDA between none and one, the HorizontalPodAutoscaler beyond.
//!
//! Goals: two clocks of their own: every `pollingInterval` KEDA decides whether there are pods at all, every sync period
//! the autoscaler asks KEDA for the queue and acts by its documented arithmetic (ceiling of messages over target,
//! tolerance, policies, stabilisation). KEDA asks the queue itself: what it learns is as old as the queue's attributes,
//! and no CloudWatch metric or alarm is between.
//! Non-goals: several triggers, `useCachedMetrics`, fallback, other `behavior` than the default.
//!
//! Sources: keda.sh/docs, Scaling Deployments, ScaledObject specification and AWS SQS Queue scaler; Kubernetes
//! documentation, Horizontal Pod Autoscaling.

use crate::ecs::Reading;
use model::random::Stream;
use model::run::{Activity, ActivityKind};
use model::scenario::{self, Parameters};
use model::time::{MINUTE, Nanos};
use std::collections::VecDeque;

/// One of the two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// KEDA's own: pods or none.
    Poll,
    /// The autoscaler's: how many.
    Sync,
}

/// A ScaledObject and the autoscaler that it makes.
#[derive(Clone, Debug)]
pub struct Keda {
    rules: scenario::Keda,
    tolerance: f64,
    up_percent: u64,
    up_pods: u64,
    up_period: Nanos,
    down_window: Nanos,
    /// How old attributes are when KEDA has them.
    lag: Nanos,
    desired: u32,
    /// Period of each clock, and when the queue is as KEDA will see it.
    clocks: [(Clock, Nanos, Nanos); 2],
    /// What is on its way to KEDA: when it is there.
    seen: VecDeque<(Nanos, Clock, u64)>,
    /// When there was something to do; `None` before the first time.
    last_active: Option<Nanos>,
    /// Counts that were wanted, with when.
    wanted: VecDeque<(Nanos, u32)>,
    /// Pods added, with when.
    added: VecDeque<(Nanos, u32)>,
    calls: u64,
    activities: Vec<Activity>,
}

impl Keda {
    /// `rules` for a Deployment of `pods` replicas; `stream` draws when the clocks strike.
    #[must_use]
    pub fn new(rules: scenario::Keda, pods: u32, beliefs: &Parameters, stream: &mut Stream) -> Self {
        let mut clock = |clock, period: Nanos| (clock, period, stream.between(0, period - 1));
        Self {
            rules,
            tolerance: beliefs.hpa_tolerance,
            up_percent: beliefs.hpa_up_percent,
            up_pods: beliefs.hpa_up_pods,
            up_period: beliefs.hpa_up_period,
            down_window: beliefs.hpa_down_window,
            lag: beliefs.sqs_attribute_lag.min(MINUTE - 1),
            desired: pods,
            clocks: [
                clock(Clock::Poll, rules.polling_interval.max(1)),
                clock(Clock::Sync, beliefs.hpa_sync_period.max(1)),
            ],
            seen: VecDeque::new(),
            last_active: None,
            // An autoscaler begins with what there is.
            wanted: VecDeque::from([(0, pods)]),
            added: VecDeque::new(),
            calls: 0,
            activities: Vec::new(),
        }
    }

    /// Replicas wanted.
    #[must_use]
    pub fn desired(&self) -> u32 {
        self.desired
    }

    /// Calls of GetQueueAttributes so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// The instants at which [`Keda::look`] has to be called next.
    #[must_use]
    pub fn looks(&self) -> [Nanos; 2] {
        self.clocks.map(|(.., at)| at)
    }

    /// The queue as it is now, which KEDA learns at the instant that is returned: call [`Keda::act`] then. `None` if no
    /// clock stands at `now`.
    pub fn look(&mut self, now: Nanos, reading: Reading) -> Option<Nanos> {
        let in_flight = if self.rules.scale_on_in_flight { reading.not_visible } else { 0 };
        let there = now + self.lag;
        let mut looked = false;
        for (clock, period, at) in &mut self.clocks {
            if *at == now {
                *at += *period;
                looked = true;
                // Without pods there is nothing to scale, and the autoscaler does not ask.
                self.calls += u64::from(*clock == Clock::Poll || self.desired > 0);
                self.seen.push_back((there, *clock, reading.visible + in_flight));
            }
        }
        looked.then_some(there)
    }

    /// Acts on what KEDA knows by now.
    pub fn act(&mut self, now: Nanos) {
        while let Some(&(_, clock, messages)) = self.seen.front().filter(|seen| seen.0 <= now) {
            self.seen.pop_front();
            match clock {
                Clock::Poll => self.activate(now, messages),
                Clock::Sync => self.sync(now, messages),
            }
        }
    }

    /// What happened since the last call.
    pub fn activities(&mut self) -> std::vec::Drain<'_, Activity> {
        self.activities.drain(..)
    }

    /// From none to one, and from any to none when there was nothing to do for the cooldown.
    fn activate(&mut self, now: Nanos, messages: u64) {
        let scenario::Keda { activation_queue_length, min_pods, cooldown_period, .. } = self.rules;
        if messages > u64::from(activation_queue_length) {
            self.last_active = Some(now);
            if self.desired == 0 {
                self.set(now, min_pods.max(1), &format!("KEDA sees {messages} messages"));
            }
            return;
        }
        let over = self.last_active.is_none_or(|at| now >= at + cooldown_period);
        if self.desired > 0 && min_pods == 0 && over {
            self.set(now, 0, &format!("KEDA sees {messages} messages, and its cooldown is over"));
        }
    }

    /// One sync of the autoscaler; it rests while there are no pods.
    fn sync(&mut self, now: Nanos, messages: u64) {
        if self.desired == 0 {
            return;
        }
        let current = self.desired;
        let target = u64::from(self.rules.queue_length.max(1));
        let ratio = messages as f64 / (target * u64::from(current)) as f64;
        let wanted = if (1.0 - self.tolerance..=1.0 + self.tolerance).contains(&ratio) {
            current
        } else {
            messages.div_ceil(target).min(u64::from(u32::MAX)) as u32
        };
        self.wanted.push_back((now, wanted));
        self.wanted.retain(|&(at, _)| at + self.down_window > now);
        let held = self.wanted.iter().map(|one| one.1).max().unwrap_or(wanted);
        let steady = if wanted < current { held.min(current) } else { wanted };
        let count =
            steady.min(self.most_by_policies(now)).clamp(self.rules.min_pods.max(1), self.rules.max_pods);
        let reason = format!("{messages} messages, {target} for each of {current} pods");
        if count > current {
            // KEDA's own first pod is none of the autoscaler's.
            self.added.push_back((now, count - current));
        }
        self.set(now, count, &reason);
    }

    /// What the scale-up policies allow: counted from the pods at the start of their period.
    fn most_by_policies(&mut self, now: Nanos) -> u32 {
        self.added.retain(|&(at, _)| at + self.up_period > now);
        let start =
            u64::from(self.desired).saturating_sub(self.added.iter().map(|one| u64::from(one.1)).sum());
        let by_percent = (start * (100 + self.up_percent)).div_ceil(100);
        by_percent.max(start + self.up_pods).max(u64::from(self.desired)).min(u64::from(u32::MAX)) as u32
    }

    fn set(&mut self, now: Nanos, count: u32, reason: &str) {
        if count == self.desired {
            return;
        }
        let out = count > self.desired;
        let kind = if out { ActivityKind::ScaleOut } else { ActivityKind::ScaleIn };
        let detail = format!("desired {} to {count}: {reason}", self.desired);
        self.desired = count;
        self.activities.push(Activity { at: now, kind, detail });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::SECOND;

    fn keda(rules: scenario::Keda, pods: u32) -> Keda {
        let beliefs = Parameters { sqs_attribute_lag: 0, ..Parameters::default() };
        Keda::new(rules, pods, &beliefs, &mut Stream::new(1, "keda"))
    }

    /// Lets the clocks run until `until` with a queue that holds `messages`; counts after each act.
    fn run(keda: &mut Keda, until: Nanos, messages: impl Fn(Nanos) -> u64) -> Vec<(Nanos, u32)> {
        let mut counts = Vec::new();
        loop {
            let now = keda.looks()[0].min(keda.looks()[1]);
            if now > until {
                return counts;
            }
            let there = keda.look(now, Reading { visible: messages(now), ..Reading::default() });
            assert_eq!(there, Some(now));
            keda.act(now);
            counts.push((now, keda.desired()));
        }
    }

    /// From none: one at the next poll, then four more or twice as many each sync.
    #[test]
    fn pods_double_every_sync() {
        let rules = scenario::Keda { max_pods: 1_000, ..scenario::Keda::default() };
        let mut keda = keda(rules, 0);
        let mut counts: Vec<u32> =
            run(&mut keda, 3 * MINUTE, |_| 3_000).into_iter().map(|one| one.1).collect();
        counts.dedup();
        assert_eq!(
            counts.iter().copied().filter(|&n| n > 0).collect::<Vec<_>>(),
            [1, 5, 10, 20, 40, 80, 160, 320, 600]
        );
    }

    /// Within a tenth of the target nothing happens.
    #[test]
    fn the_tolerance_is_a_tenth() {
        for (messages, expected) in [(110, 20), (111, 23), (90, 20)] {
            let mut keda = keda(scenario::Keda::default(), 20);
            run(&mut keda, 15 * SECOND, |_| messages);
            assert_eq!(keda.desired(), expected, "{messages}");
        }
    }

    /// Fewer pods only when fewer were wanted for five minutes; none when there was nothing to do for the cooldown.
    #[test]
    fn pods_go_after_five_minutes() {
        let mut some = keda(scenario::Keda { min_pods: 2, ..scenario::Keda::default() }, 20);
        let first = run(&mut some, 10 * MINUTE, |_| 10).into_iter().find(|one| one.1 < 20).unwrap();
        assert!((300..=330).contains(&(first.0 / SECOND)) && first.1 == 2, "{first:?}");

        let mut none = keda(scenario::Keda::default(), 20);
        let counts = run(&mut none, 20 * MINUTE, |now| if now < 2 * MINUTE { 100 } else { 0 });
        let gone = counts.into_iter().find(|one| one.1 == 0).unwrap().0;
        assert!((390..=450).contains(&(gone / SECOND)), "{} s", gone / SECOND);
    }

    #[test]
    fn messages_in_flight_count_unless_told_otherwise() {
        for (scale_on_in_flight, expected) in [(true, 8), (false, 4)] {
            let mut keda = keda(scenario::Keda { scale_on_in_flight, ..scenario::Keda::default() }, 4);
            let now = keda.looks()[1];
            keda.look(now, Reading { visible: 20, not_visible: 100, ..Reading::default() });
            keda.act(now);
            assert_eq!(keda.desired(), expected);
        }
    }

    /// What KEDA acts on is as old as the queue's attributes.
    #[test]
    fn knowledge_is_late_by_the_lag_of_attributes() {
        let beliefs = Parameters { sqs_attribute_lag: 40 * SECOND, ..Parameters::default() };
        let mut keda = Keda::new(scenario::Keda::default(), 0, &beliefs, &mut Stream::new(1, "keda"));
        let poll = keda.looks()[0];
        let there = keda.look(poll, Reading { visible: 9, ..Reading::default() }).unwrap();
        assert_eq!(there, poll + 40 * SECOND);
        keda.act(there - 1);
        assert_eq!(keda.desired(), 0);
        keda.act(there);
        assert_eq!((keda.desired(), keda.calls()), (1, 1));
    }
}
