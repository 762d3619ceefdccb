//! CPU time of a process and its descendants, from `/proc`. Elsewhere than on Linux it reads as 0.

use model::time::{MILLISECOND, Nanos};
use std::fs;

/// `USER_HZ` is 100 on every Linux that Rust runs on.
const TICK: Nanos = 10 * MILLISECOND;
/// Generations below the child that are looked at.
const DEPTH: u32 = 8;

/// CPU time of process `id` and of its descendants, dead ones as far as they were waited for.
pub(super) fn of_tree(id: u32) -> Nanos {
    ticks(id, DEPTH) * TICK
}

fn ticks(id: u32, depth: u32) -> u64 {
    let own = fs::read_to_string(format!("/proc/{id}/stat")).ok().and_then(|stat| parse(&stat)).unwrap_or(0);
    if depth == 0 {
        return own;
    }
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let below = |list: String| -> u64 {
        list.split_ascii_whitespace()
            .filter_map(|child| child.parse().ok())
            .map(|child| ticks(child, depth - 1))
            .sum()
    };
    own + children.map(below).sum::<u64>()
}

/// utime, stime, cutime and cstime: fields 14 to 17. The second, the program's name, may hold blanks and brackets.
fn parse(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().skip(11).take(4).map(|field| field.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_times_are_found_behind_any_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 7 5 3 1 20 0 1 0 99 1000 10";
        assert_eq!(parse(stat), Some(16));
        assert_eq!(parse("42 no name"), None);
    }

    #[test]
    fn work_shows() {
        let before = of_tree(std::process::id());
        let mut x = 1_u64;
        while of_tree(std::process::id()) < before + 2 * TICK {
            x = (0..100_000).fold(x, |x, y| std::hint::black_box(x.wrapping_mul(31) ^ y));
        }
        assert_eq!(of_tree(u32::MAX), 0, "there is no such process");
    }
}
