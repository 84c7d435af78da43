//! The servers' programs: found on this machine, or fetched once into the cache.

mod go;
mod mail;
mod postgres;
mod sdk;
mod temporal;

pub use mail::{MailSink, mail_sink, maildev};
pub use postgres::{VERSION as POSTGRES_VERSION, postgres};
pub use temporal::temporal;
