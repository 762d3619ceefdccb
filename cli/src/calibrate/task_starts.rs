//! How long the tasks of ECS services took to start, and the beliefs that say so.
//!
//! Goals: each part as ECS's own timestamps have it; tasks of all services on Fargate together, for the beliefs are of
//! AWS and not of a stack.
//! Non-goals: EC2, where a task waits for an instance and finds its image there; what a worker does between the start of
//! its container and its first line, which ECS does not see.

use super::fit::{Fitted, LEAST_COLD, at};
use model::random::normal_quantile;
use model::run::StackRun;
use model::scenario::{Capacity, Ecs, Platform, Scenario};
use model::series::metric;
use model::time::{MICROSECOND, Nanos, from_seconds};

/// Spans of the tasks of one service, by part.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct TaskStarts {
    provisioning: Vec<Nanos>,
    pull: Vec<Nanos>,
    start: Vec<Nanos>,
    /// From being asked for to running.
    pub(super) ready: Vec<Nanos>,
}

impl TaskStarts {
    pub(super) fn of(stack: &StackRun) -> Self {
        let spans = |name| {
            let points = stack.series(name).map_or(&[][..], |series| &series.points);
            let mut spans: Vec<Nanos> = points.iter().map(|point| from_seconds(point.1)).collect();
            spans.sort_unstable();
            spans
        };
        Self {
            provisioning: spans(metric::TASK_PROVISIONING),
            pull: spans(metric::TASK_PULL),
            start: spans(metric::TASK_START),
            ready: spans(metric::TASK_READY),
        }
    }
}

/// The service of a stack, if it is on Fargate.
pub(super) fn on_fargate(platform: &Platform) -> Option<&Ecs> {
    match platform {
        Platform::Ecs(ecs) if !matches!(ecs.capacity, Capacity::Ec2(_)) => Some(ecs),
        _ => None,
    }
}

