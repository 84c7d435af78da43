//! The one door to PostgreSQL. Nothing outside this crate knows SQL.
//!
//! Every query is checked against the schema when it is compiled, from the descriptions in `.sqlx`
//! (`CONTRIBUTING.md` says how to renew them). Every writing function may run twice: start reading at
//! [`orders::write`], which the others build on.

pub mod backup;
pub mod console;
mod database;
pub mod deliveries;
mod error;
pub mod events;
#[cfg(feature = "iam")]
pub mod iam;
pub mod inventory;
pub mod late;
pub mod notifications;
pub mod orders;
pub mod payments;
mod pool;
pub mod shipments;
pub mod simulator;
pub mod strays;
pub mod users;
pub mod verify;

pub use database::Database;
pub use error::Error;
pub use pool::{
    Migration, connect, connect_lazy, database_url, is_migrated, migrate, migrations, ping, reach,
    schema,
};
pub use sqlx::PgPool;
