//! What every program of ours that asks AWS for something shares: the HTTP client, who we are, and what a refusal means.

#[cfg(feature = "chain")]
mod chain;
mod credentials;
mod http;
mod refusal;

#[cfg(feature = "chain")]
pub use chain::config;
pub use credentials::{Missing, credentials, of_environment};
pub use http::Http;
pub use refusal::why;
