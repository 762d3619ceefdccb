//! What to try next: the cheapest point of a grid that keeps all targets, in few trials.
//!
//! Goals: points that keep everything come first, by cost; the others by how far they are from it, so that the search
//! finds its way in from anywhere. Every trial is remembered. The order depends on nothing but the scores.
//! Non-goals: proof. What was not tried may be better; `--exhaustive` tries all.
//!
//! First each knob by itself is moved as far as it helps, in doubling steps, again and again until nothing helps: a knob
//! that adds capacity ends at the least that is enough. That stops where two knobs have to move at once (a larger task,
//! and fewer of them). So then all points are guessed from those that were tried (`additive`), and the one with the
//! largest expected saving is tried, until none promises any.

use super::additive::{Additive, Sample};
use anyhow::Result;
use std::collections::BTreeMap;

/// The index of the value of each knob.
pub(super) type Point = Vec<usize>;

/// A smaller expected saving, as a share of the cost, is not worth a trial.
const LEAST_GAIN: f64 = 1e-5;
/// A point that keeps the targets with less than this chance is not worth one, if none is known that keeps them.
const LEAST_CHANCE: f64 = 1e-3;
/// A cost is never believed to be guessed better than this, as a share: it does not quite add up.
const LEAST_DEVIATION: f64 = 0.15;
/// Trials agree about a knob if those that speak against it are together smaller by this factor: chance.
const AGREED: f64 = 0.03;
/// Part of all trials that moving single knobs may take.
const CLIMBING: f64 = 0.5;

/// What a trial gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Score {
    /// Per month.
    pub(super) cost: f64,
    /// Logarithm of how far it is from keeping everything.
    pub(super) excess: f64,
    /// Whether it keeps everything.
    pub(super) keeps: bool,
}

impl Score {
    fn is_better(&self, other: &Self) -> bool {
        match (self.keeps, other.keeps) {
            (true, true) => self.cost < other.cost,
            (false, false) => (self.excess, self.cost) < (other.excess, other.cost),
            (keeps, _) => keeps,
        }
    }
}

/// Tries a point; `None` if its values are no scenario, which costs nothing.
pub(super) type Try<'a> = &'a dyn Fn(&[usize]) -> Result<Option<Score>>;

/// A search over knobs with so many values each.
pub(super) struct Search<'a> {
    rungs: Vec<usize>,
    start: Point,
    known: BTreeMap<Point, Option<Score>>,
    /// Whether nothing promised a saving when it was last asked.
    over: bool,
    /// Trials that are left.
    left: usize,
    most: usize,
    climbed: bool,
    /// By how much another seed moved the excess of a point at most.
    moved: f64,
    attempt: Try<'a>,
}

impl<'a> Search<'a> {
    pub(super) fn new(rungs: Vec<usize>, start: Point, most: usize, attempt: Try<'a>) -> Self {
        Self {
            rungs,
            start,
            known: BTreeMap::new(),
            over: false,
            left: most,
            most,
            climbed: false,
            moved: 0.0,
            attempt,
        }
    }

    /// Trials that are left.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Takes trials for something else.
    pub(super) fn spend(&mut self, trials: usize) {
        self.left = self.left.saturating_sub(trials);
    }

    /// The cheapest known point that keeps everything.
    pub(super) fn best(&self) -> Option<Point> {
        let keeping = self.known.iter().filter(|(_, score)| score.is_some_and(|score| score.keeps));
        let cost = |score: &Option<Score>| score.map_or(f64::INFINITY, |score| score.cost);
        keeping.min_by(|a, b| cost(a.1).total_cmp(&cost(b.1))).map(|(point, _)| point.clone())
    }

    /// The cheapest known point that would keep everything even if it were moved by as much as another seed has moved
    /// any; if there is none, the one that keeps most.
    pub(super) fn safest(&self) -> Option<Point> {
        let keeping = || {
            let known = self.known.iter().filter_map(|(point, score)| Some((point, (*score)?)));
            known.filter(|(_, score)| score.keeps)
        };
        let safe = keeping().filter(|(_, score)| score.excess + self.moved < 0.0);
        let cheapest = safe.min_by(|a, b| a.1.cost.total_cmp(&b.1.cost));
        let keeps_most = || keeping().min_by(|a, b| a.1.excess.total_cmp(&b.1.excess));
        cheapest.or_else(keeps_most).map(|(point, _)| point.clone())
    }

