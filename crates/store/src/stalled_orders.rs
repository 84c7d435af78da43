//! Stalled orders: open orders without progress that do not wait for anything.

use std::time::Duration;

use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt};

/// Counts open orders whose row has not changed for `patience`, and whose wait, if any, ended at
/// least `patience` ago. A hold has no end, because an operator must decide, so a held order is
/// counted.
#[tracing::instrument(name = "store.orders.late", skip_all)]
pub async fn count(pool: &PgPool, patience: Duration) -> Result<i64, Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from orders
         where is_running and coalesce(waiting_until, created_at) < now() - make_interval(secs => $1)
             and updated_at < now() - make_interval(secs => $1)"#,
        patience.as_secs_f64(),
    )
    .fetch_one(pool)
    .await
    .for_operation("count the stalled orders")
}
