//! A second look at what regressed: one more run of the candidate, and both must fail.

use super::{Check, Outcome};
use crate::format;

/// Takes back what the check of the confirming run does not find, too.
#[must_use]
pub fn confirmed(mut check: Check, confirming: &Check) -> Check {
    for finding in check.findings.iter_mut().filter(|finding| finding.outcome == Outcome::Regressed) {
        let same = |other: &&super::Finding| other.stack == finding.stack && other.metric == finding.metric;
        let Some(second) = confirming.findings.iter().find(same) else { continue };
        if second.outcome == Outcome::Regressed {
            finding.reason += "; the confirming run regressed, too";
            continue;
        }
        let change =
            second.ratio.map_or_else(String::new, |ratio| format!(" ({})", format::difference(ratio, 1.0)));
        finding.outcome = Outcome::Inconclusive;
        finding.reason = format!(
            "not confirmed: this run regressed, the confirming one is {}{change}",
            second.outcome.name()
        );
    }
    // A run that does not compare confirms nothing, but takes nothing back either.
    check.incomparable.extend(confirming.incomparable.iter().cloned());
    check.candidates.extend(confirming.candidates.iter().cloned());
    check
}

#[cfg(test)]
mod tests {
    use super::super::{Finding, Settings, Verdict};
    use super::*;
    use crate::format::Unit;

    fn check(outcomes: &[Outcome]) -> Check {
        let finding = |(i, outcome): (usize, &Outcome)| Finding {
            stack: format!("stack-{i}"),
            metric: "latency-p99".into(),
            unit: Unit::Milliseconds,
            baseline: Some(1.0),
            candidate: Some(1.3),
            ratio: Some(1.3),
            bounds: None,
            window_bounds: None,
            margin: 0.1,
            n: 10,
            unfinished: 0,
            detectable: None,
            outcome: *outcome,
            reason: "slower".into(),
            history: Vec::new(),
        };
        Check {
            settings: Settings::default(),
            baselines: Vec::new(),
            candidates: Vec::new(),
            incomparable: Vec::new(),
            findings: outcomes.iter().enumerate().map(finding).collect(),
            expectations: Vec::new(),
        }
    }

    #[test]
    fn both_runs_must_fail() {
        use Outcome::{Inconclusive, Regressed, Unchanged};
        let both = confirmed(check(&[Regressed, Unchanged]), &check(&[Regressed, Unchanged]));
        assert_eq!(both.verdict(), Verdict::Regressed);
        let one = confirmed(check(&[Regressed, Unchanged]), &check(&[Unchanged, Regressed]));
        assert_eq!(one.findings.iter().map(|f| f.outcome).collect::<Vec<_>>(), [Inconclusive, Unchanged]);
        assert!(one.findings[0].reason.starts_with("not confirmed"), "{}", one.findings[0].reason);

        let mut other = check(&[]);
        other.incomparable.push("seed: 1 and 2".into());
        let unconfirmed = confirmed(check(&[Regressed]), &other);
        assert_eq!((unconfirmed.verdict(), unconfirmed.incomparable.len()), (Verdict::Regressed, 1));
    }
}
