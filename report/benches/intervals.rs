//! What the intervals of a run cost: `cargo bench -p versus-report`.

use divan::Bencher;
use model::random::{Sampler, Stream};
use model::run::{Run, StackRun};
use model::time::{DAY, MILLISECOND, MINUTE, Nanos, SECOND};
use model::windows::{Recorder, Spans, Windows};
use report::bootstrap::Bootstrap;
use report::metrics::percentiles;
use report::view::StackView;
use report::{Options, judge};

#[allow(clippy::unwrap_used)]
#[path = "../tests/fixture/mod.rs"]
mod fixture;

fn main() {
    divan::main();
}

/// Stacks, length of the load, messages per second.
const RUNS: [(usize, Nanos, u64); 3] = [(2, 15 * MINUTE, 100), (2, 60 * MINUTE, 100), (6, 7 * DAY, 10)];

/// A run with latencies as wide as real ones: a millisecond to a minute.
fn run(stacks: usize, length: Nanos, rate: u64) -> Run {
    let mut run = fixture::empty(stacks);
    run.manifest.load_end = length;
    run.manifest.warmup = 5 * MINUTE;
    run.manifest.window = Windows::width_for(length);
    for (index, stack) in run.stacks.iter_mut().enumerate() {
        *stack = recorded(index as u64, length, rate);
    }
    run
}

fn recorded(seed: u64, length: Nanos, rate: u64) -> StackRun {
    let mut stream = Stream::new(seed, "bench");
    let queue = Sampler::lognormal(20 * MILLISECOND, 20 * SECOND);
    let start = Sampler::lognormal(15 * MILLISECOND, 300 * MILLISECOND);
    let work = Sampler::lognormal(200 * MILLISECOND, 800 * MILLISECOND);
    let acknowledge = Sampler::lognormal(5 * MILLISECOND, 30 * MILLISECOND);
    let mut recorder = Recorder::new(Windows::width_for(length));
    for message in 0..length / SECOND * rate {
        let number = recorder.planned(message * SECOND / rate);
        let (queue, start, work) = (queue.draw(&mut stream), start.draw(&mut stream), work.draw(&mut stream));
        let acknowledge = Some(acknowledge.draw(&mut stream));
        recorder.completed(number, &Spans { latency: queue + start + work, queue, start, work, acknowledge });
    }
    StackRun { windows: recorder.finish(), ..StackRun::default() }
}

/// The intervals alone.
#[divan::bench(args = 0..RUNS.len(), sample_count = 10, sample_size = 1)]
fn intervals(bencher: Bencher, which: usize) {
    let run = run(RUNS[which].0, RUNS[which].1, RUNS[which].2);
    let views = StackView::all(&run, Options::default());
    let wanted = percentiles();
    bencher.bench_local(|| {
        let bootstrap = Bootstrap::of(&views, &wanted).expect("the run is long enough");
        let mut sum = 0.0;
        for stack in 0..views.len() {
            for (stage, p) in &wanted {
                sum += bootstrap.of_stack(stack, *stage, *p).map_or(0.0, |spread| spread.high);
                sum += bootstrap.of_ratio(stack, 0, *stage, *p).map_or(0.0, |spread| spread.high);
            }
        }
        sum
    });
}

/// All that judging takes, the bills included.
#[divan::bench(args = 0..RUNS.len(), sample_count = 10, sample_size = 1)]
fn judgement(bencher: Bencher, which: usize) {
    let runs = [run(RUNS[which].0, RUNS[which].1, RUNS[which].2)];
    bencher.bench_local(|| judge(&runs, Options::default()).map(|_| ()).ok());
}

/// From a run in memory to its page: of the run directory that the variable `RUN` names, or of a made-up spike.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn page(bencher: Bencher) {
    let stored =
        std::env::var("RUN").ok().map(|path| model::run::read(path.as_ref()).expect("a run directory"));
    let runs = [stored.unwrap_or_else(|| fixture::spike(2, 42))];
    bencher.bench_local(|| {
        report::html(&judge(&runs, Options::default()).expect("there is a run")).map(|page| page.len()).ok()
    });
}
