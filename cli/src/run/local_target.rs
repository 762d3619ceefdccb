//! `--target local`: real messages through an endpoint on loopback, real worker processes, in the scenario's own time.
//!
//! The seeder, the endpoint and the stacks have threads of their own; this one writes down what they tell.

use super::{Args, provenance};
use crate::clock;
use anyhow::{Context, Result, bail};
use collector::{Board, Collector, Ended};
use local::cloudwatch::services::ServiceMetrics;
use local::cloudwatch::{self, publish, store};
use local::process::{Spawner, aws_environment};
use local::queues::{ACCOUNT, Queues, SharedQueue};
use local::server::Endpoint;
use local::stack::{StackSetup, Tell};
use model::journal::{Entry, Sent};
use model::run::{Manifest, Run};
use model::scenario::{Platform, Queue, Scenario, Source, Stack};
use model::time::{MILLISECOND, Nanos, Origin};
use seeder::{Credentials, Destination, Seeder, Settings};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Time before the load in which tasks that are warm at its beginning start up.
const LEAD: Duration = Duration::from_secs(1);
/// The same for workers of the user's own, which may have an interpreter to load.
const LEAD_OF_OWN_WORKER: Duration = Duration::from_secs(4);
/// How often the journal is handed to the system, and progress shown.
const FLUSH_EVERY: Nanos = 200 * MILLISECOND;
/// How long the stacks may take to end once they were told to.
const ENDING: Duration = Duration::from_secs(30);

/// A stack's position, and what it has to tell.
type Told = (usize, Entry);

/// Plays `scenario` on this machine and writes the run to `place`.
pub(super) fn play(
    place: &Path,
    scenario: &Scenario,
    source: &Source,
    args: &Args,
    index: u32,
    interrupts: &AtomicU32,
) -> Result<Run> {
    let commands = commands(scenario, args)?;
    let own = args.worker.is_some() || scenario.stacks.iter().any(|stack| stack.command.is_some());
    let manifest = collector::manifest(scenario, &provenance(source, args, index, Duration::ZERO));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("stacks")
        .enable_all()
        .build()
        .context("starting the threads of the run")?;
    let origin = clock::origin_in(if own { LEAD_OF_OWN_WORKER } else { LEAD });
    let collector = collector::begin(place, &manifest, &origin)?;
    let (sender, told) = mpsc::channel();
    let world = World { place, scenario, commands, window: manifest.window, origin };
    let stage = world.set(&runtime, &sender)?;
    drop(sender);
    let names: Vec<&str> = scenario.stacks.iter().map(|stack| stack.name.as_str()).collect();
    let board = Board::new(&names, args.quiet);
    let ends = vec![None; names.len()];
    let collecting = Collecting { collector, board, told, ends, flushed: 0, origin };
    collecting.collect(&runtime, stage, interrupts, &manifest, scenario.drain_max)
}

/// The worker of each stack: its own, that of the command line, or the reference worker.
fn commands(scenario: &Scenario, args: &Args) -> Result<Vec<Vec<String>>> {
    let program = std::env::current_exe().context("finding our own program")?;
    let reference = vec![program.display().to_string(), "worker".into()];
    let given = args.worker.as_deref().map(words).transpose()?;
    let of =
        |stack: &Stack| given.clone().or_else(|| stack.command.clone()).unwrap_or_else(|| reference.clone());
    Ok(scenario.stacks.iter().map(of).collect())
}

/// A command as a shell would split it: at blanks, but for what stands in quotes.
fn words(command: &str) -> Result<Vec<String>> {
    let words = shlex::split(command).filter(|words| !words.is_empty());
    words.with_context(|| format!("--worker {command:?} is no command: write e.g. --worker 'python3 app.py'"))
}

/// Counts how often Ctrl-C is pressed, or SIGTERM comes, from now on.
pub(super) fn interrupts() -> Result<Arc<AtomicU32>> {
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    clock::on_interrupt(move || _ = counted.fetch_add(1, Ordering::Relaxed))?;
    Ok(count)
}

