use super::*;
use crate::check::Settings;
use crate::format::Unit;
use serde_json::Value;

fn input(name: &str) -> Input {
    Input {
        name: name.into(),
        plan_hash: "00ff".into(),
        seed: 1,
        tool_version: "0.1.0".into(),
        planned: 60_000,
    }
}

fn finding(stack: &str, metric: &str, values: (f64, f64), outcome: Outcome, reason: &str) -> Finding {
    let ratio = values.1 / values.0;
    Finding {
        stack: stack.into(),
        metric: metric.into(),
        unit: if metric.starts_with("cost") { Unit::Usd } else { Unit::Milliseconds },
        baseline: Some(values.0),
        candidate: Some(values.1),
        ratio: Some(ratio),
        bounds: Some((ratio * 0.95, ratio * 1.05)),
        window_bounds: None,
        margin: 0.1,
        n: 20,
        unfinished: 0,
        detectable: Some(0.2),
        outcome,
        reason: reason.into(),
        history: vec![values.0, values.1],
    }
}

fn expectation(below: bool, value: Option<f64>, holds: Option<bool>) -> Expectation {
    let text = format!("lambda latency-p99 {} 2\u{a0}s", if below { "below" } else { "above" });
    let (stack, metric) = ("lambda".into(), "latency-p99".into());
    Expectation { stack, metric, unit: Unit::Milliseconds, below, text, value, holds }
}

fn check(findings: Vec<Finding>) -> Check {
    Check {
        settings: Settings::default(),
        baselines: vec![input("main")],
        candidates: vec![input("results/a|b")],
        incomparable: Vec::new(),
        findings,
        expectations: Vec::new(),
    }
}

/// One of each outcome, with all that needs escaping.
fn mixed() -> Check {
    let mut check = check(vec![
        finding("ecs", "latency-p50", (100.0, 101.0), Outcome::Unchanged, "within the margin"),
        finding(
            "ecs",
            "latency-p99.9",
            (234.0, 290.0),
            Outcome::Regressed,
            "slower: 100% <of> \"all\",\nlasting & felt",
        ),
        finding("lambda", "latency-p95", (100.0, 70.0), Outcome::Improved, "faster"),
        finding("lambda", "latency-p99", (100.0, 112.0), Outcome::Inconclusive, "needs 18 min"),
        finding("lambda", "latency-p99.9", (1.0, 2.0), Outcome::Untestable, "too few"),
        finding("lambda", "cost-per-million", (0.5, 0.6), Outcome::Concentrated, "three windows"),
    ]);
    check.findings[5].bounds = Some((1.1, f64::INFINITY));
    check.findings[4].candidate = Some(f64::INFINITY);
    check.findings[4].ratio = Some(f64::INFINITY);
    check.expectations = vec![
        expectation(true, Some(1_200.0), Some(true)),
        expectation(false, Some(1_200.0), Some(false)),
        expectation(true, None, None),
    ];
    check
}

#[test]
fn the_verdict_comes_first_and_every_finding_has_a_row() {
    let text = text(&mixed());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "REGRESSED: 1 of 6 comparisons; 2 of 3 expectations failed");
    let row = |word: &str| *lines.iter().find(|line| line.contains(word)).unwrap();
    assert!(
        row("✗ regressed").contains("234 ms") && row("✗ regressed").contains("24 % higher (18 to 30 %)"),
        "{text}"
    );
    assert!(row("! burst").contains("20 % higher (no less than 10 % higher)"), "{text}");
    assert!(row("– not-testable").contains("never"), "{text}");
    assert!(text.contains("✓ holds: lambda latency-p99 below 2 s (found 1.20 s)"), "{text}");
    assert!(text.contains("✗ fails: lambda latency-p99 below 2 s (no value)"), "{text}");
    assert!(lines.iter().all(|line| !line.ends_with(' ')) && !text.contains('\u{a0}'), "{text}");
}

#[test]
fn each_verdict_has_its_headline() {
    let of = |outcome| check(vec![finding("ecs", "latency-p50", (1.0, 1.0), outcome, "so it is")]);
    let starts =
        |check: &Check, words: &str| assert!(headline(check).starts_with(words), "{}", headline(check));
    starts(&of(Outcome::Unchanged), "PASS: nothing was shown to be worse (1 unchanged)");
    starts(&of(Outcome::Inconclusive), "INCONCLUSIVE: these data cannot tell (1 inconclusive)");
    starts(&check(Vec::new()), "NOT COMPARABLE: nothing was compared");
    let mut differs = check(Vec::new());
    differs.incomparable.push("seed: 1 and 2".into());
    starts(&differs, "NOT COMPARABLE: seed: 1 and 2");
    let mut expected = check(Vec::new());
    expected.expectations.push(expectation(true, Some(1.0), Some(true)));
    starts(&expected, "PASS: nothing was shown to be worse (1 expectation)");
}

