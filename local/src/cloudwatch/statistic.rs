//! Statistics: the five of every metric, and the extended ones that are computed from values.
//!
//! A percentile is the smallest value that at least that share of the values does not exceed (nearest rank), so it is
//! always a value that occurred. Trimming by percent cuts values in proportion: a value across a bound counts with the
//! part that lies within.
//!
//! Source: CloudWatch user guide, "CloudWatch statistics definitions"; how AWS interpolates is not published.

use super::distribution::Distribution;

/// What to compute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// Number of values.
    SampleCount,
    /// Sum by number.
    Average,
    /// All added up.
    Sum,
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
    /// One that needs the values.
    Extended(Extended),
}

/// A statistic that needs the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Extended {
    /// `p99.9`, in percent.
    Percentile(f64),
    /// `tm90`, `TM(10%:90%)`, `IQM`: mean of the values within.
    TrimmedMean(Bounds),
    /// `tc90`, `TC(0.5:10)`: number of the values within.
    TrimmedCount(Bounds),
    /// `ts90`, `TS(80%:)`: sum of the values within.
    TrimmedSum(Bounds),
    /// `wm98`: mean, with values outside moved to the bounds.
    WinsorizedMean(Bounds),
    /// `PR(:300)`: percent of the values above the first bound and up to the second.
    PercentileRank(f64, f64),
}

/// What is trimmed off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bounds {
    /// From this percent of the values to that.
    Percent(f64, f64),
    /// Values above this and up to that.
    Values(f64, f64),
}

impl Statistic {
    /// The statistic of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "SampleCount" => Self::SampleCount,
            "Average" => Self::Average,
            "Sum" => Self::Sum,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            _ => Self::Extended(Extended::parse(name)?),
        })
    }

    /// The value; `None` if there is nothing to compute it from.
    #[must_use]
    pub fn of(self, all: &Distribution) -> Option<f64> {
        if all.is_empty() {
            return None;
        }
        Some(match self {
            Self::SampleCount => all.count(),
            Self::Average => all.sum() / all.count(),
            Self::Sum => all.sum(),
            Self::Minimum => all.minimum(),
            Self::Maximum => all.maximum(),
            Self::Extended(extended) => return extended.of(all),
        })
    }

    /// It needs the values.
    #[must_use]
    pub fn needs_values(self) -> bool {
        matches!(self, Self::Extended(_))
    }
}

impl Extended {
    /// The extended statistic of this name, in either case of letters.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        if name == "iqm" {
            return Some(Self::TrimmedMean(Bounds::Percent(25.0, 75.0)));
        }
        if let Some(bounds) = name.strip_prefix("pr(").and_then(|rest| rest.strip_suffix(')')) {
            return match Bounds::parse(bounds)? {
                Bounds::Values(above, up_to) => Some(Self::PercentileRank(above, up_to)),
                Bounds::Percent(..) => None,
            };
        }
        if let Some(rest) = name.strip_prefix('p') {
            return percent(rest).map(Self::Percentile);
        }
        let (kind, rest) = name.split_at_checked(2)?;
        let bounds = match rest.strip_prefix('(') {
            Some(inner) => Bounds::parse(inner.strip_suffix(')')?)?,
            None => Bounds::Percent(0.0, percent(rest)?),
        };
        Some(match kind {
            "tm" => Self::TrimmedMean(bounds),
            "tc" => Self::TrimmedCount(bounds),
            "ts" => Self::TrimmedSum(bounds),
            "wm" => Self::WinsorizedMean(bounds),
            _ => return None,
        })
    }

    fn of(self, all: &Distribution) -> Option<f64> {
        let values = all.values()?;
        let count = all.count();
        Some(match self {
            Self::Percentile(percent) => percentile(all, values, percent),
            Self::TrimmedMean(bounds) => {
                let (kept, sum) = trimmed(values, count, bounds);
                if kept <= 0.0 {
                    return None;
                }
                sum / kept
            }
            Self::TrimmedCount(bounds) => trimmed(values, count, bounds).0,
            Self::TrimmedSum(bounds) => trimmed(values, count, bounds).1,
            Self::WinsorizedMean(bounds) => {
                let (low, high) = match bounds {
                    Bounds::Percent(from, to) => (percentile(all, values, from), percentile(all, values, to)),
                    Bounds::Values(above, up_to) => (above, up_to),
                };
                values.iter().map(|&(value, times)| value.max(low).min(high) * times).sum::<f64>() / count
            }
            Self::PercentileRank(above, up_to) => {
                100.0 * trimmed(values, count, Bounds::Values(above, up_to)).0 / count
            }
        })
    }
}

