//! Numbers for people.
//!
//! Goals: three significant digits, thousands separated, a true minus, a no-break space before the unit; numbers
//! that are compared share one unit; what is not zero never prints as zero.
//! Non-goals: parsing, locales, and layout.

use model::time::Nanos;

/// Stands for a number that is not known or does not apply.
pub(crate) const ABSENT: &str = "–";

/// No-break space, put between a number and its unit.
pub(crate) const NBSP: char = '\u{a0}';

/// What a metric is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Messages.
    Messages,
    /// Plain count.
    Count,
    /// Messages per second.
    Rate,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// US dollars.
    Usd,
    /// A part of a whole, 0 to 1; people read percent.
    Share,
}

impl Unit {
    /// As in `summary.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Count => "count",
            Self::Rate => "messages/s",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Usd => "USD",
            Self::Share => "share",
        }
    }
}

/// One value with its unit.
pub(crate) fn value(unit: Unit, v: f64) -> String {
    row(unit, &[Some(v)]).remove(0)
}

/// Values that stand beside each other: one unit, chosen by the largest.
pub(crate) fn row(unit: Unit, values: &[Option<f64>]) -> Vec<String> {
    let largest = values.iter().flatten().fold(0.0_f64, |most, v| most.max(v.abs()));
    let each = |show: &dyn Fn(f64) -> String| {
        values.iter().map(|v| v.map_or_else(|| ABSENT.into(), show)).collect::<Vec<_>>()
    };
    match unit {
        Unit::Messages | Unit::Count => each(&count),
        Unit::Rate => {
            let most = decimals(largest) + 1;
            each(&|v| format!("{}{NBSP}msg/s", with_digits(v, most)))
        }
        Unit::Milliseconds => spans(values, largest),
        Unit::Seconds => {
            let in_ms: Vec<_> = values.iter().map(|v| v.map(|v| v * 1e3)).collect();
            spans(&in_ms, largest * 1e3)
        }
        Unit::Usd => each(&usd),
        Unit::Share => each(&percent),
    }
}

fn spans(in_ms: &[Option<f64>], largest: f64) -> Vec<String> {
    let show = |v: f64| scale(in_ms, largest, v).show(v);
    in_ms.iter().map(|v| v.map_or_else(|| ABSENT.into(), show)).collect()
}

/// The ends of the intervals of a row, each in the unit of its value: `0.47 to 0.84 s`.
pub(crate) fn row_of_ends(
    unit: Unit,
    values: &[Option<f64>],
    ends: &[Option<(f64, f64)>],
) -> Vec<Option<String>> {
    let factor = if unit == Unit::Seconds { 1e3 } else { 1.0 };
    let in_ms: Vec<_> = values.iter().map(|v| v.map(|v| v * factor)).collect();
    let largest = in_ms.iter().flatten().fold(0.0_f64, |most, v| most.max(v.abs()));
    let shown = |(value, (low, high)): (f64, (f64, f64))| match unit {
        Unit::Milliseconds | Unit::Seconds => {
            let scale = scale(&in_ms, largest, value);
            format!("{} to {}{NBSP}{}", scale.digits(low * factor), scale.digits(high * factor), scale.name)
        }
        _ => row(unit, &[Some(low), Some(high)]).join(" to "),
    };
    in_ms.iter().zip(ends).map(|(value, ends)| value.zip(*ends).map(shown)).collect()
}

/// How spans are shown: the length of the unit in milliseconds, its name, and the most decimals.
struct SpanScale {
    size: f64,
    name: &'static str,
    most: usize,
}

impl SpanScale {
    fn show(&self, ms: f64) -> String {
        if ms == 0.0 {
            "0".into()
        } else {
            format!("{}{NBSP}{}", with_digits(ms / self.size, self.most), self.name)
        }
    }

    /// Without the unit; beside larger values what is next to nothing needs no more digits than they have.
    fn digits(&self, ms: f64) -> String {
        let (v, least) = (ms / self.size, 10_f64.powi(-(self.most as i32)));
        match v {
            0.0 => "0".into(),
            v if v.abs() < least => format!("<{}", number(least)),
            v => with_digits(v, self.most),
        }
    }
}

