//! The worker: hosts both workflows and does what leaves the workflow: database, payment provider, carrier.
//!
//! A long-running program ([`main`]), in the image as `worker` and in the local stack as a subcommand of the
//! command line. Start reading at [`run`]; the activities are in [`activities`], and what they call
//! outside is behind [`payment::PaymentProvider`] and [`carrier::Carrier`]; mails to customers are in [`mail`].

pub mod activities;
pub mod carrier;
mod flaky;
mod health;
mod mail;
mod measure;
pub mod payment;
mod program;
mod report;
mod run;
mod settings;
mod time_limit;
mod versioning;

pub use flaky::Flaky;
pub use health::{Unhealthy, health_check};
pub use mail::{MailSettings, Smtp};
pub use program::main;
pub use report::ReportSettings;
pub use run::run;
pub use settings::{Queues, WorkerSettings};
