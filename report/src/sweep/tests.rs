//! Zones, frontier and summary, on sweeps that are made up.

use super::frontier::frontier;
use super::standing::{Standing, Zone, standing, trouble, zones};
use super::*;

fn row(point: usize, value: &str, stack: &str, month: f64, p99: f64) -> Row {
    let mut figures = vec![None; FIGURES.len()];
    let mut set = |name: &str, v: f64| {
        let place = FIGURES.iter().position(|known| *known == name).expect("a figure");
        figures[place] = Some(v);
    };
    set("cost-per-month", month);
    set("cost-per-million", month / 10.0);
    set("latency-p99", p99);
    Row {
        point,
        values: vec![value.into()],
        stack: stack.into(),
        platform: stack.into(),
        drained: true,
        valid: true,
        planned: 1_000,
        completed: 1.0,
        figures,
    }
}

/// A task serves 100 messages a second and costs $10; Lambda costs 8 cents per message a second.
fn staircase(loads: &[&str]) -> Vec<Row> {
    let of = |(index, load): (usize, &&str)| {
        let rate: f64 = load.parse().expect("a number");
        let tasks = (rate / 100.0).ceil();
        [row(index + 1, load, "ecs", 10.0 * tasks, 200.0), row(index + 1, load, "lambda", 0.08 * rate, 300.0)]
    };
    loads.iter().enumerate().flat_map(of).collect()
}

fn varied(values: &[&str]) -> Vec<Varied> {
    vec![Varied { key: "load".into(), values: values.iter().map(|v| (*v).into()).collect() }]
}

const LOADS: [&str; 8] = ["50", "90", "110", "140", "190", "210", "260", "290"];

#[test]
fn a_staircase_crosses_several_times_and_every_crossing_is_told() {
    // ecs: 10 10 20 20 20 30 30 30; lambda: 4 7.2 8.8 11.2 15.2 16.8 20.8 23.2, so raise it to cross.
    let mut rows = staircase(&LOADS);
    for row in rows.iter_mut().filter(|row| row.stack == "lambda") {
        let rate: f64 = row.values[0].parse().expect("a number");
        *row = super::tests::row(row.point, &row.values[0].clone(), "lambda", 0.13 * rate, 300.0);
    }
    // lambda: 6.5 11.7 14.3 18.2 24.7 27.3 33.8 37.7
    let standings: Vec<Standing> = points(&rows).map(|point| standing(point, 0, 1)).collect();
    let zone = |from, to, standing| Zone { from, to, standing };
    use Standing::{First, Second};
    assert_eq!(
        zones(&standings),
        [
            zone(0, 0, Second),
            zone(1, 1, First),
            zone(2, 3, Second),
            zone(4, 4, First),
            zone(5, 5, Second),
            zone(6, 7, First)
        ]
    );
    let varied = varied(&LOADS);
    let said = text(&Sweep { title: "Stairs", seed: 7, varied: &varied, rows: &rows });
    let told: Vec<&str> =
        said.lines().filter_map(|line| line.trim().strip_prefix("break-even between ")).collect();
    assert_eq!(told, ["50 and 90", "90 and 110", "140 and 190", "190 and 210", "210 and 260"], "{said}");
    assert!(
        said.contains("  110 to 140   lambda is cheaper: $20.00 against $14.30, then $20.00 against $18.20")
    );
    assert!(said.starts_with("SIMULATED sweep: Stairs\n8 points, seed 7 at each\n"), "{said}");
}

