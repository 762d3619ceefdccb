//! Latencies of a sample of the messages, the same ones at every stack: `sample.csv`. Differences between stacks,
//! message by message, are made of it.
//!
//! Goals: bounded memory whatever the length of the run; which messages are in it depends on their numbers alone, so
//! stacks need not know of each other; all messages of runs up to [`MOST`] of them.
//! Non-goals: everything else about a message (`messages.csv`).

use crate::time::Nanos;
use anyhow::{Context, Result};
use std::io::{Read, Write};

/// Most messages of a sample.
pub const MOST: usize = 200_000;

/// A completed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// Position in the plan.
    pub seq: u64,
    /// Intended instant.
    pub scheduled_at: Nanos,
    /// Scheduled to finished.
    pub latency: Nanos,
}

/// The sample, ascending by position in the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Messages.
    pub messages: Vec<Sampled>,
}

impl Sample {
    /// Messages that are in both samples: this one's and the other's.
    pub fn pairs<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a Sampled, &'a Sampled)> {
        let mut rest = other.messages.iter().peekable();
        self.messages.iter().filter_map(move |one| {
            while rest.peek().is_some_and(|other| other.seq < one.seq) {
                rest.next();
            }
            rest.next_if(|other| other.seq == one.seq).map(|other| (one, other))
        })
    }

    /// Writes `sample.csv`.
    ///
    /// # Errors
    /// When the sink cannot be written.
    pub fn write_csv(&self, mut sink: impl Write) -> Result<()> {
        writeln!(sink, "seq,scheduled_at,latency")?;
        for Sampled { seq, scheduled_at, latency } in &self.messages {
            writeln!(sink, "{seq},{scheduled_at},{latency}")?;
        }
        Ok(())
    }

    /// Reads `sample.csv`.
    ///
    /// # Errors
    /// When a row cannot be read, or rows are out of order; names it.
    pub fn read_csv(source: impl Read) -> Result<Self> {
        let mut reader = csv::Reader::from_reader(source);
        let mut messages: Vec<Sampled> = Vec::new();
        let mut row = csv::ByteRecord::new();
        while reader.read_byte_record(&mut row).context("sample.csv")? {
            let sampled = parse(&row).filter(|new| messages.last().is_none_or(|last| last.seq < new.seq));
            messages.push(sampled.with_context(|| format!("sample.csv, record {}", messages.len() + 1))?);
        }
        Ok(Self { messages })
    }
}

fn parse(row: &csv::ByteRecord) -> Option<Sampled> {
    let number = |field: usize| std::str::from_utf8(row.get(field)?).ok()?.parse().ok();
    Some(Sampled { seq: number(0)?, scheduled_at: number(1)?, latency: number(2)? })
}

/// Takes the sample as messages complete, in any order: all of them at first, and half as many each time that there
/// are too many.
#[derive(Debug)]
pub struct Sampler {
    most: usize,
    /// A message is in if none of these bits of its number's hash is set.
    mask: u64,
    messages: Vec<Sampled>,
}

impl Default for Sampler {
    fn default() -> Self {
        Self::new(MOST)
    }
}

impl Sampler {
    /// A sampler that holds at most so many messages.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, mask: 0, messages: Vec::new() }
    }

    /// A message was completed, for the first time.
    #[inline]
    pub fn completed(&mut self, seq: u64, scheduled_at: Nanos, latency: Nanos) {
        if hash(seq) & self.mask == 0 {
            self.take(Sampled { seq, scheduled_at, latency });
        }
    }

    fn take(&mut self, sampled: Sampled) {
        self.messages.push(sampled);
        while self.messages.len() > self.most {
            self.mask = self.mask << 1 | 1;
            let mask = self.mask;
            self.messages.retain(|sampled| hash(sampled.seq) & mask == 0);
        }
    }

    /// Both samples as one: thinned as much as the thinner of the two, and more if there are too many.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.mask |= other.mask;
        let mask = self.mask;
        self.messages.retain(|sampled| hash(sampled.seq) & mask == 0);
        for sampled in other.messages {
            self.completed(sampled.seq, sampled.scheduled_at, sampled.latency);
        }
        self
    }

    /// The sample.
    #[must_use]
    pub fn finish(mut self) -> Sample {
        self.messages.sort_unstable_by_key(|sampled| sampled.seq);
        Sample { messages: self.messages }
    }
}

/// Mixes all bits of a number. Source: the output function of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
#[inline]
fn hash(seq: u64) -> u64 {
    let mut z = seq.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(most: usize, seqs: impl Iterator<Item = u64>) -> Sample {
        let mut sampler = Sampler::new(most);
        seqs.for_each(|seq| sampler.completed(seq, seq * 10, seq + 1));
        sampler.finish()
    }

    fn seqs(sample: &Sample) -> Vec<u64> {
        sample.messages.iter().map(|sampled| sampled.seq).collect()
    }

    #[test]
    fn a_small_run_is_sampled_whole() {
        assert_eq!(seqs(&sample(100, (0..100).rev())), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn the_order_of_completion_does_not_matter_nor_does_the_other_stack() {
        let all = sample(1_000, 0..100_000);
        assert!((450..=1_000).contains(&all.messages.len()), "{}", all.messages.len());
        assert_eq!(sample(1_000, (0..100_000).rev()), all);
        // A stack that lost half of its messages thins less; what both have is what the other one kept.
        let half = sample(1_000, (0..100_000).filter(|seq| seq % 2 == 0));
        let both: Vec<u64> = all.pairs(&half).map(|(one, _)| one.seq).collect();
        let expected: Vec<u64> = seqs(&all).into_iter().filter(|seq| seq % 2 == 0).collect();
        assert_eq!(both, expected);
        assert!(both.len() > 200);
    }

    #[test]
    fn two_samples_join_to_that_of_all_messages() {
        let part = |remainder| {
            let mut sampler = Sampler::new(1_000);
            let of = (0..100_000_u64).filter(|seq| seq % 10 % 9 == remainder);
            of.for_each(|seq| sampler.completed(seq, seq * 10, seq + 1));
            sampler
        };
        // A fifth of the messages, and a tenth: thinned differently before.
        let joined = seqs(&part(0).join(part(1)).finish());
        let whole: Vec<u64> = (0..100_000_u64).filter(|seq| seq % 10 % 9 <= 1).collect();
        let all = seqs(&sample(1_000, whole.into_iter()));
        let coarser = joined.len().min(all.len());
        assert!(
            coarser > 200 && joined.iter().all(|seq| all.contains(seq))
                || all.iter().all(|seq| joined.contains(seq))
        );
    }

    #[test]
    fn the_file_round_trips() {
        let sample = sample(100, 0..1_000);
        let mut bytes = Vec::new();
        sample.write_csv(&mut bytes).unwrap();
        assert_eq!(Sample::read_csv(bytes.as_slice()).unwrap(), sample);
        for bad in
            ["seq,scheduled_at,latency\n1,2\n", "seq,scheduled_at,latency\n2,1,1\n1,1,1\n", "a,b,c\nx,y,z\n"]
        {
            assert!(Sample::read_csv(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
