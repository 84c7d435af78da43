//! The audit log of orders.

use sqlx::{PgConnection, PgPool};

use crate::{Error, convert::to_i32, error::SqlxResultExt};
use domain::{AuditEvent, AuditEventType, OrderId};

/// Replaces all audit events after number `after` by `events`, which the workflow has numbered.
pub(crate) async fn replace_after(
    connection: &mut PgConnection,
    order_id: &OrderId,
    after: u32,
    events: &[AuditEvent],
) -> Result<(), Error> {
    sqlx::query!(
        "delete from events where order_id = $1 and seq > $2",
        order_id.as_str(),
        to_i32(after)
    )
    .execute(&mut *connection)
    .await
    .for_operation("delete the audit events of a lost workflow task")?;
    if events.is_empty() {
        return Ok(());
    }
    let seqs: Vec<i32> = events.iter().map(|event| to_i32(event.seq)).collect();
    let kinds: Vec<String> = events.iter().map(|event| event.kind.to_string()).collect();
    let payloads: Vec<serde_json::Value> =
        events.iter().map(|event| event.payload.clone()).collect();
    let times: Vec<_> = events.iter().map(|event| event.ts).collect();
    sqlx::query!(
        "insert into events (order_id, seq, type, payload_json, ts)
         select $1, * from unnest($2::int[], $3::text[], $4::jsonb[], $5::timestamptz[])",
        order_id.as_str(),
        &seqs,
        &kinds,
        &payloads,
        &times,
    )
    .execute(connection)
    .await
    .for_operation("append to the audit log")
    .map(|_| ())
}

/// Reads at most `limit` audit events after number `after`, oldest first; `None` when the order
/// does not exist.
#[tracing::instrument(name = "store.events.list", skip_all)]
pub async fn list(
    pool: &PgPool,
    order_id: &OrderId,
    after: u32,
    limit: u32,
) -> Result<Option<Vec<AuditEvent>>, Error> {
    let rows = sqlx::query!(
        "select seq, type as kind, payload_json, ts from events where order_id = $1 and seq > $2 order by seq limit $3",
        order_id.as_str(),
        to_i32(after),
        i64::from(limit),
    )
    .fetch_all(pool)
    .await
    .for_operation("read the audit log")?;
    if rows.is_empty() {
        let known = sqlx::query_scalar!(
            "select exists (select from orders where id = $1)",
            order_id.as_str()
        );
        return Ok((known
            .fetch_one(pool)
            .await
            .for_operation("look for the order")?
            == Some(true))
        .then(Vec::new));
    }
    // A newer release may have written an event type that this release does not know. Such an event
    // is left out.
    let entry = |seq: i32, kind: &str, payload, ts| {
        Some(AuditEvent {
            seq: u32::try_from(seq).ok()?,
            kind: AuditEventType::parse(kind)?,
            payload,
            ts,
        })
    };
    Ok(Some(
        rows.into_iter()
            .filter_map(|row| entry(row.seq, &row.kind, row.payload_json, row.ts))
            .collect(),
    ))
}
