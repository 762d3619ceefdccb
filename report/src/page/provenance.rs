//! Can I repeat it, and what does it rest on?

use super::{Subject, sources};
use crate::format;
use crate::prices::price_list_date;
use crate::text::ledger;
use maud::{Markup, html};
use model::run::Manifest;
use model::scenario::{Belief, Confidence, Setting};

/// The section.
pub(crate) fn section(subject: &Subject) -> Markup {
    let manifest = &subject.judgement.first().manifest;
    html! {
        section.fig #provenance {
            h2 { "Provenance" }
            p.take { (take(subject)) }
            dl.prov {
                @for (name, value) in facts(subject) { div { dt { (name) } dd { (value) } } }
                @for entry in &manifest.stacks {
                    div { dt { (entry.name) } dd { (entry.configuration) "\n" (ledger(&entry.ledger)) } }
                }
            }
            @if !manifest.analysis.is_empty() {
                h3 { "Why this scenario" }
                @for paragraph in manifest.analysis.split("\n\n") { p.analysis { (paragraph) } }
            }
            @if !manifest.scenario.is_empty() {
                details { summary { "Scenario text" } pre tabindex="0" { (manifest.scenario) } }
            }
            @if manifest.target == "aws" { (sources::part(subject)) } @else {
                (beliefs(manifest, subject.judgement.is_simulated()))
            }
            h3 { "Known limits" }
            ul.limits { @for limit in limits(subject) { li { (limit) } } }
        }
    }
}

fn take(subject: &Subject) -> String {
    let manifest = &subject.judgement.first().manifest;
    if subject.judgement.is_simulated() {
        format!(
            "The same scenario, seed {} and version give this run again, byte for byte, on any machine.",
            manifest.seed
        )
    } else {
        "A measured run: the plan can be repeated exactly, the world cannot.".into()
    }
}

fn facts(subject: &Subject) -> Vec<(&'static str, String)> {
    let manifest = &subject.judgement.first().manifest;
    let seeds: Vec<String> = subject.judgement.runs.iter().map(|run| run.manifest.seed.to_string()).collect();
    let mut facts = vec![
        ("Command", manifest.command.join(" ")),
        ("Target", manifest.target.clone()),
        ("Scenario", format!("{} (SHA-256 {})", manifest.scenario_path, manifest.scenario_hash)),
        ("Overrides", manifest.overrides.join(", ")),
        ("Seed", seeds.join(", ")),
        ("Plan", format!("{}, hash {}", format::counted(manifest.planned, "message"), manifest.plan_hash)),
        ("Started", manifest.started_utc.clone().unwrap_or_default()),
        ("Region", manifest.region.clone()),
        ("Prices", format!("list of {}, {}", price_list_date(), subject.judgement.options.tier())),
        ("Versions", format!("run written by versus {}, schema {}", manifest.tool_version, manifest.schema)),
        (
            "Windows",
            format!("{} wide; warm-up {}", format::span(manifest.window), format::span(manifest.warmup)),
        ),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn beliefs(manifest: &Manifest, simulated: bool) -> Markup {
    let changed = manifest.parameters.iter().filter(|b| b.value != b.default).count();
    html! {
        h3 #beliefs { "Beliefs about AWS" }
        @if manifest.parameters.is_empty() {
            p { @if simulated { "The run does not list its parameters." } @else { "Measured: no beliefs involved." } }
        } @else {
            p {
                (format::counted(manifest.parameters.len() as u64, "parameter")) " in force, "
                (changed) " overridden by the scenario. Each can be set under " code { "[parameters]" } "."
            }
            details { summary { "Parameters in force" } (list(&concerned(manifest))) }
        }
    }
}

/// The beliefs that something in the run rests on, and all that were overridden: those of EKS and of groups are many.
fn concerned(manifest: &Manifest) -> Vec<&Belief> {
    const OF_EKS: [&str; 6] = ["eks-", "keda-", "hpa-", "karpenter-", "ca-", "pod-"];
    const OF_MACHINES: [&str; 3] = ["ec2-pending-", "ec2-launch-", "ec2-billing-"];
    let has = |platform: &str| manifest.stacks.iter().any(|entry| entry.platform == platform);
    let (eks, machines) = (has("eks"), has("eks") || has("ec2"));
    let concerns = |belief: &&Belief| {
        let begins = |with: &[&str]| with.iter().any(|prefix| belief.key.starts_with(prefix));
        belief.value != belief.default || (eks || !begins(&OF_EKS)) && (machines || !begins(&OF_MACHINES))
    };
    manifest.parameters.iter().filter(concerns).collect()
}

fn list(beliefs: &[&Belief]) -> Markup {
    let (own, known): (Vec<&Belief>, Vec<&Belief>) = beliefs.iter().partition(|b| b.value != b.default);
    let told = |b: &&Belief| {
        format!("{}: {}. {} {}: {}", b.key, setting(b.value), b.meaning, confidence(b.confidence), b.source)
    };
    html! {
        @if !own.is_empty() {
            ul.beliefs { @for b in own {
                li { (told(&b)) " (overridden; default " (setting(b.default)) ")" }
            } }
        }
        // One text, for there are many.
        p.beliefs { (known.iter().map(told).collect::<Vec<_>>().join("\n")) }
    }
}

fn setting(setting: Setting) -> String {
    match setting {
        Setting::Nanos(ns) => format::span(ns),
        Setting::Count(n) => format::count(n as f64),
        Setting::Number(v) => format::number(v),
    }
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Documented => "Documented",
        Confidence::Measured => "Measured",
        Confidence::Inferred => "Inferred",
    }
}

fn limits(subject: &Subject) -> Vec<String> {
    let judgement = subject.judgement;
    let mut limits = Vec::new();
    if judgement.is_simulated() {
        limits.push(
            "No message left this machine. AWS may behave otherwise than the beliefs above say.".into(),
        );
    }
    if judgement.runs.len() == 1 {
        limits.push("One run: how much figures vary from run to run is not known. Repeats show it.".into());
    }
    if !judgement.first().manifest.complete {
        limits.push("The run was cut short: figures cover what was recorded until then.".into());
    }
    limits.push("Histograms keep three significant digits: latencies are right to 0.1 %.".into());
    limits.push("Bills are list prices without commitments, tax and data transfer.".into());
    limits
}
