//! From a run to the baseline that a check works on.

use crate::judgement::objections;
use crate::metrics::METRICS;
use crate::options::Options;
use crate::streams;
use crate::view::StackView;
use model::baseline::Baseline;
use model::run::Run;
use model::series::metric;
use std::collections::BTreeMap;
use std::slice;

/// Checks of a run that fail if messages were not finished. That is a finding of a check, not an end to it: those
/// messages count as infinitely late.
const UNFINISHED: [&str; 2] = ["no message was lost", "the queues were drained in time"];

/// The share of invocations that waited for a cold start; the report's table has their number.
pub(crate) const COLD_SHARE: &str = "cold-start-share";

/// What a check needs of a run.
#[must_use]
pub fn baseline(run: &Run) -> Baseline {
    let metrics = StackView::all(run, Options::default()).iter().map(metrics).collect();
    let concerns = |objection: &String| !UNFINISHED.iter().any(|name| objection.contains(name));
    let objections = objections(slice::from_ref(run)).into_iter().filter(concerns).collect();
    Baseline::of(run, metrics, objections)
}

fn metrics(view: &StackView) -> BTreeMap<String, f64> {
    let of_table = METRICS.iter().filter_map(|metric| Some((metric.name.into(), metric.value(view)?)));
    let cold = || {
        let (cold, all) = (view.lambda_sum(metric::COLD_STARTS)?, view.lambda_sum(metric::INVOCATIONS)?);
        (all > 0.0).then(|| (COLD_SHARE.into(), cold / all))
    };
    let of_streams = streams::of(view).into_iter().flat_map(|stream| {
        let label = stream.run.label();
        let one = |name: &str| Some((streams::key(&label, name), stream.judged(name)?));
        streams::metrics().into_iter().filter_map(one).collect::<Vec<_>>()
    });
    of_table.chain(cold()).chain(of_streams).collect()
}
