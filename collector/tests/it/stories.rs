//! Made-up stories of messages, each with the outcome that it should come to, and the lines that tell it.

use crate::lab::{SCENARIO, START_NS, scenario};
use collector::Entry;
use model::journal::{MessageId, Record, Sent, Sight, Sighting};
use model::plan::{Arrival, Plan};
use model::random::Stream;
use model::record::Outcome;
use model::time::{MILLISECOND, Nanos, SECOND};

/// Who tells what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Teller {
    /// The queue is ours and the workers print records.
    Both,
    /// The queue is ours and the workers print nothing of use.
    QueueOnly,
    /// The queue is somebody else's.
    WorkersOnly,
}

pub(crate) const TELLERS: [Teller; 3] = [Teller::Both, Teller::QueueOnly, Teller::WorkersOnly];

/// What befalls a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Refused,
    Once,
    /// After failed attempts.
    Later,
    Twice,
    DeadLettered,
    Expired,
    StillFailing,
    Waiting,
    AtWork,
    Unsent,
    /// The seeder never had an answer, but the queue took it.
    AnswerLost,
    /// The answer to the first send was lost, and the second made another message.
    SentTwice,
    /// Deleted by somebody who did not work on it.
    Stolen,
}

pub(crate) const FATES: [Fate; 13] = [
    Fate::Refused,
    Fate::Once,
    Fate::Later,
    Fate::Twice,
    Fate::DeadLettered,
    Fate::Expired,
    Fate::StillFailing,
    Fate::Waiting,
    Fate::AtWork,
    Fate::Unsent,
    Fate::AnswerLost,
    Fate::SentTwice,
    Fate::Stolen,
];

impl Fate {
    /// Whether those who tell can tell it.
    fn can_be_told(self, teller: Teller) -> bool {
        match teller {
            Teller::Both => true,
            // Nobody sees an attempt fail; to delete is to complete.
            Teller::QueueOnly => self != Self::Stolen,
            // Nobody sees what becomes of a message that no worker completes, nor one that the seeder does not know.
            Teller::WorkersOnly => {
                !matches!(self, Self::DeadLettered | Self::Expired | Self::AtWork | Self::Stolen)
            }
        }
    }

    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Refused | Self::Expired | Self::Stolen => Outcome::Lost,
            Self::Once | Self::Later | Self::AnswerLost | Self::SentTwice => Outcome::Completed,
            Self::Twice => Outcome::CompletedMore,
            Self::DeadLettered => Outcome::DeadLettered,
            Self::StillFailing => Outcome::Failed,
            Self::Waiting | Self::AtWork | Self::Unsent => Outcome::InFlight,
        }
    }

    /// Whether nothing of it is left at the end.
    pub(crate) fn is_over(self) -> bool {
        use Fate::{AtWork, SentTwice, StillFailing, Unsent, Waiting};
        !matches!(self, AtWork | SentTwice | StillFailing | Unsent | Waiting)
    }
}

/// A message with its fate, and the lines about it in the order in which they came, each with its instant.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) arrival: Arrival,
    pub(crate) fate: Fate,
    pub(crate) lines: Vec<(Nanos, Entry)>,
}

/// Tells the story of every message of the plan; `may` says which fates there are.
pub(crate) fn tell(seed: u64, teller: Teller, may: &dyn Fn(Fate) -> bool) -> Vec<Story> {
    let mut dice = Stream::new(seed, "stories");
    let fates: Vec<Fate> = FATES.into_iter().filter(|fate| fate.can_be_told(teller) && may(*fate)).collect();
    Plan::new(&scenario(SCENARIO))
        .map(|arrival| {
            let fate = fates[dice.between(0, fates.len() as u64 - 1) as usize];
            let mut pen = Pen::new(arrival, teller, &mut dice);
            pen.write(fate);
            Story { arrival, fate, lines: pen.lines }
        })
        .collect()
}

/// All lines in the order of their instants.
pub(crate) fn in_order(stories: &[Story]) -> Vec<Entry> {
    let mut lines: Vec<(Nanos, Entry)> = stories.iter().flat_map(|story| story.lines.clone()).collect();
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(_, entry)| entry).collect()
}

/// Writes one story.
struct Pen<'a> {
    arrival: Arrival,
    teller: Teller,
    dice: &'a mut Stream,
    now: Nanos,
    id: MessageId,
    /// Of the message's attribute.
    seq: Option<u64>,
    sent_at: Nanos,
    first_received_at: Option<Nanos>,
    lines: Vec<(Nanos, Entry)>,
}

