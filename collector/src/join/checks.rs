//! The validity checks of a measured run: the claims of a simulated one, and those that only clocks can break.

use super::{Joined, Tally};
use crate::folder::{Heard, Refused};
use model::plan::PlanHash;
use model::record::Ledger;
use model::run::{ActivityKind, Check, Manifest};
use model::time::{MILLISECOND, Nanos};
use std::fmt::Display;

/// The latest that the 99th percentile of sends may be issued after their instants.
const LATE_MAX: Nanos = 100 * MILLISECOND;

/// The most that the mean send delays of two stacks may be apart.
const APART_MAX: Nanos = 10 * MILLISECOND;

/// The most completions whose latency may be unknown: their distribution would be that of the others.
const UNTIMED_MAX_PERCENT: u64 = 1;

/// What is said of each stack.
struct Each<'a>(&'a Manifest, &'a [Joined]);

impl Each<'_> {
    fn say<T: Display>(&self, figure: impl Fn(&Joined) -> T) -> String {
        let stacks = self.0.stacks.iter().zip(self.1);
        let said: Vec<String> =
            stacks.map(|(entry, one)| format!("{}: {}", entry.name, figure(one))).collect();
        said.join("; ")
    }
}

pub(super) fn checks(manifest: &Manifest, hash: &PlanHash, complete: bool, joined: &[Joined]) -> Vec<Check> {
    let each = Each(manifest, joined);
    let all = |holds: &dyn Fn(&Ledger) -> bool| joined.iter().all(|one| holds(&one.ledger));
    let check = |name: &str, passed: bool, detail: String| Check { name: name.into(), passed, detail };
    let mut checks = vec![
        check(
            "every stack was offered the same messages",
            hash.hex() == manifest.plan_hash && joined.iter().all(|one| one.tally.accepted == hash.count()),
            offered(&each, manifest, hash),
        ),
        check("the generator was on time", joined.iter().all(on_time), each.say(generator)),
        check(
            "every planned message is accounted for",
            joined.iter().all(|one| is_accounted(one, complete)),
            each.say(accounted),
        ),
        check("no message was lost", all(&|ledger| ledger.lost == 0), each.say(lost)),
        check(
            "the queues were drained in time",
            joined.iter().all(|one| remaining(one) == 0),
            each.say(left),
        ),
        check(
            "no span is negative",
            joined.iter().all(|one| one.tally.negative.is_empty() && one.accounts.issued_early == 0),
            each.say(spans),
        ),
        check("the stacks were loaded alike", alike(joined), each.say(mean_delay)),
    ];
    if manifest.target != "aws" {
        checks.push(account_limits(manifest, joined));
    }
    // AWS does not say whose limit it was that throttled: only of functions do the metrics tell.
    if joined.iter().any(|one| one.heard.refused.is_some())
        && joined.iter().all(|one| limit_of(one).is_some())
    {
        checks.push(check(
            "no account limit throttled a function",
            joined.iter().all(|one| limit_of(one) != Some(Limit::Account)),
            each.say(refused),
        ));
    }
    // A run on this machine has no such sources.
    if joined.iter().any(|one| one.heard != Heard::default()) {
        checks.push(check(
            "what AWS logged and measured has come",
            joined.iter().all(has_come),
            each.say(came),
        ));
    }
    checks
}

/// Reports that may be missing: their duration is then the mean of the others.
const REPORTS_MISSING_MAX_PERCENT: u64 = 5;

fn has_come(one: &Joined) -> bool {
    let reported = match (one.heard.reports, one.heard.invocations) {
        (Some(reports), Some(invocations)) => {
            invocations.saturating_sub(reports) * 100 <= invocations * REPORTS_MISSING_MAX_PERCENT
        }
        _ => true,
    };
    reported && one.heard.trouble.is_empty()
}

fn came(one: &Joined) -> String {
    let mut said = Vec::new();
    if let (Some(reports), Some(invocations)) = (one.heard.reports, one.heard.invocations) {
        said.push(format!("{reports} reports of {invocations} invocations"));
    }
    if let Some(dead) = one.heard.dead_letters {
        said.push(format!("{dead} in the dead-letter queue"));
    }
    said.extend(one.heard.trouble.iter().chain(&one.heard.assumed).cloned());
    if said.is_empty() { "all that was asked".into() } else { said.join(", ") }
}

/// The share of the account's unreserved concurrency, in percent, from which on it counts as used up: CloudWatch samples.
const USED_UP_PERCENT: u64 = 95;

/// Whose limit it was that refused invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// Nobody's: none were refused.
    None,
    /// The function's reserve, or how fast it may grow.
    Function,
    /// What the account leaves to all functions without a reserve.
    Account,
}

/// `None` if the metrics do not tell.
fn limit_of(one: &Joined) -> Option<Limit> {
    let Some(refused) = one.heard.refused else { return Some(Limit::None) };
    match (refused.invocations, refused.reserved, refused.in_use.zip(refused.unreserved)) {
        (0, ..) => Some(Limit::None),
        (_, Some(_), _) => Some(Limit::Function),
        (.., Some((in_use, limit))) if in_use * 100 >= limit * USED_UP_PERCENT => Some(Limit::Account),
        (.., Some(_)) => Some(Limit::Function),
        (.., None) => None,
    }
}

fn refused(one: &Joined) -> String {
    let Some(refused) = one.heard.refused else { return "no function".into() };
    let Refused { invocations, .. } = refused;
    let in_use = match refused.in_use.zip(refused.unreserved) {
        Some((in_use, limit)) => format!(", {in_use} of the account's {limit} unreserved in use at most"),
        None => String::new(),
    };
    match refused.reserved {
        _ if invocations == 0 => "none refused".into(),
        Some(reserved) => format!("{invocations} refused by its own reserve of {reserved}"),
        None => format!("{invocations} refused{in_use}"),
    }
}

