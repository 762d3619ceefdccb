//! Whether one simulated configuration keeps the targets through the whole scenario, and what it costs.
//!
//! Goals: a configuration that let messages wait for ever or pile up is not cheap but wrong, whatever its percentiles.
//! Non-goals: comparing configurations (the search does).

use super::target::{FAR, Target, views};
use crate::format;
use crate::judgement::objections;
use crate::metrics::named;
use crate::view::StackView;
use model::run::Run;
use model::series::metric;
use model::time::{SECOND, seconds};

/// A backlog may end higher than it began by what arrives in so many seconds: chance moves it by that much.
const GROWTH_SECONDS: f64 = 1.0;

/// What is found of one configuration under one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// US dollars per month at this load.
    pub cost_per_month: Option<f64>,
    /// US dollars per million messages.
    pub cost_per_million: Option<f64>,
    /// p99 latency in milliseconds.
    pub p99: Option<f64>,
    /// The value of each target's metric.
    pub values: Vec<Option<f64>>,
    /// Messages planned.
    pub planned: u64,
    /// Messages completed.
    pub completed: u64,
    /// By how many messages the backlog grew over the load: its lowest point in the last third less that in the first.
    pub growth: Option<f64>,
    /// What was not kept, in words; empty if all was.
    pub misses: Vec<String>,
    /// How far it is from keeping all, as a logarithm: below 0 all is kept, and by how much.
    pub excess: f64,
}

impl Judged {
    /// Judges the only stack of a run.
    ///
    /// # Panics
    /// When the run has no stack.
    #[must_use]
    pub fn of(run: &Run, targets: &[Target]) -> Self {
        let views = views(run);
        let view = views.first().expect("a run has a stack");
        let ledger = &view.entry.ledger;
        let values: Vec<Option<f64>> =
            targets.iter().map(|target| target.metric.value(view).filter(|v| v.is_finite())).collect();
        let growth = growth(view);
        let mut judged = Self {
            cost_per_month: view.cost_per_month(),
            cost_per_million: view.cost_per_million(),
            p99: named("latency-p99").value(view),
            planned: ledger.planned,
            completed: ledger.done(),
            growth,
            misses: Vec::new(),
            excess: -FAR,
            values,
        };
        for (target, value) in targets.iter().zip(judged.values.clone()) {
            judged.excess = judged.excess.max(target.excess(value));
            if !target.holds(value) {
                let text = target.standing(value);
                judged.miss(text, 0.0);
            }
        }
        judged.whole(run, view);
        judged
    }

    /// Whether everything was kept.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.misses.is_empty()
    }

    /// What has to be true beside the targets.
    fn whole(&mut self, run: &Run, view: &StackView) {
        let missing = self.planned - self.completed.min(self.planned);
        if missing > 0 {
            let share = missing as f64 / self.planned.max(1) as f64;
            let text = format!("{} not completed", format::counted(missing, "message"));
            self.miss(text, 1.0 + 9.0 * share);
        }
        let chance = (GROWTH_SECONDS * self.planned as f64 / load_seconds(view)).max(1.0);
        if let Some(growth) = self.growth.filter(|growth| *growth > chance) {
            let text = format!("the backlog grew by {}", format::counted(growth as u64, "message"));
            self.miss(text, libm::log(growth / chance));
        }
        if self.cost_per_month.is_none() {
            self.miss("its cost is not known".into(), 1.0);
        }
        // Unfinished work is an objection, too, but has been told.
        let objection = (missing == 0).then(|| objections(std::slice::from_ref(run)));
        if let Some(first) = objection.and_then(|all| all.into_iter().next()) {
            self.miss(first, 1.0);
        }
    }

    fn miss(&mut self, text: String, excess: f64) {
        self.misses.push(text);
        self.excess = self.excess.max(excess);
    }
}

fn load_seconds(view: &StackView) -> f64 {
    seconds(view.manifest.load_end.max(SECOND))
}

/// By how many messages the backlog grew over the load after the warm-up.
fn growth(view: &StackView) -> Option<f64> {
    let end = view.manifest.load_end;
    let points = view.after_warmup(metric::VISIBLE)?.filter(|point| point.0 < end);
    risen(&points.map(|point| point.1).collect::<Vec<f64>>())
}

/// The lowest point of the last third, less that of the first. A queue that keeps up comes back to where it was between
/// bursts, so its low points tell more than a fitted slope, which a single burst tilts. `None` if there are too few
/// points.
fn risen(points: &[f64]) -> Option<f64> {
    let third = points.len() / 3;
    let least = |points: &[f64]| points.iter().copied().reduce(f64::min);
    Some(least(&points[points.len() - third..])? - least(&points[..third])?)
}

#[cfg(test)]
mod tests {
    use super::risen;

    #[test]
    fn a_backlog_grows_if_it_does_not_come_back() {
        let of = |value: &dyn Fn(usize) -> f64| risen(&(0..60).map(value).collect::<Vec<f64>>());
        assert_eq!(of(&|t| 10.0 * t as f64), Some(400.0), "it never keeps up");
        assert_eq!(of(&|t| if t % 5 == 0 { 500.0 } else { 3.0 }), Some(0.0), "bursts");
        assert_eq!(of(&|t| if t == 58 { 900.0 } else { 0.0 }), Some(0.0), "a burst at the end");
        assert_eq!(of(&|t| if t < 30 { 0.0 } else { 200.0 }), Some(200.0), "it is stuck");
        assert_eq!(of(&|t| 600.0 - 10.0 * t as f64), Some(-400.0), "it recovers");
        assert_eq!(risen(&[1.0, 2.0]), None);
    }
}
