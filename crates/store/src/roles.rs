//! Database roles on RDS that log in with IAM tokens, and their privileges.

use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt, pool::begin};

/// Idempotent, so that it can run after each migration, which may add tables.
const ROLES: &str = "
do $$
declare name text;
begin
  foreach name in array array['orderflow_worker', 'orderflow_reader', 'orderflow_admin'] loop
    if not exists (select from pg_roles where rolname = name) then
      execute format('create role %I login', name);
    end if;
  end loop;
end $$;
grant rds_iam to orderflow_worker, orderflow_reader, orderflow_admin;
grant usage on schema public, simulator to orderflow_worker;
grant select, insert, update, delete on all tables in schema public, simulator to orderflow_worker;
grant usage on all sequences in schema public, simulator to orderflow_worker;
grant execute on function erase_event(text, integer, jsonb), delete_replaced_events(text, integer) to orderflow_worker;
grant usage on schema public to orderflow_reader;
grant select on all tables in schema public to orderflow_reader;
revoke select on webhook_endpoint_secrets from orderflow_reader;
grant usage on schema public to orderflow_admin;
grant select, insert, update on inventory to orderflow_admin;
grant select, insert on stock_movements to orderflow_admin;
grant select, insert, update, delete on webhook_endpoints to orderflow_admin;
grant select (endpoint_id, expires_at), insert, update (expires_at), delete on webhook_endpoint_secrets to orderflow_admin;
grant select (message_id, order_id, seq, type, created_at), insert, delete on endpoint_messages to orderflow_admin;
grant select, insert, update on endpoint_deliveries to orderflow_admin;
";

/// Creates `orderflow_worker`, which reads and writes, `orderflow_reader`, for the functions that only
/// read, and `orderflow_admin`, for the function that changes the shop's data and no orders.
///
/// # Errors
///
/// [`Error::NotRds`] when the database has no role `rds_iam`.
pub async fn create(pool: &PgPool) -> Result<(), Error> {
    // Not checked at compile time, because only RDS has this role.
    let is_rds =
        sqlx::query_scalar("select exists (select from pg_roles where rolname = 'rds_iam')");
    if !is_rds
        .fetch_one(pool)
        .await
        .for_operation("find the role rds_iam")?
    {
        return Err(Error::NotRds);
    }
    let mut transaction = begin(pool).await?;
    sqlx::raw_sql(ROLES)
        .execute(&mut *transaction)
        .await
        .for_operation("create the roles")?;
    transaction.commit().await.for_operation("commit")
}
