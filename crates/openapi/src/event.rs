//! Schemas of audit events: one for each type, and `Event` for any of them.

mod payload;

use chrono::{DateTime, Utc};
use payload::Payload;
use serde_json::{Map, Value, json};

use crate::{
    sample::CREATED_AT,
    types::{DescribeSchema, SchemaRegistry, reference},
};
use contract::{AuditEventView, is_public_field};
use domain::{AuditEvent, AuditEventType};

impl DescribeSchema for AuditEventView {
    const NAME: Option<&'static str> = Some("Event");

    fn schema(types: &mut SchemaRegistry) -> Value {
        // The enum of all types is a separate schema, for clients that need only the names.
        types.schema_of::<AuditEventType>();
        let mut mapping = Map::new();
        for kind in AuditEventType::ALL {
            let schema = event_schema(*kind, types);
            types.define(name(*kind), schema);
            mapping.insert(kind.to_string(), json!(schema_path(*kind)));
        }
        let any: Vec<_> = AuditEventType::ALL
            .iter()
            .map(|kind| reference(&name(*kind)))
            .collect();
        json!({
            "description": "One audit event. `type` determines the fields of `payload`.",
            "oneOf": any,
            "discriminator": {"propertyName": "type", "mapping": mapping},
        })
    }
}

fn event_schema(kind: AuditEventType, types: &mut SchemaRegistry) -> Value {
    // Never called. It fails to compile if the event has another field.
    fn _is_complete(
        AuditEventView {
            event:
                AuditEvent {
                    seq: _,
                    kind: _,
                    payload: _,
                    ts: _,
                },
            actor: _,
            request_id: _,
            client_request_id: _,
            claims: _,
        }: &AuditEventView,
    ) {
    }
    let Payload {
        written,
        mut schema,
        example,
    } = payload::describe(kind, types);
    // Customers do not get the other fields.
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| is_public_field(kind, name.as_str().unwrap_or_default()));
    }
    let mut seq = types.schema_of::<u32>();
    seq["description"] =
        json!("The number of the event in its order: 1, 2, 3 and so on without a gap.");
    json!({
        "description": written,
        "type": "object",
        "properties": {
            "seq": seq, "type": {"const": kind.as_str()}, "payload": schema, "ts": types.schema_of::<DateTime<Utc>>(),
            "actor": {
                "type": "string",
                "description": "The authenticated caller of the request that caused the event. Absent for other events and for callers of customers.",
            },
            "request_id": {"type": "string", "description": "The `X-Request-Id` of the response."},
            "client_request_id": {"type": "string", "description": "The caller's own `X-Request-Id`."},
            "claims": {"type": "object", "description": "Names in the request, which only its caller has claimed."},
        },
        "required": ["seq", "type", "payload", "ts"],
        "examples": [event(kind, 1, &example)],
    })
}

/// Returns an example of an audit event.
pub(crate) fn example(kind: AuditEventType, seq: u32) -> Value {
    event(
        kind,
        seq,
        &payload::describe(kind, &mut SchemaRegistry::default()).example,
    )
}

fn event(kind: AuditEventType, seq: u32, payload: &Value) -> Value {
    json!({"seq": seq, "type": kind.as_str(), "payload": payload, "ts": CREATED_AT})
}

fn schema_path(kind: AuditEventType) -> String {
    format!("#/components/schemas/{}", name(kind))
}

/// Returns the name of the event's schema: `OrderReceivedEvent` for `order_received`.
pub(crate) fn name(kind: AuditEventType) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    };
    kind.as_str().split('_').map(capital).collect::<String>() + "Event"
}
