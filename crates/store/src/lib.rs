//! The one door to PostgreSQL. Nothing outside this crate knows SQL.
//!
//! Every query is checked against the schema when it is compiled, from the descriptions in `.sqlx`
//! (`CONTRIBUTING.md` says how to renew them). Every writing function may run twice: start reading at
//! [`orders::write`], which the others build on.

pub mod backup;
pub mod console;
pub mod deliveries;
mod error;
pub mod events;
pub mod inventory;
pub mod late;
pub mod notifications;
pub mod orders;
pub mod payments;
mod pool;
pub mod shipments;
pub mod simulator;
pub mod strays;
pub mod verify;

pub use error::Error;
pub use pool::{
    Migration, connect, connect_lazy, database_url, is_migrated, migrate, migrations, ping, pool_from_env, schema,
};
pub use sqlx::PgPool;
