//! An endpoint that writes down what comes and misbehaves as a test wants, and a seeder that sends to it.

use crate::mock::{Answer, Batch, Conduct, Reply, serve};
use model::journal::Sent;
use model::scenario::{Arrivals, Batches, Distribution, Message, Parameters, Phase, Rate, Scenario};
use model::time::{MINUTE, Nanos, Origin};
use model::work::Work;
use seeder::{Credentials, Destination, Seeder, Settings, Stop, Summary};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::oneshot;

/// A message as it came.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    pub(crate) body: String,
    /// Name, type and value of its only attribute.
    pub(crate) attribute: (String, String, String),
}

impl Came {
    pub(crate) fn seq(&self) -> u64 {
        Work::parse(&self.attribute.2).unwrap().seq
    }
}

/// A call as it came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) at: Instant,
    /// Position of the stack.
    pub(crate) stack: usize,
    pub(crate) messages: Vec<Came>,
    /// How the call was answered.
    pub(crate) answer: Answer,
}

/// What happens to a call: its place among the calls to its queue, from 0, and how many messages it has.
pub(crate) type Script = dyn Fn(usize, usize) -> Act + Send + Sync;

/// What happens to a call.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// All its messages are taken.
    Take,
    /// All its messages are taken, after a while.
    TakeAfter(Duration),
    /// These replies; missing ones are `Take`.
    Reply(Vec<(usize, Reply)>),
    /// This answer.
    Answer(Answer),
    /// None.
    Hang,
}

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) calls: Mutex<Vec<Call>>,
    numbers: AtomicU64,
    in_flight: AtomicU64,
    pub(crate) in_flight_most: AtomicU64,
}

struct Clerk {
    book: Arc<Book>,
    script: Box<Script>,
}

impl Conduct for Clerk {
    #[allow(clippy::disallowed_methods, reason = "a test looks at the clock")]
    async fn answer(&self, batch: &Batch<'_>) -> Answer {
        let at = Instant::now();
        let in_flight = self.book.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.book.in_flight_most.fetch_max(in_flight, Ordering::SeqCst);
        let stack = batch.queue_url.rsplit_once('/').unwrap().1.parse().unwrap();
        let came = |entry: &crate::mock::Entry| {
            let [(name, value)] = &*entry.message_attributes.iter().collect::<Vec<_>>() else {
                panic!("one")
            };
            let attribute = (name.to_string(), value.data_type.to_string(), value.string_value.to_string());
            Came { body: entry.message_body.to_string(), attribute }
        };
        let messages: Vec<Came> = batch.entries.iter().map(came).collect();
        let count = messages.len();
        let take = || Reply::Take(1 + self.book.numbers.fetch_add(1, Ordering::SeqCst));
        let place = self.book.calls.lock().unwrap().iter().filter(|call| call.stack == stack).count();
        let mut replies: Vec<Reply> = (0..count).map(|_| take()).collect();
        let mut hang = Duration::ZERO;
        let answer = match (self.script)(place, count) {
            Act::Take => Answer::Entries(replies),
            Act::TakeAfter(time) => {
                hang = time;
                Answer::Entries(replies)
            }
            Act::Reply(others) => {
                others.into_iter().for_each(|(place, reply)| replies[place] = reply);
                Answer::Entries(replies)
            }
            Act::Answer(answer) => answer,
            Act::Hang => {
                hang = Duration::MAX;
                Answer::HangUp
            }
        };
        self.book.calls.lock().unwrap().push(Call { at, stack, messages, answer: answer.clone() });
        if hang == Duration::MAX {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(hang).await;
        self.book.in_flight.fetch_sub(1, Ordering::SeqCst);
        answer
    }
}

/// An endpoint, up as long as this lives.
pub(crate) struct Lab {
    pub(crate) book: Arc<Book>,
    pub(crate) address: SocketAddr,
    server: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl Lab {
    pub(crate) fn new(script: impl Fn(usize, usize) -> Act + Send + Sync + 'static) -> Self {
        let book = Arc::new(Book::default());
        let clerk = Clerk { book: Arc::clone(&book), script: Box::new(script) };
        let (end, ended) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tell.send(serve(clerk).await).unwrap();
                ended.await.unwrap();
            });
        });
        Self { book, address: told.recv().unwrap(), server: Some((end, thread)) }
    }

    /// Closes the port and every connection.
    pub(crate) fn shut_down(&mut self) {
        if let Some((end, thread)) = self.server.take() {
            // A server that broke down is not there to hear it.
            let _ = end.send(());
            assert!(thread.join().is_ok() || std::thread::panicking(), "the endpoint broke down");
        }
    }

    pub(crate) fn destinations(&self, stacks: usize) -> Vec<Destination> {
        let queue_url = |stack| format!("http://{}/000000000000/{stack}", self.address);
        (0..stacks)
            .map(|stack| Destination { stack: format!("stack-{stack}"), queue_url: queue_url(stack) })
            .collect()
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            run: 0x5f3a,
            endpoint_url: Some(format!("http://{}", self.address)),
            credentials: Credentials::Dummy,
            ..Settings::default()
        }
    }

    pub(crate) fn connect(&self, scenario: &Scenario, stacks: usize, settings: &Settings) -> Seeder {
        Seeder::connect(scenario, &self.destinations(stacks), settings).unwrap()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.book.calls.lock().unwrap().clone()
    }

    /// Sends the whole plan.
    pub(crate) fn seed(&self, scenario: &Scenario, stacks: usize, settings: &Settings) -> Seeded {
        run(self.connect(scenario, stacks, settings), &Stop::default(), |_| {})
    }
}

