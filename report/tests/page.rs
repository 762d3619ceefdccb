//! The HTML report: well formed, self-contained, within its budgets, for any number of stacks and any lack of data.
#![allow(missing_docs, clippy::unwrap_used)]

mod fixture;

use fixture::{html, summary, text};
use report::Options;

use model::run::{Run, StackRun};
use std::collections::BTreeSet;
use std::path::Path;

fn page(runs: &[Run]) -> String {
    let html = html(runs);
    check(&html);
    html
}

/// What holds for every report.
fn check(html: &str) {
    assert!(html.starts_with("<!DOCTYPE html>"));
    well_formed_pictures(html);
    unique_ids(html);
    nothing_fetched(html);
    for section in [
        "verdict",
        "scorecard",
        "throughput",
        "backlog",
        "latency",
        "percentiles",
        "capacity",
        "cost",
        "provenance",
    ] {
        assert!(html.contains(&format!("id=\"{section}\"")), "section {section}");
    }
    assert!(!html.contains("NaN") && !html.contains("inf ") && !html.contains("Infinity\u{a0}"));
    assert!(html.len() < 300_000, "{} bytes", html.len());
    let nodes = nodes(html);
    assert!(nodes <= 1_500, "{nodes} DOM nodes");
}

fn nodes(html: &str) -> usize {
    html.match_indices('<')
        .filter(|(at, _)| html[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic()))
        .count()
}

fn well_formed_pictures(html: &str) {
    let mut rest = html;
    while let Some(from) = rest.find("<svg class=\"plot\"") {
        // The picture holds one nested svg.
        let inner = from + rest[from..].find("</svg>").unwrap() + 6;
        let until = inner + rest[inner..].find("</svg>").unwrap() + 6;
        let tree = roxmltree::Document::parse(&rest[from..until]).unwrap();
        assert!(tree.descendants().filter(|n| n.has_tag_name("path")).count() > 1);
        for path in tree.descendants().filter_map(|n| n.attribute("d")) {
            assert!(path.starts_with('M') && !path.contains("NaN"), "{path}");
        }
        rest = &rest[until..];
    }
}

fn unique_ids(html: &str) {
    let mut seen = BTreeSet::new();
    for part in html.split(" id=\"").skip(1) {
        let id = &part[..part.find('"').unwrap()];
        assert!(seen.insert(id), "id {id} twice");
    }
    for part in html.split("aria-labelledby=\"").skip(1) {
        for id in part[..part.find('"').unwrap()].split(' ') {
            assert!(seen.contains(id), "no element {id}");
        }
    }
    for part in html.split("href=\"#").skip(1) {
        let id = &part[..part.find('"').unwrap()];
        assert!(seen.contains(id), "link to nowhere: {id}");
    }
}

fn nothing_fetched(html: &str) {
    for bad in ["http://", "https://", "src=", "url(", "@import", "<link", "fetch("] {
        assert!(!html.contains(bad), "{bad}");
    }
}

/// Leaves the page where a person can look at it.
fn keep(name: &str, html: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reports");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), html).unwrap();
}

#[test]
fn one_to_six_stacks() {
    for stacks in 1..=6 {
        let html = page(&[fixture::spike(stacks, 42)]);
        keep(&format!("spike-{stacks}.html"), &html);
        assert_eq!(html.contains("No verdict"), stacks == 1);
        assert!(html.contains("Simulated in virtual time: no AWS was involved."));
        for shape in &fixture::SHAPES[..stacks] {
            assert!(html.contains(shape.name));
        }
        assert_eq!(html.matches("<svg class=\"plot\"").count(), 5 + stacks);
    }
}

