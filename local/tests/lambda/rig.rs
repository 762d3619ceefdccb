//! A Lambda stack over a queue of its own, and what it tells.

use local::lambda::{self, Ended};
use local::message::Message;
use local::process::{Spawner, aws_environment};
use local::queues::{ACCOUNT, Outgoing, Queues, SharedQueue};
use local::server::{Endpoint, NoMetrics};
use local::stack::StackSetup;
use model::journal::{Entry, MessageId, Record, Sight, Sighting};
use model::run::{Activity, ActivityKind};
use model::scenario::{Fault, Lambda, Parameters, Platform, Provisioning, Queue, Stack};
use model::time::{Nanos, Origin, SECOND};
use model::usage::Usage;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// An example of this crate, built with all tests (alone: `cargo build --example NAME`).
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(std::path::Path::parent).unwrap().join("examples").join(name)
}

/// What is to be tried.
pub(crate) struct Trial {
    pub(crate) lambda: Lambda,
    pub(crate) queue: Queue,
    pub(crate) beliefs: Parameters,
    pub(crate) faults: Vec<Fault>,
    pub(crate) provisioning: Provisioning,
    pub(crate) variables: Vec<(&'static str, String)>,
    pub(crate) window: Nanos,
    /// Instead of the runtime that does what messages say.
    pub(crate) command: Option<Vec<String>>,
}

impl Default for Trial {
    fn default() -> Self {
        Self {
            lambda: Lambda { timeout: 5 * SECOND, ..Lambda::default() },
            queue: Queue::default(),
            beliefs: Parameters::default(),
            faults: Vec::new(),
            provisioning: Provisioning::None,
            variables: Vec::new(),
            window: SECOND,
            command: None,
        }
    }
}

/// A stack that runs.
pub(crate) struct Rig {
    pub(crate) queue: Arc<SharedQueue>,
    pub(crate) queues: Arc<Queues>,
    _endpoint: Endpoint,
    sightings: mpsc::UnboundedReceiver<Sighting>,
    told: mpsc::UnboundedReceiver<Entry>,
    pub(crate) points: BTreeMap<String, Vec<f64>>,
    pub(crate) usage: Usage,
    pub(crate) activities: Vec<Activity>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<Ended>>,
    mark: String,
    log: PathBuf,
    pub(crate) origin: Origin,
}

impl Trial {
    /// Runs the stack; `first` messages are in the queue from the start.
    pub(crate) async fn run(self, first: &[&str]) -> Rig {
        let origin = origin();
        let queues = Arc::new(Queues::new(origin, "eu-west-1", self.beliefs.clone()));
        let loopback = (Ipv4Addr::LOCALHOST, 0).into();
        let endpoint = Endpoint::start(loopback, Arc::clone(&queues), Arc::new(NoMetrics), 1).unwrap();
        let (saw, sightings) = mpsc::unbounded_channel();
        let sight = Box::new(move |sighting| _ = saw.send(sighting));
        let queue = queues.create("q", self.queue, Some(sight)).unwrap();
        let (tell, told) = mpsc::unbounded_channel();
        let mark = mark();
        let log = std::env::temp_dir().join(format!("versus-lambda-{mark}")).join("worker.log");
        let mut environment = aws_environment("eu-west-1", &endpoint.url());
        environment.push(("QUEUE_URL".into(), format!("{}/{ACCOUNT}/q", endpoint.url())));
        environment.push(("MARK".into(), mark.clone()));
        environment.extend(self.variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let stack = Stack {
            queue: self.queue,
            provisioning: self.provisioning,
            ..Stack::new("lambda", Platform::Lambda(self.lambda))
        };
        let setup = StackSetup {
            stack,
            beliefs: self.beliefs,
            seed: 1,
            queue: Arc::clone(&queue),
            command: self.command.unwrap_or_else(|| vec![example("runtime").display().to_string()]),
            environment,
            tell: Arc::new(move |entry| _ = tell.send(entry)),
            origin,
            window: self.window,
            spawner: Spawner::new(Some(example("child"))).unwrap(),
            faults: self.faults,
            log: Some(log.clone()),
        };
        let (stop, stopped) = oneshot::channel();
        let usage = Usage::default();
        let (points, activities) = (BTreeMap::new(), Vec::new());
        let rig = |task| Rig {
            queue,
            queues,
            _endpoint: endpoint,
            sightings,
            told,
            points,
            usage,
            activities,
            stop,
            task,
            mark,
            log,
            origin,
        };
        let mut rig = rig(tokio::spawn(async { Ok(Ended { account_limited: false }) }));
        rig.send(first);
        rig.task = tokio::spawn(lambda::run(setup, async { _ = stopped.await }));
        rig
    }
}

impl Rig {
    /// Sends messages in one call; returns their ids.
    pub(crate) fn send(&self, bodies: &[&str]) -> Vec<MessageId> {
        let messages: Vec<Message> =
            bodies.iter().map(|body| self.queues.identify(Message::new(body))).collect();
        let ids = messages.iter().map(|message| message.id).collect();
        self.queue.send(messages.into_iter().map(|message| Outgoing { message, delay: None }));
        ids
    }