/// What a run on this machine is made from.
struct World<'a> {
    place: &'a Path,
    scenario: &'a Scenario,
    commands: Vec<Vec<String>>,
    window: Nanos,
    origin: Origin,
}

/// What runs beside the collector.
struct Stage {
    endpoint: Endpoint,
    stacks: Vec<Running>,
    seeding: Option<JoinHandle<Result<seeder::Summary>>>,
    stop_seeding: seeder::Stop,
}

/// A stack at work.
struct Running {
    stop: watch::Sender<bool>,
    /// `None` once it has been waited for.
    task: Option<tokio::task::JoinHandle<Result<()>>>,
}

impl World<'_> {
    /// Starts the endpoint, the stacks and the seeder.
    fn set(&self, runtime: &Runtime, sender: &Sender<Told>) -> Result<Stage> {
        let Self { scenario, origin, .. } = *self;
        let _inside = runtime.enter();
        let queues = Arc::new(Queues::new(origin, &scenario.region, scenario.parameters.clone()));
        let store = Arc::new(store::MetricStore::default());
        let metrics = Arc::new(cloudwatch::Metrics::beside(&queues, Arc::clone(&store)));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let endpoint = Endpoint::start(address, Arc::clone(&queues), metrics, 1)?;
        let lag = scenario.parameters.sqs_metric_lag;
        runtime.spawn(publish::run(Arc::clone(&queues), Arc::clone(&store), lag, complain));
        let spawner = Spawner::new(Some(std::env::current_exe().context("finding our own program")?))?;
        let mut stacks = Vec::new();
        let mut destinations = Vec::new();
        for (index, stack) in scenario.stacks.iter().enumerate() {
            let queue = create_queue(&queues, stack, index, sender)?;
            let queue_url = format!("{}/{ACCOUNT}/{}", endpoint.url(), queue.name);
            let mut environment = aws_environment(&scenario.region, &endpoint.url());
            environment.push(("QUEUE_URL".into(), queue_url.clone()));
            destinations.push(Destination { stack: stack.name.clone(), queue_url });
            let metrics = ServiceMetrics::new(Arc::clone(&store), origin, lag, &stack.platform, &stack.name);
            let sender = sender.clone();
            let tell = move |entry| {
                if let Entry::Point(point) = &entry {
                    metrics.told(point).unwrap_or_else(complain);
                }
                // Whoever collects may have given up.
                _ = sender.send((index, entry));
            };
            let setup = self.setup(index, queue, environment, Arc::clone(&spawner), Arc::new(tell));
            let (stop, mut stopped) = watch::channel(false);
            let stopped = async move { _ = stopped.wait_for(|stop| *stop).await };
            let task = match &stack.platform {
                Platform::Ecs(_) => runtime.spawn(async { local::ecs::run(setup, stopped).await.map(drop) }),
                Platform::Ec2(_) | Platform::Eks(_) => {
                    bail!("stack {} is only simulated, with target sim", stack.name)
                }
                Platform::Lambda(_) => {
                    runtime.spawn(async { local::lambda::run(setup, stopped).await.map(drop) })
                }
            };
            stacks.push(Running { stop, task: Some(task) });
        }
        let stop_seeding = seeder::Stop::default();
        let seeding = self.seed(destinations, endpoint.url(), stop_seeding.clone(), sender.clone())?;
        Ok(Stage { endpoint, stacks, seeding: Some(seeding), stop_seeding })
    }

    fn setup(
        &self,
        index: usize,
        queue: Arc<SharedQueue>,
        environment: Vec<(String, String)>,
        spawner: Arc<Spawner>,
        tell: Tell,
    ) -> StackSetup {
        let stack = self.scenario.stacks[index].clone();
        StackSetup {
            beliefs: self.scenario.parameters.clone(),
            seed: self.scenario.seed,
            queue,
            command: self.commands[index].clone(),
            environment,
            tell,
            origin: self.origin,
            window: self.window,
            spawner,
            faults: self.scenario.faults.clone(),
            log: Some(self.place.join(&stack.name).join("worker.log")),
            stack,
        }
    }

    /// Sends the plan from a thread of its own.
    fn seed(
        &self,
        destinations: Vec<Destination>,
        url: String,
        stop: seeder::Stop,
        sender: Sender<Told>,
    ) -> Result<JoinHandle<Result<seeder::Summary>>> {
        let (scenario, origin) = (self.scenario.clone(), self.origin);
        let settings = Settings {
            run: origin.utc_ns(0) as u32,
            endpoint_url: Some(url),
            region: Some(scenario.region.clone()),
            credentials: Credentials::Dummy,
            ..Settings::default()
        };
        let send = move || {
            let seeder = Seeder::connect(&scenario, &destinations, &settings)?;
            seeder.run(origin, &stop, move |stack, sent: Vec<Sent>| {
                sent.into_iter().for_each(|one| _ = sender.send((stack, Entry::Sent(one))));
            })
        };
        std::thread::Builder::new().name("seeder".into()).spawn(send).context("starting the seeder")
    }
}

