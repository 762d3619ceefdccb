//! Any text as a scenario file: it parses or is refused with a message, and never panics.
//!
//! Lines that begin with `#set ` are taken as `--set` overrides, what follows a line `#trace` as the content
//! of every trace file, so that one input reaches all three readers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::scenario::{describe, parse};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (text, trace) = text.split_once("\n#trace\n").unwrap_or((text, "time,count\n0,1\n60,2\n"));
    let overrides: Vec<String> =
        text.lines().filter_map(|line| line.strip_prefix("#set ")).map(String::from).take(8).collect();
    let mut read_trace = |_: &str| Ok(trace.to_string());
    match parse("fuzz/scenario.toml", text, &overrides, None, &mut read_trace) {
        Ok(scenario) => {
            assert!((2..=6).contains(&scenario.stacks.len()));
            for stack in &scenario.stacks {
                assert!(!describe(stack).is_empty());
            }
        }
        Err(problems) => {
            assert!(problems.all().iter().all(|problem| !problem.text.is_empty()));
            assert!(!problems.to_string().is_empty());
        }
    }
});
