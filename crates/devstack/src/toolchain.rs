//! The servers' programs: found on this machine, or fetched once into the cache.

mod go;
mod mail;
mod postgres;
mod sdk;
mod temporal;

pub use mail::{MailProgram, obtain_mail_server, obtain_maildev};
pub use postgres::{VERSION as POSTGRES_VERSION, obtain_postgres};
pub use temporal::{find_temporal, obtain_temporal};
