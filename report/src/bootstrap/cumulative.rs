//! The percentiles of one stage of one stack, read from resampled histograms.
//!
//! Goals: exact, and fast enough for a week of six stacks. Each value has a row with its count in every window; ten
//! thousand values of 180 windows are more than a cache holds, so only those near the percentiles have one, and every
//! sixteenth of the others. Where a resample's percentile falls between two rows, the rows between them are added, and
//! all is done again.

use super::layout::{LANES, Lanes, Layout, dot};
use crate::view::SAMPLES_BEYOND;
use model::merged::Merged;
use model::windows::{Stage, Windows, highest_of};
use std::ops::Range;

/// Of the values that are far from all percentiles, one in so many has a row.
const COARSE: usize = 16;

/// Resamples have their percentile at least this near, mostly: as a share of the samples beyond it.
const NEAR: f64 = 0.2;

/// After so many guesses a search goes on by halves, which always ends soon.
const GUESSES: usize = 6;

/// The percentiles `wanted` of one stage of one stack. The counts are written into `room`, for there are megabytes of
/// them, and memory that was used before need not be asked for.
pub(super) fn draws(
    windows: (&Windows, Stage),
    all: &Merged,
    wanted: &[f64],
    layout: &Layout,
    weights: &[Lanes],
    room: &mut Vec<Lanes>,
) -> Vec<Draws> {
    let mut kept = near(all, wanted);
    let mut found = vec![vec![None; weights.len() / layout.lanes()]; wanted.len()];
    loop {
        let cumulative = Cumulative::of(windows, all, &kept, layout, std::mem::take(room));
        let totals = cumulative.totals(weights);
        let mut gaps = Vec::new();
        for (p, found) in wanted.iter().zip(&mut found) {
            cumulative.search(*p, weights, &totals, found, &mut gaps);
        }
        if gaps.is_empty() {
            let draws = |(p, found): (&f64, &Vec<_>)| cumulative.draws(*p, layout, &totals, found);
            let draws = wanted.iter().zip(&found).map(draws).collect();
            *room = cumulative.counts;
            return draws;
        }
        gaps.into_iter().for_each(|gap| kept[gap].fill(true));
        *room = cumulative.counts;
    }
}

/// Which of the values have a row at first.
fn near(all: &Merged, wanted: &[f64]) -> Vec<bool> {
    let samples = all.len() as f64;
    let bands: Vec<(f64, f64)> =
        wanted.iter().map(|p| (samples * (p - NEAR * (1.0 - p)), samples * (p + NEAR * (1.0 - p)))).collect();
    let mut kept: Vec<bool> = Vec::new();
    let mut up_to = 0.0;
    for (row, (_, count)) in all.bins().enumerate() {
        let (from, to) = (up_to, up_to + count as f64);
        kept.push(row % COARSE == 0 || bands.iter().any(|band| to >= band.0 && from <= band.1));
        up_to = to;
    }
    kept.last_mut().into_iter().for_each(|last| *last = true);
    kept
}

/// How many samples each window has up to each value that has a row.
pub(super) struct Cumulative {
    /// The values' places among all values that occur, ascending; row by row.
    places: Vec<usize>,
    /// Logarithms of the values.
    pub(super) ln: Vec<f64>,
    /// Logarithm of the least sample.
    least: f64,
    /// Width of each value's bin as a share of the value.
    bins: Vec<f64>,
    /// Samples of all windows up to each value.
    all: Vec<f32>,
    /// The counts, row after row.
    counts: Vec<Lanes>,
    lanes: usize,
}

