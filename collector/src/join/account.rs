//! What is known of one message at one stack, in 64 bytes.

use super::accounts::Accounts;
use crate::folder::Heard;
use model::plan::Arrival;
use model::record::{MessageRecord, Outcome};
use model::time::Nanos;
use model::windows::Stage;

/// An instant on the run's clock, or none. Signed: what clocks say may lie before the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At(i64);

impl At {
    pub(crate) const NONE: Self = Self(i64::MIN);

    pub(crate) fn of(at: Option<i64>) -> Self {
        at.map_or(Self::NONE, Self)
    }

    pub(crate) fn get(self) -> Option<i64> {
        (self != Self::NONE).then_some(self.0)
    }

    /// As files hold it.
    fn nanos(self) -> Option<Nanos> {
        self.get().and_then(|at| u64::try_from(at).ok())
    }
}

/// Nanoseconds of a file as a signed number; `None` for one that no clock gives.
pub(crate) fn signed(nanos: Nanos) -> Option<i64> {
    i64::try_from(nanos).ok()
}

/// What happened to the message at least once.
pub(crate) mod flag {
    /// Its sending ended, well or not.
    pub(crate) const TRIED: u16 = 1;
    /// The queue took it.
    pub(crate) const ACCEPTED: u16 = 1 << 1;
    /// The queue itself said when.
    pub(crate) const SENT_SEEN: u16 = 1 << 2;
    /// An attempt failed.
    pub(crate) const FAILED: u16 = 1 << 3;
    /// It was deleted.
    pub(crate) const DELETED: u16 = 1 << 4;
    /// It was moved to the dead-letter queue.
    pub(crate) const DEAD_LETTERED: u16 = 1 << 5;
    /// It was dropped.
    pub(crate) const EXPIRED: u16 = 1 << 6;
    /// The attempt that completed it waited for a cold start.
    pub(crate) const COLD_START: u16 = 1 << 7;
    /// The id under which the queue took it is known.
    pub(crate) const NAMED: u16 = 1 << 8;
    /// More than one call carried it: the queue may have taken it under an id that nobody was told.
    pub(crate) const RETRIED: u16 = 1 << 9;
}

/// No worker.
pub(crate) const NOBODY: u32 = u32::MAX;

/// The account of a message.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) sent: At,
    pub(crate) received: At,
    pub(crate) started: At,
    pub(crate) finished: At,
    pub(crate) deleted: At,
    pub(crate) receive_count: u32,
    /// The worker that completed it, by number.
    pub(crate) worker: u32,
    /// Of the id under which it was completed; before, of the one it was last known by.
    pub(crate) fingerprint: u32,
    /// Receive count of the attempt that completed it, as far as it matters to tell attempts apart.
    pub(crate) attempt: u16,
    /// Successful attempts.
    pub(crate) completions: u8,
    /// Of [`flag`].
    pub(crate) flags: u16,
    /// Why the queue did not take it, by number.
    pub(crate) error: u16,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            sent: At::NONE,
            received: At::NONE,
            started: At::NONE,
            finished: At::NONE,
            deleted: At::NONE,
            receive_count: 0,
            worker: NOBODY,
            fingerprint: 0,
            attempt: 0,
            completions: 0,
            flags: 0,
            error: 0,
        }
    }
}

/// Why a message is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The queue never took it; the number of the error.
    Refused(u16),
    /// The queue dropped it.
    Expired,
    /// Its worker deleted it after a failed attempt.
    DeletedFailed,
    /// It was deleted, but no worker said that it had worked on it.
    DeletedUntold,
    /// Its queue is empty, and no worker said that it had worked on it.
    GoneUntold,
}

/// What is known of messages of which nobody told how they ended: they are gone from a queue that is empty.
#[derive(Debug)]
pub(crate) enum Rest {
    /// The queue may still have them.
    Unknown,
    /// No worker tells anything of any message: all but so many of the last are done.
    Silent { done: u64 },
    /// Workers tell when they are done: so many are dead-lettered, and the others were not told of.
    Told { dead_lettered: u64 },
}

impl Rest {
    pub(crate) fn new(accounts: &Accounts, heard: &Heard) -> Self {
        let dead_lettered = heard.dead_letters.unwrap_or(0);
        match heard.emptied {
            false => Self::Unknown,
            true if accounts.nobody_told() => {
                Self::Silent { done: accounts.accepted().saturating_sub(dead_lettered) }
            }
            true => Self::Told { dead_lettered },
        }
    }

    /// The outcome of the next message in the plan, which by itself was `outcome`.
    pub(crate) fn settle(
        &mut self,
        account: &Account,
        outcome: (Outcome, Option<Loss>),
    ) -> (Outcome, Option<Loss>) {
        let open = matches!(outcome.0, Outcome::InFlight | Outcome::Failed) && account.accepted();
        match self {
            _ if !open => outcome,
            Self::Unknown => outcome,
            Self::Silent { done: 0 } | Self::Told { dead_lettered: 1.. } => {
                if let Self::Told { dead_lettered } = self {
                    *dead_lettered -= 1;
                }
                (Outcome::DeadLettered, None)
            }
            Self::Silent { done } => {
                *done -= 1;
                (Outcome::Completed, None)
            }
            Self::Told { .. } => (Outcome::Lost, Some(Loss::GoneUntold)),
        }
    }
}

