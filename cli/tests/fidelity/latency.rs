//! Percentiles that the simulator draws from: whether it draws them right.

use crate::experiment::{Experiment, Kind, Rows};
use crate::runs::play_recorded;

pub(crate) fn all() -> Vec<Experiment> {
    vec![delivery(), cold(), initialisation()]
}

/// Environments that end with their invocation.
const NEVER_WARM: [&str; 2] = ["parameters.lambda-idle-min=1ms", "parameters.lambda-idle-max=1ms"];
fn delivery() -> Experiment {
    let mut rows = Rows(Vec::new());
    let run = play_recorded("start-delay", &[]);
    let simulated = run.stack("nodejs").until_first_line_ms(&[10.0, 50.0, 90.0, 99.0]);
    let published = [("P10", 13.7), ("P50", 16.2), ("P90", 33.8), ("P99", 105.0)];
    for ((what, published), simulated) in published.into_iter().zip(simulated) {
        rows.add(Kind::Input, what, "ms", published, simulated);
    }
    Experiment {
        title: "From send to a warm function",
        source: "[bitesizedserverless.com, Serverless messaging latency compared]\
                 (https://bitesizedserverless.com/bite/serverless-messaging-latency-compared)",
        date: "2022-09",
        scenario: "start-delay",
        setup: "SQS to Lambda in eu-west-1, warm.",
        assumed: "One message a second.",
        overridden: run.overridden.clone(),
        rows: rows.0,
        note: String::new(),
    }
}

fn cold() -> Experiment {
    let mut rows = Rows(Vec::new());
    let run = play_recorded("start-delay", &NEVER_WARM);
    let simulated = run.stack("python").until_first_line_ms(&[50.0])[0];
    rows.add(Kind::Input, "median", "ms", 448.0, simulated);
    Experiment {
        title: "A cold start as the client sees it",
        source: "[STeLLAR, IISWC 2021](https://github.com/vhive-serverless/STeLLAR)",
        date: "2021",
        scenario: "start-delay",
        setup: "A hello-world function, cold, propagation taken off.",
        assumed: "Python 3.13 of 2026 at 1,024 MB, by way of a queue, with the delivery that a warm function has. Environments \
                  do not outlive their invocation: `lambda-idle-min` and `lambda-idle-max` are 1 ms. The time outside of the \
                  initialisation was inferred from this very figure.",
        overridden: run.overridden.clone(),
        rows: rows.0,
        note: String::new(),
    }
}

fn initialisation() -> Experiment {
    let mut rows = Rows(Vec::new());
    let none = ["lambda-start-overhead-min", "lambda-start-overhead-max"]
        .into_iter()
        .chain(["esm-delivery-p10", "esm-delivery-p50", "esm-delivery-p90", "esm-delivery-p99"])
        .map(|key| format!("parameters.{key}=0ms"));
    let overrides: Vec<String> = NEVER_WARM.iter().map(|text| (*text).to_owned()).chain(none).collect();
    let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
    let run = play_recorded("start-delay", &overrides);
    let published = [
        ("python", [("Python 3.13, P50", 92.0), ("Python 3.13, P90", 121.0), ("Python 3.13, P99", 205.0)]),
        ("nodejs", [("Node.js 24, P50", 139.0), ("Node.js 24, P90", 170.0), ("Node.js 24, P99", 209.0)]),
        ("java", [("Java 21, P50", 244.0), ("Java 21, P90", 293.0), ("Java 21, P99", 595.0)]),
    ];
    for (stack, figures) in published {
        let simulated = run.stack(stack).until_first_line_ms(&[50.0, 90.0, 99.0]);
        for ((what, published), simulated) in figures.into_iter().zip(simulated) {
            rows.add(Kind::Input, what, "ms", published, simulated);
        }
    }
    Experiment {
        title: "Init Duration",
        source: "[maxday/lambda-perf](https://github.com/maxday/lambda-perf), its daily files of three months",
        date: "2026-05-28 to 2026-08-22",
        scenario: "start-delay",
        setup: "Hello-world functions, x86, zip; about 770 cold starts each.",
        assumed: "Nothing but the initialisation: `lambda-start-overhead-min`, `lambda-start-overhead-max`, \
                  `esm-delivery-p10`, `esm-delivery-p50`, `esm-delivery-p90` and `esm-delivery-p99` are 0. Environments do not \
                  outlive their invocation: `lambda-idle-min` and `lambda-idle-max` are 1 ms.",
        overridden: run.overridden.clone(),
        rows: rows.0,
        note: String::new(),
    }
}
