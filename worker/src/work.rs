//! The work that a message asks for: memory touched, time waited, time computed.
//!
//! Goals: never shorter than asked; as long as on the vCPUs of the platform that is acted out.
//! Non-goals: accuracy below the two milliseconds of the runtime's timer.

use crate::clock;
use anyhow::{Context, Result, anyhow};
use model::time::{MILLISECOND, Nanos};
use model::work::Work;
use nix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Messages that compute at once take turns of so much CPU time.
const TURN: Nanos = 10 * MILLISECOND;
/// Touching one byte of each makes memory resident.
const PAGE: usize = 4096;

/// The CPU of a task or environment.
#[derive(Debug)]
pub(crate) struct Cpu {
    /// Its share of one vCPU, where that has to be acted out.
    share: Option<f64>,
    /// When it has made up for all turns so far.
    free_at: Mutex<Instant>,
}

impl Cpu {
    pub(crate) fn new(share: Option<f64>) -> Self {
        Self { share, free_at: Mutex::new(clock::now().instant) }
    }

    /// Uses `time` of one full vCPU. With a share below one each turn is followed by a pause, in which no other message
    /// computes either: together they get no more than the share. A machine that is slow by itself eats up the pause.
    async fn compute(&self, time: Nanos) -> Result<()> {
        let Some(share) = self.share else { return burn_aside(time).await };
        let mut asked = clock::now().instant;
        let mut left = time;
        while left > 0 {
            let turn = left.min(TURN);
            let mut free_at = self.free_at.lock().await;
            let due = asked.max(*free_at) + Duration::from_nanos((turn as f64 / share) as Nanos);
            burn_aside(turn).await?;
            clock::sleep_until(due).await;
            (*free_at, asked) = (due, due);
            left -= turn;
        }
        Ok(())
    }
}

/// Does the work; how long it took is for the caller to measure.
pub(crate) async fn perform(work: &Work, cpu: &Cpu) -> Result<()> {
    let began = clock::now().instant;
    let bytes = work.memory;
    let memory = match bytes {
        0 => Vec::new(),
        _ => tokio::task::spawn_blocking(move || touched(bytes)).await.context("touching memory")??,
    };
    clock::sleep_until(began + Duration::from_nanos(work.sleep)).await;
    if work.cpu > 0 {
        cpu.compute(work.cpu).await?;
    }
    // In use until here.
    drop(black_box(memory));
    Ok(())
}

/// So much memory, resident.
fn touched(bytes: u64) -> Result<Vec<u8>> {
    let mut memory = Vec::new();
    usize::try_from(bytes).ok().and_then(|bytes| memory.try_reserve_exact(bytes).ok()).ok_or_else(|| {
        anyhow!("no {bytes} bytes of memory to touch; give the worker more, or ask for less")
    })?;
    memory.spare_capacity_mut().chunks_mut(PAGE).for_each(|page| _ = page[0].write(1));
    Ok(memory)
}

/// Computes on a thread of its own: on the runtime's one thread it would hold up heartbeats, signals and the polling
/// for other slots.
async fn burn_aside(time: Nanos) -> Result<()> {
    tokio::task::spawn_blocking(move || burn(time)).await.context("computing")?
}

/// Uses so much CPU time of this thread. Not of the wall clock: on a crowded machine, or under a quota, the same work
/// takes longer, as any computing does.
fn burn(time: Nanos) -> Result<()> {
    let used = || clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from);
    let target = used()? + Duration::from_nanos(time);
    let mut number = 1_u64;
    while used()? < target {
        for _ in 0..500 {
            number = black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::SECOND;

    fn took(work: Work, cpu: &Cpu) -> Nanos {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let began = clock::now();
        runtime.block_on(perform(&work, cpu)).unwrap();
        began.since(clock::now().instant)
    }

    #[test]
    fn work_is_never_shorter_than_asked() {
        let work = |sleep, cpu| Work { sleep, cpu, ..Work::default() };
        for ms in [1, 3, 10] {
            let ns = ms * MILLISECOND + 1;
            let free = Cpu::new(None);
            assert!(took(work(ns, 0), &free) >= ns);
            assert!(took(work(0, ns), &free) >= ns);
            assert!(took(work(ns, ns), &free) >= 2 * ns);
            assert!(took(work(0, ns), &Cpu::new(Some(0.25))) >= 4 * ns);
        }
    }

    /// How long work took once it took less than `limit`; after 300 tries, the last one: the machine that tests run
    /// on may be busy, but not always.
    fn took_below(limit: Nanos, work: Work, share: f64) -> Nanos {
        let mut last = Nanos::MAX;
        for _ in 0..300 {
            last = took(work, &Cpu::new(Some(share)));
            if last < limit {
                break;
            }
        }
        last
    }

    #[test]
    fn work_is_little_longer_than_asked() {
        let asked =
            Work { sleep: 20 * MILLISECOND, cpu: 5 * MILLISECOND, memory: 1 << 20, ..Work::default() };
        let took = took_below(36 * MILLISECOND, asked, 0.5);
        assert!((30 * MILLISECOND..36 * MILLISECOND).contains(&took), "{took} ns");
    }

    #[test]
    fn nothing_to_do_takes_no_time() {
        let took = took_below(MILLISECOND, Work::default(), 0.25);
        assert!(took < MILLISECOND, "{took} ns");
    }

    #[test]
    fn messages_that_compute_at_once_share_the_cpu() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let began = clock::now();
        let cpu = Cpu::new(Some(0.5));
        let work = Work { cpu: 25 * MILLISECOND, ..Work::default() };
        let (first, second) = runtime.block_on(async {
            let one = async {
                perform(&work, &cpu).await.unwrap();
                began.since(clock::now().instant)
            };
            let other = async {
                perform(&work, &cpu).await.unwrap();
                began.since(clock::now().instant)
            };
            tokio::join!(one, other)
        });
        // 50 ms of computing on half a vCPU; they take turns, so that neither is done much before the other.
        assert!(first.max(second) >= 100 * MILLISECOND, "{first} {second}");
        assert!(first.min(second) >= 80 * MILLISECOND, "{first} {second}");
    }

    #[test]
    fn computing_is_measured_in_cpu_time() {
        let used = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
        let before = used();
        burn(3 * MILLISECOND).unwrap();
        let spent = used() - before;
        assert!(spent >= Duration::from_millis(3) && spent < Duration::from_millis(6), "{spent:?}");
    }

    #[test]
    fn memory_becomes_resident_or_is_refused() {
        let resident = || {
            let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
            statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * PAGE as u64
        };
        let before = resident();
        let held = touched(64 << 20).unwrap();
        assert!(resident() >= before + (60 << 20));
        drop(held);
        let refused = touched(u64::MAX).unwrap_err().to_string();
        assert!(refused.contains("18446744073709551615 bytes"), "{refused}");
    }

    #[test]
    fn the_longest_work_is_no_overflow() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let cpu = Cpu::new(None);
        let endless = Work { sleep: u64::MAX, ..Work::default() };
        let wait = tokio::time::Duration::from_nanos(SECOND / 100);
        assert!(
            runtime.block_on(async { tokio::time::timeout(wait, perform(&endless, &cpu)).await }).is_err()
        );
    }
}
