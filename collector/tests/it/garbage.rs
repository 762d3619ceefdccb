//! Journals that nobody wrote on purpose.

use crate::join::rows;
use crate::lab::{Folder, begun};
use collector::{Ended, Entry, join};
use model::journal::{MessageId, Record, Sent, Sight, Sighting};
use model::random::Stream;
use proptest::prelude::*;
use std::fs;

const SIGHTS: [Sight; 5] =
    [Sight::Sent, Sight::Received, Sight::Deleted, Sight::DeadLettered, Sight::Expired];

/// Small numbers mostly, now and then one that no clock and no plan has.
fn number(dice: &mut Stream) -> u64 {
    match dice.between(0, 9) {
        0 => u64::MAX - dice.between(0, 2),
        1 => i64::MAX as u64 + dice.between(0, 2),
        2 => crate::lab::START_NS,
        _ => dice.between(0, 300),
    }
}

fn maybe(dice: &mut Stream) -> Option<u64> {
    dice.chance(0.7).then(|| number(dice))
}

fn entry(dice: &mut Stream) -> Entry {
    let message = MessageId(u128::from(dice.between(0, 250)));
    match dice.between(0, 2) {
        0 => Entry::Sent(Sent {
            seq: number(dice),
            scheduled_at: number(dice),
            issued_at: number(dice),
            answered_at: number(dice),
            attempts: number(dice) as u32,
            message: dice.chance(0.7).then_some(message),
            error: dice.chance(0.5).then(|| "odd \"one\"\nwith a break, and".into()),
        }),
        1 => Entry::Sighting(Sighting {
            at: number(dice),
            message,
            sight: SIGHTS[dice.between(0, 4) as usize],
            receive_count: number(dice) as u32,
            seq: maybe(dice),
        }),
        _ => Entry::Record(Record {
            seq: maybe(dice),
            receive_count: number(dice) as u32,
            sent_ms: maybe(dice),
            first_received_ms: maybe(dice),
            started_ns: maybe(dice),
            waited_ns: maybe(dice),
            work_ns: maybe(dice),
            worker: maybe(dice).map(|n| format!("w{n},\n")),
            cold_start: dice.chance(0.5),
            ok: dice.chance(0.7),
            ..Record::new(message)
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_lines_balance(seed: u64, count in 0..2_000_u64) {
        let mut dice = Stream::new(seed, "garbage");
        let folder = Folder::new("garbage");
        let mut collector = begun(&folder);
        for _ in 0..count {
            collector.take(dice.between(0, 1) as usize, entry(&mut dice)).unwrap();
        }
        let run = collector.finish(Ended::ByItself).unwrap();
        for stack in &run.manifest.stacks {
            prop_assert!(stack.ledger.balances() && stack.ledger.planned == 200);
            prop_assert_eq!(rows(&folder.0, &stack.name).len(), 200);
        }
        let read = model::run::read(&folder.0).unwrap();
        prop_assert_eq!(&read.manifest, &run.manifest);
        for (read, wrote) in read.stacks.iter().zip(&run.stacks) {
            prop_assert_eq!(&read.series, &wrote.series);
            prop_assert_eq!(&read.windows, &wrote.windows);
        }
    }

    #[test]
    fn any_bytes_balance(bytes: [Vec<u8>; 5]) {
        let folder = Folder::new("bytes");
        begun(&folder).leave().unwrap();
        let names = ["sends.csv", "sightings.csv", "records.csv", "series.csv", "activities.csv"];
        for (name, bytes) in names.iter().zip(&bytes) {
            fs::write(folder.0.join("ecs/journal").join(name), bytes).unwrap();
        }
        let run = join(&folder.0).unwrap();
        prop_assert!(run.manifest.stacks.iter().all(|stack| stack.ledger.balances()));
        prop_assert_eq!(run.manifest.stacks[0].ledger.in_flight, 200);
    }
}