    /// As [`Rig::send`], with attributes or whatever else the message has.
    pub(crate) fn send_message(&self, message: Message) -> MessageId {
        let message = self.queues.identify(message);
        let id = message.id;
        self.queue.send([Outgoing { message, delay: None }].into_iter());
        id
    }

    /// The next sighting of this kind.
    pub(crate) async fn sees(&mut self, sight: Sight) -> Sighting {
        loop {
            let next = timeout(PATIENCE, self.sightings.recv()).await;
            let Ok(Some(sighting)) = next else { panic!("no {sight:?} in time; log:\n{}", self.log()) };
            if sighting.sight == sight {
                return sighting;
            }
        }
    }

    /// Waits for so many deletes.
    pub(crate) async fn deleted(&mut self, count: usize) -> Vec<Sighting> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.sees(Sight::Deleted).await);
        }
        all
    }

    /// Kinds of sighting that have come so far and were not looked at.
    pub(crate) fn seen(&mut self) -> Vec<(Sight, MessageId)> {
        std::iter::from_fn(|| self.sightings.try_recv().ok()).map(|s| (s.sight, s.message)).collect()
    }

    /// The next record of a worker.
    pub(crate) async fn record(&mut self) -> Record {
        // Points come all the time: they must not prolong the wait.
        let end = Instant::now() + PATIENCE;
        loop {
            let next = timeout_at(end, self.told.recv()).await;
            let Ok(Some(entry)) = next else { panic!("no record in time; log:\n{}", self.log()) };
            if let Some(record) = self.keep(entry) {
                return record;
            }
        }
    }

    fn keep(&mut self, entry: Entry) -> Option<Record> {
        match entry {
            Entry::Record(record) => return Some(record),
            Entry::Point(point) => self.points.entry(point.metric).or_default().push(point.value),
            Entry::Usage(usage) => self.usage = usage,
            Entry::Activity(activity) => self.activities.push(activity),
            Entry::Sent(_) | Entry::Sighting(_) | Entry::End(_) => {}
        }
        None
    }

    /// Process ids of the environments that live.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let wanted = format!("MARK={}\0", self.mark).into_bytes();
        let has = |id: &u32| {
            let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            environment.windows(wanted.len()).any(|part| part == wanted)
        };
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(has).collect()
    }

    /// Waits until `holds`; there is no event for what happens within other processes.
    pub(crate) async fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < end, "waited in vain: {what}; log:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The log of the stack.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Lines of the log that hold this.
    pub(crate) fn lines(&self, part: &str) -> Vec<String> {
        self.log().lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }

    /// Sums of the points of a series.
    pub(crate) fn total(&self, metric: &str) -> f64 {
        self.points.get(metric).map_or(0.0, |points| points.iter().sum())
    }

    pub(crate) fn noted(&self, kind: ActivityKind) -> Vec<&str> {
        self.activities.iter().filter(|a| a.kind == kind).map(|a| a.detail.as_str()).collect()
    }

    /// Waits until the stack gives up by itself; returns what it says.
    pub(crate) async fn fails(mut self) -> String {
        let error = timeout(PATIENCE, &mut self.task).await.unwrap().unwrap().unwrap_err();
        assert_eq!(self.processes(), Vec::<u32>::new(), "processes are left");
        format!("{error:#}")
    }

    /// Stops the stack; no process must be left. Returns all that is known, and what the run returned.
    pub(crate) async fn stop(mut self) -> (Self, Ended) {
        let (stop, _) = oneshot::channel();
        std::mem::replace(&mut self.stop, stop).send(()).unwrap();
        let ended = timeout(PATIENCE, &mut self.task).await.unwrap().unwrap().unwrap();
        assert_eq!(self.processes(), Vec::<u32>::new(), "processes are left");
        while let Ok(entry) = self.told.try_recv() {
            _ = self.keep(entry);
        }
        (self, ended)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(folder) = self.log.parent() {
            _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// State of a process, as in `/proc`: `T` is stopped.
pub(crate) fn state(id: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[allow(clippy::disallowed_methods)]
fn origin() -> Origin {
    Origin { instant: std::time::Instant::now(), utc: std::time::SystemTime::now() }
}

/// A text that the processes of one test have in their environment, and no other.
fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
