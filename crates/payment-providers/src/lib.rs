//! Payment providers: the interface, and the adapters of Stripe and Adyen.
//!
//! An adapter never retries a call by itself. It returns [`OutcomeUnknown`], and the caller repeats
//! the call with the same idempotency key.

mod adyen;
mod http;
mod provider;
mod providers;
mod settings;
mod stripe;
#[cfg(test)]
mod tests;

pub use adyen::Adyen;
pub use domain::EXTERNAL;
pub use provider::{
    Capture, CaptureRequest, Charge, ChargeRequest, FoundPayment, OutcomeUnknown, Past,
    PaymentProvider, ProviderCall, Refund, RefundRequest,
};
pub use providers::Providers;
pub use settings::{AdyenSettings, ChargingSettings, ProviderSettings, StripeSettings};
pub use stripe::Stripe;
