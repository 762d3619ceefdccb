//! Spellings of spans, sizes and rates.
//!
//! Goals: every quantity says its unit; decimals are exact; a refusal says what to write instead.
//! Non-goals: ranges (the kinds' business) and locale.

use super::problem::quoted;
use crate::time::{DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, Nanos, SECOND};

/// Bytes in a KB, as AWS counts.
pub(super) const KB: u64 = 1024;
/// Bytes in an MB, as AWS counts.
pub(super) const MB: u64 = 1024 * KB;
/// Bytes in a GB, as AWS counts.
pub(super) const GB: u64 = 1024 * MB;

/// What a span looks like.
pub(super) const DURATION_PATTERN: &str = r"^\s*([0-9][0-9_]*(\.[0-9]+)?\s*(ns|us|ms|s|sec|m|min|h|d)\s*)+$";
/// What a size looks like.
pub(super) const SIZE_PATTERN: &str = r"^\s*[0-9][0-9_,]*(\.[0-9]+)?\s*(B|KB|MB|GB|KiB|MiB|GiB)\s*$";
/// What a rate with a unit looks like.
pub(super) const RATE_PATTERN: &str =
    r"^\s*[0-9][0-9_,]*(\.[0-9]+)?\s*/\s*(s|sec|second|m|min|minute|h|hour|d|day)\s*$";

/// What dollars and percent look like.
pub(super) const AMOUNT_PATTERN: &str =
    r"^\s*(\$\s*[0-9][0-9_,]*(\.[0-9]+)?|[0-9][0-9_,]*(\.[0-9]+)?\s*(USD|%))\s*$";

const DURATIONS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", MICROSECOND),
    ("ms", MILLISECOND),
    ("s", SECOND),
    ("sec", SECOND),
    ("m", MINUTE),
    ("min", MINUTE),
    ("h", HOUR),
    ("d", DAY),
];

const SIZES: &[(&str, u64)] =
    &[("B", 1), ("KB", KB), ("MB", MB), ("GB", GB), ("KiB", KB), ("MiB", MB), ("GiB", GB)];

const RATES: &[(&str, u64)] = &[
    ("s", 1),
    ("sec", 1),
    ("second", 1),
    ("m", 60),
    ("min", 60),
    ("minute", 60),
    ("h", 3_600),
    ("hour", 3_600),
    ("d", 86_400),
    ("day", 86_400),
];

/// A decimal number: `digits / 10^scale`.
struct Decimal {
    digits: u128,
    scale: u32,
}

impl Decimal {
    fn value(&self) -> f64 {
        let power = (0..self.scale).fold(1.0, |power, _| power * 10.0);
        self.digits as f64 / power
    }

    /// The largest whole number of parts that is not above `self * parts`; `None` if it does not fit.
    fn of(&self, parts: u64) -> Option<u64> {
        let scaled = self.digits.checked_mul(u128::from(parts))?;
        u64::try_from(scaled / 10_u128.checked_pow(self.scale)?).ok()
    }
}

/// Reads digits (with `_` and `,` between them) and a fraction; gives the rest of the text.
fn decimal(text: &str) -> Option<(Decimal, &str)> {
    let mut number = Decimal { digits: 0, scale: 0 };
    let mut fraction = false;
    let mut last_was_digit = false;
    let mut seen = 0;
    let mut end = text.len();
    for (i, c) in text.char_indices() {
        match c {
            '0'..='9' => {
                seen += 1;
                number.digits = number.digits * 10 + u128::from(c as u8 - b'0');
                number.scale += u32::from(fraction);
                last_was_digit = true;
            }
            '_' | ',' if last_was_digit && !fraction => last_was_digit = false,
            '.' if last_was_digit && !fraction => {
                fraction = true;
                last_was_digit = false;
            }
            _ => {
                end = i;
                break;
            }
        }
        if seen > 18 {
            return None;
        }
    }
    last_was_digit.then(|| (number, &text[end..]))
}

/// A span such as `15s`, `250 ms`, `1.5h` or `1m 30s`, in nanoseconds.
pub(super) fn duration(text: &str) -> Result<Nanos, String> {
    let mut rest = text.trim();
    let mut sum: Nanos = 0;
    if rest.is_empty() {
        return Err(format!(
            "{} is not a duration; write e.g. \"15s\", \"250ms\" or \"1m 30s\"",
            quoted(text)
        ));
    }
    while !rest.is_empty() {
        let Some((number, after)) = decimal(rest) else {
            return Err(format!(
                "{} is not a duration; write e.g. \"15s\", \"250ms\" or \"1m 30s\"",
                quoted(text)
            ));
        };
        let after = after.trim_start();
        let unit_end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        if unit.is_empty() {
            return Err(format!("{} has no unit; write \"{}s\"", quoted(text), text.trim()));
        }
        let Some((_, nanos)) = DURATIONS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!(
                "{} has the unknown unit {}; units of time are ns, us, ms, s, m, h, d",
                quoted(text),
                quoted(unit)
            ));
        };
        sum = number
            .of(*nanos)
            .and_then(|part| sum.checked_add(part))
            .ok_or_else(|| format!("{} is too long to be counted; write a shorter span", quoted(text)))?;
        rest = next.trim_start();
    }
    Ok(sum)
}