impl<'a> Pen<'a> {
    fn new(arrival: Arrival, teller: Teller, dice: &'a mut Stream) -> Self {
        let id = MessageId(u128::from(arrival.seq) << 64 | u128::from(dice.between(1, u64::MAX - 1)));
        let seq = dice.chance(0.5).then_some(arrival.seq);
        let now = arrival.at;
        Self { arrival, teller, dice, now, id, seq, sent_at: now, first_received_at: None, lines: Vec::new() }
    }

    fn write(&mut self, fate: Fate) {
        match fate {
            Fate::Refused => self.answer(None, 3),
            Fate::Unsent => {}
            Fate::AnswerLost => {
                // Then only the message itself can tell which it is.
                self.seq = Some(self.arrival.seq);
                self.taken();
                self.attempt(1, true);
                self.delete(1);
                self.answer(None, 3);
            }
            Fate::SentTwice => {
                self.seq = Some(self.arrival.seq);
                self.taken();
                let first = self.id;
                self.id = MessageId(first.0 ^ 1 << 100);
                self.taken();
                let second = self.id;
                self.answer(Some(second), 2);
                self.id = first;
                self.attempt(1, true);
                self.delete(1);
            }
            _ => {
                self.sent();
                self.go_on(fate);
            }
        }
    }

    fn go_on(&mut self, fate: Fate) {
        match fate {
            Fate::Once => {
                self.attempt(1, true);
                self.delete(1);
            }
            Fate::Later => {
                let failures = self.dice.between(1, 3) as u32;
                (1..=failures).for_each(|count| self.attempt(count, false));
                self.attempt(failures + 1, true);
                self.delete(failures + 1);
            }
            Fate::Twice => {
                self.attempt(1, true);
                self.delete(1);
                self.attempt(2, true);
                self.delete(2);
            }
            Fate::DeadLettered => {
                (1..=3).for_each(|count| self.attempt(count, false));
                self.sight(Sight::DeadLettered, 3);
            }
            Fate::Expired => self.sight(Sight::Expired, 0),
            Fate::StillFailing => (1..=2).for_each(|count| self.attempt(count, false)),
            Fate::AtWork => self.sight(Sight::Received, 1),
            Fate::Stolen => {
                self.sight(Sight::Received, 1);
                self.sight(Sight::Deleted, 1);
            }
            _ => {}
        }
    }

    fn pass(&mut self) {
        self.now += self.dice.between(MILLISECOND, 300 * MILLISECOND);
    }

    fn line(&mut self, entry: Entry) {
        self.lines.push((self.now, entry));
    }

    fn sent(&mut self) {
        self.taken();
        let id = self.id;
        self.answer(Some(id), 1);
    }

    /// The queue takes it.
    fn taken(&mut self) {
        self.now += self.dice.between(100_000, 900_000);
        self.sent_at = self.now;
        self.sight(Sight::Sent, 0);
    }

    /// The seeder has its answer.
    fn answer(&mut self, message: Option<MessageId>, attempts: u32) {
        self.now += 1;
        let sent = Sent {
            seq: self.arrival.seq,
            scheduled_at: self.arrival.at,
            issued_at: self.arrival.at + 50_000,
            answered_at: self.now,
            attempts,
            message,
            error: message.is_none().then(|| "throttled".into()),
        };
        self.line(Entry::Sent(sent));
    }

    fn sight(&mut self, sight: Sight, receive_count: u32) {
        if self.teller == Teller::WorkersOnly {
            return;
        }
        if sight != Sight::Sent {
            self.pass();
        }
        let sighting = Sighting { at: self.now, message: self.id, sight, receive_count, seq: self.seq };
        self.line(Entry::Sighting(sighting));
    }

    fn delete(&mut self, receive_count: u32) {
        self.sight(Sight::Deleted, receive_count);
    }

    fn attempt(&mut self, receive_count: u32, ok: bool) {
        self.pass();
        self.sight(Sight::Received, receive_count);
        let received_at = self.now;
        let first = *self.first_received_at.get_or_insert(received_at);
        if self.teller == Teller::QueueOnly {
            return;
        }
        let (waited, work) = (self.dice.between(0, MILLISECOND), self.dice.between(0, SECOND));
        self.now += waited + work;
        let record = Record {
            seq: self.seq,
            receive_count,
            sent_ms: Some((START_NS + self.sent_at) / MILLISECOND),
            first_received_ms: Some((START_NS + first) / MILLISECOND),
            started_ns: Some(START_NS + received_at + waited),
            waited_ns: Some(waited),
            work_ns: Some(work),
            worker: Some(format!("task-{}", self.dice.between(1, 3))),
            cold_start: self.dice.chance(0.1),
            ok,
            ..Record::new(self.id)
        };
        self.line(Entry::Record(record));
    }
}
