//! `versus stacks`: what a scenario asks for, as templates and parameter files for CloudFormation.
//!
//! Goals: what is simulated is what is deployed; what a template cannot say is an error, what only a simulation
//! knows is said aloud; the commands to deploy, run and delete.
//! Non-goals: calling AWS; values that only the operator knows (`--parameter` passes them on).

mod parameters;
mod template;

use crate::deployed::is_not_only_simulated;
use crate::{Ended, Refusal, output};
use anyhow::{Context, Result};
use model::scenario::{self, Scenario};
use parameters::Deployment;
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use template::Template;

/// Arguments of `versus stacks`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Scenario file.
    scenario: PathBuf,
    /// Folder for the templates and the parameter files [default: stacks-<scenario>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Override a key of the scenario (may be given several times).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// A value that no scenario has, e.g. Image=..., for every stack that knows it (may be given several times).
    #[arg(long = "parameter", value_name = "NAME=VALUE")]
    given: Vec<Given>,
    /// Write over what is in the folder.
    #[arg(long)]
    force: bool,
}

/// A parameter of the operator.
#[derive(Clone, Debug)]
struct Given {
    name: String,
    value: String,
}

impl FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.into(), value: value.into() }),
            _ => Err("write a parameter and its value, e.g. Subnets=subnet-1,subnet-2".into()),
        }
    }
}

/// One stack as it will be deployed.
struct Planned {
    /// The stack's name in the scenario.
    name: String,
    /// Its name in CloudFormation.
    deployed: String,
    template: &'static Template,
    parameters: Vec<(String, String)>,
    /// What the operator still has to give.
    missing: Vec<&'static str>,
    notes: Vec<String>,
}

pub(crate) fn stacks(args: &Args) -> Result<Ended> {
    let (scenario, _) = scenario::load(&args.scenario, &args.overrides, None)?;
    is_not_only_simulated(&scenario)?;
    let stem = args.scenario.file_stem().map_or("scenario".into(), |stem| stem.to_string_lossy());
    check_given(&scenario, &args.given)?;
    let plans = plan(&scenario, &stem, &args.given)?;
    let folder = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("stacks-{stem}")));
    let claim = if args.force {
        output::make_folder(&folder)?;
        None
    } else {
        Some(output::prepare(&folder)?)
    };
    write(&folder, &plans)?;
    drop(claim);
    for plan in &plans {
        plan.notes.iter().for_each(|note| eprintln!("{}: {note}", plan.name));
        if !plan.missing.is_empty() {
            eprintln!(
                "{}: still needs --parameter {}=...",
                plan.name,
                plan.missing.join("=... --parameter ")
            );
        }
    }
    parameters::notes(&scenario).iter().for_each(|note| eprintln!("{note}"));
    output::print(&commands(args, &scenario, &folder, &plans)?)?;
    Ok(Ended::Well)
}

/// Stacks in the order of the scenario, or all that keeps it from being deployed.
fn plan(scenario: &Scenario, stem: &str, given: &[Given]) -> Result<Vec<Planned>> {
    let mut problems = Vec::new();
    let mut plans = Vec::new();
    for stack in &scenario.stacks {
        let Deployment { parameters, notes, problems: found } = parameters::of(stack);
        problems.extend(found);
        let Some(template) = template::of(&stack.platform) else { continue };
        let mut parameters: Vec<(String, String)> =
            parameters.into_iter().map(|(name, value)| (name.into(), value)).collect();
        let known = |given: &&Given| template.operator().contains(&given.name.as_str());
        parameters.extend(given.iter().filter(known).map(|it| (it.name.clone(), it.value.clone())));
        let absent = |name: &&'static str| !parameters.iter().any(|(known, _)| known == name);
        let missing = template.required.iter().copied().filter(absent).collect();
        let deployed = deployed_name(stem, &stack.name);
        plans.push(Planned { name: stack.name.clone(), deployed, template, parameters, missing, notes });
    }
    if problems.is_empty() {
        return Ok(plans);
    }
    let list = problems.join("\n  ");
    Err(Refusal::Usage(format!("the templates cannot deploy this scenario:\n  {list}")).into())
}

/// A value that would go nowhere, or that the scenario decides, is a mistake.
fn check_given(scenario: &Scenario, given: &[Given]) -> Result<()> {
    let mut known: Vec<&str> = {
        let templates = scenario.stacks.iter().filter_map(|stack| template::of(&stack.platform));
        templates.flat_map(Template::operator).collect()
    };
    known.sort_unstable();
    known.dedup();
    for (index, one) in given.iter().enumerate() {
        if !known.contains(&one.name.as_str()) {
            let text = format!(
                "--parameter {}: no stack takes this from the operator; write {}, or change the scenario with --set",
                one.name,
                known.join(", ")
            );
            return Err(Refusal::Usage(text).into());
        }
        if given[..index].iter().any(|other| other.name == one.name) {
            let text = format!("--parameter {} is given twice; give it once", one.name);
            return Err(Refusal::Usage(text).into());
        }
    }
    Ok(())
}

