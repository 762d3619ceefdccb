//! A function's execution environments: one invocation each, reused last-in first-out, frozen in between.
//!
//! Goals: admission (reserved, provisioned and account concurrency, 1,000 new environments per ten seconds),
//! reuse, idle and age limits, reset after a timeout or crash, new versions.
//! Non-goals: what the handler does, and for how long (the driver knows).
//!
//! Sources: docs.aws.amazon.com/lambda/latest/dg: lambda-concurrency, scaling-behavior, lambda-runtime-environment.

use crate::bucket::Bucket;
use model::random::{Sampler, Stream};
use model::scenario::{Lambda, Parameters};
use model::time::{Nanos, SECOND};

/// An execution environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Number of the environment, in order of creation.
    pub id: u32,
    /// Whether it belongs to provisioned concurrency.
    pub provisioned: bool,
    /// Whether it was reset: the next invocation initialises again, within its own duration.
    pub reset: bool,
    /// The version of the function that it runs.
    version: u16,
    /// When it is replaced even if busy.
    retires_at: Nanos,
    /// How long it may stay idle.
    idle_ttl: Nanos,
    idle_since: Nanos,
}

/// Answer to an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// An idle environment takes it; `init` is not 0 if it had been reset.
    Warm {
        /// The environment, now busy.
        environment: Environment,
        /// Initialisation within the invocation.
        init: Nanos,
    },
    /// A new environment takes it.
    Cold {
        /// The environment, now busy.
        environment: Environment,
        /// Init Duration: billed.
        init: Nanos,
        /// Time before that which no log line reports: not billed.
        overhead: Nanos,
    },
    /// 429.
    Throttled(Limit),
}

/// What refused an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The function's reserved concurrency.
    Reserved,
    /// The concurrency of the account.
    Account,
    /// New environments per ten seconds.
    Scaling,
    /// Invocations per second: ten for each unit of concurrency.
    Requests,
}

/// A function with its environments.
#[derive(Clone, Debug)]
pub struct Function {
    limit: u32,
    limited_by: Limit,
    busy: u32,
    idle: Vec<Environment>,
    idle_provisioned: Vec<Environment>,
    created: u32,
    version: u16,
    new_environments: Bucket,
    requests: Bucket,
    init: Sampler,
    overhead: Sampler,
    ttl: (Nanos, Nanos),
    age: (Nanos, Nanos),
    stream: Stream,
}

impl Function {
    /// The function with its provisioned environments ready; `stream` decides initialisations and lifetimes.
    #[must_use]
    pub fn new(function: &Lambda, beliefs: &Parameters, stream: Stream) -> Self {
        let account = beliefs.lambda_account_concurrency.min(u64::from(u32::MAX)) as u32;
        let limit = function.reserved_concurrency.unwrap_or(account).min(account);
        let mut new = Self {
            limit,
            limited_by: match function.reserved_concurrency {
                Some(reserved) if reserved <= account => Limit::Reserved,
                _ => Limit::Account,
            },
            busy: 0,
            idle: Vec::new(),
            idle_provisioned: Vec::new(),
            created: 0,
            version: 0,
            new_environments: Bucket::new(
                beliefs.lambda_new_environments,
                beliefs.lambda_new_environments,
                10 * SECOND,
            ),
            requests: {
                let per_second = beliefs.lambda_requests_per_concurrency.max(1) * u64::from(limit.max(1));
                Bucket::per_second(per_second, per_second)
            },
            init: super::init_duration(function),
            overhead: Sampler::uniform(beliefs.lambda_start_overhead_min, beliefs.lambda_start_overhead_max),
            ttl: (beliefs.lambda_idle_min, beliefs.lambda_idle_max),
            age: (beliefs.lambda_age_min, beliefs.lambda_age_max),
            stream,
        };
        for _ in 0..function.provisioned_concurrency {
            let environment = new.create(0, true);
            new.idle_provisioned.push(environment);
        }
        new
    }

    /// Environments at work.
    #[must_use]
    pub fn busy(&self) -> u32 {
        self.busy
    }

    /// Environments that wait, provisioned ones included.
    #[must_use]
    pub fn idle(&self) -> u32 {
        (self.idle.len() + self.idle_provisioned.len()) as u32
    }

