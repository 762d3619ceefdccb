//! Text, Markdown, page and `summary.json` tell the same values. What people read is read here by a parser of its own,
//! which knows nothing of how numbers are formatted.
#![allow(missing_docs, clippy::unwrap_used)]

mod fixture;

use model::run::Run;
use report::{Options, judge};
use serde_json::Value;

/// What a cell says, in the unit of `summary.json`, and how coarsely it says it; `None` for a dash.
fn read(cell: &str, unit: &str) -> Option<(f64, f64)> {
    let cell = cell.replace(['\u{a0}', ','], " ").replace("  ", " ");
    // Only the value: its interval comes after it, on a page in the next line.
    let value = cell
        .split('\n')
        .next()
        .unwrap()
        .split(" ±")
        .next()
        .unwrap()
        .split(" (")
        .next()
        .unwrap()
        .trim()
        .replace('−', "-");
    if value == "–" || value.is_empty() {
        return None;
    }
    let compact: String = value.trim_start_matches("✓").trim().replace('$', "");
    let digits: String = compact
        .chars()
        .take_while(|c| c.is_ascii_digit() || ['.', '-', ' '].contains(c))
        .filter(|c| *c != ' ')
        .collect();
    let word =
        compact.trim_start_matches(|c: char| c.is_ascii_digit() || ['.', '-', ' '].contains(&c)).trim();
    let number: f64 = digits.parse().unwrap_or_else(|_| panic!("{cell:?}"));
    let last_digit = 10_f64.powi(-(digits.split('.').nth(1).map_or(0, str::len) as i32));
    let in_ms = match word {
        "ms" => 1.0,
        "s" => 1e3,
        "min" => 60e3,
        "h" => 3_600e3,
        _ => 0.0,
    };
    let factor = match (unit, word) {
        ("ms", "") | ("s", "") => 1.0,
        ("ms", _) => in_ms,
        ("s", _) => in_ms / 1e3,
        (_, "%") => 0.01,
        ("messages/s", "msg/s") | ("USD" | "messages" | "count", "") => 1.0,
        other => panic!("{cell:?}: {other:?}"),
    };
    assert!(factor > 0.0, "{cell:?}");
    // Half of the last digit shown; whole numbers may be three significant digits of something longer.
    let coarse =
        (last_digit / 2.0 * factor).max(if last_digit == 1.0 { number.abs() * 0.005 * factor } else { 0.0 });
    Some((number * factor, coarse * 1.000_001))
}

/// The cells of each row of the scorecard: label first, then one value per stack.
type Rows = Vec<Vec<String>>;

/// In every table two stacks have columns: label, first, second, difference, ...
fn of_text(text: &str) -> Rows {
    let lines = text.lines().skip_while(|line| !line.starts_with("Load")).take_while(|line| !line.is_empty());
    lines
        .filter(|line| line.starts_with("  "))
        .map(|line| {
            line.trim().split("   ").map(str::trim).filter(|cell| !cell.is_empty()).map(Into::into).collect()
        })
        .collect()
}

fn of_markdown(markdown: &str) -> Rows {
    let rows = markdown.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    // The heading of a group has no values.
    rows.map(cells).filter(|cells| cells.len() > 2 && !cells[1].is_empty()).collect()
}

fn of_page(html: &str) -> Rows {
    let section = &html[html.find("<section class=\"fig\" id=\"scorecard\"").unwrap()..];
    let body = &section[section.find("<tbody>").unwrap()..section.find("</tbody>").unwrap()];
    let rows = body.split("<tr").skip(1).filter(|row| !row.contains("colspan"));
    rows.map(|row| {
        let cells = row.split("</th>").flat_map(|part| part.split("</td>"));
        let text = |cell: &str| {
            cell.rsplit('>').next().unwrap_or_default().replace("&lt;", "<").replace("&gt;", ">")
        };
        cells.map(text).filter(|cell| !cell.is_empty()).collect()
    })
    .collect()
}

fn agree(runs: &[Run]) {
    let judgement = judge(runs, Options::default()).unwrap();
    let summary = report::summary(&judgement);
    let known: Vec<&Value> = summary["metrics"].as_array().unwrap().iter().filter(|m| has_value(m)).collect();
    let stacks: Vec<&str> =
        summary["stacks"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
    let html = report::html(&judgement).unwrap();
    let tables = [
        ("text", of_text(&report::text(&judgement))),
        ("markdown", of_markdown(&report::markdown(&judgement))),
        ("page", of_page(&html)),
    ];
    for (which, rows) in tables {
        assert_eq!(rows.len(), known.len(), "{which}: {rows:?}");
        for (row, metric) in rows.iter().zip(&known) {
            assert!(
                row[0].ends_with(metric["label"].as_str().unwrap()),
                "{which}: {row:?} for {}",
                metric["name"]
            );
            // Between two stacks stand no other columns.
            for (stack, cell) in stacks.iter().zip(&row[1..]) {
                let expected = metric["estimates"][stack]["value"].as_f64();
                let said = read(cell, metric["unit"].as_str().unwrap());
                match (said, expected) {
                    (None, None) => {}
                    (Some((said, coarse)), Some(value)) => assert!(
                        (said - value).abs() <= coarse,
                        "{which}, {}, {stack}: {cell:?} is {said}, summary.json has {value}",
                        metric["name"]
                    ),
                    other => panic!("{which}, {}, {stack}: {cell:?}: {other:?}", metric["name"]),
                }
            }
        }
        let sentence = summary["verdict"]["sentence"].as_str().unwrap().replace('\u{a0}', " ");
        let all = [report::text(&judgement), report::markdown(&judgement)].join("\n");
        assert!(all.contains(&sentence), "{sentence}");
    }
}

fn has_value(metric: &Value) -> bool {
    metric["estimates"].as_object().unwrap().values().any(|estimate| !estimate.is_null())
}

#[test]
fn all_outputs_of_a_run_tell_the_same_values() {
    for seed in 1..6 {
        agree(&[fixture::spike(2, seed)]);
    }
    agree(&[fixture::invalid()]);
    agree(&[fixture::single()]);
}

#[test]
fn all_outputs_of_repeats_tell_the_same_values() {
    agree(&[1, 2, 3].map(|seed| fixture::spike(2, seed)));
}

#[test]
fn the_parser_of_this_test_reads_what_people_read() {
    let close = |cell: &str, unit: &str, value: f64| {
        let (said, coarse) = read(cell, unit).unwrap();
        assert!(
            (said - value).abs() < 1e-9 && coarse < 0.01 * value.abs().max(1e-9),
            "{cell}: {said} ± {coarse}"
        );
    };
    close("4.07\u{a0}min ± 3\u{a0}%", "s", 244.2);
    close("1,234\u{a0}ms", "ms", 1_234.0);
    close("$0.61", "USD", 0.61);
    close("63\u{a0}%", "share", 0.63);
    close("2.49\u{a0}h (1.43 to 2.52\u{a0}h)", "s", 8_964.0);
    close("345\u{a0}ms\n250 to 683\u{a0}ms", "ms", 345.0);
    assert_eq!(read("–", "ms"), None);
}
