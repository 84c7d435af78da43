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

mod folder;
mod launcher;
mod mail;
mod postgres;
mod process;
mod progress;
mod project;
mod readiness;
mod restarter;
mod rotation;
mod stack;
mod supervisor;
mod temporal;
#[cfg(test)]
mod tests;
mod webhook_secrets;

pub use launcher::{Launcher, launch_supervisor};
pub use mail::{Mail, MailOptions};
pub use ports::Port;
pub use postgres::{Postgres, PostgresOptions};
pub use process::Process;
pub use progress::Progress;
pub use project::{Project, StackState};
pub use readiness::Readiness;
pub use stack::{ServiceStatus, Stack, StackAddresses, StackOptions, stopped_services};
pub use supervisor::run_supervisor;
pub use temporal::{Temporal, TemporalOptions};
