//! Randomness that is the same on every machine: one seed, separate substreams, portable samplers.
//!
//! Goals: a draw costs a few nanoseconds; adding a consumer of one substream never moves another's draws;
//! no call into the platform's libm, whose results differ between hosts.
//! Non-goals: cryptography, and distributions that no scenario can ask for.

use crate::time::Nanos;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// One substream of a seed.
#[derive(Clone, Debug)]
pub struct Stream(Xoshiro256PlusPlus);

impl Stream {
    /// The substream `label` of `seed`. Different labels give unrelated streams.
    #[must_use]
    pub fn new(seed: u64, label: &str) -> Self {
        // FNV-1a spreads the label; seed_from_u64 then runs SplitMix64 over the mix.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in label.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ hash;
        Self(Xoshiro256PlusPlus::seed_from_u64(mixed))
    }

    /// 64 uniform bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1), 53 bits.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// True with probability `p`; draws nothing when `p` is 0 or 1.
    #[inline]
    pub fn chance(&mut self, p: f64) -> bool {
        if p <= 0.0 {
            false
        } else if p >= 1.0 {
            true
        } else {
            self.unit() < p
        }
    }

    /// Uniform integer in `low..=high`; draws nothing when they are equal.
    #[inline]
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        if low >= high {
            return low;
        }
        let span = high - low + 1;
        if span == 0 {
            return self.bits();
        }
        // Lemire's multiply-shift; its bias is below span / 2^64.
        low + ((u128::from(self.bits()) * u128::from(span)) >> 64) as u64
    }
}

/// The longest span that is drawn: a year. It keeps sums of instants far from overflow, whatever is asked for.
const LONGEST: f64 = 365.0 * crate::time::DAY as f64;

/// Bins of a quantile table. The outermost two are computed exactly, so tails are not cut.
const BINS: usize = 4096;

/// A distribution of spans, ready to be drawn from.
///
/// Continuous distributions are held as a table of 4,096 quantiles with linear interpolation (mean off by
/// less than 3e-5); any measured distribution costs the same as an exponential.
#[derive(Clone, Debug)]
pub struct Sampler(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Constant(Nanos),
    Uniform(Nanos, Nanos),
    Two { fast: Nanos, slow: Nanos, slow_share: f64 },
    Table { quantiles: Box<[Nanos]>, curve: Curve },
}

#[derive(Clone, Debug)]
enum Curve {
    Exponential {
        mean: f64,
    },
    /// Straight pieces of ln(value) over the normal score z: knots (z, ln value), ascending.
    LogNormalPieces(Vec<(f64, f64)>),
}

impl Curve {
    fn at(&self, p: f64) -> f64 {
        let value = match self {
            Self::Exponential { mean } => -mean * libm::log1p(-p),
            Self::LogNormalPieces(knots) => {
                let z = normal_quantile(p);
                // The piece that holds z; the outer pieces extend beyond the outer knots.
                let mut i = 1;
                while i + 1 < knots.len() && z > knots[i].0 {
                    i += 1;
                }
                let ((z0, v0), (z1, v1)) = (knots[i - 1], knots[i]);
                libm::exp(v0 + (v1 - v0) * (z - z0) / (z1 - z0))
            }
        };
        value.min(LONGEST)
    }

    /// The exact quantile in the first or last bin.
    #[cold]
    fn at_edge(&self, bin: usize, bits: u64) -> Nanos {
        // Centred in its step of 2^-52, so that 0 and 1 are never reached.
        let within = ((bits & ((1 << 52) - 1)) as f64 + 0.5) * (1.0 / (1_u64 << 52) as f64);
        self.at((bin as f64 + within) / BINS as f64) as Nanos
    }
}

impl Sampler {
    /// Always `value`.
    #[must_use]
    pub fn constant(value: Nanos) -> Self {
        Self(Kind::Constant(value))
    }

