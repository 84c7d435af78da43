//! Changes for one state of an order (`If-Match`).

use sqlx::PgConnection;

use crate::{Error, convert::to_u32, error::SqlxResultExt};
use contract::{OrderChanged, RequestOrigin};
use domain::OrderId;

/// Returns the present state of an order if the request is for another one. The caller has locked the row
/// of the order, and read its `last_seq` there.
///
/// The workflow of an open order writes the audit event of a refund some time after the claim. Until then,
/// the order has no tag for the state with the refund, so it is another state than that of every request.
pub(crate) async fn find_other_state(
    connection: &mut PgConnection,
    order_id: &OrderId,
    origin: &RequestOrigin,
    last_seq: i32,
) -> Result<Option<OrderChanged>, Error> {
    if origin.if_match.is_none() {
        return Ok(None);
    }
    let seq = to_u32(last_seq);
    if let Err(changed) = origin.check_state(seq) {
        return Ok(Some(changed));
    }
    // The receipt of a return names its refund, so that refund has changed the order already.
    let has_unrecorded_refund = sqlx::query_scalar!(
        r#"select exists (select from refunds where order_id = $1 and not exists (
             select from events where events.order_id = $1
                 and events.payload_json ->> 'refund_id' = refunds.refund_id)) as "found!""#,
        order_id.as_str(),
    )
    .fetch_one(connection)
    .await
    .for_operation("find refunds without an audit event")?;
    Ok(has_unrecorded_refund.then_some(OrderChanged { seq }))
}