/// What suits a value of a row. Beside hours, what is less than one is among its own: 0.08 h would be read by nobody.
fn scale(in_ms: &[Option<f64>], largest: f64, v: f64) -> SpanScale {
    const HOUR: f64 = 3_600e3;
    if largest >= 2.0 * HOUR && v < HOUR {
        let short: Vec<_> = in_ms.iter().copied().filter(|v| v.is_some_and(|v| v < HOUR)).collect();
        let largest = short.iter().flatten().fold(0.0_f64, |most, v| most.max(v.abs()));
        return scale(&short, largest, v);
    }
    let shares = |v: &f64| *v > 0.0 && (largest < 2.0 * HOUR || *v >= HOUR);
    let least = in_ms.iter().flatten().copied().filter(shares).fold(largest, f64::min);
    let (size, name) = span_unit(least, largest);
    SpanScale { size, name, most: decimals(largest / size) + 1 }
}

/// The unit for spans between `least` and `largest` milliseconds: its length in milliseconds, and its name.
///
/// It suits the largest, unless that leaves less than a tenth to the least and a smaller unit reads well for both.
fn span_unit(least: f64, largest: f64) -> (f64, &'static str) {
    const UNITS: [(f64, f64, &str); 4] =
        [(1.0, 1e3, "ms"), (1e3, 120e3, "s"), (60e3, 7_200e3, "min"), (3_600e3, f64::INFINITY, "h")];
    let mut chosen = UNITS.iter().position(|unit| largest < unit.1).unwrap_or(UNITS.len() - 1);
    while chosen > 0 && least / UNITS[chosen].0 < 0.1 && largest / UNITS[chosen - 1].0 < 10_000.0 {
        chosen -= 1;
    }
    (UNITS[chosen].0, UNITS[chosen].2)
}

/// A span alone, without trailing zeros.
pub(crate) fn milliseconds(ms: f64) -> String {
    let (size, name) = span_unit(ms, ms);
    format!("{}{NBSP}{name}", number(ms / size))
}

/// A span of either sign.
pub(crate) fn signed_milliseconds(ms: f64) -> String {
    if ms < 0.0 { format!("−{}", milliseconds(-ms)) } else { milliseconds(ms) }
}

/// A span of the run's clock.
pub(crate) fn span(ns: Nanos) -> String {
    milliseconds(ns as f64 / 1e6)
}

