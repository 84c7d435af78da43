//! The local stack as a library: PostgreSQL, Temporal, mail server, worker and API, started, watched and stopped.
//!
//! Used by the command line and by the tests. Must never leave a process behind, whatever ends the caller
//! ([`guard`]), and must never need anything of the machine but a shell. Start reading at [`Stack`], or at
//! [`Postgres`] and [`Temporal`] for tests that need a server only.

pub mod control;
pub mod guard;
pub mod ports;
pub mod settings;
pub mod toolchain;

mod detach;
mod folder;
mod keeper;
mod mail;
mod postgres;
mod process;
mod progress;
mod project;
mod ready;
mod rotation;
mod stack;
mod supervisor;
mod temporal;
#[cfg(test)]
mod tests;
mod webhook_secrets;

pub use detach::{Launcher, launch};
pub use mail::{Mail, MailOptions};
pub use ports::Port;
pub use postgres::{Postgres, PostgresOptions};
pub use process::Process;
pub use progress::Progress;
pub use project::{Project, State};
pub use ready::Readiness;
pub use stack::{Addresses, ServiceStatus, Stack, StackOptions, stopped};
pub use supervisor::supervise;
pub use temporal::{SEARCH_ATTRIBUTES, Temporal, TemporalOptions};