#[test]
fn zones_follow_the_axis_not_the_order_of_the_points() {
    let upwards = staircase(&["90", "260"]);
    let downwards = staircase(&["260", "90"]);
    let zones = |rows: &[Row], values: &[&str]| {
        let said = text(&Sweep { title: "", seed: 1, varied: &varied(values), rows });
        said.lines().filter(|line| line.contains("cheaper")).map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(zones(&upwards, &["90", "260"]), zones(&downwards, &["260", "90"]));
    assert!(zones(&upwards, &["90", "260"])[0].trim().starts_with("90 to 260"));
}

#[test]
fn who_did_not_do_the_work_is_not_cheaper_and_not_on_the_frontier() {
    let mut rows = staircase(&["50", "260"]);
    // ecs fell behind at the second point, so its run is not valid.
    rows[2].drained = false;
    rows[2].valid = false;
    rows[3].valid = false;
    let standings: Vec<Standing> = points(&rows).map(|point| standing(point, 0, 1)).collect();
    assert_eq!(standings, [Standing::Second, Standing::Untold("ecs was not drained".into())]);
    assert_eq!(trouble(&rows[3], &rows[2..]), None, "the other stack's figures stand");
    let said = text(&Sweep { title: "", seed: 1, varied: &varied(&["50", "260"]), rows: &rows });
    assert!(!said.contains("break-even"), "nothing is known between them: {said}");
    assert!(said.contains("ecs was not drained: point 2"), "{said}");
    let on =
        |rows: &[Row]| frontier(rows).iter().map(|row| (row.point, row.stack.clone())).collect::<Vec<_>>();
    assert_eq!(on(&rows), [(1, "lambda".into()), (1, "ecs".into())]);
    // Were it drained, it would still not be there with messages that nobody else lost.
    rows[2].drained = true;
    rows[2].completed = 0.9;
    rows[2].figures[4] = Some(1.0);
    assert_eq!(trouble(&rows[2], &rows[2..]), Some("completed fewer messages"));
    assert!(!on(&rows).contains(&(2, "ecs".into())));
    rows[2].completed = 1.0;
    assert_eq!(trouble(&rows[2], &rows[2..]), Some("has a run that is not valid"), "nobody explains it");
    rows[2].valid = true;
    (rows[2].figures[0], rows[2].figures[1]) = (Some(260.0), Some(240.0));
    assert_eq!(trouble(&rows[2], &rows[2..]), Some("did not keep up with the load"));
    assert!(!on(&rows).contains(&(2, "ecs".into())));
    rows[2].figures[1] = Some(255.0);
    assert!(on(&rows).contains(&(2, "ecs".into())), "the control: nothing else kept it away");
}

#[test]
fn the_frontier_has_what_nothing_beats_in_both() {
    let rows = [
        row(1, "1", "a", 10.0, 500.0),
        row(2, "2", "a", 20.0, 400.0),
        row(3, "3", "a", 20.0, 450.0),
        row(4, "4", "a", 30.0, 400.0),
        row(5, "5", "a", 40.0, 100.0),
    ];
    assert_eq!(frontier(&rows).iter().map(|row| row.point).collect::<Vec<_>>(), [1, 2, 5]);
}

#[test]
fn only_numbers_of_one_unit_make_an_axis() {
    let axis = |values: &[&str]| varied(values)[0].axis();
    assert_eq!(axis(&["1", "31.6"]), Some(vec![1.0, 31.6]));
    assert_eq!(axis(&["1GB", "2 GB"]), Some(vec![1.0, 2.0]));
    assert_eq!(axis(&["512MB", "1GB"]), None);
    assert_eq!(axis(&["x86", "arm"]), None);
    assert_eq!(axis(&["3"]), None, "one value is no axis");
}

#[test]
fn a_row_reads_as_it_was_written() {
    let mut row = row(3, "1GB", "ecs", six_digits(1.0 / 3.0), 12.5);
    row.completed = 999_999.0 / 1_000_000.0;
    row.drained = false;
    let cells = row.cells();
    assert_eq!(cells.len(), Row::header(&varied(&["1GB"])).len());
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    assert_eq!(Row::from_cells(1, &cells), Some(row));
    assert!(cells.contains(&"0.333333") && cells.contains(&"0.999999"));
    assert_eq!(Row::from_cells(1, &cells[..cells.len() - 1]), None, "a cell is missing");
    assert_eq!(Row::from_cells(2, &cells), None);
}

#[test]
fn each_load_has_a_frontier_and_a_stack_is_not_told_by_the_keys_of_another() {
    let keys = ["load", "stacks.ecs.tasks"]
        .map(|key| Varied { key: key.into(), values: vec!["1".into(), "2".into()] });
    let mut rows = Vec::new();
    for (point, (load, tasks)) in (1..).zip([("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")]) {
        for (stack, cost, p99) in [("ecs", 10.0, 20.0), ("lambda", 5.0, 30.0)] {
            let mut row = row(point, load, stack, cost * tasks.parse::<f64>().expect("a number"), p99);
            row.values.push(tasks.into());
            rows.push(row);
        }
    }
    let said = text(&Sweep { title: "", seed: 1, varied: &keys, rows: &rows });
    assert!(said.contains("Frontier of cost and latency at load 1:"), "{said}");
    assert!(said.contains("lambda   load=2 (point 3)"), "{said}");
    assert!(said.contains("load=2, stacks.ecs.tasks=1 (point 3)"), "{said}");
    assert!(said.contains("With stacks.ecs.tasks=2:"), "{said}");
}

/// The attributes of the elements of a kind.
fn paths<'a>(html: &'a str, class: &str) -> Vec<&'a str> {
    let open = format!("<path class=\"{class}\"");
    html.split(open.as_str()).skip(1).map(|rest| rest.split('>').next().unwrap_or_default()).collect()
}

