//! What was measured in a span of time: values, and how often each occurred.
//!
//! Goals: percentiles from the values themselves, as CloudWatch wants them; bounded memory.
//! Non-goals: knowing in which order the values came.

/// Most distinct values kept apart. Beyond it they are rounded, by 0.05 % at first: percentiles stay near, while
/// count, sum, minimum and maximum stay exact.
pub const DISTINCT_MAX: usize = 1024;

/// Values with their counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    count: f64,
    sum: f64,
    minimum: f64,
    maximum: f64,
    /// `(value, count)`, ascending.
    values: Vec<(f64, f64)>,
    /// Some values are known by their statistics only.
    lumped: bool,
}

impl Distribution {
    /// One value.
    #[must_use]
    pub fn single(value: f64) -> Self {
        Self::repeated(value, 1.0)
    }

    /// The same value, `count` times.
    #[must_use]
    pub fn repeated(value: f64, count: f64) -> Self {
        Self::of(&[(value, count)])
    }

    /// Values with their counts; those with a count of 0 are left out.
    #[must_use]
    pub fn of(values: &[(f64, f64)]) -> Self {
        let mut all = Self::default();
        for &(value, count) in values.iter().filter(|(_, count)| *count > 0.0) {
            all.join(count, value * count, value, value);
            all.values.push((value, count));
        }
        all.tidy();
        all.bound();
        all
    }

    /// A statistic set. Its values are known only if they are all the same.
    #[must_use]
    pub fn summarized(count: f64, sum: f64, minimum: f64, maximum: f64) -> Self {
        if count <= 0.0 {
            return Self::default();
        }
        let constant = minimum == maximum;
        let values = if constant { vec![(minimum, count)] } else { Vec::new() };
        Self { count, sum, minimum, maximum, values, lumped: !constant }
    }

    /// Adds what was measured elsewhere, and rounds values if there are too many.
    pub fn add(&mut self, other: &Self) {
        self.gather(other, true);
        self.tidy();
        self.bound();
    }

    /// Adds without sorting; call [`Distribution::tidy`] when all is gathered. Without `values`, percentiles are lost.
    pub(super) fn gather(&mut self, other: &Self, values: bool) {
        if other.is_empty() {
            return;
        }
        self.join(other.count, other.sum, other.minimum, other.maximum);
        self.lumped |= other.lumped || !values;
        if values {
            self.values.extend_from_slice(&other.values);
        }
    }

    fn join(&mut self, count: f64, sum: f64, minimum: f64, maximum: f64) {
        let first = self.is_empty();
        self.minimum = if first { minimum } else { self.minimum.min(minimum) };
        self.maximum = if first { maximum } else { self.maximum.max(maximum) };
        self.count += count;
        self.sum += sum;
    }

    /// Sorts, and counts equal values together.
    pub(super) fn tidy(&mut self) {
        self.values.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.values.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 += later.1;
            }
            same
        });
    }

    fn bound(&mut self) {
        let mut bits = 10;
        while self.values.len() > DISTINCT_MAX && bits > 0 {
            for (value, _) in &mut self.values {
                *value = rounded(*value, bits);
            }
            self.tidy();
            bits -= 1;
        }
    }

    /// Nothing was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0.0
    }

    /// How many values.
    #[must_use]
    pub fn count(&self) -> f64 {
        self.count
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The smallest.
    #[must_use]
    pub fn minimum(&self) -> f64 {
        self.minimum
    }

    /// The largest.
    #[must_use]
    pub fn maximum(&self) -> f64 {
        self.maximum
    }

    /// Distinct values held in memory.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.values.len()
    }

    /// Values with their counts, ascending; `None` where CloudWatch has no percentiles: when some values are known by
    /// their statistics only, or one is negative.
    ///
    /// Source: CloudWatch API reference, GetMetricStatistics.
    #[must_use]
    pub fn values(&self) -> Option<&[(f64, f64)]> {
        (!self.is_empty() && !self.lumped && self.minimum >= 0.0).then_some(&self.values)
    }
}

/// The nearest number that has only `bits` bits after the leading one.
fn rounded(value: f64, bits: u32) -> f64 {
    let dropped = 52 - bits;
    let half = 1_u64 << (dropped - 1);
    f64::from_bits((value.to_bits() + half) >> dropped << dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_counted_together() {
        let mut one = Distribution::of(&[(2.0, 3.0), (1.0, 1.0), (2.0, 1.0), (9.0, 0.0), (-0.0, 1.0)]);
        one.add(&Distribution::single(0.0));
        assert_eq!(one.values(), Some([(0.0, 2.0), (1.0, 1.0), (2.0, 4.0)].as_slice()));
        assert_eq!((one.count(), one.sum(), one.minimum(), one.maximum()), (7.0, 9.0, 0.0, 2.0));
    }

    #[test]
    fn a_statistic_set_has_values_only_if_it_is_constant() {
        assert_eq!(Distribution::summarized(3.0, 6.0, 2.0, 2.0), Distribution::repeated(2.0, 3.0));
        let mut lumped = Distribution::summarized(3.0, 6.0, 1.0, 3.0);
        assert_eq!(lumped.values(), None);
        lumped.add(&Distribution::single(5.0));
        assert_eq!((lumped.values(), lumped.count(), lumped.maximum()), (None, 4.0, 5.0));
        assert!(Distribution::summarized(0.0, 0.0, 0.0, 0.0).is_empty());
    }

    #[test]
    fn negative_values_have_no_percentiles() {
        let negative = Distribution::of(&[(-1.0, 1.0), (2.0, 1.0)]);
        assert_eq!((negative.values(), negative.minimum(), negative.sum()), (None, -1.0, 1.0));
    }

    #[test]
    fn memory_is_bounded_and_what_is_rounded_stays_near() {
        let mut all = Distribution::default();
        let mut exact_sum = 0.0;
        for n in 1..=20_000_u32 {
            let value = f64::from(n) * 0.37;
            exact_sum += value;
            all.add(&Distribution::single(value));
            assert!(all.distinct() <= DISTINCT_MAX);
        }
        assert_eq!((all.count(), all.sum(), all.maximum()), (20_000.0, exact_sum, 7_400.0));
        let counted: f64 = all.values().unwrap().iter().map(|(_, count)| count).sum();
        assert_eq!(counted, 20_000.0);
        // The median is 3,700.
        let mut seen = 0.0;
        let at = |&&(_, count): &&(f64, f64)| {
            seen += count;
            seen >= 10_000.0
        };
        let (median, _) = all.values().unwrap().iter().find(at).unwrap();
        assert!((median / 3_700.0 - 1.0).abs() < 0.01, "{median}");
    }
}