    /// Takes a point for one that does not keep everything: it did not under another seed.
    pub(super) fn deny(&mut self, point: &Point, excess: f64) {
        if let Some(Some(score)) = self.known.get_mut(point) {
            self.moved = self.moved.max(excess - score.excess);
            *score = Score { excess: excess.max(0.0), keeps: false, ..*score };
        }
    }

    /// Tries points until nothing promises to be better, or only `reserve` trials are left.
    ///
    /// # Errors
    /// Those of a trial.
    pub(super) fn run(&mut self, reserve: usize) -> Result<()> {
        if !self.climbed {
            self.climbed = true;
            let after = self.left - ((self.most as f64 * CLIMBING) as usize).min(self.left);
            self.climb(after.max(reserve))?;
        }
        while self.left > reserve {
            let Some(point) = self.most_promising() else {
                self.over = true;
                return Ok(());
            };
            self.over = false;
            self.look(&point)?;
        }
        Ok(())
    }

    /// Whether it ended because nothing more promised a saving.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    fn look(&mut self, point: &[usize]) -> Result<Option<Score>> {
        if let Some(known) = self.known.get(point) {
            return Ok(*known);
        }
        let score = (self.attempt)(point)?;
        self.known.insert(point.to_vec(), score);
        self.left -= usize::from(score.is_some());
        Ok(score)
    }

    /// Moves one knob after another.
    fn climb(&mut self, reserve: usize) -> Result<()> {
        let mut at = self.start.clone();
        let mut score = self.look(&at)?;
        loop {
            let before = at.clone();
            for knob in 0..self.rungs.len() {
                for up in [true, false] {
                    let moved = self.slide(&mut at, &mut score, knob, up, reserve)?;
                    if moved {
                        break;
                    }
                }
            }
            if at == before || self.left <= reserve {
                return Ok(());
            }
        }
    }

    /// Moves one knob in one direction as long as it helps, by steps that double, then halve.
    fn slide(
        &mut self,
        at: &mut Point,
        score: &mut Option<Score>,
        knob: usize,
        up: bool,
        reserve: usize,
    ) -> Result<bool> {
        let (mut step, mut moved) = (1, false);
        while self.left > reserve {
            let last = self.rungs[knob] - 1;
            let here = at[knob];
            let there = if up { (here + step).min(last) } else { here.saturating_sub(step) };
            if there == here {
                break;
            }
            let mut next = at.clone();
            next[knob] = there;
            let found = self.look(&next)?;
            let better = match (&found, &*score) {
                (Some(found), Some(score)) => found.is_better(score),
                (found, None) => found.is_some(),
                (None, _) => false,
            };
            if better {
                (*at, *score, moved, step) = (next, found, true, step * 2);
            } else if step > 1 {
                step = (there.abs_diff(here)).min(step) / 2;
                if step == 0 {
                    break;
                }
            } else {
                break;
            }
        }
        Ok(moved)
    }

    /// Whether turning each knob up helps to keep the targets (or turning it down does): what the trials that differ in
    /// it alone agree about.
    fn helps(&self, tried: &[(&Point, &Score)]) -> Vec<Option<bool>> {
        let mut moved = vec![(0.0, 0.0); self.rungs.len()];
        for (index, (a, of_a)) in tried.iter().enumerate() {
            for (b, of_b) in &tried[..index] {
                let mut differing = (0..a.len()).filter(|knob| a[*knob] != b[*knob]);
                let (Some(knob), None) = (differing.next(), differing.next()) else { continue };
                let less =
                    if a[knob] > b[knob] { of_b.excess - of_a.excess } else { of_a.excess - of_b.excess };
                let sum = &mut moved[knob];
                *sum = (sum.0 + less.max(0.0), sum.1 + (-less).max(0.0));
            }
        }
        let agreed = |(up, down): &(f64, f64)| match (up, down) {
            (up, down) if *down < AGREED * up => Some(true),
            (up, down) if *up < AGREED * down => Some(false),
            _ => None,
        };
        moved.iter().map(agreed).collect()
    }

    /// The untried point from which most is to be expected.
    fn most_promising(&self) -> Option<Point> {
        let tried: Vec<(&Point, &Score)> =
            self.known.iter().filter_map(|(point, score)| Some((point, score.as_ref()?))).collect();
        let best = self.best().and_then(|best| self.known[&best]).map(|score| libm::log(score.cost));
        let of_cost: Vec<Sample> = tried
            .iter()
            .filter(|(_, score)| score.cost.is_finite() && score.cost > 0.0)
            .map(|(point, score)| {
                let value = libm::log(score.cost);
                let distance = best.map_or(0.0, |best: f64| (value - best).abs());
                Sample { point, value, weight: 1.0 / (1.0 + 2.0 * distance) }
            })
            .collect();
        let of_excess: Vec<Sample> = tried
            .iter()
            .map(|(point, score)| {
                // What happens near the limit is to be told well; far from it other laws hold.
                let value = score.excess.clamp(-2.0, 1.5);
                Sample { point, value, weight: 1.0 / (1.0 + value.abs()) }
            })
            .collect();
        let cost = Additive::fit(&self.rungs, &of_cost);
        let excess = Additive::fit(&self.rungs, &of_excess);
        let helps = self.helps(&tried);
        let missed: Vec<&Point> =
            tried.iter().filter(|(_, score)| !score.keeps).map(|(point, _)| *point).collect();
        let mut promising: Option<(f64, Point)> = None;
        let mut point = vec![0; self.rungs.len()];
        loop {
            if !self.known.contains_key(&point) {
                let promise = promise(cost.guess(&point), excess.guess(&point), best);
                let is_more = promise > promising.as_ref().map_or(0.0, |known| known.0);
                if is_more && !missed.iter().any(|missed| is_no_better(&point, missed, &helps)) {
                    promising = Some((promise, point.clone()));
                }
            }
            if !advance(&mut point, &self.rungs) {
                break;
            }
        }
        let least = if best.is_some() { LEAST_GAIN } else { LEAST_CHANCE };
        promising.filter(|(promise, _)| *promise >= least).map(|(_, point)| point)
    }
}