fn offered(each: &Each<'_>, manifest: &Manifest, hash: &PlanHash) -> String {
    let taken = each.say(|one| format!("{} of {} taken by its queue", one.tally.accepted, hash.count()));
    if hash.hex() == manifest.plan_hash {
        format!("plan hash {}; {taken}", hash.hex())
    } else {
        format!(
            "the plan was {} and is now {}: another version joins this run; {taken}",
            manifest.plan_hash,
            hash.hex()
        )
    }
}

/// Microseconds.
fn issued_late(one: &Joined) -> u64 {
    one.accounts.issued_late.value_at_quantile(0.99)
}

fn on_time(one: &Joined) -> bool {
    // A plan without messages is on time; one of which nothing was sent is not.
    let tried = !one.accounts.issued_late.is_empty() || one.ledger.planned == 0;
    tried && issued_late(one) * 1_000 <= LATE_MAX
}

fn generator(one: &Joined) -> String {
    if one.accounts.issued_late.is_empty() {
        return "no sends are known".into();
    }
    let late = milliseconds(issued_late(one) as i128 * 1_000);
    let most = LATE_MAX / MILLISECOND;
    let retried = match one.accounts.retried {
        0 => String::new(),
        count => format!(", {count} sent more than once"),
    };
    format!("p99 issued {late} ms late, at most {most} ms allowed{retried}")
}

/// One outcome each is not enough: it must be known from whole lines, and when it came. A run that was cut short may
/// have lost lines; it says itself that it is not complete.
fn is_accounted(one: &Joined, complete: bool) -> bool {
    let whole = !complete || one.accounts.unread == 0;
    // Where nobody tells of single messages there are no latencies: then none is missing.
    let timed = one.silent || one.tally.untimed * 100 <= one.ledger.done() * UNTIMED_MAX_PERCENT;
    one.ledger.balances() && whole && timed
}

fn accounted(one: &Joined) -> String {
    let mut said = format!("{} of {}", one.ledger.total(), one.ledger.planned);
    for (count, what) in [
        (one.accounts.unread, "lines of the journal could not be read"),
        (one.accounts.unplanned, "lines were about other messages"),
    ] {
        if count > 0 {
            said += &format!(", {count} {what}");
        }
    }
    if one.silent {
        said += ", counted at the queue: no worker tells of its messages, so there are no latencies";
    } else if one.tally.untimed > 0 {
        let Tally { untimed, .. } = one.tally;
        let most = UNTIMED_MAX_PERCENT;
        said += &format!(", {untimed} completions have no latency (at most {most} % allowed)");
    }
    said
}

fn lost(one: &Joined) -> String {
    let reasons: Vec<String> = one.tally.lost.iter().map(|(why, count)| format!("{count} {why}")).collect();
    match reasons.as_slice() {
        [] => "0 lost".into(),
        _ => format!("{} lost ({})", one.ledger.lost, reasons.join(", ")),
    }
}

/// Messages that were not over at the end.
fn remaining(one: &Joined) -> u64 {
    one.ledger.in_flight + one.ledger.failed + one.tally.undeleted
}

fn left(one: &Joined) -> String {
    let mut said = format!("{} left", remaining(one));
    for (count, what) in
        [(one.tally.unsent, "never sent"), (one.tally.undeleted, "completed, but not deleted from the queue")]
    {
        if count > 0 {
            said += &format!(", {count} of them {what}");
        }
    }
    said
}

fn account_limits(manifest: &Manifest, joined: &[Joined]) -> Check {
    let limited = |one: &Joined| {
        let mut activities = one.activities.iter();
        activities.any(|a| a.kind == ActivityKind::Throttling && a.detail.contains("the account's"))
    };
    let stacks = manifest.stacks.iter().zip(joined);
    let names: Vec<&str> =
        stacks.filter(|(_, one)| limited(one)).map(|(entry, _)| entry.name.as_str()).collect();
    Check {
        name: "no account limit throttled a stack".into(),
        passed: names.is_empty(),
        detail: if names.is_empty() { "none did".into() } else { format!("it did: {}", names.join(", ")) },
    }
}

fn spans(one: &Joined) -> String {
    let mut said: Vec<String> =
        one.tally.negative.iter().map(|(stage, count)| format!("{count} negative of {stage}")).collect();
    if one.accounts.issued_early > 0 {
        said.push(format!("{} issued before their instant", one.accounts.issued_early));
    }
    if said.is_empty() {
        said.push("none".into());
    }
    if one.accounts.crossed > 0 {
        said.push(format!("{} starts go by two clocks of AWS", one.accounts.crossed));
    }
    said.join(", ")
}

/// Nanoseconds from scheduled to sent.
fn mean(one: &Joined) -> Option<i128> {
    let (sum, count) = one.tally.send_delay;
    (count > 0).then(|| sum / i128::from(count))
}

fn alike(joined: &[Joined]) -> bool {
    let means: Vec<i128> = joined.iter().filter_map(mean).collect();
    let bounds = means.iter().min().zip(means.iter().max());
    bounds.is_none_or(|(least, most)| most - least <= i128::from(APART_MAX))
}

fn mean_delay(one: &Joined) -> String {
    mean(one)
        .map_or("nothing was sent".into(), |mean| format!("sent {} ms late on average", milliseconds(mean)))
}

fn milliseconds(nanos: i128) -> String {
    format!("{:.1}", nanos as f64 / MILLISECOND as f64)
}
