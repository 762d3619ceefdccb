//! What is deployed on AWS for the stacks of a scenario, as files of outputs name it.

use crate::Refusal;
use anyhow::{Context, Result, bail};
use collector::Deployed;
use model::scenario::{Platform, Scenario};
use std::path::PathBuf;

/// What is deployed for each stack of the scenario, in its order.
pub(crate) fn deployed(scenario: &Scenario, outputs: &[PathBuf]) -> Result<Vec<Deployed>> {
    if outputs.is_empty() {
        bail!(
            "--target aws needs to know what is deployed: add --outputs FILE with what `aws cloudformation \
             describe-stacks` or `terraform output -json` prints (`versus stacks` deploys a scenario's stacks)"
        );
    }
    let mut all = collector::read_outputs(outputs)?;
    let named: Vec<String> = all.keys().cloned().collect();
    let mut of = |name: &str| {
        all.remove(name).with_context(|| {
            format!("the outputs name no stack {name:?}, only {}: is a file missing?", named.join(", "))
        })
    };
    scenario.stacks.iter().map(|stack| of(&stack.name)).collect()
}

/// Refuses stacks that only a simulation knows: neither this machine nor a template of `versus stacks` has them.
pub(crate) fn is_not_only_simulated(scenario: &Scenario) -> Result<()> {
    let only = |platform: &Platform| matches!(platform, Platform::Ec2(_) | Platform::Eks(_));
    let of_platforms = scenario.stacks.iter().filter(|stack| only(&stack.platform)).map(|stack| {
        let (name, platform) = (&stack.name, stack.platform.name());
        format!(
            "stacks.{name}.platform: {platform:?} is only simulated, with target sim; write \"ecs\" or \"lambda\", or \
             remove the stack"
        )
    });
    let of_keys =
        scenario.only_simulated().map(|key| format!("{key}: is only simulated, with target sim; remove it"));
    let problems: Vec<String> = of_platforms.chain(of_keys).collect();
    if problems.is_empty() { Ok(()) } else { Err(Refusal::Usage(problems.join("\nversus: ")).into()) }
}