/// A size such as `512 MB`, in bytes; `suggested` is the unit to propose when there is none.
pub(super) fn size(text: &str, suggested: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let Some((number, after)) = decimal(trimmed) else {
        return Err(format!("{} is not a size; write e.g. \"512 {suggested}\"", quoted(text)));
    };
    let unit = after.trim_start();
    if unit.is_empty() {
        return Err(format!("{} has no unit; write \"{trimmed} {suggested}\"", quoted(text)));
    }
    let Some((_, bytes)) = SIZES.iter().find(|(name, _)| *name == unit) else {
        return Err(format!(
            "{} has the unknown unit {}; units of size are B, KB, MB, GB",
            quoted(text),
            quoted(unit)
        ));
    };
    number
        .of(*bytes)
        .ok_or_else(|| format!("{} is too large to be counted; write a smaller size", quoted(text)))
}

/// A rate such as `120/s` or `1,000,000/day`, in messages per second.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let bad = || format!("{} is not a rate; write a number per second or e.g. \"7200/min\"", quoted(text));
    let (number, after) = decimal(text.trim()).ok_or_else(bad)?;
    let after = after.trim_start();
    if after.is_empty() {
        return Err(format!("{} has no unit; write \"{}/s\"", quoted(text), text.trim()));
    }
    let unit = after.strip_prefix('/').ok_or_else(bad)?.trim_start();
    let Some((_, seconds)) = RATES.iter().find(|(name, _)| *name == unit) else {
        return Err(format!(
            "{} has the unknown unit {}; write \"/s\", \"/min\", \"/h\" or \"/day\"",
            quoted(text),
            quoted(unit)
        ));
    };
    Ok(number.value() / *seconds as f64)
}

/// A number without a unit, such as `1,000` or `0.45`.
pub(super) fn plain(text: &str) -> Option<f64> {
    let (number, rest) = decimal(text.trim())?;
    rest.is_empty().then(|| number.value())
}

/// A span as a person would write it.
pub(super) fn show_duration(nanos: Nanos) -> String {
    const SHOWN: [(&str, u64); 7] = [
        ("d", DAY),
        ("h", HOUR),
        ("m", MINUTE),
        ("s", SECOND),
        ("ms", MILLISECOND),
        ("us", MICROSECOND),
        ("ns", 1),
    ];
    if nanos == 0 {
        return "0s".into();
    }
    if nanos > MILLISECOND && nanos < SECOND && !nanos.is_multiple_of(MILLISECOND) {
        return format!("{}ms", nanos as f64 / MILLISECOND as f64);
    }
    let exact = SHOWN.iter().find(|(_, unit)| nanos.is_multiple_of(*unit));
    exact.map_or_else(|| format!("{nanos}ns"), |(name, unit)| format!("{}{name}", nanos / unit))
}

/// A size as a person would write it.
pub(super) fn show_size(bytes: u64) -> String {
    let (unit, name) = [(GB, "GB"), (MB, "MB"), (KB, "KB")]
        .into_iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit))
        .unwrap_or((1, "B"));
    format!("{} {name}", bytes / unit)
}

/// A count with separators between thousands.
pub(super) fn show_count(count: i128) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if count < 0 { format!("-{out}") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_exact_and_say_their_unit() {
        for (text, nanos) in [
            ("15s", 15 * SECOND),
            ("250ms", 250 * MILLISECOND),
            ("1.5h", 90 * MINUTE),
            ("2m", 2 * MINUTE),
            ("2 min", 2 * MINUTE),
            ("1d", DAY),
            (" 1m 30s ", 90 * SECOND),
            ("1m30s", 90 * SECOND),
            ("0.1s", 100 * MILLISECOND),
            ("1_000 us", MILLISECOND),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(nanos), "{text}");
        }
        for text in ["", "15", "s", "-5s", "1..5s", "1.s", ".5s", "5 parsecs", "99999999999d", "1_s", "5s,"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_count_as_aws_does() {
        assert_eq!(size("512 MB", "MB"), Ok(512 * MB));
        assert_eq!(size("1.5GB", "MB"), Ok(1536 * MB));
        assert_eq!(size("200 B", "B"), Ok(200));
        for text in ["", "512", "MB", "512 mb", "512 M", "-1 MB", "1 MB 1 KB", "99999999999999999 GB"] {
            assert!(size(text, "MB").is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_per_second() {
        assert_eq!(rate("120/s"), Ok(120.0));
        assert_eq!(rate("7200/min"), Ok(120.0));
        assert_eq!(rate("864,000 / day"), Ok(10.0));
        assert_eq!(rate("0.5/s"), Ok(0.5));
        for text in ["", "120", "/s", "120/week", "120 s", "-1/s", "1e3/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn quantities_are_shown_short() {
        assert_eq!(show_duration(90 * SECOND), "90s");
        assert_eq!(show_duration(15 * MINUTE), "15m");
        assert_eq!(show_duration(13_700_000), "13.7ms");
        assert_eq!(show_duration(0), "0s");
        assert_eq!(show_size(512 * MB), "512 MB");
        assert_eq!(show_size(0), "0 B");
        assert_eq!(show_count(1_234_567), "1,234,567");
        assert_eq!(show_count(-1_000), "-1,000");
    }
}
