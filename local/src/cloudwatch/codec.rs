//! The two protocols: how bodies are written, and how errors are told.
//!
//! Source: Smithy specifications "AWS JSON 1.0" and "RPC v2 CBOR"; awsQueryCompatible for the error header.

use super::errors::Error;
use crate::server::{Protocol, Reply};
use flate2::read::GzDecoder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::io::Read;

/// PutMetricData's documented limit, here for all operations.
const BODY_MAX: usize = 1024 * 1024;

/// What a compressed body may grow to.
const UNPACKED_MAX: usize = 16 * BODY_MAX;

/// Reads a request.
pub(super) fn decode<T: DeserializeOwned>(
    protocol: Protocol,
    gzipped: bool,
    body: &[u8],
) -> Result<T, Error> {
    if body.len() > BODY_MAX {
        return Err(Error::too_large(BODY_MAX));
    }
    let body = unpack(gzipped, body)?;
    match protocol {
        // A call without parameters may come without a body.
        _ if body.is_empty() => serde_json::from_str("{}").map_err(Error::serialization),
        Protocol::Json => serde_json::from_slice(&body).map_err(Error::serialization),
        Protocol::Cbor => ciborium::from_reader(body.as_ref()).map_err(Error::serialization),
    }
}

fn unpack(gzipped: bool, body: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    if !gzipped {
        return Ok(body.into());
    }
    let mut unpacked = Vec::new();
    let mut limited = GzDecoder::new(body).take(UNPACKED_MAX as u64 + 1);
    limited.read_to_end(&mut unpacked).map_err(Error::serialization)?;
    if unpacked.len() > UNPACKED_MAX {
        return Err(Error::too_large(UNPACKED_MAX));
    }
    Ok(unpacked.into())
}

/// Writes an answer.
pub(super) fn success<T: Serialize>(protocol: Protocol, answer: &T) -> Reply {
    match protocol {
        Protocol::Json => match serde_json::to_vec(answer) {
            Ok(body) => Reply::json(body),
            Err(why) => failure(protocol, unwritable(why)),
        },
        Protocol::Cbor => cbor(200, Vec::new(), answer),
    }
}

/// Writes an error.
pub(super) fn failure(protocol: Protocol, error: Error) -> Reply {
    let shape = format!("com.amazonaws.cloudwatch#{}", error.shape);
    let json = Reply::error(error.status, &shape, error.code, &error.message);
    match protocol {
        Protocol::Json => json,
        Protocol::Cbor => {
            #[derive(Serialize)]
            struct Body<'a> {
                __type: &'a str,
                message: &'a str,
            }
            cbor(error.status, json.headers, &Body { __type: &shape, message: &error.message })
        }
    }
}