/// Whether a point can keep no more than one that missed: it helps less in every knob, as far as that is known.
fn is_no_better(point: &[usize], missed: &[usize], helps: &[Option<bool>]) -> bool {
    point.iter().zip(missed).zip(helps).all(|((rung, missed), helps)| match helps {
        Some(true) => rung <= missed,
        Some(false) => rung >= missed,
        None => rung == missed,
    })
}

/// The next point in order; `false` after the last.
pub(super) fn advance(point: &mut Point, rungs: &[usize]) -> bool {
    for (rung, count) in point.iter_mut().zip(rungs).rev() {
        *rung += 1;
        if *rung < *count {
            return true;
        }
        *rung = 0;
    }
    false
}

/// The expected saving against the best, as a share of its cost; without one the chance to keep everything.
fn promise(cost: (f64, f64), excess: (f64, f64), best: Option<f64>) -> f64 {
    // The guess of a delay is the weaker one, and its errors are large where they are: a law with long tails.
    let chance = 1.0 / (1.0 + libm::exp(excess.0 / excess.1.max(0.2)));
    let Some(best) = best else {
        // Of equals the cheaper.
        return chance * (1.0 - 1e-3 * cost.0.clamp(-100.0, 100.0) / 100.0);
    };
    let deviation = cost.1.max(LEAST_DEVIATION);
    let distance = (best - cost.0) / deviation;
    let density = libm::exp(-distance * distance / 2.0) / libm::sqrt(std::f64::consts::TAU);
    chance * deviation * (distance * below(distance) + density)
}

