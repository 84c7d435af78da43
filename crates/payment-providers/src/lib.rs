//! Payment providers: the interface, and the adapters of Stripe and Adyen.
//!
//! An adapter never retries a call by itself. It returns [`OutcomeUnknown`], and the caller repeats
//! the call with the same idempotency key.

mod provider;
mod providers;

pub use provider::{
    Capture, CaptureRequest, Charge, ChargeRequest, FoundPayment, OutcomeUnknown, Past,
    PaymentProvider, ProviderCall, Refund, RefundRequest,
};
pub use providers::{EXTERNAL, Providers};
