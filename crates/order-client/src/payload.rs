//! Decoding of Temporal payloads for display.

use std::collections::HashMap;

use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use temporalio_common::protos::temporal::api::common::v1::Payload;

/// Decodes a map of payloads by name.
pub(crate) fn decode_payloads(payloads: &HashMap<String, Payload>) -> Map<String, Value> {
    let mut read: Vec<_> = payloads
        .iter()
        .map(|(name, payload)| {
            let encoding = payload
                .metadata
                .get("encoding")
                .map_or(&b""[..], Vec::as_slice);
            (name.clone(), decode_payload(encoding, &payload.data))
        })
        .collect();
    read.sort_by(|(left, _), (right, _)| left.cmp(right));
    read.into_iter().collect()
}

/// Replaces each payload (`{"data": …, "metadata": {"encoding": …}}`) in the JSON by its decoded
/// value.
pub(crate) fn decode_nested_payloads(value: Value) -> Value {
    match value {
        Value::Object(members) => decode_payload_object(&members).unwrap_or_else(|| {
            members
                .into_iter()
                .map(|(name, value)| (name, decode_nested_payloads(value)))
                .collect()
        }),
        Value::Array(values) => values.into_iter().map(decode_nested_payloads).collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

fn decode_payload_object(members: &Map<String, Value>) -> Option<Value> {
    let encoding = BASE64
        .decode(
            members
                .get("metadata")?
                .get("encoding")?
                .as_str()?
                .as_bytes(),
        )
        .ok()?;
    // An empty payload has no member `data`.
    let data = members.get("data").map_or(Some(""), Value::as_str)?;
    let data = BASE64.decode(data.as_bytes()).ok()?;
    Some(decode_payload(&encoding, &data))
}

/// Decodes a payload. An encrypted payload, or one with an unknown encoding, becomes its encoding
/// and size.
fn decode_payload(encoding: &[u8], data: &[u8]) -> Value {
    match encoding {
        b"json/plain" => {
            serde_json::from_slice(data).unwrap_or_else(|_| opaque_payload(encoding, data))
        }
        b"binary/null" => Value::Null,
        _ => opaque_payload(encoding, data),
    }
}

fn opaque_payload(encoding: &[u8], data: &[u8]) -> Value {
    json!({"encoding": String::from_utf8_lossy(encoding), "bytes": data.len()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_decoded_at_any_depth() {
        let payload = |encoding: &[u8], data: &[u8]| {
            json!({
                "data": BASE64.encode(data),
                "metadata": {"encoding": BASE64.encode(encoding)},
            })
        };
        let event = json!({"input": {"payloads": [payload(b"json/plain", br#"{"a":1}"#),
                {"metadata": {"encoding": BASE64.encode(b"binary/null")}}]},
            "result": payload(b"binary/encrypted", b"xyz"), "data": "no payload"});
        let read = json!({"input": {"payloads": [{"a": 1}, null]},
            "result": {"encoding": "binary/encrypted", "bytes": 3}, "data": "no payload"});
        assert_eq!(decode_nested_payloads(event), read);
    }
}