#[test]
fn markdown_is_a_table_with_the_worst_first_and_fits_into_a_comment() {
    let page = markdown(&mixed());
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(
        rows[2].starts_with("| ✗ regressed |") && rows.last().unwrap().starts_with("| ✓ improved"),
        "{page}"
    );
    assert!(rows.iter().all(|row| row.replace("\\|", "").matches('|').count() == 9), "{page}");
    assert!(page.contains("&lt;of>") && !page.contains("<of>"), "{page}");

    let long = "very long reason ".repeat(30);
    let many = (0..1_000)
        .map(|i| finding(&format!("stack-{i}"), "latency-p50", (1.0, 1.0), Outcome::Unchanged, &long));
    let mut large = check(many.collect());
    large.findings[999].outcome = Outcome::Regressed;
    let page = markdown(&large);
    assert!(page.len() < 64 * 1024 && page.contains("stack-999"), "{}", page.len());
    assert!(page.contains("lines left out"), "it says so");
}

/// As much of JSON Schema as ours uses.
fn validate(schema: &Value, root: &Value, value: &Value, at: &str) {
    if let Some(path) = schema["$ref"].as_str() {
        return validate(&root["$defs"][path.rsplit('/').next().unwrap()], root, value, at);
    }
    if let Some(constant) = schema.get("const") {
        assert_eq!(value, constant, "{at}");
    }
    if let Some(choices) = schema["enum"].as_array() {
        assert!(choices.contains(value), "{at}: {value}");
    }
    let is = |kind: &str| match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{at}: {other}"),
    };
    match &schema["type"] {
        Value::Null => {}
        Value::String(kind) => assert!(is(kind), "{at}: {value} is not of type {kind}"),
        kinds => {
            assert!(kinds.as_array().unwrap().iter().any(|kind| is(kind.as_str().unwrap())), "{at}: {value}")
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        validate(&schema["items"], root, item, &format!("{at}[{index}]"));
    }
    if let Some(fields) = value.as_object() {
        for (key, field) in fields {
            let known =
                schema["properties"].get(key).unwrap_or_else(|| panic!("{at}.{key} is not in the schema"));
            validate(known, root, field, &format!("{at}.{key}"));
        }
        let required = schema["required"].as_array().unwrap();
        let missing: Vec<_> =
            required.iter().filter(|key| !fields.contains_key(key.as_str().unwrap())).collect();
        assert!(missing.is_empty(), "{at}: {missing:?} missing");
        assert_eq!(required.len(), schema["properties"].as_object().unwrap().len(), "{at}: all are required");
    }
}

#[test]
fn the_json_is_as_its_schema_says() {
    let schema: Value = serde_json::from_str(schema()).unwrap();
    let mut differs = check(Vec::new());
    differs.incomparable.push("plan hash: 00ff and 11ee".into());
    differs.settings = Settings { margin: Some(0.05), control: Some("ecs".into()), ..Settings::default() };
    for check in [mixed(), differs] {
        let written: Value = serde_json::from_str(&json(&check).to_string()).unwrap();
        validate(&schema, &schema, &written, "check");
    }
    let written = json(&mixed());
    assert_eq!(written["verdict"], "regressed");
    assert_eq!(written["findings"][4]["candidate"], "infinite", "null would be: not known");
}

/// The name of an element, those allowed within, attributes that have to be there, and others that may.
type Element = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

/// What Jenkins' junit-10.xsd says of the elements that we write.
const JENKINS: [Element; 8] = [
    ("testsuites", &["testsuite"], &[], &["name", "time", "tests", "failures", "errors"]),
    (
        "testsuite",
        &["testsuite", "properties", "testcase", "system-out", "system-err"],
        &["name", "tests", "failures", "errors"],
        &["skipped", "time", "timestamp", "hostname", "id", "package", "file", "log", "url", "group"],
    ),
    ("properties", &["property"], &[], &[]),
    ("property", &[], &["name", "value"], &[]),
    (
        "testcase",
        &["skipped", "error", "failure", "system-out", "system-err"],
        &["name"],
        &["classname", "time", "group"],
    ),
    ("failure", &[], &[], &["type", "message"]),
    ("error", &[], &[], &["type", "message"]),
    ("skipped", &[], &[], &["type", "message"]),
];

#[test]
fn junit_is_as_jenkins_wants_it() {
    let mut differs = check(Vec::new());
    differs.incomparable.push("seed: 1 and 2".into());
    for check in [mixed(), differs] {
        let xml = junit(&check);
        let document = roxmltree::Document::parse(&xml).unwrap();
        assert_eq!(document.root_element().tag_name().name(), "testsuites");
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            let name = node.tag_name().name();
            let (_, within, required, optional) =
                JENKINS.iter().find(|(known, ..)| *known == name).unwrap_or_else(|| panic!("<{name}>"));
            for child in node.children().filter(roxmltree::Node::is_element) {
                assert!(within.contains(&child.tag_name().name()), "{child:?} in <{name}>");
            }
            assert!(required.iter().all(|key| node.has_attribute(*key)), "<{name}> of {xml}");
            let known = |key: &str| required.contains(&key) || optional.contains(&key);
            assert!(node.attributes().all(|attribute| known(attribute.name())), "<{name}> of {xml}");
        }
    }
}

