//! The audit log of orders.

use sqlx::PgPool;

use crate::{Error, convert::to_i32, error::SqlxResultExt};
use domain::{AuditEvent, AuditEventType, OrderId};

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