/// An instant of the run's clock, `m:ss` or `h:mm:ss`.
pub(crate) fn clock(at: Nanos) -> String {
    let s = at / 1_000_000_000;
    if s < 3_600 {
        format!("{}:{:02}", s / 60, s % 60)
    } else {
        format!("{}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60)
    }
}

/// A count: exact if it is whole, else three significant digits.
pub(crate) fn count(v: f64) -> String {
    if v.fract() == 0.0 && v.abs() < 1e15 { grouped(v, 0) } else { number(v) }
}

/// Three significant digits without trailing zeros.
pub(crate) fn number(v: f64) -> String {
    let text = grouped(v, decimals(v));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

/// US dollars: cents, whole dollars above 1,000, three significant digits below ten cents.
pub(crate) fn usd(v: f64) -> String {
    let text = match v.abs() {
        a if a >= 1_000.0 => grouped(a, 0),
        a if a >= 0.1 || a == 0.0 => grouped(a, 2),
        a => number(a),
    };
    format!("{}${text}", if v < 0.0 { "−" } else { "" })
}

/// A share as a percentage with two significant digits; never 0 % or 100 % unless it is.
pub(crate) fn percent(share: f64) -> String {
    let p = share * 100.0;
    let text = match p.abs() {
        0.0 => "0".into(),
        a if a < 0.01 => "<0.01".into(),
        a if a > 99.99 && a < 100.0 => ">99.99".into(),
        a if (9.95..99.5).contains(&a) || a >= 100.0 => grouped(a, 0),
        a if a >= 99.5 => grouped(a, if a < 99.95 { 1 } else { 2 }),
        a => grouped(a, if a < 0.995 { 2 } else { 1 }),
    };
    format!("{text}{NBSP}%")
}

/// How `v` differs from `reference`, with a direction word: `27 % lower`, `13× as high`, `equal`.
pub(crate) fn difference(v: f64, reference: f64) -> String {
    if v == reference {
        return "equal".into();
    }
    if reference == 0.0 {
        return ABSENT.into();
    }
    let relative = v / reference - 1.0;
    if is_multiple(v / reference) {
        format!("{}× as high", number(relative + 1.0))
    } else {
        format!("{} {}", percent(relative.abs()), if relative < 0.0 { "lower" } else { "higher" })
    }
}

/// A ratio to a reference with its interval, if it has one: `27 % lower (22 to 31 %)`, `13× as high (11 to 15×)`,
/// `3 % lower (8 % lower to 2 % higher)`.
pub(crate) fn change(ratio: f64, interval: Option<(f64, f64)>) -> String {
    let words = difference(ratio, 1.0);
    let Some((low, high)) = interval.filter(|(low, high)| low < high) else { return words };
    let (from, to, ends) = if is_multiple(ratio) {
        (number(low), number(high), format!("{} to {}×", number(low), number(high)))
    } else if low < 1.0 && high > 1.0 {
        let (from, to) = (difference(low, 1.0), difference(high, 1.0));
        (from.clone(), to.clone(), format!("{from} to {to}"))
    } else {
        let (from, to) = if ratio < 1.0 { (1.0 - high, 1.0 - low) } else { (low - 1.0, high - 1.0) };
        (percent(from), percent(to), percents(from, to))
    };
    // Ends that print alike tell no more than the words do.
    if from == to { words } else { format!("{words} ({ends})") }
}

/// `22 to 31 %`.
pub(crate) fn percents(from: f64, to: f64) -> String {
    let from = percent(from);
    format!("{} to {}", from.trim_end_matches([NBSP, '%']), percent(to))
}

/// Whether a ratio reads better as a multiple than as a percentage.
fn is_multiple(ratio: f64) -> bool {
    ratio > 1.995
}

/// Decimals that give three significant digits.
fn decimals(v: f64) -> usize {
    if v == 0.0 || !v.is_finite() {
        return 0;
    }
    let leading = v.abs().log10().floor() as i32;
    (2 - leading).clamp(0, 12) as usize
}

/// Three significant digits, but at most `most` decimals as long as two significant digits remain.
fn with_digits(v: f64, most: usize) -> String {
    let three = decimals(v);
    let two = three.saturating_sub(1);
    grouped(v, three.min(most.max(two)))
}

/// Fixed decimals, thousands separated, true minus.
fn grouped(v: f64, digits: usize) -> String {
    if !v.is_finite() {
        return ABSENT.into();
    }
    let text = format!("{:.digits$}", v.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut out = String::new();
    if v < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        out.push('−');
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// The same text with its counts as the report writes them: a word of five digits or more gets its separators. Longer
/// than twelve, it is no count but a hash.
pub(crate) fn with_separators(text: &str) -> String {
    let word = |word: &str| {
        let digits = word.trim_end_matches([';', ',', '.', ')']);
        let is_count = (5..=12).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        match digits.parse::<f64>() {
            Ok(number) if is_count => count(number) + &word[digits.len()..],
            _ => word.to_owned(),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// `1 message`, `2 messages`.
pub(crate) fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n as f64), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace(NBSP, " ")
    }

    #[test]
    fn only_counts_have_separators() {
        let of = |text: &str, wanted: &str| assert_eq!(with_separators(text), wanted);
        of("ecs: 270470 of 10001757; lambda: 9999 left", "ecs: 270,470 of 10,001,757; lambda: 9999 left");
        of("plan hash 5905fd1ca49b9bbe, 1234567890123456", "plan hash 5905fd1ca49b9bbe, 1234567890123456");
        of("ecs-12345: 0.12345 s", "ecs-12345: 0.12345 s");
    }

    #[test]
    fn three_significant_digits() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (1.234, "1.23"),
            (12.34, "12.3"),
            (123.4, "123"),
            (28_003.0, "28,003"),
            (0.001_234, "0.00123"),
            (-5.5, "−5.5"),
            (1_234_567.0, "1,234,567"),
        ];
        for (v, text) in cases {
            assert_eq!(number(v), text);
        }
    }

    #[test]
    fn a_row_shares_the_unit_of_its_largest() {
        let show = |values: &[f64]| {
            let values: Vec<_> = values.iter().map(|v| Some(*v)).collect();
            plain(&row(Unit::Milliseconds, &values).join(" | "))
        };
        assert_eq!(show(&[72_800.0, 300.0]), "72.8 s | 0.30 s");
        assert_eq!(show(&[12.0, 345.0]), "12.0 ms | 345 ms");
        assert_eq!(show(&[600_000.0, 4_000.0]), "600 s | 4.0 s", "a smaller unit that reads well for both");
        assert_eq!(show(&[229_000.0, 12.0]), "229 s | 0.012 s");
        assert_eq!(show(&[0.0, 240_000.0]), "0 | 4.00 min");
        assert_eq!(
            show(&[12_600_000.0, 282_000.0]),
            "3.50 h | 4.70 min",
            "hours leave no room for less than one"
        );
        assert_eq!(row(Unit::Count, &[None, Some(3.0)]), ["–", "3"]);
    }

    #[test]
    fn ends_have_the_unit_of_their_value() {
        let values = [Some(101_000.0), Some(1_100.0), None];
        let ends = row_of_ends(
            Unit::Milliseconds,
            &values,
            &[Some((9.0e4, 1.1e5)), Some((0.000_018, 1_733.0)), None],
        );
        let shown: Vec<_> = ends.iter().map(|e| e.as_deref().map_or_else(String::new, plain)).collect();
        assert_eq!(shown, ["90.0 to 110 s", "<0.1 to 1.7 s", ""]);
        let one = row_of_ends(Unit::Seconds, &[Some(8_940.0)], &[Some((5_160.0, 9_060.0))]);
        assert_eq!(plain(one[0].as_ref().unwrap()), "1.43 to 2.52 h");
        let usd = row_of_ends(Unit::Usd, &[Some(2.0)], &[Some((1.0, 3.0))]);
        assert_eq!(usd[0].as_deref(), Some("$1.00 to $3.00"));
    }

    #[test]
    fn money_keeps_small_amounts() {
        assert_eq!(
            [0.0, 0.61, 0.004_56, 188.333, 12_345.6, -2.5].map(usd).join(" "),
            "$0.00 $0.61 $0.00456 $188.33 $12,346 −$2.50"
        );
    }

    #[test]
    fn a_share_is_never_rounded_to_nothing() {
        let shown = [0.0, 0.000_01, 0.005, 0.027, 0.27, 0.997, 0.999_6, 0.999_999, 1.0].map(percent);
        assert_eq!(
            plain(&shown.join(", ")),
            "0 %, <0.01 %, 0.50 %, 2.7 %, 27 %, 99.7 %, 99.96 %, >99.99 %, 100 %"
        );
        let beside = row(Unit::Share, &[Some(0.000_01), None, Some(0.5)]);
        assert_eq!(plain(&beside.join(" | ")), "<0.01 % | – | 50 %");
    }

    #[test]
    fn differences_have_a_direction() {
        assert_eq!(plain(&difference(73.0, 100.0)), "27 % lower");
        assert_eq!(plain(&difference(150.0, 100.0)), "50 % higher");
        assert_eq!(difference(1_300.0, 100.0), "13× as high");
        assert_eq!(difference(5.0, 5.0), "equal");
        assert_eq!(difference(5.0, 0.0), ABSENT);
    }

    #[test]
    fn changes_have_their_interval() {
        let cases = [
            (0.73, None, "27 % lower"),
            (0.73, Some((0.69, 0.78)), "27 % lower (22 to 31 %)"),
            (0.97, Some((0.92, 1.021)), "3.0 % lower (8.0 % lower to 2.1 % higher)"),
            (1.0, Some((0.9, 1.1)), "equal (10 % lower to 10 % higher)"),
            (1.0, Some((1.0, 1.0)), "equal"),
            (1.5, Some((1.2, 2.3)), "50 % higher (20 to 130 %)"),
            (13.0, Some((11.0, 15.2)), "13× as high (11 to 15.2×)"),
            (2.5, Some((0.8, 7.0)), "2.5× as high (0.8 to 7×)"),
            (2.7, Some((2.699, 2.701)), "2.7× as high"),
            (0.02, Some((0.0199, 0.0201)), "98 % lower"),
        ];
        for (ratio, interval, text) in cases {
            assert_eq!(plain(&change(ratio, interval)), text);
        }
    }

    #[test]
    fn instants_read_as_a_clock() {
        assert_eq!([0, 61_000_000_000, 3_661_000_000_000].map(clock), ["0:00", "1:01", "1:01:01"]);
    }
}
