use super::cumulative::Cumulative;
use super::*;
use model::random::Sampler;
use model::random::Stream;
use model::time::{DAY, MILLISECOND, SECOND};
use model::windows::{Recorder, Spans, Windows};

/// Windows of `seconds` with `rate` messages a second each, whose latency is drawn by second.
fn windows(seconds: u64, rate: u64, mut latency: impl FnMut(u64) -> Nanos) -> Windows {
    let mut recorder = Recorder::new(Windows::width_for(seconds * SECOND));
    for message in 0..seconds * rate {
        let number = recorder.planned(message * SECOND / rate);
        let latency = latency(message / rate);
        recorder.completed(number, &Spans { latency, queue: 0, start: 0, work: latency, acknowledge: None });
    }
    recorder.finish()
}

fn cumulative(windows: &Windows, layout: &Layout) -> Cumulative {
    let merged = windows.merged(Stage::Latency, layout.from, Nanos::MAX).unwrap();
    let kept = vec![true; merged.bins().count()];
    Cumulative::of((windows, Stage::Latency), &merged, &kept, layout, Vec::new())
}

/// Stacks by their windows, no warm-up.
fn bootstrap_of(stacks: &[Windows], seconds: u64, percentiles: &[f64]) -> Bootstrap {
    let layout = Layout::of(stacks[0].width, 0, seconds * SECOND).unwrap();
    let weights = layout.weights();
    let draws = |windows: &Windows| {
        let merged = windows.merged(Stage::Latency, layout.from, Nanos::MAX).unwrap();
        let windows = (windows, Stage::Latency);
        let draws = cumulative::draws(windows, &merged, percentiles, &layout, &weights, &mut Vec::new());
        draws.into_iter().map(Some).collect()
    };
    let quantiles = percentiles.iter().map(|p| (Stage::Latency, *p)).collect();
    Bootstrap { layout, quantiles, draws: stacks.iter().map(draws).collect() }
}

fn bootstrap(stacks: &[Windows], seconds: u64, p: f64) -> Bootstrap {
    bootstrap_of(stacks, seconds, &[p])
}

/// Half the width of an interval on the log scale.
fn half(spread: Spread) -> f64 {
    libm::log(spread.high / spread.low) / 2.0
}

#[test]
fn long_runs_have_wider_windows_and_short_ones_none() {
    let of = |width, warmup, end| {
        let layout: Layout = Layout::of(width * SECOND, warmup * SECOND, end * SECOND)?;
        Some((layout.width / SECOND, layout.windows, layout.length, layout.blocks))
    };
    assert_eq!(of(5, 60, 359), None, "a second is missing from five minutes");
    assert_eq!(of(5, 60, 360), Some((5, 60, 12, 5)));
    assert_eq!(of(5, 60, 660), Some((5, 120, 12, 10)));
    assert_eq!(of(5, 0, 3_600), Some((20, 180, 3, 60)));
    assert_eq!(of(5, 0, 10_800), Some((60, 180, 1, 180)));
    assert_eq!(of(280, 300, 7 * 86_400), Some((3_360, 180, 1, 180)), "a week");
    assert_eq!((of(0, 0, 3_600), of(5, 3_600, 60)), (None, None));
    assert_eq!(Layout::of(Nanos::MAX, Nanos::MAX / 2, DAY), None);
    assert_eq!(Layout::of(5 * SECOND, Nanos::MAX, Nanos::MAX), None);
}

#[test]
fn blocks_are_the_same_every_time_and_favour_no_window() {
    let layout = Layout::of(5 * SECOND, 0, 605 * SECOND).unwrap();
    assert_eq!((layout.windows, layout.lanes()), (121, 16));
    let weights = layout.weights();
    assert_eq!(weights, layout.weights());
    let mut total = vec![0.0_f32; layout.lanes() * LANES];
    for resample in weights.chunks_exact(layout.lanes()) {
        let flat: Vec<f32> = resample.iter().flatten().copied().collect();
        assert_eq!(flat.iter().sum::<f32>(), 121.0);
        // Whole blocks: the count changes at most where one of eleven begins or ends, or is reflected.
        let changes = (0..120).filter(|i| flat[*i] != flat[i + 1]).count();
        assert!(changes <= 22, "{changes}");
        total.iter_mut().zip(&flat).for_each(|(total, count)| *total += count);
    }
    assert!(total[121..].iter().all(|count| *count == 0.0));
    let (least, most) = total[..121].iter().fold((f32::MAX, 0.0_f32), |(l, m), c| (l.min(*c), m.max(*c)));
    assert!(least > 1_700.0 && most < 2_300.0, "{least} to {most} of {RESAMPLES}");
}

