//! Payloads as what they say.

use std::collections::HashMap;

use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use temporalio_common::protos::temporal::api::common::v1::Payload;

/// Each payload by its name.
pub(crate) fn decode_payloads(payloads: &HashMap<String, Payload>) -> Map<String, Value> {
    let mut read: Vec<_> = payloads
        .iter()
        .map(|(name, payload)| {
            let encoding = payload
                .metadata
                .get("encoding")
                .map_or(&b""[..], Vec::as_slice);
            (name.clone(), decoded(encoding, &payload.data))
        })
        .collect();
    read.sort_by(|(one, _), (other, _)| one.cmp(other));
    read.into_iter().collect()
}

/// The same JSON with every payload in it (`{"data": …, "metadata": {"encoding": …}}`) as what it says.
pub(crate) fn decode_nested_payloads(value: Value) -> Value {
    match value {
        Value::Object(members) => payload(&members).unwrap_or_else(|| {
            members
                .into_iter()
                .map(|(name, value)| (name, decode_nested_payloads(value)))
                .collect()
        }),
        Value::Array(values) => values.into_iter().map(decode_nested_payloads).collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

fn payload(members: &Map<String, Value>) -> Option<Value> {
    let encoding = BASE64
        .decode(
            members
                .get("metadata")?
                .get("encoding")?
                .as_str()?
                .as_bytes(),
        )
        .ok()?;
    // What is empty is left out.
    let data = members.get("data").map_or(Some(""), Value::as_str)?;
    let data = BASE64.decode(data.as_bytes()).ok()?;
    Some(decoded(&encoding, &data))
}

/// What is encrypted, or of a kind that nobody reads, is told by its encoding and size.
fn decoded(encoding: &[u8], data: &[u8]) -> Value {
    match encoding {
        b"json/plain" => serde_json::from_slice(data).unwrap_or_else(|_| opaque(encoding, data)),
        b"binary/null" => Value::Null,
        _ => opaque(encoding, data),
    }
}

fn opaque(encoding: &[u8], data: &[u8]) -> Value {
    json!({"encoding": String::from_utf8_lossy(encoding), "bytes": data.len()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_read_wherever_they_are() {
        let payload = |encoding: &[u8], data: &[u8]| json!({"data": BASE64.encode(data), "metadata": {"encoding": BASE64.encode(encoding)}});
        let event = json!({"input": {"payloads": [payload(b"json/plain", br#"{"a":1}"#),
                {"metadata": {"encoding": BASE64.encode(b"binary/null")}}]},
            "result": payload(b"binary/encrypted", b"xyz"), "data": "no payload"});
        let read = json!({"input": {"payloads": [{"a": 1}, null]},
            "result": {"encoding": "binary/encrypted", "bytes": 3}, "data": "no payload"});
        assert_eq!(decode_nested_payloads(event), read);
    }
}
