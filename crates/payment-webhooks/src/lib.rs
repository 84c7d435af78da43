//! Webhooks of payment providers: verifies their signatures and translates them into payment
//! events.
//!
//! Pure: the inputs are bytes and a time, the outputs are a verdict and events. There is no I/O, no
//! clock, no HTTP and no Temporal, so the function that serves `/webhooks/{provider}` and the
//! command that sends test events share this crate. Events, errors and `Debug` output contain no
//! secret and no data of a card or a customer.
//!
//! Start reading at `schemes.rs`, the table of the providers' signature schemes. `verify.rs`
//! applies it; `events.rs` and one file per provider translate the events. docs/webhooks.md
//! explains the decisions.

mod draft;
mod environment;
mod events;
mod json;
mod mac;
mod providers;
mod sample;
mod schemes;
mod secrets;
mod sign;
mod verify;

pub use environment::{AdyenCapture, Deployment, Environment};
pub use events::events;
pub use sample::{Facts, SampleError, SampleKind, has_sample, sample};
pub use secrets::{SQUARE_URL, SecretError, Secrets, made_up, secrets_setting, secrets_variable};
pub use sign::{Message, SignError, Signing, sign, sign_standard};
pub use verify::{LARGEST_BATCH, Rejection, Request, TOLERANCE, Verified, verify};

// The fuzz targets are compiled into the tests and use this name.
#[cfg(test)]
extern crate self as payment_webhooks;

#[cfg(test)]
mod tests;