fn cbor<T: Serialize>(status: u16, mut headers: Vec<(&'static str, String)>, value: &T) -> Reply {
    headers.push(("smithy-protocol", "rpc-v2-cbor".into()));
    let mut body = Vec::new();
    match ciborium::into_writer(value, &mut body) {
        Ok(()) => Reply { status, content_type: "application/cbor", headers, body },
        Err(why) => failure(Protocol::Json, unwritable(why)),
    }
}

/// Our own types can be written; this is for the compiler.
fn unwritable(why: impl std::fmt::Display) -> Error {
    Error { status: 500, ..Error::serialization(why) }
}

#[cfg(test)]
mod tests {
    use super::super::wire::{GetMetricData, PutMetricData, Timestamp};
    use super::*;
    use ciborium::{Value, cbor};
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn bytes(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).unwrap();
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn timestamps_are_seconds_in_json_and_tagged_in_cbor() {
        let at = Timestamp(1_763_640_061_500_000_000);
        let json: GetMetricData = decode(Protocol::Json, false, br#"{"StartTime": 1763640061.5}"#).unwrap();
        assert_eq!(json.start_time, Some(at));
        for seconds in [Value::Float(1_763_640_061.5), Value::Float(1_763_640_061.500_000_2)] {
            let tagged = Value::Map(vec![("StartTime".into(), Value::Tag(1, Box::new(seconds)))]);
            let cbor: GetMetricData = decode(Protocol::Cbor, false, &bytes(&tagged)).unwrap();
            assert_eq!(cbor.start_time, Some(at));
        }
        // As a float this is a little less.
        let json: GetMetricData = decode(Protocol::Json, false, br#"{"StartTime": 1098171635.393}"#).unwrap();
        assert_eq!(json.start_time, Some(Timestamp(1_098_171_635_393_000_000)));
        // Whole seconds may come as integers.
        let tagged = Value::Map(vec![("EndTime".into(), Value::Tag(1, Box::new(60.into())))]);
        let cbor: GetMetricData = decode(Protocol::Cbor, false, &bytes(&tagged)).unwrap();
        assert_eq!(cbor.end_time, Some(Timestamp(60_000_000_000)));

        assert_eq!(success(Protocol::Json, &at).body, b"1763640061.5");
        let written: Value = ciborium::from_reader(success(Protocol::Cbor, &at).body.as_slice()).unwrap();
        assert_eq!(written, Value::Tag(1, Box::new(1_763_640_061.5.into())));
    }

    #[test]
    fn a_timestamp_outside_the_clock_is_its_end() {
        let read = |text: &str| decode::<GetMetricData>(Protocol::Json, false, text.as_bytes());
        assert_eq!(read(r#"{"StartTime": -5}"#).unwrap().start_time, Some(Timestamp(0)));
        assert_eq!(read(r#"{"StartTime": 1e300}"#).unwrap().start_time, Some(Timestamp(u64::MAX)));
        assert_eq!(read(r#"{"StartTime": "NaN"}"#).unwrap_err().code, "SerializationException");
    }

    #[test]
    fn numbers_may_be_integers_and_null_is_absent() {
        let body = cbor!({"Namespace" => "A", "MetricData" => [{"Value" => 3, "Values" => [1, 2.5], "Unit" => null}]});
        let put: PutMetricData = decode(Protocol::Cbor, false, &bytes(&body.unwrap())).unwrap();
        let datum = &put.metric_data.unwrap()[0];
        let values: Vec<f64> = datum.values.iter().flatten().map(|number| number.0).collect();
        assert_eq!((datum.value.unwrap().0, values), (3.0, vec![1.0, 2.5]));
        assert_eq!(datum.unit, None);
    }

    #[test]
    fn compressed_bodies_are_unpacked_up_to_a_limit() {
        let body = br#"{"Namespace": "A"}"#;
        let put: PutMetricData = decode(Protocol::Json, true, &gzip(body)).unwrap();
        assert_eq!(put.namespace.as_deref(), Some("A"));
        let broken = decode::<PutMetricData>(Protocol::Json, true, body).unwrap_err();
        assert_eq!(broken.code, "SerializationException");
        let bomb = gzip(&vec![b' '; UNPACKED_MAX + 1]);
        assert!(bomb.len() < BODY_MAX);
        assert_eq!(decode::<PutMetricData>(Protocol::Json, true, &bomb).unwrap_err().status, 413);
        let large = vec![b' '; BODY_MAX + 1];
        assert_eq!(decode::<PutMetricData>(Protocol::Json, false, &large).unwrap_err().status, 413);
    }

    #[test]
    fn errors_have_the_shape_and_the_old_code() {
        for protocol in [Protocol::Json, Protocol::Cbor] {
            let reply = failure(protocol, Error::value("No."));
            assert_eq!(reply.status, 400);
            assert!(reply.headers.contains(&("x-amzn-query-error", "InvalidParameterValue;Sender".into())));
            let body: serde_json::Value = match protocol {
                Protocol::Json => serde_json::from_slice(&reply.body).unwrap(),
                Protocol::Cbor => ciborium::from_reader(reply.body.as_slice()).unwrap(),
            };
            assert_eq!(body["__type"], "com.amazonaws.cloudwatch#InvalidParameterValueException");
            assert_eq!(body["message"], "No.");
            let marked = reply.headers.contains(&("smithy-protocol", "rpc-v2-cbor".into()));
            assert_eq!(marked, protocol == Protocol::Cbor);
        }
    }

    #[test]
    fn garbage_is_refused() {
        for garbage in
            [b"\xff\x00".as_slice(), b"[", b"\x9f\x9f\x9f", b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff"]
        {
            for protocol in [Protocol::Json, Protocol::Cbor] {
                assert_eq!(decode::<GetMetricData>(protocol, false, garbage).unwrap_err().status, 400);
            }
        }
        let deep = vec![0x81; 100_000];
        assert_eq!(decode::<GetMetricData>(Protocol::Cbor, false, &deep).unwrap_err().status, 400);
    }
}