impl Account {
    pub(crate) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn accepted(&self) -> bool {
        self.has(flag::ACCEPTED)
    }

    pub(crate) fn unsent(&self) -> bool {
        self.flags & (flag::ACCEPTED | flag::TRIED) == 0
    }

    /// Whether the queue said that it has it no more.
    pub(crate) fn gone(&self) -> bool {
        self.has(flag::DELETED | flag::DEAD_LETTERED | flag::EXPIRED)
    }

    pub(crate) fn completed(&self) -> bool {
        self.completions > 0
    }

    /// The queue handed it out under the id under which it was completed; was that for the attempt that did so?
    pub(crate) fn seen_received(&mut self, at: At, receive_count: u16) {
        let same = self.attempt == receive_count;
        let none = self.received == At::NONE;
        let that = match (self.started.get(), at.get()) {
            // Workers that say nothing of receive counts are taken to say 1.
            _ if self.attempt > 1 => same,
            // The last before its start; a clock that is wrong must not go unnoticed.
            (Some(started), Some(at)) => at <= started || same && none,
            // The last before its delete.
            _ => none || !self.has(flag::DELETED),
        };
        if that {
            self.received = at;
        }
    }

    /// How the message ended, and why if it was lost.
    pub(crate) fn outcome(&self) -> (Outcome, Option<Loss>) {
        let lost = |loss| (Outcome::Lost, Some(loss));
        match self.completions {
            1 => return (Outcome::Completed, None),
            2.. => return (Outcome::CompletedMore, None),
            0 => {}
        }
        if self.has(flag::DEAD_LETTERED) {
            (Outcome::DeadLettered, None)
        } else if self.has(flag::EXPIRED) {
            lost(Loss::Expired)
        } else if self.has(flag::DELETED) {
            lost(if self.has(flag::FAILED) { Loss::DeletedFailed } else { Loss::DeletedUntold })
        } else if self.has(flag::TRIED) && !self.accepted() {
            lost(Loss::Refused(self.error))
        } else if self.has(flag::FAILED) || self.receive_count > 1 {
            // Who receives a message again has the word of the queue that the attempt before did not end it.
            (Outcome::Failed, None)
        } else {
            (Outcome::InFlight, None)
        }
    }

    /// Its end of work: as its worker says, else its delete.
    fn finished(&self) -> At {
        if self.finished == At::NONE { self.deleted } else { self.finished }
    }

    /// The worker that had to start first, and how long the message waited for it in all.
    pub(crate) fn cold_start(&self) -> Option<(u32, Nanos)> {
        let is_cold = self.completed() && self.has(flag::COLD_START) && self.worker != NOBODY;
        let (received, started) = (self.received.get()?, self.started.get()?);
        Some((self.worker, u64::try_from(started.saturating_sub(received)).ok()?)).filter(|_| is_cold)
    }

    /// Its row of `messages.csv`. Instants before the run cannot be written down; their spans are counted.
    pub(crate) fn record(&self, arrival: &Arrival, outcome: Outcome) -> MessageRecord {
        let completed = self.completed();
        let done = |at: At| at.nanos().filter(|_| completed);
        MessageRecord {
            seq: arrival.seq,
            scheduled_at: arrival.at,
            sent_at: self.sent.nanos(),
            received_at: done(self.received),
            started_at: done(self.started),
            finished_at: done(self.finished()),
            deleted_at: self.deleted.nanos(),
            receive_count: self.receive_count,
            worker: (completed && self.worker != NOBODY).then_some(self.worker),
            cold_start: completed && self.has(flag::COLD_START),
            outcome,
        }
    }

    /// The spans that are known; a negative one says that clocks, or their readers, are wrong.
    pub(crate) fn spans(&self, arrival: &Arrival) -> impl Iterator<Item = (Stage, i64)> {
        let scheduled = signed(arrival.at);
        let done = |at: At| at.get().filter(|_| self.completed());
        let (received, started, finished) = (done(self.received), done(self.started), done(self.finished()));
        let span = |from: Option<i64>, to: Option<i64>| Some(to?.saturating_sub(from?));
        // Without a record the delete ends the work and nothing lies between them.
        let acknowledged = if self.finished == At::NONE { None } else { done(self.deleted) };
        [
            (Stage::Latency, span(scheduled, finished)),
            (Stage::SendDelay, span(scheduled, self.sent.get())),
            (Stage::Queue, span(self.sent.get(), received)),
            (Stage::Start, span(received, started)),
            (Stage::Work, span(started, finished)),
            (Stage::Acknowledge, span(finished, acknowledged)),
        ]
        .into_iter()
        .filter_map(|(stage, span)| Some((stage, span?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_small() {
        assert!(size_of::<Account>() <= 64, "{}", size_of::<Account>());
    }
}
