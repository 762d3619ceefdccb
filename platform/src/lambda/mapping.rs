//! An SQS event source mapping: how many loops poll, invoke and delete at once.
//!
//! Goals: the ramp of standard mode (5, +300 a minute while receives find messages, 1,250), MaximumConcurrency,
//! idling down, backing off on errors; provisioned mode; empty receives counted as they would be billed.
//! Non-goals: the batches themselves and what happens to them (the driver holds them).
//!
//! A loop receives, invokes, deletes, and starts again. Idle loops are parked on a long poll and need no
//! events: what their polls cost is settled when somebody looks.
//!
//! Sources: docs.aws.amazon.com/lambda/latest/dg: services-sqs-scaling, services-sqs-errorhandling; AWS News blog
//! 2025-11-14 for provisioned mode; rehanvdm.com 2026-03-31 for errors.

use model::scenario::{Lambda, Parameters};
use model::time::{MINUTE, Nanos, SECOND};
use std::collections::VecDeque;

/// What a tick of the ramp asks the driver to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Loops that were added and should poll now.
    pub added: u32,
    /// When to tick again.
    pub next: Nanos,
}

/// The loops of an event source mapping.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Loops allowed; a fraction while it recovers from errors.
    limit: f64,
    maximum: u32,
    /// Loops that stay when idle, and how few stay after a long quiet.
    floor: u32,
    quiet_floor: u32,
    quiet_after: Nanos,
    loops: u32,
    /// Since when each parked loop has been polling, the longest first.
    parked: VecDeque<Nanos>,
    wait_time: Nanos,
    tick_every: Nanos,
    last_found: Nanos,
    empty_receives: u64,
    error_decrease: f64,
    provisioned: Option<Provisioned>,
}

/// What provisioned mode adds.
#[derive(Clone, Copy, Debug)]
struct Provisioned {
    loops_per_poller: u32,
    receives_per_second: u64,
    bytes_per_second: u64,
    /// When the pollers together may call ReceiveMessage again.
    next_receive: Nanos,
}

impl Mapping {
    /// The mapping of `function`, its first loops not yet polling: park each, or let it receive.
    #[must_use]
    pub fn new(function: &Lambda, beliefs: &Parameters) -> Self {
        let account = beliefs.lambda_account_concurrency;
        let per_poller = beliefs.poller_concurrency.max(1);
        let (start, maximum, ramp) = match (function.provisioned_pollers, function.maximum_concurrency) {
            (Some(pollers), _) => {
                let least = u64::from(pollers.min) * per_poller;
                (least, u64::from(pollers.max) * per_poller, beliefs.poller_ramp_per_minute)
            }
            (None, Some(maximum)) => {
                let maximum = u64::from(maximum).min(account);
                let start = beliefs.esm_start.min(maximum);
                (start, maximum, beliefs.esm_ramp_per_minute)
            }
            (None, None) => {
                let maximum = beliefs.esm_maximum.min(account);
                let start = beliefs.esm_start.min(maximum);
                (start, maximum, beliefs.esm_ramp_per_minute)
            }
        };
        Self {
            limit: start as f64,
            maximum: maximum as u32,
            floor: start as u32,
            quiet_floor: function.idle_loops(beliefs) as u32,
            quiet_after: beliefs.esm_idle_after,
            loops: start as u32,
            parked: VecDeque::new(),
            wait_time: beliefs.esm_wait_time.max(SECOND),
            tick_every: MINUTE / ramp.clamp(1, 60_000),
            last_found: 0,
            empty_receives: 0,
            error_decrease: if function.partial_batch_responses { 0.0 } else { beliefs.esm_error_decrease },
            provisioned: function.provisioned_pollers.map(|_| Provisioned {
                loops_per_poller: per_poller as u32,
                receives_per_second: beliefs.poller_receives_per_second.max(1),
                bytes_per_second: beliefs.poller_bytes_per_second.max(1),
                next_receive: 0,
            }),
        }
    }

    /// Loops that exist: the concurrent batches the mapping allows itself.
    #[must_use]
    pub fn loops(&self) -> u32 {
        self.loops
    }

    /// Loops that wait for messages.
    #[must_use]
    pub fn parked(&self) -> u32 {
        self.parked.len() as u32
    }

    /// Event pollers that provisioned mode bills for; 0 in standard mode.
    #[must_use]
    pub fn pollers(&self) -> u32 {
        self.provisioned.map_or(0, |provisioned| self.loops.div_ceil(provisioned.loops_per_poller))
    }

    /// A loop wants to call ReceiveMessage: `None` if it may, else when to ask again. Event pollers of provisioned
    /// mode make so many calls a second and may save up a second of them.
    #[inline]
    pub fn pace(&mut self, now: Nanos) -> Option<Nanos> {
        let pollers = u64::from(self.pollers());
        let provisioned = self.provisioned.as_mut()?;
        let interval = SECOND / (provisioned.receives_per_second * pollers.max(1)).max(1);
        let due = provisioned.next_receive.max(now.saturating_sub(SECOND));
        if due > now {
            return Some(due);
        }
        provisioned.next_receive = due + interval;
        None
    }

