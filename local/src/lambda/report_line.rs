//! The lines that Lambda itself writes into a function's log, in its text format.
//!
//! Source: docs.aws.amazon.com/lambda/latest/dg: lambda-runtime-environment, monitoring-cloudwatchlogs; real log lines.

use model::journal::MessageId;
use model::time::{MILLISECOND, Nanos, SECOND};
use model::usage::lambda_billed_ms;
use std::fmt;

/// How a phase ended; a handler that returns an error is a success here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// The runtime asked for the next invocation.
    Success,
    /// It was cut off.
    Timeout,
    /// The runtime ended, or said that it cannot start: the type of the error.
    Error(String),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => Ok(()),
            Self::Timeout => write!(f, "Status: timeout"),
            Self::Error(kind) => write!(f, "Status: error\tError Type: {kind}"),
        }
    }
}

/// The `REPORT` line of an invocation.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) request_id: MessageId,
    pub(super) duration: Nanos,
    /// Initialisation before the invocation that is billed with it.
    pub(super) init: Nanos,
    /// Whether it succeeded, and is reported.
    pub(super) initialised: bool,
    pub(super) memory_mb: u32,
    pub(super) used_mb: u64,
    pub(super) status: Status,
}

/// Milliseconds with two decimals.
struct Ms(Nanos);

impl fmt::Display for Ms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = (self.0 + MILLISECOND / 200) / (MILLISECOND / 100);
        write!(f, "{}.{:02} ms", hundredths / 100, hundredths % 100)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "REPORT RequestId: {}\tDuration: {}\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
            self.request_id,
            Ms(self.duration),
            lambda_billed_ms(self.duration, self.init),
            self.memory_mb,
            self.used_mb
        )?;
        if self.initialised {
            write!(f, "Init Duration: {}\t", Ms(self.init))?;
        }
        write!(f, "{}", self.status)
    }
}

/// `START`.
pub(super) fn start(request_id: MessageId) -> String {
    format!("START RequestId: {request_id} Version: $LATEST")
}

/// `END`.
pub(super) fn end(request_id: MessageId) -> String {
    format!("END RequestId: {request_id}")
}

/// `INIT_REPORT`, which only an initialisation has that failed; `within` an invocation, or before.
pub(super) fn init_report(duration: Nanos, within: bool, status: &Status) -> String {
    let phase = if within { "invoke" } else { "init" };
    format!("INIT_REPORT Init Duration: {}\tPhase: {phase}\t{status}", Ms(duration))
}

/// The line of a function that timed out.
pub(super) fn timed_out(at_ns: u64, request_id: MessageId, timeout: Nanos) -> String {
    let hundredths = timeout / (SECOND / 100);
    let (whole, part) = (hundredths / 100, hundredths % 100);
    format!("{} {request_id} Task timed out after {whole}.{part:02} seconds", timestamp(at_ns))
}

/// The lines of a runtime that ended.
pub(super) fn exited(request_id: MessageId, how: &str) -> String {
    format!("RequestId: {request_id} Error: Runtime exited with error: {how}\nRuntime.ExitError")
}

/// The name of an environment's log stream.
pub(super) fn log_stream(at_ns: u64, id: MessageId) -> String {
    let (year, month, day) = date(at_ns);
    format!("{year}/{month:02}/{day:02}/[$LATEST]{:032x}", id.0)
}

/// `2026-11-20T12:34:56.789Z`.
fn timestamp(at_ns: u64) -> String {
    let (year, month, day) = date(at_ns);
    let ms = at_ns / MILLISECOND % (24 * 3_600_000);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
}

/// Year, month and day in UTC: the Gregorian calendar repeats every 146,097 days.
fn date(at_ns: u64) -> (u64, u64, u64) {
    // Counted from 1 March of year 0, so that leap days come last.
    let days = at_ns / (24 * 3_600 * SECOND) + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + era * 400 + next, month, of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: MessageId = MessageId(0x0f8f_ad5b_d9cb_469f_a165_7086_7728_950e);

    fn report(status: Status) -> Report {
        Report {
            request_id: ID,
            duration: 12_341_000,
            init: 3_206_000,
            initialised: true,
            memory_mb: 128,
            used_mb: 40,
            status,
        }
    }

    #[test]
    fn lines_are_those_of_lambda() {
        let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
        assert_eq!(start(ID), format!("START RequestId: {id} Version: $LATEST"));
        assert_eq!(end(ID), format!("END RequestId: {id}"));
        let cold = report(Status::Success).to_string();
        assert_eq!(
            cold,
            format!(
                "REPORT RequestId: {id}\tDuration: 12.34 ms\tBilled Duration: 16 ms\tMemory Size: 128 MB\t\
                 Max Memory Used: 40 MB\tInit Duration: 3.21 ms\t"
            )
        );
        let warm = Report { init: 0, initialised: false, ..report(Status::Timeout) }.to_string();
        assert!(warm.ends_with(
            "\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\tStatus: timeout"
        ));
        let exit = report(Status::Error("Runtime.ExitError".into())).to_string();
        assert!(exit.ends_with("\tInit Duration: 3.21 ms\tStatus: error\tError Type: Runtime.ExitError"));
        assert_eq!(
            init_report(1_236_040_000, false, &Status::Timeout),
            "INIT_REPORT Init Duration: 1236.04 ms\tPhase: init\tStatus: timeout"
        );
        assert_eq!(
            timed_out(0, ID, 3 * SECOND),
            format!("1970-01-01T00:00:00.000Z {id} Task timed out after 3.00 seconds")
        );
        assert_eq!(exited(ID, "signal: killed").lines().nth(1), Some("Runtime.ExitError"));
    }

    #[test]
    fn dates_are_gregorian() {
        let day = 24 * 3_600 * SECOND;
        let known =
            [(0, (1970, 1, 1)), (11_016, (2000, 2, 29)), (11_017, (2000, 3, 1)), (20_777, (2026, 11, 20))];
        for (days, expected) in known {
            assert_eq!(date(days * day + day - 1), expected, "{days}");
        }
        assert_eq!(timestamp(20_777 * day + 45_296_789 * MILLISECOND), "2026-11-20T12:34:56.789Z");
        assert_eq!(log_stream(20_777 * day, MessageId(10)), format!("2026/11/20/[$LATEST]{:032x}", 10));
    }
}