/// The standard normal distribution.
fn below(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// The best of all points, and what the search finds with so many trials: costs.
    fn both(
        rungs: &[usize],
        start: &[usize],
        most: usize,
        world: &dyn Fn(&[usize]) -> Option<Score>,
    ) -> (f64, f64, usize) {
        let mut point = vec![0; rungs.len()];
        let mut least = f64::INFINITY;
        loop {
            if let Some(score) = world(&point).filter(|score| score.keeps) {
                least = least.min(score.cost);
            }
            if !advance(&mut point, rungs) {
                break;
            }
        }
        let trials = Cell::new(0);
        let attempt = |point: &[usize]| {
            let score = world(point);
            trials.set(trials.get() + usize::from(score.is_some()));
            Ok(score)
        };
        let mut search = Search::new(rungs.to_vec(), start.to_vec(), most, &attempt);
        search.run(0).unwrap();
        let found = search.best().and_then(|best| world(&best)).map_or(f64::INFINITY, |score| score.cost);
        (least, found, trials.get())
    }

    /// Tasks of a size: cost is their product, and there has to be enough of it; past that a delay falls.
    fn tasks(need: f64) -> impl Fn(&[usize]) -> Option<Score> {
        const SIZES: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];
        move |point| {
            let size = SIZES[point[0]];
            let count = (point[1] + 1) as f64;
            // Half a task's size is lost to the program itself; the third knob trades cost for delay.
            let capacity = (size - 0.1) * count;
            let saved = 1.0 - 0.05 * point[2] as f64;
            let load = need / capacity;
            let excess = if load >= 1.0 {
                2.0 + libm::log(load)
            } else {
                0.5 * point[2] as f64 - 1.5 - libm::log(1.0 / load - 1.0)
            };
            Some(Score { cost: size * count * saved + 0.3, excess, keeps: excess < 0.0 })
        }
    }

    #[test]
    fn a_tenth_of_the_trials_finds_the_best_where_two_knobs_have_to_move_at_once() {
        let rungs = [5, 20, 5];
        let mut missed = Vec::new();
        for need in [0.5, 0.9, 1.7, 2.6, 4.4, 7.3, 11.0] {
            for start in [[0, 0, 0], [2, 3, 1], [4, 19, 4], [1, 10, 2]] {
                let (least, found, trials) = both(&rungs, &start, 50, &tasks(need));
                assert!(trials <= 50, "{trials}");
                if found > least {
                    missed.push(((found / least, trials), need, start));
                }
            }
        }
        // Of these 28 searches; where one misses, what it finds is nearly as cheap.
        assert!(missed.len() <= 3 && missed.iter().all(|((ratio, _), ..)| *ratio < 1.02), "{missed:?}");
    }

    #[test]
    fn where_nothing_keeps_the_targets_the_search_ends_and_finds_nothing() {
        let world = |point: &[usize]| {
            let excess = 3.0 - 0.2 * point[0] as f64 - 0.1 * point[1] as f64;
            Some(Score { cost: 1.0 + point[0] as f64, excess, keeps: false })
        };
        let (least, found, trials) = both(&[10, 10], &[5, 5], 50, &world);
        assert!(least.is_infinite() && found.is_infinite());
        assert!(trials <= 50, "{trials}");
    }

    #[test]
    fn points_that_are_no_scenario_cost_nothing() {
        // Only where both agree.
        let world = |point: &[usize]| {
            (point[0].abs_diff(point[1]) <= 1).then(|| {
                let excess = 1.0 - 0.3 * point[0] as f64;
                Score { cost: 1.0 + (point[0] + point[1]) as f64, excess, keeps: excess < 0.0 }
            })
        };
        let (least, found, trials) = both(&[8, 8], &[0, 0], 20, &world);
        assert_eq!(found, least);
        assert!(trials <= 20, "{trials}");
    }

    #[test]
    fn a_point_that_is_denied_makes_room_for_the_next() {
        let world = |point: &[usize]| {
            let excess = 0.35 - 0.1 * point[0] as f64;
            Ok(Some(Score { cost: 1.0 + point[0] as f64, excess, keeps: excess < 0.0 }))
        };
        let mut search = Search::new(vec![12], vec![0], 12, &world);
        search.run(2).unwrap();
        assert_eq!(search.best(), Some(vec![4]));
        search.deny(&vec![4], 0.1);
        search.run(0).unwrap();
        assert_eq!(search.best(), Some(vec![5]));
    }
}
