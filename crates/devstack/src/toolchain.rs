//! Finds the programs of the servers on this machine, or installs them once into the cache.

mod go;
mod mail;
mod path;
mod postgres;
mod release;
mod temporal;

pub use mail::{MailProgram, obtain_mail_server, obtain_maildev};
pub use postgres::{VERSION as POSTGRES_VERSION, obtain_postgres};
pub use temporal::{find_temporal, obtain_temporal};