/// The queue of a stack, with a dead-letter queue if it asks for one.
fn create_queue(
    queues: &Queues,
    stack: &Stack,
    index: usize,
    sender: &Sender<Told>,
) -> Result<Arc<SharedQueue>> {
    let name = format!("versus-{}", stack.name);
    let sender = sender.clone();
    let sightings = Box::new(move |sighting| _ = sender.send((index, Entry::Sighting(sighting))));
    let taken = || format!("two stacks want the queue {name}");
    let queue = queues.create(&name, stack.queue, Some(sightings)).with_context(taken)?;
    if stack.queue.max_receive_count.is_some() {
        let attributes = Queue { max_receive_count: None, delay: 0, ..stack.queue };
        let dead = queues.create(&format!("{name}_dead-letters"), attributes, None).with_context(taken)?;
        queue.set_attributes(stack.queue, Some(&dead));
    }
    Ok(queue)
}

/// A metric could not be stored: the run goes on without it.
fn complain(full: store::Full) {
    eprintln!("versus: {full}");
}

/// Writes down what the others tell, until the stacks are drained.
struct Collecting {
    collector: Collector,
    board: Board,
    told: Receiver<Told>,
    /// When each stack was drained.
    ends: Vec<Option<Nanos>>,
    flushed: Nanos,
    origin: Origin,
}

impl Collecting {
    fn collect(
        mut self,
        runtime: &Runtime,
        mut stage: Stage,
        interrupts: &AtomicU32,
        manifest: &Manifest,
        drain_max: Nanos,
    ) -> Result<Run> {
        let outcome = self.until_drained(runtime, &mut stage, interrupts, manifest.load_end + drain_max);
        let stopped = stage.end(runtime, interrupts.load(Ordering::Relaxed) > 1);
        while let Ok((stack, entry)) = self.told.try_recv() {
            self.collector.take(stack, entry)?;
        }
        // What went wrong first is what matters; what was written down stays in any case.
        let ended = match (outcome, stopped) {
            (Ok(ended), Ok(())) => ended,
            (Err(error), _) | (Ok(_), Err(error)) => {
                self.collector.finish(Ended::CutShort)?;
                return Err(error);
            }
        };
        let now = self.now();
        for (stack, end) in self.ends.iter().enumerate() {
            if end.is_none() {
                self.collector.take(stack, Entry::End(now))?;
            }
        }
        self.collector.finish(ended)
    }

    fn now(&self) -> Nanos {
        self.origin.since(clock::instant())
    }