#[test]
fn the_run_itself_has_the_percentiles_of_its_histogram() {
    let mut stream = Stream::new(7, "test");
    let sampler = Sampler::lognormal(30 * MILLISECOND, 20 * SECOND);
    let windows = windows(330, 20, |_| sampler.draw(&mut stream));
    let layout = Layout::of(windows.width, 0, 330 * SECOND).unwrap();
    let (cumulative, merged) =
        (cumulative(&windows, &layout), windows.merged(Stage::Latency, 0, Nanos::MAX).unwrap());
    let ones = vec![[1.0; LANES]; layout.lanes()];
    for p in [0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999] {
        for near in [0, 100, cumulative.ln.len() - 1] {
            let all = cumulative.totals(&ones)[0];
            let found = libm::exp(cumulative.ln[cumulative.quantile(p, &ones, near, all)]);
            assert!((found / merged.value_at_quantile(p) as f64 - 1.0).abs() < 1e-9, "{p}: {found}");
        }
    }
}

/// Without any dependence in time the interval is that of the order statistics of independent samples: the
/// number of samples below a quantile is binomial.
#[test]
fn independent_messages_have_the_binomial_interval() {
    let sampler = Sampler::exponential(100 * MILLISECOND);
    let runs: Vec<Windows> = (0..8)
        .map(|seed| {
            let mut stream = Stream::new(seed, "test");
            windows(3_600, 50, |_| sampler.draw(&mut stream))
        })
        .collect();
    for p in [0.5, 0.95, 0.99] {
        let bootstrap = bootstrap(&runs, 3_600, p);
        let found =
            (0..8).map(|i| half(bootstrap.of_stack(i, Stage::Latency, p).unwrap())).sum::<f64>() / 8.0;
        // sqrt(p (1 - p) / n) over density times quantile, which are 1 - p and -ln(1 - p).
        let error = (p / (1.0 - p) / (3_600.0 * 50.0)).sqrt() / -libm::log(1.0 - p);
        // The blocks are drawn from three: they have two thirds of the variance, and widening makes up for it.
        let expected = NORMAL_975 * error * (widening(60) / 1.5_f64.sqrt());
        assert!((found / expected - 1.0).abs() < 0.1, "p{p}: {found}, not {expected}");
    }
}

/// The last minutes of a run are nothing like its first.
#[test]
fn a_block_at_an_end_of_the_run_stays_there() {
    let layout = Layout::of(5 * SECOND, 0, 605 * SECOND).unwrap();
    let total = |windows: std::ops::Range<usize>, resample: &[Lanes]| -> f32 {
        resample.iter().flatten().skip(windows.start).take(windows.len()).sum()
    };
    // The blocks of the first two minutes and a half end within five.
    let weights = layout.weights();
    assert!(weights.chunks_exact(layout.lanes()).all(|resample| total(0..60, resample) >= 30.0));
    assert!(weights.chunks_exact(layout.lanes()).all(|resample| total(61..121, resample) >= 30.0));
}

#[test]
fn one_event_has_no_interval_and_many_have() {
    let slow = |second: u64, is_burst: bool| {
        let among = if is_burst { (285..315).contains(&second) } else { second % 20 == 7 };
        if among { 2 * SECOND } else { 100 * MILLISECOND + second % 10 * MILLISECOND }
    };
    // 5 % of the messages are slow in both, in 30 seconds of 600, on both sides of a block's end.
    let spread = |is_burst: bool| {
        let windows = windows(600, 50, |second| slow(second, is_burst));
        bootstrap(&[windows], 600, 0.96).of_stack(0, Stage::Latency, 0.96)
    };
    assert_eq!(spread(true), None, "some resamples have no burst, others have two");
    assert!(half(spread(false).unwrap()) < 0.01, "all resamples have slow messages");
}

/// A minute of load, then nothing: resamples without a message have no percentiles.
#[test]
fn a_burst_and_then_nothing_has_no_interval() {
    let mut stream = Stream::new(3, "test");
    let sampler = Sampler::exponential(100 * MILLISECOND);
    let mut recorder = Recorder::new(5 * SECOND);
    for message in 0..3_000 {
        let number = recorder.planned(message * SECOND / 50);
        let latency = sampler.draw(&mut stream);
        recorder.completed(number, &Spans { latency, queue: 0, start: 0, work: latency, acknowledge: None });
    }
    let windows = recorder.finish();
    let bootstrap = bootstrap_of(&[windows.clone(), windows], 1_200, &[0.5, 0.9]);
    for p in [0.5, 0.9] {
        assert_eq!(bootstrap.of_stack(0, Stage::Latency, p), None);
        assert_eq!(bootstrap.of_ratio(1, 0, Stage::Latency, p), None);
    }
}

#[test]
fn resamples_need_ten_samples_beyond() {
    let spread = |seconds: u64| {
        let mut stream = Stream::new(4, "test");
        let sampler = Sampler::exponential(100 * MILLISECOND);
        // Half of the time without messages, so that resamples differ in number.
        let mut recorder = Recorder::new(5 * SECOND);
        for message in (0..seconds * 4).filter(|message| message / 4 / 120 % 2 == 0) {
            let number = recorder.planned(message * SECOND / 4);
            let latency = sampler.draw(&mut stream);
            recorder
                .completed(number, &Spans { latency, queue: 0, start: 0, work: latency, acknowledge: None });
        }
        bootstrap(&[recorder.finish()], seconds, 0.99).of_stack(0, Stage::Latency, 0.99)
    };
    assert_eq!(spread(600), None, "14 lie beyond, and in many resamples fewer than ten");
    assert!(spread(3_600).is_some(), "72 lie beyond");
}