    /// A receive brought so many bytes: above 1 MB a second and poller, the next one waits.
    #[inline]
    pub fn received(&mut self, bytes: u64) {
        let pollers = u64::from(self.pollers());
        if let Some(provisioned) = &mut self.provisioned {
            let per_second = provisioned.bytes_per_second * pollers.max(1);
            let interval = SECOND / (provisioned.receives_per_second * pollers.max(1)).max(1);
            let transfer = (u128::from(bytes) * u128::from(SECOND) / u128::from(per_second)) as Nanos;
            provisioned.next_receive += transfer.saturating_sub(interval);
        }
    }

    /// A loop found nothing and waits on its long poll.
    #[inline]
    pub fn park(&mut self, now: Nanos) {
        // First those that have come back empty, so that the longest stays first.
        self.settle(now);
        self.parked.push_back(now);
    }

    /// A message has become visible: the loop that has waited longest gets it. False if none waits.
    #[inline]
    pub fn wake(&mut self, now: Nanos) -> bool {
        self.settle(now);
        self.last_found = now;
        self.parked.pop_front().is_some()
    }

    /// An invocation is over; false if its loop ends with it because the mapping has backed off.
    #[inline]
    pub fn finished(&mut self, failed: bool) -> bool {
        if failed && self.error_decrease > 0.0 {
            // Provisioned pollers are there whatever happens.
            let least = if self.provisioned.is_some() { self.floor } else { self.quiet_floor.clamp(1, 2) };
            let least = f64::from(least);
            self.limit = (self.limit * (1.0 - self.error_decrease)).max(least);
        }
        if f64::from(self.loops) > self.limit.ceil() {
            self.loops -= 1;
            return false;
        }
        true
    }

    /// A tick of the ramp: adds a loop while messages wait (`backlog`), no loop is idle, and no batch is being
    /// held back by throttling (`throttled`).
    pub fn tick(&mut self, now: Nanos, backlog: bool, throttled: bool) -> Tick {
        self.settle(now);
        let mut added = 0;
        // Pollers that make all the calls they may are not idle, whatever their loops wait for.
        let idle = !self.parked.is_empty() && !self.saturated(now);
        if backlog && !idle && !throttled {
            self.last_found = now;
            self.limit = (self.limit + 1.0).min(f64::from(self.maximum));
            if self.loops < self.limit as u32 {
                self.loops += 1;
                added = 1;
            }
        }
        Tick { added, next: now + self.tick_every }
    }

    /// Whether event pollers have made all the calls that they may for now.
    fn saturated(&self, now: Nanos) -> bool {
        self.provisioned.is_some_and(|provisioned| provisioned.next_receive > now)
    }

    /// Ends the long polls that ran out by `now`: each was an empty receive; loops above the floor retire.
    fn settle(&mut self, now: Nanos) {
        while let Some(&since) = self.parked.front() {
            if since + self.wait_time > now {
                break;
            }
            self.parked.pop_front();
            if self.saturated(now) {
                // It waits for its turn to poll, not for messages.
                self.parked.push_back(now);
                continue;
            }
            self.empty_receives += 1;
            let quiet = since.saturating_sub(self.last_found) >= self.quiet_after;
            let floor = if quiet { self.quiet_floor } else { self.floor };
            if self.loops > floor {
                self.loops -= 1;
                self.limit = self.limit.min(f64::from(self.loops)).max(1.0);
            } else {
                self.parked.push_back(since + self.wait_time);
            }
        }
    }