impl Cumulative {
    /// `all` are the samples of all windows, in microseconds; the first and the last value are kept.
    pub(super) fn of(
        windows: (&Windows, Stage),
        all: &Merged,
        kept: &[bool],
        layout: &Layout,
        mut room: Vec<Lanes>,
    ) -> Self {
        let lanes = layout.lanes();
        let (mut places, mut ends, mut up_to) = (Vec::new(), Vec::new(), Vec::new());
        let mut sum = 0;
        for (place, (bin, count)) in all.bins().enumerate() {
            sum += count;
            if kept[place] {
                places.push(place);
                ends.push(bin);
                up_to.push(sum as f32);
            }
        }
        room.resize(ends.len() * lanes, [0.0; LANES]);
        count(windows, &ends, layout, &mut room);
        // A microsecond stands for what is shorter: there is no logarithm of nothing.
        let values: Vec<f64> = ends.iter().map(|bin| highest_of(*bin).max(1) as f64).collect();
        Self {
            places,
            ln: values.iter().map(|value| libm::log(*value)).collect(),
            least: libm::log(all.min().max(1) as f64),
            bins: values.iter().map(|value| (1.0 / value).max(BIN)).collect(),
            all: up_to,
            counts: room,
            lanes,
        }
    }

    /// The values that have no row, if there are some between a row and the one before.
    fn gap_before(&self, row: usize) -> Option<Range<usize>> {
        let before = self.places[row.checked_sub(1)?] + 1;
        (before < self.places[row]).then_some(before..self.places[row])
    }

    fn samples_up_to(&self, row: usize, weights: &[Lanes]) -> f32 {
        dot(&self.counts[row * self.lanes..][..self.lanes], weights)
    }

    /// The row of a percentile: the first that has a share `p` of the samples at or below it, of which there are `all`.
    /// The search goes from `near` to where that would be if every window counted as often, and on from there.
    pub(super) fn quantile(&self, p: f64, weights: &[Lanes], near: usize, all: f32) -> usize {
        let wanted = (p * f64::from(all)) as f32;
        // `below` is the first row not known to fall short, `at` is known to reach.
        let (mut below, mut at) = (0, self.ln.len() - 1);
        let (mut probe, mut guesses) = (near.min(at.saturating_sub(1)), GUESSES);
        while below < at {
            let samples = self.samples_up_to(probe, weights);
            if samples >= wanted {
                at = probe
            } else {
                below = probe + 1
            }
            probe = usize::midpoint(below, at);
            if guesses > 0 && below < at {
                guesses -= 1;
                let guess = self.all[if samples >= wanted { at } else { below - 1 }] + (wanted - samples);
                let rows = &self.all[below..at];
                probe = below + rows.partition_point(|samples| *samples < guess).min(rows.len() - 1);
            }
        }
        at
    }

    /// All samples of each resample.
    pub(super) fn totals(&self, weights: &[Lanes]) -> Vec<f32> {
        let last = self.ln.len() - 1;
        weights.chunks_exact(self.lanes).map(|resample| self.samples_up_to(last, resample)).collect()
    }

    /// How many samples of each window are not below a row.
    fn from(&self, row: usize) -> impl Iterator<Item = f64> {
        let counts = |row: usize| self.counts[row * self.lanes..][..self.lanes].iter().flatten();
        let below = row.checked_sub(1).map(counts).into_iter().flatten().copied();
        let below = below.chain(std::iter::repeat(0.0));
        counts(self.ln.len() - 1).zip(below).map(|(all, below)| f64::from(all - below))
    }

    /// The row of a percentile in the run itself.
    fn point(&self, p: f64) -> usize {
        let (last, ones) = (self.ln.len() - 1, vec![[1.0; LANES]; self.lanes]);
        self.quantile(p, &ones, last / 2, self.samples_up_to(last, &ones))
    }

    /// Finds the places of a percentile in the resamples, of `totals` samples, where that was not done before. Where one
    /// lies in a gap between rows, that is told instead.
    fn search(
        &self,
        p: f64,
        weights: &[Lanes],
        totals: &[f32],
        found: &mut [Option<usize>],
        gaps: &mut Vec<Range<usize>>,
    ) {
        let point = self.point(p);
        gaps.extend(self.gap_before(point));
        let resamples = weights.chunks_exact(self.lanes).zip(totals);
        for ((resample, all), found) in resamples.zip(found).filter(|(_, found)| found.is_none()) {
            let row = self.quantile(p, resample, point, *all);
            match self.gap_before(row) {
                Some(gap) => gaps.push(gap),
                None => *found = Some(self.places[row]),
            }
        }
    }

