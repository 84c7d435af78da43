//! Shared by all programs that call AWS: an HTTP client for the SDK, credentials, short texts for
//! errors, secrets of AWS Secrets Manager that may change while a program runs, and an event bus of
//! EventBridge.
//!
//! Start reading at [`Secret`] and [`EventBus`].

#[cfg(feature = "chain")]
mod chain;
mod credentials;
mod error_text;
mod event_bus;
mod http;
mod json_api;
mod secret;
mod secrets_manager;
mod unfinished;

#[cfg(feature = "chain")]
pub use chain::load_config;
pub use credentials::{MissingVariable, credentials_from, credentials_provider};
pub use error_text::describe_error;
pub use event_bus::{BusEvent, EventBus, PutError};
pub use http::Http;
pub use secret::{OUTAGE_LIMIT, Secret, SecretUnavailable};
pub use unfinished::finish_reads;
