//! The sessions of a program that acts as the database's owner for a short time.

use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt};

/// Sets the password of new connections of `pool`.
pub fn set_password(pool: &PgPool, password: &str) {
    let options = pool.connect_options().as_ref().clone();
    pool.set_connect_options(options.password(password));
}

/// Sets the name that new sessions of `pool` have in the database. PostgreSQL keeps 63 bytes of it.
pub fn name_sessions(pool: &PgPool, name: &str) {
    let options = pool.connect_options().as_ref().clone();
    pool.set_connect_options(options.application_name(name));
}

/// Ends all other sessions of the same user with this name. Their transactions are rolled back.
///
/// # Errors
///
/// When the database is unreachable.
pub async fn end_sessions(pool: &PgPool, name: &str) -> Result<(), Error> {
    // Not checked at compile time, because it reads no table of the schema. PostgreSQL has shortened a
    // longer name.
    let end = sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where usename = current_user and application_name = left($1, 63) and pid <> pg_backend_pid()",
    );
    end.bind(name)
        .execute(pool)
        .await
        .for_operation("end the sessions")
        .map(|_| ())
}
