//! The personal data of a customer: its export, and its erasure from ended orders.
//!
//! Erasure replaces personal data with [`MARK`]. Amounts, stock, ids, countries and the numbers of
//! audit events stay, so every invariant of the database still holds.

use serde_json::{Map, Value, json};
use sqlx::{PgConnection, PgPool};

use crate::{Error, error::SqlxResultExt, pool};
use domain::{AuditEventType, OrderId};

/// The text that replaces personal data.
pub const MARK: &str = "[erased]";

/// The person whose data is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Person {
    CustomerId(String),
    /// An e-mail address, for customers without an id. Upper and lower case are equal.
    Email(String),
}

impl Person {
    /// Reads an e-mail address, or a customer id.
    pub fn parse(text: &str) -> Self {
        if text.contains('@') {
            Self::Email(text.to_lowercase())
        } else {
            Self::CustomerId(text.to_owned())
        }
    }
}

/// An order of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonsOrder {
    pub id: OrderId,
    pub is_running: bool,
}

/// Lists the orders of a person, oldest first. Without an index on the e-mail address, a search by it
/// reads all orders.
#[tracing::instrument(name = "store.personal_data.list", skip_all)]
pub async fn list_orders(pool: &PgPool, person: &Person) -> Result<Vec<PersonsOrder>, Error> {
    let (customer_id, email) = match person {
        Person::CustomerId(id) => (Some(id), None),
        Person::Email(email) => (None, Some(email)),
    };
    let rows = sqlx::query!(
        "select id, is_running from orders
         where customer_id = $1 or lower(customer_json ->> 'email') = $2 order by created_at, id",
        customer_id,
        email,
    )
    .fetch_all(pool)
    .await
    .for_operation("list the customer's orders")?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(PersonsOrder {
                id: OrderId::parse(&row.id).ok()?,
                is_running: row.is_running,
            })
        })
        .collect())
}

/// Returns all rows of an order, by table.
#[tracing::instrument(name = "store.personal_data.export", skip_all)]
pub async fn export_order(pool: &PgPool, order_id: &OrderId) -> Result<Option<Value>, Error> {
    let exported = sqlx::query_scalar!(
        r#"select jsonb_build_object(
             'order', to_jsonb(orders),
             'audit_log', (select coalesce(jsonb_agg(to_jsonb(events) order by seq), '[]') from events where order_id = orders.id),
             'payments', (select coalesce(jsonb_agg(to_jsonb(payments)), '[]') from payments where order_id = orders.id),
             'refunds', (select coalesce(jsonb_agg(to_jsonb(refunds) order by created_at), '[]') from refunds where order_id = orders.id),
             'returns', (select coalesce(jsonb_agg(to_jsonb(returns) order by created_at), '[]') from returns where order_id = orders.id),
             'parcels', (select coalesce(jsonb_agg(to_jsonb(shipments)), '[]') from shipments where order_id = orders.id),
             'messages', (select coalesce(jsonb_agg(to_jsonb(message) order by seq), '[]') from endpoint_messages as message where message.order_id = orders.id),
             'mails', (select coalesce(jsonb_agg(to_jsonb(notifications) order by id), '[]') from notifications where order_id = orders.id),
             'webhook_events', (select coalesce(jsonb_agg(to_jsonb(webhook_deliveries)), '[]') from webhook_deliveries where order_id = orders.id)
         ) from orders where id = $1"#,
        order_id.as_str(),
    )
    .fetch_optional(pool)
    .await
    .for_operation("export the order")?;
    Ok(exported.flatten())
}

/// Erases the personal data of an ended order. Returns whether the order has ended; an open order is
/// unchanged. Repeating it changes nothing.
#[tracing::instrument(name = "store.personal_data.erase", skip_all)]
pub async fn erase_order(pool: &PgPool, order_id: &OrderId) -> Result<bool, Error> {
    let mut transaction = pool::begin(pool).await?;
    let is_erased = erase_row(&mut transaction, order_id).await?;
    if is_erased {
        erase_events(&mut transaction, order_id).await?;
        erase_children(&mut transaction, order_id).await?;
    }
    transaction.commit().await.for_operation("commit")?;
    Ok(is_erased)
}