    fn until_drained(
        &mut self,
        runtime: &Runtime,
        stage: &mut Stage,
        interrupts: &AtomicU32,
        deadline: Nanos,
    ) -> Result<Ended> {
        let mut told_of_interrupt = false;
        loop {
            // What the seeder caused was told before it ended: only then is an empty queue the end.
            let seeded = stage.seeding.is_none();
            let all_taken = self.take_some()?;
            let now = self.now();
            self.show(now)?;
            stage.check(runtime)?;
            match interrupts.load(Ordering::Relaxed) {
                0 => {}
                1 => {
                    stage.stop_seeding.request();
                    if !told_of_interrupt {
                        eprintln!(
                            "versus: sends no more and drains the queues; Ctrl-C again ends it at once"
                        );
                        told_of_interrupt = true;
                    }
                }
                _ => return Ok(Ended::CutShort),
            }
            if seeded && all_taken {
                self.end_drained(now, stage)?;
            }
            if self.ends.iter().all(Option::is_some) || now >= deadline {
                return Ok(if told_of_interrupt { Ended::CutShort } else { Ended::ByItself });
            }
        }
    }

    /// Takes what was told, waiting a moment for the first of it; true if that was all there is.
    fn take_some(&mut self) -> Result<bool> {
        match self.told.recv_timeout(Duration::from_millis(50)) {
            Ok((stack, entry)) => self.collector.take(stack, entry)?,
            Err(RecvTimeoutError::Timeout) => return Ok(true),
            Err(RecvTimeoutError::Disconnected) => bail!("seeder and stacks have all ended unasked"),
        }
        for _ in 0..10_000 {
            let Ok((stack, entry)) = self.told.try_recv() else { return Ok(true) };
            self.collector.take(stack, entry)?;
        }
        Ok(false)
    }

    fn show(&mut self, now: Nanos) -> Result<()> {
        if now < self.flushed + FLUSH_EVERY {
            return Ok(());
        }
        self.flushed = now;
        self.collector.flush()?;
        let stacks: Vec<_> = (0..self.ends.len()).map(|stack| self.collector.progress(stack)).collect();
        self.board.show(now, &stacks);
        Ok(())
    }

    /// Ends the stacks whose queues are empty: a stack that waited for the others would be billed for that.
    fn end_drained(&mut self, now: Nanos, stage: &Stage) -> Result<()> {
        for (stack, end) in self.ends.iter_mut().enumerate() {
            if end.is_none() && self.collector.progress(stack).outstanding == 0 {
                *end = Some(now);
                self.collector.take(stack, Entry::End(now))?;
                stage.stacks[stack].stop.send_replace(true);
            }
        }
        Ok(())
    }
}

impl Stage {
    /// Whoever ended before it was told to says why.
    fn check(&mut self, runtime: &Runtime) -> Result<()> {
        if self.seeding.as_ref().is_some_and(JoinHandle::is_finished) {
            self.join_seeder()?;
        }
        for Running { stop, task } in &mut self.stacks {
            let unasked = !*stop.borrow() && task.as_ref().is_some_and(|task| task.is_finished());
            if let Some(task) = task.take_if(|_| unasked) {
                runtime.block_on(task).context("a stack broke down")??;
                bail!("a stack ended before it was told to");
            }
        }
        Ok(())
    }

    fn join_seeder(&mut self) -> Result<()> {
        let Some(seeding) = self.seeding.take() else { return Ok(()) };
        let outcome = seeding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outcome.context("sending the messages").map(drop)
    }

    /// Waits until all have ended; or kills the workers `at_once`.
    fn end(mut self, runtime: &Runtime, at_once: bool) -> Result<()> {
        self.stop_seeding.request();
        self.stacks.iter().for_each(|stack| _ = stack.stop.send_replace(true));
        let seeder = self.join_seeder();
        let stacks: Vec<_> = self.stacks.iter_mut().filter_map(|stack| stack.task.take()).collect();
        if at_once {
            // What is dropped is killed.
            stacks.iter().for_each(tokio::task::JoinHandle::abort);
            return seeder;
        }
        let ended = runtime.block_on(async {
            let all = async {
                for stack in stacks {
                    stack.await.context("a stack broke down")??;
                }
                Ok(())
            };
            tokio::time::timeout(ENDING, all).await.context("the stacks do not end")?
        });
        self.endpoint.stop();
        seeder.and(ended)
    }
}