    /// The environments that wait, provisioned ones included. Those that are neither here nor busy have ended.
    pub fn waiting(&self) -> impl Iterator<Item = Environment> + '_ {
        self.idle.iter().chain(&self.idle_provisioned).copied()
    }

    /// Environments created so far.
    #[must_use]
    pub fn created(&self) -> u32 {
        self.created
    }

    /// Asks for an environment.
    #[inline]
    pub fn invoke(&mut self, now: Nanos) -> Admission {
        if self.busy >= self.limit {
            return Admission::Throttled(self.limited_by);
        }
        if !self.requests.ready(now) {
            return Admission::Throttled(Limit::Requests);
        }
        if let Some(environment) = self.idle_provisioned.pop() {
            return self.reuse(now, environment);
        }
        while let Some(environment) = self.idle.pop() {
            if environment.is_alive(now) {
                return self.reuse(now, environment);
            }
        }
        if !self.new_environments.take(now) {
            return Admission::Throttled(Limit::Scaling);
        }
        self.requests.take(now);
        self.busy += 1;
        let environment = self.create(now, false);
        let init = self.init.draw(&mut self.stream);
        let overhead = self.overhead.draw(&mut self.stream);
        Admission::Cold { environment, init, overhead }
    }

    #[inline]
    fn reuse(&mut self, now: Nanos, mut environment: Environment) -> Admission {
        self.requests.take(now);
        self.busy += 1;
        let init = if environment.reset { self.init.draw(&mut self.stream) } else { 0 };
        environment.reset = false;
        Admission::Warm { environment, init }
    }

    fn create(&mut self, now: Nanos, provisioned: bool) -> Environment {
        let id = self.created;
        self.created += 1;
        let age = self.stream.between(self.age.0, self.age.1);
        let idle_ttl = self.stream.between(self.ttl.0, self.ttl.1);
        let version = self.version;
        let retires_at = now + age;
        Environment { id, provisioned, reset: false, version, retires_at, idle_ttl, idle_since: now }
    }

    /// A new version takes the invocations from now on: idle environments are dropped, busy ones end with their
    /// invocation. Provisioned concurrency was allocated to the new version beforehand.
    ///
    /// Source: Lambda developer guide, lambda-runtime-environment and provisioned-concurrency.
    pub fn new_version(&mut self, now: Nanos) {
        self.version = self.version.wrapping_add(1);
        self.idle.clear();
        for index in 0..self.idle_provisioned.len() {
            self.idle_provisioned[index] = self.create(now, true);
        }
    }

    /// The invocation is over; `reset` after a timeout or crash.
    #[inline]
    pub fn release(&mut self, now: Nanos, environment: Environment, reset: bool) {
        self.busy -= 1;
        if environment.version != self.version {
            return self.retire(now, environment);
        }
        let environment = Environment { reset, idle_since: now, ..environment };
        if environment.provisioned {
            self.idle_provisioned.push(environment);
        } else {
            self.idle.push(environment);
        }
    }

    /// Ends an environment of an earlier version; provisioned ones have a successor.
    #[cold]
    fn retire(&mut self, now: Nanos, environment: Environment) {
        if environment.provisioned {
            let successor = self.create(now, true);
            self.idle_provisioned.push(successor);
        }
    }

    /// Ends the environments whose idle time or age is over.
    pub fn reap(&mut self, now: Nanos) {
        self.idle.retain(|environment| environment.is_alive(now));
    }
}

