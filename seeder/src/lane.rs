//! A sending thread: its runtime, its client, its share of the plan.
//!
//! Goals: each message is issued at its instant, to all stacks at once; nothing is shared with the other threads.

use crate::compose::Composer;
use crate::crew::{Crew, Job};
use crate::deliver::Post;
use crate::outbox::{Outbox, Sink};
use crate::share::Share;
use crate::summary::Summary;
use crate::{Destination, Settings, Stop, client, clock};
use anyhow::{Context, Result};
use aws_sdk_sqs::Client;
use model::plan::{Arrival, Plan};
use model::random::Stream;
use model::scenario::Scenario;
use model::time::Origin;
use std::sync::{Arc, Mutex};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A thread's runtime and the client that lives in it.
pub(crate) struct Lane {
    runtime: Runtime,
    client: Client,
}

/// What a thread has to do.
pub(crate) struct Work<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) destinations: &'a [Destination],
    pub(crate) settings: &'a Settings,
    /// Which thread of how many.
    pub(crate) thread: (usize, usize),
    pub(crate) origin: Origin,
    pub(crate) stop: Stop,
    pub(crate) sink: Arc<Sink>,
}

impl Lane {
    pub(crate) fn connect(
        scenario: &Scenario,
        destinations: &[Destination],
        settings: &Settings,
    ) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().context("starting a runtime")?;
        let client = runtime.block_on(async {
            let client = client::client(settings, &scenario.region).await;
            for destination in destinations {
                client::greet(&client, destination).await?;
            }
            anyhow::Ok(client)
        })?;
        Ok(Self { runtime, client })
    }

    pub(crate) fn run(self, work: &Work) -> Result<Summary> {
        let (thread, threads) = work.thread;
        let share = Share::new(Plan::new(work.scenario), work.settings.shard, (thread, threads));
        let stacks = work.destinations.len();
        let post = Post {
            client: self.client,
            composer: Composer::new(work.scenario, work.settings.run),
            queue_urls: work.destinations.iter().map(|to| to.queue_url.clone()).collect(),
            settings: work.settings.clone(),
            origin: work.origin,
            stop: work.stop.clone(),
            calls: Arc::new(Semaphore::new(
                work.settings.in_flight_max.clamp(stacks, Semaphore::MAX_PERMITS),
            )),
            outbox: Outbox::new(Arc::clone(&work.sink), stacks),
            jitter: Mutex::new(Stream::new(work.scenario.seed ^ thread as u64, "jitter")),
        };
        let post = Arc::new(post);
        self.runtime.block_on(async {
            // A task, so that it can take turns with the deliveries.
            let sending = tokio::spawn(send_all(Arc::clone(&post), share, thread));
            tokio::select! {
                sent = sending => sent.context("a sending task broke down")?,
                () = post.outbox.forward() => Ok(()),
            }
        })?;
        Ok(post.outbox.flush())
    }
}

async fn send_all(post: Arc<Post>, mut share: Share, first: usize) -> Result<()> {
    let alarm = clock::Alarm::new().context("starting a thread that keeps time")?;
    let stacks = post.queue_urls.len();
    let mut crew = Crew::new(Arc::clone(&post));
    let mut group = Vec::new();
    // Which stack comes first: each in turn.
    let mut turn = first;
    while let Some(due) = share.due() {
        let wait = async {
            alarm.at(post.origin.instant(due)).await;
            permits(&post, stacks).await
        };
        let permits = tokio::select! {
            biased;
            () = post.stop.wait() => break,
            permits = wait => permits,
        };
        // Only now: what fell due while all calls were taken goes along.
        share.take_due(post.now(), &mut group);
        post.outbox.begun(group.len());
        issue(&post, &group, turn, permits, &mut crew);
        turn += 1;
        // No pause: groups that are due, and for which there are permits, are made one after the other, so that their
        // calls leave together. A server that is woken for every call costs the sender a fifth more.
        crew.check()?;
    }
    crew.finish().await
}

/// One per stack, all at once: a message goes to every stack at the same time, however late.
async fn permits(post: &Post, stacks: usize) -> OwnedSemaphorePermit {
    let calls = Arc::clone(&post.calls);
    calls.acquire_many_owned(stacks as u32).await.expect("the semaphore is never closed")
}

/// Begins a call to each stack, `turn` telling which comes first.
fn issue(post: &Post, group: &[Arrival], turn: usize, mut permits: OwnedSemaphorePermit, crew: &mut Crew) {
    let stacks = post.queue_urls.len();
    let batch = Arc::new(post.composer.batch(group));
    for place in 0..stacks {
        let batch = Arc::clone(&batch);
        let permit = permits.split(1).expect("one permit per stack");
        let stack = (turn + place) % stacks;
        crew.begin(Job { stack, arrivals: group.to_vec(), batch, permit });
    }
}