#[test]
fn junit_counts_its_tests_and_keeps_numbers_out_of_names() {
    let mut odd = mixed();
    odd.findings[0].reason = "a bell \u{7} & co".into();
    odd.findings[0].outcome = Outcome::Regressed;
    let xml = junit(&odd);
    let document = roxmltree::Document::parse(&xml).unwrap();
    let suite = document.root_element().first_element_child().unwrap();
    assert_eq!(
        (document.root_element().tag_name().name(), suite.tag_name().name()),
        ("testsuites", "testsuite")
    );
    let all = |tag: &str| suite.descendants().filter(|node| node.has_tag_name(tag)).count();
    let says = |name: &str| suite.attribute(name).unwrap().parse::<usize>().unwrap();
    assert_eq!((says("tests"), says("failures")), (all("testcase"), all("failure")));
    assert_eq!((says("errors"), says("skipped")), (all("error"), all("skipped")));
    assert_eq!((all("testcase"), all("failure"), all("skipped"), all("error")), (10, 4, 3, 0), "{xml}");
    let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
    let failed = cases
        .iter()
        .find(|case| case.attribute("name") == Some("latency-p99.9 against the baseline"))
        .unwrap();
    assert_eq!(failed.attribute("classname"), Some("check.ecs"));
    let text = failed.first_element_child().unwrap().text().unwrap();
    assert!(text.contains("24 % higher") && text.contains("<of> \"all\",\nlasting & felt"), "{text}");

    // The names are those of a check in which all is well.
    let mut well = odd.clone();
    well.findings.iter_mut().for_each(|finding| finding.outcome = Outcome::Unchanged);
    well.findings.iter_mut().for_each(|finding| finding.candidate = Some(7.0));
    let well = junit(&well);
    let names = |text: &str| -> Vec<String> {
        let cases = text
            .lines()
            .filter_map(|line| line.split(" name=").nth(1).filter(|_| line.contains("<testcase")));
        cases.map(|rest| rest.split('"').nth(1).unwrap().to_owned()).collect()
    };
    assert_eq!(names(&xml), names(&well));
}

#[test]
fn nothing_compared_is_an_error_in_junit() {
    for incomparable in [vec![], vec!["seed: 1 and 2".to_owned()]] {
        let xml = junit(&Check { incomparable, ..check(Vec::new()) });
        let document = roxmltree::Document::parse(&xml).unwrap();
        let error = document.descendants().find(|node| node.has_tag_name("error")).unwrap();
        assert_eq!(error.attribute("type"), Some("not-comparable"));
        assert!(xml.contains("tests=\"1\" failures=\"0\" errors=\"1\""), "{xml}");
    }
}

#[test]
fn annotations_are_escaped_and_at_most_ten() {
    let lines = github(&mixed());
    let of = |what: &str| {
        lines.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {lines}"))
    };
    let regressed = of("ecs latency-p99.9");
    assert!(
        regressed.starts_with("::error title=ecs latency-p99.9 regressed::ecs latency-p99.9: 234 ms"),
        "{lines}"
    );
    assert!(regressed.contains("100%25 <of> \"all\",%0Alasting"), "{lines}");
    assert!(of("needs 18 min").starts_with("::warning "), "{lines}");
    assert!(lines.starts_with("::error title=versus check::REGRESSED"), "{lines}");
    assert!(!lines.contains("improved::") && !lines.contains("unchanged::"), "{lines}");

    let many =
        (0..40).map(|i| finding(&format!("s{i}"), "latency-p50", (1.0, 2.0), Outcome::Regressed, "slow"));
    let many = github(&check(many.collect()));
    assert_eq!(many.lines().count(), 10);
    assert!(many.contains("31 of the annotations are left out"), "{many}");
    let well = github(&check(vec![finding("ecs", "latency-p50", (1.0, 1.0), Outcome::Unchanged, "so")]));
    assert!(well.starts_with("::notice title=versus check::PASS") && well.lines().count() == 1, "{well}");
}

#[test]
fn openmetrics_has_three_digits_and_an_end() {
    let text = openmetrics(&mixed());
    for line in [
        "versus_latency_seconds{stack=\"ecs\",quantile=\"0.999\"} 0.29",
        "versus_latency_seconds{stack=\"lambda\",quantile=\"0.99\"} 0.112",
        "versus_latency_seconds{stack=\"lambda\",quantile=\"0.999\"} +Inf",
        "versus_cost_per_million_usd{stack=\"lambda\"} 0.6",
        "versus_check_change_ratio{stack=\"ecs\",metric=\"latency-p99.9\"} 1.24",
        "versus_check_regressed{stack=\"ecs\",metric=\"latency-p99.9\"} 1",
        "versus_check_pass 0",
    ] {
        assert!(text.lines().any(|written| written == line), "{line} is missing in\n{text}");
    }
    assert!(text.ends_with("\n# EOF\n"));
    let types: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let mut once = types.clone();
    once.dedup();
    assert_eq!(types, once, "each family stands together");
}