#[test]
fn a_run_on_aws_says_what_was_measured_and_by_whom() {
    let mut run = fixture::spike(2, 42);
    run.manifest.target = "aws".into();
    run.manifest.parameters.clear();
    let html = page(&[run.clone()]);
    for said in [
        "rests on no beliefs about AWS but the price list",
        "Lambda's REPORT lines",
        "ECS's timestamps of each task",
        "the workers' records",
        "nobody: CloudWatch was not asked",
    ] {
        assert!(html.contains(said), "{said}");
    }
    assert!(!html.contains("Beliefs about AWS"));
    // One platform, and workers that print nothing.
    run.manifest.stacks.truncate(1);
    run.stacks.truncate(1);
    run.stacks[0].windows = Default::default();
    run.manifest.measurement.metered.push(model::usage::Metered::new(
        model::usage::Item::CloudwatchMetrics,
        "",
        9,
    ));
    let html = page(&[run]);
    assert!(html.contains("no worker told of its messages") && html.contains("asked until nothing changed"));
    assert!(!html.contains("REPORT lines") && !html.contains("<dt>Latency</dt>"));
}

#[test]
fn tasks_that_took_long_to_start_are_in_the_table() {
    use model::series::{Series, metric};
    let mut run = fixture::spike(2, 42);
    let points = (0..100).map(|i| (i * 1_000, 30.0 + i as f64 / 10.0)).collect();
    let (metric, unit, statistic) = (metric::TASK_READY.into(), "Seconds".into(), "Maximum".into());
    run.stacks[0].series.push(Series { metric, unit, statistic, period: 1, points });
    let runs = [run];
    let html = page(&runs).replace('\u{a0}', " ");
    assert!(html.contains("and 100 tasks took 30 s to 39.9 s to start"), "in the take of the capacity");
    let summary = summary(&runs);
    let value = |name: &str| {
        let row = summary["metrics"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
        ["ecs", "lambda"].map(|stack| row["estimates"][stack]["value"].as_f64())
    };
    assert_eq!(value("task-start-p50"), [Some(34.9), None]);
    assert_eq!(value("task-start-p90"), [Some(38.9), None]);
    assert_eq!(value("task-start-max"), [Some(39.9), None]);
}

#[test]
fn a_split_names_its_axes() {
    let html = page(&[fixture::spike(2, 42)]);
    let from = html.find("<h1>").unwrap();
    let heading = &html[from..from + html[from..].find("</h1>").unwrap()];
    assert!(heading.contains("lower cost per message") && heading.contains("lower p99 latency"), "{heading}");
}

#[test]
fn an_invalid_run_names_no_winner() {
    let html = page(&[fixture::invalid()]);
    keep("invalid.html", &html);
    assert!(html.contains("<h1>No verdict: this run is not valid (the run was cut short; 1 more).</h1>"));
    assert!(html.contains("17 of 228,000 messages lost on lambda"));
    assert!(!html.contains("class=\"best\"") && !html.contains(" leads"));
    assert!(!html.contains("Simulated"));
}

#[test]
fn an_empty_run_says_so() {
    for stacks in [1, 2, 6] {
        let html = page(&[fixture::empty(stacks)]);
        keep(&format!("empty-{stacks}.html"), &html);
        assert!(html.contains("No verdict"));
        assert!(html.contains("The run has no throughput series."));
        assert_eq!(html.matches("<svg").count(), 0);
    }
    let mut nothing = fixture::empty(1);
    nothing.manifest.stacks.clear();
    nothing.stacks.clear();
    page(&[nothing]);
}

#[test]
fn a_single_message_has_no_percentile() {
    let html = page(&[fixture::single()]);
    keep("single.html", &html);
    assert!(html.contains("No stack has enough completed messages for a percentile."));
}

#[test]
fn one_side_without_data() {
    let mut run = fixture::spike(2, 3);
    run.stacks[1] = StackRun::default();
    let html = page(&[run]);
    keep("one-sided.html", &html);
    assert!(html.contains("No bill for lambda"));
}

#[test]
fn repeats_have_intervals() {
    let runs: Vec<Run> = (1..=4).map(|seed| fixture::spike(2, seed)).collect();
    let html = page(&runs);
    keep("repeats.html", &html);
    assert!(html.contains("means over 4 repeats") && html.contains("\n± "));
}

#[test]
fn a_week_fits() {
    let mut run = fixture::spike(2, 5);
    // Every five-second window becomes one of half an hour.
    let stretch = 360;
    run.manifest.load_end *= stretch;
    run.manifest.warmup *= stretch;
    run.manifest.window *= stretch;
    for phase in &mut run.manifest.phases {
        (phase.from, phase.until) = (phase.from * stretch, phase.until * stretch);
    }
    for (entry, stack) in run.manifest.stacks.iter_mut().zip(&mut run.stacks) {
        entry.end *= stretch;
        stack.windows.width *= stretch;
        stack.windows.histograms.iter_mut().for_each(|w| w.start *= stretch);
        for series in &mut stack.series {
            series.period *= stretch;
            series.points.iter_mut().for_each(|p| p.0 *= stretch);
        }
        stack.activities.iter_mut().for_each(|a| a.at *= stretch);
    }
    keep("week.html", &page(&[run]));
}

#[test]
fn names_are_escaped() {
    let mut run = fixture::spike(2, 1);
    run.manifest.title = "<script>alert(1)</script>".into();
    run.manifest.stacks[0].name = "a<b&\"c".into();
    let html = page(&[run]);
    assert!(!html.contains("<script>alert") && !html.contains("a<b"));
}

#[test]
fn an_unknown_region_has_no_bill_and_says_why() {
    let mut run = fixture::spike(2, 1);
    run.manifest.region = "mars-1".into();
    let html = page(&[run]);
    assert!(html.contains("no price list for region"));
}

#[test]
fn damaged_numbers_never_panic() {
    let mut run = fixture::spike(2, 1);
    (run.manifest.phases[1].from, run.manifest.phases[1].until) = (9, 3);
    run.manifest.phases[2].until = run.manifest.phases[2].from;
    for (i, series) in run.stacks[0].series.iter_mut().enumerate() {
        series.points[0].1 = [f64::NAN, f64::INFINITY, -1e300][i % 3];
        series.points[1].0 = u64::MAX;
    }
    run.stacks[0].series[1].points.clear();
    run.stacks[0].series[2].period = 0;
    run.manifest.warmup = u64::MAX / 2;
    html(std::slice::from_ref(&run));
    let _ = summary(std::slice::from_ref(&run));
    let _ = text(std::slice::from_ref(&run));
    run.stacks[1].series[0].period = u64::MAX;
    run.manifest.window = u64::MAX;
    html(&[run]);
}

#[test]
fn no_run_is_an_error() {
    assert_eq!(
        report::judge(&[], Options::default()).err().unwrap().to_string(),
        "there is no run to report"
    );
}

#[test]
fn assets_keep_their_budgets() {
    let style = include_str!("../src/assets/report.css");
    let script = include_str!("../src/assets/report.js");
    assert!(style.len() <= 14 * 1024, "style sheet: {}", style.len());
    assert!(script.len() <= 5 * 1024, "script: {}", script.len());
}

/// WCAG contrast of two `#rrggbb` or `#rgb` colours.
fn contrast(a: &str, b: &str) -> f64 {
    let luminance = |hex: &str| {
        let hex: String = match hex.len() {
            3 => hex.chars().flat_map(|c| [c, c]).collect(),
            _ => hex.into(),
        };
        let channel = |i: usize| {
            let v = f64::from(u8::from_str_radix(&hex[i..i + 2], 16).unwrap()) / 255.0;
            if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_colours_have_contrast_in_both_themes() {
    let style = include_str!("../src/assets/report.css");
    let pair = |name: &str| {
        let from = style.find(&format!("--{name}: light-dark(#")).unwrap_or_else(|| panic!("{name}"));
        let inside = &style[from..from + style[from..].find(')').unwrap()];
        let mut colours = inside.split('#').skip(1).map(|c| c.trim_end_matches([',', ' ']).to_owned());
        [colours.next().unwrap(), colours.next().unwrap()]
    };
    for name in ["ink", "mute", "bad", "good", "s1", "s2", "s3", "s4", "s5", "s6"] {
        for ground in ["bg", "card", "band"] {
            for theme in [0, 1] {
                let ratio = contrast(&pair(name)[theme], &pair(ground)[theme]);
                assert!(ratio >= 4.5, "{name} on {ground}, theme {theme}: {ratio:.2}");
            }
        }
    }
}
