//! Student's t for any error and any degrees of freedom.

use libm::{cos, sin, sqrt, tan};
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

/// The quantile that is exceeded with probability `alpha`; infinite without degrees of freedom.
pub(super) fn quantile(alpha: f64, degrees: usize) -> f64 {
    if degrees == 0 {
        return f64::INFINITY;
    }
    // The share between -t and t, as a function of the angle whose tangent is t / sqrt(degrees).
    let wanted = 1.0 - 2.0 * alpha;
    let (mut low, mut high) = (0.0, FRAC_PI_2);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if between(middle, degrees) < wanted { low = middle } else { high = middle }
    }
    tan(low) * sqrt(degrees as f64)
}

/// The finite series for whole degrees of freedom (Abramowitz and Stegun 26.7.3 and 26.7.4).
fn between(angle: f64, degrees: usize) -> f64 {
    let (sine, cosine) = (sin(angle), cos(angle));
    let odd = degrees % 2 == 1;
    let (mut term, mut sum) = (if odd { cosine } else { 1.0 }, 0.0);
    for k in ((if odd { 2 } else { 1 })..degrees).step_by(2) {
        sum += term;
        term *= cosine * cosine * k as f64 / (k + 1) as f64;
    }
    if odd { FRAC_2_PI * (angle + sine * sum) } else { sine * sum }
}

/// The normal quantile that goes with `alpha`: Student's for so many degrees that it makes no difference.
pub(super) fn normal(alpha: f64) -> f64 {
    quantile(alpha, 4_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (alpha, degrees, wanted) in [
            (0.05, 1, 6.314),
            (0.05, 2, 2.920),
            (0.05, 3, 2.353),
            (0.05, 4, 2.132),
            (0.05, 19, 1.729),
            (0.025, 30, 2.042),
            (0.01, 10, 2.764),
            (0.05, 59, 1.671),
        ] {
            let t = quantile(alpha, degrees);
            assert!((t - wanted).abs() < 6e-4, "{alpha} {degrees}: {t}");
        }
        assert!((normal(0.05) - 1.645).abs() < 1e-3);
        assert_eq!(quantile(0.05, 0), f64::INFINITY);
    }
}
