//! The local stack as a library: starts, supervises and stops PostgreSQL, Temporal, a mail server,
//! the worker and the API.
//!
//! The command line and the tests use it. No process outlives the caller, even after `kill -9`
//! ([`guard`]), and the machine needs nothing but a shell. Start reading at [`Stack`], or at
//! [`Postgres`] and [`Temporal`] for a test that needs one server only.
//!
//! `process` runs one program, `service` has the three servers, `toolchain` installs their programs,
//! and `stack` combines them. `folder`, `ports` and `progress` are used by all of them.

mod folder;
pub mod ports;
mod process;
mod progress;
mod service;
mod stack;
#[cfg(test)]
mod tests;
pub mod toolchain;

pub use ports::Port;
pub use process::{
    Process, guard,
    readiness::Readiness,
    restarter::{keep_running, replace_stuck},
};
pub use progress::Progress;
pub use service::{
    mail::{Mail, MailOptions},
    postgres::{Postgres, PostgresOptions},
    temporal::{Temporal, TemporalOptions},
    temporal_server::{TemporalServer, TemporalServerOptions},
};
pub use stack::{
    Stack, StackOptions,
    addresses::StackAddresses,
    control,
    launcher::{Launcher, launch_supervisor},
    project::{Project, StackState},
    settings,
    status::{ServiceStatus, stopped_services},
    supervisor::run_supervisor,
};
