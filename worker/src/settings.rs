//! What the environment asks of the worker.
//!
//! Goals: typed values with the defaults of a scenario; a message that names the variable and what to write instead.
//! Non-goals: AWS's own variables (credentials, region, endpoint), which the SDK reads.

use anyhow::{Result, bail};
use model::scenario::{Delete, Poll};
use std::str::FromStr;
use std::time::Duration;

/// Everything the worker is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// The worker's name in records.
    pub(crate) worker: String,
    /// Share of one vCPU to act out; `None` leaves it to the machine.
    pub(crate) cpu_share: Option<f64>,
    /// On SIGTERM: finish what was received (true), or go on until SIGKILL (false).
    pub(crate) drains_on_sigterm: bool,
    pub(crate) platform: Platform,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Platform {
    /// Polls the queue.
    Ecs(Polling),
    /// Is invoked with batches.
    Lambda(Batches),
}

/// How an ECS task polls.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Polling {
    pub(crate) queue_url: String,
    /// Whether nothing but an endpoint without TLS is called, as on the machine itself.
    pub(crate) plain_http: bool,
    /// MaxNumberOfMessages.
    pub(crate) batch_size: u32,
    /// WaitTimeSeconds.
    pub(crate) wait_time_s: u32,
    /// VisibilityTimeout of the receive call; `None` uses the queue's.
    pub(crate) visibility_timeout_s: Option<u32>,
    pub(crate) concurrency: u32,
    pub(crate) poll: Poll,
    pub(crate) delete: Delete,
    /// Pause after an empty receive.
    pub(crate) idle_sleep: Duration,
    /// Whether long work is kept invisible.
    pub(crate) heartbeat: bool,
}

/// How a Lambda function treats a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Batches {
    /// Whether it reports which messages failed, or fails with all of them.
    pub(crate) partial_responses: bool,
    /// Whether it works on all messages at once.
    pub(crate) parallel: bool,
}

impl Settings {
    /// Reads variables; an empty one counts as absent.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let variables = Variables(|name: &str| variable(name).filter(|value| !value.is_empty()));
        let lambda = variables.text("AWS_LAMBDA_RUNTIME_API").is_some();
        let platform = match lambda {
            true => Platform::Lambda(variables.batches()?),
            false => Platform::Ecs(variables.polling()?),
        };
        Ok(Self {
            worker: variables.text("VERSUS_WORKER").unwrap_or_else(own_name),
            cpu_share: variables.share("VERSUS_CPU_SHARE")?,
            drains_on_sigterm: variables.flag("VERSUS_DRAINS_ON_SIGTERM", true)?,
            platform,
        })
    }
}

fn own_name() -> String {
    let host = nix::unistd::gethostname().map_or("worker".into(), |name| name.to_string_lossy().into_owned());
    format!("{host}/{}", std::process::id())
}

struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn polling(&self) -> Result<Polling> {
        let Some(queue_url) = self.text("QUEUE_URL") else {
            bail!(
                "QUEUE_URL is not set: set it to the URL of the queue to drain, as `aws sqs get-queue-url` prints it"
            );
        };
        let polls = [("all-done", Poll::AllDone), ("slot-free", Poll::SlotFree)];
        let deletes = [("each", Delete::Each), ("batch", Delete::Batch)];
        let polling = Polling {
            queue_url,
            plain_http: self.plain_http(),
            batch_size: self.number("VERSUS_BATCH_SIZE", 1, 10)?.unwrap_or(10),
            wait_time_s: self.number("VERSUS_WAIT_TIME_S", 0, 20)?.unwrap_or(20),
            visibility_timeout_s: self.number("VERSUS_VISIBILITY_TIMEOUT_S", 0, 43_200)?,
            concurrency: self.number("VERSUS_CONCURRENCY", 1, 10_000)?.unwrap_or(1),
            poll: self.choice("VERSUS_POLL", &polls)?,
            delete: self.choice("VERSUS_DELETE", &deletes)?,
            idle_sleep: Duration::from_millis(
                self.number("VERSUS_IDLE_SLEEP_MS", 0, 3_600_000)?.unwrap_or(0).into(),
            ),
            heartbeat: self.flag("VERSUS_HEARTBEAT", true)?,
        };
        if polling.delete == Delete::Batch && polling.poll == Poll::SlotFree {
            bail!(
                "VERSUS_DELETE is \"batch\", which deletes when a whole batch is done: it needs VERSUS_POLL=all-done; \
                 or write VERSUS_DELETE=each"
            );
        }
        Ok(polling)
    }

    /// The endpoint says so, and credentials need not be fetched from elsewhere.
    fn plain_http(&self) -> bool {
        let endpoint = self.text("AWS_ENDPOINT_URL_SQS").or_else(|| self.text("AWS_ENDPOINT_URL"));
        endpoint.is_some_and(|url| url.starts_with("http://")) && self.text("AWS_ACCESS_KEY_ID").is_some()
    }

    fn batches(&self) -> Result<Batches> {
        // The runtime client takes these for granted, and panics.
        for name in ["AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION"] {
            if self.text(name).is_none() {
                bail!(
                    "{name} is not set though AWS_LAMBDA_RUNTIME_API is: set both, as Lambda does, or none"
                );
            }
        }
        let memory = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
        if self.number(memory, 1, i32::MAX as u32)?.is_none() {
            bail!("{memory} is not set though AWS_LAMBDA_RUNTIME_API is: set it to the function's MB");
        }
        Ok(Batches {
            partial_responses: self.flag("VERSUS_PARTIAL_BATCH_RESPONSES", false)?,
            parallel: self.flag("VERSUS_PARALLEL_BATCH", false)?,
        })
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0(name)
    }

    fn number(&self, name: &str, least: u32, most: u32) -> Result<Option<u32>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match u32::from_str(&text) {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => bail!("{name} is {text:?}: write a whole number from {least} to {most}"),
        }
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.text(name).as_deref() {
            None => Ok(default),
            Some("0") => Ok(false),
            Some("1") => Ok(true),
            Some(text) => bail!("{name} is {text:?}: write 0 or 1"),
        }
    }

    fn share(&self, name: &str) -> Result<Option<f64>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match f64::from_str(&text) {
            // More than one vCPU is no faster for one message, and is left to the machine.
            Ok(share) if (0.001..=1_000.0).contains(&share) => Ok((share <= 1.0).then_some(share)),
            _ => bail!("{name} is {text:?}: write vCPUs as a number from 0.001, e.g. 0.25"),
        }
    }

    /// The first choice is the default.
    fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T); 2]) -> Result<T> {
        let Some(text) = self.text(name) else { return Ok(choices[0].1) };
        match choices.iter().find(|(word, _)| *word == text) {
            Some((_, choice)) => Ok(*choice),
            None => bail!("{name} is {text:?}: write {} or {}", choices[0].0, choices[1].0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: (&str, &str) = ("QUEUE_URL", "http://127.0.0.1:9324/000000000000/q");
    const LAMBDA: [(&str, &str); 4] = [
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
    ];

    fn read(variables: &[(&str, &str)]) -> Result<Settings> {
        Settings::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
        })
    }

    fn problem(variables: &[(&str, &str)]) -> String {
        read(variables).unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_those_of_a_scenario() {
        let settings = read(&[QUEUE, ("VERSUS_VISIBILITY_TIMEOUT_S", "")]).unwrap();
        let defaults = model::scenario::Worker::default();
        let Platform::Ecs(polling) = settings.platform else { panic!("not ECS") };
        assert_eq!((polling.batch_size, polling.concurrency), (defaults.batch_size, defaults.concurrency));
        assert_eq!((polling.poll, polling.delete), (defaults.poll, defaults.delete));
        assert_eq!(u64::from(polling.wait_time_s) * 1_000_000_000, defaults.wait_time);
        assert_eq!(polling.idle_sleep.as_nanos(), u128::from(defaults.idle_sleep));
        assert_eq!(polling.visibility_timeout_s.map(u64::from), defaults.visibility_timeout);
        assert_eq!(settings.drains_on_sigterm, defaults.drains_on_sigterm);
        assert!(polling.heartbeat);
        assert_eq!(settings.cpu_share, None);
        assert!(settings.worker.ends_with(&format!("/{}", std::process::id())));
    }

    #[test]
    fn every_variable_is_heeded() {
        let polling = Polling {
            queue_url: QUEUE.1.into(),
            plain_http: false,
            batch_size: 3,
            wait_time_s: 0,
            visibility_timeout_s: Some(7),
            concurrency: 4,
            poll: Poll::SlotFree,
            delete: Delete::Each,
            idle_sleep: Duration::from_millis(250),
            heartbeat: false,
        };
        let variables = [
            QUEUE,
            ("VERSUS_BATCH_SIZE", "3"),
            ("VERSUS_WAIT_TIME_S", "0"),
            ("VERSUS_VISIBILITY_TIMEOUT_S", "7"),
            ("VERSUS_CONCURRENCY", "4"),
            ("VERSUS_POLL", "slot-free"),
            ("VERSUS_DELETE", "each"),
            ("VERSUS_IDLE_SLEEP_MS", "250"),
            ("VERSUS_HEARTBEAT", "0"),
            ("VERSUS_DRAINS_ON_SIGTERM", "0"),
            ("VERSUS_WORKER", "task-1"),
            ("VERSUS_CPU_SHARE", "0.25"),
        ];
        let expected = Settings {
            worker: "task-1".into(),
            cpu_share: Some(0.25),
            drains_on_sigterm: false,
            platform: Platform::Ecs(polling),
        };
        assert_eq!(read(&variables).unwrap(), expected);
    }

    #[test]
    fn lambda_is_told_by_the_runtime_api_and_needs_no_queue() {
        let flags = [("VERSUS_PARTIAL_BATCH_RESPONSES", "1"), ("VERSUS_PARALLEL_BATCH", "1")];
        let plain = Batches { partial_responses: false, parallel: false };
        assert_eq!(read(&LAMBDA).unwrap().platform, Platform::Lambda(plain));
        let both = Batches { partial_responses: true, parallel: true };
        assert_eq!(read(&[LAMBDA.as_slice(), &flags].concat()).unwrap().platform, Platform::Lambda(both));
        for missing in 1..LAMBDA.len() {
            let mut variables = LAMBDA.to_vec();
            let (name, _) = variables.remove(missing);
            assert!(problem(&variables).starts_with(&format!("{name} is not set")));
        }
    }

    #[test]
    fn a_problem_names_the_variable_and_the_remedy() {
        assert!(problem(&[]).starts_with("QUEUE_URL is not set: set it to"));
        let cases = [
            ("VERSUS_BATCH_SIZE", "11", "VERSUS_BATCH_SIZE is \"11\": write a whole number from 1 to 10"),
            ("VERSUS_WAIT_TIME_S", "1.5", "VERSUS_WAIT_TIME_S is \"1.5\": write a whole number from 0 to 20"),
            ("VERSUS_CONCURRENCY", "0", "VERSUS_CONCURRENCY is \"0\": write a whole number from 1 to 10000"),
            ("VERSUS_POLL", "slots", "VERSUS_POLL is \"slots\": write all-done or slot-free"),
            ("VERSUS_HEARTBEAT", "yes", "VERSUS_HEARTBEAT is \"yes\": write 0 or 1"),
            (
                "VERSUS_CPU_SHARE",
                "NaN",
                "VERSUS_CPU_SHARE is \"NaN\": write vCPUs as a number from 0.001, e.g. 0.25",
            ),
        ];
        for (name, value, expected) in cases {
            assert_eq!(problem(&[QUEUE, (name, value)]), expected);
        }
        let contradiction = [QUEUE, ("VERSUS_POLL", "slot-free"), ("VERSUS_DELETE", "batch")];
        assert!(problem(&contradiction).contains("needs VERSUS_POLL=all-done"));
    }

    #[test]
    fn tls_is_left_out_only_where_nothing_needs_it() {
        let plain = |variables: &[(&str, &str)]| match read(&[&[QUEUE], variables].concat()).unwrap().platform
        {
            Platform::Ecs(polling) => polling.plain_http,
            Platform::Lambda(_) => panic!("not ECS"),
        };
        let (key, local) = (("AWS_ACCESS_KEY_ID", "a"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:9324"));
        assert!(plain(&[key, local]));
        assert!(plain(&[key, ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9324")]));
        assert!(!plain(&[local]));
        assert!(!plain(&[key]));
        assert!(!plain(&[key, local, ("AWS_ENDPOINT_URL_SQS", "https://sqs.eu-west-1.amazonaws.com")]));
    }

    #[test]
    fn more_than_one_vcpu_is_left_to_the_machine() {
        for (text, share) in [("1", Some(1.0)), ("2", None), ("0.5", Some(0.5))] {
            assert_eq!(read(&[QUEUE, ("VERSUS_CPU_SHARE", text)]).unwrap().cpu_share, share);
        }
    }
}