/// Unique for a scenario and a stack; CloudFormation takes letters, digits and hyphens.
fn deployed_name(stem: &str, stack: &str) -> String {
    let stem: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(80).collect();
    format!("versus-{stem}-{stack}")
}

fn write(folder: &Path, plans: &[Planned]) -> Result<()> {
    for template in &template::ALL {
        if template.name == "operator" || plans.iter().any(|plan| plan.template.name == template.name) {
            output::write(&folder.join(template.file()), template.text)?;
        }
    }
    for plan in plans {
        let list: Vec<_> = plan
            .parameters
            .iter()
            .map(|(name, value)| json!({ "ParameterKey": name, "ParameterValue": value }))
            .collect();
        let text = serde_json::to_string_pretty(&list).context("the parameters")? + "\n";
        output::write(&folder.join(format!("{}.parameters.json", plan.name)), text)?;
    }
    Ok(())
}

/// A shell script: each line can be pasted.
fn commands(args: &Args, scenario: &Scenario, folder: &Path, plans: &[Planned]) -> Result<String> {
    let aws = |verb: &str| format!("aws cloudformation {verb} --region {}", scenario.region);
    let file = |name: &str| quoted(&folder.join(name).to_string_lossy());
    let mut text = String::from("# Deploy\n");
    for plan in plans {
        let url = |name: &str| quoted(&format!("file://{}", folder.join(name).display()));
        let (template, name) = (url(&plan.template.file())?, &plan.deployed);
        let parameters = url(&format!("{}.parameters.json", plan.name))?;
        // Not `deploy`, of which only the second version of the AWS CLI reads such parameters.
        let create = aws("create-stack");
        writeln!(
            text,
            "{create} --stack-name {name} --template-body {template} --parameters {parameters} --capabilities \
             CAPABILITY_IAM"
        )?;
    }
    for plan in plans {
        writeln!(text, "{} --stack-name {}", aws("wait stack-create-complete"), plan.deployed)?;
    }
    let outputs = file("outputs.json")?;
    let names: Vec<String> = plans.iter().map(|plan| format!("StackName=='{}'", plan.deployed)).collect();
    let all = format!("{{Stacks: Stacks[?{}]}}", names.join(" || "));
    let describe = aws("describe-stacks");
    writeln!(text, "{describe} --query \"{all}\" --output json >{outputs}")?;
    text += &operator(&aws("deploy"), &file("operator.yaml")?, &args.scenario, plans);
    let path = quoted(&args.scenario.to_string_lossy())?;
    let mut set = String::new();
    for one in &args.overrides {
        write!(set, " --set {}", quoted(one)?)?;
    }
    writeln!(text, "# Run\nversus run {path} --target aws --outputs {outputs}{set}")?;
    text += "# Delete\n";
    let delete = aws("delete-stack");
    let wait = aws("wait stack-delete-complete");
    let operator = operator_name(&args.scenario);
    // The policies first: they name what the others are.
    for name in std::iter::once(&operator).chain(plans.iter().map(|plan| &plan.deployed)) {
        writeln!(text, "{delete} --stack-name {name} && {wait} --stack-name {name}")?;
    }
    Ok(text)
}

/// No stack's name begins with a hyphen.
fn operator_name(scenario: &Path) -> String {
    let stem = scenario.file_stem().map_or("scenario".into(), |stem| stem.to_string_lossy());
    deployed_name(&stem, "-operator")
}

/// The policies name what the stacks' outputs name, so they are filled from these.
fn operator(deploy: &str, template: &str, scenario: &Path, plans: &[Planned]) -> String {
    let describe = deploy.replace(" deploy ", " describe-stacks ");
    let mut text = format!(
        "# Policies for who seeds and who collects; not needed where whoever deploys also runs\n\
         output() {{ {describe} --stack-name \"$1\" --query \"Stacks[0].Outputs[?OutputKey=='$2'].OutputValue\" \
         --output text; }}\n{deploy} --stack-name {} --template-file {template} --capabilities CAPABILITY_IAM \
         --parameter-overrides",
        operator_name(scenario)
    );
    for (parameter, output) in template::POLICIES {
        let of: Vec<String> = plans
            .iter()
            .filter(|plan| plan.has(output))
            .map(|plan| format!("$(output {} {output})", plan.deployed))
            .collect();
        if !of.is_empty() {
            let _ = write!(text, " \"{parameter}={}\"", of.join(","));
        }
    }
    text + "\n"
}

impl Planned {
    /// Whether its stack will have this output.
    fn has(&self, output: &str) -> bool {
        let is = |name: &str, empty: &str| {
            self.parameters.iter().any(|(known, value)| known == name && value != empty)
        };
        match output {
            "DeadLetterQueueArn" => is("QueueMaxReceiveCount", ""),
            "ClusterArn" | "ServiceArn" => self.template.name == "ecs",
            "FunctionArn" => self.template.name == "lambda",
            "AliasArn" => is("ProvisionedConcurrency", "0"),
            _ => true,
        }
    }
}

fn quoted(text: &str) -> Result<String> {
    let word = shlex::try_quote(text).with_context(|| format!("{text:?} cannot be written in a command"))?;
    Ok(word.into_owned())
}
