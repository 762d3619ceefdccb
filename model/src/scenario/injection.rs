//! Fault injection: the keys of a fault.

use super::check;
use super::kinds::{At, Count, Kind, Line, Number, Span};
use super::table::Table;
use super::{Fault, FaultKind};
use crate::time::{DAY, HOUR, Nanos};
use serde_json::{Value as Json, json};

/// An example of a fault.
pub(super) const FAULT: &str = "{ fault = \"worker-crash\", at = \"10s\" }";
/// Most faults of a scenario.
pub(super) const MOST: usize = 100;

const INSTANT: Span = Span { least: 0, most: 31 * DAY, whole_seconds: false };

#[derive(Clone, Copy, PartialEq)]
enum Name {
    WorkerCrash,
    TaskKill,
    Deployment,
    FailedMessages,
    SlowTail,
    EndpointErrors,
    EndpointThrottles,
    ShortVisibility,
}

const NAMES: [(Name, &str); 8] = [
    (Name::WorkerCrash, "worker-crash"),
    (Name::TaskKill, "task-kill"),
    (Name::Deployment, "deployment"),
    (Name::FailedMessages, "failed-messages"),
    (Name::SlowTail, "slow-tail"),
    (Name::EndpointErrors, "endpoint-errors"),
    (Name::EndpointThrottles, "endpoint-throttles"),
    (Name::ShortVisibility, "short-visibility"),
];

/// The keys of a fault.
pub(super) fn fault(t: &mut Table<'_>) -> Option<Fault> {
    let read = |t: &mut Table<'_>, name: Name| match name {
        Name::WorkerCrash => {
            let doc = "How many workers die at once; busy ones first.";
            let count = t.get("count", doc, &Count(1, 5_000), 1);
            instant(t, FaultKind::WorkerCrash { count })
        }
        Name::TaskKill => {
            let count = t.get("count", "How many tasks ECS stops and replaces.", &Count(1, 5_000), 1);
            instant(t, FaultKind::TaskKill { count })
        }
        Name::Deployment => instant(t, FaultKind::Deployment),
        Name::FailedMessages => {
            let doc =
                "Share of the messages planned in the span that fail, whatever attempt; above 0, up to 1.";
            let share = t.required("share", doc, &Share);
            span(t, None, share.map(|share| FaultKind::FailedMessages { share }))
        }
        Name::SlowTail => {
            let doc = "Share of the messages planned in the span that take longer; above 0, up to 1.";
            let share = t.required("share", doc, &Share);
            let extra = t.required("extra", "Added to their work.", &Span::within(1, 12 * HOUR));
            let kind = share.zip(extra).map(|(share, extra)| FaultKind::SlowTail { share, extra });
            span(t, None, kind)
        }
        Name::EndpointErrors => {
            let share = calls(t);
            let stack = stack(t);
            span(t, stack, share.map(|share| FaultKind::EndpointErrors { share }))
        }
        Name::EndpointThrottles => {
            let share = calls(t);
            let stack = stack(t);
            span(t, stack, share.map(|share| FaultKind::EndpointThrottles { share }))
        }
        Name::ShortVisibility => {
            let doc = "The queue's VisibilityTimeout in the span.";
            let timeout = t.required("timeout", doc, &Span::seconds(0, 12 * HOUR));
            let stack = stack(t);
            span(t, stack, timeout.map(|timeout| FaultKind::ShortVisibility { timeout }))
        }
    };
    t.variants("fault", "What goes wrong.", &NAMES, &read).flatten()
}

fn stack(t: &mut Table<'_>) -> Option<String> {
    t.optional("stack", "The stack that it happens to; without it every stack that it can happen to.", &Line)
}

fn calls(t: &mut Table<'_>) -> Option<f64> {
    let doc = "Share of the calls to the queue that fail in the span; above 0, up to 1.";
    t.required("share", doc, &Share)
}

/// A fault at one moment.
fn instant(t: &mut Table<'_>, kind: FaultKind) -> Option<Fault> {
    let at = t.required("at", "When, from the start of the run.", &INSTANT);
    let stack = stack(t);
    Some(Fault { stack, from: at?, until: at?, kind })
}

/// A fault that lasts.
fn span(t: &mut Table<'_>, stack: Option<String>, kind: Option<FaultKind>) -> Option<Fault> {
    let from: Option<Nanos> = t.required("from", "When it begins, from the start of the run.", &INSTANT);
    let until = t.required("until", "When it ends, from the start of the run.", &INSTANT);
    check::follows(t, ("until", until?), ("from", from?));
    Some(Fault { stack, from: from?, until: until?, kind: kind? })
}

/// A probability above 0.
struct Share;

impl Kind for Share {
    type Out = f64;

    fn read(&self, at: &At<'_>) -> Option<f64> {
        let share = Number(0.0, 1.0).read(at)?;
        if share == 0.0 {
            at.problem("0 does nothing; write a share above 0, or remove the fault".into());
            return None;
        }
        Some(share)
    }

    fn schema(&self) -> Json {
        json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 })
    }

    fn example(&self) -> String {
        "0.1".into()
    }
}
