//! The worker: hosts the workflows and runs their activities, which call the database, the payment
//! provider and the carrier.
//!
//! A long-running program ([`main`]): `worker` in the image, and a subcommand of the command line
//! in the local stack. Start reading at [`run`]. The activities are in [`activities`]; their
//! external calls go through [`payment::PaymentProvider`] and [`carrier::Carrier`]; mails to
//! customers are in [`mail`], and messages to other systems in [`endpoints`].

pub mod activities;
mod activity_metrics;
pub mod carrier;
mod endpoints;
mod fault_injection;
mod health;
mod mail;
pub mod payment;
mod program;
mod run;
mod settings;
mod status_report;
mod temporal_credential;
mod time_limit;
mod traces;
mod versioning;

pub use endpoints::EndpointSettings;
pub use fault_injection::Flaky;
pub use health::{Unhealthy, health_check};
pub use mail::{MailSettings, Smtp};
pub use program::main;
pub use run::{SERVICE, run};
pub use settings::{Queues, WorkerSettings};
pub use status_report::ReportSettings;