/// What a seeder said.
pub(crate) struct Seeded {
    pub(crate) origin: Origin,
    pub(crate) summary: Summary,
    /// With the position of the stack, in the order of their coming.
    pub(crate) sent: Vec<(usize, Sent)>,
}

#[allow(clippy::disallowed_methods, reason = "a test looks at the clock")]
pub(crate) fn run(seeder: Seeder, stop: &Stop, watch: impl Fn(usize) + Send + Sync + 'static) -> Seeded {
    let origin = Origin { instant: Instant::now(), utc: SystemTime::now() };
    let sent = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&sent);
    let sink = move |stack, records: Vec<Sent>| {
        let mut into = into.lock().unwrap();
        into.extend(records.into_iter().map(|sent| (stack, sent)));
        watch(into.len());
    };
    let summary = seeder.run(origin, stop, sink).unwrap();
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    Seeded { origin, summary, sent }
}

impl Seeded {
    /// The records of a stack by `seq`; each message has one.
    pub(crate) fn of(&self, stack: usize) -> Vec<&Sent> {
        let mut sent: Vec<&Sent> =
            self.sent.iter().filter(|(of, _)| *of == stack).map(|(_, sent)| sent).collect();
        sent.sort_by_key(|sent| sent.seq);
        assert!(sent.windows(2).all(|pair| pair[0].seq < pair[1].seq), "two records of one message");
        sent
    }
}

pub(crate) fn scenario(phases: Vec<Phase>) -> Scenario {
    let work = Distribution::Exponential { mean: 20_000_000 };
    Scenario {
        title: String::new(),
        analysis: String::new(),
        seed: 11,
        region: Scenario::REGION.into(),
        warmup: 0,
        drain_max: MINUTE,
        phases,
        message: Message { work, cpu_share: 0.25, failure: 0.1, ..Message::default() },
        stacks: Vec::new(),
        faults: Vec::new(),
        streams: Vec::new(),
        expect: Vec::new(),
        parameters: Parameters::default(),
    }
}

pub(crate) fn even(rate: f64, duration: Nanos) -> Scenario {
    scenario(vec![phase(duration, Arrivals::Even(Rate::Constant(rate)))])
}

pub(crate) fn phase(duration: Nanos, arrivals: Arrivals) -> Phase {
    Phase { name: "p".into(), duration: Some(duration), arrivals }
}

/// So many messages, all due at the start.
pub(crate) fn at_once(count: u64) -> Scenario {
    let batches = Batches { count: Some(1), size: (count, count), gap: (MINUTE, MINUTE) };
    scenario(vec![Phase { name: "p".into(), duration: None, arrivals: Arrivals::Batches(batches) }])
}
