//! ListMetrics.
//!
//! Non-goals: that a new metric may take 15 minutes to be listed; other accounts.

use super::check;
use super::errors::Error;
use super::store::{Filter, MetricId, MetricStore, UtcNanos};
use super::token;
use super::wire::{ListMetrics, ListMetricsAnswer, ListedMetric, MaybeDimension};

/// Metrics of one page.
const PAGE: usize = 500;

/// Dimensions to filter by.
const FILTERS_MAX: usize = 10;

/// Answers a call with what can be seen at `now`.
pub(super) fn list_metrics(
    store: &MetricStore,
    now: UtcNanos,
    call: &ListMetrics,
) -> Result<ListMetricsAnswer, Error> {
    let namespace = call.namespace.as_ref();
    let namespace = namespace.map(|_| check::namespace("Namespace", namespace)).transpose()?;
    let name = call.metric_name.as_ref();
    let name = name.map(|_| check::text("MetricName", name, 255)).transpose()?;
    let given = call.dimensions.as_deref().unwrap_or_default();
    if given.len() > FILTERS_MAX {
        let message = format!("The collection Dimensions must not have a size greater than {FILTERS_MAX}.");
        return Err(Error::value(message));
    }
    let dimensions: Result<Vec<_>, Error> = given.iter().enumerate().map(dimension).collect();
    let dimensions = dimensions?;
    let recent = match call.recently_active.as_deref() {
        None => false,
        Some("PT3H") => true,
        Some(other) => {
            return Err(Error::value(format!(
                "The value {other} for parameter RecentlyActive is invalid: only PT3H is."
            )));
        }
    };
    let filter = Filter { namespace, name, dimensions: &dimensions, recent };
    let context = format!("{filter:?}");
    let after: Option<MetricId> = match &call.next_token {
        Some(text) => Some(token::open(text, &context).ok_or_else(bad_token)?),
        None => None,
    };
    let mut listed = store.list(now, &filter, after.as_ref(), PAGE + 1);
    let more = listed.len() > PAGE;
    listed.truncate(PAGE);
    let next_token = listed.last().filter(|_| more).map(|last| token::seal(last, &context));
    let metric = |id: MetricId| ListedMetric {
        namespace: id.namespace,
        metric_name: id.name,
        dimensions: id.dimensions,
    };
    Ok(ListMetricsAnswer { metrics: listed.into_iter().map(metric).collect(), next_token })
}

fn dimension((index, given): (usize, &MaybeDimension)) -> Result<(&str, Option<&str>), Error> {
    let at = format!("Dimensions.member.{}", index + 1);
    let name = check::text(format_args!("{at}.Name"), given.name.as_ref(), 255)?;
    let value = given.value.as_ref();
    let value = value.map(|_| check::text(format_args!("{at}.Value"), value, 1024)).transpose()?;
    Ok((name, value))
}

/// ListMetrics has no error of its own for this.
fn bad_token() -> Error {
    Error::value("Request parameter NextToken is invalid")
}
