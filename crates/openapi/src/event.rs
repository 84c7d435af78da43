//! Entries of an audit trail: one schema for each type, and `Event` is one of them.

mod payload;

use chrono::{DateTime, Utc};
use payload::Payload;
use serde_json::{Map, Value, json};

use crate::{
    examples,
    types::{Described, Types, reference},
};
use domain::{AuditEvent, AuditEventType};

impl Described for AuditEvent {
    const NAME: Option<&'static str> = Some("Event");

    fn schema(types: &mut Types) -> Value {
        // The list of their names by itself, for who wants no more.
        types.of::<AuditEventType>();
        let mut mapping = Map::new();
        for kind in AuditEventType::ALL {
            let one = one(*kind, types);
            types.define(name(*kind), one);
            mapping.insert(kind.to_string(), json!(place(*kind)));
        }
        let any: Vec<_> = AuditEventType::ALL
            .iter()
            .map(|kind| reference(&name(*kind)))
            .collect();
        json!({
            "description": "One entry of an audit trail; `type` tells what its `payload` has.",
            "oneOf": any,
            "discriminator": {"propertyName": "type", "mapping": mapping},
        })
    }
}

fn one(kind: AuditEventType, types: &mut Types) -> Value {
    // Never called: that it compiles is what it is for.
    fn _is_complete(
        AuditEvent {
            seq: _,
            kind: _,
            payload: _,
            ts: _,
        }: &AuditEvent,
    ) {
    }
    let Payload {
        written,
        schema,
        example,
    } = payload::of(kind, types);
    let mut seq = types.of::<u32>();
    seq["description"] = json!("1, 2, 3 … within its order, without a gap.");
    json!({
        "description": written,
        "type": "object",
        "properties": {"seq": seq, "type": {"const": kind.as_str()}, "payload": schema, "ts": types.of::<DateTime<Utc>>()},
        "required": ["seq", "type", "payload", "ts"],
        "examples": [entry(kind, 1, &example)],
    })
}

/// An entry as a trail has it.
pub(crate) fn example(kind: AuditEventType, seq: u32) -> Value {
    entry(kind, seq, &payload::of(kind, &mut Types::default()).example)
}

fn entry(kind: AuditEventType, seq: u32, payload: &Value) -> Value {
    json!({"seq": seq, "type": kind.as_str(), "payload": payload, "ts": examples::NOON})
}

fn place(kind: AuditEventType) -> String {
    format!("#/components/schemas/{}", name(kind))
}

/// `order_received` is `OrderReceivedEvent`.
pub(crate) fn name(kind: AuditEventType) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    };
    kind.as_str().split('_').map(capital).collect::<String>() + "Event"
}
