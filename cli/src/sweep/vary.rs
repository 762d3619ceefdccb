//! `--vary KEY=VALUES`: the values that a key takes.
//!
//! Goals: lists as they would be written after `--set`, and ranges; the same values on every machine, for shards meet.
//! Non-goals: whether the key exists and the values suit it: the scenario knows.

use super::MOST_POINTS;
use report::sweep::Varied;

/// Reads `KEY=VALUES`.
pub(crate) fn vary(text: &str) -> Result<Varied, String> {
    let Some((key, values)) = text.split_once('=') else {
        return Err("has no \"=\"; write KEY=VALUES, e.g. load=1..1000:log20".into());
    };
    let key = key.trim();
    if key.is_empty() {
        return Err("names no key; write KEY=VALUES, e.g. load=1..1000:log20".into());
    }
    let values = range(values.trim()).unwrap_or_else(|| list(values))?;
    if let Some(twice) = (1..values.len()).find(|at| values[..*at].contains(&values[*at])) {
        return Err(format!("{:?} is there twice; keep one, or ask for fewer values", values[twice]));
    }
    Ok(Varied { key: key.into(), values })
}

/// `a,b,c`; commas within brackets, braces and quotes belong to a value.
fn list(text: &str) -> Result<Vec<String>, String> {
    let (mut depth, mut quote) = (0_usize, None);
    let mut values = vec![String::new()];
    for c in text.chars() {
        match (quote, c) {
            (Some(mark), _) if c == mark => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                values.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(value) = values.last_mut() {
            value.push(c);
        }
    }
    let values: Vec<String> = values.iter().map(|value| value.trim().to_owned()).collect();
    if values.iter().any(String::is_empty) {
        return Err("has an empty value; write e.g. 256,512,1024".into());
    }
    Ok(values)
}

/// `10..100:10`, `1..1000:log20`, both with one unit behind either end; `None` if it does not look like a range.
fn range(text: &str) -> Option<Result<Vec<String>, String>> {
    let (from, rest) = text.split_once("..")?;
    let (from, unit) = number(from.trim())?;
    Some(steps(text, from, unit, rest))
}

fn steps(text: &str, from: f64, unit: &str, rest: &str) -> Result<Vec<String>, String> {
    let Some((to, count)) = rest.split_once(':') else {
        return Err(format!("{text} does not say how many values; write {text}:10, or {text}:log10"));
    };
    let Some((to, _)) = number(to.trim()).filter(|(_, other)| *other == unit) else {
        return Err(format!(
            "{text} is no range; write two numbers of one unit, e.g. 10..100:10 or 1s..20s:5"
        ));
    };
    let count = count.trim();
    let (log, digits) = count.strip_prefix("log").map_or((false, count), |digits| (true, digits));
    let count = match digits.parse::<usize>() {
        Ok(count) if (2..=MOST_POINTS).contains(&count) => count,
        _ => {
            return Err(format!(
                "{digits:?} is no number of values; write 2 to {MOST_POINTS}, e.g. {from}{unit}..{to}{unit}:10"
            ));
        }
    };
    if from >= to {
        return Err(format!("{text} does not go up; write the smaller end first"));
    }
    if log && from <= 0.0 {
        return Err(format!("{text} begins at {from}, which has no logarithm; begin above 0"));
    }
    let last = (count - 1) as f64;
    let digits = digits_for(log, from, to, last);
    let at = |index: usize| match (index, log) {
        (0, _) => from,
        (index, _) if index + 1 == count => to,
        (index, true) => rounded(from * libm::pow(to / from, index as f64 / last), digits),
        (index, false) => rounded(from + (to - from) * (index as f64 / last), digits),
    };
    Ok((0..count).map(|index| format!("{}{unit}", at(index))).collect())
}

/// Significant digits of the values between: few, but the steps stay clearly apart.
fn digits_for(log: bool, from: f64, to: f64, last: f64) -> usize {
    let step = if log {
        libm::pow(to / from, 1.0 / last) - 1.0
    } else {
        (to - from) / last / to.abs().max(from.abs())
    };
    // A coarse step is told well enough by three digits; a linear one is mostly round anyway.
    if log && step >= 0.1 { 3 } else { 6 }
}

fn rounded(v: f64, digits: usize) -> f64 {
    format!("{v:.*e}", digits - 1).parse().unwrap_or(v)
}

/// A number and the unit behind it.
pub(super) fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit.trim())).filter(|(v, _): &(f64, _)| v.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        vary(&format!("key={text}")).unwrap().values
    }

    fn refused(text: &str) -> String {
        vary(text).unwrap_err()
    }

    #[test]
    fn lists_are_split_where_their_commas_are() {
        assert_eq!(values("256, 512,1024"), ["256", "512", "1024"]);
        assert_eq!(values("1GB,2GB"), ["1GB", "2GB"]);
        assert_eq!(values("x86,arm"), ["x86", "arm"]);
        assert_eq!(values("[1, 2],{ from = 1, to = 2 }"), ["[1, 2]", "{ from = 1, to = 2 }"]);
        assert_eq!(values("\"a,b\",c"), ["\"a,b\"", "c"]);
        assert_eq!(values("../a.csv,../b.csv"), ["../a.csv", "../b.csv"], "a path is no range");
        let keyed = vary("stacks.ecs.command='a=b'").unwrap();
        assert_eq!((keyed.key.as_str(), keyed.values[0].as_str()), ("stacks.ecs.command", "'a=b'"));
    }

    #[test]
    fn ranges_have_their_ends_and_their_number_of_values() {
        assert_eq!(values("10..100:10"), ["10", "20", "30", "40", "50", "60", "70", "80", "90", "100"]);
        assert_eq!(values("1..1000:log4"), ["1", "10", "100", "1000"]);
        let fine = values("1..1000:log20");
        assert_eq!(
            (fine.len(), &fine[..4], fine[19].as_str()),
            (20, &["1", "1.44", "2.07", "2.98"].map(String::from)[..], "1000")
        );
        assert_eq!(values("0.1x..10x:log3"), ["0.1x", "1x", "10x"]);
        assert_eq!(values("1s..2s:3"), ["1s", "1.5s", "2s"]);
        assert_eq!(values("0..1:4"), ["0", "0.333333", "0.666667", "1"]);
        assert_eq!(values("1..2:log1000").len(), 1_000, "close values stay apart");
    }

    #[test]
    fn what_is_no_range_is_refused_with_a_remedy() {
        assert!(refused("load").contains("KEY=VALUES"));
        assert!(refused("=1,2").contains("names no key"));
        assert!(refused("load=").contains("empty value"));
        assert!(refused("load=1,,2").contains("empty value"));
        assert!(refused("load=1..10").contains("write 1..10:10"));
        assert!(refused("load=1..10:1").contains("2 to"));
        assert!(refused("load=1..10:log").contains("2 to"));
        assert!(refused("load=1..10:99999999").contains("2 to"));
        assert!(refused("load=10..1:5").contains("smaller end first"));
        assert!(refused("load=0..10:log5").contains("above 0"));
        assert!(refused("load=1..x:5").contains("two numbers"));
        assert!(refused("load=1s..2GB:5").contains("one unit"));
        assert!(refused("load=5,5").contains("twice"));
    }
}