impl Bounds {
    /// `10%:90%`, `:95%`, `150:1000`, `80%:`, ...
    fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once(':')?;
        let bounds = if from.ends_with('%') || to.ends_with('%') {
            let side = |text: &str, open: f64| match text {
                "" => Some(open),
                text => percent(text.strip_suffix('%')?),
            };
            Self::Percent(side(from, 0.0)?, side(to, 100.0)?)
        } else {
            if from.is_empty() && to.is_empty() {
                return None;
            }
            let side = |text: &str, open: f64| if text.is_empty() { Some(open) } else { number(text) };
            Self::Values(side(from, f64::NEG_INFINITY)?, side(to, f64::INFINITY)?)
        };
        let (Self::Percent(from, to) | Self::Values(from, to)) = bounds;
        (from < to).then_some(bounds)
    }
}

/// Digits with at most one point.
fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| plain && text.len() <= 32)
}

fn percent(text: &str) -> Option<f64> {
    number(text).filter(|percent| *percent <= 100.0)
}

fn percentile(all: &Distribution, values: &[(f64, f64)], percent: f64) -> f64 {
    // 7 % of 100 values is their 7th, although the product is a little more.
    let rank = percent / 100.0 * all.count() * (1.0 - 1e-12);
    let mut seen = 0.0;
    let found = values.iter().find(|(_, count)| {
        seen += count;
        seen >= rank
    });
    // Rounded values may lie outside.
    found.map_or(all.maximum(), |(value, _)| value.clamp(all.minimum(), all.maximum()))
}

