//! What Lambda says of each invocation in its log: the line that begins with REPORT, or `platform.report` in JSON.
//!
//! Source: AWS Lambda developer guide, "Working with Lambda function logs" and the Telemetry API's schema reference.

use model::time::{MILLISECOND, Nanos};
use serde::Deserialize;

/// One invocation as Lambda bills it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// Time in the handler.
    pub(crate) duration: Nanos,
    /// Billed milliseconds, initialisation included where it is billed.
    pub(crate) billed_ms: u64,
    /// Memory of the function.
    pub(crate) memory_mb: u64,
    /// Initialisation before it, if there was one.
    pub(crate) init: Option<Nanos>,
}

impl Report {
    /// The report in a line of a log; `None` if there is none.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.starts_with('{') { json(line) } else { text(line) }
    }
}

fn text(line: &str) -> Option<Report> {
    let fields = line.strip_prefix("REPORT RequestId: ")?;
    // A label may end another: "Billed Duration" has "Duration" in it, so fields are told apart by their tabs.
    let field = |label: &str| {
        fields.split('\t').find_map(|field| field.trim().strip_prefix(label)?.strip_prefix(": "))
    };
    let milliseconds = |label| nanos(field(label)?.strip_suffix(" ms")?.parse().ok()?);
    Some(Report {
        duration: milliseconds("Duration")?,
        billed_ms: field("Billed Duration")?.strip_suffix(" ms")?.parse().ok()?,
        memory_mb: field("Memory Size")?.strip_suffix(" MB")?.parse().ok()?,
        init: milliseconds("Init Duration"),
    })
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    record: Record,
}

#[derive(Deserialize)]
struct Record {
    metrics: Metrics,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    duration_ms: f64,
    billed_duration_ms: f64,
    #[serde(rename = "memorySizeMB")]
    memory_size_mb: u64,
    init_duration_ms: Option<f64>,
}

fn json(line: &str) -> Option<Report> {
    if !line.contains("platform.report") {
        return None;
    }
    let Event { kind, record: Record { metrics } } = serde_json::from_str(line).ok()?;
    let billed = nanos(metrics.billed_duration_ms)?;
    (kind == "platform.report").then_some(Report {
        duration: nanos(metrics.duration_ms)?,
        billed_ms: billed.div_ceil(MILLISECOND),
        memory_mb: metrics.memory_size_mb,
        init: metrics.init_duration_ms.and_then(nanos),
    })
}

fn nanos(milliseconds: f64) -> Option<Nanos> {
    let whole = milliseconds * MILLISECOND as f64;
    (whole.is_finite() && whole >= 0.0).then_some(whole.round() as Nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_from_text_and_from_json() {
        let warm = "REPORT RequestId: 8f5\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax \
                    Memory Used: 33 MB\t\n";
        let report = Report { duration: 12_340_000, billed_ms: 13, memory_mb: 128, init: None };
        assert_eq!(Report::parse(warm), Some(report));
        let cold = warm.trim_end().to_owned() + "\tInit Duration: 150.02 ms\t\nXRAY TraceId: 1-5\n";
        let cold = cold.lines().next().unwrap();
        assert_eq!(Report::parse(cold), Some(Report { init: Some(150_020_000), ..report }));
        let json = r#"{"time":"2026-11-20T10:00:00.000Z","type":"platform.report","record":{"requestId":"8f5",
            "metrics":{"durationMs":12.34,"billedDurationMs":13,"memorySizeMB":128,"maxMemoryUsedMB":33,
            "initDurationMs":150.02},"status":"success"}}"#;
        assert_eq!(Report::parse(json), Some(Report { init: Some(150_020_000), ..report }));
    }

    #[test]
    fn other_lines_are_no_reports() {
        for line in [
            "",
            "START RequestId: 8f5 Version: $LATEST",
            "REPORT RequestId: 8f5\tDuration: ms",
            "INIT_REPORT Init Duration: 12.00 ms\tPhase: init\tStatus: timeout",
            r#"{"type":"platform.start","record":{"requestId":"8f5"}}"#,
            r#"{"message":"platform.report"}"#,
            r#"{"type":"platform.report","record":{"metrics":{"durationMs":-1,"billedDurationMs":1,"memorySizeMB":1}}}"#,
        ] {
            assert_eq!(Report::parse(line), None, "{line}");
        }
    }
}
