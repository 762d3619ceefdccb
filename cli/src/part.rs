//! `--shard I/N`: which part of a work this process does.
//!
//! Goals: the same words for a plan that several seeders send and a grid that several machines sweep; an array job
//! needs no flag.
//! Non-goals: dividing the work.

use anyhow::{Context, Result, bail};
use seeder::Shard;
use std::str::FromStr;

/// One of several parts, from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part(pub(crate) Shard);

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(i, n)| Some((i.parse::<u32>().ok()?, n.parse::<u32>().ok()?)));
        match parts {
            Some((index @ 1.., of)) if index <= of => Ok(Self(Shard { index: index - 1, of })),
            _ => Err("write a part and their number, e.g. 1/4 to 4/4".into()),
        }
    }
}

/// The part asked for, or else the one that an array job gives to this process, or else all.
pub(crate) fn given(asked: Option<Part>) -> Result<Part> {
    asked.map_or_else(|| array(&|name| std::env::var(name).ok()), Ok)
}

/// The part that an array job gives to this process.
fn array(variable: &dyn Fn(&str) -> Option<String>) -> Result<Part> {
    // Sources: AWS Batch user guide, "Array jobs"; Kubernetes documentation, "Indexed Job". Both count from 0.
    let pairs = [
        ("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"),
        ("JOB_COMPLETION_INDEX", "VERSUS_SHARDS"),
    ];
    for (index, of) in pairs {
        let Some(place) = variable(index) else { continue };
        let parts = variable(of).with_context(|| {
            format!(
                "{index} is {place}, but {of}, the number of parts, is not set: set it, or give --shard I/N"
            )
        })?;
        let part = place.parse::<u32>().ok().zip(parts.parse::<u32>().ok());
        let Some((index, of)) = part.filter(|(index, of)| index < of) else {
            bail!("{index} = {place:?} and {of} = {parts:?} name no part: give --shard I/N");
        };
        return Ok(Part(Shard { index, of }));
    }
    Ok(Part(Shard { index: 0, of: 1 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_job_says_which_part_to_send() {
        let part = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> = set.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
            array(&move |name| set.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()))
                .map(|Part(shard)| (shard.index, shard.of))
                .map_err(|error| error.to_string())
        };
        assert_eq!(part(&[]), Ok((0, 1)));
        assert_eq!(
            part(&[("AWS_BATCH_JOB_ARRAY_INDEX", "3"), ("AWS_BATCH_JOB_ARRAY_SIZE", "8")]),
            Ok((3, 8))
        );
        assert_eq!(part(&[("JOB_COMPLETION_INDEX", "0"), ("VERSUS_SHARDS", "2")]), Ok((0, 2)));
        assert!(
            part(&[("JOB_COMPLETION_INDEX", "2"), ("VERSUS_SHARDS", "2")]).unwrap_err().contains("no part")
        );
        assert!(part(&[("JOB_COMPLETION_INDEX", "2")]).unwrap_err().contains("VERSUS_SHARDS"));
    }
}