    /// Uniform over `low..=high`.
    #[must_use]
    pub fn uniform(low: Nanos, high: Nanos) -> Self {
        if low >= high { Self::constant(low) } else { Self(Kind::Uniform(low, high)) }
    }

    /// Exponential with the given mean; a mean of 0 is the constant 0.
    #[must_use]
    pub fn exponential(mean: Nanos) -> Self {
        if mean == 0 { Self::constant(0) } else { Self::table(Curve::Exponential { mean: mean as f64 }) }
    }

    /// Lognormal through its median and 99th percentile; equal values give a constant.
    #[must_use]
    pub fn lognormal(median: Nanos, p99: Nanos) -> Self {
        Self::through(&[(0.5, median), (0.99, p99)])
    }

    /// `slow` with probability `slow_share`, else `fast`.
    #[must_use]
    pub fn two(fast: Nanos, slow: Nanos, slow_share: f64) -> Self {
        Self(Kind::Two { fast, slow, slow_share })
    }

    /// A smooth distribution through measured percentiles `(probability, value)`, ascending in both:
    /// ln(value) is piecewise linear over the normal score, so two points give a lognormal.
    /// Equal outer values give a constant; a first value of 0 stands for a nanosecond.
    #[must_use]
    pub fn through(percentiles: &[(f64, Nanos)]) -> Self {
        let (first, last) = match (percentiles.first(), percentiles.last()) {
            (Some(first), Some(last)) => (first.1, last.1),
            _ => return Self::constant(0),
        };
        if first >= last {
            return Self::constant(first);
        }
        let knot = |&(p, value): &(f64, Nanos)| (normal_quantile(p), libm::log(value.max(1) as f64));
        let knots = percentiles.iter().map(knot).collect();
        Self::table(Curve::LogNormalPieces(knots))
    }

    fn table(curve: Curve) -> Self {
        let quantiles = (0..=BINS)
            .map(|i| match i {
                0 | BINS => 0, // never read: the outer bins are computed
                _ => (curve.at(i as f64 / BINS as f64) + 0.5) as Nanos,
            })
            .collect();
        Self(Kind::Table { quantiles, curve })
    }

    /// One draw.
    #[inline]
    pub fn draw(&self, stream: &mut Stream) -> Nanos {
        match &self.0 {
            Kind::Constant(value) => *value,
            Kind::Uniform(low, high) => stream.between(*low, *high),
            Kind::Two { fast, slow, slow_share } => {
                if stream.chance(*slow_share) {
                    *slow
                } else {
                    *fast
                }
            }
            Kind::Table { quantiles, curve } => {
                let bits = stream.bits();
                let bin = (bits >> 52) as usize;
                if bin.wrapping_sub(1) >= BINS - 2 {
                    return curve.at_edge(bin, bits);
                }
                // The lower 52 bits say where in the bin: a fraction of 2^64 after the shift.
                let (low, high) = (quantiles[bin], quantiles[bin + 1]);
                low + ((u128::from(high - low) * u128::from(bits << 12)) >> 64) as Nanos
            }
        }
    }

    /// The exact mean where it has a closed form, else the table's mean; nanoseconds.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match &self.0 {
            Kind::Constant(value) => *value as f64,
            Kind::Uniform(low, high) => (*low as f64 + *high as f64) / 2.0,
            Kind::Two { fast, slow, slow_share } => {
                *fast as f64 * (1.0 - slow_share) + *slow as f64 * slow_share
            }
            Kind::Table { curve: Curve::Exponential { mean }, .. } => *mean,
            Kind::Table { curve, .. } => {
                let n = BINS * 16;
                (0..n).map(|i| curve.at((i as f64 + 0.5) / n as f64)).sum::<f64>() / n as f64
            }
        }
    }
}