    /// A percentile in every resample, by its places there.
    fn draws(&self, p: f64, layout: &Layout, totals: &[f32], found: &[Option<usize>]) -> Draws {
        let (point, last) = (self.point(p), self.ln.len() - 1);
        let deviation = |(place, all): (&Option<usize>, &f32)| {
            let row = place.and_then(|place| self.places.binary_search(&place).ok());
            let enough = f64::from(*all) * (1.0 - p) >= SAMPLES_BEYOND as f64;
            row.filter(|_| enough).map_or(f32::NAN, |row| (self.ln[row] - self.ln[point]) as f32)
        };
        Draws {
            one_event: !layout.are_from_several_events(self.from(point)),
            point: self.ln[point],
            deviations: found.iter().zip(totals).map(deviation).collect(),
            // What is uniform within its bin is off by this much.
            resolution: self.bins[point] / 12_f64.sqrt(),
            least: self.least - self.ln[point],
            most: self.ln[last] - self.ln[point],
        }
    }
}

/// Counts the samples of each window up to each of the bins `ends`.
fn count((windows, stage): (&Windows, Stage), ends: &[usize], layout: &Layout, counts: &mut [Lanes]) {
    let lanes = layout.lanes();
    // For each bin the first row that counts it; there are fewer bins than a u16 has numbers.
    let mut rows: Vec<u16> = Vec::with_capacity(ends.last().map_or(0, |last| last + 1));
    for (row, end) in ends.iter().enumerate() {
        rows.resize(end + 1, row as u16);
    }
    // A window of many bins goes through them by itself: this and the rows stay in the nearest cache.
    let mut of_window = vec![0_u32; ends.len()];
    // Eight windows at a time, for the rows of all of them are more than a cache holds.
    let mut tile = vec![[0_u32; LANES]; ends.len()];
    let inside = windows.histograms.iter().filter(|w| w.stage == stage && w.start >= layout.from);
    let mut inside = inside.map(|w| (((w.start - layout.from) / layout.width) as usize, w)).peekable();
    for lane in 0..lanes {
        while let Some((index, window)) = inside.next_if(|(index, _)| *index < (lane + 1) * LANES) {
            if window.counts.pairs() < ends.len() {
                for (bin, count) in window.counts.bins() {
                    tile[usize::from(rows[bin])][index % LANES] += count as u32;
                }
                continue;
            }
            for (bin, count) in window.counts.bins() {
                of_window[usize::from(rows[bin])] += count as u32;
            }
            for (tile, count) in tile.iter_mut().zip(&mut of_window) {
                tile[index % LANES] += std::mem::take(count);
            }
        }
        let mut sum = [0_u32; LANES];
        for (tile, counts) in tile.iter_mut().zip(counts.iter_mut().skip(lane).step_by(lanes)) {
            let tile = std::mem::take(tile);
            sum = std::array::from_fn(|i| sum[i] + tile[i]);
            *counts = sum.map(|count| count as f32);
        }
    }
}

/// Width of a bin of an HdrHistogram with three digits, as a share of the value: at most 1/1,024.
const BIN: f64 = 1.0 / 1_024.0;

/// A percentile of a stack in every resample.
#[derive(Clone, Debug)]
pub(super) struct Draws {
    /// Whether what lies at it and beyond may be one event, which has no interval.
    pub(super) one_event: bool,
    /// Logarithm of the run's value.
    pub(super) point: f64,
    /// Logarithm of the resample's value over that of the run; not a number where the resample has too few samples.
    pub(super) deviations: Vec<f32>,
    /// Standard error that the histogram's bins leave in any case, on the log scale.
    pub(super) resolution: f64,
    /// Logarithm of the least sample over the run's value.
    pub(super) least: f64,
    /// Logarithm of the largest sample over the run's value.
    pub(super) most: f64,
}
