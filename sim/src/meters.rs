//! Series and metered quantities, sampled once per window.

use model::series::Series;
use model::time::Nanos;
use model::usage::{Item, Metered, Usage};

/// A series that is sampled once per window.
#[derive(Clone, Debug)]
struct Track {
    metric: &'static str,
    unit: &'static str,
    statistic: &'static str,
    points: Vec<(Nanos, f64)>,
}

/// A metered quantity, in total and per window.
#[derive(Clone, Debug)]
struct Tally {
    item: Item,
    variant: &'static str,
    total: u64,
    before: u64,
    points: Vec<(Nanos, f64)>,
}

impl Tally {
    /// The total has fallen, for something ended that had been metered to a later end: the windows before had too much.
    #[cold]
    fn take_back(&mut self) {
        let mut excess = (self.before - self.total) as f64;
        while let Some(last) = self.points.last_mut().filter(|_| excess > 0.0) {
            let taken = excess.min(last.1);
            (last.1, excess) = (last.1 - taken, excess - taken);
            if last.1 == 0.0 {
                self.points.pop();
            }
        }
        self.before = self.total;
    }
}

/// The series and totals of one stack.
#[derive(Clone, Debug)]
pub(crate) struct Meters {
    window: Nanos,
    next_window: Nanos,
    tracks: Vec<Track>,
    tallies: Vec<Tally>,
    /// The window that is closing has no length: its points are added to those before.
    folding: bool,
}

impl Meters {
    pub(crate) fn new(window: Nanos) -> Self {
        Self { window, next_window: window, tracks: Vec::new(), tallies: Vec::new(), folding: false }
    }

    /// The end of the open window.
    #[inline]
    pub(crate) fn next_window(&self) -> Nanos {
        self.next_window
    }

    /// The start of the open window.
    pub(crate) fn window_start(&self) -> Nanos {
        self.next_window - self.window
    }

    /// Opens the next window.
    pub(crate) fn next(&mut self) {
        self.next_window += self.window;
    }

    /// What is sampled from now on is added to the last window.
    pub(crate) fn fold_into_last(&mut self) {
        self.folding = true;
    }

    /// Adds a point to a series of the stack's own; the order of first use is the order of the file.
    pub(crate) fn sample(
        &mut self,
        metric: &'static str,
        unit: &'static str,
        statistic: &'static str,
        value: f64,
    ) {
        let start = self.next_window - self.window;
        let track = match self.tracks.iter().position(|t| t.metric == metric) {
            Some(index) => &mut self.tracks[index],
            None => {
                self.tracks.push(Track { metric, unit, statistic, points: Vec::new() });
                let last = self.tracks.len() - 1;
                &mut self.tracks[last]
            }
        };
        if !self.folding {
            return track.points.push((start, value));
        }
        let previous = start.saturating_sub(self.window);
        match track.points.last_mut().filter(|last| last.0 == previous) {
            Some(last) if statistic == "Sum" => last.1 += value,
            // An instant weighs nothing in a mean.
            Some(_) if statistic == "Average" => {}
            Some(last) => last.1 = last.1.max(value),
            None => track.points.push((previous, value)),
        }
    }

    /// Sets a metered quantity to its total so far.
    pub(crate) fn meter(&mut self, item: Item, variant: &'static str, total: u64) {
        let start = self.next_window - self.window;
        let index = self.tallies.iter().position(|t| t.item == item && t.variant == variant);
        let index = index.unwrap_or_else(|| {
            self.tallies.push(Tally { item, variant, total: 0, before: 0, points: Vec::new() });
            self.tallies.len() - 1
        });
        let tally = &mut self.tallies[index];
        tally.total = total;
        if total < tally.before {
            tally.take_back();
        }
        if total > tally.before {
            let used = (total - tally.before) as f64;
            let previous = start.saturating_sub(self.window);
            match tally.points.last_mut().filter(|last| self.folding && last.0 == previous) {
                Some(last) => last.1 += used,
                None => tally.points.push((if self.folding { previous } else { start }, used)),
            }
            tally.before = total;
        }
    }

    /// Totals, in order of item and variant.
    pub(crate) fn usage(&self) -> Usage {
        usage_of(&self.tallies)
    }

    /// The series in order of first use, metered quantities last.
    pub(crate) fn into_series(self) -> Vec<Series> {
        series_of(self.tracks, &self.tallies, self.window)
    }
}

fn series_of(tracks: Vec<Track>, tallies: &[Tally], period: Nanos) -> Vec<Series> {
    let own = tracks.into_iter().map(|track| Series {
        metric: track.metric.into(),
        unit: track.unit.into(),
        statistic: track.statistic.into(),
        period,
        points: track.points,
    });
    let metered = tallies.iter().filter(|tally| tally.total > 0).map(|tally| Series {
        metric: Metered::new(tally.item, tally.variant, 0).series_name(),
        unit: tally.item.unit().into(),
        statistic: "Sum".into(),
        period,
        points: tally.points.clone(),
    });
    own.chain(metered).collect()
}

fn usage_of(tallies: &[Tally]) -> Usage {
    let mut metered: Vec<Metered> = tallies
        .iter()
        .filter(|tally| tally.total > 0)
        .map(|tally| Metered::new(tally.item, tally.variant, tally.total))
        .collect();
    metered.sort_by(|a, b| (a.item, &a.variant).cmp(&(b.item, &b.variant)));
    Usage { metered }
}
