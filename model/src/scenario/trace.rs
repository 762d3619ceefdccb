//! Trace files: counts per interval as CSV with the header `time,count`.
//!
//! Goals: a problem names the CSV file and its line.
//! Non-goals: other layouts; CloudWatch's console exports need a header of their own.

use super::TraceInterval;
use super::files::{beside, place_in, said};
use super::kinds::{At, Kind, Line};
use super::problem::{clipped, quoted};
use super::units::show_count;
use crate::time::{DAY, Nanos, SECOND};
use csv::{ReaderBuilder, StringRecord, Trim};
use serde_json::{Value as Json, json};
use toml::value::{Datetime, Offset};

/// Most rows of a trace.
const MOST_ROWS: usize = 1_000_000;
/// Most messages in one interval.
const MOST_IN_A_ROW: u64 = 1_000_000_000;

/// A file of counts per interval.
pub(super) struct TraceFile;

impl Kind for TraceFile {
    type Out = Vec<TraceInterval>;

    fn read(&self, at: &At<'_>) -> Option<Vec<TraceInterval>> {
        let name = Line.read(at)?;
        let content = at.cx.traces.iter().find(|(known, _)| *known == name).map(|(_, content)| content);
        match content {
            Some(Ok(content)) => {
                let file = beside(at.cx.path, &name);
                let parsed = rows(content);
                let record = |(line, text)| at.cx.record(place_in(&file, line), &at.path, text);
                parsed.map_err(|problems: Vec<Wrong>| problems.into_iter().for_each(record)).ok()
            }
            Some(Err(error)) => {
                at.problem(format!(
                    "{}: {}; paths start at the scenario's folder",
                    quoted(&name),
                    said(error)
                ));
                None
            }
            None => {
                at.problem(format!(
                    "{} was not read; name it in a phase with arrivals = \"trace\"",
                    quoted(&name)
                ));
                None
            }
        }
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": r"\S" })
    }

    fn example(&self) -> String {
        "\"load.csv\"".into()
    }
}

/// Line and what is wrong there.
type Wrong = (usize, String);

/// Reads the rows; at most ten problems.
fn rows(content: &str) -> Result<Vec<TraceInterval>, Vec<Wrong>> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(content.as_bytes());
    let mut wrong: Vec<Wrong> = Vec::new();
    let mut clock = Clock::default();
    let mut points: Vec<(Nanos, u64)> = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let Ok(record) = record else {
            wrong.push((index + 1, "is not CSV; write rows such as 60,1200".into()));
            break;
        };
        let line = record.position().map_or(index + 1, |p| usize::try_from(p.line()).unwrap_or(index + 1));
        if index == 0 {
            if record.iter().ne(["time", "count"]) {
                wrong.push((
                    line,
                    "the header is not \"time,count\"; write time,count on the first line".into(),
                ));
                break;
            }
            continue;
        }
        match row(&record, &mut clock) {
            Ok(point) => points.push(point),
            Err(text) => wrong.push((line, text)),
        }
        if wrong.len() == 10 {
            break;
        }
        if points.len() > MOST_ROWS {
            let most = show_count(MOST_ROWS as i128);
            wrong.push((line, format!("more than {most} rows; write longer intervals")));
            break;
        }
    }
    if wrong.is_empty() && points.len() < 2 {
        wrong.push((1, "has fewer than two rows, so no interval has a length; write at least two".into()));
    }
    if wrong.is_empty() { Ok(intervals(&points)) } else { Err(wrong) }
}

/// The gap to the next row is the length; the last row has the length of the one before.
fn intervals(points: &[(Nanos, u64)]) -> Vec<TraceInterval> {
    let mut out: Vec<TraceInterval> = points
        .windows(2)
        .map(|pair| TraceInterval { at: pair[0].0, length: pair[1].0 - pair[0].0, count: pair[0].1 })
        .collect();
    if let (Some(before), Some(&(at, count))) = (out.last().copied(), points.last()) {
        out.push(TraceInterval { at, length: before.length, count });
    }
    out
}

fn row(record: &StringRecord, clock: &mut Clock) -> Result<(Nanos, u64), String> {
    if record.len() != 2 {
        return Err("is not two fields; write a time and a count, e.g. 60,1200".into());
    }
    let at = clock.read(&record[0])?;
    let count = record[1].parse().ok().filter(|count| *count <= MOST_IN_A_ROW).ok_or_else(|| {
        let most = show_count(MOST_IN_A_ROW.into());
        format!("{} is not a count; write a whole number from 0 to {most}", quoted(&record[1]))
    })?;
    Ok((at, count))
}

/// The clock of a trace: seconds, or moments counted from the first.
#[derive(Default)]
struct Clock {
    first: Option<i128>,
    last: Option<Nanos>,
}

impl Clock {
    fn read(&mut self, text: &str) -> Result<Nanos, String> {
        let at = match moment(text) {
            Some(moment) => {
                if self.first.is_none() && self.last.is_some() {
                    return Err(format!(
                        "{} is a date, but earlier rows count seconds; use one of the two",
                        quoted(text)
                    ));
                }
                let first = *self.first.get_or_insert(moment);
                Nanos::try_from(moment - first).unwrap_or(0)
            }
            None if self.first.is_some() => {
                return Err(format!(
                    "{} is not a date like the rows above; write e.g. 2026-11-01T12:00:00Z",
                    quoted(text)
                ));
            }
            None => seconds(text)?,
        };
        if self.last.is_some_and(|last| at <= last) {
            return Err(format!("{} is not after the row above; sort the rows by time", clipped(text)));
        }
        if at > 31 * DAY {
            return Err(format!(
                "{} is more than 31 days from the start; write a shorter trace",
                clipped(text)
            ));
        }
        self.last = Some(at);
        Ok(at)
    }
}

fn seconds(text: &str) -> Result<Nanos, String> {
    let bad =
        || format!("{} is not a time; write seconds such as 60, or e.g. 2026-11-01T12:00:00Z", quoted(text));
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !plain {
        return Err(bad());
    }
    super::units::duration(&format!("{text}s")).map_err(|_| bad())
}

/// Nanoseconds since 1970, without leap seconds; a moment without an offset counts as UTC.
fn moment(text: &str) -> Option<i128> {
    let read: Datetime = text.parse().ok()?;
    let (date, time) = (read.date?, read.time?);
    let minutes = match read.offset {
        Some(Offset::Custom { minutes }) => i128::from(minutes),
        Some(Offset::Z) | None => 0,
    };
    let days = days_from_epoch(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let seconds = i128::from(days) * 86_400
        + i128::from(time.hour) * 3_600
        + (i128::from(time.minute) - minutes) * 60
        + i128::from(time.second.unwrap_or(0));
    Some(seconds * i128::from(SECOND) + i128::from(time.nanosecond.unwrap_or(0)))
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant's algorithm).
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_count_from_the_first_row() {
        let rows = rows("time,count\n2026-11-01T12:00:00Z,5\n2026-11-01T13:01:00+01:00,6\n").unwrap();
        let minute = 60 * SECOND;
        assert_eq!(rows[0], TraceInterval { at: 0, length: minute, count: 5 });
        assert_eq!(rows[1], TraceInterval { at: minute, length: minute, count: 6 });
    }

    #[test]
    fn the_calendar_is_right() {
        assert_eq!(days_from_epoch(1970, 1, 1), 0);
        assert_eq!(days_from_epoch(2000, 3, 1), 11_017);
        assert_eq!(days_from_epoch(2026, 11, 1), 20_758);
    }
}
