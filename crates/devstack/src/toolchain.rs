//! Finds the programs of the servers on this machine, or installs them once into the cache.

mod go;
mod mail;
mod path;
mod postgres;
mod release;
mod temporal;
mod temporal_server;

pub use go::SERVER_VERSION as TEMPORAL_SERVER_VERSION;
pub use mail::{MailProgram, obtain_mail_server, obtain_maildev};
pub use postgres::{VERSION as POSTGRES_VERSION, obtain_postgres};
pub use temporal::{find_temporal, obtain_temporal};
pub use temporal_server::{ServerPrograms, obtain_temporal_server};
