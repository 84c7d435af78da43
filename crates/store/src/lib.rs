//! The one door to PostgreSQL. Nothing outside this crate knows SQL.
//!
//! Every query is checked against the schema when it is compiled, from the descriptions in `.sqlx`
//! (`CONTRIBUTING.md` says how to renew them). Every writing function may run twice: start reading at
//! [`orders::write`], which the others build on.

pub mod adhoc_query;
pub mod audit_events;
pub mod backup;
mod database;
mod error;
pub mod inventory;
pub mod orders;
pub mod outbox;
pub mod payments;
mod pool;
pub mod rds_token;
pub mod roles;
pub mod shipments;
pub mod simulator;
pub mod stalled_orders;
pub mod strays;
pub mod verify;
pub mod webhook_events;

pub use database::Database;
pub use error::Error;
pub use pool::{
    Migration, check_reachable, connect, connect_lazy, is_migrated, list_migrations, migrate,
    normalize_database_url, ping, schema_version,
};
pub use sqlx::PgPool;
