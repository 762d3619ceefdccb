//! What a run on AWS measured, and who said so: what stands there in the place of beliefs.
//!
//! Goals: only the sources that this run had; what nobody told is said, too.

use super::Subject;
use crate::prices::price_list_date;
use maud::{Markup, html};
use model::usage::Item;

/// The part of the section.
pub(super) fn part(subject: &Subject) -> Markup {
    html! {
        h3 #sources { "What was measured, and by whom" }
        p { "Measured: the run rests on no beliefs about AWS but the price list." }
        dl.prov { @for (what, from) in rows(subject) { div { dt { (what) } dd { (from) } } } }
    }
}

/// What, and from where.
fn rows(subject: &Subject) -> Vec<(&'static str, String)> {
    let run = subject.judgement.first();
    let manifest = &run.manifest;
    let has = |platform: &str| manifest.stacks.iter().any(|entry| entry.platform == platform);
    let told = run.stacks.iter().filter(|stack| !stack.windows.histograms.is_empty()).count();
    let records = match told {
        0 => "nobody: no worker told of its messages".into(),
        _ if told < run.stacks.len() => "the workers' records; not every stack's workers print them".into(),
        _ => "the workers' records".to_owned(),
    };
    let asked = manifest.measurement.metered.iter().any(|one| one.item == Item::CloudwatchMetrics);
    let metrics = if asked {
        "CloudWatch, asked until nothing changed any more"
    } else {
        "nobody: CloudWatch was not asked"
    };
    let mut rows = vec![
        ("Send delay", "the seeder's clock".to_owned()),
        (
            "Latency",
            "the seeder's clock, SQS's timestamps and the worker's clock, each for its own span".into(),
        ),
        ("Receives, work", records),
        ("Backlog", "SQS, GetQueueAttributes, once a second".into()),
        ("Per minute", metrics.into()),
    ];
    if has("lambda") {
        rows.push(("Invocations", "Lambda's REPORT lines: billed time, initialisations".into()));
    }
    if has("ecs") {
        rows.push((
            "Tasks",
            "ECS's timestamps of each task: starts, ends, interruptions, billed time".into(),
        ));
        rows.push(("Task counts", "ECS, DescribeServices, every five seconds".into()));
        rows.push(("Scaling", "Application Auto Scaling's activities".into()));
    }
    let bill = format!(
        "what was metered so, times the price list of {}; where calls are not counted one by one, the most that they can be",
        price_list_date()
    );
    rows.push(("Bill", bill));
    if told == 0 {
        rows.retain(|(what, _)| *what != "Latency");
    }
    rows
}
