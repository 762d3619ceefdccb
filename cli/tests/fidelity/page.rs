//! docs/FIDELITY.md from the experiments.

use crate::experiment::{Experiment, Kind, MISS_PERCENT, Published, Row, median};
use std::fmt::Write;

const HEAD: &str = "\
# Fidelity

What others measured on AWS, beside what the simulator makes of the same experiments. The page is made by

    UPDATE=1 cargo test -p versus --test fidelity

and the same test without `UPDATE` fails if the page is not what the simulator says now. Experiments are scenarios in
[scenarios/fidelity](../scenarios/fidelity); how the simulator works is in [METHODOLOGY.md](METHODOLOGY.md).

**What a row is to the model** decides what its agreement is worth:

- *predicted*: a measured outcome that no parameter was taken from. Only these say how far the simulator can be believed.
- *computed*: the published number is arithmetic on list prices, and so is ours, from the other end: metered usage.
- *input*: it is a parameter, decides one, or served to reconstruct the setup. A consistency check.

The error is simulated over published, less 1. Of a published range any value is right, and of a published zero there is no
percentage. A row that is off by more than 15 % is a miss and has its reason below its table. All runs have the seed of
their file; where no file says otherwise, parameters are the defaults.
";

const TAIL: &str = "
## Not scored

| published | why not |
| --- | --- |
| rehanvdm.com 2026-02-11, the best ECS variant: first scale after 2 min, oldest message 27 s, 13,800 visible | it scales by a custom metric every 15 s and an alarm of 30 s, and neither is simulated; and the copies at hand do not tell the tasks before the burst, nor the steps, on which the backlog hangs |
| the same: Lambda's most visible messages | two copies of the article disagree: 1 and 14,900 |
| rehanvdm.com 2026-03-31: 400 ms, no maximum, \"steady state 500\" | above its own maximum of 194 |
| the same: a run in which the account's limit was met | its author calls it invalid |
| vladionescu.me 2022: Lambda 0 to 3,000 at once | the burst rule of that time is gone; no queue was involved |
| the same: EKS on Fargate and on EC2 | no Kubernetes in this version of the simulator |
| crossover articles (fortem.dev, leanopstech.com, factualminds.com, 2026) | they count API gateways, plans or utilisation targets that are no part of a queue worker's bill |

## What was not done

No parameter was changed for this page. Parameters that come from the sources above, and so make rows *input* rather than
*predicted*: `esm-error-decrease` (one factor for three error rates), `sqs-metric-lag`, `esm-delivery-*`, the Init
Durations of `runtime` and `package`, `lambda-start-overhead-*`, `ecs-provisioning-*` and `ecs-pull-mb-per-second`. Each is
in the list of beliefs of every run, with its source and grade. Some misses could be had away by moving one
constant, and have not been: the 100 ms function alone asks for half the documented ramp, the image of 900 MB alone for
another pull rate.
";

pub(crate) fn page(experiments: &[Experiment]) -> String {
    let mut page = String::from(HEAD);
    summary(&mut page, experiments);
    for experiment in experiments {
        section(&mut page, experiment);
    }
    page.push_str(TAIL);
    page
}

fn summary(page: &mut String, experiments: &[Experiment]) {
    let rows: Vec<&Row> = experiments.iter().flat_map(|experiment| &experiment.rows).collect();
    page.push_str("\n| rows | number | median absolute error | within 15 % | worst |\n| --- | --- | --- | --- | --- |\n");
    let mut line = |name: &str, of: &dyn Fn(&Row) -> bool| {
        let errors: Vec<f64> = rows.iter().filter(|row| of(row)).filter_map(|row| row.error()).collect();
        let within = errors.iter().filter(|error| error.abs() <= MISS_PERCENT).count();
        let worst = errors.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
        let (number, median) = (errors.len(), median(&errors));
        writeln!(page, "| {name} | {number} | {median:.1} % | {within} | {} |", percent(worst)).unwrap();
    };
    line("**all**", &|_| true);
    for kind in Kind::ALL {
        line(kind.name(), &|row| row.kind == kind);
    }
    page.push_str(
        "\nBy experiment, predicted rows alone:\n\n| experiment | rows | median absolute error | misses |\n",
    );
    page.push_str("| --- | --- | --- | --- |\n");
    for experiment in experiments {
        let predicted = experiment.rows.iter().filter(|row| row.kind == Kind::Predicted);
        let errors: Vec<f64> = predicted.filter_map(Row::error).collect();
        if !errors.is_empty() {
            let misses = errors.iter().filter(|error| error.abs() > MISS_PERCENT).count();
            let (title, number, median) = (experiment.title, errors.len(), median(&errors));
            writeln!(page, "| {title} | {number} | {median:.1} % | {misses} |").unwrap();
        }
    }
}

fn section(page: &mut String, experiment: &Experiment) {
    let Experiment { title, source, date, scenario, setup, assumed, .. } = experiment;
    write!(
        page,
        "\n## {title}\n\nSource: {source}, {date}. \
         Scenario: [{scenario}.toml](../scenarios/fidelity/{scenario}.toml).\n\n\
         **Published of the setup.** {setup}\n\n**Assumed.** {assumed}\n\n\
         | | published | simulated | error | kind |\n| --- | --- | --- | --- | --- |\n"
    )
    .unwrap();
    for row in &experiment.rows {
        let published = match row.published {
            Published::Value(value) => published(value),
            Published::Range(least, most) => format!("{} to {}", published(least), published(most)),
        };
        let error = row.error().map_or("-".into(), percent);
        let (what, unit, kind) = (row.what, row.unit, row.kind.name());
        let mark = if row.why.is_empty() { "" } else { " (miss)" };
        let unit = if unit.is_empty() { String::new() } else { format!(", {unit}") };
        let simulated = simulated(row.simulated, row.published);
        writeln!(page, "| {what}{unit} | {published} | {simulated} | {error}{mark} | {kind} |").unwrap();
    }
    if !experiment.note.is_empty() {
        writeln!(page, "\n{}", experiment.note).unwrap();
    }
    // Rows that miss for the same reason share it.
    let mut told: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in experiment.rows.iter().filter(|row| !row.why.is_empty()) {
        match told.iter_mut().find(|(why, _)| *why == row.why) {
            Some((_, whats)) => whats.push(row.what),
            None => told.push((row.why, vec![row.what])),
        }
    }
    if !told.is_empty() {
        page.push_str("\nMisses:\n\n");
    }
    for (why, whats) in told {
        writeln!(page, "- *{}*: {why}", whats.join("; ")).unwrap();
    }
}

fn percent(error: f64) -> String {
    let rounded = (error * 10.0).round() / 10.0;
    if rounded == 0.0 { "0.0 %".into() } else { format!("{rounded:+.1} %") }
}

/// As it was published.
fn published(value: f64) -> String {
    grouped(value.to_string())
}

/// As exactly as what was published, and in at least three significant digits.
fn simulated(value: f64, published: Published) -> String {
    let (Published::Value(aim) | Published::Range(aim, _)) = published;
    let decimals = aim.to_string().split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let significant = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let whole = value.fract() == 0.0;
    let decimals = if whole { decimals } else { decimals.max(significant) };
    grouped(format!("{value:.decimals$}"))
}

/// With commas between thousands.
fn grouped(text: String) -> String {
    let whole = text.split_once('.').map_or(text.len(), |(whole, _)| whole.len());
    match whole.checked_sub(3) {
        Some(1..) => format!("{},{}", &text[..whole - 3], &text[whole - 3..]),
        _ => text,
    }
}