/// Count and sum of the values within `bounds`.
fn trimmed(values: &[(f64, f64)], count: f64, bounds: Bounds) -> (f64, f64) {
    let mut before = 0.0;
    let (mut kept, mut sum) = (0.0, 0.0);
    for &(value, times) in values {
        let part = match bounds {
            Bounds::Percent(from, to) => {
                let (from, to) = (from / 100.0 * count, to / 100.0 * count);
                ((before + times).min(to) - f64::max(before, from)).max(0.0)
            }
            Bounds::Values(above, up_to) if value > above && value <= up_to => times,
            Bounds::Values(..) => 0.0,
        };
        before += times;
        kept += part;
        sum += part * value;
    }
    (kept, sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(name: &str, values: &[f64]) -> Option<f64> {
        let pairs: Vec<(f64, f64)> = values.iter().map(|value| (*value, 1.0)).collect();
        Statistic::parse(name).unwrap().of(&Distribution::of(&pairs))
    }

    fn hundred() -> Vec<f64> {
        (1..=100).map(f64::from).collect()
    }

    #[test]
    fn names_that_are_no_statistics() {
        let wrong = "p p-1 p101 p1e2 p50% px tm tm(10%:90% tm(90%:10%) tm(10%:90) tm(:) pr(:) pr(1%:2%) tm(5%:5%) TC(7:7) wm101 average sum \
                     xx90 tm(a:b) IQM50 tmé p+5 pNaN TM(:nan) PR(inf:)";
        for name in wrong.split(' ').chain(["", "é"]) {
            assert_eq!(Statistic::parse(name), None, "{name}");
        }
        let right = "p0 p0.0 p99.99999 p100 P50 tm90 TM(10%:90%) TM(:95%) TM(5%:) TM(150:1000) IQM iqm tc10 ts99.9 wm98 \
                     WM(80%:90%) TC(0.005:0.030) TS(80%:) PR(:300) PR(100:2000) PR(100:)";
        for name in right.split_whitespace() {
            assert!(Statistic::parse(name).is_some_and(Statistic::needs_values), "{name}");
        }
    }

    #[test]
    fn the_five_of_every_metric() {
        let values = [3.0, 1.0, 2.0, 2.0];
        for (name, value) in
            [("SampleCount", 4.0), ("Average", 2.0), ("Sum", 8.0), ("Minimum", 1.0), ("Maximum", 3.0)]
        {
            assert_eq!(of(name, &values), Some(value), "{name}");
            assert_eq!(of(name, &[]), None);
        }
    }

    #[test]
    fn extended_statistics_of_one_to_a_hundred() {
        let expected = [
            ("p0", 1.0),
            // 7 / 100 * 100 is a little more than 7.
            ("p7", 7.0),
            ("p50", 50.0),
            ("p99", 99.0),
            ("p99.9", 100.0),
            ("p100", 100.0),
            // Mean of 1 to 90.
            ("tm90", 45.5),
            ("TM(10%:90%)", 50.5),
            ("IQM", 50.5),
            ("TM(10:20)", 15.5),
            ("tc90", 90.0),
            ("TC(90:)", 10.0),
            ("TS(:3%)", 6.0),
            // 99 and 100 become 98.
            ("wm98", (98.0 * 99.0 / 2.0 + 2.0 * 98.0) / 100.0),
            ("WM(10:20)", (10.0 * 10.0 + 15.0 * 11.0 - 10.0 + 80.0 * 20.0) / 100.0),
            ("PR(:30)", 30.0),
            ("PR(30:45)", 15.0),
        ];
        for (name, value) in expected {
            assert_eq!(of(name, &hundred()), Some(value), "{name}");
        }
    }

    #[test]
    fn a_value_across_a_bound_counts_in_part() {
        // Of four values, a tenth is 0.4: 1, 2, 3 and 0.6 of 4.
        assert_eq!(of("tc90", &[1.0, 2.0, 3.0, 4.0]), Some(3.6));
        assert_eq!(of("tm90", &[5.0; 7]), Some(5.0));
        assert_eq!(of("TM(10:20)", &[1.0]), None);
        assert_eq!(of("TC(10:20)", &[1.0]), Some(0.0));
    }

    /// All values in a row, sorted; the rank with whole numbers only.
    fn naive(values: &[(u32, u32)], per_mille: u64) -> f64 {
        let mut row: Vec<u32> =
            values.iter().flat_map(|&(value, count)| (0..count).map(move |_| value)).collect();
        row.sort_unstable();
        let rank = (row.len() as u64 * per_mille).div_ceil(1000).max(1);
        f64::from(row[rank as usize - 1])
    }

    /// Mean of the values by rank, each cut into 1000 parts, so that every tenth of a percent falls between parts.
    fn naive_trimmed(values: &[(u32, u32)], from: usize, to: usize) -> f64 {
        let mut parts: Vec<u32> =
            values.iter().flat_map(|&(value, count)| (0..count * 1000).map(move |_| value)).collect();
        parts.sort_unstable();
        let kept = &parts[parts.len() / 1000 * from..parts.len() / 1000 * to];
        kept.iter().map(|value| f64::from(*value)).sum::<f64>() / kept.len() as f64
    }

    proptest! {
        #[test]
        fn percentiles_are_the_naive_ones(
            values in prop::collection::vec((0..500_u32, 1..9_u32), 1..120),
            per_mille in 0..=1000_u64,
            split in 0..120_usize,
        ) {
            let pair = |&(value, count): &(u32, u32)| (f64::from(value), f64::from(count));
            let (left, right) = values.split_at(split.min(values.len()));
            let mut all = Distribution::of(&left.iter().map(pair).collect::<Vec<_>>());
            all.add(&Distribution::of(&right.iter().map(pair).collect::<Vec<_>>()));
            let name = format!("p{}.{}", per_mille / 10, per_mille % 10);
            prop_assert_eq!(Statistic::parse(&name).unwrap().of(&all), Some(naive(&values, per_mille)));
        }

        #[test]
        fn trimmed_means_are_the_naive_ones(
            values in prop::collection::vec((0..500_u32, 1..4_u32), 1..12),
            from in 0..500_usize,
            to in 501..=1000_usize,
        ) {
            let pairs: Vec<_> = values.iter().map(|&(value, count)| (f64::from(value), f64::from(count))).collect();
            let percent = |per_mille: usize| format!("{}.{}%", per_mille / 10, per_mille % 10);
            let name = format!("TM({}:{})", percent(from), percent(to));
            let mean = Statistic::parse(&name).unwrap().of(&Distribution::of(&pairs)).unwrap();
            let expected = naive_trimmed(&values, from, to);
            prop_assert!((mean - expected).abs() <= 1e-9 * (1.0 + expected), "{} {} {}", name, mean, expected);
        }
    }
}
