//! The servers' programs: found on this machine, or fetched once into the cache.

mod go;
mod postgres;
mod sdk;
mod temporal;

pub use postgres::{VERSION as POSTGRES_VERSION, postgres};
pub use temporal::temporal;
