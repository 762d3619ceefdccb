//! Requests and answers of the operations, as CloudWatch's model names them.
//!
//! Goals: one type for both protocols. They differ in timestamps: JSON has seconds, CBOR has seconds with tag 1.
//! Non-goals: rules about what is allowed (the operations), fields that nothing here looks at.

use super::store::{Dimension, UtcNanos};
use super::unit::Unit;
use ciborium::tag;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt::{self, Formatter};

/// A number, written as an integer, a float, or one of JSON's three words for what is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number(pub(super) f64);

/// An instant, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timestamp(pub(super) UtcNanos);

const CBOR_EPOCH: u64 = 1;

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Number;

            fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Number, E> {
                match value {
                    "NaN" => Ok(Number(f64::NAN)),
                    "Infinity" => Ok(Number(f64::INFINITY)),
                    "-Infinity" => Ok(Number(f64::NEG_INFINITY)),
                    _ => Err(E::invalid_type(de::Unexpected::Str(value), &self)),
                }
            }
        }
        from.deserialize_any(Any)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Number(seconds) = if from.is_human_readable() {
            Number::deserialize(from)?
        } else {
            tag::Accepted::<Number, CBOR_EPOCH>::deserialize(from)?.0
        };
        if !seconds.is_finite() {
            return Err(de::Error::custom("a timestamp is a number of seconds since 1970"));
        }
        // Before 1970 is as good as 1970, and after 2554 as 2554.
        let milliseconds = (seconds * 1e3).round() as u64;
        Ok(Self(milliseconds.saturating_mul(1_000_000)))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let seconds = (self.0 / 1_000_000) as f64 / 1e3;
        if to.is_human_readable() {
            to.serialize_f64(seconds)
        } else {
            tag::Required::<f64, CBOR_EPOCH>(seconds).serialize(to)
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct PutMetricData {
    pub(super) namespace: Option<String>,
    pub(super) metric_data: Option<Vec<MetricDatum>>,
    pub(super) entity_metric_data: Option<Vec<EntityMetricData>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct EntityMetricData {
    pub(super) metric_data: Option<Vec<MetricDatum>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct MetricDatum {
    pub(super) metric_name: Option<String>,
    pub(super) dimensions: Option<Vec<MaybeDimension>>,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) value: Option<Number>,
    pub(super) statistic_values: Option<StatisticSet>,
    pub(super) values: Option<Vec<Number>>,
    pub(super) counts: Option<Vec<Number>>,
    pub(super) unit: Option<String>,
    pub(super) storage_resolution: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct StatisticSet {
    pub(super) sample_count: Option<Number>,
    pub(super) sum: Option<Number>,
    pub(super) minimum: Option<Number>,
    pub(super) maximum: Option<Number>,
}

/// A dimension, or what a filter says of one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct MaybeDimension {
    pub(super) name: Option<String>,
    pub(super) value: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct GetMetricData {
    pub(super) metric_data_queries: Option<Vec<MetricDataQuery>>,
    pub(super) start_time: Option<Timestamp>,
    pub(super) end_time: Option<Timestamp>,
    pub(super) next_token: Option<String>,
    pub(super) scan_by: Option<String>,
    pub(super) max_datapoints: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct MetricDataQuery {
    pub(super) id: Option<String>,
    pub(super) metric_stat: Option<MetricStat>,
    pub(super) expression: Option<String>,
    pub(super) label: Option<String>,
    pub(super) return_data: Option<bool>,
    pub(super) period: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct MetricStat {
    pub(super) metric: Option<Metric>,
    pub(super) period: Option<i64>,
    pub(super) stat: Option<String>,
    pub(super) unit: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Metric {
    pub(super) namespace: Option<String>,
    pub(super) metric_name: Option<String>,
    pub(super) dimensions: Option<Vec<MaybeDimension>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetricDataAnswer {
    pub(super) metric_data_results: Vec<MetricDataResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_token: Option<String>,
    pub(super) messages: Vec<Message>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetricDataResult {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) timestamps: Vec<Timestamp>,
    pub(super) values: Vec<f64>,
    pub(super) status_code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) messages: Vec<Message>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Message {
    pub(super) code: &'static str,
    pub(super) value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct GetMetricStatistics {
    pub(super) namespace: Option<String>,
    pub(super) metric_name: Option<String>,
    pub(super) dimensions: Option<Vec<MaybeDimension>>,
    pub(super) start_time: Option<Timestamp>,
    pub(super) end_time: Option<Timestamp>,
    pub(super) period: Option<i64>,
    pub(super) statistics: Option<Vec<String>>,
    pub(super) extended_statistics: Option<Vec<String>>,
    pub(super) unit: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetricStatisticsAnswer {
    pub(super) label: String,
    pub(super) datapoints: Vec<Datapoint>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Datapoint {
    pub(super) timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sample_count: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) average: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) minimum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) maximum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unit: Option<Unit>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) extended_statistics: BTreeMap<String, f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ListMetrics {
    pub(super) namespace: Option<String>,
    pub(super) metric_name: Option<String>,
    pub(super) dimensions: Option<Vec<MaybeDimension>>,
    pub(super) next_token: Option<String>,
    pub(super) recently_active: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListMetricsAnswer {
    pub(super) metrics: Vec<ListedMetric>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListedMetric {
    pub(super) namespace: String,
    pub(super) metric_name: String,
    pub(super) dimensions: Vec<Dimension>,
}
