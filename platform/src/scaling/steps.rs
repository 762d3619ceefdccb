//! The arithmetic of steps, and words for what alarms do.

use crate::cloudwatch::AlarmState;
use model::scenario::{Adjustment, Alarm, Comparison, Step, StepScaling};

/// The step whose bounds hold `value - threshold`: lower inclusive and upper exclusive for an alarm on high
/// values, the other way round for one on low values.
pub(super) fn matching_step(steps: &[Step], alarm: &Alarm, value: f64) -> Option<Step> {
    let beyond = value - alarm.threshold;
    let high = matches!(alarm.comparison, Comparison::GreaterThan | Comparison::AtLeast);
    steps.iter().copied().find(|step| {
        let lower = step.lower.unwrap_or(f64::NEG_INFINITY);
        let upper = step.upper.unwrap_or(f64::INFINITY);
        if high { lower <= beyond && beyond < upper } else { lower < beyond && beyond <= upper }
    })
}

/// The count that a step asks for, before bounds.
pub(super) fn adjusted(running: u32, change: i32, scaling: &StepScaling) -> u32 {
    let running = i64::from(running);
    let count = match scaling.adjustment {
        Adjustment::ExactCapacity => i64::from(change),
        Adjustment::ChangeInCapacity => running + i64::from(change),
        Adjustment::PercentChangeInCapacity => {
            let exact = running as f64 * f64::from(change) / 100.0;
            // Between -1 and 1 rounds away from zero, beyond that towards zero.
            let rounded = if exact.abs() < 1.0 && exact != 0.0 { exact.signum() } else { exact.trunc() };
            let least = i64::from(scaling.min_adjustment);
            running + (rounded as i64).abs().max(least) * i64::from(change.signum())
        }
    };
    count.clamp(0, i64::from(u32::MAX)) as u32
}

pub(super) fn symbol(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::GreaterThan => ">",
        Comparison::AtLeast => ">=",
        Comparison::LessThan => "<",
        Comparison::AtMost => "<=",
    }
}

pub(super) fn state_name(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Ok => "OK",
        AlarmState::Alarm => "ALARM",
        AlarmState::InsufficientData => "INSUFFICIENT_DATA",
    }
}
