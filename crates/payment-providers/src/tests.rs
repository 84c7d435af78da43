//! The adapters against local servers, and the registry.

mod adyen;
mod fake_stripe;
mod providers;
mod server;
mod stripe;