/// Whatever the resamples say: percentiles ascend, and are among what was measured.
#[test]
fn ends_ascend_and_are_among_the_samples() {
    let percentiles = [0.5, 0.8, 0.9, 0.95, 0.99];
    for seed in 0..6 {
        let mut stream = Stream::new(seed, "test");
        let sampler = Sampler::lognormal(50 * MILLISECOND, 80 * MILLISECOND);
        // Levels that few messages lie between: a percentile near an edge may come to stand on either side.
        let windows =
            windows(600, 20, |second| sampler.draw(&mut stream) << (second / 60 * (7 + seed) % 10 * 2));
        let merged = windows.merged(Stage::Latency, 0, Nanos::MAX).unwrap();
        let bootstrap = bootstrap_of(&[windows], 600, &percentiles);
        let mut last = (merged.min() as f64, 0.0);
        for p in percentiles {
            let Some(spread) = bootstrap.of_stack(0, Stage::Latency, p) else { continue };
            let value = merged.value_at_quantile(p) as f64;
            let ends = (value * spread.low, value * spread.high);
            assert!(ends.0 >= last.0 * (1.0 - 1e-9) && ends.1 >= last.1 * (1.0 - 1e-9), "{last:?}, {ends:?}");
            assert!(ends.0 <= value && value <= ends.1);
            assert!(ends.1 <= merged.max() as f64 * (1.0 + 1e-9), "{ends:?} of {}", merged.max());
            last = ends;
        }
        assert!(last.1 > 0.0, "some have intervals");
    }
}

/// Three minutes of ten times the latency, as a scenario asked for. Of resamples from the whole run some would have
/// none of them, and p95 would be that of the others.
#[test]
fn a_planned_spike_of_three_minutes_is_no_chance() {
    let mut stream = Stream::new(5, "test");
    let sampler = Sampler::lognormal(100 * MILLISECOND, 300 * MILLISECOND);
    let windows = windows(1_200, 50, |second| {
        sampler.draw(&mut stream) * if (600..780).contains(&second) { 10 } else { 1 }
    });
    let half = |p: f64| {
        let bootstrap = bootstrap(std::slice::from_ref(&windows), 1_200, p);
        half(bootstrap.of_stack(0, Stage::Latency, p).unwrap())
    };
    assert!(half(0.5) < 0.15 && half(0.95) < 0.5, "{} and {}", half(0.5), half(0.95));
}

#[test]
fn what_a_minute_does_to_both_stacks_cancels_from_their_ratio() {
    // The load of a minute makes both slower, by up to a half.
    let stack = |seed: u64, scale: u64| {
        let mut stream = Stream::new(seed, "test");
        let sampler = Sampler::lognormal(scale * 100 * MILLISECOND, scale * 400 * MILLISECOND);
        windows(1_200, 50, move |second| sampler.draw(&mut stream) * (10 + second / 60 * 7 % 6) / 10)
    };
    let bootstrap = bootstrap(&[stack(1, 1), stack(2, 2)], 1_200, 0.9);
    let own = [0, 1].map(|stack| half(bootstrap.of_stack(stack, Stage::Latency, 0.9).unwrap()));
    let ratio = half(bootstrap.of_ratio(1, 0, Stage::Latency, 0.9).unwrap());
    assert!(ratio < 0.5 * libm::hypot(own[0], own[1]), "{ratio} of {own:?}");
    let back = bootstrap.of_ratio(0, 1, Stage::Latency, 0.9).unwrap();
    assert!((half(back) - ratio).abs() < 0.02 * ratio, "turned round it is as wide");
}

#[test]
fn equal_windows_still_leave_the_width_of_a_bin() {
    let same = windows(300, 10, |_| 100 * MILLISECOND);
    let bootstrap = bootstrap(&[same.clone(), same], 300, 0.5);
    let own = bootstrap.of_stack(0, Stage::Latency, 0.5).unwrap();
    let ratio = bootstrap.of_ratio(1, 0, Stage::Latency, 0.5).unwrap();
    // All samples are in one bin, which ends at the value.
    assert!((-libm::log(own.low) / (1.96 / 1_024.0 / 12_f64.sqrt()) - 1.0).abs() < 1e-3, "{own:?}");
    assert!((own.high - 1.0).abs() < 1e-9, "{own:?}");
    assert!(ratio.low < own.low && ratio.high > own.high);
    assert_eq!(bootstrap.of_stack(0, Stage::Work, 0.5), None);
}

#[test]
fn few_blocks_are_widened_most() {
    assert!((widening(5) - 2.776 / 1.96 * 1.5_f64.sqrt()).abs() < 1e-3);
    assert!(widening(10) < widening(5) && (widening(180) / 1.5_f64.sqrt() - 1.0).abs() < 0.02);
}