impl Environment {
    #[inline]
    fn is_alive(&self, now: Nanos) -> bool {
        now < self.retires_at && now < self.idle_since + self.idle_ttl
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::{HOUR, MILLISECOND, MINUTE};

    fn function(lambda: &Lambda, beliefs: &Parameters) -> Function {
        Function::new(lambda, beliefs, Stream::new(1, "environments"))
    }

    fn plain() -> Function {
        function(&Lambda::default(), &Parameters::default())
    }

    fn environment(admission: Admission) -> Environment {
        match admission {
            Admission::Warm { environment, .. } | Admission::Cold { environment, .. } => environment,
            Admission::Throttled(limit) => panic!("throttled by {limit:?}"),
        }
    }

    #[test]
    fn the_last_used_environment_is_reused_first() {
        let mut f = plain();
        let [a, b] = [0, 0].map(|now| environment(f.invoke(now)));
        f.release(SECOND, a, false);
        f.release(2 * SECOND, b, false);
        assert!(
            matches!(f.invoke(3 * SECOND), Admission::Warm { environment, init: 0 } if environment.id == b.id)
        );
        assert_eq!((f.busy(), f.idle(), f.created()), (1, 1, 2));
    }

    #[test]
    fn idle_environments_live_five_to_fifteen_minutes() {
        for wait in [4 * MINUTE, 16 * MINUTE] {
            let mut f = plain();
            let first = environment(f.invoke(0));
            f.release(0, first, false);
            let warm = matches!(f.invoke(wait), Admission::Warm { .. });
            assert_eq!(warm, wait < 5 * MINUTE);
        }
    }

    #[test]
    fn busy_environments_are_replaced_after_hours() {
        let mut f = plain();
        let mut created = 0;
        for minute in 0..(24 * 60) {
            let environment = environment(f.invoke(minute * MINUTE));
            created = created.max(environment.id + 1);
            f.release(minute * MINUTE + SECOND, environment, false);
        }
        assert!((4..=12).contains(&created), "{created} environments in a day");
        f.reap(48 * HOUR);
        assert_eq!(f.idle(), 0);
    }

    #[test]
    fn reserved_and_account_concurrency_throttle() {
        let mut f =
            function(&Lambda { reserved_concurrency: Some(1), ..Lambda::default() }, &Parameters::default());
        assert!(matches!(f.invoke(0), Admission::Cold { .. }));
        assert_eq!(f.invoke(0), Admission::Throttled(Limit::Reserved));
        let beliefs = Parameters { lambda_account_concurrency: 3, ..Parameters::default() };
        let mut f = function(&Lambda::default(), &beliefs);
        let admitted = (0..10).filter(|_| f.invoke(0) != Admission::Throttled(Limit::Account)).count();
        assert_eq!(admitted, 3);
    }

    #[test]
    fn a_new_version_starts_anew() {
        let mut f =
            function(&Lambda { provisioned_concurrency: 2, ..Lambda::default() }, &Parameters::default());
        let provisioned = [0, 0].map(|now| environment(f.invoke(now)));
        let [a, b] = [0, 0].map(|now| environment(f.invoke(now)));
        f.release(SECOND, a, false);
        f.release(SECOND, provisioned[0], false);
        f.new_version(2 * SECOND);
        assert_eq!((f.busy(), f.idle()), (2, 1), "the successor of a provisioned environment");
        f.release(3 * SECOND, b, false);
        f.release(3 * SECOND, provisioned[1], true);
        assert_eq!((f.busy(), f.idle()), (0, 2), "busy ones end with their invocation");
        for _ in 0..2 {
            let Admission::Warm { environment, init: 0 } = f.invoke(4 * SECOND) else {
                panic!("provisioned")
            };
            assert!(environment.provisioned && environment.id > b.id);
            assert!(!environment.reset);
        }
        let Admission::Cold { environment, .. } = f.invoke(4 * SECOND) else { panic!("a cold start") };
        f.release(5 * SECOND, environment, false);
        assert!(
            matches!(f.invoke(6 * SECOND), Admission::Warm { environment: again, .. } if again.id == environment.id)
        );
    }

    #[test]
    fn environments_are_added_at_a_thousand_per_ten_seconds() {
        let beliefs = Parameters { lambda_account_concurrency: 10_000, ..Parameters::default() };
        let mut f = function(&Lambda::default(), &beliefs);
        let mut admitted_by =
            |now| (0..5_000).filter(|_| f.invoke(now) != Admission::Throttled(Limit::Scaling)).count();
        assert_eq!(admitted_by(0), 1_000);
        assert_eq!(admitted_by(5 * SECOND), 500);
    }

    #[test]
    fn ten_invocations_a_second_for_each_unit_of_concurrency() {
        let mut f =
            function(&Lambda { reserved_concurrency: Some(2), ..Lambda::default() }, &Parameters::default());
        let admitted = (0..10_000_u64)
            .filter(|ms| match f.invoke(ms * MILLISECOND) {
                Admission::Warm { environment, .. } | Admission::Cold { environment, .. } => {
                    f.release(ms * MILLISECOND, environment, false);
                    true
                }
                Admission::Throttled(limit) => {
                    assert_eq!(limit, Limit::Requests);
                    false
                }
            })
            .count();
        assert!((200..=220).contains(&admitted), "{admitted} in ten seconds, a second of them at once");
    }

    #[test]
    fn provisioned_environments_are_warm_and_spill_over() {
        let lambda = Lambda { provisioned_concurrency: 2, ..Lambda::default() };
        let mut f = function(&lambda, &Parameters::default());
        assert!(
            matches!(f.invoke(HOUR * 10), Admission::Warm { environment, .. } if environment.provisioned)
        );
        assert!(matches!(f.invoke(HOUR * 10), Admission::Warm { .. }));
        assert!(
            matches!(f.invoke(HOUR * 10), Admission::Cold { environment, .. } if !environment.provisioned)
        );
    }

    #[test]
    fn a_reset_environment_initialises_again() {
        let mut f = plain();
        let first = environment(f.invoke(0));
        f.release(SECOND, first, true);
        assert!(matches!(f.invoke(2 * SECOND), Admission::Warm { init, .. } if init > 0));
    }
}