/// The standard normal quantile (inverse CDF) of `p` in (0, 1).
///
/// Rational approximation of M. J. Wichura, "Algorithm AS 241", Applied Statistics 37 (1988), about 1e-16.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 8] = [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ];
    const B: [f64; 8] = [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_545,
    ];
    const C: [f64; 8] = [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ];
    const D: [f64; 8] = [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ];
    const E: [f64; 8] = [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ];
    const F: [f64; 8] = [
        1.0,
        0.599_832_206_555_887_9,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_7e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ];
    let ratio = |num: &[f64; 8], den: &[f64; 8], r: f64| {
        let horner = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, k| sum * r + k);
        horner(num) / horner(den)
    };
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(&A, &B, 0.180_625 - q * q);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = libm::sqrt(-libm::log(tail));
    let z = if r <= 5.0 { ratio(&C, &D, r - 1.6) } else { ratio(&E, &F, r - 5.0) };
    if q < 0.0 { -z } else { z }
}

/// `ln(a) / ln(b)`, the same on every machine.
#[must_use]
pub fn log_ratio(a: f64, b: f64) -> f64 {
    libm::log(a) / libm::log(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MILLISECOND;

    fn mean_of(sampler: &Sampler, n: u64) -> f64 {
        let mut stream = Stream::new(7, "test");
        (0..n).map(|_| sampler.draw(&mut stream) as f64).sum::<f64>() / n as f64
    }

    #[test]
    fn normal_quantile_matches_published_values() {
        for (p, z) in [(0.5, 0.0), (0.975, 1.959_963_984_540_054), (0.99, 2.326_347_874_040_841)] {
            assert!((normal_quantile(p) - z).abs() < 1e-12, "{p}");
            assert!((normal_quantile(1.0 - p) + z).abs() < 1e-12, "{p}");
        }
        assert!((normal_quantile(1e-9) + 5.997_807_015_007_686).abs() < 1e-9);
    }

    #[test]
    fn samplers_have_the_mean_they_say() {
        let cases = [
            Sampler::exponential(100 * MILLISECOND),
            Sampler::uniform(50 * MILLISECOND, 150 * MILLISECOND),
            Sampler::lognormal(100 * MILLISECOND, 400 * MILLISECOND),
            Sampler::two(10 * MILLISECOND, 900 * MILLISECOND, 0.1),
            Sampler::through(&[(0.1, 13_700_000), (0.5, 16_200_000), (0.9, 33_800_000), (0.99, 105_000_000)]),
        ];
        for sampler in cases {
            let (drawn, said) = (mean_of(&sampler, 2_000_000), sampler.mean());
            assert!((drawn / said - 1.0).abs() < 0.004, "drew {drawn}, said {said}");
        }
    }

    #[test]
    fn percentiles_are_met() {
        let sampler = Sampler::through(&[(0.5, 100), (0.9, 1_000), (0.99, 5_000)]);
        let mut stream = Stream::new(1, "test");
        let mut draws: Vec<Nanos> = (0..200_000).map(|_| sampler.draw(&mut stream)).collect();
        draws.sort_unstable();
        for (p, value) in [(0.5, 100.0), (0.9, 1_000.0), (0.99, 5_000.0)] {
            let seen = draws[(p * draws.len() as f64) as usize] as f64;
            assert!((seen / value - 1.0).abs() < 0.04, "p{p}: {seen}");
        }
    }

    #[test]
    fn substreams_do_not_move_each_other() {
        let mut a = Stream::new(1, "arrivals");
        let mut b = Stream::new(1, "work");
        let first = (a.bits(), b.bits());
        assert_ne!(first.0, first.1);
        assert_eq!(Stream::new(1, "work").bits(), first.1);
        assert_ne!(Stream::new(2, "work").bits(), first.1);
    }

    /// Pins the generator: a change here changes every stored simulation, so it needs a new major version.
    #[test]
    fn the_stream_is_pinned() {
        let mut stream = Stream::new(42, "arrivals");
        let sampler = Sampler::exponential(1_000_000);
        let seen: Vec<u64> = (0..3).map(|_| sampler.draw(&mut stream)).collect();
        assert_eq!(seen, PINNED);
    }
    const PINNED: [u64; 3] = [532_468, 37_565, 1_938_274];
}