/// What the starts of the tasks of each stack say of the beliefs of `scenario`, and what they do not say, and why.
pub(super) fn fit(scenario: &Scenario, stacks: &[TaskStarts]) -> (Vec<Fitted>, Vec<String>) {
    let (mut provisioning, mut start, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    let (mut names, mut left) = (Vec::new(), Vec::new());
    for (stack, starts) in scenario.stacks.iter().zip(stacks) {
        let Some(ecs) = on_fargate(&stack.platform) else {
            if !starts.ready.is_empty() {
                left.push(format!("{}: on EC2 the starts of tasks are not taken apart", stack.name));
            }
            continue;
        };
        names.push(stack.name.as_str());
        provisioning.extend(&starts.provisioning);
        start.extend(&starts.start);
        let pulled = starts.pull.iter().filter(|span| **span > 0);
        rates.extend(pulled.map(|span| f64::from(ecs.image_mb) / model::time::seconds(*span)));
    }
    let (names, mut fitted) = (names.join(", "), Vec::new());
    // Without a task that started in its time a run says nothing, and need not say so.
    if provisioning.is_empty() && rates.is_empty() && start.is_empty() {
        return (fitted, left);
    }
    let mut enough = |what: &str, count: usize| {
        if count < LEAST_COLD {
            left.push(format!("{names}: {count} tasks tell their {what}, {LEAST_COLD} are needed"));
        }
        count >= LEAST_COLD
    };
    let from = |what: &str, count: usize| format!("{what} of {count} tasks of {names}");
    if enough("provisioning", provisioning.len()) {
        let from = from("created to pull started", provisioning.len());
        fitted.extend(uniform("ecs-provisioning", &mut provisioning, &from));
    }
    if enough("pull", rates.len()) {
        let from = from("image-size over the pull", rates.len());
        fitted.extend(pull(&mut rates, &from));
    }
    if enough("start", start.len()) {
        let from = from("pull stopped to RUNNING", start.len());
        fitted.extend(uniform("ecs-start", &mut start, &from));
    }
    (fitted, left)
}

/// The uniform distribution that has the deciles of the spans: one that was slow for once moves it but little.
fn uniform(key: &str, spans: &mut [Nanos], from: &str) -> [Fitted; 2] {
    spans.sort_unstable();
    let (low, high) = (at(spans, 0.1), at(spans, 0.9));
    let beyond = (high - low) / 8;
    [("min", low.saturating_sub(beyond)), ("max", high + beyond)].map(|(end, value)| Fitted {
        line: format!("parameters.{key}-{end} = \"{}us\"", value.div_ceil(MICROSECOND)),
        from: from.to_owned(),
    })
}

/// The lognormal rate that has the median and, about it, the deciles of the rates, in MB per second.
fn pull(rates: &mut [f64], from: &str) -> [Fitted; 2] {
    rates.sort_by(f64::total_cmp);
    let sigma = (at(rates, 0.9) / at(rates, 0.1)).ln() / (2.0 * normal_quantile(0.9));
    // As the platform reads it: the 99th percentile of the pull is so many spreads above its median.
    let z99 = normal_quantile(0.99);
    let spread = (((sigma * z99).exp() - 1.0) / z99).min(3.0);
    let rate = at(rates, 0.5).clamp(0.1, 100_000.0);
    [
        format!("parameters.ecs-pull-mb-per-second = {rate:.3}"),
        format!("parameters.ecs-pull-spread = {spread:.3}"),
    ]
    .map(|line| Fitted { line, from: from.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::{MILLISECOND, SECOND};

    const TEXT: &str = "title = \"T\"\nanalysis = \"A\"\n[[phases]]\nname = \"p\"\narrivals = \"even\"\n\
                        duration = \"1s\"\nrate = 1\n[stacks.ecs]\nplatform = \"ecs\"\nimage-size = \"400MB\"\n\
                        [stacks.lambda]\nplatform = \"lambda\"\n";

    fn scenario(overrides: &[String]) -> Scenario {
        model::scenario::parse("t", TEXT, overrides, None, &mut |_| unreachable!()).unwrap()
    }

    fn quantiles(mut starts: Vec<Nanos>) -> [Nanos; 2] {
        starts.sort_unstable();
        [0.5, 0.9].map(|p| at(&starts, p))
    }

    #[test]
    fn fitted_beliefs_start_tasks_as_those_that_were_measured() {
        let ramp = |from: Nanos, step: Nanos| (0..41).map(|i| from + i * step).collect::<Vec<_>>();
        // 20 to 28 s to provision, 400 MB in about 16 s, 4 to 5 s to start.
        let starts = TaskStarts {
            provisioning: ramp(20 * SECOND, 200 * MILLISECOND),
            pull: ramp(14 * SECOND, 100 * MILLISECOND),
            start: ramp(4 * SECOND, 25 * MILLISECOND),
            ready: Vec::new(),
        };
        let (fitted, left) = fit(&scenario(&[]), &[starts, TaskStarts::default()]);
        assert_eq!(left, [""; 0]);
        let lines: Vec<String> = fitted.iter().map(|one| one.line.clone()).collect();
        for line in [
            "parameters.ecs-provisioning-min = \"20000000us\"",
            "parameters.ecs-provisioning-max = \"28000000us\"",
            "parameters.ecs-pull-mb-per-second = 25.000",
            "parameters.ecs-start-min = \"4000000us\"",
            "parameters.ecs-start-max = \"5000000us\"",
        ] {
            assert!(lines.iter().any(|one| one == line), "{line}\n{lines:#?}");
        }
        let fitted = scenario(&lines);
        let ecs = on_fargate(&fitted.stacks[0].platform).unwrap();
        let [p50, p90] = quantiles(sim::task_starts(&fitted, ecs, 1_001));
        // 24 + 16 + 4.5 s; before, 11.5 + 38 + 2 s were believed.
        assert!(p50.abs_diff(44_500 * MILLISECOND) < SECOND, "{p50}");
        assert!((46 * SECOND..52 * SECOND).contains(&p90), "{p90}");
    }

    #[test]
    fn few_tasks_say_nothing_and_none_need_not_say_so() {
        let few = TaskStarts { provisioning: vec![SECOND; 4], pull: vec![0; 9], ..TaskStarts::default() };
        let (fitted, left) = fit(&scenario(&[]), &[few, TaskStarts::default()]);
        assert_eq!((fitted.len(), left.len()), (0, 3));
        assert_eq!(left[0], "ecs: 4 tasks tell their provisioning, 5 are needed");
        assert_eq!(fit(&scenario(&[]), &vec![TaskStarts::default(); 2]), (Vec::new(), Vec::new()));
    }
}
