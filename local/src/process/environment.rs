//! What a child inherits, and whether there is such a program.
//!
//! Goals: the user's tools work (PATH, virtual environments, locale); nothing of the user's AWS account is reached.

use anyhow::{Result, bail};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Names, or what they begin with, that a child does not inherit: they would lead it to a real account, or tell it that
/// it runs somewhere else.
const WITHHELD: [&str; 7] =
    ["AWS_", "VERSUS_", "LAMBDA_", "_HANDLER", "_X_AMZN_", "ECS_CONTAINER_", "QUEUE_URL"];

/// Set for every child: no credentials are looked for in files or on the network.
const ALWAYS: [(&str, &str); 3] = [
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("AWS_CONFIG_FILE", "/dev/null"),
    ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
];

/// Extended for every child: no proxy stands before the endpoint.
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// What leads an AWS SDK to the endpoint at `url`, with credentials that are worth nothing elsewhere.
#[must_use]
pub fn aws_environment(region: &str, url: &str) -> Vec<(String, String)> {
    let pairs = [
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ENDPOINT_URL", url),
        ("AWS_ACCESS_KEY_ID", "versus"),
        ("AWS_SECRET_ACCESS_KEY", "versus"),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Gives `command` the environment that children get, with `own` on top.
pub(super) fn apply(command: &mut std::process::Command, own: &[(String, String)]) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if WITHHELD.iter().any(|withheld| text.starts_with(withheld)) {
            command.env_remove(name);
        }
    }
    for name in NO_PROXY {
        let hosts = std::env::var(name).map_or(String::new(), |hosts| hosts + ",");
        command.env(name, hosts + "127.0.0.1,localhost");
    }
    command.envs(ALWAYS).envs(own.iter().map(|(name, value)| (name, value)));
}

/// Checks that there is a program of this name that can be run by a child with `environment`.
///
/// # Errors
/// Says what to do.
pub fn find_program(program: &str, environment: &[(String, String)]) -> Result<()> {
    if program.contains('/') {
        if !is_executable(Path::new(program)) {
            bail!("{program:?} is not a program that can be run; name an executable file, or one in PATH");
        }
        return Ok(());
    }
    let own = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.into());
    let path = own.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    if !std::env::split_paths(&path).any(|folder| is_executable(&folder.join(program))) {
        bail!("there is no program {program:?} in PATH; install it, or give the path of the executable");
    }
    Ok(())
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_the_child_would_find_them() {
        find_program("sh", &[]).unwrap();
        find_program("/bin/sh", &[]).unwrap();
        let nowhere = [("PATH".to_owned(), "/nowhere".to_owned())];
        for (program, environment) in [("sh", &nowhere[..]), ("/etc/passwd", &[]), ("/no/such", &[])] {
            let error = find_program(program, environment).unwrap_err().to_string();
            assert!(error.contains(program), "{error}");
        }
    }
}
