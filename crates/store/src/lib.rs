//! PostgreSQL access. No other crate contains SQL.
//!
//! `.sqlx` describes every query, and the compiler checks the queries against these descriptions.
//! `CONTRIBUTING.md` explains how to regenerate them. Every function that writes is idempotent.
//! Start reading at [`order_write::write_order`], which most of them call.

pub mod adhoc_query;
pub mod attention;
pub mod audit_events;
pub mod backup;
pub mod closed_orders;
mod convert;
mod database;
pub mod endpoint_outbox;
pub mod endpoints;
mod error;
pub mod inventory;
pub mod late_events;
pub mod ledger;
mod migrations;
pub mod order_write;
pub mod orders;
pub mod outbox;
pub mod owner_session;
pub mod personal_data;
mod pool;
mod precondition;
pub mod purge;
pub mod quotes;
pub mod rds_token;
pub mod refunds;
pub mod returns;
pub mod roles;
pub mod running_orders;
mod schema_update;
pub mod shipments;
pub mod simulator;
pub mod stalled_orders;
pub mod stats;
pub mod stock;
pub mod transactions;
pub mod verify;
pub mod webhook_events;

pub use database::Database;
pub use error::Error;
pub use migrations::{
    Migration, is_migrated, latest_known_version, list_migrations, migrate, schema_version,
};
pub use pool::{
    check_reachable, connect, connect_lazy, limit_statements, normalize_database_url, ping,
};
pub use schema_update::{IamUsers, SchemaUpdate, SchemaUpdateError, update_schema};
pub use sqlx::PgPool;
