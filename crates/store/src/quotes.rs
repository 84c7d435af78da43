//! Quotes that orders have used. A quote starts one order.

use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt};
use domain::OrderId;

/// Binds a quote to an order. Returns whether the quote belongs to this order, also if it did before.
#[tracing::instrument(name = "store.quotes.claim", skip_all)]
pub async fn claim(pool: &PgPool, quote_id: &str, order_id: &OrderId) -> Result<bool, Error> {
    let owner = sqlx::query_scalar!(
        r#"with claimed as (
               insert into quotes (quote_id, order_id) values ($1, $2)
               on conflict (quote_id) do nothing returning order_id)
           select order_id as "order_id!" from claimed
           union all select order_id from quotes where quote_id = $1 limit 1"#,
        quote_id,
        order_id.as_str(),
    )
    .fetch_optional(pool)
    .await
    .for_operation("claim the quote")?;
    match owner {
        Some(owner) => Ok(owner == order_id.as_str()),
        // Another transaction has inserted the row after this statement began.
        None => Box::pin(claim(pool, quote_id, order_id)).await,
    }
}
