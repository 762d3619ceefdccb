//! What a message asks of its worker, as the message attribute that carries it.
//!
//! Goals: one short text that any language can split at blanks; unknown words are skipped, so that it can grow.
//! Non-goals: the body, which stays what the scenario says it is.

use crate::plan::Arrival;
use crate::time::Nanos;
use std::fmt;

/// Name of the message attribute (of type `String`).
pub const ATTRIBUTE: &str = "versus";

/// The attribute's content: `run=5f3a seq=17 sleep_ns=20000000 cpu_ns=0 memory=0 failures=0`; zeros are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Names the run, so that messages left over from another one are told apart.
    pub run: u32,
    /// Position in the plan.
    pub seq: u64,
    /// Time to wait.
    pub sleep: Nanos,
    /// Time to compute on one full vCPU.
    pub cpu: Nanos,
    /// Bytes of memory to touch.
    pub memory: u64,
    /// How many attempts fail before the first that succeeds; 255 stands for all.
    pub failures: u8,
}

impl Work {
    /// What a planned message asks for; `cpu_share` of its work is computing.
    #[must_use]
    pub fn of(run: u32, arrival: &Arrival, cpu_share: f64, memory: u64) -> Self {
        let cpu = (arrival.work as f64 * cpu_share) as Nanos;
        let sleep = arrival.work - cpu.min(arrival.work);
        Self { run, seq: arrival.seq, sleep, cpu, memory, failures: arrival.failures }
    }

    /// Whether the attempt with this receive count (from 1) fails.
    #[must_use]
    pub fn fails(&self, receive_count: u32) -> bool {
        self.failures == u8::MAX || receive_count <= u32::from(self.failures)
    }

    /// Appends the attribute's content to `text`. Without `write!`, which takes five times as long: a seeder does
    /// this for every message.
    pub fn write(&self, text: &mut String) {
        text.push_str("run=");
        push_number::<16>(text, u64::from(self.run));
        text.push_str(" seq=");
        push_number::<10>(text, self.seq);
        let failures = u64::from(self.failures);
        let rest = [
            (" sleep_ns=", self.sleep),
            (" cpu_ns=", self.cpu),
            (" memory=", self.memory),
            (" failures=", failures),
        ];
        for (key, value) in rest {
            if value > 0 {
                text.push_str(key);
                push_number::<10>(text, value);
            }
        }
    }

    /// Reads the attribute; `None` if it names no run and position.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut work = Self::default();
        let (mut run, mut seq) = (false, false);
        for word in text.split_ascii_whitespace() {
            let Some((key, value)) = word.split_once('=') else { continue };
            match key {
                "run" => {
                    work.run = u32::from_str_radix(value, 16).ok()?;
                    run = true;
                }
                "seq" => {
                    work.seq = value.parse().ok()?;
                    seq = true;
                }
                "sleep_ns" => work.sleep = value.parse().ok()?,
                "cpu_ns" => work.cpu = value.parse().ok()?,
                "memory" => work.memory = value.parse().ok()?,
                "failures" => work.failures = value.parse().ok()?,
                _ => {}
            }
        }
        (run && seq).then_some(work)
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}

/// Appends `number` to `text`.
fn push_number<const BASE: u64>(text: &mut String, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b"0123456789abcdef"[(number % BASE) as usize];
        number /= BASE;
        if number == 0 {
            break;
        }
    }
    text.push_str(str::from_utf8(&digits[first..]).expect("digits are ASCII"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_round_trips_and_can_grow() {
        let full = Work { run: 0x5f3a, seq: 17, sleep: 20, cpu: 3, memory: 1 << 20, failures: 255 };
        assert_eq!(full.to_string(), "run=5f3a seq=17 sleep_ns=20 cpu_ns=3 memory=1048576 failures=255");
        let plain = Work { run: 1, seq: 0, ..Work::default() };
        assert_eq!(plain.to_string(), "run=1 seq=0");
        let most = Work { run: u32::MAX, seq: u64::MAX, sleep: 9, cpu: 10, memory: u64::MAX, failures: 0 };
        let text = "run=ffffffff seq=18446744073709551615 sleep_ns=9 cpu_ns=10 memory=18446744073709551615";
        assert_eq!(most.to_string(), text);
        for work in [full, plain, most] {
            assert_eq!(Work::parse(&work.to_string()), Some(work));
            assert_eq!(Work::parse(&format!("colour=blue {work} x")), Some(work));
        }
        for bad in ["", "seq=1", "run=1", "run=zz seq=1", "run=1 seq=-1", "run=1 seq=1 sleep_ns=1.5"] {
            assert_eq!(Work::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn work_is_split_by_the_cpu_share() {
        let arrival = Arrival { work: 100, failures: 1, ..Arrival::default() };
        let work = Work::of(1, &arrival, 0.25, 0);
        assert_eq!((work.cpu, work.sleep), (25, 75));
        assert!(work.fails(1) && !work.fails(2));
        assert!(Work { failures: 255, ..work }.fails(1_000));
    }
}