async fn erase_row(connection: &mut PgConnection, order_id: &OrderId) -> Result<bool, Error> {
    let row = sqlx::query!(
        "select customer_json, items_json, address_json, details_json, shipment_json from orders
         where id = $1 and not is_running for update",
        order_id.as_str(),
    )
    .fetch_optional(&mut *connection)
    .await
    .for_operation("read the personal data")?;
    let Some(row) = row else { return Ok(false) };
    let details = row.details_json.map(erase_details);
    sqlx::query!(
        "update orders set customer_id = case when customer_id is null then null else $2 end, customer_json = $3,
             items_json = $4, address_json = $5, details_json = $6, shipment_json = $7, hold_json = null,
             cancellation_reason = case when cancellation_reason is null then null else $2 end
         where id = $1",
        order_id.as_str(),
        MARK,
        marked(&row.customer_json),
        erase_items(row.items_json),
        row.address_json.as_ref().map(erase_address),
        details,
        row.shipment_json.map(erase_shipment),
    )
    .execute(connection)
    .await
    .for_operation("erase the personal data of the order")?;
    Ok(true)
}

async fn erase_events(connection: &mut PgConnection, order_id: &OrderId) -> Result<(), Error> {
    let rows = sqlx::query!(
        "select seq, type as kind, payload_json from events where order_id = $1 order by seq",
        order_id.as_str(),
    )
    .fetch_all(&mut *connection)
    .await
    .for_operation("read the audit log")?;
    for row in rows {
        let erased = erase_payload(&row.kind, row.payload_json.clone());
        if erased == row.payload_json {
            continue;
        }
        sqlx::query!(
            "update events set payload_json = $3 where order_id = $1 and seq = $2",
            order_id.as_str(),
            row.seq,
            erased,
        )
        .execute(&mut *connection)
        .await
        .for_operation("erase the personal data of the audit log")?;
    }
    Ok(())
}

async fn erase_children(connection: &mut PgConnection, order_id: &OrderId) -> Result<(), Error> {
    // A mail that waits cannot be sent any more.
    sqlx::query!(
        "update notifications set recipient = case when recipient is null then null else $2 end,
             status = case when status = 'pending' then 'skipped' else status end,
             reason = case when status = 'pending' then 'the personal data was erased' else reason end
         where order_id = $1",
        order_id.as_str(),
        MARK,
    )
    .execute(&mut *connection)
    .await
    .for_operation("erase the recipients of mails")?;
    sqlx::query!(
        "update refunds set reason = case when reason is null then null else $2 end,
             public_reason = case when public_reason is null then null else $2 end
         where order_id = $1",
        order_id.as_str(),
        MARK,
    )
    .execute(&mut *connection)
    .await
    .for_operation("erase the reasons of refunds")?;
    sqlx::query!(
        "update returns set note = case when note is null then null else $2 end,
             public_reason = case when public_reason is null then null else $2 end, items_json = (
             select coalesce(jsonb_agg(case when line ->> 'reason' is null then line
                 else line || jsonb_build_object('reason', $2::text) end order by position), '[]')
             from jsonb_array_elements(items_json) with ordinality as lines (line, position))
         where order_id = $1",
        order_id.as_str(),
        MARK,
    )
    .execute(&mut *connection)
    .await
    .for_operation("erase the reasons of returns")?;
    // Messages to endpoints have the order at the time of their event.
    sqlx::query!(
        "update endpoint_messages set order_json = order_json || jsonb_build_object(
             'customer_id', orders.customer_id, 'customer_json', orders.customer_json, 'items_json', orders.items_json,
             'address_json', orders.address_json, 'details_json', orders.details_json,
             'cancellation_reason', orders.cancellation_reason, 'hold_json', null,
             'shipment_json', orders.shipment_json)
         from orders where orders.id = $1 and endpoint_messages.order_id = $1",
        order_id.as_str(),
    )
    .execute(&mut *connection)
    .await
    .for_operation("erase the personal data of messages")?;
    let parcels = sqlx::query!(
        "select shipment_id, address_json, items_json from shipments where order_id = $1",
        order_id.as_str(),
    )
    .fetch_all(&mut *connection)
    .await
    .for_operation("read the parcels")?;
    for parcel in parcels {
        sqlx::query!(
            "update shipments set address_json = $2, items_json = $3 where shipment_id = $1",
            parcel.shipment_id,
            parcel.address_json.as_ref().map(erase_address),
            erase_items(parcel.items_json),
        )
        .execute(&mut *connection)
        .await
        .for_operation("erase the personal data of parcels")?;
    }
    let consignments = sqlx::query!(
        r#"select shipment_id, consignment_json as "consignment!" from simulator.parcels
           where order_id = $1 and consignment_json is not null"#,
        order_id.as_str(),
    )
    .fetch_all(&mut *connection)
    .await
    .for_operation("read the simulated carrier's records")?;
    for consignment in consignments {
        sqlx::query!(
            "update simulator.parcels set consignment_json = $2 where shipment_id = $1",
            consignment.shipment_id,
            erase_consignment(consignment.consignment),
        )
        .execute(&mut *connection)
        .await
        .for_operation("erase the records of the simulated carrier")?;
    }
    Ok(())
}

