//! Payment providers' webhooks: is it theirs, and what does it say.
//!
//! Pure: bytes and a clock value in, a verdict and events out. No I/O, no clock, no HTTP, no Temporal, so that the
//! function that serves `/webhooks/{provider}` and the command that sends test notifications share it. Nothing of a
//! secret, a card or a customer leaves it: not in an event, not in an error, not in a `Debug`.
//!
//! Start reading at `schemes.rs`, the table of how each provider signs; `verify.rs` applies it, `events.rs` and one
//! file for each provider say what their events mean. The decisions are in docs/webhooks.md.

mod adyen;
mod checkout;
mod events;
mod gocardless;
mod json;
mod mac;
mod mollie;
mod sample;
mod schemes;
mod secrets;
mod shopify;
mod sign;
mod square;
mod standard;
mod stripe;
mod verify;

pub use events::{Environment, events};
pub use sample::{Facts, SampleError, SampleKind, has_sample, sample};
pub use secrets::{SQUARE_URL, SecretError, Secrets, made_up, secrets_setting, secrets_variable};
pub use sign::{Message, SignError, Signing, sign};
pub use verify::{LARGEST_BATCH, Rejection, Request, TOLERANCE, Verified, verify};

// By the name that others have for it: the fuzz targets are compiled into the tests.
#[cfg(test)]
extern crate self as payment_webhooks;

#[cfg(test)]
mod tests;
