//! Scenarios with random damage: refused or read, never a panic.

use model::scenario::{describe, parse};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

/// A piece of damage at a place given as a share of the text.
#[derive(Clone, Debug)]
enum Damage {
    Delete(f64, usize),
    Insert(f64, String),
    Replace(f64, String),
    Repeat(f64, f64, usize),
    SwapLines(f64, f64),
}

fn token() -> impl Strategy<Value = String> {
    let tokens = [
        "=",
        "\n",
        "\"",
        "'",
        "[",
        "]",
        "[[",
        "{",
        "}",
        ",",
        ".",
        "#",
        "0",
        "-1",
        "9999999999999999999999",
        "1e400",
        "nan",
        "inf",
        "true",
        "\"\"",
        "\"1ms\"",
        "\"0s\"",
        "\"99999999d\"",
        "\"1 GB\"",
        "\u{0}",
        "\u{1F600}",
        "é",
        "phases",
        "stacks.ecs.",
        "platform = \"ecs\"\n",
        "platform = \"lambda\"\n",
        "platform = \"ec2\"\n",
        "platform = \"eks\"\n",
        "keda = {}\n",
        "node-provisioner = \"karpenter\"\n",
        "[stacks.x]\n",
        "arrivals = \"trace\"\n",
        "file = \"x.csv\"\n",
        "\"fargate-spot\"",
        "\"step\"",
        "[[faults]]\n",
        "fault = \"task-kill\"\n",
        "stack = \"lambda\"\n",
        "command = [\"a\"]\n",
        "steps = []\n",
        "2026-11-01T12:00:00Z",
        "\"\"\"",
        "\\u0000",
    ];
    prop_oneof![
        4 => proptest::sample::select(tokens.to_vec()).prop_map(String::from),
        1 => proptest::collection::vec(any::<char>(), 0..8).prop_map(|chars| chars.into_iter().collect()),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = 0.0..1.0;
    prop_oneof![
        (place.clone(), 1..40_usize).prop_map(|(at, length)| Damage::Delete(at, length)),
        (place.clone(), token()).prop_map(|(at, text)| Damage::Insert(at, text)),
        (place.clone(), token()).prop_map(|(at, text)| Damage::Replace(at, text)),
        (place.clone(), place.clone(), 1..200_usize)
            .prop_map(|(from, to, length)| Damage::Repeat(from, to, length)),
        (place.clone(), place).prop_map(|(a, b)| Damage::SwapLines(a, b)),
    ]
}

fn apply(text: &str, damage: &Damage) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = |share: f64, length: usize| (share * length as f64) as usize;
    match damage {
        Damage::Delete(share, length) => {
            let from = at(*share, chars.len());
            chars.drain(from..(from + length).min(chars.len()));
        }
        Damage::Insert(share, text) => {
            let from = at(*share, chars.len());
            chars.splice(from..from, text.chars());
        }
        Damage::Replace(share, text) => {
            let from = at(*share, chars.len());
            chars.splice(from..(from + text.len()).min(chars.len()), text.chars());
        }
        Damage::Repeat(share, to, length) => {
            let from = at(*share, chars.len());
            let piece = chars[from..(from + length).min(chars.len())].to_vec();
            let to = at(*to, chars.len());
            chars.splice(to..to, piece);
        }
        Damage::SwapLines(a, b) => {
            let mut lines: Vec<&str> = text.lines().collect();
            let (a, b) = (at(*a, lines.len()), at(*b, lines.len()));
            if a < lines.len() && b < lines.len() {
                lines.swap(a, b);
            }
            return lines.join("\n");
        }
    }
    chars.into_iter().collect()
}

fn scenario(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name);
    fs::read_to_string(path).expect("a scenario of the repository")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_scenarios_never_panic(
        name in proptest::sample::select(vec!["flash-crowd.toml", "classic-seeder.toml", "overnight-idle.toml", "faults.toml", "platforms.toml"]),
        damages in proptest::collection::vec(damage(), 1..6),
        overrides in proptest::collection::vec("[a-z.0-9=\\[\\]{}\" -]{0,24}", 0..3),
        trace in "(time,count\n)?([0-9a-z:,.\n-]{0,60})",
    ) {
        let text = damages.iter().fold(scenario(name), |text, damage| apply(&text, damage));
        let mut read_trace = |_: &str| Ok(trace.clone());
        match parse("t.toml", &text, &overrides, None, &mut read_trace) {
            Ok(scenario) => scenario.stacks.iter().for_each(|stack| assert!(!describe(stack).is_empty())),
            Err(problems) => prop_assert!(!problems.to_string().is_empty()),
        }
    }
}
