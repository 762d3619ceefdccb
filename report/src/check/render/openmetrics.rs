//! The check as OpenMetrics text, as GitLab's metrics reports and Prometheus read it.
//!
//! GitLab compares values as strings: three digits, so that noise in the last ones does not show.

use crate::check::{Check, Finding, Outcome, Verdict};
use crate::format::Unit;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The candidate's values, how they changed, and whether that is a regression.
#[must_use]
pub fn openmetrics(check: &Check) -> String {
    let mut out = String::new();
    for (name, samples) in values(&check.findings) {
        let seconds = name.ends_with("_seconds");
        family(&mut out, &name, seconds, "Value of the candidate.", &samples);
    }
    let per_finding = |value: fn(&Finding) -> Option<f64>| -> Vec<(String, f64)> {
        let sample = |finding: &Finding| {
            let labels = labels(&[("stack", &finding.stack), ("metric", &finding.metric)]);
            Some((labels, value(finding)?))
        };
        check.findings.iter().filter_map(sample).collect()
    };
    let help = "Candidate over baseline.";
    family(&mut out, "versus_check_change_ratio", false, help, &per_finding(|finding| finding.ratio));
    let help = "1 if the metric regressed.";
    let regressed = |finding: &Finding| Some(f64::from(u8::from(finding.outcome == Outcome::Regressed)));
    family(&mut out, "versus_check_regressed", false, help, &per_finding(regressed));
    let pass = f64::from(u8::from(check.verdict() == Verdict::Pass));
    let help = "1 if something was compared and nothing was shown to be worse.";
    family(&mut out, "versus_check_pass", false, help, &[(String::new(), pass)]);
    out.push_str("# EOF\n");
    out
}

/// Families of samples, each with its labels and value.
type Families = BTreeMap<String, Vec<(String, f64)>>;

fn values(findings: &[Finding]) -> Families {
    let mut families = Families::new();
    for finding in findings {
        let Some(value) = finding.candidate else { continue };
        let quantile = finding.metric.strip_prefix("latency-p").and_then(|p| p.parse::<f64>().ok());
        let (name, labels) = match quantile {
            Some(p) => {
                // Through a whole number: 99.9 / 100 is not quite 0.999.
                let quantile = ((p * 1e4).round() / 1e6).to_string();
                ("versus_latency".into(), labels(&[("stack", &finding.stack), ("quantile", &quantile)]))
            }
            None => {
                let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
                let name = finding.metric.chars().map(plain).collect::<String>();
                (format!("versus_{name}"), labels(&[("stack", &finding.stack)]))
            }
        };
        let (suffix, scale) = match finding.unit {
            Unit::Milliseconds => ("_seconds", 1e-3),
            Unit::Seconds => ("_seconds", 1.0),
            Unit::Usd => ("_usd", 1.0),
            Unit::Rate => ("_per_second", 1.0),
            Unit::Share => ("_ratio", 1.0),
            Unit::Messages | Unit::Count => ("", 1.0),
        };
        let name = if name.ends_with(suffix) { name } else { name + suffix };
        families.entry(name).or_default().push((labels, value * scale));
    }
    families
}

fn family(out: &mut String, name: &str, seconds: bool, help: &str, samples: &[(String, f64)]) {
    if samples.is_empty() {
        return;
    }
    let _ = writeln!(out, "# TYPE {name} gauge");
    if seconds {
        let _ = writeln!(out, "# UNIT {name} seconds");
    }
    let _ = writeln!(out, "# HELP {name} {help}");
    for (labels, value) in samples {
        let _ = writeln!(out, "{name}{labels} {}", short(*value));
    }
}

fn labels(labels: &[(&str, &str)]) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let each: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", each.join(","))
}

/// Three significant digits, without an exponent.
fn short(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    format!("{value:.2e}").parse().map_or_else(|_| "NaN".into(), |rounded: f64| rounded.to_string())
}