/// Replaces every text of an object with the mark.
fn marked(object: &Value) -> Value {
    let fields = object.as_object().into_iter().flatten();
    let mark = |value: &Value| (!value.is_null()).then_some(MARK);
    Value::Object(
        fields
            .map(|(name, value)| (name.clone(), json!(mark(value))))
            .collect(),
    )
}

/// Replaces an address with its country, which reports of taxes need.
fn erase_address(address: &Value) -> Value {
    if address.is_null() {
        return Value::Null;
    }
    json!({"street": MARK, "country": address["country"]})
}

fn erase_items(mut items: Value) -> Value {
    for item in items.as_array_mut().into_iter().flatten() {
        if let Some(item) = item.as_object_mut() {
            item.remove("metadata");
        }
    }
    items
}

fn erase_consignment(mut consignment: Value) -> Value {
    if let Some(fields) = consignment.as_object_mut() {
        if let Some(address) = fields.get_mut("address") {
            *address = erase_address(address);
        }
        if let Some(contents) = fields.get_mut("contents") {
            *contents = erase_items(contents.take());
        }
    }
    consignment
}

/// Erases the texts of the carrier's reports, which can name a person or a place.
fn erase_shipment(mut shipment: Value) -> Value {
    let events = shipment.get_mut("events").and_then(Value::as_array_mut);
    for event in events.into_iter().flatten() {
        erase_report(event);
    }
    shipment
}

fn erase_report(report: &mut Value) {
    for name in ["description", "location"] {
        if let Some(text) = report.get_mut(name).filter(|text| text.is_string()) {
            *text = json!(MARK);
        }
    }
}

fn erase_details(mut details: Value) -> Value {
    let Some(fields) = details.as_object_mut() else {
        return details;
    };
    fields.remove("metadata");
    for name in ["note", "gift_message", "public_reason"] {
        if let Some(text) = fields.get_mut(name) {
            *text = json!(MARK);
        }
    }
    if let Some(address) = fields.get_mut("billing_address") {
        *address = erase_address(address);
    }
    details
}

/// The fields of audit events with an address, and those with a person's text.
const ADDRESSES: [&str; 5] = [
    "address",
    "shipping_address",
    "billing_address",
    "old",
    "new",
];
const TEXTS: [&str; 5] = ["signed_by", "note", "email", "phone", "public_reason"];

