//! Shared by all programs that call AWS: an HTTP client for the SDK, credentials, and short texts
//! for errors.

#[cfg(feature = "chain")]
mod chain;
mod credentials;
mod error_text;
mod http;

#[cfg(feature = "chain")]
pub use chain::load_config;
pub use credentials::{MissingVariable, credentials_from_env, credentials_provider};
pub use error_text::describe_error;
pub use http::Http;