#[test]
fn the_page_marks_every_tested_point_and_shades_where_the_order_turns() {
    let mut rows = staircase(&LOADS);
    rows.iter_mut().filter(|row| row.stack == "lambda").for_each(|row| {
        let rate: f64 = row.values[0].parse().expect("a number");
        *row = super::tests::row(row.point, &row.values[0].clone(), "lambda", 0.13 * rate, 300.0);
    });
    let varied = varied(&LOADS);
    let page =
        |rows: &[Row]| html(&Sweep { title: "Stairs <3", seed: 7, varied: &varied, rows }).expect("a page");
    let whole = page(&rows);
    for svg in whole.split("<svg class=\"plot\"").skip(1) {
        let end = svg.match_indices("</svg>").nth(1).expect("an end").0;
        let picture = format!("<svg class=\"plot\"{}</svg>", &svg[..end]);
        roxmltree::Document::parse(&picture).unwrap_or_else(|error| panic!("{error}: {picture}"));
    }
    // Three charts, each with a dot per stack and point; dots at one place are one path.
    let dots = |html: &str| {
        paths(html, "l s1 thin").iter().map(|path| path.matches("h0").count()).collect::<Vec<_>>()
    };
    assert_eq!(dots(&whole), [8, 8, 8]);
    // Five crossings, in both charts along the load.
    let shaded = paths(&whole, "f band");
    assert_eq!(shaded.iter().map(|path| path.matches('z').count()).sum::<usize>(), 10, "{shaded:?}");
    assert!(whole.contains("lies between 50 and 90, between 90 and 110, between 140 and 190,"));
    assert!(whole.contains("From 200\u{a0}ms to 300\u{a0}ms over all points"));
    assert_eq!(whole.matches("<table>").count(), 3, "a table for every chart");
    assert!(whole.contains("<title>Simulated sweep: Stairs &lt;3 – versus</title>"));
    assert!(!whole.contains("http") || whole.matches("http").count() == whole.matches("http-equiv").count());
    assert!(!whole.contains("NaN") && !whole.contains("<script"));
    // A point in trouble is in the table, and nowhere else.
    rows[2].drained = false;
    let less = page(&rows);
    assert_eq!(dots(&less), [7, 7, 7]);
    assert!(less.contains("(was not drained)"));
}

#[test]
fn a_page_without_an_axis_or_a_frontier_says_so() {
    let varied =
        vec![Varied { key: "stacks.ecs.architecture".into(), values: vec!["x86".into(), "arm".into()] }];
    let mut rows = Vec::new();
    for (point, value) in [(1, "x86"), (2, "arm")] {
        for stack in ["ecs", "lambda"] {
            let mut row = row(point, value, stack, 1.0, 1.0);
            row.drained = false;
            rows.push(row);
        }
    }
    let page = html(&Sweep { title: "", seed: 1, varied: &varied, rows: &rows }).expect("a page");
    assert_eq!(page.matches("so nothing is drawn").count(), 2);
    assert!(page.contains("No point has a known cost"));
}