    /// Empty receives since the last call, up to `now`.
    pub fn take_empty_receives(&mut self, now: Nanos) -> u64 {
        self.settle(now);
        std::mem::take(&mut self.empty_receives)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::scenario::ProvisionedPollers;

    fn mapping(function: &Lambda) -> Mapping {
        let beliefs = Parameters { lambda_account_concurrency: 10_000, ..Parameters::default() };
        Mapping::new(function, &beliefs)
    }

    /// Ticks under a standing backlog until `loops` exist; the time that took.
    fn time_to(mapping: &mut Mapping, loops: u32) -> Nanos {
        let mut now = 0;
        while mapping.loops() < loops {
            now = mapping.tick(now, true, false).next;
            assert!(now < 60 * MINUTE, "stuck at {}", mapping.loops());
        }
        now
    }

    #[test]
    fn standard_mode_ramps_to_100_in_20_s_and_to_1000_in_3_minutes_and_a_third() {
        let mut m = mapping(&Lambda::default());
        assert_eq!(m.loops(), 5);
        let hundred = time_to(&mut m, 100);
        assert!((18 * SECOND..=21 * SECOND).contains(&hundred), "{hundred}");
        let thousand = hundred + time_to(&mut m, 1_000);
        assert!((195 * SECOND..=205 * SECOND).contains(&thousand), "{thousand}");
        time_to(&mut m, 1_250);
        assert_eq!(m.tick(0, true, false).added, 0, "1,250 is the most");
    }

    #[test]
    fn maximum_concurrency_caps_the_ramp() {
        let mut m = mapping(&Lambda { maximum_concurrency: Some(20), ..Lambda::default() });
        time_to(&mut m, 20);
        assert_eq!(m.tick(0, true, false).added, 0);
    }

    #[test]
    fn provisioned_mode_starts_high_and_ramps_by_a_thousand_a_minute() {
        let pollers = Some(ProvisionedPollers { min: 2, max: 200 });
        let mut m = mapping(&Lambda { provisioned_pollers: pollers, ..Lambda::default() });
        assert_eq!((m.loops(), m.pollers()), (20, 2));
        let minute = time_to(&mut m, 1_020);
        assert!((59 * SECOND..=61 * SECOND).contains(&minute), "{minute}");
    }

    #[test]
    fn a_poller_receives_ten_times_a_second() {
        let pollers = Some(ProvisionedPollers { min: 2, max: 2 });
        let mut m = mapping(&Lambda { provisioned_pollers: pollers, ..Lambda::default() });
        let (mut now, mut receives) = (10 * SECOND, 0);
        while now < 20 * SECOND {
            match m.pace(now) {
                None => receives += 1,
                Some(later) => now = later,
            }
        }
        assert!((200..=221).contains(&receives), "{receives} in ten seconds, one of them saved up");
        assert_eq!(mapping(&Lambda::default()).pace(0), None, "standard mode has no such limit");
    }

    #[test]
    fn saturated_pollers_ramp_and_do_not_retire() {
        let pollers = Some(ProvisionedPollers { min: 2, max: 200 });
        let mut m = mapping(&Lambda { provisioned_pollers: pollers, ..Lambda::default() });
        (0..20).for_each(|_| m.park(0));
        let mut now = 0;
        while now < MINUTE {
            while m.pace(now).is_none() {}
            now = m.tick(now, true, false).next;
        }
        assert!(m.loops() > 900, "{}", m.loops());
        assert_eq!(m.take_empty_receives(now), 0);
    }

    #[test]
    fn a_poller_moves_a_megabyte_a_second() {
        let pollers = Some(ProvisionedPollers { min: 2, max: 2 });
        let mut m = mapping(&Lambda { provisioned_pollers: pollers, ..Lambda::default() });
        let (mut now, mut bytes) = (10 * SECOND, 0);
        while now < 20 * SECOND {
            match m.pace(now) {
                None => {
                    bytes += 500_000;
                    m.received(500_000);
                }
                Some(later) => now = later,
            }
        }
        assert!((20_000_000..=22_500_000).contains(&bytes), "{bytes} in ten seconds, one of them saved up");
    }

    #[test]
    fn throttling_and_idle_loops_stop_the_ramp() {
        let mut m = mapping(&Lambda::default());
        assert_eq!(m.tick(0, true, true).added, 0);
        m.park(0);
        assert_eq!(m.tick(SECOND, true, false).added, 0);
        assert!(m.wake(2 * SECOND) && !m.wake(2 * SECOND));
    }

    #[test]
    fn idle_loops_retire_to_five_and_then_to_two() {
        let mut m = mapping(&Lambda::default());
        time_to(&mut m, 50);
        for _ in 0..50 {
            m.park(MINUTE);
        }
        m.last_found = MINUTE;
        m.tick(MINUTE + 19 * SECOND, false, false);
        assert_eq!((m.loops(), m.empty_receives), (50, 0));
        m.tick(MINUTE + 20 * SECOND, false, false);
        assert_eq!((m.loops(), m.parked()), (5, 5));
        assert_eq!(m.take_empty_receives(MINUTE + 20 * SECOND), 50);
        m.tick(20 * MINUTE, false, false);
        assert_eq!(m.loops(), 2);
    }

    #[test]
    fn five_idle_pollers_cost_fifteen_receives_a_minute() {
        let beliefs = Parameters { esm_idle: 5, ..Parameters::default() };
        let mut m = Mapping::new(&Lambda::default(), &beliefs);
        (0..5).for_each(|_| m.park(0));
        assert_eq!(m.take_empty_receives(60 * MINUTE), 900);
    }

    #[test]
    fn errors_shrink_it_unless_the_batch_is_reported_in_parts() {
        let mut plain = mapping(&Lambda::default());
        time_to(&mut plain, 60);
        let ended = (0..200).filter(|_| !plain.finished(true)).count();
        assert_eq!((plain.loops(), ended), (2, 58));
        let pollers = Some(ProvisionedPollers { min: 20, max: 40 });
        let mut provisioned = mapping(&Lambda { provisioned_pollers: pollers, ..Lambda::default() });
        assert!((0..200).all(|_| provisioned.finished(true)));
        assert_eq!(provisioned.pollers(), 20, "the least is held, and billed");
        let mut partial = mapping(&Lambda { partial_batch_responses: true, ..Lambda::default() });
        time_to(&mut partial, 60);
        assert!((0..200).all(|_| partial.finished(true)));
    }
}
