//! The check as JUnit XML, as GitLab, Jenkins, Azure, Buildkite and CircleCI read it.
//!
//! They follow a test over time by its name: names hold no measured number, and the set of tests does not change with
//! the outcome. Numbers are in the text of a failure.

use super::xml::escaped;
use super::{expectation_line, headline, inputs, sentence};
use crate::check::{Check, Expectation, Finding, Outcome};
use crate::format::NBSP;
use std::fmt::Write;

/// A test as JUnit has it.
struct Case {
    class: String,
    name: String,
    result: Result,
}

enum Result {
    Passed,
    /// What failed, and in a sentence why.
    Failed(&'static str, String),
    Skipped(String),
    Error(&'static str, String),
}

/// The check as JUnit XML.
#[must_use]
pub fn junit(check: &Check) -> String {
    let mut cases = vec![comparable(check)];
    cases.extend(check.findings.iter().map(of_finding));
    cases.extend(check.expectations.iter().map(of_expectation));
    let count = |is: fn(&Result) -> bool| cases.iter().filter(|case| is(&case.result)).count();
    let tests = cases.len();
    let failures = count(|result| matches!(result, Result::Failed(..)));
    let errors = count(|result| matches!(result, Result::Error(..)));
    let skipped = count(|result| matches!(result, Result::Skipped(_)));

    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites name=\"versus check\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">"
    );
    let _ = writeln!(
        out,
        "  <testsuite name=\"versus check\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" \
         skipped=\"{skipped}\">"
    );
    let _ = writeln!(out, "    <properties>");
    for (name, value) in [
        ("verdict", check.verdict().name().to_owned()),
        ("headline", headline(check)),
        ("baseline", inputs(&check.baselines)),
        ("candidate", inputs(&check.candidates)),
    ] {
        let _ = writeln!(out, "      <property name=\"{name}\" value=\"{}\"/>", escaped(&value));
    }
    let _ = writeln!(out, "    </properties>");
    cases.iter().for_each(|case| write(&mut out, case));
    out.push_str("  </testsuite>\n</testsuites>\n");
    out.replace(NBSP, " ")
}

fn comparable(check: &Check) -> Case {
    let nothing = check.findings.is_empty() && check.expectations.is_empty();
    let result = if !check.incomparable.is_empty() {
        Result::Error("not-comparable", check.incomparable.join("\n"))
    } else if nothing {
        Result::Error("not-comparable", "nothing was compared".into())
    } else {
        Result::Passed
    };
    Case { class: "check".into(), name: "candidate is comparable with the baseline".into(), result }
}

fn of_finding(finding: &Finding) -> Case {
    let text = || sentence(finding);
    Case {
        class: format!("check.{}", finding.stack),
        name: format!("{} against the baseline", finding.metric),
        result: match finding.outcome {
            Outcome::Regressed => Result::Failed("regression", text()),
            Outcome::Inconclusive | Outcome::Concentrated | Outcome::Untestable => {
                Result::Skipped(format!("{}: {}", finding.outcome.name(), text()))
            }
            Outcome::Improved | Outcome::Unchanged => Result::Passed,
        },
    }
}

fn of_expectation(expectation: &Expectation) -> Case {
    Case {
        class: format!("expect.{}", expectation.stack),
        // The threshold may change; the test stays the same.
        name: format!("{} {}", expectation.metric, if expectation.below { "below" } else { "above" }),
        result: if expectation.holds == Some(true) {
            Result::Passed
        } else {
            Result::Failed("expectation", expectation_line(expectation))
        },
    }
}

fn write(out: &mut String, case: &Case) {
    let _ =
        write!(out, "    <testcase classname=\"{}\" name=\"{}\"", escaped(&case.class), escaped(&case.name));
    let element = |out: &mut String, tag: &str, kind: &str, text: &str| {
        // Some readers show the message only, others the text only.
        let text = escaped(text);
        let _ = writeln!(
            out,
            ">\n      <{tag} type=\"{kind}\" message=\"{text}\">{text}</{tag}>\n    </testcase>"
        );
    };
    match &case.result {
        Result::Passed => out.push_str("/>\n"),
        Result::Failed(kind, text) => element(out, "failure", kind, text),
        Result::Error(kind, text) => element(out, "error", kind, text),
        Result::Skipped(text) => {
            let _ = writeln!(out, ">\n      <skipped message=\"{}\"/>\n    </testcase>", escaped(text));
        }
    }
}
