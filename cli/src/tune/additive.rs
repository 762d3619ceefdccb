//! A guess at untried configurations: the sum of one effect per knob, each smooth along its ladder.
//!
//! Goals: a mean and its uncertainty for any point from a few dozen trials; the same on every machine.
//! Non-goals: interactions. Costs multiply and delays grow by factors, so their logarithms nearly add up; what does
//! not is in the uncertainty, and a trial decides.
//!
//! This is ridge regression on one column per value, with a penalty on curvature (so that what lies beyond the tried
//! values goes on as it went) and small ones on steps and effects, which make the solution unique.

/// Weight of the penalty on the difference of neighbouring steps.
const CURVATURE: f64 = 0.3;
/// Weight of the penalty on steps.
const STEP: f64 = 0.005;
/// Weight of the penalty on effects.
const EFFECT: f64 = 1e-4;
/// Residuals are never believed to be smaller than this, in logarithms.
const LEAST_DEVIATION: f64 = 0.01;

/// A fitted guess.
pub(super) struct Additive {
    /// Column of each knob's first value; column 0 is the constant.
    offsets: Vec<usize>,
    effects: Vec<f64>,
    inverse: Vec<Vec<f64>>,
    deviation: f64,
}

/// A tried point, its value and the weight that it has.
pub(super) struct Sample<'a> {
    pub(super) point: &'a [usize],
    pub(super) value: f64,
    pub(super) weight: f64,
}

impl Additive {
    /// Fits knobs with so many values each.
    pub(super) fn fit(rungs: &[usize], samples: &[Sample]) -> Self {
        let mut size = 1;
        let offsets: Vec<usize> = rungs
            .iter()
            .map(|count| {
                size += count;
                size - count
            })
            .collect();
        let mut matrix = penalties(rungs, &offsets, size);
        let mut right = vec![0.0; size];
        for sample in samples {
            let columns = columns(&offsets, sample.point);
            for a in &columns {
                right[*a] += sample.weight * sample.value;
                columns.iter().for_each(|b| matrix[*a][*b] += sample.weight);
            }
        }
        let inverse = inverse(&matrix);
        let effects: Vec<f64> =
            inverse.iter().map(|row| row.iter().zip(&right).map(|(a, b)| a * b).sum()).collect();
        let mut fitted = Self { offsets, effects, inverse, deviation: 0.0 };
        let weights: f64 = samples.iter().map(|sample| sample.weight).sum();
        let squares: f64 = samples
            .iter()
            .map(|sample| {
                let off = sample.value - fitted.mean(sample.point);
                sample.weight * off * off
            })
            .sum();
        fitted.deviation = libm::sqrt(squares / weights.max(1e-9)).max(LEAST_DEVIATION);
        fitted
    }

    fn mean(&self, point: &[usize]) -> f64 {
        columns(&self.offsets, point).iter().map(|column| self.effects[*column]).sum()
    }

    /// The mean of a point and its standard deviation.
    pub(super) fn guess(&self, point: &[usize]) -> (f64, f64) {
        let columns = columns(&self.offsets, point);
        let spread: f64 =
            columns.iter().map(|a| columns.iter().map(|b| self.inverse[*a][*b]).sum::<f64>()).sum();
        (self.mean(point), self.deviation * libm::sqrt(1.0 + spread.max(0.0)))
    }
}

fn columns(offsets: &[usize], point: &[usize]) -> Vec<usize> {
    std::iter::once(0).chain(offsets.iter().zip(point).map(|(offset, rung)| offset + rung)).collect()
}

fn penalties(rungs: &[usize], offsets: &[usize], size: usize) -> Vec<Vec<f64>> {
    let mut matrix = vec![vec![0.0; size]; size];
    let mut add = |weights: &[f64], first: usize, by: f64| {
        for (i, a) in weights.iter().enumerate() {
            for (j, b) in weights.iter().enumerate() {
                matrix[first + i][first + j] += by * a * b;
            }
        }
    };
    add(&[1.0], 0, EFFECT * EFFECT);
    for (count, offset) in rungs.iter().zip(offsets) {
        (0..*count).for_each(|rung| add(&[1.0], offset + rung, EFFECT));
        (1..*count).for_each(|rung| add(&[-1.0, 1.0], offset + rung - 1, STEP));
        (2..*count).for_each(|rung| add(&[1.0, -2.0, 1.0], offset + rung - 2, CURVATURE));
    }
    matrix
}

/// The inverse of a symmetric positive definite matrix, by elimination.
fn inverse(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let size = matrix.len();
    let mut left = matrix.to_vec();
    let mut right: Vec<Vec<f64>> =
        (0..size).map(|i| (0..size).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for pivot in 0..size {
        let scale = 1.0 / left[pivot][pivot];
        for row in [&mut left[pivot], &mut right[pivot]] {
            row.iter_mut().for_each(|cell| *cell *= scale);
        }
        let (of_left, of_right) = (left[pivot].clone(), right[pivot].clone());
        for row in (0..size).filter(|row| *row != pivot) {
            let factor = left[row][pivot];
            if factor == 0.0 {
                continue;
            }
            left[row].iter_mut().zip(&of_left).for_each(|(cell, by)| *cell -= factor * by);
            right[row].iter_mut().zip(&of_right).for_each(|(cell, by)| *cell -= factor * by);
        }
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples<'a>(points: &'a [Vec<usize>], value: &dyn Fn(&[usize]) -> f64) -> Vec<Sample<'a>> {
        points.iter().map(|point| Sample { point, value: value(point), weight: 1.0 }).collect()
    }

    #[test]
    fn what_adds_up_is_guessed_from_a_cross() {
        // Two knobs, tried along two lines only.
        let truth = |p: &[usize]| 2.0 + 0.5 * p[0] as f64 - 0.25 * p[1] as f64;
        let points: Vec<Vec<usize>> = (0..6).map(|i| vec![i, 2]).chain((0..5).map(|j| vec![3, j])).collect();
        let fitted = Additive::fit(&[6, 5], &samples(&points, &truth));
        for (a, b) in [(0, 0), (5, 4), (5, 0)] {
            let (mean, deviation) = fitted.guess(&[a, b]);
            assert!((mean - truth(&[a, b])).abs() < 0.05, "{a} {b}: {mean}");
            assert!(deviation < 0.05, "{deviation}");
        }
    }

    #[test]
    fn what_was_not_tried_goes_on_as_it_went_and_is_less_sure() {
        let truth = |p: &[usize]| p[0] as f64;
        let points: Vec<Vec<usize>> = (0..4).map(|i| vec![i]).collect();
        let fitted = Additive::fit(&[10], &samples(&points, &truth));
        let (near, sure) = fitted.guess(&[3]);
        let (far, unsure) = fitted.guess(&[8]);
        assert!((near - 3.0).abs() < 0.1 && far > 5.0, "{near} {far}");
        assert!(unsure > 2.0 * sure, "{sure} {unsure}");
    }
}
