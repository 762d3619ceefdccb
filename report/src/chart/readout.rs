//! The numbers behind a chart, as JSON for the page's script: what the crosshair reads out.

use crate::chart::ink::stack_class;
use crate::chart::scale::Scale;
use serde_json::{Value, json};

/// What the horizontal axis counts; the script formats by it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Along {
    /// Seconds; charts of this kind share one crosshair.
    Time,
    /// Nines of a percentile.
    Nines,
    /// Percent of the messages.
    Percent,
}

/// One column of the readout.
pub(crate) struct Reading {
    /// Its name.
    pub(crate) name: String,
    /// The stack that it is about; the offered load has none.
    pub(crate) stack: Option<usize>,
    /// One value per position.
    pub(crate) values: Vec<Option<f64>>,
}

/// The readout of one chart. Positions are `first + i * step`.
pub(crate) struct Readout {
    /// Kind of axis.
    pub(crate) along: Along,
    /// First position.
    pub(crate) first: f64,
    /// Distance between positions.
    pub(crate) step: f64,
    /// `ms`, `$` or a word that follows the number.
    pub(crate) unit: &'static str,
    /// The columns.
    pub(crate) readings: Vec<Reading>,
}

impl Readout {
    /// JSON that is safe inside a `<script>` element.
    pub(crate) fn json(&self, x: &Scale) -> String {
        let kind = match self.along {
            Along::Time => "time",
            Along::Nines => "nines",
            Along::Percent => "percent",
        };
        let columns: Vec<Value> = self.readings.iter().map(column).collect();
        let value = json!({
            "kind": kind,
            "lo": x.lo,
            "hi": x.hi,
            "first": self.first,
            "step": self.step,
            "unit": self.unit,
            "series": columns,
        });
        value.to_string().replace('<', "\\u003c")
    }
}

fn column(reading: &Reading) -> Value {
    let class = reading.stack.map_or_else(|| "load".into(), stack_class);
    let values: Vec<Value> = reading.values.iter().map(|v| v.map_or(Value::Null, short)).collect();
    json!({ "name": reading.name, "class": class, "values": values })
}

/// Whole numbers as they are, others to three significant digits: short in the file, exact enough to read.
fn short(v: f64) -> Value {
    if v.fract() == 0.0 && v.abs() < 1e15 {
        return json!(v as i64);
    }
    let digits = (2 - v.abs().log10().floor() as i32).clamp(0, 12);
    let size = 10_f64.powi(digits);
    let rounded = (v * size).round() / size;
    if rounded.fract() == 0.0 { json!(rounded as i64) } else { json!(rounded) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_short_and_names_cannot_close_the_script() {
        let values = vec![Some(28_003.0), Some(0.123_456), Some(1_234.56), None];
        let readout = Readout {
            along: Along::Time,
            first: 2.5,
            step: 5.0,
            unit: "ms",
            readings: vec![Reading { name: "</script>".into(), stack: Some(1), values }],
        };
        let json = readout.json(&Scale::time(20.0, 6));
        assert!(json.contains("\"values\":[28003,0.123,1235,null]"), "{json}");
        assert!(json.contains("\"name\":\"\\u003c/script>\"") && json.contains("\"class\":\"s2\""), "{json}");
    }
}
