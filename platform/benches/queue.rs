//! Receive and delete with few and with many messages queued: the cost must not depend on the depth.

use divan::Bencher;
use divan::counter::ItemsCount;
use model::random::Stream;
use model::scenario;
use model::scenario::Parameters;
use model::time::SECOND;
use platform::sqs::{Polling, Queue, Receipt, Settings};

fn main() {
    divan::main();
}

/// Sends one message, receives one and deletes it, 10,000 times, over a standing backlog.
#[divan::bench(args = [100, 10_000, 1_000_000, 10_000_000], sample_count = 20)]
fn send_receive_delete(bencher: Bencher, depth: u64) {
    const ROUNDS: u64 = 10_000;
    let settings = Settings::new(scenario::Queue::default(), &Parameters::default());
    let mut queue: Queue<[u64; 4]> = Queue::new(settings, Stream::new(1, "queue"));
    let mut now = 0;
    (0..depth).for_each(|i| queue.send(now, [i; 4]));
    let mut receipts: Vec<Receipt> = Vec::new();
    bencher.counter(ItemsCount::new(ROUNDS)).bench_local(|| {
        for i in 0..ROUNDS {
            now += 1_000;
            queue.send(now, [i; 4]);
            let received = queue
                .receive(now, 1, Polling::Long, 30 * SECOND, |received, _| receipts.push(received.receipt));
            assert_eq!(received, Ok(1));
            if let Some(receipt) = receipts.pop() {
                queue.delete(receipt);
            }
        }
    });
}
