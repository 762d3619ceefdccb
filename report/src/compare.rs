//! Sets two runs side by side, stack by stack: the second against the first.
//!
//! Goals: every row from the metric table; runs of any target, so that a simulation is scored by comparing it with a
//! measured run; says when the runs were not offered the same messages.
//! Non-goals: whether a difference is more than noise.

use crate::format::{self, ABSENT, NBSP};
use crate::metrics::{METRICS, Metric};
use crate::options::Options;
use crate::text::{print, widths};
use crate::view::StackView;
use model::run::Run;
use serde_json::{Value, json};
use std::fmt::Write;

/// Two runs, each with the name it is shown by.
pub struct Comparison<'a> {
    names: [String; 2],
    runs: [&'a Run; 2],
    stacks: Vec<Stack>,
}

/// A stack that both runs have.
struct Stack {
    name: String,
    rows: Vec<Row>,
}

struct Row {
    metric: &'static Metric,
    values: [Option<f64>; 2],
}

impl Row {
    fn shown(&self) -> Vec<String> {
        let mut cells = format::row(self.metric.unit, &self.values);
        cells.push(match self.values {
            [Some(first), Some(second)] => format::difference(second, first),
            _ => ABSENT.into(),
        });
        cells
    }
}

impl<'a> Comparison<'a> {
    /// Compares `second` with `first`. Stacks are matched by name.
    #[must_use]
    pub fn new(first: (&str, &'a Run), second: (&str, &'a Run)) -> Self {
        let views =
            [StackView::all(first.1, Options::default()), StackView::all(second.1, Options::default())];
        let stacks = views[0]
            .iter()
            .filter_map(|one| {
                let other = views[1].iter().find(|other| other.name() == one.name())?;
                let row = |metric: &'static Metric| Row {
                    metric,
                    values: [metric.value(one), metric.value(other)],
                };
                let rows = METRICS.iter().map(row).filter(|row| row.values.iter().any(Option::is_some));
                Some(Stack { name: one.name().into(), rows: rows.collect() })
            })
            .collect();
        Self { names: [first.0.into(), second.0.into()], runs: [first.1, second.1], stacks }
    }

    /// Why the comparison says little, one sentence each; empty if nothing stands against it.
    #[must_use]
    pub fn objections(&self) -> Vec<String> {
        let [first, second] = self.runs.map(|run| &run.manifest);
        let mut objections = Vec::new();
        if self.stacks.is_empty() {
            objections.push("no stack has the same name in both runs: nothing was compared".into());
        }
        if first.plan_hash != second.plan_hash {
            objections.push(format!(
                "the runs were not offered the same messages: plan {} (seed {}) and plan {} (seed {})",
                short(&first.plan_hash),
                first.seed,
                short(&second.plan_hash),
                second.seed
            ));
        }
        for (name, manifest) in self.names.iter().zip([first, second]) {
            if !manifest.complete {
                objections.push(format!("{name} was cut short"));
            }
            let failed = manifest.checks.iter().filter(|check| !check.passed);
            objections.extend(failed.map(|check| {
                format!("{name} failed check \"{}\": {}", check.name, format::with_separators(&check.detail))
            }));
        }
        objections
    }

    /// Which of the runs are simulations, if any: a simulation says that it is one.
    fn simulated(&self) -> Option<String> {
        let simulated = self.names.iter().zip(self.runs).filter(|(_, run)| run.manifest.target == "sim");
        let names: Vec<&str> = simulated.map(|(name, _)| name.as_str()).collect();
        (!names.is_empty())
            .then(|| format!("SIMULATED (virtual time, no AWS involved): {}", names.join(", ")))
    }

    /// The table for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = self.simulated().map(|line| line + "\n\n").unwrap_or_default();
        for stack in &self.stacks {
            let mut lines = vec![self.heading(&stack.name)];
            for row in &stack.rows {
                let mut line = vec![format!("  {}", label(row.metric))];
                line.extend(row.shown());
                lines.push(line);
            }
            let widths = widths(&lines);
            lines.iter().for_each(|line| print(&mut out, line, &widths, ""));
            out.push('\n');
        }
        self.objections().iter().for_each(|objection| _ = writeln!(out, "Note: {objection}"));
        out.replace(NBSP, " ")
    }

    /// The table in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = self.simulated().map(|line| format!("> {line}\n\n")).unwrap_or_default();
        for stack in &self.stacks {
            let _ =
                writeln!(out, "| {} |\n| --- | ---: | ---: | ---: |", self.heading(&stack.name).join(" | "));
            for row in &stack.rows {
                let _ = writeln!(out, "| {} | {} |", label(row.metric), row.shown().join(" | "));
            }
            out.push('\n');
        }
        self.objections().iter().for_each(|objection| _ = writeln!(out, "> {objection}\n"));
        out.replace(NBSP, " ")
    }

    /// Every value, for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let rows = |stack: &Stack| -> Vec<Value> {
            let row = |row: &Row| {
                json!({
                    "name": row.metric.name,
                    "unit": row.metric.unit.name(),
                    "better": row.metric.better.name(),
                    "first": row.values[0],
                    "second": row.values[1],
                })
            };
            stack.rows.iter().map(row).collect()
        };
        let stacks: Vec<Value> =
            self.stacks.iter().map(|s| json!({ "name": s.name, "metrics": rows(s) })).collect();
        json!({ "schema": 1, "runs": self.names, "simulated": self.simulated(), "objections": self.objections(), "stacks": stacks })
    }

    fn heading(&self, stack: &str) -> Vec<String> {
        let [first, second] = self.names.clone();
        vec![stack.into(), first, second, "difference".into()]
    }
}

/// Labels of one group lean on its heading; here they stand alone.
fn label(metric: &Metric) -> String {
    match metric.name.strip_prefix("latency-") {
        Some(_) => format!("Latency, {}", metric.label.to_lowercase()),
        None if metric.name.starts_with("cost-") => format!("Cost, {}", metric.label.to_lowercase()),
        None => metric.label.into(),
    }
}

fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}
