//! The users of a database on RDS, who log in by IAM, and what each may do.

use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt, pool::begin};

/// Made anew or as they were, so that it can be said after each migration, which may have brought tables.
const USERS: &str = "
do $$
declare name text;
begin
  foreach name in array array['orderflow_worker', 'orderflow_reader'] loop
    if not exists (select from pg_roles where rolname = name) then
      execute format('create role %I login', name);
    end if;
  end loop;
end $$;
grant rds_iam to orderflow_worker, orderflow_reader;
grant usage on schema public, simulator to orderflow_worker;
grant select, insert, update, delete on all tables in schema public, simulator to orderflow_worker;
grant usage on all sequences in schema public, simulator to orderflow_worker;
grant usage on schema public to orderflow_reader;
grant select on all tables in schema public to orderflow_reader;
";

/// Makes `orderflow_worker`, who reads and writes, and `orderflow_reader`, for the functions that read.
pub async fn create(pool: &PgPool) -> Result<(), Error> {
    // Not checked when compiled: RDS alone has that role.
    let is_rds =
        sqlx::query_scalar("select exists (select from pg_roles where rolname = 'rds_iam')");
    if !is_rds
        .fetch_one(pool)
        .await
        .for_operation("look for the role rds_iam")?
    {
        return Err(Error::NotRds);
    }
    let mut transaction = begin(pool).await?;
    sqlx::raw_sql(USERS)
        .execute(&mut *transaction)
        .await
        .for_operation("make the users")?;
    transaction.commit().await.for_operation("commit")
}