/// The audit events whose reason a person has written.
const WITH_REASON: [AuditEventType; 10] = [
    AuditEventType::CancelRequested,
    AuditEventType::OrderCancelled,
    AuditEventType::PaymentCancelRequested,
    AuditEventType::ReviewRejected,
    AuditEventType::OrderHeld,
    AuditEventType::OrderReleased,
    AuditEventType::RefundRequested,
    AuditEventType::ReturnApproved,
    AuditEventType::ReturnRejected,
    AuditEventType::ReturnCancelled,
];

fn erase_payload(kind: &str, mut payload: Value) -> Value {
    let kind = AuditEventType::parse(kind);
    if kind == Some(AuditEventType::OrderUpdated) {
        return erase_update(payload);
    }
    if kind == Some(AuditEventType::ShipmentTracked) {
        erase_report(&mut payload);
        return payload;
    }
    let has_reason = kind.is_some_and(|kind| WITH_REASON.contains(&kind));
    erase_within(&mut payload, has_reason);
    payload
}

/// Erases the payload of [`AuditEventType::OrderUpdated`] as [`erase_details`] erases the order.
fn erase_update(mut payload: Value) -> Value {
    let Some(fields) = payload.as_object_mut() else {
        return payload;
    };
    fields.remove("metadata");
    let note = fields.get_mut("note").and_then(Value::as_object_mut);
    for text in note.into_iter().flat_map(Map::values_mut) {
        if text.is_string() {
            *text = json!(MARK);
        }
    }
    payload
}

fn erase_within(value: &mut Value, has_reason: bool) {
    match value {
        Value::Object(fields) => erase_fields(fields, has_reason),
        Value::Array(values) => {
            for value in values {
                erase_within(value, has_reason);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn erase_fields(fields: &mut Map<String, Value>, has_reason: bool) {
    for (name, value) in fields {
        let is_text = TEXTS.contains(&name.as_str()) || (has_reason && name == "reason");
        if ADDRESSES.contains(&name.as_str()) && value.get("street").is_some() {
            *value = erase_address(value);
        } else if is_text && value.is_string() {
            *value = json!(MARK);
        } else {
            erase_within(value, has_reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_keeps_amounts_and_codes() {
        let payload = json!({
            "reason": "moved to Berlin", "by": "request", "amount": 5,
            "old": {"street": "1 Main St", "name": "Jane", "country": "US"},
            "claims": {"signed_by": "Jane Doe"}, "actor": "key:shop",
        });
        assert_eq!(
            erase_payload("order_cancelled", payload.clone()),
            json!({
                "reason": MARK, "by": "request", "amount": 5,
                "old": {"street": MARK, "country": "US"},
                "claims": {"signed_by": MARK}, "actor": "key:shop",
            })
        );
        // The reason of a declined payment is the provider's.
        assert_eq!(
            erase_payload("payment_declined", payload)["reason"],
            "moved to Berlin"
        );
    }

    #[test]
    fn update_keeps_the_reference_only() {
        let payload = json!({
            "external_reference": {"old": null, "new": "ERP-1"},
            "note": {"old": "ring twice", "new": null}, "metadata": {"old": {}, "new": {"phone": "1"}},
        });
        assert_eq!(
            erase_payload("order_updated", payload),
            json!({"external_reference": {"old": null, "new": "ERP-1"}, "note": {"old": MARK, "new": null}})
        );
    }

    #[test]
    fn erasing_twice_changes_nothing() {
        let details = json!({
            "note": "ring twice", "metadata": {"a": 1}, "external_reference": "ERP-1",
            "billing_address": {"street": "2 Bill St", "country": "DE", "phone": "1"}, "shipping_amount": 4.9,
        });
        let once = erase_details(details);
        assert_eq!(
            once,
            json!({
                "note": MARK, "external_reference": "ERP-1", "shipping_amount": 4.9,
                "billing_address": {"street": MARK, "country": "DE"},
            })
        );
        assert_eq!(erase_details(once.clone()), once);
        assert_eq!(
            marked(&json!({"id": "C-1", "email": null})),
            json!({"id": MARK, "email": null})
        );
    }
}
